// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to the kernel, and its answers as JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ksocketctl.h"

/* How often a dump is asked for again, because services came or went meanwhile. */
#define DUMP_TRIES	20

/* A dump may lack something, which was said. */
bool nl_incomplete;

/* What the kernel has said of the last request that it has not refused, or "". */
char nl_said[128];

static struct mnl_socket *nl;
static int family, group;
static unsigned int seq;

const char *const mode_names[] = {
	[KSOCKET_MODE_RELAY] = "relay",
	[KSOCKET_MODE_ECHO] = "echo",
	[KSOCKET_MODE_DISCARD] = "discard",
	[KSOCKET_MODE_TEXT] = "text",
	[KSOCKET_MODE_BEACON] = "beacon",
	[KSOCKET_MODE_BEACON_SINK] = "beacon-sink",
	NULL
};

const char *const datapath_names[] = {
	[KSOCKET_DATAPATH_COPY] = "copy",
	[KSOCKET_DATAPATH_ZEROCOPY] = "zerocopy",
	[KSOCKET_DATAPATH_SOFTIRQ] = "softirq",
	NULL
};

const char *const proto_names[] = {
	[KSOCKET_PROTO_UDP] = "udp",
	[KSOCKET_PROTO_TCP] = "tcp",
	NULL
};

const char *const framing_names[] = {
	[KSOCKET_FRAMING_NONE] = "none",
	[KSOCKET_FRAMING_NEWLINE] = "newline",
	[KSOCKET_FRAMING_LENGTH] = "length",
	[KSOCKET_FRAMING_OCTET_COUNTING] = "octet-counting",
	NULL
};

const char *const ttl_names[] = {
	[KSOCKET_TTL_INHERIT] = "inherit",
	[KSOCKET_TTL_SYSTEM] = "system",
	NULL
};

const char *const dscp_names[] = {
	[KSOCKET_DSCP_INHERIT] = "inherit",
	[KSOCKET_DSCP_ZERO] = "zero",
	NULL
};

const char *const newline_names[] = {
	[KSOCKET_NEWLINE_DROP] = "drop",
	[KSOCKET_NEWLINE_ESCAPE] = "escape",
	[KSOCKET_NEWLINE_SPACE] = "space",
	NULL
};

static const char *const state_names[] = {
	[KSOCKET_CONN_STATE_CONNECTING] = "connecting",
	[KSOCKET_CONN_STATE_OPEN] = "open",
	[KSOCKET_CONN_STATE_CLOSING] = "closing",
	NULL
};

static const char *const stop_names[] = {
	[KSOCKET_STOP_REASON_ASKED] = "asked",
	[KSOCKET_STOP_REASON_REPLACED] = "replaced",
	[KSOCKET_STOP_REASON_NAMESPACE_EXIT] = "namespace-exit",
	[KSOCKET_STOP_REASON_MODULE_UNLOAD] = "module-unload",
	[KSOCKET_STOP_REASON_ERROR] = "error",
	NULL
};

static const char *const event_names[] = {
	[KSOCKET_CMD_SERVICE_STARTED] = "started",
	[KSOCKET_CMD_SERVICE_STOPPED] = "stopped",
	[KSOCKET_CMD_RECEIVER_UNREACHABLE] = "unreachable",
	[KSOCKET_CMD_RECEIVER_BACK] = "back",
	[KSOCKET_CMD_LOOP_SUSPECTED] = "loop",
	[KSOCKET_CMD_DROP_ALARM] = "dropped",
	[KSOCKET_CMD_DEVICE_GONE] = "device-gone",
	[KSOCKET_CMD_DEVICE_BACK] = "device-back",
};

