#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# accounting.sh - 200,000 datagrams over a veth pair between two namespaces:
# every one is answered or counted. nftables on both hosts says what the
# interfaces saw, so that what the wire itself loses under load is not laid to
# anybody's charge.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=200000
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || COUNT=20000
[ -z "${KSOCKET_SOAK:-}" ] || COUNT=2000000

# count_at HOST NAME HOOK MATCH: what passes there, see seen_at
count_at() {
	needs_nft accept
	in_ns "$1" nft -f - <<-EOF
		table inet acc$2 {
			counter seen { }
			chain seen {
				type filter hook $3 priority 0;
				$4 counter name seen
			}
		}
	EOF
}

seen_at() {
	in_ns "$1" nft list counter inet "acc$2" seen | awk '$1 == "packets" { print $2 }'
}

# value KEY: of udp_flood's line
value() {
	sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" "$TMP/flood"
}

# hosts [PARAMETER=VALUE...]: a asks, b answers
hosts() {
	ns_pair a b
	count_at b in input "udp dport 7000"
	count_at b out output "udp dport 7000-65535"
	load_in b "listen_addr=${listen:-0.0.0.0}" listen_port=7000 "$@"
}

flood_from_a() {
	# shellcheck disable=SC2086 # words
	in_ns a ${first_on_cpu0:-} "$KSOCKET_TESTS/udp_flood" "$@" >"$TMP/flood"
	cat "$TMP/flood"
}

settled() {
	[ $(($(counter rx_packets b) + $(counter rx_overflow b))) = "$(seen_at b in)" ]
}

books() {
	wait_for 30 settled
	balanced b
	assert_eq "sent, at b's interface" "$(seen_at b out)" "$(counter tx_packets b)"
	assert_eq wrong "$(value wrong)" 0
	assert_eq duplicate "$(value duplicate)" 0
}

# A closed loop loses nothing anywhere: each one has its answer.
closed_loop() {
	flood_from_a -c $COUNT -s 100 -p 8 -w 64 -a "$@"
	books
	assert_eq "received by b" "$(counter rx_packets b)" $COUNT
	assert_eq "answered by b" "$(counter tx_packets b)" $COUNT
	assert_eq "answers at a" "$(value received)" $COUNT
	assert_eq "bytes" "$(counter tx_bytes b)" $((COUNT * 100))
	rmmod ksocket
}

accounting_echo() {
	hosts mode=echo
	closed_loop 192.0.2.2 7000
}

accounting_relay() {
	hosts reply_addr=192.0.2.1 reply_port=7001
	closed_loop -o 7001 192.0.2.2 7000
}

accounting_echo_ipv6() {
	listen=::
	COUNT=$((COUNT / 10))
	hosts mode=echo
	closed_loop 2001:db8::2 7000
}

# An open loop with a small buffer: what there is no room for is counted too. The
# thread has to wait until a sender of higher priority leaves it the processor.
accounting_overflow() {
	local pid first_on_cpu0="taskset -c 0 chrt -f 1"
	hosts mode=echo rcvbuf=4096 "$(by_thread)"
	for pid in $(thread_pids); do taskset -pc 0 "$pid" >/dev/null; done
	flood_from_a -c 500 -s 100 -p 8 -r 192.0.2.2 7000
	books
	assert_ge "overflow" "$(counter rx_overflow b)" 1
	assert_le "answers at a" "$(value received)" "$(counter tx_packets b)"
	rmmod ksocket
}

ksocket_run_tests \
	accounting_echo:"echo: $COUNT datagrams, $COUNT answers" \
	accounting_relay:"relay: $COUNT datagrams, $COUNT at the receiver" \
	accounting_echo_ipv6:"echo over IPv6: $((COUNT / 10)) datagrams" \
	accounting_overflow:"an overflowing buffer: answered or counted"
