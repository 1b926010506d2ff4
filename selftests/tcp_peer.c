// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_peer - a TCP peer in user space that keeps no rule.
 *
 * A tool for tcp_peer.sh, see --help. It reads and writes packets at a tun device
 * and decides on each field of each header. What it sends follows from the place in
 * the stream, in two versions, and it remembers which of them it has sent where: a
 * byte that comes back and was never sent there is a fault of the service.
 *
 * After each attack the service has to have no connection left, its counters have
 * to balance, and a peer that keeps the rules has to get its bytes back.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sched.h>

#include "peer.h"

static const char help[] =
"Usage: tcp_peer [OPTION]... ROLE ATTACK...\n"
"Attack the TCP service on port 7000 of this host from behind " PEER_DEVICE ".\n"
"\n"
"ROLE is what the service does with the peer's bytes:\n"
"  echo      they come back (mode echo, or a relay to an echo)\n"
"  discard   nothing comes back\n"
"  upstream  the service is a relay to the peer's port 7001, and a client on this\n"
"            host sends back what comes\n"
"  uplink    the service sends lines to the peer's port 7001; this program sends\n"
"            them to its UDP port, but for -b: they are beacons\n"
"\n"
"  -4, -6       by IPv4 or IPv6 only (default: each attack by both)\n"
"  -c COUNT     each attack so many times (default 1)\n"
"  -s SEED      of the attack \"random\", whose first connection has this seed, the\n"
"               next one SEED + 1 (default: the time, which is printed)\n"
"  -b           uplink: of beacons\n"
"  -v           say how long each attack takes\n"
"  -l           list the attacks and exit\n"
"\n"
"Exit status: 0; 1 when the service did something wrong; 2 when it could not run.\n";

#define SERVICE_PORT	7000
#define UPSTREAM_PORT	7001
/* So much of a stream is remembered. */
#define STREAM_MAX	1048576
#define CONNS_MAX	1100
#define MSS		1460
#define LINE		"record-"

/* Which version of a byte was sent. */
#define SENT_A		1
#define SENT_B		2

enum role { ECHO, DISCARD, UPSTREAM, UPLINK };

/**
 * struct conn - a connection as the peer sees it
 * @v6: by IPv6
 * @port: of the peer
 * @to: of the host
 * @iss: our first sequence number
 * @snd: our next one
 * @high: what is behind all that was sent
 * @una: what they have acknowledged
 * @irs: their first one
 * @rcv: the next one of theirs
 * @win: the window that we claim
 * @scale: of our window; negative for none
 * @mss: that we claim
 * @sack: we claim to know SACK
 * @stamps: we claim to know timestamps
 * @stamp: our clock
 * @echo_stamp: the last of theirs
 * @room: the window that they claim
 * @their_scale: of that
 * @listening: it waits for their SYN
 * @syn: there was a SYN
 * @ack: there was an acknowledgment of ours
 * @fin: their end has come
 * @rst: they have reset it
 * @manual: nothing is acknowledged by itself
 * @packets: that came
 * @sent: which versions of each byte were sent
 * @end: the first place that an end was sent for; behind it the stack may take
 *	bytes for others
 * @line: the line that is coming, of an uplink
 * @line_len: its length
 */
struct conn {
	bool v6;
	__u16 port, to;
	__u32 iss, snd, high, una, irs, rcv;
	__u16 win;
	int scale;
	unsigned int mss;
	bool sack, stamps;
	__u32 stamp, echo_stamp;
	__u32 room;
	int their_scale;
	bool listening, syn, ack, fin, rst, manual;
	unsigned int packets;
	__u8 *sent;
	__u32 end;
	char line[64];
	size_t line_len;
};

/**
 * struct segment - what to send, beside the connection's own values
 * @seq: sequence number
 * @ack: acknowledgment number
 * @flags: as in the header
 * @urg: urgent pointer
 * @len: bytes of the stream from @seq on
 * @other: the second version of them
 * @gso: size of segments that the host makes of it, or 0
 * @opt: options
 * @opt_len: their length
 * @doff: header length in words, or 0 for what it is
 * @bad_sum: the checksum is wrong
 */
struct segment {
	__u32 seq, ack;
	__u8 flags;
	__u16 urg;
	size_t len;
	bool other;
	unsigned int gso;
	const __u8 *opt;
	size_t opt_len;
	unsigned int doff;
	bool bad_sum;
};

#define FIN	0x01
#define SYN	0x02
#define RST	0x04
#define PSH	0x08
#define ACK	0x10
#define URG	0x20

static struct {
	enum role role;
	bool v4, v6, beacons, verbose;
	unsigned int count;
	__u64 seed;
} opt = { .v4 = true, .v6 = true, .count = 1 };

static int tun;
static struct conn *conns[CONNS_MAX];
static unsigned int conns_n;
static unsigned long long conns_total, packets_total;
static const char *attack_name = "";
static bool attack_v6;
static unsigned long long attack_seed;
static __u16 next_port = 10000;
/* The socket of the client whose bytes come to us by the upstream. */
static int client_fd = -1;
/* When we last reset something, and how long after that they connected. */
static __s64 reset_at;
static int connect_ms;
static __u8 client_data[65536];
static size_t client_len;

static void wrong(const char *fmt, ...)
{
	__builtin_va_list args;

	printf("FAIL: %s, IPv%d, seed %llu: ", attack_name, attack_v6 ? 6 : 4,
	       attack_seed);
	__builtin_va_start(args, fmt);
	vprintf(fmt, args);
	__builtin_va_end(args);
	printf("\n");
	exit(1);
}

/* --- the stream --- */

static __u8 byte_at(const struct conn *c, __u32 place, bool other)
{
	__u8 byte = place * 31 + (place >> 8) * 17 + c->port;

	return other ? ~byte : byte;
}

