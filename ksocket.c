// SPDX-License-Identifier: GPL-2.0
/*
 * ksocket: UDP and TCP echo and relay daemon in the kernel
 *
 * A service is a handful of workers. Each has its own bound socket, takes
 * datagrams and answers through a second, connected socket, or to the sender:
 * by its kthread, or at once in the softirq that received them. Connections are
 * transport/tcp.c's own. This file is the daemon: the way of a datagram, the life
 * of a service, the namespaces, the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "ksocket.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Datagrams in a row before others have the CPU. */
#define KSOCKET_BUDGET	64

/* Times that a softirq looks again at what others keep bringing. */
#define KSOCKET_ROUNDS	4

/* When a service stops, a receiver that goes on acknowledging has so long. */
#define KSOCKET_LINGER	(200 * NSEC_PER_MSEC)

unsigned int ksocket_net_id;
static bool ksocket_unloading;

/**
 * ksocket_net() - what ksocket keeps for a namespace
 * @net: the namespace
 *
 * Return: the struct, from before a service can start to after all have
 * stopped.
 */
struct ksocket_net *ksocket_net(const struct net *net)
{
	return net_generic(net, ksocket_net_id);
}

/**
 * ksocket_report() - note why a verb fails
 * @rep: where to
 * @err: negative errno
 * @fmt: printf format of one line without newline
 *
 * Return: @err, so that a caller can return in the same breath.
 */
int ksocket_report(struct ksocket_report *rep, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(rep->text, sizeof(rep->text), fmt, args);
	va_end(args);

	return err;
}

/**
 * ksocket_report_field() - likewise, for every control door
 * @rep: where to
 * @err: negative errno
 * @field: what is at fault
 * @brief: the same in words that do not depend on it; a string constant
 * @fmt: printf format of one line without newline
 *
 * Return: @err.
 */
int ksocket_report_field(struct ksocket_report *rep, int err,
			 enum ksocket_field field, const char *brief,
			 const char *fmt, ...)
{
	va_list args;

	rep->field = field;
	rep->brief = brief;
	va_start(args, fmt);
	vscnprintf(rep->text, sizeof(rep->text), fmt, args);
	va_end(args);

	return err;
}

static const struct ksocket_mode *const ksocket_modes[] = {
	[KSOCKET_MODE_RELAY] = &ksocket_relay,
	[KSOCKET_MODE_ECHO] = &ksocket_echo,
	[KSOCKET_MODE_DISCARD] = &ksocket_discard,
	[KSOCKET_MODE_TEXT] = &ksocket_text,
	[KSOCKET_MODE_BEACON] = &ksocket_beacon,
	[KSOCKET_MODE_BEACON_SINK] = &ksocket_beacon_sink,
};

/**
 * ksocket_mode_get() - the mode of that number
 * @id: one of the enum
 *
 * Return: the mode.
 */
const struct ksocket_mode *ksocket_mode_get(enum ksocket_mode_id id)
{
	return ksocket_modes[id];
}

/**
 * ksocket_mode_find() - look up a mode
 * @name: as users write it
 *
 * Return: the mode, or NULL.
 */
const struct ksocket_mode *ksocket_mode_find(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksocket_modes); i++)
		if (!strcmp(ksocket_modes[i]->name, name))
			return ksocket_modes[i];

	return NULL;
}

static const char *const ksocket_protos[] = {
	[KSOCKET_PROTO_UDP] = "udp",
	[KSOCKET_PROTO_TCP] = "tcp",
};

/**
 * ksocket_proto_find() - look up what requests come by
 * @name: as users write it
 *
 * Return: one of enum ksocket_proto, or -EINVAL.
 */
int ksocket_proto_find(const char *name)
{
	return match_string(ksocket_protos, ARRAY_SIZE(ksocket_protos), name);
}

/**
 * ksocket_proto_name() - name of what something goes by
 * @proto: one of the enum
 *
 * Return: the name as users write it.
 */
const char *ksocket_proto_name(enum ksocket_proto proto)
{
	return ksocket_protos[proto];
}

static const char *const ksocket_framings[] = {
	[KSOCKET_FRAMING_NONE] = "none",
	[KSOCKET_FRAMING_NEWLINE] = "newline",
	[KSOCKET_FRAMING_LENGTH] = "length",
	[KSOCKET_FRAMING_OCTET_COUNTING] = "octet-counting",
};

/**
 * ksocket_framing_name() - name of a framing
 * @framing: one of the enum
 *
 * Return: the name as users write it.
 */
const char *ksocket_framing_name(enum ksocket_framing framing)
{
	return ksocket_framings[framing];
}

/**
 * ksocket_framing_find() - look up a framing
 * @name: as users write it
 *
 * Return: one of enum ksocket_framing, or -EINVAL.
 */
int ksocket_framing_find(const char *name)
{
	return match_string(ksocket_framings, ARRAY_SIZE(ksocket_framings), name);
}

static const char *const ksocket_datapaths[] = {
	[KSOCKET_DATAPATH_COPY] = "copy",
	[KSOCKET_DATAPATH_ZEROCOPY] = "zerocopy",
	[KSOCKET_DATAPATH_SOFTIRQ] = "softirq",
};

/**
 * ksocket_datapath_name() - name of a datapath
 * @datapath: one of the enum
 *
 * Return: the name as users write it.
 */
const char *ksocket_datapath_name(enum ksocket_datapath datapath)
{
	return ksocket_datapaths[datapath];
}

/**
 * ksocket_datapath_find() - look up a datapath
 * @name: as users write it
 *
 * Return: one of enum ksocket_datapath, or -EINVAL.
 */
int ksocket_datapath_find(const char *name)
{
	return match_string(ksocket_datapaths, ARRAY_SIZE(ksocket_datapaths),
			    name);
}

/* The way of a datagram */

