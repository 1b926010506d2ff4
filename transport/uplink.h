/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Datagrams to the receiver by TCP, see uplink.c.
 */
#ifndef KSOCKET_TRANSPORT_UPLINK_H
#define KSOCKET_TRANSPORT_UPLINK_H

#include "ksocket.h"

int ksocket_uplink_open(struct ksocket_worker *worker,
			struct ksocket_report *rep);
void ksocket_uplink_close(struct ksocket_worker *worker);
void ksocket_uplink_detach(struct ksocket_worker *worker);
int ksocket_uplink_put(struct ksocket_worker *worker,
		       const struct ksocket_datagram *dgram);
bool ksocket_uplink_serve(struct ksocket_worker *worker);
bool ksocket_uplink_is_ready(const struct ksocket_worker *worker);
ktime_t ksocket_uplink_due(const struct ksocket_worker *worker);
bool ksocket_uplink_next_conn(struct ksocket_worker *worker, u32 id,
			      struct ksocket_conn_info *info);
u64 ksocket_uplink_ignored(const struct ksocket_worker *worker);
void ksocket_uplink_queued(const struct ksocket_worker *worker,
			   struct ksocket_queued *sum);

#endif /* KSOCKET_TRANSPORT_UPLINK_H */