/* The place of a sequence number in our stream, or in theirs. */
static __u32 place_of(const struct conn *c, __u32 seq)
{
	return seq - c->iss - 1;
}

static void stream_fill(struct conn *c, __u8 *to, const struct segment *s)
{
	/* What begins before the stream gets to its first byte: a place wraps. */
	__u32 place = place_of(c, s->seq);
	size_t i;

	for (i = 0; i < s->len; i++, place++) {
		to[i] = byte_at(c, place, s->other);
		if (place < STREAM_MAX)
			c->sent[place] |= s->other ? SENT_B : SENT_A;
	}
}

static void stream_check_lines(struct conn *c, const __u8 *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (c->line_len == sizeof(c->line))
			wrong("a line that does not end");
		c->line[c->line_len++] = data[i];
		if (data[i] != '\n')
			continue;
		if (strncmp(c->line, LINE, strlen(LINE)))
			wrong("the line '%.*s'", (int)c->line_len - 1, c->line);
		c->line_len = 0;
	}
}

/* What has come, from @seq of theirs on, in order or once more. */
static void stream_check(struct conn *c, __u32 seq, const __u8 *data, size_t len)
{
	__u32 place = seq - c->irs - 1;
	size_t i;

	if (opt.role == UPLINK) {
		if (seq == c->rcv)
			stream_check_lines(c, data, len);
		return;
	}
	if (opt.role == DISCARD && len)
		wrong("%zu bytes from a service that discards", len);
	for (i = 0; i < len && place + i < c->end; i++) {
		__u8 sent = c->sent[place + i];

		if (!((sent & SENT_A && data[i] == byte_at(c, place + i, false)) ||
		      (sent & SENT_B && data[i] == byte_at(c, place + i, true))))
			wrong("byte %zu is %#x: never sent", place + i, data[i]);
	}
}

/* --- segments out --- */

static size_t put_stamps(const struct conn *c, __u8 *to)
{
	__u32 value;

	to[0] = 1;
	to[1] = 1;
	to[2] = 8;
	to[3] = 10;
	value = htonl(c->stamp);
	memcpy(to + 4, &value, 4);
	value = htonl(c->echo_stamp);
	memcpy(to + 8, &value, 4);
	return 12;
}

static size_t put_options(const struct conn *c, const struct segment *s, __u8 *to)
{
	size_t n = 0;

	if (s->flags & SYN) {
		to[n++] = 2;
		to[n++] = 4;
		to[n++] = c->mss >> 8;
		to[n++] = c->mss;
		if (c->sack) {
			to[n++] = 4;
			to[n++] = 2;
		}
		if (c->scale >= 0) {
			to[n++] = 3;
			to[n++] = 3;
			to[n++] = c->scale;
		}
		while (n % 4)
			to[n++] = 1;
	}
	if (c->stamps)
		n += put_stamps(c, to + n);
	if (s->opt_len)
		memcpy(to + n, s->opt, s->opt_len);
	return n + s->opt_len;
}

static void put_sum(struct virtio_net_hdr *v, const __u8 *ip, bool v6,
		    struct tcphdr *t, size_t len, const struct segment *s)
{
	__u32 sum = peer_pseudo(ip, v6, IPPROTO_TCP, len);

	if (s->bad_sum) {
		t->check = htons(sum_fold(sum_bytes(t, len, sum)) + 1);
		return;
	}
	/* The host believes it, or makes it where it cuts the packet up. */
	t->check = ~sum_fold(sum);
	v->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	v->csum_start = (__u8 *)t - ip;
	v->csum_offset = offsetof(struct tcphdr, check);
}

static void send_segment(struct conn *c, const struct segment *s)
{
	static __u32 words[PEER_ROOM / 4 + 1];
	__u8 *buf = (__u8 *)words;
	struct virtio_net_hdr *v;
	__u8 *ip = buf + sizeof(*v) + 2, *start = ip - sizeof(*v);
	size_t ip_len = c->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct tcphdr *t = (void *)(ip + ip_len);
	size_t head, len;
	__u32 seg_end;

	memset(buf, 0, sizeof(*v) + 2 + ip_len + sizeof(*t));
	v = (void *)start;
	head = sizeof(*t) + put_options(c, s, (void *)(t + 1));
	len = head + s->len;
	peer_ip(ip, c->v6, IPPROTO_TCP, len);
	t->source = htons(c->port);
	t->dest = htons(c->to);
	t->seq = htonl(s->seq);
	t->ack_seq = htonl(s->ack);
	t->doff = s->doff ? s->doff : (head + 3) / 4;
	((__u8 *)t)[13] = s->flags;
	t->window = htons(c->win);
	t->urg_ptr = htons(s->urg);
	stream_fill(c, (__u8 *)t + head, s);
	put_sum(v, ip, c->v6, t, len, s);
	/* All behind the headers goes into pages. */
	v->hdr_len = ip_len + head;
	if (s->gso && s->len > s->gso) {
		v->gso_type = c->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		v->gso_size = s->gso;
	}
	seg_end = s->seq + s->len + !!(s->flags & SYN) + !!(s->flags & FIN);
	if (seg_end - c->high < 1 << 30)
		c->high = seg_end;
	if (s->flags & FIN && place_of(c, s->seq + s->len) < c->end)
		c->end = place_of(c, s->seq + s->len);
	packets_total++;
	if (write(tun, start, sizeof(*v) + ip_len + len) < 0 && errno != EINVAL)
		peer_die("write to " PEER_DEVICE);
}

static void send_flags(struct conn *c, __u8 flags, __u32 seq, __u32 ack)
{
	struct segment s = { .flags = flags, .seq = seq, .ack = ack };

	if (flags & RST)
		reset_at = peer_us();
	send_segment(c, &s);
}

