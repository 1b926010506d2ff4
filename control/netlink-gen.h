/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	netlink/specs/ksocket.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: selftests/static/netlink.sh */

#ifndef _LINUX_KSOCKET_GEN_H
#define _LINUX_KSOCKET_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/ksocket_netlink.h>

/* Common nested types */
extern const struct nla_policy ksocket_address_nl_policy[KSOCKET_A_ADDRESS_SCOPE + 1];

/* Global operation policy for ksocket */
extern const struct nla_policy ksocket_service_nl_policy[KSOCKET_A_SERVICE_NEWLINE + 1];

/* Ops table for ksocket */
extern const struct genl_small_ops ksocket_nl_ops[7];

int ksocket_nl_service_new_doit(struct sk_buff *skb, struct genl_info *info);
int ksocket_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info);
int ksocket_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info);
int ksocket_nl_service_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int ksocket_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info);
int ksocket_nl_stats_reset_doit(struct sk_buff *skb, struct genl_info *info);
int ksocket_nl_send_doit(struct sk_buff *skb, struct genl_info *info);
int ksocket_nl_conn_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);

enum {
	KSOCKET_NLGRP_EVENTS,
};

#endif /* _LINUX_KSOCKET_GEN_H */
