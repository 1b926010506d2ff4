// SPDX-License-Identifier: GPL-2.0
/*
 * in_netns - what the shell tests do most, with as little as it takes:
 *
 *   in_netns NAME COMMAND [ARGUMENT]...     run it in that network namespace
 *   in_netns -c NAME FILE...                print these files as seen from there
 *
 * "ip netns exec" also makes a mount namespace with a /sys of its own, which costs
 * more than most of what is run in it. Who needs that /sys needs ip.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int print(const char *path)
{
	int fd = open(path, O_RDONLY);
	char text[65536];
	ssize_t len;

	if (fd < 0) {
		warn("%s", path);
		return 1;
	}
	while ((len = read(fd, text, sizeof(text))) > 0)
		if (write(1, text, len) != len)
			err(1, "write");
	if (len < 0)
		err(1, "%s", path);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	int fd, failed = 0, files = argc > 1 && !strcmp(argv[1], "-c");
	char path[256];

	argv += 1 + files;
	if (argc < 3 + files)
		errx(2, "usage: in_netns NAME COMMAND [ARGUMENT]... | in_netns -c NAME FILE...");
	snprintf(path, sizeof(path), "/run/netns/%s", *argv++);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(255, "%s", path);
	if (!files) {
		execvp(*argv, argv);
		err(127, "%s", *argv);
	}
	for (; *argv; argv++)
		failed |= print(*argv);
	return failed;
}
