// SPDX-License-Identifier: GPL-2.0
/*
 * What is shown, as JSON or as text.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "ksocketctl.h"

/* As ip(8) has them. */
#define NAME_COLOR	"\033[36m"
#define ADDRESS_COLOR	"\033[35m"
#define GOOD_COLOR	"\033[32m"
#define BAD_COLOR	"\033[31m"

static const char *color(const char *escape)
{
	return options.color ? escape : "";
}

static const char *plain(void)
{
	return color("\033[0m");
}

/**
 * print_json() - print a value as JSON
 * @value: the value
 */
void print_json(json_t *value)
{
	/* In ASCII, for a terminal may take other control characters for its own. */
	json_dumpf(value, stdout, JSON_ENSURE_ASCII |
		   (options.pretty ? JSON_INDENT(4) : JSON_COMPACT));
	putchar('\n');
}

static const char *get_string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_int_t get_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Is it a control character, or in UTF-8 a part of one? U+0080 to U+009f are. */
static bool is_control(const char *text, size_t i, size_t len)
{
	unsigned char is = text[i];

	if (is == 0xc2 && i + 1 < len)
		return (unsigned char)text[i + 1] < 0xa0;
	return iscntrl(is) || (i && (unsigned char)text[i - 1] == 0xc2 && is < 0xa0);
}

/* In quotes, as bash takes it. */
static void print_quoted(const char *text, size_t len)
{
	bool escapes = false;
	size_t i;

	for (i = 0; i < len; i++)
		escapes |= is_control(text, i, len);
	fputs(escapes ? "$'" : "'", stdout);
	for (i = 0; i < len; i++) {
		if (is_control(text, i, len))
			printf("\\x%02x", (unsigned char)text[i]);
		else if (text[i] == '\'' && !escapes)
			fputs("'\\''", stdout);
		else if ((text[i] == '\'' || text[i] == '\\') && escapes)
			printf("\\%c", text[i]);
		else
			putchar(text[i]);
	}
	putchar('\'');
}

/* What somebody else may have chosen, so that it is one word for a shell. */
static void print_word(const char *word)
{
	const char *end = word;

	while (isalnum((unsigned char)*end) || (*end && strchr("._:+@%=,-[]", *end)))
		end++;
	if (*word && !*end)
		fputs(word, stdout);
	else
		print_quoted(word, strlen(word));
}

static void print_name(const json_t *service)
{
	fputs(color(NAME_COLOR), stdout);
	print_word(get_string(service, "name"));
	fputs(plain(), stdout);
}

static void print_address(const json_t *service, const char *key)
{
	const json_t *address = json_object_get(service, key);
	const char *host = get_string(address, "address");
	bool ipv6 = strchr(host, ':');
	char text[128];

	snprintf(text, sizeof(text), "%s%s%s:%" JSON_INTEGER_FORMAT,
		 ipv6 ? "[" : "", host, ipv6 ? "]" : "",
		 get_number(address, "port"));
	fputs(color(ADDRESS_COLOR), stdout);
	print_word(text);
	fputs(plain(), stdout);
}

static bool is_tcp(const json_t *service)
{
	return !strcmp(get_string(service, "proto"), "tcp");
}

static bool has_mode(const json_t *service, const char *mode)
{
	return !strcmp(get_string(service, "mode"), mode);
}

static bool is_beacon(const json_t *service)
{
	return has_mode(service, "beacon");
}

static bool is_sink(const json_t *service)
{
	return has_mode(service, "beacon-sink");
}

/* Datagrams that go on to the receiver by TCP. */
static bool is_uplink(const json_t *service)
{
	return !is_tcp(service) &&
	       !strcmp(get_string(service, "reply_proto"), "tcp");
}

static bool has_counter(const json_t *service, const struct counter *c)
{
	switch (c->of) {
	case OF_UPLINK:
		return is_uplink(service);
	case OF_BEACON:
		return is_beacon(service);
	case OF_SINK:
		return is_sink(service);
	default:
		return true;
	}
}

