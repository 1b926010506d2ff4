/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the supported kernels, 5.10 to 7.2, each with the
 * version that made it and the reason. No other file asks for a version.
 */
#ifndef KSOCKET_COMPAT_H
#define KSOCKET_COMPAT_H

#include <linux/net.h>
#include <linux/version.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/udp.h>

/*
 * 6.19: the address of bind and connect has a type of its own, so that
 * struct sockaddr may become its real size.
 */
static inline int ksocket_bind(struct socket *sock, struct sockaddr *addr,
			       int len)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return kernel_bind(sock, (struct sockaddr_unsized *)addr, len);
#else
	return kernel_bind(sock, addr, len);
#endif
}

static inline int ksocket_connect(struct socket *sock, struct sockaddr *addr,
				  int len)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return kernel_connect(sock, (struct sockaddr_unsized *)addr, len, 0);
#else
	return kernel_connect(sock, addr, len, 0);
#endif
}

/* 6.18: the drop counter of a UDP socket is kept per NUMA node. */
static inline u32 ksocket_sk_drops(const struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	return sk_drops_read(sk);
#else
	return atomic_read(&sk->sk_drops);
#endif
}

/* likewise */
static inline void ksocket_sk_drops_inc(struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
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

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
	return __skb_recv_udp(sk, flags, &off, err);
#else
	return __skb_recv_udp(sk, flags & ~MSG_DONTWAIT, flags & MSG_DONTWAIT,
			      &off, err);
#endif
}

/* 6.10: from a rtable or rt6_info to its dst_entry and back with a function. */
static inline u32 ksocket_dst_cookie6(struct dst_entry *dst)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return rt6_get_cookie(dst_rt6_info(dst));
#else
	return rt6_get_cookie((struct rt6_info *)dst);
#endif
}

/* 5.18: a time stamp has a kind. */
static inline void ksocket_skb_clear_tstamp(struct sk_buff *skb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
	skb_clear_tstamp(skb);
#else
	skb->tstamp = 0;
#endif
}

#endif /* KSOCKET_COMPAT_H */
