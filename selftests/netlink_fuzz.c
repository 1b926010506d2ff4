// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink messages that were right until something in them was changed: types,
 * lengths, values, flags, the message cut off or too long, attributes twice and
 * nested where they do not belong. Whatever the kernel makes of them, it answers,
 * what it shows is consistent, and the module can be unloaded.
 *
 * KSOCKET_SOAK makes it long.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "kselftest_harness.h"

#include "netlink_msg.h"

FIXTURE(fuzz)
{
	int fd;
	int family;
};

FIXTURE_SETUP(fuzz)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, lo_up());
	ASSERT_EQ(0, load("listen_port=0"));
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	self->family = family_number(self->fd);
	ASSERT_LT(0, self->family);
}

FIXTURE_TEARDOWN(fuzz)
{
	close(self->fd);
	EXPECT_EQ(0, syscall(SYS_delete_module, "ksocket", O_NONBLOCK));
}

TEST_F_TIMEOUT(fuzz, random, slow(6000))
{
	int rounds = getenv("KSOCKET_SOAK") ? 200000 : 3000;
	static struct message msg;
	int i, n, done = 0;

	for (i = 0; i < rounds; i++) {
		compose(&msg, self->family);
		for (n = next() % 4; n; n--)
			mutate(&msg);
		if (send(self->fd, &msg, msg.nl.nlmsg_len, 0) < 0)
			ASSERT_NE(ECONNREFUSED, errno);
		done += drain(self->fd);
	}
	TH_LOG("%d messages, %d of them done", rounds, done);
	EXPECT_LT(rounds / 100, done);
	EXPECT_EQ(services_shown(), services_dumped(self->fd, self->family));
}

TEST_HARNESS_MAIN