static bool has_connections(const json_t *service)
{
	return is_tcp(service) || is_uplink(service);
}

/* What there is now, and is not counted. */
static const struct gauge {
	const char *name, *doc;
	bool (*has)(const json_t *service);
} gauges[] = {
	{ "connections", "TCP connections there are.", has_connections },
	{ "queued", "Datagrams that wait for their receiver by TCP.",
	  is_uplink },
	{ "queued_bytes", "What they take of the queues, in bytes.",
	  is_uplink },
	{ }
};

/* What is no UTF-8 is there as hexadecimal digits. */
static void print_hex(const char *hex)
{
	fputs("$'", stdout);
	for (; hex[0] && hex[1]; hex += 2)
		printf("\\x%.2s", hex);
	putchar('\'');
}

/* The events do not tell it. */
static void print_text(const json_t *service)
{
	const json_t *text = json_object_get(service, "text");

	if (text) {
		putchar(' ');
		print_quoted(json_string_value(text), json_string_length(text));
	} else if (json_object_get(service, "text_hex")) {
		putchar(' ');
		print_hex(get_string(service, "text_hex"));
	}
}

static void print_mode(const json_t *service)
{
	printf(" %s", get_string(service, "mode"));
	if (has_mode(service, "text")) {
		print_text(service);
		printf(" to");
	}
	if (json_object_get(service, "reply")) {
		putchar(' ');
		print_address(service, "reply");
	}
	if (is_beacon(service) && json_object_get(service, "interval")) {
		printf(" interval %" JSON_INTEGER_FORMAT " text",
		       get_number(service, "interval"));
		print_text(service);
	}
}

struct setting {
	const char *key, *word;
};

static void print_setting(const json_t *service, const struct setting *s)
{
	const json_t *value = json_object_get(service, s->key);

	if (!value)
		return;
	printf(" %s ", s->word);
	if (json_is_boolean(value))
		fputs(json_is_true(value) ? "on" : "off", stdout);
	else if (json_is_string(value))
		fputs(json_string_value(value), stdout);
	else
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

/*
 * The words that "add" takes: the kernel tells what has an effect on a service, and
 * the events do not tell all of that.
 */
static void print_service(const json_t *service)
{
	static const struct setting settings[] = {
		{ "proto", "proto" }, { "threads", "threads" },
		{ "buffer_size", "buffer" }, { "rcvbuf", "rcvbuf" },
		{ "sndbuf", "sndbuf" }, { "min_source_port", "min-source-port" },
		{ "datapath", "datapath" }, { "gro", "gro" }, { "ttl", "ttl" },
		{ "dscp", "dscp" }, { "max_connections", "max-connections" },
		{ "backlog", "backlog" }, { "idle_timeout", "idle-timeout" },
		{ "reply_proto", "reply-proto" }, { "framing", "framing" },
		{ "newline", "newline" },
		{ "queue_bytes", "queue-bytes" }, { "keepalive", "keepalive" },
	};
	size_t i;

	print_name(service);
	if (json_object_get(service, "listen")) {
		printf(" listen ");
		print_address(service, "listen");
	}
	print_mode(service);
	if (json_object_get(service, "device")) {
		fputs(" dev ", stdout);
		print_word(get_string(service, "device"));
	}
	for (i = 0; i < MNL_ARRAY_SIZE(settings); i++)
		print_setting(service, &settings[i]);
}

/**
 * print_list() - a line for each service
 * @services: an array of them
 */
void print_list(json_t *services)
{
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		print_service(service);
		putchar('\n');
	}
}

static json_int_t sum_of(const json_t *values, const struct counter *c)
{
	json_int_t sum = 0;

	for (; c->name; c++)
		sum += get_number(values, c->name);
	return sum;
}

