// SPDX-License-Identifier: GPL-2.0
/*
 * UDP sockets: one to listen, one connected to the receiver.
 *
 * Kernel sockets hold no reference on their namespace, which is what lets a
 * namespace die with a service inside; the pernet exit closes them in time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/udp.h>
#include <linux/wait.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "sock.h"
#include "udp.h"

/*
 * Nobody ever waits for room in a send buffer: without the flag each packet that
 * has left would look for somebody to wake, and in mode echo find the thread,
 * which waits for input at the same socket. And whatever net.core.busy_read
 * says, nobody polls, least of all in a softirq.
 */
static void ksocket_udp_set_no_wait(struct sock *sk)
{
	lock_sock(sk);
	sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
#ifdef CONFIG_NET_RX_BUSY_POLL
	WRITE_ONCE(sk->sk_ll_usec, 0);
#endif
	release_sock(sk);
}

static void ksocket_udp_set_pktinfo(struct sock *sk)
{
	/* A dual-stack socket needs both: IPv4 says here what is broadcast. */
	ip_sock_set_pktinfo(sk);
	if (sk->sk_family == AF_INET6)
		ip6_sock_set_recvpktinfo(sk);
}

static int ksocket_udp_set_gro(struct socket *sock, int on)
{
	return sock->ops->setsockopt(sock, SOL_UDP, UDP_GRO,
				     KERNEL_SOCKPTR(&on), sizeof(on));
}

static int ksocket_udp_set_datapath(struct socket *sock,
				    const struct ksocket_config *cfg,
				    struct ksocket_report *rep)
{
	int err;

	/*
	 * The stack looks for encap_rcv once any socket has wanted UDP_GRO,
	 * whether it still does or not; until the socket is closed.
	 */
	err = ksocket_udp_set_gro(sock, 1);
	if (!err && !cfg->gro)
		err = ksocket_udp_set_gro(sock, 0);
	if (err)
		ksocket_report_field(rep, err, KSOCKET_FIELD_DATAPATH,
				     "cannot set up the datapath",
				     "cannot set up datapath %s, gro %s: errno %d",
				     ksocket_datapath_name(cfg->datapath),
				     cfg->gro ? "on" : "off", -err);

	return err;
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

	err = ksocket_bind(sock, &addr.sa, ksocket_sock_addr_len(&addr));
	/* The port is ours by then: joining fails for want of memory only. */
	if (err == -EADDRINUSE && !first)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_LISTEN,
					    "no memory for the threads to share it",
					    "no memory for the threads to share %s",
					    svc->listen_text);
	if (err)
		return ksocket_sock_report_bind(svc, err, rep);

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

	err = ksocket_sock_create_listen(worker, SOCK_DGRAM, IPPROTO_UDP,
					 &sock, rep);
	if (err)
		return err;

	ksocket_udp_set_pktinfo(sock->sk);
	ksocket_udp_set_no_wait(sock->sk);

	err = ksocket_udp_set_datapath(sock, cfg, rep);
	if (err)
		goto err_release;

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
 * Connect, for the first time or again. The stack chooses the address to send
 * from, the port stays.
 */
static int ksocket_udp_connect(struct ksocket_worker *worker,
			       struct socket *sock)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	union ksocket_addr addr;
	int err = 0;

	/* Its index may be another's by now. */
	if (ksocket_follow_has_lost_receiver(worker->svc))
		return -ENETUNREACH;
	addr = cfg->reply;
	if (cfg->reply_ifindex)
		err = sock_bindtoindex(sock->sk, cfg->reply_ifindex, true);
	if (!err)
		err = ksocket_connect(sock, &addr.sa,
				      ksocket_sock_addr_len(&addr), 0);
	if (err)
		return err;

	lock_sock(sock->sk);
	sock->sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
	release_sock(sock->sk);
	WRITE_ONCE(worker->reply_local, ksocket_sock_is_local(sock->sk));
	return 0;
}

/* No softirq sends to the receiver until ksocket_udp_set_source(). */
static void ksocket_udp_clear_source(struct ksocket_worker *worker)
{
	spin_lock_bh(&worker->lock);
	worker->reply_gen = atomic_read(&worker->svc->kn->rebound_gen) - 1;
	ksocket_udp_reply_drop(worker);
	spin_unlock_bh(&worker->lock);
	ksocket_worker_kick(worker);
}

