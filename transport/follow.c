// SPDX-License-Identifier: GPL-2.0
/*
 * Services follow the addresses and the devices of the host.
 *
 * A change of IPv4 addresses or routes, and of IPv6 routes, makes the route that a
 * socket has found stale. The address of an IPv6 socket may go and leave the route
 * as it is: such changes are counted here.
 *
 * A socket is bound to the index of a device, and a service to a device that people
 * know by its name. A device that is renamed keeps its index, and the service takes
 * the new name. A device that is deleted is lost; the service waits for the next one
 * of that name, and its sockets are bound to no device meanwhile, as an index may be
 * given again; so the notifier notes which were given up. It runs under RTNL and
 * queues a work; the work takes the namespace's lock and never RTNL, under which
 * others wait for that lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <net/l3mdev.h>
#include <net/sock.h>

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

/* @ifindex is that of a device that is deleted, or 0. */
static void ksocket_follow_queue(struct ksocket_net *kn, int ifindex)
{
	struct ksocket_gone *gone = &kn->follow_gone;

	spin_lock(&kn->follow_lock);
	if (ifindex)
		gone->ifindex[gone->count++ % KSOCKET_FOLLOW_GONE] = ifindex;
	if (!kn->follow_closed)
		ksocket_watch_queue(&kn->follow);
	spin_unlock(&kn->follow_lock);
}

/* Under RTNL. */
static int ksocket_follow_netdev(struct notifier_block *nb, unsigned long event,
				 void *data)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(data);
	struct net *net = dev_net(dev);

	switch (event) {
	case NETDEV_REGISTER:
		/*
		 * The loopback device comes before what we keep for a namespace,
		 * which may even have no place for it: net_alloc() may have been
		 * before the module was there.
		 */
		if (dev->flags & IFF_LOOPBACK)
			break;
		fallthrough;
	case NETDEV_CHANGENAME:
	case NETDEV_CHANGEUPPER:	/* it may be in a VRF now, or in none */
		ksocket_follow_queue(ksocket_net(net), 0);
		break;
	case NETDEV_UNREGISTER:
		ksocket_follow_queue(ksocket_net(net), dev->ifindex);
	}
	return NOTIFY_DONE;
}

static struct notifier_block ksocket_follow_netdevs = {
	.notifier_call = ksocket_follow_netdev,
};

/* Return: the scope of @addr, or 0. */
static int ksocket_follow_scope(const union ksocket_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? addr->in6.sin6_scope_id : 0;
}

static int ksocket_follow_index(const struct ksocket_config *cfg,
				enum ksocket_device_role role)
{
	switch (role) {
	case KSOCKET_DEVICE_BOUND:
		return cfg->ifindex;
	case KSOCKET_DEVICE_LISTEN:
		return ksocket_has_listener(cfg) ?
		       ksocket_follow_scope(&cfg->listen) : 0;
	default:
		return ksocket_has_receiver(cfg) ?
		       ksocket_follow_scope(&cfg->reply) : 0;
	}
}

/* The endpoint of the guard has the scope in its key. */
static void ksocket_follow_move_listen(struct ksocket_service *svc, int ifindex)
{
	struct ksocket_report rep = {};

	ksocket_guard_detach(svc);
	/* Others may be looking at the endpoint where it was. */
	synchronize_rcu_expedited();
	WRITE_ONCE(svc->cfg.listen.in6.sin6_scope_id, ifindex);
	if (ksocket_guard_attach(svc, &rep))
		pr_err_ratelimited("service %s is not seen in loops any more: %s\n",
				   svc->cfg.name, rep.text);
}

static void ksocket_follow_set_index(struct ksocket_service *svc,
				     enum ksocket_device_role role, int ifindex)
{
	struct ksocket_config *cfg = &svc->cfg;

