// SPDX-License-Identifier: GPL-2.0
/*
 * What the control doors share of a configuration: its defaults, what is
 * allowed in it, and whether two are the same.
 */
#include <linux/cpumask.h>
#include <linux/ctype.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/user_namespace.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/sock.h>

#include "ksocket.h"

/**
 * ksocket_config_init() - the defaults, which are those of the parameters
 * @cfg: the configuration; it has no name and no address yet
 */
void ksocket_config_init(struct ksocket_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	ksocket_config_set_mode(cfg, &ksocket_relay);
	cfg->threads = 1;
	cfg->buffer_size = KSOCKET_BUFFER_MAX;
	cfg->min_source_port = 1024;
	cfg->datapath = KSOCKET_DATAPATH_SOFTIRQ;
	cfg->max_connections = 1024;
	cfg->backlog = 128;
	cfg->idle_timeout = 3600;
	cfg->keepalive = 60;
	cfg->interval = 2000;
	cfg->framing = KSOCKET_FRAMING_LENGTH;
	cfg->queue_bytes = 1024 * 1024;
	cfg->ttl = KSOCKET_TTL_INHERIT;
	/* As in ksocket_beacon_value(), nobody locks the name. */
	if (current->nsproxy->uts_ns != &init_uts_ns)
		strscpy(cfg->host, utsname()->nodename, sizeof(cfg->host));
}

/**
 * ksocket_config_default_dscp() - look up the default DSCP of a mode
 * @mode: the mode
 *
 * Return: one of enum ksocket_dscp.
 */
enum ksocket_dscp
ksocket_config_default_dscp(const struct ksocket_mode *mode)
{
	return mode->verdict == KSOCKET_TO_SENDER ? KSOCKET_DSCP_INHERIT :
						    KSOCKET_DSCP_ZERO;
}

/**
 * ksocket_config_set_mode() - set the mode, and the defaults that depend on it
 * @cfg: the configuration
 * @mode: the mode
 */
void ksocket_config_set_mode(struct ksocket_config *cfg,
			     const struct ksocket_mode *mode)
{
	cfg->mode = mode;
	cfg->dscp = ksocket_config_default_dscp(mode);
	if (mode->text)
		cfg->text_len = strscpy(cfg->text, mode->text,
					sizeof(cfg->text));
}

static const char *const ksocket_ttls[] = {
	[KSOCKET_TTL_INHERIT] = "inherit",
	[KSOCKET_TTL_SYSTEM] = "system",
};

/**
 * ksocket_ttl_find() - look up where a TTL comes from
 * @name: as users write it
 *
 * Return: one of enum ksocket_ttl, or -EINVAL.
 */
int ksocket_ttl_find(const char *name)
{
	return match_string(ksocket_ttls, ARRAY_SIZE(ksocket_ttls), name);
}

/**
 * ksocket_ttl_name() - name of where a TTL comes from
 * @ttl: one of the enum
 *
 * Return: the name as users write it.
 */
const char *ksocket_ttl_name(enum ksocket_ttl ttl)
{
	return ksocket_ttls[ttl];
}

static const char *const ksocket_dscps[] = {
	[KSOCKET_DSCP_INHERIT] = "inherit",
	[KSOCKET_DSCP_ZERO] = "zero",
};

/**
 * ksocket_dscp_find() - look up where a DSCP comes from
 * @name: as users write it
 *
 * Return: one of enum ksocket_dscp, or -EINVAL.
 */
int ksocket_dscp_find(const char *name)
{
	return match_string(ksocket_dscps, ARRAY_SIZE(ksocket_dscps), name);
}

/**
 * ksocket_dscp_name() - name of where a DSCP comes from
 * @dscp: one of the enum
 *
 * Return: the name as users write it.
 */
const char *ksocket_dscp_name(enum ksocket_dscp dscp)
{
	return ksocket_dscps[dscp];
}

static const char *const ksocket_newlines[] = {
	[KSOCKET_NEWLINE_DROP] = "drop",
	[KSOCKET_NEWLINE_ESCAPE] = "escape",
	[KSOCKET_NEWLINE_SPACE] = "space",
};

/**
 * ksocket_newline_find() - look up what becomes of newlines
 * @name: as users write it
 *
 * Return: one of enum ksocket_newline, or -EINVAL.
 */
