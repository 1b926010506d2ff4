// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes are bytes: whatever the size and contents of a datagram, what comes
 * out of ksocket is what went in, to the byte, over IPv4 and IPv6, whole and
 * in fragments, and one datagram is one datagram, the empty one too.
 *
 * Each test has a network namespace and a load of the module of its own.
 * KSOCKET_KO names the module, KSOCKET_PARAMS are parameters for all tests.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <sys/time.h>

#include "kselftest_harness.h"

#include "common.h"

#define LISTEN_PORT	7000
#define REPLY_PORT	7001
#define BIGGEST		65535
#define BIGGEST_V4	65507	/* 65535 - 20 - 8 */
#define BIGGEST_V6	65527	/* 65535 - 8: the IPv6 header does not count */
#define PATIENCE	slow(30)	/* seconds */
#define SMALL_BUFFER	512

static const char text[] = "testing...";

/* A counter of the namespace's one service, -1 without. */
static long long counter(const char *key)
{
	FILE *file = fopen("/proc/net/ksocket", "r");
	long long value, result = -1;
	char line[256], name[64];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %lld", name, &value) == 2 &&
		    !strcmp(name, key))
			result = value;
	fclose(file);
	return result;
}

static bool counter_becomes(const char *key, long long value)
{
	int i;

	for (i = 0; i < PATIENCE * 100; i++) {
		if (counter(key) == value)
			return true;
		usleep(10000);
	}
	return false;
}

static int lo_set_mtu(int mtu)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = mtu };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err = ioctl(fd, SIOCSIFMTU, &ifr);

	close(fd);
	return err;
}

/* A UDP socket on loopback, bound or connected to @port. */
static int udp_socket(int family, int port, bool bound)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const void *addr = family == AF_INET ? (void *)&in : (void *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0 || (bound ? bind : connect)(fd, addr, len))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

enum pattern { NULS, COUNTING, RANDOM, PATTERNS };

static void fill(__u8 *data, size_t len, enum pattern pattern)
{
	static __u32 x = 2463534242;
	size_t i;

	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		data[i] = pattern == RANDOM ? x : pattern == COUNTING ? i : 0;
	}
}

FIXTURE(udp)
{
	int to;		/* connected to the service */
	int from;	/* where its answers come */
	long long sent;
	__u8 request[BIGGEST];
	__u8 answer[BIGGEST + 1];
};

FIXTURE_VARIANT(udp)
{
	int family;
	const char *mode;
	int mtu;
};

FIXTURE_VARIANT_ADD(udp, echo_v4) {
	.family = AF_INET, .mode = "echo", .mtu = 65536,
};

FIXTURE_VARIANT_ADD(udp, echo_v6) {
	.family = AF_INET6, .mode = "echo", .mtu = 65536,
};

FIXTURE_VARIANT_ADD(udp, echo_v4_fragments_1500) {
	.family = AF_INET, .mode = "echo", .mtu = 1500,
};

FIXTURE_VARIANT_ADD(udp, echo_v6_fragments_1500) {
	.family = AF_INET6, .mode = "echo", .mtu = 1500,
};

FIXTURE_VARIANT_ADD(udp, echo_v6_fragments_1280) {
	.family = AF_INET6, .mode = "echo", .mtu = 1280,
};

FIXTURE_VARIANT_ADD(udp, relay_v4) {
	.family = AF_INET, .mode = "relay", .mtu = 65536,
};

FIXTURE_VARIANT_ADD(udp, relay_v6) {
	.family = AF_INET6, .mode = "relay", .mtu = 65536,
};

FIXTURE_VARIANT_ADD(udp, relay_v4_fragments_1280) {
	.family = AF_INET, .mode = "relay", .mtu = 1280,
};

FIXTURE_VARIANT_ADD(udp, relay_v6_fragments_1500) {
	.family = AF_INET6, .mode = "relay", .mtu = 1500,
};

FIXTURE_VARIANT_ADD(udp, text_v4) {
	.family = AF_INET, .mode = "text", .mtu = 65536,
};

FIXTURE_VARIANT_ADD(udp, text_v6) {
	.family = AF_INET6, .mode = "text", .mtu = 1500,
};

FIXTURE_VARIANT_ADD(udp, discard_v4) {
	.family = AF_INET, .mode = "discard", .mtu = 1500,
};

