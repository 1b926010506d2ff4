// SPDX-License-Identifier: GPL-2.0
/*
 * UDP sockets: one to listen, one connected to the receiver.
 *
 * Kernel sockets hold no reference on their namespace, which is what lets a
 * namespace die with a service inside; the pernet exit closes them in time.
 */
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/udp.h>
#include <linux/wait.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "ksocket.h"

static int ksocket_udp_addr_len(const union ksocket_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? sizeof(addr->in) :
					       sizeof(addr->in6);
}

/* As SO_RCVBUFFORCE and SO_SNDBUFFORCE: the administrator's word counts. */
static void ksocket_udp_set_sndbuf(struct sock *sk, unsigned int size)
{
	if (!size)
		return;

	lock_sock(sk);
	sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE(sk->sk_sndbuf, max_t(int, size * 2, SOCK_MIN_SNDBUF));
	release_sock(sk);
}

static void ksocket_udp_set_pktinfo(struct sock *sk)
{
	/* A dual-stack socket needs both: IPv4 says here what is broadcast. */
	ip_sock_set_pktinfo(sk);
	if (sk->sk_family == AF_INET6)
		ip6_sock_set_recvpktinfo(sk);
}

static void ksocket_udp_set_dual_stack(struct sock *sk)
{
	lock_sock(sk);
	sk->sk_ipv6only = false;	/* whatever net.ipv6.bindv6only says */
	release_sock(sk);
}

static int ksocket_udp_report_bind(const struct ksocket_service *svc, int err,
				   struct ksocket_report *rep)
{
	switch (err) {
	case -EADDRINUSE:
		return ksocket_report(rep, err,
				      "listen address %s is in use, need a free port",
				      svc->listen_text);
	case -EADDRNOTAVAIL:
		return ksocket_report(rep, err,
				      "listen_addr=%pISc: not an address of this host or namespace",
				      &svc->cfg.listen);
	default:
		return ksocket_report(rep, err,
				      "cannot bind to listen address %s: errno %d",
				      svc->listen_text, -err);
	}
}

static int ksocket_udp_bind(struct ksocket_worker *worker, struct socket *sock,
			    struct ksocket_report *rep)
{
	const struct ksocket_service *svc = worker->svc;
	union ksocket_addr addr = svc->cfg.listen;
	bool first = worker == &svc->workers[0];
	int err;

	/*
	 * The first worker binds alone, so that a port in use is an error
	 * even where its owner allows SO_REUSEPORT; then the others join it.
	 */
	if (!first)
		sock_set_reuseport(sock->sk);

	err = ksocket_bind(sock, &addr.sa, ksocket_udp_addr_len(&addr));
	/* The port is ours by then: joining fails for want of memory only. */
	if (err == -EADDRINUSE && !first)
		return ksocket_report(rep, -ENOMEM,
				      "no memory for the threads to share %s",
				      svc->listen_text);
	if (err)
		return ksocket_udp_report_bind(svc, err, rep);

	if (first && svc->cfg.threads > 1)
		sock_set_reuseport(sock->sk);
	return 0;
}

static int ksocket_udp_open_listen(struct ksocket_worker *worker,
				   struct ksocket_report *rep)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	struct socket *sock;
	int err;

	err = sock_create_kern(worker->svc->net, cfg->listen.sa.sa_family,
			       SOCK_DGRAM, IPPROTO_UDP, &sock);
	if (err)
		return ksocket_report(rep, err,
				      "cannot create the listen socket: errno %d",
				      -err);

	if (cfg->ifindex) {
		err = sock_bindtoindex(sock->sk, cfg->ifindex, true);
		if (err) {
			ksocket_report(rep, err,
				       "device=%s: cannot bind to it: errno %d",
				       cfg->device, -err);
			goto err_release;
		}
	}

	if (cfg->listen.sa.sa_family == AF_INET6)
		ksocket_udp_set_dual_stack(sock->sk);
	ksocket_udp_set_pktinfo(sock->sk);
	ksocket_udp_set_sndbuf(sock->sk, cfg->sndbuf);
	if (cfg->rcvbuf)
		sock_set_rcvbuf(sock->sk, cfg->rcvbuf);

	err = ksocket_udp_bind(worker, sock, rep);
	if (err)
		goto err_release;

	worker->listen = sock;
	return 0;

