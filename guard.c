// SPDX-License-Identifier: GPL-2.0
/*
 * Admission: which configuration may start, and which datagram is answered.
 *
 * A daemon that answers whoever asks is a reflector, and two of them make a
 * loop that one forged datagram starts and nobody can stop (CVE-1999-0103,
 * CVE-2024-2169). So the guard stands before every answer: it refuses
 * sources that no honest client has, every address that a ksocket service
 * in this namespace listens on, circles of relays, and requests whose TTL is
 * used up.
 */
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "ksocket.h"

/*
 * What an IPv4 address is to what is sent to it from here, in the device's VRF. The
 * stack delivers by routes: addresses are those that it makes by itself.
 */
static unsigned int ksocket_guard_type4(struct net *net, __be32 addr,
					int ifindex)
{
	struct flowi4 fl4 = {
		.flowi4_oif = l3mdev_master_ifindex_by_index(net, ifindex),
		.flowi4_iif = LOOPBACK_IFINDEX,
		.daddr = addr,
	};
	struct fib_result res;

	if (ipv4_is_zeronet(addr) || ipv4_is_lbcast(addr))
		return RTN_BROADCAST;
	if (ipv4_is_multicast(addr))
		return RTN_MULTICAST;

	return fib_lookup(net, &fl4, &res, 0) ? RTN_UNICAST : res.type;
}

/* Likewise: is an IPv6 one delivered here? */
static bool ksocket_guard_is_local6(struct net *net,
				    const struct in6_addr *addr, int ifindex)
{
	struct flowi6 fl6 = {
		.flowi6_oif = l3mdev_master_ifindex_by_index(net, ifindex),
		.daddr = *addr,
	};
	struct dst_entry *dst = ip6_route_output(net, NULL, &fl6);
	bool local = ksocket_dst_is_local6(dst);

	dst_release(dst);
	return local;
}

/* An address that is one on each link: this link's? */
static bool ksocket_guard_is_linklocal(struct net *net,
				       const struct in6_addr *addr, int ifindex)
{
	struct net_device *dev;
	bool local;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	local = dev && ipv6_chk_addr(net, addr, dev, 1);
	rcu_read_unlock();

	return local;
}

/**
 * ksocket_guard_is_local() - is it an address of this host?
 * @net: the namespace
 * @addr: the address
 * @ifindex: a device of the VRF that asks, or 0
 *
 * Return: true if so.
 */
bool ksocket_guard_is_local(struct net *net, const union ksocket_addr *addr,
			    int ifindex)
{
	if (addr->sa.sa_family == AF_INET)
		return ksocket_guard_type4(net, addr->in.sin_addr.s_addr,
					   ifindex) == RTN_LOCAL;

	if (ipv6_addr_type(&addr->in6.sin6_addr) & IPV6_ADDR_LINKLOCAL)
		return ksocket_guard_is_linklocal(net, &addr->in6.sin6_addr,
						  addr->in6.sin6_scope_id);

	return ksocket_guard_is_local6(net, &addr->in6.sin6_addr, ifindex);
}

static bool ksocket_guard_is_any(const union ksocket_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return addr->in.sin_addr.s_addr == htonl(INADDR_ANY);

	return ipv6_addr_any(&addr->in6.sin6_addr);
}

/* Does a socket bound to @bound receive what is sent to @addr? */
static bool ksocket_guard_matches(struct net *net,
				  const union ksocket_addr *bound,
				  const union ksocket_addr *addr, int ifindex)
{
	if (bound->in.sin_port != addr->in.sin_port)
		return false;

	/* [::] is dual-stack: it takes IPv4 too. */
	if (ksocket_guard_is_any(bound))
		return (bound->sa.sa_family == AF_INET6 ||
			addr->sa.sa_family == AF_INET) &&
		       ksocket_guard_is_local(net, addr, ifindex);

	if (bound->sa.sa_family != addr->sa.sa_family)
		return false;

	if (bound->sa.sa_family == AF_INET)
		return bound->in.sin_addr.s_addr == addr->in.sin_addr.s_addr;

	/* Link-local addresses may repeat from link to link. */
	return ipv6_addr_equal(&bound->in6.sin6_addr, &addr->in6.sin6_addr) &&
	       bound->in6.sin6_scope_id == addr->in6.sin6_scope_id;
}

