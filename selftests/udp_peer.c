// SPDX-License-Identifier: GPL-2.0
/*
 * udp_peer - a sender of datagrams that owns each field of each header.
 *
 * A tool for udp_peer.sh, see --help. Its packets come from a tun device, as from a
 * wire: the host's stack gets all of them. For each kind it knows whether there may
 * be an answer, must be one, or must be none. Whatever the kind, an answer is one to
 * a request that was sent: to its source, with its bytes and no more, and with
 * nothing else of its headers.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <linux/udp.h>
#include <poll.h>

#include "peer.h"

static const char help[] =
"Usage: udp_peer [OPTION]... echo|relay|discard headers|fragments|random...\n"
"Send to the UDP service on port 7000 of this host from behind " PEER_DEVICE ".\n"
"\n"
"  headers    each kind of packet that is known here, once\n"
"  fragments  each kind of datagram in pieces, once\n"
"  random     packets in which something is changed at random\n"
"\n"
"  -c COUNT   packets of \"random\" (default 1000)\n"
"  -s SEED    of \"random\" (default: the time, which is printed)\n"
"  -v         say what becomes of each kind\n"
"\n"
"A relay's receiver is port 7001 of the peer, at 192.0.2.2 or 2001:db8::2.\n"
"Exit status: 0; 1 when the service did something wrong; 2 when it could not run.\n";

#define SERVICE_PORT	7000
#define RECEIVER_PORT	7001
#define MARKER_PORT	9999
#define PAYLOAD		40
/* Packets that an answer may belong to. */
#define RECENT		64

enum role { ECHO, RELAY, DISCARD };

/* What has to become of a packet. */
enum verdict {
	ANSWERED,	/* answered, or passed on, or discarded: taken */
	NEVER,		/* no answer, nothing passed on */
	NO_ECHO,	/* not answered; what goes elsewhere may go */
	MAY,		/* the stack's business, or a setting's */
};

enum sum { RIGHT, ZERO, WRONG };

/**
 * struct spec - a kind of packet
 * @name: for messages
 * @verdict: what has to become of it
 * @reason: the drop that has to be counted, in mode echo, or NULL
 * @v6: IPv6
 * @src: source address, or NULL for the peer's
 * @dst: destination address, or NULL for the host's
 * @sport: source port, or -1 for one that is as good as any
 * @ttl: TTL or hop limit, or 0 for 64; 256 for 0
 * @tos: TOS or traffic class
 * @next: IPv6: protocol of the first extension header, or 0 for none; 256 for 0
 * @ext: options of IPv4, or the extension headers
 * @ext_len: their length
 * @empty: no payload
 * @udp_len: to be added to the length of UDP
 * @ip_len: to be added to the length of IP
 * @sum: the checksum of UDP
 * @bad_ip: what to do to the first byte of IPv4, or to its checksum
 */
struct spec {
	const char *name;
	enum verdict verdict;
	const char *reason;
	bool v6;
	const char *src, *dst;
	int sport;
	int ttl;
	int tos;
	int next;
	const char *ext;
	size_t ext_len;
	bool empty;
	int udp_len, ip_len;
	enum sum sum;
	int bad_ip;
};

struct packet {
	__u8 bytes[2048];
	size_t len;
	size_t l4;
	size_t payload_len;
	__u16 sport;
	bool v6, random;
};

static struct {
	enum role role;
	unsigned int count;
	__u64 seed;
	bool verbose;
} opt = { .count = 1000 };

static int tun;
static const char *kind = "";
static __u16 next_port = 20000;
static struct packet recent[RECENT];
static unsigned int recent_n;
static unsigned int answers, markers;
static unsigned long long sent_total, answers_total;

static void wrong(const char *fmt, ...)
{
	__builtin_va_list args;

	printf("FAIL: %s, seed %llu: ", kind, opt.seed);
	__builtin_va_start(args, fmt);
	vprintf(fmt, args);
	__builtin_va_end(args);
	printf("\n");
	exit(1);
}

/* --- packets out --- */

static void packet_send(const struct packet *pkt)
{
	__u8 buf[sizeof(struct virtio_net_hdr) + sizeof(pkt->bytes)];

	memset(buf, 0, sizeof(struct virtio_net_hdr));
	memcpy(buf + sizeof(struct virtio_net_hdr), pkt->bytes, pkt->len);
	sent_total++;
	/* What is no packet of IP at all is refused at once. */
	if (write(tun, buf, sizeof(struct virtio_net_hdr) + pkt->len) < 0 && errno != EINVAL)
		peer_die("write to " PEER_DEVICE);
}

static void packet_remember(const struct packet *pkt)
{
	recent[recent_n++ % RECENT] = *pkt;
}

