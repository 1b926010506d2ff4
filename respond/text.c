// SPDX-License-Identifier: GPL-2.0
/*
 * Mode text: whatever comes, a fixed text goes to the receiver.
 *
 * The text may be longer than the request. It goes to the one receiver that
 * the administrator named and never to the sender, so this is no amplifier
 * that a forged source address could aim.
 */
#include "ksocket.h"

static void ksocket_text_compose(const struct ksocket_config *cfg,
				 struct ksocket_datagram *dgram)
{
	dgram->data = cfg->text;
	dgram->len = cfg->text_len;
}

const struct ksocket_mode ksocket_text = {
	.name = "text",
	.id = KSOCKET_MODE_TEXT,
	.verdict = KSOCKET_TO_RECEIVER,
	.text = "testing...",
	.compose = ksocket_text_compose,
};
