// SPDX-License-Identifier: GPL-2.0
/*
 * Words into the attributes of a request, in the manner of ip(8): a keyword, and
 * its value behind it. Ranges are the kernel's to judge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "ksocketctl.h"

/**
 * args_next() - take the next word
 * @argv: where the words are
 * @what: what it is for
 *
 * Return: the word; the program ends where there is none.
 */
const char *args_next(char ***argv, const char *what)
{
	if (!**argv)
		usage_error("%s is missing", what);
	return *(*argv)++;
}

/**
 * args_end() - there must be no more words
 * @argv: where they would be
 */
void args_end(char **argv)
{
	if (*argv)
		usage_error("unexpected word '%s'", *argv);
}

static unsigned long parse_number(const char *what, const char *text,
				  unsigned long max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || *end || end == text || *text == '-' || value > max)
		usage_error("%s %s: need a number from 0 to %lu", what, text, max);
	return value;
}

static void put_u32(struct request *req, int type, const char *what,
		    const char *text)
{
	unsigned long value = parse_number(what, text, 0xffffffff);

	nl_word(req, what, text);
	mnl_attr_put_u32(req->nlh, type, value);
}

static void put_u16(struct request *req, int type, const char *what,
		    const char *text)
{
	unsigned long value = parse_number(what, text, 0xffff);

	nl_word(req, what, text);
	mnl_attr_put_u16(req->nlh, type, value);
}

static void put_enum(struct request *req, int type, const char *what,
		     const char *text, const char *const *names,
		     const char *allowed)
{
	int i;

	for (i = 0; names[i]; i++)
		if (!strcmp(names[i], text))
			break;
	if (!names[i])
		usage_error("%s %s: need %s", what, text, allowed);
	nl_word(req, what, text);
	mnl_attr_put_u32(req->nlh, type, i);
}

static void put_switch(struct request *req, int type, const char *what,
		       const char *text)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		usage_error("%s %s: need on or off", what, text);
	nl_word(req, what, text);
	mnl_attr_put_u8(req->nlh, type, !strcmp(text, "on"));
}

static unsigned int parse_device(const char *what, const char *name)
{
	unsigned int ifindex = if_nametoindex(name);

	if (!ifindex)
		usage_error("%s %s: no such network device here", what, name);
	return ifindex;
}

static void bad_address(const char *what, const char *text)
{
	usage_error("%s %s: need an address and a port, as 192.0.2.1:7 or [2001:db8::1]:7",
		    what, text);
}

/* "[IPV6%DEVICE", without the bracket at its end */
static void put_ipv6(struct request *req, const char *what, const char *text,
		     char *host)
{
	char *device = strchr(host, '%');
	struct in6_addr ip;

	if (device)
		*device++ = '\0';
	if (inet_pton(AF_INET6, host, &ip) != 1)
		bad_address(what, text);
	mnl_attr_put(req->nlh, KSOCKET_A_ADDRESS_IPV6, sizeof(ip), &ip);
	if (device)
		mnl_attr_put_u32(req->nlh, KSOCKET_A_ADDRESS_SCOPE,
				 parse_device(what, device));
}

static void put_address(struct request *req, int type, const char *what,
			const char *text)
{
	char host[128], *port;
	struct nlattr *nest;
	struct in_addr ip;

	if (strlen(text) >= sizeof(host))
		bad_address(what, text);
	strcpy(host, text);
	port = strrchr(host, ':');
	if (!port || !port[1] || (*host == '[' && port[-1] != ']'))
		bad_address(what, text);
	*port++ = '\0';

	nl_word(req, what, text);
	nest = mnl_attr_nest_start(req->nlh, type);
	if (*host == '[') {
		port[-2] = '\0';
		put_ipv6(req, what, text, host + 1);
	} else if (inet_pton(AF_INET, host, &ip) == 1) {
		mnl_attr_put(req->nlh, KSOCKET_A_ADDRESS_IPV4, sizeof(ip), &ip);
	} else {
		bad_address(what, text);
	}
	mnl_attr_put_u16(req->nlh, KSOCKET_A_ADDRESS_PORT,
			 parse_number("port", port, 0xffff));
	mnl_attr_nest_end(req->nlh, nest);
}

