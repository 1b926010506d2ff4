// SPDX-License-Identifier: GPL-2.0
/*
 * The modes that leave the payload as it came.
 */
#include "ksocket.h"

const struct ksocket_mode ksocket_relay = {
	.name = "relay",
	.verdict = KSOCKET_TO_RECEIVER,
};

/* RFC 862 */
const struct ksocket_mode ksocket_echo = {
	.name = "echo",
	.verdict = KSOCKET_TO_SENDER,
};

/* RFC 863 */
const struct ksocket_mode ksocket_discard = {
	.name = "discard",
	.verdict = KSOCKET_DISCARD,
};
