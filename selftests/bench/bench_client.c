// SPDX-License-Identifier: GPL-2.0
/*
 * bench_client - closed-loop UDP load from user space.
 *
 *	bench_client FROM PORT TO PORT SIZE COUNT WINDOW VERIFY [relay|times]
 *
 * For an echo, one connected socket; for a relay, whose answers come from
 * another port, a connected one to send by and one to receive by.
 *
 * Keeps WINDOW datagrams on their way; with WINDOW 1 that is ping-pong. With
 * VERIFY 1 each reply is compared byte by byte. Prints sent, received, wrong,
 * twice and the nanoseconds from the first datagram to the last reply; with
 * "times" also the median, the 99th and the 99.9th percentile of the round trips
 * in nanoseconds.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "bench_payload.h"

static const char usage[] =
"usage: bench_client FROM PORT TO PORT SIZE COUNT WINDOW VERIFY [relay|times]\n";

static int by_size(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

/* The value that so many thousandths of @n sorted ones are below. */
static unsigned int percentile(const unsigned int *sorted, unsigned int n,
			       unsigned int thousandths)
{
	return n ? sorted[(unsigned long long)n * thousandths / 1000] : 0;
}

int main(int argc, char **argv)
{
	bool times = argc == 10 && !strcmp(argv[9], "times");
	bool relay = argc == 10 && !times;
	unsigned int size, count, window, verify, i, number;
	unsigned int sent = 0, received = 0, wrong = 0, twice = 0;
	struct sigaction action = { .sa_handler = bench_expired };
	struct sockaddr_storage addr;
	unsigned char data[65536], *seen;
	unsigned int *trip = NULL;
	long long start, end, *sent_at = NULL;
	socklen_t len;
	int fd, out;

	if (argc != 9 && argc != 10) {
		fputs(usage, stderr);
		return 2;
	}
	size = atoi(argv[5]);
	count = atoi(argv[6]);
	window = atoi(argv[7]);
	verify = atoi(argv[8]);
	seen = calloc(count, 1);
	if (times) {
		sent_at = calloc(count, sizeof(*sent_at));
		trip = calloc(count, sizeof(*trip));
	}
	len = bench_parse(argv[1], argv[2], &addr);
	fd = socket(addr.ss_family, SOCK_DGRAM, 0);
	if (!seen || (times && (!sent_at || !trip)) || size < 8 || fd < 0 ||
	    bind(fd, (void *)&addr, len)) {
		perror("bench_client");
		return 2;
	}
	len = bench_parse(argv[3], argv[4], &addr);
	out = relay ? socket(addr.ss_family, SOCK_DGRAM, 0) : fd;
	if (out < 0 || connect(out, (void *)&addr, len)) {
		perror("bench_client: connect");
		return 2;
	}
	memset(data, 0, sizeof(data));

	/* A time limit for each receive would cost more than the receive. */
	sigaction(SIGALRM, &action, NULL);
	alarm(20);
	start = bench_now();
	while (received < count) {
		ssize_t n;

		while (sent < count && sent - received < window) {
			for (i = 0; verify && i < size; i++)
				data[i] = bench_byte(sent, i);
			memcpy(data, &sent, sizeof(sent));
			if (times)
				sent_at[sent] = bench_now();
			if (send(out, data, size, 0) < 0) {
				perror("send");
				return 2;
			}
			sent++;
		}
		n = recv(fd, data, sizeof(data), 0);
		if (n < 0)
			break;
		received++;
		memcpy(&number, data, sizeof(number));
		if (n != size || number >= count) {
			wrong++;
			continue;
		}
		for (i = sizeof(number); verify && i < size; i++) {
			if (data[i] != bench_byte(number, i)) {
				wrong++;
				break;
			}
		}
		if (times)
			trip[received - 1] = bench_now() - sent_at[number];
		twice += seen[number]++;
	}
	end = bench_now();

	printf("%u %u %u %u %lld", sent, received, wrong, twice, end - start);
	if (times) {
		qsort(trip, received, sizeof(*trip), by_size);
		printf(" %u %u %u", percentile(trip, received, 500),
		       percentile(trip, received, 990),
		       percentile(trip, received, 999));
	}
	printf("\n");
	return 0;
}