static const struct rhashtable_params ksocket_endpoint_params = {
	.key_len = sizeof(struct ksocket_endpoint_key),
	.key_offset = offsetof(struct ksocket_endpoint, key),
	.head_offset = offsetof(struct ksocket_endpoint, node),
	.automatic_shrinking = true,
};

/**
 * ksocket_guard_net_init() - make the table of a namespace's endpoints
 * @kn: the namespace
 *
 * Return: 0 or a negative errno.
 */
int ksocket_guard_net_init(struct ksocket_net *kn)
{
	/* All of a key is hashed. */
	BUILD_BUG_ON(sizeof(struct ksocket_endpoint_key) !=
		     sizeof(struct in6_addr) + sizeof(u32) + sizeof(__be16) +
		     sizeof(u16));

	return rhltable_init(&kn->endpoints, &ksocket_endpoint_params);
}

/**
 * ksocket_guard_net_exit() - free the table of a namespace's endpoints
 * @kn: the namespace, without services
 *
 * Context: process context, may sleep.
 */
void ksocket_guard_net_exit(struct ksocket_net *kn)
{
	rhltable_destroy(&kn->endpoints);
}

static void ksocket_endpoint_key(const union ksocket_addr *addr,
				 struct ksocket_endpoint_key *key)
{
	memset(key, 0, sizeof(*key));
	key->family = addr->sa.sa_family;
	key->port = addr->in.sin_port;
	if (key->family == AF_INET) {
		key->addr.s6_addr32[3] = addr->in.sin_addr.s_addr;
		return;
	}

	/* Link-local addresses may repeat from link to link. */
	key->addr = addr->in6.sin6_addr;
	key->scope = addr->in6.sin6_scope_id;
}

static bool ksocket_guard_finds(struct ksocket_net *kn,
				const struct ksocket_endpoint_key *key)
{
	return rhltable_lookup(&kn->endpoints, key, ksocket_endpoint_params);
}

/* Does a service listen on all addresses, and on this port? */
static bool ksocket_guard_finds_any(struct ksocket_net *kn,
				    const union ksocket_addr *addr)
{
	struct ksocket_endpoint_key key = {
		.port = addr->in.sin_port,
		.family = AF_INET6,
	};

	/* [::] is dual-stack: it takes IPv4 too. */
	if (ksocket_guard_finds(kn, &key))
		return true;

	key.family = AF_INET;
	return addr->sa.sa_family == AF_INET && ksocket_guard_finds(kn, &key);
}

/* Does @addr belong to one of the service's own reply sockets? */
static bool ksocket_guard_is_own_reply(struct ksocket_service *svc,
				       const union ksocket_addr *addr)
{
	bool found = false;
	unsigned int i;

	spin_lock(&svc->reply_lock);
	for (i = 0; i < svc->cfg.threads && !found; i++)
		found = ksocket_addr_same(&svc->workers[i].reply_addr, addr);
	spin_unlock(&svc->reply_lock);

	return found;
}

/*
 * What comes from where a service of ours listens is an answer, or forged. What
 * comes from the reply socket of another service is the next link of a chain: what
 * would be a circle does not start, see ksocket_guard_circle().
 */
static bool ksocket_guard_is_loop(struct ksocket_service *svc,
				  const struct ksocket_datagram *dgram)
{
	struct ksocket_endpoint_key key;
	bool found;

	ksocket_endpoint_key(&dgram->from, &key);
	rcu_read_lock();
	found = ksocket_guard_finds(svc->kn, &key) ||
		(ksocket_guard_finds_any(svc->kn, &dgram->from) &&
		 ksocket_guard_is_local(svc->net, &dgram->from,
					dgram->ifindex));
	rcu_read_unlock();

	return found || (ksocket_has_receiver(&svc->cfg) &&
			 ksocket_guard_is_own_reply(svc, &dgram->from));
}

