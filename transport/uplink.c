// SPDX-License-Identifier: GPL-2.0
/*
 * Datagrams to the receiver by TCP: each worker has one connection, and before it
 * a queue.
 *
 * Whoever has taken a datagram, be it a softirq, puts it into the queue. The
 * worker's thread alone has the connection: it makes it, sends, and makes it again
 * when it is gone. A datagram stays in the queue until all of it is acknowledged,
 * and is sent again by the next connection if it never was: none is lost with a
 * connection, and none is cut in two by it. What the receiver has had but could
 * not acknowledge any more, it gets twice.
 *
 * The queue is a ring of records, of fixed size: what waits in it takes no memory
 * that was not there before.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "sock.h"
#include "tcp.h"
#include "udp.h"
#include "uplink.h"

/* The receiver's answer is waited for so long, as for that of a client's. */
#define KSOCKET_UPLINK_CONNECT	(10LL * NSEC_PER_SEC)

/* For so long it may acknowledge nothing that it was sent, and no window probe. */
#define KSOCKET_UPLINK_STALL	(30LL * NSEC_PER_SEC)

/* While something is unacknowledged, this is how often somebody looks. */
#define KSOCKET_UPLINK_LOOK	NSEC_PER_SEC

/* Likewise when the stack has no memory to send with. */
#define KSOCKET_UPLINK_AGAIN	(NSEC_PER_SEC / 10)

/* Between two attempts there is half to all of that, in milliseconds, doubled each time. */
#define KSOCKET_UPLINK_WAIT	200
#define KSOCKET_UPLINK_WAIT_MAX	30000

/* Datagrams sent in a row, and bytes taken of what the receiver sends back. */
#define KSOCKET_UPLINK_BUDGET	256
#define KSOCKET_UPLINK_IGNORE	(64 * 1024)

/* At the end, a receiver that has not acknowledged for so long is not waited for. */
#define KSOCKET_UPLINK_PAUSE	(20 * NSEC_PER_MSEC)

/* Room for what stands before a datagram: "65535 " and a NUL. */
#define KSOCKET_UPLINK_PREFIX	8

/* What syslog daemons make of a newline. */
#define KSOCKET_UPLINK_ESCAPE	"#012"

/**
 * struct ksocket_uplink_record - what stands before a datagram in the queue
 * @len: its bytes; the next record begins at the next multiple of four
 * @own: user space has given it, see struct ksocket_datagram
 */
struct ksocket_uplink_record {
	u16 len;
	u16 own;
};

/**
 * struct ksocket_uplink - a worker's connection to the receiver
 * @user: where sk_user_data of @sock points to
 * @worker: the worker
 * @sock: the socket, or NULL while the next attempt is waited for
 * @open: it is connected
 * @event: the thread has to look at it
 * @idle: the thread has sent all that it has seen; more has to wake it
 * @detached: the thread must not be woken any more
 * @theirs: what the stack would call without us
 * @wait: upper bound of the next wait between two attempts, in milliseconds
 * @retry_at: when the next attempt is
 * @since: when @sock was made, and when it was connected
 * @progress: when something was last acknowledged, or nothing was due to be
 * @answered: likewise, or when the receiver was paused, see ksocket_tcp_is_paused()
 * @again: nothing is sent before that, for there was no memory
 * @una: what was acknowledged then, a sequence number
 * @start: sequence number that the record at @tail begins with
 * @tx_bytes: bytes of datagrams acknowledged by this connection
 * @rx_bytes: bytes that the receiver has sent back by it
 * @ignored: likewise by all before it
 * @lock: held by those who put datagrams into the queue, and by the thread when
 *	it takes them out
 * @ring: the queue
 * @mask: its size - 1, a power of two
 * @head: where the next record is written; positions only grow
 * @next: the record that is to be sent next
 * @part: bytes of that one that are sent
 * @tail: the oldest record that is not acknowledged
 * @count: datagrams from @tail to @head that are in rx_packets
 * @rcu: callbacks of the socket look at it under RCU
 */
struct ksocket_uplink {
	struct ksocket_sock_user user;
	struct ksocket_worker *worker;
	struct socket *sock;
	bool open;
	bool event;
	bool idle;
	bool detached;
	struct ksocket_sock_callbacks theirs;
	unsigned int wait;
	ktime_t retry_at;
	ktime_t since;
	ktime_t progress;
	ktime_t answered;
	ktime_t again;
	u32 una;
	u32 start;
	u64 tx_bytes;
	u64 rx_bytes;
	u64 ignored;
	spinlock_t lock;	/* see above; taken with BH disabled */
	u8 *ring;
	u32 mask;
	u32 head;
	u32 next;
	u32 part;
	u32 tail;
	u32 count;
	struct rcu_head rcu;
};

