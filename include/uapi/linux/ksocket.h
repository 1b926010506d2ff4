/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/*
 * ksocket by getsockopt() and setsockopt(), on any IPv4 or IPv6 socket, at level
 * IPPROTO_IP or IPPROTO_IPV6.
 *
 * Structs are fixed: every length has to be the struct's. Numbers are in host
 * byte order except ports and addresses. What is unused has to be 0. Everything
 * takes CAP_NET_ADMIN in the user namespace that owns the socket's network
 * namespace.
 */
#ifndef _UAPI_LINUX_KSOCKET_H
#define _UAPI_LINUX_KSOCKET_H

#include <linux/types.h>

/* Version of these structs. */
#define KSOCKET_SO_VERSION	2

/*
 * Netfilter keeps one list of option ranges for all. Others have 64 to 69
 * (iptables, ip6tables), 80 (the original destination of conntrack), 96 to 99
 * (arptables), 128 to 131 (ebtables), and 1152 to 1167 (IPVS); the stack's own
 * are below 256.
 */
#define KSOCKET_SO_BASE		1280

#define KSOCKET_SO_ADD		(KSOCKET_SO_BASE + 0)	/* set: ksocket_so_service */
#define KSOCKET_SO_DEL		(KSOCKET_SO_BASE + 1)	/* set: ksocket_so_name */
#define KSOCKET_SO_SET_END	(KSOCKET_SO_BASE + 2)

#define KSOCKET_SO_INFO		(KSOCKET_SO_BASE + 0)	/* get: ksocket_so_info */
#define KSOCKET_SO_SERVICE	(KSOCKET_SO_BASE + 1)	/* get: ksocket_so_service */
#define KSOCKET_SO_STATS	(KSOCKET_SO_BASE + 2)	/* get: ksocket_so_stats */
#define KSOCKET_SO_GET_END	(KSOCKET_SO_BASE + 3)

#define KSOCKET_SO_NAME_LEN	16	/* with the terminating NUL */
#define KSOCKET_SO_TEXT_LEN	1024
#define KSOCKET_SO_DROPS	32
#define KSOCKET_SO_CLOSES	32

/**
 * struct ksocket_so_name - which service
 * @name: its name, NUL-terminated and NUL-padded
 */
struct ksocket_so_name {
	char name[KSOCKET_SO_NAME_LEN];
};

/**
 * struct ksocket_so_info - what there is
 * @version: %KSOCKET_SO_VERSION
 * @services: services in the network namespace
 */
struct ksocket_so_info {
	__u32 version;
	__u32 services;
};

/**
 * struct ksocket_so_addr - an address and a port
 * @family: AF_INET or AF_INET6, or 0 for none
 * @port: UDP or TCP port
 * @scope: index of the device of a link-local IPv6 address, or 0
 * @addr: the address; of an IPv4 one the first four bytes
 */
struct ksocket_so_addr {
	__u16 family;
	__be16 port;
	__u32 scope;
	__u8 addr[16];
};

/**
 * struct ksocket_so_service - what a service does
 * @name: its name, NUL-terminated and NUL-padded; %KSOCKET_SO_SERVICE reads it
 *	and fills the rest, or fails with EOPNOTSUPP if the service has a setting
 *	that this struct does not hold (ttl, dscp, newline) at another value than
 *	its default
 * @mode: one of enum ksocket_mode_id in linux/ksocket_netlink.h
 * @datapath: one of enum ksocket_datapath there
 * @listen: where the requests come to, where the mode has requests
 * @reply: the receiver, where the mode has one
 * @ifindex: device that the datagrams have to come in by, or 0 for any
 * @threads: 1 to the number of processors online
 * @buffer_size: longest datagram taken, 1 to 65535 bytes
 * @rcvbuf: receive buffer in bytes, or 0 for the system's default
 * @sndbuf: send buffer in bytes, or 0 for the system's default
 * @min_source_port: lowest source port that mode echo answers, or 0 for all
 * @gro: 1 to take bursts of datagrams as one packet, or 0
 * @proto: one of enum ksocket_proto there; 0 is UDP, and @max_connections,
 *	@backlog and @idle_timeout are 0 then
 * @max_connections: TCP connections at a time, 1 to 65536
 * @backlog: connections that may wait to be taken, 1 to 65535
 * @idle_timeout: seconds that a connection may be idle, 0 for ever, to 86400
 * @keepalive: seconds after which a silent peer is asked whether it is there, 0
 *	for never, to 32767; 0 where nothing goes by TCP
 * @interval: mode beacon: milliseconds from one to the next, 10 to 3600000; 0 in
 *	the other modes
 * @reply_proto: 1 to send datagrams to the receiver by TCP, otherwise 0, and what
 *	follows up to @queue_bytes is 0 then, as it is where @proto is TCP
 * @framing: one of enum ksocket_framing there
 * @queue_bytes: size of the queue to the receiver, 4096 to 67108864
 * @text_len: bytes in @text
 * @text: what mode text answers; of what mode beacon makes beacons
 */