	switch (role) {
	case KSOCKET_DEVICE_BOUND:
		WRITE_ONCE(cfg->ifindex, ifindex);
		break;
	case KSOCKET_DEVICE_LISTEN:
		ksocket_follow_move_listen(svc, ifindex);
		break;
	default:
		WRITE_ONCE(cfg->reply.in6.sin6_scope_id, ifindex);
	}
	ksocket_service_describe(svc);
}

/* Return: there is a device of that index, and @name is its name. */
static bool ksocket_follow_name(struct net *net, int ifindex,
				char name[IFNAMSIZ])
{
	const struct net_device *dev;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	if (dev)
		strscpy(name, dev->name, IFNAMSIZ);
	rcu_read_unlock();
	return dev;
}

/* Return: the index of the device of that name, or 0. */
static int ksocket_follow_find(struct net *net, const char *name)
{
	const struct net_device *dev;
	int ifindex = 0;

	rcu_read_lock();
	dev = dev_get_by_name_rcu(net, name);
	if (dev)
		ifindex = dev->ifindex;
	rcu_read_unlock();
	return ifindex;
}

static int ksocket_follow_vrf(struct net *net, int ifindex)
{
	struct net_device *dev;
	int vrf = 0;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	if (dev)
		vrf = l3mdev_master_ifindex_rcu(dev);
	rcu_read_unlock();
	return vrf;
}

static void ksocket_follow_rename(struct ksocket_service *svc,
				  enum ksocket_device_role role,
				  const char name[IFNAMSIZ])
{
	strscpy(svc->devices[role].name, name, IFNAMSIZ);
	if (role == KSOCKET_DEVICE_BOUND)
		strscpy(svc->cfg.device, name, IFNAMSIZ);
}

static void ksocket_follow_lose(struct ksocket_service *svc,
				enum ksocket_device_role role)
{
	struct ksocket_device *device = &svc->devices[role];

	device->lost = true;
	ksocket_info(svc->net, "service %s: device %s is gone\n",
		     svc->cfg.name, device->name);
	ksocket_nl_device(svc, device, 0);
}

/* Return: a device with that index was deleted since the work has last looked. */
static bool ksocket_follow_was_deleted(const struct ksocket_gone *gone, int ifindex)
{
	unsigned int i;

	for (i = 0; i < min(gone->count, KSOCKET_FOLLOW_GONE); i++)
		if (gone->ifindex[i] == ifindex)
			return true;
	return false;
}

/* Is the device still there? If so, it may have another name. */
static bool ksocket_follow_stays(struct ksocket_service *svc,
				 enum ksocket_device_role role,
				 const struct ksocket_gone *gone)
{
	int ifindex = ksocket_follow_index(&svc->cfg, role);
	char name[IFNAMSIZ];

	if (ksocket_follow_was_deleted(gone, ifindex) ||
	    !ksocket_follow_name(svc->net, ifindex, name))
		return false;
	/* So many were deleted that not all are known: only the name counts. */
	if (gone->count > KSOCKET_FOLLOW_GONE &&
	    strcmp(name, svc->devices[role].name))
		return false;

	ksocket_follow_rename(svc, role, name);
	return true;
}

/* Return: the service has to be bound again. */
static bool ksocket_follow_device(struct ksocket_service *svc,
				  enum ksocket_device_role role,
				  const struct ksocket_gone *gone)
{
	struct ksocket_device *device = &svc->devices[role];
	bool was_lost = device->lost;
	int ifindex;

	if (!device->name[0])
		return false;
	if (!was_lost && ksocket_follow_stays(svc, role, gone))
		return false;

	if (!was_lost)
		ksocket_follow_lose(svc, role);
	ifindex = ksocket_follow_find(svc->net, device->name);
	if (!ifindex)
		return !was_lost;

	ksocket_follow_set_index(svc, role, ifindex);
	device->lost = false;
	return true;
}