const struct counter stats_counters[] = {
	{ KSOCKET_A_STATS_RX_PACKETS, "rx_packets",
	  "Datagrams taken, those dropped later included, or beacons made." },
	{ KSOCKET_A_STATS_RX_BYTES, "rx_bytes",
	  "Their payload, or what came by TCP, in bytes." },
	{ KSOCKET_A_STATS_TX_PACKETS, "tx_packets",
	  "Answers handed to the network stack." },
	{ KSOCKET_A_STATS_TX_BYTES, "tx_bytes",
	  "Their payload, or what was sent by TCP, in bytes." },
	{ KSOCKET_A_STATS_DISCARDED, "discarded",
	  "Datagrams consumed as the mode asks." },
	{ KSOCKET_A_STATS_STALE_ERRORS, "stale_errors",
	  "ICMP errors of earlier answers, consumed by sending again." },
	{ KSOCKET_A_STATS_RECV_ERRORS, "recv_errors",
	  "Failed receives, none of which took a datagram." },
	{ KSOCKET_A_STATS_RX_OVERFLOW, "rx_overflow",
	  "Datagrams or connections dropped by the stack, it had no room for them." },
	{ KSOCKET_A_STATS_REPLY_IGNORED, "reply_ignored",
	  "Datagrams that a receiver sent back, or bytes by TCP." },
	{ KSOCKET_A_STATS_WAKEUPS, "wakeups",
	  "Times that a thread slept and was woken." },
	{ KSOCKET_A_STATS_FALLBACKS, "fallbacks",
	  "Datagrams copied although the datapath is another." },
	{ KSOCKET_A_STATS_USER_SENDS, "user_sends",
	  "Payloads that user space has sent." },
	{ KSOCKET_A_STATS_ACCEPTED, "accepted",
	  "TCP connections taken, those refused at once included." },
	{ KSOCKET_A_STATS_CONNECTED, "connected",
	  "TCP connections to the receiver that came up." },
	{ KSOCKET_A_STATS_CONNECT_FAILED, "connect_failed",
	  "Failed attempts to connect to a receiver of datagrams.", OF_UPLINK },
	{ KSOCKET_A_STATS_DISCONNECTED, "disconnected",
	  "Connections to a receiver of datagrams that broke.", OF_UPLINK },
	{ KSOCKET_A_STATS_BEACONS_MISSED, "beacons_missed",
	  "Beacons not made because an earlier one was late.", OF_BEACON },
	{ KSOCKET_A_STATS_BEACON_RECEIVED, "beacon_received",
	  "Beacons that came in their order.", OF_SINK },
	{ KSOCKET_A_STATS_BEACON_LOST, "beacon_lost",
	  "Sequence numbers that were skipped, some of which came late.",
	  OF_SINK },
	{ KSOCKET_A_STATS_BEACON_LATE, "beacon_late",
	  "Beacons that came after a higher number.", OF_SINK },
	{ KSOCKET_A_STATS_BEACON_DUPLICATE, "beacon_duplicate",
	  "Beacons that had come before.", OF_SINK },
	{ KSOCKET_A_STATS_BEACON_RESTARTED, "beacon_restarted",
	  "Times that a sender began to count anew.", OF_SINK },
	{ KSOCKET_A_STATS_BEACON_MALFORMED, "beacon_malformed",
	  "Datagrams without a sequence number.", OF_SINK },
	{ KSOCKET_A_STATS_BEACON_EVICTED, "beacon_evicted",
	  "Senders that were forgotten because others came.", OF_SINK },
	{ }
};

