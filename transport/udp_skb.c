// SPDX-License-Identifier: GPL-2.0
/*
 * UDP packets: taken off the listen socket as they came, and put on the wire
 * on a route that is already known. Where a packet is fit for it, it is itself
 * the answer and nothing is copied.
 *
 * What leaves here passes all that a datagram of a socket passes: netfilter's
 * output hooks, the routing policy of its socket, its send buffer. Whatever
 * does not fit in here is refused with -EOPNOTSUPP and goes the long way,
 * through the fixed buffer and kernel_sendmsg().
 */
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/security.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/flow.h>
#include <net/flow_dissector.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/udp.h>

#include "udp.h"

static bool ksocket_udp_is_v4(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP);
}

static struct udp_mib __percpu *ksocket_udp_mib(const struct net *net, bool v4)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (!v4)
		return net->mib.udp_stats_in6;
#endif
	return net->mib.udp_statistics;
}

/* Receiving */

/*
 * The stack leaves it to the reader to add up the payload. Return: false for
 * a wrong sum; the packet is counted as any reader counts it, and gone.
 */
static bool ksocket_udp_checksum_ok(struct sock *sk, struct sk_buff *skb)
{
	struct net *net = sock_net(sk);
	bool v4 = ksocket_udp_is_v4(skb);

	if (likely(skb_csum_unnecessary(skb) || !__skb_checksum_complete(skb)))
		return true;

	SNMP_INC_STATS(ksocket_udp_mib(net, v4), UDP_MIB_CSUMERRORS);
	SNMP_INC_STATS(ksocket_udp_mib(net, v4), UDP_MIB_INERRORS);
	ksocket_sk_drops_inc(sk);
	kfree_skb(skb);
	return false;
}

/*
 * What of the way in is not in the headers. The stack keeps it in the same
 * place, in a form for each family, and partly in a route that must not outlive
 * the softirq.
 */
struct ksocket_udp_cb {
	int ifindex;
	bool to_host;
};

static struct ksocket_udp_cb *ksocket_udp_cb(struct sk_buff *skb)
{
	return (struct ksocket_udp_cb *)skb->cb;
}

static void ksocket_udp_parse4(const struct sk_buff *skb,
			       struct ksocket_datagram *dgram)
{
	const struct udphdr *udp = udp_hdr(skb);
	const struct iphdr *ip = ip_hdr(skb);

	/* A trace event holds all of the union, not only its IPv4 part. */
	memset(&dgram->from, 0, sizeof(dgram->from));
	memset(&dgram->to, 0, sizeof(dgram->to));
	dgram->from.in.sin_family = AF_INET;
	dgram->from.in.sin_port = udp->source;
	dgram->from.in.sin_addr.s_addr = ip->saddr;
	dgram->to.in.sin_family = AF_INET;
	dgram->to.in.sin_port = udp->dest;
	dgram->to.in.sin_addr.s_addr = ip->daddr;
	dgram->ttl = ip->ttl;
	dgram->tos = ip->tos;
}

static void ksocket_udp_parse6(const struct sk_buff *skb,
			       struct ksocket_datagram *dgram)
{
	const struct ipv6hdr *ip6 = ipv6_hdr(skb);
	const struct udphdr *udp = udp_hdr(skb);

	dgram->from.in6.sin6_family = AF_INET6;
	dgram->from.in6.sin6_port = udp->source;
	dgram->from.in6.sin6_flowinfo = 0;
	dgram->from.in6.sin6_addr = ip6->saddr;
	/* Not of the VRF, if the device is in one: addresses are the device's. */
	dgram->from.in6.sin6_scope_id = ipv6_iface_scope_id(&ip6->saddr,
							    dgram->ifindex);
	dgram->to.in6.sin6_family = AF_INET6;
	dgram->to.in6.sin6_port = udp->dest;
	dgram->to.in6.sin6_flowinfo = 0;
	dgram->to.in6.sin6_addr = ip6->daddr;
	dgram->to.in6.sin6_scope_id =
		ipv6_addr_type(&ip6->daddr) & IPV6_ADDR_LINKLOCAL ?
		dgram->ifindex : 0;
	dgram->ttl = ip6->hop_limit;
	dgram->tos = ipv6_get_dsfield(ip6);
}

