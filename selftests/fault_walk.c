// SPDX-License-Identifier: GPL-2.0
/*
 * fault_walk - load ksocket again and again, each time with another one of its
 * allocations failing, until a load meets no failure any more.
 *
 *   fault_walk [-kt] [-f FIRST] [-s STEP] [-l LAST] PORT THREADS MODULE [PARAM]...
 *
 * The kernel's fault injection counts the allocations of one task and fails
 * the one whose number is in /proc/self/fail-nth. -k: not ours but those of
 * kthreadd, which makes the threads for everybody. -t: it is about TCP, where
 * the kernel says that a port is in use when it has no memory for it.
 *
 * After a failed load nothing of the module may be there; after one that got
 * by without the memory, everything. Exit status: 0, or 1 with a line that
 * says what was wrong.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int port, threads;
static int fail_nth;		/* file */
static int nth;			/* the allocation that fails */
static bool tcp;
static unsigned int seen[256];	/* failed loads by errno */

static void die(const char *fmt, ...)
{
	va_list args;

	printf("allocation %d: ", nth);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* An armed fault may hit the very read or write here: then try again. */
static void arm(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);
	int tries;

	for (tries = 0; tries < 10; tries++)
		if (pwrite(fail_nth, text, len, 0) == len)
			return;
	die("cannot write fail-nth: %s", strerror(errno));
}

/* How many allocations are still to come before the one that fails. */
static int left(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) > 0)
		return atoi(text);
	if (errno == EFAULT)
		return 1;	/* It was this one. */
	die("cannot read fail-nth: %s", strerror(errno));
	return 0;
}

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

/*
 * Whoever was there before the first load is none of ours: there is no need to
 * look at its name again each time.
 */
static bool known[1 << 22];	/* processes, by their numbers */
static bool first_look = true;

static int count_threads(void)
{
	char path[300], comm[32];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int fd, count = 0;
	ssize_t len;

	if (!proc)
		die("no /proc");
	while ((entry = readdir(proc))) {
		if (!isdigit(entry->d_name[0]) || known[atoi(entry->d_name)])
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		len = read(fd, comm, sizeof(comm) - 1);
		close(fd);
		if (len >= 8 && !memcmp(comm, "ksocket/", 8))
			count++;
		else if (first_look)
			known[atoi(entry->d_name)] = true;
	}
	closedir(proc);
	first_look = false;
	return count;
}

static int count_sockets_in(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];
	unsigned int at;
	int count = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x", &at) == 1 &&
		    (int)at == port)
			count++;
	fclose(file);
	return count;
}

static int count_sockets(void)
{
	return count_sockets_in("/proc/net/udp") +
	       count_sockets_in("/proc/net/udp6") +
	       count_sockets_in("/proc/net/tcp") +
	       count_sockets_in("/proc/net/tcp6");
}

static void check_gone(void)
{
	int tries;

	if (exists("/sys/module/ksocket"))
		die("the module is still there");
	if (exists("/proc/net/ksocket"))
		die("/proc/net/ksocket is still there");
	if (count_sockets())
		die("a socket is still there");
	/* One that has been stopped may still be on its last steps. */
	for (tries = 0; count_threads(); tries++) {
		if (tries == 100)
			die("a thread is still there");
		usleep(20000);
	}
}

static void check_whole(void)
{
	char text[256];
	int fd = open("/proc/net/ksocket", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text)) <= 0)
		die("loaded, but /proc/net/ksocket shows no service");
	close(fd);
	if (count_threads() != threads)
		die("loaded with %d threads, not %d", count_threads(), threads);
	if (count_sockets() != threads)
		die("loaded with %d sockets, not %d", count_sockets(), threads);
}

static void unload(void)
{
	if (syscall(SYS_delete_module, "ksocket", O_NONBLOCK))
		die("cannot unload: %s", strerror(errno));
}

static bool is_clean(int err)
{
	return err == ENOMEM || err == ENOBUFS || err == EAGAIN ||
	       err == ENFILE ||	/* what the stack calls a lack of socket inodes */
	       err == EFAULT;	/* the loader's own copying from us */
}

/* Return: did a fault happen? */
static bool step(int module, const char *params, unsigned int *survived)
{
	bool loaded, hit;
	int err;

	arm(nth);
	loaded = !syscall(SYS_finit_module, module, params, 0);
	err = errno;
	hit = !left();
	arm(0);

	if (loaded) {
		check_whole();
		unload();
		*survived += hit;
	} else if (!hit) {
		die("%s, but no fault had happened", strerror(err));
	} else if (!is_clean(err) && !(tcp && err == EADDRINUSE)) {
		die("%s is not what lack of memory is called", strerror(err));
	} else {
		seen[err]++;
	}
	check_gone();

	return hit;
}

static char *join(char **words)
{
	static char text[4096];

	for (; *words; words++) {
		strncat(text, *words, sizeof(text) - strlen(text) - 1);
		strncat(text, " ", sizeof(text) - strlen(text) - 1);
	}
	return text;
}

static void usage(void)
{
	fprintf(stderr, "usage: fault_walk [-kt] [-f FIRST] [-s STEP] [-l LAST] PORT THREADS MODULE [PARAM]...\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int c, i, module, stride = 1, last = 100000, loads = 0, misses = 0;
	const char *whose = "/proc/self/fail-nth";
	unsigned int survived = 0;
	char *params;

	nth = 1;
	while ((c = getopt(argc, argv, "ktf:s:l:")) != -1) {
		switch (c) {
		case 'k':
			whose = "/proc/2/fail-nth";
			break;
		case 't':
			tcp = true;
			break;
		case 'f':
			nth = atoi(optarg);
			break;
		case 's':
			stride = atoi(optarg);
			break;
		case 'l':
			last = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (argc - optind < 3)
		usage();
	port = atoi(argv[optind]);
	threads = atoi(argv[optind + 1]);
	module = open(argv[optind + 2], O_RDONLY | O_CLOEXEC);
	fail_nth = open(whose, O_RDWR | O_CLOEXEC);
	if (module < 0 || fail_nth < 0)
		die("cannot open %s or %s", argv[optind + 2], whose);
	params = join(argv + optind + 3);
	check_gone();

	/* Their number varies a little, with what the allocators have ready. */
	for (; nth <= last && misses < 3; nth += stride, loads++)
		misses = step(module, params, &survived) ? 0 : misses + 1;
	if (last == 100000 && misses < 3)
		die("no end in sight");

	printf("%d loads, %u did without the memory", loads, survived);
	for (i = 0; i < 256; i++)
		if (seen[i])
			printf(", %u %s", seen[i], strerror(i));
	printf("\n");
	return 0;
}
