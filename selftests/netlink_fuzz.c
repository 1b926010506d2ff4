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

/* Those of a service, and some that there are not. */
#define TYPES	(KSOCKET_A_SERVICE_MAX + 4)

/* An attribute of the message, also one within another. */
static struct nlattr *any_attr(struct message *msg)
{
	void *at = msg->attrs, *end = (void *)msg + msg->nl.nlmsg_len;
	int n = next() % 12;

	while (n-- && at + 2 * NLA_HDRLEN < end) {
		struct nlattr *attr = at;

		if (attr->nla_type & NLA_F_NESTED && next() % 2)
			at += NLA_HDRLEN;
		else
			at += attr->nla_len ? NLA_ALIGN(attr->nla_len) : NLA_HDRLEN;
	}
	return at + NLA_HDRLEN > end ? (void *)msg->attrs : at;
}

static void mutate(struct message *msg)
{
	static const __u32 wild[] = { 0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff,
				      0x80000000, 0xffffffff };
	struct nlattr *attr = any_attr(msg);
	__u8 junk[64];
	size_t i;

	switch (next() % 12) {
	case 0:
		attr->nla_type = next() % TYPES;
		break;
	case 1:
		attr->nla_type = next();
		break;
	case 2:
		attr->nla_len += next() % 9 - 4;
		break;
	case 3:
		attr->nla_len = next();
		break;
	case 4:
		attr->nla_type ^= next() % 2 ? NLA_F_NESTED : NLA_F_NET_BYTEORDER;
		break;
	case 5:
		memcpy((void *)attr + NLA_HDRLEN, &wild[next() % 8], 4);
		break;
	case 6:
		msg->attrs[next() % (msg->nl.nlmsg_len - NLMSG_HDRLEN + 1)] = next();
		break;
	case 7:
		msg->nl.nlmsg_len = NLMSG_HDRLEN + next() %
				    (msg->nl.nlmsg_len - NLMSG_HDRLEN + 1);
		break;
	case 8:
		put_u32(msg, next() % TYPES, wild[next() % 8]);
		break;
	case 9:
		for (i = 0; i < sizeof(junk); i++)
			junk[i] = next();
		put(msg, next() % TYPES | (next() % 2 ? NLA_F_NESTED : 0), junk,
		    next() % sizeof(junk));
		break;
	case 10:
		msg->genl.cmd = next() % 20;
		break;
	case 11:
		msg->nl.nlmsg_flags = NLM_F_ACK | NLM_F_REQUEST | (next() & 0xff00);
		msg->genl.version = next();
		break;
	}
}

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
