// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: attributes in, a verb, attributes out. The family, its
 * attributes and what may be in them are in
 * Documentation/netlink/specs/ksocket.yaml, from which netlink-gen.c comes.
 *
 * Operations run in parallel; the namespace's lock is all that orders them.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "ksocket.h"
#include "netlink-gen.h"

/* The generator knows no permission for joining a group. */
static const struct genl_multicast_group ksocket_nl_groups[] = {
	[KSOCKET_NLGRP_EVENTS] = {
		.name = KSOCKET_MCGRP_EVENTS,
		.flags = KSOCKET_GENL_MCAST_ADMIN,
	},
};

static struct genl_family ksocket_nl_family __ro_after_init = {
	.name = KSOCKET_GENL_NAME,
	.version = KSOCKET_GENL_VERSION,
	.maxattr = ARRAY_SIZE(ksocket_service_nl_policy) - 1,
	.policy = ksocket_service_nl_policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.small_ops = ksocket_nl_ops,
	.n_small_ops = ARRAY_SIZE(ksocket_nl_ops),
	.mcgrps = ksocket_nl_groups,
	.n_mcgrps = ARRAY_SIZE(ksocket_nl_groups),
	KSOCKET_GENL_STRICT_OPS
};

/* Services stop also before the family is there, and after. */
static bool ksocket_nl_registered;

/* Requests */

static const int ksocket_nl_fields[KSOCKET_FIELD_MAX] = {
	[KSOCKET_FIELD_NAME] = KSOCKET_A_SERVICE_NAME,
	[KSOCKET_FIELD_LISTEN] = KSOCKET_A_SERVICE_LISTEN,
	[KSOCKET_FIELD_REPLY] = KSOCKET_A_SERVICE_REPLY,
	[KSOCKET_FIELD_DEVICE] = KSOCKET_A_SERVICE_IFINDEX,
	[KSOCKET_FIELD_THREADS] = KSOCKET_A_SERVICE_THREADS,
	[KSOCKET_FIELD_BUFFER_SIZE] = KSOCKET_A_SERVICE_BUFFER_SIZE,
	[KSOCKET_FIELD_RCVBUF] = KSOCKET_A_SERVICE_RCVBUF,
	[KSOCKET_FIELD_SNDBUF] = KSOCKET_A_SERVICE_SNDBUF,
	[KSOCKET_FIELD_MIN_SOURCE_PORT] = KSOCKET_A_SERVICE_MIN_SOURCE_PORT,
	[KSOCKET_FIELD_DATAPATH] = KSOCKET_A_SERVICE_DATAPATH,
	[KSOCKET_FIELD_GRO] = KSOCKET_A_SERVICE_GRO,
	[KSOCKET_FIELD_MODE] = KSOCKET_A_SERVICE_MODE,
	[KSOCKET_FIELD_TEXT] = KSOCKET_A_SERVICE_TEXT,
	[KSOCKET_FIELD_PROTO] = KSOCKET_A_SERVICE_PROTO,
	[KSOCKET_FIELD_MAX_CONNECTIONS] = KSOCKET_A_SERVICE_MAX_CONNECTIONS,
	[KSOCKET_FIELD_BACKLOG] = KSOCKET_A_SERVICE_BACKLOG,
	[KSOCKET_FIELD_IDLE_TIMEOUT] = KSOCKET_A_SERVICE_IDLE_TIMEOUT,
	[KSOCKET_FIELD_KEEPALIVE] = KSOCKET_A_SERVICE_KEEPALIVE,
	[KSOCKET_FIELD_INTERVAL] = KSOCKET_A_SERVICE_INTERVAL,
	[KSOCKET_FIELD_REPLY_PROTO] = KSOCKET_A_SERVICE_REPLY_PROTO,
	[KSOCKET_FIELD_FRAMING] = KSOCKET_A_SERVICE_FRAMING,
	[KSOCKET_FIELD_QUEUE_BYTES] = KSOCKET_A_SERVICE_QUEUE_BYTES,
	[KSOCKET_FIELD_TTL] = KSOCKET_A_SERVICE_TTL,
	[KSOCKET_FIELD_DSCP] = KSOCKET_A_SERVICE_DSCP,
	[KSOCKET_FIELD_NEWLINE] = KSOCKET_A_SERVICE_NEWLINE,
};

/* The fields that a request has, bit n for field n. */
static u32 ksocket_nl_given(const struct genl_info *info)
{
	enum ksocket_field i;
	u32 given = 0;

	for (i = KSOCKET_FIELD_NONE + 1; i < KSOCKET_FIELD_MAX; i++)
		if (info->attrs[ksocket_nl_fields[i]])
			given |= BIT(i);

	return given;
}

/*
 * What a verb has to say becomes the request's extended acknowledgment, also where
 * it has succeeded.
 */
static int ksocket_nl_refuse(struct genl_info *info, int err,
			     const struct ksocket_report *rep)
{
	const struct nlattr *attr = NULL;

	if (rep->field)
		attr = info->attrs[ksocket_nl_fields[rep->field]];
	if (attr)
		NL_SET_BAD_ATTR(info->extack, attr);
	if (info->extack)
		info->extack->_msg = rep->brief;
	return err;
}

static int ksocket_nl_missing(struct genl_info *info, const char *what)
{
	if (info->extack)
		info->extack->_msg = what;
	return -EINVAL;
}

