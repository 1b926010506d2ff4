#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fault_injection.sh - on a kernel that can make any allocation fail: each one
# of a load fails in its turn, and nothing may be left of that load; threads
# that get no memory under traffic lose datagrams, but count them.
#
# The short form fails what the module's own init allocates, and of connections and
# uplinks one in three, beginning with any of the first three. KSOCKET_SOAK=1 fails
# all, and what the loader allocates before.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=7000
FAULTS=/sys/kernel/debug
FAULT_TIMES=1000000 # more than any test injects

# What of a long walk fails.
SOME=(-s 3 -f $((RANDOM % 3 + 1)))
[ -z "${KSOCKET_SOAK:-}" ] || SOME=(-s 1)

_can_fault() {
	if ! [ -e /proc/self/fail-nth ] || ! [ -d $FAULTS/failslab ]; then
		skip "this kernel has no fault injection"
	fi
}

# set_fault NAME KEY=VALUE...: where the kernel has this one
set_fault() {
	local name=$1 pair
	shift
	[ -d "$FAULTS/$name" ] || return 0
	for pair; do
		[ ! -e "$FAULTS/$name/${pair%%=*}" ] ||
			echo "${pair#*=}" >"$FAULTS/$name/${pair%%=*}"
	done
}

# As the kernel starts: nothing fails of itself, all may fail on demand.
_reset() {
	local name
	for name in failslab fail_page_alloc fail_skb_realloc fail_usercopy; do
		set_fault $name probability=0 interval=1 times=-1 verbose=0 \
			space=0 task-filter=N ignore-gfp-wait=N \
			ignore-gfp-highmem=N min-order=0 stacktrace-depth=32 \
			require-start=0 require-end=18446744073709551615 devname=
	done
}