FIXTURE_VARIANT_ADD(udp, discard_v6) {
	.family = AF_INET6, .mode = "discard", .mtu = 65536,
};

static bool has_receiver(const char *mode)
{
	return !strcmp(mode, "relay") || !strcmp(mode, "text");
}

/* What has no effect in a mode is refused: a receiver, and for a text the datapath. */
static int setup(int family, const char *mode, const char *more)
{
	const char *addr = family == AF_INET ? "127.0.0.1" : "::1";
	const char *all = getenv("KSOCKET_PARAMS");
	char params[512], reply[128] = "";

	if (!all || !strcmp(mode, "text"))
		all = "";
	if (has_receiver(mode))
		snprintf(reply, sizeof(reply), "reply_addr=%s reply_port=%d", addr,
			 REPLY_PORT);
	snprintf(params, sizeof(params), "%s mode=%s listen_addr=%s listen_port=%d %s %s",
		 all, mode, addr, LISTEN_PORT, reply, more);
	return load(params);
}

FIXTURE_SETUP(udp)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, lo_up());
	ASSERT_EQ(0, lo_set_mtu(variant->mtu));
	ASSERT_EQ(0, setup(variant->family, variant->mode, ""));

	self->to = udp_socket(variant->family, LISTEN_PORT, false);
	ASSERT_LE(0, self->to);
	self->from = self->to;
	if (has_receiver(variant->mode))
		self->from = udp_socket(variant->family, REPLY_PORT, true);
	ASSERT_LE(0, self->from);
}

/* Whatever the test was about, the books balance. */
FIXTURE_TEARDOWN(udp)
{
	EXPECT_TRUE(counter_becomes("rx_packets", self->sent));
	/* An answer can be here before it is counted. */
	EXPECT_TRUE(counter_becomes(!strcmp(variant->mode, "discard") ?
				    "discarded" : "tx_packets", self->sent));
	EXPECT_EQ(0, counter("rx_overflow"));
	EXPECT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
}

static void exchange(struct __test_metadata *_metadata,
		     FIXTURE_DATA(udp) * self, const char *mode, size_t len)
{
	const void *want = self->request;
	ssize_t want_len = len;
	ssize_t got;

	ASSERT_EQ((ssize_t)len, send(self->to, self->request, len, 0)) {
		TH_LOG("send of %zu bytes: %s", len, strerror(errno));
	}
	self->sent++;
	if (!strcmp(mode, "discard")) {
		ASSERT_TRUE(counter_becomes("discarded", self->sent));
		return;
	}
	if (!strcmp(mode, "text")) {
		want = text;
		want_len = strlen(text);
	}
	memset(self->answer, 0xee, sizeof(self->answer));
	got = recv(self->from, self->answer, sizeof(self->answer), 0);
	ASSERT_EQ(want_len, got) {
		TH_LOG("answer to %zu bytes: %zd bytes", len, got);
	}
	ASSERT_EQ(0, memcmp(want, self->answer, want_len)) {
		TH_LOG("answer to %zu bytes: other bytes", len);
	}
}

TEST_F_TIMEOUT(udp, sizes_and_contents, slow(240))
{
	static const size_t sizes[] = { 0, 1, 2, 511, 512, 1232, 1233, 1452,
					1453, 1472, 1473, 4096, 9000, 65487,
					BIGGEST_V4 };
	long long bytes = 0;
	size_t i, pattern;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (pattern = 0; pattern < PATTERNS; pattern++) {
			fill(self->request, sizes[i], pattern);
			exchange(_metadata, self, variant->mode, sizes[i]);
			bytes += sizes[i];
		}
	}
	EXPECT_EQ(bytes, counter("rx_bytes"));
	if (!strcmp(variant->mode, "text"))
		bytes = self->sent * strlen(text);
	if (!strcmp(variant->mode, "discard"))
		bytes = 0;
	EXPECT_TRUE(counter_becomes("tx_bytes", bytes));
}

/* What the stack takes at most, ksocket takes too. */
TEST_F_TIMEOUT(udp, biggest, slow(120))
{
	size_t len = variant->family == AF_INET ? BIGGEST_V4 : BIGGEST_V6;

	ASSERT_EQ(-1, send(self->to, self->request, len + 1, 0));
	ASSERT_EQ(EMSGSIZE, errno);
	fill(self->request, len, RANDOM);
	exchange(_metadata, self, variant->mode, len);
}

