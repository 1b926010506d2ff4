// SPDX-License-Identifier: GPL-2.0
/*
 * The door of the socket options: services are made, looked at and ended by
 * structs of include/uapi/linux/ksocket.h, and whatever else is brought to it is
 * refused and changes nothing.
 *
 * Each test has a network namespace and a load of the module of its own, without
 * a service. KSOCKET_SOAK makes the random part long.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "common.h"

#include "../include/uapi/linux/ksocket.h"
#include "../include/uapi/linux/ksocket_netlink.h"

#define PORT		7000
#define PATIENCE	slow(30)	/* seconds */

static struct ksocket_so_addr address(int family, int port)
{
	struct ksocket_so_addr addr = { .family = family, .port = htons(port) };

	if (family == AF_INET)
		inet_pton(AF_INET, "127.0.0.1", addr.addr);
	else
		inet_pton(AF_INET6, "::1", addr.addr);
	return addr;
}

static struct ksocket_so_service service(int mode)
{
	struct ksocket_so_service svc = {
		.name = "a",
		.mode = mode,
		.datapath = KSOCKET_DATAPATH_SOFTIRQ,
		.listen = address(AF_INET, PORT),
		.threads = 1,
		.buffer_size = 65535,
		.min_source_port = 1024,
	};

	if (mode == KSOCKET_MODE_RELAY || mode == KSOCKET_MODE_TEXT ||
	    mode == KSOCKET_MODE_BEACON)
		svc.reply = address(AF_INET, PORT + 1);
	if (mode == KSOCKET_MODE_BEACON) {
		memset(&svc.listen, 0, sizeof(svc.listen));
		svc.datapath = KSOCKET_DATAPATH_COPY;
		svc.interval = KSOCKET_INTERVAL_MAX;
	}
	return svc;
}

static struct ksocket_so_service tcp_service(int mode)
{
	struct ksocket_so_service svc = service(mode);

	svc.proto = KSOCKET_PROTO_TCP;
	svc.datapath = KSOCKET_DATAPATH_ZEROCOPY;
	svc.max_connections = 2;
	svc.backlog = 16;
	svc.idle_timeout = 600;
	svc.keepalive = 50;
	return svc;
}

static struct ksocket_so_service uplink_service(int mode)
{
	struct ksocket_so_service svc = service(mode);

	svc.reply_proto = KSOCKET_PROTO_TCP;
	svc.framing = KSOCKET_FRAMING_NEWLINE;
	svc.queue_bytes = KSOCKET_QUEUE_BYTES_MIN;
	svc.keepalive = 5;
	return svc;
}

FIXTURE(so)
{
	int fd;
	int level;
};

FIXTURE_VARIANT(so)
{
	int family;
	int level;
};

FIXTURE_VARIANT_ADD(so, ip) {
	.family = AF_INET, .level = IPPROTO_IP,
};

FIXTURE_VARIANT_ADD(so, ipv6) {
	.family = AF_INET6, .level = IPPROTO_IPV6,
};

FIXTURE_SETUP(so)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, lo_up());
	ASSERT_EQ(0, load("listen_port=0"));
	self->level = variant->level;
	self->fd = socket(variant->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(so)
{
	EXPECT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
}

/* Return: 0 or the errno. */
static int so_set(FIXTURE_DATA(so) * self, int option, const void *arg,
		  size_t len)
{
	return setsockopt(self->fd, self->level, option, arg, len) ? errno : 0;
}

static int so_get(FIXTURE_DATA(so) * self, int option, void *arg, size_t len)
{
	socklen_t size = len;

	if (getsockopt(self->fd, self->level, option, arg, &size))
		return errno;
	return size == len ? 0 : -1;
}

static int add(FIXTURE_DATA(so) * self, const struct ksocket_so_service *svc)
{
	return so_set(self, KSOCKET_SO_ADD, svc, sizeof(*svc));
}

static int del(FIXTURE_DATA(so) * self, const char *what)
{
	struct ksocket_so_name name = {};

	memcpy(name.name, what, strlen(what));
	return so_set(self, KSOCKET_SO_DEL, &name, sizeof(name));
}

static int services(FIXTURE_DATA(so) * self)
{
	struct ksocket_so_info info;

	memset(&info, 0xff, sizeof(info));
	if (so_get(self, KSOCKET_SO_INFO, &info, sizeof(info)) ||
	    info.version != KSOCKET_SO_VERSION)
		return -1;
	return info.services;
}

/* Return: the socket, or -1. */
static int dial(int type, int port)
{
	struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (void *)&in, sizeof(in)))
		return fd;
	close(fd);
	return -1;
}

