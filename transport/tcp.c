// SPDX-License-Identifier: GPL-2.0
/*
 * TCP connections: one socket to listen, one for each client, and in mode relay
 * one more for each to the receiver.
 *
 * The sockets' callbacks only put a connection on the list of those that are
 * ready, and wake the worker's thread. It alone touches connections: it gives
 * each a turn, up to a budget, and sleeps when none is ready.
 *
 * Kernel sockets hold no reference on their namespace, so none may outlive its
 * service: a connection that ends in order is kept until the other side has
 * acknowledged that, and all are reset when the service stops. What the stack
 * keeps of connections that were never taken goes before the listen socket is
 * closed for good, see ksocket_tcp_forget_requests().
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/rculist_nulls.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <net/inet_connection_sock.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/request_sock.h>

#include "sock.h"
#include "tcp.h"

/* Bytes in one direction, before the others have their turn. */
#define KSOCKET_TCP_BUDGET	(256 * 1024)

/* Likewise, where a peer has nothing to acknowledge and there is no memory. */
#define KSOCKET_TCP_TRICKLE	4096

/* Without a process killed for it, nor what the machine has in reserve. */
#define KSOCKET_TCP_MODEST	(__GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

/* New connections, before the others have their turn. */
#define KSOCKET_TCP_ACCEPTS	64

/* The receiver's answer is waited for so long, in seconds. */
#define KSOCKET_TCP_CONNECT	10

/* So long an end, or the rest before it, may be unacknowledged. */
#define KSOCKET_TCP_CLOSE	30

/* Window probes in a row that a peer may leave unanswered: one or two get lost. */
#define KSOCKET_TCP_PROBES	3

/* Half-open connections expire within a tick or two; in milliseconds. */
#define KSOCKET_TCP_FORGET	10000

/* Out of memory, connections wait so long, new ones too. */
#define KSOCKET_TCP_AGAIN	(HZ / 10)

/* Services in a row that a connection may come through. */
#define KSOCKET_TCP_HOPS	8

/**
 * struct ksocket_tcp - the connections of a worker
 * @all: connections by their numbers; others look at them under RCU
 * @next_id: where to look for a number for the next one
 * @by_state: the same, only the thread's: by state, the longest idle first
 * @ready: those that something has happened to
 * @knocked: somebody waits to be taken
 * @again: what there was no memory for is tried again then, or 0; in jiffies
 * @detached: the thread must not be woken any more
 * @data_ready: what the stack would call for the listen socket without us
 * @state_change: likewise
 * @copy: short packets on their way from one socket to another
 */
struct ksocket_tcp {
	struct xarray all;
	u32 next_id;
	struct list_head by_state[KSOCKET_CONN_STATE_CLOSING + 1];
	struct llist_head ready;
	bool knocked;
	u64 again;
	bool detached;
	void (*data_ready)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	u8 copy[KSOCKET_TCP_COPY];
};

/* The sockets' callbacks */

/* Under RCU, which the one who stops the thread waits for. */
static void ksocket_tcp_wake(const struct ksocket_worker *worker)
{
	if (!READ_ONCE(worker->tcp->detached))
		wake_up_process(worker->task);
}

static void ksocket_tcp_queue(struct ksocket_tcp_conn *conn)
{
	if (!test_and_set_bit(KSOCKET_TCP_QUEUED, &conn->flags) &&
	    llist_add(&conn->ready, &conn->worker->tcp->ready))
		ksocket_tcp_wake(conn->worker);
}

/* Under RCU. Return: NULL if the socket is not of a connection, or no more. */
static struct ksocket_tcp_end *ksocket_tcp_end_of(const struct sock *sk)
{
	struct ksocket_sock_user *user;

	user = ksocket_sock_user(sk, ksocket_sock_is_tcp_end);
	return user ? container_of(user, struct ksocket_tcp_end, user) : NULL;
}

static void ksocket_tcp_event(struct sock *sk)
{
	struct ksocket_tcp_end *end;

	rcu_read_lock();
	end = ksocket_tcp_end_of(sk);
	if (end)
		ksocket_tcp_queue(end->conn);
	rcu_read_unlock();
}

static void ksocket_tcp_write_space(struct sock *sk)
{
	struct socket *sock = READ_ONCE(sk->sk_socket);

	/* As sk_stream_write_space(): a third of the buffer, or it is not worth it. */
	if (!sock || !sk_stream_is_writeable(sk))
		return;

	clear_bit(SOCK_NOSPACE, &sock->flags);
	ksocket_tcp_event(sk);
}

/*
 * A connection that was not taken yet has its callbacks from the listen socket, and
 * may be taken while the stack is about to call this one.
 */
static void ksocket_tcp_knock(struct sock *sk)
{
	struct ksocket_worker *worker;

	if (sk->sk_state != TCP_LISTEN && sk->sk_state != TCP_CLOSE)
		return;

	rcu_read_lock();
	worker = ksocket_sock_worker(sk);
	if (worker) {
		WRITE_ONCE(worker->tcp->knocked, true);
		ksocket_tcp_wake(worker);
	}
	rcu_read_unlock();
}

static const struct ksocket_sock_callbacks ksocket_tcp_callbacks = {
	.data_ready = ksocket_tcp_event,
	.write_space = ksocket_tcp_write_space,
	.state_change = ksocket_tcp_event,
	.error_report = ksocket_tcp_event,
};

/* Return: 0, or -EBUSY when the socket is in a sockmap. */
static int ksocket_tcp_hook(struct ksocket_tcp_end *end, struct socket *sock,
			    struct ksocket_tcp_conn *conn)
{
	const struct ksocket_tcp *tcp = conn->worker->tcp;
	int err;

	end->user.kind = ksocket_sock_is_tcp_end;
	end->conn = conn;
	end->sock = sock;
	err = ksocket_sock_hook(sock->sk, &end->user, &ksocket_tcp_callbacks,
				&end->theirs);
	if (err) {
		end->sock = NULL;
		return err;
	}

