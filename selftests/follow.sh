#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# follow.sh - services follow the host: the address and the route that they send
# from are those that a socket would get that connects now.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

DATAPATHS="copy softirq"

# sources FILE: the addresses that datagrams came from, in their order, each once
sources() {
	cut -d ' ' -f 2 "$1" | uniq | paste -sd ' '
}

# said COUNT WHAT: b's service is sent so many, and all reach a
said() {
	local i lines
	lines=$(wc -l <"$TMP/got")
	for ((i = 0; i < $1; i++)); do
		tell UDP4:127.0.0.1:7000 "$2" b
	done
	wait_for 20 lines_at_least "$TMP/got" $((lines + $1))
}

# no_drops: nothing was lost in b
no_drops() {
	assert_eq drops "$(service b | awk '/^drop_/ { sum += $2 } END { print sum }')" 0
}

# address_changes MODE RECEIVER FROM TO BITS LISTEN: the port is kept
address_changes() {
	local path paths
	# A text is copied in any case, so there is no datapath to choose.
	read -ra paths <<<"$DATAPATHS"
	[ "$1" != text ] || paths=("")
	for path in "${paths[@]}"; do
		ns_pair a b
		# With its only address a device loses its routes, and with them the other.
		in_ns b sysctl -qw net.ipv4.conf.all.promote_secondaries=1
		listener "$TMP/got" 100000 a "$6"
		load_in b "mode=$1" listen_port=7000 "reply_addr=$2" reply_port=9000 \
			${path:+"datapath=$path"}
		said 2 one
		ns_ip b addr add "$4/$5" dev veth0 ${7:+"$7"}
		ns_ip b addr del "$3/$5" dev veth0
		said 3 two
		assert_eq "$path: from" "$(sources "$TMP/got")" "$3 $4"
		assert_eq "$path: ports" "$(cut -d ' ' -f 3 "$TMP/got" | sort -u | grep -c .)" 1
		# And again, while the thread has nothing to do.
		ns_ip b addr add "$3/$5" dev veth0 ${7:+"$7"}
		ns_ip b addr del "$4/$5" dev veth0
		said 3 three
		assert_eq "$path: from" "$(sources "$TMP/got")" "$3 $4 $3"
		no_drops
		unload_in b
		kill "$listener"
		wait "$listener" || true
		ns_del a
		ns_del b
	done
}

# other_family: what happens to IPv6 addresses costs a relay by IPv4 no turn of the thread
other_family() {
	local before
	[ -d /proc/sys/net/ipv6 ] || skip "no IPv6 here"
	ns_pair a b
	listener "$TMP/got" 100000 a
	load_in b listen_port=7000 reply_addr=192.0.2.1 reply_port=9000 datapath=softirq
	said 2 one
	before=$(counter wakeups b)
	ns_ip b addr add 2001:db8::7/64 dev veth0 nodad
	ns_ip b addr del 2001:db8::2/64 dev veth0
	said 3 two
	assert_eq wakeups "$(counter wakeups b)" "$before"
	no_drops
	unload_in b
	kill "$listener"
	wait "$listener" || true
}

relay_ipv4() {
	address_changes relay 192.0.2.1 192.0.2.2 192.0.2.7 24 0.0.0.0
}

relay_ipv6() {
	address_changes relay 2001:db8::1 2001:db8::2 2001:db8::7 64 :: nodad
}

text_ipv4() {
	address_changes text 192.0.2.1 192.0.2.2 192.0.2.7 24 0.0.0.0
}

text_ipv6() {
	address_changes text 2001:db8::1 2001:db8::2 2001:db8::7 64 :: nodad
}