/* What is sent to the receiver comes from @addr from now on. */
static void ksocket_udp_set_source(struct ksocket_worker *worker,
				   const union ksocket_addr *addr, int gen)
{
	unsigned int i;

	spin_lock_bh(&worker->lock);
	/* The guard has to know the address before anything leaves from it. */
	if (!ksocket_addr_same(addr, &worker->reply_addr))
		ksocket_guard_move(worker, addr);
	for (i = 0; i < ARRAY_SIZE(worker->reply_flows); i++) {
		worker->reply_flows[i].from = worker->svc->cfg.reply;
		worker->reply_flows[i].to = *addr;
	}
	worker->reply_gen = gen;
	spin_unlock_bh(&worker->lock);
	ksocket_worker_kick(worker);
}

/**
 * ksocket_udp_open_reply() - make the socket to the receiver, connected
 * @worker: the worker
 * @rep: says what was wrong
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno.
 */
int ksocket_udp_open_reply(struct ksocket_worker *worker,
			   struct ksocket_report *rep)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	union ksocket_addr addr = {};
	struct socket *sock;
	int err, gen;

	err = sock_create_kern(worker->svc->net, cfg->reply.sa.sa_family,
			       SOCK_DGRAM, IPPROTO_UDP, &sock);
	if (err)
		return ksocket_report_field(rep, err, KSOCKET_FIELD_REPLY,
					    "cannot create the reply socket",
					    "cannot create the reply socket: errno %d",
					    -err);

	/* Before others can find it. */
	ksocket_sock_claim(sock->sk, &worker->user);
	/* Nobody reads it: what a receiver sends back must not pile up. */
	sock_set_rcvbuf(sock->sk, 1);
	ksocket_sock_set_sndbuf(sock->sk, cfg->sndbuf);
	ksocket_udp_set_no_wait(sock->sk);
	gen = atomic_read(&worker->svc->kn->rebound_gen);
	smp_rmb();	/* what it is about is read after it */
	err = ksocket_udp_connect(worker, sock);
	if (!err)
		err = kernel_getsockname(sock, &addr.sa);
	if (err < 0) {
		ksocket_report_field(rep, err, KSOCKET_FIELD_REPLY,
				     "cannot reach the receiver",
				     "cannot reach reply address %s: errno %d",
				     worker->svc->reply_text, -err);
		sock_release(sock);
		return err;
	}

	worker->reply = sock;
	ksocket_udp_set_source(worker, &addr, gen);
	return 0;
}

static int ksocket_udp_reconnect(struct ksocket_worker *worker)
{
	int gen = atomic_read(&worker->svc->kn->rebound_gen);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct socket *sock = worker->reply;
	union ksocket_addr addr = {};
	int err;

	smp_rmb();	/* what it is about is read after it */
	ksocket_udp_clear_source(worker);
	/* "ss -K" has broken the connection, and left that as an error too. */
	if (sock->sk->sk_state != TCP_ESTABLISHED)
		sock_error(sock->sk);
	err = ksocket_connect(sock, &none, sizeof(none), 0);
	if (!err)
		err = ksocket_udp_connect(worker, sock);
	if (!err)
		err = kernel_getsockname(sock, &addr.sa);
	if (err < 0)
		return err;

	ksocket_udp_set_source(worker, &addr, gen);
	return 0;
}

/* With GRO a packet has lost its route before we see it. */
static bool ksocket_udp_wants_demux(const struct ksocket_worker *worker)
{
	return !worker->svc->cfg.gro;
}

/**
 * ksocket_udp_close() - close both sockets, or the one there is
 * @worker: the worker
 *
 * Context: process context, may sleep.
 */
void ksocket_udp_close(struct ksocket_worker *worker)
{
	if (ksocket_udp_wants_demux(worker))
		ksocket_udp_forget(worker);
	ksocket_udp_flows_drop(worker);
	ksocket_udp_purge(worker);
	if (worker->reply)
		sock_release(worker->reply);
	sock_release(worker->listen);
	worker->reply = NULL;
	worker->listen = NULL;
}

/**
 * ksocket_udp_open_in() - make the socket that the requests come to
 * @worker: the worker
 * @rep: says what was wrong
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno.
 */
int ksocket_udp_open_in(struct ksocket_worker *worker,
			struct ksocket_report *rep)
{
	int err;

	err = ksocket_udp_open_listen(worker, rep);
	if (err)
		return err;

