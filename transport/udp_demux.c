// SPDX-License-Identifier: GPL-2.0
/*
 * Early demux: the packet of a sender that is known needs no look for its route
 * and its socket, which takes longer than the answer does.
 *
 * The kernel's own, udp_v4_early_demux(), is for connected sockets, one to an
 * address and port. This one is for every sender, and where the stack already
 * looks for what tproxy has found: at the end of PRE_ROUTING. Nothing is left
 * out. What follows, netfilter's INPUT and the checks of the UDP layer included,
 * follows as before; sysctl net.ipv4.udp_early_demux=0 turns it off.
 *
 * What is kept of a packet is all that the two look-ups depend on, but for BPF
 * programs that redirect a look-up (sk_lookup): one that is attached later does
 * not see senders that are known, as with a connected socket.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/sock.h>

#include "udp.h"

#define KSOCKET_DEMUX_BITS	10

/*
 * struct ksocket_udp_key - what decides where a packet goes
 * @ports: source and destination
 * @ifindex: the device it came in by
 * @mark: a rule of PRE_ROUTING may have set it for the routing policy
 * @class: the first word of the header as far as routing looks at it; also tells
 *	the IP versions apart
 * @from, @to: addresses; of IPv4 only the last words are set
 */
struct ksocket_udp_key {
	u32 ports;
	int ifindex;
	u32 mark;
	u32 class;
	struct in6_addr from;
	struct in6_addr to;
};

/* A sender, the socket that takes what it sends, and the route to there. */
struct ksocket_udp_known {
	struct ksocket_udp_key key;
	struct sock *sk;
	struct dst_entry *dst;
	u32 cookie;
	struct rcu_head rcu;
};

/*
 * struct ksocket_udp_demux - the senders that a namespace knows
 * @lock: of those who change @known
 * @ops: one hook for each IP version
 * @known: the last one with this hash; read under RCU
 */
struct ksocket_udp_demux {
	spinlock_t lock;	/* see above; taken with BH disabled */
	struct nf_hook_ops ops[2];
	struct ksocket_udp_known __rcu *known[1 << KSOCKET_DEMUX_BITS];
};

static __always_inline bool
ksocket_udp_key_ports(const struct sk_buff *skb, const void *header,
		      struct ksocket_udp_key *key)
{
	const struct udphdr *udp = header;

	if ((const unsigned char *)(udp + 1) > skb_tail_pointer(skb))
		return false;

	key->ports = (__force u32)udp->source << 16 | (__force u32)udp->dest;
	key->ifindex = skb->skb_iif;
	key->mark = skb->mark;
	return true;
}

/* Return: false when it is not the plain UDP packet that all of this is for. */
static __always_inline bool ksocket_udp_key4(const struct sk_buff *skb,
					     struct ksocket_udp_key *key)
{
	const struct iphdr *ip = ip_hdr(skb);

	if (ip->protocol != IPPROTO_UDP || ip->ihl != 5 || ip_is_fragment(ip))
		return false;

	key->class = 4 << 28 | ip->tos;
	key->from.s6_addr32[3] = ip->saddr;
	key->to.s6_addr32[3] = ip->daddr;
	return ksocket_udp_key_ports(skb, ip + 1, key);
}

static __always_inline bool ksocket_udp_key6(const struct sk_buff *skb,
					     struct ksocket_udp_key *key)
{
	const struct ipv6hdr *ip6 = ipv6_hdr(skb);

	if (ip6->nexthdr != IPPROTO_UDP)
		return false;

	key->class = ntohl(*(const __be32 *)ip6);
	key->from = ip6->saddr;
	key->to = ip6->daddr;
	return ksocket_udp_key_ports(skb, ip6 + 1, key);
}

static __always_inline bool ksocket_udp_key_same(const struct ksocket_udp_key *a,
						 const struct ksocket_udp_key *b,
						 bool v4)
{
	if (a->ports != b->ports || a->ifindex != b->ifindex ||
	    a->mark != b->mark || a->class != b->class)
		return false;

	if (v4)
		return a->from.s6_addr32[3] == b->from.s6_addr32[3] &&
		       a->to.s6_addr32[3] == b->to.s6_addr32[3];

	return ipv6_addr_equal(&a->from, &b->from) &&
	       ipv6_addr_equal(&a->to, &b->to);
}

