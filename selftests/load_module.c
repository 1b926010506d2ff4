// SPDX-License-Identifier: GPL-2.0
/*
 * load_module FILE [PARAMETER=VALUE]... - as insmod, but says the errno by its
 * name, which insmod turns into a sentence of its own making: OK, EINVAL ...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char params[8192] = "";
	size_t len = 0;
	int fd, i;

	if (argc < 2) {
		fprintf(stderr, "Usage: load_module FILE [PARAMETER=VALUE]...\n");
		return 2;
	}
	for (i = 2; i < argc; i++)
		len += snprintf(params + len, sizeof(params) - len, "%s ",
				argv[i]);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	if (syscall(SYS_finit_module, fd, params, 0)) {
		puts(strerrorname_np(errno));
		return 1;
	}
	puts("OK");
	return 0;
}
