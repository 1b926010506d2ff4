// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to a machine in years, in a random order and in minutes: services
 * that are added, replaced, changed, used and removed by netlink and by socket
 * options, with settings that are valid and nearly valid, in several network
 * namespaces; datagrams, connections and packets with any header to them;
 * addresses and devices that come and go; namespaces that end; the module unloaded
 * and loaded again. One process does one thing after the other, so that a seed
 * makes the same sequence; the kernel's part runs beside it.
 *
 * Nothing here knows the right answer. The machine that runs this finds what the
 * kernel complains about and what is left behind. What is checked is that netlink and
 * /proc show the same services, that each kind of step succeeds at times, and
 * that the module can be unloaded at the end.
 *
 *   KSOCKET_SEED     the seed; it is printed (default: the time)
 *   KSOCKET_SECONDS  how long (default: 10, with KSOCKET_SOAK 3600)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <time.h>

#include "kselftest_harness.h"

#include "netlink_msg.h"

#include "../include/uapi/linux/ksocket.h"

#define SPACES		3
#define CONNECTIONS	16
#define PORTS		8
#define DEVICE		"ksrand"

/* A network namespace and what this program has open in it. */
struct space {
	int ns;
	int nl;
	int route;
	int udp;
	int packet;
	int tcp[CONNECTIONS];
};

static struct space spaces[SPACES], *here;
static int family;

struct step {
	const char *name;
	int weight;
	/* Return: whether it has succeeded. */
	bool (*take)(void);
	unsigned long taken, succeeded;
};

static int local_port(void)
{
	/* The receivers have ports from 100 on. */
	return PORT + next() % PORTS + (next() % 4 ? 0 : 100);
}

static void local_address(struct sockaddr_in *to)
{
	static const char *const addresses[] = {
		"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2",
		"127.255.255.255", "198.51.100.1", "198.51.100.2", "224.0.0.1",
	};

	memset(to, 0, sizeof(*to));
	to->sin_family = AF_INET;
	to->sin_port = htons(local_port());
	inet_pton(AF_INET, addresses[next() % ARRAY_SIZE(addresses)], &to->sin_addr);
}

/* --- namespaces --- */

static void space_close(struct space *space)
{
	int i;

	for (i = 0; i < CONNECTIONS; i++)
		if (space->tcp[i] >= 0)
			close(space->tcp[i]);
	close(space->packet);
	close(space->udp);
	close(space->route);
	close(space->nl);
	close(space->ns);
}

/* Return: 0 or -1. */
static int space_open(struct space *space)
{
	int i;

	if (unshare(CLONE_NEWNET) || lo_up())
		return -1;
	space->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	space->nl = nl_open();
	space->route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	space->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	space->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	for (i = 0; i < CONNECTIONS; i++)
		space->tcp[i] = -1;
	i = 1;
	setsockopt(space->udp, SOL_SOCKET, SO_BROADCAST, &i, sizeof(i));
	return space->ns < 0 || space->nl < 0 || space->route < 0 ||
	       space->udp < 0 || space->packet < 0 ? -1 : 0;
}

static bool namespace_other(void)
{
	here = &spaces[next() % SPACES];
	return !setns(here->ns, CLONE_NEWNET);
}

/* The old one ends when the kernel comes to it, with what is in it. */
static bool namespace_new(void)
{
	space_close(here);
	return !space_open(here);
}

/* --- the control interfaces --- */

static void put_tcp(struct message *msg)
{
	if (next() % 2)
		put_u32(msg, KSOCKET_A_SERVICE_PROTO, next() % 2);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_MAX_CONNECTIONS, 1 + next() % 16);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_BACKLOG, 1 + next() % 16);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_IDLE_TIMEOUT, next() % 4);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_KEEPALIVE, next() % 4);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_REPLY_PROTO, next() % 2);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_FRAMING, next() % 3);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_QUEUE_BYTES, 4096 << next() % 8);
	if (next() % 8 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_IFINDEX, 1 + next() % 4);
}

static bool netlink_request(void)
{
	static struct message msg;
	int n;

	compose(&msg, family);
	if (msg.genl.cmd == KSOCKET_CMD_SERVICE_NEW)
		put_tcp(&msg);
	if (next() % 4 == 0)
		for (n = 1 + next() % 3; n; n--)
			mutate(&msg);
	return send(here->nl, &msg, msg.nl.nlmsg_len, 0) >= 0 && drain(here->nl);
}

static bool netlink_connections(void)
{
	static struct message msg;

	compose(&msg, family);
	msg.nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg.nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg.genl.cmd = KSOCKET_CMD_CONN_GET;
	if (send(here->nl, &msg, msg.nl.nlmsg_len, 0) < 0)
		return false;
	drain(here->nl);
	return true;
}