/* The queue */

static u32 ksocket_uplink_size(u32 len)
{
	return sizeof(struct ksocket_uplink_record) + round_up(len, 4);
}

static void ksocket_uplink_write(struct ksocket_uplink *uplink, u32 to,
				 const void *data, u32 len)
{
	u32 at = to & uplink->mask;
	u32 first = min(len, uplink->mask + 1 - at);

	memcpy(uplink->ring + at, data, first);
	memcpy(uplink->ring, data + first, len - first);
}

/* Records begin at multiples of four, so this is never cut in two. */
static const struct ksocket_uplink_record *
ksocket_uplink_record(const struct ksocket_uplink *uplink, u32 at)
{
	return (const void *)(uplink->ring + (at & uplink->mask));
}

/* The payload of a record: one or two pieces. Return: how many. */
static unsigned int ksocket_uplink_pieces(const struct ksocket_uplink *uplink,
					  u32 at, u32 len, struct kvec *vec)
{
	u32 begin = (at + sizeof(struct ksocket_uplink_record)) & uplink->mask;
	u32 first = min(len, uplink->mask + 1 - begin);

	vec[0].iov_base = uplink->ring + begin;
	vec[0].iov_len = first;
	vec[1].iov_base = uplink->ring;
	vec[1].iov_len = len - first;
	return len > first ? 2 : 1;
}

static bool ksocket_uplink_ends(const struct ksocket_uplink *uplink, u32 at,
				u32 len)
{
	u32 last = at + sizeof(struct ksocket_uplink_record) + len - 1;

	return len && uplink->ring[last & uplink->mask] == '\n';
}

/* What stands before a datagram of that length. Return: its bytes. */
static u32 ksocket_uplink_prefix(const struct ksocket_config *cfg, u32 len,
				 char prefix[KSOCKET_UPLINK_PREFIX])
{
	__be16 number = htons(len);

	switch (cfg->framing) {
	case KSOCKET_FRAMING_LENGTH:
		memcpy(prefix, &number, sizeof(number));
		return sizeof(number);
	case KSOCKET_FRAMING_OCTET_COUNTING:
		return scnprintf(prefix, KSOCKET_UPLINK_PREFIX, "%u ", len);
	default:
		return 0;
	}
}

/* Bytes that a record is in the connection. */
static u32 ksocket_uplink_wire(const struct ksocket_uplink *uplink, u32 at)
{
	const struct ksocket_config *cfg = &uplink->worker->svc->cfg;
	u32 len = ksocket_uplink_record(uplink, at)->len;
	char prefix[KSOCKET_UPLINK_PREFIX];

	if (cfg->framing == KSOCKET_FRAMING_NEWLINE)
		return len + !ksocket_uplink_ends(uplink, at, len);

	return ksocket_uplink_prefix(cfg, len, prefix) + len;
}

static void ksocket_uplink_wake(const struct ksocket_uplink *uplink)
{
	if (!READ_ONCE(uplink->detached))
		wake_up_process(uplink->worker->task);
}

static void ksocket_uplink_kick(struct ksocket_uplink *uplink)
{
	WRITE_ONCE(uplink->event, true);
	ksocket_uplink_wake(uplink);
}

/* Newlines that would end a datagram before its end. */
static u32 ksocket_uplink_newlines(const struct ksocket_datagram *dgram)
{
	const char *at = dgram->data, *last = at + dgram->len - 1;
	u32 n = 0;

	for (; dgram->len && (at = memchr(at, '\n', last - at)); at++)
		n++;
	return n;
}

/* Return: bytes that it is in the queue, or why it cannot be there. */
static int ksocket_uplink_check(const struct ksocket_config *cfg,
				const struct ksocket_datagram *dgram)
{
	size_t len = dgram->len;
	u32 newlines = 0;

	if (cfg->framing == KSOCKET_FRAMING_NEWLINE)
		newlines = ksocket_uplink_newlines(dgram);
	if (newlines && cfg->newline == KSOCKET_NEWLINE_DROP)
		return -EBADMSG;
	if (cfg->newline == KSOCKET_NEWLINE_ESCAPE)
		len += newlines * (strlen(KSOCKET_UPLINK_ESCAPE) - 1);
	if (len > U16_MAX || ksocket_uplink_size(len) > cfg->queue_bytes)
		return -EMSGSIZE;

	return len;
}