	/* They may have come from the listen socket, whose ones are ours. */
	if (end->theirs.data_ready == ksocket_tcp_knock)
		end->theirs.data_ready = tcp->data_ready;
	if (end->theirs.state_change == ksocket_tcp_knock)
		end->theirs.state_change = tcp->state_change;
	return 0;
}

/* The life of a connection */

/*
 * RFC 6093: an urgent byte is one of the others. The listen socket has this too, for
 * connections that get one before they are taken. The stack sets other flags at the
 * same time.
 */
static void ksocket_tcp_set_urgent_inline(struct sock *sk)
{
	lock_sock(sk);
	sock_set_flag(sk, SOCK_URGINLINE);
	release_sock(sk);
}

static void ksocket_tcp_set_options(const struct ksocket_config *cfg,
				    struct sock *sk)
{
	unsigned int idle = cfg->keepalive;

	tcp_sock_set_nodelay(sk);
	ksocket_tcp_set_urgent_inline(sk);
	if (!idle)
		return;

	/* In the time again that it has been silent, it is asked six times. */
	tcp_sock_set_keepidle(sk, idle);
	tcp_sock_set_keepintvl(sk, max(idle / 6, 1U));
	tcp_sock_set_keepcnt(sk, 6);
	sock_set_keepalive(sk);
}

/**
 * ksocket_tcp_release() - close a socket, and nothing is left of it
 * @sock: the socket
 *
 * Unless it is over in order, at once and with a reset: nobody waits for it.
 *
 * Context: process context, may sleep.
 */
void ksocket_tcp_release(struct socket *sock)
{
	if (inet_sk_state_load(sock->sk) != TCP_CLOSE)
		sock_no_linger(sock->sk);
	sock_release(sock);
}

static void ksocket_tcp_end_close(struct ksocket_tcp_end *end)
{
	if (!end->sock)
		return;

	ksocket_sock_unhook(end->sock->sk, &end->theirs);
	ksocket_tcp_release(end->sock);
	end->sock = NULL;
}

static void ksocket_tcp_describe(const struct ksocket_tcp_conn *conn,
				 struct ksocket_conn_info *info)
{
	/* Not before that, which may be a tick later by then. */
	u64 active = READ_ONCE(conn->active);
	u64 now = get_jiffies_64();

	memset(info, 0, sizeof(*info));
	info->id = conn->id;
	info->peer = conn->peer;
	info->state = READ_ONCE(conn->state);
	info->age = jiffies64_to_msecs(now - conn->since);
	info->idle = jiffies64_to_msecs(now - active);
	info->rx_bytes = READ_ONCE(conn->rx_bytes);
	info->tx_bytes = READ_ONCE(conn->tx_bytes);
}

/* What others have put on the list of those that are ready is freed from there. */
static void ksocket_tcp_conn_end(struct ksocket_tcp_conn *conn,
				 enum ksocket_close reason, int err)
{
	struct ksocket_worker *worker = conn->worker;
	struct ksocket_conn_info info;

	ksocket_tcp_end_close(&conn->client);
	ksocket_tcp_end_close(&conn->upstream);
	list_del(&conn->node);
	xa_erase(&worker->tcp->all, conn->id);

	ksocket_tcp_describe(conn, &info);
	/* Who sees one connection less sees why, too. */
	ksocket_conn_closed(worker, &info, reason, err);
	ksocket_conn_uncharge(worker->svc);

	conn->dead = true;
	if (!test_and_set_bit(KSOCKET_TCP_QUEUED, &conn->flags))
		kfree_rcu(conn, rcu);
}

static void ksocket_tcp_conn_enter(struct ksocket_tcp_conn *conn,
				   enum ksocket_conn_state state)
{
	WRITE_ONCE(conn->state, state);
	WRITE_ONCE(conn->active, get_jiffies_64());
	list_move_tail(&conn->node, &conn->worker->tcp->by_state[state]);
}

static u32 ksocket_tcp_acked(const struct ksocket_tcp_end *end)
{
	return end->sock ? READ_ONCE(tcp_sk(end->sock->sk)->snd_una) : 0;
}

static u32 ksocket_tcp_conn_acked(const struct ksocket_tcp_conn *conn)
{
	return ksocket_tcp_acked(&conn->client) +
	       ksocket_tcp_acked(&conn->upstream);
}

static bool ksocket_tcp_end_is_unacked(const struct ksocket_tcp_end *end)
{
	return end->sock && ksocket_tcp_is_unacked(end->sock->sk);
}

static void ksocket_tcp_conn_touch(struct ksocket_tcp_conn *conn)
{
	if (time_before64(conn->active, get_jiffies_64()))
		ksocket_tcp_conn_enter(conn, conn->state);
}

static enum ksocket_close ksocket_tcp_upstream_reason(int err)
{
	switch (err) {
	case -ECONNREFUSED:
		return KSOCKET_CLOSE_UPSTREAM_REFUSED;
	case -ETIMEDOUT:
		return KSOCKET_CLOSE_UPSTREAM_TIMEOUT;
	case -ENOMEM:
	case -ENOBUFS:
	case -ENFILE:
	case -EADDRNOTAVAIL:	/* no source port is left */
		return KSOCKET_CLOSE_NOMEM;
	default:
		return KSOCKET_CLOSE_UPSTREAM_UNREACHABLE;
	}
}

/**
 * ksocket_tcp_connect() - begin to connect to the receiver
 * @svc: the service
 * @sock: the socket
 *
 * Context: process context, may sleep, but does not wait for the answer.
 * Return: 0 or a negative errno.
 */
int ksocket_tcp_connect(const struct ksocket_service *svc, struct socket *sock)
{
	const struct ksocket_config *cfg = &svc->cfg;
	union ksocket_addr addr;
	int err = 0;

	/* Its index may be another's by now. */
	if (ksocket_follow_has_lost_receiver(svc))
		return -ENETUNREACH;
	addr = cfg->reply;
	if (cfg->reply_ifindex)
		err = sock_bindtoindex(sock->sk, cfg->reply_ifindex, true);
	if (err)
		return err;

	ksocket_tcp_set_options(cfg, sock->sk);
	ksocket_sock_set_sndbuf(sock->sk, cfg->sndbuf);
	ksocket_sock_set_rcvbuf(sock->sk, cfg->rcvbuf);
	err = ksocket_connect(sock, &addr.sa, ksocket_sock_addr_len(&addr),
			      O_NONBLOCK);
	return err == -EINPROGRESS ? 0 : err;
}