static void ksocket_drop(const struct ksocket_worker *worker,
			 const struct ksocket_datagram *dgram,
			 enum ksocket_drop reason, int err)
{
	ksocket_count_drop(worker, dgram, reason);
	trace_ksocket_drop(worker->svc, dgram, reason, err);
	ksocket_watch_drop(worker->svc, reason, err);
}

/**
 * ksocket_worker_stale_error() - an earlier answer's ICMP error was consumed
 * @worker: the worker
 *
 * Context: BH disabled.
 */
void ksocket_worker_stale_error(struct ksocket_worker *worker)
{
	ksocket_count_stale_error(worker);
	ksocket_watch_retry(worker->svc);
}

/**
 * ksocket_datagram_sent() - an answer has been handed to the stack, or not
 * @worker: the worker
 * @dgram: the answer, or the burst
 * @err: 0, -EINPROGRESS when it is queued and will be counted later, or the
 *	negative errno of sending it
 *
 * Context: BH disabled.
 */
void ksocket_datagram_sent(const struct ksocket_worker *worker,
			   const struct ksocket_datagram *dgram, int err)
{
	const struct ksocket_service *svc = worker->svc;

	if (unlikely(err)) {
		if (err != -EINPROGRESS)
			ksocket_drop(worker, dgram,
				     ksocket_drop_from_errno(err), err);
		return;
	}

	ksocket_count_tx(worker, dgram);
	trace_ksocket_tx(svc, ksocket_has_receiver(&svc->cfg) ?
			      &svc->cfg.reply : &dgram->from, dgram);
}

/* Bring the answer into the buffer. */
static int ksocket_datagram_compose(struct ksocket_worker *worker,
				    struct ksocket_datagram *dgram,
				    unsigned int offset)
{
	const struct ksocket_service *svc = worker->svc;
	int err;

	err = svc->transport->load(worker, dgram, offset);
	if (!err && svc->cfg.mode->compose)
		svc->cfg.mode->compose(&svc->cfg, dgram);

	return err;
}

/* Return: -EOPNOTSUPP when it takes the thread, and more time. */
static int ksocket_datagram_answer(struct ksocket_worker *worker,
				   struct ksocket_datagram *dgram)
{
	const struct ksocket_service *svc = worker->svc;
	int err;

	if (svc->cfg.datapath != KSOCKET_DATAPATH_COPY)
		return svc->transport->turn(worker, dgram);
	if (unlikely(dgram->segs > 1))
		return -EOPNOTSUPP;

	err = ksocket_datagram_compose(worker, dgram, 0);
	return err ? err : svc->transport->build(worker, dgram);
}

static void ksocket_datagram_discard(struct ksocket_worker *worker,
				     const struct ksocket_datagram *dgram)
{
	const struct ksocket_mode *mode = worker->svc->cfg.mode;

	if (mode->consume)
		mode->consume(worker, dgram);
	ksocket_count_discarded(worker, dgram);
}

/**
 * ksocket_worker_handle() - one datagram, from its counting in to its way out
 * @worker: the worker; its lock is held, and it needs no thread
 * @dgram: the datagram; its packet is consumed
 *
 * Context: BH disabled, RCU read side.
 */
void ksocket_worker_handle(struct ksocket_worker *worker,
			   struct ksocket_datagram *dgram)
{
	const struct ksocket_service *svc = worker->svc;
	enum ksocket_drop reason;
	int err;

	ksocket_count_rx(worker, dgram);
	trace_ksocket_rx(svc, dgram);

	reason = ksocket_guard_check(worker, dgram);
	if (unlikely(reason != KSOCKET_DROP_NONE)) {
		ksocket_drop(worker, dgram, reason, 0);
	} else if (svc->cfg.mode->verdict == KSOCKET_DISCARD) {
		ksocket_datagram_discard(worker, dgram);
	} else {
		err = ksocket_datagram_answer(worker, dgram);
		if (unlikely(err == -EOPNOTSUPP)) {
			svc->transport->keep(dgram);
			worker->slow = dgram->skb;
			WRITE_ONCE(worker->blocked, true);
			return;
		}
		ksocket_datagram_sent(worker, dgram, err);
	}

	if (dgram->skb)
		consume_skb(dgram->skb);
}

/* The long way, through the buffer and a socket: one datagram of a burst. */
static void ksocket_worker_send_slow(struct ksocket_worker *worker,
				     const struct ksocket_datagram *burst,
				     unsigned int offset)
{
	const struct ksocket_service *svc = worker->svc;
	struct ksocket_datagram dgram = *burst;
	int err;

	dgram.segs = 1;
	dgram.len = min_t(size_t, burst->seg_size, burst->len - offset);
	err = ksocket_datagram_compose(worker, &dgram, offset);
	if (!err)
		err = svc->transport->send(worker, &dgram);

	local_bh_disable();
	if (svc->cfg.datapath != KSOCKET_DATAPATH_COPY)
		ksocket_count_fallback(worker, &dgram);
	ksocket_datagram_sent(worker, &dgram, err);
	local_bh_enable();
}

static void ksocket_worker_drain_slow(struct ksocket_worker *worker)
{
	struct ksocket_datagram burst;
	unsigned int offset = 0;

	worker->svc->transport->describe(worker, worker->slow, &burst);
	do {
		ksocket_worker_send_slow(worker, &burst, offset);
		offset += burst.seg_size;
	} while (offset < burst.len);

	consume_skb(worker->slow);
	worker->slow = NULL;
}

/*
 * What only the thread can do. Nobody takes a datagram meanwhile, so that they
 * stay in their order.
 */
static void ksocket_worker_unblock(struct ksocket_worker *worker)
{
	if (worker->slow)
		ksocket_worker_drain_slow(worker);
	if (worker->mend)
		worker->svc->transport->mend(worker);
	worker->mend = false;

	spin_lock_bh(&worker->lock);
	WRITE_ONCE(worker->blocked, false);
	spin_unlock_bh(&worker->lock);
}

