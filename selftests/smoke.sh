#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# smoke.sh - every feature once, for kernels of other architectures and
# configurations: word size, byte order, page size, alignment, preemption. The
# other programs test the features themselves; they need more than such a guest has.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

CTL=$KSOCKET_TESTS/ksocketctl

tcp() {
	"$KSOCKET_TESTS/tcp_load" "$@"
}

# Every datagram has its number and its bytes; flood -a wants each one back.
echo_datapaths() {
	local path gro
	for path in copy zerocopy softirq; do
		for gro in off on; do
			echo "datapath=$path gro=$gro"
			load mode=echo listen_addr=:: listen_port=7000 "datapath=$path" "gro=$gro"
			flood -c 200 -s 64 -a -w 16 127.0.0.1 7000
			flood -c 200 -s 512 -g 8 -a -w 32 127.0.0.1 7000
			flood -c 100 -s 1401 -a -w 16 ::1 7000
			assert_tx 500
			unload
		done
	done
	nothing_left 7000
}

# Between two hosts checksums are computed, and those that are wrong are noticed.
echo_checksums() {
	local path
	ns_pair a b
	in_ns a ethtool -K veth0 tx off rx off >/dev/null
	in_ns b ethtool -K veth0 tx off rx off >/dev/null
	for path in copy zerocopy softirq; do
		load_in b mode=echo listen_addr=:: listen_port=7000 device=veth0 "datapath=$path"
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 100 -s 63 -a -w 16 192.0.2.2 7000
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 100 -s 3001 -a -w 4 2001:db8::2 7000
		unload_in b
	done
}

relay_datagrams() {
	local path
	for path in copy softirq; do
		load listen_addr=:: listen_port=7000 reply_port=7001 "datapath=$path"
		flood -c 200 -s 100 -w 16 -o 7001 -a 127.0.0.1 7000
		assert_tx 200
		unload
	done
	receiver "$TMP/got" 7001 6
	load listen_port=7000 reply_addr=::1 reply_port=7001
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" hello
	unload
}

text_and_discard() {
	receiver "$TMP/got" 7001
	load mode=text listen_port=7000 reply_port=7001 'text="two words"'
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" "two words"
	unload
	load mode=discard listen_port=7000
	flood -c 100 127.0.0.1 7000
	wait_for 20 counter_is discarded 100
	unload
}

# The guard reads ports and addresses as they are on the wire.
drops() {
	load mode=echo listen_port=7000
	flood -c 3 -b 127.0.0.1,1023 127.0.0.1 7000
	wait_for 20 counter_is drop_src_port_low 3
	flood -c 3 -a -b 127.0.0.1,1024 127.0.0.1 7000
	unload
	load_refused EINVAL "listen_port=seven: not a number, allowed 0 to 65535" \
		listen_port=seven
}

# metric SAMPLE VALUE: at least, for wait_for. The numbers come by netlink.
metric() {
	"$CTL" stats --prometheus | awk -v key="ksocket_$1" -v value="$2" \
		'$1 == key { got = $2 } END { exit got < value }'
}

# A multicast group has a listener.
listened_to() {
	awk '$2 == 16 && $4 !~ /^0*$/ { n++ } END { exit !n }' /proc/net/netlink
}

beacon_and_sink() {
	needs_ksocketctl
	load listen_port=0
	"$CTL" add sink listen 127.0.0.1:7000 beacon-sink
	"$CTL" add beacon beacon 127.0.0.1:7000 interval 20
	wait_for 60 metric 'beacon_received_total{service="sink"}' 20
	"$CTL" del beacon
	"$CTL" stats --prometheus >"$TMP/stats"
	refute grep -E '^ksocket_beacon_(lost|late|duplicate|malformed).* [1-9]' "$TMP/stats"
	unload
}

tcp_echo() {
	local path
	for path in copy zerocopy; do
		load proto=tcp mode=echo listen_addr=:: listen_port=7000 "datapath=$path"
		tcp echo 127.0.0.1 7000 -c 4 -n 1000001
		tcp echo ::1 7000 -c 2 -n 1000003 -s 5001
		tcp cycle ::1 7000 -c 30 -p 8
		wait_for 20 counter_is rx_bytes 6000040
		wait_for 20 counter_is connections 0
		rmmod ksocket
	done
}

tcp_relay() {
	"$KSOCKET_TESTS/tcp_load" serve 7001 echo &
	wait_for 20 listening 7001 -
	load proto=tcp listen_port=7000 reply_port=7001
	tcp echo 127.0.0.1 7000 -c 3 -n 1000001
	wait_for 20 counter_is connections 0
	rmmod ksocket
}

