/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ksocketctl: the netlink family of ksocket for people
 *
 * What the kernel tells becomes JSON first (netlink.c), and is printed as that or
 * as text (print.c); what people say becomes a request (args.c).
 */
#ifndef KSOCKETCTL_H
#define KSOCKETCTL_H

#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/ksocket_netlink.h>
#include <stdbool.h>
#include <stddef.h>

/* As ip(8): 0, 1 for what we do not understand, 2 for what the kernel refuses. */
enum {
	EXIT_USAGE = 1,
	EXIT_KERNEL = 2,
};

/**
 * struct options - what stands before the command
 * @json: print JSON
 * @pretty: with line breaks
 * @color: with colours
 * @timestamp: events with the time
 */
struct options {
	bool json;
	bool pretty;
	bool color;
	bool timestamp;
};

extern struct options options;

/**
 * struct request - a netlink message, and the words that it was made of
 * @nlh: the message, in @buf
 * @n_words: how many of @words there are
 * @words: where in the message a word has gone, for the kernel's complaints
 * @buf: room for the longest payload of UDP, and the rest
 */
struct request {
	struct nlmsghdr *nlh;
	unsigned int n_words;
	struct {
		size_t offset;
		const char *what;
		const char *value;
	} words[32];
	char buf[69632];
};

/* Which services can have a counter. */
enum counter_of {
	OF_ALL,
	OF_BEACON,
	OF_SINK,
	OF_UPLINK,
};

/**
 * struct counter - one counter, as netlink has it
 * @type: its attribute
 * @name: as in /proc/net/ksocket
 * @doc: what it counts
 * @of: of which services
 */
struct counter {
	int type;
	const char *name;
	const char *doc;
	enum counter_of of;
};

extern const struct counter stats_counters[];	/* up to one without a name */
extern const struct counter drop_counters[];
extern const struct counter close_counters[];
extern const char *const mode_names[];
extern const char *const datapath_names[];
extern const char *const proto_names[];
extern const char *const framing_names[];
extern const char *const ttl_names[];
extern const char *const dscp_names[];
extern const char *const newline_names[];

/* main.c */
__attribute__((format(printf, 1, 2)))
void complain(const char *fmt, ...);
__attribute__((format(printf, 1, 2), noreturn))
void usage_error(const char *fmt, ...);

/* netlink.c */
extern bool nl_incomplete;
extern char nl_said[128];
struct request *nl_request(int cmd, int flags);
void nl_word(struct request *req, const char *what, const char *value);
void nl_put(struct request *req, int type, size_t len, const void *data,
	    const char *what);
json_t *nl_do(struct request *req);
json_t *nl_dump(int cmd);
void nl_subscribe(void);
json_t *nl_event(void);

/* args.c */
const char *args_next(char ***argv, const char *what);
void args_end(char **argv);
void args_service(struct request *req, char **argv);
void args_change(struct request *req, char **argv);

/* print.c */
void print_json(json_t *value);
void print_list(json_t *services);
void print_show(json_t *services);
void print_stats(json_t *services);
void print_conns(json_t *conns);
void print_prometheus(json_t *services);
void print_rates(json_t *before, json_t *after, double seconds);
void print_event(json_t *event);

#endif /* KSOCKETCTL_H */
