// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options: a struct in, a verb, a struct out. The options are netfilter's
 * to give away; the structs are in include/uapi/linux/ksocket.h.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/slab.h>
#include <linux/sockptr.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include <uapi/linux/ksocket.h>

#include "ksocket.h"

static int ksocket_so_read_name(char name[KSOCKET_NAME_LEN],
				const char from[KSOCKET_SO_NAME_LEN])
{
	BUILD_BUG_ON(KSOCKET_SO_NAME_LEN != KSOCKET_NAME_LEN);

	if (!memchr(from, '\0', KSOCKET_SO_NAME_LEN) ||
	    strscpy_pad(name, from, KSOCKET_NAME_LEN) < 0 ||
	    memcmp(name, from, KSOCKET_NAME_LEN))
		return -EINVAL;
	return 0;
}

static int ksocket_so_read_addr(struct net *net, union ksocket_addr *addr,
				const struct ksocket_so_addr *from)
{
	struct in6_addr ip;

	if (!from->port)
		return -EINVAL;

	switch (from->family) {
	case AF_INET:
		if (from->scope || memchr_inv(from->addr + 4, 0, 12))
			return -EINVAL;
		addr->in.sin_family = AF_INET;
		addr->in.sin_port = from->port;
		memcpy(&addr->in.sin_addr, from->addr, 4);
		return 0;
	case AF_INET6:
		memcpy(&ip, from->addr, sizeof(ip));
		return ksocket_config_set_ipv6(net, addr, &ip,
					       ntohs(from->port), from->scope);
	default:
		return -EAFNOSUPPORT;
	}
}

/*
 * A member cannot be left out. One that has no effect is 0, or, of those that
 * every service had in the first version, its default; any other value counts as
 * given, and is refused with the rest of what has no effect.
 */
static void ksocket_so_give(struct ksocket_config *cfg,
			    enum ksocket_field field, u32 value,
			    u32 default_value)
{
	if (value && value != default_value)
		cfg->given |= BIT(field);
}

static int ksocket_so_read_mode(struct ksocket_config *cfg,
				const struct ksocket_so_service *from)
{
	BUILD_BUG_ON(KSOCKET_SO_TEXT_LEN != KSOCKET_TEXT_MAX);

	if (from->mode > KSOCKET_MODE_BEACON_SINK ||
	    from->datapath > KSOCKET_DATAPATH_SOFTIRQ || from->gro > 1 ||
	    from->proto > KSOCKET_PROTO_TCP ||
	    from->reply_proto > KSOCKET_PROTO_TCP ||
	    from->framing > KSOCKET_FRAMING_OCTET_COUNTING ||
	    from->text_len > KSOCKET_TEXT_MAX)
		return -ERANGE;
	if (memchr_inv(from->text + from->text_len, 0,
		       sizeof(from->text) - from->text_len))
		return -EINVAL;

	ksocket_config_set_mode(cfg, ksocket_mode_get(from->mode));
	cfg->proto = from->proto;
	/* Connections go on by TCP in any case. */
	cfg->reply_proto = cfg->proto == KSOCKET_PROTO_TCP ? cfg->proto :
							     from->reply_proto;
	cfg->framing = from->framing;
	cfg->datapath = from->datapath;
	cfg->gro = from->gro;
	/* Where it has no effect the struct may be zero, as other interfaces leave it out. */
	if (ksocket_config_applies(cfg, KSOCKET_FIELD_MIN_SOURCE_PORT))
		cfg->min_source_port = from->min_source_port;
	cfg->text_len = from->text_len;
	memcpy(cfg->text, from->text, sizeof(from->text));

	ksocket_so_give(cfg, KSOCKET_FIELD_REPLY_PROTO, from->reply_proto, 0);
	ksocket_so_give(cfg, KSOCKET_FIELD_FRAMING, from->framing, 0);
	ksocket_so_give(cfg, KSOCKET_FIELD_DATAPATH, from->datapath,
			KSOCKET_DATAPATH_SOFTIRQ);
	ksocket_so_give(cfg, KSOCKET_FIELD_GRO, from->gro, 0);
	ksocket_so_give(cfg, KSOCKET_FIELD_MIN_SOURCE_PORT,
			from->min_source_port, 1024);
	ksocket_so_give(cfg, KSOCKET_FIELD_TEXT, from->text_len, 0);
	return 0;
}

