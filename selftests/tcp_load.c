// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_load - many TCP connections, and a look at every byte that comes back.
 *
 * A tool for the shell tests, see --help. What a connection sends follows from
 * its number and the place in the stream, so that a byte that is wrong, lost,
 * twice or elsewhere shows without remembering what was sent.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

#define BUFFER		16384
#define EVENTS		256
#define FD_MAX		65536
#define TICK_MS		10
#define SLOW_BYTES	1024
/* The stream of "serve source" and "get"; connections count from one. */
#define SEED_SOURCE	0

static const char help[] =
"Usage: tcp_load COMMAND ADDRESS PORT [OPTION]...\n"
"       tcp_load serve PORT MODE [-6]\n"
"\n"
"  echo   send a stream, half-close, want the same stream back, and its end\n"
"    -s CHUNK  bytes in one send (default 16384)    -u  one of them urgent\n"
"  put    send a stream, half-close, want its length as text, and the end\n"
"    -q        want nothing but the end\n"
"  get    want the stream of \"serve source\" and its end, close\n"
"    -f        half-close first\n"
"  cycle  connect, send a byte, read it, close in order, again and again\n"
"    -p COUNT  so many at a time (default 16)\n"
"  hold   open connections, print \"holding N\", keep them until SIGTERM\n"
"    -e        send a byte on each first and want it back\n"
"    -t        send whatever is taken, read nothing\n"
"    -s        send whatever is taken, read a byte every 10 ms\n"
"    -r        reset them at the end\n"
"  rst    connections that are reset: at once; with data under way; after the\n"
"         half-close; with answers unread; by a close with answers unread\n"
"  serve  MODE echo; sink: at the end of what came send its length as text;\n"
"         slow: a sink that reads 1 kB every 10 ms; source:BYTES: send a\n"
"         stream, half-close, read to the end; refuse: reset what is accepted;\n"
"         and an echo with a fault: wrong:OFFSET, lost:OFFSET, reset:OFFSET\n"
"         or more (a byte, at the end)\n"
"    -6        over IPv6\n"
"\n"
"  -c COUNT    connections, all at once except in cycle and rst (default 1)\n"
"  -n BYTES    length of each stream (default 65536)\n"
"  -T MS       give up when nothing moved for so long (default 20000)\n"
"  -h, --help  this\n"
"\n"
"echo, put, get and cycle print one line at the end:\n"
"  connections=N bytes=N wrong=N short=N errors=N ms=N\n"
"bytes are those that came, of put those that went; wrong are bytes that are\n"
"others or too many; short are connections that ended before their time, and\n"
"errors those that were refused, reset or stuck. Exit status: 0; 1 when one\n"
"of these three is not 0; 2 when it could not run.\n";

static struct {
	__u64 conns, bytes;
	__u64 parallel;
	size_t chunk;
	int patience_ms;
	bool urgent, quiet, fin_first, ipv6;
	bool echo, stuff, slow, reset;
} opt = { .conns = 1, .bytes = 65536, .parallel = 16, .chunk = BUFFER };

/* What each connection of echo, put, get and cycle has to do. */
static struct {
	__u64 send, want;
	const char *text;
	bool one_stream, fin_late, spread;
} plan;

static struct {
	__u64 sent, received, wrong, cut, errors;
} sum;

struct conn {
	int fd;
	__u64 nr, seed;
	__u64 sent, received;
	bool up, fin, eof;
	/* of a server, what is to be sent */
	size_t off, len;
	__u8 *data;
};

static union address dest;
static double started;
static int epfd;
static __u64 opened, live;
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* --- the stream --- */

