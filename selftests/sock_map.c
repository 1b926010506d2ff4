// SPDX-License-Identifier: GPL-2.0
/*
 * sock_map CGROUP PORT UPSTREAM - put a service's sockets into a sockmap, or try.
 *
 * A tool for the shell tests. A sockops program of the cgroup tries it with the
 * socket that listens at PORT, with the ones that come from it, and with those that
 * connect to UPSTREAM. Prints "attached"; after SIGTERM, what came of it:
 * "listen=ERRNO accepted=ERRNO connected=ERRNO", "never" for none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"

/* A result is never 0, which is what the array has for "never". */
#define RESULT_BASE	1000
#define OPS		16

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static void check(long result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int map_create(enum bpf_map_type type, unsigned int value_size)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = sizeof(uint32_t),
		.value_size = value_size,
		.max_entries = OPS,
	};
	int fd = bpf(BPF_MAP_CREATE, &attr);

	check(fd, "map");
	return fd;
}

static struct bpf_insn insn(int code, int dst, int src, int off, int imm)
{
	return (struct bpf_insn){
		.code = code,
		.dst_reg = dst,
		.src_reg = src,
		.off = off,
		.imm = imm,
	};
}

static int load(int sockets, int results, int port, int upstream)
{
	const int member = BPF_LDX | BPF_MEM | BPF_W, map = BPF_LD | BPF_DW | BPF_IMM;
	const int is = BPF_JMP | BPF_JEQ | BPF_K, differs = BPF_JMP | BPF_JNE | BPF_K;
	const int copy = BPF_ALU64 | BPF_MOV | BPF_X, set = BPF_ALU64 | BPF_MOV | BPF_K;
	const int add = BPF_ALU64 | BPF_ADD | BPF_K, call = BPF_JMP | BPF_CALL;
	const struct bpf_insn prog[] = {
		insn(copy, 6, 1, 0, 0),
		insn(member, 7, 6, offsetof(struct bpf_sock_ops, op), 0),
		insn(is, 7, 0, 5, BPF_SOCK_OPS_TCP_LISTEN_CB),
		insn(is, 7, 0, 4, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB),
		insn(differs, 7, 0, 5, BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB),
		insn(member, 2, 6, offsetof(struct bpf_sock_ops, remote_port), 0),
		insn(is, 2, 0, 5, htonl(upstream)),
		insn(BPF_JMP | BPF_JA, 0, 0, 2, 0),
		insn(member, 2, 6, offsetof(struct bpf_sock_ops, local_port), 0),
		insn(is, 2, 0, 2, port),
		insn(set, 0, 0, 0, 1),
		insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		/* The operation is the key. */
		insn(BPF_STX | BPF_MEM | BPF_W, 10, 7, -4, 0),
		insn(copy, 1, 6, 0, 0),
		insn(map, 2, BPF_PSEUDO_MAP_FD, 0, sockets),
		insn(0, 0, 0, 0, 0),
		insn(copy, 3, 10, 0, 0),
		insn(add, 3, 0, 0, -4),
		insn(set, 4, 0, 0, 0),
		insn(call, 0, 0, 0, BPF_FUNC_sock_map_update),
		/* What it has returned is the value. */
		insn(add, 0, 0, 0, RESULT_BASE),
		insn(BPF_STX | BPF_MEM | BPF_DW, 10, 0, -16, 0),
		insn(map, 1, BPF_PSEUDO_MAP_FD, 0, results),
		insn(0, 0, 0, 0, 0),
		insn(copy, 2, 10, 0, 0),
		insn(add, 2, 0, 0, -4),
		insn(copy, 3, 10, 0, 0),
		insn(add, 3, 0, 0, -16),
		insn(set, 4, 0, 0, 0),
		insn(call, 0, 0, 0, BPF_FUNC_map_update_elem),
		insn(set, 0, 0, 0, 1),
		insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCK_OPS,
		.insns = (uintptr_t)prog,
		.insn_cnt = ARRAY_SIZE(prog),
		.license = (uintptr_t)"GPL",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	check(fd, "program");
	return fd;
}

static void show(int results, const char *name, uint32_t op, char end)
{
	__s64 value = 0;
	union bpf_attr attr = {
		.map_fd = results,
		.key = (uintptr_t)&op,
		.value = (uintptr_t)&value,
	};

	check(bpf(BPF_MAP_LOOKUP_ELEM, &attr), "lookup");
	if (value)
		printf("%s=%d%c", name, RESULT_BASE - (int)value, end);
	else
		printf("%s=never%c", name, end);
}

int main(int argc, char **argv)
{
	union bpf_attr attr = { .attach_type = BPF_CGROUP_SOCK_OPS };
	int sockets, results, sig;
	sigset_t set;

	if (argc != 4) {
		fprintf(stderr, "usage: sock_map CGROUP PORT UPSTREAM\n");
		return 2;
	}

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	sockets = map_create(BPF_MAP_TYPE_SOCKMAP, sizeof(uint32_t));
	results = map_create(BPF_MAP_TYPE_ARRAY, sizeof(int64_t));
	attr.attach_bpf_fd = load(sockets, results, atoi(argv[2]), atoi(argv[3]));
	attr.target_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
	check((int)attr.target_fd, argv[1]);
	check(bpf(BPF_PROG_ATTACH, &attr), "attach");
	puts("attached");
	fflush(stdout);

	sigwait(&set, &sig);
	show(results, "listen", BPF_SOCK_OPS_TCP_LISTEN_CB, ' ');
	show(results, "accepted", BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, ' ');
	show(results, "connected", BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, '\n');
	check(bpf(BPF_PROG_DETACH, &attr), "detach");
	return 0;
}