static int ksocket_nl_read_name(char name[KSOCKET_NAME_LEN],
				struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[KSOCKET_A_SERVICE_NAME];

	if (!attr)
		return ksocket_nl_missing(info, "the name of a service is missing");

	nla_strscpy(name, attr, KSOCKET_NAME_LEN);
	return 0;
}

/* What is not asked stays as it is. */
static u32 ksocket_nl_u32(const struct nlattr *attr, u32 value)
{
	return attr ? nla_get_u32(attr) : value;
}

static int ksocket_nl_read_ipv6(struct genl_info *info, struct nlattr *tb[],
				union ksocket_addr *addr, u16 port)
{
	struct nlattr *scope = tb[KSOCKET_A_ADDRESS_SCOPE];
	struct in6_addr ip = nla_get_in6_addr(tb[KSOCKET_A_ADDRESS_IPV6]);
	int err;

	err = ksocket_config_set_ipv6(genl_info_net(info), addr, &ip, port,
				      ksocket_nl_u32(scope, 0));
	if (err == -EINVAL)
		NL_SET_ERR_MSG_ATTR(info->extack,
				    scope ? : tb[KSOCKET_A_ADDRESS_IPV6],
				    "a link-local IPv6 address, and no other, needs a scope: ADDRESS%DEVICE");
	else if (err)
		NL_SET_ERR_MSG_ATTR(info->extack, scope,
				    "no such network device here");
	return err;
}

static int ksocket_nl_read_addr(struct genl_info *info, struct nlattr *attr,
				union ksocket_addr *addr)
{
	struct nlattr *tb[KSOCKET_A_ADDRESS_MAX + 1];
	struct netlink_ext_ack *extack = info->extack;
	u16 port;
	int err;

	err = nla_parse_nested(tb, KSOCKET_A_ADDRESS_MAX, attr,
			       ksocket_address_nl_policy, extack);
	if (err)
		return err;

	if (!tb[KSOCKET_A_ADDRESS_PORT]) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "the port is missing");
		return -EINVAL;
	}
	if (!tb[KSOCKET_A_ADDRESS_IPV4] == !tb[KSOCKET_A_ADDRESS_IPV6]) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "need one address, IPv4 or IPv6");
		return -EINVAL;
	}

	port = nla_get_u16(tb[KSOCKET_A_ADDRESS_PORT]);
	if (tb[KSOCKET_A_ADDRESS_IPV6])
		return ksocket_nl_read_ipv6(info, tb, addr, port);

	if (tb[KSOCKET_A_ADDRESS_SCOPE]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[KSOCKET_A_ADDRESS_SCOPE],
				    "a link-local IPv6 address, and no other, needs a scope: ADDRESS%DEVICE");
		return -EINVAL;
	}
	addr->in.sin_family = AF_INET;
	addr->in.sin_port = htons(port);
	addr->in.sin_addr.s_addr = nla_get_in_addr(tb[KSOCKET_A_ADDRESS_IPV4]);
	return 0;
}

static int ksocket_nl_read_addrs(struct genl_info *info,
				 struct ksocket_config *cfg)
{
	struct nlattr *listen = info->attrs[KSOCKET_A_SERVICE_LISTEN];
	struct nlattr *reply = info->attrs[KSOCKET_A_SERVICE_REPLY];
	int err;

	if (ksocket_has_listener(cfg) && !listen)
		return ksocket_nl_missing(info, "the listen address is missing");
	err = listen ? ksocket_nl_read_addr(info, listen, &cfg->listen) : 0;
	if (err)
		return err;

	if (ksocket_has_receiver(cfg) && !reply)
		return ksocket_nl_missing(info, "this mode needs a receiver, reply is missing");
	return reply ? ksocket_nl_read_addr(info, reply, &cfg->reply) : 0;
}

static void ksocket_nl_read_numbers(struct nlattr *attrs[],
				    struct ksocket_config *cfg)
{
	const struct nlattr *port = attrs[KSOCKET_A_SERVICE_MIN_SOURCE_PORT];
	const struct nlattr *gro = attrs[KSOCKET_A_SERVICE_GRO];
	const struct nlattr *text = attrs[KSOCKET_A_SERVICE_TEXT];

	ksocket_config_set_mode(cfg, ksocket_mode_get(ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_MODE],
								     cfg->mode->id)));
	cfg->threads = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_THREADS],
				      cfg->threads);
	cfg->buffer_size = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_BUFFER_SIZE],
					  cfg->buffer_size);
	cfg->rcvbuf = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_RCVBUF],
				     cfg->rcvbuf);
	cfg->sndbuf = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_SNDBUF],
				     cfg->sndbuf);
	cfg->datapath = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_DATAPATH],
				       cfg->datapath);
	cfg->proto = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_PROTO],
				    cfg->proto);
	cfg->max_connections = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_MAX_CONNECTIONS],
					      cfg->max_connections);
	cfg->backlog = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_BACKLOG],
				      cfg->backlog);
	cfg->idle_timeout = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_IDLE_TIMEOUT],
					   cfg->idle_timeout);
	cfg->keepalive = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_KEEPALIVE],
					cfg->keepalive);
	cfg->interval = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_INTERVAL],
				       cfg->interval);
	cfg->reply_proto = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_REPLY_PROTO],
					  cfg->proto);
	cfg->framing = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_FRAMING],
				      cfg->framing);
	cfg->queue_bytes = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_QUEUE_BYTES],
					  cfg->queue_bytes);
	cfg->ttl = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_TTL], cfg->ttl);
	cfg->dscp = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_DSCP], cfg->dscp);
	cfg->newline = ksocket_nl_u32(attrs[KSOCKET_A_SERVICE_NEWLINE],
				      cfg->newline);
	if (port)
		cfg->min_source_port = nla_get_u16(port);
	if (gro)
		cfg->gro = nla_get_u8(gro);
	if (text)
		cfg->text_len = nla_memcpy(cfg->text, text, KSOCKET_TEXT_MAX);
}