const struct counter drop_counters[] = {
	{ KSOCKET_A_DROPS_TRUNCATED, "truncated", NULL },
	{ KSOCKET_A_DROPS_SRC_UNSPECIFIED, "src_unspecified", NULL },
	{ KSOCKET_A_DROPS_SRC_MULTICAST, "src_multicast", NULL },
	{ KSOCKET_A_DROPS_SRC_BROADCAST, "src_broadcast", NULL },
	{ KSOCKET_A_DROPS_DST_MULTICAST, "dst_multicast", NULL },
	{ KSOCKET_A_DROPS_DST_BROADCAST, "dst_broadcast", NULL },
	{ KSOCKET_A_DROPS_SRC_PORT_ZERO, "src_port_zero", NULL },
	{ KSOCKET_A_DROPS_SRC_PORT_LOW, "src_port_low", NULL },
	{ KSOCKET_A_DROPS_SRC_PORT_OWN, "src_port_own", NULL },
	{ KSOCKET_A_DROPS_LOOP, "loop", NULL },
	{ KSOCKET_A_DROPS_SEND_REFUSED, "send_refused", NULL },
	{ KSOCKET_A_DROPS_SEND_UNREACHABLE, "send_unreachable", NULL },
	{ KSOCKET_A_DROPS_SEND_DENIED, "send_denied", NULL },
	{ KSOCKET_A_DROPS_SEND_NOMEM, "send_nomem", NULL },
	{ KSOCKET_A_DROPS_SEND_AGAIN, "send_again", NULL },
	{ KSOCKET_A_DROPS_SEND_TOO_LONG, "send_too_long", NULL },
	{ KSOCKET_A_DROPS_SEND_OTHER, "send_other", NULL },
	{ KSOCKET_A_DROPS_QUEUE_AWAY, "queue_away", NULL, OF_UPLINK },
	{ KSOCKET_A_DROPS_QUEUE_SLOW, "queue_slow", NULL, OF_UPLINK },
	{ KSOCKET_A_DROPS_FRAMING, "framing", NULL, OF_UPLINK },
	{ KSOCKET_A_DROPS_TTL, "ttl", NULL },
	{ }
};

const struct counter close_counters[] = {
	{ KSOCKET_A_CLOSES_DONE, "done", NULL },
	{ KSOCKET_A_CLOSES_RESET, "reset", NULL },
	{ KSOCKET_A_CLOSES_TIMEOUT, "timeout", NULL },
	{ KSOCKET_A_CLOSES_IDLE, "idle", NULL },
	{ KSOCKET_A_CLOSES_UNFINISHED, "unfinished", NULL },
	{ KSOCKET_A_CLOSES_LIMIT, "limit", NULL },
	{ KSOCKET_A_CLOSES_LOOP, "loop", NULL },
	{ KSOCKET_A_CLOSES_UPSTREAM_REFUSED, "upstream_refused", NULL },
	{ KSOCKET_A_CLOSES_UPSTREAM_UNREACHABLE, "upstream_unreachable", NULL },
	{ KSOCKET_A_CLOSES_UPSTREAM_TIMEOUT, "upstream_timeout", NULL },
	{ KSOCKET_A_CLOSES_NOMEM, "nomem", NULL },
	{ KSOCKET_A_CLOSES_STOPPED, "stopped", NULL },
	{ KSOCKET_A_CLOSES_CLAIMED, "claimed", NULL },
	{ }
};

/* Attributes into JSON */

/* A device may have any name, and JSON has UTF-8 only. */
static bool is_utf8(const char *name)
{
	json_t *text = json_string(name);
	bool is = text;

	json_decref(text);
	return is;
}

static json_t *decode_address(const struct nlattr *nest)
{
	char text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE] = "", scope[IF_NAMESIZE] = "";
	const struct nlattr *attr;
	int port = 0;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case KSOCKET_A_ADDRESS_IPV4:
			inet_ntop(AF_INET, mnl_attr_get_payload(attr), text,
				  sizeof(text));
			break;
		case KSOCKET_A_ADDRESS_IPV6:
			inet_ntop(AF_INET6, mnl_attr_get_payload(attr), text,
				  sizeof(text));
			break;
		case KSOCKET_A_ADDRESS_PORT:
			port = mnl_attr_get_u16(attr);
			break;
		case KSOCKET_A_ADDRESS_SCOPE:
			if (!if_indextoname(mnl_attr_get_u32(attr), scope) ||
			    !is_utf8(scope))
				snprintf(scope, sizeof(scope), "%u",
					 mnl_attr_get_u32(attr));
			break;
		}
	}
	if (*scope) {
		strncat(text, "%", sizeof(text) - strlen(text) - 1);
		strncat(text, scope, sizeof(text) - strlen(text) - 1);
	}
	return json_pack("{s:s, s:i}", "address", text, "port", port);
}