/* Bytes at any place of the stream, without a look at what was sent before. */
static void send_at(struct conn *c, __u32 seq, size_t len, bool other)
{
	struct segment s = {
		.flags = ACK | PSH, .seq = seq, .ack = c->rcv, .len = len,
		.other = other,
	};

	send_segment(c, &s);
}

/* The next @len bytes, @size in a segment. */
static void send_data(struct conn *c, size_t len, size_t size)
{
	size_t n;

	for (; len; len -= n, c->snd += n) {
		n = len < size ? len : size;
		send_at(c, c->snd, n, false);
	}
}

/* The next @len bytes as one packet of segments of @size. */
static void send_burst(struct conn *c, size_t len, unsigned int size)
{
	struct segment s = {
		.flags = ACK | PSH, .seq = c->snd, .ack = c->rcv, .len = len,
		.gso = size,
	};

	send_segment(c, &s);
	c->snd += len;
}

static void send_ack(struct conn *c)
{
	send_flags(c, ACK, c->snd, c->rcv);
}

static void send_fin(struct conn *c)
{
	send_flags(c, FIN | ACK, c->snd++, c->rcv);
}

/* --- segments in --- */

static void read_options(struct conn *c, const struct tcphdr *t)
{
	const __u8 *p = (const void *)(t + 1), *end = (const __u8 *)t + t->doff * 4;
	__u32 stamp;

	while (p + 1 < end && *p) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (p[1] < 2 || p + p[1] > end)
			wrong("options of theirs that are no options");
		if (*p == 3 && t->syn)
			c->their_scale = p[2];
		if (*p == 8) {
			memcpy(&stamp, p + 2, 4);
			c->echo_stamp = ntohl(stamp);
		}
		p += p[1];
	}
}

static void take_syn(struct conn *c, const struct tcphdr *t)
{
	c->syn = true;
	c->irs = ntohl(t->seq);
	c->rcv = c->irs + 1;
	c->room = ntohs(t->window);
	if (t->ack) {
		c->una = ntohl(t->ack_seq);
		c->ack = c->una == c->snd;
	} else {
		c->to = ntohs(t->source);
		c->listening = false;
	}
}

static void take(struct conn *c, const struct tcphdr *t, const __u8 *data, size_t len)
{
	__u32 seq = ntohl(t->seq);

	c->packets++;
	if (t->rst) {
		c->rst = true;
		return;
	}
	read_options(c, t);
	if (t->syn) {
		take_syn(c, t);
		return;
	}
	c->room = ntohs(t->window) << c->their_scale;
	if (t->ack && (__s32)(ntohl(t->ack_seq) - c->una) >= 0) {
		c->una = ntohl(t->ack_seq);
		c->ack = true;
		if ((__s32)(c->una - c->high) > 0)
			wrong("they acknowledge %u bytes that were not sent",
			      c->una - c->high);
	}
	stream_check(c, seq, data, len);
	if (seq == c->rcv) {
		c->rcv += len + t->fin;
		c->fin |= t->fin;
	}
	if (!c->manual && (len || t->fin))
		send_ack(c);
}

static struct conn *conn_of(bool v6, __u16 port, __u16 from, bool syn)
{
	unsigned int i;

	for (i = 0; i < conns_n; i++) {
		struct conn *c = conns[i];

		if (c->v6 != v6 || c->port != port)
			continue;
		if (c->listening ? syn : c->to == from)
			return c;
	}
	return NULL;
}

/* Read one packet. Return: false when there is none. */
static bool receive(void)
{
	static __u8 buf[PEER_ROOM + 2];
	size_t at = sizeof(struct virtio_net_hdr) + 2, ip_len, len;
	ssize_t n = read(tun, buf + 2, sizeof(buf) - 2);
	const struct ipv6hdr *ip6 = (void *)(buf + at);
	const struct iphdr *ip4 = (void *)(buf + at);
	const struct tcphdr *t;
	struct conn *c;
	bool v6;

	if (n < (ssize_t)(sizeof(struct virtio_net_hdr) + sizeof(*ip4)))
		return n > 0;
	v6 = ip4->version == 6;
	if ((v6 ? ip6->nexthdr : ip4->protocol) != IPPROTO_TCP)
		return true;
	ip_len = v6 ? sizeof(*ip6) : ip4->ihl * 4;
	len = v6 ? ntohs(ip6->payload_len) : ntohs(ip4->tot_len) - ip_len;
	t = (void *)(buf + at + ip_len);
	c = conn_of(v6, ntohs(t->dest), ntohs(t->source), t->syn && !t->ack);
	if (c)
		take(c, t, (const __u8 *)t + t->doff * 4, len - t->doff * 4);
	return true;
}

/* The honest end of the relay: what comes goes back. */
static void client_serve(void)
{
	ssize_t n;

	if (!client_len) {
		n = recv(client_fd, client_data, sizeof(client_data), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			close(client_fd);
			client_fd = -1;
			return;
		}
		client_len = n > 0 ? n : 0;
	}
	n = client_len ? send(client_fd, client_data, client_len,
			      MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (n > 0) {
		client_len -= n;
		memmove(client_data, client_data + n, client_len);
	}
}

/* See to everything for some milliseconds, at least once. */
static void pump(int ms)
{
	__s64 end = peer_us() + ms * 1000;
	struct pollfd fds[2] = { { .fd = tun, .events = POLLIN } };
	int left = ms;

	do {
		fds[1].fd = client_fd;
		fds[1].events = client_len ? POLLOUT : POLLIN;
		if (poll(fds, 2, left) > 0) {
			while (receive())
				;
			if (client_fd >= 0 && fds[1].revents)
				client_serve();
		}
		left = (end - peer_us()) / 1000;
	} while (left > 0);
}

/* until(CONDITION, MILLISECONDS): whether it came */
#define until(cond, ms) ({						\
	__s64 until_end = peer_us() + (ms) * 1000LL;			\
	bool until_ok;							\
									\
	while (!(until_ok = (cond)) && peer_us() < until_end)		\
		pump(1);						\
	until_ok; })