int ksocket_newline_find(const char *name)
{
	return match_string(ksocket_newlines, ARRAY_SIZE(ksocket_newlines),
			    name);
}

/**
 * ksocket_newline_name() - name of what becomes of newlines
 * @newline: one of the enum
 *
 * Return: the name as users write it.
 */
const char *ksocket_newline_name(enum ksocket_newline newline)
{
	return ksocket_newlines[newline];
}

static struct net_device *ksocket_config_get_device(struct net *net,
						    u32 ifindex)
{
	return ifindex <= INT_MAX ? dev_get_by_index(net, ifindex) : NULL;
}

/**
 * ksocket_config_set_device() - bind to a device
 * @cfg: the configuration
 * @dev: the device; no reference is kept
 */
void ksocket_config_set_device(struct ksocket_config *cfg,
			       struct net_device *dev)
{
	strscpy(cfg->device, dev->name, sizeof(cfg->device));
	cfg->ifindex = dev->ifindex;
	/* The way to the receiver may be another device, but no other VRF. */
	cfg->reply_ifindex = l3mdev_master_ifindex(dev);
}

/**
 * ksocket_config_find_device() - bind to the device of that index
 * @net: the namespace
 * @cfg: the configuration
 * @ifindex: the index
 *
 * Return: 0 or -ENODEV.
 */
int ksocket_config_find_device(struct net *net, struct ksocket_config *cfg,
			       u32 ifindex)
{
	struct net_device *dev = ksocket_config_get_device(net, ifindex);

	if (!dev)
		return -ENODEV;

	ksocket_config_set_device(cfg, dev);
	dev_put(dev);
	return 0;
}

/**
 * ksocket_config_unmap() - take an IPv4-mapped address for the IPv4 one in it
 * @addr: the address and port
 */
void ksocket_config_unmap(union ksocket_addr *addr)
{
	__be16 port = addr->in6.sin6_port;
	__be32 ip;

	if (addr->sa.sa_family != AF_INET6 ||
	    !ipv6_addr_v4mapped(&addr->in6.sin6_addr))
		return;

	ip = addr->in6.sin6_addr.s6_addr32[3];
	memset(addr, 0, sizeof(*addr));
	addr->in.sin_family = AF_INET;
	addr->in.sin_port = port;
	addr->in.sin_addr.s_addr = ip;
}

/**
 * ksocket_config_set_ipv6() - set an IPv6 address
 * @net: the namespace of @scope
 * @addr: where to; zeroed by the caller
 * @ip: the address; an IPv4-mapped one becomes the IPv4 one in it
 * @port: the port
 * @scope: index of the device of a link-local address, 0 for any other
 *
 * Return: 0, -EINVAL when a link-local address has no scope, or another one has,
 * or -ENODEV when that device is not there.
 */
int ksocket_config_set_ipv6(struct net *net, union ksocket_addr *addr,
			    const struct in6_addr *ip, u16 port, u32 scope)
{
	bool local = (ipv6_addr_type(ip) & (IPV6_ADDR_LINKLOCAL |
					    IPV6_ADDR_MULTICAST)) ==
		     IPV6_ADDR_LINKLOCAL;
	struct net_device *dev;

	if (local != !!scope)
		return -EINVAL;

	addr->in6.sin6_family = AF_INET6;
	addr->in6.sin6_port = htons(port);
	addr->in6.sin6_addr = *ip;
	ksocket_config_unmap(addr);
	if (!scope)
		return 0;

	dev = ksocket_config_get_device(net, scope);
	if (!dev)
		return -ENODEV;
	addr->in6.sin6_scope_id = scope;
	dev_put(dev);
	return 0;
}

/*
 * It is written into files and logs, where it has to stay one word, and given to
 * shells, by people who did not choose it: in a container somebody else did.
 */
static bool ksocket_config_name_ok(const char *name)
{
	if (!*name)
		return false;

	for (; *name; name++)
		if (!isascii(*name) ||
		    (!isalnum(*name) && !strchr("._:+@%=,-", *name)))
			return false;

	return true;
}

static int ksocket_config_check_sockbuf(unsigned int size,
					enum ksocket_field field,
					struct ksocket_report *rep)
{
	if (!size || (size >= KSOCKET_SOCKBUF_MIN && size <= KSOCKET_SOCKBUF_MAX))
		return 0;