static bool answers(int fd)
{
	char answer[8] = "";

	return send(fd, "hello", 5, MSG_NOSIGNAL) == 5 &&
	       recv(fd, answer, sizeof(answer), 0) == 5 &&
	       !strcmp(answer, "hello");
}

static bool echoes(int port)
{
	int fd = dial(SOCK_DGRAM, port);
	bool same = answers(fd);

	close(fd);
	return same;
}

static struct ksocket_so_stats stats_of(FIXTURE_DATA(so) * self, const char *name)
{
	struct ksocket_so_stats stats = {};

	memcpy(stats.name, name, strlen(name));
	if (so_get(self, KSOCKET_SO_STATS, &stats, sizeof(stats)))
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

/* An end is seen a bit later than it is made. */
static struct ksocket_so_stats stats_with(FIXTURE_DATA(so) * self, __u32 connections,
					  __u64 accepted)
{
	struct ksocket_so_stats stats;
	__u64 known;
	int i, n;

	for (i = 0; i < PATIENCE * 100; i++) {
		stats = stats_of(self, "a");
		known = stats.connections;
		for (n = 0; n < KSOCKET_SO_CLOSES; n++)
			known += stats.closes[n];
		if (stats.connections == connections && stats.accepted == accepted &&
		    known == accepted)
			break;
		usleep(10000);
	}
	return stats;
}

/* What is asked is what runs, and what is told, every byte of it. */
TEST_F(so, round_trip)
{
	struct ksocket_so_service svc = service(KSOCKET_MODE_ECHO), got;
	static const struct ksocket_so_stats none;
	struct ksocket_so_stats stats;

	ASSERT_EQ(0, services(self));
	ASSERT_EQ(0, add(self, &svc));
	EXPECT_EQ(1, services(self));
	EXPECT_EQ(1, services_shown());
	EXPECT_TRUE(echoes(PORT));

	memset(&got, 0xff, sizeof(got));
	memcpy(got.name, svc.name, sizeof(got.name));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));

	memset(&stats, 0xff, sizeof(stats));
	memcpy(stats.name, svc.name, sizeof(stats.name));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_STATS, &stats, sizeof(stats)));
	EXPECT_EQ(1, stats.rx_packets);
	EXPECT_EQ(5, stats.rx_bytes);
	EXPECT_EQ(1, stats.tx_packets);
	EXPECT_EQ(0, stats.unreachable);
	EXPECT_EQ(21, stats.n_drops);
	EXPECT_EQ(13, stats.n_closes);
	/* Nothing of the kernel's memory behind what there is. */
	stats.rx_packets = 0;
	stats.rx_bytes = 0;
	stats.tx_packets = 0;
	stats.tx_bytes = 0;
	stats.wakeups = 0;
	stats.n_drops = 0;
	stats.n_closes = 0;
	memset(stats.name, 0, sizeof(stats.name));
	EXPECT_EQ(0, memcmp(&stats, &none, sizeof(stats)));

	EXPECT_EQ(EEXIST, add(self, &svc));
	EXPECT_EQ(0, del(self, "a"));
	EXPECT_EQ(ENOENT, del(self, "a"));
	EXPECT_EQ(0, services(self));
}