static int ksocket_nl_read_config(struct genl_info *info,
				  struct ksocket_config *cfg)
{
	struct nlattr *ifindex = info->attrs[KSOCKET_A_SERVICE_IFINDEX];
	int err;

	ksocket_config_init(cfg);
	err = ksocket_nl_read_name(cfg->name, info);
	if (err)
		return err;

	cfg->given = ksocket_nl_given(info);
	ksocket_nl_read_numbers(info->attrs, cfg);
	err = ksocket_nl_read_addrs(info, cfg);
	if (err || !ifindex)
		return err;

	err = ksocket_config_find_device(genl_info_net(info), cfg,
					 nla_get_u32(ifindex));
	if (err)
		NL_SET_ERR_MSG_ATTR(info->extack, ifindex,
				    "no such network device here");
	return err;
}

/* As service-new in the specification; so are the others here. */
int ksocket_nl_service_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	enum ksocket_start how = KSOCKET_START_SAME;
	struct ksocket_report rep = {};
	struct ksocket_config *cfg;
	int err;

	if (info->nlhdr->nlmsg_flags & NLM_F_EXCL)
		how = KSOCKET_START_NEW;
	else if (info->nlhdr->nlmsg_flags & NLM_F_REPLACE)
		how = KSOCKET_START_REPLACE;

	cfg = kmalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;

	err = ksocket_nl_read_config(info, cfg);
	if (!err) {
		err = ksocket_service_start(genl_info_net(info), cfg, how,
					    &rep);
		ksocket_nl_refuse(info, err, &rep);
	}
	kfree(cfg);
	return err;
}

int ksocket_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ksocket_report rep = {};
	char name[KSOCKET_NAME_LEN];
	int err;

	err = ksocket_nl_read_name(name, info);
	if (err)
		return err;

	err = ksocket_service_end(genl_info_net(info), name, &rep);
	return ksocket_nl_refuse(info, err, &rep);
}

static int ksocket_nl_read_sockbuf(struct genl_info *info, int type,
				   unsigned int *size)
{
	struct nlattr *attr = info->attrs[type];

	if (!attr)
		return 0;

	*size = nla_get_u32(attr);
	if (*size >= KSOCKET_SOCKBUF_MIN)
		return 0;

	NL_SET_ERR_MSG_ATTR(info->extack, attr,
			    "out of range, allowed 2048 to 1073741823");
	return -ERANGE;
}

/* Attributes that service-new takes, and only it. */
static int ksocket_nl_refuse_fixed(struct genl_info *info)
{
	const u32 change = BIT(KSOCKET_FIELD_NAME) | BIT(KSOCKET_FIELD_RCVBUF) |
			   BIT(KSOCKET_FIELD_SNDBUF) |
			   BIT(KSOCKET_FIELD_MIN_SOURCE_PORT);
	enum ksocket_field i;

	for (i = KSOCKET_FIELD_NONE + 1; i < KSOCKET_FIELD_MAX; i++) {
		struct nlattr *attr = info->attrs[ksocket_nl_fields[i]];

		if (!attr || change & BIT(i))
			continue;
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "cannot change while the service runs, replace it");
		return -EOPNOTSUPP;
	}

	return 0;
}

static int ksocket_nl_read_change(struct genl_info *info,
				  struct ksocket_change *change)
{
	struct nlattr *port = info->attrs[KSOCKET_A_SERVICE_MIN_SOURCE_PORT];
	int err;

	err = ksocket_nl_refuse_fixed(info);
	if (err)
		return err;

	err = ksocket_nl_read_sockbuf(info, KSOCKET_A_SERVICE_RCVBUF,
				      &change->rcvbuf);
	if (err)
		return err;

	err = ksocket_nl_read_sockbuf(info, KSOCKET_A_SERVICE_SNDBUF,
				      &change->sndbuf);
	if (err)
		return err;

	if (port) {
		change->min_source_port = nla_get_u16(port);
		change->has_min_source_port = true;
	}
	return 0;
}

int ksocket_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ksocket_change change = {};
	struct ksocket_report rep = {};
	char name[KSOCKET_NAME_LEN];
	int err;

	err = ksocket_nl_read_name(name, info);
	if (err)
		return err;

	err = ksocket_nl_read_change(info, &change);
	if (err)
		return err;

	err = ksocket_service_set(genl_info_net(info), name, &change, &rep);
	return ksocket_nl_refuse(info, err, &rep);
}

int ksocket_nl_stats_reset_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ksocket_net *kn = ksocket_net(genl_info_net(info));
	struct ksocket_report rep = {};
	struct ksocket_service *svc;
	char name[KSOCKET_NAME_LEN];
	int err;

	err = ksocket_nl_read_name(name, info);
	if (err)
		return err;

	mutex_lock(&kn->lock);
	svc = ksocket_service_find(kn, name, &rep);
	if (svc)
		ksocket_stats_reset(svc);
	mutex_unlock(&kn->lock);
	return ksocket_nl_refuse(info, svc ? 0 : -ENOENT, &rep);
}