/*
 * Describing a packet writes every member of a datagram, here and in the
 * functions for each IP version: on the slow path the struct is on the stack.
 */
static void ksocket_udp_parse(const struct ksocket_worker *worker,
			      struct sk_buff *skb,
			      struct ksocket_datagram *dgram)
{
	dgram->own = false;
	dgram->flow = NULL;
	dgram->data = NULL;
	dgram->skb = skb;
	dgram->len = skb->len;
	dgram->segs = 1;
	dgram->seg_size = skb->len;
	/* Of fragments (UFO), as a guest may bring them, it is one datagram. */
	if (skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4) {
		dgram->seg_size = skb_shinfo(skb)->gso_size;
		dgram->segs = DIV_ROUND_UP(skb->len, dgram->seg_size);
	}
	dgram->truncated = dgram->seg_size > worker->svc->cfg.buffer_size;
}

/*
 * The route of a multicast packet may be the one of a unicast packet: the stack
 * stores the route of a known sender's packet in the listen socket, and early
 * demux hands it on. So the address itself is looked at first.
 */
static void ksocket_udp_describe4(struct sk_buff *skb,
				  struct ksocket_datagram *dgram)
{
	__be32 daddr = ip_hdr(skb)->daddr;

	if (skb_dst(skb)) {
		dgram->ifindex = inet_iif(skb);
		dgram->to_host = !(skb_rtable(skb)->rt_flags &
				   (RTCF_BROADCAST | RTCF_MULTICAST));
	} else {
		/*
		 * Queued, it has lost its route. fib_compute_spec_dst(): the
		 * address to answer from is the one that was asked, except for
		 * a broadcast or multicast one.
		 */
		const struct in_pktinfo *info = PKTINFO_SKB_CB(skb);

		dgram->ifindex = info->ipi_ifindex;
		dgram->to_host = daddr == info->ipi_spec_dst.s_addr;
	}
	if (unlikely(ipv4_is_multicast(daddr) || ipv4_is_lbcast(daddr)))
		dgram->to_host = false;
	ksocket_udp_parse4(skb, dgram);
}

static void ksocket_udp_describe6(struct sk_buff *skb,
				  struct ksocket_datagram *dgram)
{
	dgram->ifindex = IP6CB(skb)->iif;
	dgram->to_host = !ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr);
	ksocket_udp_parse6(skb, dgram);
}

/**
 * ksocket_udp_describe() - describe a packet as the stack hands it over
 * @worker: who takes it
 * @skb: the packet, its data the UDP payload
 * @dgram: where to
 */
void ksocket_udp_describe(const struct ksocket_worker *worker,
			  struct sk_buff *skb, struct ksocket_datagram *dgram)
{
	ksocket_udp_parse(worker, skb, dgram);
	if (ksocket_udp_is_v4(skb))
		ksocket_udp_describe4(skb, dgram);
	else
		ksocket_udp_describe6(skb, dgram);
}

/**
 * ksocket_udp_keep() - let a packet outlive the softirq
 * @dgram: the datagram; its packet can be described again
 */
void ksocket_udp_keep(const struct ksocket_datagram *dgram)
{
	struct ksocket_udp_cb *cb = ksocket_udp_cb(dgram->skb);

	skb_dst_drop(dgram->skb);
	/* Which may be gone by then. */
	dgram->skb->dev = NULL;
	cb->ifindex = dgram->ifindex;
	cb->to_host = dgram->to_host;
}

/**
 * ksocket_udp_describe_kept() - describe a packet that was kept
 * @worker: who has taken it
 * @skb: the packet
 * @dgram: where to
 */
void ksocket_udp_describe_kept(struct ksocket_worker *worker,
			       struct sk_buff *skb,
			       struct ksocket_datagram *dgram)
{
	const struct ksocket_udp_cb *cb = ksocket_udp_cb(skb);

	ksocket_udp_parse(worker, skb, dgram);
	dgram->ifindex = cb->ifindex;
	dgram->to_host = cb->to_host;
	if (ksocket_udp_is_v4(skb))
		ksocket_udp_parse4(skb, dgram);
	else
		ksocket_udp_parse6(skb, dgram);
}

/* Off the socket's own queue. */
static struct sk_buff *ksocket_udp_dequeue(struct sock *sk, int *err)
{
	struct sk_buff *skb;

