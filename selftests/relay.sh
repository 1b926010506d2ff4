#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# relay.sh - mode relay with real socat: what was sent reaches the receiver
# through the connected socket, and the sender hears nothing.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# The classic program, insmod with no parameter.
relay_defaults() {
	receiver "$TMP/got" 23
	load
	assert_eq mode "$(counter mode)" relay
	assert_eq listen "$(counter listen)" 127.0.0.1:2325
	assert_eq reply "$(counter reply)" 127.0.0.1:23
	tell UDP4:127.0.0.1:2325 hello
	wait_for 20 file_is "$TMP/got" hello
	assert_eq rx_packets "$(counter rx_packets)" 1
	assert_tx 1
	assert_eq rx_bytes "$(counter rx_bytes)" 5
	assert_eq tx_bytes "$(counter tx_bytes)" 5
	unload
}

# relay_between LISTEN REPLY: each "4" or "6"
relay_between() {
	local addr=(- - - - 127.0.0.1 - ::1) target
	receiver "$TMP/got" 7001 "$2"
	load "listen_addr=${addr[$1]}" listen_port=7000 \
		"reply_addr=${addr[$2]}" reply_port=7001
	target=${addr[$1]}
	[ "$1" = 4 ] || target="[$target]"
	tell "UDP$1:$target:7000" "first "
	wait_for 20 file_is "$TMP/got" "first "
	tell "UDP$1:$target:7000" second
	wait_for 20 file_is "$TMP/got" "first second"
	assert_tx 2
	unload
}

relay_ipv4() {
	relay_between 4 4
}

relay_ipv6() {
	relay_between 6 6
}

relay_4_to_6() {
	relay_between 4 6
}

relay_6_to_4() {
	relay_between 6 4
}

relay_link_local() {
	ns_pair a b
	ns_ip a addr add fe80::a/64 dev veth0 nodad
	ns_ip b addr add fe80::b/64 dev veth0 nodad
	index=$(in_ns_sys b cat /sys/class/net/veth0/ifindex)
	receiver "$TMP/got" 7001 6 a
	load_in b listen_port=7000 "reply_addr=fe80::a%$1" reply_port=7001
	assert_eq reply "$(counter reply b)" "[fe80::a%$index]:7001"
	tell UDP4:127.0.0.1:7000 hello b
	wait_for 20 file_is "$TMP/got" hello
	balanced b
	rmmod ksocket
}

relay_link_local_name() {
	relay_link_local veth0
}

# In a namespace of its own the first device after lo and the tunnels' has a
# number that only the kernel knows: ask it of one made in the same way.
relay_link_local_number() {
	ns_pair a b
	index=$(in_ns_sys b cat /sys/class/net/veth0/ifindex)
	ns_del a
	ns_del b
	relay_link_local "$index"
}

# In the middle of a relay stands one source: the connected socket.
relay_from_reply_socket() {
	load listen_port=7000 reply_port=7001
	# No fork: the first datagram's source is the peer, others do not pass.
	socat -u UDP4-LISTEN:7001 "OPEN:$TMP/got,creat,append" &
	wait_for 20 bound4 7001
	tell UDP4:127.0.0.1:7000,sourceport=7100 "one "
	wait_for 20 file_is "$TMP/got" "one "
	tell UDP4:127.0.0.1:7000,sourceport=7200 two
	wait_for 20 file_is "$TMP/got" "one two"
	unload
}

relay_not_to_sender() {
	receiver "$TMP/got" 7001
	load listen_port=7000 reply_port=7001
	# An answer would come in the same instant as the receiver's.
	flood -c 1 -s 5 -r -T 500 127.0.0.1 7000 >"$TMP/sender"
	wait_for 20 test -s "$TMP/got"
	grep -q 'sent=1 received=0' "$TMP/sender" || fail "$(cat "$TMP/sender")"
	unload
}

# The reply socket's own port
reply_port() {
	ss -Hun 'dport = :7001' | awk '{ sub(/.*:/, "", $3); print $3 }'
}

reply_memory() {
	ss -Hunm 'dport = :7001' | tr -d '\n' | sed 's/.*skmem:(r\([0-9]*\),.*/\1/'
}

# A receiver that talks back talks to nobody, for as long as it likes.
relay_ignores_receiver() {
	load listen_port=7000 reply_port=7001
	# Fewer than a CPU's backlog takes (net.core.netdev_max_backlog).
	flood -c 500 -s 500 -b 127.0.0.1,7001 127.0.0.1 "$(reply_port)"
	wait_for 20 counter_is reply_ignored 500
	assert_le "memory held" "$(reply_memory)" 8192
	assert_eq rx_packets "$(counter rx_packets)" 0
	receiver "$TMP/got" 7001
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" hello
	unload
}

# A receiver that echoes makes no loop of it.
relay_to_echo() {
	socat UDP4-LISTEN:7001 PIPE &
	wait_for 20 bound4 7001
	load listen_port=7000 reply_port=7001
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 counter_is reply_ignored 1
	assert_eq rx_packets "$(counter rx_packets)" 1
	assert_tx 1
	unload
}

relay_threads() {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	load listen_port=7000 reply_port=7001 threads=2
	assert_eq "threads" "$(threads)" 2
	assert_eq "reply sockets" "$(ss -Hun 'dport = :7001' | wc -l)" 2
	flood -c 1000 -p 32 -w 16 -a -o 7001 127.0.0.1 7000
	assert_tx 1000
	unload
}

ksocket_run_tests \
	relay_defaults:"no parameters: 127.0.0.1:2325 to 127.0.0.1:23" \
	relay_ipv4:"IPv4 to IPv4" \
	relay_ipv6:"IPv6 to IPv6" \
	relay_4_to_6:"IPv4 to IPv6" \
	relay_6_to_4:"IPv6 to IPv4" \
	relay_link_local_name:"to a link-local address with the name of its device" \
	relay_link_local_number:"to a link-local address with the number of its device" \
	relay_from_reply_socket:"all comes from the one connected socket" \
	relay_not_to_sender:"the sender gets no answer" \
	relay_ignores_receiver:"what the receiver sends back is ignored, counted and not kept" \
	relay_to_echo:"a receiver that echoes makes no loop" \
	relay_threads:"threads=2: two reply sockets, all is relayed"