err_release:
	sock_release(sock);
	return err;
}

/*
 * Connect, for the first time or again. Locked, the local address and port
 * outlast a broken connection: the guard knows the socket by them.
 */
static int ksocket_udp_connect(struct ksocket_worker *worker,
			       struct socket *sock)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	union ksocket_addr addr = cfg->reply;
	int err = 0;

	if (cfg->reply_ifindex)
		err = sock_bindtoindex(sock->sk, cfg->reply_ifindex, true);
	if (!err)
		err = ksocket_connect(sock, &addr.sa,
				      ksocket_udp_addr_len(&addr));
	if (err)
		return err;

	lock_sock(sock->sk);
	sock->sk->sk_userlocks |= SOCK_BINDADDR_LOCK | SOCK_BINDPORT_LOCK;
	release_sock(sock->sk);
	return 0;
}

static int ksocket_udp_open_reply(struct ksocket_worker *worker,
				  struct ksocket_report *rep)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	struct socket *sock;
	int err;

	err = sock_create_kern(worker->svc->net, cfg->reply.sa.sa_family,
			       SOCK_DGRAM, IPPROTO_UDP, &sock);
	if (err)
		return ksocket_report(rep, err,
				      "cannot create the reply socket: errno %d",
				      -err);

	/* Nobody reads it: what a receiver sends back must not pile up. */
	sock_set_rcvbuf(sock->sk, 1);
	ksocket_udp_set_sndbuf(sock->sk, cfg->sndbuf);
	err = ksocket_udp_connect(worker, sock);
	if (!err)
		err = kernel_getsockname(sock, &worker->reply_end.addr.sa);
	if (err < 0) {
		ksocket_report(rep, err,
			       "cannot reach reply address %s: errno %d",
			       worker->svc->reply_text, -err);
		sock_release(sock);
		return err;
	}

	worker->reply = sock;
	return 0;
}

static void ksocket_udp_close(struct ksocket_worker *worker)
{
	if (worker->reply)
		sock_release(worker->reply);
	if (worker->listen)
		sock_release(worker->listen);
	worker->reply = NULL;
	worker->listen = NULL;
}

static int ksocket_udp_open(struct ksocket_worker *worker,
			    struct ksocket_report *rep)
{
	int err;

	err = ksocket_udp_open_listen(worker, rep);
	if (err)
		return err;

	if (worker->svc->cfg.mode->has_receiver) {
		err = ksocket_udp_open_reply(worker, rep);
		if (err)
			ksocket_udp_close(worker);
	}

	return err;
}

static bool ksocket_udp_pending(const struct sock *sk)
{
	return !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
	       !skb_queue_empty_lockless(&udp_sk(sk)->reader_queue);
}

/*
 * In mode echo the listen socket also sends, and the stack announces freed
 * send buffer on the same wait queue. Only input is worth a wake-up.
 */
static int ksocket_udp_wake(wait_queue_entry_t *entry, unsigned int mode,
			    int sync, void *key)
{
	if (key && !(key_to_poll(key) & (EPOLLIN | EPOLLERR)))
		return 0;

	return autoremove_wake_function(entry, mode, sync, key);
}

static void ksocket_udp_wait(struct ksocket_worker *worker)
{
	struct sock *sk = worker->listen->sk;
	DEFINE_WAIT_FUNC(wait, ksocket_udp_wake);

	/*
	 * Interruptible, because that is what sock_def_readable() wakes, and
	 * it does not count as load. No signal reaches a kthread.
	 */
	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (!ksocket_udp_pending(sk) && !kthread_should_stop()) {
		schedule();
		ksocket_count_wakeup(worker->svc);
	}
	finish_wait(sk_sleep(sk), &wait);
}

static void ksocket_udp_set_in(union ksocket_addr *addr, __be32 ip, __be16 port)
{
	addr->in.sin_family = AF_INET;
	addr->in.sin_addr.s_addr = ip;
	addr->in.sin_port = port;
}