	do {
		skb = ksocket_skb_recv_udp(sk, MSG_DONTWAIT, err);
		if (!skb)
			return NULL;
		/* Of a burst that was cut up it may be a link still. */
		skb_mark_not_on_list(skb);
		/* The queue has kept something else there. */
		skb->dev = NULL;
	} while (!ksocket_udp_checksum_ok(sk, skb));

	SNMP_INC_STATS(ksocket_udp_mib(sock_net(sk), ksocket_udp_is_v4(skb)),
		       UDP_MIB_INDATAGRAMS);
	return skb;
}

/**
 * ksocket_udp_recv() - take a packet
 * @worker: the worker
 * @dgram: where to; owns the packet
 *
 * Context: the worker's lock is held.
 * Return: 0, -EAGAIN when there is none, or another negative errno.
 */
int ksocket_udp_recv(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram)
{
	struct sock *sk = worker->listen->sk;
	struct sk_buff *skb;
	int err;

	if (skb_queue_empty(&worker->batch) &&
	    !skb_queue_empty_lockless(&worker->queue)) {
		spin_lock(&worker->queue.lock);
		skb_queue_splice_tail_init(&worker->queue, &worker->batch);
		spin_unlock(&worker->queue.lock);
	}

	skb = __skb_dequeue(&worker->batch);
	if (skb) {
		atomic_sub(skb->truesize, &sk->sk_rmem_alloc);
		ksocket_udp_describe_kept(worker, skb, dgram);
		return 0;
	}

	/* A look at an empty queue takes its locks. */
	if (!ksocket_udp_pending(worker) && !READ_ONCE(sk->sk_err))
		return -EAGAIN;

	skb = ksocket_udp_dequeue(sk, &err);
	if (!skb)
		return err;
	ksocket_udp_describe(worker, skb, dgram);
	return 0;
}

/**
 * ksocket_udp_enqueue() - keep a datagram for later
 * @worker: the worker
 * @dgram: the datagram
 *
 * A queue of our own has one lock less than the socket's, and none of its
 * accounting but that of the receive buffer.
 *
 * Context: softirq.
 * Return: false when the receive buffer is full.
 */
bool ksocket_udp_enqueue(struct ksocket_worker *worker,
			 const struct ksocket_datagram *dgram)
{
	struct sock *sk = worker->listen->sk;
	struct sk_buff *skb = dgram->skb;

	if (atomic_read(&sk->sk_rmem_alloc) + skb->truesize >
	    READ_ONCE(sk->sk_rcvbuf))
		return false;

	ksocket_udp_keep(dgram);
	atomic_add(skb->truesize, &sk->sk_rmem_alloc);
	spin_lock(&worker->queue.lock);
	__skb_queue_tail(&worker->queue, skb);
	spin_unlock(&worker->queue.lock);
	return true;
}

/**
 * ksocket_udp_purge() - free what the thread has not taken
 * @worker: the worker, at rest
 */
void ksocket_udp_purge(struct ksocket_worker *worker)
{
	struct sk_buff *skb;

	skb_queue_splice_tail_init(&worker->queue, &worker->batch);
	while ((skb = __skb_dequeue(&worker->batch))) {
		atomic_sub(skb->truesize, &worker->listen->sk->sk_rmem_alloc);
		kfree_skb(skb);
	}
}

/**
 * ksocket_udp_load() - copy a datagram into the worker's buffer
 * @worker: the worker
 * @dgram: the datagram, no longer than the buffer; its data points there
 *	afterwards
 * @offset: where in the packet it starts
 *
 * Return: 0 or a negative errno.
 */
int ksocket_udp_load(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram, unsigned int offset)
{
	dgram->data = worker->buffer;
	return skb_copy_bits(dgram->skb, offset, worker->buffer, dgram->len);
}

/* Routes */

/* Where an answer goes and how; dst is valid under RCU. */
struct ksocket_udp_route {
	struct sock *sk;
	struct dst_entry *dst;
	const union ksocket_addr *from;
	const union ksocket_addr *to;
	unsigned int headers;
	__be32 label;
	u8 ttl;		/* 0: that of the route */
	u8 tos;
};