static json_t *decode_counters(const struct nlattr *nest,
			       const struct counter *counters)
{
	json_t *object = json_object();
	const struct nlattr *attr;
	const struct counter *c;

	mnl_attr_for_each_nested(attr, nest) {
		int type = mnl_attr_get_type(attr);

		if (counters == stats_counters && type == KSOCKET_A_STATS_DROPS)
			json_object_set_new(object, "drops",
					    decode_counters(attr, drop_counters));
		if (counters == stats_counters && type == KSOCKET_A_STATS_CLOSES)
			json_object_set_new(object, "closes",
					    decode_counters(attr, close_counters));
		for (c = counters; c->name; c++)
			if (c->type == type)
				json_object_set_new(object, c->name,
						    json_integer(mnl_attr_get_u64(attr)));
	}
	return object;
}

/* A newer kernel may have names that we do not know. */
static json_t *decode_name(const char *const *names, unsigned int value)
{
	unsigned int i;

	for (i = 0; names[i]; i++)
		if (i == value)
			return json_string(names[i]);

	return json_integer(value);
}

/* A text is bytes, which JSON has no way to write. */
static void decode_text(json_t *object, const struct nlattr *attr)
{
	const unsigned char *data = mnl_attr_get_payload(attr);
	unsigned int i, len = mnl_attr_get_payload_len(attr);
	json_t *text = json_stringn((const char *)data, len);
	char hex[2 * KSOCKET_TEXT_MAX + 1] = "";

	if (text) {
		json_object_set_new(object, "text", text);
		return;
	}
	for (i = 0; i < len && i < KSOCKET_TEXT_MAX; i++)
		sprintf(hex + 2 * i, "%02x", data[i]);
	json_object_set_new(object, "text_hex", json_string(hex));
}

static void decode_thread(json_t *object, json_t *stats)
{
	json_t *threads = json_object_get(object, "thread_stats");

	if (!threads) {
		threads = json_array();
		json_object_set_new(object, "thread_stats", threads);
	}
	json_array_append_new(threads, stats);
}

static json_t *decode_string(const struct nlattr *attr)
{
	const char *text = mnl_attr_get_str(attr);

	/* No device is better than another one. */
	return json_string(is_utf8(text) ? text : "?");
}

static json_t *decode_u16(const struct nlattr *attr)
{
	return json_integer(mnl_attr_get_u16(attr));
}

static json_t *decode_u32(const struct nlattr *attr)
{
	return json_integer(mnl_attr_get_u32(attr));
}

static json_t *decode_u64(const struct nlattr *attr)
{
	return json_integer(mnl_attr_get_u64(attr));
}

static json_t *decode_switch(const struct nlattr *attr)
{
	return json_boolean(mnl_attr_get_u8(attr));
}

static json_t *decode_flag(const struct nlattr *attr)
{
	(void)attr;
	return json_true();
}

static json_t *decode_errno(const struct nlattr *attr)
{
	return json_string(strerror(mnl_attr_get_u32(attr)));
}

static json_t *decode_mode(const struct nlattr *attr)
{
	return decode_name(mode_names, mnl_attr_get_u32(attr));
}

static json_t *decode_datapath(const struct nlattr *attr)
{
	return decode_name(datapath_names, mnl_attr_get_u32(attr));
}

static json_t *decode_proto(const struct nlattr *attr)
{
	return decode_name(proto_names, mnl_attr_get_u32(attr));
}

static json_t *decode_framing(const struct nlattr *attr)
{
	return decode_name(framing_names, mnl_attr_get_u32(attr));
}

static json_t *decode_ttl(const struct nlattr *attr)
{
	return decode_name(ttl_names, mnl_attr_get_u32(attr));
}

static json_t *decode_dscp(const struct nlattr *attr)
{
	return decode_name(dscp_names, mnl_attr_get_u32(attr));
}

static json_t *decode_newline(const struct nlattr *attr)
{
	return decode_name(newline_names, mnl_attr_get_u32(attr));
}

static json_t *decode_state(const struct nlattr *attr)
{
	return decode_name(state_names, mnl_attr_get_u32(attr));
}

