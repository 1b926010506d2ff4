// SPDX-License-Identifier: GPL-2.0
/*
 * What a service costs, and to which account it goes: the cgroups of the task
 * that starts it, and the limits of the user whose namespace it runs in.
 *
 * Cgroups: the sockets, buffers and queues that exist from the start are made by
 * that task, so the kernel charges them to its cgroups by itself. What comes later
 * is made by the worker's thread, which is a child of kthreadd and therefore of the
 * root cgroup. So the thread moves to the cgroups of the task before it serves:
 * accepted sockets, connections to receivers and processor time are charged there.
 * The service holds a reference on the memory cgroup, for what the thread
 * allocates.
 *
 * Users: a task that may create a user namespace may start services in it, and
 * no rlimit counts the threads of the kernel. The kernel's own limits per user, the
 * ucounts, are not exported to modules, so the table below does the same.
 */
#include <linux/cgroup.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "ksocket.h"

/* Threads of one user, and of all users together. */
#define KSOCKET_USER_THREADS		256
#define KSOCKET_USERS_THREADS		2048

/* TCP connections, in the same way. */
#define KSOCKET_USER_CONNECTIONS	8192
#define KSOCKET_USERS_CONNECTIONS	65536

/**
 * struct ksocket_user - what the services of one user have
 * @node: in ksocket_users
 * @uid: the user, as the initial user namespace knows it
 * @ns: the namespace, where root has created it for others; NULL for the rest
 * @services: services that refer to this
 * @threads: their threads
 * @connections: their TCP connections
 */
struct ksocket_user {
	struct list_head node;
	kuid_t uid;
	const struct user_namespace *ns;
	unsigned int services;
	unsigned int threads;
	atomic_t connections;
};

static DEFINE_MUTEX(ksocket_users_lock);
static LIST_HEAD(ksocket_users);	/* under ksocket_users_lock */
static unsigned int ksocket_users_threads;	/* likewise */
static atomic_t ksocket_users_connections;

/*
 * However deep namespaces are nested, one user has created the outermost of them
 * from the initial one. Root does so for containers, each of which counts by
 * itself. No service outlives its namespace, so the pointer stays valid.
 */
static void ksocket_user_of(const struct user_namespace *ns,
			    struct ksocket_user *key)
{
	while (ns->parent != &init_user_ns)
		ns = ns->parent;

	key->uid = ns->owner;
	key->ns = uid_eq(ns->owner, GLOBAL_ROOT_UID) ? ns : NULL;
}

static struct ksocket_user *ksocket_user_get(const struct user_namespace *ns)
{
	struct ksocket_user key, *user;

	lockdep_assert_held(&ksocket_users_lock);

	ksocket_user_of(ns, &key);
	list_for_each_entry(user, &ksocket_users, node) {
		if (uid_eq(user->uid, key.uid) && user->ns == key.ns) {
			user->services++;
			return user;
		}
	}

	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;

	user->uid = key.uid;
	user->ns = key.ns;
	user->services = 1;
	list_add(&user->node, &ksocket_users);
	return user;
}

static void ksocket_user_put(struct ksocket_user *user)
{
	lockdep_assert_held(&ksocket_users_lock);

	if (--user->services)
		return;

	list_del(&user->node);
	kfree(user);
}

static int ksocket_user_charge(struct ksocket_service *svc,
			       struct ksocket_report *rep)
{
	unsigned int threads = svc->cfg.threads;
	struct ksocket_user *user;

	user = ksocket_user_get(svc->net->user_ns);
	if (!user)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for a service",
					    "no memory for a service");

	if (user->threads + threads > KSOCKET_USER_THREADS ||
	    ksocket_users_threads + threads > KSOCKET_USERS_THREADS) {
		ksocket_user_put(user);
		return ksocket_report_field(rep, -EUSERS, KSOCKET_FIELD_THREADS,
					    "too many threads in user namespaces",
					    "too many threads in user namespaces, allowed %d for a user and %d for all",
					    KSOCKET_USER_THREADS,
					    KSOCKET_USERS_THREADS);
	}

	user->threads += threads;
	ksocket_users_threads += threads;
	svc->user = user;
	return 0;
}