/* With every member another value than the usual one. */
TEST_F(so, every_member)
{
	struct ksocket_so_service svc = service(KSOCKET_MODE_TEXT), got = {};

	memcpy(svc.name, "fifteen.letters", 16);
	memcpy(got.name, svc.name, 16);
	svc.datapath = KSOCKET_DATAPATH_COPY;
	svc.listen = address(AF_INET6, PORT);
	svc.reply = address(AF_INET6, PORT + 1);
	svc.ifindex = 1;
	svc.buffer_size = 1;
	svc.rcvbuf = 4096;
	svc.sndbuf = KSOCKET_SOCKBUF_MAX;
	svc.gro = 1;
	svc.text_len = KSOCKET_SO_TEXT_LEN;
	memset(svc.text, 0xa5, sizeof(svc.text));
	ASSERT_EQ(0, add(self, &svc));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));
	EXPECT_EQ(0, del(self, "fifteen.letters"));
}

/* In the order of Documentation/drop-reasons.rst. */
enum { CLOSE_DONE, CLOSE_RESET, CLOSE_LIMIT = 5, CLOSE_UPSTREAM_REFUSED = 7 };
enum { DROP_QUEUE_AWAY = 17 };

TEST_F(so, connections)
{
	struct ksocket_so_service svc = tcp_service(KSOCKET_MODE_ECHO), got;
	static const struct linger reset = { .l_onoff = 1 };
	struct ksocket_so_stats stats;
	int fds[3], i;
	char byte;

	ASSERT_EQ(0, add(self, &svc));
	memset(&got, 0xff, sizeof(got));
	memcpy(got.name, svc.name, sizeof(got.name));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));

	for (i = 0; i < 2; i++) {
		fds[i] = dial(SOCK_STREAM, PORT);
		ASSERT_LE(0, fds[i]);
		EXPECT_TRUE(answers(fds[i]));
	}
	/* The third is reset at once. */
	fds[2] = dial(SOCK_STREAM, PORT);
	if (fds[2] >= 0) {
		EXPECT_GE(0, recv(fds[2], &byte, 1, 0));
		close(fds[2]);
	}
	stats = stats_with(self, 2, 3);
	EXPECT_EQ(2, stats.connections);
	EXPECT_EQ(3, stats.accepted);
	EXPECT_EQ(1, stats.closes[CLOSE_LIMIT]);

	close(fds[0]);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fds[1]);
	stats = stats_with(self, 0, 3);
	EXPECT_EQ(0, stats.connections);
	EXPECT_EQ(13, stats.n_closes);
	EXPECT_EQ(1, stats.closes[CLOSE_DONE]);
	EXPECT_EQ(1, stats.closes[CLOSE_RESET]);
	EXPECT_EQ(1, stats.closes[CLOSE_LIMIT]);
	EXPECT_EQ(10, stats.rx_bytes);
	EXPECT_EQ(10, stats.tx_bytes);
	EXPECT_EQ(0, stats.rx_packets);
	EXPECT_EQ(0, stats.tx_packets);
	EXPECT_EQ(0, stats.connected);
	EXPECT_EQ(0, del(self, "a"));

	/* The same port by UDP, and a relay that nobody waits behind. */
	svc = tcp_service(KSOCKET_MODE_RELAY);
	ASSERT_EQ(0, add(self, &svc));
	memcpy(svc.name, "b", 2);
	EXPECT_EQ(EADDRINUSE, add(self, &svc));
	svc = service(KSOCKET_MODE_ECHO);
	memcpy(svc.name, "u", 2);
	EXPECT_EQ(0, add(self, &svc));
	EXPECT_TRUE(echoes(PORT));
	fds[0] = dial(SOCK_STREAM, PORT);
	if (fds[0] >= 0) {
		EXPECT_GE(0, recv(fds[0], &byte, 1, 0));
		close(fds[0]);
	}
	stats = stats_with(self, 0, 1);
	EXPECT_EQ(1, stats.closes[CLOSE_UPSTREAM_REFUSED]);
	/* Told within a second. */
	for (i = 0; i < PATIENCE * 100 && !stats.unreachable; i++) {
		usleep(10000);
		stats = stats_of(self, "a");
	}
	EXPECT_EQ(1, stats.unreachable);
	EXPECT_EQ(0, stats.connected);
	EXPECT_EQ(0, del(self, "u"));
	EXPECT_EQ(0, del(self, "a"));
}