/* What was sent, and what is known of the receiver by then. */
static int ksocket_nl_answer_send(struct genl_info *info, bool unreachable)
{
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(nla_total_size(0), GFP_KERNEL);
	if (!msg)
		return -ENOMEM;

	hdr = genlmsg_put_reply(msg, info, &ksocket_nl_family, 0,
				KSOCKET_CMD_SEND);
	if (!hdr || (unreachable &&
		     nla_put_flag(msg, KSOCKET_A_SERVICE_UNREACHABLE))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}

	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

int ksocket_nl_send_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *payload = info->attrs[KSOCKET_A_SERVICE_PAYLOAD];
	struct ksocket_report rep = {};
	char name[KSOCKET_NAME_LEN];
	bool unreachable = false;
	int err;

	err = ksocket_nl_read_name(name, info);
	if (err)
		return err;
	if (!payload)
		return ksocket_nl_missing(info, "the payload is missing");

	err = ksocket_service_send(genl_info_net(info), name, nla_data(payload),
				   nla_len(payload), &unreachable, &rep);
	if (err)
		return ksocket_nl_refuse(info, err, &rep);

	return ksocket_nl_answer_send(info, unreachable);
}

/* Answers */

static int ksocket_nl_put_addr(struct sk_buff *skb, int type,
			       const union ksocket_addr *addr)
{
	struct nlattr *nest;
	int err;

	nest = nla_nest_start(skb, type);
	if (!nest)
		return -EMSGSIZE;

	if (addr->sa.sa_family == AF_INET)
		err = nla_put_in_addr(skb, KSOCKET_A_ADDRESS_IPV4,
				      addr->in.sin_addr.s_addr);
	else
		err = nla_put_in6_addr(skb, KSOCKET_A_ADDRESS_IPV6,
				       &addr->in6.sin6_addr);
	if (err || nla_put_u16(skb, KSOCKET_A_ADDRESS_PORT,
			       ksocket_addr_port(addr)))
		return -EMSGSIZE;
	if (addr->sa.sa_family == AF_INET6 && addr->in6.sin6_scope_id &&
	    nla_put_u32(skb, KSOCKET_A_ADDRESS_SCOPE,
			addr->in6.sin6_scope_id))
		return -EMSGSIZE;

	nla_nest_end(skb, nest);
	return 0;
}

/* Counters in the order of their table, the first after the padding. */
static int ksocket_nl_put_counts(struct sk_buff *skb, int type, int pad,
				 const u64 *counts, int n)
{
	struct nlattr *nest;
	int i;

	nest = nla_nest_start(skb, type);
	if (!nest)
		return -EMSGSIZE;

	for (i = 0; i < n; i++)
		if (nla_put_u64_64bit(skb, pad + 1 + i, counts[i], pad))
			return -EMSGSIZE;

	nla_nest_end(skb, nest);
	return 0;
}

static int ksocket_nl_put_drops(struct sk_buff *skb, int type, const u64 *drops)
{
	BUILD_BUG_ON(KSOCKET_A_DROPS_MAX - KSOCKET_A_DROPS_PAD !=
		     KSOCKET_DROP_MAX);

	return ksocket_nl_put_counts(skb, type, KSOCKET_A_DROPS_PAD, drops,
				     KSOCKET_DROP_MAX);
}

static int ksocket_nl_put_closes(struct sk_buff *skb, int type,
				 const u64 *closes)
{
	BUILD_BUG_ON(KSOCKET_A_CLOSES_MAX - KSOCKET_A_CLOSES_PAD !=
		     KSOCKET_CLOSE_MAX);

	return ksocket_nl_put_counts(skb, type, KSOCKET_A_CLOSES_PAD, closes,
				     KSOCKET_CLOSE_MAX);
}

static int ksocket_nl_put_beacons(struct sk_buff *skb, const u64 *beacons)
{
	int i;

	/* The attributes stand in the order of the table, behind all others. */
	BUILD_BUG_ON(KSOCKET_A_STATS_MAX - KSOCKET_A_STATS_BEACONS_MISSED + 1 !=
		     KSOCKET_BEACON_MAX);

	for (i = 0; i < KSOCKET_BEACON_MAX; i++)
		if (nla_put_u64_64bit(skb, KSOCKET_A_STATS_BEACONS_MISSED + i,
				      beacons[i], KSOCKET_A_STATS_PAD))
			return -EMSGSIZE;

	return 0;
}

static int ksocket_nl_put_stats(struct sk_buff *skb, int type,
				const struct ksocket_totals *sum)
{
	const struct {
		int type;
		u64 value;
	} counters[] = {
		{ KSOCKET_A_STATS_RX_PACKETS, sum->rx_packets },
		{ KSOCKET_A_STATS_RX_BYTES, sum->rx_bytes },
		{ KSOCKET_A_STATS_TX_PACKETS, sum->tx_packets },
		{ KSOCKET_A_STATS_TX_BYTES, sum->tx_bytes },
		{ KSOCKET_A_STATS_DISCARDED, sum->discarded },
		{ KSOCKET_A_STATS_STALE_ERRORS, sum->stale_errors },
		{ KSOCKET_A_STATS_RECV_ERRORS, sum->recv_errors },
		{ KSOCKET_A_STATS_RX_OVERFLOW, sum->rx_overflow },
		{ KSOCKET_A_STATS_REPLY_IGNORED, sum->reply_ignored },
		{ KSOCKET_A_STATS_WAKEUPS, sum->wakeups },
		{ KSOCKET_A_STATS_FALLBACKS, sum->fallbacks },
		{ KSOCKET_A_STATS_USER_SENDS, sum->user_sends },
		{ KSOCKET_A_STATS_ACCEPTED, sum->accepted },
		{ KSOCKET_A_STATS_CONNECTED, sum->connected },
		{ KSOCKET_A_STATS_CONNECT_FAILED, sum->connect_failed },
		{ KSOCKET_A_STATS_DISCONNECTED, sum->disconnected },
	};
	struct nlattr *nest;
	int i;

	nest = nla_nest_start(skb, type);
	if (!nest)
		return -EMSGSIZE;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (nla_put_u64_64bit(skb, counters[i].type, counters[i].value,
				      KSOCKET_A_STATS_PAD))
			return -EMSGSIZE;
	if (ksocket_nl_put_beacons(skb, sum->beacons) ||
	    ksocket_nl_put_drops(skb, KSOCKET_A_STATS_DROPS, sum->drops) ||
	    ksocket_nl_put_closes(skb, KSOCKET_A_STATS_CLOSES, sum->closes))
		return -EMSGSIZE;

	nla_nest_end(skb, nest);
	return 0;
}

