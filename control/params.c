// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters: strings in, a configuration out.
 *
 * All are kept as the text that was given and judged together in init, not
 * one by one in a setter: a setter cannot say what is allowed, and the
 * kernel would add a line of its own to ours. They are read-only afterwards:
 * they say what was asked for at load, not what has become of it since.
 */
#include <linux/cpumask.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "ksocket.h"

/*
 * A value that was given is another object, even where it reads the same. An empty
 * one stands for the default where the default is empty.
 */
#define KSOCKET_PARAM(name, value, desc) \
	static char ksocket_default_##name[] = value; \
	static char *name = ksocket_default_##name; \
	module_param(name, charp, 0400); \
	MODULE_PARM_DESC(name, desc)

#define KSOCKET_PARAM_GIVEN(name, field) \
	((name) != ksocket_default_##name && \
	 (*(name) || *ksocket_default_##name) ? BIT(KSOCKET_FIELD_##field) : 0)

KSOCKET_PARAM(listen_addr, "127.0.0.1",
	      "IPv4 or IPv6 address to listen on, link-local with %device; :: takes IPv4 too (default 127.0.0.1)");
KSOCKET_PARAM(listen_port, "2325",
	      "port to listen on, 1 to 65535; 0 starts no service at load (default 2325)");
KSOCKET_PARAM(reply_addr, "127.0.0.1",
	      "address of the receiver in the modes relay, text and beacon (default 127.0.0.1)");
KSOCKET_PARAM(reply_port, "23",
	      "port of the receiver, 1 to 65535 (default 23)");
KSOCKET_PARAM(mode, "relay",
	      "relay: pass on to the receiver; echo: send back; discard: take and forget; text: send the text to the receiver; beacon: send the text at each interval, unasked; beacon-sink: take beacons and count what is lost (default relay)");
KSOCKET_PARAM(proto, "udp",
	      "udp: datagrams; tcp: connections, in the modes relay, echo and discard (default udp)");
KSOCKET_PARAM(text, "testing...",
	      "what mode text sends; of mode beacon with {seq}, {wall}, {mono} and {host}; 0 to 1024 bytes (default testing..., and for beacons all four)");
KSOCKET_PARAM(buffer_size, "65535",
	      "longest datagram taken in bytes, 1 to 65535; longer ones are dropped (default 65535, every UDP datagram)");
KSOCKET_PARAM(threads, "1",
	      "threads, each with its own sockets and buffer, 1 to the number of CPUs online (default 1)");
KSOCKET_PARAM(device, "",
	      "network device that the datagrams must come in by, beacons go out by, or a VRF (default any)");
KSOCKET_PARAM(rcvbuf, "0",
	      "receive buffer in bytes, 2048 to 1073741823; 0 takes net.core.rmem_default (default 0)");
KSOCKET_PARAM(sndbuf, "0",
	      "send buffer in bytes, 2048 to 1073741823; 0 takes net.core.wmem_default (default 0)");
KSOCKET_PARAM(min_source_port, "1024",
	      "lowest source port that mode echo answers, 0 to 65535; 0 answers all, the listen port too (default 1024)");

KSOCKET_PARAM(datapath, "softirq",
	      "copy: through the buffer; zerocopy: the received packet is sent back; softirq: likewise, without waking the thread (default softirq)");
KSOCKET_PARAM(gro, "off",
	      "on: take bursts of datagrams as one packet (UDP_GRO), off (default off)");
KSOCKET_PARAM(max_connections, "1024",
	      "TCP connections at a time, 1 to 65536; what is beyond is reset at once (default 1024)");
KSOCKET_PARAM(backlog, "128",
	      "TCP connections that may wait to be taken, 1 to 65535, net.core.somaxconn at most (default 128)");
KSOCKET_PARAM(idle_timeout, "3600",
	      "seconds that a TCP connection may be idle, 0 to 86400; 0 for ever (default 3600)");
KSOCKET_PARAM(keepalive, "60",
	      "seconds after which a silent TCP peer is asked whether it is there, 0 to 32767; 0 never (default 60)");
KSOCKET_PARAM(interval, "2000",
	      "milliseconds from one beacon to the next, 10 to 3600000 (default 2000)");
KSOCKET_PARAM(reply_proto, "",
	      "udp or tcp: what the receiver is sent, datagrams also by TCP (default as proto)");
KSOCKET_PARAM(framing, "length",
	      "how datagrams are told apart in a connection to the receiver; none: not at all; newline: by the end of a line; length: by two bytes before each; octet-counting: by a decimal number before each (default length)");
KSOCKET_PARAM(queue_bytes, "1048576",
	      "bytes of datagrams that wait for a connection to the receiver, 4096 to 67108864 (default 1048576)");
KSOCKET_PARAM(ttl, "inherit",
	      "TTL or hop limit of answers and what is passed on by UDP; inherit: the request's less one, so that every loop ends; system: the default of the namespace (default inherit)");
KSOCKET_PARAM(dscp, "",
	      "DSCP of them; inherit: the request's; zero: none (default inherit in mode echo, zero in the others)");
KSOCKET_PARAM(newline, "drop",
	      "what becomes of a datagram with a newline before its end, with framing=newline; drop; escape: it becomes #012; space: it becomes a space (default drop)");

static int ksocket_param_uint(const char *name, const char *value,
			      unsigned int min, unsigned int max,
			      unsigned int *result, struct ksocket_report *rep)
{
	long long number;
	int err;

	err = kstrtoll(value, 0, &number);
	if (err == -EINVAL)
		return ksocket_report(rep, -EINVAL,
				      "%s=%.32s: not a number, allowed %u to %u",
				      name, value, min, max);
	if (err || number < min || number > max)
		return ksocket_report(rep, -ERANGE,
				      "%s=%.32s: out of range, allowed %u to %u",
				      name, value, min, max);

	*result = number;
	return 0;
}

/* As ksocket_param_uint(), with 0 for the system's default. */
static int ksocket_param_sockbuf(const char *name, const char *value,
				 unsigned int *result,
				 struct ksocket_report *rep)
{
	int err;

	err = ksocket_param_uint(name, value, 0, KSOCKET_SOCKBUF_MAX, result,
				 rep);
	if (!err && *result && *result < KSOCKET_SOCKBUF_MIN)
		err = ksocket_report(rep, -ERANGE,
				     "%s=%.32s: out of range, allowed %u to %u, or 0 for the system's default",
				     name, value, KSOCKET_SOCKBUF_MIN,
				     KSOCKET_SOCKBUF_MAX);

	return err;
}

static int ksocket_param_device(struct net *net, const char *name,
				const char *value, struct ksocket_config *cfg,
				struct ksocket_report *rep)
{
	struct net_device *dev;

	if (!*value)
		return 0;

	dev = dev_get_by_name(net, value);
	if (!dev)
		return ksocket_report(rep, -ENODEV,
				      "%s=%.32s: no such network device here",
				      name, value);

	ksocket_config_set_device(cfg, dev);
	dev_put(dev);

	return 0;
}

static int ksocket_param_scope(struct net *net, const char *name,
			       const char *value, const char *scope,
			       struct sockaddr_in6 *in6,
			       struct ksocket_report *rep)
{
	struct net_device *dev;
	unsigned int ifindex;

	if (!(ipv6_addr_type(&in6->sin6_addr) & IPV6_ADDR_LINKLOCAL)) {
		if (scope)
			return ksocket_report(rep, -EINVAL,
					      "%s=%.64s: only a link-local IPv6 address takes a %%device",
					      name, value);
		return 0;
	}

	if (!scope || !*scope)
		return ksocket_report(rep, -EINVAL,
				      "%s=%.64s: a link-local address needs its %%device",
				      name, value);

	if (kstrtouint(scope, 10, &ifindex))
		dev = dev_get_by_name(net, scope);
	else
		dev = dev_get_by_index(net, ifindex);
	if (!dev)
		return ksocket_report(rep, -ENODEV,
				      "%s=%.64s: no such network device here",
				      name, value);

	in6->sin6_scope_id = dev->ifindex;
	dev_put(dev);
	return 0;
}

static int ksocket_param_addr(struct net *net, const char *name,
			      const char *value, unsigned int port,
			      union ksocket_addr *addr,
			      struct ksocket_report *rep)
{
	const char *scope = strchr(value, '%');
	size_t len = scope ? scope - value : strlen(value);
	const char *end;
	int err;

	memset(addr, 0, sizeof(*addr));

	if (!scope && in4_pton(value, len, (u8 *)&addr->in.sin_addr, -1, &end) &&
	    !*end) {
		addr->in.sin_family = AF_INET;
		addr->in.sin_port = htons(port);
		return 0;
	}

	memset(addr, 0, sizeof(*addr));
	if (!in6_pton(value, len, (u8 *)&addr->in6.sin6_addr, -1, &end) ||
	    end != value + len)
		return ksocket_report(rep, -EINVAL,
				      "%s=%.64s: not an IPv4 or IPv6 address",
				      name, value);

	addr->in6.sin6_family = AF_INET6;
	addr->in6.sin6_port = htons(port);
	err = ksocket_param_scope(net, name, value, scope ? scope + 1 : NULL,
				  &addr->in6, rep);
	if (!err)
		ksocket_config_unmap(addr);
	return err;
}

static int ksocket_params_read_numbers(struct ksocket_config *cfg,
				       struct ksocket_report *rep)
{
	unsigned int number;
	int err;

	err = ksocket_param_uint("buffer_size", buffer_size, 1,
				 KSOCKET_BUFFER_MAX, &cfg->buffer_size, rep);
	if (err)
		return err;

	err = ksocket_param_uint("threads", threads, 1, num_online_cpus(),
				 &cfg->threads, rep);
	if (err)
		return err;

	err = ksocket_param_sockbuf("rcvbuf", rcvbuf, &cfg->rcvbuf, rep);
	if (err)
		return err;

	err = ksocket_param_sockbuf("sndbuf", sndbuf, &cfg->sndbuf, rep);
	if (err)
		return err;

	err = ksocket_param_uint("min_source_port", min_source_port, 0,
				 U16_MAX, &number, rep);
	if (err)
		return err;

	cfg->min_source_port = number;

	return ksocket_param_uint("interval", interval, KSOCKET_INTERVAL_MIN,
				  KSOCKET_INTERVAL_MAX, &cfg->interval, rep);
}

static int ksocket_params_read_tcp(struct ksocket_config *cfg,
				   struct ksocket_report *rep)
{
	int found = ksocket_proto_find(proto);
	int err;

	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "proto=%.32s: unknown, allowed udp or tcp",
				      proto);
	cfg->proto = found;

	err = ksocket_param_uint("max_connections", max_connections, 1,
				 KSOCKET_CONNECTIONS_MAX,
				 &cfg->max_connections, rep);
	if (err)
		return err;

	err = ksocket_param_uint("backlog", backlog, 1, U16_MAX, &cfg->backlog,
				 rep);
	if (err)
		return err;

	err = ksocket_param_uint("idle_timeout", idle_timeout, 0,
				 KSOCKET_IDLE_TIMEOUT_MAX, &cfg->idle_timeout, rep);
	if (err)
		return err;

	return ksocket_param_uint("keepalive", keepalive, 0,
				  KSOCKET_KEEPALIVE_MAX, &cfg->keepalive, rep);
}

static int ksocket_params_read_uplink(struct ksocket_config *cfg,
				      struct ksocket_report *rep)
{
	int found = *reply_proto ? ksocket_proto_find(reply_proto) : cfg->proto;

	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "reply_proto=%.32s: unknown, allowed udp or tcp",
				      reply_proto);
	cfg->reply_proto = found;

	found = ksocket_framing_find(framing);
	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "framing=%.32s: unknown, allowed none, newline, length or octet-counting",
				      framing);
	cfg->framing = found;

	found = ksocket_newline_find(newline);
	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "newline=%.32s: unknown, allowed drop, escape or space",
				      newline);
	cfg->newline = found;

	return ksocket_param_uint("queue_bytes", queue_bytes,
				  KSOCKET_QUEUE_BYTES_MIN,
				  KSOCKET_QUEUE_BYTES_MAX, &cfg->queue_bytes,
				  rep);
}