/* The ends of the ranges. */
TEST_F(so, connections_ranges)
{
	struct ksocket_so_service svc = tcp_service(KSOCKET_MODE_DISCARD), got = {};

	memcpy(got.name, svc.name, sizeof(got.name));
	svc.max_connections = KSOCKET_CONNECTIONS_MAX;
	svc.backlog = 65535;
	svc.idle_timeout = KSOCKET_IDLE_TIMEOUT_MAX;
	svc.keepalive = KSOCKET_KEEPALIVE_MAX;
	ASSERT_EQ(0, add(self, &svc));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));
	EXPECT_EQ(0, del(self, "a"));

	svc.max_connections = 1;
	svc.backlog = 1;
	svc.idle_timeout = 0;
	svc.keepalive = 0;
	ASSERT_EQ(0, add(self, &svc));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));
	EXPECT_EQ(0, del(self, "a"));
}

/* Datagrams that go on by TCP: the receiver is away, so they wait. */
TEST_F(so, uplink)
{
	struct ksocket_so_service svc = uplink_service(KSOCKET_MODE_RELAY), got = {};
	static const char text[1000];
	struct ksocket_so_stats stats;
	int fd, i;

	memcpy(got.name, svc.name, sizeof(got.name));
	ASSERT_EQ(0, add(self, &svc));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));

	fd = dial(SOCK_DGRAM, PORT);
	ASSERT_LE(0, fd);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1000, send(fd, text, 1000, 0));
	/* The fifth one is one too many. */
	EXPECT_EQ(100, send(fd, text, 100, 0));
	for (i = 0; i < 1000; i++) {
		stats = stats_of(self, "a");
		if (stats.rx_packets == 5 && stats.unreachable && stats.connect_failed)
			break;
		usleep(20000);
	}
	EXPECT_EQ(4, stats.queued);
	EXPECT_EQ(4 * 1004, stats.queued_bytes);
	EXPECT_EQ(1, stats.drops[DROP_QUEUE_AWAY]);
	EXPECT_LE(1, stats.connect_failed);
	EXPECT_EQ(0, stats.disconnected);
	EXPECT_EQ(0, stats.connected);
	EXPECT_EQ(1, stats.unreachable);
	close(fd);
	EXPECT_EQ(0, del(self, "a"));
}

/*
 * What the struct holds is the whole service, or it is not to be had: a program that
 * reads a service and adds it again has the same one.
 */
TEST_F(so, all_or_nothing)
{
	static const struct {
		const char *params;
		int err;
	} rows[] = {
		{ "mode=echo ttl=system", EOPNOTSUPP },
		{ "mode=echo dscp=zero", EOPNOTSUPP },
		{ "mode=relay dscp=inherit", EOPNOTSUPP },
		{ "reply_proto=tcp framing=newline newline=escape", EOPNOTSUPP },
		{ "mode=echo ttl=inherit dscp=inherit", 0 },
		{ "mode=relay dscp=zero", 0 },
		{ "reply_proto=tcp framing=newline newline=drop", 0 },
		{ "mode=text", 0 },
	};
	struct ksocket_so_service got, again;
	struct ksocket_so_stats stats;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
		ASSERT_EQ(0, load(rows[i].params));
		memset(&got, 0, sizeof(got));
		memcpy(got.name, "param", 6);
		again = got;
		stats = stats_of(self, "param");
		EXPECT_EQ(13, stats.n_closes);
		EXPECT_EQ(rows[i].err, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got))) {
			TH_LOG("%s", rows[i].params);
		}
		if (rows[i].err)
			continue;
		EXPECT_EQ(0, del(self, "param"));
		EXPECT_EQ(0, add(self, &got));
		EXPECT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &again, sizeof(again)));
		EXPECT_EQ(0, memcmp(&got, &again, sizeof(got)));
	}
}

