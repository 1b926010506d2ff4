#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guard.sh - each reason for not answering: what provokes it, that it is counted
# under its name and traced, that there is no answer, and that the next honest
# datagram is answered. Two services at a time are in loop.sh.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# service_in NAMESPACE [PARAMETER=VALUE...]: loaded, and its events recorded
service_in() {
	where=$1
	load_in "$where" listen_port=7000 "${@:2}"
	trace_on
}

# dropped REASON COUNT [ERRNO]: so many in all, and nothing else was
dropped() {
	wait_for 20 counter_is "drop_$1" "$2" "$where"
	wait_for 20 events_are "ksocket_drop: .* reason=$1 err=${3:-0}\$" "$2"
	balanced "$where"
}

# answers COUNT: that many datagrams were answered, and none else
answers() {
	assert_tx "$1" "$where"
	wait_for 20 events_are 'ksocket_tx:' "$1"
}

finish() {
	unload_in "$where"
}

# hosts: a is the peer, b the host; b does not mind whence something comes.
hosts() {
	ns_pair a b
	in_ns b sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.veth0.rp_filter=0
}

# ttls ADDRESS PORT "TTL SIZE"...: the TTL that what comes of such a datagram has,
# at its sender or, where PORT is not 0, there
ttls() {
	python3 - "$@" <<-'EOF'
		import socket
		import struct
		import sys

		address, port = sys.argv[1], int(sys.argv[2])
		v6 = ":" in address
		level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP

		def opened(port):
		    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
		    sock.setsockopt(level, socket.IPV6_RECVHOPLIMIT if v6 else 12, 1)  # IP_RECVTTL
		    sock.settimeout(20)
		    if port:
		        sock.bind((address, port))
		    return sock

		out = opened(0)
		back = opened(port) if port else out
		for what in sys.argv[3:]:
		    ttl, size = map(int, what.split())
		    out.setsockopt(level, socket.IPV6_UNICAST_HOPS if v6 else socket.IP_TTL, ttl)
		    out.sendto(bytes(size), (address, 7000))
		    control = back.recvmsg(65536, 100)[1]
		    print(struct.unpack("i", control[0][2])[0], end=" ")
		print()
	EOF
}

# wire [-c COUNT] SOURCE PORT DESTINATION PORT: put on the wire by a, to b
wire() {
	in_ns a "$KSOCKET_TESTS/udp_raw" -d veth0 -m "$MAC_B" "$@" forged
}

# here [-c COUNT] SOURCE PORT DESTINATION PORT: forged on this very host
here() {
	"$KSOCKET_TESTS/udp_raw" "$@" forged
}

# What the stack itself refuses never reaches the socket. An honest datagram
# behind it shows that it has had its chance.
refused_by_stack() {
	assert_eq "the echo" "$(ask UDP4:192.0.2.2:7000 hello a)" hello
	assert_eq rx_packets "$(counter rx_packets b)" 1
	answers 1
}

# --- what came ---

guard_truncated() {
	service_in - mode=echo buffer_size=5
	tell UDP4:127.0.0.1:7000 sixsix
	dropped truncated 1
	assert_eq rx_bytes "$(counter rx_bytes)" 6
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	answers 1
	finish
}

# IPv4 itself drops what comes from outside and says it is from here.
guard_src_own_ipv6() {
	local path
	hosts
	wait_for 20 no_tentative
	for path in copy softirq; do
		service_in b mode=echo listen_addr=:: "datapath=$path"
		# One who is here may ask, before and after.
		assert_eq "the echo" "$(ask 'UDP6:[2001:db8::2]:7000,bind=[2001:db8::2]:5000' hello b)" hello
		wire 2001:db8::2 5000 2001:db8::2 7000
		dropped loop 1
		assert_eq "the echo" "$(ask 'UDP6:[2001:db8::2]:7000,bind=[2001:db8::2]:5000' hello b)" hello
		wire 2001:db8::2 5000 2001:db8::2 7000
		dropped loop 2
		# No host has such an address.
		wire ::ffff:192.0.2.1 5000 2001:db8::2 7000
		dropped src_unspecified 1
		assert_eq "the echo" "$(ask 'UDP6:[2001:db8::2]:7000' hello a)" hello
		assert_tx 3 b
		balanced b
		rmmod ksocket
	done
}