static int ksocket_nl_put_identity(struct sk_buff *skb,
				   const struct ksocket_config *cfg)
{
	if (nla_put_string(skb, KSOCKET_A_SERVICE_NAME, cfg->name) ||
	    nla_put_u32(skb, KSOCKET_A_SERVICE_MODE, cfg->mode->id) ||
	    nla_put_u32(skb, KSOCKET_A_SERVICE_PROTO, cfg->proto))
		return -EMSGSIZE;
	if (ksocket_has_listener(cfg) &&
	    (ksocket_nl_put_addr(skb, KSOCKET_A_SERVICE_LISTEN, &cfg->listen) ||
	     nla_put_u32(skb, KSOCKET_A_SERVICE_THREADS, cfg->threads)))
		return -EMSGSIZE;

	if (!ksocket_has_receiver(cfg))
		return 0;
	return ksocket_nl_put_addr(skb, KSOCKET_A_SERVICE_REPLY, &cfg->reply);
}

/* Numbers in 32 bits, as far as they have an effect: what service-new takes. */
static int ksocket_nl_put_numbers(struct sk_buff *skb,
				  const struct ksocket_config *cfg)
{
	const struct {
		enum ksocket_field field;
		u32 value;
	} numbers[] = {
		{ KSOCKET_FIELD_BUFFER_SIZE, cfg->buffer_size },
		{ KSOCKET_FIELD_RCVBUF, cfg->rcvbuf },
		{ KSOCKET_FIELD_SNDBUF, cfg->sndbuf },
		{ KSOCKET_FIELD_DATAPATH, cfg->datapath },
		{ KSOCKET_FIELD_MAX_CONNECTIONS, cfg->max_connections },
		{ KSOCKET_FIELD_BACKLOG, cfg->backlog },
		{ KSOCKET_FIELD_IDLE_TIMEOUT, cfg->idle_timeout },
		{ KSOCKET_FIELD_KEEPALIVE, cfg->keepalive },
		{ KSOCKET_FIELD_INTERVAL, cfg->interval },
		{ KSOCKET_FIELD_REPLY_PROTO, cfg->reply_proto },
		{ KSOCKET_FIELD_FRAMING, cfg->framing },
		{ KSOCKET_FIELD_QUEUE_BYTES, cfg->queue_bytes },
		{ KSOCKET_FIELD_TTL, cfg->ttl },
		{ KSOCKET_FIELD_DSCP, cfg->dscp },
		{ KSOCKET_FIELD_NEWLINE, cfg->newline },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (ksocket_config_applies(cfg, numbers[i].field) &&
		    nla_put_u32(skb, ksocket_nl_fields[numbers[i].field],
				numbers[i].value))
			return -EMSGSIZE;

	return 0;
}

/* A device that is gone has a name, and no index. */
static int ksocket_nl_put_device(struct sk_buff *skb,
				 const struct ksocket_service *svc)
{
	const struct ksocket_config *cfg = &svc->cfg;

	if (ksocket_follow_is_lost(svc) &&
	    nla_put_flag(skb, KSOCKET_A_SERVICE_DEVICE_LOST))
		return -EMSGSIZE;
	if (!cfg->ifindex)
		return 0;
	if (!svc->devices[KSOCKET_DEVICE_BOUND].lost &&
	    nla_put_u32(skb, KSOCKET_A_SERVICE_IFINDEX, cfg->ifindex))
		return -EMSGSIZE;
	return nla_put_string(skb, KSOCKET_A_SERVICE_DEVICE, cfg->device);
}

static int ksocket_nl_put_config(struct sk_buff *skb,
				 const struct ksocket_config *cfg)
{
	if (ksocket_nl_put_identity(skb, cfg) ||
	    ksocket_nl_put_numbers(skb, cfg))
		return -EMSGSIZE;
	if (ksocket_config_applies(cfg, KSOCKET_FIELD_TEXT) &&
	    nla_put(skb, KSOCKET_A_SERVICE_TEXT, cfg->text_len, cfg->text))
		return -EMSGSIZE;
	if (ksocket_config_applies(cfg, KSOCKET_FIELD_MIN_SOURCE_PORT) &&
	    nla_put_u16(skb, KSOCKET_A_SERVICE_MIN_SOURCE_PORT,
			cfg->min_source_port))
		return -EMSGSIZE;
	if (ksocket_config_applies(cfg, KSOCKET_FIELD_GRO) &&
	    nla_put_u8(skb, KSOCKET_A_SERVICE_GRO, cfg->gro))
		return -EMSGSIZE;

	return 0;
}

/* What there is of it at this moment, where something goes by TCP. */
static int ksocket_nl_put_state(struct sk_buff *skb,
				const struct ksocket_service *svc)
{
	const struct ksocket_config *cfg = &svc->cfg;
	struct ksocket_queued queued;

	if (nla_put_u32(skb, KSOCKET_A_SERVICE_CONNECTIONS,
			atomic_read(&svc->connections)))
		return -EMSGSIZE;
	if (!ksocket_has_uplink(cfg))
		return 0;

	ksocket_queued_read(svc, &queued);
	if (nla_put_u32(skb, KSOCKET_A_SERVICE_QUEUED, queued.datagrams) ||
	    nla_put_u32(skb, KSOCKET_A_SERVICE_QUEUED_BYTES, queued.bytes))
		return -EMSGSIZE;

	return 0;
}

static int ksocket_nl_put_threads(struct sk_buff *skb,
				  const struct ksocket_service *svc)
{
	unsigned int i;

	for (i = 0; i < svc->cfg.threads; i++) {
		struct ksocket_totals sum = {};

		ksocket_totals_read_worker(&svc->workers[i], &sum);
		if (ksocket_nl_put_stats(skb, KSOCKET_A_SERVICE_THREAD_STATS,
					 &sum))
			return -EMSGSIZE;
	}

	return 0;
}

static int ksocket_nl_put_service(struct sk_buff *skb,
				  const struct ksocket_service *svc)
{
	struct ksocket_totals sum;

	ksocket_totals_read(svc, &sum);
	if (ksocket_nl_put_config(skb, &svc->cfg) ||
	    ksocket_nl_put_device(skb, svc) ||
	    ksocket_nl_put_state(skb, svc) ||
	    (ksocket_watch_unreachable(svc) &&
	     nla_put_flag(skb, KSOCKET_A_SERVICE_UNREACHABLE)) ||
	    ksocket_nl_put_stats(skb, KSOCKET_A_SERVICE_STATS, &sum))
		return -EMSGSIZE;

	return 0;
}

/* A counter takes 12 bytes, and 4 more where it has to be aligned. */
#define KSOCKET_NL_STATS_SIZE \
	(2 * NLA_HDRLEN + \
	 16 * (KSOCKET_A_STATS_MAX + KSOCKET_A_DROPS_MAX + \
	       KSOCKET_A_CLOSES_MAX))
#define KSOCKET_NL_SERVICE_SIZE \
	(512 + KSOCKET_TEXT_MAX + KSOCKET_NL_STATS_SIZE)

static struct sk_buff *ksocket_nl_describe(struct genl_info *info,
					   const struct ksocket_service *svc)
{
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(KSOCKET_NL_SERVICE_SIZE +
			  svc->cfg.threads * KSOCKET_NL_STATS_SIZE, GFP_KERNEL);
	if (!msg)
		return ERR_PTR(-ENOMEM);

	hdr = genlmsg_put_reply(msg, info, &ksocket_nl_family, 0,
				KSOCKET_CMD_SERVICE_GET);
	if (!hdr || ksocket_nl_put_service(msg, svc) ||
	    ksocket_nl_put_threads(msg, svc)) {
		nlmsg_free(msg);
		return ERR_PTR(-EMSGSIZE);
	}

	genlmsg_end(msg, hdr);
	return msg;
}

int ksocket_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ksocket_net *kn = ksocket_net(genl_info_net(info));
	struct sk_buff *msg = ERR_PTR(-ENOENT);
	struct ksocket_report rep = {};
	struct ksocket_service *svc;
	char name[KSOCKET_NAME_LEN];
	int err;

	err = ksocket_nl_read_name(name, info);
	if (err)
		return err;

	mutex_lock(&kn->lock);
	svc = ksocket_service_find(kn, name, &rep);
	if (svc)
		msg = ksocket_nl_describe(info, svc);
	mutex_unlock(&kn->lock);
	if (IS_ERR(msg))
		return ksocket_nl_refuse(info, PTR_ERR(msg), &rep);

	return genlmsg_reply(msg, info);
}

