// SPDX-License-Identifier: GPL-2.0
/*
 * Counters: one struct per worker and CPU, written by whoever runs there
 * with softirqs off, added up when somebody reads.
 */
#include <linux/errno.h>
#include <linux/kernel.h>

#include "ksocket.h"

static const char *const ksocket_drop_names[] = {
#define KSOCKET_DROP_NAME(sym, name, doc) [KSOCKET_DROP_##sym] = name,
	KSOCKET_DROP_TABLE(KSOCKET_DROP_NAME)
#undef KSOCKET_DROP_NAME
};

/**
 * ksocket_drop_name() - name of a drop reason
 * @reason: below %KSOCKET_DROP_MAX
 *
 * Return: the name as in Documentation/drop-reasons.rst.
 */
const char *ksocket_drop_name(enum ksocket_drop reason)
{
	BUILD_BUG_ON(ARRAY_SIZE(ksocket_drop_names) != KSOCKET_DROP_MAX);

	return ksocket_drop_names[reason];
}

static const char *const ksocket_close_names[] = {
#define KSOCKET_CLOSE_NAME(sym, name, doc) [KSOCKET_CLOSE_##sym] = name,
	KSOCKET_CLOSE_TABLE(KSOCKET_CLOSE_NAME)
#undef KSOCKET_CLOSE_NAME
};

/**
 * ksocket_close_name() - name of a way that a connection ends
 * @reason: below %KSOCKET_CLOSE_MAX
 *
 * Return: the name as in Documentation/drop-reasons.rst.
 */
const char *ksocket_close_name(enum ksocket_close reason)
{
	BUILD_BUG_ON(ARRAY_SIZE(ksocket_close_names) != KSOCKET_CLOSE_MAX);

	return ksocket_close_names[reason];
}

static const char *const ksocket_beacon_names[] = {
#define KSOCKET_BEACON_NAME(sym, name, doc) [KSOCKET_BEACON_##sym] = name,
	KSOCKET_BEACON_TABLE(KSOCKET_BEACON_NAME)
#undef KSOCKET_BEACON_NAME
};

/**
 * ksocket_beacon_name() - name of something that is counted of beacons
 * @what: below %KSOCKET_BEACON_MAX
 *
 * Return: the name as in Documentation/counters.rst.
 */
const char *ksocket_beacon_name(enum ksocket_beacon_count what)
{
	BUILD_BUG_ON(ARRAY_SIZE(ksocket_beacon_names) != KSOCKET_BEACON_MAX);

	return ksocket_beacon_names[what];
}

/**
 * ksocket_drop_from_errno() - the reason for a failed send
 * @err: negative errno of the send
 *
 * Return: the drop reason it is counted under.
 */
enum ksocket_drop ksocket_drop_from_errno(int err)
{
	switch (err) {
	case -ECONNREFUSED:
		return KSOCKET_DROP_SEND_REFUSED;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ENETDOWN:
	case -EHOSTDOWN:
	case -ENONET:
	case -ENODEV:
		return KSOCKET_DROP_SEND_UNREACHABLE;
	case -EPERM:
	case -EACCES:
		return KSOCKET_DROP_SEND_DENIED;
	case -ENOMEM:
	case -ENOBUFS:
		return KSOCKET_DROP_SEND_NOMEM;
	case -EAGAIN:
		return KSOCKET_DROP_SEND_AGAIN;
	case -EMSGSIZE:
		return KSOCKET_DROP_SEND_TOO_LONG;
	case -ENOTCONN:
		return KSOCKET_DROP_QUEUE_AWAY;
	case -EXFULL:
		return KSOCKET_DROP_QUEUE_SLOW;
	case -EBADMSG:
		return KSOCKET_DROP_FRAMING;
	default:
		return KSOCKET_DROP_SEND_OTHER;
	}
}

/**
 * ksocket_count_discarded() - a datagram was consumed as the mode asks
 * @worker: the worker
 * @dgram: the datagram, or the burst
 *
 * Context: BH disabled.
 */
void ksocket_count_discarded(const struct ksocket_worker *worker,
			     const struct ksocket_datagram *dgram)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_add(&stats->discarded, dgram->segs);
	ksocket_stats_end(stats);
}

/**
 * ksocket_count_drop() - a datagram was not answered
 * @worker: the worker
 * @dgram: the datagram, or the burst
 * @reason: why, below %KSOCKET_DROP_MAX
 *
 * Context: BH disabled.
 */
void ksocket_count_drop(const struct ksocket_worker *worker,
			const struct ksocket_datagram *dgram,
			enum ksocket_drop reason)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_add(&stats->drops[reason], dgram->segs);
	ksocket_stats_end(stats);
}

/**
 * ksocket_count_fallback() - a datagram is copied, though the datapath is another
 * @worker: the worker
 * @dgram: the datagram, or the burst
 *
 * Context: BH disabled.
 */
void ksocket_count_fallback(const struct ksocket_worker *worker,
			    const struct ksocket_datagram *dgram)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_add(&stats->fallbacks, dgram->segs);
	ksocket_stats_end(stats);
}