static void print_counters(const json_t *service, const json_t *stats,
			   const char *indent)
{
	const json_t *drops = json_object_get(stats, "drops");
	const json_t *closes = json_object_get(stats, "closes");
	const struct counter *c;

	for (c = stats_counters; c->name; c++)
		if (has_counter(service, c))
			printf("%s%s %" JSON_INTEGER_FORMAT "\n", indent,
			       c->name, get_number(stats, c->name));
	for (c = drop_counters; c->name; c++)
		if (get_number(drops, c->name))
			printf("%s%sdrop_%s %" JSON_INTEGER_FORMAT "%s\n", indent,
			       color(BAD_COLOR), c->name,
			       get_number(drops, c->name), plain());
	for (c = close_counters; c->name; c++)
		if (get_number(closes, c->name))
			printf("%sclose_%s %" JSON_INTEGER_FORMAT "\n", indent,
			       c->name, get_number(closes, c->name));
}

/**
 * print_stats() - all counters and gauges that the services can have, and of the
 * drops and ends those that are not 0
 * @services: an array of services
 */
void print_stats(json_t *services)
{
	json_t *service, *thread;
	const struct gauge *g;
	size_t i, k;

	json_array_foreach(services, i, service) {
		print_name(service);
		putchar('\n');
		for (g = gauges; g->name; g++)
			if (g->has(service))
				printf("    %s %" JSON_INTEGER_FORMAT "\n",
				       g->name, get_number(service, g->name));
		print_counters(service, json_object_get(service, "stats"), "    ");
		json_array_foreach(json_object_get(service, "thread_stats"), k,
				   thread) {
			printf("    thread %zu\n", k);
			print_counters(service, thread, "        ");
		}
	}
}

static void print_nonzero(const json_t *values, const struct counter *c)
{
	for (; c->name; c++)
		if (get_number(values, c->name))
			printf(" %s %" JSON_INTEGER_FORMAT, c->name,
			       get_number(values, c->name));
}

static void show_sink(const json_t *stats)
{
	const struct counter *c;

	printf("    beacons");
	for (c = stats_counters; c->name; c++)
		if (c->of == OF_SINK)
			printf(" %s %" JSON_INTEGER_FORMAT,
			       c->name + strlen("beacon_"),
			       get_number(stats, c->name));
	putchar('\n');
}

static void show_datagrams(const json_t *service, const json_t *stats)
{
	if (is_beacon(service))
		printf("    beacons %" JSON_INTEGER_FORMAT " made, %"
		       JSON_INTEGER_FORMAT " missed\n",
		       get_number(stats, "rx_packets"),
		       get_number(stats, "beacons_missed"));
	else
		printf("    rx %" JSON_INTEGER_FORMAT " packets %"
		       JSON_INTEGER_FORMAT " bytes, %" JSON_INTEGER_FORMAT
		       " lost before\n", get_number(stats, "rx_packets"),
		       get_number(stats, "rx_bytes"),
		       get_number(stats, "rx_overflow"));
	if (is_sink(service))
		show_sink(stats);
	printf("    tx %" JSON_INTEGER_FORMAT " packets %" JSON_INTEGER_FORMAT
	       " bytes, %" JSON_INTEGER_FORMAT " dropped\n",
	       get_number(stats, "tx_packets"), get_number(stats, "tx_bytes"),
	       sum_of(json_object_get(stats, "drops"), drop_counters));
}

static void show_uplink(const json_t *service, const json_t *stats)
{
	/* A beacon has one, which is no setting. */
	json_int_t threads = json_object_get(service, "threads") ?
			     get_number(service, "threads") : 1;

	printf("    connections %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	       ", %" JSON_INTEGER_FORMAT " came up, %" JSON_INTEGER_FORMAT
	       " broke, %" JSON_INTEGER_FORMAT " attempts failed\n",
	       get_number(service, "connections"), threads,
	       get_number(stats, "connected"),
	       get_number(stats, "disconnected"),
	       get_number(stats, "connect_failed"));
	printf("    queued %" JSON_INTEGER_FORMAT " packets, %"
	       JSON_INTEGER_FORMAT " bytes of %" JSON_INTEGER_FORMAT "\n",
	       get_number(service, "queued"),
	       get_number(service, "queued_bytes"),
	       threads * get_number(service, "queue_bytes"));
}