/*
 * Take datagrams and answer them, up to a budget. Return: true when nothing is
 * left to take, false also when the thread has something to do first.
 */
static bool ksocket_worker_drain(struct ksocket_worker *worker)
{
	const struct ksocket_service *svc = worker->svc;
	struct ksocket_datagram *dgram = &worker->dgram;
	int budget, err;

	lockdep_assert_held(&worker->lock);

	for (budget = KSOCKET_BUDGET; budget; budget--) {
		if (worker->blocked)
			return false;
		err = svc->transport->recv(worker, dgram);
		if (err == -EAGAIN)
			return true;
		if (err) {
			ksocket_count_recv_error(worker);
			worker->mend = true;
			WRITE_ONCE(worker->blocked, true);
			return false;
		}
		ksocket_worker_handle(worker, dgram);
	}

	return false;
}

/**
 * ksocket_worker_ready() - datagrams are queued: answer them here and now
 * @worker: the worker
 *
 * Whoever finds another CPU at it leaves the datagrams to that one, which
 * looks once more after it has let go. What is too much for a softirq, and what
 * it cannot do, it leaves to the thread.
 *
 * Context: softirq, or BH disabled; RCU read side.
 */
void ksocket_worker_ready(struct ksocket_worker *worker)
{
	const struct ksocket_service *svc = worker->svc;
	int rounds;
	bool done;

	for (rounds = 0; rounds < KSOCKET_ROUNDS; rounds++) {
		/* The other one has to see what we have come for. */
		smp_mb();
		if (!spin_trylock(&worker->lock))
			return;
		done = ksocket_worker_drain(worker);
		spin_unlock(&worker->lock);
		if (!done)
			break;
		smp_mb(); /* pairs with the one above, of another CPU */
		if (!svc->transport->pending(worker))
			return;
	}

	worker->data_ready(worker->listen->sk);
}

/**
 * ksocket_worker_kick() - a process has let go of a worker's lock
 * @worker: the worker
 *
 * A softirq that found the lock taken has left its datagrams to the holder, and has
 * woken nothing: the thread looks for them.
 *
 * Context: process context.
 */
void ksocket_worker_kick(struct ksocket_worker *worker)
{
	if (worker->attached)
		worker->data_ready(worker->listen->sk);
}

/**
 * ksocket_worker_serve() - take datagrams and answer them, by the thread
 * @worker: the worker
 *
 * Return: true when nothing is left to take.
 */
bool ksocket_worker_serve(struct ksocket_worker *worker)
{
	bool done, blocked;

	rcu_read_lock();
	spin_lock_bh(&worker->lock);
	done = ksocket_worker_drain(worker);
	blocked = worker->blocked;
	spin_unlock_bh(&worker->lock);
	rcu_read_unlock();

	if (blocked)
		ksocket_worker_unblock(worker);
	return done;
}

/*
 * The thread joins the cgroups of the task that starts the service, which waits for
 * that, and then waits itself until the service is complete, or stopped.
 */