# The length is in network byte order.
uplink() {
	socat -u TCP4-LISTEN:7001,reuseaddr "OPEN:$TMP/got,creat,append" &
	wait_for 20 listening 7001 -
	load listen_port=7000 reply_port=7001 reply_proto=tcp framing=length
	wait_for 20 counter_is connections 1
	tell UDP4:127.0.0.1:7000 one
	wait_for 20 test -s "$TMP/got"
	tell UDP4:127.0.0.1:7000 "$(printf '%0258d' 0)"
	wait_for 20 counter_is queued_bytes 0
	assert_tx 2
	wait_for 20 test "$(stat -c %s "$TMP/got")" = 265
	assert_eq "what came" "$(od -An -v -tx1 -N7 "$TMP/got" | tr -d ' \n')" 00036f6e650102
	unload
}

control() {
	needs_ksocketctl
	load listen_port=0
	"$CTL" monitor >"$TMP/events" &
	wait_for 20 listened_to
	"$CTL" add a listen 127.0.0.1:7000 echo gro on datapath zerocopy
	"$CTL" add b listen '[::1]:7001' relay '[::1]:7002' rcvbuf 65537
	"$CTL" add c listen 127.0.0.1:7003 echo proto tcp
	"$CTL" list >"$TMP/list"
	assert_eq list "$(sed -n 2p "$TMP/list")" \
		"b listen [::1]:7001 relay [::1]:7002 proto udp threads 1 buffer 65535 rcvbuf 65537 sndbuf 0 datapath softirq gro off ttl inherit dscp zero reply-proto udp"
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	tcp echo 127.0.0.1 7003 -c 1 -n 100000
	wait_for 20 metric 'tx_packets_total{service="a"}' 1
	wait_for 20 metric 'rx_bytes_total{service="a"}' 5
	wait_for 20 metric 'tx_bytes_total{service="c"}' 100000
	"$CTL" -json stats a >"$TMP/json"
	grep -Eq '"rx_bytes": *5\b' "$TMP/json" || fail "$(cat "$TMP/json")"
	"$CTL" set b rcvbuf 100001
	"$CTL" show b >"$TMP/shown"
	grep -q 100001 "$TMP/shown" || fail "$(cat "$TMP/shown")"
	"$CTL" del a
	wait_for 20 grep -q '^stopped a asked' "$TMP/events"
	refute "$CTL" show a
	rmmod ksocket
}

traced() {
	load mode=echo listen_port=7000
	trace_on
	flood -c 3 -s 77 -a -b 127.0.0.1,7100 127.0.0.1 7000
	wait_for 20 events_are 'ksocket_rx: .* from=127.0.0.1:7100 to=127.0.0.1:7000 len=77 ' 3
	wait_for 20 events_are 'ksocket_tx: .* to=127.0.0.1:7100 len=77 ' 3
	unload
}

namespace_ends() {
	ns_add a
	load_in a mode=echo listen_port=7000
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 3 -a 127.0.0.1 7000
	ns_del a
	wait_for 60 _no_threads
	rmmod ksocket
}

# Without a limit RCU, for which each end waits, takes seconds on a kernel that does
# not preempt; unload.sh has the flood without.
unload_under_flood() {
	local path mode
	flood -p 8 -R 5000 127.0.0.1 7000 >/dev/null &
	for mode in echo relay; do
		for path in softirq zerocopy; do
			load "mode=$mode" listen_port=7000 "datapath=$path"
			wait_for 20 counter_at_least rx_packets 100
			rmmod ksocket
		done
	done
	nothing_left 7000
}

ksocket_run_tests \
	echo_datapaths:"echo: IPv4, IPv6 and bursts on every datapath" \
	echo_checksums:"echo: between two hosts, with checksums" \
	relay_datagrams:"relay: IPv4 and IPv6" \
	text_and_discard:"text and discard" \
	drops:"what is dropped is counted, what is wrong is refused" \
	beacon_and_sink:"a beacon and its sink" \
	tcp_echo:"TCP echo, byte for byte" \
	tcp_relay:"TCP relay, byte for byte" \
	uplink:"datagrams by TCP, with their length" \
	control:"ksocketctl: add, list, show, stats, metrics, set, del, monitor" \
	traced:"the tracepoints" \
	namespace_ends:"a service ends with its namespace" \
	unload_under_flood:"unloading under a flood"