/* Return: 0 when an answer is waited for, or a negative errno. */
static int ksocket_tcp_conn_upstream(struct ksocket_tcp_conn *conn)
{
	const struct ksocket_service *svc = conn->worker->svc;
	struct socket *sock;
	int err;

	err = sock_create_kern(svc->net, svc->cfg.reply.sa.sa_family,
			       SOCK_STREAM, IPPROTO_TCP, &sock);
	if (err)
		return err;

	ksocket_owner_adopt(svc, sock->sk);
	ksocket_watch_retry(conn->worker->svc);
	err = ksocket_tcp_hook(&conn->upstream, sock, conn);
	if (err) {
		sock_release(sock);
		return err;
	}
	return ksocket_tcp_connect(svc, sock);
}

/**
 * ksocket_tcp_is_own() - is a socket connected to itself?
 * @sk: the socket
 *
 * Who tries again and again to reach a port of this host that nobody listens at
 * comes to send from that port one day: both SYNs meet, and it is connected.
 *
 * Return: true if so.
 */
bool ksocket_tcp_is_own(const struct sock *sk)
{
	if (sk->sk_num != ntohs(sk->sk_dport))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		return ipv6_addr_equal(&sk->sk_v6_daddr, &sk->sk_v6_rcv_saddr);
#endif
	return sk->sk_daddr == sk->sk_rcv_saddr;
}

/**
 * ksocket_tcp_is_paused() - does the peer acknowledge, but take no more bytes?
 * @sk: the socket
 *
 * RFC 9293, 3.8.6.1: as long as a peer with a closed window answers the probes, the
 * connection stays. The stack sends them up to two minutes apart, so it is their
 * number that counts, not the time. If a peer has taken back a window that was in use,
 * the stack probes by sending again, and gives up itself.
 *
 * Context: process context, may sleep; takes the lock of the socket.
 * Return: true if so.
 */
bool ksocket_tcp_is_paused(struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	bool paused;

	lock_sock(sk);
	if (tp->packets_out)
		paused = !tp->snd_wnd;
	else
		paused = tcp_send_head(sk) &&
			 inet_csk(sk)->icsk_probes_out < KSOCKET_TCP_PROBES;
	release_sock(sk);
	return paused;
}

/* The socket at the other end, if it is in this namespace. */
static struct sock *ksocket_tcp_other_end(const struct sock *sk)
{
	__be16 sport = htons(sk->sk_num);
	u16 port = ntohs(sk->sk_dport);

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(&sk->sk_v6_daddr))
		return ksocket_tcp_lookup6(sock_net(sk), &sk->sk_v6_rcv_saddr,
					   sport, &sk->sk_v6_daddr, port,
					   sk->sk_bound_dev_if);
#endif
	return ksocket_tcp_lookup4(sock_net(sk), sk->sk_rcv_saddr, sport,
				   sk->sk_daddr, port, sk->sk_bound_dev_if);
}

/*
 * Through how many services of this namespace has it come? Services in a row are
 * nothing wrong, in a circle they are: each connection makes the next one.
 */
static unsigned int ksocket_tcp_hops(const struct sock *client)
{
	struct ksocket_tcp_end *end = NULL;
	unsigned int hops = 0;
	struct sock *sk;

	rcu_read_lock();
	sk = ksocket_tcp_other_end(client);
	if (sk && sk_fullsock(sk) &&
	    READ_ONCE(sk->sk_data_ready) == ksocket_tcp_event)
		end = ksocket_tcp_end_of(sk);
	if (end)
		hops = end->conn->hops;
	rcu_read_unlock();
	if (sk)
		sock_gen_put(sk);

	return hops;
}

static void ksocket_tcp_peer(const struct sock *sk, union ksocket_addr *peer)
{
	memset(peer, 0, sizeof(*peer));
	if (sk->sk_family == AF_INET) {
		peer->in.sin_family = AF_INET;
		peer->in.sin_port = sk->sk_dport;
		peer->in.sin_addr.s_addr = sk->sk_daddr;
		return;
	}
#if IS_ENABLED(CONFIG_IPV6)
	peer->in6.sin6_family = AF_INET6;
	peer->in6.sin6_port = sk->sk_dport;
	peer->in6.sin6_addr = sk->sk_v6_daddr;
	peer->in6.sin6_scope_id = ipv6_iface_scope_id(&sk->sk_v6_daddr,
						      sk->sk_bound_dev_if);
	ksocket_config_unmap(peer);
#endif
}

/* Return: the connection, or an ERR_PTR(): -ENOMEM, or see ksocket_tcp_hook(). */
static struct ksocket_tcp_conn *
ksocket_tcp_conn_new(struct ksocket_worker *worker, struct socket *sock,
		     const union ksocket_addr *peer)
{
	struct ksocket_tcp *tcp = worker->tcp;
	struct ksocket_tcp_conn *conn;
	int err;

	if (!ksocket_owner_has_memory(worker, sock->sk))
		return ERR_PTR(-ENOMEM);
	/* Fail rather than have the kernel kill other processes of the cgroup. */
	conn = kzalloc(sizeof(*conn), GFP_KERNEL_ACCOUNT | KSOCKET_TCP_MODEST);
	if (!conn)
		return ERR_PTR(-ENOMEM);

	conn->worker = worker;
	conn->peer = *peer;
	conn->since = get_jiffies_64();
	conn->active = conn->since;
	conn->state = KSOCKET_CONN_STATE_OPEN;
	if (xa_alloc_cyclic(&tcp->all, &conn->id, conn, xa_limit_32b,
			    &tcp->next_id, GFP_KERNEL | KSOCKET_TCP_MODEST) < 0) {
		kfree(conn);
		return ERR_PTR(-ENOMEM);
	}
	err = ksocket_tcp_hook(&conn->client, sock, conn);
	if (err) {
		xa_erase(&tcp->all, conn->id);
		kfree_rcu(conn, rcu);
		return ERR_PTR(err);
	}
	list_add_tail(&conn->node, &tcp->by_state[conn->state]);
	ksocket_tcp_set_options(&worker->svc->cfg, sock->sk);
	return conn;
}