/* A beacon listens nowhere, and has an interval. */
TEST_F(so, beacon)
{
	struct ksocket_so_service svc = service(KSOCKET_MODE_BEACON), got = {};

	memcpy(got.name, svc.name, sizeof(got.name));
	svc.text_len = 5;
	memcpy(svc.text, "{seq}", 5);
	ASSERT_EQ(0, add(self, &svc));
	ASSERT_EQ(0, so_get(self, KSOCKET_SO_SERVICE, &got, sizeof(got)));
	EXPECT_EQ(0, memcmp(&got, &svc, sizeof(svc)));
	EXPECT_EQ(0, del(self, "a"));
}

/* What a sink of beacons counts is told member by member. */
TEST_F(so, beacon_sink)
{
	static const char *const payloads[] = {
		"seq=0", "seq=9", "seq=5", "seq=5", "", "seq=100", "seq=1",
	};
	struct ksocket_so_service svc = service(KSOCKET_MODE_BEACON_SINK);
	struct ksocket_so_stats stats = { .name = "a" };
	int fd, tries = PATIENCE * 100;
	size_t i;

	ASSERT_EQ(0, add(self, &svc));
	fd = dial(SOCK_DGRAM, PORT);
	ASSERT_LE(0, fd);
	for (i = 0; i < 7; i++)
		EXPECT_EQ(strlen(payloads[i]),
			  send(fd, payloads[i], strlen(payloads[i]), 0));
	close(fd);
	while (!so_get(self, KSOCKET_SO_STATS, &stats, sizeof(stats)) &&
	       stats.discarded < 7 && tries--)
		usleep(10000);
	EXPECT_EQ(4, stats.beacon_received);
	EXPECT_EQ(98, stats.beacon_lost);
	EXPECT_EQ(1, stats.beacon_late);
	EXPECT_EQ(1, stats.beacon_duplicate);
	EXPECT_EQ(1, stats.beacon_restarted);
	EXPECT_EQ(1, stats.beacon_malformed);
	EXPECT_EQ(0, stats.beacon_evicted);
	EXPECT_EQ(0, stats.beacons_missed);
	EXPECT_EQ(0, del(self, "a"));
}

#define BAD(errno, change) BAD_OF(service(KSOCKET_MODE_RELAY), errno, change)
#define BAD_TCP(errno, change) \
	BAD_OF(tcp_service(KSOCKET_MODE_RELAY), errno, change)
#define BAD_BEACON(errno, change) \
	BAD_OF(service(KSOCKET_MODE_BEACON), errno, change)

#define BAD_UPLINK(errno, change) \
	BAD_OF(uplink_service(KSOCKET_MODE_RELAY), errno, change)

#define BAD_OF(what, errno, change) do { \
	struct ksocket_so_service svc = (what); \
	change; \
	EXPECT_EQ(errno, add(self, &svc)) { \
		TH_LOG("%s", #change); \
	} \
	bad++; \
} while (0)

