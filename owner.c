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
 * At the limit of a memory cgroup, a charge that may sleep has the kernel kill a
 * process of that cgroup. The kernel cannot kill a thread of its own, and peers
 * decide how much the sockets of a TCP service take: they would have all other
 * processes of the container killed. So near the limit a charge goes through without
 * that. In return a service that lacks memory turns new connections away and sends
 * no more than it takes to go on.
 *
 * Users: a task that may create a user namespace may start services in it, and
 * no rlimit counts the threads of the kernel. The kernel's own limits per user, the
 * ucounts, are not exported to modules, so the table below does the same.
 */
#include <linux/cgroup.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mutex.h>
#include <linux/page_counter.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
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

/* Pages that one direction of a connection takes in its turn at most. */
#define KSOCKET_OWNER_TURN		(SZ_256K >> PAGE_SHIFT)

/* Near the limit: softirqs may take so many until a turn is over. */
#define KSOCKET_OWNER_NEAR		(SZ_64M >> PAGE_SHIFT)

/* When to ask again for memory that was not there. */
#define KSOCKET_OWNER_AGAIN		(HZ / 20)

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

/* @fresh is taken, and set to NULL, where the user has no service yet. */
static struct ksocket_user *ksocket_user_get(const struct user_namespace *ns,
					     struct ksocket_user **fresh)
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

	user = *fresh;
	*fresh = NULL;
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

static int ksocket_user_add_threads(struct ksocket_user *user,
				    unsigned int threads,
				    struct ksocket_report *rep)
{
	lockdep_assert_held(&ksocket_users_lock);

	if (user->threads + threads > KSOCKET_USER_THREADS ||
	    ksocket_users_threads + threads > KSOCKET_USERS_THREADS)
		return ksocket_report_field(rep, -EUSERS, KSOCKET_FIELD_THREADS,
					    "too many threads in user namespaces",
					    "too many threads in user namespaces, allowed %d for a user and %d for all",
					    KSOCKET_USER_THREADS,
					    KSOCKET_USERS_THREADS);

	user->threads += threads;
	ksocket_users_threads += threads;
	return 0;
}

static void ksocket_user_sub_threads(struct ksocket_user *user,
				     unsigned int threads)
{
	lockdep_assert_held(&ksocket_users_lock);

	user->threads -= threads;
	ksocket_users_threads -= threads;
}

static int ksocket_user_charge(struct ksocket_service *svc,
			       struct ksocket_user **fresh,
			       struct ksocket_report *rep)
{
	struct ksocket_net *kn = svc->kn;
	unsigned int kept = min(kn->kept_threads, svc->cfg.threads);
	struct ksocket_user *user = ksocket_user_get(svc->net->user_ns, fresh);
	int err;

	err = ksocket_user_add_threads(user, svc->cfg.threads - kept, rep);
	if (err) {
		ksocket_user_put(user);
		return err;
	}

	kn->kept_threads -= kept;
	svc->user = user;
	return 0;
}

/* Return: the service is in a memory cgroup, not the root. */
static bool ksocket_owner_is_limited(const struct ksocket_service *svc)
{
#ifdef CONFIG_MEMCG
	return svc->memcg && svc->memcg->css.parent;
#else
	return false;
#endif
}

/**
 * ksocket_owner_charge() - charge a service to the task that starts it
 * @svc: the service, new
 * @rep: says what was wrong
 *
 * Context: process context of that task, may sleep; the namespace's lock is held.
 * Return: 0, -EUSERS or -ENOMEM.
 */
int ksocket_owner_charge(struct ksocket_service *svc,
			 struct ksocket_report *rep)
{
	struct ksocket_user *fresh;
	unsigned int i;
	int err;

	svc->memcg = get_mem_cgroup_from_mm(current->mm);
	for (i = 0; i < svc->cfg.threads; i++)
		svc->workers[i].memory.limited = ksocket_owner_is_limited(svc);
	if (svc->net->user_ns == &init_user_ns)
		return 0;

	/* A task whose cgroup has no memory left waits, and other users do not. */
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ksocket_report_field(rep, -ENOMEM, KSOCKET_FIELD_NONE,
					    "no memory for a service",
					    "no memory for a service");

	mutex_lock(&ksocket_users_lock);
	err = ksocket_user_charge(svc, &fresh, rep);
	mutex_unlock(&ksocket_users_lock);
	kfree(fresh);
	return err;
}

/**
 * ksocket_owner_uncharge() - undo ksocket_owner_charge(), also a failed one
 * @svc: the service; it has no connection any more
 *
 * Context: process context, may sleep; the namespace's lock is held.
 */
void ksocket_owner_uncharge(struct ksocket_service *svc)
{
	mem_cgroup_put(svc->memcg);
	if (!svc->user)
		return;

	mutex_lock(&ksocket_users_lock);
	if (svc->kn->kept_user)
		svc->kn->kept_threads += svc->cfg.threads;
	else
		ksocket_user_sub_threads(svc->user, svc->cfg.threads);
	ksocket_user_put(svc->user);
	mutex_unlock(&ksocket_users_lock);
}

/**
 * ksocket_owner_keep() - keep the threads of a service for what replaces it
 * @old: the service, which still runs
 * @threads: how many threads the new service has
 * @rep: says what was wrong
 *
 * Until ksocket_owner_release() the user's other namespaces cannot take what @old gives
 * back: the new service, or @old again, would have no place and be lost.
 *
 * Context: process context, may sleep; the namespace's lock is held.
 * Return: 0 or -EUSERS.
 */