# only_below FUNCTION: allocations that it did not call do not count
only_below() {
	local name start end
	# They are in the order of their addresses.
	read -r start end < <(awk -v f="$1" '
		found { print start, $1; exit }
		$3 == f && $2 ~ /[tT]/ { start = $1; found = 1 }' /proc/kallsyms)
	[ -n "$start" ] || fail "no symbol $1"
	for name in failslab fail_page_alloc; do
		set_fault $name "require-start=0x$start" "require-end=0x$end"
	done
}

# walk [OPTION... --] THREADS PARAMETER...
walk() {
	local options=()
	if [[ $1 = -* ]]; then
		until [ "$1" = -- ]; do options+=("$1"); shift; done
		shift
		echo "${options[*]}"
	fi
	_can_fault
	_reset
	[ -n "${KSOCKET_SOAK:-}" ] || only_below do_one_initcall
	for_all "${@:2}"
	"$KSOCKET_TESTS/fault_walk" ${options[@]+"${options[@]}"} $PORT "$1" "$KSOCKET_KO" \
		${FOR_ALL[@]+"${FOR_ALL[@]}"} "listen_port=$PORT" "${@:2}" && rc=0 || rc=$?
	_reset
	return "$rc"
}

walk_relay_ipv4() {
	walk 1
}

walk_echo_ipv6() {
	walk 1 mode=echo listen_addr=::
}

walk_text_two_threads() {
	walk 2 mode=text threads=2 rcvbuf=100000 device=lo reply_addr=::1 \
		listen_addr=::1
}

walk_tcp() {
	walk -t "${SOME[@]}" -- 2 proto=tcp mode=relay threads=2 listen_addr=:: \
		reply_port=9
}

walk_uplink() {
	local threads=1
	[ -z "${KSOCKET_SOAK:-}" ] || threads=2
	walk "${SOME[@]}" -- $threads mode=relay threads=$threads reply_proto=tcp
}

walk_beacon_sink() {
	walk 1 mode=beacon-sink
}

# The memory of a thread is allocated by kthreadd.
walk_threads() {
	_can_fault
	_reset
	"$KSOCKET_TESTS/fault_walk" -k $PORT 2 "$KSOCKET_KO" \
		${KSOCKET_PARAMS[@]+"${KSOCKET_PARAMS[@]}"} "listen_port=$PORT" threads=2 && rc=0 || rc=$?
	echo 0 >/proc/2/fail-nth
	return "$rc"
}

# Datagrams of a flood.
FLOOD=200
# Connections that come and go.
CYCLES=150
[ -z "${KSOCKET_SOAK:-}" ] || FLOOD=1000 CYCLES=300

# injected FAULT: how often it has failed something since _starve
injected() {
	echo $((FAULT_TIMES - $(cat "$FAULTS/$1/times")))
}

# _starve MODE SIZE MTU FAULT KEY=VALUE...: every few allocations of the threads
# fail. They need memory for what does not fit the MTU; otherwise the answer is
# in the memory of the request.
_starve() {
	local pid count cpu
	ip link set lo mtu "$3"
	load "mode=$1" "listen_port=$PORT" threads=2 rcvbuf=134217728 "$(by_thread)"
	# Routes are kept per CPU, and one that is not yet there takes memory that
	# the kernel itself complains about when it gets none.
	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		taskset -c $cpu "$KSOCKET_TESTS/udp_flood" -c 10 127.0.0.1 9 >/dev/null 2>&1 || true
	done
	for pid in $(thread_pids); do
		echo 1 >"/proc/$pid/make-it-fail"
	done
	_reset
	set_fault "$4" times=$FAULT_TIMES task-filter=Y "${@:5}"
	"$KSOCKET_TESTS/udp_flood" -c $FLOOD -p 8 -s "$2" 127.0.0.1 $PORT
	wait_for 60 counter_is rx_packets $FLOOD
	count=$(injected "$4")
	_reset
	ip link set lo mtu 65536
	balanced -
	"$KSOCKET_TESTS/udp_flood" -c 50 -p 8 -w 1 127.0.0.1 $PORT
	echo "$1: $count failures, of $(counter rx_packets): tx_packets $(counter tx_packets)," \
		"drop_send_nomem $(counter drop_send_nomem)"
	assert_ge "failures injected" "$count" 1
}

starve_slab() {
	local mode
	_can_fault
	for mode in echo relay; do
		_starve $mode 2000 1500 failslab probability=20
		assert_ge drop_send_nomem "$(counter drop_send_nomem)" 1
		unload
	done
}

# A large answer is in pages of its own. (Those of relay are free again before
# the next one wants any: nobody listens there.)
starve_pages() {
	_can_fault
	_starve echo 20000 16000 fail_page_alloc probability=20
	assert_ge drop_send_nomem "$(counter drop_send_nomem)" 1
	unload
}

starve_skb_realloc() {
	_can_fault
	[ -d $FAULTS/fail_skb_realloc ] || skip "no fail_skb_realloc"
	# What moves is a packet on its way through lo, whoever sent it.
	_starve echo 64 65536 fail_skb_realloc probability=50 task-filter=N devname=lo
	assert_tx "$(counter rx_packets)"
	unload
}

# _starve_tcp MODE KEY=VALUE...: connections are lost for want of memory, and others
# are not; when there is memory again, all are served.
_starve_tcp() {
	local pid count
	receiver_of "$1" reply_port=7001
	load proto=tcp "mode=$1" "listen_port=$PORT" ${RECEIVER[@]+"${RECEIVER[@]}"}
	"$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $PORT -c 5
	for pid in $(thread_pids); do
		echo 1 >"/proc/$pid/make-it-fail"
	done
	_reset
	set_fault failslab times=$FAULT_TIMES task-filter=Y "${@:2}"
	"$KSOCKET_TESTS/tcp_load" cycle 127.0.0.1 $PORT -c $CYCLES -T $((5000 * KSOCKET_SLOW)) || true
	count=$(injected failslab)
	_reset
	wait_for 60 counter_is connections 0
	"$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $PORT -c 20
	wait_for 60 counter_is connections 0
	echo "$1: $count failures: $(service | grep -E '^(accepted|connected|close_.*[1-9])' | paste -sd ' ')"
	assert_ge "failures injected" "$count" 1
	assert_ge close_nomem "$(counter close_nomem)" 1
	assert_eq "accepted and ended" "$(counter accepted)" \
		"$(service | awk '/^close_/ { sum += $2 } END { print sum }')"
	rmmod ksocket
}

starve_tcp() {
	_can_fault
	spawn - "$KSOCKET_TESTS/tcp_load" serve 7001 echo
	wait_for 20 _listens 7001
	_starve_tcp echo probability=20
	_starve_tcp relay probability=20
}

# Attempts to connect fail, and what there is no memory to send is sent later.
starve_uplink() {
	local pid count
	_can_fault
	load listen_port=7000 reply_port=7001 reply_proto=tcp rcvbuf=134217728 "$(by_thread)"
	for pid in $(thread_pids); do
		echo 1 >"/proc/$pid/make-it-fail"
	done
	_reset
	set_fault failslab times=$FAULT_TIMES task-filter=Y probability=10
	python3 "$KSOCKET_TESTS/uplink.py" many 1000
	count=$(injected failslab)
	_reset
	echo "$count failures: $(service | grep -E '^(tx_packets|drop_.* [1-9]|conn|disc)' | paste -sd ' ')"
	assert_ge "failures injected" "$count" 1
	unload
}

# What a connection had no memory to send goes when there is some, and who could not
# be taken for want of it is taken, though nobody else comes meanwhile.
starved_goes_on() {
	local fd new got pid ticks
	_can_fault
	load proto=tcp mode=echo "listen_port=$PORT"
	exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
	echo before >&"$fd"
	read -r -t $((20 * KSOCKET_SLOW)) -u "$fd" got
	assert_eq "the echo" "$got" before
	for pid in $(thread_pids); do
		echo 1 >"/proc/$pid/make-it-fail"
	done
	_reset
	set_fault failslab times=$FAULT_TIMES task-filter=Y probability=100
	echo after >&"$fd"
	exec {new}<>"/dev/tcp/127.0.0.1/$PORT"
	echo new >&"$new"
	wait_for 20 counter_is_not recv_errors 0
	# Until then it is tried again now and then, not all the time.
	ticks=$(cpu_ticks)
	pause 2
	ticks=$(($(cpu_ticks) - ticks))
	echo "$ticks ticks of the processor in two seconds"
	assert_le ticks $ticks $((60 * KSOCKET_SLOW))
	_reset
	read -r -t $((20 * KSOCKET_SLOW)) -u "$fd" got || fail "it is starved for good"
	assert_eq "the echo" "$got" after
	read -r -t $((20 * KSOCKET_SLOW)) -u "$new" got || fail "it is never taken"
	assert_eq "the echo" "$got" new
	exec {fd}>&- {new}>&-
	wait_for 20 counter_is close_done 2
	assert_eq accepted "$(counter accepted)" 2
	rmmod ksocket
}

_listens() {
	[ -n "$(ss -Hltn "sport = :$1")" ]
}

ksocket_run_tests \
	walk_relay_ipv4:"relay over IPv4: each allocation of a load fails once" \
	walk_echo_ipv6:"echo over IPv6: each allocation of a load fails once" \
	walk_text_two_threads:"text, two threads: each allocation of a load fails once" \
	walk_tcp:"connections, two threads: allocations of a load fail one by one" \
	walk_uplink:"datagrams that go on by TCP: allocations of a load fail one by one" \
	walk_beacon_sink:"a sink of beacons: each allocation of a load fails once" \
	walk_threads:"each allocation of the threads themselves fails once" \
	starve_slab:"traffic while slab allocations fail: the books balance" \
	starve_pages:"traffic while page allocations fail: the books balance" \
	starve_skb_realloc:"traffic while socket buffers move: the books balance" \
	starve_tcp:"connections while slab allocations fail: the books balance" \
	starved_goes_on:"a connection that had no memory goes on when there is some" \
	starve_uplink:"datagrams that go on by TCP while slab allocations fail: all is delivered"