/**
 * ksocket_owner_charge() - charge a service to the task that starts it
 * @svc: the service, new
 * @rep: says what was wrong
 *
 * Context: process context of that task, may sleep.
 * Return: 0, -EUSERS or -ENOMEM.
 */
int ksocket_owner_charge(struct ksocket_service *svc,
			 struct ksocket_report *rep)
{
	int err;

	svc->memcg = get_mem_cgroup_from_mm(current->mm);
	if (svc->net->user_ns == &init_user_ns)
		return 0;

	mutex_lock(&ksocket_users_lock);
	err = ksocket_user_charge(svc, rep);
	mutex_unlock(&ksocket_users_lock);
	return err;
}

/**
 * ksocket_owner_uncharge() - undo ksocket_owner_charge(), also a failed one
 * @svc: the service; it has no connection any more
 *
 * Context: process context, may sleep.
 */
void ksocket_owner_uncharge(struct ksocket_service *svc)
{
	mem_cgroup_put(svc->memcg);
	if (!svc->user)
		return;

	mutex_lock(&ksocket_users_lock);
	svc->user->threads -= svc->cfg.threads;
	ksocket_users_threads -= svc->cfg.threads;
	ksocket_user_put(svc->user);
	mutex_unlock(&ksocket_users_lock);
}

/**
 * ksocket_owner_conn_charge() - may the user have one more connection?
 * @svc: the service
 *
 * Return: true if so, until ksocket_owner_conn_uncharge().
 */
bool ksocket_owner_conn_charge(struct ksocket_service *svc)
{
	struct ksocket_user *user = svc->user;

	if (!user)
		return true;

	if (atomic_inc_return(&user->connections) > KSOCKET_USER_CONNECTIONS)
		goto err_user;
	if (atomic_inc_return(&ksocket_users_connections) >
	    KSOCKET_USERS_CONNECTIONS)
		goto err_users;
	return true;

err_users:
	atomic_dec(&ksocket_users_connections);
err_user:
	atomic_dec(&user->connections);
	return false;
}

/**
 * ksocket_owner_conn_uncharge() - the user has one connection less
 * @svc: the service
 */
void ksocket_owner_conn_uncharge(struct ksocket_service *svc)
{
	if (!svc->user)
		return;

	atomic_dec(&ksocket_users_connections);
	atomic_dec(&svc->user->connections);
}

/**
 * ksocket_owner_join() - move the current thread to the cgroups of a task
 * @net: the namespace of the thread's service
 * @task: the task, which waits for the thread
 *
 * The thread moves itself: a cpuset asks whether the current task may move another,
 * and a task that may no more than start services may not.
 *
 * Not in the initial namespace: a service there outlives the unit or the session that
 * starts it, and a service manager would wait for the thread, which no signal ends,
 * whenever it stops that unit. The services of a container end with its namespace.
 *
 * To move a task makes all forks and exits of the machine wait for a moment. So it
 * is left out where both are in the same cgroups, the root ones.
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno.
 */
int ksocket_owner_join(const struct net *net, struct task_struct *task)
{
	if (net_eq(net, &init_net))
		return 0;
#ifdef CONFIG_CGROUPS
	if (rcu_access_pointer(task->cgroups) ==
	    rcu_access_pointer(current->cgroups))
		return 0;
#endif
	return cgroup_attach_task_all(task, current);
}

/**
 * ksocket_owner_adopt() - charge a socket of a thread to the service's cgroup
 * @svc: the service
 * @sk: the socket, accepted or new
 *
 * The stack has done it, where the thread is in that cgroup. See
 * ksocket_sk_set_memcg() for where it is not.
 *
 * Context: process context, may sleep; takes the lock of the socket.
 */
void ksocket_owner_adopt(const struct ksocket_service *svc, struct sock *sk)
{
	ksocket_sk_set_memcg(sk, svc->memcg);
}
