// SPDX-License-Identifier: GPL-2.0
/*
 * udp_raw - send datagrams with a source that no socket would give them.
 *
 * A tool for the shell tests: what a forger can put on a wire, and what can
 * be forged on the very host.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char help[] =
"Usage: udp_raw [-c COUNT] [-t TTL] [-d DEVICE -m MAC | -b MTU]\n"
"               SOURCE PORT DESTINATION PORT TEXT\n"
"Send COUNT datagrams (default 1) with this source, true or not.\n"
"\n"
"  -t TTL            or hop limit (default 64)\n"
"  -b MTU            send to SOURCE, by ICMP, that they were too big for MTU\n"
"  -d DEVICE -m MAC  put them on the wire to MAC, past all routing\n"
"                    (default: through a raw socket, past the source check)\n";

/* RFC 792: a type, and a code of it. <linux/icmp.h> and <net/if.h> exclude each other. */
#define ICMP4_UNREACHABLE	3
#define ICMP4_TOO_BIG		4

/* An IPv4 or IPv6 packet, on the stack's own structs. */
struct packet {
	union {
		struct iphdr ip4;
		struct ipv6hdr ip6;
		__u8 bytes[2048];
	};
	size_t ip_len;
	size_t len;
	bool v6;
	__u8 ttl;
};

static void die(const char *what)
{
	fprintf(stderr, "udp_raw: %s: %s\n", what, strerror(errno));
	exit(2);
}

static __u32 sum_bytes(const void *data, size_t len, __u32 sum)
{
	const __u8 *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] << 8;
	return sum;
}

static __u16 sum_fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static struct udphdr *packet_udp(struct packet *pkt)
{
	return (struct udphdr *)(pkt->bytes + pkt->ip_len);
}

static void build_ip4(struct packet *pkt, const char *src, const char *dst)
{
	struct iphdr *ip = &pkt->ip4;

	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = pkt->ttl;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons(pkt->len);
	if (inet_pton(AF_INET, src, &ip->saddr) != 1 ||
	    inet_pton(AF_INET, dst, &ip->daddr) != 1)
		die("address");
	ip->check = sum_fold(sum_bytes(ip, sizeof(*ip), 0));
}

static void build_ip6(struct packet *pkt, const char *src, const char *dst)
{
	struct ipv6hdr *ip = &pkt->ip6;

	ip->version = 6;
	ip->hop_limit = pkt->ttl;
	ip->nexthdr = IPPROTO_UDP;
	ip->payload_len = htons(pkt->len - sizeof(*ip));
	if (inet_pton(AF_INET6, src, &ip->saddr) != 1 ||
	    inet_pton(AF_INET6, dst, &ip->daddr) != 1)
		die("address");
}

static void build(struct packet *pkt, char **arg)
{
	size_t text_len = strlen(arg[4]);
	struct udphdr *udp;
	__u16 udp_len;
	__u32 sum;

	pkt->v6 = strchr(arg[2], ':');
	pkt->ip_len = pkt->v6 ? sizeof(pkt->ip6) : sizeof(pkt->ip4);
	udp_len = sizeof(*udp) + text_len;
	pkt->len = pkt->ip_len + udp_len;
	if (pkt->len > sizeof(pkt->bytes))
		die("text");
	if (pkt->v6)
		build_ip6(pkt, arg[0], arg[2]);
	else
		build_ip4(pkt, arg[0], arg[2]);

	udp = packet_udp(pkt);
	udp->source = htons(atoi(arg[1]));
	udp->dest = htons(atoi(arg[3]));
	udp->len = htons(udp_len);
	memcpy(udp + 1, arg[4], text_len);

	sum = sum_bytes(udp, udp_len, udp_len + IPPROTO_UDP);
	if (pkt->v6)
		sum = sum_bytes(&pkt->ip6.saddr, 32, sum);
	else
		sum = sum_bytes(&pkt->ip4.saddr, 8, sum);
	udp->check = sum_fold(sum);
	if (!udp->check)
		udp->check = 0xffff;
}

static void send_wire(const struct packet *pkt, const char *device,
		      const char *mac, int count)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(pkt->v6 ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = if_nametoindex(device),
		.sll_halen = ETH_ALEN,
	};
	__u8 *a = to.sll_addr;
	int fd;

	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", a, a + 1, a + 2, a + 3,
		   a + 4, a + 5) != ETH_ALEN)
		die("MAC");
	fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("packet socket");
	while (count--)
		if (sendto(fd, pkt->bytes, pkt->len, 0, (void *)&to,
			   sizeof(to)) < 0)
			die("send");
}

static void send_here(const struct packet *pkt, int count)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	const void *to = pkt->v6 ? (void *)&to6 : (void *)&to4;
	socklen_t len = pkt->v6 ? sizeof(to6) : sizeof(to4);
	int fd;

	to4.sin_addr.s_addr = pkt->ip4.daddr;
	memcpy(&to6.sin6_addr, &pkt->ip6.daddr, sizeof(to6.sin6_addr));
	/* IPPROTO_RAW: the header is ours. */
	fd = socket(pkt->v6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		die("raw socket");
	while (count--)
		if (sendto(fd, pkt->bytes, pkt->len, 0, to, len) < 0)
			die("send");
}

/* What a router sends back that cannot pass the packet on. */
static void send_too_big(const struct packet *pkt, __u32 mtu, int count)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	const void *to = pkt->v6 ? (void *)&to6 : (void *)&to4;
	socklen_t len = pkt->v6 ? sizeof(to6) : sizeof(to4);
	/* type, code, checksum, and the MTU in the last of the 32 bits */
	__u8 icmp[8 + sizeof(pkt->bytes)] = {
		pkt->v6 ? ICMPV6_PKT_TOOBIG : ICMP4_UNREACHABLE,
		pkt->v6 ? 0 : ICMP4_TOO_BIG,
		[6] = mtu >> 8, [7] = mtu,
	};
	__u16 sum;
	int fd;

	to4.sin_addr.s_addr = pkt->ip4.saddr;
	memcpy(&to6.sin6_addr, &pkt->ip6.saddr, sizeof(to6.sin6_addr));
	memcpy(icmp + 8, pkt->bytes, pkt->len);
	/* That of ICMPv6 is the kernel's. */
	sum = sum_fold(sum_bytes(icmp, 8 + pkt->len, 0));
	memcpy(icmp + 2, &sum, sizeof(sum));
	fd = socket(pkt->v6 ? AF_INET6 : AF_INET, SOCK_RAW,
		    pkt->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (fd < 0)
		die("raw socket");
	while (count--)
		if (sendto(fd, icmp, 8 + pkt->len, 0, to, len) < 0)
			die("send");
}

int main(int argc, char **argv)
{
	const char *device = NULL, *mac = NULL;
	struct packet pkt = { .ttl = 64 };
	int c, count = 1, mtu = 0;

	while ((c = getopt(argc, argv, "b:c:t:d:m:h")) != -1) {
		switch (c) {
		case 'b':
			mtu = atoi(optarg);
			break;
		case 't':
			pkt.ttl = atoi(optarg);
			break;
		case 'c':
			count = atoi(optarg);
			break;
		case 'd':
			device = optarg;
			break;
		case 'm':
			mac = optarg;
			break;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (argc - optind != 5 || !device != !mac || (device && mtu)) {
		fputs(help, stderr);
		return 2;
	}
	build(&pkt, argv + optind);
	if (device)
		send_wire(&pkt, device, mac, count);
	else if (mtu)
		send_too_big(&pkt, mtu, count);
	else
		send_here(&pkt, count);
	return 0;
}
