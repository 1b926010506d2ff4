// SPDX-License-Identifier: GPL-2.0
/*
 * bench_stream_server - user-space TCP echo and relay, in the ways that people
 * write them, to compare ksocket with.
 *
 *	bench_stream_server KIND ADDRESS PORT [RECEIVER PORT]
 *
 * KIND is epoll (read and write of 64 kB) or splice (the pages go through a pipe
 * and are not copied). One thread, level-triggered, nothing blocks. With a receiver
 * each client has a connection of its own to it, without one the bytes go back.
 * Runs until it is killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

#define CHUNK		65536
/* The largest pipe that everybody may have. */
#define PIPE		1048576
#define EVENTS		64

struct conn;

struct end {
	struct conn *conn;
	int fd;
	unsigned int events;
};

/* One direction: what was read and is not written yet, in data or in the pipe. */
struct way {
	struct end *from, *to;
	char *data;
	size_t off, len;
	int pipe[2];
	bool eof, shut;
};

struct conn {
	struct end client, upstream;
	struct way to, fro;
	bool dead;
	struct conn *next;
};

static struct conn *dead_conns;
static struct sockaddr_storage receiver;
static socklen_t receiver_len;
static bool relay, spliced;
static int epfd;

static void die(const char *what)
{
	fprintf(stderr, "bench_stream_server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static ssize_t way_read(struct way *w)
{
	w->off = 0;
	if (!spliced)
		return read(w->from->fd, w->data, CHUNK);
	return splice(w->from->fd, NULL, w->pipe[1], NULL, PIPE,
		      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static ssize_t way_write(struct way *w)
{
	if (!spliced)
		return send(w->to->fd, w->data + w->off, w->len, MSG_NOSIGNAL);
	return splice(w->pipe[0], NULL, w->to->fd, NULL, w->len,
		      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/* Return: false when the connection is broken. */
static bool way_flush(struct way *w)
{
	ssize_t n;

	while (w->len) {
		n = way_write(w);
		if (n <= 0)
			return n && errno == EAGAIN;
		w->off += n;
		w->len -= n;
	}
	if (w->eof && !w->shut) {
		shutdown(w->to->fd, SHUT_WR);
		w->shut = true;
	}
	return true;
}

/* Return: false when the connection is broken. */
static bool way_pass(struct way *w)
{
	ssize_t n;

	if (!w->len && !w->eof) {
		n = way_read(w);
		if (n < 0)
			return errno == EAGAIN;
		w->len = n;
		w->eof = !n;
	}
	return way_flush(w);
}

static void watch(struct end *end, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.ptr = end };

	if (end->events == events)
		return;
	if (epoll_ctl(epfd, EPOLL_CTL_MOD, end->fd, &ev))
		die("epoll_ctl");
	end->events = events;
}

/* @in comes from the end and @out goes to it. */
static void watch_end(struct end *end, const struct way *in,
		      const struct way *out)
{
	watch(end, (in->len || in->eof ? 0 : EPOLLIN) | (out->len ? EPOLLOUT : 0));
}

static bool way_open(struct way *w, struct end *from, struct end *to)
{
	w->from = from;
	w->to = to;
	if (!spliced) {
		w->data = malloc(CHUNK);
		return w->data;
	}
	if (pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC))
		return false;
	return fcntl(w->pipe[1], F_SETPIPE_SZ, PIPE) > 0;
}

static void way_close(struct way *w)
{
	free(w->data);
	if (w->from && spliced) {
		close(w->pipe[0]);
		close(w->pipe[1]);
	}
}

/* Others of the same epoll_wait() may still point to it. */
static void conn_close(struct conn *c)
{
	close(c->client.fd);
	if (relay)
		close(c->upstream.fd);
	way_close(&c->to);
	way_close(&c->fro);
	c->dead = true;
	c->next = dead_conns;
	dead_conns = c;
}

static void end_open(struct end *end, struct conn *c, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = end };
	int one = 1;

	end->conn = c;
	end->fd = fd;
	end->events = EPOLLIN;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
}

static void conn_open(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int up;

	if (!c)
		die("memory");
	end_open(&c->client, c, fd);
	if (!relay) {
		if (!way_open(&c->to, &c->client, &c->client))
			die("memory");
		return;
	}
	up = socket(receiver.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (up < 0 || (connect(up, (void *)&receiver, receiver_len) &&
		       errno != EINPROGRESS))
		die("connect");
	end_open(&c->upstream, c, up);
	if (!way_open(&c->to, &c->client, &c->upstream) ||
	    !way_open(&c->fro, &c->upstream, &c->client))
		die("memory");
}

/* Return: false when it is over. */
static bool conn_serve(struct conn *c, const struct end *end, unsigned int events)
{
	struct way *in = end == &c->client ? &c->to : &c->fro;
	struct way *out = relay && end == &c->client ? &c->fro : &c->to;

	if (events & EPOLLERR)
		return false;
	if (events & EPOLLOUT && !way_flush(out))
		return false;
	if (events & (EPOLLIN | EPOLLHUP) && !way_pass(in))
		return false;
	if (c->to.shut && (c->fro.shut || !relay))
		return false;
	if (!relay) {
		watch_end(&c->client, &c->to, &c->to);
		return true;
	}
	watch_end(&c->client, &c->to, &c->fro);
	watch_end(&c->upstream, &c->fro, &c->to);
	return true;
}

static void bury(void)
{
	struct conn *c;

	while ((c = dead_conns)) {
		dead_conns = c->next;
		free(c);
	}
}

static void serve(int listener)
{
	struct epoll_event ev[EVENTS];
	struct end *end;
	int n, i, fd;

	for (;;) {
		n = epoll_wait(epfd, ev, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++) {
			end = ev[i].data.ptr;
			if (end && !end->conn->dead &&
			    !conn_serve(end->conn, end, ev[i].events))
				conn_close(end->conn);
			while (!end && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK |
						     SOCK_CLOEXEC)) >= 0)
				conn_open(fd);
		}
		bury();
	}
}

int main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_storage addr;
	socklen_t len;
	int fd, one = 1;

	if (argc != 4 && argc != 6) {
		fprintf(stderr, "usage: bench_stream_server KIND ADDRESS PORT [RECEIVER PORT]\n");
		return 2;
	}
	spliced = !strcmp(argv[1], "splice");
	if (!spliced && strcmp(argv[1], "epoll")) {
		fprintf(stderr, "bench_stream_server: no kind '%s'\n", argv[1]);
		return 2;
	}
	relay = argc == 6;
	if (relay)
		receiver_len = bench_parse(argv[4], argv[5], &receiver);
	len = bench_parse(argv[2], argv[3], &addr);
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || epfd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (void *)&addr, len) || listen(fd, 1024) ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("listen");
	serve(fd);
	return 0;
}
