/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the supported kernels, 5.10 to 7.2, each with the
 * version that made it and the reason. Not the version is asked for but what the
 * kernel has: compat-have.h, made from compat-probe.c, or a macro of the kernel's
 * that comes with the change. No other file asks for either.
 */
#ifndef KSOCKET_COMPAT_H
#define KSOCKET_COMPAT_H

#include <linux/bvec.h>
#include <linux/memcontrol.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <net/genetlink.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include <net/netlink.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/udp.h>
#include "compat-have.h"

/*
 * 6.19: the address of bind and connect has a type of its own, so that
 * struct sockaddr may become its real size.
 */
static inline int ksocket_bind(struct socket *sock, struct sockaddr *addr,
			       int len)
{
#ifdef KSOCKET_HAVE_SOCKADDR_UNSIZED
	return kernel_bind(sock, (struct sockaddr_unsized *)addr, len);
#else
	return kernel_bind(sock, addr, len);
#endif
}

static inline int ksocket_connect(struct socket *sock, struct sockaddr *addr,
				  int len, int flags)
{
#ifdef KSOCKET_HAVE_SOCKADDR_UNSIZED
	return kernel_connect(sock, (struct sockaddr_unsized *)addr, len,
			      flags);
#else
	return kernel_connect(sock, addr, len, flags);
#endif
}

/*
 * 6.5: pages are lent by a flag of sendmsg(), not by a call for each. As long as
 * there is the call, the flag may be there and unknown to TCP (6.1.y).
 */
static inline int ksocket_tcp_sendpages(struct sock *sk, struct bio_vec *vec,
					unsigned int n, size_t len, int flags)
{
#ifndef KSOCKET_HAVE_SENDPAGE
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	iov_iter_bvec(&msg.msg_iter, WRITE, vec, n, len);
	return tcp_sendmsg_locked(sk, &msg, len);
#else
	size_t sent = 0;
	unsigned int i;
	int err;

	for (i = 0; i < n; i++) {
		bool last = i == n - 1;

		err = kernel_sendpage_locked(sk, vec[i].bv_page,
					     vec[i].bv_offset, vec[i].bv_len,
					     flags | (last ? 0 : MSG_MORE |
						      MSG_SENDPAGE_NOTLAST));
		if (err <= 0)
			return sent ? : err;
		sent += err;
		if (err < vec[i].bv_len)
			break;
	}

	return sent;
#endif
}

/*
 * 6.1: a namespace may have a table of connections of its own. Where all have one,
 * most versions name it in the same place.
 */
static inline struct inet_hashinfo *ksocket_tcp_hashinfo(const struct net *net)
{
#ifdef KSOCKET_HAVE_HASHINFO
	return net->ipv4.tcp_death_row.hashinfo;
#else
	return &tcp_hashinfo;
#endif
}

/* 6.18: a namespace knows its table of connections. */
static inline struct sock *ksocket_tcp_lookup4(struct net *net, __be32 saddr,
					       __be16 sport, __be32 daddr,
					       u16 port, int ifindex)
{
#ifdef KSOCKET_HAVE_LOOKUP_BY_NET
	return __inet_lookup_established(net, saddr, sport, daddr, port,
					 ifindex, 0);
#else
	return __inet_lookup_established(net, ksocket_tcp_hashinfo(net), saddr,
					 sport, daddr, port, ifindex, 0);
#endif
}

/* likewise */
static inline struct sock *ksocket_tcp_lookup6(struct net *net,
					       const struct in6_addr *saddr,
					       __be16 sport,
					       const struct in6_addr *daddr,
					       u16 port, int ifindex)
{
#if !IS_ENABLED(CONFIG_IPV6)
	return NULL;
#elif defined(KSOCKET_HAVE_LOOKUP_BY_NET)
	return __inet6_lookup_established(net, saddr, sport, daddr, port,
					  ifindex, 0);
#else
	return __inet6_lookup_established(net, ksocket_tcp_hashinfo(net), saddr,
					  sport, daddr, port, ifindex, 0);
#endif
}

/* 6.18: the drop counter of a UDP socket is kept per NUMA node. */
static inline u32 ksocket_sk_drops(const struct sock *sk)
{
#ifdef KSOCKET_HAVE_SK_DROPS_INC
	return sk_drops_read(sk);
#else
	return atomic_read(&sk->sk_drops);
#endif
}