static int ksocket_params_read_answers(struct ksocket_config *cfg,
				       struct ksocket_report *rep)
{
	int found = ksocket_ttl_find(ttl);

	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "ttl=%.32s: unknown, allowed inherit or system",
				      ttl);
	cfg->ttl = found;

	if (!*dscp)
		return 0;
	found = ksocket_dscp_find(dscp);
	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "dscp=%.32s: unknown, allowed inherit or zero",
				      dscp);
	cfg->dscp = found;
	return 0;
}

static int ksocket_params_read_addrs(struct net *net,
				     struct ksocket_config *cfg,
				     struct ksocket_report *rep)
{
	unsigned int port;
	int err;

	err = ksocket_param_device(net, "device", device, cfg, rep);
	if (err)
		return err;

	err = ksocket_param_uint("listen_port", listen_port, 0, U16_MAX, &port,
				 rep);
	if (err)
		return err;

	err = ksocket_param_addr(net, "listen_addr", listen_addr, port,
				 &cfg->listen, rep);
	if (err)
		return err;

	err = ksocket_param_uint("reply_port", reply_port, 1, U16_MAX, &port,
				 rep);
	if (err)
		return err;

	err = ksocket_param_addr(net, "reply_addr", reply_addr, port,
				 &cfg->reply, rep);
	if (!ksocket_has_listener(cfg))
		memset(&cfg->listen, 0, sizeof(cfg->listen));
	return err;
}

