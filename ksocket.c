// SPDX-License-Identifier: GPL-2.0
/*
 * ksocket: UDP echo and relay daemon in the kernel
 *
 * A service is a handful of kthreads. Each waits on its own bound socket,
 * takes datagrams into its own fixed buffer and answers through a second,
 * connected socket, or to the sender. This file is the daemon: the way of a
 * datagram, the life of a service, the namespaces, the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "ksocket.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Datagrams in a row before the thread offers the CPU to others. */
#define KSOCKET_BUDGET	64

static unsigned int ksocket_net_id;

/**
 * ksocket_net() - what ksocket keeps for a namespace
 * @net: the namespace
 *
 * Return: the struct, from before a service can start to after all have
 * stopped.
 */
struct ksocket_net *ksocket_net(const struct net *net)
{
	return net_generic(net, ksocket_net_id);
}

/* see ksocket.h */
int ksocket_report(struct ksocket_report *rep, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(rep->text, sizeof(rep->text), fmt, args);
	va_end(args);

	return err;
}

static const struct ksocket_mode *const ksocket_modes[] = {
	&ksocket_relay,
	&ksocket_echo,
	&ksocket_discard,
	&ksocket_text,
};

/**
 * ksocket_mode_find() - look up a mode
 * @name: as users write it
 *
 * Return: the mode, or NULL.
 */
const struct ksocket_mode *ksocket_mode_find(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ksocket_modes); i++)
		if (!strcmp(ksocket_modes[i]->name, name))
			return ksocket_modes[i];

	return NULL;
}

/* The way of a datagram */

static void ksocket_drop(const struct ksocket_service *svc,
			 const struct ksocket_datagram *dgram,
			 enum ksocket_drop reason, int err)
{
	ksocket_count_drop(svc, reason);
	trace_ksocket_drop(svc, dgram, reason, err);
}

static void ksocket_datagram_answer(struct ksocket_worker *worker,
				    struct ksocket_datagram *dgram)
{
	const struct ksocket_service *svc = worker->svc;
	const union ksocket_addr *to;
	int err;

	switch (svc->cfg.mode->respond(&svc->cfg, dgram)) {
	case KSOCKET_TO_RECEIVER:
		to = &svc->cfg.reply;
		err = svc->transport->send_receiver(worker, dgram);
		break;
	case KSOCKET_TO_SENDER:
		to = &dgram->from;
		err = svc->transport->send_sender(worker, dgram);
		break;
	default:
		ksocket_count_discarded(svc);
		return;
	}

	if (err) {
		ksocket_drop(svc, dgram, ksocket_drop_from_errno(err), err);
		return;
	}

	ksocket_count_tx(svc, dgram->len);
	trace_ksocket_tx(svc, to, dgram->len);
}

static void ksocket_datagram_handle(struct ksocket_worker *worker,
				    struct ksocket_datagram *dgram)
{
	const struct ksocket_service *svc = worker->svc;
	enum ksocket_drop reason;

	ksocket_count_rx(svc, dgram->len);
	trace_ksocket_rx(svc, dgram);

	reason = ksocket_guard_check(worker, dgram);
	if (reason != KSOCKET_DROP_NONE)
		ksocket_drop(svc, dgram, reason, 0);
	else
		ksocket_datagram_answer(worker, dgram);
}

/* Return: true when nothing is left to take. */
static bool ksocket_worker_drain(struct ksocket_worker *worker)
{
	const struct ksocket_service *svc = worker->svc;
	struct ksocket_datagram dgram;
	int budget, err;

	for (budget = KSOCKET_BUDGET; budget; budget--) {
		err = svc->transport->recv(worker, &dgram);
		if (err == -EAGAIN)
			return true;
		if (err)
			ksocket_count_recv_error(svc);
		else
			ksocket_datagram_handle(worker, &dgram);
	}

	return false;
}

/*
 * Stop, data, or both may come before the thread sleeps: the wait looks at
 * both again after it has put itself on the queue.
 */
static int ksocket_worker_run(void *data)
{
	struct ksocket_worker *worker = data;

	while (!kthread_should_stop()) {
		if (ksocket_worker_drain(worker))
			worker->svc->transport->wait(worker);
		/* Under a flood it never sleeps: let others run, RCU-tasks too. */
		cond_resched_tasks_rcu_qs();
	}

	return 0;
}