static int ksocket_nl_dump_one(struct sk_buff *skb, struct netlink_callback *cb,
			       const struct ksocket_service *svc)
{
	void *hdr;

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &ksocket_nl_family, NLM_F_MULTI,
			  KSOCKET_CMD_SERVICE_GET);
	if (!hdr)
		return -EMSGSIZE;

	genl_dump_check_consistent(cb, hdr);
	if (ksocket_nl_put_service(skb, svc)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}

	genlmsg_end(skb, hdr);
	return 0;
}

/*
 * Those that are there when a dump begins. Without an end, services replaced as
 * fast as they are read would keep a dump going for as long.
 */
static void ksocket_nl_dump_begin(const struct ksocket_net *kn, long *end)
{
	if (!*end)
		*end = kn->next_id;
}

/* Continues after the services it has told, though they may have gone. */
int ksocket_nl_service_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	struct ksocket_net *kn = ksocket_net(sock_net(skb->sk));
	const struct ksocket_service *svc;
	int err = 0;

	mutex_lock(&kn->lock);
	cb->seq = kn->changes;
	ksocket_nl_dump_begin(kn, &cb->args[1]);
	list_for_each_entry(svc, &kn->services, node) {
		if (svc->id < cb->args[0] || svc->id >= cb->args[1])
			continue;
		err = ksocket_nl_dump_one(skb, cb, svc);
		if (err)
			break;
		cb->args[0] = svc->id + 1L;
	}
	mutex_unlock(&kn->lock);

	return err && !skb->len ? err : skb->len;
}

