// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes from one TCP socket to another, or back out of the same one.
 *
 * They stay in the receive queue of the one until the other has taken them, so
 * nothing has to be kept anywhere, and the window of the one says what room there
 * is at the other. With the datapath zerocopy the pages themselves are sent.
 *
 * Sending may change the receive queue of the same socket and free the packets in
 * it. So packets are cloned or copied first, then sent, and only then taken off the
 * queue, by their number of bytes: no pointer into the queue outlives a send.
 */
#include <linux/bvec.h>
#include <linux/skbuff.h>
#include <linux/uio.h>

#include "tcp.h"

/* As many pages as a packet can have. */
#define KSOCKET_TCP_PIECES	MAX_SKB_FRAGS

/*
 * Packets that are sent in a row, before they are taken off the queue; one by one to
 * where they came from, so that the next one tells of the room that is free again.
 */
#define KSOCKET_TCP_BATCH	16

/* Fewer bytes of a packet cost less to copy than to clone it. */
#define KSOCKET_TCP_SHORT	512

/**
 * struct ksocket_tcp_piece - a part of a packet that can be sent in one go
 * @linear: where it is, if it is not in pages
 * @vec: the pages
 * @n: how many
 * @len: bytes in all of it
 */
struct ksocket_tcp_piece {
	void *linear;
	struct bio_vec vec[KSOCKET_TCP_PIECES];
	unsigned int n;
	size_t len;
};

/**
 * struct ksocket_tcp_moving - bytes on their way from one socket to another
 * @from: the socket that has received them; locked
 * @to: the socket that sends them, which may be the same; locked
 * @max: bytes to move at most
 * @left: bytes that wait in @from, as far as they are to be moved
 * @lend: send pages of received packets instead of copies
 * @copy: KSOCKET_TCP_COPY bytes of the worker
 * @piece: the part of a packet that is being sent
 */
struct ksocket_tcp_moving {
	struct sock *from;
	struct sock *to;
	size_t max;
	size_t left;
	bool lend;
	void *copy;
	struct ksocket_tcp_piece piece;
};

/**
 * struct ksocket_tcp_place - a place in a receive queue
 * @skb: the packet, or NULL before the first one; valid until the next send
 * @seq: sequence number of the next byte
 * @offset: where that byte is in @skb
 * @len: bytes of @skb from there on
 */
struct ksocket_tcp_place {
	struct sk_buff *skb;
	u32 seq;
	u32 offset;
	u32 len;
};

/* The pages of a packet from @offset on, which is counted after its head. */
static void ksocket_tcp_find_pages(const struct sk_buff *skb,
				   unsigned int offset, size_t max,
				   struct ksocket_tcp_piece *piece)
{
	int i;

	for (i = 0; i < skb_shinfo(skb)->nr_frags && piece->len < max; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];
		struct bio_vec *vec = &piece->vec[piece->n];
		unsigned int size = skb_frag_size(frag);

		if (offset >= size) {
			offset -= size;
			continue;
		}
		vec->bv_page = skb_frag_page(frag);
		vec->bv_offset = skb_frag_off(frag) + offset;
		vec->bv_len = min_t(size_t, size - offset, max - piece->len);
		/* Memory of a device, which nobody here can read. */
		if (!vec->bv_page)
			return;
		piece->len += vec->bv_len;
		piece->n++;
		offset = 0;
	}
}

/* The part of a packet, or of those that hang on it, which begins at @offset. */
static void ksocket_tcp_find_piece(const struct sk_buff *skb,
				   unsigned int offset, size_t max,
				   struct ksocket_tcp_piece *piece)
{
	unsigned int own = skb_pagelen(skb);
	const struct sk_buff *link;

	piece->linear = NULL;
	piece->n = 0;
	piece->len = 0;

	if (offset < skb_headlen(skb)) {
		piece->linear = skb->data + offset;
		piece->len = min_t(size_t, skb_headlen(skb) - offset, max);
		return;
	}
	if (offset < own) {
		ksocket_tcp_find_pages(skb, offset - skb_headlen(skb), max,
				       piece);
		return;
	}

	offset -= own;
	skb_walk_frags(skb, link) {
		if (offset < link->len) {
			/* These have no others hanging on them. */
			ksocket_tcp_find_piece(link, offset, max, piece);
			return;
		}
		offset -= link->len;
	}
}

/* Return: bytes taken, -EAGAIN when there is no room, or another errno. */
static int ksocket_tcp_send_piece(struct ksocket_tcp_moving *moving, bool more)
{
	struct ksocket_tcp_piece *piece = &moving->piece;
	struct msghdr msg = {
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL |
			     (more ? MSG_MORE : 0),
	};
	struct kvec head = {
		.iov_base = piece->linear,
		.iov_len = piece->len,
	};

	if (piece->linear)
		iov_iter_kvec(&msg.msg_iter, WRITE, &head, 1, piece->len);
	else if (moving->lend)
		return ksocket_tcp_sendpages(moving->to, piece->vec, piece->n,
					     piece->len, msg.msg_flags);
	else
		iov_iter_bvec(&msg.msg_iter, WRITE, piece->vec, piece->n,
			      piece->len);

	return tcp_sendmsg_locked(moving->to, &msg, piece->len);
}

