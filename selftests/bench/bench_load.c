// SPDX-License-Identifier: GPL-2.0
/*
 * bench_load - closed-loop UDP load from the receive path of a network device.
 *
 * A window of datagrams is always on its way. Each reply is taken off the
 * device before the stack sees it and another datagram goes out in its place,
 * so that what is measured is the server and hardly the client. Every datagram
 * carries its number and bytes that follow from it; with verify=1 each reply
 * is compared whole.
 *
 * insmod returns when all replies are there or nothing has come for two
 * seconds. The result can be read under /sys/module/bench_load/parameters.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/etherdevice.h>
#include <linux/if_ether.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/udp.h>
#include <linux/vmalloc.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/net_namespace.h>
#include <net/udp.h>

#include "bench_payload.h"

#define LOAD_SIZE_MIN	8	/* the number of the datagram */

static char *dev = "veth0";
module_param(dev, charp, 0444);
MODULE_PARM_DESC(dev, "device to send from and to receive by");
static char *mac = "";
module_param(mac, charp, 0444);
MODULE_PARM_DESC(mac, "the server's link-layer address");
static char *from = "192.0.2.1";
module_param(from, charp, 0444);
MODULE_PARM_DESC(from, "source address");
static char *to = "192.0.2.2";
module_param(to, charp, 0444);
MODULE_PARM_DESC(to, "the server's address");
static ushort sport = 5000;
module_param(sport, ushort, 0444);
MODULE_PARM_DESC(sport, "source port, which the replies come to");
static ushort dport = 7000;
module_param(dport, ushort, 0444);
MODULE_PARM_DESC(dport, "the server's port");
static uint size = 64;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "payload bytes, 8 to 1472");
static uint count = 1000;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "datagrams");
static uint window = 32;
module_param(window, uint, 0444);
MODULE_PARM_DESC(window, "datagrams on their way at a time");
static bool verify;
module_param(verify, bool, 0444);
MODULE_PARM_DESC(verify, "compare each reply byte by byte");

static uint sent;
static uint received;
module_param(received, uint, 0444);
static uint wrong;
module_param(wrong, uint, 0444);
static uint twice;
module_param(twice, uint, 0444);
static unsigned long ns;
module_param(ns, ulong, 0444);
MODULE_PARM_DESC(ns, "nanoseconds from the first datagram to the last reply");

static struct net_device *load_dev;
static u8 load_mac[ETH_ALEN];
static bool load_v6;
static __be32 load_from4, load_to4;
static struct in6_addr load_from6, load_to6;
static unsigned long *load_seen;
static DECLARE_COMPLETION(load_done);
static u64 load_started;

static void load_headers4(struct sk_buff *skb, unsigned int len)
{
	struct iphdr *ip = skb_push(skb, sizeof(*ip));

	skb_reset_network_header(skb);
	*ip = (struct iphdr) {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(skb->len),
		.frag_off = htons(IP_DF),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = load_from4,
		.daddr = load_to4,
	};
	ip_send_check(ip);
	skb->protocol = htons(ETH_P_IP);
}

static void load_headers6(struct sk_buff *skb, unsigned int len)
{
	struct ipv6hdr *ip6 = skb_push(skb, sizeof(*ip6));

	skb_reset_network_header(skb);
	*ip6 = (struct ipv6hdr) {
		.version = 6,
		.payload_len = htons(len),
		.nexthdr = IPPROTO_UDP,
		.hop_limit = 64,
		.saddr = load_from6,
		.daddr = load_to6,
	};
	skb->protocol = htons(ETH_P_IPV6);
}

/* Left to the device, as a socket does. */
static void load_checksum(struct sk_buff *skb, struct udphdr *udp,
			  unsigned int len)
{
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	udp->check = load_v6 ?
		~csum_ipv6_magic(&load_from6, &load_to6, len, IPPROTO_UDP, 0) :
		~csum_tcpudp_magic(load_from4, load_to4, len, IPPROTO_UDP, 0);
}

static void load_send(void)
{
	unsigned int len = sizeof(struct udphdr) + size, i;
	struct sk_buff *skb;
	struct udphdr *udp;
	struct ethhdr *eth;
	u8 *data;

	skb = alloc_skb(LL_MAX_HEADER + sizeof(struct ipv6hdr) + len,
			GFP_ATOMIC);
	if (!skb)
		return;

	skb_reserve(skb, LL_MAX_HEADER + sizeof(struct ipv6hdr) + sizeof(*udp));
	data = skb_put(skb, size);
	if (verify) {
		for (i = 0; i < size; i++)
			data[i] = bench_byte(sent, i);
	} else {
		memset(data, 0, 8);
	}
	memcpy(data, &sent, sizeof(sent));

	udp = skb_push(skb, sizeof(*udp));
	skb_reset_transport_header(skb);
	udp->source = htons(sport);
	udp->dest = htons(dport);
	udp->len = htons(len);
	udp->check = 0;
	load_checksum(skb, udp, len);

	if (load_v6)
		load_headers6(skb, len);
	else
		load_headers4(skb, len);

	eth = skb_push(skb, ETH_HLEN);
	skb_reset_mac_header(skb);
	ether_addr_copy(eth->h_dest, load_mac);
	ether_addr_copy(eth->h_source, load_dev->dev_addr);
	eth->h_proto = skb->protocol;

	skb->dev = load_dev;
	sent++;
	dev_queue_xmit(skb);
}

