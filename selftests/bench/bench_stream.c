// SPDX-License-Identifier: GPL-2.0
/*
 * bench_stream - TCP load from user space, of one thread.
 *
 *	bench_stream KIND MODE FROM TO PORT CONNECTIONS COUNT VERIFY [PLACE]
 *
 * MODE is echo; relay, whose receiver is this program too, at the port PLACE of
 * FROM; or floor and floor-relay, the same work without a server: the other end of
 * each connection is this program in the network namespace PLACE.
 *
 * KIND is
 *	bulk	COUNT bytes in writes of 64 kB, up to four of them on their way in
 *		each connection
 *	ping	COUNT messages of 64 bytes, one on its way in each connection; a
 *		receiver sends each one back
 *	cycle	COUNT connections, one after the other: such a message, and an end
 *		in order
 *
 * Prints how many bytes, messages or connections have come to their end, how many
 * bytes were wrong, and the nanoseconds from the first write to the last byte. With
 * VERIFY 1 every byte is compared with what belongs there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define CHUNK		65536
#define WINDOW		(4 * CHUNK)
#define MESSAGE		64
#define FLOWS_MAX	1024
#define EVENTS		64
#define PATIENCE	60

enum { OUT, IN, ENDS };

/* The bytes that go from one end to the other. */
struct stream {
	__u64 seed, sent, received;
};

/* What is written to the end OUT comes to the end IN, in an echo the same one. */
struct flow {
	int fd[ENDS];
	struct stream there, back;
};

static struct flow flows[FLOWS_MAX];
static struct sockaddr_storage from, to;
static socklen_t from_len, to_len;
static unsigned int conns;
static int listener = -1, epfd;
static bool verify, answers;
static __u64 count, done, wrong;
static unsigned char buffer[CHUNK];

static void die(const char *what)
{
	fprintf(stderr, "bench_stream: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* What belongs at a place of a stream: no part of one is like another. */
static unsigned char byte_at(__u64 seed, __u64 pos)
{
	__u64 x = seed * 0xd1342543de82ef95ull + pos / 8 * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	return (x ^ x >> 27) >> pos % 8 * 8;
}

/* Return: whether anything was taken. */
static bool put(int fd, struct stream *s, size_t len)
{
	ssize_t n;
	size_t i;

	for (i = 0; verify && i < len; i++)
		buffer[i] = byte_at(s->seed, s->sent + i);
	n = send(fd, buffer, len, MSG_NOSIGNAL);
	if (n > 0)
		s->sent += n;
	else if (errno != EAGAIN)
		die("send");
	return n > 0;
}

/* Return: whether anything came. */
static bool get(int fd, struct stream *s, size_t len)
{
	ssize_t n = recv(fd, buffer, len, 0);
	ssize_t i;

	if (!n)
		errno = EPIPE;
	if (!n || (n < 0 && errno != EAGAIN))
		die("recv");
	for (i = 0; verify && i < n; i++)
		wrong += buffer[i] != byte_at(s->seed, s->received + i);
	if (n > 0)
		s->received += n;
	return n > 0;
}

static void finish(int fd)
{
	if (recv(fd, buffer, 1, 0))
		die("no end, but more bytes");
}

/* Connections */

static void set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
}

static void listen_at(const struct sockaddr_storage *addr, socklen_t len)
{
	int one = 1;

	listener = socket(addr->ss_family, SOCK_STREAM, 0);
	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (void *)addr, len) || listen(listener, FLOWS_MAX))
		die("listen");
}

/* A socket stays in the namespace that it was made in. */
static void listen_in(const char *netns)
{
	char path[256];
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET))
		die(path);
	listen_at(&to, to_len);
	if (setns(here, CLONE_NEWNET))
		die("setns");
	close(here);
	close(there);
}

static void flow_open(struct flow *f, __u64 nr)
{
	*f = (struct flow){
		.there.seed = 2 * nr + 1,
		.back.seed = 2 * nr + 2,
	};
	f->fd[OUT] = socket(to.ss_family, SOCK_STREAM, 0);
	if (f->fd[OUT] < 0 || bind(f->fd[OUT], (void *)&from, from_len) ||
	    connect(f->fd[OUT], (void *)&to, to_len))
		die("connect");
	set_nodelay(f->fd[OUT]);
	f->fd[IN] = f->fd[OUT];
	if (listener < 0)
		return;
	/* One after the other, so that both ends are of the same flow. */
	f->fd[IN] = accept(listener, NULL, NULL);
	if (f->fd[IN] < 0)
		die("accept");
	set_nodelay(f->fd[IN]);
}

static void flow_watch(struct flow *f, int end, unsigned int events)
{
	struct epoll_event ev = {
		.events = events | EPOLLET,
		.data.u32 = (f - flows) * ENDS + end,
	};
	int flags = fcntl(f->fd[end], F_GETFL);

	if (fcntl(f->fd[end], F_SETFL, flags | O_NONBLOCK) ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, f->fd[end], &ev))
		die("epoll_ctl");
}