static void ksocket_worker_begin(struct ksocket_worker *worker)
{
	worker->join_err = ksocket_owner_join(worker->svc->net, worker->starter);
	complete(&worker->joined);

	set_current_state(TASK_IDLE);
	while (!READ_ONCE(worker->started) && !kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
}

/*
 * Stop, data, or both may come before the thread sleeps: the wait looks at
 * both again after it has put itself on the queue.
 */
static int ksocket_worker_run(void *data)
{
	struct ksocket_worker *worker = data;

	ksocket_worker_begin(worker);
	ksocket_set_active_memcg(worker->svc->memcg);
	while (!kthread_should_stop()) {
		if (worker->svc->transport->serve(worker))
			worker->svc->transport->wait(worker);
		/* Under a flood it never sleeps: let others run, RCU-tasks too. */
		cond_resched_tasks_rcu_qs();
	}
	ksocket_set_active_memcg(NULL);

	return 0;
}

/* Connections, as far as they are not a transport's */

/**
 * ksocket_conn_charge() - may the service have one more connection?
 * @svc: the service
 *
 * Return: true if so, until ksocket_conn_uncharge().
 */
bool ksocket_conn_charge(struct ksocket_service *svc)
{
	if (atomic_inc_return(&svc->connections) <= svc->cfg.max_connections &&
	    ksocket_owner_conn_charge(svc))
		return true;

	atomic_dec(&svc->connections);
	return false;
}

/**
 * ksocket_conn_uncharge() - one less
 * @svc: the service
 */
void ksocket_conn_uncharge(struct ksocket_service *svc)
{
	atomic_dec(&svc->connections);
	ksocket_owner_conn_uncharge(svc);
}

/**
 * ksocket_conn_opened() - a connection was taken from the backlog
 * @worker: the worker
 * @peer: the client
 */
void ksocket_conn_opened(struct ksocket_worker *worker,
			 const union ksocket_addr *peer)
{
	ksocket_count_accepted(worker);
	trace_ksocket_conn_open(worker->svc, peer);
}

/**
 * ksocket_conn_connected() - the receiver has taken a connection
 * @worker: the worker
 */
void ksocket_conn_connected(const struct ksocket_worker *worker)
{
	ksocket_count_connected(worker);
	ksocket_watch_taken(worker->svc);
}

/**
 * ksocket_conn_closed() - a connection has ended
 * @worker: the worker
 * @info: the connection
 * @reason: why
 * @err: the negative errno that says so, or 0
 */
void ksocket_conn_closed(struct ksocket_worker *worker,
			 const struct ksocket_conn_info *info,
			 enum ksocket_close reason, int err)
{
	ksocket_count_close(worker, reason);
	trace_ksocket_conn_close(worker->svc, info, reason, err);
	ksocket_watch_close(worker->svc, reason, err);
}

/**
 * ksocket_uplink_up() - a connection for datagrams has come up
 * @worker: the worker
 */
void ksocket_uplink_up(struct ksocket_worker *worker)
{
	atomic_inc(&worker->svc->connections);
	ksocket_conn_connected(worker);
	trace_ksocket_uplink(worker->svc, true, 0, 0);
}

/**
 * ksocket_uplink_down() - there is no connection for datagrams, or none any more
 * @worker: the worker
 * @open: it had come up
 * @err: the negative errno that says why, or 0 when the service stops
 * @wait: milliseconds up to the next attempt
 */
void ksocket_uplink_down(struct ksocket_worker *worker, bool open, int err,
			 unsigned int wait)
{
	trace_ksocket_uplink(worker->svc, false, err, wait);
	if (!open) {
		ksocket_count_connect_failed(worker);
		ksocket_watch_refused(worker->svc, -err);
		return;
	}

	atomic_dec(&worker->svc->connections);
	if (err)
		ksocket_count_disconnected(worker);
}

/* The life of a service */

/* A dump that is under way has to know. */
static void ksocket_net_changed(struct ksocket_net *kn)
{
	kn->changes++;
	if (!kn->changes)
		kn->changes++;
}

/* Until the thread has joined the cgroups of the current task. */
static int ksocket_worker_wait_joined(struct ksocket_worker *worker)
{
	worker->starter = current;
	init_completion(&worker->joined);
	wake_up_process(worker->task);
	wait_for_completion(&worker->joined);
	worker->starter = NULL;
	return worker->join_err;
}

static int ksocket_worker_open(struct ksocket_worker *worker, unsigned int nr,
			       struct ksocket_report *rep)
{
	const struct ksocket_service *svc = worker->svc;
	const struct ksocket_config *cfg = &svc->cfg;
	int err;

	if (!svc->transport->streams)
		worker->buffer = kvmalloc(cfg->buffer_size, GFP_KERNEL_ACCOUNT);
	if (!worker->buffer && !svc->transport->streams)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for a buffer",
					    "no memory for a buffer of %u bytes",
					    cfg->buffer_size);

	err = svc->transport->open(worker, rep);
	if (err)
		goto err_free;

	worker->task = kthread_create(ksocket_worker_run, worker,
				      "ksocket/%u.%u",
				      ksocket_addr_port(ksocket_has_listener(cfg) ?
							&cfg->listen :
							&cfg->reply), nr);
	if (IS_ERR(worker->task)) {
		err = PTR_ERR(worker->task);
		ksocket_report_field(rep, err, KSOCKET_FIELD_THREADS,
				     "cannot create a thread",
				     "cannot create a thread: errno %d", -err);
		goto err_close;
	}

	err = ksocket_worker_wait_joined(worker);
	if (err) {
		ksocket_report_field(rep, err, KSOCKET_FIELD_THREADS,
				     "cannot move a thread to the caller's cgroups",
				     "cannot move a thread to the caller's cgroups: errno %d",
				     -err);
		kthread_stop(worker->task);
		goto err_close;
	}

	return 0;

err_close:
	worker->task = NULL;
	svc->transport->close(worker);
err_free:
	kvfree(worker->buffer);
	return err;
}

/* Safe for a thread that was never started: it ends without having served. */
static void ksocket_worker_close(struct ksocket_worker *worker)
{
	kthread_stop(worker->task);
	worker->svc->transport->close(worker);
	consume_skb(worker->slow);
	kvfree(worker->buffer);
}

static void ksocket_worker_free(struct ksocket_worker *worker)
{
	kfree(worker->state);
	free_percpu(worker->stats);
}

static void ksocket_service_free(struct ksocket_service *svc)
{
	unsigned int i;

	ksocket_owner_uncharge(svc);
	for (i = 0; i < svc->cfg.threads; i++)
		ksocket_worker_free(&svc->workers[i]);
	/* Other services may still look at the endpoints in it. */
	kfree_rcu(svc, rcu);
}

/* Not %pISpsc: it puts the scope behind the port, and 0 where there is none. */
static void ksocket_addr_format(char text[KSOCKET_ADDR_TEXT_LEN],
				const union ksocket_addr *addr)
{
	if (addr->sa.sa_family == AF_INET6 && addr->in6.sin6_scope_id)
		snprintf(text, KSOCKET_ADDR_TEXT_LEN, "[%pI6c%%%u]:%u",
			 &addr->in6.sin6_addr, addr->in6.sin6_scope_id,
			 ksocket_addr_port(addr));
	else
		snprintf(text, KSOCKET_ADDR_TEXT_LEN, "%pISpc", addr);
}

static int ksocket_worker_init(struct ksocket_worker *worker,
			       struct ksocket_service *svc)
{
	int cpu;

	worker->user.kind = ksocket_sock_is_worker;
	worker->svc = svc;
	worker->stats = alloc_percpu_gfp(struct ksocket_stats,
					 GFP_KERNEL_ACCOUNT);
	if (!worker->stats)
		return -ENOMEM;

	if (svc->cfg.mode->state_size) {
		worker->state = kzalloc(svc->cfg.mode->state_size,
					GFP_KERNEL_ACCOUNT);
		if (!worker->state)
			goto err_free;
	}

	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(worker->stats, cpu)->syncp);
	spin_lock_init(&worker->lock);
	mutex_init(&worker->reply_lock);
	skb_queue_head_init(&worker->queue);
	__skb_queue_head_init(&worker->batch);
	return 0;

err_free:
	free_percpu(worker->stats);
	return -ENOMEM;
}

/**
 * ksocket_service_describe() - write its addresses as people do
 * @svc: the service
 *
 * Context: the namespace's lock is held, or nobody else has @svc yet.
 */
