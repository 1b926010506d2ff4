/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ksocket: UDP and TCP echo and relay daemon in the kernel
 *
 * The structs and verbs that the rooms of the module share.
 *
 * The way of a datagram, one direction only:
 *
 *   listen socket -> guard -> respond -> reply socket (or the sender)
 *
 * The way of a stream, see transport/tcp.c:
 *
 *   listen socket -> connection -> its own bytes back, or another connection
 *
 * Locks: struct ksocket_net.lock guards the list of services and the writing
 * side of the endpoint table; struct ksocket_worker.lock is held by whoever
 * answers, thread or softirq. What little of a service's configuration changes
 * after its start is written under the former, see ksocket_service_set().
 */
#ifndef KSOCKET_H
#define KSOCKET_H

#include <linux/completion.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable-types.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>
#include <linux/utsname.h>
#include <linux/workqueue.h>

#include <uapi/linux/ksocket_netlink.h>

#include "compat.h"

struct dst_entry;
struct net;
struct net_device;
struct seq_file;
struct sock;
struct socket;
struct ksocket_tcp;
struct ksocket_uplink;
struct ksocket_user;
struct mem_cgroup;
struct task_struct;

#define KSOCKET_NAME_LEN	(KSOCKET_NAME_MAX + 1)
#define KSOCKET_BUFFER_MAX	65535	/* no UDP payload is longer */

/*
 * The one table of drop reasons: enumerator, name, meaning. The enum, the
 * counters, the names in /proc/net/ksocket and in ksocket:ksocket_drop, and
 * Documentation/drop-reasons.rst all come from it. Append only: the numbers
 * are visible to tracing programs.
 */
#define KSOCKET_DROP_TABLE(X) \
	X(TRUNCATED, "truncated", \
	  "longer than buffer_size; a datagram is never passed on shortened") \
	X(SRC_UNSPECIFIED, "src_unspecified", \
	  "the source address is 0.0.0.0, :: or an IPv4 one in IPv6, nobody's") \
	X(SRC_MULTICAST, "src_multicast", \
	  "the source address is a multicast group") \
	X(SRC_BROADCAST, "src_broadcast", \
	  "the source address is the limited or a directed broadcast address") \
	X(DST_MULTICAST, "dst_multicast", \
	  "sent to a multicast group") \
	X(DST_BROADCAST, "dst_broadcast", \
	  "sent to a broadcast address") \
	X(SRC_PORT_ZERO, "src_port_zero", \
	  "mode echo: the source port is 0, so no answer is wanted (RFC 768)") \
	X(SRC_PORT_LOW, "src_port_low", \
	  "mode echo: the source port is below min_source_port") \
	X(SRC_PORT_OWN, "src_port_own", \
	  "mode echo: the source port is the listen port, as another reflector's would be") \
	X(LOOP, "loop", \
	  "an answer would follow; a service listens at the source, or it is forged as this host") \
	X(SEND_REFUSED, "send_refused", \
	  "the receiver refused (ICMP port unreachable), twice in a row") \
	X(SEND_UNREACHABLE, "send_unreachable", \
	  "no route, or the network or host is unreachable") \
	X(SEND_DENIED, "send_denied", \
	  "a firewall or policy forbids the answer (EPERM, EACCES)") \
	X(SEND_NOMEM, "send_nomem", \
	  "no memory or no room in the device's queue (ENOMEM, ENOBUFS)") \
	X(SEND_AGAIN, "send_again", \
	  "the send buffer is full; the thread never waits for it") \
	X(SEND_TOO_LONG, "send_too_long", \
	  "the answer does not fit the path or the protocol (EMSGSIZE)") \
	X(SEND_OTHER, "send_other", \
	  "sending failed for any other cause") \
	X(QUEUE_AWAY, "queue_away", \
	  "reply_proto tcp: the queue is full, and there is no connection to the receiver") \
	X(QUEUE_SLOW, "queue_slow", \
	  "reply_proto tcp: the queue is full, the receiver takes less than comes") \
	X(FRAMING, "framing", \
	  "framing newline, newline drop: there is a newline before the end of it") \
	X(TTL, "ttl", \
	  "the TTL or hop limit of the request is used up; an answer leaves with one less")

/* One enumerator for each row; no kernel-doc, which cannot see into a macro. */
enum ksocket_drop {
#define KSOCKET_DROP_ENUM(sym, name, doc) KSOCKET_DROP_##sym,
	KSOCKET_DROP_TABLE(KSOCKET_DROP_ENUM)
#undef KSOCKET_DROP_ENUM
	KSOCKET_DROP_MAX,		/* number of reasons */
	KSOCKET_DROP_NONE = KSOCKET_DROP_MAX,	/* let it pass */
};

/*
 * The one table of the ways that a TCP connection ends, likewise: the counters
 * close_*, the netlink attributes and ksocket:ksocket_conn_close come from it.
 */
#define KSOCKET_CLOSE_TABLE(X) \
	X(DONE, "done", \
	  "both directions have ended in order") \
	X(RESET, "reset", \
	  "the client or the upstream has reset it") \
	X(TIMEOUT, "timeout", \
	  "the client or the upstream does not acknowledge any more") \
	X(IDLE, "idle", \
	  "nothing was sent or acknowledged for idle_timeout") \
	X(UNFINISHED, "unfinished", \
	  "the other side has not acknowledged the rest, or the end, for 30 s") \
	X(LIMIT, "limit", \
	  "there were max_connections, so it was reset at once") \
	X(LOOP, "loop", \
	  "it came through eight ksocket services of this namespace already") \
	X(UPSTREAM_REFUSED, "upstream_refused", \
	  "mode relay: the receiver refuses connections") \
	X(UPSTREAM_UNREACHABLE, "upstream_unreachable", \
	  "mode relay: no way to the receiver, or a policy forbids it") \
	X(UPSTREAM_TIMEOUT, "upstream_timeout", \
	  "mode relay: the receiver has not answered for 10 s") \
	X(NOMEM, "nomem", \
	  "no memory for it, or no source port on the way to the receiver") \
	X(STOPPED, "stopped", \
	  "the service has stopped") \
	X(CLAIMED, "claimed", \
	  "a BPF program had put it into a sockmap before the service took it")

/* One enumerator for each row, as for the drop reasons. */
enum ksocket_close {
#define KSOCKET_CLOSE_ENUM(sym, name, doc) KSOCKET_CLOSE_##sym,
	KSOCKET_CLOSE_TABLE(KSOCKET_CLOSE_ENUM)
#undef KSOCKET_CLOSE_ENUM
	KSOCKET_CLOSE_MAX,		/* number of reasons */
};

/*
 * The one table of what is counted of beacons: enumerator, name, meaning. The
 * counters and their keys in /proc/net/ksocket come from it. All but the first
 * are mode beacon-sink's, see respond/sink.c.
 */
#define KSOCKET_BEACON_TABLE(X) \
	X(MISSED, "beacons_missed", \
	  "mode beacon: was due while an earlier one was late, and was not made") \
	X(RECEIVED, "beacon_received", \
	  "a higher sequence number than any before, or the first of a sender") \
	X(LOST, "beacon_lost", \
	  "a sequence number that was skipped") \
	X(LATE, "beacon_late", \
	  "one of those came after all") \
	X(DUPLICATE, "beacon_duplicate", \
	  "a sequence number that has come before") \
	X(RESTARTED, "beacon_restarted", \
	  "a sender counts anew, far below or above the highest one") \
	X(MALFORMED, "beacon_malformed", \
	  "there is no sequence number in it") \
	X(EVICTED, "beacon_evicted", \
	  "a sender was forgotten, because another one came")