/* The payload, each newline before its end replaced. */
static void ksocket_uplink_write_lines(struct ksocket_uplink *uplink, u32 to,
				       const struct ksocket_datagram *dgram)
{
	bool escape = uplink->worker->svc->cfg.newline == KSOCKET_NEWLINE_ESCAPE;
	const char *with = escape ? KSOCKET_UPLINK_ESCAPE : " ";
	const char *at = dgram->data, *end = at + dgram->len, *newline;

	while (at < end && (newline = memchr(at, '\n', end - 1 - at))) {
		ksocket_uplink_write(uplink, to, at, newline - at);
		to += newline - at;
		ksocket_uplink_write(uplink, to, with, strlen(with));
		to += strlen(with);
		at = newline + 1;
	}
	ksocket_uplink_write(uplink, to, at, end - at);
}

/* Return: -EINPROGRESS, or why there is no room. */
static int ksocket_uplink_enqueue(struct ksocket_uplink *uplink,
				  const struct ksocket_datagram *dgram, u32 len)
{
	const struct ksocket_config *cfg = &uplink->worker->svc->cfg;
	const struct ksocket_uplink_record record = {
		.len = len,
		.own = dgram->own,
	};
	u32 size = ksocket_uplink_size(len), head = uplink->head;

	lockdep_assert_held(&uplink->lock);

	if (head - uplink->tail + size > cfg->queue_bytes)
		return READ_ONCE(uplink->open) ? -EXFULL : -ENOTCONN;

	ksocket_uplink_write(uplink, head, &record, sizeof(record));
	if (cfg->newline == KSOCKET_NEWLINE_DROP)
		ksocket_uplink_write(uplink, head + sizeof(record),
				     dgram->data, len);
	else
		ksocket_uplink_write_lines(uplink, head + sizeof(record),
					   dgram);
	if (!dgram->own)
		WRITE_ONCE(uplink->count, uplink->count + 1);
	/* The thread, which takes no lock for that, sees a whole record. */
	smp_store_release(&uplink->head, head + size);
	return -EINPROGRESS;
}

/**
 * ksocket_uplink_put() - queue a datagram for the receiver
 * @worker: the worker
 * @dgram: the datagram; its payload is copied
 *
 * It is counted as sent when it is acknowledged.
 *
 * Context: any but hard interrupts.
 * Return: -EINPROGRESS when it is queued, 0 when there is nothing to send of it,
 * -EXFULL when the queue is full, -ENOTCONN when it is and there is no connection,
 * -EMSGSIZE when it would never fit, -EBADMSG when the framing does not allow it.
 */
int ksocket_uplink_put(struct ksocket_worker *worker,
		       const struct ksocket_datagram *dgram)
{
	const struct ksocket_config *cfg = &worker->svc->cfg;
	struct ksocket_uplink *uplink = worker->uplink;
	int err, len;

	len = ksocket_uplink_check(cfg, dgram);
	if (len < 0)
		return len;
	/* Neither leaves a trace of an empty one. */
	if (!len && (cfg->framing == KSOCKET_FRAMING_NONE ||
		     cfg->framing == KSOCKET_FRAMING_OCTET_COUNTING))
		return 0;

	spin_lock_bh(&uplink->lock);
	err = ksocket_uplink_enqueue(uplink, dgram, len);
	spin_unlock_bh(&uplink->lock);
	if (err != -EINPROGRESS)
		return err;

	/* pairs with the barrier in ksocket_uplink_push() */
	smp_mb();
	if (READ_ONCE(uplink->idle)) {
		WRITE_ONCE(uplink->idle, false);
		ksocket_uplink_kick(uplink);
	}
	return -EINPROGRESS;
}

/* The socket's callbacks */

/* Under RCU. Return: NULL if the socket is not of an uplink, or no more. */
static struct ksocket_uplink *ksocket_uplink_of(const struct sock *sk)
{
	struct ksocket_sock_user *user;

	user = ksocket_sock_user(sk, ksocket_sock_is_uplink);
	return user ? container_of(user, struct ksocket_uplink, user) : NULL;
}

static void ksocket_uplink_event(struct sock *sk)
{
	struct ksocket_uplink *uplink;

	rcu_read_lock();
	uplink = ksocket_uplink_of(sk);
	if (uplink)
		ksocket_uplink_kick(uplink);
	rcu_read_unlock();
}

/* Not for every acknowledgment: where it lets something go on. */
static bool ksocket_uplink_has_news(const struct ksocket_uplink *uplink,
				    const struct sock *sk)
{
	u32 head = READ_ONCE(uplink->head);

	if (!ksocket_tcp_is_unacked(sk))
		return true;
	if (READ_ONCE(uplink->next) != head && sk_stream_is_writeable(sk))
		return true;

	return head - READ_ONCE(uplink->tail) >
	       uplink->worker->svc->cfg.queue_bytes / 2;
}

