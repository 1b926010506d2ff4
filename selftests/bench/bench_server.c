// SPDX-License-Identifier: GPL-2.0
/*
 * bench_server - user-space UDP echo and relay, in the ways that people write
 * them, to compare ksocket with.
 *
 *	bench_server KIND ADDRESS PORT [RECEIVER PORT]
 *
 * KIND is recvfrom, recvmmsg, gro (UDP_GRO and UDP_SEGMENT) or uring (io_uring
 * with multishot receive). With a receiver every datagram goes on to it through
 * a second, connected socket, without one it goes back. Runs until it is
 * killed; exits with 4 where the kernel lacks what KIND needs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define BATCH		32
#define DATAGRAM_MAX	2048
#define BURST_MAX	65535
#define SKIP		4

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static int in_fd, out_fd;	/* the same one when there is no receiver */
static bool relay;

static void die(const char *what)
{
	perror(what);
	exit(errno == EINVAL || errno == EPERM || errno == ENOPROTOOPT ?
	     SKIP : 1);
}

static void serve_recvfrom(void)
{
	static char data[BURST_MAX];
	struct sockaddr_storage peer;
	socklen_t len;
	ssize_t n;

	for (;;) {
		len = sizeof(peer);
		n = recvfrom(in_fd, data, sizeof(data), 0, (void *)&peer, &len);
		if (n < 0)
			die("recvfrom");
		if (relay)
			send(out_fd, data, n, 0);
		else
			sendto(out_fd, data, n, 0, (void *)&peer, len);
	}
}

static void serve_recvmmsg(void)
{
	static char data[BATCH][DATAGRAM_MAX];
	struct sockaddr_storage peer[BATCH];
	struct mmsghdr msg[BATCH];
	struct iovec vec[BATCH];
	int i, n, sent, more;

	for (;;) {
		memset(msg, 0, sizeof(msg));
		for (i = 0; i < BATCH; i++) {
			vec[i].iov_base = data[i];
			vec[i].iov_len = DATAGRAM_MAX;
			msg[i].msg_hdr.msg_name = &peer[i];
			msg[i].msg_hdr.msg_namelen = sizeof(peer[i]);
			msg[i].msg_hdr.msg_iov = &vec[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(in_fd, msg, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0)
			die("recvmmsg");
		for (i = 0; i < n; i++) {
			vec[i].iov_len = msg[i].msg_len;
			if (relay) {
				msg[i].msg_hdr.msg_name = NULL;
				msg[i].msg_hdr.msg_namelen = 0;
			}
		}
		for (sent = 0; sent < n; sent += more) {
			more = sendmmsg(out_fd, msg + sent, n - sent, 0);
			if (more < 0)
				die("sendmmsg");
		}
	}
}

static void serve_gro(void)
{
	static char data[BURST_MAX];
	char control[CMSG_SPACE(sizeof(int))];
	struct sockaddr_storage peer;
	struct iovec vec;
	struct msghdr msg;
	struct cmsghdr *cmsg;
	int one = 1, size;
	ssize_t n;

	if (setsockopt(in_fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)))
		die("UDP_GRO");

	for (;;) {
		vec.iov_base = data;
		vec.iov_len = sizeof(data);
		memset(&msg, 0, sizeof(msg));
		msg.msg_name = &peer;
		msg.msg_namelen = sizeof(peer);
		msg.msg_iov = &vec;
		msg.msg_iovlen = 1;
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		n = recvmsg(in_fd, &msg, 0);
		if (n < 0)
			die("recvmsg");
		size = 0;
		for (cmsg = CMSG_FIRSTHDR(&msg); cmsg;
		     cmsg = CMSG_NXTHDR(&msg, cmsg))
			if (cmsg->cmsg_level == IPPROTO_UDP &&
			    cmsg->cmsg_type == UDP_GRO)
				memcpy(&size, CMSG_DATA(cmsg), sizeof(size));

		vec.iov_len = n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
		if (size && n > size) {
			__u16 segment = size;

			msg.msg_control = control;
			msg.msg_controllen = CMSG_SPACE(sizeof(segment));
			cmsg = CMSG_FIRSTHDR(&msg);
			cmsg->cmsg_level = IPPROTO_UDP;
			cmsg->cmsg_type = UDP_SEGMENT;
			cmsg->cmsg_len = CMSG_LEN(sizeof(segment));
			memcpy(CMSG_DATA(cmsg), &segment, sizeof(segment));
		}
		if (relay) {
			msg.msg_name = NULL;
			msg.msg_namelen = 0;
		}
		if (sendmsg(out_fd, &msg, 0) < 0)
			die("sendmsg");
	}
}

/* io_uring without a library: one ring, buffers provided through a second. */

#define URING_ENTRIES	256
#define URING_BUFFERS	128
#define URING_BUFFER	(sizeof(struct io_uring_recvmsg_out) + \
			 sizeof(struct sockaddr_storage) + DATAGRAM_MAX)