static void put_addresses(struct packet *pkt, const struct spec *s)
{
	struct ipv6hdr *ip6 = (void *)pkt->bytes;
	struct iphdr *ip4 = (void *)pkt->bytes;
	int family = pkt->v6 ? AF_INET6 : AF_INET;

	if (s->src && inet_pton(family, s->src,
				pkt->v6 ? (void *)&ip6->saddr : (void *)&ip4->saddr) != 1)
		peer_die(s->src);
	if (s->dst && inet_pton(family, s->dst,
				pkt->v6 ? (void *)&ip6->daddr : (void *)&ip4->daddr) != 1)
		peer_die(s->dst);
}

/* The options or extension headers. The last header of a chain leads to UDP. */
static size_t put_extensions(struct packet *pkt, const struct spec *s)
{
	struct ipv6hdr *ip6 = (void *)pkt->bytes;
	struct iphdr *ip4 = (void *)pkt->bytes;
	size_t at = pkt->v6 ? sizeof(*ip6) : sizeof(*ip4);

	memcpy(pkt->bytes + at, s->ext, s->ext_len);
	if (pkt->v6 && s->next)
		ip6->nexthdr = s->next;
	if (!pkt->v6)
		ip4->ihl += s->ext_len / 4;
	return at + s->ext_len;
}

static void put_lengths(struct packet *pkt, const struct spec *s)
{
	struct ipv6hdr *ip6 = (void *)pkt->bytes;
	struct iphdr *ip4 = (void *)pkt->bytes;

	if (pkt->v6) {
		ip6->payload_len = htons(pkt->len - sizeof(*ip6) + s->ip_len);
		ip6->hop_limit = s->ttl ? s->ttl : 64;
		ip6->priority = s->tos >> 4;
		ip6->flow_lbl[0] = s->tos << 4 | (s->tos & 0xf);
		return;
	}
	ip4->tot_len = htons(pkt->len + s->ip_len);
	ip4->ttl = s->ttl ? s->ttl : 64;
	ip4->tos = s->tos;
	ip4->id = htons(next_port);
	pkt->bytes[0] ^= s->bad_ip & 0xff;
	ip4->check = 0;
	ip4->check = sum_fold(sum_bytes(ip4, pkt->l4, 0));
	if (s->bad_ip > 0xff)
		ip4->check++;
}

/* No two requests are alike, and no part of one is like another. */
static __u8 payload_byte(__u16 port, size_t place)
{
	__u32 x = (port << 16 | place) * 2654435761u;

	x = (x ^ x >> 15) * 2246822519u;
	return (x ^ x >> 13) >> 8;
}

static void put_udp(struct packet *pkt, const struct spec *s)
{
	struct udphdr *udp = (void *)(pkt->bytes + pkt->l4);
	size_t len = sizeof(*udp) + pkt->payload_len, i;
	__u8 *data = (void *)(udp + 1);

	udp->source = htons(pkt->sport);
	udp->dest = htons(SERVICE_PORT);
	udp->len = htons(len + s->udp_len);
	udp->check = 0;
	for (i = 0; i < pkt->payload_len; i++)
		data[i] = payload_byte(pkt->sport, i);
	udp->check = sum_fold(sum_bytes(udp, len, peer_pseudo(pkt->bytes, pkt->v6, IPPROTO_UDP,
							      len + s->udp_len)));
	/* What is behind the end that UDP claims is not in its sum. */
	if (s->udp_len < 0 && (int)len + s->udp_len >= (int)sizeof(*udp)) {
		udp->check = 0;
		len += s->udp_len;
		pkt->payload_len += s->udp_len;
		udp->check = sum_fold(sum_bytes(udp, len, peer_pseudo(pkt->bytes, pkt->v6,
								      IPPROTO_UDP, len)));
	}
	if (s->sum == WRONG)
		udp->check ^= htons(0x0100);
	if (s->sum == ZERO)
		udp->check = 0;
	else if (!udp->check)
		udp->check = 0xffff;
}

static void packet_build(struct packet *pkt, const struct spec *s, size_t payload_len)
{
	memset(pkt, 0, sizeof(*pkt));
	pkt->v6 = s->v6;
	pkt->payload_len = payload_len;
	pkt->sport = s->sport < 0 ? next_port++ : s->sport;
	if (next_port == 60000)
		next_port = 20000;
	peer_ip(pkt->bytes, pkt->v6, IPPROTO_UDP, sizeof(struct udphdr) + payload_len);
	put_addresses(pkt, s);
	pkt->l4 = put_extensions(pkt, s);
	pkt->len = pkt->l4 + sizeof(struct udphdr) + payload_len;
	put_udp(pkt, s);
	put_lengths(pkt, s);
}

/* --- answers --- */