/* likewise */
static inline void ksocket_sk_drops_inc(struct sock *sk)
{
#ifdef KSOCKET_HAVE_SK_DROPS_INC
	sk_drops_inc(sk);
#else
	atomic_inc(&sk->sk_drops);
#endif
}

/* 5.19: not to wait is one of the flags. */
static inline struct sk_buff *ksocket_skb_recv_udp(struct sock *sk,
						   unsigned int flags, int *err)
{
	int off = 0;

#ifdef KSOCKET_HAVE_RECV_FLAGS
	return __skb_recv_udp(sk, flags, &off, err);
#else
	return __skb_recv_udp(sk, flags & ~MSG_DONTWAIT, flags & MSG_DONTWAIT,
			      &off, err);
#endif
}

/* 6.10: from a rtable or rt6_info to its dst_entry and back with a function. */
static inline u32 ksocket_dst_cookie6(struct dst_entry *dst)
{
#ifdef dst_rt6_info
	return rt6_get_cookie(dst_rt6_info(dst));
#else
	return rt6_get_cookie((struct rt6_info *)dst);
#endif
}

/* likewise. Is what takes this route delivered on this host? */
static inline bool ksocket_dst_is_local6(const struct dst_entry *dst)
{
#ifdef dst_rt6_info
	const struct rt6_info *rt = dst_rt6_info(dst);
#else
	const struct rt6_info *rt = (const struct rt6_info *)dst;
#endif
	const struct fib6_info *from;
	int type = RTN_UNICAST;

	/* Not its flags: a route of type anycast that a user has added has none. */
	rcu_read_lock();
	from = rcu_dereference(rt->from);
	if (from)
		type = from->fib6_type;
	rcu_read_unlock();

	return !dst->error && (type == RTN_LOCAL || type == RTN_ANYCAST);
}

/*
 * 6.8: joining a multicast group has flags of its own for who may; stable
 * kernels have them as well. Where they are missing the flags are those of
 * operations, or, in an early 5.10, there is no such check at all.
 */
#ifdef GENL_MCAST_CAP_NET_ADMIN
#define KSOCKET_GENL_MCAST_ADMIN	GENL_MCAST_CAP_NET_ADMIN
#else
#define KSOCKET_GENL_MCAST_ADMIN	GENL_UNS_ADMIN_PERM
#endif

/*
 * What the sender has asked to be told of its packet. 5.12: what is not about that
 * has a place of its own.
 */
static inline void ksocket_skb_clear_tx_flags(struct sk_buff *skb)
{
#ifdef KSOCKET_HAVE_SKB_FLAGS
	skb_shinfo(skb)->tx_flags = 0;
#else
	skb_shinfo(skb)->tx_flags &= SKBTX_DEV_ZEROCOPY | SKBTX_SHARED_FRAG;
#endif
	skb_shinfo(skb)->tskey = 0;
}

/*
 * Clear all that a copy of the header would copy, from where the type of the packet
 * is to where the pointers begin: the members of it differ from kernel to kernel.
 * 5.19: the CPU that has made the packet is among them, for its memory to go back.
 */
static inline void ksocket_skb_clear_headers(struct sk_buff *skb)
{
	const size_t start = offsetof(struct sk_buff, __pkt_type_offset);
	const size_t end = offsetof(struct sk_buff, tail);
#ifdef KSOCKET_HAVE_ALLOC_CPU
	u16 cpu = skb->alloc_cpu;
#endif

	BUILD_BUG_ON(offsetof(struct sk_buff, __cloned_offset) >= start ||
		     offsetof(struct sk_buff, queue_mapping) >= start);
	BUILD_BUG_ON(offsetof(struct sk_buff, priority) < start ||
		     offsetof(struct sk_buff, mac_header) >= end);
	BUILD_BUG_ON(offsetof(struct sk_buff, head) < end ||
		     offsetof(struct sk_buff, users) < end);

	memset((u8 *)skb + start, 0, end - start);
	skb->mac_header = (typeof(skb->mac_header))~0U;
#ifdef KSOCKET_HAVE_ALLOC_CPU
	skb->alloc_cpu = cpu;
#endif
}

/* 6.12: the payload may be in a device's memory, which no CPU can read. */
static inline bool ksocket_skb_is_readable(const struct sk_buff *skb)
{
#ifdef KSOCKET_HAVE_FRAGS_READABLE
	return skb_frags_readable(skb);
#else
	return true;
#endif
}

