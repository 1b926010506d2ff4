/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the UDP transport share: udp.c has the sockets,
 * udp_skb.c the packets, udp_demux.c the senders that are known.
 */
#ifndef KSOCKET_TRANSPORT_UDP_H
#define KSOCKET_TRANSPORT_UDP_H

#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/sock.h>

#include "ksocket.h"

/**
 * ksocket_udp_pending() - is there a datagram to take?
 * @worker: the worker
 *
 * Whatever waits is accounted for before it is queued.
 *
 * Return: true if so.
 */
static inline bool ksocket_udp_pending(const struct ksocket_worker *worker)
{
	const struct sock *sk = worker->listen->sk;

	if (!atomic_read(&sk->sk_rmem_alloc))
		return false;

	return !skb_queue_empty_lockless(&worker->batch) ||
	       !skb_queue_empty_lockless(&worker->queue) ||
	       !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
	       !skb_queue_empty_lockless(&udp_sk(sk)->reader_queue);
}

/**
 * ksocket_udp_answer_ttl() - the TTL or hop limit that an answer leaves with
 * @worker: the worker
 * @dgram: the answer
 *
 * As if the request were forwarded. So whatever sends an answer back to where
 * answers come from, here or on another host, does it 255 times at most.
 *
 * Return: 1 to 254, or 0 for the system's.
 */
static inline u8 ksocket_udp_answer_ttl(const struct ksocket_worker *worker,
					const struct ksocket_datagram *dgram)
{
	/* Of user space it is no answer; the guard has let no smaller one pass. */
	if (dgram->ttl < 2 || worker->svc->cfg.ttl == KSOCKET_TTL_SYSTEM)
		return 0;

	return dgram->ttl - 1;
}

/**
 * ksocket_udp_answer_tos() - the TOS or traffic class that an answer leaves with
 * @worker: the worker
 * @dgram: the answer
 *
 * ECN is between the ends of a path, and the answer takes another one.
 *
 * Return: the DSCP in its place, 0 where none is inherited.
 */
static inline u8 ksocket_udp_answer_tos(const struct ksocket_worker *worker,
					const struct ksocket_datagram *dgram)
{
	if (worker->svc->cfg.dscp == KSOCKET_DSCP_ZERO)
		return 0;

	return dgram->tos & ~INET_ECN_MASK;
}

int ksocket_udp_open_in(struct ksocket_worker *worker,
			struct ksocket_report *rep);
void ksocket_udp_close(struct ksocket_worker *worker);
void ksocket_udp_attach(struct ksocket_worker *worker);
void ksocket_udp_detach(struct ksocket_worker *worker);
void ksocket_udp_set_buffers(struct ksocket_worker *worker);
int ksocket_udp_rebind(struct ksocket_worker *worker);
void ksocket_udp_mend(struct ksocket_worker *worker);
u32 ksocket_udp_rx_overflow(const struct ksocket_worker *worker);
int ksocket_udp_open_reply(struct ksocket_worker *worker,
			   struct ksocket_report *rep);
void ksocket_udp_check_reply(struct ksocket_worker *worker);
void ksocket_udp_attach_reply(struct ksocket_worker *worker);
void ksocket_udp_detach_reply(struct ksocket_worker *worker);
int ksocket_udp_send_receiver(struct ksocket_worker *worker,
			      const struct ksocket_datagram *dgram);
u64 ksocket_udp_reply_ignored(const struct ksocket_worker *worker);
int ksocket_udp_recv(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram);
void ksocket_udp_describe(const struct ksocket_worker *worker,
			  struct sk_buff *skb, struct ksocket_datagram *dgram);
void ksocket_udp_describe_kept(struct ksocket_worker *worker,
			       struct sk_buff *skb,
			       struct ksocket_datagram *dgram);
void ksocket_udp_keep(const struct ksocket_datagram *dgram);
bool ksocket_udp_enqueue(struct ksocket_worker *worker,
			 const struct ksocket_datagram *dgram);
void ksocket_udp_purge(struct ksocket_worker *worker);
int ksocket_udp_load(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram, unsigned int offset);
int ksocket_udp_turn(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram);
int ksocket_udp_build(struct ksocket_worker *worker,
		      struct ksocket_datagram *dgram);
int ksocket_udp_reply_check(struct ksocket_worker *worker);
void ksocket_udp_reply_drop(struct ksocket_worker *worker);
void ksocket_udp_flows_drop(struct ksocket_worker *worker);

#ifdef CONFIG_NETFILTER
/* udp_demux.c */
int ksocket_udp_demux_get(const struct ksocket_worker *worker);
void ksocket_udp_learn(struct ksocket_worker *worker, const struct sk_buff *skb);
void ksocket_udp_forget(struct ksocket_worker *worker);
#else
static inline int ksocket_udp_demux_get(const struct ksocket_worker *worker)
{
	return 0;
}

static inline void ksocket_udp_learn(struct ksocket_worker *worker,
				     const struct sk_buff *skb)
{
}

static inline void ksocket_udp_forget(struct ksocket_worker *worker)
{
}
#endif

#endif /* KSOCKET_TRANSPORT_UDP_H */