/* Nothing may go to an address that is not one of a single other host. */
static void check_destination(const __u8 *ip, bool v6)
{
	const struct ipv6hdr *ip6 = (const void *)ip;
	const struct iphdr *ip4 = (const void *)ip;
	static const __u8 zero[12];
	__u32 to;

	if (v6) {
		const __u8 *a = ip6->daddr.s6_addr;

		if (a[0] == 0xff ||
		    (!memcmp(a, zero, sizeof(zero)) && ntohl(ip6->daddr.s6_addr32[3]) < 2) ||
		    (!memcmp(a, zero, 10) && a[10] == 0xff && a[11] == 0xff))
			wrong("an answer to an address that no host has");
		return;
	}
	to = ntohl(ip4->daddr);
	if (!to || to >> 28 == 14 || to == 0xffffffff || to >> 24 == 127 ||
	    to == (PEER_HOST4 | 0xff) || to == PEER_HOST4)
		wrong("an answer to %#x", to);
}

/* The request that has this answer: to its source and port, with its bytes. */
static bool is_answer_to(const struct packet *pkt, const __u8 *ip, bool v6,
			 const struct udphdr *udp, size_t len)
{
	size_t src = v6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr);
	size_t dst = v6 ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr);
	const struct udphdr *asked = (const void *)(pkt->bytes + pkt->l4);

	if (pkt->random ? len > pkt->len : len != pkt->payload_len)
		return false;
	if (opt.role == ECHO && (pkt->v6 != v6 ||
				 memcmp(ip + dst, pkt->bytes + src, v6 ? 16 : 4)))
		return false;
	/* At random it may be in another place. */
	if (opt.role == ECHO && !pkt->random && udp->dest != asked->source)
		return false;
	if (opt.role == RELAY && ntohs(udp->dest) != RECEIVER_PORT)
		return false;
	if (pkt->random)
		return !len || memmem(pkt->bytes, pkt->len, udp + 1, len);
	return !memcmp(asked + 1, udp + 1, len);
}

static void check_answer(const __u8 *ip, bool v6, const struct udphdr *udp, size_t len)
{
	unsigned int i, n = recent_n < RECENT ? recent_n : RECENT;
	__u32 sum;

	check_destination(ip, v6);
	if (!v6 && ((const struct iphdr *)ip)->ihl != 5)
		wrong("an answer with options");
	sum = peer_pseudo(ip, v6, IPPROTO_UDP, sizeof(*udp) + len);
	if ((udp->check || v6) && sum_fold(sum_bytes(udp, sizeof(*udp) + len, sum)))
		wrong("an answer with a wrong checksum");
	for (i = 0; i < n; i++)
		if (is_answer_to(&recent[i], ip, v6, udp, len))
			break;
	if (i == n)
		wrong("%zu bytes to port %u answer nothing that was sent", len,
		      ntohs(udp->dest));
	answers_total++;
	if (recent[i].sport == MARKER_PORT)
		markers++;
	else
		answers++;
}

static bool receive(void)
{
	static __u8 buf[PEER_ROOM + 2];
	__u8 *ip = buf + sizeof(struct virtio_net_hdr) + 2;
	const struct ipv6hdr *ip6 = (void *)ip;
	const struct iphdr *ip4 = (void *)ip;
	ssize_t n = read(tun, buf + 2, sizeof(buf) - 2);
	const struct udphdr *udp;
	bool v6;

	if (n < (ssize_t)(sizeof(struct virtio_net_hdr) + sizeof(*ip4)))
		return n > 0;
	v6 = ip4->version == 6;
	if (v6 && (ip6->nexthdr == IPPROTO_HOPOPTS || ip6->nexthdr == IPPROTO_DSTOPTS ||
		   ip6->nexthdr == IPPROTO_ROUTING || ip6->nexthdr == IPPROTO_FRAGMENT)) {
		/* The stack's own listener reports have a hop-by-hop header. */
		if (ip6->nexthdr == IPPROTO_HOPOPTS && ip[40] == IPPROTO_ICMPV6)
			return true;
		wrong("an answer with extension headers");
	}
	if ((v6 ? ip6->nexthdr : ip4->protocol) != IPPROTO_UDP)
		return true;
	udp = (void *)(ip + (v6 ? sizeof(*ip6) : ip4->ihl * 4u));
	if (opt.role == ECHO && ntohs(udp->source) != SERVICE_PORT)
		return true;
	check_answer(ip, v6, udp, ntohs(udp->len) - sizeof(*udp));
	return true;
}

static void pump(int ms)
{
	struct pollfd fd = { .fd = tun, .events = POLLIN };

	if (poll(&fd, 1, ms) > 0)
		while (receive())
			;
}

static long taken(void)
{
	struct peer_books b = peer_books();

	return b.rx;
}

/*
 * An honest datagram behind those that are not: when it is answered, or counted
 * where there is no answer, all before it have had their chance.
 */
