/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the supported kernels, 5.10 to 7.2, each with the
 * version that made it and the reason. No other file asks for a version.
 */
#ifndef KSOCKET_COMPAT_H
#define KSOCKET_COMPAT_H

#include <linux/net.h>
#include <linux/version.h>
#include <net/sock.h>

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

#endif /* KSOCKET_COMPAT_H */
