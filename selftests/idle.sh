#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# idle.sh - a service that has nothing to do costs nothing: its threads are
# not woken at all. The scheduler's own count of context switches says so, and
# the counter "wakeups".

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# asleep: the switches do not change from one look to the next
asleep() {
	local before
	before=$(switches)
	sleep 0.5
	[ "$before" = "$(switches)" ]
}

# sleeps_on SECONDS [NAMESPACE]
sleeps_on() {
	local switched woken
	wait_for 20 asleep
	switched=$(switches)
	woken=$(counter wakeups "${2:--}")
	[ -n "$switched" ] || fail "no thread"
	sleep "$1"
	assert_eq "context switches of each thread" "$(switches)" "$switched"
	assert_eq wakeups "$(counter wakeups "${2:--}")" "$woken"
}

_threads() {
	local cpus
	cpus=$(nproc)
	[ "$cpus" -le 2 ] && echo "$cpus" || echo 2
}

# Also: a thread that never had a datagram was never woken.
idle_relay() {
	load mode=relay listen_port=7000 "threads=$(_threads)"
	sleeps_on 10
	assert_eq wakeups "$(counter wakeups)" 0
	unload
}

idle_echo_after_traffic() {
	load mode=echo listen_port=7000 "threads=$(_threads)"
	"$KSOCKET_TESTS/udp_flood" -c 2000 -p 8 -w 8 -a 127.0.0.1 7000
	sleeps_on 10
	assert_le "wakeups, at most one a datagram" "$(counter wakeups)" 2000
	unload
}

# The listen socket of mode echo sends too. On a slow link its answers leave
# long after the thread has gone to sleep, and the stack says on the socket's
# wait queue that there is room again. That is no reason to wake it.
idle_echo_slow_link() {
	needs tbf tc qdisc add dev lo root tbf rate 8kbit burst 1600 latency 60s
	ns_pair a b
	# More than a second for each answer, so that most are still
	# waiting while the thread sleeps.
	in_ns b tc qdisc add dev veth0 root tbf rate 8kbit burst 1600 latency 60s
	load_in b mode=echo listen_addr=192.0.2.2 listen_port=7000
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 12 -s 1200 192.0.2.2 7000
	wait_for 20 counter_is tx_packets 12 b
	wait_for 20 asleep
	in_ns b tc -s qdisc show dev veth0 | grep 'backlog .* [1-9][0-9]*p ' ||
		fail "it did not sleep while answers were still leaving"
	sleeps_on 3 b
	balanced b
	rmmod ksocket
}

ksocket_run_tests \
	idle_relay:"relay: idle for 10 s, never woken" \
	idle_echo_after_traffic:"echo: idle for 10 s after traffic, never woken" \
	idle_echo_slow_link:"echo: answers that leave late do not wake it"
