#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# unload.sh - rmmod is quick, also under a flood, and leaves nothing behind,
# however often.
#
# KSOCKET_SOAK=1: 1,000 rounds, on a debug kernel 100.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=7000

# median < NUMBERS
median() {
	sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'
}

# unload_times COUNT PARAMETER...: microseconds, one line for each
unload_times() {
	local i
	for ((i = 0; i < $1; i++)); do
		load "${@:2}"
		"$KSOCKET_TESTS/unload_time"
	done
}

# The time is that of the system call. The least of ten is what the module
# needs; the others measure who else uses this machine. Nearly all of it the
# kernel spends in waiting for RCU, service or not; where that alone is slow,
# it sets the measure.
idle_is_quick() {
	local empty idle limit=$((100000 * KSOCKET_SLOW))
	empty=$(unload_times 3 listen_port=0)
	idle=$(unload_times 5 mode=echo "listen_port=$PORT"
		unload_times 5 mode=relay "listen_port=$PORT")
	echo "no service, microseconds: $(sort -n <<<"$empty" | tr '\n' ' ')"
	echo "idle, microseconds: $(sort -n <<<"$idle" | tr '\n' ' ')"
	empty=$(sort -n <<<"$empty" | sed -n 1p)
	if [ $((empty * 2)) -gt $limit ]; then
		limit=$((empty * 2))
		echo "a slow machine: the limit is twice what no service takes"
	fi
	assert_le "microseconds to unload" "$(sort -n <<<"$idle" | head -n 1)" $limit
}

flood_start() {
	"$KSOCKET_TESTS/udp_flood" -p 8 127.0.0.1 $PORT >/dev/null &
}

flooded() {
	[ "$(counter rx_packets)" -gt "${1:-100}" ]
}

# The sender never pauses, so there is a next datagram at every moment.
flood_is_quick() {
	local times mode limit=1000000
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || limit=3000000
	limit=$((limit * KSOCKET_SLOW))
	flood_start
	times=$(for mode in echo relay discard text echo; do
		load "mode=$mode" "listen_port=$PORT"
		wait_for 20 flooded
		"$KSOCKET_TESTS/unload_time"
	done)
	echo "flooded, microseconds: $(sort -n <<<"$times" | tr '\n' ' ')"
	assert_eq "measurements" "$(grep -c . <<<"$times")" 5
	assert_le "microseconds to unload" "$(median <<<"$times")" $limit
	nothing_left $PORT
}

# Nobody has to end a user first, for there are none.
no_users() {
	load mode=echo "listen_port=$PORT"
	assert_eq "module references" "$(cat /sys/module/ksocket/refcnt)" 0
	unload
	nothing_left $PORT
}

_round() {
	load "$@" "listen_port=$PORT"
	# Unload meets the thread at work: in the middle of a flood.
	wait_for 20 flooded 0
	assert_eq threads "$(threads)" "${1#threads=}"
	rmmod ksocket
}

# flooded_rounds COUNT: all modes, one thread and two. The flood ends with it,
# for unread answers are memory too.
flooded_rounds() {
	local i cpus
	local modes=(relay echo discard text)
	cpus=$(nproc)
	[ "$cpus" -le 2 ] || cpus=2
	flood_start
	for ((i = 0; i < $1; i++)); do
		_round "threads=$((i / 4 % cpus + 1))" "mode=${modes[i % 4]}"
	done
	kill $!
	wait $! || true
	nothing_left $PORT
}

rounds() {
	local n=8 before
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || n=4
	if [ -n "${KSOCKET_SOAK:-}" ]; then
		n=1000
		[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || n=100
	fi
	# The first rounds fill what the kernel caches.
	[ -z "${KSOCKET_SOAK:-}" ] || flooded_rounds 8
	before=$(kernel_kb)
	flooded_rounds $n
	echo "$n rounds, kernel memory $before kB before them, $(kernel_kb) kB after"
	# One forgotten buffer a round would be 64 kB a round. Fewer rounds
	# than hundreds drown in what the rest of the machine does.
	[ $n -lt 1000 ] ||
		assert_le "growth in kB" $(($(kernel_kb) - before)) $((n * 16))
}

# Many services cost what they take, not a grace period each. A probe counts those
# that the unload waits for; and what makes namespaces meanwhile does not wait for it.
many_are_quick() {
	local probes=$TRACING/kprobe_events i waits times
	[ -e "$probes" ] || skip "no events of probes"
	trace_make
	load listen_port=0
	for i in {1..60}; do
		"$KSOCKET_TESTS/ksocketctl" add "s$i" listen "127.0.0.1:$((PORT + i))" echo
	done
	echo 'p:ksocket_test/waits synchronize_rcu_expedited' >>"$probes"
	echo 1 >"$TRACE_INSTANCE/events/ksocket_test/waits/enable"
	times=$("$KSOCKET_TESTS/unload_time")
	echo 0 >"$TRACE_INSTANCE/events/ksocket_test/waits/enable"
	waits=$(grep -c ' waits: ' "$TRACE_INSTANCE/trace" || true)
	: >"$TRACE_INSTANCE/trace"
	echo '-:ksocket_test/waits' >>"$probes"
	echo "60 services: $times microseconds, $waits grace periods"
	assert_ge "grace periods" "$waits" 1
	assert_le "grace periods" "$waits" 20
	nothing_left $PORT
}

ksocket_run_tests \
	idle_is_quick:"rmmod while idle: under 100 ms" \
	flood_is_quick:"rmmod under a flood: under 1 s" \
	many_are_quick:"rmmod of many services waits as for one" \
	no_users:"a running service does not hold the module" \
	rounds:"load, traffic, unload, again and again: nothing is left"
