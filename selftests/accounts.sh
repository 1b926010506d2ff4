#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# accounts.sh - what a service costs is charged to the cgroup of the process that
# has started it: sockets, memory and processor time.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

CGROUP=/sys/fs/cgroup/ksocket-test

# cgroup_add LIMIT: a cgroup with so much memory
cgroup_add() {
	grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
		skip "no memory controller in a cgroup v2 hierarchy at /sys/fs/cgroup"
	! grep -qw memory /sys/fs/cgroup/cgroup.subtree_control || had=yes
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir "$CGROUP"
	trap 'cgroup_end' EXIT
	echo "$1" >"$CGROUP/memory.max"
}

# cgroup_end: in place of the trap of lib.sh, which it calls
cgroup_end() {
	_rc=$?
	trap - ERR EXIT
	set +e
	_show $_rc
	_cleanup
	for dir in "$CGROUP" "$CGROUP-other"; do
		[ ! -d "$dir" ] || xargs -r kill <"$dir/cgroup.procs"
		[ ! -d "$dir" ] || wait_for 10 rmdir "$dir"
	done
	[ "${had:-}" = yes ] || echo -memory >/sys/fs/cgroup/cgroup.subtree_control
	exit $_rc
}

# in_cgroup COMMAND...
in_cgroup() (
	echo "$BASHPID" >"$CGROUP/cgroup.procs"
	exec "$@"
)

load_in_cgroup() {
	for_all "$@"
	in_cgroup insmod "$KSOCKET_KO" ${FOR_ALL[@]+"${FOR_ALL[@]}"} "$@"
}

# stat_of FILE KEY: a number from a file of the cgroup
stat_of() {
	awk -v key="$2" '$1 == key { print $2 }' "$CGROUP/$1"
}

stat_at_least() {
	[ "$(stat_of "$1" "$2")" -ge "$3" ]
}

stat_at_most() {
	[ "$(stat_of "$1" "$2")" -le "$3" ]
}

# socket_memory FILTER...: the bytes that the stack keeps for these sockets
socket_memory() {
	ss -Htnm "$@" | grep -o 'skmem:([^)]*)' |
		sed 's/skmem:(r\([0-9]*\),.*,f\([0-9]*\),w\([0-9]*\),.*/\1 \2 \3/' |
		awk '{ sum += $1 + $2 + $3 } END { print sum + 0 }'
}

# moves_threads: this kernel moves threads in cgroup v2
moves_threads() {
	local version
	version=$(uname -r)
	case $version in 5.1[0-3].*) return 1 ;; esac
}

# Clients that send and never read: all that the service keeps for them is charged.
# At the limit the stack takes less; how much it goes over is its own, as it is for the
# sockets of processes.
sockets() {
	local kept
	cgroup_add 16M
	load_in_cgroup proto=tcp mode=echo listen_port=7000
	for _ in 1 2 3 4 5 6 7 8; do
		spawn - socat -u /dev/zero TCP4:127.0.0.1:7000
	done 2>/dev/null
	wait_for 120 stat_at_least memory.events max 1
	pause 1
	# What comes at the limit is turned away.
	assert_ge "connections" "$(counter connections)" 1
	assert_eq "connections, and what was turned away" \
		"$(($(counter connections) + $(counter close_nomem)))" 8
	kept=$(socket_memory 'sport = :7000')
	assert_ge "kept for sockets" "$kept" 1000000
	assert_ge "charged for sockets" "$(stat_of memory.stat sock)" $((kept / 2))
	# shellcheck disable=SC2046 # process numbers
	kill $(jobs -p)
	wait || true
	wait_for 60 counter_is connections 0
	# Sockets that are closed give back what they have been charged.
	wait_for 60 stat_at_most memory.stat sock 0
	assert_eq "an echo afterwards" "$(ask TCP4:127.0.0.1:7000 hello)" hello
	rmmod ksocket
}

