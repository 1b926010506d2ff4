// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets follow the addresses of the host. A change of IPv4 addresses or routes,
 * and of IPv6 routes, makes the route that a socket has found stale. The address
 * of an IPv6 socket may go and leave the route as it is: such changes are
 * counted here.
 */
#include <linux/notifier.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>

#include "ksocket.h"

/* Atomic context. */
static int ksocket_follow_address6(struct notifier_block *nb,
				   unsigned long event, void *data)
{
	const struct inet6_ifaddr *ifa = data;

	atomic_inc(&ksocket_net(dev_net(ifa->idev->dev))->addresses_gen);
	return NOTIFY_DONE;
}

static struct notifier_block ksocket_follow_addresses6 = {
	.notifier_call = ksocket_follow_address6,
};

/**
 * ksocket_follow_init() - look at the addresses of all namespaces from now on
 *
 * Return: 0 or a negative errno.
 */
int ksocket_follow_init(void)
{
	return register_inet6addr_notifier(&ksocket_follow_addresses6);
}

/**
 * ksocket_follow_exit() - undo ksocket_follow_init()
 */
void ksocket_follow_exit(void)
{
	unregister_inet6addr_notifier(&ksocket_follow_addresses6);
}
