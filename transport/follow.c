// SPDX-License-Identifier: GPL-2.0
/*
 * Services follow the addresses and the devices of the host.
 *
 * A route that a socket has found is stale after any change of IPv4 addresses and
 * routes and of IPv6 routes, and after an IPv6 address is gone (rt_genid_bump_ipv6()).
 * Addresses need no care here but for the device in a link-local one.
 *
 * A socket is bound to the index of a device, and a service to a device that people
 * know by its name. A device that is renamed keeps its index, and the service takes
 * the new name. A device that is deleted is lost; the service waits for the next one
 * of that name, and its sockets are bound to no device meanwhile.
 *
 * An index may be given again as soon as RTNL is released. The notifier runs before
 * that and marks which devices of services are gone. It queues a work; the work takes
 * the namespace's lock and never RTNL, under which others wait for that lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <net/l3mdev.h>
#include <net/netns/generic.h>
#include <net/sock.h>

#include "ksocket.h"
#include "sock.h"

/* How long until a service that could not be bound again is tried once more. */
#define KSOCKET_FOLLOW_RETRY	HZ

/*
 * Devices may come before what the module keeps for their namespace, and go after it:
 * those of pernet operations that were registered earlier, and all when the set-up of
 * a namespace fails. The array may even have no place for it yet.
 *
 * Return: what is kept for the namespace, or NULL where services cannot be.
 */
static struct ksocket_net *ksocket_follow_net(const struct net *net)
{
	struct ksocket_net *kn = NULL;
	struct net_generic *gen;

	rcu_read_lock();
	gen = rcu_dereference(net->gen);
	if (gen->s.len > ksocket_net_id)
		kn = gen->ptr[ksocket_net_id];
	rcu_read_unlock();
	/* pairs with ksocket_follow_net_init() */
	return kn && smp_load_acquire(&kn->follow_open) ? kn : NULL;
}

/* Have the services looked at. @ifindex is that of a device that goes, or 0. */
static void ksocket_follow_queue(struct ksocket_net *kn, int ifindex)
{
	struct ksocket_device *device;

	spin_lock(&kn->follow_lock);
	list_for_each_entry(device, &kn->followed, node)
		if (ifindex && device->ifindex == ifindex)
			device->gone = true;
	if (kn->follow_open && !list_empty(&kn->followed))
		ksocket_watch_queue(&kn->follow, 0);
	spin_unlock(&kn->follow_lock);
}

/* Under RTNL. */
static int ksocket_follow_netdev(struct notifier_block *nb, unsigned long event,
				 void *data)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(data);
	struct ksocket_net *kn = ksocket_follow_net(dev_net(dev));

	if (!kn)
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_REGISTER:
	case NETDEV_CHANGENAME:
	case NETDEV_CHANGEUPPER:	/* it may be in a VRF now, or in none */
		ksocket_follow_queue(kn, 0);
		break;
	case NETDEV_UNREGISTER:
		/* Said again while references keep it: the index may be another's. */
		if (dev->reg_state <= NETREG_UNREGISTERING)
			ksocket_follow_queue(kn, dev->ifindex);
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

	if (ksocket_follow_index(cfg, role) == ifindex)
		return;
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

/* A service may depend on a device for two reasons; it is one event. */
static bool ksocket_follow_is_first(const struct ksocket_service *svc,
				    enum ksocket_device_role role)
{
	int i;

	for (i = 0; i < role; i++)
		if (!strcmp(svc->devices[i].name, svc->devices[role].name))
			return false;
	return true;
}

static void ksocket_follow_lose(struct ksocket_service *svc,
				enum ksocket_device_role role)
{
	struct ksocket_device *device = &svc->devices[role];

	WRITE_ONCE(device->lost, true);
	if (!ksocket_follow_is_first(svc, role))
		return;
	ksocket_info(svc->net, "service %s: device %s is gone\n",
		     svc->cfg.name, device->name);
	ksocket_nl_device(svc, device, 0);
}

/*
 * Is the device still there? If so, it may have another name. The notifier has
 * marked a device as gone before another one can have its index.
 */
static bool ksocket_follow_stays(struct ksocket_service *svc,
				 enum ksocket_device_role role)
{
	struct ksocket_device *device = &svc->devices[role];
	char name[IFNAMSIZ];
	bool stays;

	spin_lock(&svc->kn->follow_lock);
	stays = !device->gone &&
		ksocket_follow_name(svc->net, device->ifindex, name);
	spin_unlock(&svc->kn->follow_lock);
	if (stays)
		ksocket_follow_rename(svc, role, name);
	return stays;
}

/* Return: the index of the device that has the name now, or 0. */
static int ksocket_follow_take(struct ksocket_service *svc,
			       struct ksocket_device *device)
{
	int ifindex;

	spin_lock(&svc->kn->follow_lock);
	ifindex = ksocket_follow_find(svc->net, device->name);
	device->ifindex = ifindex;
	device->gone = false;
	spin_unlock(&svc->kn->follow_lock);
	return ifindex;
}