static void put_mode(struct request *req, const char *word, int mode)
{
	nl_word(req, "mode", word);
	mnl_attr_put_u32(req->nlh, KSOCKET_A_SERVICE_MODE, mode);
}

/**
 * struct said - what the words have said of a new service so far
 * @mode: its mode, or -1
 * @listen: where it listens
 * @text: a text, and no receiver behind it
 */
struct said {
	int mode;
	bool listen;
	bool text;
};

/* Return: the words that follow make it the mode, not the text of a beacon. */
static bool take_text(struct request *req, char ***argv)
{
	const char *text = args_next(argv, "the text of text");

	nl_word(req, "text", text);
	nl_put(req, KSOCKET_A_SERVICE_TEXT, strlen(text), text, "the text");
	return **argv && !strcmp(**argv, "to");
}

static void check_text(const struct said *said)
{
	if (said->text && said->mode != KSOCKET_MODE_BEACON)
		usage_error("after the text, to and the receiver are missing");
}

/* Return: the word is a mode, and has been taken with its values. */
static bool take_mode(struct request *req, struct said *said, const char *word,
		      char ***argv)
{
	int mode = 0;

	while (mode_names[mode] && strcmp(mode_names[mode], word))
		mode++;
	if (!mode_names[mode])
		return false;
	if (mode == KSOCKET_MODE_TEXT && !take_text(req, argv)) {
		said->text = true;
		return true;
	}
	if (said->mode >= 0)
		usage_error("%s: a service has one mode", word);

	said->mode = mode;
	put_mode(req, word, mode);
	if (mode == KSOCKET_MODE_TEXT)
		word = *(*argv)++;
	if (mode == KSOCKET_MODE_RELAY || mode == KSOCKET_MODE_TEXT ||
	    mode == KSOCKET_MODE_BEACON) {
		if (!**argv)
			usage_error("the receiver of %s is missing",
				    mode_names[mode]);
		put_address(req, KSOCKET_A_SERVICE_REPLY, word, *(*argv)++);
	}
	return true;
}

/* Return: the word can change, and has been taken with its value. */
static bool take_change(struct request *req, const char *word, char ***argv)
{
	int type;

	if (!strcmp(word, "rcvbuf"))
		type = KSOCKET_A_SERVICE_RCVBUF;
	else if (!strcmp(word, "sndbuf"))
		type = KSOCKET_A_SERVICE_SNDBUF;
	else if (!strcmp(word, "min-source-port"))
		type = KSOCKET_A_SERVICE_MIN_SOURCE_PORT;
	else
		return false;

	if (type == KSOCKET_A_SERVICE_MIN_SOURCE_PORT)
		put_u16(req, type, word, args_next(argv, word));
	else
		put_u32(req, type, word, args_next(argv, word));
	return true;
}

static void put_device(struct request *req, const char *name)
{
	unsigned int ifindex = parse_device("dev", name);

	nl_word(req, "dev", name);
	mnl_attr_put_u32(req->nlh, KSOCKET_A_SERVICE_IFINDEX, ifindex);
}

/* Return: the word has a few values, and has been taken with one of them. */
static bool take_choice(struct request *req, const char *word, char ***argv)
{
	static const struct {
		const char *word;
		int type;
		const char *const *names;
		const char *allowed;
	} choices[] = {
		{ "proto", KSOCKET_A_SERVICE_PROTO, proto_names, "udp or tcp" },
		{ "reply-proto", KSOCKET_A_SERVICE_REPLY_PROTO, proto_names,
		  "udp or tcp" },
		{ "framing", KSOCKET_A_SERVICE_FRAMING, framing_names,
		  "none, newline, length or octet-counting" },
		{ "newline", KSOCKET_A_SERVICE_NEWLINE, newline_names,
		  "drop, escape or space" },
		{ "datapath", KSOCKET_A_SERVICE_DATAPATH, datapath_names,
		  "copy, zerocopy or softirq" },
		{ "ttl", KSOCKET_A_SERVICE_TTL, ttl_names,
		  "inherit or system" },
		{ "dscp", KSOCKET_A_SERVICE_DSCP, dscp_names,
		  "inherit or zero" },
	};
	size_t i;

	for (i = 0; i < MNL_ARRAY_SIZE(choices); i++)
		if (!strcmp(word, choices[i].word)) {
			put_enum(req, choices[i].type, word,
				 args_next(argv, word), choices[i].names,
				 choices[i].allowed);
			return true;
		}
	return false;
}

