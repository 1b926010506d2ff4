/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the netlink test programs share: messages of the family made by hand, at
 * random, and what the kernel says of the services.
 */
#ifndef NETLINK_MSG_H
#define NETLINK_MSG_H

#include <asm/posix_types.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "common.h"

#include "../include/uapi/linux/ksocket_netlink.h"

#define PORT		7000
#define ROOM		70000

struct message {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	__u8 attrs[ROOM];
};

static inline struct nlattr *put(struct message *msg, int type,
				 const void *data, size_t len)
{
	struct nlattr *attr = (void *)msg + NLMSG_ALIGN(msg->nl.nlmsg_len);

	if (msg->nl.nlmsg_len + NLA_HDRLEN + len + 64 > sizeof(*msg))
		return attr;
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((void *)attr + NLA_HDRLEN, data, len);
	msg->nl.nlmsg_len = NLMSG_ALIGN(msg->nl.nlmsg_len) +
			    NLA_ALIGN(attr->nla_len);
	return attr;
}

static inline void put_u32(struct message *msg, int type, __u32 value)
{
	put(msg, type, &value, sizeof(value));
}

static inline void put_u16(struct message *msg, int type, __u16 value)
{
	put(msg, type, &value, sizeof(value));
}

static inline void put_u8(struct message *msg, int type, __u8 value)
{
	put(msg, type, &value, sizeof(value));
}