static __u64 word_at(__u64 seed, __u64 nr)
{
	__u64 x = (seed + 1) * 0xd1342543de82ef95ull + nr * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* The bytes of a word go in little-endian order, on every machine. */
static void fill(__u8 *data, size_t len, __u64 seed, __u64 pos)
{
	__u64 word;
	size_t i;

	for (i = 0; i < len && (pos + i) % 8; i++)
		data[i] = word_at(seed, (pos + i) / 8) >> (pos + i) % 8 * 8;
	for (; i + 8 <= len; i += 8) {
		word = htole64(word_at(seed, (pos + i) / 8));
		memcpy(data + i, &word, 8);
	}
	for (; i < len; i++)
		data[i] = word_at(seed, (pos + i) / 8) >> (pos + i) % 8 * 8;
}

static void complain(const struct conn *c, const char *what)
{
	fprintf(stderr, "tcp_load: connection %llu, %llu bytes sent, %llu received: %s\n",
		c->nr, c->sent, c->received, what);
}

/* Compare what came with what should come there. */
static void check(struct conn *c, const __u8 *data, size_t len)
{
	static __u8 want[BUFFER];
	size_t n = len, i;
	__u64 wrong = 0;

	if (n > plan.want - c->received)
		n = plan.want - c->received;
	if (plan.text)
		memcpy(want, plan.text + c->received, n);
	else
		fill(want, n, c->seed, c->received);
	for (i = 0; i < n; i++)
		wrong += data[i] != want[i];
	wrong += len - n;
	if (wrong && !sum.wrong)
		complain(c, "wrong bytes");
	sum.wrong += wrong;
	sum.received += len;
	c->received += n;
}

/* --- connections --- */

/*
 * Who closes first keeps the port for a minute: that is this side, and one
 * address has 28,000 ports. The loopback device has more addresses.
 */
static void bind_source(int fd, __u64 nr)
{
	union address local = { .in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000101 + nr % 200),
	} };
	int on = 1;

	if (dest.sa.sa_family != AF_INET || ntohl(dest.in.sin_addr.s_addr) >> 24 != 127)
		return;
	/* The port is chosen when the destination is known. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
	    bind(fd, &local.sa, sizeof(local.in)))
		die("bind");
}

static void watch(struct conn *c, int op, __u32 events)
{
	struct epoll_event ev = { .events = events | EPOLLET, .data.ptr = c };

	if (epoll_ctl(epfd, op, c->fd, &ev))
		die("epoll_ctl");
}

/* Return: 0 or an errno. */
static int dial(struct conn *c, int flags)
{
	c->fd = socket(dest.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (c->fd < 0)
		die("socket");
	if (plan.spread)
		bind_source(c->fd, c->nr);
	if (connect(c->fd, &dest.sa, address_len(&dest)) && errno != EINPROGRESS)
		return errno;
	return 0;
}

static int socket_error(const struct conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

/* What follows is a reset, not an end in order. */
static void will_reset(const struct conn *c)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Return: how many events, 0 when nothing happened for so long. */
static int next_events(struct epoll_event *ev, int timeout_ms)
{
	int n = epoll_wait(epfd, ev, EVENTS, timeout_ms);

	if (n < 0 && errno != EINTR)
		die("epoll_wait");
	return n;
}

/* --- echo, put, get, cycle --- */

/* Return: whether it was sent, with errno where not. */
static bool push_some(struct conn *c, __u64 end)
{
	static __u8 data[BUFFER];
	size_t len = opt.chunk;
	int flags = MSG_NOSIGNAL;
	__u64 middle = end / 2;
	ssize_t n;

	if (opt.urgent && c->sent == middle) {
		flags |= MSG_OOB;
		len = 1;
	} else if (opt.urgent && c->sent < middle && len > middle - c->sent) {
		len = middle - c->sent;
	}
	if (len > end - c->sent)
		len = end - c->sent;
	fill(data, len, c->seed, c->sent);
	n = send(c->fd, data, len, flags);
	if (n < 0)
		return false;
	c->sent += n;
	sum.sent += n;
	return true;
}

/* A connection that was reset is not one any more; what is said is the reset. */
static int why(struct conn *c, int err)
{
	socklen_t len = sizeof(err);
	int reset = 0;

	if (err == ENOTCONN && !getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &reset, &len) &&
	    reset)
		return reset;
	return err;
}

/* Return: 0 when there is nothing to do for now, or an errno. */
static int push(struct conn *c)
{
	while (c->sent < plan.send)
		if (!push_some(c, plan.send))
			return errno == EAGAIN ? 0 : errno;
	if (!c->fin && (!plan.fin_late || c->received == plan.want)) {
		if (shutdown(c->fd, SHUT_WR))
			return why(c, errno);
		c->fin = true;
	}
	return 0;
}

static int pull(struct conn *c)
{
	static __u8 data[BUFFER];
	ssize_t n;

	while (!c->eof) {
		n = recv(c->fd, data, sizeof(data), 0);
		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		if (!n)
			c->eof = true;
		else
			check(c, data, n);
	}
	return 0;
}

static void transfer_over(struct conn *c, int err)
{
	if (err) {
		if (!sum.errors++)
			complain(c, strerror(err));
	} else if (c->received < plan.want) {
		if (!sum.cut++)
			complain(c, "ended early");
	}
	close(c->fd);
	free(c);
	live--;
}

static void transfer_event(struct conn *c, __u32 events)
{
	int err = 0;

	if (events & EPOLLERR)
		err = socket_error(c);
	if (events & EPOLLOUT)
		c->up = true;
	if (!err && c->up)
		err = push(c);
	if (!err && c->up)
		err = pull(c);
	/* What came may be what the half-close waited for. */
	if (!err && c->up && !c->eof)
		err = push(c);
	if (err || c->eof)
		transfer_over(c, err);
}

static struct conn *new_conn(void)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		die("memory");
	c->nr = ++opened;
	c->seed = plan.one_stream ? SEED_SOURCE : c->nr;
	return c;
}