struct ksocket_so_service {
	char name[KSOCKET_SO_NAME_LEN];
	__u32 mode;
	__u32 datapath;
	struct ksocket_so_addr listen;
	struct ksocket_so_addr reply;
	__u32 ifindex;
	__u32 threads;
	__u32 buffer_size;
	__u32 rcvbuf;
	__u32 sndbuf;
	__u16 min_source_port;
	__u8 gro;
	__u8 proto;
	__u32 max_connections;
	__u32 backlog;
	__u32 idle_timeout;
	__u32 keepalive;
	__u32 interval;
	__u32 reply_proto;
	__u32 framing;
	__u32 queue_bytes;
	__u32 text_len;
	__u8 text[KSOCKET_SO_TEXT_LEN];
};

/**
 * struct ksocket_so_stats - what a service has done
 * @name: its name, NUL-terminated and NUL-padded; read, the rest is filled
 * @n_drops: how many of @drops there are
 * @unreachable: 1 if the receiver refuses what it is sent, as far as is known
 * @n_closes: how many of @closes there are
 * @connections: TCP connections there are
 * @rx_packets: datagrams taken, those dropped later included; beacons made
 * @rx_bytes: their payload in bytes
 * @tx_packets: answers handed to the network stack
 * @tx_bytes: their payload in bytes
 * @discarded: datagrams consumed as the mode asks
 * @stale_errors: ICMP errors of earlier answers, consumed by sending again
 * @recv_errors: failed receives, none of which took a datagram
 * @rx_overflow: datagrams dropped by the stack, the receive buffer was full
 * @reply_ignored: datagrams that a receiver sent back
 * @wakeups: times that a thread slept and was woken
 * @fallbacks: datagrams copied although the datapath is another
 * @user_sends: payloads that user space has sent
 * @accepted: TCP connections taken, those refused at once included
 * @connected: TCP connections to the receiver that came up
 * @connect_failed: attempts to connect to the receiver of datagrams that failed
 * @disconnected: connections to it that came up and broke
 * @queued: datagrams that wait for such a connection, or in it
 * @queued_bytes: what they take of the queue
 * @drops: datagrams not answered, in the order of Documentation/drop-reasons.rst
 * @closes: TCP connections that have ended, likewise
 * @beacons_missed: mode beacon: not made, because an earlier one was late
 * @beacon_received: mode beacon-sink, as all that follow: beacons in their order
 * @beacon_lost: sequence numbers that were skipped
 * @beacon_late: those of them that came after all
 * @beacon_duplicate: beacons that had come before
 * @beacon_restarted: senders that have begun to count anew
 * @beacon_malformed: datagrams without a sequence number
 * @beacon_evicted: senders forgotten because others came
 */
struct ksocket_so_stats {
	char name[KSOCKET_SO_NAME_LEN];
	__u32 n_drops;
	__u32 unreachable;
	__u32 n_closes;
	__u32 connections;
	__aligned_u64 rx_packets;
	__aligned_u64 rx_bytes;
	__aligned_u64 tx_packets;
	__aligned_u64 tx_bytes;
	__aligned_u64 discarded;
	__aligned_u64 stale_errors;
	__aligned_u64 recv_errors;
	__aligned_u64 rx_overflow;
	__aligned_u64 reply_ignored;
	__aligned_u64 wakeups;
	__aligned_u64 fallbacks;
	__aligned_u64 user_sends;
	__aligned_u64 accepted;
	__aligned_u64 connected;
	__aligned_u64 connect_failed;
	__aligned_u64 disconnected;
	__u32 queued;
	__u32 queued_bytes;
	__aligned_u64 drops[KSOCKET_SO_DROPS];
	__aligned_u64 closes[KSOCKET_SO_CLOSES];
	__aligned_u64 beacons_missed;
	__aligned_u64 beacon_received;
	__aligned_u64 beacon_lost;
	__aligned_u64 beacon_late;
	__aligned_u64 beacon_duplicate;
	__aligned_u64 beacon_restarted;
	__aligned_u64 beacon_malformed;
	__aligned_u64 beacon_evicted;
};

#endif /* _UAPI_LINUX_KSOCKET_H */