static __always_inline struct ksocket_udp_known __rcu **
ksocket_udp_demux_slot(struct ksocket_udp_demux *demux,
		       const struct ksocket_udp_key *key)
{
	u64 word = (u64)(__force u32)key->from.s6_addr32[3] << 32 | key->ports;

	return &demux->known[hash_64(word, KSOCKET_DEMUX_BITS)];
}

/*
 * A packet for this host that nobody has decided about yet. A bridge runs the hook
 * for frames that may go elsewhere.
 */
static __always_inline bool ksocket_udp_demux_wants(const struct sk_buff *skb)
{
	return !skb->sk && !skb_dst(skb) && skb->pkt_type == PACKET_HOST &&
	       !nf_bridge_in_prerouting(skb);
}

static __always_inline void
ksocket_udp_demux(struct ksocket_udp_demux *demux, const struct net *net,
		  struct sk_buff *skb, const struct ksocket_udp_key *key,
		  bool v4)
{
	struct ksocket_udp_known *known;

	known = rcu_dereference(*ksocket_udp_demux_slot(demux, key));
	if (!known || !ksocket_udp_key_same(&known->key, key, v4) ||
	    !READ_ONCE(net->ipv4.sysctl_ip_early_demux) ||
	    !READ_ONCE(net->ipv4.sysctl_udp_early_demux) ||
	    !dst_check(known->dst, known->cookie))
		return;

	/* A queue in between may keep the packet for longer than the service. */
	if (unlikely(!refcount_inc_not_zero(&known->sk->sk_refcnt)))
		return;

	skb_orphan(skb);
	skb->sk = known->sk;
	skb->destructor = sock_edemux;
	skb_dst_set_noref(skb, known->dst);
}

static unsigned int ksocket_udp_demux4(void *priv, struct sk_buff *skb,
				       const struct nf_hook_state *state)
{
	struct ksocket_udp_key key;

	if (ksocket_udp_key4(skb, &key) && ksocket_udp_demux_wants(skb))
		ksocket_udp_demux(priv, state->net, skb, &key, true);

	return NF_ACCEPT;
}

static unsigned int ksocket_udp_demux6(void *priv, struct sk_buff *skb,
				       const struct nf_hook_state *state)
{
	struct ksocket_udp_key key;

	if (ksocket_udp_key6(skb, &key) && ksocket_udp_demux_wants(skb))
		ksocket_udp_demux(priv, state->net, skb, &key, false);

	return NF_ACCEPT;
}

static void ksocket_udp_known_free(struct ksocket_udp_known *known)
{
	/* Who has found it before may use the route up to its own RCU read end. */
	dst_release(known->dst);
	kfree_rcu(known, rcu);
}

static bool ksocket_udp_learn_key(const struct sk_buff *skb,
				  struct ksocket_udp_key *key)
{
	/* With a VRF the port of it matters as well. */
	if (skb->pkt_type != PACKET_HOST || !skb_dst(skb) ||
	    netif_is_l3_master(skb->dev))
		return false;

	if (skb->protocol == htons(ETH_P_IP))
		return ksocket_udp_key4(skb, key) &&
		       skb_rtable(skb)->rt_type == RTN_LOCAL;

	return ksocket_udp_key6(skb, key) && !ipv6_addr_is_multicast(&key->to);
}

static struct ksocket_udp_known *
ksocket_udp_known_alloc(const struct ksocket_udp_key *key, struct sock *sk,
			struct dst_entry *dst)
{
	struct ksocket_udp_known *known;

	known = kmalloc(sizeof(*known), GFP_ATOMIC | __GFP_NOWARN);
	if (!known)
		return NULL;
	if (!dst_hold_safe(dst)) {
		kfree(known);
		return NULL;
	}

	known->key = *key;
	known->sk = sk;
	known->dst = dst;
	known->cookie = 0;
	if (key->class >> 28 == 6)
		known->cookie = ksocket_dst_cookie6(dst);
	return known;
}

/**
 * ksocket_udp_learn() - know the sender of a packet from now on
 * @worker: whose listen socket has received it
 * @skb: the packet, with the route it came by
 *
 * Without memory it stays unknown, which costs time and nothing else.
 *
 * Context: softirq, RCU read side.
 */
