/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bench_payload.h - what the load of the kernel and that of user space put into
 * a datagram, so that every answer can be compared.
 */
#ifndef KSOCKET_BENCH_PAYLOAD_H
#define KSOCKET_BENCH_PAYLOAD_H

/* Byte @i of datagram @number, which its first bytes say. */
static inline unsigned char bench_byte(unsigned int number, unsigned int i)
{
	return (number * 2654435761u >> 24) + i * 7;
}

#endif /* KSOCKET_BENCH_PAYLOAD_H */