/* Is it a reply? Then @offset is where its payload starts. */
static bool load_is_reply(const struct sk_buff *skb, unsigned int *offset)
{
	const struct udphdr *udp;
	struct udphdr space;

	if (load_v6) {
		const struct ipv6hdr *ip6 = (const struct ipv6hdr *)skb->data;

		if (skb->protocol != htons(ETH_P_IPV6) ||
		    skb_headlen(skb) < sizeof(*ip6) ||
		    ip6->nexthdr != IPPROTO_UDP)
			return false;
		*offset = sizeof(*ip6);
	} else {
		const struct iphdr *ip = (const struct iphdr *)skb->data;

		if (skb->protocol != htons(ETH_P_IP) ||
		    skb_headlen(skb) < sizeof(*ip) ||
		    ip->protocol != IPPROTO_UDP || ip->ihl != 5)
			return false;
		*offset = sizeof(*ip);
	}

	udp = skb_header_pointer(skb, *offset, sizeof(space), &space);
	*offset += sizeof(*udp);

	return udp && udp->dest == htons(sport);
}

static void load_compare(const struct sk_buff *skb, unsigned int offset,
			 unsigned int len)
{
	u8 data[ETH_DATA_LEN];
	unsigned int i;
	u32 number;

	if (len != size || skb_copy_bits(skb, offset, data, len)) {
		wrong++;
		return;
	}
	memcpy(&number, data, sizeof(number));
	if (number >= count) {
		wrong++;
		return;
	}
	for (i = sizeof(number); i < size; i++) {
		if (data[i] != bench_byte(number, i)) {
			wrong++;
			return;
		}
	}
	if (__test_and_set_bit(number, load_seen))
		twice++;
}

static void load_reply(const struct sk_buff *skb, unsigned int offset)
{
	unsigned int gso = skb_is_gso(skb) ? skb_shinfo(skb)->gso_size : 0;
	unsigned int len = skb->len - offset, part, n = 0;

	/* A burst that was not cut up is as many replies. */
	do {
		part = gso && len > gso ? gso : len;
		if (verify)
			load_compare(skb, offset, part);
		else if (part != size)
			wrong++;
		offset += part;
		len -= part;
		n++;
	} while (len);

	received += n;
	while (n-- && sent < count)
		load_send();
	if (received >= count) {
		ns = ktime_get_ns() - load_started;
		complete(&load_done);
	}
}

static rx_handler_result_t load_handle(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	unsigned int offset;

	if (!load_is_reply(skb, &offset))
		return RX_HANDLER_PASS;

	load_reply(skb, offset);
	consume_skb(skb);
	return RX_HANDLER_CONSUMED;
}

/* What is missing at the end shows in the numbers. */
static void load_run(void)
{
	uint before;
	uint i;

	load_started = ktime_get_ns();
	local_bh_disable();
	for (i = 0; i < window && sent < count; i++)
		load_send();
	local_bh_enable();

	do {
		before = received;
		if (wait_for_completion_timeout(&load_done, 2 * HZ))
			return;
	} while (received != before);
}

static int load_addresses(void)
{
	load_v6 = strchr(to, ':');
	if (load_v6) {
		if (!in6_pton(from, -1, load_from6.s6_addr, -1, NULL) ||
		    !in6_pton(to, -1, load_to6.s6_addr, -1, NULL))
			return -EINVAL;
	} else {
		if (!in4_pton(from, -1, (u8 *)&load_from4, -1, NULL) ||
		    !in4_pton(to, -1, (u8 *)&load_to4, -1, NULL))
			return -EINVAL;
	}

	/* mac_pton() is declared in another header in each age. */
	return sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &load_mac[0],
		      &load_mac[1], &load_mac[2], &load_mac[3], &load_mac[4],
		      &load_mac[5]) == ETH_ALEN ? 0 : -EINVAL;
}

static int __init load_init(void)
{
	int err;

	if (size < LOAD_SIZE_MIN || size > 1472 || !count || load_addresses())
		return -EINVAL;

	load_seen = vzalloc(BITS_TO_LONGS(count) * sizeof(long));
	if (!load_seen)
		return -ENOMEM;
	load_dev = dev_get_by_name(current->nsproxy->net_ns, dev);
	if (!load_dev) {
		err = -ENODEV;
		goto err_free;
	}

	rtnl_lock();
	err = netdev_rx_handler_register(load_dev, load_handle, NULL);
	rtnl_unlock();
	if (err)
		goto err_put;

	load_run();

	rtnl_lock();
	netdev_rx_handler_unregister(load_dev);
	rtnl_unlock();
	dev_put(load_dev);
	vfree(load_seen);
	return 0;

err_put:
	dev_put(load_dev);
err_free:
	vfree(load_seen);
	return err;
}
module_init(load_init);

static void __exit load_exit(void)
{
}
module_exit(load_exit);

MODULE_DESCRIPTION("UDP load for the ksocket benchmark");
MODULE_LICENSE("GPL");