/* It has been taken, but goes at once. */
static void ksocket_tcp_refuse(struct ksocket_worker *worker,
			       struct socket *sock,
			       const union ksocket_addr *peer,
			       enum ksocket_close reason)
{
	struct ksocket_conn_info info = { .peer = *peer };

	ksocket_tcp_release(sock);
	ksocket_conn_closed(worker, &info, reason, 0);
}

static void ksocket_tcp_conn_start(struct ksocket_worker *worker,
				   struct socket *sock)
{
	struct ksocket_service *svc = worker->svc;
	struct ksocket_tcp_conn *conn;
	union ksocket_addr peer;
	unsigned int hops;
	int err;

	ksocket_tcp_peer(sock->sk, &peer);
	ksocket_conn_opened(worker, &peer);
	/* Scanners go as they come; no receiver is bothered with them. */
	if (inet_sk_state_load(sock->sk) == TCP_CLOSE) {
		ksocket_tcp_refuse(worker, sock, &peer, KSOCKET_CLOSE_RESET);
		return;
	}
	hops = ksocket_tcp_hops(sock->sk);
	if (hops >= KSOCKET_TCP_HOPS) {
		ksocket_tcp_refuse(worker, sock, &peer, KSOCKET_CLOSE_LOOP);
		return;
	}
	if (!ksocket_conn_charge(svc)) {
		ksocket_tcp_refuse(worker, sock, &peer, KSOCKET_CLOSE_LIMIT);
		return;
	}
	conn = ksocket_tcp_conn_new(worker, sock, &peer);
	if (IS_ERR(conn)) {
		ksocket_conn_uncharge(svc);
		ksocket_tcp_refuse(worker, sock, &peer,
				   PTR_ERR(conn) == -EBUSY ?
				   KSOCKET_CLOSE_CLAIMED : KSOCKET_CLOSE_NOMEM);
		return;
	}

	conn->hops = hops + 1;
	if (ksocket_has_receiver(&svc->cfg)) {
		ksocket_tcp_conn_enter(conn, KSOCKET_CONN_STATE_CONNECTING);
		err = ksocket_tcp_conn_upstream(conn);
		if (err) {
			ksocket_tcp_conn_end(conn,
					     ksocket_tcp_upstream_reason(err),
					     err);
			return;
		}
	}
	/* What has come before the callbacks were there. */
	ksocket_tcp_queue(conn);
}

static void ksocket_tcp_starve(struct ksocket_worker *worker)
{
	/* Others that lack memory meanwhile do not put it off. */
	if (!worker->tcp->again)
		worker->tcp->again = get_jiffies_64() + KSOCKET_TCP_AGAIN;
}

/*
 * Give up the port and take it where the device is now, then listen. Connections that
 * wait to be taken are reset. Return: 0 or a negative errno.
 */
static int ksocket_tcp_relisten(struct ksocket_worker *worker)
{
	const struct ksocket_service *svc = worker->svc;
	struct sock *sk = worker->listen->sk;
	int err;

	lock_sock(sk);
	sk->sk_userlocks &= ~SOCK_BINDPORT_LOCK;
	/* "ss -K" may have closed it. Only the end of listening gives up the port. */
	WRITE_ONCE(sk->sk_state, TCP_LISTEN);
	sk->sk_prot->disconnect(sk, 0);
	sock_error(sk);

	err = ksocket_sock_take_port(svc, sk);
	sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
	release_sock(sk);
	return kernel_listen(worker->listen, svc->cfg.backlog) ? : err;
}

/*
 * Bind the listen socket to its device, while it is in use. TCP keeps for each VRF
 * which ports are taken, and the device may be in another one now.
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno, and it hears nothing then.
 */
static int ksocket_tcp_rebind(struct ksocket_worker *worker)
{
	const struct inet_bind_bucket *bucket;
	struct sock *sk = worker->listen->sk;
	bool elsewhere;
	int err;

	lock_sock(sk);
	err = sock_bindtoindex(sk, ksocket_follow_ifindex(worker->svc), false);
	bucket = inet_csk(sk)->icsk_bind_hash;
	/* Without memory it may have got another port, too. */
	elsewhere = !bucket || bucket->l3mdev != inet_sk_bound_l3mdev(sk) ||
		    inet_sk(sk)->inet_num != ksocket_addr_port(&worker->svc->cfg.listen);
	release_sock(sk);
	return elsewhere ? ksocket_tcp_relisten(worker) : err;
}

/* "ss -K" has closed the listen socket, which keeps its port, not its device. */
static void ksocket_tcp_mend(struct ksocket_worker *worker)
{
	if (ksocket_tcp_relisten(worker))
		ksocket_tcp_starve(worker);
}

/* Take those who wait. Return: true when there may be more of them. */
static bool ksocket_tcp_accept(struct ksocket_worker *worker)
{
	struct socket *sock;
	int budget, err;

	for (budget = KSOCKET_TCP_ACCEPTS; budget; budget--) {
		err = kernel_accept(worker->listen, &sock, O_NONBLOCK);
		if (err == -EAGAIN)
			return false;
		if (err) {
			local_bh_disable();
			ksocket_count_recv_error(worker);
			local_bh_enable();
			if (err == -EINVAL)
				ksocket_tcp_mend(worker);
			else
				ksocket_tcp_starve(worker);
			return false;
		}
		ksocket_owner_adopt(worker->svc, sock->sk);
		ksocket_tcp_conn_start(worker, sock);
	}

	return true;
}

/* A connection's turn */

