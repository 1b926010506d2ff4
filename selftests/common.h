/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What test programs in C share: the module without a service, the loopback
 * device, numbers at random, the services that are shown.
 */
#ifndef COMMON_H
#define COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slow.h"

/* The same ones each time, unless this is changed before. */
static __u32 next_state = 2463534242;

static inline __u32 next(void)
{
	__u32 x = next_state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	next_state = x;
	return x;
}

/* Return: 0 or a negative errno. */
static inline int load(const char *params)
{
	const char *file = getenv("KSOCKET_KO");
	int fd = open(file ? file : "../ksocket.ko", O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return err;
}

static inline int lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err = ioctl(fd, SIOCSIFFLAGS, &ifr);

	close(fd);
	return err;
}

/* Services that /proc/net/ksocket shows. */
static inline int services_shown(void)
{
	FILE *file = fopen("/proc/net/ksocket", "r");
	char line[256];
	int n = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		n += !strncmp(line, "service ", 8);
	fclose(file);
	return n;
}

#endif /* COMMON_H */
