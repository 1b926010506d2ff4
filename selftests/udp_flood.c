// SPDX-License-Identifier: GPL-2.0
/*
 * udp_flood - send many datagrams, and look at what comes back.
 *
 * A tool for the shell tests, see --help. Every datagram carries its number
 * and bytes that follow from it, so that a reply can be checked byte by byte
 * without remembering what was sent.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <getopt.h>
#include <linux/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "load.h"

#define PAYLOAD_MAX	65535
#define SOCKETS_MAX	4096
#define BATCH		32

static const char help[] =
"Usage: udp_flood [OPTION]... ADDRESS PORT\n"
"Send datagrams to ADDRESS PORT: IPv4, IPv6 or link-local IPv6%device.\n"
"\n"
"  -c COUNT    this many datagrams (default: as many as -t SECONDS allows)\n"
"  -t SECONDS  for at most that long (default: no limit)\n"
"  -s SIZE     payload bytes, 0 to 65535 (default 64)\n"
"  -g SEGMENTS hand them to the kernel so many at a time, as one packet\n"
"              (UDP_SEGMENT)\n"
"  -p PORTS    send from that many source ports in turn (default 1)\n"
"  -b ADDRESS  send from this address; may be followed by ,PORT\n"
"  -R RATE     at most that many datagrams a second\n"
"  -r          receive replies and compare them byte by byte\n"
"  -w WINDOW   closed loop: at most WINDOW datagrams unanswered; implies -r\n"
"  -o PORT     the replies come to this local port (relay); implies -r\n"
"  -a          every datagram must be answered; implies -r\n"
"  -T MS       give up on replies when none came for so long (default 2000,\n"
"              times KSOCKET_SLOW)\n"
"  -l          do not send: receive at ADDRESS PORT until COUNT, SECONDS or\n"
"              SIGTERM; with -r compare what comes (-s SIZE as the sender's)\n"
"  -h, --help  this\n"
"\n"
"At the end, also after SIGTERM or SIGINT, one line is printed:\n"
"  sent=N received=N wrong=N duplicate=N missing=N errors=N ms=N\n"
"errors are sends that failed, such as ECONNREFUSED; missing is sent less\n"
"received, where replies are looked at.\n"
"Exit status: 0; 1 when a reply was wrong or came twice, or with -a is\n"
"missing; 2 when it could not run.\n";

static struct {
	__u64 count;
	double seconds;
	size_t size;
	int ports;
	const char *bind_addr;
	double rate;
	bool verify;
	__u64 window;
	const char *reply_port;
	bool all;
	int patience_ms;
	bool listen;
	unsigned int segments;
} opt = { .size = 64, .ports = 1, .segments = 1 };

static struct {
	__u64 sent, received, wrong, duplicate, errors;
} sum;

static struct pollfd in[SOCKETS_MAX];
static int out[SOCKETS_MAX];
static int nin;
static __u8 *seen;
static size_t seen_bytes;
static double started;
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/*
 * The payload of datagram @nr: its number, then bytes that follow from it, all in
 * little-endian order, for sender and receiver may be different machines.
 */
static void fill(__u8 *data, size_t len, __u64 nr)
{
	__u64 x = nr * 0x9e3779b97f4a7c15ull + len, word;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		word = htole64(i ? x : nr);
		memcpy(data + i, &word, 8);
		x = x * 6364136223846793005ull + 1442695040888963407ull;
	}
	/* Too short for a number: then all are alike. */
	for (; i < len; i++)
		data[i] = len < 8 ? 0xa5 + i : x >> 56;
}

static bool mark_seen(__u64 nr)
{
	size_t need = nr / 8 + 1;
	bool before;

	if (need > seen_bytes) {
		size_t bytes = need * 2 + 4096;

		seen = realloc(seen, bytes);
		if (!seen)
			die("memory");
		memset(seen + seen_bytes, 0, bytes - seen_bytes);
		seen_bytes = bytes;
	}

	before = seen[nr / 8] & (1 << nr % 8);
	seen[nr / 8] |= 1 << nr % 8;
	return before;
}