static enum ksocket_drop
ksocket_guard_source4(const struct ksocket_service *svc,
		      const struct ksocket_datagram *dgram)
{
	switch (ksocket_guard_type4(svc->net, dgram->from.in.sin_addr.s_addr,
				    dgram->ifindex)) {
	case RTN_MULTICAST:
		return KSOCKET_DROP_SRC_MULTICAST;
	case RTN_BROADCAST:
		return KSOCKET_DROP_SRC_BROADCAST;
	default:
		return KSOCKET_DROP_NONE;
	}
}

/*
 * In a VRF every packet comes from the VRF's device in the end. What was sent on
 * this host has the MAC address of that device, as no packet of a wire has; but see
 * Documentation/design.rst for packet taps.
 */
static bool ksocket_guard_is_vrf_loopback(const struct net_device *vrf,
					  const struct sk_buff *skb)
{
	return skb_mac_header_was_set(skb) &&
	       skb_mac_header_len(skb) == ETH_HLEN &&
	       ether_addr_equal(eth_hdr(skb)->h_dest, vrf->dev_addr);
}

static bool ksocket_guard_is_from_outside(const struct ksocket_service *svc,
					  const struct sk_buff *skb)
{
	const struct net_device *dev = dev_get_by_index_rcu(svc->net,
							    skb->skb_iif);

	if (!dev || dev->flags & IFF_LOOPBACK)
		return false;

	return !netif_is_l3_master(dev) ||
	       !ksocket_guard_is_vrf_loopback(dev, skb);
}

/* Was it sent in this VRF by this host? */
static bool ksocket_guard_is_vrf_local(const struct ksocket_service *svc,
				       const struct ksocket_datagram *dgram)
{
	const struct net_device *dev;

	if (dgram->from.sa.sa_family != AF_INET6)
		return false;

	dev = dev_get_by_index_rcu(svc->net, dgram->skb->skb_iif);
	return dev && netif_is_l3_master(dev) &&
	       ksocket_guard_is_vrf_loopback(dev, dgram->skb);
}

/*
 * An address of this host that comes from outside, as IPv4 drops it as martian. The
 * answer would go to a process here, which may trust what comes from here.
 */
static bool ksocket_guard_is_martian6(const struct ksocket_service *svc,
				      const struct ksocket_datagram *dgram)
{
	return ksocket_guard_is_from_outside(svc, dgram->skb) &&
	       ksocket_guard_is_local(svc->net, &dgram->from, dgram->ifindex);
}

static enum ksocket_drop
ksocket_guard_source6(const struct in6_addr *from)
{
	/* IPv6 itself drops it before any socket sees it. */
	if (ipv6_addr_is_multicast(from))
		return KSOCKET_DROP_SRC_MULTICAST;

	/* Nobody has such an address; what is said of IPv4 ones is not of them. */
	if (ipv6_addr_v4mapped(from))
		return KSOCKET_DROP_SRC_UNSPECIFIED;

	return KSOCKET_DROP_NONE;
}

/* RFC 1122, 4.1.3.6: no datagram with such a source is for any service. */
static enum ksocket_drop
ksocket_guard_source(const struct ksocket_service *svc,
		     const struct ksocket_datagram *dgram)
{
	if (ksocket_guard_is_any(&dgram->from))
		return KSOCKET_DROP_SRC_UNSPECIFIED;

	if (dgram->from.sa.sa_family == AF_INET)
		return ksocket_guard_source4(svc, dgram);

	return ksocket_guard_source6(&dgram->from.in6.sin6_addr);
}

static bool ksocket_guard_is_multicast(const union ksocket_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ipv4_is_multicast(addr->in.sin_addr.s_addr);

	return ipv6_addr_is_multicast(&addr->in6.sin6_addr);
}

