// SPDX-License-Identifier: GPL-2.0
/*
 * bench_floor - the least that an answer can cost: the packet goes back out of
 * the device that it came in by, with its link-layer addresses exchanged and
 * its IPv4 addresses and UDP ports too. No routing, no socket, no netfilter.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/udp.h>
#include <net/net_namespace.h>

static char *dev = "veth0";
module_param(dev, charp, 0444);
static ushort port = 7000;
module_param(port, ushort, 0444);

static struct net_device *floor_dev;

static bool floor_turn(struct sk_buff *skb)
{
	struct udphdr *udp;

	if (skb->protocol == htons(ETH_P_IP)) {
		struct iphdr *ip;

		if (!pskb_may_pull(skb, sizeof(*ip) + sizeof(*udp)))
			return false;
		ip = (struct iphdr *)skb->data;
		udp = (struct udphdr *)(ip + 1);
		if (ip->protocol != IPPROTO_UDP || udp->dest != htons(port))
			return false;
		swap(ip->saddr, ip->daddr);
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6;

		if (!pskb_may_pull(skb, sizeof(*ip6) + sizeof(*udp)))
			return false;
		ip6 = (struct ipv6hdr *)skb->data;
		udp = (struct udphdr *)(ip6 + 1);
		if (ip6->nexthdr != IPPROTO_UDP || udp->dest != htons(port))
			return false;
		swap(ip6->saddr, ip6->daddr);
	} else {
		return false;
	}

	swap(udp->source, udp->dest);
	return true;
}

static rx_handler_result_t floor_handle(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct ethhdr *eth;
	u8 mac[ETH_ALEN];

	if (!floor_turn(skb))
		return RX_HANDLER_PASS;

	eth = eth_hdr(skb);
	ether_addr_copy(mac, eth->h_dest);
	ether_addr_copy(eth->h_dest, eth->h_source);
	ether_addr_copy(eth->h_source, mac);
	skb_push(skb, ETH_HLEN);
	dev_queue_xmit(skb);
	return RX_HANDLER_CONSUMED;
}

static int __init floor_init(void)
{
	int err;

	floor_dev = dev_get_by_name(current->nsproxy->net_ns, dev);
	if (!floor_dev)
		return -ENODEV;

	rtnl_lock();
	err = netdev_rx_handler_register(floor_dev, floor_handle, NULL);
	rtnl_unlock();
	if (err)
		dev_put(floor_dev);

	return err;
}
module_init(floor_init);

static void __exit floor_exit(void)
{
	rtnl_lock();
	netdev_rx_handler_unregister(floor_dev);
	rtnl_unlock();
	dev_put(floor_dev);
}
module_exit(floor_exit);

MODULE_DESCRIPTION("the floor of the ksocket benchmark");
MODULE_LICENSE("GPL");