	return ksocket_report_field(rep, -ERANGE, field,
				    "out of range, allowed 2048 to 1073741823, or 0 for the system's default",
				    "buffer of %u bytes: out of range, allowed %u to %u, or 0 for the system's default",
				    size, KSOCKET_SOCKBUF_MIN,
				    KSOCKET_SOCKBUF_MAX);
}

/* Where the settings have an effect */

static bool ksocket_config_is_tcp(const struct ksocket_config *cfg)
{
	return cfg->proto == KSOCKET_PROTO_TCP;
}

static bool ksocket_config_is_udp(const struct ksocket_config *cfg)
{
	return cfg->proto == KSOCKET_PROTO_UDP;
}

static bool ksocket_config_takes_udp(const struct ksocket_config *cfg)
{
	return ksocket_has_listener(cfg) && ksocket_config_is_udp(cfg);
}

static bool ksocket_config_is_udp_echo(const struct ksocket_config *cfg)
{
	return cfg->mode->verdict == KSOCKET_TO_SENDER &&
	       ksocket_config_is_udp(cfg);
}

static bool ksocket_config_sends(const struct ksocket_config *cfg)
{
	return cfg->mode->verdict != KSOCKET_DISCARD;
}

/* A mode with an answer of its own has one datapath only. */
static bool ksocket_config_has_datapath(const struct ksocket_config *cfg)
{
	return ksocket_has_listener(cfg) && !cfg->mode->text;
}

static bool ksocket_config_has_text(const struct ksocket_config *cfg)
{
	return cfg->mode->text;
}

static bool ksocket_config_is_unasked(const struct ksocket_config *cfg)
{
	return cfg->mode->unasked;
}

static bool ksocket_config_relays_udp(const struct ksocket_config *cfg)
{
	return ksocket_has_receiver(cfg) && ksocket_config_is_udp(cfg);
}

static bool ksocket_config_has_lines(const struct ksocket_config *cfg)
{
	return ksocket_has_uplink(cfg) &&
	       cfg->framing == KSOCKET_FRAMING_NEWLINE;
}

static bool ksocket_config_has_peers(const struct ksocket_config *cfg)
{
	return ksocket_config_is_tcp(cfg) || ksocket_has_uplink(cfg);
}

/**
 * struct ksocket_setting - what there is to know of a field of a configuration
 * @name: the parameters that are it
 * @applies: has it an effect in this configuration? NULL where it always has
 * @brief: that it has none, and where it has one
 * @offset: of the member, where that is a number with a range
 * @min: the least that is allowed
 * @max: the most, or 0 where there is no range
 */
struct ksocket_setting {
	const char *name;
	bool (*applies)(const struct ksocket_config *cfg);
	const char *brief;
	size_t offset;
	unsigned int min;
	unsigned int max;
};

#define KSOCKET_SETTING(what, has, when) \
	.name = what, .applies = has, \
	.brief = "has no effect here, it is for " when

#define KSOCKET_RANGE(member, from, to) \
	.offset = offsetof(struct ksocket_config, member), \
	.min = from, .max = to