guard_dst_multicast() {
	hosts
	service_in b mode=echo listen_addr=0.0.0.0
	tell UDP4-DATAGRAM:224.0.0.1:7000,ip-multicast-if=192.0.2.1 hello a
	dropped dst_multicast 1
	assert_eq "the echo" "$(ask UDP4:192.0.2.2:7000 hello a)" hello
	answers 1
	finish
}

guard_dst_multicast_ipv6() {
	hosts
	wait_for 20 no_tentative
	service_in b mode=echo listen_addr=::
	tell 'UDP6-DATAGRAM:[ff02::1%veth0]:7000' hello a
	dropped dst_multicast 1
	assert_eq "the echo" "$(ask 'UDP6:[2001:db8::2]:7000' hello a)" hello
	answers 1
	finish
}

# An address that is ours now was a neighbour's when its sender was let pass.
guard_src_own_later() {
	hosts
	wait_for 20 no_tentative
	service_in b mode=echo listen_addr=::
	wire 2001:db8::77 7777 2001:db8::2 7000
	wait_for 20 counter_is rx_packets 1 b
	ns_ip b addr add 2001:db8::77/64 dev veth0 nodad
	wire 2001:db8::77 7777 2001:db8::2 7000
	dropped loop 1
	answers 1
	finish
}

# In a VRF too, where all comes from the VRF's own device, and what is delivered here
# is in another table.
guard_src_own_vrf() {
	local path
	hosts
	ns_ip b link add vrf0 type vrf table 10 || skip "this kernel has no VRF"
	ns_ip b link set vrf0 up
	ns_ip b link set veth0 master vrf0
	ns_ip b -6 addr replace 2001:db8::2/64 dev veth0 nodad
	wait_for 20 no_tentative
	for path in copy softirq; do
		service_in b mode=echo listen_addr=:: device=vrf0 "datapath=$path"
		wire -c 3 2001:db8::2 5000 2001:db8::2 7000
		dropped loop 3
		# One who is here may ask, and so may a neighbour.
		assert_eq "the echo" "$(ask 'UDP6:[2001:db8::2]:7000,bind=[2001:db8::2]:5000,bindtodevice=vrf0' hello b)" hello
		assert_eq "the echo" "$(ask 'UDP6:[2001:db8::2]:7000' hello a)" hello
		assert_tx 2 b
		balanced b
		rmmod ksocket
	done
	for path in "0.0.0.0 192.0.2.2" ":: 2001:db8::2"; do
		refute load_in b "listen_addr=${path% *}" listen_port=7000 \
			"reply_addr=${path#* }" reply_port=7000 device=vrf0
	done
}

# The port of a sender that is known already is one that we listen on since.
guard_src_ours_later() {
	needs_ksocketctl
	service_in - mode=echo
	here 127.0.0.5 7001 127.0.0.1 7000
	wait_for 20 counter_is rx_packets 1
	"$KSOCKET_TESTS/ksocketctl" add later listen 0.0.0.0:7001 echo
	here 127.0.0.5 7001 127.0.0.1 7000
	dropped loop 1
	answers 1
	finish
}

# Also in the modes that answer somebody else: who asks all asks none
guard_dst_broadcast() {
	hosts
	for config in "mode=echo listen_addr=0.0.0.0" "mode=echo listen_addr=::" \
		"mode=relay listen_addr=0.0.0.0 reply_addr=192.0.2.1"; do
		# shellcheck disable=SC2086 # a list of words
		service_in b $config
		tell UDP4-DATAGRAM:255.255.255.255:7000,broadcast,bindtodevice=veth0 hello a
		tell UDP4-DATAGRAM:192.0.2.255:7000,broadcast hello a
		dropped dst_broadcast 2
		answers 0
		finish
	done
}

# IPv4 checks the source when it looks for the route in; what a raw socket puts
# on lo brings its route along and is not checked.
guard_src_multicast() {
	service_in - mode=echo
	here 224.0.0.1 5000 127.0.0.1 7000
	dropped src_multicast 1
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	answers 1
	finish
}

