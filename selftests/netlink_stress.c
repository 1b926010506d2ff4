// SPDX-License-Identifier: GPL-2.0
/*
 * Everybody at once: processes that add, change, delete, send, dump and listen
 * to events, one that never reads them, namespaces with services that end, and
 * traffic all the while. Nobody gets stuck, what is shown is consistent at the
 * end, and the module can be unloaded; what it leaves behind, the machine that
 * runs this finds.
 *
 * KSOCKET_SOAK makes it long.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"

#include "netlink_msg.h"

#define SECONDS_SHORT	5
#define SECONDS_LONG	60

/* What the processes have done. */
struct done {
	unsigned long requests, accepted, dumps, events, namespaces, datagrams;
};

static struct done *done;
static time_t end;

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static int connected(int *family)
{
	int fd = nl_open();

	*family = family_number(fd);
	return *family > 0 ? fd : -1;
}

static void count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* Requests at random, each answered before the next one. */
static int changer(int nr)
{
	static __u8 answer[1 << 17];
	static struct message msg;
	int family, fd = connected(&family);

	next_state += nr * 7919;
	while (now() < end) {
		const struct nlmsgerr *err = NLMSG_DATA((void *)answer);
		const struct nlmsghdr *nl = (void *)answer;

		compose(&msg, family);
		if (msg.nl.nlmsg_flags & NLM_F_DUMP && msg.genl.cmd == KSOCKET_CMD_SERVICE_GET)
			continue;
		if (send(fd, &msg, msg.nl.nlmsg_len, 0) < 0)
			return 1;
		do {
			if (recv(fd, answer, sizeof(answer), 0) < 0)
				return 2;
		} while (nl->nlmsg_type != NLMSG_ERROR);
		count(&done->requests);
		if (!err->error)
			count(&done->accepted);
	}
	return 0;
}

static int dumper(int nr)
{
	int family, fd = connected(&family);

	(void)nr;
	while (now() < end) {
		int n = services_dumped(fd, family);

		if (n < 0)
			return 1;
		/* Those that were there at its begin, one of each name. */
		if (n > 4)
			return 2;
		count(&done->dumps);
	}
	return 0;
}

/*
 * What they hear with. Before 5.11 who joins a group takes the generic netlink
 * lock for writing, and requests that never pause keep him out as long as they
 * like (readers that spin, rwsem_down_read_slowpath()): they join before all.
 */
static int listeners[2];

static int join_events(int fd, int group)
{
	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			  sizeof(group));
}

static int listener(int nr)
{
	static __u8 event[1 << 16];
	struct timeval second = { .tv_sec = 1 };
	int fd = listeners[nr];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	while (now() < end) {
		/* The second one is deaf. */
		if (nr)
			sleep(1);
		else if (recv(fd, event, sizeof(event), 0) > 0)
			count(&done->events);
		else if (errno != EAGAIN && errno != ENOBUFS)
			return 2;
	}
	return 0;
}

static int own_namespace(void)
{
	static struct message msg;
	int i, family, fd;

	if (unshare(CLONE_NEWNET) || lo_up())
		return 1;
	fd = connected(&family);
	for (i = 0; i < 4; i++) {
		do {
			compose(&msg, family);
		} while (msg.genl.cmd != KSOCKET_CMD_SERVICE_NEW);
		if (send(fd, &msg, msg.nl.nlmsg_len, 0) < 0)
			return 2;
		drain(fd);
	}
	return services_shown() < 1;
}

/* A namespace that ends with what is in it. */
static int comer(int nr)
{
	int status;
	pid_t pid;

	(void)nr;
	while (now() < end) {
		next_state += 104729;
		pid = fork();
		if (!pid)
			_exit(own_namespace());
		if (waitpid(pid, &status, 0) != pid || status)
			return 1;
		count(&done->namespaces);
	}
	return 0;
}

static int sender(int nr)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)nr;
	while (now() < end) {
		to.sin_port = htons(PORT + next() % 8);
		/* Ports without a service refuse now and then. */
		if (sendto(fd, "hello", next() % 6, MSG_DONTWAIT, (void *)&to,
			   sizeof(to)) >= 0)
			count(&done->datagrams);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int nr);
	int nr;
} processes[] = {
	{ "changer", changer, 0 }, { "changer", changer, 1 },
	{ "changer", changer, 2 }, { "changer", changer, 3 },
	{ "dumper", dumper, 0 }, { "listener", listener, 0 },
	{ "deaf listener", listener, 1 }, { "namespaces", comer, 0 },
	{ "sender", sender, 0 },
};

#define PROCESSES	ARRAY_SIZE(processes)

FIXTURE(stress)
{
	pid_t pids[PROCESSES];
};

FIXTURE_SETUP(stress)
{
	if (geteuid())
		SKIP(return, "needs root");
	done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, done);
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, lo_up());
	ASSERT_EQ(0, load("listen_port=0"));
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
}

TEST_F_TIMEOUT(stress, everybody, slow(600))
{
	int family, fd, status;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(listeners); i++) {
		listeners[i] = connected(&family);
		ASSERT_LE(0, listeners[i]);
		ASSERT_EQ(0, join_events(listeners[i], events_group(listeners[i])));
	}
	end = now() + (getenv("KSOCKET_SOAK") ? SECONDS_LONG : SECONDS_SHORT);
	for (i = 0; i < PROCESSES; i++) {
		self->pids[i] = fork();
		ASSERT_LE(0, self->pids[i]);
		if (!self->pids[i])
			_exit(processes[i].run(processes[i].nr));
	}
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		EXPECT_EQ(0, status)
			TH_LOG("%s ended with %#x", processes[i].name, status);
	}
	TH_LOG("%lu requests, %lu accepted, %lu dumps", done->requests,
	       done->accepted, done->dumps);
	TH_LOG("%lu events, %lu namespaces, %lu datagrams", done->events,
	       done->namespaces, done->datagrams);
	EXPECT_LT(20, done->accepted);
	EXPECT_LT(0, done->dumps);
	EXPECT_LT(0, done->events);
	EXPECT_LT(0, done->namespaces);
	EXPECT_LT(20, done->datagrams);

	/* Nobody is left who would change anything. */
	fd = connected(&family);
	ASSERT_LE(0, fd);
	EXPECT_EQ(services_shown(), services_dumped(fd, family));
	close(fd);
}

TEST_HARNESS_MAIN