/* Return: the word is about connections, and has been taken with its value. */
static bool take_tcp(struct request *req, const char *word, char ***argv)
{
	static const struct {
		const char *word;
		int type;
	} numbers[] = {
		{ "max-connections", KSOCKET_A_SERVICE_MAX_CONNECTIONS },
		{ "backlog", KSOCKET_A_SERVICE_BACKLOG },
		{ "idle-timeout", KSOCKET_A_SERVICE_IDLE_TIMEOUT },
		{ "keepalive", KSOCKET_A_SERVICE_KEEPALIVE },
		{ "queue-bytes", KSOCKET_A_SERVICE_QUEUE_BYTES },
	};
	size_t i;

	for (i = 0; i < MNL_ARRAY_SIZE(numbers); i++)
		if (!strcmp(word, numbers[i].word)) {
			put_u32(req, numbers[i].type, word, args_next(argv, word));
			return true;
		}
	return false;
}

/* Return: the word is fixed at the start, and has been taken with its value. */
static bool take_fixed(struct request *req, const char *word, char ***argv)
{
	if (!strcmp(word, "listen"))
		put_address(req, KSOCKET_A_SERVICE_LISTEN, word,
			    args_next(argv, "the address to listen on"));
	else if (!strcmp(word, "dev"))
		put_device(req, args_next(argv, "the device"));
	else if (!strcmp(word, "threads"))
		put_u32(req, KSOCKET_A_SERVICE_THREADS, word,
			args_next(argv, "the number of threads"));
	else if (!strcmp(word, "buffer"))
		put_u32(req, KSOCKET_A_SERVICE_BUFFER_SIZE, word,
			args_next(argv, "the size of the buffer"));
	else if (!strcmp(word, "interval"))
		put_u32(req, KSOCKET_A_SERVICE_INTERVAL, word,
			args_next(argv, "the interval"));
	else if (!strcmp(word, "gro"))
		put_switch(req, KSOCKET_A_SERVICE_GRO, word,
			   args_next(argv, "on or off of gro"));
	else
		return take_choice(req, word, argv) || take_tcp(req, word, argv);

	return true;
}

/* Twice the same would leave it to the kernel which of them counts. */
static void once(const struct request *req, const char *word)
{
	unsigned int i;

	for (i = 0; i < req->n_words; i++)
		if (!strcmp(req->words[i].what, word) ||
		    (!strcmp(req->words[i].what, "mode") &&
		     !strcmp(req->words[i].value, word)))
			usage_error("%s is there twice", word);
}

/**
 * args_service() - what a new service does
 * @req: the request
 * @argv: the words, all that are left
 */
void args_service(struct request *req, char **argv)
{
	struct said said = { .mode = -1 };

	while (*argv) {
		const char *word = *argv++;

		once(req, word);
		said.listen |= !strcmp(word, "listen");
		if (take_fixed(req, word, &argv) ||
		    take_change(req, word, &argv) ||
		    take_mode(req, &said, word, &argv))
			continue;
		check_text(&said);
		usage_error("unknown word '%s'", word);
	}
	check_text(&said);
	if (!said.listen && said.mode != KSOCKET_MODE_BEACON)
		usage_error("listen ADDRESS:PORT is missing");
	if (said.mode < 0)
		usage_error("one of relay, echo, discard, text, beacon-sink is missing");
}

/**
 * args_change() - what of a service is to change
 * @req: the request
 * @argv: the words, all that are left
 */
void args_change(struct request *req, char **argv)
{
	if (!*argv)
		usage_error("nothing to change: rcvbuf, sndbuf or min-source-port is missing");

	while (*argv) {
		const char *word = *argv++;

		once(req, word);
		if (!take_change(req, word, &argv))
			usage_error("'%s' does not change while a service runs: replace it",
				    word);
	}
}
