// SPDX-License-Identifier: GPL-2.0
/*
 * What sockets of every kind have in common.
 */
#include "sock.h"

/**
 * ksocket_sock_set_sndbuf() - set the send buffer
 * @sk: the socket
 * @size: bytes, or 0 to leave it
 *
 * As SO_SNDBUFFORCE: the administrator's word counts.
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
