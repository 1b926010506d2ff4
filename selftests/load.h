/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs that make traffic share: addresses, numbers, time.
 */
#ifndef LOAD_H
#define LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "slow.h"

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(2);
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline double to_number(const char *text, double min, double max)
{
	char *end;
	double n = strtod(text, &end);

	if (!*text || *end || n < min || n > max) {
		fprintf(stderr, "%s: '%s' is out of range, see --help\n",
			program_invocation_short_name, text);
		exit(2);
	}
	return n;
}

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline socklen_t address_len(const union address *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

/* No getaddrinfo(): it does not link statically. */
static inline union address resolve(const char *text, const char *port)
{
	union address a = {};
	char addr[64], *scope;

	snprintf(addr, sizeof(addr), "%s", text);
	scope = strchr(addr, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET, addr, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, addr, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
		if (scope)
			a.in6.sin6_scope_id = if_nametoindex(scope) ? :
					      strtoul(scope, NULL, 10);
	} else {
		fprintf(stderr, "%s: '%s' is no address\n",
			program_invocation_short_name, text);
		exit(2);
	}
	/* The port has the same place in both. */
	a.in.sin_port = htons(to_number(port, 0, 65535));
	return a;
}

#endif /* LOAD_H */
