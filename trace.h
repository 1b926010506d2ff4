/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of ksocket, see Documentation/tracing.rst. Addresses are whole
 * sockaddrs, so that %pISpc prints them and a program can take them apart.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ksocket

#if !defined(KSOCKET_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KSOCKET_TRACE_H

#include <linux/tracepoint.h>

#include "ksocket.h"

#define KSOCKET_DROP_EXPORT(sym, name, doc) \
	TRACE_DEFINE_ENUM(KSOCKET_DROP_##sym);
KSOCKET_DROP_TABLE(KSOCKET_DROP_EXPORT)
#undef KSOCKET_DROP_EXPORT
TRACE_DEFINE_ENUM(KSOCKET_DROP_NONE);

#define KSOCKET_DROP_SYMBOL(sym, name, doc) { KSOCKET_DROP_##sym, name },
#define KSOCKET_DROP_SYMBOLS \
	KSOCKET_DROP_TABLE(KSOCKET_DROP_SYMBOL) { KSOCKET_DROP_NONE, "none" }

#define KSOCKET_CLOSE_EXPORT(sym, name, doc) \
	TRACE_DEFINE_ENUM(KSOCKET_CLOSE_##sym);
KSOCKET_CLOSE_TABLE(KSOCKET_CLOSE_EXPORT)
#undef KSOCKET_CLOSE_EXPORT
TRACE_DEFINE_ENUM(KSOCKET_CLOSE_MAX);

#define KSOCKET_CLOSE_SYMBOL(sym, name, doc) { KSOCKET_CLOSE_##sym, name },
#define KSOCKET_CLOSE_SYMBOLS \
	KSOCKET_CLOSE_TABLE(KSOCKET_CLOSE_SYMBOL) { KSOCKET_CLOSE_MAX, "none" }

DECLARE_EVENT_CLASS(ksocket_datagram,
	TP_PROTO(const struct ksocket_service *svc,
		 const struct ksocket_datagram *dgram),
	TP_ARGS(svc, dgram),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(__u8, from, sizeof(union ksocket_addr))
		__array(__u8, to, sizeof(union ksocket_addr))
		__field(__u32, len)
		__field(__u32, segs)
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		memcpy(__entry->from, &dgram->from, sizeof(dgram->from));
		memcpy(__entry->to, &dgram->to, sizeof(dgram->to));
		__entry->len = dgram->len;
		__entry->segs = dgram->segs;
	),
	TP_printk("service=%s from=%pISpc to=%pISpc len=%u segs=%u",
		  __entry->service, __entry->from, __entry->to, __entry->len,
		  __entry->segs)
);

/* A datagram was taken from a listen socket; len is its full length. */
DEFINE_EVENT(ksocket_datagram, ksocket_rx,
	TP_PROTO(const struct ksocket_service *svc,
		 const struct ksocket_datagram *dgram),
	TP_ARGS(svc, dgram)
);

/* An answer was handed to the stack: to the receiver, or to the sender. */
TRACE_EVENT(ksocket_tx,
	TP_PROTO(const struct ksocket_service *svc,
		 const union ksocket_addr *to,
		 const struct ksocket_datagram *dgram),
	TP_ARGS(svc, to, dgram),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(__u8, to, sizeof(union ksocket_addr))
		__field(__u32, len)
		__field(__u32, segs)
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		memcpy(__entry->to, to, sizeof(*to));
		__entry->len = dgram->len;
		__entry->segs = dgram->segs;
	),
	TP_printk("service=%s to=%pISpc len=%u segs=%u",
		  __entry->service, __entry->to, __entry->len, __entry->segs)
);

/* A datagram was not answered; err is the errno of a failed send, or 0. */
TRACE_EVENT(ksocket_drop,
	TP_PROTO(const struct ksocket_service *svc,
		 const struct ksocket_datagram *dgram,
		 enum ksocket_drop reason, int err),
	TP_ARGS(svc, dgram, reason, err),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(__u8, from, sizeof(union ksocket_addr))
		__array(__u8, to, sizeof(union ksocket_addr))
		__field(__u32, len)
		__field(__u32, reason)
		__field(__s32, err)
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		memcpy(__entry->from, &dgram->from, sizeof(dgram->from));
		memcpy(__entry->to, &dgram->to, sizeof(dgram->to));
		__entry->len = dgram->len;
		__entry->reason = reason;
		__entry->err = err;
	),
	TP_printk("service=%s from=%pISpc to=%pISpc len=%u reason=%s err=%d",
		  __entry->service, __entry->from, __entry->to, __entry->len,
		  __print_symbolic(__entry->reason, KSOCKET_DROP_SYMBOLS),
		  __entry->err)
);