/* One enumerator for each row, as for the drop reasons. */
enum ksocket_beacon_count {
#define KSOCKET_BEACON_ENUM(sym, name, doc) KSOCKET_BEACON_##sym,
	KSOCKET_BEACON_TABLE(KSOCKET_BEACON_ENUM)
#undef KSOCKET_BEACON_ENUM
	KSOCKET_BEACON_MAX,		/* number of counters */
};

/**
 * enum ksocket_field - a part of a configuration that can be given, or be at fault
 * @KSOCKET_FIELD_NONE: nothing in particular
 * @KSOCKET_FIELD_NAME: the name
 * @KSOCKET_FIELD_LISTEN: the listen address or port
 * @KSOCKET_FIELD_REPLY: the receiver's address or port
 * @KSOCKET_FIELD_DEVICE: the device
 * @KSOCKET_FIELD_THREADS: the number of threads
 * @KSOCKET_FIELD_BUFFER_SIZE: the longest datagram
 * @KSOCKET_FIELD_RCVBUF: the receive buffer
 * @KSOCKET_FIELD_SNDBUF: the send buffer
 * @KSOCKET_FIELD_MIN_SOURCE_PORT: the lowest source port
 * @KSOCKET_FIELD_DATAPATH: the datapath
 * @KSOCKET_FIELD_GRO: whether bursts are taken as one packet
 * @KSOCKET_FIELD_MODE: the mode
 * @KSOCKET_FIELD_TEXT: the text
 * @KSOCKET_FIELD_PROTO: what the requests come by
 * @KSOCKET_FIELD_MAX_CONNECTIONS: the limit of connections
 * @KSOCKET_FIELD_BACKLOG: the connections that may wait
 * @KSOCKET_FIELD_IDLE_TIMEOUT: how long a connection may be idle
 * @KSOCKET_FIELD_KEEPALIVE: when a silent peer is asked
 * @KSOCKET_FIELD_INTERVAL: the interval
 * @KSOCKET_FIELD_REPLY_PROTO: what is sent to the receiver by
 * @KSOCKET_FIELD_FRAMING: how datagrams are told apart in a connection
 * @KSOCKET_FIELD_QUEUE_BYTES: the size of the queue before that
 * @KSOCKET_FIELD_TTL: the TTL or hop limit
 * @KSOCKET_FIELD_DSCP: the DSCP
 * @KSOCKET_FIELD_NEWLINE: what becomes of newlines before the end
 * @KSOCKET_FIELD_MAX: number of fields
 *
 * Each has a row in the table of control/config.c.
 */
enum ksocket_field {
	KSOCKET_FIELD_NONE,
	KSOCKET_FIELD_NAME,
	KSOCKET_FIELD_LISTEN,
	KSOCKET_FIELD_REPLY,
	KSOCKET_FIELD_DEVICE,
	KSOCKET_FIELD_THREADS,
	KSOCKET_FIELD_BUFFER_SIZE,
	KSOCKET_FIELD_RCVBUF,
	KSOCKET_FIELD_SNDBUF,
	KSOCKET_FIELD_MIN_SOURCE_PORT,
	KSOCKET_FIELD_DATAPATH,
	KSOCKET_FIELD_GRO,
	KSOCKET_FIELD_MODE,
	KSOCKET_FIELD_TEXT,
	KSOCKET_FIELD_PROTO,
	KSOCKET_FIELD_MAX_CONNECTIONS,
	KSOCKET_FIELD_BACKLOG,
	KSOCKET_FIELD_IDLE_TIMEOUT,
	KSOCKET_FIELD_KEEPALIVE,
	KSOCKET_FIELD_INTERVAL,
	KSOCKET_FIELD_REPLY_PROTO,
	KSOCKET_FIELD_FRAMING,
	KSOCKET_FIELD_QUEUE_BYTES,
	KSOCKET_FIELD_TTL,
	KSOCKET_FIELD_DSCP,
	KSOCKET_FIELD_NEWLINE,
	KSOCKET_FIELD_MAX,
};

/**
 * struct ksocket_report - why a verb failed, or has changed nothing
 * @field: what is at fault
 * @brief: one line without values, which outlives everything; an extack cannot
 *	keep any other before Linux 6.2
 * @text: what was wrong and what is allowed, without newline
 *
 * Verbs fill it, control doors say it: the module parameters say @text in the
 * kernel log, netlink says @brief and points to the attribute.
 */
struct ksocket_report {
	enum ksocket_field field;
	const char *brief;
	char text[192];
};

__printf(3, 4)
int ksocket_report(struct ksocket_report *rep, int err, const char *fmt, ...);
__printf(5, 6)
int ksocket_report_field(struct ksocket_report *rep, int err,
			 enum ksocket_field field, const char *brief,
			 const char *fmt, ...);

/**
 * union ksocket_addr - an IPv4 or IPv6 socket address
 * @sa: to read the family
 * @in: AF_INET
 * @in6: AF_INET6; the scope is set for link-local addresses only
 *
 * In configuration, guard and traces an IPv4-mapped IPv6 address does not
 * occur: it is always the IPv4 one.
 */
union ksocket_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline u16 ksocket_addr_port(const union ksocket_addr *addr)
{
	/* sin_port and sin6_port share their place. */
	return ntohs(addr->in.sin_port);
}

/**
 * ksocket_addr_same() - are they the same address and port?
 * @a: the one, IPv4 or IPv6
 * @b: the other
 *
 * Return: true if so.
 */