static int ksocket_nl_put_conn(struct sk_buff *skb,
			       const struct ksocket_conn_info *info)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, KSOCKET_A_SERVICE_CONN);
	if (!nest)
		return -EMSGSIZE;

	if (nla_put_u32(skb, KSOCKET_A_CONN_ID, info->id) ||
	    nla_put_u32(skb, KSOCKET_A_CONN_THREAD, info->thread) ||
	    ksocket_nl_put_addr(skb, KSOCKET_A_CONN_PEER, &info->peer) ||
	    nla_put_u32(skb, KSOCKET_A_CONN_STATE, info->state) ||
	    nla_put_u64_64bit(skb, KSOCKET_A_CONN_AGE, info->age,
			      KSOCKET_A_CONN_PAD) ||
	    nla_put_u64_64bit(skb, KSOCKET_A_CONN_IDLE, info->idle,
			      KSOCKET_A_CONN_PAD) ||
	    nla_put_u64_64bit(skb, KSOCKET_A_CONN_RX_BYTES, info->rx_bytes,
			      KSOCKET_A_CONN_PAD) ||
	    nla_put_u64_64bit(skb, KSOCKET_A_CONN_TX_BYTES, info->tx_bytes,
			      KSOCKET_A_CONN_PAD))
		return -EMSGSIZE;

	nla_nest_end(skb, nest);
	return 0;
}

static int ksocket_nl_dump_conn(struct sk_buff *skb, struct netlink_callback *cb,
				const struct ksocket_service *svc,
				const struct ksocket_conn_info *info)
{
	void *hdr;

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &ksocket_nl_family, NLM_F_MULTI,
			  KSOCKET_CMD_CONN_GET);
	if (!hdr)
		return -EMSGSIZE;

	if (nla_put_string(skb, KSOCKET_A_SERVICE_NAME, svc->cfg.name) ||
	    ksocket_nl_put_conn(skb, info)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}

	genlmsg_end(skb, hdr);
	return 0;
}

/*
 * What a dump has told is in @at: the service, its thread, the connection. The
 * fourth is where it ends.
 */
static int ksocket_nl_dump_conns(struct sk_buff *skb, struct netlink_callback *cb,
				 struct ksocket_service *svc, long *at)
{
	struct ksocket_conn_info info;
	int err;

	for (; at[1] < svc->cfg.threads; at[1]++, at[2] = 0) {
		struct ksocket_worker *worker = &svc->workers[at[1]];

		while (svc->transport->next_conn(worker, at[2], &info)) {
			info.thread = at[1];
			err = ksocket_nl_dump_conn(skb, cb, svc, &info);
			if (err)
				return err;
			/* After that they are counted from 0 again. */
			if (info.id == U32_MAX)
				break;
			at[2] = info.id + 1;
		}
	}

	return 0;
}

int ksocket_nl_conn_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ksocket_net *kn = ksocket_net(sock_net(skb->sk));
	struct ksocket_service *svc;
	long *at = cb->args;
	int err = 0;

	mutex_lock(&kn->lock);
	ksocket_nl_dump_begin(kn, &at[3]);
	list_for_each_entry(svc, &kn->services, node) {
		if (svc->id < at[0] || svc->id >= at[3] ||
		    !svc->transport->next_conn)
			continue;
		if (svc->id != at[0])
			memset(at + 1, 0, 2 * sizeof(*at));
		at[0] = svc->id;
		err = ksocket_nl_dump_conns(skb, cb, svc, at);
		if (err)
			break;
		at[0] = svc->id + 1L;
		at[1] = 0;
		at[2] = 0;
	}
	mutex_unlock(&kn->lock);

	return err && !skb->len ? err : skb->len;
}

/* Events */

static struct sk_buff *ksocket_nl_event_new(struct net *net, u8 cmd, void **hdr)
{
	struct sk_buff *msg;

	if (!READ_ONCE(ksocket_nl_registered) ||
	    genl_has_listeners(&ksocket_nl_family, net,
			       KSOCKET_NLGRP_EVENTS) <= 0)
		return NULL;

	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return NULL;

	*hdr = genlmsg_put(msg, 0, 0, &ksocket_nl_family, 0, cmd);
	if (*hdr)
		return msg;

	nlmsg_free(msg);
	return NULL;
}

/* One that begins with the name of a service. */
static struct sk_buff *ksocket_nl_event_named(struct net *net, u8 cmd,
					      const char *name, void **hdr)
{
	struct sk_buff *msg = ksocket_nl_event_new(net, cmd, hdr);

	if (!msg || !nla_put_string(msg, KSOCKET_A_SERVICE_NAME, name))
		return msg;

	nlmsg_free(msg);
	return NULL;
}

/* Who has no room for it is told so by his socket (ENOBUFS). */
static void ksocket_nl_event_send(struct net *net, struct sk_buff *msg,
				  void *hdr, int err)
{
	if (err) {
		nlmsg_free(msg);
		return;
	}

	genlmsg_end(msg, hdr);
	genlmsg_multicast_netns(&ksocket_nl_family, net, msg, 0,
				KSOCKET_NLGRP_EVENTS, GFP_KERNEL);
}