static void show_connections(const json_t *service, const json_t *stats)
{
	const json_t *closes = json_object_get(stats, "closes");

	printf("    connections %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	       ", %" JSON_INTEGER_FORMAT " accepted, %" JSON_INTEGER_FORMAT
	       " lost before\n", get_number(service, "connections"),
	       get_number(service, "max_connections"),
	       get_number(stats, "accepted"), get_number(stats, "rx_overflow"));
	if (json_object_get(service, "reply"))
		printf("    connected %" JSON_INTEGER_FORMAT " to the receiver\n",
		       get_number(stats, "connected"));
	printf("    ended %" JSON_INTEGER_FORMAT,
	       sum_of(closes, close_counters));
	print_nonzero(closes, close_counters);
	printf("\n    rx %" JSON_INTEGER_FORMAT " bytes\n    tx %"
	       JSON_INTEGER_FORMAT " bytes\n", get_number(stats, "rx_bytes"),
	       get_number(stats, "tx_bytes"));
}

/**
 * print_show() - what a service does, how it is, and what it has done
 * @services: an array of services
 */
void print_show(json_t *services)
{
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		const json_t *stats = json_object_get(service, "stats");

		print_service(service);
		putchar('\n');
		if (json_object_get(service, "device_lost"))
			puts("    device lost, waits for one of that name");
		if (json_object_get(service, "reply"))
			printf("    receiver %s\n",
			       json_object_get(service, "unreachable") ?
			       "unreachable" : "not known to refuse");
		if (is_tcp(service))
			show_connections(service, stats);
		else
			show_datagrams(service, stats);
		if (is_uplink(service))
			show_uplink(service, stats);
	}
}

static void print_seconds(const json_t *conn, const char *key)
{
	json_int_t ms = get_number(conn, key);

	printf(" %s %" JSON_INTEGER_FORMAT ".%03d", key, ms / 1000,
	       (int)(ms % 1000));
}

/**
 * print_conns() - a line for each connection
 * @conns: an array of them
 */
void print_conns(json_t *conns)
{
	json_t *conn;
	size_t i;

	json_array_foreach(conns, i, conn) {
		print_name(conn);
		printf(" thread %" JSON_INTEGER_FORMAT " id %" JSON_INTEGER_FORMAT
		       " peer ", get_number(conn, "thread"),
		       get_number(conn, "id"));
		print_address(conn, "peer");
		printf(" state %s", get_string(conn, "state"));
		print_seconds(conn, "age");
		print_seconds(conn, "idle");
		printf(" rx %" JSON_INTEGER_FORMAT " tx %" JSON_INTEGER_FORMAT "\n",
		       get_number(conn, "rx_bytes"), get_number(conn, "tx_bytes"));
	}
}

static void print_metric(const char *name, const char *type, const char *doc)
{
	printf("# HELP ksocket_%s %s\n# TYPE ksocket_%s %s\n", name, doc, name,
	       type);
}

/* Names of services are free of what would have to be escaped in a label. */
static void print_counter_metric(json_t *services, const struct counter *c)
{
	char name[64];
	json_t *service;
	size_t i;

	snprintf(name, sizeof(name), "%s_total", c->name);
	print_metric(name, "counter", c->doc);
	json_array_foreach(services, i, service)
		if (has_counter(service, c))
			printf("ksocket_%s{service=\"%s\"} %"
			       JSON_INTEGER_FORMAT "\n", name,
			       get_string(service, "name"),
			       get_number(json_object_get(service, "stats"),
					  c->name));
}

/* Datagrams are not ended, connections are not dropped. */
static void print_reasons_metric(json_t *services, bool tcp, const char *key,
				 const char *doc, const struct counter *reasons)
{
	const struct counter *c;
	char name[64];
	json_t *service;
	size_t i;

	snprintf(name, sizeof(name), "%s_total", key);
	print_metric(name, "counter", doc);
	json_array_foreach(services, i, service) {
		const json_t *stats = json_object_get(service, "stats");
		const json_t *values = json_object_get(stats, key);

		for (c = reasons; c->name && is_tcp(service) == tcp; c++)
			if (has_counter(service, c))
				printf("ksocket_%s{service=\"%s\",reason=\"%s\"} %"
				       JSON_INTEGER_FORMAT "\n", name,
				       get_string(service, "name"), c->name,
				       get_number(values, c->name));
	}
}