/* Where it came from; an IPv4-mapped source becomes the IPv4 one. */
static void ksocket_udp_parse_source(struct ksocket_datagram *dgram)
{
	const struct sockaddr_in6 *in6 = &dgram->peer.in6;

	if (dgram->peer.sa.sa_family == AF_INET6 &&
	    ipv6_addr_v4mapped(&in6->sin6_addr))
		ksocket_udp_set_in(&dgram->from,
				   in6->sin6_addr.s6_addr32[3],
				   in6->sin6_port);
	else
		dgram->from = dgram->peer;
}

static void ksocket_udp_parse_pktinfo4(const struct in_pktinfo *info,
				       __be16 port,
				       struct ksocket_datagram *dgram)
{
	ksocket_udp_set_in(&dgram->to, info->ipi_addr.s_addr, port);
	dgram->ifindex = info->ipi_ifindex;
	/*
	 * fib_compute_spec_dst(): the address to answer from is the one that
	 * was asked, except for a broadcast or multicast one.
	 */
	dgram->to_host = info->ipi_addr.s_addr == info->ipi_spec_dst.s_addr;
}

static void ksocket_udp_parse_pktinfo6(const struct in6_pktinfo *info,
				       __be16 port,
				       struct ksocket_datagram *dgram)
{
	dgram->to.in6.sin6_family = AF_INET6;
	dgram->to.in6.sin6_addr = info->ipi6_addr;
	dgram->to.in6.sin6_port = port;
	dgram->ifindex = info->ipi6_ifindex;
	dgram->to_host = !ipv6_addr_is_multicast(&info->ipi6_addr);
	if (ipv6_addr_type(&info->ipi6_addr) & IPV6_ADDR_LINKLOCAL)
		dgram->to.in6.sin6_scope_id = info->ipi6_ifindex;
}

/* Which address was asked, and by which device. */
static void ksocket_udp_parse_destination(const struct ksocket_config *cfg,
					  struct msghdr *msg,
					  struct ksocket_datagram *dgram)
{
	/* A dual-stack socket describes an IPv4 datagram in both ways. */
	bool v4 = dgram->from.sa.sa_family == AF_INET;
	__be16 port = cfg->listen.in.sin_port;
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, msg) {
		if (v4 && cmsg->cmsg_level == SOL_IP &&
		    cmsg->cmsg_type == IP_PKTINFO)
			ksocket_udp_parse_pktinfo4(CMSG_DATA(cmsg), port,
						   dgram);
		else if (!v4 && cmsg->cmsg_level == SOL_IPV6 &&
			 cmsg->cmsg_type == IPV6_PKTINFO)
			ksocket_udp_parse_pktinfo6(CMSG_DATA(cmsg), port,
						   dgram);
	}
}