static int ksocket_tcp_send_skb(struct ksocket_tcp_moving *moving,
				const struct sk_buff *skb, unsigned int offset,
				size_t len)
{
	size_t sent = 0;
	int n;

	while (sent < len) {
		ksocket_tcp_find_piece(skb, offset + sent, len - sent,
				       &moving->piece);
		if (!moving->piece.len)
			return sent ? : -EFAULT;
		n = ksocket_tcp_send_piece(moving,
					   moving->left > moving->piece.len);
		if (n <= 0)
			return sent ? : n;
		sent += n;
		moving->left -= n;
	}

	return sent;
}

/*
 * A few bytes in a large page would keep all of it, and the send buffer knows
 * of the bytes only: who takes nothing could hold many times his bound.
 */
static bool ksocket_tcp_may_lend(const struct sk_buff *skb)
{
	return skb->len >= skb->truesize / 4;
}

/*
 * Find the packet that has the byte at->seq. Return: false if none has, or
 * tcp_read_sock() would stop before that byte, because it is urgent.
 */
static bool ksocket_tcp_find(const struct sock *sk, struct ksocket_tcp_place *at)
{
	const struct sk_buff_head *queue = &sk->sk_receive_queue;
	struct sk_buff *skb = at->skb ? skb_peek_next(at->skb, queue) :
					skb_peek(queue);

	for (; skb; skb = skb_peek_next(skb, queue)) {
		at->skb = skb;
		at->offset = at->seq - TCP_SKB_CB(skb)->seq;
		if (at->offset >= skb->len)
			continue;
		at->len = skb->len - at->offset;
		if (unlikely(tcp_sk(sk)->urg_data))
			at->len = min(at->len, tcp_sk(sk)->urg_seq - at->seq);
		return at->len;
	}

	return false;
}

/*
 * Copy what comes first in the queue: short packets, or with @any those of any
 * length. Return: bytes, or -EFAULT when the CPU cannot read them.
 */
static int ksocket_tcp_peek_copy(const struct ksocket_tcp_moving *moving, bool any)
{
	u32 room = min_t(size_t, moving->left, KSOCKET_TCP_COPY), done = 0;
	struct ksocket_tcp_place at = {
		.seq = tcp_sk(moving->from)->copied_seq,
	};

	while (done < room && ksocket_tcp_find(moving->from, &at) &&
	       (any || at.len < KSOCKET_TCP_SHORT)) {
		at.len = min(at.len, room - done);
		if (skb_copy_bits(at.skb, at.offset, moving->copy + done, at.len))
			return done ? : -EFAULT;
		at.seq += at.len;
		done += at.len;
	}

	return done;
}

/* Clone what comes first in the queue, as far as there is room to send it. */
static int ksocket_tcp_peek_clones(const struct ksocket_tcp_moving *moving,
				   struct sk_buff_head *clones)
{
	u32 room = clamp_t(long, sk_stream_wspace(moving->to), 1, moving->left);
	u32 batch = moving->from == moving->to ? 1 : KSOCKET_TCP_BATCH;
	struct ksocket_tcp_place at = {
		.seq = tcp_sk(moving->from)->copied_seq,
	};
	struct sk_buff *clone;
	u32 done = 0;

	while (done < room && skb_queue_len(clones) < batch &&
	       ksocket_tcp_find(moving->from, &at)) {
		clone = skb_clone(at.skb, moving->from->sk_allocation);
		if (!clone)
			break;
		__skb_queue_tail(clones, clone);
		at.seq += at.len;
		done += at.len;
	}

	return min_t(size_t, done, moving->left);
}

/* Send @len bytes of clones. Return: bytes sent, or an errno. */
static int ksocket_tcp_send_clones(struct ksocket_tcp_moving *moving,
				   struct sk_buff_head *clones, u32 len)
{
	u32 seq = tcp_sk(moving->from)->copied_seq, done = 0;
	bool lend = moving->lend;
	int n = 0;

	while (done < len && !skb_queue_empty(clones)) {
		struct sk_buff *clone = __skb_dequeue(clones);
		u32 offset = seq + done - TCP_SKB_CB(clone)->seq;
		u32 part = min(clone->len - offset, len - done);

		moving->lend = lend && ksocket_tcp_may_lend(clone);
		n = ksocket_tcp_send_skb(moving, clone, offset, part);
		consume_skb(clone);
		if (n > 0)
			done += n;
		if (n < (int)part)
			break;
	}
	moving->lend = lend;

	return done ? (int)done : n;
}

static int ksocket_tcp_send_copy(struct ksocket_tcp_moving *moving, u32 len)
{
	int n;

	moving->piece.linear = moving->copy;
	moving->piece.len = len;
	n = ksocket_tcp_send_piece(moving, moving->left > len);
	if (n > 0)
		moving->left -= n;
	return n;
}

/* As tcp_read_sock() wants it. */
static int ksocket_tcp_consume_actor(read_descriptor_t *desc,
				     struct sk_buff *skb, unsigned int offset,
				     size_t len)
{
	len = min(len, desc->count);
	desc->count -= len;
	return len;
}