static void marker(bool v6)
{
	struct spec s = { .v6 = v6, .sport = MARKER_PORT };
	__s64 end = peer_us() + 30000000LL;
	long before = opt.role == DISCARD ? taken() : 0;
	struct packet pkt;

	packet_build(&pkt, &s, PAYLOAD);
	packet_remember(&pkt);
	markers = 0;
	packet_send(&pkt);
	while (opt.role == DISCARD ? taken() == before : !markers) {
		if (peer_us() > end)
			wrong("no answer to an honest datagram");
		pump(1);
	}
}

static void check_books(void)
{
	__s64 end = peer_us() + 30000000LL;
	struct peer_books b;

	do {
		b = peer_books();
		if (b.rx == b.tx + b.drops)
			return;
		pump(10);
	} while (peer_us() < end);
	wrong("%lld received, %lld answered, %lld dropped", b.rx, b.tx, b.drops);
}

/* --- kinds of headers --- */

#define EXT(bytes) .ext = (bytes), .ext_len = sizeof(bytes) - 1
#define V4 .sport = -1
#define V6 .v6 = true, .sport = -1

/* Extension headers: next header, length, then what it is. 17 is UDP, 60 are
 * destination options, 43 is routing, 44 fragment, 59 nothing more.
 */
static const struct spec specs[] = {
	{ "plain", ANSWERED, NULL, V4 },
	{ "empty", ANSWERED, NULL, V4, .empty = true },
	{ "TTL 2", ANSWERED, NULL, V4, .ttl = 2 },
	{ "TTL 1", MAY, NULL, V4, .ttl = 1 },
	{ "TTL 0", MAY, NULL, V4, .ttl = 256 },
	{ "TTL 255", ANSWERED, NULL, V4, .ttl = 255 },
	{ "every bit of TOS", ANSWERED, NULL, V4, .tos = 0xff },
	{ "congestion experienced", ANSWERED, NULL, V4, .tos = 3 },
	{ "no operation as option", ANSWERED, NULL, V4, EXT("\1\1\1\0") },
	{ "record route", MAY, NULL, V4, EXT("\7\13\4\0\0\0\0\0\0\0\0\0") },
	{ "record route, full", MAY, NULL, V4, EXT("\7\7\10\0\0\0\0\0") },
	{ "timestamp", MAY, NULL, V4, EXT("\104\14\5\0\0\0\0\0\0\0\0\0") },
	{ "timestamp, full", MAY, NULL, V4, EXT("\104\4\5\360") },
	{ "loose source route", MAY, NULL, V4, EXT("\203\7\4\300\0\2\1\0") },
	{ "strict source route", MAY, NULL, V4, EXT("\211\7\4\300\0\2\11\0") },
	{ "source route that has ended", MAY, NULL, V4, EXT("\203\7\10\300\0\2\11\0") },
	{ "router alert", MAY, NULL, V4, EXT("\224\4\0\0") },
	{ "CIPSO", MAY, NULL, V4, EXT("\206\12\0\0\0\1\1\4\0\0\0\0") },
	{ "option of length 0", NEVER, NULL, V4, EXT("\7\0\4\0") },
	{ "option behind the end", NEVER, NULL, V4, EXT("\7\50\4\0") },
	{ "unknown option", MAY, NULL, V4, EXT("\236\4\1\1") },
	{ "40 bytes of options", ANSWERED, NULL, V4,
	  EXT("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\0") },
	{ "UDP length 0", NEVER, NULL, V4, .udp_len = -48 },
	{ "UDP length 7", NEVER, NULL, V4, .udp_len = -41 },
	{ "UDP length 8", ANSWERED, NULL, V4, .udp_len = -40 },
	{ "UDP length 10", ANSWERED, NULL, V4, .udp_len = -38 },
	{ "UDP length beyond IP's", NEVER, NULL, V4, .udp_len = 1 },
	{ "UDP length 65535", NEVER, NULL, V4, .udp_len = 65487 },
	{ "no checksum", ANSWERED, NULL, V4, .sum = ZERO },
	{ "wrong checksum", NEVER, NULL, V4, .sum = WRONG },
	{ "IP length beyond the packet", NEVER, NULL, V4, .ip_len = 1 },
	{ "IP length below UDP's", NEVER, NULL, V4, .ip_len = -1 },
	{ "IP length below the header", NEVER, NULL, V4, .ip_len = -50 },
	{ "header length 4", NEVER, NULL, V4, .bad_ip = 1 },
	{ "header length 15", NEVER, NULL, V4, .bad_ip = 10 },
	{ "wrong header checksum", NEVER, NULL, V4, .bad_ip = 256 },
	{ "source port 0", NO_ECHO, NULL, .sport = 0 },
	{ "source port 7", NO_ECHO, "drop_src_port_low", .sport = 7 },
	{ "source port 1023", NO_ECHO, "drop_src_port_low", .sport = 1023 },
	{ "source port of the service", NO_ECHO, "drop_src_port_own", .sport = 7000 },
	{ "source port 65535", ANSWERED, NULL, .sport = 65535 },
	{ "from 0.0.0.0", NEVER, NULL, V4, .src = "0.0.0.0" },
	{ "from 0.1.2.3", MAY, NULL, V4, .src = "0.1.2.3" },
	{ "from 127.0.0.1", NEVER, NULL, V4, .src = "127.0.0.1" },
	{ "from 127.1.2.3", NEVER, NULL, V4, .src = "127.1.2.3" },
	{ "from the host itself", NEVER, NULL, V4, .src = "192.0.2.1" },
	{ "from the broadcast address", NEVER, NULL, V4, .src = "192.0.2.255" },
	{ "from 255.255.255.255", NEVER, NULL, V4, .src = "255.255.255.255" },
	{ "from a group", NEVER, NULL, V4, .src = "224.0.0.1" },
	{ "from another group", NEVER, NULL, V4, .src = "239.255.255.250" },
	{ "from class E", MAY, NULL, V4, .src = "240.0.0.1" },
	{ "from far away", ANSWERED, NULL, V4, .src = "198.51.100.7" },
	{ "to the broadcast address", NEVER, "drop_dst_broadcast", V4, .dst = "192.0.2.255" },
	{ "to 255.255.255.255", NEVER, "drop_dst_broadcast", V4, .dst = "255.255.255.255" },
	{ "to all hosts", NEVER, NULL, V4, .dst = "224.0.0.1" },
	{ "to 127.0.0.1", NEVER, NULL, V4, .dst = "127.0.0.1" },
	{ "to 0.0.0.0", MAY, NULL, V4, .dst = "0.0.0.0" },

	{ "IPv6, plain", ANSWERED, NULL, V6 },
	{ "IPv6, empty", ANSWERED, NULL, V6, .empty = true },
	{ "IPv6, hop limit 2", ANSWERED, NULL, V6, .ttl = 2 },
	{ "IPv6, hop limit 1", MAY, NULL, V6, .ttl = 1 },
	{ "IPv6, hop limit 0", MAY, NULL, V6, .ttl = 256 },
	{ "IPv6, hop limit 255", ANSWERED, NULL, V6, .ttl = 255 },
	{ "IPv6, class and flow label", ANSWERED, NULL, V6, .tos = 0xff },
	{ "hop-by-hop, padding", ANSWERED, NULL, V6, .next = 256, EXT("\21\0\1\4\0\0\0\0") },
	{ "hop-by-hop, router alert", MAY, NULL, V6, .next = 256, EXT("\21\0\5\2\0\0\1\0") },
	{ "hop-by-hop, jumbo", NEVER, NULL, V6, .next = 256, EXT("\21\0\302\4\0\0\0\70") },
	{ "hop-by-hop, jumbo of 2^32 - 1", NEVER, NULL, V6, .next = 256,
	  EXT("\21\0\302\4\377\377\377\377") },
	{ "hop-by-hop, jumbo, IP length 0", NEVER, NULL, V6, .next = 256, .ip_len = -56,
	  EXT("\21\0\302\4\0\0\0\70") },
	{ "hop-by-hop, to be skipped", ANSWERED, NULL, V6, .next = 256, EXT("\21\0\76\4\1\2\3\4") },
	{ "hop-by-hop, to be discarded", NEVER, NULL, V6, .next = 256, EXT("\21\0\176\4\1\2\3\4") },
	{ "hop-by-hop, to be reported", NEVER, NULL, V6, .next = 256, EXT("\21\0\276\4\1\2\3\4") },
	{ "hop-by-hop behind the end", NEVER, NULL, V6, .next = 256, EXT("\21\377\1\4\0\0\0\0") },
	{ "hop-by-hop after destination", NEVER, NULL, V6, .next = 60,
	  EXT("\0\0\1\4\0\0\0\0" "\21\0\1\4\0\0\0\0") },
	{ "destination options, padding", ANSWERED, NULL, V6, .next = 60,
	  EXT("\21\0\1\4\0\0\0\0") },
	{ "destination options, unknown", NEVER, NULL, V6, .next = 60,
	  EXT("\21\0\302\4\0\0\0\0") },
	{ "destination options, home address", MAY, NULL, V6, .next = 60,
	  EXT("\21\2\1\2\0\0\311\20\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\11") },
	{ "destination options, option behind the end", NEVER, NULL, V6, .next = 60,
	  EXT("\21\0\36\50\0\0\0\0") },
	{ "seven destination options", MAY, NULL, V6, .next = 60,
	  EXT("\74\0\1\4\0\0\0\0" "\74\0\1\4\0\0\0\0" "\74\0\1\4\0\0\0\0" "\74\0\1\4\0\0\0\0"
	      "\74\0\1\4\0\0\0\0" "\74\0\1\4\0\0\0\0" "\21\0\1\4\0\0\0\0") },
	{ "routing, type 0, nothing left", MAY, NULL, V6, .next = 43,
	  EXT("\21\2\0\0\0\0\0\0\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\11") },
	{ "routing, type 0", NEVER, NULL, V6, .next = 43,
	  EXT("\21\2\0\1\0\0\0\0\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\11") },
	{ "routing, type 2", NEVER, NULL, V6, .next = 43,
	  EXT("\21\2\2\1\0\0\0\0\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\11") },
	{ "routing, type 3", NEVER, NULL, V6, .next = 43,
	  EXT("\21\2\3\1\0\0\0\0\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\11") },
	{ "routing, type 4", NEVER, NULL, V6, .next = 43,
	  EXT("\21\2\4\1\1\0\0\0\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\11") },
	{ "routing, 255 left", NEVER, NULL, V6, .next = 43, EXT("\21\0\0\377\0\0\0\0") },
	{ "atomic fragment", ANSWERED, NULL, V6, .next = 44, EXT("\21\0\0\0\1\2\3\4") },
	{ "fragment of a fragment", MAY, NULL, V6, .next = 44,
	  EXT("\54\0\0\0\1\2\3\4" "\21\0\0\0\1\2\3\5") },
	{ "hop-by-hop and all others", ANSWERED, NULL, V6, .next = 256,
	  EXT("\74\0\1\4\0\0\0\0" "\54\0\1\4\0\0\0\0" "\74\0\0\0\1\2\3\6" "\21\0\1\4\0\0\0\0") },
	{ "nothing more", NEVER, NULL, V6, .next = 60, EXT("\73\0\1\4\0\0\0\0") },
	{ "IPv6, UDP length 0", NEVER, NULL, V6, .udp_len = -48 },
	{ "IPv6, UDP length 7", NEVER, NULL, V6, .udp_len = -41 },
	{ "IPv6, UDP length 8", ANSWERED, NULL, V6, .udp_len = -40 },
	{ "IPv6, UDP length 10", ANSWERED, NULL, V6, .udp_len = -38 },
	{ "IPv6, UDP length beyond IP's", NEVER, NULL, V6, .udp_len = 1 },
	{ "IPv6, no checksum", NEVER, NULL, V6, .sum = ZERO },
	{ "IPv6, wrong checksum", NEVER, NULL, V6, .sum = WRONG },
	{ "IPv6, IP length beyond the packet", NEVER, NULL, V6, .ip_len = 1 },
	{ "IPv6, IP length below UDP's", NEVER, NULL, V6, .ip_len = -1 },
	{ "IPv6, IP length 0", NEVER, NULL, V6, .ip_len = -48 },
	{ "IPv6, source port 0", NO_ECHO, NULL, .v6 = true, .sport = 0 },
	{ "IPv6, source port 7", NO_ECHO, "drop_src_port_low", .v6 = true, .sport = 7 },
	{ "IPv6, source port of the service", NO_ECHO, "drop_src_port_own", .v6 = true,
	  .sport = 7000 },
	{ "from ::", NEVER, NULL, V6, .src = "::" },
	{ "from ::1", NEVER, NULL, V6, .src = "::1" },
	{ "from a mapped address", NEVER, NULL, V6, .src = "::ffff:192.0.2.2" },
	{ "from a mapped address of this host", NEVER, NULL, V6, .src = "::ffff:127.0.0.1" },
	{ "from a compatible address", MAY, NULL, V6, .src = "::192.0.2.2" },
	{ "from the host itself, IPv6", NO_ECHO, NULL, V6, .src = "2001:db8::1" },
	{ "from a group, IPv6", NEVER, NULL, V6, .src = "ff02::1" },
	{ "from the link", MAY, NULL, V6, .src = "fe80::2" },
	{ "from the translator's prefix", MAY, NULL, V6, .src = "64:ff9b::7f00:1" },
	{ "from far away, IPv6", ANSWERED, NULL, V6, .src = "2001:db8:9::7" },
	{ "to all nodes", NEVER, NULL, V6, .dst = "ff02::1" },
	{ "to all nodes of the host", NEVER, NULL, V6, .dst = "ff01::1" },
	{ "to ::1", NEVER, NULL, V6, .dst = "::1" },
	{ "to a mapped address", NEVER, NULL, V6, .dst = "::ffff:192.0.2.1" },
};