static json_t *decode_reason(const struct nlattr *attr)
{
	return decode_name(stop_names, mnl_attr_get_u32(attr));
}

static json_t *decode_stats(const struct nlattr *attr)
{
	return decode_counters(attr, stats_counters);
}

static json_t *decode_drops(const struct nlattr *attr)
{
	return decode_counters(attr, drop_counters);
}

static json_t *decode_closes(const struct nlattr *attr)
{
	return decode_counters(attr, close_counters);
}

struct attribute {
	const char *name;
	json_t *(*decode)(const struct nlattr *attr);
};

static const struct attribute attributes[] = {
	[KSOCKET_A_SERVICE_NAME] = { "name", decode_string },
	[KSOCKET_A_SERVICE_MODE] = { "mode", decode_mode },
	[KSOCKET_A_SERVICE_LISTEN] = { "listen", decode_address },
	[KSOCKET_A_SERVICE_REPLY] = { "reply", decode_address },
	[KSOCKET_A_SERVICE_DEVICE] = { "device", decode_string },
	[KSOCKET_A_SERVICE_THREADS] = { "threads", decode_u32 },
	[KSOCKET_A_SERVICE_BUFFER_SIZE] = { "buffer_size", decode_u32 },
	[KSOCKET_A_SERVICE_RCVBUF] = { "rcvbuf", decode_u32 },
	[KSOCKET_A_SERVICE_SNDBUF] = { "sndbuf", decode_u32 },
	[KSOCKET_A_SERVICE_MIN_SOURCE_PORT] = { "min_source_port", decode_u16 },
	[KSOCKET_A_SERVICE_DATAPATH] = { "datapath", decode_datapath },
	[KSOCKET_A_SERVICE_GRO] = { "gro", decode_switch },
	[KSOCKET_A_SERVICE_UNREACHABLE] = { "unreachable", decode_flag },
	[KSOCKET_A_SERVICE_STATS] = { "stats", decode_stats },
	[KSOCKET_A_SERVICE_DROPS] = { "drops", decode_drops },
	[KSOCKET_A_SERVICE_CLOSES] = { "closes", decode_closes },
	[KSOCKET_A_SERVICE_STOP_REASON] = { "reason", decode_reason },
	[KSOCKET_A_SERVICE_ERROR] = { "error", decode_errno },
	[KSOCKET_A_SERVICE_PROTO] = { "proto", decode_proto },
	[KSOCKET_A_SERVICE_MAX_CONNECTIONS] = { "max_connections", decode_u32 },
	[KSOCKET_A_SERVICE_BACKLOG] = { "backlog", decode_u32 },
	[KSOCKET_A_SERVICE_IDLE_TIMEOUT] = { "idle_timeout", decode_u32 },
	[KSOCKET_A_SERVICE_KEEPALIVE] = { "keepalive", decode_u32 },
	[KSOCKET_A_SERVICE_CONNECTIONS] = { "connections", decode_u32 },
	[KSOCKET_A_SERVICE_INTERVAL] = { "interval", decode_u32 },
	[KSOCKET_A_SERVICE_REPLY_PROTO] = { "reply_proto", decode_proto },
	[KSOCKET_A_SERVICE_FRAMING] = { "framing", decode_framing },
	[KSOCKET_A_SERVICE_QUEUE_BYTES] = { "queue_bytes", decode_u32 },
	[KSOCKET_A_SERVICE_QUEUED] = { "queued", decode_u32 },
	[KSOCKET_A_SERVICE_QUEUED_BYTES] = { "queued_bytes", decode_u32 },
	[KSOCKET_A_SERVICE_TTL] = { "ttl", decode_ttl },
	[KSOCKET_A_SERVICE_DSCP] = { "dscp", decode_dscp },
	[KSOCKET_A_SERVICE_NEWLINE] = { "newline", decode_newline },
	[KSOCKET_A_SERVICE_DEVICE_LOST] = { "device_lost", decode_flag },
};