# crowd: clients that want all memory of the cgroup and never read; two that were there
# before them want an answer, or an end
crowd() {
	local before
	before=$(stat_of memory.events max)
	rm -f "$TMP/crowd"
	python3 - >"$TMP/crowd" <<-PYTHON &
		import socket, time
		wait = 20 * $KSOCKET_SLOW
		there = [socket.create_connection(("127.0.0.1", 7000)) for i in range(2)]
		for client in there:
		    client.settimeout(wait)
		    client.sendall(b"a")
		    assert client.recv(1) == b"a"
		clients = []
		for i in range(400):
		    try:
		        client = socket.create_connection(("127.0.0.1", 7000), timeout=0.02)
		        clients.append(client)
		        for j in range(20):
		            client.sendall(bytes(65536))
		    except OSError:
		        pass
		there[0].sendall(b"b" * 10000)
		got = 0
		while got < 10000:
		    got += len(there[0].recv(65536))
		there[1].shutdown(socket.SHUT_WR)
		assert there[1].recv(1) == b""
		print(len(clients), "clients", flush=True)
		time.sleep(1000)
	PYTHON
	wait_for 120 grep -qs clients "$TMP/crowd"
	assert_ge "times at the limit" "$(stat_of memory.events max)" $((before + 1))
	pause 1
	echo "$(cat "$TMP/crowd"), accepted $(counter accepted), connections" \
		"$(counter connections), close_nomem $(counter close_nomem)," \
		"$(cat "$CGROUP/memory.current") bytes"
	assert_ge close_nomem "$(counter close_nomem)" 1
	# What comes in goes over the limit, and where the thread comes late, further.
	assert_le "bytes, of 16 MB" "$(cat "$CGROUP/memory.current")" $((64 << 20))
}

_spared() {
	assert_eq "invocations of the OOM killer" "$(stat_of memory.events oom)" 0
	assert_eq "processes killed" "$(stat_of memory.events oom_kill)" 0
	_bystands || fail "the process beside it is gone"
}

_bystands() {
	xargs -I{} cat "/proc/{}/comm" <"$CGROUP/cgroup.procs" | grep -qx sleep
}

# The kernel kills a process for the memory that it wants itself, and cannot kill a
# thread of a service: it would kill all others of the cgroup, one after the other. And
# when the clients have gone, there is memory for those who come.
crowded() {
	cgroup_add 16M
	load_in_cgroup proto=tcp mode=echo listen_port=7000 backlog=512
	in_cgroup sleep 1000 >/dev/null 2>&1 &
	wait_for 10 _bystands
	crowd
	_spared
	kill $!
	wait_for 120 counter_is connections 0
	wait_for 60 _echoes
	crowd
	rmmod ksocket
	_spared
}

_echoes() {
	[ "$(ask TCP4:127.0.0.1:7000 hello)" = hello ]
}

# A receiver that never reads: what is on the way to it is the service's.
uplink() {
	cgroup_add 32M
	python3 -c 'import socket, time
server = socket.create_server(("127.0.0.1", 7001))
time.sleep(1000)' &
	wait_for 120 listening 7001 -
	load_in_cgroup listen_port=7000 mode=relay reply_addr=127.0.0.1 reply_port=7001 \
		reply_proto=tcp framing=length
	wait_for 120 counter_is connections 1
	flood -c 4000 -s 1400 127.0.0.1 7000 >/dev/null || true
	wait_for 60 stat_at_least memory.stat sock 100000
	unload
	wait_for 60 stat_at_most memory.stat sock 0
}

# Connections that do nothing take memory all the same.
memory() {
	local before
	cgroup_add 64M
	load_in_cgroup proto=tcp mode=discard listen_port=7000
	before=$(stat_of memory.stat slab)
	python3 -c 'import socket, time
clients = [socket.create_connection(("127.0.0.1", 7000)) for i in range(400)]
time.sleep(1000)' &
	wait_for 300 counter_is connections 400
	assert_ge "memory for 400 connections" "$(($(stat_of memory.stat slab) - before))" 150000
	rmmod ksocket
}