/*
 * Who would echo an echo? Below 1024 live the classic services that answer
 * whatever comes, and on our own port number another host's ksocket: one
 * forged datagram between the two would travel for ever.
 */
static enum ksocket_drop
ksocket_guard_echo_port(const struct ksocket_config *cfg, u16 port)
{
	u16 min = READ_ONCE(cfg->min_source_port);

	if (port < min)
		return KSOCKET_DROP_SRC_PORT_LOW;

	if (min && port == ksocket_addr_port(&cfg->listen))
		return KSOCKET_DROP_SRC_PORT_OWN;

	return KSOCKET_DROP_NONE;
}

/* May an answer go back to this sender? */
static enum ksocket_drop
ksocket_guard_way_back(const struct ksocket_service *svc,
		       const struct ksocket_datagram *dgram)
{
	u16 port = ksocket_addr_port(&dgram->from);

	/* RFC 768: the sender wants no answer. */
	if (!port)
		return KSOCKET_DROP_SRC_PORT_ZERO;

	if (dgram->from.sa.sa_family == AF_INET6 &&
	    ksocket_guard_is_martian6(svc, dgram))
		return KSOCKET_DROP_LOOP;

	return ksocket_guard_echo_port(&svc->cfg, port);
}

/*
 * May this sender be served, whatever it has sent? What matters to an answer only is
 * asked where there is one.
 */
static enum ksocket_drop
ksocket_guard_sender(struct ksocket_service *svc,
		     const struct ksocket_datagram *dgram)
{
	enum ksocket_drop reason;

	reason = ksocket_guard_source(svc, dgram);
	if (reason != KSOCKET_DROP_NONE || !ksocket_has_answers(&svc->cfg))
		return reason;

	if (ksocket_guard_is_loop(svc, dgram))
		return KSOCKET_DROP_LOOP;

	if (svc->cfg.mode->verdict == KSOCKET_TO_SENDER)
		return ksocket_guard_way_back(svc, dgram);

	return KSOCKET_DROP_NONE;
}

static struct ksocket_flow *ksocket_guard_flow(struct ksocket_worker *worker,
					       const union ksocket_addr *from)
{
	u32 key = (__force u32)from->in.sin_port;

	if (from->sa.sa_family == AF_INET)
		key ^= (__force u32)from->in.sin_addr.s_addr;
	else
		key ^= (__force u32)from->in6.sin6_addr.s6_addr32[3];

	return &worker->flows[hash_32(key, KSOCKET_FLOW_BITS)];
}

/*
 * Changes with our own addresses and with the routes to addresses like this one, but
 * for an IPv6 route that is taken out.
 */
static inline int ksocket_guard_genid(const struct net *net,
				      const union ksocket_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? rt_genid_ipv4(net) :
					       rt_genid_ipv6(net);
}

/*
 * The lists above know what is here. That an answer leaves with less than the
 * request holds whatever the addresses are, and wherever the other reflector is.
 */
static inline enum ksocket_drop
ksocket_guard_ttl(const struct ksocket_service *svc,
		  const struct ksocket_datagram *dgram)
{
	return unlikely(dgram->ttl < 2) && ksocket_has_answers(&svc->cfg) &&
	       svc->cfg.ttl == KSOCKET_TTL_INHERIT ?
	       KSOCKET_DROP_TTL : KSOCKET_DROP_NONE;
}

/* Was this very sender let pass, and is all that this followed from the same? */
static inline bool ksocket_guard_knows(const struct ksocket_flow *flow,
				       const struct ksocket_datagram *dgram,
				       int genid, int endpoints)
{
	return flow->genid == genid && flow->endpoints == endpoints &&
	       flow->ifindex == dgram->ifindex &&
	       flow->iif == dgram->skb->skb_iif &&
	       ksocket_addr_same(&flow->from, &dgram->from) &&
	       ksocket_addr_same(&flow->to, &dgram->to);
}