static int ksocket_params_read_datapath(struct ksocket_config *cfg,
					struct ksocket_report *rep)
{
	int found = ksocket_datapath_find(datapath);

	if (found < 0)
		return ksocket_report(rep, -EINVAL,
				      "datapath=%.32s: unknown, allowed copy, zerocopy or softirq",
				      datapath);
	cfg->datapath = found;

	if (kstrtobool(gro, &cfg->gro))
		return ksocket_report(rep, -EINVAL,
				      "gro=%.32s: allowed on or off", gro);
	return 0;
}

static u32 ksocket_params_given(void)
{
	return KSOCKET_PARAM_GIVEN(listen_addr, LISTEN) |
	       KSOCKET_PARAM_GIVEN(listen_port, LISTEN) |
	       KSOCKET_PARAM_GIVEN(reply_addr, REPLY) |
	       KSOCKET_PARAM_GIVEN(reply_port, REPLY) |
	       KSOCKET_PARAM_GIVEN(mode, MODE) |
	       KSOCKET_PARAM_GIVEN(proto, PROTO) |
	       KSOCKET_PARAM_GIVEN(text, TEXT) |
	       KSOCKET_PARAM_GIVEN(buffer_size, BUFFER_SIZE) |
	       KSOCKET_PARAM_GIVEN(threads, THREADS) |
	       KSOCKET_PARAM_GIVEN(device, DEVICE) |
	       KSOCKET_PARAM_GIVEN(rcvbuf, RCVBUF) |
	       KSOCKET_PARAM_GIVEN(sndbuf, SNDBUF) |
	       KSOCKET_PARAM_GIVEN(min_source_port, MIN_SOURCE_PORT) |
	       KSOCKET_PARAM_GIVEN(datapath, DATAPATH) |
	       KSOCKET_PARAM_GIVEN(gro, GRO) |
	       KSOCKET_PARAM_GIVEN(max_connections, MAX_CONNECTIONS) |
	       KSOCKET_PARAM_GIVEN(backlog, BACKLOG) |
	       KSOCKET_PARAM_GIVEN(idle_timeout, IDLE_TIMEOUT) |
	       KSOCKET_PARAM_GIVEN(keepalive, KEEPALIVE) |
	       KSOCKET_PARAM_GIVEN(interval, INTERVAL) |
	       KSOCKET_PARAM_GIVEN(reply_proto, REPLY_PROTO) |
	       KSOCKET_PARAM_GIVEN(framing, FRAMING) |
	       KSOCKET_PARAM_GIVEN(queue_bytes, QUEUE_BYTES) |
	       KSOCKET_PARAM_GIVEN(ttl, TTL) |
	       KSOCKET_PARAM_GIVEN(dscp, DSCP) |
	       KSOCKET_PARAM_GIVEN(newline, NEWLINE);
}