/* A connection was taken from the backlog, be it to be refused. */
TRACE_EVENT(ksocket_conn_open,
	TP_PROTO(const struct ksocket_service *svc,
		 const union ksocket_addr *peer),
	TP_ARGS(svc, peer),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(__u8, peer, sizeof(union ksocket_addr))
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		memcpy(__entry->peer, peer, sizeof(*peer));
	),
	TP_printk("service=%s peer=%pISpc", __entry->service, __entry->peer)
);

/* A connection has ended; rx and tx are bytes from and to the client. */
TRACE_EVENT(ksocket_conn_close,
	TP_PROTO(const struct ksocket_service *svc,
		 const struct ksocket_conn_info *info,
		 enum ksocket_close reason, int err),
	TP_ARGS(svc, info, reason, err),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(__u8, peer, sizeof(union ksocket_addr))
		__field(__u64, rx)
		__field(__u64, tx)
		__field(__u32, reason)
		__field(__s32, err)
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		memcpy(__entry->peer, &info->peer, sizeof(info->peer));
		__entry->rx = info->rx_bytes;
		__entry->tx = info->tx_bytes;
		__entry->reason = reason;
		__entry->err = err;
	),
	TP_printk("service=%s peer=%pISpc rx=%llu tx=%llu reason=%s err=%d",
		  __entry->service, __entry->peer, __entry->rx, __entry->tx,
		  __print_symbolic(__entry->reason, KSOCKET_CLOSE_SYMBOLS),
		  __entry->err)
);

/*
 * The connection that datagrams go to the receiver by is there, or is not: err says
 * why, and in wait milliseconds it is tried again. 0 and 0 when the service stops.
 */
TRACE_EVENT(ksocket_uplink,
	TP_PROTO(const struct ksocket_service *svc, bool up, int err,
		 unsigned int wait),
	TP_ARGS(svc, up, err, wait),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(__u8, to, sizeof(union ksocket_addr))
		__field(__u32, up)
		__field(__s32, err)
		__field(__u32, wait)
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		memcpy(__entry->to, &svc->cfg.reply, sizeof(svc->cfg.reply));
		__entry->up = up;
		__entry->err = err;
		__entry->wait = wait;
	),
	TP_printk("service=%s to=%pISpc up=%u err=%d wait=%u",
		  __entry->service, __entry->to, __entry->up, __entry->err,
		  __entry->wait)
);

DECLARE_EVENT_CLASS(ksocket_service,
	TP_PROTO(const struct ksocket_service *svc),
	TP_ARGS(svc),
	TP_STRUCT__entry(
		__array(char, service, KSOCKET_NAME_LEN)
		__array(char, mode, KSOCKET_NAME_LEN)
		__array(__u8, listen, sizeof(union ksocket_addr))
		__field(__u32, threads)
	),
	TP_fast_assign(
		memcpy(__entry->service, svc->cfg.name, KSOCKET_NAME_LEN);
		strscpy(__entry->mode, svc->cfg.mode->name, KSOCKET_NAME_LEN);
		memcpy(__entry->listen, &svc->cfg.listen,
		       sizeof(svc->cfg.listen));
		/* 0.0.0.0:0 where nothing listens, for there is no other text. */
		if (!ksocket_has_listener(&svc->cfg))
			((struct sockaddr *)__entry->listen)->sa_family = AF_INET;
		__entry->threads = svc->cfg.threads;
	),
	TP_printk("service=%s mode=%s listen=%pISpc threads=%u",
		  __entry->service, __entry->mode, __entry->listen,
		  __entry->threads)
);

/* A service is up: its sockets are open, its threads are about to run. */
DEFINE_EVENT(ksocket_service, ksocket_service_start,
	TP_PROTO(const struct ksocket_service *svc),
	TP_ARGS(svc)
);

/* A service is down: its threads have ended, its sockets are closed. */
DEFINE_EVENT(ksocket_service, ksocket_service_stop,
	TP_PROTO(const struct ksocket_service *svc),
	TP_ARGS(svc)
);

#endif /* KSOCKET_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
