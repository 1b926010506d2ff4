// SPDX-License-Identifier: GPL-2.0
/*
 * Services in user namespaces: one user may take all that he is allowed, and the
 * next user still starts his. However a user nests and repeats namespaces, they
 * count as one user; those that root creates for others count each by itself.
 *
 * KSOCKET_SOAK reaches the limit for all users together.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "netlink_msg.h"

/* As in owner.c. */
#define THREADS		256
#define THREADS_ALL	2048

/* An order to a tenant, and how often it replaces its first service then. */
#define REPLACE		(~0u)
#define REPLACES	100

/* A process in namespaces of its own, at the other end of two pipes. */
struct tenant {
	pid_t pid;
	int orders, answers;
};

/* Return: 0 or the negative errno of adding a service on this port, or replacing it. */
static int add_service(int fd, int family, unsigned int nr, __u16 flags,
		       __u32 buffer_size)
{
	static struct message msg;
	static __u8 answer[1 << 16];
	const struct nlmsghdr *nl = (void *)answer;
	const struct nlmsgerr *err = NLMSG_DATA((void *)answer);
	char name[16];

	memset(&msg, 0, sizeof(msg) - ROOM + 2048);
	msg.nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg.nl.nlmsg_type = family;
	msg.nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	msg.genl.cmd = KSOCKET_CMD_SERVICE_NEW;
	msg.genl.version = 1;
	snprintf(name, sizeof(name), "s%u", nr);
	put(&msg, KSOCKET_A_SERVICE_NAME, name, strlen(name) + 1);
	put_u32(&msg, KSOCKET_A_SERVICE_MODE, KSOCKET_MODE_DISCARD);
	put_u32(&msg, KSOCKET_A_SERVICE_BUFFER_SIZE, buffer_size);
	put_address(&msg, KSOCKET_A_SERVICE_LISTEN, PORT + nr);
	if (send(fd, &msg, msg.nl.nlmsg_len, 0) < 0)
		return -errno;
	do {
		if (recv(fd, answer, sizeof(answer), 0) < 0)
			return -errno;
	} while (nl->nlmsg_type != NLMSG_ERROR);
	return err->error;
}

/* Return: 0 or -1. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return -err;
}

/* Return: 0 or -1; as root of a new user namespace. */
static int enter_one(void)
{
	char uid_map[32], gid_map[32];

	snprintf(uid_map, sizeof(uid_map), "0 %u 1", geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER))
		return -1;
	/* Otherwise /proc/self belongs to root. */
	prctl(PR_SET_DUMPABLE, 1);
	/* Both have to be there for another one. */
	return write_file("/proc/self/setgroups", "deny") ||
	       write_file("/proc/self/gid_map", gid_map) ||
	       write_file("/proc/self/uid_map", uid_map) ? -1 : 0;
}

/* Return: 0 or -1; as this user, in user namespaces so deep and a network one. */
static int enter(uid_t uid, int depth)
{
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		return -1;
	while (depth--)
		if (enter_one())
			return -1;
	return unshare(CLONE_NEWNET);
}

/* Return: 0 or -1; one namespace deeper, while what is in the last one stays. */
static int nest(int *fd)
{
	if (open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) < 0)
		return -1;
	close(*fd);
	if (enter_one() || unshare(CLONE_NEWNET) || lo_up())
		return -1;
	*fd = nl_open();
	return *fd < 0 ? -1 : 0;
}

/* Return: 1 if the first service could not be replaced, and may be gone, or 0. */
static unsigned int replace_service(int fd, int family)
{
	int i, err;

	for (i = 0; i < REPLACES; i++) {
		err = add_service(fd, family, 0, NLM_F_REPLACE, 65 + i % 2);
		if (err == -EUSERS)
			return 1;
		if (err)
			_exit(6);
	}
	return 0;
}

/*
 * An order is a number of services to add, 0 to go one namespace deeper, or REPLACE;
 * the answer is how many there are.
 */
static void serve(uid_t uid, int depth, int orders, int answers)
{
	unsigned int wanted, n = 0;
	int fd, family, err = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (enter(uid, depth) || lo_up())
		_exit(1);
	fd = nl_open();
	family = family_number(fd);
	if (family <= 0)
		_exit(2);
	while (read(orders, &wanted, sizeof(wanted)) == sizeof(wanted)) {
		if (!wanted && nest(&fd))
			_exit(3);
		if (wanted == REPLACE) {
			n -= replace_service(fd, family);
			wanted = 0;
		}
		while (wanted && !err) {
			wanted--;
			err = add_service(fd, family, n, 0, 64);
			n += !err;
		}
		if (err && err != -EUSERS)
			_exit(4);
		err = 0;
		if (write(answers, &n, sizeof(n)) != sizeof(n))
			_exit(5);
	}
	_exit(0);
}