/* Return: the service has to be bound again, or to connect again. */
static bool ksocket_follow_device(struct ksocket_service *svc,
				  enum ksocket_device_role role)
{
	struct ksocket_device *device = &svc->devices[role];
	bool was_lost = device->lost;
	int ifindex;

	if (!device->name[0])
		return false;
	if (!was_lost && ksocket_follow_stays(svc, role))
		return false;

	if (!was_lost)
		ksocket_follow_lose(svc, role);
	ifindex = ksocket_follow_take(svc, device);
	if (!ifindex)
		return !was_lost;

	ksocket_follow_set_index(svc, role, ifindex);
	/* A connect that finds it there finds its index, too. */
	smp_store_release(&device->lost, false);
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

/* Return: 0, or the negative errno of the last worker that could not. */
static int ksocket_follow_rebind_workers(struct ksocket_service *svc)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < svc->cfg.threads; i++)
		err = svc->transport->rebind(&svc->workers[i]) ? : err;
	return err;
}

/*
 * Is the port free on the device? The stack does not check that for a socket that is
 * bound to another device, nor for one that shares its port. The service's own sockets
 * are out of the way meanwhile.
 */
static int ksocket_follow_probe(struct ksocket_service *svc)
{
	int err;

	WRITE_ONCE(svc->parked, true);
	err = ksocket_follow_rebind_workers(svc);
	WRITE_ONCE(svc->parked, false);
	if (err || ksocket_follow_ifindex(svc) == ksocket_no_device(svc))
		return err;
	return ksocket_sock_probe(svc);
}

/*
 * Another may have the port on the device: a service that had it there before a
 * rename, or a process. Then all workers hear nothing, and the devices count as lost.
 */
static int ksocket_follow_rebind(struct ksocket_service *svc, bool other_device)
{
	int role, err = 0;

	if (other_device)
		err = ksocket_follow_probe(svc);
	if (!err)
		err = ksocket_follow_rebind_workers(svc);
	if (!err)
		goto out;

	if (err != svc->rebind_err)
		pr_err_ratelimited("service %s: cannot bind to its device again, tries each second: errno %d\n",
				   svc->cfg.name, -err);
	for (role = KSOCKET_DEVICE_BOUND; role <= KSOCKET_DEVICE_LISTEN; role++)
		if (svc->devices[role].name[0])
			WRITE_ONCE(svc->devices[role].lost, true);
	if (ksocket_follow_ifindex(svc) == ksocket_no_device(svc))
		ksocket_follow_rebind_workers(svc);
out:
	svc->rebind_err = err;
	return err;
}

/* Has a socket no port, or another one to send from, as it could not be bound again? */
static bool ksocket_follow_is_unbound(const struct ksocket_service *svc)
{
	u16 port = ksocket_addr_port(&svc->cfg.listen);
	unsigned int i;

	if (!ksocket_has_listener(&svc->cfg))
		return false;
	for (i = 0; i < svc->cfg.threads; i++)
		if (svc->workers[i].listen &&
		    READ_ONCE(inet_sk(svc->workers[i].listen->sk)->inet_num) != port)
			return true;
	return false;
}

/* Tell which devices are back, and which are gone after all. */
static void ksocket_follow_tell(struct ksocket_service *svc,
				const bool was_lost[])
{
	int role;

	for (role = 0; role < KSOCKET_DEVICE_MAX; role++) {
		const struct ksocket_device *device = &svc->devices[role];

		if (device->lost && !was_lost[role])
			ksocket_follow_lose(svc, role);
		if (device->lost || !was_lost[role] ||
		    !ksocket_follow_is_first(svc, role))
			continue;
		ksocket_info(svc->net, "service %s: device %s is back\n",
			     svc->cfg.name, device->name);
		ksocket_nl_device(svc, device,
				  ksocket_follow_index(&svc->cfg, role));
	}
}

/* Return: it has to be tried again. */
static bool ksocket_follow_service(struct ksocket_service *svc)
{
	bool unbound = ksocket_follow_is_unbound(svc);
	bool was_lost[KSOCKET_DEVICE_MAX];
	bool moved[KSOCKET_DEVICE_MAX];
	bool listen, routes, any = false;
	int role, err = 0;

	for (role = 0; role < KSOCKET_DEVICE_MAX; role++) {
		moved[role] = ksocket_follow_device(svc, role);
		/* Told by then. */
		was_lost[role] = moved[role] || svc->devices[role].lost;
		any = any || moved[role];
	}
	routes = ksocket_follow_routes(svc);
	/* The reply sockets are connected again before they send. */
	if (any || routes) {
		smp_mb__before_atomic(); /* pairs with the barriers there */
		atomic_inc(&svc->kn->rebound_gen);
	}
	listen = moved[KSOCKET_DEVICE_BOUND] || moved[KSOCKET_DEVICE_LISTEN];
	/* TCP keeps which ports are taken for each VRF. */
	if (svc->transport->rebind &&
	    (listen || unbound || (routes && svc->transport->streams)))
		err = ksocket_follow_rebind(svc, listen);
	ksocket_follow_tell(svc, was_lost);
	return err;
}