/* Where a number has no effect the default stays. */
static void ksocket_so_read_numbers(struct ksocket_config *cfg,
				    const struct ksocket_so_service *from)
{
	const struct {
		enum ksocket_field field;
		unsigned int *to;
		u32 value;
		u32 default_value;
	} numbers[] = {
		{ KSOCKET_FIELD_THREADS, &cfg->threads, from->threads, 1 },
		{ KSOCKET_FIELD_BUFFER_SIZE, &cfg->buffer_size,
		  from->buffer_size, KSOCKET_BUFFER_MAX },
		{ KSOCKET_FIELD_RCVBUF, &cfg->rcvbuf, from->rcvbuf },
		{ KSOCKET_FIELD_SNDBUF, &cfg->sndbuf, from->sndbuf },
		{ KSOCKET_FIELD_MAX_CONNECTIONS, &cfg->max_connections,
		  from->max_connections },
		{ KSOCKET_FIELD_BACKLOG, &cfg->backlog, from->backlog },
		{ KSOCKET_FIELD_IDLE_TIMEOUT, &cfg->idle_timeout,
		  from->idle_timeout },
		{ KSOCKET_FIELD_KEEPALIVE, &cfg->keepalive, from->keepalive },
		{ KSOCKET_FIELD_INTERVAL, &cfg->interval, from->interval },
		{ KSOCKET_FIELD_QUEUE_BYTES, &cfg->queue_bytes,
		  from->queue_bytes },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		ksocket_so_give(cfg, numbers[i].field, numbers[i].value,
				numbers[i].default_value);
		if (ksocket_config_applies(cfg, numbers[i].field))
			*numbers[i].to = numbers[i].value;
	}
}

static int ksocket_so_read_addrs(struct net *net, struct ksocket_config *cfg,
				 const struct ksocket_so_service *from)
{
	int err = 0;

	if (memchr_inv(&from->listen, 0, sizeof(from->listen)))
		cfg->given |= BIT(KSOCKET_FIELD_LISTEN);
	if (memchr_inv(&from->reply, 0, sizeof(from->reply)))
		cfg->given |= BIT(KSOCKET_FIELD_REPLY);

	if (ksocket_has_listener(cfg))
		err = ksocket_so_read_addr(net, &cfg->listen, &from->listen);
	if (!err && ksocket_has_receiver(cfg))
		err = ksocket_so_read_addr(net, &cfg->reply, &from->reply);
	return err;
}

static int ksocket_so_read_config(struct net *net, struct ksocket_config *cfg,
				  const struct ksocket_so_service *from)
{
	int err;

	ksocket_config_init(cfg);
	err = ksocket_so_read_name(cfg->name, from->name);
	if (!err)
		err = ksocket_so_read_mode(cfg, from);
	if (err)
		return err;

	ksocket_so_read_numbers(cfg, from);
	if (from->ifindex)
		err = ksocket_config_find_device(net, cfg, from->ifindex);
	return err ? err : ksocket_so_read_addrs(net, cfg, from);
}

static int ksocket_so_add(struct net *net, const struct ksocket_so_service *from)
{
	struct ksocket_report rep = {};
	struct ksocket_config *cfg;
	int err;

	cfg = kmalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;

	err = ksocket_so_read_config(net, cfg, from);
	if (!err)
		err = ksocket_service_start(net, cfg, KSOCKET_START_NEW, &rep);
	kfree(cfg);
	return err;
}

static int ksocket_so_del(struct net *net, const struct ksocket_so_name *from)
{
	struct ksocket_report rep = {};
	char name[KSOCKET_NAME_LEN];
	int err;

	err = ksocket_so_read_name(name, from->name);
	return err ? err : ksocket_service_end(net, name, &rep);
}

static size_t ksocket_so_set_size(int option)
{
	return option == KSOCKET_SO_ADD ? sizeof(struct ksocket_so_service) :
					  sizeof(struct ksocket_so_name);
}

static int ksocket_so_set(struct sock *sk, int option, sockptr_t arg,
			  unsigned int len)
{
	struct net *net = sock_net(sk);
	void *from;
	int err;

	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (len != ksocket_so_set_size(option))
		return -EINVAL;

	from = memdup_sockptr(arg, len);
	if (IS_ERR(from))
		return PTR_ERR(from);

	if (option == KSOCKET_SO_ADD)
		err = ksocket_so_add(net, from);
	else
		err = ksocket_so_del(net, from);
	kfree(from);
	return err;
}

