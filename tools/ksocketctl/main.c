// SPDX-License-Identifier: GPL-2.0
/*
 * ksocketctl - services of ksocket, at run time. Options, and the commands.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ksocketctl.h"

#define VERSION	"0.1.0"

struct options options;

static void vcomplain(const char *fmt, va_list args)
{
	/* What was printed before comes before. */
	fflush(stdout);
	fputs("ksocketctl: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

/**
 * complain() - say what is wrong
 * @fmt: as for printf()
 */
void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vcomplain(fmt, args);
	va_end(args);
}

/**
 * usage_error() - say what is wrong with the words, and end
 * @fmt: as for printf()
 */
void usage_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vcomplain(fmt, args);
	va_end(args);
	fputs("see ksocketctl help\n", stderr);
	exit(EXIT_USAGE);
}

static void help(FILE *out)
{
	fputs("Usage: ksocketctl [ OPTIONS ] COMMAND\n"
	      "\n"
	      "       ksocketctl list\n"
	      "       ksocketctl show [ NAME ]\n"
	      "       ksocketctl { add | replace | ensure } NAME listen ADDR:PORT MODE\n"
	      "                  [ SETTING ]...\n"
	      "       ksocketctl { add | replace | ensure } NAME beacon ADDR:PORT\n"
	      "                  [ interval MILLISECONDS ] [ text TEXT ] [ SETTING ]...\n"
	      "       ksocketctl set NAME { rcvbuf | sndbuf | min-source-port } NUMBER ...\n"
	      "       ksocketctl del NAME\n"
	      "       ksocketctl send NAME { TEXT | - }\n"
	      "       ksocketctl stats [ NAME ] [ --prometheus ]\n"
	      "       ksocketctl conns [ NAME ]\n"
	      "       ksocketctl reset NAME\n"
	      "       ksocketctl top [ interval SECONDS ] [ count NUMBER ]\n"
	      "       ksocketctl monitor\n"
	      "\n"
	      "MODE    := { relay ADDR:PORT | echo | discard | text TEXT to ADDR:PORT |\n"
	      "             beacon-sink }\n"
	      "SETTING := { dev DEVICE | threads NUMBER | datapath { copy | zerocopy | softirq } |\n"
	      "             gro { on | off } | buffer BYTES | rcvbuf BYTES | sndbuf BYTES |\n"
	      "             min-source-port PORT | proto { udp | tcp } |\n"
	      "             max-connections NUMBER | backlog NUMBER | idle-timeout SECONDS |\n"
	      "             keepalive SECONDS | reply-proto { udp | tcp } |\n"
	      "             framing { none | newline | length | octet-counting } |\n"
	      "             newline { drop | escape | space } | queue-bytes BYTES |\n"
	      "             ttl { inherit | system } | dscp { inherit | zero } }\n"
	      "ADDR    := { IPV4 | [IPV6] | [IPV6%DEVICE] }\n"
	      "OPTIONS := { -j[son] | -p[retty] | -n[etns] NAME | -t[imestamp] |\n"
	      "             -c[olor][=always|auto|never] | -V[ersion] | -h[elp] }\n"
	      "\n"
	      "See ksocketctl(8).\n", out);
}

static struct request *request_for(int cmd, int flags, const char *name)
{
	struct request *req = nl_request(cmd, flags);

	nl_word(req, "service", name);
	nl_put(req, KSOCKET_A_SERVICE_NAME, strlen(name) + 1, name, "the name");
	return req;
}

static struct request *request_for_next(int cmd, int flags, char ***argv)
{
	return request_for(cmd, flags, args_next(argv, "the name of a service"));
}

static json_t *get_one(const char *name)
{
	return json_pack("[o]", nl_do(request_for(KSOCKET_CMD_SERVICE_GET, 0, name)));
}

static json_t *get_all(void)
{
	return nl_dump(KSOCKET_CMD_SERVICE_GET);
}

/* Takes the services. */
static int show(json_t *services, void (*print)(json_t *services))
{
	if (options.json)
		print_json(services);
	else
		print(services);
	json_decref(services);
	return 0;
}

static int cmd_list(char **argv)
{
	args_end(argv);
	return show(get_all(), print_list);
}