/* Return: replies have to take other routes. */
static bool ksocket_follow_routes(struct ksocket_service *svc)
{
	struct ksocket_config *cfg = &svc->cfg;
	int ifindex;

	if (!svc->devices[KSOCKET_DEVICE_BOUND].name[0])
		return false;
	if (svc->devices[KSOCKET_DEVICE_BOUND].lost)
		ifindex = ksocket_no_device(svc);
	else if (ksocket_has_listener(cfg))
		ifindex = ksocket_follow_vrf(svc->net, cfg->ifindex);
	else
		ifindex = cfg->ifindex;
	if (ifindex == cfg->reply_ifindex)
		return false;

	WRITE_ONCE(cfg->reply_ifindex, ifindex);
	return true;
}

/* Return: 0, or the negative errno of the first worker that could not. */
static int ksocket_follow_rebind(struct ksocket_service *svc)
{
	unsigned int i;
	int err = 0;

	if (!svc->transport->rebind)
		return 0;
	for (i = 0; i < svc->cfg.threads; i++)
		err = svc->transport->rebind(&svc->workers[i]) ? : err;
	return err;
}

/* Has a socket no port, as it could not be bound again? */
static bool ksocket_follow_is_unbound(const struct ksocket_service *svc)
{
	unsigned int i;

	for (i = 0; i < svc->cfg.threads; i++)
		if (svc->workers[i].listen &&
		    !READ_ONCE(inet_sk(svc->workers[i].listen->sk)->inet_num))
			return true;
	return false;
}

static void ksocket_follow_tell_back(struct ksocket_service *svc,
				     const struct ksocket_device *device,
				     enum ksocket_device_role role)
{
	ksocket_info(svc->net, "service %s: device %s is back\n",
		     svc->cfg.name, device->name);
	ksocket_nl_device(svc, device, ksocket_follow_index(&svc->cfg, role));
}

/*
 * When a port of a service with several threads is bound again, another may have
 * it. The devices count as lost then, and the next event tries once more.
 */
static void ksocket_follow_move(struct ksocket_service *svc, const bool moved[])
{
	int err = ksocket_follow_rebind(svc);
	int role;

	if (err)
		pr_err_ratelimited("service %s: cannot bind to its device again: errno %d\n",
				   svc->cfg.name, -err);
	for (role = 0; role < KSOCKET_DEVICE_MAX; role++) {
		struct ksocket_device *device = &svc->devices[role];

		if (!moved[role] || device->lost)
			continue;
		if (err)
			device->lost = true;
		else
			ksocket_follow_tell_back(svc, device, role);
	}
}

static void ksocket_follow_service(struct ksocket_service *svc,
				   const struct ksocket_gone *gone)
{
	bool any = ksocket_follow_is_unbound(svc);
	bool moved[KSOCKET_DEVICE_MAX];
	bool routes;
	int role;

	for (role = 0; role < KSOCKET_DEVICE_MAX; role++) {
		moved[role] = ksocket_follow_device(svc, role, gone);
		any = any || moved[role];
	}
	routes = ksocket_follow_routes(svc);
	/* The reply sockets are connected again before they send. */
	if (any || routes) {
		smp_mb__before_atomic(); /* pairs with the barriers there */
		atomic_inc(&svc->kn->addresses_gen);
	}
	if (any)
		ksocket_follow_move(svc, moved);
}

static void ksocket_follow_work(struct work_struct *work)
{
	struct ksocket_net *kn = container_of(work, struct ksocket_net, follow);
	struct ksocket_service *svc;
	struct ksocket_gone gone;

	mutex_lock(&kn->lock);
	spin_lock(&kn->follow_lock);
	gone = kn->follow_gone;
	kn->follow_gone.count = 0;
	spin_unlock(&kn->follow_lock);
	list_for_each_entry(svc, &kn->services, node)
		ksocket_follow_service(svc, &gone);
	mutex_unlock(&kn->lock);
}