/* Every length is a length: the answer has it, and no answer joins another. */
TEST_F_TIMEOUT(udp, each_small_size, slow(240))
{
	size_t len;

	for (len = 0; len <= 64; len++) {
		fill(self->request, len, RANDOM);
		exchange(_metadata, self, variant->mode, len);
	}
}

/* No answer to an empty datagram would look like the end of the service. */
TEST_F_TIMEOUT(udp, empty_ones_between_others, slow(120))
{
	static const size_t sizes[] = { 0, 0, 5, 0, 1000, 0, 0, 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill(self->request, sizes[i], COUNTING);
		exchange(_metadata, self, variant->mode, sizes[i]);
	}
}

FIXTURE(buffer)
{
	int to;
	int from;
};

FIXTURE_VARIANT(buffer)
{
	int family;
	const char *mode;
};

FIXTURE_VARIANT_ADD(buffer, echo_v4) {
	.family = AF_INET, .mode = "echo",
};

FIXTURE_VARIANT_ADD(buffer, echo_v6) {
	.family = AF_INET6, .mode = "echo",
};

FIXTURE_VARIANT_ADD(buffer, relay_v4) {
	.family = AF_INET, .mode = "relay",
};

FIXTURE_VARIANT_ADD(buffer, relay_v6) {
	.family = AF_INET6, .mode = "relay",
};

FIXTURE_SETUP(buffer)
{
	char more[32];

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, lo_up());
	snprintf(more, sizeof(more), "buffer_size=%d", SMALL_BUFFER);
	ASSERT_EQ(0, setup(variant->family, variant->mode, more));
	self->to = udp_socket(variant->family, LISTEN_PORT, false);
	ASSERT_LE(0, self->to);
	self->from = self->to;
	if (!strcmp(variant->mode, "relay"))
		self->from = udp_socket(variant->family, REPLY_PORT, true);
	ASSERT_LE(0, self->from);
}

FIXTURE_TEARDOWN(buffer)
{
	EXPECT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
}

/*
 * What does not fit is dropped whole and counted; what follows is not touched
 * by it. The answers come in order, so nothing has to be waited for in vain.
 */
TEST_F_TIMEOUT(buffer, one_byte_too_long, slow(120))
{
	static const int sizes[] = { SMALL_BUFFER, SMALL_BUFFER + 1, 65507, 7 };
	static __u8 request[BIGGEST], answer[BIGGEST];
	long long bytes = 0;
	size_t i;

	fill(request, sizeof(request), RANDOM);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(sizes[i], send(self->to, request, sizes[i], 0));
		bytes += sizes[i];
	}
	ASSERT_EQ(SMALL_BUFFER, recv(self->from, answer, sizeof(answer), 0));
	ASSERT_EQ(0, memcmp(request, answer, SMALL_BUFFER));
	ASSERT_EQ(7, recv(self->from, answer, sizeof(answer), 0));
	ASSERT_EQ(0, memcmp(request, answer, 7));

	EXPECT_TRUE(counter_becomes("rx_packets", 4));
	EXPECT_TRUE(counter_becomes("tx_packets", 2));
	EXPECT_EQ(2, counter("drop_truncated"));
	EXPECT_EQ(bytes, counter("rx_bytes"));
	EXPECT_EQ(SMALL_BUFFER + 7, counter("tx_bytes"));
	EXPECT_EQ(-1, recv(self->from, answer, sizeof(answer), MSG_DONTWAIT));
}

/* As ksocket_ready() of lib.sh: nothing is tested with a module not ours. */
int main(int argc, char **argv)
{
	const char *file = getenv("KSOCKET_KO");

	if (!access("/sys/module/ksocket", F_OK)) {
		puts("Bail out! a ksocket that is not ours is loaded: rmmod it first");
		return KSFT_FAIL;
	}
	if (!geteuid() && access(file ? file : "../ksocket.ko", R_OK)) {
		puts("Bail out! no module: run make, or set KSOCKET_KO");
		return KSFT_FAIL;
	}
	return test_harness_run(argc, argv);
}