static int patience(void)
{
	return 30000;
}

/* --- the life of a connection --- */

static struct conn *conn_new(void)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || conns_n == CONNS_MAX)
		peer_die("connections");
	c->sent = calloc(1, STREAM_MAX);
	if (!c->sent)
		peer_die("memory");
	c->v6 = attack_v6;
	c->to = SERVICE_PORT;
	c->port = next_port++;
	if (next_port == 60000)
		next_port = 10000;
	/* Some of them wrap. */
	c->iss = one_in(4) ? 0u - below(20000) : next();
	c->snd = c->iss;
	c->una = c->iss;
	c->high = c->iss;
	c->end = STREAM_MAX;
	c->win = 65535;
	c->scale = -1;
	c->mss = MSS;
	c->stamp = 1000;
	if (opt.role == UPSTREAM || opt.role == UPLINK) {
		c->port = UPSTREAM_PORT;
		c->listening = true;
	}
	conns[conns_n++] = c;
	conns_total++;
	return c;
}

static void conn_syn(struct conn *c)
{
	send_flags(c, SYN, c->iss, 0);
	c->snd = c->iss + 1;
}

static void client_open(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(SERVICE_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	client_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	client_len = 0;
	if (client_fd < 0 || (connect(client_fd, (void *)&to, sizeof(to)) &&
			      errno != EINPROGRESS))
		peer_die("connect");
}

static void client_close(void)
{
	if (client_fd >= 0)
		close(client_fd);
	client_fd = -1;
}

/* Something to send for an uplink that has to connect, or to go on. */
static void uplink_feed(unsigned int lines)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(SERVICE_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	static unsigned int nr;
	static int fd = -1;
	char line[64];

	if (opt.role != UPLINK || opt.beacons)
		return;
	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	while (lines--) {
		snprintf(line, sizeof(line), LINE "%08u", nr++);
		if (sendto(fd, line, strlen(line), 0, (void *)&to, sizeof(to)) < 0)
			peer_die("sendto");
	}
}

/* Its SYN was sent, or theirs is there. */
static void conn_begin(struct conn *c)
{
	if (!c->listening) {
		conn_syn(c);
		if (!until(c->syn, patience()))
			wrong("no answer to a SYN");
		return;
	}
	uplink_feed(20);
	if (opt.role == UPSTREAM) {
		client_close();
		client_open();
	}
	/* An uplink waits longer after each failure. */
	if (!until(c->syn, 35000 * peer_slow()))
		wrong("nobody connects to the upstream");
	connect_ms = reset_at ? (peer_us() - reset_at) / 1000 : 0;
}

static void up(struct conn *c)
{
	bool passive = c->listening;

	conn_begin(c);
	if (!passive) {
		send_ack(c);
		return;
	}
	send_flags(c, SYN | ACK, c->iss, c->rcv);
	c->snd = c->iss + 1;
	if (!until(c->ack && c->una == c->snd, patience()))
		wrong("no answer to a SYN and ACK");
}

static struct conn *conn_up(void)
{
	struct conn *c = conn_new();

	up(c);
	return c;
}

/*
 * Reset it, wherever it is. They want the exact number, and say which it is when
 * they are asked with a byte that they have had.
 */
static void conn_kill(struct conn *c)
{
	int i;

	c->manual = true;
	if (c->syn && !c->rst && c->snd != c->iss) {
		send_flags(c, RST, c->una, 0);
		for (i = 0; i < 100 * peer_slow() && !c->rst; i++) {
			unsigned int before = c->packets;

			send_at(c, c->una - 1, 1, false);
			if (!until(c->packets != before || c->rst, 50))
				continue;
			if (!c->rst)
				send_flags(c, RST, c->una, 0);
		}
	}
}

static void conns_free(void)
{
	unsigned int i;

	for (i = 0; i < conns_n; i++) {
		free(conns[i]->sent);
		free(conns[i]);
	}
	conns_n = 0;
}

/* --- after an attack --- */

static bool books_balance(void)
{
	struct peer_books b = peer_books();

	if (opt.role == UPLINK)
		return b.rx == b.tx + b.drops;
	return !b.connections && b.accepted == b.closes;
}

/* Bytes both ways, and the end, by the rules. */
static void keep_rules(void)
{
	struct conn *c = conn_up();
	__u32 total = 20000, begin = c->snd, n;

	while (opt.role != UPLINK && c->snd - begin < total) {
		n = total - (c->snd - begin);
		n = n < MSS ? n : MSS;
		if (!until(c->una + c->room - c->snd >= n, patience()))
			wrong("an honest peer finds no room");
		send_data(c, n, n);
		pump(0);
	}
	if (opt.role == UPLINK) {
		/* So long that the waits between connections begin anew. */
		uplink_feed(20);
		if (!until(c->rcv - c->irs > 20 * strlen(LINE), patience()))
			wrong("an honest receiver gets no lines");
		pump(connect_ms + 300);
		send_flags(c, RST | ACK, c->snd, c->rcv);
		return;
	}
	if (opt.role != DISCARD && !until(c->rcv - c->irs - 1 == total, patience()))
		wrong("an honest peer got %u bytes of %u", c->rcv - c->irs - 1, total);
	send_fin(c);
	if (!until(c->fin && c->una == c->snd, patience()))
		wrong("no end of an honest connection");
	if (c->rst)
		wrong("an honest connection was reset");
}

/* No connection is left, the books balance, and the rules hold for who keeps them. */
static void settle(void)
{
	unsigned int i;

	for (i = 0; i < conns_n; i++)
		conn_kill(conns[i]);
	conns_free();
	client_close();
	if (!until(books_balance(), 40000 * peer_slow()))
		wrong("the books do not balance, or a connection is left");
	keep_rules();
	client_close();
	if (!until(books_balance(), 40000 * peer_slow()))
		wrong("the books do not balance after an honest connection");
	conns_free();
}

/* --- the attacks --- */

static bool all_back(const struct conn *c)
{
	return opt.role == DISCARD || opt.role == UPLINK ||
	       until(c->rcv - c->irs >= c->snd - c->iss, patience());
}

/* Windows of a few bytes, and segments as small. */
static void attack_tiny(void)
{
	static const __u16 windows[] = { 1, 7, 88, 300 };
	struct conn *c;
	unsigned int i;

	c = conn_new();
	c->win = 300;
	c->mss = 88;
	up(c);
	uplink_feed(20);
	for (i = 0; i < 4; i++) {
		c->win = windows[i];
		send_data(c, 600, 60);
		until(c->rcv - c->irs > 600 * i + 100, 100);
	}
}

/* The window goes back after it was there, and comes and goes by a byte. */
static void attack_shrink(void)
{
	static const __u16 windows[] = { 60000, 20000, 500, 0, 1, 0, 2, 0, 1000, 0, 60000 };
	struct conn *c = conn_up();
	unsigned int i;

	c->manual = true;
	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		c->win = windows[i];
		/* Nothing new is acknowledged, the right edge moves alone. */
		send_ack(c);
		send_burst(c, 8000, 1000);
		uplink_feed(5);
		pump(2);
		send_flags(c, ACK, c->snd, c->rcv - (c->rcv - c->irs - 1) / 2);
	}
	c->manual = false;
	send_ack(c);
	pump(20);
}

