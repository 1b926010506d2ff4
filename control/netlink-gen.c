// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	netlink/specs/ksocket.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: selftests/static/netlink.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/ksocket_netlink.h>

/* Integer value ranges */
static const struct netlink_range_validation ksocket_a_service_buffer_size_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation ksocket_a_service_rcvbuf_range = {
	.max	= KSOCKET_SOCKBUF_MAX,
};

static const struct netlink_range_validation ksocket_a_service_sndbuf_range = {
	.max	= KSOCKET_SOCKBUF_MAX,
};

static const struct netlink_range_validation ksocket_a_service_max_connections_range = {
	.min	= 1ULL,
	.max	= KSOCKET_CONNECTIONS_MAX,
};

static const struct netlink_range_validation ksocket_a_service_backlog_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation ksocket_a_service_idle_timeout_range = {
	.max	= KSOCKET_IDLE_TIMEOUT_MAX,
};

static const struct netlink_range_validation ksocket_a_service_interval_range = {
	.min	= KSOCKET_INTERVAL_MIN,
	.max	= KSOCKET_INTERVAL_MAX,
};

static const struct netlink_range_validation ksocket_a_service_queue_bytes_range = {
	.min	= KSOCKET_QUEUE_BYTES_MIN,
	.max	= KSOCKET_QUEUE_BYTES_MAX,
};

/* Common nested types */
const struct nla_policy ksocket_address_nl_policy[KSOCKET_A_ADDRESS_SCOPE + 1] = {
	[KSOCKET_A_ADDRESS_IPV4] = { .type = NLA_BE32, },
	[KSOCKET_A_ADDRESS_IPV6] = NLA_POLICY_EXACT_LEN(16),
	[KSOCKET_A_ADDRESS_PORT] = NLA_POLICY_MIN(NLA_U16, 1),
	[KSOCKET_A_ADDRESS_SCOPE] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* Global operation policy for ksocket */
const struct nla_policy ksocket_service_nl_policy[KSOCKET_A_SERVICE_NEWLINE + 1] = {
	[KSOCKET_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = KSOCKET_NAME_MAX, },
	[KSOCKET_A_SERVICE_MODE] = NLA_POLICY_MAX(NLA_U32, 5),
	[KSOCKET_A_SERVICE_LISTEN] = NLA_POLICY_NESTED(ksocket_address_nl_policy),
	[KSOCKET_A_SERVICE_REPLY] = NLA_POLICY_NESTED(ksocket_address_nl_policy),
	[KSOCKET_A_SERVICE_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[KSOCKET_A_SERVICE_THREADS] = NLA_POLICY_MIN(NLA_U32, 1),
	[KSOCKET_A_SERVICE_BUFFER_SIZE] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_buffer_size_range),
	[KSOCKET_A_SERVICE_RCVBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_rcvbuf_range),
	[KSOCKET_A_SERVICE_SNDBUF] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_sndbuf_range),
	[KSOCKET_A_SERVICE_MIN_SOURCE_PORT] = { .type = NLA_U16, },
	[KSOCKET_A_SERVICE_DATAPATH] = NLA_POLICY_MAX(NLA_U32, 2),
	[KSOCKET_A_SERVICE_GRO] = NLA_POLICY_MAX(NLA_U8, 1),
	[KSOCKET_A_SERVICE_TEXT] = NLA_POLICY_MAX_LEN(KSOCKET_TEXT_MAX),
	[KSOCKET_A_SERVICE_PAYLOAD] = { .type = NLA_BINARY, },
	[KSOCKET_A_SERVICE_PROTO] = NLA_POLICY_MAX(NLA_U32, 1),
	[KSOCKET_A_SERVICE_MAX_CONNECTIONS] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_max_connections_range),
	[KSOCKET_A_SERVICE_BACKLOG] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_backlog_range),
	[KSOCKET_A_SERVICE_IDLE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_idle_timeout_range),
	[KSOCKET_A_SERVICE_KEEPALIVE] = NLA_POLICY_MAX(NLA_U32, KSOCKET_KEEPALIVE_MAX),
	[KSOCKET_A_SERVICE_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_interval_range),
	[KSOCKET_A_SERVICE_REPLY_PROTO] = NLA_POLICY_MAX(NLA_U32, 1),
	[KSOCKET_A_SERVICE_FRAMING] = NLA_POLICY_MAX(NLA_U32, 3),
	[KSOCKET_A_SERVICE_QUEUE_BYTES] = NLA_POLICY_FULL_RANGE(NLA_U32, &ksocket_a_service_queue_bytes_range),
	[KSOCKET_A_SERVICE_TTL] = NLA_POLICY_MAX(NLA_U32, 1),
	[KSOCKET_A_SERVICE_DSCP] = NLA_POLICY_MAX(NLA_U32, 1),
	[KSOCKET_A_SERVICE_NEWLINE] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* Ops table for ksocket */
const struct genl_small_ops ksocket_nl_ops[7] = {
	{
		.cmd	= KSOCKET_CMD_SERVICE_NEW,
		.doit	= ksocket_nl_service_new_doit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd	= KSOCKET_CMD_SERVICE_DEL,
		.doit	= ksocket_nl_service_del_doit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd	= KSOCKET_CMD_SERVICE_GET,
		.doit	= ksocket_nl_service_get_doit,
		.dumpit	= ksocket_nl_service_get_dumpit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd	= KSOCKET_CMD_SERVICE_SET,
		.doit	= ksocket_nl_service_set_doit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd	= KSOCKET_CMD_STATS_RESET,
		.doit	= ksocket_nl_stats_reset_doit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd	= KSOCKET_CMD_SEND,
		.doit	= ksocket_nl_send_doit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd	= KSOCKET_CMD_CONN_GET,
		.dumpit	= ksocket_nl_conn_get_dumpit,
		.flags	= GENL_UNS_ADMIN_PERM,
	},
};

static const struct genl_multicast_group ksocket_nl_mcgrps[] = {
	[KSOCKET_NLGRP_EVENTS] = { "events", },
};
