// SPDX-License-Identifier: GPL-2.0
/*
 * What sockets of every kind have in common.
 */
#include <linux/build_bug.h>
#include <linux/slab.h>

#include "sock.h"

/**
 * ksocket_sock_set_sndbuf() - set the send buffer
 * @sk: the socket
 * @size: bytes, or 0 to leave it
 *
 * As SO_SNDBUFFORCE does; ksocket_config_check_buffers() has judged who may.
 *
 * Context: process context, may sleep; takes the lock of the socket.
 */
void ksocket_sock_set_sndbuf(struct sock *sk, unsigned int size)
{
	if (!size)
		return;

	lock_sock(sk);
	sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE(sk->sk_sndbuf, max_t(int, size * 2, SOCK_MIN_SNDBUF));
	release_sock(sk);
}

/**
 * ksocket_sock_set_rcvbuf() - set the receive buffer, as SO_RCVBUFFORCE does
 * @sk: the socket
 * @size: bytes, or 0 to leave it
 *
 * Context: process context, may sleep; takes the lock of the socket.
 */
void ksocket_sock_set_rcvbuf(struct sock *sk, unsigned int size)
{
	if (size)
		sock_set_rcvbuf(sk, size);
}

/**
 * ksocket_sock_set_dual_stack() - let an IPv6 socket listen on IPv4 too
 * @sk: the socket
 *
 * Context: process context, may sleep; takes the lock of the socket.
 */
void ksocket_sock_set_dual_stack(struct sock *sk)
{
	lock_sock(sk);
	sk->sk_ipv6only = false;	/* whatever net.ipv6.bindv6only says */
	release_sock(sk);
}

/* What a socket belongs to is told by the address; the text is for debuggers. */
const char ksocket_sock_is_worker[] = "ksocket worker";
const char ksocket_sock_is_tcp_end[] = "ksocket TCP end";
const char ksocket_sock_is_uplink[] = "ksocket uplink";

/* Return: 0, or -EBUSY if another part of the kernel has set it. */
static int ksocket_sock_set_user(struct sock *sk, struct ksocket_sock_user *user)
{
	static_assert(__alignof__(*user) > ~SK_USER_DATA_PTRMASK);
	static_assert(ARCH_KMALLOC_MINALIGN > ~SK_USER_DATA_PTRMASK);

	lockdep_assert_held(&sk->sk_callback_lock);

	if (sk->sk_user_data)
		return -EBUSY;
	/* Connections take all from the listen socket, but not that. */
	__rcu_assign_sk_user_data_with_flags(sk, user, SK_USER_DATA_NOCOPY);
	return 0;
}

/**
 * ksocket_sock_claim() - set sk_user_data, before others can
 * @sk: the socket
 * @user: what our callbacks find in it, under RCU; its kind is set
 *
 * Without its own callbacks that has no effect but to keep BPF's sockmaps off, which
 * use the same pointer and do not take a socket that has one.
 *
 * Return: 0, or -EBUSY when it is taken.
 */
int ksocket_sock_claim(struct sock *sk, struct ksocket_sock_user *user)
{
	int err;

	write_lock_bh(&sk->sk_callback_lock);
	err = ksocket_sock_set_user(sk, user);
	write_unlock_bh(&sk->sk_callback_lock);
	return err;
}

/**
 * ksocket_sock_hook() - be called instead of those the stack would call
 * @sk: the socket, of a connection
 * @user: what our callbacks find in it, under RCU; its kind is set
 * @ours: our callbacks
 * @theirs: where to keep the ones that were there
 *
 * Callbacks that were there before find @user too, for a moment: those of ours look
 * at its kind.
 *
 * Return: 0, or -EBUSY when the socket is another's, in a sockmap for example, and
 * nothing was done to it.
 */
int ksocket_sock_hook(struct sock *sk, struct ksocket_sock_user *user,
		      const struct ksocket_sock_callbacks *ours,
		      struct ksocket_sock_callbacks *theirs)
{
	int err;

	write_lock_bh(&sk->sk_callback_lock);
	err = ksocket_sock_set_user(sk, user);
	if (err)
		goto unlock;

	theirs->data_ready = sk->sk_data_ready;
	theirs->write_space = sk->sk_write_space;
	theirs->state_change = sk->sk_state_change;
	theirs->error_report = sk->sk_error_report;
	WRITE_ONCE(sk->sk_data_ready, ours->data_ready);
	WRITE_ONCE(sk->sk_write_space, ours->write_space);
	WRITE_ONCE(sk->sk_state_change, ours->state_change);
	WRITE_ONCE(sk->sk_error_report, ours->error_report);
unlock:
	write_unlock_bh(&sk->sk_callback_lock);
	return err;
}

/**
 * ksocket_sock_unhook() - undo ksocket_sock_hook()
 * @sk: the socket; our callbacks may be in there for an RCU grace period more
 * @theirs: the callbacks that were there
 */
void ksocket_sock_unhook(struct sock *sk,
			 const struct ksocket_sock_callbacks *theirs)
{
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, NULL);
	WRITE_ONCE(sk->sk_data_ready, theirs->data_ready);
	WRITE_ONCE(sk->sk_write_space, theirs->write_space);
	WRITE_ONCE(sk->sk_state_change, theirs->state_change);
	WRITE_ONCE(sk->sk_error_report, theirs->error_report);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * ksocket_sock_is_local() - is the other end on this host?
 * @sk: the socket, connected
 *
 * Return: true if so.
 */
bool ksocket_sock_is_local(struct sock *sk)
{
	struct dst_entry *dst = sk_dst_get(sk);
	bool local = dst && dst->dev->flags & IFF_LOOPBACK;

	dst_release(dst);
	return local;
}

