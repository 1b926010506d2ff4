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

static bool ksocket_guard_is_local(struct net *net,
				   const union ksocket_addr *addr, int ifindex)
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

static struct hlist_head *ksocket_guard_bucket(const struct net *net,
					       const union ksocket_addr *addr)
{
	u32 slot = hash_32(ksocket_addr_port(addr), KSOCKET_ENDPOINT_BITS);

	return &ksocket_net(net)->endpoints[slot];
}

static bool ksocket_guard_is_loop(struct net *net,
				  const struct ksocket_datagram *dgram)
{
	const struct ksocket_endpoint *end;
	bool found = false;

	rcu_read_lock();
	hlist_for_each_entry_rcu(end, ksocket_guard_bucket(net, &dgram->from),
				 node) {
		found = ksocket_guard_matches(net, &end->addr, &dgram->from,
					      dgram->ifindex);
		if (found)
			break;
	}
	rcu_read_unlock();

	return found;
}

/* IPv6 itself drops a multicast source before any socket sees it. */
static enum ksocket_drop
ksocket_guard_source(struct net *net, const struct ksocket_datagram *dgram)
{
	if (ksocket_guard_is_any(&dgram->from))
		return KSOCKET_DROP_SRC_UNSPECIFIED;

	if (dgram->from.sa.sa_family == AF_INET6)
		return ipv6_addr_is_multicast(&dgram->from.in6.sin6_addr) ?
		       KSOCKET_DROP_SRC_MULTICAST : KSOCKET_DROP_NONE;

	switch (ksocket_guard_type4(net, dgram->from.in.sin_addr.s_addr,
				    dgram->ifindex)) {
	case RTN_MULTICAST:
		return KSOCKET_DROP_SRC_MULTICAST;
	case RTN_BROADCAST:
		return KSOCKET_DROP_SRC_BROADCAST;
	default:
		return KSOCKET_DROP_NONE;
	}
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
	if (port < cfg->min_source_port)
		return KSOCKET_DROP_SRC_PORT_LOW;

	if (cfg->min_source_port && port == ksocket_addr_port(&cfg->listen))
		return KSOCKET_DROP_SRC_PORT_OWN;

	return KSOCKET_DROP_NONE;
}

/**
 * ksocket_guard_check() - may this datagram be answered?
 * @worker: the worker that took it
 * @dgram: the datagram
 *
 * Return: %KSOCKET_DROP_NONE or the reason against it.
 */
enum ksocket_drop ksocket_guard_check(const struct ksocket_worker *worker,
				      const struct ksocket_datagram *dgram)
{
	const struct ksocket_service *svc = worker->svc;
	u16 port = ksocket_addr_port(&dgram->from);
	enum ksocket_drop reason;

	if (dgram->truncated)
		return KSOCKET_DROP_TRUNCATED;

	if (!dgram->to_host)
		return ksocket_guard_is_multicast(&dgram->to) ?
		       KSOCKET_DROP_DST_MULTICAST : KSOCKET_DROP_DST_BROADCAST;

	reason = ksocket_guard_source(svc->net, dgram);
	if (reason != KSOCKET_DROP_NONE)
		return reason;

	if (!port)
		return KSOCKET_DROP_SRC_PORT_ZERO;

	if (ksocket_guard_is_loop(svc->net, dgram))
		return KSOCKET_DROP_LOOP;

	if (svc->cfg.mode == &ksocket_echo)
		return ksocket_guard_echo_port(&svc->cfg, port);

	return KSOCKET_DROP_NONE;
}

static void ksocket_guard_add(struct net *net, struct ksocket_endpoint *end)
{
	hlist_add_head_rcu(&end->node, ksocket_guard_bucket(net, &end->addr));
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

	lockdep_assert_held(&ksocket_net(svc->net)->lock);

	svc->listen_end.addr = svc->cfg.listen;
	ksocket_guard_add(svc->net, &svc->listen_end);
	for (i = 0; i < svc->cfg.threads; i++)
		if (svc->workers[i].reply)
			ksocket_guard_add(svc->net, &svc->workers[i].reply_end);
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

	lockdep_assert_held(&ksocket_net(svc->net)->lock);

	for (i = 0; i < svc->cfg.threads; i++)
		if (svc->workers[i].reply)
			hlist_del_rcu(&svc->workers[i].reply_end.node);
	hlist_del_rcu(&svc->listen_end.node);
}

/* Is @addr the address of one host? If not, @rep says what it is. */
static int ksocket_guard_unicast(struct net *net, const char *param,
				 const union ksocket_addr *addr, int ifindex,
				 struct ksocket_report *rep)
{
	if (ksocket_guard_is_multicast(addr))
		return ksocket_report(rep, -EINVAL,
				      "%s=%pISc: a multicast group, need the address of one host",
				      param, addr);

	if (addr->sa.sa_family == AF_INET && !ksocket_guard_is_any(addr) &&
	    ksocket_guard_type4(net, addr->in.sin_addr.s_addr,
				ifindex) == RTN_BROADCAST)
		return ksocket_report(rep, -EINVAL,
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
	int err;

	/* Nothing of IPv6 may be asked where ipv6.disable=1 left it out. */
	if (!ipv6_mod_enabled() &&
	    (cfg->listen.sa.sa_family == AF_INET6 ||
	     (cfg->mode->has_receiver && cfg->reply.sa.sa_family == AF_INET6)))
		return ksocket_report(rep, -EAFNOSUPPORT,
				      "an IPv6 address was given, but IPv6 is not available here");

	err = ksocket_guard_unicast(net, "listen_addr", &cfg->listen,
				    cfg->ifindex, rep);
	if (err || !cfg->mode->has_receiver)
		return err;

	err = ksocket_guard_unicast(net, "reply_addr", &cfg->reply,
				    cfg->reply_ifindex, rep);
	if (err)
		return err;

	if (ksocket_guard_is_any(&cfg->reply))
		return ksocket_report(rep, -EINVAL,
				      "reply_addr=%pISc: no host's address, need the receiver's",
				      &cfg->reply);

	if (ksocket_guard_matches(net, &cfg->listen, &cfg->reply,
				  cfg->ifindex))
		return ksocket_report(rep, -ELOOP,
				      "reply address %pISpc is the service's own listen address",
				      &cfg->reply);

	return 0;
}