static const struct ksocket_setting ksocket_settings[KSOCKET_FIELD_MAX] = {
	[KSOCKET_FIELD_LISTEN] = {
		KSOCKET_SETTING("listen_addr, listen_port", ksocket_has_listener,
				"modes that have requests, not beacon"),
	},
	[KSOCKET_FIELD_REPLY] = {
		KSOCKET_SETTING("reply_addr, reply_port", ksocket_has_receiver,
				"modes that have a receiver: relay, text, beacon"),
	},
	[KSOCKET_FIELD_THREADS] = {
		KSOCKET_SETTING("threads", ksocket_has_listener,
				"modes that have requests, not beacon"),
	},
	[KSOCKET_FIELD_BUFFER_SIZE] = {
		KSOCKET_SETTING("buffer_size", ksocket_config_is_udp,
				"proto udp"),
		KSOCKET_RANGE(buffer_size, 1, KSOCKET_BUFFER_MAX),
	},
	[KSOCKET_FIELD_RCVBUF] = {
		KSOCKET_SETTING("rcvbuf", ksocket_has_listener,
				"modes that have requests, not beacon"),
	},
	[KSOCKET_FIELD_SNDBUF] = {
		KSOCKET_SETTING("sndbuf", ksocket_config_sends,
				"modes that send: relay, echo, text, beacon"),
	},
	[KSOCKET_FIELD_MIN_SOURCE_PORT] = {
		KSOCKET_SETTING("min_source_port", ksocket_config_is_udp_echo,
				"mode echo with proto udp"),
	},
	[KSOCKET_FIELD_DATAPATH] = {
		KSOCKET_SETTING("datapath", ksocket_config_has_datapath,
				"modes other than text and beacon, which copy"),
	},
	[KSOCKET_FIELD_GRO] = {
		KSOCKET_SETTING("gro", ksocket_config_takes_udp,
				"proto udp, in modes other than beacon"),
	},
	[KSOCKET_FIELD_TEXT] = {
		KSOCKET_SETTING("text", ksocket_config_has_text,
				"the modes text and beacon"),
	},
	[KSOCKET_FIELD_MAX_CONNECTIONS] = {
		KSOCKET_SETTING("max_connections", ksocket_config_is_tcp,
				"proto tcp"),
		KSOCKET_RANGE(max_connections, 1, KSOCKET_CONNECTIONS_MAX),
	},
	[KSOCKET_FIELD_BACKLOG] = {
		KSOCKET_SETTING("backlog", ksocket_config_is_tcp, "proto tcp"),
		KSOCKET_RANGE(backlog, 1, U16_MAX),
	},
	[KSOCKET_FIELD_IDLE_TIMEOUT] = {
		KSOCKET_SETTING("idle_timeout", ksocket_config_is_tcp,
				"proto tcp"),
		KSOCKET_RANGE(idle_timeout, 0, KSOCKET_IDLE_TIMEOUT_MAX),
	},
	[KSOCKET_FIELD_KEEPALIVE] = {
		KSOCKET_SETTING("keepalive", ksocket_config_has_peers,
				"proto tcp, or a receiver with reply_proto tcp"),
		KSOCKET_RANGE(keepalive, 0, KSOCKET_KEEPALIVE_MAX),
	},
	[KSOCKET_FIELD_INTERVAL] = {
		KSOCKET_SETTING("interval", ksocket_config_is_unasked,
				"mode beacon"),
		KSOCKET_RANGE(interval, KSOCKET_INTERVAL_MIN,
			      KSOCKET_INTERVAL_MAX),
	},
	[KSOCKET_FIELD_REPLY_PROTO] = {
		KSOCKET_SETTING("reply_proto", ksocket_config_relays_udp,
				"proto udp, in modes that have a receiver"),
	},
	[KSOCKET_FIELD_FRAMING] = {
		KSOCKET_SETTING("framing", ksocket_has_uplink,
				"proto udp with reply_proto tcp"),
	},
	[KSOCKET_FIELD_QUEUE_BYTES] = {
		KSOCKET_SETTING("queue_bytes", ksocket_has_uplink,
				"proto udp with reply_proto tcp"),
		KSOCKET_RANGE(queue_bytes, KSOCKET_QUEUE_BYTES_MIN,
			      KSOCKET_QUEUE_BYTES_MAX),
	},
	[KSOCKET_FIELD_TTL] = {
		KSOCKET_SETTING("ttl", ksocket_has_answers,
				"answers by UDP, in the modes relay, echo and text"),
	},
	[KSOCKET_FIELD_DSCP] = {
		KSOCKET_SETTING("dscp", ksocket_has_answers,
				"answers by UDP, in the modes relay, echo and text"),
	},
	[KSOCKET_FIELD_NEWLINE] = {
		KSOCKET_SETTING("newline", ksocket_config_has_lines,
				"reply_proto tcp with framing newline"),
	},
};

/**
 * ksocket_config_applies() - has a field an effect in this configuration?
 * @cfg: the configuration
 * @field: the field
 *
 * Control doors show those that have, and take no others.
 *
 * Return: true if so.
 */
bool ksocket_config_applies(const struct ksocket_config *cfg,
			    enum ksocket_field field)
{
	const struct ksocket_setting *setting = &ksocket_settings[field];

	return !setting->applies || setting->applies(cfg);
}

/**
 * ksocket_config_check_given() - has all that is given an effect?
 * @cfg: the configuration
 * @given: the fields, bit n for field n
 * @rep: says which of them has none, and where it would have one
 *
 * A setting that does nothing is a mistake of the user, who expects that it does
 * something. A default that is given is one as well.
 *
 * Return: 0 or -EINVAL.
 */
