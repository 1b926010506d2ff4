/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How slow this machine is: KSOCKET_SLOW, a whole number that a guest measures at
 * its start, is 1 on the machine that the time limits were made on. Every limit
 * that a slow machine could reach is multiplied by it.
 */
#ifndef SLOW_H
#define SLOW_H

#include <stdlib.h>

static inline int slow(int limit)
{
	const char *factor = getenv("KSOCKET_SLOW");
	int n = factor ? atoi(factor) : 1;

	return n > 1 ? limit * n : limit;
}

/* The limit of a test that names none. */
#ifdef TEST_TIMEOUT_DEFAULT
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	slow(30)
#endif

#endif /* SLOW_H */