static const struct attribute conn_attributes[] = {
	[KSOCKET_A_CONN_ID] = { "id", decode_u32 },
	[KSOCKET_A_CONN_THREAD] = { "thread", decode_u32 },
	[KSOCKET_A_CONN_PEER] = { "peer", decode_address },
	[KSOCKET_A_CONN_STATE] = { "state", decode_state },
	[KSOCKET_A_CONN_AGE] = { "age", decode_u64 },
	[KSOCKET_A_CONN_IDLE] = { "idle", decode_u64 },
	[KSOCKET_A_CONN_RX_BYTES] = { "rx_bytes", decode_u64 },
	[KSOCKET_A_CONN_TX_BYTES] = { "tx_bytes", decode_u64 },
};

static void decode_one(json_t *object, const struct nlattr *attr,
		       const struct attribute *known, size_t n)
{
	unsigned int type = mnl_attr_get_type(attr);

	if (type < n && known[type].name)
		json_object_set_new(object, known[type].name,
				    known[type].decode(attr));
}

/* It comes alone with the name of its service. */
static void decode_conn(json_t *object, const struct nlattr *nest)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		decode_one(object, attr, conn_attributes,
			   MNL_ARRAY_SIZE(conn_attributes));
}

static void decode_attr(json_t *object, const struct nlattr *attr)
{
	unsigned int type = mnl_attr_get_type(attr);

	if (type == KSOCKET_A_SERVICE_TEXT)
		decode_text(object, attr);
	else if (type == KSOCKET_A_SERVICE_THREAD_STATS)
		decode_thread(object, decode_stats(attr));
	else if (type == KSOCKET_A_SERVICE_CONN)
		decode_conn(object, attr);
	else
		decode_one(object, attr, attributes, MNL_ARRAY_SIZE(attributes));
}

static json_t *decode(const struct nlmsghdr *nlh)
{
	json_t *object = json_object();
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
		decode_attr(object, attr);
	return object;
}

/* Requests */

static void die_errno(const char *what)
{
	complain("%s: %s", what, strerror(errno));
	exit(EXIT_KERNEL);
}

static struct nlmsghdr *put_header(char *buf, int type, int flags, int cmd,
				   int version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

/**
 * nl_request() - begin a request
 * @cmd: what is asked
 * @flags: of netlink, besides NLM_F_REQUEST
 *
 * Return: the request; the next one overwrites it.
 */
struct request *nl_request(int cmd, int flags)
{
	static struct request req;

	req.n_words = 0;
	req.nlh = put_header(req.buf, 0, flags, cmd, KSOCKET_GENL_VERSION);
	return &req;
}

/**
 * nl_word() - the next attribute is made of this
 * @req: the request
 * @what: what it is, as people say it
 * @value: and what they have said
 */
void nl_word(struct request *req, const char *what, const char *value)
{
	if (req->n_words == MNL_ARRAY_SIZE(req->words))
		return;
	req->words[req->n_words].offset = req->nlh->nlmsg_len;
	req->words[req->n_words].what = what;
	req->words[req->n_words].value = value;
	req->n_words++;
}

/**
 * nl_put() - add an attribute that may be of any length
 * @req: the request
 * @type: the attribute
 * @len: bytes in @data
 * @data: the value
 * @what: what it is, as people say it
 *
 * What does not fit ends the program.
 */
void nl_put(struct request *req, int type, size_t len, const void *data,
	    const char *what)
{
	if (len > UINT16_MAX - MNL_ATTR_HDRLEN ||
	    !mnl_attr_put_check(req->nlh, sizeof(req->buf), type, len, data))
		usage_error("%s is too long", what);
}

/* What the kernel adds to an error, or to success. */
struct words {
	const char *said;
	unsigned int offset;
	const struct nlattr *policy;
};

static struct words read_words(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *msg = mnl_nlmsg_get_payload(nlh);
	unsigned int skip = sizeof(*msg);
	const struct nlattr *attr;
	struct words words = {};

	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&msg->msg);
	if (nlh->nlmsg_type == NLMSG_DONE)
		skip = sizeof(int);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return words;

	mnl_attr_for_each(attr, nlh, skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			words.said = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS)
			words.offset = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_POLICY)
			words.policy = attr;
	}
	return words;
}

