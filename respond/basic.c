// SPDX-License-Identifier: GPL-2.0
/*
 * The modes that leave the payload as it came.
 */
#include "ksocket.h"

const struct ksocket_mode ksocket_relay = {
	.name = "relay",
	.id = KSOCKET_MODE_RELAY,
	.verdict = KSOCKET_TO_RECEIVER,
};

/* RFC 862 */
const struct ksocket_mode ksocket_echo = {
	.name = "echo",
	.id = KSOCKET_MODE_ECHO,
	.verdict = KSOCKET_TO_SENDER,
};

/* RFC 863 */
const struct ksocket_mode ksocket_discard = {
	.name = "discard",
	.id = KSOCKET_MODE_DISCARD,
	.verdict = KSOCKET_DISCARD,
};