int ksocket_config_check_given(const struct ksocket_config *cfg, u32 given,
			       struct ksocket_report *rep)
{
	enum ksocket_field i;

	BUILD_BUG_ON(KSOCKET_FIELD_MAX > 32);

	for (i = 0; i < KSOCKET_FIELD_MAX; i++) {
		const struct ksocket_setting *setting = &ksocket_settings[i];

		if (given & BIT(i) && !ksocket_config_applies(cfg, i))
			return ksocket_report_field(rep, -EINVAL, i,
						    setting->brief,
						    "%s: %s", setting->name,
						    setting->brief);
	}

	/* TCP may wait, and no softirq can. */
	if (given & BIT(KSOCKET_FIELD_DATAPATH) && ksocket_config_is_tcp(cfg) &&
	    cfg->datapath == KSOCKET_DATAPATH_SOFTIRQ)
		return ksocket_report_field(rep, -EINVAL,
					    KSOCKET_FIELD_DATAPATH,
					    "no softirq can send by TCP, allowed copy or zerocopy",
					    "datapath=softirq: no softirq can send by TCP, allowed copy or zerocopy");
	return 0;
}

static int ksocket_config_check_ranges(const struct ksocket_config *cfg,
				       struct ksocket_report *rep)
{
	enum ksocket_field i;

	for (i = 0; i < KSOCKET_FIELD_MAX; i++) {
		const struct ksocket_setting *setting = &ksocket_settings[i];
		unsigned int value;

		if (!setting->max || !ksocket_config_applies(cfg, i))
			continue;

		value = *(unsigned int *)((char *)cfg + setting->offset);
		if (value < setting->min || value > setting->max)
			return ksocket_report_field(rep, -ERANGE, i,
						    "out of range",
						    "%s=%u: out of range, allowed %u to %u",
						    setting->name, value,
						    setting->min, setting->max);
	}

	return 0;
}

/**
 * ksocket_config_check() - is this allowed, wherever it is to start?
 * @cfg: the configuration
 * @rep: says why not
 *
 * Return: 0, -EINVAL for a name that is none and for what has no effect, or
 * -ERANGE.
 */
int ksocket_config_check(const struct ksocket_config *cfg,
			 struct ksocket_report *rep)
{
	int err;

	if (!ksocket_config_name_ok(cfg->name))
		return ksocket_report_field(rep, -EINVAL, KSOCKET_FIELD_NAME,
					    "not a name, need 1 to 15 letters, digits or . _ : + @ % = , -",
					    "not a name, need 1 to %u letters, digits or . _ : + @ %% = , -",
					    KSOCKET_NAME_MAX);

	if (!cfg->threads || cfg->threads > num_online_cpus())
		return ksocket_report_field(rep, -ERANGE, KSOCKET_FIELD_THREADS,
					    "more threads than processors online",
					    "threads=%u: out of range, allowed 1 to %u",
					    cfg->threads, num_online_cpus());

	if (cfg->proto == KSOCKET_PROTO_TCP &&
	    (cfg->mode->text || cfg->mode->consume))
		return ksocket_report_field(rep, -EINVAL, KSOCKET_FIELD_MODE,
					    "this mode is for datagrams only, need proto udp",
					    "mode=%s: for datagrams only, proto=tcp allows relay, echo or discard",
					    cfg->mode->name);

	if (ksocket_has_receiver(cfg) && cfg->proto == KSOCKET_PROTO_TCP &&
	    cfg->reply_proto != KSOCKET_PROTO_TCP)
		return ksocket_report_field(rep, -EINVAL,
					    KSOCKET_FIELD_REPLY_PROTO,
					    "a connection goes on by TCP only",
					    "reply_proto=%s: proto=tcp allows tcp only",
					    ksocket_proto_name(cfg->reply_proto));

	err = ksocket_config_check_given(cfg, cfg->given, rep);
	if (err)
		return err;

	err = ksocket_config_check_ranges(cfg, rep);
	if (err)
		return err;

	err = cfg->mode->check ? cfg->mode->check(cfg, rep) : 0;
	if (err)
		return err;

	err = ksocket_config_check_sockbuf(cfg->rcvbuf, KSOCKET_FIELD_RCVBUF,
					   rep);
	if (err)
		return err;