/* SOCK_NOSPACE stays set, so this is called whenever something is acknowledged. */
static void ksocket_uplink_write_space(struct sock *sk)
{
	struct ksocket_uplink *uplink;

	rcu_read_lock();
	uplink = ksocket_uplink_of(sk);
	if (uplink && ksocket_uplink_has_news(uplink, sk))
		ksocket_uplink_kick(uplink);
	rcu_read_unlock();
}

static const struct ksocket_sock_callbacks ksocket_uplink_callbacks = {
	.data_ready = ksocket_uplink_event,
	.write_space = ksocket_uplink_write_space,
	.state_change = ksocket_uplink_event,
	.error_report = ksocket_uplink_event,
};

/* The life of a connection */

static void ksocket_uplink_drop_sock(struct ksocket_uplink *uplink)
{
	struct socket *sock = uplink->sock;

	WRITE_ONCE(uplink->idle, false);
	WRITE_ONCE(uplink->open, false);
	ksocket_sock_unhook(sock->sk, &uplink->theirs);
	WRITE_ONCE(uplink->sock, NULL);
	WRITE_ONCE(uplink->ignored, uplink->ignored + uplink->rx_bytes);
	WRITE_ONCE(uplink->rx_bytes, 0);
	ksocket_tcp_release(sock);
}

/*
 * At random, or all who have lost the same receiver would come back to it at the
 * same moment. A connection that has lasted longer than the last wait starts the
 * waits anew; who takes connections only to break them does not.
 */
static unsigned int ksocket_uplink_back_off(struct ksocket_uplink *uplink,
					    ktime_t now)
{
	unsigned int wait = uplink->wait;

	if (uplink->open && ktime_ms_delta(now, uplink->since) >= wait)
		wait = KSOCKET_UPLINK_WAIT;
	uplink->wait = min_t(unsigned int, 2 * wait, KSOCKET_UPLINK_WAIT_MAX);

	wait = wait / 2 + get_random_u32() % (wait / 2 + 1);
	uplink->retry_at = ktime_add_ms(now, wait);
	return wait;
}

/* There was no connection, or there is none any more. */
static void ksocket_uplink_lose(struct ksocket_uplink *uplink, int err)
{
	bool open = uplink->open;
	unsigned int wait = ksocket_uplink_back_off(uplink, ktime_get());

	if (uplink->sock)
		ksocket_uplink_drop_sock(uplink);
	ksocket_uplink_down(uplink->worker, open, err, wait);
}

static void ksocket_uplink_connect(struct ksocket_uplink *uplink)
{
	const struct ksocket_service *svc = uplink->worker->svc;
	struct socket *sock;
	int err;

	ksocket_watch_retry(uplink->worker->svc);
	WRITE_ONCE(uplink->since, ktime_get());
	err = sock_create_kern(svc->net, svc->cfg.reply.sa.sa_family,
			       SOCK_STREAM, IPPROTO_TCP, &sock);
	if (err) {
		ksocket_uplink_lose(uplink, err);
		return;
	}

	ksocket_owner_adopt(svc, sock->sk);
	err = ksocket_sock_hook(sock->sk, &uplink->user,
				&ksocket_uplink_callbacks, &uplink->theirs);
	if (err) {
		sock_release(sock);
		ksocket_uplink_lose(uplink, err);
		return;
	}
	WRITE_ONCE(uplink->sock, sock);
	err = ksocket_tcp_connect(svc, sock);
	if (err)
		ksocket_uplink_lose(uplink, err);
}

/* From the oldest datagram that no connection has had acknowledged. */
static void ksocket_uplink_begin(struct ksocket_uplink *uplink)
{
	struct ksocket_worker *worker = uplink->worker;
	struct sock *sk = uplink->sock->sk;

	uplink->start = READ_ONCE(tcp_sk(sk)->write_seq);
	uplink->una = uplink->start;
	WRITE_ONCE(uplink->next, uplink->tail);
	uplink->part = 0;
	WRITE_ONCE(uplink->tx_bytes, 0);
	WRITE_ONCE(uplink->since, ktime_get());
	WRITE_ONCE(uplink->progress, uplink->since);
	uplink->answered = uplink->since;
	kernel_getsockname(uplink->sock, &worker->reply_addr.sa);
	WRITE_ONCE(worker->reply_local, ksocket_sock_is_local(sk));
	WRITE_ONCE(uplink->open, true);
	ksocket_uplink_up(worker);
}

static void ksocket_uplink_connecting(struct ksocket_uplink *uplink)
{
	struct sock *sk = uplink->sock->sk;
	int state = inet_sk_state_load(sk);
	int err = sock_error(sk);

	if (!err && (state == TCP_CLOSE || ksocket_tcp_is_own(sk)))
		err = -ECONNREFUSED;
	if (!err && (state == TCP_SYN_SENT || state == TCP_SYN_RECV)) {
		if (ktime_before(ktime_get(), ktime_add_ns(uplink->since,
							   KSOCKET_UPLINK_CONNECT)))
			return;
		err = -ETIMEDOUT;
	}

	if (err)
		ksocket_uplink_lose(uplink, err);
	else
		ksocket_uplink_begin(uplink);
}