# user_sends: what user space has the service send follows as well
user_sends() {
	needs_ksocketctl
	ns_pair a b
	in_ns b sysctl -qw net.ipv4.conf.all.promote_secondaries=1
	listener "$TMP/got" 100000 a
	load_in b listen_port=0
	in_ns b "$KSOCKET_TESTS/ksocketctl" add x listen 127.0.0.1:7000 relay 192.0.2.1:9000
	in_ns b "$KSOCKET_TESTS/ksocketctl" send x one
	wait_for 20 lines_at_least "$TMP/got" 1
	ns_ip b addr add 192.0.2.7/24 dev veth0
	ns_ip b addr del 192.0.2.2/24 dev veth0
	in_ns b "$KSOCKET_TESTS/ksocketctl" send x two
	wait_for 20 lines_at_least "$TMP/got" 2
	assert_eq from "$(sources "$TMP/got")" "192.0.2.2 192.0.2.7"
	rmmod ksocket
}

# Under a flood from another processor nothing comes from an address that is gone.
under_flood() {
	local path i
	ns_pair a b
	in_ns b sysctl -qw net.ipv4.conf.all.promote_secondaries=1
	for path in $DATAPATHS; do
		load_in b listen_port=7000 reply_addr=2001:db8::1 reply_port=9000 \
			"datapath=$path"
		spawn b "$KSOCKET_TESTS/udp_flood" -R 2000 127.0.0.1 7000 >/dev/null
		for i in 1 2 3 4 5; do
			ns_ip b addr add "2001:db8::1$i/64" dev veth0 nodad
			ns_ip b addr del "2001:db8::$([ $i = 1 ] && echo 2 || echo "1$((i - 1))")/64" \
				dev veth0
		done
		wait_for 20 _bound_to 2001:db8::15
		kill $!
		wait $! || true
		unload_in b
		ns_ip b addr add 2001:db8::2/64 dev veth0 nodad
		ns_ip b addr del 2001:db8::15/64 dev veth0
	done
}

_bound_to() {
	[[ $(in_ns b ss -Hun 'dport = :9000') == *"[$1]:"* ]]
}

# second_link: another pair between a and b; what is behind a is at 203.0.113.9 and
# 2001:db8:9::9, by either link
second_link() {
	ip -batch - <<-END
		link add veth1 netns ${NS_PREFIX}a type veth peer name veth1 netns ${NS_PREFIX}b
	END
	ip -n "${NS_PREFIX}a" -batch - <<-END
		addr add 198.51.100.1/24 dev veth1
		addr add 2001:db8:2::1/64 dev veth1 nodad
		addr add 203.0.113.9/32 dev lo
		addr add 2001:db8:9::9/128 dev lo
		link set veth1 up
	END
	ip -n "${NS_PREFIX}b" -batch - <<-END
		addr add 198.51.100.2/24 dev veth1
		addr add 2001:db8:2::2/64 dev veth1 nodad
		link set veth1 up
		route add default via 192.0.2.1 metric 10
		route add default via 198.51.100.1 metric 20
	END
	ns_ip b -6 route add default via 2001:db8::1 metric 10
	ns_ip b -6 route add default via 2001:db8:2::1 metric 20
	in_ns a sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.veth0.rp_filter=0 \
		net.ipv4.conf.veth1.rp_filter=0
}

# route_moves RECEIVER GATEWAY FIRST SECOND LISTEN [-6]: the best route moves to
# another device, and back
route_moves() {
	local path
	for path in $DATAPATHS; do
		ns_pair a b
		second_link
		listener "$TMP/got" 100000 a "$5"
		load_in b listen_port=7000 "reply_addr=$1" reply_port=9000 "datapath=$path"
		said 2 one
		ns_ip b ${6:+"$6"} route del default via "$2"
		said 2 two
		ns_ip b ${6:+"$6"} route add default via "$2" metric 10
		said 2 three
		assert_eq "$path: from" "$(sources "$TMP/got")" "$3 $4 $3"
		no_drops
		unload_in b
		kill "$listener"
		wait "$listener" || true
		ns_del a
		ns_del b
	done
}

route_ipv4() {
	route_moves 203.0.113.9 192.0.2.1 192.0.2.2 198.51.100.2 0.0.0.0
}

route_ipv6() {
	route_moves 2001:db8:9::9 2001:db8::1 2001:db8::2 2001:db8:2::2 :: -6
}

