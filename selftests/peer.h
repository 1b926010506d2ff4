/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the peers in user space share: a tun device as the wire, checksums, IP
 * headers, numbers at random, and counters of the kernel.
 *
 * The host is 192.0.2.1 and 2001:db8::1, the peer is 192.0.2.2 and 2001:db8::2.
 */
#ifndef PEER_H
#define PEER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "common.h"

#define PEER_DEVICE	"tun0"
#define PEER_HOST4	0xc0000201
#define PEER_PEER4	0xc0000202
/* The longest packet, with what tun wants before it. */
#define PEER_ROOM	(65600 + sizeof(struct virtio_net_hdr))

static const char *peer_name;

static inline void peer_die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", peer_name, what, strerror(errno));
	exit(2);
}

/* --- time --- */

static inline __s64 peer_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* How many times longer things take on a kernel that checks itself. */
static inline int peer_slow(void)
{
	return getenv("KSOCKET_DEBUG_KERNEL") ? 8 : 1;
}

/* --- numbers at random: the same ones for the same seed --- */

static inline void peer_seed(__u64 seed)
{
	seed = (seed + 1) * 0x9e3779b97f4a7c15ull;
	next_state = (__u32)(seed >> 32) | 1;
	next();
	next();
}

/* From 0 to @n - 1. */
static inline __u32 below(__u32 n)
{
	return next() % n;
}

static inline bool one_in(__u32 n)
{
	return !below(n);
}

/* --- checksums --- */

static inline __u32 sum_bytes(const void *data, size_t len, __u32 sum)
{
	const __u8 *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] << 8;
	return sum;
}

static inline __u16 sum_fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* --- the wire --- */

/* The device is there already, see peer_tun in the shell tests' library. */
static inline int peer_tun_open(void)
{
	struct ifreq ifr = {
		.ifr_name = PEER_DEVICE,
		.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
	};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		peer_die(PEER_DEVICE);
	/*
	 * The device has a carrier now. Until the kernel's work that watches for that
	 * has run, it drops what is sent by it.
	 */
	usleep(slow(200000));
	return fd;
}

static inline void peer_address6(struct in6_addr *addr, __u8 host)
{
	memset(addr, 0, sizeof(*addr));
	addr->s6_addr[0] = 0x20;
	addr->s6_addr[1] = 0x01;
	addr->s6_addr[2] = 0x0d;
	addr->s6_addr[3] = 0xb8;
	addr->s6_addr[15] = host;
}

/* A header from the peer to the host. Return: its length. */
static inline size_t peer_ip(void *to, bool v6, __u8 proto, size_t len)
{
	struct ipv6hdr *ip6 = to;
	struct iphdr *ip4 = to;

	if (v6) {
		memset(ip6, 0, sizeof(*ip6));
		ip6->version = 6;
		ip6->payload_len = htons(len);
		ip6->nexthdr = proto;
		ip6->hop_limit = 64;
		peer_address6(&ip6->saddr, 2);
		peer_address6(&ip6->daddr, 1);
		return sizeof(*ip6);
	}
	memset(ip4, 0, sizeof(*ip4));
	ip4->version = 4;
	ip4->ihl = 5;
	ip4->tot_len = htons(sizeof(*ip4) + len);
	ip4->ttl = 64;
	ip4->protocol = proto;
	ip4->saddr = htonl(PEER_PEER4);
	ip4->daddr = htonl(PEER_HOST4);
	ip4->check = sum_fold(sum_bytes(ip4, sizeof(*ip4), 0));
	return sizeof(*ip4);
}

/* The sum of the pseudo-header of what is after an IP header without options. */
static inline __u32 peer_pseudo(const void *ip, bool v6, __u8 proto, size_t len)
{
	const __u8 *p = ip;

	return v6 ? sum_bytes(p + offsetof(struct ipv6hdr, saddr), 32, len + proto) :
		    sum_bytes(p + offsetof(struct iphdr, saddr), 8, len + proto);
}

/* --- counters --- */

/* A counter of the stack, such as "PruneCalled" in /proc/net/netstat. */
static inline long peer_netstat(const char *name)
{
	static char names[8192], values[8192];
	FILE *file = fopen("/proc/net/netstat", "r");
	char *n, *v, *ns, *vs;
	long found = -1;

	if (!file)
		peer_die("/proc/net/netstat");
	while (found < 0 && fgets(names, sizeof(names), file) &&
	       fgets(values, sizeof(values), file)) {
		n = strtok_r(names, "\n ", &ns);
		v = strtok_r(values, "\n ", &vs);
		while (n && v && found < 0) {
			if (!strcmp(n, name))
				found = atol(v);
			n = strtok_r(NULL, "\n ", &ns);
			v = strtok_r(NULL, "\n ", &vs);
		}
	}
	fclose(file);
	return found;
}

/**
 * struct peer_books - what /proc/net/ksocket says of the only service
 * @rx: rx_packets
 * @tx: tx_packets
 * @connections: as it says
 * @accepted: as it says
 * @closes: the sum of close_*
 * @drops: the sum of drop_*, discarded and queued
 */
struct peer_books {
	long long rx, tx, connections, accepted, closes, drops;
};

static inline struct peer_books peer_books(void)
{
	FILE *file = fopen("/proc/net/ksocket", "r");
	struct peer_books b = {};
	char line[256], key[64];
	long long value;

	if (!file)
		peer_die("/proc/net/ksocket");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %lld", key, &value) != 2)
			continue;
		if (!strcmp(key, "rx_packets"))
			b.rx = value;
		else if (!strcmp(key, "tx_packets"))
			b.tx = value;
		else if (!strcmp(key, "connections"))
			b.connections = value;
		else if (!strcmp(key, "accepted"))
			b.accepted = value;
		else if (!strncmp(key, "close_", 6))
			b.closes += value;
		else if (!strncmp(key, "drop_", 5) || !strcmp(key, "discarded") ||
			 !strcmp(key, "queued"))
			b.drops += value;
	}
	fclose(file);
	return b;
}

/* One of its numbers. */
static inline long peer_counter(const char *name)
{
	FILE *file = fopen("/proc/net/ksocket", "r");
	long value, found = -1;
	char line[256], key[64];

	if (!file)
		peer_die("/proc/net/ksocket");
	while (found < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", key, &value) == 2 && !strcmp(key, name))
			found = value;
	fclose(file);
	return found;
}

#endif /* PEER_H */
