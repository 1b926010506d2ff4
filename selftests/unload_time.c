// SPDX-License-Identifier: GPL-2.0
/*
 * unload_time - unload ksocket and print how long that took, in microseconds:
 * the delete_module() call alone, without the start of a process around it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int main(void)
{
	long long start = now_us();

	if (syscall(SYS_delete_module, "ksocket", O_NONBLOCK)) {
		fprintf(stderr, "unload_time: %s\n", strerror(errno));
		return 1;
	}
	printf("%lld\n", now_us() - start);
	return 0;
}