/**
 * ksocket_count_stale_error() - an earlier answer's ICMP error was consumed
 * @worker: the worker
 *
 * Context: BH disabled.
 */
void ksocket_count_stale_error(const struct ksocket_worker *worker)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_inc(&stats->stale_errors);
	ksocket_stats_end(stats);
}

/**
 * ksocket_count_recv_error() - a receive failed and took no datagram
 * @worker: the worker
 *
 * Context: BH disabled.
 */
void ksocket_count_recv_error(const struct ksocket_worker *worker)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_inc(&stats->recv_errors);
	ksocket_stats_end(stats);
}

/**
 * ksocket_count_beacons() - count what there is to say of beacons
 * @worker: the worker
 * @what: of what, below %KSOCKET_BEACON_MAX
 * @n: how many more
 *
 * Context: BH disabled.
 */
void ksocket_count_beacons(const struct ksocket_worker *worker,
			   enum ksocket_beacon_count what, u64 n)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_add(&stats->beacons[what], n);
	ksocket_stats_end(stats);
}

/* What is counted by a thread, once in a while. */
static void ksocket_count_at(const struct ksocket_worker *worker, size_t offset)
{
	struct ksocket_stats *stats;

	local_bh_disable();
	stats = ksocket_stats_begin(worker);
	u64_stats_inc((u64_stats_t *)((char *)stats + offset));
	ksocket_stats_end(stats);
	local_bh_enable();
}

/**
 * ksocket_count_wakeup() - a worker slept and was woken
 * @worker: the worker
 */
void ksocket_count_wakeup(const struct ksocket_worker *worker)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, wakeups));
}

/**
 * ksocket_count_user_send() - a payload of user space was sent
 * @worker: the worker
 */
void ksocket_count_user_send(const struct ksocket_worker *worker)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, user_sends));
}

/**
 * ksocket_count_bytes() - bytes were moved from one connection to another
 * @worker: the worker
 * @rx: so many were taken
 * @tx: so many were sent
 */
void ksocket_count_bytes(const struct ksocket_worker *worker, u64 rx, u64 tx)
{
	struct ksocket_stats *stats;

	local_bh_disable();
	stats = ksocket_stats_begin(worker);
	u64_stats_add(&stats->rx_bytes, rx);
	u64_stats_add(&stats->tx_bytes, tx);
	ksocket_stats_end(stats);
	local_bh_enable();
}

/**
 * ksocket_count_accepted() - a connection was taken from the backlog
 * @worker: the worker
 */
void ksocket_count_accepted(const struct ksocket_worker *worker)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, accepted));
}

/**
 * ksocket_count_connected() - a connection to the receiver came up
 * @worker: the worker
 */
void ksocket_count_connected(const struct ksocket_worker *worker)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, connected));
}

/**
 * ksocket_count_close() - a connection has ended
 * @worker: the worker
 * @reason: why, below %KSOCKET_CLOSE_MAX
 */
void ksocket_count_close(const struct ksocket_worker *worker,
			 enum ksocket_close reason)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, closes[reason]));
}

/**
 * ksocket_count_connect_failed() - there is no connection for datagrams
 * @worker: the worker
 */
void ksocket_count_connect_failed(const struct ksocket_worker *worker)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, connect_failed));
}

/**
 * ksocket_count_disconnected() - a connection for datagrams has broken
 * @worker: the worker
 */
void ksocket_count_disconnected(const struct ksocket_worker *worker)
{
	ksocket_count_at(worker, offsetof(struct ksocket_stats, disconnected));
}

static void ksocket_totals_add(struct ksocket_totals *sum,
			       const struct ksocket_stats *stats)
{
	struct ksocket_totals cpu;
	unsigned int start;
	int i;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		cpu.rx_packets = u64_stats_read(&stats->rx_packets);
		cpu.rx_bytes = u64_stats_read(&stats->rx_bytes);
		cpu.tx_packets = u64_stats_read(&stats->tx_packets);
		cpu.tx_bytes = u64_stats_read(&stats->tx_bytes);
		cpu.discarded = u64_stats_read(&stats->discarded);
		for (i = 0; i < KSOCKET_DROP_MAX; i++)
			cpu.drops[i] = u64_stats_read(&stats->drops[i]);
		cpu.stale_errors = u64_stats_read(&stats->stale_errors);
		cpu.recv_errors = u64_stats_read(&stats->recv_errors);
		cpu.wakeups = u64_stats_read(&stats->wakeups);
		cpu.fallbacks = u64_stats_read(&stats->fallbacks);
		cpu.user_sends = u64_stats_read(&stats->user_sends);
		cpu.accepted = u64_stats_read(&stats->accepted);
		cpu.connected = u64_stats_read(&stats->connected);
		for (i = 0; i < KSOCKET_CLOSE_MAX; i++)
			cpu.closes[i] = u64_stats_read(&stats->closes[i]);
		cpu.connect_failed = u64_stats_read(&stats->connect_failed);
		cpu.disconnected = u64_stats_read(&stats->disconnected);
		for (i = 0; i < KSOCKET_BEACON_MAX; i++)
			cpu.beacons[i] = u64_stats_read(&stats->beacons[i]);
	} while (u64_stats_fetch_retry(&stats->syncp, start));

	sum->rx_packets += cpu.rx_packets;
	sum->rx_bytes += cpu.rx_bytes;
	sum->tx_packets += cpu.tx_packets;
	sum->tx_bytes += cpu.tx_bytes;
	sum->discarded += cpu.discarded;
	for (i = 0; i < KSOCKET_DROP_MAX; i++)
		sum->drops[i] += cpu.drops[i];
	sum->stale_errors += cpu.stale_errors;
	sum->recv_errors += cpu.recv_errors;
	sum->wakeups += cpu.wakeups;
	sum->fallbacks += cpu.fallbacks;
	sum->user_sends += cpu.user_sends;
	sum->accepted += cpu.accepted;
	sum->connected += cpu.connected;
	for (i = 0; i < KSOCKET_CLOSE_MAX; i++)
		sum->closes[i] += cpu.closes[i];
	sum->connect_failed += cpu.connect_failed;
	sum->disconnected += cpu.disconnected;
	for (i = 0; i < KSOCKET_BEACON_MAX; i++)
		sum->beacons[i] += cpu.beacons[i];
}