static int cmd_show(char **argv)
{
	const char *name = *argv;

	if (!name)
		return show(get_all(), print_show);

	args_end(argv + 1);
	return show(get_one(name), print_show);
}

static int cmd_stats(char **argv)
{
	const char *name = NULL;
	bool prometheus = false;

	for (; *argv; argv++) {
		if (!strcmp(*argv, "--prometheus"))
			prometheus = true;
		else if (name)
			args_end(argv);
		else if (!strcmp(*argv, "--"))
			name = *++argv ? *argv : args_next(&argv, "the name of a service");
		else if (**argv == '-')
			usage_error("unknown option '%s', need --prometheus, or -- before a name",
				    *argv);
		else
			name = *argv;
	}
	if (prometheus && options.json)
		usage_error("--prometheus is a format of its own, without -json");

	return show(name ? get_one(name) : get_all(),
		    prometheus ? print_prometheus : print_stats);
}

/* The kernel tells the connections of all services. */
static json_t *conns_of(json_t *all, const char *name)
{
	json_t *some = json_array(), *conn;
	size_t i;

	json_array_foreach(all, i, conn)
		if (!strcmp(json_string_value(json_object_get(conn, "name")), name))
			json_array_append(some, conn);
	json_decref(all);
	return some;
}

static int cmd_conns(char **argv)
{
	const char *name = *argv;
	json_t *conns;

	if (name) {
		args_end(argv + 1);
		/* A name that is nobody's is refused. */
		json_decref(get_one(name));
	}
	conns = nl_dump(KSOCKET_CMD_CONN_GET);
	return show(name ? conns_of(conns, name) : conns, print_conns);
}

static int new_service(int flags, char **argv)
{
	struct request *req = request_for_next(KSOCKET_CMD_SERVICE_NEW, flags, &argv);

	args_service(req, argv);
	nl_do(req);
	if (strncmp(nl_said, "unchanged", strlen("unchanged")))
		return 0;
	if (options.json)
		print_json(json_pack("{s:b}", "unchanged", true));
	else
		puts("unchanged");
	return 0;
}

static int cmd_add(char **argv)
{
	return new_service(NLM_F_EXCL | NLM_F_CREATE, argv);
}

static int cmd_replace(char **argv)
{
	return new_service(NLM_F_REPLACE | NLM_F_CREATE, argv);
}

static int cmd_ensure(char **argv)
{
	return new_service(NLM_F_CREATE, argv);
}

static int cmd_set(char **argv)
{
	struct request *req = request_for_next(KSOCKET_CMD_SERVICE_SET, 0, &argv);

	args_change(req, argv);
	nl_do(req);
	return 0;
}

static int by_name(int cmd, char **argv)
{
	struct request *req = request_for_next(cmd, 0, &argv);

	args_end(argv);
	nl_do(req);
	return 0;
}

static int cmd_del(char **argv)
{
	return by_name(KSOCKET_CMD_SERVICE_DEL, argv);
}

static int cmd_reset(char **argv)
{
	return by_name(KSOCKET_CMD_STATS_RESET, argv);
}

/* UDP takes 65507 bytes, which the kernel judges; an attribute has room for more. */
static size_t read_payload(char *buf, size_t size)
{
	size_t len = fread(buf, 1, size, stdin);

	if (ferror(stdin)) {
		complain("cannot read the payload: %s", strerror(errno));
		exit(EXIT_USAGE);
	}
	if (len == size)
		usage_error("the payload is too long for a datagram");
	return len;
}

static int cmd_send(char **argv)
{
	struct request *req = request_for_next(KSOCKET_CMD_SEND, 0, &argv);
	const char *text = args_next(&argv, "what to send");
	static char payload[65530];
	size_t len = strlen(text);
	bool unreachable;
	json_t *answer;

	args_end(argv);
	if (!strcmp(text, "-")) {
		len = read_payload(payload, sizeof(payload));
		text = payload;
	} else if (len >= sizeof(payload)) {
		usage_error("the payload is too long for a datagram");
	}
	nl_put(req, KSOCKET_A_SERVICE_PAYLOAD, len, text, "the payload");
	answer = nl_do(req);
	unreachable = json_object_get(answer, "unreachable");
	if (options.json)
		print_json(json_pack("{s:b}", "unreachable", unreachable));
	else if (unreachable)
		complain("sent, but the receiver is known to refuse");
	return unreachable ? EXIT_KERNEL : 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double parse_positive(const char *what, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*end || end == text || !(value > 0 && value < 1e9))
		usage_error("%s %s: need a number above 0", what, text);
	return value;
}