	if (ksocket_udp_wants_demux(worker) && ksocket_udp_demux_get(worker)) {
		sock_release(worker->listen);
		worker->listen = NULL;
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for the senders that are known",
					    "no memory for the senders that are known");
	}

	return 0;
}

static int ksocket_udp_open(struct ksocket_worker *worker,
			    struct ksocket_report *rep)
{
	int err;

	err = ksocket_udp_open_in(worker, rep);
	if (err)
		return err;

	if (ksocket_has_receiver(&worker->svc->cfg)) {
		err = ksocket_udp_open_reply(worker, rep);
		if (err)
			ksocket_udp_close(worker);
	}

	return err;
}

static void ksocket_udp_wait(struct ksocket_worker *worker)
{
	struct sock *sk = worker->listen->sk;
	DEFINE_WAIT(wait);

	/*
	 * The thread looks for datagrams as well where softirqs answer: one of
	 * them may have found it at work, and left to it what has come.
	 *
	 * Interruptible, because that is what sock_def_readable() wakes, and
	 * it does not count as load. No signal reaches a kthread.
	 */
	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (!READ_ONCE(worker->blocked) && !ksocket_udp_pending(worker) &&
	    !READ_ONCE(sk->sk_err) && !kthread_should_stop()) {
		schedule();
		ksocket_count_wakeup(worker);
	}
	finish_wait(sk_sleep(sk), &wait);
}

static void ksocket_udp_data_ready(struct sock *sk)
{
	struct ksocket_worker *worker;

	rcu_read_lock();
	worker = ksocket_sock_worker(sk);
	if (worker)
		ksocket_worker_ready(worker);
	rcu_read_unlock();
}

/*
 * Answer a datagram here and now, unless others go before it, or another CPU or
 * the thread is at work.
 */
static bool ksocket_udp_take(struct ksocket_worker *worker,
			     struct sk_buff *skb)
{
	if (!worker->attached || ksocket_udp_pending(worker) ||
	    !spin_trylock(&worker->lock))
		return false;
	if (unlikely(worker->blocked)) {
		spin_unlock(&worker->lock);
		return false;
	}

	ksocket_udp_describe(worker, skb, &worker->dgram);
	ksocket_worker_handle(worker, &worker->dgram);
	spin_unlock(&worker->lock);

	/*
	 * What another CPU has brought meanwhile, it has left to us. The other
	 * half of the pair is in ksocket_worker_ready().
	 */
	smp_mb();
	if (unlikely(ksocket_udp_pending(worker) || READ_ONCE(worker->blocked)))
		ksocket_worker_ready(worker);
	return true;
}

/* Keep it for the thread, or for whoever is at work. */
static bool ksocket_udp_leave(struct ksocket_worker *worker,
			      struct sk_buff *skb)
{
	struct sock *sk = worker->listen->sk;
	struct ksocket_datagram dgram;

	/* What is in the socket's queue has come before. */
	if (!skb_queue_empty_lockless(&sk->sk_receive_queue))
		return false;

	ksocket_udp_describe(worker, skb, &dgram);
	if (!ksocket_udp_enqueue(worker, &dgram))
		return false;

	if (worker->attached)
		ksocket_worker_ready(worker);
	else
		worker->data_ready(sk);
	return true;
}

/*
 * Who sends much is met soon, and who sends with ever new addresses costs
 * little. A prime, so that senders that take turns have one each. CPUs that count
 * at the same time only lose count.
 */
#define KSOCKET_SAMPLE	61

static bool ksocket_udp_is_sample(struct ksocket_worker *worker)
{
	unsigned int left = READ_ONCE(worker->until_learn);

	WRITE_ONCE(worker->until_learn, left ? left - 1 : KSOCKET_SAMPLE - 1);
	return !left;
}

/*
 * Before the socket's queue, which saves its locks and its accounting. The
 * stack has verified the checksum. A burst would be cut up for it, so with GRO
 * only the queue will do. Return: 0, or 1 for the stack to go on.
 */