void ksocket_service_describe(struct ksocket_service *svc)
{
	const struct ksocket_config *cfg = &svc->cfg;

	strscpy(svc->listen_text, "-", sizeof(svc->listen_text));
	strscpy(svc->reply_text, "-", sizeof(svc->reply_text));
	if (ksocket_has_listener(cfg))
		ksocket_addr_format(svc->listen_text, &cfg->listen);
	if (ksocket_has_receiver(cfg))
		ksocket_addr_format(svc->reply_text, &cfg->reply);
}

static const struct ksocket_transport *
ksocket_service_transport(const struct ksocket_config *cfg)
{
	if (!ksocket_has_listener(cfg))
		return ksocket_has_uplink(cfg) ? &ksocket_beacon_tcp :
						 &ksocket_beacon_udp;
	if (ksocket_has_uplink(cfg))
		return &ksocket_udp_uplink;

	return cfg->proto == KSOCKET_PROTO_TCP ? &ksocket_tcp : &ksocket_udp;
}

static struct ksocket_service *
ksocket_service_alloc(struct net *net, const struct ksocket_config *cfg)
{
	struct ksocket_service *svc;
	unsigned int i;

	svc = kzalloc(struct_size(svc, workers, cfg->threads),
		      GFP_KERNEL_ACCOUNT);
	if (!svc)
		return NULL;

	svc->net = net;
	svc->kn = ksocket_net(net);
	spin_lock_init(&svc->reply_lock);
	svc->cfg = *cfg;
	/* An answer that is not the request takes the buffer in any case. */
	if (cfg->mode->text)
		svc->cfg.datapath = KSOCKET_DATAPATH_COPY;
	/* No softirq can send by TCP. */
	else if (cfg->proto == KSOCKET_PROTO_TCP &&
		 cfg->datapath == KSOCKET_DATAPATH_SOFTIRQ)
		svc->cfg.datapath = KSOCKET_DATAPATH_ZEROCOPY;
	ksocket_service_describe(svc);
	svc->transport = ksocket_service_transport(cfg);
	/* Nothing comes in by the device: what is sent goes out by it. */
	if (!ksocket_has_listener(cfg))
		svc->cfg.reply_ifindex = cfg->ifindex;
	ksocket_watch_init(svc);
	for (i = 0; i < cfg->threads; i++) {
		if (ksocket_worker_init(&svc->workers[i], svc))
			goto err_free;
	}

	return svc;

err_free:
	while (i--)
		ksocket_worker_free(&svc->workers[i]);
	kfree(svc);
	return NULL;
}

static void ksocket_service_announce(const struct ksocket_service *svc)
{
	const struct ksocket_config *cfg = &svc->cfg;

	trace_ksocket_service_start(svc);
	ksocket_nl_started(svc);
	ksocket_info(svc->net,
		     "service %s started: %s %s, %s%s%s%s, threads %u\n",
		     cfg->name, ksocket_proto_name(cfg->proto),
		     svc->listen_text, cfg->mode->name,
		     ksocket_has_receiver(cfg) ? " to " : "",
		     ksocket_has_receiver(cfg) ? svc->reply_text : "",
		     ksocket_has_uplink(cfg) ? " by tcp" : "", cfg->threads);
}

/* Nothing half-started is ever visible: threads run, or nothing is left. */
static int ksocket_service_start_one(struct net *net,
				     const struct ksocket_config *cfg,
				     struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *svc;
	unsigned int i, opened = 0;
	int err;

	svc = ksocket_service_alloc(net, cfg);
	if (!svc)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for a service",
					    "no memory for a service");

	err = ksocket_owner_charge(svc, rep);
	if (err)
		goto err_close_workers;

	for (; opened < cfg->threads; opened++) {
		err = ksocket_worker_open(&svc->workers[opened], opened, rep);
		if (err)
			goto err_close_workers;
	}

	err = ksocket_guard_attach(svc, rep);
	if (err)
		goto err_close_workers;

	svc->id = kn->next_id++;
	list_add_tail(&svc->node, &kn->services);
	ksocket_net_changed(kn);
	ksocket_service_announce(svc);
	ksocket_follow_start(svc);
	for (i = 0; i < cfg->threads; i++) {
		svc->transport->attach(&svc->workers[i]);
		WRITE_ONCE(svc->workers[i].started, true);
		wake_up_process(svc->workers[i].task);
	}

	return 0;

err_close_workers:
	while (opened--)
		ksocket_worker_close(&svc->workers[opened]);
	ksocket_service_free(svc);
	return err;
}

static ktime_t ksocket_linger(void)
{
	return ktime_add_ns(ktime_get(), KSOCKET_LINGER);
}

/* From now on only the threads answer, and no list has the service any more. */
static void ksocket_service_detach(struct ksocket_service *svc, ktime_t linger,
				   struct list_head *detached)
{
	unsigned int i;

	lockdep_assert_held(&svc->kn->lock);

	svc->linger = linger;
	list_move_tail(&svc->node, detached);
	ksocket_net_changed(svc->kn);
	for (i = 0; i < svc->cfg.threads; i++)
		svc->transport->detach(&svc->workers[i]);
}

/*
 * Joining under the lock is safe because no worker ever takes it. Up to
 * svc->linger what is queued may still go out.
 */
static void ksocket_service_finish(struct ksocket_service *svc,
				   enum ksocket_stop_reason reason)
{
	unsigned int i;

	list_del(&svc->node);
	ksocket_follow_stop(svc);
	for (i = 0; i < svc->cfg.threads; i++)
		ksocket_worker_close(&svc->workers[i]);
	/* As long as a thread answers, its addresses make a loop. */
	ksocket_guard_detach(svc);
	ksocket_watch_stop(svc);

	trace_ksocket_service_stop(svc);
	ksocket_nl_stopped(svc->net, svc->cfg.name, reason);
	ksocket_info(svc->net, "service %s stopped\n", svc->cfg.name);
	ksocket_service_free(svc);
}

static void ksocket_service_stop(struct ksocket_service *svc,
				 enum ksocket_stop_reason reason, ktime_t linger)
{
	LIST_HEAD(detached);

