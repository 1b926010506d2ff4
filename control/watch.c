// SPDX-License-Identifier: GPL-2.0
/*
 * What a service says without being asked: that its receiver refuses what it
 * sends, that it takes it again, that datagrams or connections go round in a loop
 * or are lost.
 *
 * The data path leaves a mark and starts a work, and does so only when
 * something goes wrong. The work looks at the counters, decides, and tells; it
 * ends when there is nothing more to expect.
 */
#include <linux/jiffies.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "ksocket.h"

/* No service says two things within a second. */
#define KSOCKET_WATCH_PAUSE	HZ

/* How often it looks whether a receiver is back. */
#define KSOCKET_WATCH_POLL	(HZ / 8)

/*
 * For so long a receiver must not refuse what it is sent, to be back. On this
 * host it refuses at once; other hosts send one ICMP error per second, when there
 * is much to refuse (net.ipv4.icmp_ratelimit).
 */
#define KSOCKET_WATCH_BACK_LOCAL	(HZ / 2)
#define KSOCKET_WATCH_BACK		(HZ + HZ / 4)

/* Losses go on for long, and so do scans: not every second the same news. */
#define KSOCKET_WATCH_LOSSES	(10 * HZ)
#define KSOCKET_WATCH_LOOP	(60 * HZ)

static struct workqueue_struct *ksocket_watch_wq;

static void ksocket_watch_start(struct ksocket_watch *watch, unsigned long delay)
{
	mod_delayed_work(ksocket_watch_wq, &watch->work, delay);
}

/* A second, so that the first alarm does not tell of a single one. */
static void ksocket_watch_loss(struct ksocket_service *svc)
{
	struct ksocket_watch *watch = &svc->watch;

	if (!READ_ONCE(watch->armed)) {
		WRITE_ONCE(watch->armed, true);
		queue_delayed_work(ksocket_watch_wq, &watch->work, HZ);
	}
}

/**
 * ksocket_watch_drop() - a datagram was not answered
 * @svc: the service
 * @reason: why
 * @err: negative errno of a failed send, or 0
 *
 * Context: any; the service is running.
 */
void ksocket_watch_drop(struct ksocket_service *svc, enum ksocket_drop reason,
			int err)
{
	if (reason == KSOCKET_DROP_SEND_UNREACHABLE &&
	    ksocket_has_receiver(&svc->cfg)) {
		ksocket_watch_refused(svc, -err);
		return;
	}

	ksocket_watch_loss(svc);
}

/*
 * The ends of connections that are losses: it could not serve somebody. What its
 * receiver does has events of its own, and what clients do is theirs.
 */
static bool ksocket_watch_is_loss(enum ksocket_close reason)
{
	return reason == KSOCKET_CLOSE_LIMIT || reason == KSOCKET_CLOSE_LOOP ||
	       reason == KSOCKET_CLOSE_NOMEM;
}

/**
 * ksocket_watch_close() - a connection has ended
 * @svc: the service
 * @reason: why
 * @err: the negative errno that says so, or 0
 *
 * Context: process context; the service is running.
 */
void ksocket_watch_close(struct ksocket_service *svc, enum ksocket_close reason,
			 int err)
{
	if (reason >= KSOCKET_CLOSE_UPSTREAM_REFUSED &&
	    reason <= KSOCKET_CLOSE_UPSTREAM_TIMEOUT)
		ksocket_watch_refused(svc, -err);
	else if (ksocket_watch_is_loss(reason))
		ksocket_watch_loss(svc);
}

/**
 * ksocket_watch_refused() - the receiver could not be reached
 * @svc: the service
 * @err: the errno that says so, positive
 *
 * Context: any; the service is running.
 */
void ksocket_watch_refused(struct ksocket_service *svc, int err)
{
	struct ksocket_watch *watch = &svc->watch;

	/* This host has no source port left, and of the receiver nothing is known. */
	if (err == EADDRNOTAVAIL)
		return;
	if (READ_ONCE(watch->taken))
		WRITE_ONCE(watch->taken, false);
	/* Once in a look: under a flood of errors these are two loads. */
	if (READ_ONCE(watch->refused))
		return;

	WRITE_ONCE(watch->error, err);
	/* @error comes first, whoever sees the flag sees it. */
	smp_store_release(&watch->refused, true);
	if (!READ_ONCE(watch->unreachable))
		ksocket_watch_start(watch, 0);
}

/**
 * ksocket_watch_retry() - a receiver that has refused is tried again
 * @svc: the service
 *
 * Context: any; the service is running.
 */