static void print_gauge_metric(json_t *services, const struct gauge *g)
{
	json_t *service;
	size_t i;

	print_metric(g->name, "gauge", g->doc);
	json_array_foreach(services, i, service)
		if (g->has(service))
			printf("ksocket_%s{service=\"%s\"} %"
			       JSON_INTEGER_FORMAT "\n", g->name,
			       get_string(service, "name"),
			       get_number(service, g->name));
}

/**
 * print_prometheus() - all counters and gauges in the text exposition format
 * @services: an array of services
 */
void print_prometheus(json_t *services)
{
	const struct counter *c;
	const struct gauge *g;
	json_t *service;
	size_t i;

	print_metric("service", "gauge", "A service that runs, what it does.");
	json_array_foreach(services, i, service) {
		printf("ksocket_service{service=\"%s\",mode=\"%s\",",
		       get_string(service, "name"), get_string(service, "mode"));
		if (json_object_get(service, "datapath"))
			printf("datapath=\"%s\",",
			       get_string(service, "datapath"));
		printf("proto=\"%s\"} 1\n", get_string(service, "proto"));
	}
	print_metric("receiver_unreachable", "gauge",
		     "1 where the receiver refuses what it is sent.");
	json_array_foreach(services, i, service)
		if (json_object_get(service, "reply"))
			printf("ksocket_receiver_unreachable{service=\"%s\"} %d\n",
			       get_string(service, "name"),
			       !!json_object_get(service, "unreachable"));
	print_metric("device_lost", "gauge",
		     "1 where a device that it depends on is gone.");
	json_array_foreach(services, i, service)
		printf("ksocket_device_lost{service=\"%s\"} %d\n",
		       get_string(service, "name"),
		       !!json_object_get(service, "device_lost"));
	for (c = stats_counters; c->name; c++)
		print_counter_metric(services, c);
	print_reasons_metric(services, false, "drops",
			     "Datagrams not answered, by reason.",
			     drop_counters);
	print_reasons_metric(services, true, "closes",
			     "TCP connections that have ended, by reason.",
			     close_counters);
	for (g = gauges; g->name; g++)
		print_gauge_metric(services, g);
}

static const json_t *find(const json_t *services, const char *name)
{
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
		if (!strcmp(get_string(service, "name"), name))
			return service;

	return NULL;
}

/* A counter that was set back has counted from 0. */
static double rate(json_int_t before, json_int_t after, double seconds)
{
	return (after < before ? after : after - before) / seconds;
}

static double rate_of(const json_t *was, const json_t *is, const char *key,
		      double seconds)
{
	return rate(get_number(was, key), get_number(is, key), seconds);
}

static json_int_t drops_of(const json_t *stats)
{
	return sum_of(json_object_get(stats, "drops"), drop_counters);
}

/* To a beacon nothing comes. */
static json_t *rates_of(const json_t *was, const json_t *is, double seconds)
{
	const json_t *a = json_object_get(was, "stats");
	const json_t *b = json_object_get(is, "stats");
	json_t *row, *rest;

	row = json_pack("{s:O, s:f, s:f, s:b}",
			"name", json_object_get(is, "name"),
			"rx_bits", 8 * rate_of(a, b, "rx_bytes", seconds),
			"tx_bits", 8 * rate_of(a, b, "tx_bytes", seconds),
			"unreachable", !!json_object_get(is, "unreachable"));
	if (is_tcp(is))
		rest = json_pack("{s:f, s:I}",
				 "accepted", rate_of(a, b, "accepted", seconds),
				 "connections", get_number(is, "connections"));
	else
		rest = json_pack("{s:f, s:f, s:f}",
				 "rx_packets", rate_of(a, b, "rx_packets", seconds),
				 "tx_packets", rate_of(a, b, "tx_packets", seconds),
				 "drops", rate(drops_of(a), drops_of(b), seconds));
	json_object_update_new(row, rest);
	if (is_uplink(is))
		json_object_set(row, "connections",
				json_object_get(is, "connections"));
	if (is_beacon(is)) {
		json_object_del(row, "rx_bits");
		json_object_del(row, "rx_packets");
	}
	return row;
}