guard_src_multicast_wire() {
	hosts
	service_in b mode=echo listen_addr=::
	wire 224.0.0.1 5000 192.0.2.2 7000
	wire ff02::1 5000 2001:db8::2 7000
	refused_by_stack
	finish
}

guard_src_broadcast() {
	service_in - mode=echo
	here 255.255.255.255 5000 127.0.0.1 7000
	here 127.255.255.255 5000 127.0.0.1 7000
	dropped src_broadcast 2
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	answers 1
	finish
}

# Of a directed broadcast address as source the stack knows nothing while no
# rp_filter is on: this one is the guard's.
guard_src_broadcast_wire() {
	hosts
	service_in b mode=echo listen_addr=0.0.0.0
	wire 255.255.255.255 5000 192.0.2.2 7000
	wire 192.0.2.255 5000 192.0.2.2 7000
	dropped src_broadcast 1
	assert_eq rx_packets "$(counter rx_packets b)" 1
	finish
}

# :: as a source passes the stack, 0.0.0.0 does not.
guard_src_unspecified() {
	hosts
	service_in b mode=echo listen_addr=::
	wire 0.0.0.0 5000 192.0.2.2 7000
	wire :: 5000 2001:db8::2 7000
	dropped src_unspecified 1
	assert_eq rx_packets "$(counter rx_packets b)" 1
	finish
}

guard_src_port_zero() {
	hosts
	for config in "mode=echo listen_addr=::" "mode=echo listen_addr=:: min_source_port=0"; do
		# shellcheck disable=SC2086 # a list of words
		service_in b $config
		wire 192.0.2.1 0 192.0.2.2 7000
		wire 2001:db8::1 0 2001:db8::2 7000
		dropped src_port_zero 2
		answers 0
		finish
	done
}

