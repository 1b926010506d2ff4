// SPDX-License-Identifier: GPL-2.0
/*
 * The clock of mode beacon. Nobody asks, so there is the socket to the receiver,
 * or the queue before a connection to it, and nothing else, and the thread sends
 * when it is time.
 *
 * The times are start + n * interval on CLOCK_MONOTONIC, whenever the thread came
 * to send the ones before, so lateness does not add up. The clock stands still
 * while the machine is suspended: no burst follows.
 */
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched.h>

#include "sock.h"
#include "udp.h"
#include "uplink.h"

static u64 ksocket_beacon_interval(const struct ksocket_worker *worker)
{
	return (u64)worker->svc->cfg.interval * NSEC_PER_MSEC;
}

/* Skip those that should have been sent since the one that is due. */
static void ksocket_beacon_skip(struct ksocket_worker *worker, u64 late)
{
	u64 interval = ksocket_beacon_interval(worker);
	u64 missed = div64_u64(late, interval);

	if (!missed)
		return;

	worker->due = ktime_add_ns(worker->due, missed * interval);
	local_bh_disable();
	ksocket_count_beacons(worker, KSOCKET_BEACON_MISSED, missed);
	local_bh_enable();
}

/* Return: it was sent, or queued. */
static bool ksocket_beacon_make(struct ksocket_worker *worker,
				int (*send)(struct ksocket_worker *worker,
					    const struct ksocket_datagram *dgram))
{
	const struct ksocket_service *svc = worker->svc;
	struct ksocket_datagram dgram = {
		.to = svc->cfg.reply,
		.segs = 1,
		.data = worker->buffer,
	};
	int err = -EMSGSIZE;

	/* ksocket_service_send() may connect the socket again. */
	spin_lock_bh(&worker->lock);
	dgram.from = worker->reply_addr;
	spin_unlock_bh(&worker->lock);
	dgram.len = ksocket_beacon_compose(&svc->cfg, worker->seq,
					   worker->buffer,
					   svc->cfg.buffer_size);
	if (dgram.len <= svc->cfg.buffer_size)
		err = send(worker, &dgram);

	local_bh_disable();
	ksocket_count_rx(worker, &dgram);
	ksocket_datagram_sent(worker, &dgram, err);
	local_bh_enable();

	if (err && err != -EINPROGRESS)
		return false;
	worker->seq++;
	return true;
}

/* Return: one was due, and was sent or queued. */
static bool ksocket_beacon_tick(struct ksocket_worker *worker,
				int (*send)(struct ksocket_worker *worker,
					    const struct ksocket_datagram *dgram))
{
	ktime_t now = ktime_get();
	bool sent;

	if (ktime_before(now, worker->due))
		return false;

	ksocket_beacon_skip(worker, ktime_to_ns(ktime_sub(now, worker->due)));
	sent = ksocket_beacon_make(worker, send);
	worker->due = ktime_add_ns(worker->due,
				   ksocket_beacon_interval(worker));
	return sent;
}

static bool ksocket_beacon_serve(struct ksocket_worker *worker)
{
	if (ksocket_beacon_tick(worker, ksocket_udp_send_receiver))
		ksocket_udp_check_reply(worker);
	return true;
}

/* The caller has said that it sleeps, and looked for what it need not wait for. */
static void ksocket_beacon_sleep(struct ksocket_worker *worker, ktime_t due)
{
	if (kthread_should_stop())
		return;

	schedule_hrtimeout(&due, HRTIMER_MODE_ABS);
	ksocket_count_wakeup(worker);
}

static void ksocket_beacon_wait(struct ksocket_worker *worker)
{
	/* No signal reaches it, and it does not count as load. */
	set_current_state(TASK_IDLE);
	ksocket_beacon_sleep(worker, worker->due);
	__set_current_state(TASK_RUNNING);
}

static void ksocket_beacon_close(struct ksocket_worker *worker)
{
	ksocket_udp_reply_drop(worker);
	sock_release(worker->reply);
	worker->reply = NULL;
}

/* The first one is due at once. */
static void ksocket_beacon_attach(struct ksocket_worker *worker)
{
	worker->due = ktime_get();
	ksocket_udp_attach_reply(worker);
}

static void ksocket_beacon_set_buffers(struct ksocket_worker *worker)
{
	ksocket_sock_set_sndbuf(worker->reply->sk, worker->svc->cfg.sndbuf);
}

const struct ksocket_transport ksocket_beacon_udp = {
	.open = ksocket_udp_open_reply,
	.close = ksocket_beacon_close,
	.attach = ksocket_beacon_attach,
	.detach = ksocket_udp_detach_reply,
	.set_buffers = ksocket_beacon_set_buffers,
	.wait = ksocket_beacon_wait,
	.serve = ksocket_beacon_serve,
	.send = ksocket_udp_send_receiver,
	.reply_ignored = ksocket_udp_reply_ignored,
};

/* The same by TCP */

static bool ksocket_beacon_serve_tcp(struct ksocket_worker *worker)
{
	ksocket_beacon_tick(worker, ksocket_uplink_put);
	return ksocket_uplink_serve(worker);
}

static void ksocket_beacon_wait_tcp(struct ksocket_worker *worker)
{
	ktime_t due = ksocket_uplink_due(worker);

	set_current_state(TASK_IDLE);
	if (!ksocket_uplink_is_ready(worker))
		ksocket_beacon_sleep(worker, ktime_before(due, worker->due) ?
					     due : worker->due);
	__set_current_state(TASK_RUNNING);
}

static void ksocket_beacon_attach_tcp(struct ksocket_worker *worker)
{
	worker->due = ktime_get();
}

const struct ksocket_transport ksocket_beacon_tcp = {
	.open = ksocket_uplink_open,
	.close = ksocket_uplink_close,
	.attach = ksocket_beacon_attach_tcp,
	.detach = ksocket_uplink_detach,
	.wait = ksocket_beacon_wait_tcp,
	.next_conn = ksocket_uplink_next_conn,
	.queued = ksocket_uplink_queued,
	.serve = ksocket_beacon_serve_tcp,
	.send = ksocket_uplink_put,
	.reply_ignored = ksocket_uplink_ignored,
};