static void check(const __u8 *data, size_t len)
{
	static __u8 want[PAYLOAD_MAX];
	__u64 nr = 0;

	if (len != opt.size)
		goto wrong;
	if (len >= 8)
		memcpy(&nr, data, 8);
	nr = le64toh(nr);
	/* A receiver does not know how many there are; 2^32 are too many. */
	if (len >= 8 && nr >= (opt.listen ? 1ull << 32 : sum.sent))
		goto wrong;
	fill(want, len, nr);
	if (memcmp(data, want, len))
		goto wrong;
	if (len >= 8 && mark_seen(nr))
		sum.duplicate++;
	return;

wrong:
	if (!sum.wrong++)
		fprintf(stderr, "udp_flood: wrong datagram, %zu bytes, number %llu\n",
			len, nr);
}

static __u64 drain_one(int fd)
{
	static __u8 data[PAYLOAD_MAX + 1];
	__u64 n;
	ssize_t len;

	for (n = 0; n < BATCH; n++) {
		len = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (len < 0)
			break;
		sum.received++;
		if (opt.verify)
			check(data, len);
	}
	return n;
}

/* Receive what is there; wait for the first @wait_ms at most. */
static __u64 drain(int wait_ms)
{
	__u64 n = 0;
	int i;

	if (nin == 1 && !wait_ms)
		return drain_one(in[0].fd);
	if (poll(in, nin, wait_ms) <= 0)
		return 0;
	for (i = 0; i < nin; i++)
		if (in[i].revents)
			n += drain_one(in[i].fd);
	return n;
}

/* The next datagram, or as many as go in one burst. */
static void send_one(void)
{
	static __u8 data[PAYLOAD_MAX];
	struct pollfd room = { .fd = out[sum.sent / opt.segments % opt.ports],
			       .events = POLLOUT };
	unsigned int n = opt.segments, i;

	if (opt.count && opt.count - sum.sent < n)
		n = opt.count - sum.sent;
	for (i = 0; i < n; i++)
		fill(data + i * opt.size, opt.size, sum.sent + i);
	while (send(room.fd, data, n * opt.size, MSG_DONTWAIT) < 0) {
		if (stopped)
			return;
		if (errno == EAGAIN || errno == ENOBUFS) {
			poll(&room, 1, 100);
			continue;
		}
		/*
		 * An error of an earlier datagram: this one has not gone. One
		 * that will never go must not be tried for ever.
		 */
		if (errno == EMSGSIZE || errno == EINVAL || errno == EPERM ||
		    sum.errors++ > sum.sent + 1000000)
			die("send");
	}
	sum.sent += n;
}

static bool time_is_up(void)
{
	return stopped || (opt.seconds && now() - started >= opt.seconds);
}

static bool may_send(void)
{
	return !opt.count || sum.sent < opt.count;
}

static void pace(void)
{
	double ahead = sum.sent / opt.rate - (now() - started);
	struct timespec ts = { .tv_nsec = ahead * 1e9 };

	if (ahead >= 1)
		ts = (struct timespec){ .tv_sec = 1 };
	if (ahead > 0)
		nanosleep(&ts, NULL);
}

static void flood(void)
{
	__u64 given_up = 0;
	int i;

	while (may_send() && !time_is_up()) {
		for (i = 0; i < BATCH && may_send(); i++) {
			if (opt.window && sum.sent - sum.received - given_up >=
					  opt.window)
				break;
			send_one();
		}
		if (opt.rate)
			pace();
		if (!opt.verify)
			continue;
		if (!i && !drain(opt.patience_ms))
			given_up = sum.sent - sum.received;
		else if (i)
			drain(0);
		/* A late reply is better than none. */
		if (given_up > sum.sent - sum.received)
			given_up = sum.sent - sum.received;
	}
	while (opt.verify && sum.received < sum.sent && !stopped)
		if (!drain(opt.patience_ms))
			break;
}

static void sink(void)
{
	while (!time_is_up() && (!opt.count || sum.received < opt.count))
		drain(100);
}