/* What is allowed, where the policy of the attribute says so. Return: @words.said or @buf */
static const char *say_allowed(const struct words *words, char *buf, size_t size)
{
	uint64_t min = 0, max = 0;
	uint32_t longest = 0;
	const struct nlattr *attr;

	if (!words->policy)
		return words->said;
	mnl_attr_for_each_nested(attr, words->policy) {
		if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MIN_VALUE_U)
			min = mnl_attr_get_u64(attr);
		if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MAX_VALUE_U)
			max = mnl_attr_get_u64(attr);
		if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MAX_LENGTH)
			longest = mnl_attr_get_u32(attr);
	}
	if (max >= UINT32_MAX)
		snprintf(buf, size, "out of range, allowed %" PRIu64 " and more", min);
	else if (max)
		snprintf(buf, size, "out of range, allowed %" PRIu64 " to %" PRIu64, min, max);
	else if (longest)
		snprintf(buf, size, "too long, allowed %" PRIu32 " bytes", longest);
	else
		return words->said;
	return buf;
}

/* What the kernel says of an error: its words, and which attribute it is about. */
static void refused(const struct request *req, const struct nlmsghdr *nlh,
		    int err)
{
	const struct nlmsgerr *msg = mnl_nlmsg_get_payload(nlh);
	const char *said, *what = NULL, *value = NULL;
	struct words words = read_words(nlh);
	char allowed[128];
	unsigned int i;

	said = say_allowed(&words, allowed, sizeof(allowed));
	for (i = 0; req && words.offset && i < req->n_words; i++)
		if (req->words[i].offset <= words.offset) {
			what = req->words[i].what;
			value = req->words[i].value;
		}
	/* Without its parameters it would start the service that they describe. */
	if (nlh->nlmsg_type == NLMSG_ERROR && msg->msg.nlmsg_type == GENL_ID_CTRL &&
	    err == ENOENT)
		said = "ksocket is not loaded, try modprobe ksocket listen_port=0";
	if (err == EPERM && !said)
		said = "it takes CAP_NET_ADMIN over this network namespace";
	complain("%s%s%s%s%s%s%s%s", what ? what : "", what ? " " : "",
		 what ? value : "", what ? ": " : "", said ? said : "",
		 said ? " (" : "", strerror(err), said ? ")" : "");
	exit(EXIT_KERNEL);
}

static void note_said(const struct nlmsghdr *nlh)
{
	struct words words = read_words(nlh);

	snprintf(nl_said, sizeof(nl_said), "%s", words.said ? words.said : "");
}

/**
 * struct reply - who takes an answer
 * @take: gets each message that is no end and no error
 * @arg: for @take
 * @torn: services came or went while they were told
 */
struct reply {
	void (*take)(const struct nlmsghdr *nlh, void *arg);
	void *arg;
	bool torn;
};

/**
 * receive() - the next messages
 * @req: what they answer, or NULL for events
 * @reply: who takes them
 *
 * Return: 1 when there are more to come, 0 at the end, -1 when events are lost.
 * Does not return after an error.
 */
static int receive(const struct request *req, struct reply *reply)
{
	/* An answer has the counters of all threads of a service, 700 bytes each. */
	static char buf[1 << 20];
	const struct nlmsghdr *nlh = (void *)buf;
	int len = mnl_socket_recvfrom(nl, buf, sizeof(buf));

	if (len < 0 && errno == ENOBUFS)
		return -1;
	if (len < 0)
		die_errno("cannot hear the kernel");

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		const int *err = mnl_nlmsg_get_payload(nlh);

		if (req && nlh->nlmsg_seq != req->nlh->nlmsg_seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			reply->torn = true;
		if (nlh->nlmsg_type != NLMSG_ERROR &&
		    nlh->nlmsg_type != NLMSG_DONE) {
			reply->take(nlh, reply->arg);
			continue;
		}
		if (*err)
			refused(req, nlh, -*err);
		note_said(nlh);
		return 0;
	}
	return 1;
}