TEST_F(so, refusals)
{
	int bad = 0;

	BAD(EINVAL, svc.name[0] = 0);
	BAD(EINVAL, memset(svc.name, 'x', sizeof(svc.name)));
	BAD(EINVAL, svc.name[5] = 'x');
	BAD(EINVAL, svc.name[1] = ' ');
	BAD(EINVAL, svc.name[1] = '/');
	BAD(ERANGE, svc.mode = 6);
	BAD(ERANGE, svc.mode = ~0u);
	BAD(ERANGE, svc.datapath = 3);
	BAD(ERANGE, svc.gro = 2);
	BAD(ERANGE, svc.threads = 0);
	BAD(ERANGE, svc.threads = 100000);
	BAD(ERANGE, svc.buffer_size = 0);
	BAD(ERANGE, svc.buffer_size = 65536);
	BAD(ERANGE, svc.rcvbuf = 2047);
	BAD(ERANGE, svc.rcvbuf = KSOCKET_SOCKBUF_MAX + 1);
	BAD(ERANGE, svc.sndbuf = 1);
	BAD(ERANGE, svc.sndbuf = ~0u);
	BAD(ERANGE, svc.text_len = 1025);
	BAD(EINVAL, svc.text_len = 1);
	BAD(EINVAL, svc.text[0] = 'x');
	BAD(EINVAL, svc.text[KSOCKET_SO_TEXT_LEN - 1] = 'x');
	BAD_BEACON(EINVAL, (svc.text_len = 3, memcpy(svc.text, "four", 4)));
	BAD(ERANGE, svc.proto = 2);
	BAD(ERANGE, svc.proto = 0xff);
	/* What is for connections only. */
	BAD(EINVAL, svc.max_connections = 1);
	BAD(EINVAL, svc.backlog = 1);
	BAD(EINVAL, svc.idle_timeout = 1);
	BAD(EINVAL, svc.keepalive = 1);
	BAD_TCP(ERANGE, svc.max_connections = 0);
	BAD_TCP(ERANGE, svc.max_connections = KSOCKET_CONNECTIONS_MAX + 1);
	BAD_TCP(ERANGE, svc.backlog = 0);
	BAD_TCP(ERANGE, svc.backlog = 65536);
	BAD_TCP(ERANGE, svc.idle_timeout = KSOCKET_IDLE_TIMEOUT_MAX + 1);
	BAD_TCP(ERANGE, svc.idle_timeout = ~0u);
	BAD_TCP(ERANGE, svc.keepalive = KSOCKET_KEEPALIVE_MAX + 1);
	BAD_TCP(EINVAL, svc.mode = KSOCKET_MODE_TEXT);
	BAD_TCP(ELOOP, svc.reply = svc.listen);
	BAD_TCP(EINVAL, svc.mode = KSOCKET_MODE_DISCARD);
	/* Datagrams by TCP. */
	BAD(EINVAL, svc.framing = KSOCKET_FRAMING_NEWLINE);
	BAD(EINVAL, svc.queue_bytes = 4096);
	BAD_TCP(EINVAL, svc.reply_proto = KSOCKET_PROTO_TCP);
	BAD_UPLINK(ERANGE, svc.reply_proto = 2);
	BAD_UPLINK(ERANGE, svc.framing = 4);
	BAD_UPLINK(ERANGE, svc.queue_bytes = 0);
	BAD_UPLINK(ERANGE, svc.queue_bytes = KSOCKET_QUEUE_BYTES_MAX + 1);
	BAD_UPLINK(ERANGE, svc.keepalive = KSOCKET_KEEPALIVE_MAX + 1);
	BAD_UPLINK(EINVAL, svc.backlog = 1);
	BAD_UPLINK(EINVAL, svc.reply_proto = 0);
	BAD_UPLINK(EINVAL, (svc.mode = KSOCKET_MODE_ECHO,
			    memset(&svc.reply, 0, sizeof(svc.reply))));
	BAD(EINVAL, svc.interval = 2000);
	BAD_BEACON(ERANGE, svc.interval = 0);
	BAD_BEACON(ERANGE, svc.interval = 9);
	BAD_BEACON(ERANGE, svc.interval = 3600001);
	BAD_BEACON(EINVAL, svc.threads = 2);
	/* What has no effect. */
	BAD(EINVAL, svc.min_source_port = 5);
	BAD_TCP(EINVAL, svc.min_source_port = 5);
	BAD_TCP(EINVAL, svc.gro = 1);
	BAD_TCP(EINVAL, svc.buffer_size = 100);
	BAD_BEACON(EINVAL, svc.rcvbuf = 4096);
	BAD_BEACON(EINVAL, svc.gro = 1);
	BAD_BEACON(EINVAL, svc.datapath = KSOCKET_DATAPATH_ZEROCOPY);
	BAD(EINVAL, (svc.mode = KSOCKET_MODE_DISCARD, svc.sndbuf = 4096,
		     memset(&svc.reply, 0, sizeof(svc.reply))));
	BAD_BEACON(EINVAL, svc.listen = address(AF_INET, PORT));
	BAD_BEACON(EINVAL, svc.listen.addr[15] = 1);
	BAD_BEACON(EAFNOSUPPORT, svc.reply.family = 0);
	BAD_BEACON(EINVAL, (svc.text_len = 3, memcpy(svc.text, "{x}", 3)));
	BAD(EAFNOSUPPORT, svc.listen.family = 0);
	BAD(EAFNOSUPPORT, svc.listen.family = AF_UNIX);
	BAD(EINVAL, svc.listen.port = 0);
	BAD(EINVAL, svc.listen.scope = 1);
	BAD(EINVAL, svc.listen.addr[4] = 1);
	BAD(EINVAL, svc.listen.addr[15] = 1);
	BAD(EINVAL, svc.listen.addr[0] = 224);
	BAD(EADDRNOTAVAIL, svc.listen.addr[0] = 10);
	BAD(EINVAL, (svc.listen.family = AF_INET6,
		     inet_pton(AF_INET6, "fe80::1", svc.listen.addr)));
	BAD(EINVAL, (svc.listen = address(AF_INET6, PORT), svc.listen.scope = 1));
	BAD(ENODEV, (svc.listen.family = AF_INET6, svc.listen.scope = 99,
		     inet_pton(AF_INET6, "fe80::1", svc.listen.addr)));
	BAD(EAFNOSUPPORT, svc.reply.family = 0);
	BAD(EINVAL, svc.reply.port = 0);
	BAD(EINVAL, memset(svc.reply.addr, 0, 4));
	BAD(ELOOP, svc.reply = svc.listen);
	BAD(EINVAL, svc.mode = KSOCKET_MODE_ECHO);
	BAD(ENODEV, svc.ifindex = 99);
	BAD(ENODEV, svc.ifindex = ~0u);
	TH_LOG("%d bad requests", bad);
	EXPECT_EQ(0, services(self));
}