processor() {
	local cgroup before
	cgroup_add 64M
	load_in_cgroup mode=discard listen_port=7000 datapath=copy
	read -r cgroup <"/proc/$(thread_pid 'ksocket/7000*')/cgroup"
	moves_threads || {
		assert_eq "cgroup of the thread" "$cgroup" 0::/
		skip "a module cannot move a thread in cgroup v2 before 5.14"
	}
	assert_eq "cgroup of the thread" "$cgroup" 0::/ksocket-test
	before=$(stat_of cpu.stat usage_usec)
	flood -c 2000 -s 100 127.0.0.1 7000 >/dev/null || true
	wait_for 60 counter_is_not discarded 0
	assert_ge "processor time" "$(stat_of cpu.stat usage_usec)" $((before + 1))
	unload
}

# By whatever it is asked, it is the process that asks which pays.
who_asks() {
	local pid
	needs_ksocketctl
	cgroup_add 64M
	moves_threads || skip "a module cannot move a thread in cgroup v2 before 5.14"
	load listen_port=0
	in_cgroup "$KSOCKET_TESTS/ksocketctl" add a listen 127.0.0.1:7000 echo threads 2
	"$KSOCKET_TESTS/ksocketctl" add b listen 127.0.0.1:7001 echo
	for pid in $(thread_pids); do
		read -r name <"/proc/$pid/comm"
		read -r cgroup <"/proc/$pid/cgroup"
		case $name in
		ksocket/7000*) assert_eq "cgroup of $name" "$cgroup" 0::/ksocket-test ;;
		*) assert_eq "cgroup of $name" "$cgroup" 0::/ ;;
		esac
	done
	# The one that replaces it pays from then on.
	"$KSOCKET_TESTS/ksocketctl" replace a listen 127.0.0.1:7000 discard
	assert_eq "processes in the cgroup" "$(cat "$CGROUP/cgroup.procs")" ""
	unload
}

dying() {
	awk '$1 == "nr_dying_descendants" { print $2 }' /sys/fs/cgroup/cgroup.stat
}

# none_dying: nothing of ours holds the cgroup. The page cache does, and so does each
# CPU: the kernel keeps the memory cgroup that it has charged or uncharged last on it,
# with a reference, until it does so for another one. Where the thread has not moved,
# the sockets are uncharged after the cgroup was removed, and nobody looks after that.
none_dying() {
	local cpu
	echo 3 >/proc/sys/vm/drop_caches
	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		(
			echo "$BASHPID" >"$CGROUP-other/cgroup.procs"
			exec taskset -c $cpu sleep 0
		)
	done
	[ "$(dying)" -le "$before" ]
}

# A cgroup can be removed when the service has ended, and nothing is left of it. A
# thread that has not moved there does not keep it.
removed() {
	local before
	needs_ksocketctl
	cgroup_add 64M
	mkdir "$CGROUP-other"
	before=$(dying)
	load listen_port=0
	in_cgroup "$KSOCKET_TESTS/ksocketctl" add a listen 127.0.0.1:7000 echo proto tcp
	assert_eq "an echo" "$(ask TCP4:127.0.0.1:7000 hello)" hello
	if moves_threads; then
		refute rmdir "$CGROUP"
	else
		rmdir "$CGROUP"
		assert_eq "an echo without it" "$(ask TCP4:127.0.0.1:7000 hello)" hello
	fi
	"$KSOCKET_TESTS/ksocketctl" del a
	[ ! -d "$CGROUP" ] || wait_for 10 rmdir "$CGROUP"
	unload
	wait_for 60 none_dying
}

ksocket_run_tests \
	sockets:"what accepted connections take is charged, up to the limit and back" \
	crowded:"at the limit no other process of the cgroup is killed" \
	uplink:"the connection to the receiver of datagrams is charged" \
	memory:"what is allocated for connections is charged" \
	processor:"the processor time of the thread is charged" \
	who_asks:"a service of the command belongs to the command's cgroup" \
	removed:"the cgroup can be removed after the service"