/* Where @from has no address it gets the one that the stack chooses. */
static struct dst_entry *ksocket_udp_lookup4(struct sock *sk,
					     union ksocket_addr *from,
					     const union ksocket_addr *to, u8 tos)
{
	struct net *net = sock_net(sk);
	struct flowi4 fl4 = {};
	struct rtable *rt;

	/* The look-up masks what this kernel's routing policy does not know. */
	flowi4_init_output(&fl4, READ_ONCE(sk->sk_bound_dev_if),
			   READ_ONCE(sk->sk_mark), tos, RT_SCOPE_UNIVERSE,
			   IPPROTO_UDP, inet_sk_flowi_flags(sk), to->in.sin_addr.s_addr,
			   from->in.sin_addr.s_addr, to->in.sin_port,
			   from->in.sin_port, sock_net_uid(net, sk));
	security_sk_classify_flow(sk, flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(net, &fl4, sk);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & RTCF_BROADCAST) {
		ip_rt_put(rt);
		return ERR_PTR(-EACCES);
	}

	from->in.sin_addr.s_addr = fl4.saddr;
	return &rt->dst;
}

/* As the stack labels what a socket sends that has no label of its own. */
static __be32 ksocket_udp_flow_label(struct net *net, const struct flowi6 *fl6)
{
	struct flow_keys keys;
	__be32 label;
	u32 hash;

	if (!ip6_default_np_autolabel(net))
		return 0;

	memset(&keys, 0, sizeof(keys));
	hash = rol32(__get_hash_from_flowi6(fl6, &keys), 16);
	label = (__force __be32)hash & IPV6_FLOWLABEL_MASK;
	/* net.ipv6.flowlabel_state_ranges: half of all labels are not for this. */
	if (READ_ONCE(net->ipv6.sysctl.flowlabel_state_ranges))
		label |= IPV6_FLOWLABEL_STATELESS_FLAG;
	return label;
}

