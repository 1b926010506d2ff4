#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# races.sh - what may happen at the same moment: loads and unloads of others,
# readers, processors that go, devices and addresses that go, tracing that is
# switched, signals. Nothing breaks, and the books balance afterwards.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=7000
TIMES=4
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || TIMES=2
[ -z "${KSOCKET_SOAK:-}" ] || TIMES=200

rx_over() {
	[ "$(counter rx_packets "${2:--}")" -gt "$1" ]
}

# rx_goes_on [NAMESPACE]: datagrams are still being taken
rx_goes_on() {
	wait_for 20 rx_over "$(counter rx_packets "${1:--}")" "${1:--}"
}

# flood OPTION... ADDRESS PORT: in the background
flood() {
	"$KSOCKET_TESTS/udp_flood" -p 8 "$@" >/dev/null 2>&1 &
}

# Two processes load and unload as fast as they can; one of them loses.
loaders() {
	local first i
	(
		for ((i = 0; i < TIMES; i++)); do
			load mode=echo "listen_port=$PORT" || true
			rmmod ksocket || true
		done
	) >/dev/null 2>&1 &
	first=$!
	for ((i = 0; i < TIMES; i++)); do
		load mode=relay "listen_port=$PORT" || true
		rmmod ksocket || true
	done >/dev/null 2>&1
	wait $first
	! loaded || rmmod ksocket
	nothing_left $PORT
	load mode=echo "listen_port=$PORT"
	unload
}

# Readers at every moment of the life of module and namespace.
readers() {
	local i pids=()
	for i in 1 2; do
		while :; do
			cat /proc/net/ksocket || true
			ip netns exec "${NS_PREFIX}a" cat /proc/net/ksocket || true
		done >/dev/null 2>&1 &
		pids+=($!)
	done
	for ((i = 0; i < TIMES; i++)); do
		ns_add a
		load_in a mode=echo "listen_port=$PORT"
		[ $((i % 2)) = 0 ] || ns_del a
		rmmod ksocket
		[ $((i % 2)) = 1 ] || ns_del a
	done
	kill "${pids[@]}"
	wait "${pids[@]}" || true
	nothing_left $PORT
}

# A closed loop, so that nothing is lost: all must be there afterwards, also
# what was counted on the processor that went.
cpu_hotplug() {
	local cpu=/sys/devices/system/cpu/cpu1/online count=4000 pid
	[ -n "${KSOCKET_VM:-}" ] || skip "would switch off a processor of this machine"
	[ -w $cpu ] || skip "the processor cannot be switched off"
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || count=500
	load mode=echo "listen_port=$PORT" threads=2
	"$KSOCKET_TESTS/udp_flood" -c $count -p 8 -w 8 -a 127.0.0.1 $PORT &
	pid=$!
	# Some of it there for certain, whatever the scheduler does with the rest.
	taskset -c 1 "$KSOCKET_TESTS/udp_flood" -c 100 -w 8 -a 127.0.0.1 $PORT
	count=$((count + 100))
	while kill -0 $pid 2>/dev/null; do
		echo 0 >$cpu
		sleep 0.2
		echo 1 >$cpu
		sleep 0.2
	done
	wait $pid
	# What it has counted stays while it is away.
	echo 0 >$cpu
	assert_eq rx_packets "$(counter rx_packets)" $count
	assert_tx $count
	assert_eq rx_bytes "$(counter rx_bytes)" $((count * 64))
	echo 1 >$cpu
	unload
}

# A wildcard service outlives the devices below it.
device_goes() {
	local i pid
	ns_pair a b
	load_in a mode=echo listen_addr=0.0.0.0 "listen_port=$PORT"
	for ((i = 0; i < (TIMES + 1) / 2; i++)); do
		ip netns exec "${NS_PREFIX}b" "$KSOCKET_TESTS/udp_flood" -p 8 \
			192.0.2.1 $PORT >/dev/null 2>&1 &
		pid=$!
		rx_goes_on a
		ns_ip a link del veth0
		kill $pid 2>/dev/null || true
		wait $pid || true
		balanced a
		ns_ip a link add veth0 type veth peer name veth0 netns "${NS_PREFIX}b"
		ns_ip a addr add 192.0.2.1/24 dev veth0
		ns_ip a link set veth0 up
		ns_ip b addr add 192.0.2.2/24 dev veth0
		ns_ip b link set veth0 up
	done
	in_ns b "$KSOCKET_TESTS/udp_flood" -c 10 -w 1 -a 192.0.2.1 $PORT
	balanced a
	rmmod ksocket
}