static inline bool ksocket_addr_same(const union ksocket_addr *a,
				     const union ksocket_addr *b)
{
	/* Family, port, and the address if it is an IPv4 one. */
	if (memcmp(a, b, offsetofend(struct sockaddr_in, sin_addr)))
		return false;

	return a->sa.sa_family == AF_INET ||
	       (ipv6_addr_equal(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
		a->in6.sin6_scope_id == b->in6.sin6_scope_id);
}

/* "[" address "%" scope "]:" port */
#define KSOCKET_ADDR_TEXT_LEN	64

struct ksocket_mode;

/**
 * struct ksocket_config - what a service is asked to do
 * @name: unique in its namespace; letters, digits and punctuation
 * @mode: what becomes of a request
 * @proto: what the requests come by
 * @listen: address and port the requests come to; the port is not 0. All of it
 *	is where @mode has none.
 * @reply: address and port of the receiver, where @mode has one
 * @device: name of the device the listen sockets are bound to, or empty
 * @ifindex: index of @device, or 0
 * @reply_ifindex: device of the reply sockets, or 0; the VRF that @device
 *	is or belongs to, whose routes the replies must take too
 * @threads: number of workers, 1 to the number of CPUs
 * @buffer_size: longest datagram taken, in bytes, 1 to %KSOCKET_BUFFER_MAX
 * @rcvbuf: receive buffer of a listen socket in bytes, 0 for the system's
 * @sndbuf: send buffer in bytes, 0 for the system's
 * @min_source_port: lowest source port that mode echo answers; 0 for any, its
 *	own listen port too
 * @datapath: how a datagram becomes its answer
 * @gro: take bursts of datagrams as one packet (UDP_GRO)
 * @max_connections: TCP connections at a time, 1 to %KSOCKET_CONNECTIONS_MAX
 * @backlog: connections that may wait to be taken, 1 to 65535; what is more than
 *	net.core.somaxconn does not count
 * @idle_timeout: seconds that a connection may be idle, 0 for ever
 * @keepalive: seconds after which a silent peer is asked whether it is still
 *	there, 0 for never
 * @interval: milliseconds from one beacon to the next
 * @reply_proto: what is sent to the receiver by; @proto where that is TCP
 * @framing: how datagrams are told apart in a connection to the receiver
 * @queue_bytes: size of the queue of datagrams before that, for each thread,
 *	%KSOCKET_QUEUE_BYTES_MIN to %KSOCKET_QUEUE_BYTES_MAX
 * @ttl: TTL or hop limit of what is sent by UDP because of a request
 * @dscp: DSCP of that
 * @newline: what becomes of newlines before the end, where they tell datagrams
 *	apart there
 * @given: the fields that were given by a control door, bit n for field n; the
 *	others have their defaults
 * @host: name of the host as who has asked for the service sees it, where that is
 *	in a UTS namespace of his own, or empty
 * @text_len: bytes in @text
 * @text: what mode text answers, or of what mode beacon makes beacons
 *
 * Once the service has started, @rcvbuf, @sndbuf and @min_source_port change by
 * ksocket_service_set(), and what depends on a device by the work of
 * transport/follow.c: any other change is stop and start.
 */
struct ksocket_config {
	char name[KSOCKET_NAME_LEN];
	const struct ksocket_mode *mode;
	enum ksocket_proto proto;
	union ksocket_addr listen;
	union ksocket_addr reply;
	char device[IFNAMSIZ];
	int ifindex;
	int reply_ifindex;
	unsigned int threads;
	unsigned int buffer_size;
	unsigned int rcvbuf;
	unsigned int sndbuf;
	u16 min_source_port;
	enum ksocket_datapath datapath;
	bool gro;
	unsigned int max_connections;
	unsigned int backlog;
	unsigned int idle_timeout;
	unsigned int keepalive;
	unsigned int interval;
	enum ksocket_proto reply_proto;
	enum ksocket_framing framing;
	unsigned int queue_bytes;
	enum ksocket_ttl ttl;
	enum ksocket_dscp dscp;
	enum ksocket_newline newline;
	u32 given;
	char host[__NEW_UTS_LEN + 1];
	u16 text_len;
	char text[KSOCKET_TEXT_MAX + 1];
};

/**
 * struct ksocket_stats - counters of one worker on one CPU
 * @rx_packets: datagrams taken from the listen sockets, dropped ones too; in
 *	mode beacon those that were made
 * @rx_bytes: their payload bytes, of a truncated one its full length
 * @tx_packets: answers handed to the stack
 * @tx_bytes: their payload bytes
 * @discarded: datagrams consumed as the mode asks (discard)
 * @drops: datagrams not answered, by reason
 * @stale_errors: ICMP errors of earlier answers, consumed by sending again
 * @recv_errors: failed receives, none of which took a datagram
 * @wakeups: times a worker slept and was woken
 * @fallbacks: datagrams copied, although the datapath is another
 * @user_sends: payloads of user space sent, see ksocket_service_send()
 * @accepted: TCP connections taken from the backlog, those refused at once too
 * @connected: TCP connections to the receiver that came up
 * @closes: TCP connections of clients that have ended, by reason
 * @connect_failed: attempts to connect to the receiver of datagrams that failed
 * @disconnected: connections to it that came up and broke
 * @beacons: what there is to say of beacons
 * @syncp: lets 32-bit readers see whole 64-bit values
 *
 * At every quiet moment rx_packets = tx_packets + discarded + sum of drops + what
 * is queued, and accepted = connections there are + sum of closes. What comes by
 * TCP is counted in bytes only.
 */
struct ksocket_stats {
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
	u64_stats_t discarded;
	u64_stats_t drops[KSOCKET_DROP_MAX];
	u64_stats_t stale_errors;
	u64_stats_t recv_errors;
	u64_stats_t wakeups;
	u64_stats_t fallbacks;
	u64_stats_t user_sends;
	u64_stats_t accepted;
	u64_stats_t connected;
	u64_stats_t closes[KSOCKET_CLOSE_MAX];
	u64_stats_t connect_failed;
	u64_stats_t disconnected;
	u64_stats_t beacons[KSOCKET_BEACON_MAX];
	struct u64_stats_sync syncp;
};

/**
 * struct ksocket_totals - counters of a worker or a service, all CPUs added up
 *
 * Members as in struct ksocket_stats, and two that the stack counts:
 *
 * @rx_overflow: datagrams that the stack dropped because a listen socket's
 *	receive buffer was full (or the checksum wrong), or connections because
 *	its backlog was; not in rx_packets, nor in accepted
 * @reply_ignored: datagrams that a receiver sent back to a reply socket, or
 *	bytes by a connection for datagrams, which nobody reads
 */
struct ksocket_totals {
	/* private: see struct ksocket_stats */
	u64 rx_packets;
	u64 rx_bytes;
	u64 tx_packets;
	u64 tx_bytes;
	u64 discarded;
	u64 drops[KSOCKET_DROP_MAX];
	u64 stale_errors;
	u64 recv_errors;
	u64 wakeups;
	u64 fallbacks;
	u64 user_sends;
	u64 accepted;
	u64 connected;
	u64 closes[KSOCKET_CLOSE_MAX];
	u64 connect_failed;
	u64 disconnected;
	u64 beacons[KSOCKET_BEACON_MAX];
	/* public: */
	u64 rx_overflow;
	u64 reply_ignored;
};

/**
 * struct ksocket_losses - datagrams and connections that a service has turned away
 * @drops: datagrams, by reason
 * @closes: TCP connections, by reason
 */
struct ksocket_losses {
	u64 drops[KSOCKET_DROP_MAX];
	u64 closes[KSOCKET_CLOSE_MAX];
};

/**
 * struct ksocket_queued - what waits for a connection to the receiver, or for it
 * to be acknowledged there
 * @datagrams: how many
 * @bytes: what they take of the queue
 */
struct ksocket_queued {
	u32 datagrams;
	u32 bytes;
};

/**
 * struct ksocket_change - what is to change of a running service
 * @rcvbuf: new receive buffer in bytes, or 0 to leave it
 * @sndbuf: new send buffer, likewise
 * @min_source_port: the new one
 * @has_min_source_port: there is a new one
 */
struct ksocket_change {
	unsigned int rcvbuf;
	unsigned int sndbuf;
	u16 min_source_port;
	bool has_min_source_port;
};

/**
 * struct ksocket_endpoint_key - an address and port, as the table of them hashes it
 * @addr: the address; of an IPv4 one only the last word is set
 * @scope: device of a link-local address, or 0
 * @port: the port
 * @family: AF_INET or AF_INET6
 */
struct ksocket_endpoint_key {
	struct in6_addr addr;
	u32 scope;
	__be16 port;
	u16 family;
};

/**
 * struct ksocket_endpoint - a local address that a service listens on
 * @node: in the namespace's table; written under its lock, read under RCU
 * @key: the address and port
 *
 * A datagram from such an address is a loop.
 */
struct ksocket_endpoint {
	struct rhlist_head node;
	struct ksocket_endpoint_key key;
};

#define KSOCKET_FLOW_BITS	4

/**
 * struct ksocket_flow - a sender that may be answered, and the way back to it
 * @from: the sender
 * @to: the address it has asked, to answer from
 * @ifindex: the device it came in by
 * @iif: likewise, but the loopback device for what comes from this host
 * @genid: of the routing tables of its family then, see ksocket_guard_genid()
 * @endpoints: likewise of the namespace's table of endpoints
 * @cookie: for dst_check()
 * @label: IPv6 flow label of the answers
 * @tos: TOS or traffic class that @dst was looked up for
 * @dst: the route, referenced, or NULL as long as no answer has needed it
 *
 * What an answer takes to find out costs as much as all the rest of it, so the
 * last senders are kept. Both addresses, the port and the device are the key:
 * any of them may decide in a routing policy.
 */
struct ksocket_flow {
	union ksocket_addr from;
	union ksocket_addr to;
	int ifindex;
	int iif;
	int genid;
	int endpoints;
	u32 cookie;
	__be32 label;
	u8 tos;
	struct dst_entry *dst;
};

/**
 * struct ksocket_datagram - one request on its way, or a burst of them
 * @from: source address and port
 * @to: destination address and port
 * @ifindex: device it came in by
 * @ttl: TTL or hop limit that it came with; 0 of what no request is the reason for
 * @tos: TOS or traffic class that it came with, DSCP and ECN
 * @to_host: @to is a unicast address of this host
 * @truncated: the payload does not fit the buffer
 * @own: user space has given it, see ksocket_service_send(): it is in none of the
 *	counters of datagrams
 * @segs: datagrams in the packet; more than one with GRO only
 * @seg_size: payload bytes of each, the last one's may be fewer
 * @flow: what the guard knows of the sender, once it has let the request pass
 * @skb: the packet; NULL once it is answered or freed
 * @data: payload, once it is in the buffer
 * @len: payload bytes of all
 */
struct ksocket_datagram {
	union ksocket_addr from;
	union ksocket_addr to;
	int ifindex;
	u8 ttl;
	u8 tos;
	bool to_host;
	bool truncated;
	bool own;
	unsigned int segs;
	unsigned int seg_size;
	struct ksocket_flow *flow;
	struct sk_buff *skb;
	const void *data;
	size_t len;
};

/*
 * The low bits of sk_user_data are flags, so what it points to has an alignment of
 * its own: a pointer's is too small on 32 bits.
 */
#define KSOCKET_USER_ALIGN	8

/**
 * struct ksocket_sock_user - what sk_user_data of all our sockets points to
 * @kind: address of one of the ksocket_sock_is_*, which says what this is part of
 *
 * A callback may find another kind than its own: connections are born with the
 * callbacks of the listen socket, and the stack reads callback and user data one
 * after the other, without a lock. It may even find what is not ours at all, but
 * nothing of that begins with an address in this module.
 */
struct ksocket_sock_user {
	const char *kind;
} __aligned(KSOCKET_USER_ALIGN);

/**
 * struct ksocket_memory - what a worker knows of the memory of its cgroup
 * @limited: it is in one, not the root
 * @forced: charges are made even over the limit, since ksocket_owner_begin()
 * @flags: what to restore after that
 * @lacks: there was none when that was last found out
 * @until: in jiffies, how long that is taken for granted
 */
struct ksocket_memory {
	bool limited;
	bool forced;
	unsigned int flags;
	bool lacks;
	unsigned long until;
};

/**
 * struct ksocket_worker - one thread of a service and all that it touches
 * @user: where sk_user_data of @listen and @reply points to
 * @svc: the service, which outlives the worker
 * @stats: counters
 * @base: what they were when they were last set to 0, see ksocket_stats_reset()
 * @task: the kthread, or NULL
 * @starter: the task that starts the service, as long as it waits for the thread
 * @joined: the thread is in the cgroups of @starter, or @join_err says why not
 * @join_err: 0 or a negative errno
 * @started: the service is complete, and the thread may serve
 * @listen: socket that the requests come to, or NULL
 * @reply: socket connected to the receiver, NULL where the mode has none
 * @buffer: fixed buffer of @svc's buffer_size bytes, NULL where there are streams
 * @reply_addr: local address of @reply, written under @lock and the service's
 *	reply_lock, see ksocket_guard_move(); of an uplink, by the thread alone
 * @reply_flows: the way to the receiver, for what has no DSCP and for what has one;
 *	under @lock, as @reply_gen
 * @reply_local: the receiver is on this host
 * @reply_gen: &ksocket_net.rebound_gen when @reply was connected
 * @reply_lock: whoever connects @reply again holds it
 * @error_report: what the stack would call for @reply without us
 * @lock: whoever answers holds it, be it the thread or a softirq
 * @queue: packets that wait for who holds @lock, before the socket's queue
 * @batch: those taken off @queue in one go
 * @slow: a packet that takes the thread to answer, or NULL
 * @mend: the socket has had an error that the thread has to look at
 * @blocked: @slow or @mend; no datagram may be taken before the thread is done
 * @attached: softirqs answer
 * @until_learn: datagrams up to the next one whose sender is to be known
 * @data_ready: what the stack would call without us
 * @dgram: the datagram that is being answered
 * @flows: the last senders
 * @tcp: the connections of a TCP service, or NULL
 * @uplink: the connection to the receiver of datagrams, or NULL
 * @memory: whether the cgroup has memory, see ksocket_owner_begin()
 * @due: when the next beacon is
 * @seq: its sequence number
 * @state: what the mode remembers, or NULL
 *
 * Workers share nothing on the data path.
 */
struct ksocket_worker {
	struct ksocket_sock_user user;
	struct ksocket_service *svc;
	struct ksocket_stats __percpu *stats;
	struct ksocket_totals base;
	struct task_struct *task;
	struct task_struct *starter;
	struct completion joined;
	int join_err;
	bool started;
	struct socket *listen;
	struct socket *reply;
	void *buffer;
	union ksocket_addr reply_addr;
	struct ksocket_flow reply_flows[2];
	bool reply_local;
	int reply_gen;
	struct mutex reply_lock;	/* see above; never taken by a softirq */
	void (*error_report)(struct sock *sk);
	spinlock_t lock;	/* see above; taken with BH disabled */
	struct sk_buff_head queue;
	struct sk_buff_head batch;
	struct sk_buff *slow;
	bool mend;
	bool blocked;
	bool attached;
	unsigned int until_learn;
	void (*data_ready)(struct sock *sk);
	struct ksocket_datagram dgram;
	struct ksocket_flow flows[1 << KSOCKET_FLOW_BITS];
	struct ksocket_tcp *tcp;
	struct ksocket_uplink *uplink;
	struct ksocket_memory memory;
	ktime_t due;
	u64 seq;
	void *state;
};

/**
 * struct ksocket_watch - what a service has to say without being asked
 * @work: looks at it and says it
 * @armed: something was lost, @work will look
 * @refused: the receiver has refused since @work has last looked
 * @retried: it has been tried again since then
 * @taken: it has taken a connection since it has last refused one
 * @unreachable: it refuses, as far as is known
 * @error: errno that says so, positive
 * @told_unreachable: what was last said of it
 * @trying: it has been sent something since it has last refused
 * @tried_at: when that was seen, in jiffies as all times here
 * @sent: answers sent when it has last refused
 * @told_at: when something was last said
 * @loops: loops told of
 * @loop_at: when
 * @lost: losses told of
 * @lost_at: when
 *
 * The data path writes the first four flags and @error, only when something
 * goes wrong. All else is @work's.
 */
struct ksocket_watch {
	struct delayed_work work;
	bool armed;
	bool refused;
	bool retried;
	bool taken;
	bool unreachable;
	int error;
	bool told_unreachable;
	bool trying;
	u64 tried_at;
	u64 sent;
	u64 told_at;
	u64 loops;
	u64 loop_at;
	struct ksocket_losses lost;
	u64 lost_at;
};

/**
 * enum ksocket_device_role - why a service depends on a device
 * @KSOCKET_DEVICE_BOUND: it is bound to the device, see &ksocket_config.device
 * @KSOCKET_DEVICE_LISTEN: its listen address is a link-local one there
 * @KSOCKET_DEVICE_REPLY: the address of its receiver is a link-local one there
 * @KSOCKET_DEVICE_MAX: how many there are
 */
enum ksocket_device_role {
	KSOCKET_DEVICE_BOUND,
	KSOCKET_DEVICE_LISTEN,
	KSOCKET_DEVICE_REPLY,
	KSOCKET_DEVICE_MAX
};

/**
 * struct ksocket_device - a device that a service depends on
 * @node: in the list of the namespace, unless @name is empty
 * @name: its name now, or when it was lost; empty where there is no such device
 * @ifindex: its index; under follow_lock of the namespace
 * @gone: the device that had @ifindex is deleted; under follow_lock
 * @lost: the device is gone, and none has its name, or the service cannot be bound
 *	to the one that has
 */
struct ksocket_device {
	struct list_head node;
	char name[IFNAMSIZ];
	int ifindex;
	bool gone;
	bool lost;
};

/**
 * struct ksocket_service - one running service
 * @node: in the namespace's list, under its lock
 * @id: its place in the list, which is in the order of starting
 * @net: the namespace, without a reference: the service dies with it
 * @kn: what ksocket keeps for @net
 * @cfg: what it does
 * @listen_text: the listen address and port as people write them, "-" where the
 *	mode has none
 * @reply_text: likewise the receiver's, "-" where the mode has none
 * @transport: how it talks
 * @devices: those it depends on, under the namespace's lock
 * @parked: its sockets are bound to no device for a moment
 * @rebind_err: why it could not be bound again the last time, or 0
 * @listen_end: the listen address, for loop detection
 * @reply_lock: guards the addresses of the workers' reply sockets
 * @walk: services that were found by ksocket_guard_circle()
 * @walk_nr: when this one was
 * @rcu: the endpoints are looked up under RCU
 * @watch: what it says without being asked
 * @linger: when it stops, up to when what is queued may still go out
 * @connections: TCP connections there are, of clients or of datagrams to the
 *	receiver
 * @memcg: the memory cgroup of the task that has started it, referenced, or NULL
 * @user: the account of its user; NULL in the initial user namespace
 * @workers: cfg.threads of them
 */
struct ksocket_service {
	struct list_head node;
	unsigned int id;
	struct net *net;
	struct ksocket_net *kn;
	struct ksocket_config cfg;
	char listen_text[KSOCKET_ADDR_TEXT_LEN];
	char reply_text[KSOCKET_ADDR_TEXT_LEN];
	const struct ksocket_transport *transport;
	struct ksocket_device devices[KSOCKET_DEVICE_MAX];
	bool parked;
	int rebind_err;
	struct ksocket_endpoint listen_end;
	spinlock_t reply_lock;	/* see above; inside of a worker's lock */
	struct list_head walk;
	unsigned int walk_nr;
	struct rcu_head rcu;
	struct ksocket_watch watch;
	ktime_t linger;
	atomic_t connections;
	struct mem_cgroup *memcg;
	struct ksocket_user *user;
	struct ksocket_worker workers[];
};

/*
 * The index of no device: a socket that is bound to it hears nothing. Each service has
 * its own, or those that wait would meet at their port.
 */
static inline int ksocket_no_device(const struct ksocket_service *svc)
{
	return INT_MAX - (svc->id & 0xffffff);
}

/*
 * Is the device of the receiver's link-local address gone? If not, cfg.reply has the
 * index that it has now.
 */
static inline bool
ksocket_follow_has_lost_receiver(const struct ksocket_service *svc)
{
	/* pairs with ksocket_follow_device() */
	return smp_load_acquire(&svc->devices[KSOCKET_DEVICE_REPLY].lost);
}

/*
 * As pr_info(), but an administrator of no more than a user namespace does not
 * fill the log of the machine.
 */
#define ksocket_info(net, fmt, ...)					\
do {									\
	if ((net)->user_ns == &init_user_ns)				\
		pr_info(fmt, ##__VA_ARGS__);				\
	else								\
		pr_info_ratelimited(fmt, ##__VA_ARGS__);		\
} while (0)

/**
 * struct ksocket_net - what ksocket keeps for one network namespace
 * @net: the namespace
 * @held: among those that the unload holds
 * @lock: guards @services and the writers of @endpoints
 * @services: list of struct ksocket_service
 * @next_id: of the next service
 * @changes: counts services that come and go, for dumps; never 0
 * @closed: nothing starts any more
 * @kept_user: while a service is replaced, its user, or NULL; under @lock
 * @kept_threads: threads of @kept_user that are kept for it; under @lock
 * @walk_nr: of the last search for a circle
 * @endpoints: table of struct ksocket_endpoint
 * @endpoints_gen: how often @endpoints had something added; the last senders are
 *	looked up again after that
 * @rebound_gen: how often a service was bound to another device
 * @follow: looks for the devices that services depend on
 * @follow_lock: guards @follow_open, @followed, and some of struct ksocket_device
 * @follow_open: @follow may be queued
 * @followed: list of struct ksocket_device
 * @demux: the senders that are known, NULL before the first worker that wants it
 */
struct ksocket_net {
	struct net *net;
	struct list_head held;
	struct mutex lock;	/* see above; workers never take it */
	struct list_head services;
	unsigned int next_id;
	unsigned int changes;
	bool closed;
	struct ksocket_user *kept_user;
	unsigned int kept_threads;
	atomic_t rebound_gen;
	struct delayed_work follow;
	spinlock_t follow_lock;	/* see above; the innermost */
	bool follow_open;
	struct list_head followed;
	struct ksocket_udp_demux *demux;
	unsigned int walk_nr;
	struct rhltable endpoints;
	atomic_t endpoints_gen;
};

/**
 * enum ksocket_verdict - what becomes of a request
 * @KSOCKET_TO_RECEIVER: send it through the connected reply socket
 * @KSOCKET_TO_SENDER: send it back, from the address that was asked
 * @KSOCKET_DISCARD: consume it
 */
enum ksocket_verdict {
	KSOCKET_TO_RECEIVER,
	KSOCKET_TO_SENDER,
	KSOCKET_DISCARD,
};

/**
 * struct ksocket_mode - a responder
 * @name: as in the parameter "mode"
 * @id: as in netlink
 * @verdict: what becomes of the requests
 * @compose: makes the answer, which is not the request, in the buffer; NULL
 *	where the request itself is the answer. What goes to the sender is never
 *	longer than what came. Must not sleep.
 * @text: its text when no other is given; NULL where it has none
 * @unasked: there are no requests, and nothing listens for any; what is sent is
 *	made by transport/beacon.c
 * @consume: looks at a request, or a burst of them, that is discarded; NULL where
 *	nobody has to. The worker's lock is held.
 * @state_size: bytes that a worker needs to remember for it, zeroed at first
 * @check: is the configuration one for this mode? NULL where any is. Return: 0
 *	or a negative errno, reported.
 */
struct ksocket_mode {
	const char *name;
	enum ksocket_mode_id id;
	enum ksocket_verdict verdict;
	bool unasked;
	const char *text;
	void (*compose)(const struct ksocket_config *cfg,
			struct ksocket_datagram *dgram);
	void (*consume)(struct ksocket_worker *worker,
			const struct ksocket_datagram *burst);
	size_t state_size;
	int (*check)(const struct ksocket_config *cfg,
		     struct ksocket_report *rep);
};

/**
 * ksocket_has_listener() - do requests come to a listen socket?
 * @cfg: the configuration
 *
 * Return: true if so.
 */
static inline bool ksocket_has_listener(const struct ksocket_config *cfg)
{
	return !cfg->mode->unasked;
}

/**
 * ksocket_has_receiver() - do answers go through a connected reply socket?
 * @cfg: the configuration
 *
 * Return: true if so.
 */
static inline bool ksocket_has_receiver(const struct ksocket_config *cfg)
{
	return cfg->mode->verdict == KSOCKET_TO_RECEIVER;
}

/**
 * ksocket_has_uplink() - do datagrams go to the receiver by TCP?
 * @cfg: the configuration
 *
 * Return: true if so.
 */
static inline bool ksocket_has_uplink(const struct ksocket_config *cfg)
{
	return ksocket_has_receiver(cfg) && cfg->proto == KSOCKET_PROTO_UDP &&
	       cfg->reply_proto == KSOCKET_PROTO_TCP;
}

/**
 * ksocket_has_answers() - does a datagram leave because one came?
 * @cfg: the configuration
 *
 * Only such a datagram can take something over from a request.
 *
 * Return: true if so.
 */
static inline bool ksocket_has_answers(const struct ksocket_config *cfg)
{
	return ksocket_has_listener(cfg) && cfg->proto == KSOCKET_PROTO_UDP &&
	       cfg->mode->verdict != KSOCKET_DISCARD && !ksocket_has_uplink(cfg);
}

/**
 * struct ksocket_conn_info - a TCP connection, as told to users
 * @id: its number in its worker, in the order of coming
 * @thread: which of the service's workers has it
 * @peer: address and port of the client, or of the receiver of datagrams
 * @state: what it is at
 * @age: since it was taken, or came up, in milliseconds
 * @idle: since something was last moved, in milliseconds
 * @rx_bytes: what the peer has sent
 * @tx_bytes: what was sent to it
 */
struct ksocket_conn_info {
	u32 id;
	u32 thread;
	union ksocket_addr peer;
	enum ksocket_conn_state state;
	u64 age;
	u64 idle;
	u64 rx_bytes;
	u64 tx_bytes;
};

/**
 * struct ksocket_transport - how a worker talks to the network
 * @streams: it has connections, and takes no datagrams: what follows @serve is
 *	for datagrams
 * @open: make the worker's sockets, bound and connected; on error nothing is
 *	left. May sleep. Return: 0 or a negative errno, reported.
 * @close: release the sockets. May sleep; the thread has ended.
 * @attach: from now on take datagrams as the datapath wants them
 * @detach: undo @attach; no softirq is in there after an RCU grace period
 * @set_buffers: take the sizes of the socket buffers from the configuration; NULL
 *	where the next connection does
 * @wait: sleep until there is something to do or the thread is asked to stop
 * @rx_overflow: what the stack dropped at the listen socket, NULL without one
 * @next_conn: the connection with the lowest number not below that; NULL
 *	where there are none. Return: true if there is one.
 * @queued: add what waits for a connection to the receiver; NULL where nothing
 *	can
 * @serve: do what there is to do, up to a budget. Return: true when nothing is
 *	left.
 * @pending: is there a datagram to take?
 * @recv: take a datagram without waiting, under the worker's lock. Return: 0,
 *	-EAGAIN when there is none, or another negative errno.
 * @describe: fill a datagram from a packet that was kept
 * @keep: note in a packet what describing it takes
 * @mend: put right what an error of the socket may mean; may sleep
 * @rebind: bind the listen socket to ksocket_follow_ifindex(), while it is in use;
 *	may sleep; NULL without one
 * @load: bring part of a packet into the buffer
 * @turn: send the packet itself; see ksocket_udp_turn(). Return: as @build, or
 *	-EOPNOTSUPP when it takes the thread.
 * @build: send what is in the buffer; see ksocket_udp_build(). Return: 0 when it
 *	is sent, -EINPROGRESS when that will be counted later, or another negative
 *	errno.
 * @send: likewise, by way of a socket, which may sleep but does not wait for room
 * @reply_ignored: what the receiver has sent back and nobody read, NULL where it
 *	cannot
 */
struct ksocket_transport {
	bool streams;
	int (*open)(struct ksocket_worker *worker, struct ksocket_report *rep);
	void (*close)(struct ksocket_worker *worker);
	void (*attach)(struct ksocket_worker *worker);
	void (*detach)(struct ksocket_worker *worker);
	void (*set_buffers)(struct ksocket_worker *worker);
	void (*wait)(struct ksocket_worker *worker);
	u32 (*rx_overflow)(const struct ksocket_worker *worker);
	bool (*next_conn)(struct ksocket_worker *worker, u32 id,
			  struct ksocket_conn_info *info);
	void (*queued)(const struct ksocket_worker *worker,
		       struct ksocket_queued *sum);
	bool (*serve)(struct ksocket_worker *worker);
	bool (*pending)(const struct ksocket_worker *worker);
	int (*recv)(struct ksocket_worker *worker,
		    struct ksocket_datagram *dgram);
	void (*describe)(struct ksocket_worker *worker, struct sk_buff *skb,
			 struct ksocket_datagram *dgram);
	void (*keep)(const struct ksocket_datagram *dgram);
	void (*mend)(struct ksocket_worker *worker);
	int (*rebind)(struct ksocket_worker *worker);
	int (*load)(struct ksocket_worker *worker,
		    struct ksocket_datagram *dgram, unsigned int offset);
	int (*turn)(struct ksocket_worker *worker,
		    struct ksocket_datagram *dgram);
	int (*build)(struct ksocket_worker *worker,
		     struct ksocket_datagram *dgram);
	int (*send)(struct ksocket_worker *worker,
		    const struct ksocket_datagram *dgram);
	u64 (*reply_ignored)(const struct ksocket_worker *worker);
};

/* transport/sock.c */
extern const char ksocket_sock_is_worker[];

/* transport/udp.c */
extern const struct ksocket_transport ksocket_udp;

/* transport/follow.c */
int ksocket_follow_init(void);
void ksocket_follow_exit(void);
void ksocket_follow_net_init(struct ksocket_net *kn);
void ksocket_follow_net_exit(struct ksocket_net *kn);
void ksocket_follow_start(struct ksocket_service *svc);
void ksocket_follow_stop(struct ksocket_service *svc);
void ksocket_follow_retry(struct ksocket_net *kn);
void ksocket_follow_settle(struct ksocket_net *kn);
int ksocket_follow_ifindex(const struct ksocket_service *svc);
bool ksocket_follow_is_lost(const struct ksocket_service *svc);

/* transport/udp_demux.c */
#ifdef CONFIG_NETFILTER
void ksocket_udp_demux_exit(struct net *net);
#else
static inline void ksocket_udp_demux_exit(struct net *net)
{
}
#endif

/* transport/tcp.c */
extern const struct ksocket_transport ksocket_tcp;

/* transport/uplink.c */
extern const struct ksocket_transport ksocket_udp_uplink;

/* transport/beacon.c */
extern const struct ksocket_transport ksocket_beacon_udp;
extern const struct ksocket_transport ksocket_beacon_tcp;

/* respond/ */
extern const struct ksocket_mode ksocket_relay;
extern const struct ksocket_mode ksocket_echo;
extern const struct ksocket_mode ksocket_discard;
extern const struct ksocket_mode ksocket_text;
extern const struct ksocket_mode ksocket_beacon;
extern const struct ksocket_mode ksocket_beacon_sink;

/* respond/beacon.c */
size_t ksocket_beacon_compose(const struct ksocket_config *cfg, u64 seq,
			      char *to, size_t room);

/**
 * enum ksocket_start - what to do about a name that is taken
 * @KSOCKET_START_SAME: nothing, if that service does just what is asked
 * @KSOCKET_START_NEW: refuse it
 * @KSOCKET_START_REPLACE: likewise, and stop a service that does anything else
 */
enum ksocket_start {
	KSOCKET_START_SAME,
	KSOCKET_START_NEW,
	KSOCKET_START_REPLACE,
};

/* ksocket.c */
extern unsigned int ksocket_net_id;
extern unsigned int ksocket_net_id;
struct ksocket_net *ksocket_net(const struct net *net);
struct ksocket_service *ksocket_service_find(struct ksocket_net *kn,
					     const char *name,
					     struct ksocket_report *rep);
void ksocket_service_describe(struct ksocket_service *svc);
int ksocket_service_start(struct net *net, const struct ksocket_config *cfg,
			  enum ksocket_start how, struct ksocket_report *rep);
int ksocket_service_end(struct net *net, const char *name,
			struct ksocket_report *rep);
int ksocket_service_set(struct net *net, const char *name,
			const struct ksocket_change *change,
			struct ksocket_report *rep);
int ksocket_service_send(struct net *net, const char *name, const void *data,
			 size_t len, bool *unreachable,
			 struct ksocket_report *rep);
const struct ksocket_mode *ksocket_mode_find(const char *name);
const struct ksocket_mode *ksocket_mode_get(enum ksocket_mode_id id);
const char *ksocket_datapath_name(enum ksocket_datapath datapath);
int ksocket_datapath_find(const char *name);
int ksocket_proto_find(const char *name);
const char *ksocket_proto_name(enum ksocket_proto proto);
int ksocket_framing_find(const char *name);
const char *ksocket_framing_name(enum ksocket_framing framing);
bool ksocket_worker_serve(struct ksocket_worker *worker);
bool ksocket_conn_charge(struct ksocket_service *svc);
void ksocket_conn_uncharge(struct ksocket_service *svc);
void ksocket_conn_opened(struct ksocket_worker *worker,
			 const union ksocket_addr *peer);
void ksocket_conn_connected(const struct ksocket_worker *worker);
void ksocket_conn_closed(struct ksocket_worker *worker,
			 const struct ksocket_conn_info *info,
			 enum ksocket_close reason, int err);
void ksocket_uplink_up(struct ksocket_worker *worker);
void ksocket_uplink_down(struct ksocket_worker *worker, bool open, int err,
			 unsigned int wait);
void ksocket_datagram_sent(const struct ksocket_worker *worker,
			   const struct ksocket_datagram *dgram, int err);
void ksocket_worker_handle(struct ksocket_worker *worker,
			   struct ksocket_datagram *dgram);
void ksocket_worker_ready(struct ksocket_worker *worker);
void ksocket_worker_kick(struct ksocket_worker *worker);
void ksocket_worker_stale_error(struct ksocket_worker *worker);

/**
 * ksocket_stats_begin() - the counters of this CPU
 * @worker: the worker
 *
 * The softirq of a datapath counts in the same place as the thread.
 *
 * Context: BH disabled up to ksocket_stats_end().
 * Return: the counters.
 */
static inline struct ksocket_stats *
ksocket_stats_begin(const struct ksocket_worker *worker)
{
	struct ksocket_stats *stats = this_cpu_ptr(worker->stats);

	u64_stats_update_begin(&stats->syncp);
	return stats;
}

/**
 * ksocket_stats_end() - counted
 * @stats: from ksocket_stats_begin()
 */
static inline void ksocket_stats_end(struct ksocket_stats *stats)
{
	u64_stats_update_end(&stats->syncp);
}

/**
 * ksocket_count_rx() - a datagram was taken from a listen socket
 * @worker: the worker
 * @dgram: the datagram, or the burst
 *
 * Context: BH disabled.
 */
static inline void ksocket_count_rx(const struct ksocket_worker *worker,
				    const struct ksocket_datagram *dgram)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_add(&stats->rx_packets, dgram->segs);
	u64_stats_add(&stats->rx_bytes, dgram->len);
	ksocket_stats_end(stats);
}

/**
 * ksocket_count_tx() - an answer was handed to the stack
 * @worker: the worker
 * @dgram: the answer, or the burst
 *
 * Context: BH disabled.
 */
static inline void ksocket_count_tx(const struct ksocket_worker *worker,
				    const struct ksocket_datagram *dgram)
{
	struct ksocket_stats *stats = ksocket_stats_begin(worker);

	u64_stats_add(&stats->tx_packets, dgram->segs);
	u64_stats_add(&stats->tx_bytes, dgram->len);
	ksocket_stats_end(stats);
}

/* stats.c */
enum ksocket_drop ksocket_drop_from_errno(int err);
const char *ksocket_drop_name(enum ksocket_drop reason);
const char *ksocket_close_name(enum ksocket_close reason);
const char *ksocket_beacon_name(enum ksocket_beacon_count what);
void ksocket_count_discarded(const struct ksocket_worker *worker,
			     const struct ksocket_datagram *dgram);
void ksocket_count_drop(const struct ksocket_worker *worker,
			const struct ksocket_datagram *dgram,
			enum ksocket_drop reason);
void ksocket_count_fallback(const struct ksocket_worker *worker,
			    const struct ksocket_datagram *dgram);
void ksocket_count_stale_error(const struct ksocket_worker *worker);
void ksocket_count_recv_error(const struct ksocket_worker *worker);
void ksocket_count_wakeup(const struct ksocket_worker *worker);
void ksocket_count_user_send(const struct ksocket_worker *worker);
void ksocket_count_bytes(const struct ksocket_worker *worker, u64 rx, u64 tx);
void ksocket_count_accepted(const struct ksocket_worker *worker);
void ksocket_count_connected(const struct ksocket_worker *worker);
void ksocket_count_close(const struct ksocket_worker *worker,
			 enum ksocket_close reason);
void ksocket_count_connect_failed(const struct ksocket_worker *worker);
void ksocket_count_disconnected(const struct ksocket_worker *worker);
void ksocket_count_beacons(const struct ksocket_worker *worker,
			   enum ksocket_beacon_count what, u64 n);
void ksocket_totals_read(const struct ksocket_service *svc,
			 struct ksocket_totals *sum);
void ksocket_totals_read_ever(const struct ksocket_service *svc,
			      struct ksocket_totals *sum);
void ksocket_totals_read_worker(const struct ksocket_worker *worker,
				struct ksocket_totals *sum);
void ksocket_queued_read(const struct ksocket_service *svc,
			 struct ksocket_queued *sum);
void ksocket_stats_reset(struct ksocket_service *svc);

/* guard.c */
bool ksocket_guard_is_local(struct net *net, const union ksocket_addr *addr,
			    int ifindex);
int ksocket_guard_config(struct net *net, const struct ksocket_config *cfg,
			 struct ksocket_report *rep);
enum ksocket_drop ksocket_guard_check(struct ksocket_worker *worker,
				      struct ksocket_datagram *dgram);
void ksocket_guard_forget(struct ksocket_worker *worker);
int ksocket_guard_net_init(struct ksocket_net *kn);
void ksocket_guard_net_exit(struct ksocket_net *kn);
int ksocket_guard_attach(struct ksocket_service *svc,
			 struct ksocket_report *rep);
void ksocket_guard_detach(struct ksocket_service *svc);
void ksocket_guard_move(struct ksocket_worker *worker,
			const union ksocket_addr *to);
int ksocket_guard_circle(struct net *net, const struct ksocket_config *cfg,
			 struct ksocket_report *rep);

/* owner.c */
int ksocket_owner_charge(struct ksocket_service *svc,
			 struct ksocket_report *rep);
void ksocket_owner_uncharge(struct ksocket_service *svc);
int ksocket_owner_keep(struct ksocket_service *old, unsigned int threads,
		       struct ksocket_report *rep);
void ksocket_owner_release(struct ksocket_net *kn);
bool ksocket_owner_conn_charge(struct ksocket_service *svc);
void ksocket_owner_conn_uncharge(struct ksocket_service *svc);
int ksocket_owner_join(const struct net *net, struct task_struct *task);
void ksocket_owner_adopt(const struct ksocket_service *svc, struct sock *sk);
bool ksocket_owner_ask_memory(struct ksocket_worker *worker,
			      const struct sock *sk);
void ksocket_owner_enter(struct ksocket_worker *worker);
void ksocket_owner_leave(struct ksocket_worker *worker);

/**
 * ksocket_owner_begin() - begin what may charge memory to the service's cgroup
 * @worker: the worker
 *
 * Near the limit, charges up to ksocket_owner_end() go through even over the limit, as
 * those of a thread that frees memory do.
 *
 * Context: process context, by the worker's thread or when that has ended; the two
 * do not nest.
 */
static inline void ksocket_owner_begin(struct ksocket_worker *worker)
{
	if (unlikely(worker->memory.limited))
		ksocket_owner_enter(worker);
}

/**
 * ksocket_owner_end() - undo ksocket_owner_begin()
 * @worker: the worker
 */
static inline void ksocket_owner_end(struct ksocket_worker *worker)
{
	if (unlikely(worker->memory.limited))
		ksocket_owner_leave(worker);
}

/**
 * ksocket_owner_has_memory() - may the worker send by this socket, or keep it?
 * @worker: the worker, between ksocket_owner_begin() and ksocket_owner_end()
 * @sk: the socket
 *
 * Context: process context, may sleep.
 * Return: true if so.
 */
static inline bool ksocket_owner_has_memory(struct ksocket_worker *worker,
					    const struct sock *sk)
{
	return likely(!worker->memory.limited) ||
	       ksocket_owner_ask_memory(worker, sk);
}

/* control/config.c */
void ksocket_config_init(struct ksocket_config *cfg);
enum ksocket_dscp
ksocket_config_default_dscp(const struct ksocket_mode *mode);
void ksocket_config_set_mode(struct ksocket_config *cfg,
			     const struct ksocket_mode *mode);
int ksocket_ttl_find(const char *name);
const char *ksocket_ttl_name(enum ksocket_ttl ttl);
int ksocket_dscp_find(const char *name);
const char *ksocket_dscp_name(enum ksocket_dscp dscp);
int ksocket_newline_find(const char *name);
const char *ksocket_newline_name(enum ksocket_newline newline);
void ksocket_config_set_device(struct ksocket_config *cfg,
			       struct net_device *dev);
int ksocket_config_find_device(struct net *net, struct ksocket_config *cfg,
			       u32 ifindex);
void ksocket_config_unmap(union ksocket_addr *addr);
int ksocket_config_set_ipv6(struct net *net, union ksocket_addr *addr,
			    const struct in6_addr *ip, u16 port, u32 scope);
bool ksocket_config_applies(const struct ksocket_config *cfg,
			    enum ksocket_field field);
int ksocket_config_check_given(const struct ksocket_config *cfg, u32 given,
			       struct ksocket_report *rep);
int ksocket_config_check(const struct ksocket_config *cfg,
			 struct ksocket_report *rep);
int ksocket_config_check_buffers(const struct net *net, unsigned int rcvbuf,
				 unsigned int sndbuf,
				 struct ksocket_report *rep);
bool ksocket_config_same(const struct ksocket_config *a,
			 const struct ksocket_config *b);

/* control/netlink.c */
int ksocket_nl_init(void);
void ksocket_nl_exit(void);
void ksocket_nl_started(const struct ksocket_service *svc);
void ksocket_nl_stopped(struct net *net, const char *name,
			enum ksocket_stop_reason reason);
void ksocket_nl_device(const struct ksocket_service *svc,
		       const struct ksocket_device *device, int ifindex);
void ksocket_nl_receiver(const struct ksocket_service *svc, bool unreachable,
			 int err);
void ksocket_nl_loop(const struct ksocket_service *svc, u64 loops);
void ksocket_nl_dropped(const struct ksocket_service *svc,
			const struct ksocket_losses *lost);

/* control/params.c */
int ksocket_params_read(struct net *net, struct ksocket_config *cfg,
			struct ksocket_report *rep);

/* control/proc.c */
int ksocket_proc_init(struct net *net);
void ksocket_proc_exit(struct net *net);

/* control/sockopt.c */
#ifdef CONFIG_NETFILTER
int ksocket_so_init(void);
void ksocket_so_exit(void);
#else
static inline int ksocket_so_init(void)
{
	return 0;
}

static inline void ksocket_so_exit(void)
{
}
#endif

/* control/watch.c */
void ksocket_watch_drop(struct ksocket_service *svc, enum ksocket_drop reason,
			int err);
void ksocket_watch_close(struct ksocket_service *svc, enum ksocket_close reason,
			 int err);
void ksocket_watch_refused(struct ksocket_service *svc, int err);
void ksocket_watch_retry(struct ksocket_service *svc);
void ksocket_watch_taken(struct ksocket_service *svc);
bool ksocket_watch_unreachable(const struct ksocket_service *svc);
void ksocket_watch_init(struct ksocket_service *svc);
void ksocket_watch_stop(struct ksocket_service *svc);
void ksocket_watch_queue(struct delayed_work *work, unsigned long delay);
void ksocket_watch_flush(void);
int ksocket_watch_create(void);
void ksocket_watch_destroy(void);

#endif /* KSOCKET_H */