static int ksocket_udp_encap_rcv(struct sock *sk, struct sk_buff *skb)
{
	struct ksocket_worker *worker = ksocket_sock_worker(sk);

	if (unlikely(!worker))
		return 1;
	/*
	 * Memory of the emergency reserve is for sockets that free memory
	 * (SOCK_MEMALLOC): the stack drops and counts the packet.
	 */
	if (unlikely(skb_pfmemalloc(skb)))
		return 1;

	if (unlikely(ksocket_udp_is_sample(worker)))
		ksocket_udp_learn(worker, skb);

	/* Of a burst that was cut up it may be a link still. */
	skb_mark_not_on_list(skb);
	__skb_pull(skb, sizeof(struct udphdr));
	if (ksocket_udp_take(worker, skb) || ksocket_udp_leave(worker, skb))
		return 0;

	__skb_push(skb, sizeof(struct udphdr));
	return 1;
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

/* Does it mean that datagrams do not reach the receiver? */
static bool ksocket_udp_error_is_refusal(int err)
{
	return ksocket_udp_error_is_stale(-err) && err != EMSGSIZE;
}

/* An ICMP error has come for what was sent to the receiver. */
static void ksocket_udp_error_report(struct sock *sk)
{
	struct ksocket_worker *worker;
	int err = READ_ONCE(sk->sk_err);

	rcu_read_lock();
	worker = ksocket_sock_worker(sk);
	if (worker && ksocket_udp_error_is_refusal(err))
		ksocket_watch_refused(worker->svc, err);
	if (worker)
		worker->error_report(sk);
	rcu_read_unlock();
}

/**
 * ksocket_udp_check_reply() - look at once whether the receiver has refused
 * @worker: the worker; what was sent last has been counted
 *
 * An ICMP error may come back while the socket still sends, and be told before
 * that is counted: the count would look as if the receiver had been sent
 * something since, and were back.
 */
void ksocket_udp_check_reply(struct ksocket_worker *worker)
{
	int err;

	/* pairs with the barrier in ksocket_watch_work() */
	smp_mb();
	err = READ_ONCE(worker->reply->sk->sk_err);
	if (ksocket_udp_error_is_refusal(err))
		ksocket_watch_refused(worker->svc, err);
}

/**
 * ksocket_udp_attach_reply() - listen to the errors of the socket to the receiver
 * @worker: the worker
 */
void ksocket_udp_attach_reply(struct ksocket_worker *worker)
{
	struct sock *sk = worker->reply->sk;

	write_lock_bh(&sk->sk_callback_lock);
	worker->error_report = sk->sk_error_report;
	WRITE_ONCE(sk->sk_error_report, ksocket_udp_error_report);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * ksocket_udp_detach_reply() - undo ksocket_udp_attach_reply()
 * @worker: the worker; a softirq may be in there for an RCU grace period more
 */
void ksocket_udp_detach_reply(struct ksocket_worker *worker)
{
	struct sock *sk = worker->reply->sk;

	write_lock_bh(&sk->sk_callback_lock);
	WRITE_ONCE(sk->sk_error_report, worker->error_report);
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * ksocket_udp_attach() - as struct ksocket_transport has it
 * @worker: the worker
 */
void ksocket_udp_attach(struct ksocket_worker *worker)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	struct sock *sk = worker->listen->sk;

	worker->attached = cfg->datapath == KSOCKET_DATAPATH_SOFTIRQ;
	write_lock_bh(&sk->sk_callback_lock);
	worker->data_ready = sk->sk_data_ready;
	if (worker->attached)
		WRITE_ONCE(sk->sk_data_ready, ksocket_udp_data_ready);
	write_unlock_bh(&sk->sk_callback_lock);

	if (!cfg->gro) {
		WRITE_ONCE(udp_sk(sk)->encap_rcv, ksocket_udp_encap_rcv);
		/* The stack asks for the type and then calls the function. */
		smp_store_release(&udp_sk(sk)->encap_type, 1);
	}
	if (worker->reply)
		ksocket_udp_attach_reply(worker);
}

/**
 * ksocket_udp_detach() - undo ksocket_udp_attach()
 * @worker: the worker; a softirq that has found it before may be at work with it
 *	still
 */
void ksocket_udp_detach(struct ksocket_worker *worker)
{
	struct sock *sk = worker->listen->sk;

	if (worker->reply)
		ksocket_udp_detach_reply(worker);
	WRITE_ONCE(udp_sk(sk)->encap_type, 0);
	write_lock_bh(&sk->sk_callback_lock);
	WRITE_ONCE(sk->sk_data_ready, worker->data_ready);
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * ksocket_udp_set_buffers() - likewise
 * @worker: the worker
 */
void ksocket_udp_set_buffers(struct ksocket_worker *worker)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;

	ksocket_sock_set_sndbuf(worker->listen->sk, cfg->sndbuf);
	if (worker->reply)
		ksocket_sock_set_sndbuf(worker->reply->sk, cfg->sndbuf);
	ksocket_sock_set_rcvbuf(worker->listen->sk, cfg->rcvbuf);
}

/* The address to answer from, the TTL, and the TOS. */
union ksocket_udp_control {
	struct cmsghdr align;
	char all[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
		 2 * CMSG_SPACE(sizeof(int))];
};

/**
 * ksocket_udp_rebind() - bind the listen socket to its device, while it is in use
 * @worker: the worker
 *
 * A change of its device takes a socket out of the group that shares the port, and
 * only get_port() puts it in: so it gives up the port, under its lock, for as long.
 * What comes in between finds the sockets of the other threads. Without a device it
 * hears nothing, and needs no group.
 *
 * Context: process context, may sleep.
 * Return: 0; or a negative errno, and it hears nothing then.
 */
int ksocket_udp_rebind(struct ksocket_worker *worker)
{
	const struct ksocket_service *svc = worker->svc;
	struct sock *sk = worker->listen->sk;
	int ifindex, err;

	lock_sock(sk);
	/* The thread and the work may both come here: the last one finds what is so. */
	ifindex = ksocket_follow_ifindex(svc);
	if (svc->cfg.threads == 1 || ifindex == ksocket_no_device(svc)) {
		err = sock_bindtoindex(sk, ifindex, false);
		goto out;
	}

	sk->sk_prot->unhash(sk);
	err = ksocket_sock_take_port(svc, sk);
out:
	release_sock(sk);
	return err;
}

/**
 * ksocket_udp_mend() - "ss -K" has unbound the socket from its device, and taken it
 * out of the group that shares the port
 * @worker: the worker
 *
 * Context: process context, may sleep.
 */
void ksocket_udp_mend(struct ksocket_worker *worker)
{
	if (!ksocket_udp_rebind(worker))
		return;

	pr_err_ratelimited("service %s: another has its port, a thread tries each second to have it again\n",
			   worker->svc->cfg.name);
	ksocket_follow_retry(worker->svc->kn);
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

static size_t ksocket_udp_put_cmsg(struct cmsghdr *cmsg, int level, int type,
				   const void *data, size_t len)
{
	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);

	return CMSG_SPACE(len);
}

/*
 * What an answer has from its request: the TTL and the TOS, unless those of the
 * system will do. Return: bytes of @control that are used, @len of them before.
 */
static size_t ksocket_udp_put_inherited(union ksocket_udp_control *control,
					size_t len,
					const struct ksocket_worker *worker,
					const struct ksocket_datagram *dgram,
					bool v4)
{
	int ttl = ksocket_udp_answer_ttl(worker, dgram);
	int tos = ksocket_udp_answer_tos(worker, dgram);
	int level = v4 ? SOL_IP : SOL_IPV6;

	if (ttl)
		len += ksocket_udp_put_cmsg((void *)(control->all + len), level,
					    v4 ? IP_TTL : IPV6_HOPLIMIT,
					    &ttl, sizeof(ttl));
	if (tos)
		len += ksocket_udp_put_cmsg((void *)(control->all + len), level,
					    v4 ? IP_TOS : IPV6_TCLASS,
					    &tos, sizeof(tos));
	return len;
}

/* Return: 0, or why there is no way to the receiver. */
static int ksocket_udp_follow(struct ksocket_worker *worker)
{
	int err;

	spin_lock_bh(&worker->lock);
	err = ksocket_udp_reply_check(worker);
	spin_unlock_bh(&worker->lock);
	ksocket_worker_kick(worker);

	return err == -EOPNOTSUPP ? ksocket_udp_reconnect(worker) : err;
}

static void ksocket_udp_count_stale(struct ksocket_worker *worker)
{
	local_bh_disable();
	ksocket_worker_stale_error(worker);
	local_bh_enable();
}

/*
 * A connected socket reports the ICMP error of an earlier datagram on the next
 * send, which it then does not do, and a receiver that has just come back would
 * miss that one. So the error is consumed before. What comes in between costs a
 * second send: if that one succeeds, the error was not its own.
 */
static int ksocket_udp_send_connected(struct ksocket_worker *worker,
				      struct msghdr *msg,
				      const struct ksocket_datagram *dgram)
{
	int err;

	if (ksocket_udp_error_is_stale(sock_error(worker->reply->sk)))
		ksocket_udp_count_stale(worker);

	err = ksocket_udp_send(worker->reply, msg, dgram);
	if (!ksocket_udp_error_is_stale(err))
		return err;

	err = ksocket_udp_send(worker->reply, msg, dgram);
	if (!err)
		ksocket_udp_count_stale(worker);
	return err;
}

/*
 * Follow the addresses and routes of the host, as a socket does that is not
 * connected, and send. The thread and ksocket_service_send() may both come here.
 */
static int ksocket_udp_send_current(struct ksocket_worker *worker,
				    struct msghdr *msg,
				    const struct ksocket_datagram *dgram)
{
	int err;

	mutex_lock(&worker->reply_lock);
	err = ksocket_udp_follow(worker);
	if (!err)
		err = ksocket_udp_send_connected(worker, msg, dgram);
	mutex_unlock(&worker->reply_lock);

	return err;
}

/**
 * ksocket_udp_send_receiver() - send through the socket to the receiver
 * @worker: the worker
 * @dgram: what to send; only its data, its TTL and its TOS count
 *
 * Context: process context, may sleep, but does not wait for room.
 * Return: 0 or a negative errno.
 */
int ksocket_udp_send_receiver(struct ksocket_worker *worker,
			      const struct ksocket_datagram *dgram)
{
	union ksocket_udp_control control = {};
	struct msghdr msg = { .msg_control = &control };
	int err;

	msg.msg_controllen =
		ksocket_udp_put_inherited(&control, 0, worker, dgram,
					  worker->svc->cfg.reply.sa.sa_family == AF_INET);
	err = ksocket_udp_send_current(worker, &msg, dgram);
	/* Broken at this very moment. */
	if (err == -EDESTADDRREQ || err == -ECONNABORTED)
		err = ksocket_udp_send_current(worker, &msg, dgram);

	return err;
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
	union ksocket_addr peer = dgram->from;
	struct msghdr msg = {
		.msg_name = &peer,
		.msg_namelen = ksocket_sock_addr_len(&peer),
		.msg_control = &control,
	};
	int err;

	msg.msg_controllen =
		ksocket_udp_put_inherited(&control,
					  ksocket_udp_put_pktinfo(&control, dgram),
					  worker, dgram,
					  dgram->to.sa.sa_family == AF_INET);
	err = ksocket_udp_send(worker->listen, &msg, dgram);
	/* "ss -K": the error has been told here, and is not told again. */
	if (err == -ECONNABORTED) {
		worker->mend = true;
		err = ksocket_udp_send(worker->listen, &msg, dgram);
	}

	return err;
}

static int ksocket_udp_answer(struct ksocket_worker *worker,
			      const struct ksocket_datagram *dgram)
{
	if (ksocket_has_receiver(&worker->svc->cfg))
		return ksocket_udp_send_receiver(worker, dgram);

	return ksocket_udp_send_sender(worker, dgram);
}

/**
 * ksocket_udp_rx_overflow() - what the stack has dropped at the listen socket
 * @worker: the worker
 *
 * Return: datagrams, since the socket was made.
 */
u32 ksocket_udp_rx_overflow(const struct ksocket_worker *worker)
{
	return ksocket_sk_drops(worker->listen->sk);
}

/**
 * ksocket_udp_reply_ignored() - what the receiver has sent back, and nobody read
 * @worker: the worker
 *
 * Return: datagrams, since the socket was made.
 */
u64 ksocket_udp_reply_ignored(const struct ksocket_worker *worker)
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
	.open = ksocket_udp_open,
	.close = ksocket_udp_close,
	.attach = ksocket_udp_attach,
	.detach = ksocket_udp_detach,
	.set_buffers = ksocket_udp_set_buffers,
	.wait = ksocket_udp_wait,
	.rx_overflow = ksocket_udp_rx_overflow,
	.serve = ksocket_worker_serve,
	.pending = ksocket_udp_pending,
	.recv = ksocket_udp_recv,
	.describe = ksocket_udp_describe_kept,
	.keep = ksocket_udp_keep,
	.mend = ksocket_udp_mend,
	.rebind = ksocket_udp_rebind,
	.load = ksocket_udp_load,
	.turn = ksocket_udp_turn,
	.build = ksocket_udp_build,
	.send = ksocket_udp_answer,
	.reply_ignored = ksocket_udp_reply_ignored,
};