/*
 * 6.1: what is reserved in a request's header has to be 0 from this operation on,
 * and flags that say nothing as well; NLM_F_EXCL and NLM_F_REPLACE do to the first.
 */
#ifdef KSOCKET_HAVE_RESV_START_OP
#define KSOCKET_GENL_STRICT_OPS	.resv_start_op = KSOCKET_CMD_SERVICE_NEW + 1,
#else
#define KSOCKET_GENL_STRICT_OPS
#endif

/*
 * 6.17: who may share a port is asked of sk_uid, not of the inode. Routing looks at
 * it as well ("uidrange"), so it is left alone where nobody asks.
 */
static inline void ksocket_sk_set_uid(struct sock *sk, kuid_t uid)
{
#ifdef KSOCKET_HAVE_SK_UID
	WRITE_ONCE(sk->sk_uid, uid);
#endif
}

/* 6.6: ranges in a policy are const; generated ones always are. */
#undef NLA_POLICY_FULL_RANGE
#define NLA_POLICY_FULL_RANGE(tp, _range) { \
	.type = NLA_ENSURE_UINT_OR_BINARY_TYPE(tp), \
	.validation_type = NLA_VALIDATE_RANGE_PTR, \
	.range = (struct netlink_range_validation *)(_range), \
}

/* 5.11: the result says whether it was cut off; nobody asks for it here. */
#ifndef KSOCKET_HAVE_NLA_STRSCPY
#define nla_strscpy nla_strlcpy
#endif

/* 6.9: what binary attributes always meant by their length has a name. */
#ifndef NLA_POLICY_MAX_LEN
#define NLA_POLICY_MAX_LEN(_len) { .type = NLA_BINARY, .len = _len, }
#endif

/*
 * 6.0, and later ones of 5.10 and 5.15: flags are stored together with the pointer.
 * The lock is the caller's there and here.
 */
#ifndef __rcu_assign_sk_user_data_with_flags
#define __rcu_assign_sk_user_data_with_flags(sk, ptr, flags) \
	rcu_assign_pointer(__sk_user_data((sk)), \
			   (void *)((uintptr_t)(ptr) | (flags)))
#endif

/*
 * What the current thread allocates with __GFP_ACCOUNT goes to this memory cgroup, in
 * place of the one that is returned.
 * set_active_memcg() has another half for interrupts, which modules cannot link
 * to before 5.14; a thread needs its own half only.
 */
static inline struct mem_cgroup *
ksocket_set_active_memcg(struct mem_cgroup *memcg)
{
	struct mem_cgroup *old = NULL;
#ifdef CONFIG_MEMCG
	old = current->active_memcg;
	current->active_memcg = memcg;
#endif
	return old;
}

/*
 * 5.14: cgroup_attach_task_all() moves a thread in the cgroup v2 hierarchy, too.
 * Before, it does so in those of cgroup v1 only, and a module has no other way: the
 * thread stays in the root cgroup of v2, its processor time is charged there, and
 * its sockets are charged to nothing. So a socket is given its memory cgroup
 * here, as accept() would: what it has received by then is charged whatever the
 * limit, because what is freed later is uncharged whether or not it was charged.
 */
static inline void ksocket_sk_set_memcg(struct sock *sk,
					struct mem_cgroup *memcg)
{
#if defined(CONFIG_MEMCG) && !defined(KSOCKET_HAVE_FOLIO_MEMCG)
	int pages;

	if (!mem_cgroup_sockets_enabled || !memcg || !memcg->css.parent ||
	    !cgroup_subsys_on_dfl(memory_cgrp_subsys))
		return;

	lock_sock(sk);
	if (!sk->sk_memcg) {
		css_get(&memcg->css);
		sk->sk_memcg = memcg;
		pages = sk_mem_pages(sk->sk_forward_alloc +
				     atomic_read(&sk->sk_rmem_alloc));
		/* For none the charge would go round for ever at the limit. */
		if (pages) {
			/* With a send of this size it never fails. */
			__sk_mem_raise_allocated(sk, sk->sk_sndbuf, pages,
						 SK_MEM_SEND);
			/* net.ipv4.tcp_mem has counted them before. */
			sk_memory_allocated_sub(sk, pages);
		}
	}
	release_sock(sk);
#endif
}

#endif /* KSOCKET_COMPAT_H */