/* A window of nothing, until they probe; then a byte at a time. */
static void attack_zero(void)
{
	struct conn *c = conn_new();
	int i;

	c->win = 0;
	up(c);
	send_burst(c, 30000, 1000);
	uplink_feed(50);
	for (i = 0; i < 3; i++) {
		unsigned int before = c->packets;

		until(c->packets != before, 300);
		send_ack(c);
	}
	for (i = 0; i < 40; i++) {
		c->win = 1;
		send_ack(c);
		until(false, 1);
	}
	c->win = 65535;
	send_ack(c);
	if (opt.role != DISCARD && opt.role != UPLINK)
		until(c->rcv - c->irs > 10000, patience());
}

/* One-byte segments, the last first, until there is no memory for more. */
static void attack_flood(void)
{
	long before = peer_netstat("OfoPruned");
	struct conn *c = conn_up();
	unsigned int n = 600, i;

	for (i = 0; i < n; i++) {
		send_at(c, c->snd + 2 * (n - i), 1, false);
		if (i % 64 == 63)
			receive();
	}
	if (peer_netstat("OfoPruned") == before)
		wrong("a flood that has reached no bound");
	/* And now the holes, with bytes that are others where they overlap. */
	for (i = 0; i < 40; i++)
		send_at(c, c->snd + i * 50, 51, i % 2);
	send_data(c, 4000, 1000);
	pump(10);
}

/* The same places again with other bytes: before, after, across, inside. */
static void attack_overlap(void)
{
	struct conn *c = conn_up();
	__u32 at;
	int i;

	for (i = 0; i < 12; i++) {
		at = c->snd;
		send_at(c, at + 1000, 500, i & 1);
		send_at(c, at + 800, 900, !(i & 1));
		send_at(c, at + 1100, 100, i & 1);
		send_at(c, at + 3000, 10, false);
		send_at(c, at + 1, 3000, i & 2);
		send_at(c, at - 700, 701, true);
		if (i % 3)
			pump(1);
		send_at(c, at, 3010, i & 4);
		send_at(c, at, 3010, !(i & 4));
		c->snd += 3010;
		uplink_feed(2);
		pump(i % 3);
	}
	if (!all_back(c))
		wrong("%u bytes of %u came back", c->rcv - c->irs - 1, 3010 * 12);
}

/* An urgent byte at each place of a segment, before it and behind it. */
static void urgent(bool early)
{
	static const __u16 far[] = { 100, 1000, 65535 };
	struct conn *c = conn_up();
	unsigned int i;

	/* The service has taken the connection when its first byte is back. */
	send_data(c, early ? 0 : 1, 1);
	if (!early && !all_back(c))
		wrong("the first byte does not come back");

	for (i = 0; i < 15; i++) {
		struct segment s = {
			.flags = ACK | PSH | URG, .seq = c->snd, .ack = c->rcv,
			.len = 10, .urg = i < 12 ? i : far[i - 12],
		};

		send_segment(c, &s);
		/* The same once more, with the byte at another place. */
		s.urg = 10 - s.urg;
		if (i % 2)
			send_segment(c, &s);
		c->snd += s.len;
		if (i % 3)
			pump(1);
	}
	/* It points behind what there is, and more comes. */
	send_data(c, 3000, 500);
	if (!all_back(c))
		wrong("%u bytes of %u came back", c->rcv - c->irs - 1, c->snd - c->iss - 1);
}

static void attack_urgent(void)
{
	urgent(false);
}

/* Before the service has taken the connection. */
static void attack_urgent_early(void)
{
	urgent(true);
}

/* SYN, ACK and RST at once: it is reset while they take it. */
static void attack_accept(void)
{
	unsigned int i, n = opt.role == ECHO || opt.role == DISCARD ? 40 : 1;

	for (i = 0; i < n; i++) {
		struct conn *c = conn_new();

		c->manual = true;
		conn_begin(c);
		if (opt.role == UPSTREAM || opt.role == UPLINK)
			send_flags(c, SYN | ACK, c->iss, c->rcv);
		else
			send_ack(c);
		c->snd = c->iss + 1;
		if (i % 4 == 1)
			send_data(c, 100, 50);
		if (i % 4 == 2)
			send_fin(c);
		if (i % 4 == 3)
			pump(0);
		send_flags(c, RST, c->snd, 0);
	}
}