static void ksocket_tcp_conn_fail(struct ksocket_tcp_conn *conn, int err)
{
	/* Of one who does not acknowledge the stack tells the last ICMP error. */
	enum ksocket_close reason = KSOCKET_CLOSE_TIMEOUT;

	if (err == -ECONNRESET || err == -EPIPE || err == -ECONNABORTED ||
	    err == -EFAULT)
		reason = KSOCKET_CLOSE_RESET;
	else if (err == -ENOMEM)
		reason = KSOCKET_CLOSE_NOMEM;
	ksocket_tcp_conn_end(conn, reason, err);
}

static void ksocket_tcp_conn_count(struct ksocket_tcp_conn *conn,
				   const struct ksocket_tcp_end *from,
				   const struct ksocket_tcp_end *to, int moved)
{
	if (from == &conn->client)
		WRITE_ONCE(conn->rx_bytes, conn->rx_bytes + moved);
	if (to == &conn->client)
		WRITE_ONCE(conn->tx_bytes, conn->tx_bytes + moved);
	ksocket_count_bytes(conn->worker, moved, to ? moved : 0);
	ksocket_tcp_conn_touch(conn);
}

/*
 * There is something to send and room for it, but it does not go: with nothing
 * under way no acknowledgment would ever wake us.
 */
static bool ksocket_tcp_is_starved(const struct ksocket_tcp_end *from,
				   const struct ksocket_tcp_end *to)
{
	return !from->eof && tcp_inq(from->sock->sk) &&
	       sk_stream_is_writeable(to->sock->sk) &&
	       !ksocket_tcp_is_unacked(to->sock->sk);
}

/* Neither bytes nor an end wait there. What comes later queues the connection. */
static bool ksocket_tcp_is_drained(const struct ksocket_tcp_end *from)
{
	const struct sock *sk = from->sock->sk;

	return READ_ONCE(tcp_sk(sk)->rcv_nxt) ==
	       READ_ONCE(tcp_sk(sk)->copied_seq) &&
	       !(READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN);
}

static void ksocket_tcp_conn_starve(struct ksocket_tcp_conn *conn)
{
	conn->starved = true;
	ksocket_tcp_starve(conn->worker);
}

/* Return: 0, or -ENOMEM when the stack has forgotten about the end for that. */
static int ksocket_tcp_shut(struct ksocket_tcp_end *to)
{
	struct sock *sk = to->sock->sk;
	u32 seq = READ_ONCE(tcp_sk(sk)->write_seq);

	kernel_sock_shutdown(to->sock, SHUT_WR);
	to->shut = true;

	/* The end has a number of its own, and is not asked for again. */
	if ((1 << inet_sk_state_load(sk)) & (TCPF_FIN_WAIT1 | TCPF_LAST_ACK) &&
	    READ_ONCE(tcp_sk(sk)->write_seq) == seq)
		return -ENOMEM;
	return 0;
}

/*
 * One direction: bytes, and after the last one the end. Return: 1 when there may be
 * more to move, 0 when there is nothing or no room, or a negative errno.
 */
static int ksocket_tcp_conn_pass(struct ksocket_tcp_conn *conn,
				 struct ksocket_tcp_end *from,
				 struct ksocket_tcp_end *to)
{
	bool forget = conn->worker->svc->cfg.mode->verdict == KSOCKET_DISCARD;
	struct ksocket_tcp_end *taker = forget ? NULL : to;
	size_t budget = KSOCKET_TCP_BUDGET;
	int moved;

	if (from->eof || ksocket_tcp_is_drained(from))
		return 0;

	if (taker && !ksocket_owner_has_memory(conn->worker, taker->sock->sk)) {
		/* What is acknowledged meanwhile does not call back. */
		ksocket_tcp_conn_starve(conn);
		/* What was received is memory too, and a closed connection even more. */
		if (tcp_inq(from->sock->sk) &&
		    ksocket_tcp_is_unacked(taker->sock->sk))
			return 0;
		budget = KSOCKET_TCP_TRICKLE;
	}
	moved = ksocket_tcp_move(from, taker, budget, conn->worker->tcp->copy);
	if (moved == -ENOMEM || moved == -ENOBUFS)
		moved = -EAGAIN;
	if (moved > 0)
		ksocket_tcp_conn_count(conn, from, taker, moved);
	else if (moved < 0 && moved != -EAGAIN)
		return moved;
	else if (taker && ksocket_tcp_is_starved(from, taker))
		ksocket_tcp_conn_starve(conn);

	if (from->eof)
		return ksocket_tcp_shut(to);
	return moved > 0 && !ksocket_tcp_is_drained(from);
}

static bool ksocket_tcp_end_is_closed(const struct ksocket_tcp_end *end)
{
	return !end->sock || inet_sk_state_load(end->sock->sk) == TCP_CLOSE;
}

/* A socket that is closed, but not by the ends of both sides, was reset. */
static int ksocket_tcp_end_error(const struct ksocket_tcp_end *end)
{
	struct sock *sk = end->sock->sk;
	/* First: an error is there before the state that it makes. */
	bool closed = ksocket_tcp_end_is_closed(end);
	int err = sock_error(sk);

	/* Sending may have been told the error instead. */
	if (!err && closed && !(end->shut && sock_flag(sk, SOCK_DONE)))
		err = -ECONNRESET;
	return err;
}

static int ksocket_tcp_conn_error(const struct ksocket_tcp_conn *conn)
{
	int err = ksocket_tcp_end_error(&conn->client);

	if (!err && conn->upstream.sock)
		err = ksocket_tcp_end_error(&conn->upstream);
	return err;
}

/* Both sides have ended; when they have said so, nothing is left of them. */
static void ksocket_tcp_conn_closing(struct ksocket_tcp_conn *conn)
{
	int err = ksocket_tcp_conn_error(conn);

	if (err)
		ksocket_tcp_conn_fail(conn, err);
	else if (ksocket_tcp_end_is_closed(&conn->client) &&
		 ksocket_tcp_end_is_closed(&conn->upstream))
		ksocket_tcp_conn_end(conn, KSOCKET_CLOSE_DONE, 0);
}