/* The life of a service */

static int ksocket_worker_open(struct ksocket_worker *worker, unsigned int nr,
			       struct ksocket_report *rep)
{
	const struct ksocket_service *svc = worker->svc;
	int err;

	worker->buffer = kvmalloc(svc->cfg.buffer_size, GFP_KERNEL);
	if (!worker->buffer)
		return ksocket_report(rep, -ENOMEM,
				      "no memory for a buffer of %u bytes",
				      svc->cfg.buffer_size);

	err = svc->transport->open(worker, rep);
	if (err)
		goto err_free;

	worker->task = kthread_create(ksocket_worker_run, worker,
				      "ksocket/%u.%u",
				      ksocket_addr_port(&svc->cfg.listen), nr);
	if (IS_ERR(worker->task)) {
		err = PTR_ERR(worker->task);
		ksocket_report(rep, err, "cannot create a thread: errno %d",
			       -err);
		goto err_close;
	}

	return 0;

err_close:
	worker->task = NULL;
	svc->transport->close(worker);
err_free:
	kvfree(worker->buffer);
	return err;
}

/* Safe for a thread that never ran: it ends without having begun. */
static void ksocket_worker_close(struct ksocket_worker *worker)
{
	kthread_stop(worker->task);
	worker->svc->transport->close(worker);
	kvfree(worker->buffer);
}

static void ksocket_service_free(struct ksocket_service *svc)
{
	free_percpu(svc->stats);
	/* Other services may still look at the endpoints in it. */
	kfree_rcu(svc, rcu);
}

/* Not %pISpsc: it puts the scope behind the port, and 0 where there is none. */
static void ksocket_addr_format(char text[KSOCKET_ADDR_TEXT_LEN],
				const union ksocket_addr *addr)
{
	if (addr->sa.sa_family == AF_INET6 && addr->in6.sin6_scope_id)
		snprintf(text, KSOCKET_ADDR_TEXT_LEN, "[%pI6c%%%u]:%u",
			 &addr->in6.sin6_addr, addr->in6.sin6_scope_id,
			 ksocket_addr_port(addr));
	else
		snprintf(text, KSOCKET_ADDR_TEXT_LEN, "%pISpc", addr);
}

static struct ksocket_service *
ksocket_service_alloc(struct net *net, const struct ksocket_config *cfg)
{
	struct ksocket_service *svc;
	unsigned int i;
	int cpu;

	svc = kzalloc(struct_size(svc, workers, cfg->threads), GFP_KERNEL);
	if (!svc)
		return NULL;

	svc->stats = alloc_percpu(struct ksocket_stats);
	if (!svc->stats) {
		kfree(svc);
		return NULL;
	}
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(svc->stats, cpu)->syncp);

	svc->net = net;
	svc->cfg = *cfg;
	ksocket_addr_format(svc->listen_text, &cfg->listen);
	if (cfg->mode->has_receiver)
		ksocket_addr_format(svc->reply_text, &cfg->reply);
	else
		strscpy(svc->reply_text, "-", sizeof(svc->reply_text));
	svc->transport = &ksocket_udp;
	for (i = 0; i < cfg->threads; i++)
		svc->workers[i].svc = svc;

	return svc;
}

static void ksocket_service_announce(const struct ksocket_service *svc)
{
	const struct ksocket_config *cfg = &svc->cfg;

	trace_ksocket_service_start(svc);
	pr_info("service %s started: %s %s, %s%s%s, threads %u\n",
		cfg->name, svc->transport->name, svc->listen_text,
		cfg->mode->name, cfg->mode->has_receiver ? " to " : "",
		cfg->mode->has_receiver ? svc->reply_text : "", cfg->threads);
}

/**
 * ksocket_service_start() - start a service
 * @net: the namespace it lives and dies in; no reference is taken
 * @cfg: what to do; copied
 * @rep: says what was wrong
 *
 * The one verb behind every control door. Nothing half-started is ever
 * visible: either the service is in the namespace's list with its threads
 * running, or nothing of it is left.
 *
 * Context: process context, may sleep; takes the namespace's lock.
 * Return: 0, or a negative errno: -EADDRINUSE, -EADDRNOTAVAIL, -ELOOP,
 * -EINVAL, -EAFNOSUPPORT, -ENOMEM, or what the stack says.
 */