/* A reset before there is a connection: a half-open one, or an answer to a SYN. */
static void attack_half_open(void)
{
	struct conn *c = conn_new();

	conn_begin(c);
	if (opt.role == UPSTREAM || opt.role == UPLINK)
		send_flags(c, RST | ACK, 0, c->rcv);
	else
		send_flags(c, RST, c->snd, 0);
	pump(2);
	c->rst = true;
	if (opt.role == UPSTREAM)
		return;
	/* And one that is acknowledged wrongly, and then for good. */
	c = conn_new();
	conn_begin(c);
	if (opt.role == UPLINK)
		send_flags(c, SYN | ACK, c->iss, c->rcv + 5);
	else
		send_flags(c, ACK, c->snd, c->rcv + 5);
	pump(2);
	c->rst = true;
	if (opt.role == UPLINK)
		send_flags(c, RST | ACK, 0, c->rcv);
	else
		send_flags(c, RST, c->snd, 0);
}

/* The states that a reset may meet them in, by what was done before it. */
static void attack_reset(void)
{
	unsigned int state;

	for (state = 0; state < 10; state++) {
		struct conn *c = conn_up();

		c->manual = state != 4;
		switch (state) {
		case 0: /* ESTABLISHED, nothing sent */
			break;
		case 1: /* with answers that are not acknowledged */
			send_data(c, 3000, 1000);
			pump(2);
			break;
		case 2: /* with answers that have no room */
			c->win = 0;
			send_burst(c, 40000, 1000);
			pump(2);
			break;
		case 3: /* with a hole before what has come */
			send_at(c, c->snd + 10, 1000, false);
			break;
		case 4: /* CLOSE_WAIT, then LAST_ACK, all acknowledged but the end */
			send_data(c, 1000, 1000);
			until(opt.role == DISCARD || c->rcv - c->irs > 1000, 100);
			c->manual = true;
			send_fin(c);
			pump(2);
			break;
		case 5: /* CLOSE_WAIT, with answers that have no room */
			c->win = 0;
			send_burst(c, 40000, 1000);
			send_fin(c);
			pump(2);
			break;
		case 6: /* FIN_WAIT1, or theirs in any case */
			client_close();
			pump(2);
			break;
		case 7: /* FIN_WAIT2 */
			client_close();
			until(c->fin, 50);
			send_ack(c);
			break;
		case 8: /* CLOSING */
			client_close();
			until(c->fin, 50);
			send_flags(c, FIN | ACK, c->snd++, c->rcv - c->fin);
			break;
		case 9: /* TIME_WAIT, or closed for good */
			client_close();
			until(c->fin, 50);
			send_fin(c);
			pump(2);
			send_ack(c);
			break;
		}
		send_flags(c, RST, c->una, 0);
		send_flags(c, RST | ACK, c->snd, c->rcv);
		pump(1);
		conn_kill(c);
	}
}

/* Connections in all states, and not a word any more: their time has to end them. */
static void vanish(bool ends)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct conn *c = conn_new();

		if (i == 11) {
			conn_syn(c);
			pump(1);
		} else {
			up(c);
			c->manual = true;
			c->win = i % 2 ? 65535 : 0;
			if (i % 3)
				send_burst(c, 20000 * (i % 3), 1000);
			if (i % 4 == 3)
				send_at(c, c->snd + 1000, 100, false);
			if (ends && i >= 6)
				send_fin(c);
			pump(1);
		}
		/* Nothing more is sent, whatever comes. */
		c->rst = true;
	}
}

static void attack_silent(void)
{
	vanish(false);
}

static void attack_silent_ends(void)
{
	vanish(true);
}

/* Ends: with a hole before them, twice, with bytes behind them, and answers after. */
static void attack_end(void)
{
	struct conn *c = conn_up();

	send_flags(c, FIN | ACK, c->snd + 100, c->rcv);
	send_at(c, c->snd + 101, 50, true);
	send_at(c, c->snd + 50, 50, false);
	pump(1);
	send_at(c, c->snd, 50, false);
	send_flags(c, FIN | ACK, c->snd + 100, c->rcv);
	send_flags(c, FIN | ACK, c->snd + 99, c->rcv);
	c->snd += 101;
	pump(2);
	send_at(c, c->snd, 500, false);
	send_flags(c, FIN | SYN | ACK, c->snd, c->rcv);
	if (opt.role != UPLINK)
		until(c->fin, 200);
}

static void sack(struct conn *c, __u32 a, __u32 b, __u32 d, __u32 e)
{
	__u32 edges[] = { htonl(a), htonl(b), htonl(d), htonl(e) };
	__u8 bytes[20] = { 1, 1, 5, 18 };
	struct segment s = {
		.flags = ACK, .seq = c->snd, .ack = c->rcv, .opt = bytes,
		.opt_len = sizeof(bytes),
	};

	memcpy(bytes + 4, edges, sizeof(edges));
	send_segment(c, &s);
}

/* Blocks that were never sent, that are reversed, that are taken back. */
static void attack_sack(void)
{
	struct conn *c = conn_new();
	__u32 rcv;
	int i;

	c->sack = true;
	c->stamps = opt.role == ECHO;
	c->scale = 7;
	up(c);
	c->manual = true;
	send_burst(c, 30000, 1000);
	uplink_feed(100);
	until(c->rcv - c->irs > 3000, 50);
	rcv = c->rcv;
	/* Nothing is acknowledged from here on. */
	for (i = 0; i < 12; i++) {
		c->rcv = c->irs + 1;
		sack(c, c->rcv + 1000, c->rcv + 2000, c->rcv + 3000, c->rcv + 3001);
		sack(c, rcv + 10000, rcv + 20000, c->rcv - 5000, c->rcv);
		sack(c, c->rcv + 2000, c->rcv + 1000, c->rcv, c->rcv);
		sack(c, c->rcv - 1, rcv + 1, c->rcv + 500, c->rcv + 600);
		sack(c, c->rcv + 100 * i, c->rcv + 100 * i + 1, rcv - 1, rcv);
		pump(1);
	}
	c->rcv = rcv;
	c->manual = false;
	send_ack(c);
	if (opt.role != DISCARD && opt.role != UPLINK &&
	    !until(c->rcv - c->irs - 1 >= 30000, patience()))
		wrong("%u bytes of 30000 came back", c->rcv - c->irs - 1);
}

