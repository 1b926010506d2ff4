// SPDX-License-Identifier: GPL-2.0
/*
 * The peers that answer in BPF: generic XDP sends the packet back from the
 * driver's receive path, tc redirects it at ingress. Both exchange addresses
 * and ports; neither knows a route, a socket or a netfilter rule.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#define SEC(name)	__attribute__((section(name), used))
#define PORT		7000
#define be16(x)		((__u16)__builtin_bswap16(x))

static long (*bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*bpf_skb_pull_data)(struct __sk_buff *skb, __u32 len) =
	(void *)BPF_FUNC_skb_pull_data;

#define exchange(a, b) do {		\
	__typeof__(a) _a = (a);		\
					\
	(a) = (b);			\
	(b) = _a;			\
} while (0)

static __attribute__((always_inline)) int turn(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct udphdr *udp;
	unsigned char mac[ETH_ALEN];

	if (data + sizeof(*eth) > end)
		return 0;
	if (eth->h_proto == be16(ETH_P_IP)) {
		struct iphdr *ip = data + sizeof(*eth);

		udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end || ip->protocol != IPPROTO_UDP ||
		    udp->dest != be16(PORT))
			return 0;
		exchange(ip->saddr, ip->daddr);
	} else if (eth->h_proto == be16(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = data + sizeof(*eth);

		udp = (void *)(ip6 + 1);
		if ((void *)(udp + 1) > end || ip6->nexthdr != IPPROTO_UDP ||
		    udp->dest != be16(PORT))
			return 0;
		exchange(ip6->saddr, ip6->daddr);
	} else {
		return 0;
	}
	exchange(udp->source, udp->dest);

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return 1;
}

SEC("xdp") int reflect_xdp(struct xdp_md *ctx)
{
	return turn((void *)(long)ctx->data, (void *)(long)ctx->data_end) ?
	       XDP_TX : XDP_PASS;
}

SEC("tc") int reflect_tc(struct __sk_buff *skb)
{
	bpf_skb_pull_data(skb, sizeof(struct ethhdr) + sizeof(struct ipv6hdr) +
			  sizeof(struct udphdr));
	return turn((void *)(long)skb->data, (void *)(long)skb->data_end) ?
	       bpf_redirect(skb->ifindex, 0) : TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