/* Likewise. */
static struct dst_entry *ksocket_udp_lookup6(struct sock *sk,
					     union ksocket_addr *from,
					     const union ksocket_addr *to,
					     u8 tos, __be32 *label)
{
	struct net *net = sock_net(sk);
	struct flowi6 fl6 = {
		.flowi6_oif = from->in6.sin6_scope_id ? :
			      to->in6.sin6_scope_id ? :
			      READ_ONCE(sk->sk_bound_dev_if),
		.flowi6_mark = READ_ONCE(sk->sk_mark),
		.flowi6_proto = IPPROTO_UDP,
		.flowi6_uid = sock_net_uid(net, sk),
		.saddr = from->in6.sin6_addr,
		.daddr = to->in6.sin6_addr,
		.fl6_sport = from->in6.sin6_port,
		.fl6_dport = to->in6.sin6_port,
	};
	struct dst_entry *dst;

	*label = ksocket_udp_flow_label(net, &fl6);
	fl6.flowlabel = ip6_make_flowinfo(tos, 0);
	security_sk_classify_flow(sk, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(net, sk, &fl6, NULL);
	from->in6.sin6_addr = fl6.saddr;
	return dst;
}

static noinline_for_stack int ksocket_udp_lookup(struct sock *sk,
						 struct ksocket_flow *flow,
						 u8 tos)
{
	bool v4 = flow->from.sa.sa_family == AF_INET;
	struct dst_entry *dst;

	dst_release(flow->dst);
	flow->dst = NULL;
	flow->cookie = 0;
	flow->label = 0;
	flow->tos = tos;
	if (v4)
		dst = ksocket_udp_lookup4(sk, &flow->to, &flow->from, tos);
	else
		dst = ksocket_udp_lookup6(sk, &flow->to, &flow->from, tos,
					  &flow->label);
	if (IS_ERR(dst))
		return PTR_ERR(dst);

	if (!v4)
		flow->cookie = ksocket_dst_cookie6(dst);
	flow->dst = dst;
	return 0;
}

/*
 * What every answer goes through is inlined up to its way into the stack: it is
 * some two hundred instructions, and calls would be a third of them.
 */

/* Look the route up unless it is known, and for this TOS. */
static __always_inline int ksocket_udp_flow_check(struct sock *sk,
						  struct ksocket_flow *flow,
						  u8 tos)
{
	if (likely(flow->dst && flow->tos == tos &&
		   dst_check(flow->dst, flow->cookie)))
		return 0;

	return ksocket_udp_lookup(sk, flow, tos);
}

/* Return: 0 if @addr is what a socket would get that connects now. */
static int ksocket_udp_reply_choose(struct ksocket_worker *worker,
				    const union ksocket_addr *addr)
{
	const union ksocket_addr *to = &worker->svc->cfg.reply;
	struct sock *sk = worker->reply->sk;
	union ksocket_addr from = *addr;
	struct dst_entry *dst;
	__be32 label;

	if (from.sa.sa_family == AF_INET) {
		from.in.sin_addr.s_addr = htonl(INADDR_ANY);
		dst = ksocket_udp_lookup4(sk, &from, to, 0);
	} else {
		from.in6.sin6_addr = in6addr_any;
		dst = ksocket_udp_lookup6(sk, &from, to, 0, &label);
	}
	if (IS_ERR(dst))
		return PTR_ERR(dst);

	dst_release(dst);
	return ksocket_addr_same(&from, addr) ? 0 : -EOPNOTSUPP;
}

/*
 * An IPv6 address that goes makes routes stale some time before it can no longer be
 * chosen, and after its own local route is gone. A route is found whatever it is to
 * come from, so a choice in between would last until the next change. IPv4 finds none.
 */
static bool ksocket_udp_reply_is_gone(struct ksocket_worker *worker)
{
	const union ksocket_addr *addr = &worker->reply_flows[0].to;

	return addr->sa.sa_family == AF_INET6 &&
	       !ksocket_guard_is_local(worker->svc->net, addr,
				       worker->svc->cfg.reply_ifindex);
}

/*
 * The route is stale, or there was none yet. Other hosts make it stale at will, with
 * ICMP messages, and so does each change of any route: as long as the address stays,
 * so does the socket. As when it connects, the address is chosen first.
 */
static noinline_for_stack int ksocket_udp_reply_renew(struct ksocket_worker *worker)
{
	struct ksocket_flow *flow = &worker->reply_flows[0];
	int err;

	/* Its index may be another's by now. */
	if (ksocket_follow_has_lost_receiver(worker->svc))
		return -EOPNOTSUPP;
	err = ksocket_udp_reply_choose(worker, &flow->to);
	if (!err)
		err = ksocket_udp_lookup(worker->reply->sk, flow, 0);
	if (err)
		return err;

	if (ksocket_udp_reply_is_gone(worker)) {
		ksocket_udp_reply_drop(worker);
		return -EOPNOTSUPP;
	}
	WRITE_ONCE(worker->reply_local, flow->dst->dev->flags & IFF_LOOPBACK);
	return 0;
}

static __always_inline int
ksocket_udp_reply_check_inline(struct ksocket_worker *worker)
{
	const struct ksocket_flow *flow = &worker->reply_flows[0];

	if (unlikely(worker->reply->sk->sk_state != TCP_ESTABLISHED ||
		     worker->reply_gen !=
		     atomic_read(&worker->svc->kn->rebound_gen)))
		return -EOPNOTSUPP;
	if (likely(flow->dst && dst_check(flow->dst, flow->cookie)))
		return 0;

	return ksocket_udp_reply_renew(worker);
}

/**
 * ksocket_udp_reply_check() - follow the routes to the receiver
 * @worker: the worker, its lock held
 *
 * Return: 0; -EOPNOTSUPP when the reply socket has to be connected again, as it is
 * not, or would send from another address; or why there is no way.
 */
int ksocket_udp_reply_check(struct ksocket_worker *worker)
{
	lockdep_assert_held(&worker->lock);

	return ksocket_udp_reply_check_inline(worker);
}

/* The way back to a sender. */
static __always_inline int
ksocket_udp_route_sender(struct ksocket_worker *worker,
			 const struct ksocket_datagram *dgram,
			 struct ksocket_udp_route *route)
{
	struct ksocket_flow *flow = dgram->flow;
	struct sock *sk = worker->listen->sk;
	int err;

	err = ksocket_udp_flow_check(sk, flow, route->tos);
	if (unlikely(err))
		return err;

	route->sk = sk;
	route->dst = flow->dst;
	route->from = &flow->to;
	route->to = &flow->from;
	route->label = flow->label;
	return 0;
}

/* Where the connected socket would send from another address, the thread mends it. */
static __always_inline int
ksocket_udp_route_receiver(struct ksocket_worker *worker,
			   struct ksocket_udp_route *route)
{
	struct ksocket_flow *flow = &worker->reply_flows[0];
	struct sock *sk = worker->reply->sk;
	int err;

	err = ksocket_udp_reply_check_inline(worker);
	if (unlikely(err))
		return err;

	if (unlikely(route->tos)) {
		flow = &worker->reply_flows[1];
		err = ksocket_udp_flow_check(sk, flow, route->tos);
		if (err)
			return err;
	}

	route->sk = sk;
	route->dst = flow->dst;
	route->from = &flow->to;
	route->to = &flow->from;
	route->label = flow->label;
	return 0;
}

/*
 * Find the way and see that this answer may go it, in one packet for each
 * datagram. Return: 0, a negative errno, or -EOPNOTSUPP when it takes a socket.
 */
static __always_inline int
ksocket_udp_route(struct ksocket_worker *worker,
		  const struct ksocket_datagram *dgram, unsigned int len,
		  struct ksocket_udp_route *route)
{
	int err;

	route->tos = ksocket_udp_answer_tos(worker, dgram);
	if (ksocket_has_receiver(&worker->svc->cfg))
		err = ksocket_udp_route_receiver(worker, route);
	else
		err = ksocket_udp_route_sender(worker, dgram, route);
	if (unlikely(err))
		return err;

	route->ttl = ksocket_udp_answer_ttl(worker, dgram);
	route->headers = sizeof(struct udphdr);
	route->headers += route->to->sa.sa_family == AF_INET ?
			  sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (unlikely(dst_xfrm(route->dst) ||
		     len + route->headers > dst_mtu(route->dst)))
		return -EOPNOTSUPP;

	if (unlikely(sk_wmem_alloc_get(route->sk) >=
		     READ_ONCE(route->sk->sk_sndbuf)))
		return -EAGAIN;

	/*
	 * An ICMP error that an earlier answer has earned, not this one. Those of
	 * the listen socket are for ksocket_udp_mend().
	 */
	if (unlikely(READ_ONCE(route->sk->sk_err)) &&
	    route->sk != worker->listen->sk && sock_error(route->sk))
		ksocket_worker_stale_error(worker);

	return 0;
}

/* Sending */

static __always_inline void
ksocket_udp_push_udp(struct sk_buff *skb, const struct ksocket_udp_route *route,
		     bool v4)
{
	unsigned int len = sizeof(struct udphdr) + skb->len;
	struct udphdr *udp = __skb_push(skb, sizeof(*udp));

	skb_reset_transport_header(skb);
	udp->source = route->from->in.sin_port;
	udp->dest = route->to->in.sin_port;
	udp->len = htons(len);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	if (v4)
		udp->check = ~csum_tcpudp_magic(route->from->in.sin_addr.s_addr,
						route->to->in.sin_addr.s_addr,
						len, IPPROTO_UDP, 0);
	else
		udp->check = ~csum_ipv6_magic(&route->from->in6.sin6_addr,
					      &route->to->in6.sin6_addr,
					      len, IPPROTO_UDP, 0);
}

static __always_inline void
ksocket_udp_push_ip4(struct net *net, struct sk_buff *skb,
		     const struct ksocket_udp_route *route)
{
	struct iphdr *ip = __skb_push(skb, sizeof(*ip));
	const struct dst_entry *dst = route->dst;

	skb_reset_network_header(skb);
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = route->tos;
	ip->frag_off = ip_dont_fragment(route->sk, dst) ? htons(IP_DF) : 0;
	/* ip4_dst_hoplimit(), which has to find out the namespace first */
	ip->ttl = route->ttl ? : dst_metric_raw(dst, RTAX_HOPLIMIT) ? :
		  READ_ONCE(net->ipv4.sysctl_ip_default_ttl);
	ip->protocol = IPPROTO_UDP;
	ip->saddr = route->from->in.sin_addr.s_addr;
	ip->daddr = route->to->in.sin_addr.s_addr;
	ip_select_ident_segs(net, skb, route->sk,
			     skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1);
}

static __always_inline void
ksocket_udp_push_ip6(struct sk_buff *skb, const struct ksocket_udp_route *route)
{
	unsigned int len = skb->len;
	struct ipv6hdr *ip6 = __skb_push(skb, sizeof(*ip6));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6, route->tos, route->label);
	ip6->payload_len = htons(len);
	ip6->nexthdr = IPPROTO_UDP;
	ip6->hop_limit = route->ttl ? : ip6_dst_hoplimit(route->dst);
	ip6->saddr = route->from->in6.sin6_addr;
	ip6->daddr = route->to->in6.sin6_addr;
}