/* Return: 0 or -1. */
static int tenant_start(struct tenant *tenant, uid_t uid, int depth)
{
	int orders[2], answers[2];

	if (pipe2(orders, O_CLOEXEC) || pipe2(answers, O_CLOEXEC))
		return -1;
	tenant->pid = fork();
	if (!tenant->pid) {
		close(orders[1]);
		close(answers[0]);
		serve(uid, depth, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	tenant->orders = orders[1];
	tenant->answers = answers[0];
	return tenant->pid < 0 ? -1 : 0;
}

/* Return: 0 or -1. */
static int tenant_order(struct tenant *tenant, unsigned int order)
{
	return write(tenant->orders, &order, sizeof(order)) == sizeof(order) ? 0 : -1;
}

/* Return: how many services the tenant has, or -1 when it has failed. */
static int tenant_answer(struct tenant *tenant)
{
	unsigned int n;

	return read(tenant->answers, &n, sizeof(n)) == sizeof(n) ? (int)n : -1;
}

static int tenant_add(struct tenant *tenant, unsigned int services)
{
	return tenant_order(tenant, services) ? -1 : tenant_answer(tenant);
}

/* Return: its exit status. */
static int tenant_end(struct tenant *tenant)
{
	int status;

	close(tenant->orders);
	close(tenant->answers);
	return waitpid(tenant->pid, &status, 0) == tenant->pid ? status : -1;
}

/* Return: how many services the user gets at once, in a new namespace. */
static int user_gets(uid_t uid, int depth, unsigned int services)
{
	struct tenant tenant;
	int n;

	if (tenant_start(&tenant, uid, depth))
		return -1;
	n = tenant_add(&tenant, services);
	return tenant_end(&tenant) ? -1 : n;
}

FIXTURE(users)
{
};

FIXTURE_SETUP(users)
{
	if (geteuid())
		SKIP(return, "needs root");
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, lo_up());
	ASSERT_EQ(0, load("listen_port=0"));
}

FIXTURE_TEARDOWN(users)
{
	EXPECT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
}

TEST_F_TIMEOUT(users, one_and_the_next, 600)
{
	struct tenant first;
	int i, n = 0;

	ASSERT_EQ(0, tenant_start(&first, 1001, 1));
	ASSERT_EQ(THREADS, tenant_add(&first, THREADS + 1));
	EXPECT_EQ(1, user_gets(1002, 1, 1));
	EXPECT_EQ(1, user_gets(0, 1, 1));

	/* The first user, again and deeper. */
	EXPECT_EQ(0, user_gets(1001, 1, 1));
	EXPECT_EQ(0, user_gets(1001, 3, 1));
	EXPECT_EQ(1, user_gets(1002, 3, 1));
	ASSERT_EQ(0, tenant_end(&first));

	/* The namespace ends some time after its last process. */
	for (i = 0; i < 600 && n < 1; i++) {
		n = user_gets(1001, 2, 1);
		ASSERT_LE(0, n);
		usleep(100000);
	}
	EXPECT_EQ(1, n);
}

TEST_F_TIMEOUT(users, nested_count_together, 600)
{
	struct tenant outer, inner;

	ASSERT_EQ(0, tenant_start(&outer, 1001, 1));
	ASSERT_EQ(0, tenant_start(&inner, 1001, 2));
	EXPECT_EQ(200, tenant_add(&outer, 200));
	EXPECT_EQ(THREADS - 200, tenant_add(&inner, THREADS));
	EXPECT_EQ(200, tenant_add(&outer, 1));
	EXPECT_EQ(0, tenant_end(&inner));
	EXPECT_EQ(0, tenant_end(&outer));
}

/* What a replaced service gives back goes to the one that takes its place. */
TEST_F_TIMEOUT(users, replace_keeps_its_place, 600)
{
	struct tenant first, second;
	struct pollfd done = { .events = POLLIN };
	int n, tries = 0;

	ASSERT_EQ(0, tenant_start(&first, 1001, 1));
	ASSERT_EQ(0, tenant_start(&second, 1001, 1));
	done.fd = first.answers;
	EXPECT_EQ(1, tenant_add(&first, 1));
	n = tenant_add(&second, THREADS);
	EXPECT_EQ(THREADS - 1, n);
	EXPECT_EQ(0, tenant_order(&first, REPLACE));
	while (n == THREADS - 1 && !poll(&done, 1, 0)) {
		n = tenant_add(&second, 1);
		tries++;
	}
	EXPECT_EQ(THREADS - 1, n);
	EXPECT_EQ(1, tenant_answer(&first));
	TH_LOG("%d attempts to take the place", tries);
	/* A few at least, or nothing was shown. */
	EXPECT_LE(REPLACES / 10, tries);
	/* Each counts once. */
	EXPECT_EQ(THREADS - 1, tenant_add(&second, 1));
	EXPECT_EQ(0, tenant_end(&second));
	EXPECT_EQ(0, tenant_end(&first));
}

TEST_F_TIMEOUT(users, those_of_root, 600)
{
	struct tenant first;

	ASSERT_EQ(0, tenant_start(&first, 0, 1));
	EXPECT_EQ(THREADS, tenant_add(&first, THREADS + 1));
	EXPECT_EQ(1, user_gets(0, 1, 1));
	EXPECT_EQ(1, user_gets(0, 2, 1));
	/* What is nested in the first one is not another one. */
	EXPECT_EQ(THREADS, tenant_add(&first, 0));
	EXPECT_EQ(THREADS, tenant_add(&first, 1));
	EXPECT_EQ(0, tenant_end(&first));
}

TEST_F_TIMEOUT(users, all_together, 3000)
{
	struct tenant tenants[THREADS_ALL / THREADS];
	bool soak = getenv("KSOCKET_SOAK");
	size_t i, n = soak ? ARRAY_SIZE(tenants) : 1;

	/* One user is far from it, all of them take minutes. */
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, tenant_start(&tenants[i], 2000 + i, 1));
		EXPECT_EQ(THREADS, tenant_add(&tenants[i], THREADS));
	}
	EXPECT_EQ(!soak, user_gets(3000, 1, 1));
	/* The machine's own administrator is not among them. */
	EXPECT_EQ(1, user_gets(0, 0, 1));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, tenant_end(&tenants[i]));
}

TEST_HARNESS_MAIN