/* As ksocket_tcp_conn_pass(), for all directions that there are. */
static int ksocket_tcp_conn_pass_all(struct ksocket_tcp_conn *conn)
{
	struct ksocket_tcp_end *client = &conn->client;
	struct ksocket_tcp_end *upstream = &conn->upstream;
	int to, fro;

	if (!upstream->sock)
		return ksocket_tcp_conn_pass(conn, client, client);

	to = ksocket_tcp_conn_pass(conn, client, upstream);
	if (to < 0)
		return to;
	fro = ksocket_tcp_conn_pass(conn, upstream, client);
	return fro < 0 ? fro : to | fro;
}

static void ksocket_tcp_conn_open(struct ksocket_tcp_conn *conn)
{
	int more = ksocket_tcp_conn_pass_all(conn);
	int err = min(more, 0);

	/* An error comes after the bytes that were there before it. */
	if (!more)
		err = ksocket_tcp_conn_error(conn);

	if (err) {
		ksocket_tcp_conn_fail(conn, err);
	} else if (conn->client.shut &&
		   (conn->upstream.shut || !conn->upstream.sock)) {
		ksocket_tcp_conn_enter(conn, KSOCKET_CONN_STATE_CLOSING);
		conn->acked = ksocket_tcp_conn_acked(conn);
		conn->acked_at = conn->active;
		ksocket_tcp_conn_closing(conn);
	} else if (more) {
		ksocket_tcp_queue(conn);
	}
}

static void ksocket_tcp_conn_connecting(struct ksocket_tcp_conn *conn)
{
	struct sock *sk = conn->upstream.sock->sk;
	int state = inet_sk_state_load(sk);
	int err = sock_error(sk);

	if (!err && (state == TCP_CLOSE || ksocket_tcp_is_own(sk)))
		err = -ECONNREFUSED;
	/* It had come up, and is gone again already. */
	if (err == -ECONNRESET) {
		ksocket_conn_connected(conn->worker);
		ksocket_tcp_conn_fail(conn, err);
		return;
	}
	if (err) {
		ksocket_tcp_conn_end(conn, ksocket_tcp_upstream_reason(err),
				     err);
		return;
	}
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) {
		/* A client that has gone needs no receiver. */
		err = sock_error(conn->client.sock->sk);
		if (err)
			ksocket_tcp_conn_fail(conn, err);
		return;
	}

	ksocket_conn_connected(conn->worker);
	WRITE_ONCE(conn->worker->reply_local, ksocket_sock_is_local(sk));
	ksocket_tcp_conn_enter(conn, KSOCKET_CONN_STATE_OPEN);
	ksocket_tcp_conn_open(conn);
}

static void ksocket_tcp_conn_serve(struct ksocket_tcp_conn *conn)
{
	if (conn->dead) {
		kfree_rcu(conn, rcu);
		return;
	}

	clear_bit(KSOCKET_TCP_QUEUED, &conn->flags);
	/* Whatever comes from now on queues it again. */
	smp_mb__after_atomic();
	/*
	 * A send that has got no memory calls back itself, as if there were
	 * room: without a pause that would go round for as long as it lacks.
	 */
	if (conn->starved)
		return;
	switch (conn->state) {
	case KSOCKET_CONN_STATE_CONNECTING:
		ksocket_tcp_conn_connecting(conn);
		break;
	case KSOCKET_CONN_STATE_OPEN:
		ksocket_tcp_conn_open(conn);
		break;
	case KSOCKET_CONN_STATE_CLOSING:
		ksocket_tcp_conn_closing(conn);
		break;
	}
}

/* Time */

static u64 ksocket_tcp_patience(const struct ksocket_worker *worker,
				enum ksocket_conn_state state)
{
	switch (state) {
	case KSOCKET_CONN_STATE_CONNECTING:
		return KSOCKET_TCP_CONNECT * HZ;
	case KSOCKET_CONN_STATE_CLOSING:
		return KSOCKET_TCP_CLOSE * HZ;
	default:
		return (u64)worker->svc->cfg.idle_timeout * HZ;
	}
}

/* When the patience with the longest idle connection of that state ends, or 0. */
static u64 ksocket_tcp_deadline(const struct ksocket_worker *worker,
				enum ksocket_conn_state state)
{
	u64 patience = ksocket_tcp_patience(worker, state);
	const struct ksocket_tcp_conn *conn;

	conn = list_first_entry_or_null(&worker->tcp->by_state[state],
					struct ksocket_tcp_conn, node);
	return conn && patience ? conn->active + patience : 0;
}

/* Has something been acknowledged since this was last asked, and not all? */
static bool ksocket_tcp_conn_goes_on(struct ksocket_tcp_conn *conn)
{
	u32 acked = ksocket_tcp_conn_acked(conn);
	bool changed = acked != conn->acked;

	conn->acked = acked;
	if (changed)
		conn->acked_at = get_jiffies_64();
	return changed && (ksocket_tcp_end_is_unacked(&conn->client) ||
			   ksocket_tcp_end_is_unacked(&conn->upstream));
}

/* A peer that has ended but reads nothing more of what it is sent. */
static bool ksocket_tcp_conn_is_paused(const struct ksocket_tcp_conn *conn)
{
	return ksocket_tcp_is_paused(conn->client.sock->sk) ||
	       (conn->upstream.sock &&
		ksocket_tcp_is_paused(conn->upstream.sock->sk));
}