/* Options, lengths and pointers. */
TEST_F(so, lengths)
{
	static const size_t set[] = { sizeof(struct ksocket_so_service),
				      sizeof(struct ksocket_so_name) };
	static const size_t get[] = { sizeof(struct ksocket_so_info),
				      sizeof(struct ksocket_so_service),
				      sizeof(struct ksocket_so_stats) };
	size_t i, size = sysconf(_SC_PAGESIZE);
	__u8 *page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *beyond = page + size + 1;

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, mprotect(page + size, size, PROT_NONE));
	page[size - sizeof(struct ksocket_so_name)] = 'x';
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(EINVAL, so_set(self, KSOCKET_SO_BASE + i, page, 0));
		EXPECT_EQ(EINVAL, so_set(self, KSOCKET_SO_BASE + i, page, set[i] - 1));
		EXPECT_EQ(EINVAL, so_set(self, KSOCKET_SO_BASE + i, page, set[i] + 1));
		EXPECT_EQ(EINVAL, so_set(self, KSOCKET_SO_BASE + i, page, 0x7fffffff));
		EXPECT_EQ(EFAULT, so_set(self, KSOCKET_SO_BASE + i, beyond, set[i]));
		EXPECT_EQ(EFAULT, so_set(self, KSOCKET_SO_BASE + i, beyond - set[i],
					 set[i]));
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EINVAL, so_get(self, KSOCKET_SO_BASE + i, page, 0));
		EXPECT_EQ(EINVAL, so_get(self, KSOCKET_SO_BASE + i, page, get[i] - 1));
		EXPECT_EQ(EINVAL, so_get(self, KSOCKET_SO_BASE + i, page, get[i] + 1));
		EXPECT_EQ(EINVAL, so_get(self, KSOCKET_SO_BASE + i, page, (size_t)-1));
		EXPECT_EQ(EFAULT, so_get(self, KSOCKET_SO_BASE + i, beyond, get[i]));
	}
	EXPECT_EQ(ENOPROTOOPT, so_set(self, KSOCKET_SO_SET_END, page, 16));
	EXPECT_EQ(ENOPROTOOPT, so_get(self, KSOCKET_SO_GET_END, page, 16));
	EXPECT_EQ(ENOPROTOOPT, so_set(self, KSOCKET_SO_BASE - 1, page, 16));
	EXPECT_EQ(ENOPROTOOPT, so_get(self, KSOCKET_SO_BASE - 1, page, 16));

	/* The name is read, and there is nobody of that name. */
	memset(page, 0, size);
	EXPECT_EQ(ENOENT, so_get(self, KSOCKET_SO_SERVICE, page, get[1]));
	memset(page, 'x', size);
	EXPECT_EQ(EINVAL, so_get(self, KSOCKET_SO_STATS, page, get[2]));
}