/**
 * ksocket_follow_retry() - look in a second whether all services are bound
 * @kn: the namespace
 *
 * Context: process context.
 */
void ksocket_follow_retry(struct ksocket_net *kn)
{
	spin_lock(&kn->follow_lock);
	if (kn->follow_open && !delayed_work_pending(&kn->follow))
		ksocket_watch_queue(&kn->follow, KSOCKET_FOLLOW_RETRY);
	spin_unlock(&kn->follow_lock);
}

static void ksocket_follow_work(struct work_struct *work)
{
	struct ksocket_net *kn = container_of(to_delayed_work(work),
					      struct ksocket_net, follow);
	struct ksocket_service *svc;
	bool again = false;

	mutex_lock(&kn->lock);
	list_for_each_entry(svc, &kn->services, node)
		again |= ksocket_follow_service(svc);
	mutex_unlock(&kn->lock);
	if (again)
		ksocket_follow_retry(kn);
}

/* The device may have gone since the service was asked for. */
static void ksocket_follow_add(struct ksocket_service *svc,
			       enum ksocket_device_role role)
{
	struct ksocket_device *device = &svc->devices[role];
	struct ksocket_net *kn = svc->kn;
	char name[IFNAMSIZ] = "";

	device->ifindex = ksocket_follow_index(&svc->cfg, role);
	if (!device->ifindex)
		return;

	spin_lock(&kn->follow_lock);
	device->gone = !ksocket_follow_name(svc->net, device->ifindex, name);
	if (role == KSOCKET_DEVICE_BOUND) {
		device->gone |= strcmp(name, svc->cfg.device);
		strscpy(device->name, svc->cfg.device, IFNAMSIZ);
	} else if (device->gone) {
		snprintf(device->name, IFNAMSIZ, "%d", device->ifindex);
	} else {
		strscpy(device->name, name, IFNAMSIZ);
	}
	list_add_tail(&device->node, &kn->followed);
	spin_unlock(&kn->follow_lock);
}

/**
 * ksocket_follow_start() - follow the devices of a service
 * @svc: the service, in the list of its namespace
 *
 * Context: process context; the namespace's lock is held.
 */
void ksocket_follow_start(struct ksocket_service *svc)
{
	int role;

	lockdep_assert_held(&svc->kn->lock);

	for (role = 0; role < KSOCKET_DEVICE_MAX; role++)
		ksocket_follow_add(svc, role);
	ksocket_follow_queue(svc->kn, 0);
}

/**
 * ksocket_follow_stop() - do not follow the devices of a service any more
 * @svc: the service, not in that list any more
 *
 * Context: process context; the namespace's lock is held.
 */
void ksocket_follow_stop(struct ksocket_service *svc)
{
	int role;

	spin_lock(&svc->kn->follow_lock);
	for (role = 0; role < KSOCKET_DEVICE_MAX; role++)
		if (svc->devices[role].name[0])
			list_del(&svc->devices[role].node);
	spin_unlock(&svc->kn->follow_lock);
}

/**
 * ksocket_follow_ifindex() - the device that a listen socket has to be bound to
 * @svc: the service
 *
 * The scope of a link-local address comes first, as it does in bind().
 *
 * Return: the index, 0 for any, or ksocket_no_device() while a device is lost or the
 * service is parked.
 */
int ksocket_follow_ifindex(const struct ksocket_service *svc)
{
	if (READ_ONCE(svc->parked) ||
	    READ_ONCE(svc->devices[KSOCKET_DEVICE_BOUND].lost) ||
	    READ_ONCE(svc->devices[KSOCKET_DEVICE_LISTEN].lost))
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
	flush_delayed_work(&kn->follow);
}

/**
 * ksocket_follow_net_init() - there are no services yet
 * @kn: of a new namespace
 */
void ksocket_follow_net_init(struct ksocket_net *kn)
{
	INIT_DELAYED_WORK(&kn->follow, ksocket_follow_work);
	INIT_LIST_HEAD(&kn->followed);
	spin_lock_init(&kn->follow_lock);
	/* pairs with ksocket_follow_net() */
	smp_store_release(&kn->follow_open, true);
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
	WRITE_ONCE(kn->follow_open, false);
	spin_unlock(&kn->follow_lock);
	cancel_delayed_work_sync(&kn->follow);
}

/**
 * ksocket_follow_init() - look at the devices of all namespaces from now on
 *
 * Return: 0 or a negative errno.
 */
int ksocket_follow_init(void)
{
	return register_netdevice_notifier(&ksocket_follow_netdevs);
}

/**
 * ksocket_follow_exit() - undo ksocket_follow_init()
 */
void ksocket_follow_exit(void)
{
	unregister_netdevice_notifier(&ksocket_follow_netdevs);
}