	ksocket_service_detach(svc, linger, &detached);
	/* Softirqs may still be at work with what they have found before. */
	synchronize_rcu_expedited();
	ksocket_service_finish(svc, reason);
}

/* The port may be the same, so the old one has to go first. */
static int ksocket_service_replace(struct ksocket_service *old,
				   const struct ksocket_config *cfg,
				   struct ksocket_report *rep)
{
	struct ksocket_report again = {};
	struct ksocket_net *kn = old->kn;
	struct net *net = old->net;
	struct ksocket_config *was;
	bool lost;
	int err;

	/*
	 * Who is being killed can make no thread, neither a new nor an old one. When
	 * it comes later than that, the service is lost, and that is told.
	 */
	if (fatal_signal_pending(current))
		return ksocket_report(rep, -EINTR, "killed");

	was = kmemdup(&old->cfg, sizeof(old->cfg), GFP_KERNEL);
	if (!was)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for a service",
					    "no memory for a service");

	err = ksocket_owner_keep(old, cfg->threads, rep);
	if (err)
		goto out;

	lost = ksocket_follow_is_lost(old);
	ksocket_service_stop(old, KSOCKET_STOP_REASON_REPLACED,
			     ksocket_linger());
	err = ksocket_service_start_one(net, cfg, rep);
	/* The index of a device that is lost may be another's by now. */
	if (err && lost)
		ksocket_report(&again, -ENODEV, "its device is gone");
	if (err && (lost || ksocket_service_start_one(net, was, &again))) {
		pr_err_ratelimited("service %s is gone, it could not be started again: %s\n",
				   was->name, again.text);
		ksocket_nl_stopped(net, was->name, KSOCKET_STOP_REASON_ERROR);
	}
	ksocket_owner_release(kn);
out:
	kfree(was);
	return err;
}

static struct ksocket_service *ksocket_service_lookup(struct ksocket_net *kn,
						      const char *name)
{
	struct ksocket_service *svc;

	lockdep_assert_held(&kn->lock);

	list_for_each_entry(svc, &kn->services, node)
		if (!strcmp(svc->cfg.name, name))
			return svc;

	return NULL;
}

/**
 * ksocket_service_find() - the service of that name
 * @kn: the namespace; its lock is held
 * @name: the name
 * @rep: says that there is none
 *
 * Return: the service, for as long as the lock is held, or NULL.
 */
struct ksocket_service *ksocket_service_find(struct ksocket_net *kn,
					     const char *name,
					     struct ksocket_report *rep)
{
	struct ksocket_service *svc = ksocket_service_lookup(kn, name);

	if (!svc)
		ksocket_report_field(rep, -ENOENT, KSOCKET_FIELD_NAME,
				     "no service of this name here",
				     "no service '%s' here", name);
	return svc;
}

static int ksocket_service_start_locked(struct net *net,
					const struct ksocket_config *cfg,
					enum ksocket_start how,
					struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *old;
	int err;

	if (kn->closed || READ_ONCE(ksocket_unloading))
		return ksocket_report_field(rep, -ESHUTDOWN, KSOCKET_FIELD_NONE,
					    "the module is being unloaded",
					    "the module is being unloaded");

	err = ksocket_guard_circle(net, cfg, rep);
	if (err)
		return err;

	old = ksocket_service_lookup(kn, cfg->name);
	if (!old)
		return ksocket_service_start_one(net, cfg, rep);
	if (how == KSOCKET_START_NEW)
		return ksocket_report_field(rep, -EEXIST, KSOCKET_FIELD_NAME,
					    "a service of this name exists",
					    "a service '%s' exists", cfg->name);
	/*
	 * Its connections and counters go on: a stop would lose what is under way. The
	 * index of a device that is lost may be another's by now.
	 */
	if (!ksocket_follow_is_lost(old) && ksocket_config_same(&old->cfg, cfg)) {
		/* The device may have another name by now. */
		strscpy(old->cfg.device, cfg->device, sizeof(old->cfg.device));
		return ksocket_report_field(rep, 0, KSOCKET_FIELD_NONE,
					    "unchanged, the service does that already",
					    "service '%s' is unchanged",
					    cfg->name);
	}
	if (how == KSOCKET_START_REPLACE)
		return ksocket_service_replace(old, cfg, rep);
	return ksocket_report_field(rep, -EEXIST, KSOCKET_FIELD_NAME,
				    "a service of this name exists and is another",
				    "a service '%s' exists and is another",
				    cfg->name);
}

/**
 * ksocket_service_start() - start a service
 * @net: the namespace it lives and dies in; no reference is taken
 * @cfg: what to do; copied
 * @how: what to do about a name that is taken
 * @rep: says what was wrong, or that a service does just that already
 *
 * The one verb behind every control door. Nothing half-started is ever
 * visible: either the service is in the namespace's list with its threads
 * running, or nothing of it is left.
 *
 * Context: process context, may sleep; takes the namespace's lock.
 * Return: 0, or a negative errno: -EADDRINUSE, -EADDRNOTAVAIL, -ELOOP,
 * -EINVAL, -ERANGE, -EPERM, -EEXIST, -ESHUTDOWN, -EAFNOSUPPORT, -EUSERS,
 * -ENOMEM, -EINTR, or what the stack says.
 */
int ksocket_service_start(struct net *net, const struct ksocket_config *cfg,
			  enum ksocket_start how, struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	int err;

	err = ksocket_config_check(cfg, rep);
	if (err)
		return err;

	err = ksocket_config_check_buffers(net, cfg->rcvbuf, cfg->sndbuf, rep);
	if (err)
		return err;

	err = ksocket_guard_config(net, cfg, rep);
	if (err)
		return err;

	ksocket_follow_settle(kn);
	mutex_lock(&kn->lock);
	err = ksocket_service_start_locked(net, cfg, how, rep);
	mutex_unlock(&kn->lock);
	return err;
}