# has_mtu DESTINATION: for wait_for, in b
has_mtu() {
	[[ $(ns_ip b route get "$1") == *"mtu 1400"* ]]
}

# kept PATH WAKEUPS: the thread of b's service has had nothing to do since then
kept() {
	assert_eq "$1: fallbacks" "$(counter fallbacks b)" 0
	[ "$1" != softirq ] || assert_eq "$1: wakeups" "$(counter wakeups b)" "$2"
}

# stale RECEIVER SENDER FAMILY LISTEN ROUTE: the route goes stale, by ICMP messages about
# what other sockets have sent, and by changes of another route. The last message
# is about the receiver.
stale() {
	local path i wakeups
	for path in softirq zerocopy; do
		ns_pair a b
		listener "$TMP/got" 100000 a "$4"
		receiver "$TMP/other" 9998 "$3" b
		load_in b listen_port=7000 "reply_addr=$1" reply_port=9000 "datapath=$path"
		said 1 one
		wakeups=$(counter wakeups b)
		for i in 101 102 1; do
			in_ns a "$KSOCKET_TESTS/udp_raw" -b 1400 "$2" 9998 "${1%1}$i" 9 -
			wait_for 20 has_mtu "${1%1}$i"
			said 1 two
			kept "$path" "$wakeups"
		done
		for i in 1 2 3; do
			ns_ip b route add "$5" dev veth0
			said 1 three
			ns_ip b route del "$5" dev veth0
			said 1 four
		done
		kept "$path" "$wakeups"
		assert_eq "$path: from" "$(sources "$TMP/got")" "$2"
		no_drops
		unload_in b
		listened
		ns_del a
		ns_del b
	done
}

stale_ipv4() {
	stale 192.0.2.1 192.0.2.2 4 0.0.0.0 192.0.2.128/25
}

stale_ipv6() {
	stale 2001:db8::1 2001:db8::2 6 :: 2001:db8::8000/113
}

# No way to the receiver, or a datagram that it takes another one for, is no error of
# an earlier datagram.
no_way() {
	local path
	for path in $DATAPATHS; do
		ns_pair a b
		listener "$TMP/got" 100000 a
		load_in b listen_addr=:: listen_port=7000 reply_addr=192.0.2.1 reply_port=9000 \
			"datapath=$path"
		said 1 one
		ns_ip b route add unreachable 192.0.2.1/32
		tell UDP4:127.0.0.1:7000 lost b
		tell UDP4:127.0.0.1:7000 lost b
		wait_for 20 counter_is drop_send_unreachable 2 b
		assert_eq "$path: fallbacks" "$(counter fallbacks b)" 0
		ns_ip b route del unreachable 192.0.2.1/32
		said 1 two
		# Of IPv6 it may be longer than of IPv4.
		in_ns b python3 -c 'import socket
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(bytes(65510), ("::1", 7000))'
		wait_for 20 counter_is drop_send_too_long 1 b
		said 1 three
		assert_eq "$path: stale_errors" "$(counter stale_errors b)" 0
		assert_eq "$path: from" "$(sources "$TMP/got")" 192.0.2.2
		unload_in b
		listened
		ns_del a
		ns_del b
	done
}

ksocket_run_tests \
	relay_ipv4:"relay, IPv4: the address that it sends from is replaced" \
	relay_ipv6:"relay, IPv6: likewise" \
	text_ipv4:"text, IPv4: likewise" \
	text_ipv6:"text, IPv6: likewise" \
	other_family:"relay, IPv4: IPv6 addresses come and go" \
	user_sends:"what user space has it send" \
	under_flood:"addresses that change under a flood" \
	route_ipv4:"IPv4: the best route moves to another device" \
	route_ipv6:"IPv6: likewise" \
	stale_ipv4:"IPv4: a route that ICMP makes stale, or another route" \
	stale_ipv6:"IPv6: likewise" \
	no_way:"no way to the receiver, and datagrams that are too long"