static int ksocket_tcp_consume(struct sock *sk, size_t len)
{
	read_descriptor_t desc = { .count = len };

	return tcp_read_sock(sk, &desc, ksocket_tcp_consume_actor);
}

/*
 * Send what comes first in the queue, and take it off only then: sending may put
 * the receive queue of the same socket in order, which frees the packets in it.
 * Return: bytes moved, or an errno; *all is set if there was room for them all.
 */
static int ksocket_tcp_move_some(struct ksocket_tcp_moving *moving, bool *all)
{
	struct sk_buff_head clones;
	int len, n = 0;

	__skb_queue_head_init(&clones);
	len = ksocket_tcp_peek_copy(moving, false);
	if (!len) {
		len = ksocket_tcp_peek_clones(moving, &clones);
		/* No memory for one clone. */
		if (!len)
			len = ksocket_tcp_peek_copy(moving, true);
	}
	if (len > 0)
		n = skb_queue_empty(&clones) ?
			ksocket_tcp_send_copy(moving, len) :
			ksocket_tcp_send_clones(moving, &clones, len);
	else
		n = len;
	__skb_queue_purge(&clones);

	*all = n > 0 && n == len;
	/* Urgent data that came meanwhile is behind all that. */
	if (n > 0 && WARN_ON_ONCE(ksocket_tcp_consume(moving->from, n) != n))
		return -EFAULT;
	return n;
}

static int ksocket_tcp_move_all(struct ksocket_tcp_moving *moving)
{
	int moved = 0, n = 0;
	bool all;

	do {
		moving->left = min_t(size_t, moving->max - moved,
				     tcp_inq(moving->from));
		if (!moving->left)
			break;
		n = ksocket_tcp_move_some(moving, &all);
		if (n > 0)
			moved += n;
	} while (all);

	return moved ? : n;
}

/*
 * tcp_read_sock() does not go beyond an urgent byte. RFC 6093: it is one of the
 * others. It is looked at, sent, and only then taken.
 */
static int ksocket_tcp_move_urgent(struct socket *from, struct socket *to)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct kvec vec;
	char byte;
	int n;

	vec = (struct kvec){ .iov_base = &byte, .iov_len = 1 };
	n = kernel_recvmsg(from, &msg, &vec, 1, 1, MSG_DONTWAIT | MSG_PEEK);
	if (n <= 0)
		return n;

	if (to) {
		struct msghdr out = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };

		vec = (struct kvec){ .iov_base = &byte, .iov_len = 1 };
		n = kernel_sendmsg(to, &out, &vec, 1, 1);
		if (n <= 0)
			return n;
	}

	vec = (struct kvec){ .iov_base = &byte, .iov_len = 1 };
	return kernel_recvmsg(from, &msg, &vec, 1, 1, MSG_DONTWAIT);
}

static bool ksocket_tcp_is_urgent(struct sock *sk)
{
	return unlikely(READ_ONCE(tcp_sk(sk)->urg_data)) && tcp_inq(sk);
}

static int ksocket_tcp_read(struct ksocket_tcp_end *from, struct sock *to,
			    size_t max, void *copy)
{
	struct sock *sk = from->sock->sk;
	struct ksocket_tcp_moving moving = {
		.from = sk,
		.to = to,
		.max = max,
		.lend = from->conn->worker->svc->cfg.datapath !=
			KSOCKET_DATAPATH_COPY,
		.copy = copy,
	};
	int moved = to ? ksocket_tcp_move_all(&moving) :
			 ksocket_tcp_consume(sk, max);

	/* A reset is no end, though it shuts everything down. */
	if (sock_flag(sk, SOCK_DONE) && !tcp_inq(sk) && !READ_ONCE(sk->sk_err))
		from->eof = true;
	return moved;
}

/**
 * ksocket_tcp_move() - move bytes
 * @from: the socket that they have come to
 * @to: the one to send them by, which may be the same; NULL to forget them
 * @max: at most so many
 * @copy: KSOCKET_TCP_COPY bytes that nothing else uses meanwhile
 *
 * When all is taken and the other side has ended, @from is at its end.
 *
 * Context: process context, may sleep; takes the locks of both sockets.
 * Return: bytes moved, 0 or -EAGAIN when there are none or is no room for them,
 * or another negative errno.
 */
int ksocket_tcp_move(struct ksocket_tcp_end *from, struct ksocket_tcp_end *to,
		     size_t max, void *copy)
{
	struct sock *sk = from->sock->sk;
	bool two = to && to != from;
	int moved;

	lock_sock(sk);
	/* Only one thread ever has two of them. */
	if (two)
		lock_sock_nested(to->sock->sk, SINGLE_DEPTH_NESTING);
	moved = ksocket_tcp_read(from, to ? to->sock->sk : NULL, max, copy);
	if (two)
		release_sock(to->sock->sk);
	release_sock(sk);

	if (moved <= 0 && ksocket_tcp_is_urgent(sk))
		moved = ksocket_tcp_move_urgent(from->sock,
						to ? to->sock : NULL);
	return moved;
}