/* Clocks that go back, that run ahead, answers to what was never asked. */
static void attack_stamps(void)
{
	struct conn *c = conn_new();
	__u32 theirs;
	int i;

	c->stamps = true;
	c->scale = 14;
	c->win = 5;
	up(c);
	theirs = c->echo_stamp;
	for (i = 0; i < 10; i++) {
		c->stamp = i & 1 ? next() : 1000u + i;
		c->echo_stamp = i & 2 ? next() : theirs;
		send_data(c, 500, 250);
		pump(1);
	}
	c->stamps = false;
	send_data(c, 500, 250);
	pump(2);
	c->stamps = true;
	c->stamp = 2000;
}

/* Numbers out of every window: those are to change nothing. */
static void attack_numbers(void)
{
	struct conn *c = conn_up();
	__u32 far[] = { 1u << 31, (1u << 31) - 1, 1 << 20, 0u - 100000, 70000 };
	unsigned int i;

	send_data(c, 1000, 500);
	until(opt.role == DISCARD || opt.role == UPLINK || c->rcv - c->irs > 1000, 100);
	for (i = 0; i < sizeof(far) / sizeof(*far); i++) {
		send_at(c, c->snd + far[i], 100, true);
		send_flags(c, ACK, c->snd, c->rcv + far[i]);
		send_flags(c, RST, c->snd + (far[i] ? far[i] : 1), c->rcv);
		send_flags(c, SYN, c->snd + far[i], c->rcv);
		send_flags(c, FIN | ACK, c->snd + far[i], c->rcv + far[i]);
	}
	pump(2);
	send_data(c, 1000, 500);
	if ((opt.role == ECHO || opt.role == UPSTREAM) &&
	    !until(c->rcv - c->irs - 1 >= 2000, patience()))
		wrong("a connection is deaf after numbers out of its window");
}

/* Headers that are none. */
static void attack_headers(void)
{
	static const __u8 options[][8] = {
		{ 2, 0, 2, 0 }, { 8, 255, 1, 1 }, { 5, 3, 1, 1 }, { 5, 40, 0, 0 },
		{ 253, 2, 254, 8 }, { 34, 4, 1, 1 }, { 30, 8, 0, 0 }, { 19, 18, 0, 0 },
		{ 3, 3, 255, 0 }, { 4, 2, 4, 2 }, { 28, 4, 0, 0 }, { 14, 3, 1, 0 },
	};
	struct conn *c = conn_up();
	unsigned int i;

	for (i = 0; i < 64; i++) {
		struct segment s = {
			/* Every set of flags but those that may end it. */
			.flags = (i << 3 & 0xf8) | ACK, .seq = c->snd, .ack = c->rcv,
			.len = 5,
		};

		if (i < sizeof(options) / sizeof(*options)) {
			s.opt = options[i];
			s.opt_len = sizeof(options[i]);
		}
		s.bad_sum = i % 8 == 7;
		if (i % 8 == 6) {
			/* Its bytes begin elsewhere, so they are old ones. */
			s.doff = below(16);
			s.seq = c->una - 200;
		}
		send_segment(c, &s);
		if (i % 16 == 15) {
			pump(1);
			c->snd = c->una;
		}
	}
	send_flags(c, 0, c->snd, c->rcv);
	send_flags(c, 0xff & ~(RST | SYN), c->snd + 1, c->rcv);
	pump(2);
}

/*
 * The receive queue is put in order while the service sends from it. A small window
 * makes many small segments of one send, after each 16 of which the stack takes what
 * has come meanwhile; that finds the receive queue over its bound. So: bytes until
 * the send buffer is full, small packets until the receive queue nearly is, and then
 * acknowledgments one by one, until one brings nothing. The socket is owned, then.
 */
static void attack_collapse(void)
{
	static unsigned int fill;
	static int hits;
	struct conn *c = conn_new();
	long before, middle, after;
	unsigned int i, acks, sent = 0;

	c->win = 300;
	c->manual = true;
	up(c);
	before = peer_netstat("PruneCalled");
	send_burst(c, 60000, 1000);
	pump(20);
	for (i = 0; !fill || i < fill; i++) {
		send_data(c, 60, 60);
		sent++;
		if (!fill && (peer_netstat("PruneCalled") != before || i == 3000))
			break;
	}
	if (!fill) {
		if (peer_netstat("PruneCalled") == before)
			wrong("the receive queue has no bound");
		fill = sent > 3 ? sent - 3 : 1;
		return;
	}
	while (receive())
		;
	middle = peer_netstat("PruneCalled");
	for (acks = 0; acks < 200; acks++) {
		send_ack(c);
		if (!receive())
			break;
	}
	for (i = 0; i < 20; i++)
		send_data(c, 60, 60);
	pump(5);
	after = peer_netstat("PruneCalled");
	if (middle != before && fill > 2)
		fill -= 2;
	else if (after == middle)
		fill++;
	else
		hits++;
	if (opt.verbose)
		printf("fill %u acks %u prunes %ld %ld hits %d\n", fill, acks, middle - before,
		       after - middle, hits);
	for (i = 0; i < 60; i++) {
		send_ack(c);
		if (!receive())
			pump(1);
	}
}