#define URING_RECEIVE	(~0ULL)

static struct {
	int fd;
	unsigned int *sq_head, *sq_tail, sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	struct io_uring_buf_ring *bufs;
	char (*data)[URING_BUFFER];
	unsigned int queued;
	/* of each buffer, while it is being sent */
	struct msghdr msg[URING_BUFFERS];
	struct iovec vec[URING_BUFFERS];
} ring;

static void *map(size_t len, int fd, __u64 offset)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, fd < 0 ?
		       MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE,
		       fd, offset);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void uring_setup(void)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
	};
	struct io_uring_buf_reg reg = {
		.ring_entries = URING_BUFFERS,
	};
	char *sq, *cq;

	ring.fd = syscall(__NR_io_uring_setup, URING_ENTRIES, &p);
	if (ring.fd < 0)
		die("io_uring_setup");
	sq = map(p.sq_off.array + p.sq_entries * 4, ring.fd, IORING_OFF_SQ_RING);
	cq = map(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		 ring.fd, IORING_OFF_CQ_RING);
	ring.sqes = map(p.sq_entries * sizeof(*ring.sqes), ring.fd,
			IORING_OFF_SQES);
	ring.sq_head = (void *)(sq + p.sq_off.head);
	ring.sq_tail = (void *)(sq + p.sq_off.tail);
	ring.sq_mask = *(unsigned int *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (void *)(sq + p.sq_off.array);
	ring.cq_head = (void *)(cq + p.cq_off.head);
	ring.cq_tail = (void *)(cq + p.cq_off.tail);
	ring.cq_mask = *(unsigned int *)(cq + p.cq_off.ring_mask);
	ring.cqes = (void *)(cq + p.cq_off.cqes);

	ring.bufs = map(URING_BUFFERS * sizeof(struct io_uring_buf), -1, 0);
	ring.data = map(URING_BUFFERS * URING_BUFFER, -1, 0);
	reg.ring_addr = (unsigned long)ring.bufs;
	if (syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING,
		    &reg, 1))
		die("IORING_REGISTER_PBUF_RING");
}

static void uring_give_back(unsigned int id)
{
	unsigned short tail = ring.bufs->tail;
	struct io_uring_buf *buf = &ring.bufs->bufs[tail % URING_BUFFERS];

	buf->addr = (unsigned long)ring.data[id];
	buf->len = URING_BUFFER;
	buf->bid = id;
	__atomic_store_n(&ring.bufs->tail, tail + 1, __ATOMIC_RELEASE);
}

static struct io_uring_sqe *uring_sqe(void)
{
	unsigned int tail = *ring.sq_tail;
	struct io_uring_sqe *sqe = &ring.sqes[tail & ring.sq_mask];

	memset(sqe, 0, sizeof(*sqe));
	ring.sq_array[tail & ring.sq_mask] = tail & ring.sq_mask;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	ring.queued++;
	return sqe;
}