/**
 * ksocket_guard_check() - may this datagram be answered?
 * @worker: the worker that took it; its lock is held
 * @dgram: the datagram; its flow is known afterwards
 *
 * Of a sender that was answered before only that is looked at which may have
 * changed.
 *
 * Return: %KSOCKET_DROP_NONE or the reason against it.
 */
enum ksocket_drop ksocket_guard_check(struct ksocket_worker *worker,
				      struct ksocket_datagram *dgram)
{
	struct ksocket_service *svc = worker->svc;
	struct ksocket_flow *flow;
	enum ksocket_drop reason;
	int genid, endpoints;

	if (unlikely(dgram->truncated))
		return KSOCKET_DROP_TRUNCATED;

	if (unlikely(!dgram->to_host))
		return ksocket_guard_is_multicast(&dgram->to) ?
		       KSOCKET_DROP_DST_MULTICAST : KSOCKET_DROP_DST_BROADCAST;

	genid = ksocket_guard_genid(svc->net, &dgram->from);
	endpoints = atomic_read(&svc->kn->endpoints_gen);
	/* Before the tables that both stand for; pairs with ksocket_guard_added() */
	smp_rmb();
	flow = ksocket_guard_flow(worker, &dgram->from);
	dgram->flow = flow;
	if (likely(ksocket_guard_knows(flow, dgram, genid, endpoints)))
		return ksocket_guard_ttl(svc, dgram);

	reason = ksocket_guard_sender(svc, dgram);
	if (reason != KSOCKET_DROP_NONE)
		return reason;

	dst_release(flow->dst);
	flow->dst = NULL;
	flow->from = dgram->from;
	flow->to = dgram->to;
	flow->ifindex = dgram->ifindex;
	flow->iif = dgram->skb->skb_iif;
	/* In a VRF a forged one would look the same, so it is asked each time. */
	flow->genid = ksocket_guard_is_vrf_local(svc, dgram) ? genid - 1 : genid;
	flow->endpoints = endpoints;
	return ksocket_guard_ttl(svc, dgram);
}

/**
 * ksocket_guard_forget() - ask again who may be answered
 * @worker: the worker; its lock is held
 */
void ksocket_guard_forget(struct ksocket_worker *worker)
{
	unsigned int i;

	lockdep_assert_held(&worker->lock);

	for (i = 0; i < ARRAY_SIZE(worker->flows); i++)
		worker->flows[i].from.sa.sa_family = AF_UNSPEC;
}

/*
 * Senders that were let pass are looked up again, and then what was added is found.
 * What is taken out lets more pass, and the senders that were refused are looked up
 * each time.
 */
static void ksocket_guard_added(struct ksocket_net *kn)
{
	smp_mb__before_atomic(); /* pairs with the barrier in ksocket_guard_check() */
	atomic_inc(&kn->endpoints_gen);
}

/*
 * No datagram comes from the port of a stream, and what has no listener cannot be
 * made to send.
 */
static bool ksocket_guard_wants(const struct ksocket_service *svc)
{
	return !svc->transport->streams && ksocket_has_listener(&svc->cfg);
}

/**
 * ksocket_guard_attach() - make a service's listen address known as ours
 * @svc: the service, its sockets open, its threads not yet running
 * @rep: says what was wrong
 *
 * Context: the namespace's lock is held.
 * Return: 0 or a negative errno, reported.
 */
int ksocket_guard_attach(struct ksocket_service *svc,
			 struct ksocket_report *rep)
{
	lockdep_assert_held(&svc->kn->lock);

	if (!ksocket_guard_wants(svc))
		return 0;

	ksocket_endpoint_key(&svc->cfg.listen, &svc->listen_end.key);
	if (rhltable_insert(&svc->kn->endpoints, &svc->listen_end.node,
			    ksocket_endpoint_params))
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for the table of addresses",
					    "no memory for the table of addresses");

	ksocket_guard_added(svc->kn);
	return 0;
}

/**
 * ksocket_guard_detach() - undo ksocket_guard_attach()
 * @svc: the service
 *
 * Other services may still look at the endpoint: free @svc after an RCU
 * grace period only.
 *
 * Context: the namespace's lock is held.
 */
