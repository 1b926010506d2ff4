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
#include <linux/rhashtable.h>
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

static bool ksocket_guard_is_loop(const struct ksocket_service *svc,
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

	return found;
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
	const struct ksocket_service *svc = worker->svc;
	struct ksocket_flow *flow;
	enum ksocket_drop reason;
	int genid, endpoints;

	if (unlikely(dgram->truncated))
		return KSOCKET_DROP_TRUNCATED;

	if (unlikely(!dgram->to_host))
		return ksocket_guard_is_multicast(&dgram->to) ?
		       KSOCKET_DROP_DST_MULTICAST : KSOCKET_DROP_DST_BROADCAST;

	/*
	 * Both are read before the tables that they stand for. The pair of the
	 * second one is in ksocket_guard_added().
	 */
	genid = rt_genid_ipv4(svc->net);
	endpoints = atomic_read_acquire(&svc->kn->endpoints_gen);
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
	flow->genid = genid;
	flow->endpoints = endpoints;
	return ksocket_guard_ttl(svc, dgram);
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

/*
 * Senders that were let pass are looked up again, and then what was added is found.
 * What is taken out lets more pass, and the senders that were refused are looked up
 * each time.
 */
static void ksocket_guard_added(struct ksocket_net *kn)
{
	smp_mb__before_atomic(); /* pairs with the acquire in ksocket_guard_check() */
	atomic_inc(&kn->endpoints_gen);
}

static int ksocket_guard_add(struct ksocket_net *kn,
			     struct ksocket_endpoint *end,
			     const union ksocket_addr *addr)
{
	ksocket_endpoint_key(addr, &end->key);
	return rhltable_insert(&kn->endpoints, &end->node,
			       ksocket_endpoint_params);
}

static void ksocket_guard_remove(struct ksocket_net *kn,
				 struct ksocket_endpoint *end)
{
	rhltable_remove(&kn->endpoints, &end->node, ksocket_endpoint_params);
}

/*
 * No datagram comes from the port of a stream, and what nobody can make send
 * goes in no circle.
 */
static bool ksocket_guard_wants(const struct ksocket_service *svc)
{
	return !svc->transport->streams && ksocket_has_listener(&svc->cfg);
}

static void ksocket_guard_remove_replies(struct ksocket_service *svc,
					 unsigned int n)
{
	while (n--)
		if (svc->workers[n].reply)
			ksocket_guard_remove(svc->kn, &svc->workers[n].reply_end);
}

/**
 * ksocket_guard_attach() - make a service's addresses known as ours
 * @svc: the service, its sockets open, its threads not yet running
 * @rep: says what was wrong
 *
 * Context: the namespace's lock is held.
 * Return: 0 or a negative errno, reported.
 */
int ksocket_guard_attach(struct ksocket_service *svc,
			 struct ksocket_report *rep)
{
	struct ksocket_worker *worker;
	unsigned int i;
	int err;

	lockdep_assert_held(&svc->kn->lock);

	if (!ksocket_guard_wants(svc))
		return 0;

	err = ksocket_guard_add(svc->kn, &svc->listen_end, &svc->cfg.listen);
	if (err)
		goto err_report;

	for (i = 0; i < svc->cfg.threads; i++) {
		worker = &svc->workers[i];
		if (worker->reply)
			err = ksocket_guard_add(svc->kn, &worker->reply_end,
						&worker->reply_addr);
		if (err)
			goto err_remove;
	}

	ksocket_guard_added(svc->kn);
	return 0;

err_remove:
	ksocket_guard_remove_replies(svc, i);
	ksocket_guard_remove(svc->kn, &svc->listen_end);
err_report:
	return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
				    "no memory for the table of addresses",
				    "no memory for the table of addresses");
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
	lockdep_assert_held(&svc->kn->lock);

	if (!ksocket_guard_wants(svc))
		return;

	ksocket_guard_remove_replies(svc, svc->cfg.threads);
	ksocket_guard_remove(svc->kn, &svc->listen_end);
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