/* Of datagrams or of connections, as what comes is one or the other. */
static void ksocket_nl_losses(const struct ksocket_service *svc, u8 cmd,
			      const struct ksocket_losses *lost)
{
	struct sk_buff *msg;
	void *hdr;
	int err;

	msg = ksocket_nl_event_named(svc->net, cmd, svc->cfg.name, &hdr);
	if (!msg)
		return;

	if (svc->cfg.proto == KSOCKET_PROTO_TCP)
		err = ksocket_nl_put_closes(msg, KSOCKET_A_SERVICE_CLOSES,
					    lost->closes);
	else
		err = ksocket_nl_put_drops(msg, KSOCKET_A_SERVICE_DROPS,
					   lost->drops);
	ksocket_nl_event_send(svc->net, msg, hdr, err);
}

/**
 * ksocket_nl_started() - tell that a service has started
 * @svc: the service
 *
 * Context: process context, may sleep; the namespace's lock is held.
 */
void ksocket_nl_started(const struct ksocket_service *svc)
{
	struct sk_buff *msg;
	void *hdr;

	msg = ksocket_nl_event_new(svc->net, KSOCKET_CMD_SERVICE_STARTED, &hdr);
	if (msg)
		ksocket_nl_event_send(svc->net, msg, hdr,
				      ksocket_nl_put_identity(msg, &svc->cfg));
}

/**
 * ksocket_nl_stopped() - tell that a service has stopped
 * @net: its namespace
 * @name: its name; the service itself may be gone
 * @reason: why
 *
 * Context: process context, may sleep; the namespace's lock is held.
 */
void ksocket_nl_stopped(struct net *net, const char *name,
			enum ksocket_stop_reason reason)
{
	struct sk_buff *msg;
	void *hdr;

	msg = ksocket_nl_event_named(net, KSOCKET_CMD_SERVICE_STOPPED, name,
				     &hdr);
	if (msg)
		ksocket_nl_event_send(net, msg, hdr,
				      nla_put_u32(msg, KSOCKET_A_SERVICE_STOP_REASON,
						  reason));
}

/**
 * ksocket_nl_receiver() - tell that the receiver refuses, or is back
 * @svc: the service
 * @unreachable: it refuses
 * @err: the errno that says so, positive
 *
 * Context: process context, may sleep.
 */
void ksocket_nl_receiver(const struct ksocket_service *svc, bool unreachable,
			 int err)
{
	u8 cmd = unreachable ? KSOCKET_CMD_RECEIVER_UNREACHABLE :
			       KSOCKET_CMD_RECEIVER_BACK;
	struct sk_buff *msg;
	void *hdr;
	int bad;

	msg = ksocket_nl_event_named(svc->net, cmd, svc->cfg.name, &hdr);
	if (!msg)
		return;

	bad = ksocket_nl_put_addr(msg, KSOCKET_A_SERVICE_REPLY, &svc->cfg.reply);
	if (!bad && unreachable)
		bad = nla_put_u32(msg, KSOCKET_A_SERVICE_ERROR, err);
	ksocket_nl_event_send(svc->net, msg, hdr, bad);
}

/**
 * ksocket_nl_device() - tell that a device is gone, or there again
 * @svc: the service that depends on it
 * @device: the device
 * @ifindex: its index now, or 0 when it is gone
 *
 * Context: process context, may sleep; the namespace's lock is held.
 */
void ksocket_nl_device(const struct ksocket_service *svc,
		       const struct ksocket_device *device, int ifindex)
{
	u8 cmd = ifindex ? KSOCKET_CMD_DEVICE_BACK : KSOCKET_CMD_DEVICE_GONE;
	struct sk_buff *msg;
	void *hdr;
	int err;

	msg = ksocket_nl_event_named(svc->net, cmd, svc->cfg.name, &hdr);
	if (!msg)
		return;

	err = nla_put_string(msg, KSOCKET_A_SERVICE_DEVICE, device->name);
	if (!err && ifindex)
		err = nla_put_u32(msg, KSOCKET_A_SERVICE_IFINDEX, ifindex);
	ksocket_nl_event_send(svc->net, msg, hdr, err);
}

/**
 * ksocket_nl_loop() - tell that datagrams or connections seem to go round in a
 * loop
 * @svc: the service
 * @loops: how many were turned away for it since that was last told
 *
 * Context: process context, may sleep.
 */
void ksocket_nl_loop(const struct ksocket_service *svc, u64 loops)
{
	struct ksocket_losses lost = {
		.drops[KSOCKET_DROP_LOOP] = loops,
		.closes[KSOCKET_CLOSE_LOOP] = loops,
	};

	ksocket_nl_losses(svc, KSOCKET_CMD_LOOP_SUSPECTED, &lost);
}

/**
 * ksocket_nl_dropped() - tell that datagrams were not answered, or connections
 * not served
 * @svc: the service
 * @lost: how many since that was last told, by reason
 *
 * Context: process context, may sleep.
 */
void ksocket_nl_dropped(const struct ksocket_service *svc,
			const struct ksocket_losses *lost)
{
	ksocket_nl_losses(svc, KSOCKET_CMD_DROP_ALARM, lost);
}

/**
 * ksocket_nl_init() - open the netlink door
 *
 * Return: 0 or a negative errno.
 */
int __init ksocket_nl_init(void)
{
	int err;

	err = genl_register_family(&ksocket_nl_family);
	if (!err)
		WRITE_ONCE(ksocket_nl_registered, true);
	return err;
}

/**
 * ksocket_nl_exit() - close it
 *
 * Nothing is in there when it returns, and no service that stops later is told.
 */
void ksocket_nl_exit(void)
{
	WRITE_ONCE(ksocket_nl_registered, false);
	ksocket_watch_flush();
	genl_unregister_family(&ksocket_nl_family);
}
