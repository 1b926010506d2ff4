#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# netns_exit.sh - a service lives and dies in the namespace that it was loaded
# in: it is not seen in others, goes with it under whatever traffic, and never
# keeps it alive.
#
# KSOCKET_SOAK=1: 100 deletions under a flood.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=7000
ROUNDS=4
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || ROUNDS=2
[ -z "${KSOCKET_SOAK:-}" ] || ROUNDS=50	# of each kind of flood

threads_are() {
	[ "$(threads)" = "$1" ]
}

rx_moves() {
	[ "$(counter rx_packets "$1")" -gt 20 ]
}

# flooded FROM ADDRESS PARAMETER...: a service in the namespace "dying", and a
# flood to its ADDRESS from the namespace FROM
flooded() {
	peer_add dying
	load_in dying "listen_port=$PORT" "${@:3}"
	ip netns exec "$NS_PREFIX$1" "$KSOCKET_TESTS/udp_flood" -p 4 \
		"$2" $PORT >/dev/null 2>&1 &
	flood=$!
	wait_for 20 rx_moves dying
}

flood_end() {
	kill "$flood" 2>/dev/null || true
	wait "$flood" || true
}

MODES=(echo relay discard text)

own_namespace_only() {
	ns_add a
	ns_add b
	load_in a mode=echo listen_addr=0.0.0.0 listen_port=$PORT
	assert_eq "the service in a" "$(service a | head -n 1)" "service param"
	assert_eq "the services in b" "$(service b)" ""
	assert_eq "the services here" "$(service)" ""
	bound4 $PORT a || fail "no socket in a"
	! bound4 $PORT b || fail "a socket in b"
	! bound4 $PORT || fail "a socket here"
	rmmod ksocket
	nothing_left $PORT a
}

flood_from_peer() {
	local i
	ns_add peer
	for ((i = 0; i < ROUNDS; i++)); do
		receiver_of "${MODES[i % 4]}" reply_addr=192.0.2.2
		flooded peer 192.0.2.1 "mode=${MODES[i % 4]}" listen_addr=0.0.0.0 \
			${RECEIVER[@]+"${RECEIVER[@]}"}
		ns_del dying
		wait_for 60 threads_are 0
		wait_for 60 peer_gone dying
		flood_end
		loaded || fail "the module went with the namespace"
		rmmod ksocket
		nothing_left $PORT peer
	done
	all_freed
	echo "$ROUNDS deletions"
}

# A process in a namespace keeps it alive, a service does not. The reply address
# of relay and text is in the namespace itself: some of the datagrams are on
# their way in it when it dies.
flood_from_inside() {
	local i
	ns_add peer
	for ((i = 0; i < ROUNDS; i++)); do
		flooded dying 127.0.0.1 "mode=${MODES[i % 4]}"
		ns_del dying
		assert_eq "threads while somebody lives there" "$(threads)" 1
		flood_end
		wait_for 60 threads_are 0
		wait_for 60 peer_gone dying
		rmmod ksocket
		nothing_left $PORT peer
	done
	all_freed
	echo "$ROUNDS deletions"
}

# Namespaces with and without a service go all at once, while others come.
several_at_once() {
	local i ns
	ns_add peer
	ns_add dying1
	load_in dying1 mode=echo listen_port=$PORT
	for i in 2 3; do
		ns_add "dying$i"
	done
	for i in 1 2 3; do
		ns_del "dying$i" &
	done
	for i in 6 7; do
		ns_add "dying$i"
		assert_eq "services in a new namespace" "$(service "dying$i")" ""
		ns_del "dying$i"
	done
	for ns in $(jobs -p); do
		wait "$ns"
	done
	wait_for 60 threads_are 0
	rmmod ksocket
	nothing_left $PORT
	all_freed
}

# read_held: a service in the namespace "dying", where process $pid lives; file 5
# is its /proc/net/ksocket
read_held() {
	peer_add dying
	load_in dying mode=echo listen_addr=0.0.0.0 listen_port=$PORT
	ip netns exec "${NS_PREFIX}dying" sleep 1000 &
	pid=$!
	wait_for 20 grep -q '^service' "/proc/$pid/net/ksocket"
	exec 5<"/proc/$pid/net/ksocket"
}

# An open file of /proc/net keeps its namespace alive; that is the kernel's
# own rule. When it is closed, all goes.
held_by_reader() {
	ns_add peer
	read_held
	kill "$pid"
	wait "$pid" || true
	ns_del dying
	assert_eq "threads while the file is open" "$(threads)" 1
	assert_eq "what the reader sees" "$(head -n 1 <&5)" "service param"
	exec 5<&-
	wait_for 60 threads_are 0
	wait_for 60 peer_gone dying
	rmmod ksocket
	all_freed

	# The module may go while the file is open.
	read_held
	rmmod ksocket
	assert_eq "what the reader sees" "$(cat <&5 2>/dev/null)" ""
	exec 5<&-
	kill "$pid"
	wait "$pid" || true
	ns_del dying
	wait_for 60 peer_gone dying
	nothing_left $PORT
	all_freed
}

# Both stop the service: whoever comes first does it, and the other finds
# nothing to do.
unload_meets_exit() {
	local i
	ns_add peer
	for ((i = 0; i < ROUNDS; i++)); do
		flooded peer 192.0.2.1 mode=echo listen_addr=0.0.0.0
		if [ $((i % 2)) = 0 ]; then
			ns_del dying
			rmmod ksocket
		else
			rmmod ksocket &
			ns_del dying
			wait $!
		fi
		nothing_left $PORT peer
		wait_for 60 peer_gone dying
		flood_end
	done
	all_freed
}

ksocket_run_tests \
	own_namespace_only:"a service is in the namespace of the loading process only" \
	flood_from_peer:"ip netns del under a flood from outside, $ROUNDS times" \
	flood_from_inside:"ip netns del under a flood from inside, $ROUNDS times" \
	several_at_once:"several namespaces come and go at once" \
	held_by_reader:"a reader of /proc/net/ksocket outlives namespace and module" \
	unload_meets_exit:"unloading while the namespace dies, $ROUNDS times"