static void transfer_begin(void)
{
	struct conn *c = new_conn();
	int err = dial(c, SOCK_NONBLOCK);

	live++;
	if (err)
		transfer_over(c, err);
	else
		watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static int transfer(void)
{
	struct epoll_event ev[EVENTS];
	int n, i;

	for (;;) {
		while (live < opt.parallel && opened < opt.conns)
			transfer_begin();
		if (!live)
			break;
		n = next_events(ev, opt.patience_ms);
		if (!n) {
			sum.errors += live;
			fprintf(stderr, "tcp_load: %llu connections do not go on\n", live);
			break;
		}
		for (i = 0; i < n; i++)
			transfer_event(ev[i].data.ptr, ev[i].events);
	}
	printf("connections=%llu bytes=%llu wrong=%llu short=%llu errors=%llu ms=%.0f\n",
	       opened, plan.text ? sum.sent : sum.received, sum.wrong, sum.cut,
	       sum.errors, (now() - started) * 1e3);
	return sum.wrong || sum.cut || sum.errors;
}

static int run_echo(void)
{
	plan.send = opt.bytes;
	plan.want = opt.bytes;
	opt.parallel = opt.conns;
	return transfer();
}

static int run_put(void)
{
	static char text[32];

	plan.send = opt.bytes;
	plan.text = text;
	if (!opt.quiet)
		plan.want = sprintf(text, "%llu", opt.bytes);
	opt.parallel = opt.conns;
	return transfer();
}

static int run_get(void)
{
	plan.want = opt.bytes;
	plan.one_stream = true;
	plan.fin_late = !opt.fin_first;
	opt.parallel = opt.conns;
	return transfer();
}

static int run_cycle(void)
{
	plan.send = 1;
	plan.want = 1;
	plan.fin_late = true;
	plan.spread = true;
	return transfer();
}

/* --- hold --- */

#define HOLD_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP)
#define HOLD_TURNS	16

static __u64 established, lost;

/* Return: false when the connection is over. */
static bool hold_read(struct conn *c, size_t len)
{
	static __u8 data[BUFFER];
	ssize_t n = recv(c->fd, data, len, 0);

	if (n > 0) {
		if (!c->received)
			established += opt.echo;
		check(c, data, n);
	}
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Return: false when the connection is over. */
static bool hold_push(struct conn *c)
{
	int turns;

	for (turns = 0; turns < HOLD_TURNS; turns++)
		if (!push_some(c, plan.send))
			return errno == EAGAIN;
	/* Others wait: an event once more. */
	watch(c, EPOLL_CTL_MOD, HOLD_EVENTS);
	return true;
}

/* Return: false when the connection is over. */
static bool hold_event(struct conn *c, __u32 events)
{
	__u64 before;

	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		return false;
	if (events & EPOLLOUT && !c->up) {
		c->up = true;
		established += !opt.echo;
		if (opt.echo && !push_some(c, 1))
			return false;
	}
	/* With an echo to come, the rest waits for it. */
	while ((!opt.stuff && !opt.slow) || (opt.echo && !c->received)) {
		before = c->received;
		if (!hold_read(c, BUFFER))
			return false;
		if (c->received == before)
			return true;
	}
	return hold_push(c);
}

static void hold_lose(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (!lost++)
		complain(c, "lost");
	close(c->fd);
	c->fd = -1;
}

static void hold_tick(struct conn **held)
{
	static double next;
	__u64 i;

	if (!opt.slow || now() < next)
		return;
	next = now() + TICK_MS / 1e3;
	for (i = 0; i < opt.conns; i++)
		if (held[i]->fd >= 0 && !hold_read(held[i], 1))
			hold_lose(held[i]);
}

static void hold_begin(struct conn **held)
{
	__u64 i;

	plan.send = opt.stuff || opt.slow ? ~0ull : 1;
	plan.want = ~0ull;
	for (i = 0; i < opt.conns; i++) {
		held[i] = new_conn();
		if (dial(held[i], SOCK_NONBLOCK))
			hold_lose(held[i]);
		else
			watch(held[i], EPOLL_CTL_ADD, HOLD_EVENTS);
	}
}

static int hold_end(struct conn **held)
{
	__u64 i;

	printf("connections=%llu lost=%llu sent=%llu received=%llu wrong=%llu ms=%.0f\n",
	       opened, lost, sum.sent, sum.received, sum.wrong,
	       (now() - started) * 1e3);
	for (i = 0; opt.reset && i < opt.conns; i++)
		if (held[i]->fd >= 0)
			will_reset(held[i]);
	return sum.wrong != 0;
}

static int run_hold(void)
{
	struct conn **held = calloc(opt.conns, sizeof(*held));
	struct epoll_event ev[EVENTS];
	bool said = false;
	struct conn *c;
	int n, i;

	if (!held)
		die("memory");
	hold_begin(held);
	while (!stopped && lost < opt.conns) {
		n = next_events(ev, opt.slow ? TICK_MS : 1000);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (c->fd >= 0 && !hold_event(c, ev[i].events))
				hold_lose(c);
		}
		hold_tick(held);
		if (!said && established + lost >= opt.conns) {
			printf("holding %llu\n", established);
			fflush(stdout);
			said = true;
		}
	}
	return hold_end(held);
}

/* --- rst --- */

enum { AT_ONCE, WITH_DATA, HALF_CLOSED, UNREAD, UNREAD_CLOSE, STAGES };

static void rst_one(struct conn *c, int stage)
{
	struct pollfd in = { .events = POLLIN };
	int err = dial(c, 0);

	in.fd = c->fd;
	if (!err && stage > AT_ONCE && !push_some(c, opt.bytes))
		err = errno;
	if (!err && stage == HALF_CLOSED && shutdown(c->fd, SHUT_WR))
		err = errno;
	if (!err && stage >= UNREAD && poll(&in, 1, opt.patience_ms) != 1)
		err = ETIMEDOUT;
	if (err && !sum.errors++)
		complain(c, strerror(err));
	/* The last stage leaves it to the kernel. */
	if (stage != UNREAD_CLOSE)
		will_reset(c);
	close(c->fd);
	free(c);
}

static int run_rst(void)
{
	__u64 count[STAGES] = {}, i;

	for (i = 0; i < opt.conns; i++) {
		rst_one(new_conn(), i % STAGES);
		count[i % STAGES]++;
	}
	printf("connections=%llu at_once=%llu with_data=%llu half_closed=%llu ",
	       opened, count[AT_ONCE], count[WITH_DATA], count[HALF_CLOSED]);
	printf("unread=%llu unread_close=%llu errors=%llu ms=%.0f\n",
	       count[UNREAD], count[UNREAD_CLOSE], sum.errors,
	       (now() - started) * 1e3);
	return sum.errors != 0;
}

/* --- serve --- */

static __u64 mode_arg;
static struct conn *clients[FD_MAX];

/* Return: whether all that was there is sent, with errno where not. */
static bool flush(struct conn *c)
{
	ssize_t n;

	while (c->off < c->len) {
		n = send(c->fd, c->data + c->off, c->len - c->off, MSG_NOSIGNAL);
		if (n < 0)
			return false;
		c->off += n;
	}
	return true;
}

/* Return: whether something came or it is the end, with errno where not. */
static bool more(struct conn *c, size_t len)
{
	ssize_t n = recv(c->fd, c->data, len, 0);

	c->off = 0;
	c->len = n > 0 ? n : 0;
	c->eof = !n;
	return n >= 0;
}

/* What a mode does when something has changed. Return: whether it is over. */
typedef bool (*mode_fn)(struct conn *c);

static bool serve_echo_with(struct conn *c, void (*spoil)(struct conn *c))
{
	while (!c->eof) {
		if (!flush(c) || !more(c, BUFFER))
			return errno != EAGAIN;
		spoil(c);
		c->received += c->len;
	}
	return flush(c) || errno != EAGAIN;
}

/* Whether the byte that is to be spoilt is here. */
static bool here(const struct conn *c)
{
	return mode_arg >= c->received && mode_arg - c->received < c->len;
}

static void spoil_nothing(struct conn *c)
{
	(void)c;
}

static bool serve_echo(struct conn *c)
{
	return serve_echo_with(c, spoil_nothing);
}

static void spoil_wrong(struct conn *c)
{
	if (here(c))
		c->data[mode_arg - c->received] ^= 1;
}

static bool serve_wrong(struct conn *c)
{
	return serve_echo_with(c, spoil_wrong);
}

static void spoil_lost(struct conn *c)
{
	size_t at = mode_arg - c->received;

	if (!here(c))
		return;
	memmove(c->data + at, c->data + at + 1, --c->len - at);
	/* It was here, and is not to be met again. */
	c->received++;
}

static bool serve_lost(struct conn *c)
{
	return serve_echo_with(c, spoil_lost);
}

static void spoil_more(struct conn *c)
{
	if (c->eof)
		c->data[c->len++] = 'x';
}

static bool serve_more(struct conn *c)
{
	return serve_echo_with(c, spoil_more);
}

static bool serve_reset(struct conn *c)
{
	bool over = serve_echo(c);

	if (c->received < mode_arg)
		return over;
	will_reset(c);
	return true;
}

static bool serve_refuse(struct conn *c)
{
	will_reset(c);
	return true;
}

/* The end of a sink: the answer. Return: whether it is over. */
static bool sink_answer(struct conn *c)
{
	if (!c->fin)
		c->len = sprintf((char *)c->data, "%llu", c->received);
	c->fin = true;
	return flush(c) || errno != EAGAIN;
}

static bool serve_sink(struct conn *c)
{
	while (!c->eof) {
		if (!more(c, BUFFER))
			return errno != EAGAIN;
		c->received += c->len;
	}
	return sink_answer(c);
}

/* All happens at the ticks. */
static bool serve_slow(struct conn *c)
{
	(void)c;
	return false;
}

static bool slow_tick(struct conn *c)
{
	if (!c->eof && !more(c, SLOW_BYTES))
		return errno != EAGAIN;
	if (!c->eof)
		c->received += c->len;
	return c->eof && sink_answer(c);
}

static bool serve_source(struct conn *c)
{
	while (c->sent < mode_arg)
		if (!push_some(c, mode_arg))
			return errno != EAGAIN;
	if (!c->fin && shutdown(c->fd, SHUT_WR))
		return true;
	c->fin = true;
	while (!c->eof)
		if (!more(c, BUFFER))
			return errno != EAGAIN;
	return true;
}

static const struct mode {
	const char *name;
	mode_fn run;
	bool arg;
} modes[] = {
	{ "echo", serve_echo, false },
	{ "sink", serve_sink, false },
	{ "slow", serve_slow, false },
	{ "source", serve_source, true },
	{ "refuse", serve_refuse, false },
	{ "wrong", serve_wrong, true },
	{ "lost", serve_lost, true },
	{ "reset", serve_reset, true },
	{ "more", serve_more, false },
	{}
};

static const struct mode *find_mode(const char *text)
{
	const struct mode *mode;
	size_t len = strcspn(text, ":");

	for (mode = modes; mode->name; mode++)
		if (strlen(mode->name) == len && !memcmp(mode->name, text, len) &&
		    mode->arg == (text[len] == ':'))
			break;
	if (!mode->name) {
		fprintf(stderr, "tcp_load: no mode '%s', see --help\n", text);
		exit(2);
	}
	if (mode->arg)
		mode_arg = to_number(text + len + 1, 0, 1e15);
	return mode;
}

static void client_over(struct conn *c)
{
	clients[c->fd] = NULL;
	close(c->fd);
	free(c->data);
	free(c);
}

static void client_begin(int fd)
{
	struct conn *c = new_conn();
	int on = 1;

	if (fd >= FD_MAX)
		die("too many clients");
	/* Urgent data are data. */
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	c->fd = fd;
	c->seed = SEED_SOURCE;
	c->data = malloc(BUFFER);
	if (!c->data)
		die("memory");
	clients[fd] = c;
	watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

static int listen_at(const char *port)
{
	union address local = resolve(opt.ipv6 ? "::" : "0.0.0.0", port);
	int fd = socket(local.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	int on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (opt.ipv6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &local.sa, address_len(&local)) || listen(fd, 4096))
		die("listen");
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
	return fd;
}

static void slow_ticks(mode_fn run)
{
	static double next;
	int i;

	if (run != serve_slow || now() < next)
		return;
	next = now() + TICK_MS / 1e3;
	for (i = 0; i < FD_MAX; i++)
		if (clients[i] && slow_tick(clients[i]))
			client_over(clients[i]);
}

static int serve(const char *port, const char *what)
{
	mode_fn run = find_mode(what)->run;
	struct epoll_event ev[EVENTS];
	int listener = listen_at(port);
	struct conn *c;
	int n, i, fd;

	while (!stopped) {
		n = next_events(ev, run == serve_slow ? TICK_MS : -1);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (c && run(c))
				client_over(c);
		}
		/* Here nobody is left in ev[] whose place could be taken. */
		while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			client_begin(fd);
		slow_ticks(run);
	}
	return 0;
}

/* --- the command line --- */

static const struct command {
	const char *name, *options;
	int (*run)(void);
} commands[] = {
	{ "echo", "c:n:s:uT:h", run_echo },
	{ "put", "c:n:qT:h", run_put },
	{ "get", "c:n:fT:h", run_get },
	{ "cycle", "c:p:T:h", run_cycle },
	{ "hold", "c:etsrh", run_hold },
	{ "rst", "c:n:T:h", run_rst },
	{ "serve", "6h", NULL },
	{}
};

static void usage(void)
{
	fputs(help, stderr);
	exit(2);
}

static void read_flag(int c)
{
	switch (c) {
	case 'u':
		opt.urgent = true;
		break;
	case 'q':
		opt.quiet = true;
		break;
	case 'f':
		opt.fin_first = true;
		break;
	case 'e':
		opt.echo = true;
		break;
	case 't':
		opt.stuff = true;
		break;
	case 'r':
		opt.reset = true;
		break;
	case '6':
		opt.ipv6 = true;
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		usage();
	}
}

static void read_options(int argc, char **argv, const char *options)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' }, {}
	};
	int c;

	opt.patience_ms = slow(20000);
	while ((c = getopt_long(argc, argv, options, longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			opt.conns = to_number(optarg, 1, 1e9);
			break;
		case 'n':
			opt.bytes = to_number(optarg, 0, 1e15);
			break;
		case 'p':
			opt.parallel = to_number(optarg, 1, FD_MAX / 2);
			break;
		case 's':
			opt.slow = !optarg;
			if (optarg)
				opt.chunk = to_number(optarg, 1, BUFFER);
			break;
		case 'T':
			opt.patience_ms = to_number(optarg, 1, 1e9);
			break;
		default:
			read_flag(c);
		}
	}
}

static void prepare(void)
{
	struct sigaction act = { .sa_handler = stop };
	struct rlimit files = { FD_MAX, FD_MAX };

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	/* Not allowed is not asked for: then fewer have to do. */
	setrlimit(RLIMIT_NOFILE, &files);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		die("epoll");
	started = now();
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		read_flag('h');
	for (command = commands; command->name; command++)
		if (argc > 1 && !strcmp(argv[1], command->name))
			break;
	if (!command->name)
		usage();
	read_options(argc - 1, argv + 1, command->options);
	argc -= 1 + optind;
	argv += 1 + optind;
	if (argc != 2)
		usage();
	prepare();
	if (!command->run)
		return serve(argv[0], argv[1]);
	dest = resolve(argv[0], argv[1]);
	return command->run();
}