# The address that was asked is not ours any more when the answer is sent; the
# receiver's is out of reach. Both come back.
address_goes() {
	local i pid mode
	ns_pair a b
	for mode in echo relay; do
		receiver_of $mode reply_addr=192.0.2.2 reply_port=7001
		load_in a "mode=$mode" listen_addr=0.0.0.0 "listen_port=$PORT" \
			${RECEIVER[@]+"${RECEIVER[@]}"}
		ip netns exec "${NS_PREFIX}b" "$KSOCKET_TESTS/udp_flood" -p 8 \
			192.0.2.1 $PORT >/dev/null 2>&1 &
		pid=$!
		for ((i = 0; i < TIMES; i++)); do
			rx_goes_on a
			ns_ip a addr del 192.0.2.1/24 dev veth0
			ns_ip a addr add 192.0.2.1/24 dev veth0
		done
		kill $pid
		wait $pid || true
		balanced a
		if [ $mode = echo ]; then
			in_ns b "$KSOCKET_TESTS/udp_flood" -c 10 -w 1 -a \
				192.0.2.1 $PORT
		else
			in_ns b "$KSOCKET_TESTS/udp_flood" -c 10 -w 1 -a \
				-o 7001 192.0.2.1 $PORT
		fi
		balanced a
		rmmod ksocket
	done
}

_thread_asleep() {
	local before
	before=$(switches)
	sleep 0.2
	[ "$before" = "$(switches)" ]
}

tracing_switched() {
	local events=/sys/kernel/tracing/events/ksocket i pid
	[ -d /sys/kernel/tracing/events ] || skip "no tracefs"
	load mode=echo "listen_port=$PORT"
	flood 127.0.0.1 $PORT
	pid=$!
	for ((i = 0; i < TIMES / 2; i++)); do
		echo 1 >$events/enable
		rx_goes_on
		echo 0 >$events/enable
		rx_goes_on
	done
	echo 1 >$events/enable
	rx_goes_on
	# Unloaded with its events switched on.
	rmmod ksocket
	kill "$pid"
	wait "$pid" || true
	nothing_left $PORT
	[ ! -e $events ] || fail "the events are left"
}

signals() {
	local pid signal
	load mode=echo "listen_port=$PORT"
	pid=$(thread_pids)
	for signal in KILL STOP TERM INT HUP USR1; do
		kill "-$signal" "$pid"
	done
	assert_eq "the thread" "$(thread_pids)" "$pid"
	"$KSOCKET_TESTS/udp_flood" -c 100 -w 1 -a 127.0.0.1 $PORT
	# One that believes it has a signal cannot sleep any more.
	local before
	before=$(switches)
	sleep 1
	assert_eq "context switches" "$(switches)" "$before"
	unload
	nothing_left $PORT
}

# bound NETNS, connected NETNS: as ss shows the service's sockets
_bound() {
	in_ns "$1" ss -Hlun "sport = :$PORT" | awk '{ print $4 }'
}

_is_bound() {
	[ "$(_bound a)" = "0.0.0.0%veth0:$PORT" ]
}

_connected() {
	in_ns "$1" ss -Hun 'dport = :7001' | awk '{ print $3, $4, $5 }'
}

# ss -K breaks the connection of others' sockets and unbinds them from their
# device, as an administrator may. The service mends both.
sockets_killed() {
	local before flooder
	ns_pair a b
	load_in a mode=echo listen_addr=0.0.0.0 "listen_port=$PORT" device=veth0
	assert_eq "bound to" "$(_bound a)" "0.0.0.0%veth0:$PORT"
	# It shows those that it has closed.
	[ -n "$(in_ns a ss -KHua "sport = :$PORT")" ] || skip "no CONFIG_INET_DIAG_DESTROY"
	wait_for 20 counter_is_not recv_errors 0 a
	in_ns b "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a 192.0.2.1 $PORT
	assert_eq "bound to" "$(_bound a)" "0.0.0.0%veth0:$PORT"
	balanced a
	# The error is nobody else's, however many answers are under way.
	spawn b "$KSOCKET_TESTS/udp_flood" 192.0.2.1 $PORT
	flooder=$!
	for _ in 1 2 3 4 5; do
		in_ns a ss -K -u -a "sport = :$PORT" >/dev/null
		wait_for 20 _is_bound
	done
	kill $flooder
	wait $flooder || true
	balanced a
	rmmod ksocket

	receiver "$TMP/got" 7001 4 a
	load_in b mode=relay "listen_port=$PORT" reply_addr=192.0.2.1 reply_port=7001
	before=$(_connected b)
	in_ns b ss -K -u 'dport = :7001' >/dev/null
	assert_eq "connected" "$(_connected b)" ""
	tell "UDP4:127.0.0.1:$PORT" "one " b
	tell "UDP4:127.0.0.1:$PORT" two b
	wait_for 20 file_is "$TMP/got" "one two"
	assert_eq "connected" "$(_connected b)" "$before"
	assert_tx 2 b
	balanced b
	rmmod ksocket
	nothing_left $PORT
}

ksocket_run_tests \
	loaders:"two processes load and unload at once" \
	readers:"/proc/net/ksocket is read while module and namespace come and go" \
	cpu_hotplug:"a processor goes and comes: the counters stay exact" \
	device_goes:"the network device goes under traffic" \
	address_goes:"the address goes under traffic" \
	tracing_switched:"tracepoints are switched under a flood" \
	signals:"signals do nothing to a thread" \
	sockets_killed:"ss -K does not stop a service"