/* The capability comes first, and it is the one over this network namespace. */
TEST_F(so, capability)
{
	struct ksocket_so_service svc = service(KSOCKET_MODE_ECHO);
	int status;
	pid_t pid;

	ASSERT_EQ(0, add(self, &svc));
	pid = fork();
	if (!pid) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		if (add(self, &svc) != EPERM || del(self, "a") != EPERM ||
		    so_set(self, KSOCKET_SO_DEL, NULL, 0) != EPERM ||
		    so_get(self, KSOCKET_SO_INFO, NULL, 0) != EPERM)
			_exit(2);
		/* Not somebody's who is root in a user namespace of his own, */
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(3);
		if (services(self) != -1 || del(self, "a") != EPERM)
			_exit(4);
		/* but there he may. */
		self->fd = socket(AF_INET, SOCK_DGRAM, 0);
		self->level = IPPROTO_IP;
		if (lo_up() || services(self) || del(self, "a") != ENOENT)
			_exit(5);
		if (add(self, &svc) || !echoes(PORT) || services(self) != 1)
			_exit(6);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) {
		TH_LOG("somebody else: exit %d", WEXITSTATUS(status));
	}
	EXPECT_EQ(1, services(self));
	EXPECT_TRUE(echoes(PORT));
	EXPECT_EQ(0, del(self, "a"));
	/* The one of the other namespace ends with it, some time. */
	for (int i = 0; i < PATIENCE * 100; i++) {
		if (!syscall(SYS_delete_module, "ksocket", O_NONBLOCK))
			break;
		usleep(10000);
	}
	ASSERT_EQ(0, load("listen_port=0"));
}

/* What was right, and then something in it is not. */
static void mutate(void *data, size_t len)
{
	static const __u32 wild[] = { 0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fffffff,
				      0x80000000, 0xffffffff };
	__u8 *bytes = data;
	int n = next() % 4;

	while (n--) {
		size_t at = next() % (next() % 2 ? len : 112);

		if (next() % 2 || at > len - 4)
			bytes[at % len] = next();
		else
			memcpy(bytes + (at & ~3), &wild[next() % 9], 4);
	}
}

TEST_F_TIMEOUT(so, random, slow(3000))
{
	int rounds = getenv("KSOCKET_SOAK") ? 100000 : 2000;
	int i, done = 0, option;

	for (i = 0; i < rounds; i++) {
		struct ksocket_so_service svc = next() % 4 ? service(next() % 6) :
							     tcp_service(next() % 3);
		union {
			struct ksocket_so_service svc;
			struct ksocket_so_stats stats;
			struct ksocket_so_name name;
		} got = {};
		size_t len = sizeof(svc);

		svc.name[0] = 'a' + next() % 4;
		if (svc.listen.family)
			svc.listen.port = htons(PORT + next() % 8);
		mutate(&svc, sizeof(svc));
		if (next() % 8 == 0)
			len = next() % (sizeof(svc) + 8);
		if (next() % 2) {
			option = next() % 4 ? KSOCKET_SO_ADD : next() % 3 + KSOCKET_SO_BASE;
			done += !so_set(self, option, &svc, len < sizeof(svc) ? len : sizeof(svc));
			continue;
		}
		memcpy(&got, &svc, sizeof(svc.name));
		option = KSOCKET_SO_BASE + next() % 4;
		done += !so_get(self, option, &got, len == sizeof(svc) && option ==
				KSOCKET_SO_STATS ? sizeof(got.stats) : len);
		got.name.name[0] = 'a' + next() % 4;
		memset(got.name.name + 1, 0, 15);
		done += !so_set(self, KSOCKET_SO_DEL, &got.name, sizeof(got.name));
	}
	TH_LOG("%d calls, %d of them done", rounds, done);
	EXPECT_LT(rounds / 100, done);
	EXPECT_EQ(services(self), services_shown());
}

TEST_HARNESS_MAIN