static void so_address(struct ksocket_so_addr *addr, int port)
{
	addr->family = AF_INET;
	addr->port = htons(port);
	memcpy(addr->addr, "\x7f\0\0\1", 4);
}

static bool sockopt_add(void)
{
	struct ksocket_so_service svc = {
		.name = { 'a' + next() % 4 },
		.mode = next() % 6,
		.datapath = next() % 3,
		.threads = 1 + next() % 2,
		.buffer_size = 1 + next() % 65535,
		.gro = next() % 2,
	};

	if (svc.mode == KSOCKET_MODE_BEACON)
		svc.interval = 10 + next() % 1000;
	else
		so_address(&svc.listen, PORT + next() % PORTS);
	if (svc.mode == KSOCKET_MODE_BEACON || svc.mode == KSOCKET_MODE_RELAY ||
	    svc.mode == KSOCKET_MODE_TEXT)
		so_address(&svc.reply, PORT + 100 + next() % PORTS);
	if (next() % 2 && svc.mode < KSOCKET_MODE_TEXT) {
		svc.proto = KSOCKET_PROTO_TCP;
		svc.reply_proto = KSOCKET_PROTO_TCP * (svc.mode == KSOCKET_MODE_RELAY);
		svc.max_connections = 1 + next() % 16;
		svc.backlog = 1 + next() % 16;
		svc.idle_timeout = next() % 4;
		svc.gro = 0;
	}
	if (next() % 4 == 0)
		((__u8 *)&svc)[next() % sizeof(svc)] = next();
	return !setsockopt(here->udp, IPPROTO_IP, KSOCKET_SO_ADD, &svc, sizeof(svc));
}

static bool sockopt_del(void)
{
	struct ksocket_so_name name = { .name = { 'a' + next() % 4 } };

	return !setsockopt(here->udp, IPPROTO_IP, KSOCKET_SO_DEL, &name, sizeof(name));
}

static bool sockopt_get(void)
{
	static __u8 data[sizeof(struct ksocket_so_service) +
			 sizeof(struct ksocket_so_stats)];
	static const socklen_t sizes[] = {
		sizeof(struct ksocket_so_info), sizeof(struct ksocket_so_service),
		sizeof(struct ksocket_so_stats),
	};
	int what = next() % 3;
	socklen_t len = sizes[what];

	memset(data, 0, KSOCKET_SO_NAME_LEN);
	data[0] = 'a' + next() % 4;
	return !getsockopt(here->udp, IPPROTO_IP, KSOCKET_SO_BASE + what, data, &len);
}

static bool proc_read(void)
{
	return services_shown() >= 0;
}

/* Nothing but this program changes them, so all must show the same. */
static bool agree(void)
{
	drain(here->nl);
	return services_shown() == services_dumped(here->nl, family);
}

/* --- traffic --- */

static bool datagram(void)
{
	static __u8 data[65536];
	struct sockaddr_in to;

	local_address(&to);
	return sendto(here->udp, data, next() % 8 ? next() % 1500 : next() % 65508,
		      MSG_DONTWAIT, (void *)&to, sizeof(to)) >= 0;
}

static bool tcp_connect(void)
{
	int *fd = &here->tcp[next() % CONNECTIONS];
	struct sockaddr_in to;
	int size = 4096 << next() % 6;

	if (*fd >= 0)
		close(*fd);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (next() % 2)
		setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	local_address(&to);
	/* On the loopback device the answer is there at once. */
	return !connect(*fd, (void *)&to, sizeof(to)) || errno == EINPROGRESS;
}

static bool tcp_use(void)
{
	static const struct linger at_once = { .l_onoff = 1 };
	static __u8 data[65536];
	int *fd = &here->tcp[next() % CONNECTIONS];
	bool ok = false;

	if (*fd < 0)
		return false;
	switch (next() % 8) {
	case 0:
		ok = !shutdown(*fd, next() % 3);
		break;
	case 1:
	case 2:
		if (next() % 2)
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once,
				   sizeof(at_once));
		ok = !close(*fd);
		*fd = -1;
		break;
	case 3:
		ok = send(*fd, data, 1, MSG_OOB | MSG_NOSIGNAL) > 0;
		break;
	case 4:
	case 5:
		ok = recv(*fd, data, next() % sizeof(data), 0) > 0;
		break;
	default:
		ok = send(*fd, data, next() % sizeof(data), MSG_NOSIGNAL) > 0;
	}
	return ok;
}