#define SPECS	(sizeof(specs) / sizeof(*specs))

static long drop_of(const char *reason)
{
	return reason && opt.role == ECHO ? peer_counter(reason) : 0;
}

/* Every address but the broken ones is one that can be answered. */
static void check_verdict(enum verdict verdict, unsigned int got, long rx)
{
	if (got > 1)
		wrong("%u answers", got);
	if (opt.verbose)
		printf("%s: %s, %ld taken\n", kind, got ? "answered" : "not answered", rx);
	if (verdict == ANSWERED && opt.role != DISCARD && got != 1)
		wrong("no answer");
	if (verdict == ANSWERED && rx != 1)
		wrong("not received");
	if ((verdict == NEVER || (verdict == NO_ECHO && opt.role == ECHO)) && got)
		wrong("an answer");
}

static void run_spec(const struct spec *s)
{
	long drops = drop_of(s->reason), rx = taken();
	struct packet pkt;

	kind = s->name;
	packet_build(&pkt, s, s->empty ? 0 : PAYLOAD);
	recent_n = 0;
	packet_remember(&pkt);
	answers = 0;
	packet_send(&pkt);
	marker(s->v6);
	check_verdict(s->verdict, answers, taken() - rx - 1);
	if (drop_of(s->reason) != drops + (s->reason && opt.role == ECHO))
		wrong("not counted as %s", s->reason);
}