/*
 * Workers share their port by SO_REUSEPORT, and with whoever has the same uid. He
 * would get what was meant for the service, and with net.ipv4.tcp_migrate_req
 * connections that do not count as users of their namespace. So it is nobody's.
 */
static void ksocket_sock_share_with_nobody(struct socket *sock)
{
	SOCK_INODE(sock)->i_uid = INVALID_UID;
	ksocket_sk_set_uid(sock->sk, INVALID_UID);
}

/**
 * ksocket_sock_create_listen() - make a socket to listen, as far as all are alike
 * @worker: the worker; its socket is claimed for it
 * @type: SOCK_DGRAM or SOCK_STREAM
 * @protocol: IPPROTO_UDP or IPPROTO_TCP
 * @result: the socket, on its device, not yet at its address
 * @rep: says what was wrong
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno; nothing is left then.
 */
int ksocket_sock_create_listen(struct ksocket_worker *worker, int type,
			       int protocol, struct socket **result,
			       struct ksocket_report *rep)
{
	const struct ksocket_service *svc = worker->svc;
	const struct ksocket_config *cfg = &svc->cfg;
	struct socket *sock;
	int err;

	err = sock_create_kern(svc->net, cfg->listen.sa.sa_family, type,
			       protocol, &sock);
	if (err)
		return ksocket_report_field(rep, err, KSOCKET_FIELD_LISTEN,
					    "cannot create the listen socket",
					    "cannot create the listen socket: errno %d",
					    -err);

	/* Before others can find it. */
	ksocket_sock_claim(sock->sk, &worker->user);
	if (cfg->ifindex)
		err = sock_bindtoindex(sock->sk, cfg->ifindex, true);
	if (err) {
		sock_release(sock);
		return ksocket_report_field(rep, err, KSOCKET_FIELD_DEVICE,
					    "cannot bind to the device",
					    "device=%s: cannot bind to it: errno %d",
					    cfg->device, -err);
	}

	if (cfg->threads > 1)
		ksocket_sock_share_with_nobody(sock);
	if (cfg->listen.sa.sa_family == AF_INET6)
		ksocket_sock_set_dual_stack(sock->sk);
	ksocket_sock_set_sndbuf(sock->sk, cfg->sndbuf);
	ksocket_sock_set_rcvbuf(sock->sk, cfg->rcvbuf);
	*result = sock;
	return 0;
}

/**
 * ksocket_sock_take_port() - take the port where the service has to listen now
 * @svc: the service
 * @sk: a listen socket of it, locked, without a port
 *
 * Context: process context.
 * Return: 0; or -EADDRINUSE, and it hears nothing then.
 */
int ksocket_sock_take_port(const struct ksocket_service *svc, struct sock *sk)
{
	u16 port = ksocket_addr_port(&svc->cfg.listen);
	int err;

	WRITE_ONCE(sk->sk_bound_dev_if, ksocket_follow_ifindex(svc));
	sk_dst_reset(sk);
	err = sk->sk_prot->get_port(sk, port) ? -EADDRINUSE : 0;
	/* Another may have the port there. Keep it at least where nothing comes from. */
	if (err) {
		WRITE_ONCE(sk->sk_bound_dev_if, ksocket_no_device(svc));
		sk->sk_prot->get_port(sk, port);
	}
	/* Without a port it may have been given one to send from. */
	inet_sk(sk)->inet_sport = htons(port);
	return err;
}

/**
 * ksocket_sock_probe() - is the port free where the service has to listen now?
 * @svc: the service; its own sockets are bound elsewhere
 *
 * Its address need not be there yet, as for the sockets that are bound to it.
 *
 * Context: process context, may sleep.
 * Return: 0, -EADDRINUSE, or another negative errno.
 */
int ksocket_sock_probe(const struct ksocket_service *svc)
{
	bool streams = svc->cfg.proto == KSOCKET_PROTO_TCP;
	union ksocket_addr addr = svc->cfg.listen;
	struct socket *sock;
	int err;

	err = sock_create_kern(svc->net, addr.sa.sa_family,
			       streams ? SOCK_STREAM : SOCK_DGRAM,
			       streams ? IPPROTO_TCP : IPPROTO_UDP, &sock);
	if (err)
		return err;

	if (addr.sa.sa_family == AF_INET6)
		ksocket_sock_set_dual_stack(sock->sk);
	ip_sock_set_freebind(sock->sk);
	if (streams)
		sock_set_reuseaddr(sock->sk);
	err = sock_bindtoindex(sock->sk, ksocket_follow_ifindex(svc), true);
	if (!err)
		err = ksocket_bind(sock, &addr.sa, ksocket_sock_addr_len(&addr));
	sock_release(sock);
	return err;
}

/**
 * ksocket_sock_report_bind() - why it could not listen there
 * @svc: the service
 * @err: negative errno of bind or listen
 * @rep: where to
 *
 * Return: @err.
 */
int ksocket_sock_report_bind(const struct ksocket_service *svc, int err,
			     struct ksocket_report *rep)
{
	switch (err) {
	case -EADDRINUSE:
		return ksocket_report_field(rep, err, KSOCKET_FIELD_LISTEN,
					    "listen address in use, need a free port",
					    "listen address %s is in use, need a free port",
					    svc->listen_text);
	case -EADDRNOTAVAIL:
		return ksocket_report_field(rep, err, KSOCKET_FIELD_LISTEN,
					    "not an address of this host or namespace",
					    "listen_addr=%pISc: not an address of this host or namespace",
					    &svc->cfg.listen);
	default:
		return ksocket_report_field(rep, err, KSOCKET_FIELD_LISTEN,
					    "cannot bind to the listen address",
					    "cannot bind to listen address %s: errno %d",
					    svc->listen_text, -err);
	}
}
