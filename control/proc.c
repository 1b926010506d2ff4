// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/ksocket: the services of a namespace and their counters, for
 * people and scripts. The format is documented in Documentation/counters.rst
 * and stable: keys are only ever added, at the end of a service's block.
 */
#include <linux/capability.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <net/net_namespace.h>

#include "ksocket.h"

/*
 * The rule of all control interfaces: names, sizes and counters are open, as those
 * of network devices are. Addresses are for the administrator of the namespace, as
 * those of the peers of a tunnel. It counts who has opened the file: a file handed
 * to another process shows the same there.
 */
static bool ksocket_proc_shows_addresses(struct seq_file *seq)
{
	const struct net *net = seq_file_single_net(seq);

	return file_ns_capable(seq->file, net->user_ns, CAP_NET_ADMIN);
}

static void ksocket_proc_show_config(struct seq_file *seq,
				     const struct ksocket_service *svc)
{
	const struct ksocket_config *cfg = &svc->cfg;
	bool all = ksocket_proc_shows_addresses(seq);

	seq_printf(seq, "service %s\n", cfg->name);
	seq_printf(seq, "mode %s\n", cfg->mode->name);
	seq_printf(seq, "proto %s\n", ksocket_proto_name(svc->cfg.proto));
	seq_printf(seq, "listen %s\n", all ? svc->listen_text : "hidden");
	seq_printf(seq, "reply %s\n", all ? svc->reply_text : "hidden");
	seq_printf(seq, "device %s\n", cfg->ifindex ? cfg->device : "-");
	seq_printf(seq, "device_lost %d\n", ksocket_follow_is_lost(svc));
	seq_printf(seq, "threads %u\n", cfg->threads);
	seq_printf(seq, "buffer_size %u\n", cfg->buffer_size);
	seq_printf(seq, "rcvbuf %u\n", cfg->rcvbuf);
	seq_printf(seq, "sndbuf %u\n", cfg->sndbuf);
	seq_printf(seq, "min_source_port %u\n", cfg->min_source_port);
}

static void ksocket_proc_show_tcp(struct seq_file *seq,
				  const struct ksocket_service *svc,
				  const struct ksocket_totals *sum)
{
	const struct ksocket_config *cfg = &svc->cfg;
	int i;

	seq_printf(seq, "max_connections %u\n", cfg->max_connections);
	seq_printf(seq, "backlog %u\n", cfg->backlog);
	seq_printf(seq, "idle_timeout %u\n", cfg->idle_timeout);
	seq_printf(seq, "keepalive %u\n", cfg->keepalive);
	seq_printf(seq, "connections %d\n", atomic_read(&svc->connections));
	seq_printf(seq, "accepted %llu\n", sum->accepted);
	seq_printf(seq, "connected %llu\n", sum->connected);
	for (i = 0; i < KSOCKET_CLOSE_MAX; i++)
		seq_printf(seq, "close_%s %llu\n", ksocket_close_name(i),
			   sum->closes[i]);
}

static void ksocket_proc_show_beacons(struct seq_file *seq,
				      const struct ksocket_service *svc,
				      const struct ksocket_totals *sum)
{
	int i;

	seq_printf(seq, "interval %u\n", svc->cfg.interval);
	for (i = 0; i < KSOCKET_BEACON_MAX; i++)
		seq_printf(seq, "%s %llu\n", ksocket_beacon_name(i),
			   sum->beacons[i]);
}

static void ksocket_proc_show_uplink(struct seq_file *seq,
				     const struct ksocket_service *svc,
				     const struct ksocket_totals *sum)
{
	const struct ksocket_config *cfg = &svc->cfg;
	struct ksocket_queued queued;

	ksocket_queued_read(svc, &queued);
	seq_printf(seq, "reply_proto %s\n",
		   ksocket_proto_name(cfg->reply_proto));
	seq_printf(seq, "framing %s\n", ksocket_framing_name(cfg->framing));
	seq_printf(seq, "queue_bytes %u\n", cfg->queue_bytes);
	seq_printf(seq, "queued %u\n", queued.datagrams);
	seq_printf(seq, "queued_bytes %u\n", queued.bytes);
	seq_printf(seq, "connect_failed %llu\n", sum->connect_failed);
	seq_printf(seq, "disconnected %llu\n", sum->disconnected);
}