/* What is sent, and what comes back */

/* Return: bytes sent, which may be fewer than there are left, or an errno. */
static int ksocket_uplink_send(struct ksocket_uplink *uplink, u32 wire,
			       bool more)
{
	const struct ksocket_uplink_record *record =
		ksocket_uplink_record(uplink, uplink->next);
	struct msghdr msg = {
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL |
			     (more ? MSG_MORE : 0),
	};
	const struct ksocket_config *cfg = &uplink->worker->svc->cfg;
	char prefix[KSOCKET_UPLINK_PREFIX];
	unsigned int n = 0;
	struct kvec vec[4];

	vec[0].iov_base = prefix;
	vec[0].iov_len = ksocket_uplink_prefix(cfg, record->len, prefix);
	if (vec[0].iov_len)
		n = 1;
	n += ksocket_uplink_pieces(uplink, uplink->next, record->len, vec + n);
	/* Only a newline that was added makes it longer than its parts. */
	if (cfg->framing == KSOCKET_FRAMING_NEWLINE && wire > record->len) {
		vec[n].iov_base = "\n";
		vec[n].iov_len = 1;
		n++;
	}

	iov_iter_kvec(&msg.msg_iter, WRITE, vec, n, wire);
	iov_iter_advance(&msg.msg_iter, uplink->part);
	return sock_sendmsg(uplink->sock, &msg);
}

/*
 * With nothing under way it is memory that lacks. Such a send calls back itself, as
 * if there were room: without a pause that would go round for as long as it lacks.
 */
static void ksocket_uplink_starve(struct ksocket_uplink *uplink)
{
	if (!ksocket_tcp_is_unacked(uplink->sock->sk))
		uplink->again = ktime_add_ns(ktime_get(), KSOCKET_UPLINK_AGAIN);
}

/* Send what is queued. Return: true when there is more, and room for it. */
static bool ksocket_uplink_push(struct ksocket_uplink *uplink)
{
	struct sock *sk = uplink->sock->sk;
	int budget, sent;

	for (budget = KSOCKET_UPLINK_BUDGET; budget; budget--) {
		/* pairs with the release in ksocket_uplink_enqueue() */
		u32 head = smp_load_acquire(&uplink->head);
		u32 wire, size;

		if (uplink->next == head) {
			WRITE_ONCE(uplink->idle, true);
			/* Who queues from now on sees that, or we see it. */
			smp_mb();
			return READ_ONCE(uplink->head) != head;
		}

		size = ksocket_uplink_size(ksocket_uplink_record(uplink, uplink->next)->len);
		wire = ksocket_uplink_wire(uplink, uplink->next);
		sent = 0;
		/* One that has nothing to acknowledge is sent something in any case. */
		if (!ksocket_tcp_is_unacked(sk) ||
		    ksocket_owner_has_memory(uplink->worker, sk))
			sent = ksocket_uplink_send(uplink, wire,
						   uplink->next + size != head);
		if (sent <= 0) {
			ksocket_uplink_starve(uplink);
			return false;
		}
		uplink->part += sent;
		if (uplink->part < wire)
			continue;
		uplink->part = 0;
		WRITE_ONCE(uplink->next, uplink->next + size);
	}

	return true;
}

static void ksocket_uplink_acked(const struct ksocket_uplink *uplink,
				 const struct ksocket_uplink_record *record)
{
	const struct ksocket_datagram dgram = { .segs = 1, .len = record->len };

	if (record->own)
		return;

	local_bh_disable();
	ksocket_datagram_sent(uplink->worker, &dgram, 0);
	local_bh_enable();
}

/* Make room of what is acknowledged as a whole. */
static void ksocket_uplink_collect(struct ksocket_uplink *uplink)
{
	u32 una = READ_ONCE(tcp_sk(uplink->sock->sk)->snd_una);
	u32 tail = uplink->tail, counted = 0;

	if (una != uplink->una) {
		uplink->una = una;
		WRITE_ONCE(uplink->progress, ktime_get());
		uplink->answered = uplink->progress;
	}

	while (tail != uplink->next) {
		const struct ksocket_uplink_record *record =
			ksocket_uplink_record(uplink, tail);
		u32 wire = ksocket_uplink_wire(uplink, tail);

		if (wire > una - uplink->start)
			break;
		uplink->start += wire;
		WRITE_ONCE(uplink->tx_bytes, uplink->tx_bytes + wire);
		tail += ksocket_uplink_size(record->len);
		counted += !record->own;
		ksocket_uplink_acked(uplink, record);
	}
	if (tail == uplink->tail)
		return;

	spin_lock_bh(&uplink->lock);
	WRITE_ONCE(uplink->tail, tail);
	WRITE_ONCE(uplink->count, uplink->count - counted);
	spin_unlock_bh(&uplink->lock);
}

