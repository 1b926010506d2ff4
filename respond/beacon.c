// SPDX-License-Identifier: GPL-2.0
/*
 * Mode beacon: what is sent is made of the text, in which words in braces stand
 * for what changes from one beacon to the next. When it is sent, and how, is
 * in transport/beacon.c.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/string.h>

#include "ksocket.h"

enum ksocket_beacon_word {
	KSOCKET_BEACON_WORD_SEQ,
	KSOCKET_BEACON_WORD_WALL,
	KSOCKET_BEACON_WORD_MONO,
	KSOCKET_BEACON_WORD_HOST,
};

static const char *const ksocket_beacon_words[] = {
	[KSOCKET_BEACON_WORD_SEQ] = "{seq}",
	[KSOCKET_BEACON_WORD_WALL] = "{wall}",
	[KSOCKET_BEACON_WORD_MONO] = "{mono}",
	[KSOCKET_BEACON_WORD_HOST] = "{host}",
};

/*
 * Letters, digits, "_" and "-" in braces are a word. Any other brace is itself,
 * as in JSON. Return: length of the word that @text starts with, or 0.
 */
static size_t ksocket_beacon_word_len(const char *text, size_t len)
{
	size_t i;

	if (*text != '{')
		return 0;

	for (i = 1; i < len; i++)
		if (!isascii(text[i]) ||
		    (!isalnum(text[i]) && text[i] != '_' && text[i] != '-'))
			return text[i] == '}' && i > 1 ? i + 1 : 0;

	return 0;
}

/* Return: one of enum ksocket_beacon_word, or -EINVAL. */
static int ksocket_beacon_word_find(const char *word, size_t len)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksocket_beacon_words); i++)
		if (strlen(ksocket_beacon_words[i]) == len &&
		    !memcmp(ksocket_beacon_words[i], word, len))
			return i;

	return -EINVAL;
}

static int ksocket_beacon_check(const struct ksocket_config *cfg,
				struct ksocket_report *rep)
{
	size_t len, i;

	for (i = 0; i < cfg->text_len; i += max_t(size_t, len, 1)) {
		const char *word = cfg->text + i;

		len = ksocket_beacon_word_len(word, cfg->text_len - i);
		if (len && ksocket_beacon_word_find(word, len) < 0)
			return ksocket_report_field(rep, -EINVAL,
						    KSOCKET_FIELD_TEXT,
						    "unknown word in braces, allowed {seq}, {wall}, {mono} and {host}",
						    "text: %.*s: unknown, allowed {seq}, {wall}, {mono} and {host}",
						    (int)min_t(size_t, len, 32),
						    word);
	}

	return 0;
}

/* Nobody locks the name against a change at the same moment; it is one or the other. */
static size_t ksocket_beacon_value(const struct ksocket_config *cfg,
				   enum ksocket_beacon_word word, u64 seq,
				   char value[__NEW_UTS_LEN + 1])
{
	const size_t room = __NEW_UTS_LEN + 1;

	switch (word) {
	case KSOCKET_BEACON_WORD_SEQ:
		return scnprintf(value, room, "%llu", seq);
	case KSOCKET_BEACON_WORD_WALL:
		return scnprintf(value, room, "%llu", ktime_get_real_ns());
	case KSOCKET_BEACON_WORD_MONO:
		return scnprintf(value, room, "%llu", ktime_get_ns());
	default:
		return scnprintf(value, room, "%s", *cfg->host ? cfg->host :
				 init_utsname()->nodename);
	}
}

/**
 * ksocket_beacon_compose() - make a beacon
 * @cfg: the configuration, which was found to be right
 * @seq: the sequence number
 * @to: where to
 * @room: bytes there
 *
 * Return: bytes of the beacon, of which no more than @room are there.
 */
size_t ksocket_beacon_compose(const struct ksocket_config *cfg, u64 seq,
			      char *to, size_t room)
{
	char value[__NEW_UTS_LEN + 1];
	size_t made = 0, len, i;

	for (i = 0; i < cfg->text_len; i += max_t(size_t, len, 1)) {
		const char *text = cfg->text + i, *part = text;
		size_t part_len = 1;

		len = ksocket_beacon_word_len(text, cfg->text_len - i);
		if (len) {
			part_len = ksocket_beacon_value(cfg,
							ksocket_beacon_word_find(text, len),
							seq, value);
			part = value;
		}
		if (made < room)
			memcpy(to + made, part, min(part_len, room - made));
		made += part_len;
	}

	return made;
}

const struct ksocket_mode ksocket_beacon = {
	.name = "beacon",
	.id = KSOCKET_MODE_BEACON,
	.verdict = KSOCKET_TO_RECEIVER,
	.unasked = true,
	.text = "seq={seq} wall={wall} mono={mono} host={host}",
	.check = ksocket_beacon_check,
};