/**
 * ksocket_service_end() - stop a service
 * @net: the namespace
 * @name: its name
 * @rep: says what was wrong
 *
 * Context: process context, may sleep; takes the namespace's lock.
 * Return: 0, with nothing of it left, or -ENOENT.
 */
int ksocket_service_end(struct net *net, const char *name,
			struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *svc;

	mutex_lock(&kn->lock);
	svc = ksocket_service_find(kn, name, rep);
	if (svc)
		ksocket_service_stop(svc, KSOCKET_STOP_REASON_ASKED,
				     ksocket_linger());
	mutex_unlock(&kn->lock);
	return svc ? 0 : -ENOENT;
}

static void ksocket_worker_set(struct ksocket_worker *worker,
			       const struct ksocket_change *change)
{
	const struct ksocket_transport *transport = worker->svc->transport;

	if ((change->rcvbuf || change->sndbuf) && transport->set_buffers)
		transport->set_buffers(worker);
	if (change->has_min_source_port) {
		spin_lock_bh(&worker->lock);
		ksocket_guard_forget(worker);
		spin_unlock_bh(&worker->lock);
		ksocket_worker_kick(worker);
	}
}

static int ksocket_service_change(struct ksocket_service *svc,
				  const struct ksocket_change *change,
				  struct ksocket_report *rep)
{
	struct ksocket_config *cfg = &svc->cfg;
	unsigned int i;
	u32 given = 0;
	int err;

	if (change->rcvbuf)
		given |= BIT(KSOCKET_FIELD_RCVBUF);
	if (change->sndbuf)
		given |= BIT(KSOCKET_FIELD_SNDBUF);
	if (change->has_min_source_port)
		given |= BIT(KSOCKET_FIELD_MIN_SOURCE_PORT);
	err = ksocket_config_check_given(cfg, given, rep);
	if (err)
		return err;

	if (change->rcvbuf)
		cfg->rcvbuf = change->rcvbuf;
	if (change->sndbuf)
		cfg->sndbuf = change->sndbuf;
	if (change->has_min_source_port)
		WRITE_ONCE(cfg->min_source_port, change->min_source_port);
	for (i = 0; i < cfg->threads; i++)
		ksocket_worker_set(&svc->workers[i], change);
	return 0;
}

/**
 * ksocket_service_set() - change a running service
 * @net: the namespace
 * @name: its name
 * @change: what to change; that the sizes are in their range is the caller's
 * @rep: says what was wrong
 *
 * Context: process context, may sleep; takes the namespace's lock.
 * Return: 0, -ENOENT, -EPERM, or -EINVAL for what has no effect on it.
 */
int ksocket_service_set(struct net *net, const char *name,
			const struct ksocket_change *change,
			struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *svc;
	int err;

	err = ksocket_config_check_buffers(net, change->rcvbuf, change->sndbuf,
					   rep);
	if (err)
		return err;

	mutex_lock(&kn->lock);
	svc = ksocket_service_find(kn, name, rep);
	err = svc ? ksocket_service_change(svc, change, rep) : -ENOENT;
	mutex_unlock(&kn->lock);
	return err;
}

/* Why a datagram of user space was not sent. */
static int ksocket_service_send_failed(const struct ksocket_service *svc,
				       int err, struct ksocket_report *rep)
{
	const char *why = "the stack would not send it";

	switch (err) {
	case -ENOTCONN:
		why = "the queue is full, and there is no connection to the receiver";
		err = -ENOBUFS;
		break;
	case -EXFULL:
		why = "the queue is full, the receiver takes less than comes";
		err = -ENOBUFS;
		break;
	case -EMSGSIZE:
		why = "too long for the queue, the protocol or the path";
		break;
	case -EBADMSG:
		why = "the framing allows no newline before the end";
		break;
	}
	return ksocket_report_field(rep, err, KSOCKET_FIELD_NONE, why,
				    "cannot send to %s: %s: errno %d",
				    svc->reply_text, why, -err);
}

static int ksocket_service_send_one(struct ksocket_service *svc,
				    const void *data, size_t len,
				    struct ksocket_report *rep)
{
	struct ksocket_datagram dgram = {
		.segs = 1,
		.own = true,
		.data = data,
		.len = len,
	};
	struct ksocket_worker *worker = &svc->workers[0];
	int err;

	if (!ksocket_has_receiver(&svc->cfg))
		return ksocket_report_field(rep, -EOPNOTSUPP,
					    KSOCKET_FIELD_NAME,
					    "this service has no receiver",
					    "service '%s' has no receiver",
					    svc->cfg.name);
	if (svc->transport->streams)
		return ksocket_report_field(rep, -EOPNOTSUPP,
					    KSOCKET_FIELD_NAME,
					    "each client of this service has a connection of its own to the receiver",
					    "each client of service '%s' has a connection of its own to the receiver",
					    svc->cfg.name);

	err = svc->transport->send(worker, &dgram);
	if (err && err != -EINPROGRESS)
		return ksocket_service_send_failed(svc, err, rep);

	ksocket_count_user_send(worker);
	return 0;
}

/**
 * ksocket_service_send() - send something of one's own to the receiver
 * @net: the namespace
 * @name: the service's name
 * @data: the payload
 * @len: its length in bytes, which may be 0
 * @unreachable: set to whether the receiver refuses, as far as is known by then
 * @rep: says what was wrong
 *
 * It goes through the reply socket of the first worker, between the answers.
 *
 * Context: process context, may sleep; takes the namespace's lock.
 * Return: 0, -ENOENT, -EOPNOTSUPP where there is no receiver, or what the
 * stack says of sending it.
 */
