// SPDX-License-Identifier: GPL-2.0
/*
 * Mode beacon-sink: the other end of a beacon. Nothing is answered; what each
 * sender has lost, sent twice or overtaken on the way is counted.
 *
 * In the terms of RFC 4737 a beacon is reordered when a higher sequence number
 * has come before it: "late" here. What is skipped is lost until it comes late,
 * so lost - late is what is missing at the moment. A second one of the same
 * number is a duplicate (RFC 5560). Beacons are remembered as far back as the
 * window reaches: what is older cannot be told from a sender that has started
 * again, and is taken for that.
 */
#include <linux/bits.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "ksocket.h"

#define KSOCKET_SINK_SENDERS	64
#define KSOCKET_SINK_WINDOW	64

/* The sequence number is within so many bytes, and ends there. */
#define KSOCKET_SINK_LOOK	256

/**
 * struct ksocket_sink_sender - one who sends beacons
 * @addr: its address and port
 * @used: turn in which it was last heard of, or 0 when this is nobody
 * @first: lowest sequence number that counts as sent
 * @top: highest one that has come
 * @window: those that have come, bit n for @top - n
 */
struct ksocket_sink_sender {
	union ksocket_addr addr;
	u64 used;
	u64 first;
	u64 top;
	u64 window;
};

/**
 * struct ksocket_sink - what a worker knows of its senders
 * @turn: datagrams looked at
 * @senders: those last heard of
 */
struct ksocket_sink {
	u64 turn;
	struct ksocket_sink_sender senders[KSOCKET_SINK_SENDERS];
};

static void ksocket_sink_begin(struct ksocket_sink_sender *sender, u64 seq)
{
	sender->first = seq;
	sender->top = seq;
	sender->window = 1;
}

/* The next one, or one after that. */
static void ksocket_sink_ahead(struct ksocket_worker *worker,
			       struct ksocket_sink_sender *sender, u64 seq)
{
	u64 ahead = seq - sender->top;

	ksocket_count_beacons(worker, KSOCKET_BEACON_RECEIVED, 1);
	/* Nobody loses so many: it is another series. */
	if (ahead > U32_MAX) {
		ksocket_count_beacons(worker, KSOCKET_BEACON_RESTARTED, 1);
		ksocket_sink_begin(sender, seq);
		return;
	}

	if (ahead > 1)
		ksocket_count_beacons(worker, KSOCKET_BEACON_LOST, ahead - 1);
	sender->top = seq;
	sender->window = ahead < KSOCKET_SINK_WINDOW ?
			 sender->window << ahead | 1 : 1;
}

/* One that a higher one has come before. */
static void ksocket_sink_behind(struct ksocket_worker *worker,
				struct ksocket_sink_sender *sender, u64 seq)
{
	u64 behind = sender->top - seq;

	if (behind >= KSOCKET_SINK_WINDOW) {
		ksocket_count_beacons(worker, KSOCKET_BEACON_RECEIVED, 1);
		ksocket_count_beacons(worker, KSOCKET_BEACON_RESTARTED, 1);
		ksocket_sink_begin(sender, seq);
		return;
	}
	if (sender->window & BIT_ULL(behind)) {
		ksocket_count_beacons(worker, KSOCKET_BEACON_DUPLICATE, 1);
		return;
	}

	/* From before the first one that came: what is between is lost, so far. */
	if (seq < sender->first) {
		ksocket_count_beacons(worker, KSOCKET_BEACON_LOST,
				      sender->first - seq);
		sender->first = seq;
	}
	ksocket_count_beacons(worker, KSOCKET_BEACON_LATE, 1);
	sender->window |= BIT_ULL(behind);
}

/* Return: the sender, known or not; who has been silent longest makes room. */
static struct ksocket_sink_sender *
ksocket_sink_find(struct ksocket_sink *sink, const union ksocket_addr *addr)
{
	struct ksocket_sink_sender *oldest = sink->senders;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sink->senders); i++) {
		struct ksocket_sink_sender *sender = &sink->senders[i];

		if (sender->used && ksocket_addr_same(&sender->addr, addr))
			return sender;
		if (sender->used < oldest->used)
			oldest = sender;
	}

	return oldest;
}

static void ksocket_sink_account(struct ksocket_worker *worker,
				 const union ksocket_addr *from, u64 seq)
{
	struct ksocket_sink *sink = worker->state;
	struct ksocket_sink_sender *sender = ksocket_sink_find(sink, from);
	bool known = sender->used && ksocket_addr_same(&sender->addr, from);

	if (!known) {
		if (sender->used)
			ksocket_count_beacons(worker, KSOCKET_BEACON_EVICTED, 1);
		ksocket_count_beacons(worker, KSOCKET_BEACON_RECEIVED, 1);
		sender->addr = *from;
		ksocket_sink_begin(sender, seq);
	} else if (seq > sender->top) {
		ksocket_sink_ahead(worker, sender, seq);
	} else {
		ksocket_sink_behind(worker, sender, seq);
	}
	sender->used = ++sink->turn;
}

/* The number behind "seq=", which may be anywhere. Return: true if there is one. */
static bool ksocket_sink_parse(const char *data, size_t len, bool whole,
			       u64 *seq)
{
	const char *at = strnstr(data, "seq=", len), *end = data + len;
	const char *digits;

	if (!at)
		return false;

	*seq = 0;
	for (digits = at + 4, at = digits; at < end && isdigit(*at); at++)
		if (check_mul_overflow(*seq, 10ULL, seq) ||
		    check_add_overflow(*seq, (u64)(*at - '0'), seq))
			return false;

	/* Cut off it would be another number. */
	return at > digits && (at < end || whole);
}

static void ksocket_sink_take(struct ksocket_worker *worker,
			      const struct ksocket_datagram *burst,
			      unsigned int offset)
{
	size_t len = min_t(size_t, burst->seg_size, burst->len - offset);
	struct ksocket_datagram dgram = *burst;
	u64 seq;

	dgram.len = min_t(size_t, len, KSOCKET_SINK_LOOK);
	if (!worker->svc->transport->load(worker, &dgram, offset) &&
	    ksocket_sink_parse(dgram.data, dgram.len, dgram.len == len, &seq))
		ksocket_sink_account(worker, &dgram.from, seq);
	else
		ksocket_count_beacons(worker, KSOCKET_BEACON_MALFORMED, 1);
}

static void ksocket_sink_consume(struct ksocket_worker *worker,
				 const struct ksocket_datagram *burst)
{
	unsigned int offset = 0;

	do {
		ksocket_sink_take(worker, burst, offset);
		offset += burst->seg_size;
	} while (offset < burst->len);
}

const struct ksocket_mode ksocket_beacon_sink = {
	.name = "beacon-sink",
	.id = KSOCKET_MODE_BEACON_SINK,
	.verdict = KSOCKET_DISCARD,
	.state_size = sizeof(struct ksocket_sink),
	.consume = ksocket_sink_consume,
};