	return ksocket_config_check_sockbuf(cfg->sndbuf, KSOCKET_FIELD_SNDBUF,
					    rep);
}

/**
 * ksocket_config_check_buffers() - may buffers be that large in a namespace?
 * @net: the namespace
 * @rcvbuf: receive buffer in bytes
 * @sndbuf: send buffer in bytes
 * @rep: says why not
 *
 * They are as SO_RCVBUFFORCE makes them, and that is for those only who have
 * CAP_NET_ADMIN over the machine. The others have what SO_RCVBUF lets them have.
 *
 * Return: 0 or -EPERM.
 */
int ksocket_config_check_buffers(const struct net *net, unsigned int rcvbuf,
				 unsigned int sndbuf, struct ksocket_report *rep)
{
	if (net->user_ns == &init_user_ns)
		return 0;

	if (rcvbuf > READ_ONCE(sysctl_rmem_max))
		return ksocket_report_field(rep, -EPERM, KSOCKET_FIELD_RCVBUF,
					    "a user namespace may have net.core.rmem_max at most",
					    "buffer of %u bytes: a user namespace may have net.core.rmem_max at most",
					    rcvbuf);
	if (sndbuf > READ_ONCE(sysctl_wmem_max))
		return ksocket_report_field(rep, -EPERM, KSOCKET_FIELD_SNDBUF,
					    "a user namespace may have net.core.wmem_max at most",
					    "buffer of %u bytes: a user namespace may have net.core.wmem_max at most",
					    sndbuf);
	return 0;
}

static bool ksocket_config_same_addr(const union ksocket_addr *a,
				     const union ksocket_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool ksocket_config_same_tcp(const struct ksocket_config *a,
				    const struct ksocket_config *b)
{
	return a->max_connections == b->max_connections &&
	       a->backlog == b->backlog &&
	       a->idle_timeout == b->idle_timeout &&
	       a->keepalive == b->keepalive;
}

static bool ksocket_config_same_uplink(const struct ksocket_config *a,
				       const struct ksocket_config *b)
{
	if (ksocket_has_uplink(a) != ksocket_has_uplink(b))
		return false;

	return !ksocket_has_uplink(a) ||
	       (a->framing == b->framing && a->newline == b->newline &&
		a->queue_bytes == b->queue_bytes &&
		a->keepalive == b->keepalive);
}

/**
 * ksocket_config_same() - would a service with the one do what the other asks?
 * @a: the configuration of a service
 * @b: what is asked
 *
 * Both have been zeroed before they were filled, addresses too.
 *
 * Return: true if so.
 */
bool ksocket_config_same(const struct ksocket_config *a,
			 const struct ksocket_config *b)
{
	if (a->proto != b->proto ||
	    (a->proto == KSOCKET_PROTO_TCP && !ksocket_config_same_tcp(a, b)))
		return false;

	if (a->mode != b->mode || a->ifindex != b->ifindex ||
	    a->threads != b->threads || a->buffer_size != b->buffer_size ||
	    a->rcvbuf != b->rcvbuf || a->sndbuf != b->sndbuf ||
	    a->min_source_port != b->min_source_port || a->gro != b->gro)
		return false;

	if (a->mode->unasked &&
	    (a->interval != b->interval || strcmp(a->host, b->host)))
		return false;

	if (!ksocket_config_same_addr(&a->listen, &b->listen))
		return false;

	if (ksocket_has_receiver(a) &&
	    !ksocket_config_same_addr(&a->reply, &b->reply))
		return false;

	/* The device may be in another VRF by now. A beacon has no device to ask. */
	if (ksocket_has_receiver(a) && ksocket_has_listener(a) &&
	    a->reply_ifindex != b->reply_ifindex)
		return false;

	if (!ksocket_config_same_uplink(a, b))
		return false;

	if (ksocket_has_answers(a) && (a->ttl != b->ttl || a->dscp != b->dscp))
		return false;

	/* A mode with an answer of its own has one datapath only. */
	if (a->mode->text)
		return a->text_len == b->text_len &&
		       !memcmp(a->text, b->text, a->text_len);

	/* Nor has TCP the softirq's. */
	if (a->proto == KSOCKET_PROTO_TCP)
		return (a->datapath == KSOCKET_DATAPATH_COPY) ==
		       (b->datapath == KSOCKET_DATAPATH_COPY);

	return a->datapath == b->datapath;
}