int ksocket_service_send(struct net *net, const char *name, const void *data,
			 size_t len, bool *unreachable,
			 struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *svc;
	int err = -ENOENT;

	mutex_lock(&kn->lock);
	svc = ksocket_service_find(kn, name, rep);
	if (svc) {
		err = ksocket_service_send_one(svc, data, len, rep);
		*unreachable = ksocket_watch_unreachable(svc);
	}
	mutex_unlock(&kn->lock);
	return err;
}

/* The namespaces */

static int __net_init ksocket_net_init(struct net *net)
{
	struct ksocket_net *kn = ksocket_net(net);
	int err;

	kn->net = net;
	mutex_init(&kn->lock);
	INIT_LIST_HEAD(&kn->services);
	kn->changes = 1;
	ksocket_follow_net_init(kn);
	err = ksocket_guard_net_init(kn);
	if (err)
		return err;

	err = ksocket_proc_init(net);
	if (err)
		ksocket_guard_net_exit(kn);
	return err;
}

/* Nothing starts here any more, and nothing that is here is found. */
static void ksocket_net_close(struct ksocket_net *kn, ktime_t linger,
			      struct list_head *detached)
{
	struct ksocket_service *svc, *next;

	mutex_lock(&kn->lock);
	kn->closed = true;
	list_for_each_entry_safe(svc, next, &kn->services, node)
		ksocket_service_detach(svc, linger, detached);
	mutex_unlock(&kn->lock);
}

/* As ksocket_service_stop(), with one grace period for all: they would add up. */
static void ksocket_services_finish(struct list_head *detached,
				    enum ksocket_stop_reason reason)
{
	struct ksocket_service *svc, *next;

	if (!list_empty(detached))
		synchronize_rcu_expedited();
	list_for_each_entry_safe(svc, next, detached, node) {
		struct ksocket_net *kn = svc->kn;

		mutex_lock(&kn->lock);
		ksocket_service_finish(svc, reason);
		mutex_unlock(&kn->lock);
	}
}

static void __net_exit ksocket_net_exit(struct net *net)
{
	struct ksocket_net *kn = ksocket_net(net);
	LIST_HEAD(detached);

	ksocket_proc_exit(net);
	/* All other namespaces that end are waiting, so nothing lingers. */
	ksocket_net_close(kn, 0, &detached);
	ksocket_services_finish(&detached, KSOCKET_STOP_REASON_NAMESPACE_EXIT);
	ksocket_follow_net_exit(kn);
	ksocket_guard_net_exit(kn);
	ksocket_udp_demux_exit(net);
	mutex_destroy(&kn->lock);
}

static struct pernet_operations ksocket_net_ops = {
	.init = ksocket_net_init,
	.exit = ksocket_net_exit,
	.id = &ksocket_net_id,
	.size = sizeof(struct ksocket_net),
};

/* The module */

static int __init ksocket_start_from_params(struct net *net)
{
	struct ksocket_report rep = {};
	struct ksocket_config *cfg;
	int err;

	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;

	err = ksocket_params_read(net, cfg, &rep);
	if (err)
		goto out;

	if (!ksocket_has_listener(cfg) || ksocket_addr_port(&cfg->listen))
		err = ksocket_service_start(net, cfg, KSOCKET_START_NEW,
					    &rep);
	else
		pr_info("no service started: listen_port=0\n");
out:
	if (err)
		pr_err("%s\n", rep.text);
	kfree(cfg);
	return err;
}

static int __init ksocket_init(void)
{
	int err;

	err = ksocket_watch_create();
	if (err)
		return err;

	/* A device operation, so that services end before devices do. */
	err = register_pernet_device(&ksocket_net_ops);
	if (err)
		goto err_watch;

	err = ksocket_follow_init();
	if (err)
		goto err_net;

	err = ksocket_start_from_params(current->nsproxy->net_ns);
	if (err)
		goto err_follow;

	/*
	 * The doors come last. Who is inside holds the module, but an init that
	 * fails frees it without asking: what anybody can make fail, as taking
	 * the port, is done by now.
	 */
	err = ksocket_so_init();
	if (err)
		goto err_follow;

	err = ksocket_nl_init();
	if (err)
		goto err_sockopt;

	return 0;

err_sockopt:
	ksocket_so_exit();
err_follow:
	ksocket_follow_exit();
err_net:
	unregister_pernet_device(&ksocket_net_ops);
err_watch:
	ksocket_watch_destroy();
	return err;
}
module_init(ksocket_init);

/*
 * As long as events can be sent, and for good. The list of namespaces is locked only
 * to hold them: a new namespace or device would wait for the end of all services.
 * Namespaces that are ending stop their services themselves.
 */
static void ksocket_close_all(void)
{
	/* One for all, or the many would add up. */
	ktime_t linger = ksocket_linger();
	struct ksocket_net *kn, *next;
	LIST_HEAD(detached);
	struct net *net;
	LIST_HEAD(held);

	/* A namespace that is made from now on is not in the list. */
	WRITE_ONCE(ksocket_unloading, true);
	down_read(&net_rwsem);
	for_each_net(net)
		if (maybe_get_net(net))
			list_add_tail(&ksocket_net(net)->held, &held);
	up_read(&net_rwsem);

	list_for_each_entry(kn, &held, held)
		ksocket_net_close(kn, linger, &detached);
	ksocket_services_finish(&detached, KSOCKET_STOP_REASON_MODULE_UNLOAD);
	/* With its last reference a namespace goes, and @kn with it. */
	list_for_each_entry_safe(kn, next, &held, held)
		put_net(kn->net);
}

static void __exit ksocket_exit(void)
{
	ksocket_close_all();
	ksocket_so_exit();
	ksocket_nl_exit();
	ksocket_follow_exit();
	unregister_pernet_device(&ksocket_net_ops);
	ksocket_watch_destroy();
}
module_exit(ksocket_exit);

MODULE_DESCRIPTION("UDP and TCP echo and relay daemon in the kernel");
MODULE_AUTHOR("The ksocket authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