static void run_headers(void)
{
	unsigned int i;

	for (i = 0; i < SPECS; i++)
		run_spec(&specs[i]);
	kind = "headers";
	check_books();
}

/* --- fragments --- */

struct piece {
	int at, len;
	bool more, other;
};

#define PART(at, len)		{ at, len, true, false }
#define LAST(at, len)		{ at, len, false, false }
/* With other bytes. */
#define LIE(at, len)		{ at, len, true, true }
#define LIE_LAST(at, len)	{ at, len, false, true }

/* A datagram of 128 bytes, header and all, in pieces. */
static const struct plan {
	const char *name;
	enum verdict verdict;
	struct piece pieces[17];
} plans[] = {
	{ "two fragments", ANSWERED, { PART(0, 64), LAST(64, 64) } },
	{ "the last one first", ANSWERED, { LAST(64, 64), PART(0, 64) } },
	{ "three, mixed", ANSWERED, { PART(64, 32), LAST(96, 32), PART(0, 64) } },
	{ "a header alone", ANSWERED, { PART(0, 8), LAST(8, 120) } },
	{ "sixteen", ANSWERED,
	  { PART(0, 8), PART(8, 8), PART(16, 8), PART(24, 8),
	    PART(32, 8), PART(40, 8), PART(48, 8), PART(56, 8),
	    PART(64, 8), PART(72, 8), PART(80, 8), PART(88, 8),
	    PART(96, 8), PART(104, 8), PART(112, 8), LAST(120, 8) } },
	{ "one is missing", NEVER, { PART(0, 64), LAST(72, 56) } },
	{ "no end", NEVER, { PART(0, 64), PART(64, 64) } },
	{ "no begin", NEVER, { PART(8, 56), LAST(64, 64) } },
	{ "one twice", MAY, { PART(0, 64), PART(0, 64), LAST(64, 64) } },
	{ "one twice with other bytes", MAY,
	  { PART(0, 64), LIE(0, 64), LAST(64, 64) } },
	{ "overlap before", NEVER, { PART(0, 72), LIE_LAST(64, 64) } },
	{ "overlap behind", NEVER, { LAST(64, 64), LIE(0, 72) } },
	{ "one inside another", MAY, { PART(0, 96), LIE(16, 16), LAST(96, 32) } },
	{ "the header again", MAY, { PART(0, 64), LIE(0, 16), LAST(64, 64) } },
	{ "two ends", NEVER, { LAST(64, 32), LAST(64, 64), PART(0, 64) } },
	{ "behind the end", NEVER, { LAST(64, 64), LAST(128, 64), PART(0, 64) } },
	{ "no multiple of eight", NEVER, { PART(0, 60), LAST(60, 68) } },
	{ "beyond 65535", NEVER, { PART(0, 64), LAST(65528, 64) } },
	{ "an empty one", MAY, { PART(0, 64), PART(64, 0), LAST(64, 64) } },
};