int ksocket_service_start(struct net *net, const struct ksocket_config *cfg,
			  struct ksocket_report *rep)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *svc;
	unsigned int i, opened;
	int err;

	err = ksocket_guard_config(net, cfg, rep);
	if (err)
		return err;

	svc = ksocket_service_alloc(net, cfg);
	if (!svc)
		return ksocket_report(rep, -ENOMEM, "no memory for a service");

	for (opened = 0; opened < cfg->threads; opened++) {
		err = ksocket_worker_open(&svc->workers[opened], opened, rep);
		if (err)
			goto err_close_workers;
	}

	mutex_lock(&kn->lock);
	ksocket_guard_attach(svc);
	list_add_tail(&svc->node, &kn->services);
	ksocket_service_announce(svc);
	for (i = 0; i < cfg->threads; i++)
		wake_up_process(svc->workers[i].task);
	mutex_unlock(&kn->lock);

	return 0;

err_close_workers:
	while (opened--)
		ksocket_worker_close(&svc->workers[opened]);
	ksocket_service_free(svc);
	return err;
}

/* Joining under the lock is safe because no worker ever takes it. */
static void ksocket_service_stop(struct ksocket_service *svc)
{
	unsigned int i;

	lockdep_assert_held(&ksocket_net(svc->net)->lock);

	list_del(&svc->node);
	ksocket_guard_detach(svc);
	for (i = 0; i < svc->cfg.threads; i++)
		ksocket_worker_close(&svc->workers[i]);

	trace_ksocket_service_stop(svc);
	pr_info("service %s stopped\n", svc->cfg.name);
	ksocket_service_free(svc);
}

/* The namespaces */

static int __net_init ksocket_net_init(struct net *net)
{
	struct ksocket_net *kn = ksocket_net(net);
	int i;

	mutex_init(&kn->lock);
	INIT_LIST_HEAD(&kn->services);
	for (i = 0; i < ARRAY_SIZE(kn->endpoints); i++)
		INIT_HLIST_HEAD(&kn->endpoints[i]);

	return ksocket_proc_init(net);
}

static void __net_exit ksocket_net_exit(struct net *net)
{
	struct ksocket_net *kn = ksocket_net(net);
	struct ksocket_service *svc, *next;

	ksocket_proc_exit(net);

	mutex_lock(&kn->lock);
	list_for_each_entry_safe(svc, next, &kn->services, node)
		ksocket_service_stop(svc);
	mutex_unlock(&kn->lock);
	mutex_destroy(&kn->lock);
}

static struct pernet_operations ksocket_net_ops = {
	.init = ksocket_net_init,
	.exit = ksocket_net_exit,
	.id = &ksocket_net_id,
	.size = sizeof(struct ksocket_net),
};

/* The module */

static int __init ksocket_start_from_params(struct net *net)
{
	struct ksocket_report rep = {};
	struct ksocket_config *cfg;
	int err;

	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;

	err = ksocket_params_read(net, cfg, &rep);
	if (err)
		goto out;

	if (ksocket_addr_port(&cfg->listen))
		err = ksocket_service_start(net, cfg, &rep);
	else
		pr_info("no service started: listen_port=0\n");
out:
	if (err)
		pr_err("%s\n", rep.text);
	kfree(cfg);
	return err;
}

static int __init ksocket_init(void)
{
	int err;

	/* A device operation, so that services end before devices do. */
	err = register_pernet_device(&ksocket_net_ops);
	if (err)
		return err;

	err = ksocket_start_from_params(current->nsproxy->net_ns);
	if (err)
		unregister_pernet_device(&ksocket_net_ops);

	return err;
}
module_init(ksocket_init);

static void __exit ksocket_exit(void)
{
	unregister_pernet_device(&ksocket_net_ops);
}
module_exit(ksocket_exit);

MODULE_DESCRIPTION("UDP echo and relay daemon in the kernel");
MODULE_AUTHOR("The ksocket authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
