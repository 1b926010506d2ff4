// SPDX-License-Identifier: GPL-2.0
/*
 * The modes that leave the payload as it came.
 */
#include "ksocket.h"

static enum ksocket_verdict
ksocket_relay_respond(const struct ksocket_config *cfg,
		      struct ksocket_datagram *dgram)
{
	return KSOCKET_TO_RECEIVER;
}

const struct ksocket_mode ksocket_relay = {
	.name = "relay",
	.has_receiver = true,
	.respond = ksocket_relay_respond,
};

/* RFC 862 */
static enum ksocket_verdict
ksocket_echo_respond(const struct ksocket_config *cfg,
		     struct ksocket_datagram *dgram)
{
	return KSOCKET_TO_SENDER;
}

const struct ksocket_mode ksocket_echo = {
	.name = "echo",
	.respond = ksocket_echo_respond,
};

/* RFC 863 */
static enum ksocket_verdict
ksocket_discard_respond(const struct ksocket_config *cfg,
			struct ksocket_datagram *dgram)
{
	return KSOCKET_DISCARD;
}

const struct ksocket_mode ksocket_discard = {
	.name = "discard",
	.respond = ksocket_discard_respond,
};