/* Return: why the connection ends, or KSOCKET_CLOSE_MAX if it may go on. */
static enum ksocket_close
ksocket_tcp_conn_overdue(struct ksocket_tcp_conn *conn)
{
	u64 idle = (u64)conn->worker->svc->cfg.idle_timeout * HZ;
	static const enum ksocket_close reasons[] = {
		[KSOCKET_CONN_STATE_CONNECTING] = KSOCKET_CLOSE_UPSTREAM_TIMEOUT,
		[KSOCKET_CONN_STATE_OPEN] = KSOCKET_CLOSE_IDLE,
		[KSOCKET_CONN_STATE_CLOSING] = KSOCKET_CLOSE_UNFINISHED,
	};

	if (conn->state != KSOCKET_CONN_STATE_CONNECTING &&
	    ksocket_tcp_conn_goes_on(conn))
		return KSOCKET_CLOSE_MAX;
	/* It may take as long over it as before it ended. */
	if (conn->state == KSOCKET_CONN_STATE_CLOSING &&
	    ksocket_tcp_conn_is_paused(conn))
		return idle && time_after_eq64(get_jiffies_64(),
					       conn->acked_at + idle) ?
		       KSOCKET_CLOSE_IDLE : KSOCKET_CLOSE_MAX;
	return reasons[conn->state];
}

/* Who reads slowly is not idle: what we have sent still goes out. */
static void ksocket_tcp_conn_expire(struct ksocket_tcp_conn *conn)
{
	enum ksocket_close reason = ksocket_tcp_conn_overdue(conn);

	if (reason == KSOCKET_CLOSE_MAX)
		ksocket_tcp_conn_enter(conn, conn->state);
	else
		ksocket_tcp_conn_end(conn, reason, -ETIMEDOUT);
}

/* Perhaps there is memory now. */
static void ksocket_tcp_again(struct ksocket_worker *worker)
{
	struct ksocket_tcp *tcp = worker->tcp;
	struct ksocket_tcp_conn *conn;
	unsigned long id;

	tcp->again = 0;
	WRITE_ONCE(tcp->knocked, true);
	xa_for_each(&tcp->all, id, conn) {
		if (conn->starved)
			ksocket_tcp_queue(conn);
		conn->starved = false;
	}
}

static void ksocket_tcp_expire(struct ksocket_worker *worker)
{
	struct ksocket_tcp *tcp = worker->tcp;
	u64 deadline;
	int state;

	for (state = 0; state < ARRAY_SIZE(tcp->by_state); state++) {
		while ((deadline = ksocket_tcp_deadline(worker, state)) &&
		       time_after_eq64(get_jiffies_64(), deadline))
			ksocket_tcp_conn_expire(list_first_entry(&tcp->by_state[state],
								 struct ksocket_tcp_conn,
								 node));
	}

	if (tcp->again && time_after_eq64(get_jiffies_64(), tcp->again))
		ksocket_tcp_again(worker);
}

static long ksocket_tcp_sleep(const struct ksocket_worker *worker)
{
	u64 next = worker->tcp->again, deadline, now = get_jiffies_64();
	int state;

	for (state = 0; state < ARRAY_SIZE(worker->tcp->by_state); state++) {
		deadline = ksocket_tcp_deadline(worker, state);
		if (deadline && (!next || time_before64(deadline, next)))
			next = deadline;
	}

	if (!next)
		return MAX_SCHEDULE_TIMEOUT;
	return time_after64(next, now) ? min_t(u64, next - now, LONG_MAX - 1) : 0;
}

/* The worker */

static bool ksocket_tcp_is_ready(const struct ksocket_tcp *tcp)
{
	return READ_ONCE(tcp->knocked) || !llist_empty(&tcp->ready);
}

static bool ksocket_tcp_serve(struct ksocket_worker *worker)
{
	struct ksocket_tcp *tcp = worker->tcp;
	struct ksocket_tcp_conn *conn, *next;
	struct llist_node *ready;

	ksocket_owner_begin(worker);
	if (READ_ONCE(tcp->knocked)) {
		WRITE_ONCE(tcp->knocked, false);
		/* Who comes from now on knocks again. */
		smp_mb();
		if (ksocket_tcp_accept(worker))
			WRITE_ONCE(tcp->knocked, true);
	}

	ready = llist_reverse_order(llist_del_all(&tcp->ready));
	llist_for_each_entry_safe(conn, next, ready, ready) {
		ksocket_tcp_conn_serve(conn);
		cond_resched();
	}
	ksocket_tcp_expire(worker);
	ksocket_owner_end(worker);

	return !ksocket_tcp_is_ready(tcp);
}

static void ksocket_tcp_wait(struct ksocket_worker *worker)
{
	/* No signal reaches it, and it does not count as load. */
	set_current_state(TASK_IDLE);
	if (!ksocket_tcp_is_ready(worker->tcp) && !kthread_should_stop()) {
		schedule_timeout(ksocket_tcp_sleep(worker));
		ksocket_count_wakeup(worker);
	}
	__set_current_state(TASK_RUNNING);
}

/* As with UDP the first worker is alone there before the others join it. */
static int ksocket_tcp_listen(struct ksocket_worker *worker, struct socket *sock)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	bool first = worker == &worker->svc->workers[0];
	union ksocket_addr addr = cfg->listen;
	int err;

	ksocket_tcp_set_urgent_inline(sock->sk);
	/* Connections that are over but remembered do not stand in the way. */
	sock_set_reuseaddr(sock->sk);
	if (!first)
		sock_set_reuseport(sock->sk);
	err = ksocket_bind(sock, &addr.sa, ksocket_sock_addr_len(&addr));
	if (!err && first && cfg->threads > 1)
		sock_set_reuseport(sock->sk);
	if (!err)
		err = kernel_listen(sock, cfg->backlog);
	/* The port is ours by then: joining fails for want of memory only. */
	return err == -EADDRINUSE && !first ? -ENOMEM : err;
}

static int ksocket_tcp_open_listen(struct ksocket_worker *worker,
				   struct ksocket_report *rep)
{
	struct socket *sock;
	int err;

	err = ksocket_sock_create_listen(worker, SOCK_STREAM, IPPROTO_TCP,
					 &sock, rep);
	if (err)
		return err;

	err = ksocket_tcp_listen(worker, sock);
	if (err) {
		sock_release(sock);
		return ksocket_sock_report_bind(worker->svc, err, rep);
	}

	worker->listen = sock;
	return 0;
}

static int ksocket_tcp_open(struct ksocket_worker *worker,
			    struct ksocket_report *rep)
{
	struct ksocket_tcp *tcp;
	int err, i;