static void ksocket_so_write_addr(struct ksocket_so_addr *to,
				  const union ksocket_addr *addr)
{
	to->family = addr->sa.sa_family;
	to->port = htons(ksocket_addr_port(addr));
	if (addr->sa.sa_family == AF_INET) {
		memcpy(to->addr, &addr->in.sin_addr, 4);
	} else {
		memcpy(to->addr, &addr->in6.sin6_addr, 16);
		to->scope = addr->in6.sin6_scope_id;
	}
}

static void ksocket_so_write_info(struct ksocket_net *kn,
				  struct ksocket_so_info *to)
{
	const struct ksocket_service *svc;

	to->version = KSOCKET_SO_VERSION;
	list_for_each_entry(svc, &kn->services, node)
		to->services++;
}

/*
 * The struct does not grow, and a service that a program adds from it has the
 * defaults of the newer settings. A program that reads a service and adds it again
 * would change one that has other values.
 */
static bool ksocket_so_can_hold(const struct ksocket_config *cfg)
{
	/* Each new field needs a member of the struct or a line here. */
	BUILD_BUG_ON(KSOCKET_FIELD_NEWLINE + 1 != KSOCKET_FIELD_MAX);

	return cfg->ttl == KSOCKET_TTL_INHERIT &&
	       cfg->dscp == ksocket_config_default_dscp(cfg->mode) &&
	       cfg->newline == KSOCKET_NEWLINE_DROP;
}

static int ksocket_so_write_service(const struct ksocket_service *svc,
				    struct ksocket_so_service *to)
{
	const struct ksocket_config *cfg = &svc->cfg;

	/* Nor that a device is gone, whose index may be another's by now. */
	if (!ksocket_so_can_hold(cfg) || ksocket_follow_is_lost(svc))
		return -EOPNOTSUPP;

	to->mode = cfg->mode->id;
	to->datapath = cfg->datapath;
	if (ksocket_has_listener(cfg))
		ksocket_so_write_addr(&to->listen, &cfg->listen);
	if (ksocket_has_receiver(cfg))
		ksocket_so_write_addr(&to->reply, &cfg->reply);
	to->ifindex = cfg->ifindex;
	to->threads = cfg->threads;
	to->buffer_size = cfg->buffer_size;
	to->rcvbuf = cfg->rcvbuf;
	to->sndbuf = cfg->sndbuf;
	to->min_source_port = cfg->min_source_port;
	to->gro = cfg->gro;
	to->proto = cfg->proto;
	if (cfg->proto == KSOCKET_PROTO_TCP) {
		to->max_connections = cfg->max_connections;
		to->backlog = cfg->backlog;
		to->idle_timeout = cfg->idle_timeout;
		to->keepalive = cfg->keepalive;
	}
	if (ksocket_has_uplink(cfg)) {
		to->reply_proto = cfg->reply_proto;
		to->framing = cfg->framing;
		to->queue_bytes = cfg->queue_bytes;
		to->keepalive = cfg->keepalive;
	}
	if (cfg->mode->unasked)
		to->interval = cfg->interval;
	if (cfg->mode->text) {
		to->text_len = cfg->text_len;
		memcpy(to->text, cfg->text, cfg->text_len);
	}
	return 0;
}

static void ksocket_so_write_stats(const struct ksocket_service *svc,
				   struct ksocket_so_stats *to)
{
	struct ksocket_queued queued;
	struct ksocket_totals sum;

	BUILD_BUG_ON(KSOCKET_DROP_MAX > KSOCKET_SO_DROPS);
	BUILD_BUG_ON(KSOCKET_CLOSE_MAX > KSOCKET_SO_CLOSES);