union ksocket_udp_control {
	struct cmsghdr align;
	char both[CMSG_SPACE(sizeof(struct in_pktinfo)) +
		  CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static int ksocket_udp_recv(struct ksocket_worker *worker,
			    struct ksocket_datagram *dgram)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	union ksocket_udp_control control;
	struct kvec vec = {
		.iov_base = worker->buffer,
		.iov_len = cfg->buffer_size,
	};
	struct msghdr msg = {
		.msg_name = &dgram->peer,
		.msg_namelen = sizeof(dgram->peer),
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int len;

	memset(dgram, 0, sizeof(*dgram));
	/* MSG_TRUNC: the length that came, not the length that fitted. */
	len = kernel_recvmsg(worker->listen, &msg, &vec, 1, vec.iov_len,
			     MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0) {
		/* "ss -K" has unbound the socket from its device. */
		if (len == -ECONNABORTED && cfg->ifindex)
			sock_bindtoindex(worker->listen->sk, cfg->ifindex,
					 true);
		return len;
	}

	dgram->data = worker->buffer;
	dgram->len = len;
	dgram->truncated = len > cfg->buffer_size;

	/* The stack has moved both past what it wrote. */
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control) - msg.msg_controllen;
	ksocket_udp_parse_source(dgram);
	ksocket_udp_parse_destination(cfg, &msg, dgram);

	return 0;
}

static int ksocket_udp_send(struct socket *sock, struct msghdr *msg,
			    const struct ksocket_datagram *dgram)
{
	struct kvec vec = {
		.iov_base = (void *)dgram->data,
		.iov_len = dgram->len,
	};
	int len;

	msg->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	len = kernel_sendmsg(sock, msg, &vec, 1, vec.iov_len);

	return len < 0 ? len : 0;
}

/* Can it be the ICMP answer to an earlier datagram on a connected socket? */
static bool ksocket_udp_error_is_stale(int err)
{
	switch (err) {
	case -ECONNREFUSED:
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENONET:
	case -ENOPROTOOPT:
	case -EACCES:
	case -EPROTO:
	case -EMSGSIZE:
		return true;
	default:
		return false;
	}
}

static int ksocket_udp_send_receiver(struct ksocket_worker *worker,
				     const struct ksocket_datagram *dgram)
{
	struct msghdr msg = {};
	int err;

	err = ksocket_udp_send(worker->reply, &msg, dgram);
	/* "ss -K" has broken the connection, and left that as an error too. */
	if (err == -EDESTADDRREQ) {
		err = ksocket_udp_connect(worker, worker->reply);
		sock_error(worker->reply->sk);
		if (err)
			return err;
		err = ksocket_udp_send(worker->reply, &msg, dgram);
	}
	/*
	 * A connected socket reports the ICMP error of an earlier datagram on
	 * the next send, which it then does not do. The error is consumed by
	 * now: send this one again, or a receiver that has just come back
	 * would miss it.
	 */
	if (ksocket_udp_error_is_stale(err)) {
		ksocket_count_stale_error(worker->svc);
		err = ksocket_udp_send(worker->reply, &msg, dgram);
	}

	return err;
}

static size_t ksocket_udp_put_cmsg(struct cmsghdr *cmsg, int level, int type,
				   const void *data, size_t len)
{
	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);

	return CMSG_SPACE(len);
}

/* Answer from the address that was asked, or the sender will not know us. */
static size_t ksocket_udp_put_pktinfo(union ksocket_udp_control *control,
				      const struct ksocket_datagram *dgram)
{
	const union ksocket_addr *to = &dgram->to;

	if (to->sa.sa_family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = to->in.sin_addr };

		return ksocket_udp_put_cmsg(&control->align, SOL_IP, IP_PKTINFO,
					    &info, sizeof(info));
	} else {
		/* The device only where the address means nothing without. */
		struct in6_pktinfo info = {
			.ipi6_addr = to->in6.sin6_addr,
			.ipi6_ifindex = to->in6.sin6_scope_id,
		};

		return ksocket_udp_put_cmsg(&control->align, SOL_IPV6,
					    IPV6_PKTINFO, &info, sizeof(info));
	}
}

static int ksocket_udp_send_sender(struct ksocket_worker *worker,
				   const struct ksocket_datagram *dgram)
{
	union ksocket_udp_control control = {};
	union ksocket_addr peer = dgram->peer;
	struct msghdr msg = {
		.msg_name = &peer,
		.msg_namelen = ksocket_udp_addr_len(&peer),
		.msg_control = &control,
	};

	msg.msg_controllen = ksocket_udp_put_pktinfo(&control, dgram);

	return ksocket_udp_send(worker->listen, &msg, dgram);
}

static u32 ksocket_udp_rx_overflow(const struct ksocket_worker *worker)
{
	return ksocket_sk_drops(worker->listen->sk);
}

static u32 ksocket_udp_reply_ignored(const struct ksocket_worker *worker)
{
	const struct sock *sk;

	if (!worker->reply)
		return 0;

	/* The few that the smallest buffer holds are ignored as well. */
	sk = worker->reply->sk;
	return ksocket_sk_drops(sk) +
	       skb_queue_len_lockless(&sk->sk_receive_queue);
}

const struct ksocket_transport ksocket_udp = {
	.name = "udp",
	.open = ksocket_udp_open,
	.close = ksocket_udp_close,
	.wait = ksocket_udp_wait,
	.recv = ksocket_udp_recv,
	.send_receiver = ksocket_udp_send_receiver,
	.send_sender = ksocket_udp_send_sender,
	.rx_overflow = ksocket_udp_rx_overflow,
	.reply_ignored = ksocket_udp_reply_ignored,
};