void ksocket_guard_detach(struct ksocket_service *svc)
{
	lockdep_assert_held(&svc->kn->lock);

	if (ksocket_guard_wants(svc))
		rhltable_remove(&svc->kn->endpoints, &svc->listen_end.node,
				ksocket_endpoint_params);
}

/**
 * ksocket_guard_move() - a reply socket sends from another address from now on
 * @worker: the worker
 * @to: the address and port
 *
 * Context: the worker's lock is held.
 */
void ksocket_guard_move(struct ksocket_worker *worker,
			const union ksocket_addr *to)
{
	struct ksocket_service *svc = worker->svc;

	lockdep_assert_held(&worker->lock);

	spin_lock(&svc->reply_lock);
	worker->reply_addr = *to;
	spin_unlock(&svc->reply_lock);
	ksocket_guard_added(svc->kn);
}

/* A relay by UDP: what comes to it goes on. */
static bool ksocket_guard_passes_on(const struct ksocket_config *cfg)
{
	return ksocket_has_answers(cfg) && ksocket_has_receiver(cfg);
}

/* Add the services with this listen address, and in the VRF of @cfg, to @seen. */
static void ksocket_guard_visit_key(struct ksocket_net *kn,
				    const struct ksocket_endpoint_key *key,
				    const struct ksocket_config *cfg,
				    struct list_head *seen)
{
	struct ksocket_endpoint *end;
	struct ksocket_service *svc;
	struct rhlist_head *pos, *list;

	list = rhltable_lookup(&kn->endpoints, key, ksocket_endpoint_params);
	rhl_for_each_entry_rcu(end, pos, list, node) {
		svc = container_of(end, struct ksocket_service, listen_end);
		/* One of the same name is to be replaced. */
		if (svc->walk_nr == kn->walk_nr ||
		    svc->cfg.reply_ifindex != cfg->reply_ifindex ||
		    !strcmp(svc->cfg.name, cfg->name))
			continue;
		svc->walk_nr = kn->walk_nr;
		list_add_tail(&svc->walk, seen);
	}
}

/* Likewise those that what is sent to @addr reaches. */
static void ksocket_guard_visit(struct net *net, struct ksocket_net *kn,
				const union ksocket_addr *addr,
				const struct ksocket_config *cfg,
				struct list_head *seen)
{
	struct ksocket_endpoint_key key;

	ksocket_endpoint_key(addr, &key);
	ksocket_guard_visit_key(kn, &key, cfg, seen);
	if (!ksocket_guard_is_local(net, addr, cfg->reply_ifindex))
		return;

	memset(&key.addr, 0, sizeof(key.addr));
	key.scope = 0;
	ksocket_guard_visit_key(kn, &key, cfg, seen);
	/* [::] is dual-stack: it takes IPv4 too. */
	key.family = AF_INET6;
	ksocket_guard_visit_key(kn, &key, cfg, seen);
}

/**
 * ksocket_guard_circle() - would a service close a circle of relays?
 * @net: the namespace
 * @cfg: the service that is to start; one of its name is to be replaced
 * @rep: says so
 *
 * A chain of relays is what users ask for. What goes in a circle by way of other
 * hosts, or of addresses that become ours later, is bounded by its TTL.
 *
 * Context: the namespace's lock is held.
 * Return: 0, or -ELOOP.
 */