int ksocket_owner_keep(struct ksocket_service *old, unsigned int threads,
		       struct ksocket_report *rep)
{
	unsigned int more = threads - min(threads, old->cfg.threads);
	struct ksocket_user *user = old->user;
	struct ksocket_net *kn = old->kn;
	int err;

	lockdep_assert_held(&kn->lock);
	if (!user)
		return 0;

	mutex_lock(&ksocket_users_lock);
	err = ksocket_user_add_threads(user, more, rep);
	if (!err) {
		user->services++;
		kn->kept_user = user;
		kn->kept_threads = more;
	}
	mutex_unlock(&ksocket_users_lock);
	return err;
}

/**
 * ksocket_owner_release() - give back what is left of ksocket_owner_keep()
 * @kn: the namespace
 *
 * Context: process context, may sleep; the namespace's lock is held.
 */
void ksocket_owner_release(struct ksocket_net *kn)
{
	lockdep_assert_held(&kn->lock);
	if (!kn->kept_user)
		return;

	mutex_lock(&ksocket_users_lock);
	ksocket_user_sub_threads(kn->kept_user, kn->kept_threads);
	ksocket_user_put(kn->kept_user);
	mutex_unlock(&ksocket_users_lock);
	kn->kept_user = NULL;
	kn->kept_threads = 0;
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

/* Return: the pages that are left up to the next limit. */
static unsigned long ksocket_owner_margin(const struct ksocket_service *svc)
{
	unsigned long margin = ULONG_MAX;
#ifdef CONFIG_MEMCG
	const struct page_counter *counter;

	for (counter = &svc->memcg->memory; counter; counter = counter->parent) {
		unsigned long max = READ_ONCE(counter->max), usage;

		/* Others write to the usage all the time. */
		if (max == PAGE_COUNTER_MAX)
			continue;
		usage = atomic_long_read(&counter->usage);
		margin = min(margin, max > usage ? max - usage : 0);
	}
#endif
	return margin;
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
	/* What ksocket_owner_begin() permits is not meant for payload. */
	if (ksocket_owner_is_limited(svc))
		sk->sk_allocation |= __GFP_NOMEMALLOC | __GFP_NOWARN;
}

/**
 * ksocket_owner_enter() - ksocket_owner_begin() in a cgroup
 * @worker: the worker
 */
void ksocket_owner_enter(struct ksocket_worker *worker)
{
	struct ksocket_memory *memory = &worker->memory;

	/* It would never be undone. */
	if (WARN_ON_ONCE(memory->forced))
		return;

	memory->forced = ksocket_owner_margin(worker->svc) < KSOCKET_OWNER_NEAR;
	if (unlikely(memory->forced))
		memory->flags = memalloc_noreclaim_save();
}

/**
 * ksocket_owner_leave() - ksocket_owner_end() in a cgroup
 * @worker: the worker
 */
void ksocket_owner_leave(struct ksocket_worker *worker)
{
	if (unlikely(worker->memory.forced))
		memalloc_noreclaim_restore(worker->memory.flags);
	worker->memory.forced = false;
}

/*
 * Have room made, if there is something to reclaim, but nothing killed for it. What is
 * tried is what a turn takes: a few pages may come from those that a CPU has charged
 * in advance.
 */
static bool ksocket_owner_try_memory(struct ksocket_worker *worker)
{
	struct page *pages[KSOCKET_OWNER_TURN];
	struct mem_cgroup *active;
	unsigned int got, i;

	/* A charge that always goes through tells nothing. */
	ksocket_owner_leave(worker);
	active = ksocket_set_active_memcg(worker->svc->memcg);
	for (got = 0; got < KSOCKET_OWNER_TURN; got++) {
		pages[got] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
					__GFP_NOWARN);
		if (!pages[got])
			break;
	}
	for (i = 0; i < got; i++)
		__free_page(pages[i]);
	ksocket_set_active_memcg(active);
	ksocket_owner_enter(worker);
	return got == KSOCKET_OWNER_TURN;
}

/* Return: a cgroup pays for what the socket takes. */
static bool ksocket_owner_pays(const struct sock *sk)
{
#ifdef CONFIG_MEMCG
	return mem_cgroup_sockets_enabled && READ_ONCE(sk->sk_memcg);
#else
	return false;
#endif
}

/**
 * ksocket_owner_ask_memory() - ksocket_owner_has_memory() in a cgroup
 * @worker: the worker
 * @sk: the socket
 *
 * Context: process context, may sleep.
 * Return: true if so.
 */
bool ksocket_owner_ask_memory(struct ksocket_worker *worker,
			      const struct sock *sk)
{
	struct ksocket_memory *memory = &worker->memory;

	/* What this turn has taken so far may have come near the limit. */
	if (likely(!memory->forced))
		ksocket_owner_enter(worker);
	if (likely(!memory->forced) || !ksocket_owner_pays(sk))
		return true;
	if (ksocket_owner_margin(worker->svc) >= KSOCKET_OWNER_TURN) {
		memory->lacks = false;
		return true;
	}

	/* Reclaim takes time: hundreds of connections do not ask for it one by one. */
	if (!memory->lacks || time_after_eq(jiffies, memory->until)) {
		memory->lacks = !ksocket_owner_try_memory(worker);
		memory->until = jiffies + KSOCKET_OWNER_AGAIN;
	}
	return !memory->lacks;
}