# Where no answer is due, there is nothing against it (RFC 768), nor against an
# address of ours.
guard_src_port_zero_one_way() {
	local config
	hosts
	wait_for 20 no_tentative
	for config in "tx_packets mode=relay reply_addr=192.0.2.1" "tx_packets mode=text reply_addr=192.0.2.1" \
		"discarded mode=discard" "discarded mode=beacon-sink" \
		"queued reply_proto=tcp framing=length reply_addr=192.0.2.1"; do
		# shellcheck disable=SC2086 # a list of words
		service_in b listen_addr=:: ${config#* }
		wire 192.0.2.1 0 192.0.2.2 7000
		wire 2001:db8::1 0 2001:db8::2 7000
		wire 2001:db8::2 0 2001:db8::2 7000
		wait_for 20 counter_is "${config%% *}" 3 b
		finish
	done
}

# from_port PORT: an honest question from there
from_port() {
	ask "UDP4:127.0.0.1:7000,sourceport=$1,reuseaddr" hello
}

guard_src_port_low() {
	service_in - mode=echo
	tell UDP4:127.0.0.1:7000,sourceport=7 hello
	tell UDP4:127.0.0.1:7000,sourceport=1023 hello
	dropped src_port_low 2
	assert_eq "the echo to port 1024" "$(from_port 1024)" hello
	answers 1
	finish
}

guard_min_source_port() {
	service_in - mode=echo min_source_port=2000
	tell UDP4:127.0.0.1:7000,sourceport=1999 hello
	dropped src_port_low 1
	assert_eq "the echo to port 2000" "$(from_port 2000)" hello
	answers 1
	finish
}

guard_min_source_port_off() {
	service_in - mode=echo min_source_port=0
	assert_eq "the echo to port 7" "$(from_port 7)" hello
	answers 1
	finish
}

# A relay's answer does not go back to that port.
guard_src_port_low_relay() {
	receiver "$TMP/got" 7001
	service_in - mode=relay reply_port=7001
	tell UDP4:127.0.0.1:7000,sourceport=7 hello
	wait_for 20 file_is "$TMP/got" hello
	answers 1
	finish
}

guard_src_port_own() {
	hosts
	service_in b mode=echo listen_addr=::
	tell UDP4:192.0.2.2:7000,sourceport=7000 hello a
	tell 'UDP6:[2001:db8::2]:7000,sourceport=7000' hello a
	dropped src_port_own 2
	assert_eq "the echo" "$(ask UDP4:192.0.2.2:7000,sourceport=7002 hello a)" hello
	answers 1
	finish
}

# --- loops ---

# quiet: the loop has ended, nobody is awake any more
quiet() {
	local before
	sleep 1
	before=$(service "$where")
	sleep 0.5
	assert_eq "counters a second later" "$(service "$where")" "$before"
}

# own_source LISTEN-ADDRESS "MODE..." ADDRESS...: forged as if we had sent them,
# from our listen address and port
own_source() {
	local listen=$1 config=$2 n=0
	shift 2
	# shellcheck disable=SC2086 # a list of words
	service_in - "listen_addr=$listen" $config
	for addr; do
		here -c 5 "$addr" 7000 "$addr" 7000
		n=$((n + 5))
	done
	dropped loop $n
	quiet
	assert_eq rx_packets "$(counter rx_packets)" $n
	answers 0
	finish
}

guard_loop_echo() {
	own_source 127.0.0.1 mode=echo 127.0.0.1
	own_source ::1 mode=echo ::1
}

guard_loop_wildcard() {
	own_source 0.0.0.0 mode=echo 127.0.0.1 127.0.0.9
	own_source :: mode=echo 127.0.0.1 ::1
}

# Nor does switching off the port check let a loop in.
guard_loop_any_port() {
	own_source :: "mode=echo min_source_port=0" 127.0.0.1 ::1
}

guard_loop_relay() {
	own_source 127.0.0.1 "mode=relay reply_port=7001" 127.0.0.1
	own_source :: "mode=text reply_port=7001" 127.0.0.1 ::1
}

# As if the reply socket had sent it: that is what a receiver's answer would
# look like that NAT leads back to us.
guard_loop_reply_socket() {
	for family in 4 6; do
		reply=127.0.0.1
		[ $family = 4 ] || reply=::1
		service_in - mode=relay listen_addr=:: "reply_addr=$reply" reply_port=7001
		port=$(ss -Hun 'dport = :7001' | awk '{ sub(/.*:/, "", $3); print $3 }')
		here -c 5 "$reply" "$port" "$reply" 7000
		dropped loop 5
		quiet
		answers 0
		# The port alone is nobody's: another host may use it too.
		receiver "$TMP/got$family" 7001 $family
		tell "UDP4:127.0.0.1:7000,bind=127.0.0.9:$port" hello
		wait_for 20 file_is "$TMP/got$family" hello
		finish
		kill $!
	done
}

# From the wire: IPv6 lets our own address in, IPv4 only when told so.
guard_loop_wire() {
	hosts
	service_in b mode=echo listen_addr=::
	wire 192.0.2.2 7000 192.0.2.2 7000
	refused_by_stack
	wire -c 5 2001:db8::2 7000 2001:db8::2 7000
	dropped loop 5
	in_ns b sh -c 'echo 1 >/proc/sys/net/ipv4/conf/veth0/accept_local'
	wire -c 5 192.0.2.2 7000 192.0.2.2 7000
	dropped loop 10
	quiet
	answers 1
	finish
}

# --- the TTL ---

guard_ttl_echo() {
	local path
	ip link set lo mtu 1500
	for path in softirq "softirq gro=on" zerocopy copy; do
		# shellcheck disable=SC2086 # a list of words
		service_in - mode=echo listen_addr=:: datapath=$path
		assert_eq "TTLs, IPv4, $path" "$(ttls 127.0.0.1 0 "255 5" "64 5" "2 5" "100 3000")" "254 63 1 99 "
		assert_eq "hop limits, IPv6, $path" "$(ttls ::1 0 "255 5" "64 5" "2 5" "100 3000")" "254 63 1 99 "
		tell UDP4:127.0.0.1:7000,ttl=1 hello
		tell 'UDP6:[::1]:7000,ipv6-unicast-hops=1' hello
		dropped ttl 2
		answers 8
		finish
	done
}

guard_ttl_receiver() {
	local path to
	ip link set lo mtu 1500
	for path in mode=relay "mode=relay datapath=copy" mode=text; do
		for to in 127.0.0.1 ::1; do
			# shellcheck disable=SC2086 # a list of words
			service_in - listen_addr=:: "reply_addr=$to" reply_port=7001 $path
			assert_eq "TTLs, $path to $to" "$(ttls $to 7001 "255 5" "2 5" "100 3000")" "254 1 99 "
			tell UDP4:127.0.0.1:7000,ttl=1 hello
			dropped ttl 1
			answers 3
			finish
		done
	done
}

# Its own TTL is no reason for a relay to lose the way of its socket for good.
guard_ttl_route() {
	local round
	service_in - reply_port=7001
	for round in 1 2 3; do
		ip route replace 198.51.100.0/24 dev lo metric "$round"
		flood -c 10 -w 1 -a -o 7001 -s 5 127.0.0.1 7000
	done
	assert_eq fallbacks "$(counter fallbacks)" 0
	finish
}

guard_ttl_system() {
	service_in - mode=echo listen_addr=:: ttl=system
	assert_eq "TTLs, IPv4" "$(ttls 127.0.0.1 0 "255 5" "1 5")" "64 64 "
	assert_eq "hop limits, IPv6" "$(ttls ::1 0 "255 5" "1 5")" "64 64 "
	finish
}

# --- what could not be sent ---

# stranger: a asks from an address that b has no route to
stranger() {
	ns_ip a addr add 203.0.113.5/32 dev veth0
	service_in b mode=echo listen_addr=0.0.0.0
}

guard_send_unreachable() {
	hosts
	stranger
	tell UDP4:192.0.2.2:7000,bind=203.0.113.5 hello a
	dropped send_unreachable 1 -101 # ENETUNREACH
	ns_ip b route add unreachable 203.0.113.0/24
	tell UDP4:192.0.2.2:7000,bind=203.0.113.5 hello a
	wait_for 20 counter_is drop_send_unreachable 2 b
	wait_for 20 events_are 'reason=send_unreachable err=-113$' 1 # EHOSTUNREACH
	ns_ip b route replace 203.0.113.0/24 dev veth0
	assert_eq "the echo" "$(ask UDP4:192.0.2.2:7000,bind=203.0.113.5 hello a)" hello
	answers 1
	finish
}

guard_send_unreachable_ipv6() {
	hosts
	ns_ip a addr add 2001:db8:9::5/128 dev veth0 nodad
	service_in b mode=echo listen_addr=::
	tell 'UDP6:[2001:db8::2]:7000,bind=[2001:db8:9::5]' hello a
	dropped send_unreachable 1 -101 # ENETUNREACH
	ns_ip b route add 2001:db8:9::/64 dev veth0
	assert_eq "the echo" \
		"$(ask 'UDP6:[2001:db8::2]:7000,bind=[2001:db8:9::5]' hello a)" hello
	answers 1
	finish
}

# A relay whose route goes away while it runs, and comes back.
guard_send_unreachable_relay() {
	hosts
	receiver "$TMP/got" 7001 4 a
	service_in b mode=relay reply_addr=192.0.2.1 reply_port=7001
	ns_ip b route add unreachable 192.0.2.1/32
	tell UDP4:127.0.0.1:7000 lost b
	dropped send_unreachable 1 -113 # EHOSTUNREACH
	ns_ip b route del unreachable 192.0.2.1/32
	tell UDP4:127.0.0.1:7000 hello b
	wait_for 20 file_is "$TMP/got" hello
	answers 1
	finish
}

# no_route TYPE REASON ERRNO: a route of that type instead of one
no_route() {
	hosts
	stranger
	ns_ip b route add "$1" 203.0.113.0/24
	tell UDP4:192.0.2.2:7000,bind=203.0.113.5 hello a
	dropped "$2" 1 "$3"
	answers 0
	finish
}

guard_send_prohibited() {
	no_route prohibit send_denied -13 # EACCES
}

# The stack's word for a black hole is EINVAL, which has no name of its own.
guard_send_other() {
	no_route blackhole send_other -22 # EINVAL
}

guard_send_denied() {
	needs_nft accept
	hosts
	in_ns b nft -f - <<-'EOF'
		table inet guard {
			chain output {
				type filter hook output priority 0;
				udp sport 7000 drop
			}
		}
	EOF
	service_in b mode=echo listen_addr=::
	tell UDP4:192.0.2.2:7000 hello a
	tell 'UDP6:[2001:db8::2]:7000' hello a
	dropped send_denied 2 -1 # EPERM
	in_ns b nft flush ruleset
	assert_eq "the echo" "$(ask UDP4:192.0.2.2:7000 hello a)" hello
	answers 1
	finish
}

# IPv6 carries 20 bytes more than IPv4.
guard_send_too_long() {
	service_in - mode=relay listen_addr=:: reply_addr=127.0.0.1 reply_port=7001
	flood -c 1 -s 65508 ::1 7000
	dropped send_too_long 1 -90 # EMSGSIZE
	flood -c 1 -s 65507 -a -o 7001 127.0.0.1 7000
	answers 1
	finish
}

# Datagrams to a neighbour that does not say where it is wait for it, and fill
# the send buffer meanwhile. The thread waits for nobody.
guard_send_again() {
	hosts
	service_in b mode=relay reply_addr=192.0.2.77 reply_port=7001 sndbuf=2048
	in_ns b "$KSOCKET_TESTS/udp_flood" -c 100 -s 500 127.0.0.1 7000
	wait_for 20 counter_is rx_packets 100 b
	balanced b
	again=$(counter drop_send_again b)
	assert_ge drop_send_again "$again" 1
	assert_eq "events" "$(events 'reason=send_again err=-11$')" "$again" # EAGAIN
	finish
}

ksocket_run_tests \
	guard_truncated:"truncated" \
	guard_src_own_ipv6:"an IPv6 source that is this host, from outside; IPv4-mapped" \
	guard_src_own_later:"an IPv6 source that became this host's" \
	guard_src_own_vrf:"an IPv6 source that is this host, in a VRF" \
	guard_src_ours_later:"a source that a service listens on since" \
	guard_dst_multicast:"dst_multicast, IPv4" \
	guard_dst_multicast_ipv6:"dst_multicast, IPv6" \
	guard_dst_broadcast:"dst_broadcast, limited and directed" \
	guard_src_multicast:"src_multicast, forged on the host" \
	guard_src_multicast_wire:"src_multicast, from the wire: the stack refuses it" \
	guard_src_broadcast:"src_broadcast, forged on the host" \
	guard_src_broadcast_wire:"src_broadcast, from the wire" \
	guard_src_unspecified:"src_unspecified: IPv6; IPv4's the stack refuses" \
	guard_src_port_zero:"src_port_zero: where the sender would have an answer" \
	guard_src_port_zero_one_way:"src_port_zero: not where no answer is due" \
	guard_src_port_low:"src_port_low: below 1024, and no other" \
	guard_min_source_port:"src_port_low: below a min_source_port of one's own" \
	guard_min_source_port_off:"src_port_low: not with min_source_port=0" \
	guard_src_port_low_relay:"src_port_low: not in mode relay" \
	guard_src_port_own:"src_port_own: the port that we listen on" \
	guard_loop_echo:"loop: our own address and port, echo" \
	guard_loop_wildcard:"loop: the same with a wildcard address" \
	guard_loop_any_port:"loop: the same with min_source_port=0" \
	guard_loop_relay:"loop: the same in the modes relay and text" \
	guard_loop_reply_socket:"loop: the reply socket's address and port" \
	guard_loop_wire:"loop: our own address and port from the wire" \
	guard_ttl_echo:"ttl: an echo leaves with one less, and not with none" \
	guard_ttl_receiver:"ttl: the same in the modes relay and text" \
	guard_ttl_route:"ttl: a relay finds its way anew, once" \
	guard_ttl_system:"ttl: not with ttl=system" \
	guard_send_unreachable:"send_unreachable: no route to the sender" \
	guard_send_unreachable_ipv6:"send_unreachable: the same over IPv6" \
	guard_send_unreachable_relay:"send_unreachable: a route that went away" \
	guard_send_prohibited:"send_denied: a route that forbids" \
	guard_send_other:"send_other: a black hole" \
	guard_send_denied:"send_denied: a firewall" \
	guard_send_too_long:"send_too_long: IPv6 takes more than IPv4" \
	guard_send_again:"send_again: a full send buffer"