static void usage(void)
{
	fputs(help, stderr);
	exit(2);
}

static union address dest;

static int open_socket(const union address *local)
{
	int fd = socket(dest.sa.sa_family, SOCK_DGRAM, 0);
	int size = 4 << 20;

	if (fd < 0)
		die("socket");
	/* So that replies are lost by the one under test, not here. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (local && bind(fd, &local->sa, address_len(local)))
		die("bind");
	return fd;
}

static void add_in(int fd)
{
	in[nin].fd = fd;
	in[nin].events = POLLIN;
	nin++;
}

static union address resolve_source(void)
{
	char addr[64], *port;

	snprintf(addr, sizeof(addr), "%s", opt.bind_addr);
	port = strchr(addr, ',');
	if (port)
		*port++ = '\0';
	return resolve(addr, port ? port : "0");
}

static void open_senders(void)
{
	union address local;
	int i;

	if (opt.bind_addr)
		local = resolve_source();
	for (i = 0; i < opt.ports; i++) {
		out[i] = open_socket(opt.bind_addr ? &local : NULL);
		if (connect(out[i], &dest.sa, address_len(&dest)))
			die("connect");
		if (opt.verify && !opt.reply_port)
			add_in(out[i]);
	}
	if (opt.reply_port) {
		local = resolve(dest.sa.sa_family == AF_INET ? "0.0.0.0" : "::",
				opt.reply_port);
		add_in(open_socket(&local));
	}
	for (i = 0; opt.segments > 1 && i < opt.ports; i++) {
		int size = opt.size;

		if (setsockopt(out[i], IPPROTO_UDP, UDP_SEGMENT, &size,
			       sizeof(size)))
			die("UDP_SEGMENT");
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' }, {}
	};
	int c;

	opt.patience_ms = slow(2000);
	while ((c = getopt_long(argc, argv, "c:t:s:g:p:b:R:rw:o:aT:lh", longs,
				NULL)) != -1) {
		switch (c) {
		case 'c':
			opt.count = to_number(optarg, 1, 1e12);
			break;
		case 't':
			opt.seconds = to_number(optarg, 0, 1e6);
			break;
		case 's':
			opt.size = to_number(optarg, 0, PAYLOAD_MAX);
			break;
		case 'g':
			opt.segments = to_number(optarg, 1, 64);
			break;
		case 'p':
			opt.ports = to_number(optarg, 1, SOCKETS_MAX - 1);
			break;
		case 'b':
			opt.bind_addr = optarg;
			break;
		case 'R':
			opt.rate = to_number(optarg, 0.01, 1e9);
			break;
		case 'w':
			opt.window = to_number(optarg, 1, 1e9);
			opt.verify = true;
			break;
		case 'o':
			opt.reply_port = optarg;
			opt.verify = true;
			break;
		case 'a':
			opt.all = true;
			opt.verify = true;
			break;
		case 'r':
			opt.verify = true;
			break;
		case 'T':
			opt.patience_ms = to_number(optarg, 1, 1e6);
			break;
		case 'l':
			opt.listen = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			usage();
		}
	}
	if (argc - optind != 2 || opt.segments * opt.size > PAYLOAD_MAX)
		usage();
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = stop };
	__u64 missing = 0;

	read_options(argc, argv);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	dest = resolve(argv[optind], argv[optind + 1]);

	if (opt.listen)
		add_in(open_socket(&dest));
	else
		open_senders();
	started = now();
	if (opt.listen)
		sink();
	else
		flood();

	if (opt.verify && !opt.listen && sum.sent > sum.received)
		missing = sum.sent - sum.received;
	printf("sent=%llu received=%llu wrong=%llu duplicate=%llu ", sum.sent,
	       sum.received, sum.wrong, sum.duplicate);
	printf("missing=%llu errors=%llu ms=%.0f\n", missing, sum.errors,
	       (now() - started) * 1e3);

	return sum.wrong || sum.duplicate || (opt.all && missing);
}
