/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bench.h - what the user-space programs of the benchmark share.
 */
#ifndef KSOCKET_BENCH_H
#define KSOCKET_BENCH_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* An address and port, or the end of the program. */
static inline socklen_t bench_parse(const char *host, const char *port,
				    struct sockaddr_storage *addr)
{
	struct sockaddr_in6 *in6 = (void *)addr;
	struct sockaddr_in *in = (void *)addr;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(atoi(port));
		return sizeof(*in6);
	}
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1) {
		fprintf(stderr, "no address: %s\n", host);
		exit(2);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(atoi(port));
	return sizeof(*in);
}

/* Nanoseconds; under icount these are instructions. */
static inline long long bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* For a signal that is to interrupt a wait, and do nothing else. */
static inline void bench_expired(int signal)
{
	(void)signal;
}

#endif /* KSOCKET_BENCH_H */
