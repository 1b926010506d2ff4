/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sockets of every kind have in common.
 */
#ifndef KSOCKET_TRANSPORT_SOCK_H
#define KSOCKET_TRANSPORT_SOCK_H

#include <net/sock.h>

#include "ksocket.h"

/**
 * ksocket_sock_addr_len() - length of an address, as bind and connect want it
 * @addr: the address
 *
 * Return: bytes.
 */
static inline int ksocket_sock_addr_len(const union ksocket_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? sizeof(addr->in) :
					       sizeof(addr->in6);
}

/**
 * struct ksocket_sock_callbacks - what the stack calls for a connection
 * @data_ready: something has come
 * @write_space: there is room to send
 * @state_change: a state has been entered
 * @error_report: an error has come
 */
struct ksocket_sock_callbacks {
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*error_report)(struct sock *sk);
};

extern const char ksocket_sock_is_tcp_end[];
extern const char ksocket_sock_is_uplink[];

/**
 * ksocket_sock_user() - look at sk_user_data
 * @sk: the socket
 * @kind: what is wanted of it
 *
 * Context: under RCU.
 * Return: the user data, or NULL if it is of another kind or there is none.
 */
static inline struct ksocket_sock_user *
ksocket_sock_user(const struct sock *sk, const char *kind)
{
	struct ksocket_sock_user *user = rcu_dereference_sk_user_data(sk);

	return user && user->kind == kind ? user : NULL;
}

/**
 * ksocket_sock_worker() - the worker that a socket belongs to
 * @sk: a socket to listen, or one to the receiver of datagrams
 *
 * Context: under RCU.
 * Return: the worker, or NULL if the socket is of another kind or detached.
 */
static inline struct ksocket_worker *ksocket_sock_worker(const struct sock *sk)
{
	struct ksocket_sock_user *user;

	user = ksocket_sock_user(sk, ksocket_sock_is_worker);
	return user ? container_of(user, struct ksocket_worker, user) : NULL;
}

int ksocket_sock_claim(struct sock *sk, struct ksocket_sock_user *user);
int ksocket_sock_hook(struct sock *sk, struct ksocket_sock_user *user,
		      const struct ksocket_sock_callbacks *ours,
		      struct ksocket_sock_callbacks *theirs);
void ksocket_sock_unhook(struct sock *sk,
			 const struct ksocket_sock_callbacks *theirs);
bool ksocket_sock_is_local(struct sock *sk);
void ksocket_sock_set_sndbuf(struct sock *sk, unsigned int size);
void ksocket_sock_set_rcvbuf(struct sock *sk, unsigned int size);
void ksocket_sock_set_dual_stack(struct sock *sk);
int ksocket_sock_take_port(const struct ksocket_service *svc, struct sock *sk);
int ksocket_sock_probe(const struct ksocket_service *svc);
int ksocket_sock_create_listen(struct ksocket_worker *worker, int type,
			       int protocol, struct socket **result,
			       struct ksocket_report *rep);
int ksocket_sock_report_bind(const struct ksocket_service *svc, int err,
			     struct ksocket_report *rep);

#endif /* KSOCKET_TRANSPORT_SOCK_H */