/*
 * As skb_set_owner_w() for a full socket, without its hash: a flow label and
 * a queue follow from the packet. SOCK_USE_WRITE_QUEUE keeps sock_wfree() short.
 */
static __always_inline void ksocket_udp_set_owner(struct sk_buff *skb, struct sock *sk)
{
	skb_orphan(skb);
	skb->sk = sk;
	skb->destructor = sock_wfree;
	refcount_add(skb->truesize, &sk->sk_wmem_alloc);
}

/* Send @skb, whose data is the payload. It is gone afterwards. */
static __always_inline int
ksocket_udp_output(struct sk_buff *skb, const struct ksocket_udp_route *route)
{
	bool v4 = route->to->sa.sa_family == AF_INET;
	struct sock *sk = route->sk;
	struct net *net = sock_net(sk);
	int err;

	skb->mark = READ_ONCE(sk->sk_mark);
	skb->priority = READ_ONCE(sk->sk_priority);
	/* As the stack does for a TOS given with a datagram, and for IPv4 only. */
	if (v4 && route->tos)
		skb->priority = rt_tos2priority(route->tos);
	skb_dst_set_noref(skb, route->dst);
	ksocket_udp_set_owner(skb, sk);

	if (v4) {
		ksocket_udp_push_udp(skb, route, true);
		ksocket_udp_push_ip4(net, skb, route);
		err = ip_local_out(net, sk, skb);
	} else {
		ksocket_udp_push_udp(skb, route, false);
		ksocket_udp_push_ip6(skb, route);
		err = ip6_local_out(net, sk, skb);
	}
	if (err > 0)
		err = net_xmit_errno(err);
	/* The packet is gone: here that does not mean that it takes a socket. */
	if (unlikely(err == -EOPNOTSUPP))
		err = -EIO;
	if (likely(!err))
		SNMP_INC_STATS(ksocket_udp_mib(net, v4), UDP_MIB_OUTDATAGRAMS);
	else if (err == -ENOBUFS)
		SNMP_INC_STATS(ksocket_udp_mib(net, v4), UDP_MIB_SNDBUFERRORS);

	return err;
}

