#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loop.sh - what goes in circles ends by itself: bounded, counted, and the CPU
# is idle within a second.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

DATAGRAMS=20

# begin: a module without services
begin() {
	needs_ksocketctl
	load listen_port=0
}

# ctl NAMESPACE WORD...
ctl() {
	in_ns "$1" "$KSOCKET_TESTS/ksocketctl" "${@:2}"
}

# echo_at NAMESPACE ADDRESS PORT [WORD...]: a service there
echo_at() {
	ctl "$1" add "echo$3" listen "$2:$3" echo "${@:4}"
}

# sum KEY NAMESPACE...: of all services there
sum() {
	local key=$1 ns
	for ns in "${@:2}"; do
		service "$ns"
	done | awk -v key="$key" '$1 == key { sum += $2 } END { print sum + 0 }'
}

sum_is() {
	[ "$(sum "$1" "${@:3}")" = "$2" ]
}

# used_up NAMESPACE...: one datagram with a TTL of 255 went round in there until
# nothing was left of it
used_up() {
	wait_for 20 sum_is drop_ttl 1 "$@"
	assert_eq "received" "$(sum rx_packets "$@")" 255
	sleep 0.3
	assert_eq "received later" "$(sum rx_packets "$@")" 255
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

# refused VERB WORD...: such a service would close a circle. Before Linux 6.2 an error
# has no values in it.
refused() {
	local said
	if said=$(ctl - "$@" 2>&1); then
		fail "not refused: $*"
	fi
	[[ $said == *"leads back to the service itself"* ]] || fail "$said"
}

circles_refused() {
	begin
	ctl - add a listen 127.0.0.1:7000 relay 127.0.0.1:7001
	refused add b listen 127.0.0.1:7001 relay 127.0.0.1:7000
	refused add b listen 0.0.0.0:7001 text hello to 127.0.0.1:7000
	refused add b listen '[::]:7001' relay 127.0.0.1:7000
	ctl - add b listen '[::]:7001' relay '[::1]:7002'
	refused add c listen '[::1]:7002' relay 127.0.0.1:7000
	refused add c listen '[::]:7002' relay 127.0.0.9:7001
	# What is replaced is in no circle any more, and what would be one stays out.
	ctl - add c listen '[::1]:7002' discard
	refused replace c listen '[::1]:7002' relay 127.0.0.1:7000
	assert_eq "the old one" "$(ctl - -j show c | grep -c '"discard"')" 1
	ctl - del a
	ctl - replace c listen '[::1]:7002' relay 127.0.0.1:7000
	unload
}

# chain WORDS: a relay to such a service, KEY of which counts what comes
chain() {
	ctl - add first listen 127.0.0.1:7000 relay 127.0.0.1:7001
	# shellcheck disable=SC2086 # a list of words
	ctl - add second listen 127.0.0.1:7001 $1
	tell UDP4:127.0.0.1:7000 seq=1
	wait_for 20 sum_is rx_packets 2 -
	balanced -
	assert_eq "drop_loop of $1" "$(sum drop_loop -)" 0
	ctl - del first
	ctl - del second
}

chains() {
	begin
	receiver "$TMP/got" 9999
	chain discard
	chain beacon-sink
	chain "relay 127.0.0.1:9999"
	wait_for 20 file_is "$TMP/got" seq=1
	chain "relay 127.0.0.1:9998 reply-proto tcp"
	chain echo
	unload
}

# hosts: two of them, whose services know nothing of each other
hosts() {
	ns_pair a b
	wait_for 20 no_tentative
	begin
}

# from_a SOURCE PORT DESTINATION PORT [TEXT]: put on the wire by a
from_a() {
	in_ns a "$KSOCKET_TESTS/udp_raw" -t 255 -d veth0 -m "$MAC_B" "$1" "$2" "$3" "$4" "${5:-round and round}"
}

two_echoes() {
	local path
	hosts
	for path in softirq "softirq gro on" zerocopy copy; do
		# shellcheck disable=SC2086 # a list of words
		for ns in "a 7000" "b 7001"; do
			echo_at "${ns% *}" '[::]' "${ns#* }" datapath $path
		done
		from_a 192.0.2.1 7000 192.0.2.2 7001
		used_up a b
		ctl a reset echo7000
		ctl b reset echo7001
		from_a 2001:db8::1 7000 2001:db8::2 7001
		used_up a b
		ctl a del echo7000
		ctl b del echo7001
	done
	unload
}

# What does not fit the way takes the thread and a socket.
two_echoes_long() {
	local long
	printf -v long '%1400s' x
	hosts
	ns_ip a link set veth0 mtu 1280
	ns_ip b link set veth0 mtu 1280
	echo_at a '[::]' 7000
	echo_at b '[::]' 7001
	in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 192.0.2.1 7000 192.0.2.2 7001 "$long"
	used_up a b
	ctl a reset echo7000
	ctl b reset echo7001
	in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 2001:db8::1 7000 2001:db8::2 7001 "$long"
	used_up a b
	unload
}

two_relays() {
	local long from to
	printf -v long '%1400s' x
	hosts
	ns_ip a link set veth0 mtu 1280
	ns_ip b link set veth0 mtu 1280
	for to in "192.0.2.1 192.0.2.2" "[2001:db8::1] [2001:db8::2]"; do
		ctl a add to_b listen '[::]:7000' relay "${to#* }:7001"
		ctl b add to_a listen '[::]:7001' relay "${to% *}:7000"
		in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 127.0.0.1 5000 127.0.0.1 7001 "round and round"
		used_up a b
		ctl a reset to_b
		ctl b reset to_a
		in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 127.0.0.1 5000 127.0.0.1 7001 "$long"
		used_up a b
		ctl a del to_b
		ctl b del to_a
	done
	unload
}

# Two relays of one host, of which NAT makes a circle
two_relays_by_nat() {
	needs_nft "udp dport 7009 dnat ip to 127.0.0.1:7001" "nat hook output priority -100"
	nft -f - <<-'EOF'
		table ip loop {
			chain output {
				type nat hook output priority -100;
				udp dport 7009 dnat to 127.0.0.1:7001
			}
		}
	EOF
	begin
	ctl - add a listen 127.0.0.1:7000 relay 127.0.0.1:7009
	ctl - add b listen 127.0.0.1:7001 relay 127.0.0.1:7000
	"$KSOCKET_TESTS/udp_raw" -t 255 127.0.0.9 5000 127.0.0.1 7000 "round and round"
	used_up -
	unload
}

# Two hosts that have one device in common, by which the kernel leads datagrams from
# one to the other without a wire.
two_echoes_by_device() {
	local kind
	for kind in "macvlan mode bridge" "ipvlan mode l2" "ipvlan mode l3" "ipvlan mode l3s"; do
		ip link add ksocket0 type dummy
		ip link set ksocket0 up
		hosts_on ksocket0 "$kind"
		begin
		echo_at a '[::]' 7000
		echo_at b '[::]' 7001
		in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 192.0.2.1 7000 192.0.2.2 7001 "round and round"
		used_up a b
		ctl a reset echo7000
		ctl b reset echo7001
		in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 2001:db8::1 7000 2001:db8::2 7001 "round and round"
		used_up a b
		unload
		ns_del a
		ns_del b
		ip link del ksocket0
	done
}

# hosts_on DEVICE KIND: a and b, each with a device of that kind
hosts_on() {
	local ns n=0
	for ns in a b; do
		n=$((n + 1))
		ns_add $ns
		# shellcheck disable=SC2086 # a list of words
		ip link add link "$1" name veth0 netns "$NS_PREFIX$ns" type $2
		ip -n "$NS_PREFIX$ns" -batch - <<-END
			addr add 192.0.2.$n/24 dev veth0
			addr add 2001:db8::$n/64 dev veth0 nodad
			link set veth0 up
		END
	done
	wait_for 20 no_tentative
}

# circle_by ADDRESS FROM TO: a relay there sends to ADDRESS, port 7009, which something
# leads to a relay at port 7001, which sends back
circle_by() {
	ctl - add a listen "$2:7000" relay "$1:7009"
	ctl - add b listen "$2:7001" relay "$2:7000"
	"$KSOCKET_TESTS/udp_raw" -t 255 "$3" 5000 "${2//[][]/}" 7000 "round and round"
	used_up -
	ctl - del a
	ctl - del b
}

# Addresses are translated without a table of connections, as by NPTv6 (RFC 6296).
two_relays_by_rewriting() {
	needs_nft "ip6 daddr set ::1" "route hook output priority -150"
	ip -6 route add local 2001:db8:6::/64 dev lo
	ip addr add 10.5.0.1/32 dev lo
	nft -f - <<-'EOF'
		table inet loop {
			chain output {
				type route hook output priority -150;
				ip6 daddr 2001:db8:6::1 udp dport 7009 ip6 daddr set ::1 udp dport set 7001
				ip daddr 10.5.0.1 udp dport 7009 ip daddr set 127.0.0.1 udp dport set 7001
			}
		}
	EOF
	begin
	circle_by '[2001:db8:6::1]' '[::1]' ::1
	circle_by 10.5.0.1 127.0.0.1 127.0.0.9
	unload
}

# A virtual server of this host, whose real server is this host
two_relays_by_ipvs() {
	needs IPVS ipvsadm -A -u 10.6.0.1:7009 -s rr
	ip addr add 10.6.0.1/32 dev lo
	ipvsadm -A -u 10.6.0.1:7009 -s rr
	ipvsadm -a -u 10.6.0.1:7009 -r 127.0.0.1:7001 -m
	begin
	circle_by 10.6.0.1 127.0.0.1 127.0.0.9
	unload
}

# Transparent proxies mark what is to be delivered here whatever its destination, and
# only what has the mark is.
local_by_mark() {
	needs_nft "meta mark set 1" "filter hook prerouting priority -150"
	hosts
	nft_a -f - <<-'EOF'
		table inet loop {
			chain prerouting {
				type filter hook prerouting priority -150;
				ip daddr 10.9.0.0/16 meta mark set 1
				ip6 daddr 2001:db8:9::/64 meta mark set 1
			}
		}
	EOF
	for family in -4 -6; do
		to=10.9.0.0/16 host=192.0.2.1 router=192.0.2.2
		[ $family = -4 ] || to=2001:db8:9::/64 host=2001:db8::1 router=2001:db8::2
		ns_ip a $family rule add fwmark 1 lookup 100
		ns_ip a $family route add local $to dev lo table 100
		ns_ip a $family route add $to via $router
		ns_ip b $family route add $to via $host
	done
	in_ns_sys a sysctl -qw net.ipv4.conf.all.accept_local=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.veth0.rp_filter=0
	in_ns_sys b sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	echo_at a '[::]' 7000
	echo_at a '[::]' 7001
	in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 10.9.0.1 7001 192.0.2.1 7000 "round and round"
	in_ns b "$KSOCKET_TESTS/udp_raw" -t 255 2001:db8:9::1 7001 2001:db8::1 7000 "round and round"
	wait_for 20 at_least_received 4
	sleep 0.3
	balanced a
	sleep "$KSOCKET_SLOW"
	received=$(sum rx_packets a)
	assert_le "received" "$received" 510
	sleep 1
	assert_eq "received a second later" "$(sum rx_packets a)" "$received"
	unload
}

nft_a() {
	ip netns exec "${NS_PREFIX}a" nft "$@"
}

at_least_received() {
	[ "$(sum rx_packets a)" -ge "$1" ]
}

# What is delivered here need not be in any list of addresses.
local_by_route() {
	local from
	ip route add local 10.9.0.0/16 dev lo
	ip -6 route add local 2001:db8:9::/64 dev lo
	ip rule add to 10.8.0.0/16 lookup 100
	ip route add local 10.8.0.0/16 dev lo table 100
	ip -6 rule add to 2001:db8:8::/64 lookup 100
	ip -6 route add local 2001:db8:8::/64 dev lo table 100
	begin
	echo_at - '[::]' 7000
	echo_at - '[::]' 7001
	for from in 10.9.1.1 10.8.1.1; do
		"$KSOCKET_TESTS/udp_raw" -t 255 $from 7001 127.0.0.1 7000 "round and round"
	done
	for from in 2001:db8:9::1 2001:db8:8::1; do
		"$KSOCKET_TESTS/udp_raw" -t 255 $from 7001 ::1 7000 "round and round"
	done
	wait_for 20 sum_is rx_packets 4 -
	balanced -
	assert_eq drop_loop "$(sum drop_loop -)" 4
	idle_within_a_second
	unload
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
	circles_refused:"relays in a circle do not start" \
	chains:"chains of services start, and nothing in them is a loop" \
	two_echoes:"two hosts that echo each other's echoes" \
	two_echoes_long:"the same with what does not fit the way" \
	two_relays:"two hosts that relay to each other" \
	two_relays_by_nat:"two relays that NAT makes a circle of" \
	two_echoes_by_device:"two hosts with one device, macvlan or ipvlan" \
	two_relays_by_rewriting:"two relays that stateless translation makes a circle of" \
	two_relays_by_ipvs:"two relays that IPVS makes a circle of" \
	local_by_mark:"a source that a firewall's mark alone makes ours" \
	local_by_route:"a source that a route alone makes ours" \
	relay_to_itself_by_nat:"a relay that NAT leads back to itself" \
	echo_to_another_reflector:"no echo to the port that we listen on"