int ksocket_guard_circle(struct net *net, const struct ksocket_config *cfg,
			 struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	const struct ksocket_service *svc, *by = NULL;
	LIST_HEAD(seen);

	lockdep_assert_held(&kn->lock);

	if (!ksocket_guard_passes_on(cfg))
		return 0;

	kn->walk_nr++;
	rcu_read_lock();
	ksocket_guard_visit(net, kn, &cfg->reply, cfg, &seen);
	list_for_each_entry(svc, &seen, walk) {
		if (!ksocket_guard_passes_on(&svc->cfg))
			continue;
		if (ksocket_guard_matches(net, &cfg->listen, &svc->cfg.reply,
					  cfg->ifindex)) {
			by = svc;
			break;
		}
		ksocket_guard_visit(net, kn, &svc->cfg.reply, cfg, &seen);
	}
	rcu_read_unlock();

	if (!by)
		return 0;
	return ksocket_report_field(rep, -ELOOP, KSOCKET_FIELD_REPLY,
				    "the receiver leads back to the service itself",
				    "reply address %pISpc leads back to the service itself, by way of service '%s'",
				    &cfg->reply, by->cfg.name);
}

/* Is @addr the address of one host? If not, @rep says what it is. */
static int ksocket_guard_unicast(struct net *net, enum ksocket_field field,
				 const union ksocket_addr *addr, int ifindex,
				 struct ksocket_report *rep)
{
	const char *param = field == KSOCKET_FIELD_LISTEN ? "listen_addr" :
							    "reply_addr";

	if (ksocket_guard_is_multicast(addr))
		return ksocket_report_field(rep, -EINVAL, field,
					    "a multicast group, need the address of one host",
					    "%s=%pISc: a multicast group, need the address of one host",
					    param, addr);

	if (addr->sa.sa_family == AF_INET && !ksocket_guard_is_any(addr) &&
	    ksocket_guard_type4(net, addr->in.sin_addr.s_addr,
				ifindex) == RTN_BROADCAST)
		return ksocket_report_field(rep, -EINVAL, field,
					    "a broadcast address, need the address of one host",
					    "%s=%pISc: a broadcast address, need the address of one host",
					    param, addr);

	return 0;
}

/**
 * ksocket_guard_config() - may this configuration start?
 * @net: the namespace it is to start in
 * @cfg: the configuration
 * @rep: says why not
 *
 * Return: 0, -EINVAL for an address that is not a host's, -EAFNOSUPPORT for
 * IPv6 where there is none, -ELOOP for a service that would answer itself.
 */
int ksocket_guard_config(struct net *net, const struct ksocket_config *cfg,
			 struct ksocket_report *rep)
{
	int err = 0;

	/* Nothing of IPv6 may be asked where ipv6.disable=1 left it out. */
	if (!ipv6_mod_enabled() &&
	    (cfg->listen.sa.sa_family == AF_INET6 ||
	     (ksocket_has_receiver(cfg) && cfg->reply.sa.sa_family == AF_INET6)))
		return ksocket_report_field(rep, -EAFNOSUPPORT,
					    cfg->listen.sa.sa_family == AF_INET6 ?
					    KSOCKET_FIELD_LISTEN : KSOCKET_FIELD_REPLY,
					    "IPv6 is not available here",
					    "an IPv6 address was given, but IPv6 is not available here");

	if (ksocket_has_listener(cfg))
		err = ksocket_guard_unicast(net, KSOCKET_FIELD_LISTEN,
					    &cfg->listen, cfg->ifindex, rep);
	if (!err && ksocket_has_receiver(cfg))
		err = ksocket_guard_unicast(net, KSOCKET_FIELD_REPLY,
					    &cfg->reply, cfg->reply_ifindex,
					    rep);
	if (err || !ksocket_has_receiver(cfg))
		return err;

	if (ksocket_guard_is_any(&cfg->reply))
		return ksocket_report_field(rep, -EINVAL, KSOCKET_FIELD_REPLY,
					    "no host's address, need the receiver's",
					    "reply_addr=%pISc: no host's address, need the receiver's",
					    &cfg->reply);

	if (ksocket_has_listener(cfg) && !ksocket_has_uplink(cfg) &&
	    ksocket_guard_matches(net, &cfg->listen, &cfg->reply, cfg->ifindex))
		return ksocket_report_field(rep, -ELOOP, KSOCKET_FIELD_REPLY,
					    "the receiver is the service itself",
					    "reply address %pISpc is the service's own listen address",
					    &cfg->reply);

	return 0;
}
