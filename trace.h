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