/* Both are nothing but counters, so that none can be left out. */
static void ksocket_totals_subtract(struct ksocket_totals *sum,
				    const struct ksocket_totals *base)
{
	const u64 *less = (const u64 *)base;
	u64 *count = (u64 *)sum;
	int i;

	for (i = 0; i < sizeof(*sum) / sizeof(*count); i++)
		count[i] -= less[i];
}

static void ksocket_totals_add_worker(struct ksocket_totals *sum,
				      const struct ksocket_worker *worker)
{
	int cpu;

	/* A CPU that went offline has counted too. */
	for_each_possible_cpu(cpu)
		ksocket_totals_add(sum, per_cpu_ptr(worker->stats, cpu));
}

/* The stack's counters have 32 bits, and may have begun anew since the last reset. */
static u64 ksocket_totals_turned(u64 now, u64 base)
{
	return now < base ? now + (1ULL << 32) : now;
}

/**
 * ksocket_totals_read_worker() - add up the counters of a worker
 * @worker: the worker; the caller keeps it from going away
 * @sum: what to add them to
 */
void ksocket_totals_read_worker(const struct ksocket_worker *worker,
				struct ksocket_totals *sum)
{
	const struct ksocket_transport *transport = worker->svc->transport;

	ksocket_totals_add_worker(sum, worker);
	if (transport->rx_overflow)
		sum->rx_overflow +=
			ksocket_totals_turned(transport->rx_overflow(worker),
					      worker->base.rx_overflow);
	if (transport->reply_ignored)
		sum->reply_ignored +=
			ksocket_totals_turned(transport->reply_ignored(worker),
					      worker->base.reply_ignored);
	ksocket_totals_subtract(sum, &worker->base);
}

/**
 * ksocket_totals_read() - the counters of a service, all workers added up
 * @svc: the service; the caller keeps it from going away
 * @sum: where to
 */
void ksocket_totals_read(const struct ksocket_service *svc,
			 struct ksocket_totals *sum)
{
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < svc->cfg.threads; i++)
		ksocket_totals_read_worker(&svc->workers[i], sum);
}

/**
 * ksocket_totals_read_ever() - likewise, since the start of the service
 * @svc: the service
 * @sum: where to; what the stack counts is 0
 *
 * Context: any; takes no lock, whatever ksocket_stats_reset() does meanwhile.
 */
void ksocket_totals_read_ever(const struct ksocket_service *svc,
			      struct ksocket_totals *sum)
{
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < svc->cfg.threads; i++)
		ksocket_totals_add_worker(sum, &svc->workers[i]);
}

/**
 * ksocket_queued_read() - what waits for the receiver of a service
 * @svc: the service; the caller keeps it from going away
 * @sum: where to
 */
void ksocket_queued_read(const struct ksocket_service *svc,
			 struct ksocket_queued *sum)
{
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	if (!svc->transport->queued)
		return;
	for (i = 0; i < svc->cfg.threads; i++)
		svc->transport->queued(&svc->workers[i], sum);
}

/**
 * ksocket_stats_reset() - count from 0 again
 * @svc: the service
 *
 * The counters go on, for they have one writer; what they are now is taken off
 * when they are read.
 *
 * Context: the namespace's lock is held, as by those who read.
 */
void ksocket_stats_reset(struct ksocket_service *svc)
{
	unsigned int i;

	lockdep_assert_held(&svc->kn->lock);

	for (i = 0; i < svc->cfg.threads; i++) {
		struct ksocket_worker *worker = &svc->workers[i];
		struct ksocket_totals sum = {};

		memset(&worker->base, 0, sizeof(worker->base));
		ksocket_totals_read_worker(worker, &sum);
		worker->base = sum;
	}
}