static void exchange_open(struct request *req, struct reply *reply)
{
	int more;

	if (mnl_socket_sendto(nl, req->nlh, req->nlh->nlmsg_len) < 0)
		die_errno("cannot ask the kernel");
	do {
		more = receive(req, reply);
		if (more < 0)
			die_errno("cannot hear the kernel");
	} while (more);
}

static void nl_open(void);

/* Words are understood before the kernel is asked for anything. */
static void exchange(struct request *req, struct reply *reply)
{
	nl_open();
	req->nlh->nlmsg_type = family;
	exchange_open(req, reply);
}

static void take_one(const struct nlmsghdr *nlh, void *arg)
{
	json_t **answer = arg;

	json_decref(*answer);
	*answer = decode(nlh);
}

/**
 * nl_do() - ask, and wait for the answer
 * @req: the request
 *
 * Return: the answer, or NULL where there is none but success. What is refused
 * ends the program.
 */
json_t *nl_do(struct request *req)
{
	json_t *answer = NULL;
	struct reply reply = { .take = take_one, .arg = &answer };

	req->nlh->nlmsg_flags |= NLM_F_ACK;
	exchange(req, &reply);
	return answer;
}

static void take_all(const struct nlmsghdr *nlh, void *arg)
{
	json_array_append_new(arg, decode(nlh));
}

/**
 * nl_dump() - all services, or all connections
 * @cmd: what is asked
 *
 * Return: an array of them.
 */
json_t *nl_dump(int cmd)
{
	struct reply reply = { .take = take_all };
	int tries;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		json_decref(reply.arg);
		reply.arg = json_array();
		reply.torn = false;
		exchange(nl_request(cmd, NLM_F_DUMP), &reply);
		if (!reply.torn)
			return reply.arg;
	}
	complain("services came and went meanwhile, some may be missing");
	nl_incomplete = true;
	return reply.arg;
}

/**
 * nl_subscribe() - from now on hear of events
 */
void nl_subscribe(void)
{
	nl_open();
	if (mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &group,
				  sizeof(group)) < 0)
		die_errno("cannot hear events");
}

static void take_event(const struct nlmsghdr *nlh, void *arg)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	json_t *event, **last = arg;

	if (nlh->nlmsg_type != family ||
	    genl->cmd >= MNL_ARRAY_SIZE(event_names) || !event_names[genl->cmd])
		return;

	event = json_pack("{s:s}", "event", event_names[genl->cmd]);
	json_object_update_new(event, decode(nlh));
	json_decref(*last);
	*last = event;
}

/**
 * nl_event() - wait for the next event
 *
 * Return: the event; "lost" when some are lost because we were too slow.
 */
json_t *nl_event(void)
{
	json_t *event = NULL;
	struct reply reply = { .take = take_event, .arg = &event };

	/* The kernel sends each event as a message of its own. */
	while (!event)
		if (receive(NULL, &reply) < 0)
			event = json_pack("{s:s}", "event", "lost");
	return event;
}

/* The family */

static void take_group(const struct nlattr *nest)
{
	const struct nlattr *attr;
	const char *name = "";
	int id = 0;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(attr);
	}
	if (!strcmp(name, KSOCKET_MCGRP_EVENTS))
		group = id;
}

static void take_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *nest;

	(void)arg;
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			family = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(nest, attr)
				take_group(nest);
	}
}

/* The controller answers to everybody, and ENOENT where there is no ksocket. */
static void find_family(void)
{
	static struct request req;
	struct reply reply = { .take = take_family };

	req.nlh = put_header(req.buf, GENL_ID_CTRL, NLM_F_ACK,
			     CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(req.nlh, CTRL_ATTR_FAMILY_NAME, KSOCKET_GENL_NAME);
	exchange_open(&req, &reply);
}

/* Ready for requests, or the program ends. */
static void nl_open(void)
{
	int on = 1;

	if (nl)
		return;
	nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die_errno("cannot open a netlink socket");
	/* Where the kernel knows neither, its errors have no words. */
	mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &on, sizeof(on));
	find_family();
}