static struct msghdr uring_receive_msg = {
	.msg_namelen = sizeof(struct sockaddr_storage),
};

static void uring_receive(void)
{
	struct io_uring_sqe *sqe = uring_sqe();

	sqe->opcode = IORING_OP_RECVMSG;
	sqe->fd = in_fd;
	sqe->addr = (unsigned long)&uring_receive_msg;
	sqe->len = 1;
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->user_data = URING_RECEIVE;
}

static void uring_answer(unsigned int id)
{
	struct io_uring_recvmsg_out *out = (void *)ring.data[id];
	char *name = (char *)(out + 1);
	struct io_uring_sqe *sqe = uring_sqe();
	struct msghdr *msg = &ring.msg[id];

	ring.vec[id].iov_base = name + uring_receive_msg.msg_namelen;
	ring.vec[id].iov_len = out->payloadlen;
	memset(msg, 0, sizeof(*msg));
	msg->msg_iov = &ring.vec[id];
	msg->msg_iovlen = 1;
	if (!relay) {
		msg->msg_name = name;
		msg->msg_namelen = out->namelen;
	}
	sqe->opcode = IORING_OP_SENDMSG;
	sqe->fd = out_fd;
	sqe->addr = (unsigned long)msg;
	sqe->len = 1;
	sqe->user_data = id;
}

static void serve_uring(void)
{
	unsigned int id, head;
	bool listening;

	uring_setup();
	for (id = 0; id < URING_BUFFERS; id++)
		uring_give_back(id);
	uring_receive();

	for (;;) {
		int n = syscall(__NR_io_uring_enter, ring.fd, ring.queued, 1,
				IORING_ENTER_GETEVENTS, NULL, 0);

		if (n < 0 && errno != EINTR)
			die("io_uring_enter");
		if (n > 0)
			ring.queued -= n;
		listening = true;
		head = *ring.cq_head;
		while (head != __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE)) {
			struct io_uring_cqe *cqe =
				&ring.cqes[head++ & ring.cq_mask];

			if (cqe->user_data != URING_RECEIVE) {
				uring_give_back(cqe->user_data);
				continue;
			}
			if (cqe->res < 0 && cqe->res != -ENOBUFS) {
				errno = -cqe->res;
				die("IORING_RECV_MULTISHOT");
			}
			if (cqe->res >= 0)
				uring_answer(cqe->flags >>
					     IORING_CQE_BUFFER_SHIFT);
			if (!(cqe->flags & IORING_CQE_F_MORE))
				listening = false;
		}
		__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
		if (!listening)
			uring_receive();
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*serve)(void);
	} kinds[] = {
		{ "recvfrom", serve_recvfrom },
		{ "recvmmsg", serve_recvmmsg },
		{ "gro", serve_gro },
		{ "uring", serve_uring },
	};
	struct sockaddr_storage addr;
	int size = 4 << 20;
	unsigned int i;
	socklen_t len;

	if (argc != 4 && argc != 6) {
		fprintf(stderr, "usage: bench_server KIND ADDRESS PORT [RECEIVER PORT]\n");
		return 2;
	}
	len = bench_parse(argv[2], argv[3], &addr);
	in_fd = socket(addr.ss_family, SOCK_DGRAM, 0);
	setsockopt(in_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (in_fd < 0 || bind(in_fd, (void *)&addr, len))
		die("bind");
	out_fd = in_fd;
	relay = argc == 6;
	if (relay) {
		len = bench_parse(argv[4], argv[5], &addr);
		out_fd = socket(addr.ss_family, SOCK_DGRAM, 0);
		if (out_fd < 0 || connect(out_fd, (void *)&addr, len))
			die("connect");
	}

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, argv[1]))
			kinds[i].serve();
	fprintf(stderr, "bench_server: no kind '%s'\n", argv[1]);
	return 2;
}