static inline void put_address(struct message *msg, int type, int port)
{
	struct nlattr *nest = put(msg, type | NLA_F_NESTED, NULL, 0);

	if (next() % 4)
		put(msg, KSOCKET_A_ADDRESS_IPV4, "\x7f\0\0\1", 4);
	else
		put(msg, KSOCKET_A_ADDRESS_IPV6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	put_u16(msg, KSOCKET_A_ADDRESS_PORT, port);
	nest->nla_len = (void *)msg + msg->nl.nlmsg_len - (void *)nest;
}

static inline void put_service(struct message *msg)
{
	int mode = next() % 6;

	put_u32(msg, KSOCKET_A_SERVICE_MODE, mode);
	if (mode != KSOCKET_MODE_BEACON)
		put_address(msg, KSOCKET_A_SERVICE_LISTEN, PORT + next() % 8);
	else
		put_u32(msg, KSOCKET_A_SERVICE_INTERVAL, 10 + next() % 1000);
	if (mode == KSOCKET_MODE_RELAY || mode == KSOCKET_MODE_TEXT ||
	    mode == KSOCKET_MODE_BEACON)
		put_address(msg, KSOCKET_A_SERVICE_REPLY, PORT + 100 + next() % 8);
	if (mode != KSOCKET_MODE_BEACON && next() % 2)
		put_u32(msg, KSOCKET_A_SERVICE_THREADS, 1 + next() % 2);
	if (next() % 2)
		put_u32(msg, KSOCKET_A_SERVICE_BUFFER_SIZE, 1 + next() % 65535);
	if (next() % 4 == 0)
		put_u32(msg, KSOCKET_A_SERVICE_IFINDEX, 1);
	if (mode != KSOCKET_MODE_BEACON && mode != KSOCKET_MODE_TEXT && next() % 2)
		put_u32(msg, KSOCKET_A_SERVICE_DATAPATH, next() % 3);
	if (mode != KSOCKET_MODE_BEACON && next() % 2)
		put_u8(msg, KSOCKET_A_SERVICE_GRO, next() % 2);
	if (mode == KSOCKET_MODE_TEXT || mode == KSOCKET_MODE_BEACON)
		put(msg, KSOCKET_A_SERVICE_TEXT, "text", next() % 5);
}

/* Each alone, for few services have all of them. */
static inline void put_change(struct message *msg)
{
	int which = next() % 4;

	if (which < 2)
		put_u32(msg, KSOCKET_A_SERVICE_RCVBUF, 4096 + next() % 65536);
	if (which == 1 || which == 2)
		put_u32(msg, KSOCKET_A_SERVICE_SNDBUF, 4096 + next() % 65536);
	if (which == 3)
		put_u16(msg, KSOCKET_A_SERVICE_MIN_SOURCE_PORT, next());
}

/* A message that is right. */
static inline void compose(struct message *msg, int family)
{
	static const __u8 zeroes[65531];
	static const __u8 commands[] = {
		KSOCKET_CMD_SERVICE_NEW, KSOCKET_CMD_SERVICE_NEW,
		KSOCKET_CMD_SERVICE_DEL, KSOCKET_CMD_SERVICE_GET,
		KSOCKET_CMD_SERVICE_SET, KSOCKET_CMD_STATS_RESET,
		KSOCKET_CMD_SEND,
	};
	char name[2] = { 'a' + next() % 4 };

	memset(msg, 0, sizeof(*msg) - ROOM + 2048);
	msg->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->nl.nlmsg_type = family;
	msg->nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->genl.cmd = commands[next() % sizeof(commands)];
	msg->genl.version = 1;
	put(msg, KSOCKET_A_SERVICE_NAME, name, sizeof(name));
	switch (msg->genl.cmd) {
	case KSOCKET_CMD_SERVICE_NEW:
		put_service(msg);
		if (next() % 4 == 0)
			msg->nl.nlmsg_flags |= next() % 2 ? NLM_F_EXCL : NLM_F_REPLACE;
		break;
	case KSOCKET_CMD_SERVICE_SET:
		put_change(msg);
		break;
	case KSOCKET_CMD_SERVICE_GET:
		if (next() % 8 == 0) {
			msg->nl.nlmsg_flags |= NLM_F_DUMP;
			msg->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
		}
		break;
	case KSOCKET_CMD_SEND:
		put(msg, KSOCKET_A_SERVICE_PAYLOAD, zeroes,
		    next() % 16 ? next() % 256 : next() % sizeof(zeroes));
		break;
	}
}

/* Those of a service, and some that there are not. */
#define TYPES	(KSOCKET_A_SERVICE_MAX + 4)

/* An attribute of the message, also one within another. */
static inline struct nlattr *any_attr(struct message *msg)
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

/* Something in it is not right any more. */
static inline void mutate(struct message *msg)
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

/* Take what there is. Return: a request was done. */
static inline int drain(int fd)
{
	static __u8 answer[1 << 17];
	int done = 0;
	ssize_t len;

	while ((len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *nl = (void *)answer;
		const struct nlmsgerr *err = NLMSG_DATA(nl);

		if (nl->nlmsg_type == NLMSG_ERROR && !err->error)
			done = 1;
	}
	return done;
}

static inline int nl_open(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	return connect(fd, (void *)&kernel, sizeof(kernel)) ? -1 : fd;
}

static inline const struct nlattr *find_attr(const void *at, const void *end, int type)
{
	const struct nlattr *attr = at;

	for (; (void *)attr + NLA_HDRLEN <= end && attr->nla_len >= NLA_HDRLEN;
	     attr = (void *)attr + NLA_ALIGN(attr->nla_len))
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
	return NULL;
}

/* Return: the answer's length. */
static inline ssize_t ask_family(int fd, struct message *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->nl.nlmsg_type = GENL_ID_CTRL;
	msg->nl.nlmsg_flags = NLM_F_REQUEST;
	msg->genl.cmd = CTRL_CMD_GETFAMILY;
	put(msg, CTRL_ATTR_FAMILY_NAME, "ksocket", 8);
	if (send(fd, msg, msg->nl.nlmsg_len, 0) < 0)
		return -1;
	return recv(fd, msg, sizeof(*msg), 0);
}

/* Return: the number of the family, or 0. */
static inline int family_number(int fd)
{
	static struct message msg;
	const struct nlattr *attr;
	ssize_t len = ask_family(fd, &msg);

	if (len < 0 || msg.nl.nlmsg_type != GENL_ID_CTRL)
		return 0;
	attr = find_attr(msg.attrs, (void *)&msg + len, CTRL_ATTR_FAMILY_ID);
	return attr ? *(__u16 *)((void *)attr + NLA_HDRLEN) : 0;
}

/* Return: the number of the one group that the family has, or 0. */
static inline int events_group(int fd)
{
	const struct nlattr *groups, *first, *id;
	static struct message msg;
	ssize_t len = ask_family(fd, &msg);

	if (len < 0 || msg.nl.nlmsg_type != GENL_ID_CTRL)
		return 0;
	groups = find_attr(msg.attrs, (void *)&msg + len, CTRL_ATTR_MCAST_GROUPS);
	if (!groups)
		return 0;
	first = (void *)groups + NLA_HDRLEN;
	id = find_attr((void *)first + NLA_HDRLEN, (void *)first + first->nla_len,
		       CTRL_ATTR_MCAST_GRP_ID);
	return id ? *(__u32 *)((void *)id + NLA_HDRLEN) : 0;
}

/* Services that a dump shows; none of four is too much for one message. */
static inline int services_dumped(int fd, int family)
{
	static struct message msg;
	const struct nlmsghdr *nl;
	ssize_t len;
	int n = 0;

	memset(&msg, 0, sizeof(msg));
	msg.nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg.nl.nlmsg_type = family;
	msg.nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg.genl.cmd = KSOCKET_CMD_SERVICE_GET;
	if (send(fd, &msg, msg.nl.nlmsg_len, 0) < 0)
		return -1;
	while ((len = recv(fd, &msg, sizeof(msg), 0)) > 0) {
		for (nl = &msg.nl; NLMSG_OK(nl, len); nl = NLMSG_NEXT(nl, len)) {
			if (nl->nlmsg_type == NLMSG_DONE)
				return n;
			n += nl->nlmsg_type == family;
		}
	}
	return -1;
}

#endif /* NETLINK_MSG_H */