/* At most five characters, as 999.9k; what a service does not have is a dash. */
static void print_rate(const json_t *row, const char *key)
{
	double value = json_number_value(json_object_get(row, key));
	const char *unit = " kMGT";

	if (!json_object_get(row, key)) {
		printf(" %9s ", "-");
		return;
	}
	while (value >= 999.95 && unit[1]) {
		value /= 1000;
		unit++;
	}
	if (*unit == ' ')
		printf(" %9.0f ", value);
	else
		printf(" %9.1f%c", value, *unit);
}

/**
 * print_rates() - what has been done between two looks, per second
 * @before: the services as they were
 * @after: as they are
 * @seconds: the time between
 */
void print_rates(json_t *before, json_t *after, double seconds)
{
	json_t *rows = json_array(), *service, *row;
	size_t i;

	json_array_foreach(after, i, service) {
		const json_t *was = find(before, get_string(service, "name"));

		json_array_append_new(rows, rates_of(was, service, seconds));
	}
	if (options.json) {
		print_json(rows);
		json_decref(rows);
		return;
	}

	printf("%-15s %10s %10s %10s %10s %10s %10s %10s  %s\n", "SERVICE", "RX/s",
	       "RXbit/s", "TX/s", "TXbit/s", "DROP/s", "CONN/s", "CONNS",
	       "RECEIVER");
	json_array_foreach(rows, i, row) {
		bool bad = json_is_true(json_object_get(row, "unreachable"));

		printf("%s%-15s%s", color(NAME_COLOR), get_string(row, "name"),
		       plain());
		print_rate(row, "rx_packets");
		print_rate(row, "rx_bits");
		print_rate(row, "tx_packets");
		print_rate(row, "tx_bits");
		print_rate(row, "drops");
		print_rate(row, "accepted");
		print_rate(row, "connections");
		printf("  %s%s%s\n", color(bad ? BAD_COLOR : GOOD_COLOR),
		       bad ? "unreachable" : "-", plain());
	}
	json_decref(rows);
}

static void print_time(json_t *event)
{
	struct timeval now;
	struct tm tm;
	char text[64], offset[8], whole[96];

	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	/* Once a year an hour comes twice: ISO 8601, with the offset from UTC. */
	strftime(offset, sizeof(offset), "%z", &tm);
	snprintf(whole, sizeof(whole), "%s.%06ld%.3s:%s", text, (long)now.tv_usec,
		 offset, offset + 3);
	if (options.json)
		json_object_set_new(event, "timestamp", json_string(whole));
	else
		printf("[%s] ", whole);
}

/**
 * print_event() - a line for an event
 * @event: the event
 */
void print_event(json_t *event)
{
	const char *what = get_string(event, "event");

	if (options.timestamp)
		print_time(event);
	if (options.json) {
		print_json(event);
		return;
	}

	printf("%s ", what);
	if (!strcmp(what, "started")) {
		print_service(event);
	} else if (!strcmp(what, "lost")) {
		printf("events, they came faster than they were read");
	} else {
		print_name(event);
		if (json_object_get(event, "reply")) {
			putchar(' ');
			print_address(event, "reply");
		}
		if (json_object_get(event, "device")) {
			putchar(' ');
			print_word(get_string(event, "device"));
		}
		if (json_object_get(event, "reason"))
			printf(" %s", get_string(event, "reason"));
		if (json_object_get(event, "error"))
			printf(" %s", get_string(event, "error"));
		print_nonzero(json_object_get(event, "drops"), drop_counters);
		print_nonzero(json_object_get(event, "closes"), close_counters);
	}
	putchar('\n');
}