static void send_piece(const struct packet *whole, const struct piece *piece, __u32 id)
{
	size_t head = whole->v6 ? sizeof(struct ipv6hdr) + 8 : sizeof(struct iphdr);
	struct packet pkt = { .v6 = whole->v6, .len = head + piece->len };
	struct ipv6hdr *ip6 = (void *)pkt.bytes;
	struct iphdr *ip4 = (void *)pkt.bytes;
	__u16 off = htons(piece->at | piece->more);
	int i;

	memcpy(pkt.bytes, whole->bytes, whole->l4);
	for (i = 0; i < piece->len; i++) {
		size_t at = whole->l4 + piece->at + i;

		pkt.bytes[head + i] = at < whole->len ? whole->bytes[at] : i;
		if (piece->other && piece->at + i >= 8)
			pkt.bytes[head + i] ^= 0xff;
	}
	if (whole->v6) {
		ip6->nexthdr = IPPROTO_FRAGMENT;
		ip6->payload_len = htons(piece->len + 8);
		pkt.bytes[40] = IPPROTO_UDP;
		memcpy(pkt.bytes + 42, &off, 2);
		memcpy(pkt.bytes + 44, &id, 4);
	} else {
		ip4->tot_len = htons(pkt.len);
		ip4->id = htons(id);
		ip4->frag_off = htons(piece->at / 8 | (piece->more ? 0x2000 : 0));
		ip4->check = 0;
		ip4->check = sum_fold(sum_bytes(ip4, sizeof(*ip4), 0));
	}
	packet_send(&pkt);
}