static __u16 checksum(const void *data, size_t len, __u32 sum)
{
	const __u8 *at = data;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? at[i] : at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* An IPv4 packet that nobody's stack has made, from a device. */
static bool raw_packet(void)
{
	static __u8 frame[2048];
	struct ethhdr *eth = (void *)frame;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	size_t len = next() % 1400, i;
	bool stream = next() % 2;
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = next() % 8 ? 1 : 1 + next() % 4,
		.sll_halen = ETH_ALEN,
	};
	struct sockaddr_in from, dest;
	__u32 sum = 0;

	memset(frame, 0, sizeof(*eth) + sizeof(*ip) + sizeof(*tcp));
	eth->h_proto = htons(ETH_P_IP);
	local_address(&from);
	local_address(&dest);
	if (next() % 4 == 0)
		from.sin_addr.s_addr = next();
	len += stream ? sizeof(*tcp) : sizeof(*udp);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(sizeof(*ip) + len);
	ip->id = next();
	ip->ttl = next();
	ip->tos = next();
	ip->protocol = stream ? IPPROTO_TCP : IPPROTO_UDP;
	ip->saddr = from.sin_addr.s_addr;
	ip->daddr = dest.sin_addr.s_addr;
	if (stream) {
		tcp->source = from.sin_port;
		tcp->dest = dest.sin_port;
		tcp->seq = next();
		tcp->ack_seq = next();
		tcp->doff = next() % 4 ? 5 : next();
		((__u8 *)tcp)[13] = next() % 2 ? 2 : next();
		tcp->window = next();
		tcp->urg_ptr = next();
	} else {
		udp->source = next() % 16 ? from.sin_port : 0;
		udp->dest = dest.sin_port;
		udp->len = htons(next() % 8 ? len : next());
	}
	/* The checksum of the pseudo header goes into the other one. */
	for (i = 0; i < 8; i++)
		sum += i % 2 ? ((__u8 *)&ip->saddr)[i] : ((__u8 *)&ip->saddr)[i] << 8;
	sum += ip->protocol + len;
	sum = htons(checksum(tcp, len, sum));
	if (stream)
		tcp->check = sum;
	else if (next() % 4)
		udp->check = sum;
	/* Nearly right. */
	if (next() % 8 == 0)
		((__u8 *)ip)[next() % (sizeof(*ip) + 8)] = next();
	ip->check = 0;
	ip->check = htons(checksum(ip, sizeof(*ip), 0));
	return sendto(here->packet, frame, sizeof(*eth) + sizeof(*ip) + len, MSG_DONTWAIT,
		      (void *)&to, sizeof(to)) >= 0;
}

/* --- addresses and devices --- */

static bool route_request(struct message *msg)
{
	return send(here->route, msg, msg->nl.nlmsg_len, 0) >= 0 && drain(here->route);
}

/* struct message has the header of generic netlink, which is shorter. */
static struct message *route_message(int type, int flags, const void *header, size_t len)
{
	static struct message msg;

	memset(&msg, 0, 512);
	msg.nl.nlmsg_type = type;
	msg.nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	msg.nl.nlmsg_len = NLMSG_LENGTH(len);
	memcpy(NLMSG_DATA(&msg.nl), header, len);
	return &msg;
}

static bool device_add(void)
{
	static const struct ifinfomsg link = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct message *msg = route_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link,
					    sizeof(link));
	struct nlattr *info;

	put(msg, IFLA_IFNAME, DEVICE, sizeof(DEVICE));
	info = put(msg, IFLA_LINKINFO, NULL, 0);
	put(msg, IFLA_INFO_KIND, "veth", 5);
	info->nla_len = (void *)msg + msg->nl.nlmsg_len - (void *)info;
	return route_request(msg);
}

static bool device_del(void)
{
	static const struct ifinfomsg link;
	struct message *msg = route_message(RTM_DELLINK, 0, &link, sizeof(link));

	put(msg, IFLA_IFNAME, DEVICE, sizeof(DEVICE));
	return route_request(msg);
}

/* Return: whether the device is up or down by then. */
static bool device_toggle(void)
{
	struct ifreq ifr = { .ifr_flags = next() % 4 ? IFF_UP : 0 };

	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", next() % 4 ? DEVICE : "lo");
	return !ioctl(here->udp, SIOCSIFFLAGS, &ifr);
}

/* 127.0.0.2/32, or one of 198.51.100.0/24. */
static bool address_change(void)
{
	bool lo = next() % 2;
	struct ifaddrmsg addr = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = lo ? 32 : 24,
		.ifa_index = lo ? 1 : if_nametoindex(DEVICE),
	};
	struct message *msg = route_message(next() % 3 ? RTM_NEWADDR : RTM_DELADDR, NLM_F_CREATE,
					    &addr, sizeof(addr));
	__u8 ip[4] = { 198, 51, 100, 1 + next() % 2 };

	put(msg, IFA_LOCAL, lo ? (void *)"\x7f\0\0\2" : ip, 4);
	return route_request(msg);
}