/**
 * ksocket_params_read() - the configuration that the parameters ask for
 * @net: the namespace that device names and scopes belong to
 * @cfg: where to; zeroed by the caller
 * @rep: says what was wrong and what is allowed
 *
 * Every parameter is judged, used by the mode or not: a typo is told. Whether
 * what is given has an effect is ksocket_config_check()'s to judge.
 *
 * Return: 0, -EINVAL for what is no value of its kind, -ERANGE for a number
 * out of range, -ENODEV for an unknown device. With listen port 0 no service
 * is wanted, in the modes that have one.
 */
int ksocket_params_read(struct net *net, struct ksocket_config *cfg,
			struct ksocket_report *rep)
{
	const struct ksocket_mode *found = ksocket_mode_find(mode);
	int err;

	strscpy(cfg->name, "param", sizeof(cfg->name));

	if (!found)
		return ksocket_report(rep, -EINVAL,
				      "mode=%.32s: unknown, allowed relay, echo, discard, text, beacon or beacon-sink",
				      mode);
	ksocket_config_set_mode(cfg, found);
	cfg->given = ksocket_params_given();

	/* The kernel has cut off what does not fit. */
	if (KSOCKET_PARAM_GIVEN(text, TEXT))
		cfg->text_len = strscpy(cfg->text, text, sizeof(cfg->text));

	err = ksocket_params_read_datapath(cfg, rep);
	if (err)
		return err;

	err = ksocket_params_read_numbers(cfg, rep);
	if (err)
		return err;

	err = ksocket_params_read_tcp(cfg, rep);
	if (err)
		return err;

	err = ksocket_params_read_uplink(cfg, rep);
	if (err)
		return err;

	err = ksocket_params_read_answers(cfg, rep);
	if (err)
		return err;

	return ksocket_params_read_addrs(net, cfg, rep);
}