/* Keys that are newer than the format have a dash where they have no effect. */
static void ksocket_proc_show_answers(struct seq_file *seq,
				      const struct ksocket_config *cfg)
{
	bool has = ksocket_has_answers(cfg);

	seq_printf(seq, "ttl %s\n", has ? ksocket_ttl_name(cfg->ttl) : "-");
	seq_printf(seq, "dscp %s\n", has ? ksocket_dscp_name(cfg->dscp) : "-");
	seq_printf(seq, "newline %s\n",
		   ksocket_config_applies(cfg, KSOCKET_FIELD_NEWLINE) ?
		   ksocket_newline_name(cfg->newline) : "-");
}

static void ksocket_proc_show_totals(struct seq_file *seq,
				     const struct ksocket_service *svc)
{
	struct ksocket_totals sum;
	int i;

	ksocket_totals_read(svc, &sum);

	seq_printf(seq, "rx_packets %llu\n", sum.rx_packets);
	seq_printf(seq, "rx_bytes %llu\n", sum.rx_bytes);
	seq_printf(seq, "tx_packets %llu\n", sum.tx_packets);
	seq_printf(seq, "tx_bytes %llu\n", sum.tx_bytes);
	seq_printf(seq, "discarded %llu\n", sum.discarded);
	for (i = 0; i < KSOCKET_DROP_MAX; i++)
		seq_printf(seq, "drop_%s %llu\n", ksocket_drop_name(i),
			   sum.drops[i]);
	seq_printf(seq, "stale_errors %llu\n", sum.stale_errors);
	seq_printf(seq, "recv_errors %llu\n", sum.recv_errors);
	seq_printf(seq, "rx_overflow %llu\n", sum.rx_overflow);
	seq_printf(seq, "reply_ignored %llu\n", sum.reply_ignored);
	seq_printf(seq, "wakeups %llu\n", sum.wakeups);
	seq_printf(seq, "datapath %s\n",
		   ksocket_datapath_name(svc->cfg.datapath));
	seq_printf(seq, "gro %s\n", svc->cfg.gro ? "on" : "off");
	seq_printf(seq, "fallbacks %llu\n", sum.fallbacks);
	seq_printf(seq, "user_sends %llu\n", sum.user_sends);
	ksocket_proc_show_tcp(seq, svc, &sum);
	ksocket_proc_show_beacons(seq, svc, &sum);
	ksocket_proc_show_uplink(seq, svc, &sum);
	ksocket_proc_show_answers(seq, &svc->cfg);
}

static int ksocket_proc_show(struct seq_file *seq, void *v)
{
	struct ksocket_net *kn = ksocket_net(seq_file_single_net(seq));
	const struct ksocket_service *svc;

	mutex_lock(&kn->lock);
	list_for_each_entry(svc, &kn->services, node) {
		if (!list_is_first(&svc->node, &kn->services))
			seq_putc(seq, '\n');
		ksocket_proc_show_config(seq, svc);
		ksocket_proc_show_totals(seq, svc);
	}
	mutex_unlock(&kn->lock);

	return 0;
}

/**
 * ksocket_proc_init() - make /proc/net/ksocket of a namespace
 * @net: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int ksocket_proc_init(struct net *net)
{
	if (!proc_create_net_single("ksocket", 0444, net->proc_net,
				    ksocket_proc_show, NULL))
		return -ENOMEM;

	return 0;
}

/**
 * ksocket_proc_exit() - undo ksocket_proc_init()
 * @net: the namespace
 *
 * Waits for readers.
 */
void ksocket_proc_exit(struct net *net)
{
	remove_proc_entry("ksocket", net->proc_net);
}