	tcp = kzalloc(sizeof(*tcp), GFP_KERNEL_ACCOUNT);
	if (!tcp)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for connections",
					    "no memory for connections");

	xa_init_flags(&tcp->all, XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
	for (i = 0; i < ARRAY_SIZE(tcp->by_state); i++)
		INIT_LIST_HEAD(&tcp->by_state[i]);
	init_llist_head(&tcp->ready);
	worker->tcp = tcp;

	err = ksocket_tcp_open_listen(worker, rep);
	if (err) {
		worker->tcp = NULL;
		kfree(tcp);
	}
	return err;
}

static bool ksocket_tcp_is_request_of(const struct sock *sk,
				      const struct sock *listen)
{
	return sk->sk_state == TCP_NEW_SYN_RECV &&
	       inet_reqsk(sk)->rsk_listener == listen;
}

/* Let the timers of half-open connections run now. */
static void ksocket_tcp_expire_requests(const struct sock *listen)
{
	struct inet_hashinfo *hashinfo = ksocket_tcp_hashinfo(sock_net(listen));
	const struct hlist_nulls_node *node;
	struct sock *sk;
	unsigned int i;

	for (i = 0; i <= hashinfo->ehash_mask; i++) {
		spinlock_t *lock = inet_ehash_lockp(hashinfo, i);

		if (hlist_nulls_empty(&hashinfo->ehash[i].chain))
			continue;
		spin_lock_bh(lock);
		sk_nulls_for_each(sk, node, &hashinfo->ehash[i].chain)
			if (ksocket_tcp_is_request_of(sk, listen))
				mod_timer_pending(&inet_reqsk(sk)->rsk_timer,
						  jiffies);
		spin_unlock_bh(lock);
	}
}

/*
 * Half-open connections keep the listen socket until they expire, which takes
 * up to a minute, and look at its namespace then. So they have to expire while
 * there is one: their timers drop them once nobody listens.
 */
static void ksocket_tcp_forget_requests(const struct sock *listen)
{
	int i;

	/* Who has seen the socket listen may be about to add one. */
	synchronize_rcu_expedited();
	for (i = 0; inet_csk_reqsk_queue_len(listen); i++) {
		if (WARN_ON_ONCE(i == KSOCKET_TCP_FORGET))
			return;
		ksocket_tcp_expire_requests(listen);
		usleep_range(1000, 2000);
	}
}

static void ksocket_tcp_close(struct ksocket_worker *worker)
{
	struct sock *listen = worker->listen->sk;
	struct ksocket_tcp *tcp = worker->tcp;
	struct ksocket_tcp_conn *conn, *dead, *next;
	unsigned long id;

	sock_hold(listen);
	sock_release(worker->listen);
	worker->listen = NULL;

	xa_for_each(&tcp->all, id, conn) {
		ksocket_owner_begin(worker);
		ksocket_tcp_conn_end(conn, KSOCKET_CLOSE_STOPPED, 0);
		ksocket_owner_end(worker);
	}
	/* Callbacks may still look at connections, and put them on the list. */
	ksocket_tcp_forget_requests(listen);
	sock_put(listen);
	llist_for_each_entry_safe(dead, next, llist_del_all(&tcp->ready), ready)
		kfree(dead);

	xa_destroy(&tcp->all);
	worker->tcp = NULL;
	kfree(tcp);
}

static void ksocket_tcp_attach(struct ksocket_worker *worker)
{
	struct sock *sk = worker->listen->sk;
	struct ksocket_tcp *tcp = worker->tcp;

	write_lock_bh(&sk->sk_callback_lock);
	tcp->data_ready = sk->sk_data_ready;
	tcp->state_change = sk->sk_state_change;
	WRITE_ONCE(sk->sk_state_change, ksocket_tcp_knock);
	WRITE_ONCE(sk->sk_data_ready, ksocket_tcp_knock);
	write_unlock_bh(&sk->sk_callback_lock);
	/* Somebody may have come before. */
	WRITE_ONCE(tcp->knocked, true);
}

static void ksocket_tcp_detach(struct ksocket_worker *worker)
{
	struct sock *sk = worker->listen->sk;
	struct ksocket_tcp *tcp = worker->tcp;

	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, NULL);
	WRITE_ONCE(sk->sk_data_ready, tcp->data_ready);
	WRITE_ONCE(sk->sk_state_change, tcp->state_change);
	write_unlock_bh(&sk->sk_callback_lock);
	WRITE_ONCE(tcp->detached, true);
}

/* Connections that are there keep theirs. */
static void ksocket_tcp_set_buffers(struct ksocket_worker *worker)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;

	ksocket_sock_set_sndbuf(worker->listen->sk, cfg->sndbuf);
	ksocket_sock_set_rcvbuf(worker->listen->sk, cfg->rcvbuf);
}

static u32 ksocket_tcp_rx_overflow(const struct ksocket_worker *worker)
{
	return ksocket_sk_drops(worker->listen->sk);
}

static bool ksocket_tcp_next_conn(struct ksocket_worker *worker, u32 id,
				  struct ksocket_conn_info *info)
{
	const struct ksocket_tcp_conn *conn;
	unsigned long index = id;

	rcu_read_lock();
	conn = xa_find(&worker->tcp->all, &index, U32_MAX, XA_PRESENT);
	if (conn)
		ksocket_tcp_describe(conn, info);
	rcu_read_unlock();

	return conn;
}

const struct ksocket_transport ksocket_tcp = {
	.streams = true,
	.open = ksocket_tcp_open,
	.close = ksocket_tcp_close,
	.attach = ksocket_tcp_attach,
	.detach = ksocket_tcp_detach,
	.set_buffers = ksocket_tcp_set_buffers,
	.wait = ksocket_tcp_wait,
	.rx_overflow = ksocket_tcp_rx_overflow,
	.next_conn = ksocket_tcp_next_conn,
	.serve = ksocket_tcp_serve,
	/* The group that shares the port stays: a look-up asks each socket. */
	.rebind = ksocket_tcp_rebind,
};
