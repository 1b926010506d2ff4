/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the TCP transport share: tcp.c has the connections,
 * tcp_move.c moves bytes from one socket to another.
 */
#ifndef KSOCKET_TRANSPORT_TCP_H
#define KSOCKET_TRANSPORT_TCP_H

#include <linux/llist.h>
#include <linux/net.h>
#include <net/tcp.h>

#include "ksocket.h"
#include "sock.h"

struct ksocket_tcp_conn;

/* Short packets are sent from a buffer of this size, many at once. */
#define KSOCKET_TCP_COPY	2048

/**
 * struct ksocket_tcp_end - one of the sockets of a connection
 * @user: where sk_user_data of @sock points to
 * @conn: the connection
 * @sock: the socket, or NULL
 * @theirs: what the stack would call without us
 * @eof: the other side has ended, and all it has sent before is taken
 * @shut: we have ended, after all that we have sent
 */
struct ksocket_tcp_end {
	struct ksocket_sock_user user;
	struct ksocket_tcp_conn *conn;
	struct socket *sock;
	struct ksocket_sock_callbacks theirs;
	bool eof;
	bool shut;
};

/* Bits of struct ksocket_tcp_conn.flags */
#define KSOCKET_TCP_QUEUED	0	/* on the list of those that are ready */

/**
 * struct ksocket_tcp_conn - a client, and its connection to the receiver
 * @worker: whose it is; only its thread touches the sockets
 * @ready: in the worker's list of those that are ready
 * @flags: see above
 * @node: in the worker's list of its state, the longest idle first
 * @id: its number among all of the worker
 * @state: what it is at
 * @starved: it could not go on for want of memory, and has to be tried again
 * @dead: it has ended, and is freed once it is off @ready
 * @since: when it was taken, in jiffies
 * @active: when something was last moved, or acknowledged
 * @acked: what was acknowledged when that was last asked
 * @acked_at: when that had changed, since the connection is closing; in jiffies
 * @peer: the client
 * @rx_bytes: what the client has sent
 * @tx_bytes: what was sent to it
 * @hops: ksocket services in a row that it has come through, with this one
 * @client: the socket of the client
 * @upstream: the socket to the receiver, in mode relay
 * @rcu: callbacks of the sockets look at the connection under RCU
 */
struct ksocket_tcp_conn {
	struct ksocket_worker *worker;
	struct llist_node ready;
	unsigned long flags;
	struct list_head node;
	u32 id;
	enum ksocket_conn_state state;
	bool starved;
	bool dead;
	u64 since;
	u64 active;
	u32 acked;
	u64 acked_at;
	union ksocket_addr peer;
	u64 rx_bytes;
	u64 tx_bytes;
	unsigned int hops;
	struct ksocket_tcp_end client;
	struct ksocket_tcp_end upstream;
	struct rcu_head rcu;
};

/**
 * ksocket_tcp_is_unacked() - is something under way?
 * @sk: the socket
 *
 * Return: true if not all that was sent is acknowledged.
 */
static inline bool ksocket_tcp_is_unacked(const struct sock *sk)
{
	return READ_ONCE(tcp_sk(sk)->write_seq) !=
	       READ_ONCE(tcp_sk(sk)->snd_una);
}

void ksocket_tcp_release(struct socket *sock);
int ksocket_tcp_connect(const struct ksocket_service *svc, struct socket *sock);
bool ksocket_tcp_is_own(const struct sock *sk);
bool ksocket_tcp_is_paused(struct sock *sk);
int ksocket_tcp_move(struct ksocket_tcp_end *from, struct ksocket_tcp_end *to,
		     size_t max, void *copy);

#endif /* KSOCKET_TRANSPORT_TCP_H */