void ksocket_udp_learn(struct ksocket_worker *worker, const struct sk_buff *skb)
{
	struct ksocket_udp_demux *demux = worker->svc->kn->demux;
	struct sock *sk = worker->listen->sk;
	struct ksocket_udp_known __rcu **slot;
	struct ksocket_udp_known *old, *known;
	struct ksocket_udp_key key = {};

	if (!ksocket_udp_learn_key(skb, &key))
		return;

	slot = ksocket_udp_demux_slot(demux, &key);
	spin_lock(&demux->lock);
	old = rcu_dereference_protected(*slot, lockdep_is_held(&demux->lock));
	if (old && old->sk == sk && dst_check(old->dst, old->cookie) &&
	    ksocket_udp_key_same(&old->key, &key, false))
		goto unlock;

	known = ksocket_udp_known_alloc(&key, sk, skb_dst(skb));
	if (!known)
		goto unlock;
	rcu_assign_pointer(*slot, known);
	if (old)
		ksocket_udp_known_free(old);
unlock:
	spin_unlock(&demux->lock);
}

/**
 * ksocket_udp_forget() - know none of a worker's senders any more
 * @worker: the worker, at rest
 */
void ksocket_udp_forget(struct ksocket_worker *worker)
{
	struct ksocket_udp_demux *demux = worker->svc->kn->demux;
	struct ksocket_udp_known *known;
	unsigned int i;

	spin_lock_bh(&demux->lock);
	for (i = 0; i < ARRAY_SIZE(demux->known); i++) {
		known = rcu_dereference_protected(demux->known[i],
						  lockdep_is_held(&demux->lock));
		if (!known || known->sk != worker->listen->sk)
			continue;
		RCU_INIT_POINTER(demux->known[i], NULL);
		ksocket_udp_known_free(known);
	}
	spin_unlock_bh(&demux->lock);
}

static void ksocket_udp_demux_hook(struct ksocket_udp_demux *demux,
				   unsigned int nr, nf_hookfn *hook, u8 pf)
{
	struct nf_hook_ops *ops = &demux->ops[nr];

	ops->hook = hook;
	ops->pf = pf;
	ops->hooknum = NF_INET_PRE_ROUTING;
	ops->priority = INT_MAX; /* whatever sets a mark or an address has done it */
	ops->priv = demux;
}

static struct ksocket_udp_demux *ksocket_udp_demux_start(struct net *net)
{
	struct ksocket_udp_demux *demux;

	demux = kvzalloc(sizeof(*demux), GFP_KERNEL_ACCOUNT);
	if (!demux)
		return NULL;

	spin_lock_init(&demux->lock);
	ksocket_udp_demux_hook(demux, 0, ksocket_udp_demux4, NFPROTO_IPV4);
	ksocket_udp_demux_hook(demux, 1, ksocket_udp_demux6, NFPROTO_IPV6);
	if (nf_register_net_hooks(net, demux->ops, ARRAY_SIZE(demux->ops))) {
		kvfree(demux);
		return NULL;
	}

	return demux;
}

/**
 * ksocket_udp_demux_get() - make the table of known senders, unless there is one
 * @worker: the worker
 *
 * The hooks stay until ksocket_udp_demux_exit(): to unregister a hook, netfilter
 * drops all packets of the namespace that wait in an NFQUEUE, whatever hook
 * they wait in.
 *
 * Context: process context, may sleep; the namespace's lock is held.
 * Return: 0 or -ENOMEM.
 */
int ksocket_udp_demux_get(const struct ksocket_worker *worker)
{
	struct ksocket_net *kn = worker->svc->kn;

	lockdep_assert_held(&kn->lock);

	if (!kn->demux)
		kn->demux = ksocket_udp_demux_start(worker->svc->net);
	return kn->demux ? 0 : -ENOMEM;
}

/**
 * ksocket_udp_demux_exit() - remove the hooks and the table
 * @net: the namespace, or the module, ends; no service is left
 *
 * Context: process context, may sleep.
 */
void ksocket_udp_demux_exit(struct net *net)
{
	struct ksocket_net *kn = ksocket_net(net);

	if (!kn->demux)
		return;

	nf_unregister_net_hooks(net, kn->demux->ops, ARRAY_SIZE(kn->demux->ops));
	/* A hook may still run in another CPU. */
	synchronize_rcu_expedited();
	kvfree(kn->demux);
	kn->demux = NULL;
}
