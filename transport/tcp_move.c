// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes from one TCP socket to another, or back out of the same one.
 *
 * They stay in the receive queue of the one until the other has taken them, so
 * nothing has to be kept anywhere, and the window of the one says what room there
 * is at the other. With the datapath zerocopy the pages themselves are sent.
 */
#include <linux/bvec.h>
#include <linux/skbuff.h>
#include <linux/uio.h>

#include "tcp.h"

/* As many pages as a packet can have. */
#define KSOCKET_TCP_PIECES	MAX_SKB_FRAGS

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
 * struct ksocket_tcp_moving - what tcp_read_sock() has to know
 * @to: who takes it, or NULL if nobody does
 * @left: bytes that wait
 * @lend: send the pages, not what is in them
 * @piece: what is being sent
 */
struct ksocket_tcp_moving {
	struct sock *to;
	size_t left;
	bool lend;
	struct ksocket_tcp_piece piece;
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
		n = ksocket_tcp_send_piece(moving, moving->left >
						   sent + moving->piece.len);
		if (n <= 0)
			return sent ? : n;
		sent += n;
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

/* As tcp_read_sock() wants it. Return: bytes consumed, 0 to end, or an errno. */
static int ksocket_tcp_actor(read_descriptor_t *desc, struct sk_buff *skb,
			     unsigned int offset, size_t len)
{
	struct ksocket_tcp_moving *moving = desc->arg.data;
	bool lend = moving->lend;
	int done;

	len = min(len, desc->count);
	if (!len)
		return 0;

	if (!moving->to) {
		done = len;
	} else {
		moving->lend = lend && ksocket_tcp_may_lend(skb);
		/* Sending may put the receive queue of the same socket in order. */
		skb_get(skb);
		done = ksocket_tcp_send_skb(moving, skb, offset, len);
		consume_skb(skb);
		moving->lend = lend;
	}
	if (done > 0) {
		desc->count -= done;
		moving->left -= min_t(size_t, moving->left, done);
	}
	return done;
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
			    size_t max)
{
	struct sock *sk = from->sock->sk;
	struct ksocket_tcp_moving moving = {
		.to = to,
		.left = min_t(size_t, max, tcp_inq(sk)),
		.lend = from->conn->worker->svc->cfg.datapath !=
			KSOCKET_DATAPATH_COPY,
	};
	read_descriptor_t desc = {
		.arg.data = &moving,
		.count = max,
	};
	int moved = tcp_read_sock(sk, &desc, ksocket_tcp_actor);

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
 *
 * When all is taken and the other side has ended, @from is at its end.
 *
 * Context: process context, may sleep; takes the locks of both sockets.
 * Return: bytes moved, 0 or -EAGAIN when there are none or is no room for them,
 * or another negative errno.
 */
int ksocket_tcp_move(struct ksocket_tcp_end *from, struct ksocket_tcp_end *to,
		     size_t max)
{
	struct sock *sk = from->sock->sk;
	bool two = to && to != from;
	int moved;

	lock_sock(sk);
	/* Only one thread ever has two of them. */
	if (two)
		lock_sock_nested(to->sock->sk, SINGLE_DEPTH_NESTING);
	moved = ksocket_tcp_read(from, to ? to->sock->sk : NULL, max);
	if (two)
		release_sock(to->sock->sk);
	release_sock(sk);

	if (moved <= 0 && ksocket_tcp_is_urgent(sk))
		moved = ksocket_tcp_move_urgent(from->sock,
						to ? to->sock : NULL);
	return moved;
}