	ksocket_totals_read(svc, &sum);
	to->unreachable = ksocket_watch_unreachable(svc);
	to->rx_packets = sum.rx_packets;
	to->rx_bytes = sum.rx_bytes;
	to->tx_packets = sum.tx_packets;
	to->tx_bytes = sum.tx_bytes;
	to->discarded = sum.discarded;
	to->stale_errors = sum.stale_errors;
	to->recv_errors = sum.recv_errors;
	to->rx_overflow = sum.rx_overflow;
	to->reply_ignored = sum.reply_ignored;
	to->wakeups = sum.wakeups;
	to->fallbacks = sum.fallbacks;
	to->user_sends = sum.user_sends;
	to->n_drops = KSOCKET_DROP_MAX;
	memcpy(to->drops, sum.drops, sizeof(sum.drops));
	to->connections = atomic_read(&svc->connections);
	to->accepted = sum.accepted;
	to->connected = sum.connected;
	to->n_closes = KSOCKET_CLOSE_MAX;
	memcpy(to->closes, sum.closes, sizeof(sum.closes));
	to->connect_failed = sum.connect_failed;
	to->disconnected = sum.disconnected;
	ksocket_queued_read(svc, &queued);
	to->queued = queued.datagrams;
	to->queued_bytes = queued.bytes;
	to->beacons_missed = sum.beacons[KSOCKET_BEACON_MISSED];
	to->beacon_received = sum.beacons[KSOCKET_BEACON_RECEIVED];
	to->beacon_lost = sum.beacons[KSOCKET_BEACON_LOST];
	to->beacon_late = sum.beacons[KSOCKET_BEACON_LATE];
	to->beacon_duplicate = sum.beacons[KSOCKET_BEACON_DUPLICATE];
	to->beacon_restarted = sum.beacons[KSOCKET_BEACON_RESTARTED];
	to->beacon_malformed = sum.beacons[KSOCKET_BEACON_MALFORMED];
	to->beacon_evicted = sum.beacons[KSOCKET_BEACON_EVICTED];
}

/* The name stands at the same place in both structs of a service. */
static int ksocket_so_write(struct net *net, int option, void *to)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_report rep = {};
	struct ksocket_service *svc;
	char name[KSOCKET_NAME_LEN];

	lockdep_assert_held(&kn->lock);

	if (option == KSOCKET_SO_INFO) {
		ksocket_so_write_info(kn, to);
		return 0;
	}

	if (ksocket_so_read_name(name, to))
		return -EINVAL;
	svc = ksocket_service_find(kn, name, &rep);
	if (!svc)
		return -ENOENT;

	if (option == KSOCKET_SO_SERVICE)
		return ksocket_so_write_service(svc, to);
	ksocket_so_write_stats(svc, to);
	return 0;
}

static size_t ksocket_so_get_size(int option)
{
	switch (option) {
	case KSOCKET_SO_INFO:
		return sizeof(struct ksocket_so_info);
	case KSOCKET_SO_SERVICE:
		return sizeof(struct ksocket_so_service);
	default:
		return sizeof(struct ksocket_so_stats);
	}
}

static int ksocket_so_get(struct sock *sk, int option, void __user *user,
			  int *len)
{
	size_t size = ksocket_so_get_size(option);
	struct net *net = sock_net(sk);
	int err = -EFAULT;
	void *to;

	BUILD_BUG_ON(offsetof(struct ksocket_so_service, name) ||
		     offsetof(struct ksocket_so_stats, name));

	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (*len != size)
		return -EINVAL;

	/* All of it goes to user space, what nobody has filled too. */
	to = kzalloc(size, GFP_KERNEL);
	if (!to)
		return -ENOMEM;

	if (option != KSOCKET_SO_INFO &&
	    copy_from_user(to, user, KSOCKET_SO_NAME_LEN))
		goto out;

	mutex_lock(&ksocket_net(net)->lock);
	err = ksocket_so_write(net, option, to);
	mutex_unlock(&ksocket_net(net)->lock);
	if (!err && copy_to_user(user, to, size))
		err = -EFAULT;
out:
	kfree(to);
	return err;
}

#define KSOCKET_SO_OPS(family) { \
	.pf = family, \
	.set_optmin = KSOCKET_SO_BASE, \
	.set_optmax = KSOCKET_SO_SET_END, \
	.set = ksocket_so_set, \
	.get_optmin = KSOCKET_SO_BASE, \
	.get_optmax = KSOCKET_SO_GET_END, \
	.get = ksocket_so_get, \
	.owner = THIS_MODULE, \
}

static struct nf_sockopt_ops ksocket_so_ops[] = {
	KSOCKET_SO_OPS(PF_INET),
	KSOCKET_SO_OPS(PF_INET6),
};

/**
 * ksocket_so_init() - open the door of the socket options
 *
 * Return: 0 or -EBUSY when somebody else has the options.
 */
int __init ksocket_so_init(void)
{
	int err;

	err = nf_register_sockopt(&ksocket_so_ops[0]);
	if (err)
		return err;

	err = nf_register_sockopt(&ksocket_so_ops[1]);
	if (err)
		nf_unregister_sockopt(&ksocket_so_ops[0]);
	return err;
}

/**
 * ksocket_so_exit() - close it
 */
void ksocket_so_exit(void)
{
	nf_unregister_sockopt(&ksocket_so_ops[1]);
	nf_unregister_sockopt(&ksocket_so_ops[0]);
}
