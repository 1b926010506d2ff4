// SPDX-License-Identifier: GPL-2.0
/*
 * What a kernel has, tried by the compiler: a function here that does not compile
 * is a macro less in compat-have.h, which Kbuild makes from this file and compat.h
 * reads. A version number cannot say it: a vendor kernel, and a stable one, has an
 * old number and newer insides.
 *
 * All is compiled at once, so that it takes one second, not one for each. Therefore
 * a function asks for one thing, and no two ask for the same. The comment says
 * which version brought it. Nothing here is part of the module.
 */
#include <linux/memcontrol.h>
#include <linux/net.h>
#include <net/genetlink.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/netlink.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/udp.h>

/* Without these two being right the others say nothing. */
static inline void KSOCKET_HAVE_CONTROL_ALWAYS(struct sock *sk)
{
	sock_hold(sk);
}

static inline void KSOCKET_HAVE_CONTROL_NEVER(struct sock *sk)
{
	ksocket_no_kernel_has_this(sk);
}

/* 5.11 */
static inline void KSOCKET_HAVE_NLA_STRSCPY(char *to, const struct nlattr *attr)
{
	nla_strscpy(to, attr, 1);
}

/* 5.12 */
static inline void KSOCKET_HAVE_SKB_FLAGS(struct sk_buff *skb)
{
	skb_shinfo(skb)->flags = 0;
}

/* 5.16, as a sign: what it stands for, in compat.h, is a matter of behaviour */
static inline void *KSOCKET_HAVE_FOLIO_MEMCG(struct folio *folio)
{
	return folio_memcg(folio);
}

/* 5.19 */
static inline void KSOCKET_HAVE_ALLOC_CPU(struct sk_buff *skb)
{
	skb->alloc_cpu = 0;
}

/* 5.19 */
static inline struct sk_buff *KSOCKET_HAVE_RECV_FLAGS(struct sock *sk, int *n)
{
	return __skb_recv_udp(sk, MSG_DONTWAIT, n, n);
}

/* always, but for 5.19 and 6.0, where it is behind a pointer */
static inline void *KSOCKET_HAVE_HASHINFO(const struct net *net)
{
	return net->ipv4.tcp_death_row.hashinfo;
}

/* 6.1 */
static inline void KSOCKET_HAVE_RESV_START_OP(struct genl_family *family)
{
	family->resv_start_op = 1;
}

/* up to 6.4; MSG_SPLICE_PAGES says nothing: 6.1.y has it, and TCP does not know it */
static inline int KSOCKET_HAVE_SENDPAGE(struct sock *sk, struct page *page)
{
	return kernel_sendpage_locked(sk, page, 0, 1, MSG_SENDPAGE_NOTLAST);
}

/* 6.12 */
static inline bool KSOCKET_HAVE_FRAGS_READABLE(const struct sk_buff *skb)
{
	return skb_frags_readable(skb);
}

/* 6.17 */
static inline kuid_t KSOCKET_HAVE_SK_UID(const struct sock *sk)
{
	return sk_uid(sk);
}

/* 6.18 */
static inline int KSOCKET_HAVE_SK_DROPS_INC(struct sock *sk)
{
	sk_drops_inc(sk);
	return sk_drops_read(sk);
}

/* 6.18 */
static inline void *KSOCKET_HAVE_LOOKUP_BY_NET(struct net *net)
{
	return __inet_lookup_established(net, 0, 0, 0, 0, 0, 0);
}

/* 6.19 */
static inline int KSOCKET_HAVE_SOCKADDR_UNSIZED(struct socket *sock, void *addr)
{
	return kernel_bind(sock, (struct sockaddr_unsized *)addr, 0);
}