static void run_plan(const struct plan *plan, bool v6)
{
	struct spec s = { .v6 = v6, .sport = -1 };
	static __u32 id;
	long rx = taken();
	struct packet pkt;
	unsigned int i;

	kind = plan->name;
	packet_build(&pkt, &s, 120);
	recent_n = 0;
	packet_remember(&pkt);
	answers = 0;
	/* What is left of an earlier run waits for its missing pieces. */
	id = id ? id + 1 : peer_us() / 1000 % 50000 + 1;
	for (i = 0; i < 17 && (plan->pieces[i].len || plan->pieces[i].at); i++)
		send_piece(&pkt, &plan->pieces[i], id);
	marker(v6);
	check_verdict(plan->verdict, answers, taken() - rx - 1);
}

static void run_fragments(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
		run_plan(&plans[i], false);
		run_plan(&plans[i], true);
	}
	kind = "fragments";
	check_books();
}

/* --- random --- */

/* The sums are right again, for what is in the headers now, so that more is read. */
static void mend_sums(struct packet *pkt)
{
	struct udphdr *udp = (void *)(pkt->bytes + pkt->l4);
	struct iphdr *ip4 = (void *)pkt->bytes;
	size_t len = pkt->len - pkt->l4;

	if (!pkt->v6) {
		ip4->check = 0;
		ip4->check = sum_fold(sum_bytes(ip4, ip4->ihl * 4 < (int)pkt->len ?
						ip4->ihl * 4 : 20, 0));
	}
	udp->check = 0;
	if (ntohs(udp->len) <= len && ntohs(udp->len) >= sizeof(*udp))
		len = ntohs(udp->len);
	udp->check = sum_fold(sum_bytes(udp, len, peer_pseudo(pkt->bytes, pkt->v6,
							      IPPROTO_UDP, len)));
}

static bool run_random_one(void)
{
	const struct spec *s = &specs[below(SPECS)];
	unsigned int n = below(5);
	struct packet pkt;

	packet_build(&pkt, s, below(1200));
	while (n--) {
		/* Most of it is in the headers. */
		size_t at = below(one_in(4) ? pkt.len : pkt.l4 + 8);

		pkt.bytes[at] = one_in(2) ? next() : pkt.bytes[at] ^ 1u << below(8);
	}
	if (one_in(8))
		pkt.len = pkt.l4 + below(pkt.len - pkt.l4) + 1;
	if (!one_in(4) && pkt.len >= pkt.l4 + sizeof(struct udphdr))
		mend_sums(&pkt);
	pkt.sport = 0;
	pkt.random = true;
	packet_remember(&pkt);
	packet_send(&pkt);
	return s->v6;
}

static void run_random(void)
{
	unsigned int i;
	bool v6;

	kind = "random";
	peer_seed(opt.seed);
	printf("seed %llu\n", opt.seed);
	recent_n = 0;
	for (i = 0; i < opt.count; i++) {
		v6 = run_random_one();
		/* No more of them are remembered. */
		if (i % (RECENT / 2) == RECENT / 2 - 1)
			marker(v6);
	}
	marker(false);
	check_books();
}

static void read_args(int argc, char **argv)
{
	int c;

	opt.seed = time(NULL);
	while ((c = getopt(argc, argv, "c:s:vh")) != -1) {
		switch (c) {
		case 'c':
			opt.count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'v':
			opt.verbose = true;
			break;
		default:
			fputs(help, stderr);
			exit(2);
		}
	}
	if (argc - optind < 2) {
		fputs(help, stderr);
		exit(2);
	}
	if (!strcmp(argv[optind], "relay"))
		opt.role = RELAY;
	else if (!strcmp(argv[optind], "discard"))
		opt.role = DISCARD;
}

int main(int argc, char **argv)
{
	__s64 started = peer_us();
	int i;

	peer_name = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_args(argc, argv);
	tun = peer_tun_open();
	kind = "the first one";
	marker(false);
	marker(true);
	for (i = optind + 1; i < argc; i++) {
		if (!strcmp(argv[i], "headers"))
			run_headers();
		else if (!strcmp(argv[i], "fragments"))
			run_fragments();
		else if (!strcmp(argv[i], "random"))
			run_random();
		else
			peer_die(argv[i]);
	}
	printf("packets=%llu answers=%llu ms=%lld\n", sent_total, answers_total,
	       (long long)(peer_us() - started) / 1000);
	return 0;
}