/*
 * Nobody reads what the receiver sends back. An end is none of ours: many receivers
 * have nothing to say, and say so; who is gone resets what comes next.
 * Return: true when there may be more.
 */
static bool ksocket_uplink_ignore(struct ksocket_uplink *uplink)
{
	struct msghdr msg = {};
	struct kvec vec = {};
	int n;

	n = kernel_recvmsg(uplink->sock, &msg, &vec, 0, KSOCKET_UPLINK_IGNORE,
			   MSG_DONTWAIT | MSG_TRUNC);
	if (n <= 0)
		return false;

	/* It ends before an urgent byte as well. */
	WRITE_ONCE(uplink->rx_bytes, uplink->rx_bytes + n);
	return true;
}

/* Return: 0, or why there is no use in waiting for the receiver any more. */
static int ksocket_uplink_check_progress(struct ksocket_uplink *uplink)
{
	const struct ksocket_service *svc = uplink->worker->svc;
	struct sock *sk = uplink->sock->sk;
	ktime_t now = ktime_get();

	if (!ksocket_tcp_is_unacked(sk)) {
		WRITE_ONCE(uplink->progress, now);
		uplink->answered = now;
		return 0;
	}
	if (ktime_to_ns(ktime_sub(now, uplink->progress)) < KSOCKET_UPLINK_LOOK)
		return 0;

	/* No answer comes to an address that is not here any more. */
	if (!ksocket_guard_is_local(svc->net, &uplink->worker->reply_addr,
				    svc->cfg.reply_ifindex))
		return -EADDRNOTAVAIL;
	if (ksocket_tcp_is_paused(sk))
		uplink->answered = now;

	return ktime_to_ns(ktime_sub(now, uplink->answered)) <
	       KSOCKET_UPLINK_STALL ? 0 : -ETIMEDOUT;
}

static void ksocket_uplink_work(struct ksocket_uplink *uplink)
{
	struct sock *sk = uplink->sock->sk;
	/* First, because reading what is ignored would be told it instead. */
	int err = sock_error(sk);
	bool more = ksocket_uplink_ignore(uplink);

	ksocket_uplink_collect(uplink);
	if (!err)
		err = sock_error(sk);
	if (!err && inet_sk_state_load(sk) == TCP_CLOSE)
		err = -ECONNRESET;
	if (!err)
		err = ksocket_uplink_check_progress(uplink);
	if (err) {
		ksocket_uplink_lose(uplink, err);
		return;
	}

	if (!ktime_before(ktime_get(), uplink->again))
		more |= ksocket_uplink_push(uplink);
	set_bit(SOCK_NOSPACE, &uplink->sock->flags);
	/* What was acknowledged before that bit was set has told nobody. */
	smp_mb__after_atomic();
	if (more || READ_ONCE(tcp_sk(sk)->snd_una) != uplink->una)
		WRITE_ONCE(uplink->event, true);
}

/**
 * ksocket_uplink_serve() - do what there is to do, by the worker's thread
 * @worker: the worker
 *
 * Context: process context, may sleep.
 * Return: true when nothing is left.
 */
bool ksocket_uplink_serve(struct ksocket_worker *worker)
{
	struct ksocket_uplink *uplink = worker->uplink;

	ksocket_owner_begin(worker);
	WRITE_ONCE(uplink->event, false);
	/* Whatever comes from now on sets it again. */
	smp_mb();
	if (!uplink->sock && !ktime_before(ktime_get(), uplink->retry_at))
		ksocket_uplink_connect(uplink);
	if (uplink->sock && !uplink->open)
		ksocket_uplink_connecting(uplink);
	if (uplink->open)
		ksocket_uplink_work(uplink);
	ksocket_owner_end(worker);

	return !READ_ONCE(uplink->event);
}

/**
 * ksocket_uplink_is_ready() - is there something to do?
 * @worker: the worker
 *
 * Return: true if so.
 */
bool ksocket_uplink_is_ready(const struct ksocket_worker *worker)
{
	return READ_ONCE(worker->uplink->event);
}

/**
 * ksocket_uplink_due() - when is there something to do at the latest?
 * @worker: the worker
 *
 * Context: the worker's thread.
 * Return: the time, or %KTIME_MAX for never.
 */