static void random_segment(struct conn *c)
{
	__u8 bytes[12];
	struct segment s = {
		.seq = c->snd + below(4000) - 2000, .ack = c->rcv - below(3000) + below(1000),
		.flags = next() & ~(RST | SYN), .urg = next(), .len = below(1460),
		.other = one_in(2), .bad_sum = one_in(20),
	};
	unsigned int i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = one_in(2) ? below(40) : next();
	if (one_in(2)) {
		s.opt = bytes;
		s.opt_len = 4 + 4 * below(3);
	}
	/* An end that is in order is another attack. */
	if (one_in(8))
		s.flags |= FIN;
	else
		s.flags &= ~FIN;
	send_segment(c, &s);
}

static void random_step(struct conn *c)
{
	__u32 n, i;

	switch (below(16)) {
	case 0: case 1:
		send_data(c, 1 + below(4000), 1 + below(MSS));
		break;
	case 2:
		send_burst(c, 1 + below(30000), 50 + below(1400));
		break;
	case 3:
		send_at(c, c->snd + below(9000) - 4000, 1 + below(3000), one_in(2));
		break;
	case 4:
		c->snd = c->una;
		break;
	case 5:
		c->snd += below(3000);
		break;
	case 6:
		for (n = below(100), i = 0; i < n; i++)
			send_at(c, c->snd + 1 + 2 * below(500), 1, one_in(8));
		break;
	case 7: case 8:
		c->win = one_in(3) ? below(3) : one_in(2) ? below(2000) : next();
		send_ack(c);
		break;
	case 9:
		send_flags(c, ACK, c->snd, c->rcv + below(70000) - 35000);
		break;
	case 10:
		sack(c, c->rcv + below(4000), c->rcv + below(4000), c->rcv - below(4000),
		     next());
		break;
	case 11:
		random_segment(c);
		break;
	case 12:
		c->stamp = next();
		c->manual = !c->manual;
		break;
	case 13:
		uplink_feed(below(30));
		if (one_in(10))
			client_close();
		break;
	default:
		pump(below(4));
	}
}

static void attack_random(void)
{
	struct conn *c;
	unsigned int steps;

	attack_seed = opt.seed++;
	peer_seed(attack_seed);
	c = conn_new();
	c->win = one_in(2) ? below(1000) : next();
	c->scale = (int)below(16) - 1;
	c->mss = one_in(2) ? 1 + below(1460) : next();
	c->sack = one_in(2);
	c->stamps = one_in(3);
	up(c);
	c->manual = true;
	for (steps = 5 + below(60); steps && !c->rst; steps--)
		random_step(c);
	if (one_in(4))
		send_fin(c);
	c->stamps = false;
}

static const struct attack {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{ "tiny", attack_tiny },
	{ "shrink", attack_shrink },
	{ "zero", attack_zero },
	{ "flood", attack_flood },
	{ "overlap", attack_overlap },
	{ "urgent", attack_urgent },
	{ "urgent_early", attack_urgent_early },
	{ "accept", attack_accept },
	{ "half_open", attack_half_open },
	{ "reset", attack_reset },
	{ "end", attack_end },
	{ "sack", attack_sack },
	{ "stamps", attack_stamps },
	{ "numbers", attack_numbers },
	{ "headers", attack_headers },
	{ "silent", attack_silent },
	{ "silent_ends", attack_silent_ends },
	{ "collapse", attack_collapse },
	{ "random", attack_random },
};

#define ATTACKS	(sizeof(attacks) / sizeof(*attacks))

static void run(const struct attack *attack, bool v6)
{
	__s64 begin = peer_us(), end;

	attack_name = attack->name;
	attack_v6 = v6;
	attack->run();
	end = peer_us();
	settle();
	if (opt.verbose)
		printf("%s: %lld ms and %lld ms\n", attack_name,
		       (long long)(end - begin) / 1000,
		       (long long)(peer_us() - end) / 1000);
}

static void run_named(const char *name)
{
	unsigned int i, n;

	for (i = 0; i < ATTACKS && strcmp(name, attacks[i].name); i++)
		;
	if (i == ATTACKS) {
		fprintf(stderr, "tcp_peer: no attack '%s'\n", name);
		exit(2);
	}
	for (n = 0; n < opt.count; n++) {
		if (opt.v4)
			run(&attacks[i], false);
		if (opt.v6)
			run(&attacks[i], true);
	}
}

static void set_role(const char *word)
{
	static const char *const roles[] = { "echo", "discard", "upstream", "uplink" };
	unsigned int i;

	for (i = 0; i < 4 && strcmp(word, roles[i]); i++)
		;
	if (i == 4) {
		fputs(help, stderr);
		exit(2);
	}
	opt.role = i;
}

static void read_args(int argc, char **argv)
{
	unsigned int i;
	int c;

	opt.seed = time(NULL);
	while ((c = getopt(argc, argv, "46c:s:bvlh")) != -1) {
		switch (c) {
		case '4':
			opt.v6 = false;
			break;
		case '6':
			opt.v4 = false;
			break;
		case 'c':
			opt.count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			opt.beacons = true;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'l':
			for (i = 0; i < ATTACKS; i++)
				puts(attacks[i].name);
			exit(0);
		default:
			fputs(help, stderr);
			exit(2);
		}
	}
	if (argc - optind < 2) {
		fputs(help, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	__s64 started = peer_us();
	cpu_set_t first;
	int i;

	peer_name = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_args(argc, argv);
	set_role(argv[optind]);
	peer_seed(opt.seed);
	tun = peer_tun_open();
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	for (i = optind + 1; i < argc; i++) {
		if (!strcmp(argv[i], "random"))
			printf("seed %llu\n", opt.seed);
		run_named(argv[i]);
	}
	printf("connections=%llu packets=%llu ms=%lld\n", conns_total, packets_total,
	       (long long)(peer_us() - started) / 1000);
	return 0;
}