/**
 * ksocket_follow_start() - follow the devices of a service
 * @svc: the service, in the list of its namespace
 *
 * A device may have gone since the service was asked for, before it was in the list.
 *
 * Context: process context; the namespace's lock is held.
 */
void ksocket_follow_start(struct ksocket_service *svc)
{
	bool any = false;
	int role;

	lockdep_assert_held(&svc->kn->lock);

	strscpy(svc->devices[KSOCKET_DEVICE_BOUND].name, svc->cfg.device,
		IFNAMSIZ);
	for (role = 0; role < KSOCKET_DEVICE_MAX; role++) {
		struct ksocket_device *device = &svc->devices[role];
		int ifindex = ksocket_follow_index(&svc->cfg, role);

		if (role != KSOCKET_DEVICE_BOUND && ifindex &&
		    !ksocket_follow_name(svc->net, ifindex, device->name))
			snprintf(device->name, IFNAMSIZ, "%d", ifindex);
		any = any || device->name[0];
	}
	if (any)
		ksocket_follow_queue(svc->kn, 0);
}

/**
 * ksocket_follow_ifindex() - the device that a listen socket has to be bound to
 * @svc: the service
 *
 * The scope of a link-local address comes first, as it does in bind().
 *
 * Return: the index, 0 for any, or ksocket_no_device() while a device is lost.
 */
int ksocket_follow_ifindex(const struct ksocket_service *svc)
{
	if (svc->devices[KSOCKET_DEVICE_BOUND].lost ||
	    svc->devices[KSOCKET_DEVICE_LISTEN].lost)
		return ksocket_no_device(svc);
	return ksocket_follow_scope(&svc->cfg.listen) ? :
	       READ_ONCE(svc->cfg.ifindex);
}

/**
 * ksocket_follow_is_lost() - is a device gone that a service depends on?
 * @svc: the service
 *
 * Return: true if so.
 */
bool ksocket_follow_is_lost(const struct ksocket_service *svc)
{
	int role;

	for (role = 0; role < KSOCKET_DEVICE_MAX; role++)
		if (svc->devices[role].lost)
			return true;
	return false;
}

/**
 * ksocket_follow_settle() - wait until the devices are known that there are by now
 * @kn: the namespace
 *
 * Who makes a device and asks for a service on it must not find the one before.
 *
 * Context: process context, may sleep; without the namespace's lock.
 */
void ksocket_follow_settle(struct ksocket_net *kn)
{
	flush_work(&kn->follow);
}

/**
 * ksocket_follow_net_init() - there are no services yet
 * @kn: of a new namespace
 */
void ksocket_follow_net_init(struct ksocket_net *kn)
{
	INIT_WORK(&kn->follow, ksocket_follow_work);
	spin_lock_init(&kn->follow_lock);
}

/**
 * ksocket_follow_net_exit() - there are no services any more
 * @kn: of a namespace that ends; devices go after that
 *
 * Context: process context, may sleep.
 */
void ksocket_follow_net_exit(struct ksocket_net *kn)
{
	spin_lock(&kn->follow_lock);
	kn->follow_closed = true;
	spin_unlock(&kn->follow_lock);
	cancel_work_sync(&kn->follow);
}

/**
 * ksocket_follow_init() - look at the addresses and devices of all namespaces from
 * now on
 *
 * Return: 0 or a negative errno.
 */
int ksocket_follow_init(void)
{
	int err;

	err = register_inet6addr_notifier(&ksocket_follow_addresses6);
	if (err)
		return err;

	err = register_netdevice_notifier(&ksocket_follow_netdevs);
	if (err)
		unregister_inet6addr_notifier(&ksocket_follow_addresses6);
	return err;
}

/**
 * ksocket_follow_exit() - undo ksocket_follow_init()
 */
void ksocket_follow_exit(void)
{
	unregister_netdevice_notifier(&ksocket_follow_netdevs);
	unregister_inet6addr_notifier(&ksocket_follow_addresses6);
}