ktime_t ksocket_uplink_due(const struct ksocket_worker *worker)
{
	const struct ksocket_uplink *uplink = worker->uplink;

	if (!uplink->sock)
		return uplink->retry_at;
	if (!uplink->open)
		return ktime_add_ns(uplink->since, KSOCKET_UPLINK_CONNECT);
	if (ksocket_tcp_is_unacked(uplink->sock->sk))
		return ktime_add_ns(ktime_get(), KSOCKET_UPLINK_LOOK);
	/* With nothing under way no acknowledgment will wake us. */
	if (uplink->next != READ_ONCE(uplink->head))
		return uplink->again;

	return KTIME_MAX;
}

/**
 * ksocket_uplink_open() - make the queue; the connection is made by the thread
 * @worker: the worker
 * @rep: says what was wrong
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int ksocket_uplink_open(struct ksocket_worker *worker,
			struct ksocket_report *rep)
{
	u32 size = roundup_pow_of_two(worker->svc->cfg.queue_bytes);
	struct ksocket_uplink *uplink;

	uplink = kzalloc(sizeof(*uplink), GFP_KERNEL_ACCOUNT);
	if (!uplink)
		goto err_nomem;
	uplink->ring = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!uplink->ring)
		goto err_free;

	uplink->user.kind = ksocket_sock_is_uplink;
	uplink->worker = worker;
	uplink->mask = size - 1;
	uplink->wait = KSOCKET_UPLINK_WAIT;
	uplink->retry_at = ktime_get();
	spin_lock_init(&uplink->lock);
	worker->uplink = uplink;
	return 0;

err_free:
	kfree(uplink);
err_nomem:
	return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
				    "no memory for the queue to the receiver",
				    "no memory for a queue of %u bytes",
				    worker->svc->cfg.queue_bytes);
}

/**
 * ksocket_uplink_detach() - from now on the thread is not woken
 * @worker: the worker; callbacks may be in there for an RCU grace period more
 */
void ksocket_uplink_detach(struct ksocket_worker *worker)
{
	WRITE_ONCE(worker->uplink->detached, true);
}

/* A receiver that acknowledges is not cut off in the middle of it. */
static void ksocket_uplink_linger(struct ksocket_worker *worker)
{
	struct ksocket_uplink *uplink = worker->uplink;
	ktime_t now;

	WRITE_ONCE(uplink->progress, ktime_get());
	while (uplink->open && uplink->tail != uplink->head) {
		now = ktime_get();
		if (!ktime_before(now, worker->svc->linger) ||
		    ktime_to_ns(ktime_sub(now, uplink->progress)) >= KSOCKET_UPLINK_PAUSE)
			return;
		if (ksocket_uplink_serve(worker))
			usleep_range(200, 500);
	}
}

/**
 * ksocket_uplink_close() - undo ksocket_uplink_open(), and the connection
 * @worker: the worker; its thread has ended, and nobody queues any more
 *
 * Context: process context, may sleep.
 */
void ksocket_uplink_close(struct ksocket_worker *worker)
{
	struct ksocket_uplink *uplink = worker->uplink;

	ksocket_uplink_linger(worker);
	ksocket_owner_begin(worker);
	if (uplink->open)
		ksocket_uplink_down(worker, true, 0, 0);
	if (uplink->sock)
		ksocket_uplink_drop_sock(uplink);
	ksocket_owner_end(worker);
	if (uplink->count)
		ksocket_info(worker->svc->net,
			     "service %s: %u datagrams to %s were not delivered\n",
			     worker->svc->cfg.name, uplink->count,
			     worker->svc->reply_text);

	worker->uplink = NULL;
	kvfree(uplink->ring);
	kfree_rcu(uplink, rcu);
}

/**
 * ksocket_uplink_next_conn() - as struct ksocket_transport has it
 * @worker: the worker
 * @id: where to go on; there is one at most, and its number is 0
 * @info: where to
 *
 * Return: true if there is one.
 */
bool ksocket_uplink_next_conn(struct ksocket_worker *worker, u32 id,
			      struct ksocket_conn_info *info)
{
	const struct ksocket_uplink *uplink = worker->uplink;
	ktime_t now = ktime_get();

	if (id || !READ_ONCE(uplink->sock))
		return false;

	memset(info, 0, sizeof(*info));
	info->peer = worker->svc->cfg.reply;
	info->state = READ_ONCE(uplink->open) ? KSOCKET_CONN_STATE_OPEN :
						KSOCKET_CONN_STATE_CONNECTING;
	info->age = max_t(s64, ktime_ms_delta(now, READ_ONCE(uplink->since)), 0);
	info->idle = max_t(s64, ktime_ms_delta(now, READ_ONCE(uplink->progress)), 0);
	info->rx_bytes = READ_ONCE(uplink->rx_bytes);
	info->tx_bytes = READ_ONCE(uplink->tx_bytes);
	return true;
}