/* Has nobody else got hold of this packet, and is it whole? */
static __always_inline bool ksocket_udp_can_turn(const struct sk_buff *skb)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);

	if (skb_shared(skb) || skb_zcopy((struct sk_buff *)skb) ||
	    !ksocket_skb_is_readable(skb))
		return false;

	if (shinfo->gso_size)
		return !(shinfo->gso_type &
			 ~(SKB_GSO_UDP_L4 | SKB_GSO_DODGY));

	/* What was put together from fragments. */
	return !shinfo->frag_list;
}

/*
 * No more than it takes: a packet that a neighbour has sent has just this room,
 * and moving it costs more than all the rest.
 */
static __always_inline unsigned int
ksocket_udp_headroom(const struct ksocket_udp_route *route)
{
	return LL_RESERVED_SPACE(route->dst->dev) + route->dst->header_len +
	       route->headers;
}

/* The headers are written anew: no tap may look at them meanwhile. */
static __always_inline int
ksocket_udp_cow_head(struct sk_buff *skb, const struct ksocket_udp_route *route)
{
	return skb_cow_head(skb, ksocket_udp_headroom(route));
}

/*
 * Make the packet as alloc_skb() would have made it around these bytes. What an
 * answer inherits is a white list, the table in Documentation/design.rst: all
 * that says where and how the bytes lie, and nothing of their way in. A member
 * that a later kernel adds is cleared with the others. Context: the headers are
 * not shared, see ksocket_udp_cow_head().
 */
