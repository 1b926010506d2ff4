// SPDX-License-Identifier: GPL-2.0
/*
 * Admission: which configuration may start, and which datagram is answered.
 *
 * A daemon that answers whoever asks is a reflector, and two of them make a
 * loop that one forged datagram starts and nobody can stop (CVE-1999-0103,
 * CVE-2024-2169). So the guard stands before every answer: it refuses
 * sources that no honest client has and every address that a ksocket service
 * in this namespace sends from.
 */
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rculist.h>
#include <net/addrconf.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "ksocket.h"

/* What the routing table of the device's VRF says an IPv4 address is. */
static unsigned int ksocket_guard_type4(struct net *net, __be32 addr,
					int ifindex)
{
	u32 table = l3mdev_fib_table_by_index(net, ifindex);

	return inet_addr_type_table(net, addr, table ? : RT_TABLE_LOCAL);
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

	return ipv6_chk_addr(net, &addr->in6.sin6_addr, NULL, 0);
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

static struct hlist_head *ksocket_guard_bucket(struct ksocket_net *kn,
					       const union ksocket_addr *addr)
{
	return &kn->endpoints[hash_32(ksocket_addr_port(addr),
				      KSOCKET_ENDPOINT_BITS)];
}

static bool ksocket_guard_is_ours(const struct ksocket_service *svc,
				  const struct ksocket_datagram *dgram)
{
	struct hlist_head *bucket = ksocket_guard_bucket(svc->kn, &dgram->from);
	const struct ksocket_endpoint *end;
	bool found = false;

	rcu_read_lock();
	hlist_for_each_entry_rcu(end, bucket, node) {
		found = ksocket_guard_matches(svc->net, &end->addr, &dgram->from,
					      dgram->ifindex);
		if (found)
			break;
	}
	rcu_read_unlock();

	return found;
}

/* Hardly ever is this more than a look at an empty list. */
static inline bool ksocket_guard_is_loop(const struct ksocket_service *svc,
					 const struct ksocket_datagram *dgram)
{
	return unlikely(!hlist_empty(ksocket_guard_bucket(svc->kn,
							  &dgram->from))) &&
	       ksocket_guard_is_ours(svc, dgram);
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
 * An address of this host that comes from outside, as IPv4 drops it as martian. The
 * answer would go to somebody here, who may trust what comes from here.
 */
static bool ksocket_guard_is_martian6(const struct ksocket_service *svc,
				      const struct ksocket_datagram *dgram)
{
	struct net_device *dev = dev_get_by_index_rcu(svc->net,
						      dgram->skb->skb_iif);

	return dev && !(dev->flags & IFF_LOOPBACK) &&
	       !netif_is_l3_master(dev) &&
	       ipv6_chk_addr(svc->net, &dgram->from.in6.sin6_addr, dev, 0);
}

static enum ksocket_drop
ksocket_guard_source6(const struct ksocket_service *svc,
		      const struct ksocket_datagram *dgram)
{
	const struct in6_addr *from = &dgram->from.in6.sin6_addr;

	/* IPv6 itself drops it before any socket sees it. */
	if (ipv6_addr_is_multicast(from))
		return KSOCKET_DROP_SRC_MULTICAST;

	/* Nobody has such an address; what is said of IPv4 ones is not of them. */
	if (ipv6_addr_v4mapped(from))
		return KSOCKET_DROP_SRC_UNSPECIFIED;

	return ksocket_guard_is_martian6(svc, dgram) ? KSOCKET_DROP_LOOP :
						       KSOCKET_DROP_NONE;
}

static enum ksocket_drop
ksocket_guard_source(const struct ksocket_service *svc,
		     const struct ksocket_datagram *dgram)
{
	if (ksocket_guard_is_any(&dgram->from))
		return KSOCKET_DROP_SRC_UNSPECIFIED;

	if (dgram->from.sa.sa_family == AF_INET)
		return ksocket_guard_source4(svc, dgram);

	return ksocket_guard_source6(svc, dgram);
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

/* May this sender be answered, whatever it has sent? */
static enum ksocket_drop
ksocket_guard_sender(const struct ksocket_service *svc,
		     const struct ksocket_datagram *dgram)
{
	u16 port = ksocket_addr_port(&dgram->from);
	enum ksocket_drop reason;

	reason = ksocket_guard_source(svc, dgram);
	if (reason != KSOCKET_DROP_NONE)
		return reason;

	if (!port)
		return KSOCKET_DROP_SRC_PORT_ZERO;

	if (ksocket_guard_is_loop(svc, dgram))
		return KSOCKET_DROP_LOOP;

	if (svc->cfg.mode == &ksocket_echo)
		return ksocket_guard_echo_port(&svc->cfg, port);

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
	const struct ksocket_service *svc = worker->svc;
	struct ksocket_flow *flow;
	enum ksocket_drop reason;
	int genid;

	if (unlikely(dgram->truncated))
		return KSOCKET_DROP_TRUNCATED;

	if (unlikely(!dgram->to_host))
		return ksocket_guard_is_multicast(&dgram->to) ?
		       KSOCKET_DROP_DST_MULTICAST : KSOCKET_DROP_DST_BROADCAST;

	/* Before the look at the routing tables that it stands for. */
	genid = rt_genid_ipv4(svc->net);
	flow = ksocket_guard_flow(worker, &dgram->from);
	dgram->flow = flow;
	if (likely(flow->genid == genid && flow->ifindex == dgram->ifindex &&
		   flow->iif == dgram->skb->skb_iif &&
		   ksocket_addr_same(&flow->from, &dgram->from) &&
		   ksocket_addr_same(&flow->to, &dgram->to)))
		return ksocket_guard_is_loop(svc, dgram) ?
		       KSOCKET_DROP_LOOP : KSOCKET_DROP_NONE;

	reason = ksocket_guard_sender(svc, dgram);
	if (reason != KSOCKET_DROP_NONE)
		return reason;

	dst_release(flow->dst);
	flow->dst = NULL;
	flow->from = dgram->from;
	flow->to = dgram->to;
	flow->ifindex = dgram->ifindex;
	flow->iif = dgram->skb->skb_iif;
	flow->genid = genid;
	return KSOCKET_DROP_NONE;
}

/**
 * ksocket_guard_forget() - ask again who may be answered
 * @worker: the worker; its lock is held
 */
void ksocket_guard_forget(struct ksocket_worker *worker)
{
	int genid = rt_genid_ipv4(worker->svc->net);
	unsigned int i;

	lockdep_assert_held(&worker->lock);

	for (i = 0; i < ARRAY_SIZE(worker->flows); i++)
		worker->flows[i].genid = genid - 1;
}

static void ksocket_guard_add(struct ksocket_net *kn,
			      struct ksocket_endpoint *end)
{
	hlist_add_head_rcu(&end->node, ksocket_guard_bucket(kn, &end->addr));
}

/*
 * No datagram comes from the port of a stream, and what nobody can make send
 * goes in no circle.
 */
static bool ksocket_guard_wants(const struct ksocket_service *svc)
{
	return !svc->transport->streams && ksocket_has_listener(&svc->cfg);
}

/**
 * ksocket_guard_attach() - make a service's addresses known as ours
 * @svc: the service, its sockets open, its threads not yet running
 *
 * Context: the namespace's lock is held.
 */
void ksocket_guard_attach(struct ksocket_service *svc)
{
	unsigned int i;

	lockdep_assert_held(&svc->kn->lock);

	if (!ksocket_guard_wants(svc))
		return;

	svc->listen_end.addr = svc->cfg.listen;
	ksocket_guard_add(svc->kn, &svc->listen_end);
	for (i = 0; i < svc->cfg.threads; i++)
		if (svc->workers[i].reply)
			ksocket_guard_add(svc->kn, &svc->workers[i].reply_end);
}

/**
 * ksocket_guard_detach() - undo ksocket_guard_attach()
 * @svc: the service
 *
 * Other services may still look at the endpoints: free @svc after an RCU
 * grace period only.
 *
 * Context: the namespace's lock is held.
 */
void ksocket_guard_detach(struct ksocket_service *svc)
{
	unsigned int i;

	lockdep_assert_held(&svc->kn->lock);

	if (!ksocket_guard_wants(svc))
		return;

	for (i = 0; i < svc->cfg.threads; i++)
		if (svc->workers[i].reply)
			hlist_del_rcu(&svc->workers[i].reply_end.node);
	hlist_del_rcu(&svc->listen_end.node);
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