/* --- the module --- */

static bool module_again(void)
{
	static const char *const params[] = {
		"listen_port=0", "listen_port=0",
		"listen_port=7000 mode=echo",
		"listen_port=7001 proto=tcp mode=echo",
		"listen_port=7002 mode=relay reply_port=7100 reply_proto=tcp framing=length",
		"listen_port=7003 mode=nonsense",
		"listen_port=7004 mode=beacon-sink datapath=copy",
	};
	int i;

	/* Somebody may be in there. */
	for (i = 0; syscall(SYS_delete_module, "ksocket", O_NONBLOCK); i++) {
		if (i == 1000)
			return false;
		usleep(10000);
	}
	if (load(params[next() % ARRAY_SIZE(params)]) && load("listen_port=0"))
		return false;
	family = family_number(here->nl);
	return family > 0;
}

static struct step steps[] = {
	{ "netlink_request", 24, netlink_request, 0, 0 },
	{ "netlink_connections", 2, netlink_connections, 0, 0 },
	{ "sockopt_add", 6, sockopt_add, 0, 0 },
	{ "sockopt_del", 2, sockopt_del, 0, 0 },
	{ "sockopt_get", 4, sockopt_get, 0, 0 },
	{ "proc_read", 2, proc_read, 0, 0 },
	{ "datagram", 40, datagram, 0, 0 },
	{ "tcp_connect", 16, tcp_connect, 0, 0 },
	{ "tcp_use", 40, tcp_use, 0, 0 },
	{ "raw_packet", 40, raw_packet, 0, 0 },
	{ "device_add", 2, device_add, 0, 0 },
	{ "device_del", 1, device_del, 0, 0 },
	{ "device_toggle", 2, device_toggle, 0, 0 },
	{ "address_change", 3, address_change, 0, 0 },
	{ "namespace_other", 8, namespace_other, 0, 0 },
	{ "namespace_new", 1, namespace_new, 0, 0 },
	{ "module_again", 1, module_again, 0, 0 },
};

static struct step *any_step(void)
{
	int total = 0, at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		total += steps[i].weight;
	at = next() % total;
	for (i = 0; at >= steps[i].weight; i++)
		at -= steps[i].weight;
	return &steps[i];
}

static __u32 number_from(const char *name, __u32 otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

FIXTURE(life)
{
	__u32 seed;
	time_t end;
};

FIXTURE_SETUP(life)
{
	struct timespec now;
	int i;

	if (geteuid())
		SKIP(return, "needs root");
	clock_gettime(CLOCK_REALTIME, &now);
	self->seed = number_from("KSOCKET_SEED", now.tv_sec ^ now.tv_nsec ^ getpid());
	next_state = self->seed ? self->seed : 1;
	TH_LOG("KSOCKET_SEED=%u", self->seed);
	self->end = time(NULL) +
		    number_from("KSOCKET_SECONDS", getenv("KSOCKET_SOAK") ? 3600 : 10);
	ASSERT_EQ(0, load("listen_port=0"));
	for (i = 0; i < SPACES; i++)
		ASSERT_EQ(0, space_open(&spaces[i]));
	here = &spaces[SPACES - 1];
	family = family_number(here->nl);
	ASSERT_LT(0, family);
}

FIXTURE_TEARDOWN(life)
{
	int i;

	for (i = 0; i < SPACES; i++)
		space_close(&spaces[i]);
	/* Namespaces may be on their way out. */
	for (i = 0; syscall(SYS_delete_module, "ksocket", O_NONBLOCK); i++) {
		ASSERT_GT(6000, i)
			TH_LOG("the module cannot be unloaded, seed %u", self->seed);
		usleep(10000);
	}
}

TEST_F_TIMEOUT(life, any_order, 7200)
{
	unsigned long n = 0;
	struct step *step;
	int never = 0;
	size_t i;

	/* However short, every kind of step has its chance. */
	while (time(NULL) < self->end || n < 4000) {
		step = any_step();
		step->taken++;
		step->succeeded += step->take();
		if (++n % 256 == 0)
			ASSERT_TRUE(agree())
				TH_LOG("netlink and /proc differ after %lu steps, seed %u",
				       n, self->seed);
	}
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].succeeded)
			continue;
		never++;
		TH_LOG("%s: none of %lu has succeeded, seed %u", steps[i].name,
		       steps[i].taken, self->seed);
	}
	EXPECT_EQ(0, never);
	TH_LOG("%lu steps, %lu loads, %lu namespaces, %lu requests done, %lu connections",
	       n, steps[16].succeeded, steps[15].succeeded,
	       steps[0].succeeded + steps[2].succeeded, steps[7].succeeded);
}

TEST_HARNESS_MAIN