/**
 * ksocket_uplink_ignored() - what the receiver has sent back, and nobody read
 * @worker: the worker
 *
 * Return: bytes.
 */
u64 ksocket_uplink_ignored(const struct ksocket_worker *worker)
{
	return READ_ONCE(worker->uplink->ignored) +
	       READ_ONCE(worker->uplink->rx_bytes);
}

/**
 * ksocket_uplink_queued() - what waits for the receiver
 * @worker: the worker
 * @sum: what to add it to
 */
void ksocket_uplink_queued(const struct ksocket_worker *worker,
			   struct ksocket_queued *sum)
{
	struct ksocket_uplink *uplink = worker->uplink;

	spin_lock_bh(&uplink->lock);
	sum->datagrams += uplink->count;
	sum->bytes += uplink->head - uplink->tail;
	spin_unlock_bh(&uplink->lock);
}

/* Datagrams in, by UDP */

static int ksocket_udp_uplink_open(struct ksocket_worker *worker,
				   struct ksocket_report *rep)
{
	int err;

	err = ksocket_uplink_open(worker, rep);
	if (err)
		return err;

	err = ksocket_udp_open_in(worker, rep);
	if (err)
		ksocket_uplink_close(worker);
	return err;
}

static void ksocket_udp_uplink_close(struct ksocket_worker *worker)
{
	ksocket_udp_close(worker);
	ksocket_uplink_close(worker);
}

static void ksocket_udp_uplink_detach(struct ksocket_worker *worker)
{
	ksocket_udp_detach(worker);
	ksocket_uplink_detach(worker);
}

static bool ksocket_udp_uplink_serve(struct ksocket_worker *worker)
{
	bool done = ksocket_worker_serve(worker);

	return ksocket_uplink_serve(worker) && done;
}

/* As ksocket_udp_wait(), and for what there is to do with the connection. */
static void ksocket_udp_uplink_wait(struct ksocket_worker *worker)
{
	ktime_t due = ksocket_uplink_due(worker);
	struct sock *sk = worker->listen->sk;
	DEFINE_WAIT(wait);

	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (!READ_ONCE(worker->blocked) && !ksocket_udp_pending(worker) &&
	    !READ_ONCE(sk->sk_err) && !ksocket_uplink_is_ready(worker) &&
	    !kthread_should_stop()) {
		schedule_hrtimeout(due == KTIME_MAX ? NULL : &due,
				   HRTIMER_MODE_ABS);
		ksocket_count_wakeup(worker);
	}
	finish_wait(sk_sleep(sk), &wait);
}

/* Each datagram of a burst for itself; there may be room for some of them. */
static int ksocket_udp_uplink_turn(struct ksocket_worker *worker,
				   struct ksocket_datagram *burst)
{
	unsigned int offset = 0;
	int err;

	do {
		struct ksocket_datagram dgram = *burst;

		dgram.segs = 1;
		dgram.len = min_t(size_t, burst->seg_size, burst->len - offset);
		err = ksocket_udp_load(worker, &dgram, offset);
		if (!err)
			err = ksocket_uplink_put(worker, &dgram);
		ksocket_datagram_sent(worker, &dgram, err);
		offset += burst->seg_size;
	} while (offset < burst->len);

	return -EINPROGRESS;
}

static int ksocket_udp_uplink_build(struct ksocket_worker *worker,
				    struct ksocket_datagram *dgram)
{
	return ksocket_uplink_put(worker, dgram);
}

const struct ksocket_transport ksocket_udp_uplink = {
	.open = ksocket_udp_uplink_open,
	.close = ksocket_udp_uplink_close,
	.attach = ksocket_udp_attach,
	.detach = ksocket_udp_uplink_detach,
	.set_buffers = ksocket_udp_set_buffers,
	.wait = ksocket_udp_uplink_wait,
	.rx_overflow = ksocket_udp_rx_overflow,
	.next_conn = ksocket_uplink_next_conn,
	.queued = ksocket_uplink_queued,
	.serve = ksocket_udp_uplink_serve,
	.pending = ksocket_udp_pending,
	.recv = ksocket_udp_recv,
	.describe = ksocket_udp_describe_kept,
	.keep = ksocket_udp_keep,
	.mend = ksocket_udp_mend,
	.rebind = ksocket_udp_rebind,
	.load = ksocket_udp_load,
	.turn = ksocket_udp_uplink_turn,
	.build = ksocket_udp_uplink_build,
	.send = ksocket_uplink_put,
	.reply_ignored = ksocket_uplink_ignored,
};