static void ksocket_udp_scrub(struct sk_buff *skb)
{
	skb_dst_drop(skb);
	skb_ext_reset(skb);
	nf_reset_ct(skb);
	ksocket_skb_clear_headers(skb);
	skb->dev = NULL;
	skb->tstamp = 0;
	skb->mac_len = 0;
	skb->hdr_len = 0;
	skb->queue_mapping = 0;
	skb->peeked = 0;
	memset(skb->cb, 0, sizeof(skb->cb));
	ksocket_skb_clear_tx_flags(skb);
	skb_metadata_clear(skb);
	memset(skb_hwtstamps(skb), 0, sizeof(*skb_hwtstamps(skb)));
}

/**
 * ksocket_udp_turn() - send the packet that was received as its own answer
 * @worker: the worker
 * @dgram: the datagram, or the burst of them; it has no packet any more once
 *	that is on its way
 *
 * Context: the worker's lock is held, RCU read side.
 * Return: 0, a negative errno, or -EOPNOTSUPP when this one has to be copied.
 */
int ksocket_udp_turn(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram)
{
	struct sk_buff *skb = dgram->skb;
	struct ksocket_udp_route route;
	int err;

	if (unlikely(!ksocket_udp_can_turn(skb)))
		return -EOPNOTSUPP;

	err = ksocket_udp_route(worker, dgram, dgram->seg_size, &route);
	if (unlikely(err))
		return err;
	/* A burst that came by IPv6 may be too long for the length of IPv4. */
	if (unlikely(skb->len + route.headers > IP_MAX_MTU))
		return -EOPNOTSUPP;
	if (unlikely(ksocket_udp_cow_head(skb, &route)))
		return -ENOMEM;

	ksocket_udp_scrub(skb);
	dgram->skb = NULL;
	return ksocket_udp_output(skb, &route);
}

/* May the memory of the request hold the answer? It is in the buffer by now. */
static bool ksocket_udp_can_refill(const struct sk_buff *skb, unsigned int len)
{
	return ksocket_udp_can_turn(skb) && !skb_is_gso(skb) &&
	       !skb_is_nonlinear(skb) && !skb_cloned(skb) &&
	       len <= skb->len + skb_tailroom(skb);
}

static struct sk_buff *ksocket_udp_alloc(const struct ksocket_udp_route *route,
					 unsigned int len)
{
	unsigned int room = ksocket_udp_headroom(route);
	struct sk_buff *skb;

	skb = alloc_skb(room + len, GFP_ATOMIC | __GFP_NOWARN);
	if (skb)
		skb_reserve(skb, room);
	return skb;
}

/**
 * ksocket_udp_build() - send an answer that is in the buffer
 * @worker: the worker
 * @dgram: the answer; it has no packet any more once that is on its way, filled
 *	anew
 *
 * Context: the worker's lock is held, RCU read side.
 * Return: 0, a negative errno, or -EOPNOTSUPP when it takes a socket.
 */
int ksocket_udp_build(struct ksocket_worker *worker,
		      struct ksocket_datagram *dgram)
{
	struct sk_buff *skb = dgram->skb;
	struct ksocket_udp_route route;
	int err;

	err = ksocket_udp_route(worker, dgram, dgram->len, &route);
	if (unlikely(err))
		return err;

	if (ksocket_udp_can_refill(skb, dgram->len) &&
	    !ksocket_udp_cow_head(skb, &route)) {
		dgram->skb = NULL;
		ksocket_udp_scrub(skb);
		__skb_trim(skb, 0);
	} else {
		skb = ksocket_udp_alloc(&route, dgram->len);
		if (!skb)
			return -ENOBUFS;
	}
	skb_put_data(skb, dgram->data, dgram->len);
	return ksocket_udp_output(skb, &route);
}

/**
 * ksocket_udp_reply_drop() - forget the routes to the receiver
 * @worker: the worker, its lock held, or at rest
 */
void ksocket_udp_reply_drop(struct ksocket_worker *worker)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(worker->reply_flows); i++) {
		dst_release(worker->reply_flows[i].dst);
		worker->reply_flows[i].dst = NULL;
	}
}

/**
 * ksocket_udp_flows_drop() - forget all routes
 * @worker: the worker, at rest
 */
void ksocket_udp_flows_drop(struct ksocket_worker *worker)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(worker->flows); i++) {
		dst_release(worker->flows[i].dst);
		worker->flows[i].dst = NULL;
	}
	ksocket_udp_reply_drop(worker);
}