void ksocket_watch_retry(struct ksocket_service *svc)
{
	struct ksocket_watch *watch = &svc->watch;

	if (!READ_ONCE(watch->unreachable) || READ_ONCE(watch->retried))
		return;

	WRITE_ONCE(watch->retried, true);
	ksocket_watch_start(watch, KSOCKET_WATCH_POLL);
}

/**
 * ksocket_watch_taken() - the receiver has taken a connection
 * @svc: the service
 *
 * What counts is whether it was after the last refusal. The work cannot tell
 * from counters, for when it looks both may have happened.
 *
 * Context: any; the service is running.
 */
void ksocket_watch_taken(struct ksocket_service *svc)
{
	struct ksocket_watch *watch = &svc->watch;

	if (!READ_ONCE(watch->taken))
		WRITE_ONCE(watch->taken, true);
}

/**
 * ksocket_watch_unreachable() - does the receiver refuse, as far as is known?
 * @svc: the service
 *
 * Return: true if so.
 */
bool ksocket_watch_unreachable(const struct ksocket_service *svc)
{
	return READ_ONCE(svc->watch.unreachable) ||
	       READ_ONCE(svc->watch.refused);
}

/* In 64 bits, because there may be months between two events. */
static bool ksocket_watch_is_due(u64 last, unsigned long pause)
{
	return time_after_eq64(get_jiffies_64(), last + pause);
}

/* Has anything gone to the receiver since it has last refused? */
static bool ksocket_watch_is_sent(const struct ksocket_service *svc,
				  const struct ksocket_totals *sum)
{
	const struct ksocket_watch *watch = &svc->watch;

	return READ_ONCE(watch->taken) || sum->tx_packets != watch->sent;
}

/* It has been sent something, and long enough it has not refused it. */
static bool ksocket_watch_is_back(struct ksocket_service *svc,
				  const struct ksocket_totals *sum)
{
	struct ksocket_watch *watch = &svc->watch;
	unsigned long quiet = KSOCKET_WATCH_BACK;

	if (!ksocket_watch_is_sent(svc, sum))
		return false;

	if (!watch->trying) {
		watch->trying = true;
		watch->tried_at = get_jiffies_64();
		return false;
	}

	if (svc->workers[0].reply_local)
		quiet = KSOCKET_WATCH_BACK_LOCAL;
	return ksocket_watch_is_due(watch->tried_at, quiet);
}

static void ksocket_watch_receiver(struct ksocket_service *svc,
				   const struct ksocket_totals *sum, bool refused)
{
	struct ksocket_watch *watch = &svc->watch;

	if (refused) {
		watch->trying = false;
		watch->sent = sum->tx_packets;
		WRITE_ONCE(watch->unreachable, true);
	} else if (watch->unreachable && ksocket_watch_is_back(svc, sum)) {
		/* Or the work would look for ever. */
		watch->trying = false;
		WRITE_ONCE(watch->unreachable, false);
	}
}

/* What has been lost since it was last told. Return: something has. */
static bool ksocket_watch_lost(const struct ksocket_watch *watch,
			       const struct ksocket_totals *sum,
			       struct ksocket_losses *lost)
{
	bool any = false;
	int i;

	for (i = 0; i < KSOCKET_DROP_MAX; i++) {
		lost->drops[i] = sum->drops[i] - watch->lost.drops[i];
		any = any || lost->drops[i];
	}
	for (i = 0; i < KSOCKET_CLOSE_MAX; i++) {
		lost->closes[i] = ksocket_watch_is_loss(i) ?
				  sum->closes[i] - watch->lost.closes[i] : 0;
		any = any || lost->closes[i];
	}
	return any;
}

static void ksocket_watch_tell_losses(struct ksocket_service *svc,
				      const struct ksocket_totals *sum,
				      const struct ksocket_losses *lost)
{
	struct ksocket_watch *watch = &svc->watch;

	memcpy(watch->lost.drops, sum->drops, sizeof(sum->drops));
	memcpy(watch->lost.closes, sum->closes, sizeof(sum->closes));
	watch->lost_at = get_jiffies_64();
	ksocket_nl_dropped(svc, lost);
}