static void flows_open(unsigned int events)
{
	unsigned int i;

	for (i = 0; i < conns; i++)
		flow_open(&flows[i], i);
	for (i = 0; i < conns; i++) {
		if (flows[i].fd[IN] == flows[i].fd[OUT]) {
			flow_watch(&flows[i], OUT, EPOLLIN | events);
			continue;
		}
		flow_watch(&flows[i], OUT, EPOLLIN | events);
		flow_watch(&flows[i], IN, EPOLLIN);
	}
}

/* Events, until all is done or it takes too long. */
static void run(void (*event)(struct flow *f, int end), __u64 all)
{
	struct epoll_event ev[EVENTS];
	int n, i;

	while (done < all) {
		n = epoll_wait(epfd, ev, EVENTS, -1);
		if (n < 0)
			return;
		for (i = 0; i < n; i++)
			event(&flows[ev[i].data.u32 / ENDS], ev[i].data.u32 % ENDS);
	}
}

/* The kinds */

static void bulk_event(struct flow *f, int end)
{
	struct stream *s = &f->there;
	__u64 share = count / conns, before = s->received;
	bool came;

	(void)end;
	do {
		while (s->sent < share && s->sent - s->received < WINDOW)
			if (!put(f->fd[OUT], s, share - s->sent < CHUNK ?
						share - s->sent : CHUNK))
				break;
		came = s->received < share && get(f->fd[IN], s, CHUNK);
	} while (came);
	done += s->received - before;
}

static void bulk(void)
{
	unsigned int i;

	for (i = 0; i < conns; i++)
		bulk_event(&flows[i], OUT);
	run(bulk_event, count / conns * conns);
}

static void ping_event(struct flow *f, int end)
{
	bool is_answer = answers && end == OUT;
	struct stream *s = is_answer ? &f->back : &f->there;

	/* The rest of a message is another event. */
	if (!get(f->fd[end], s, MESSAGE) || s->received % MESSAGE)
		return;
	if (answers && !is_answer) {
		put(f->fd[IN], &f->back, MESSAGE);
		return;
	}
	done++;
	if (f->there.sent / MESSAGE < count / conns)
		put(f->fd[OUT], &f->there, MESSAGE);
}

static void ping(void)
{
	unsigned int i;

	for (i = 0; i < conns; i++)
		put(flows[i].fd[OUT], &flows[i].there, MESSAGE);
	run(ping_event, count / conns * conns);
}

static void message(int out, int in, struct stream *s)
{
	put(out, s, MESSAGE);
	while (s->received < s->sent)
		get(in, s, MESSAGE);
}

static void cycle(void)
{
	struct flow f;

	for (done = 0; done < count; done++) {
		flow_open(&f, done);
		message(f.fd[OUT], f.fd[IN], &f.there);
		if (answers)
			message(f.fd[IN], f.fd[OUT], &f.back);
		shutdown(f.fd[OUT], SHUT_WR);
		finish(f.fd[IN]);
		if (f.fd[IN] != f.fd[OUT]) {
			close(f.fd[IN]);
			finish(f.fd[OUT]);
		}
		close(f.fd[OUT]);
	}
}

static const struct kind {
	const char *name;
	void (*run)(void);
	unsigned int events;
} kinds[] = {
	{ "bulk", bulk, EPOLLOUT },
	{ "ping", ping, 0 },
	{ "cycle", cycle, 0 },
	{}
};

static const struct kind *find_kind(const char *name)
{
	const struct kind *kind;

	for (kind = kinds; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	fprintf(stderr, "bench_stream: no kind '%s'\n", name);
	exit(2);
}

static void find_mode(const char *mode, const char *place)
{
	if (!strcmp(mode, "relay")) {
		struct sockaddr_storage addr = from;

		/* The port has the same place in both families. */
		((struct sockaddr_in *)&addr)->sin_port = htons(atoi(place));
		listen_at(&addr, from_len);
	} else if (!strncmp(mode, "floor", 5)) {
		listen_in(place);
	} else if (strcmp(mode, "echo")) {
		fprintf(stderr, "bench_stream: no mode '%s'\n", mode);
		exit(2);
	}
	answers = strstr(mode, "relay");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = bench_expired };
	const struct kind *kind;
	long long start;

	if (argc != 9 && argc != 10) {
		fprintf(stderr, "usage: bench_stream KIND MODE FROM TO PORT ");
		fprintf(stderr, "CONNECTIONS COUNT VERIFY [PLACE]\n");
		return 2;
	}
	kind = find_kind(argv[1]);
	from_len = bench_parse(argv[3], "0", &from);
	to_len = bench_parse(argv[4], argv[5], &to);
	conns = atoi(argv[6]);
	count = strtoull(argv[7], NULL, 10);
	verify = atoi(argv[8]);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0 || !conns || conns > FLOWS_MAX)
		die("connections");
	find_mode(argv[2], argc == 10 ? argv[9] : "0");

	sigaction(SIGALRM, &action, NULL);
	alarm(PATIENCE);
	if (kind->run != cycle)
		flows_open(kind->events);
	start = bench_now();
	kind->run();
	printf("%llu %llu %lld\n", (unsigned long long)done,
	       (unsigned long long)wrong, bench_now() - start);
	return 0;
}