static int cmd_top(char **argv)
{
	double interval = 1, count = 0, start, end;
	bool terminal = isatty(STDOUT_FILENO) && !options.json;
	json_t *before, *after;

	while (*argv) {
		const char *word = *argv++;

		if (!strcmp(word, "interval"))
			interval = parse_positive(word, args_next(&argv, "the interval"));
		else if (!strcmp(word, "count"))
			count = parse_positive(word, args_next(&argv, "the count"));
		else
			usage_error("unknown word '%s'", word);
	}

	before = get_all();
	start = now();
	do {
		struct timespec ts = {
			.tv_sec = interval,
			.tv_nsec = (interval - (time_t)interval) * 1e9,
		};

		nanosleep(&ts, NULL);
		after = get_all();
		end = now();
		if (terminal)
			fputs("\033[H\033[J", stdout);
		print_rates(before, after, end - start);
		if (fflush(stdout))
			break;
		json_decref(before);
		before = after;
		start = end;
	} while (!count || --count > 0);
	json_decref(before);
	return 0;
}

static int cmd_monitor(char **argv)
{
	args_end(argv);
	nl_subscribe();
	do {
		json_t *event = nl_event();

		print_event(event);
		json_decref(event);
	} while (!fflush(stdout));
	return 0;
}

static int cmd_help(char **argv)
{
	(void)argv;
	help(stdout);
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(char **argv);
} commands[] = {
	{ "list", cmd_list },
	{ "ls", cmd_list },
	{ "show", cmd_show },
	{ "add", cmd_add },
	{ "replace", cmd_replace },
	{ "ensure", cmd_ensure },
	{ "set", cmd_set },
	{ "del", cmd_del },
	{ "delete", cmd_del },
	{ "send", cmd_send },
	{ "stats", cmd_stats },
	{ "conns", cmd_conns },
	{ "reset", cmd_reset },
	{ "top", cmd_top },
	{ "monitor", cmd_monitor },
	{ "help", cmd_help },
	{ }
};

static const struct command *find_command(const char *name)
{
	const struct command *c;

	for (c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;

	usage_error("unknown command '%s'", name);
}

/* As "ip -n": a name below /run/netns, or the path of a namespace. */
static void enter(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/",
		 name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		complain("network namespace %s: %s", name, strerror(errno));
		exit(EXIT_USAGE);
	}
	close(fd);
}

static bool wants_color(const char *when)
{
	if (!strcmp(when, "always"))
		return true;
	if (!strcmp(when, "never"))
		return false;
	if (strcmp(when, "auto"))
		usage_error("color=%s: need always, auto or never", when);
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static char **parse_options(int argc, char **argv)
{
	static const struct option words[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "netns", required_argument, NULL, 'n' },
		{ "timestamp", no_argument, NULL, 't' },
		{ "color", optional_argument, NULL, 'c' },
		{ "Version", no_argument, NULL, 'V' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *color = "auto", *netns = NULL;
	int c;

	while ((c = getopt_long_only(argc, argv, "+jpn:tc::Vh", words, NULL)) != -1) {
		switch (c) {
		case 'j':
			options.json = true;
			break;
		case 'p':
			options.pretty = true;
			break;
		case 'n':
			netns = optarg;
			break;
		case 't':
			options.timestamp = true;
			break;
		case 'c':
			color = optarg ? optarg : "always";
			break;
		case 'V':
			puts("ksocketctl " VERSION);
			exit(0);
		case 'h':
			help(stdout);
			exit(0);
		default:
			fputs("see ksocketctl help\n", stderr);
			exit(EXIT_USAGE);
		}
	}
	options.color = wants_color(color + (*color == '='));
	if (netns)
		enter(netns);
	return argv + optind;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int status;

	argv = parse_options(argc, argv);
	if (!*argv) {
		help(stderr);
		return EXIT_USAGE;
	}
	command = find_command(*argv);
	status = command->run(argv + 1);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write: %s", strerror(errno));
		return EXIT_USAGE;
	}
	return status ? status : nl_incomplete ? EXIT_KERNEL : 0;
}