/* The most important of what there is to say. Return: it has been said. */
static bool ksocket_watch_tell(struct ksocket_service *svc,
			       const struct ksocket_totals *sum)
{
	struct ksocket_watch *watch = &svc->watch;
	/* One of them is 0: what comes are datagrams or connections. */
	u64 loops = sum->drops[KSOCKET_DROP_LOOP] +
		    sum->closes[KSOCKET_CLOSE_LOOP];
	struct ksocket_losses lost;

	if (watch->told_unreachable != watch->unreachable) {
		watch->told_unreachable = watch->unreachable;
		ksocket_nl_receiver(svc, watch->unreachable,
				    READ_ONCE(watch->error));
		return true;
	}

	if (watch->loops != loops &&
	    ksocket_watch_is_due(watch->loop_at, KSOCKET_WATCH_LOOP)) {
		ksocket_nl_loop(svc, loops - watch->loops);
		watch->loops = loops;
		watch->loop_at = get_jiffies_64();
		return true;
	}

	if (ksocket_watch_lost(watch, sum, &lost) &&
	    ksocket_watch_is_due(watch->lost_at, KSOCKET_WATCH_LOSSES)) {
		ksocket_watch_tell_losses(svc, sum, &lost);
		return true;
	}

	return false;
}

/* Return: when to look again, or 0 if nothing is to be expected. */
static unsigned long ksocket_watch_next(const struct ksocket_watch *watch,
					const struct ksocket_totals *sum, bool refused)
{
	struct ksocket_losses lost;

	/* As long as somebody sends, the receiver may be back at any time. */
	if (watch->told_unreachable != watch->unreachable || watch->trying ||
	    refused)
		return KSOCKET_WATCH_POLL;
	if (watch->unreachable || ksocket_watch_lost(watch, sum, &lost))
		return HZ;

	return 0;
}

static void ksocket_watch_work(struct work_struct *work)
{
	struct ksocket_service *svc = container_of(to_delayed_work(work),
						   struct ksocket_service,
						   watch.work);
	struct ksocket_watch *watch = &svc->watch;
	struct ksocket_totals sum;
	unsigned long next;
	bool refused;

	/* Whatever goes wrong from now on starts the work again. */
	WRITE_ONCE(watch->armed, false);
	WRITE_ONCE(watch->retried, false);
	/* pairs with the release in ksocket_watch_refused() */
	refused = smp_load_acquire(&watch->refused);
	WRITE_ONCE(watch->refused, false);
	/* The counters are read after that, or what comes between is lost. */
	smp_mb();
	ksocket_totals_read_ever(svc, &sum);

	ksocket_watch_receiver(svc, &sum, refused);
	if (ksocket_watch_is_due(watch->told_at, KSOCKET_WATCH_PAUSE) &&
	    ksocket_watch_tell(svc, &sum))
		watch->told_at = get_jiffies_64();

	next = ksocket_watch_next(watch, &sum, refused);
	if (next)
		ksocket_watch_start(watch, next);
}

/**
 * ksocket_watch_init() - nothing has been told yet
 * @svc: the service
 */
void ksocket_watch_init(struct ksocket_service *svc)
{
	struct ksocket_watch *watch = &svc->watch;
	u64 now = get_jiffies_64();

	INIT_DELAYED_WORK(&watch->work, ksocket_watch_work);
	watch->told_at = now - KSOCKET_WATCH_PAUSE;
	watch->loop_at = now - KSOCKET_WATCH_LOOP;
	watch->lost_at = now - KSOCKET_WATCH_LOSSES;
}

/**
 * ksocket_watch_stop() - say no more
 * @svc: the service; nobody else is at work with it any more
 *
 * Context: process context, may sleep.
 */
void ksocket_watch_stop(struct ksocket_service *svc)
{
	cancel_delayed_work_sync(&svc->watch.work);
}

/**
 * ksocket_watch_queue() - have something done that tells of it
 * @work: the work; ksocket_watch_flush() waits for it too, once it is due
 * @delay: in jiffies
 *
 * Context: any.
 */
void ksocket_watch_queue(struct delayed_work *work, unsigned long delay)
{
	mod_delayed_work(ksocket_watch_wq, work, delay);
}

/**
 * ksocket_watch_flush() - wait for those that are telling
 *
 * Context: process context, may sleep.
 */
void ksocket_watch_flush(void)
{
	flush_workqueue(ksocket_watch_wq);
}

/**
 * ksocket_watch_create() - before the first service starts
 *
 * Return: 0 or -ENOMEM.
 */
int __init ksocket_watch_create(void)
{
	ksocket_watch_wq = alloc_workqueue("ksocket", WQ_UNBOUND, 0);
	return ksocket_watch_wq ? 0 : -ENOMEM;
}

/**
 * ksocket_watch_destroy() - after the last one has stopped
 */
void ksocket_watch_destroy(void)
{
	destroy_workqueue(ksocket_watch_wq);
}
