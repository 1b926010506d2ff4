#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loop.sh - what goes in circles ends by itself: bounded, counted, and the CPU
# is idle within a second.
#
# Two services that relay to each other need a module that starts two:
# pair/two-services.patch, built by make check, named by KSOCKET_PAIR_KO.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

DATAGRAMS=20

# pair_counter SERVICE KEY
pair_counter() {
	awk -v service="$1" -v key="$2" '$1 == "service" { here = $2 == service }
		here && $1 == key { print $2 }' /proc/net/ksocket
}

# idle_within_a_second: from one second from now on, on a slow machine a few more,
# nothing moves
idle_within_a_second() {
	sleep "$KSOCKET_SLOW"
	local before ticks
	before=$(grep -E '^(rx|tx)_packets|^wakeups|^drop_' /proc/net/ksocket)
	ticks=$(cpu_ticks)
	sleep 1
	assert_eq "counters a second later" \
		"$(grep -E '^(rx|tx)_packets|^wakeups|^drop_' /proc/net/ksocket)" "$before"
	assert_eq "CPU ticks used a second later" "$(cpu_ticks)" "$ticks"
}

# rounds ADDRESS: bash sends them, each from a socket of its own
rounds() {
	local i
	for ((i = 0; i < DATAGRAMS; i++)); do
		echo "round and round" >"/dev/udp/$1/7000"
	done
}

# two_relays ADDRESS: each datagram travels to one service, on to the other, and
# there it is seen to come from a service of ours.
two_relays() {
	[ -n "${KSOCKET_PAIR_KO:-}" ] ||
		skip "needs the module of two services, KSOCKET_PAIR_KO"
	insmod "$KSOCKET_PAIR_KO" ${KSOCKET_PARAMS[@]+"${KSOCKET_PARAMS[@]}"} "listen_addr=$1" listen_port=7000 \
		"reply_addr=$1" reply_port=7001
	rounds "$1"
	wait_for 10 pair_dropped $DATAGRAMS
	assert_eq "received by the first" "$(pair_counter param rx_packets)" $DATAGRAMS
	assert_eq "passed on by the first" "$(pair_counter param tx_packets)" $DATAGRAMS
	assert_eq "received by the second" "$(pair_counter pair rx_packets)" $DATAGRAMS
	assert_eq "passed on by the second" "$(pair_counter pair tx_packets)" 0
	idle_within_a_second
	unload
}

pair_dropped() {
	[ "$(pair_counter pair drop_loop)" = "$1" ]
}

two_relays_ipv4() {
	two_relays 127.0.0.1
}

two_relays_ipv6() {
	two_relays ::1
}

# A relay whose receiver is translated back to itself: the guard knows the reply
# socket's own address again.
relay_to_itself_by_nat() {
	needs_nft "udp dport 7001 dnat ip to 127.0.0.1:7000" "nat hook output priority -100"
	nft -f - <<-'EOF'
		table ip loop {
			chain output {
				type nat hook output priority -100;
				udp dport 7001 dnat to 127.0.0.1:7000
			}
		}
	EOF
	load listen_port=7000 reply_port=7001
	rounds 127.0.0.1
	wait_for 10 counter_is drop_loop $DATAGRAMS
	assert_eq rx_packets "$(counter rx_packets)" $((2 * DATAGRAMS))
	assert_tx $DATAGRAMS
	idle_within_a_second
	unload
}

# Two echo services on two hosts: the other one's port is our own.
echo_to_another_reflector() {
	load mode=echo listen_port=7000
	echo "round and round" |
		socat -u - UDP4:127.0.0.1:7000,bind=127.0.0.2:7000
	wait_for 10 counter_is rx_packets 1
	assert_eq drop_src_port_own "$(counter drop_src_port_own)" 1
	assert_tx 0
	unload

	load mode=echo listen_port=7000 min_source_port=0
	answer=$(echo "once" | socat -t2 - UDP4:127.0.0.1:7000,bind=127.0.0.2:7000)
	assert_eq "with min_source_port=0" "$answer" once
	unload
}

ksocket_run_tests \
	two_relays_ipv4:"two services that relay to each other, IPv4" \
	two_relays_ipv6:"two services that relay to each other, IPv6" \
	relay_to_itself_by_nat:"a relay that NAT leads back to itself" \
	echo_to_another_reflector:"no echo to the port that we listen on"
