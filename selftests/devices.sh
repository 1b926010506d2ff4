#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# devices.sh - services follow a device by its name: it is renamed, or deleted and
# made again.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

CTL=$KSOCKET_TESTS/ksocketctl
ROUNDS=5 THREADS=1
# One that ends with the module, one with the namespace.
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || ROUNDS=2
[ -z "${KSOCKET_SOAK:-}" ] || ROUNDS=100
[ "$(nproc)" = 1 ] || THREADS=2

# ctl ARGUMENT...: in b
ctl() {
	in_ns b "$CTL" "$@"
}

# begin: a is the client at 192.0.2.1, b has the module and no service
begin() {
	needs_ksocketctl
	ns_pair a b
	load_in b listen_port=0
	spawn b "$CTL" monitor >"$TMP/events"
	monitor=$!
	# It listens once it has told of this one.
	until grep -q '^started probe' "$TMP/events"; do
		ctl add probe listen 127.0.0.1:9 discard
		ctl del probe
	done
}

unplug() {
	ns_ip b link del veth0
}

# plug: the other end is in a, as before
plug() {
	ns_ip b link add veth0 type veth peer name veth0 netns "${NS_PREFIX}a"
	_pair_side "${NS_PREFIX}a" 1
	_pair_side "${NS_PREFIX}b" 2
	wait_for 10 _has_carrier b
}

# lost NAME, found NAME: for wait_for
lost() {
	ctl show "$1" | grep -q '^    device lost'
}

found() {
	! lost "$1"
}

# udp_answers PORT, tcp_answers PORT: for a; 20 datagrams from as many ports
udp_answers() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -p 20 -w 1 -a 192.0.2.2 "$1" ||
		fail "port $1: an answer is missing"
}

tcp_answers() {
	assert_eq "TCP $1" "$(ask "TCP4:192.0.2.2:$1" hi a)" hi
}

# happened COUNT EVENT: for wait_for
happened() {
	[ "$(grep -cx "$2" "$TMP/events")" = "$1" ]
}

# all_threads_work NAME: each has taken some of what many ports send
all_threads_work() {
	ctl -j show "$1" | python3 -c 'import json, sys
each = [thread["rx_packets"] for thread in json.load(sys.stdin)[0]["thread_stats"]]
assert len(each) == 2 and min(each) > 0, each'
}

# What it has counted stays, and the sockets of all threads share the port again.
back() {
	local name port
	begin
	ctl add one listen 0.0.0.0:7000 echo dev veth0
	ctl add two listen 0.0.0.0:7001 echo dev veth0 threads $THREADS
	ctl add six listen '[::]:7002' echo dev veth0 threads $THREADS
	ctl add tcp listen 0.0.0.0:7003 echo proto tcp dev veth0 threads $THREADS
	ctl add any listen 0.0.0.0:7004 echo
	udp_answers 7000
	for _ in 1 2; do
		ctl reset two
		ctl reset six
		unplug
		for name in one two six tcp; do
			wait_for 20 lost $name
		done
		assert_eq device_lost "$(service b | grep -c '^device_lost 1')" 4
		found any || fail "a service without a device has lost it"
		plug
		for name in one two six tcp; do
			wait_for 20 found $name
		done
		for port in 7000 7001 7002 7004; do
			udp_answers $port
		done
		tcp_answers 7003
	done
	assert_eq "rx_packets of one" "$(counter rx_packets b)" 60
	[ $THREADS = 1 ] || { all_threads_work two && all_threads_work six; }
	for name in one two six tcp; do
		wait_for 20 happened 2 "device-gone $name veth0"
		wait_for 20 happened 2 "device-back $name veth0"
	done
	balanced b
	rmmod ksocket
}

# What list prints can be added, whatever the device is called by now.
renamed() {
	local line
	begin
	ctl add one listen 0.0.0.0:7000 echo dev veth0
	ns_ip b link set veth0 down
	ns_ip b link set veth0 name lan0
	wait_for 20 _listed dev lan0
	ns_ip b link set lan0 up
	wait_for 10 _answers_at 7000
	found one || fail "a device with another name is lost"
	line=$(ctl list)
	ctl del one
	# shellcheck disable=SC2086 # words
	ctl add $line
	# It goes by the new name from now on.
	ns_ip b link del lan0
	wait_for 20 lost one
	plug
	pause 0.5
	lost one || fail "bound to a device that had the name before"
	ns_ip b link set veth0 down
	ns_ip b link set veth0 name lan0
	wait_for 20 found one
	ns_ip b link set lan0 up
	wait_for 10 _answers_at 7000
	balanced b
	rmmod ksocket
}

_listed() {
	[[ $(ctl list) == *" $*"* ]]
}

_answers_at() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 1 -w 1 -a 192.0.2.2 "$1" >/dev/null
}

# begin_bound: one is bound to a device of index INDEX, two is not
begin_bound() {
	begin
	ctl add one listen 0.0.0.0:7000 echo dev veth0
	ctl add two listen 0.0.0.0:7001 echo
	INDEX=$(ns_ip b -o link show veth0)
	INDEX=${INDEX%%:*}
}

# one_is_deaf: where two is heard, one has taken nothing
one_is_deaf() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 3 -w 1 -a 192.0.2.2 7000 >/dev/null ||
		true
	assert_eq "rx_packets of one" "$(counter rx_packets b)" 0
}

# index_is_others: one is lost, and another device has the index
index_is_others() {
	begin_bound
	unplug
	wait_for 20 lost one
	ns_ip b link add other index "$INDEX" type veth peer name veth0 netns "${NS_PREFIX}a"
	ns_ip b addr add 192.0.2.2/24 dev other
	ns_ip b link set other up
	_pair_side "${NS_PREFIX}a" 1
}

# The index of a device that is gone may be given to another.
index_given_again() {
	index_is_others
	udp_answers 7001
	one_is_deaf
	rmmod ksocket
}

# Likewise at once, before anything has looked. A replace that fails has nothing to
# go back to.
index_given_at_once() {
	begin_bound
	ip -n "${NS_PREFIX}b" -batch - <<-END
		link del veth0
		link add other index $INDEX type veth peer name veth0 netns ${NS_PREFIX}a
		addr add 192.0.2.2/24 dev other
		link set other up
	END
	_pair_side "${NS_PREFIX}a" 1
	wait_for 20 lost one
	wait_for 10 _answers_at 7001
	one_is_deaf
	refute ctl replace one listen 0.0.0.0:7001 echo
	refute ctl show one
	wait_for 20 happened 1 "stopped one error"
	rmmod ksocket
}

# A lost service is not what a replace asks for, even if another device has its index.
replaced_while_lost() {
	index_is_others
	ctl replace one listen 0.0.0.0:7000 echo dev other
	found one || fail "replaced, and still lost"
	udp_answers 7000
	balanced b
	rmmod ksocket
}

# A device that gets the name of a lost one may bring a service at the same port
# along. That one stays, and the lost one waits until the port is free.
port_taken() {
	local proto threads each="1 $THREADS"
	begin
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || each=$THREADS
	for proto in udp tcp; do
		for threads in $each; do
			ns_ip b link add lan0 type veth peer name lan1
			ctl add one listen 0.0.0.0:7000 discard dev lan0 proto $proto threads "$threads"
			ctl add two listen 0.0.0.0:7000 echo dev veth0 proto $proto threads "$threads"
			ns_ip b link del lan0
			wait_for 20 lost one
			ns_ip b link set veth0 down
			ns_ip b link set veth0 name lan0
			ns_ip b link set lan0 up
			wait_for 20 _listed dev lan0
			wait_for 10 "_${proto}_echoes"
			pause 0.2
			"${proto}_answers" 7000
			lost one || fail "at a port of another service"
			ctl del two
			wait_for 20 found one
			ctl del one
			ns_ip b link set lan0 down
			ns_ip b link set lan0 name veth0
			ns_ip b link set veth0 up
		done
	done
	rmmod ksocket
}

_udp_echoes() {
	_answers_at 7000
}

_tcp_echoes() {
	[ "$(ask TCP4:192.0.2.2:7000 hi a)" = hi ]
}

# vrf_up: veth0 is in a new VRF
vrf_up() {
	ns_ip b link add red type vrf table 10
	ns_ip b link set red up
	ns_ip b link set veth0 master red
}

# The ports of TCP are kept for each VRF.
vrf() {
	needs VRF ip link add red type vrf table 10
	begin
	vrf_up
	ctl add one listen 0.0.0.0:7000 echo proto tcp dev red threads $THREADS
	ctl add two listen 0.0.0.0:7001 echo proto tcp dev veth0
	wait_for 10 _vrf_answers
	ns_ip b link del red
	wait_for 20 lost one
	in_ns b ss -KHlt "sport = :7000" >/dev/null
	wait_for 10 _two_answers
	vrf_up
	wait_for 20 found one
	wait_for 10 _vrf_answers
	refute ctl add three listen 0.0.0.0:7000 discard proto tcp dev red
	in_ns b ss -KHlt >/dev/null
	wait_for 10 _vrf_answers
	assert_eq "warnings" "$(dmesg | grep -c 'WARNING:')" 0
	rmmod ksocket
}

_two_answers() {
	[ "$(ask TCP4:192.0.2.2:7001 hi a)" = hi ]
}

_vrf_answers() {
	_tcp_echoes && _two_answers
}

# Devices of a new namespace may come before what the module keeps for it.
early() {
	needs ipip modprobe ipip
	load listen_port=0
	for _ in 1 2 3; do
		ns_add a
		ns_ip a link show tunl0 >/dev/null
		ns_del a
	done
	rmmod ksocket
	rmmod ipip
}

# Services at one port, each with a device of its own, wait beside each other.
two_lost() {
	begin
	ns_ip b link add dum0 type dummy 2>/dev/null ||
		ns_ip b link add dum0 type veth peer name dum1
	ns_ip b link set dum0 up
	ctl add one listen 0.0.0.0:7000 echo dev dum0
	ctl add two listen 0.0.0.0:7000 echo dev veth0 threads $THREADS
	ns_ip b link del dum0
	unplug
	wait_for 20 lost one
	wait_for 20 lost two
	plug
	wait_for 20 found two
	udp_answers 7000
	ctl reset two
	udp_answers 7000
	[ $THREADS = 1 ] || all_threads_work two
	lost one || fail "a device that is gone was found"
	rmmod ksocket
}

# A link-local address belongs to a device, by its index.
link_local() {
	local scope
	begin
	ns_ip b addr add fe80::b/64 dev veth0 nodad
	ns_ip a addr add fe80::a/64 dev veth0 nodad
	ctl add in listen '[fe80::b%veth0]:7000' echo
	ctl add out listen 127.0.0.1:7001 relay '[fe80::a%veth0]:9000'
	unplug
	wait_for 20 lost in
	wait_for 20 lost out
	plug
	ns_ip b addr add fe80::b/64 dev veth0 nodad
	ns_ip a addr add fe80::a/64 dev veth0 nodad
	wait_for 20 found in
	wait_for 20 found out
	scope=$(ns_ip a -o link show veth0)
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 5 -w 1 -a "fe80::b%${scope%%:*}" 7000
	listener "$TMP/got" 100 a ::
	wait_for 20 _relayed
	listened
	balanced b
	rmmod ksocket
}

_relayed() {
	tell UDP4:127.0.0.1:7001 one b
	pause 0.1
	lines_at_least "$TMP/got" 1
}

# A beacon goes out by its device.
beacon() {
	local each
	begin
	# IPv6 addresses that come and go with the device would have it connect again, and
	# so would a beacon that is due meanwhile.
	for each in all default; do
		in_ns b sysctl -qw "net.ipv6.conf.$each.disable_ipv6=1" 2>/dev/null || true
	done
	listener "$TMP/got" 100000 a
	ctl add clock beacon 192.0.2.1:9000 interval 3000 dev veth0 text tick
	wait_for 20 lines_at_least "$TMP/got" 2
	unplug
	wait_for 20 lost clock
	ns_ip b link add veth0 type veth peer name veth0 netns "${NS_PREFIX}a"
	_pair_side "${NS_PREFIX}a" 1
	ns_ip b addr add 192.0.2.2/24 dev veth0
	ns_ip b link set veth0 up
	wait_for 20 found clock
	listened
	listener "$TMP/got" 100000 a
	wait_for 20 lines_at_least "$TMP/got" 2
	listened
	rmmod ksocket
}

# "ss -K" takes a socket out of the group of those that share the port.
killed_group() {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	begin
	ctl add two listen 0.0.0.0:7001 echo threads 2
	[ -n "$(in_ns b ss -KHua "sport = :7001")" ] || skip "no CONFIG_INET_DIAG_DESTROY"
	wait_for 20 _group_works
	rmmod ksocket
}

_group_works() {
	ctl reset two
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 100 -p 100 -w 1 192.0.2.2 7001
	all_threads_work two 2>/dev/null
}

# Devices, services, the module and the namespace come and go at once.
churn() {
	local i pids=()
	for ((i = 0; i < ROUNDS; i++)); do
		begin
		ctl add one listen 0.0.0.0:7000 echo dev veth0
		(
			while unplug && ns_ip b link add veth0 type veth \
				peer name veth0 netns "${NS_PREFIX}a"; do :; done
		) 2>/dev/null &
		pids=($!)
		(
			while :; do
				ctl replace one listen 0.0.0.0:7000 echo dev veth0 min-source-port 0
				ctl replace one listen 0.0.0.0:7000 echo dev veth0
			done
		) >/dev/null 2>&1 &
		pids+=($!)
		pause 1
		# The one half of the rounds ends with the module, the other with the namespace.
		[ $((i % 2)) = 0 ] || ns_del b
		rmmod ksocket 2>/dev/null || { pause 0.2; rmmod ksocket; }
		kill "${pids[@]}" "$monitor" 2>/dev/null || true
		wait "${pids[@]}" "$monitor" || true
		[ $((i % 2)) = 1 ] || ns_del b
		ns_del a
	done
	nothing_left 7000
}

ksocket_run_tests \
	back:"a device is deleted and made again" \
	renamed:"a device is renamed" \
	index_given_again:"the index of a device that is gone is another's" \
	index_given_at_once:"likewise at once; a replace that fails" \
	replaced_while_lost:"a service that is lost is replaced" \
	port_taken:"a device brings another service at the port along" \
	vrf:"a VRF is deleted and made again" \
	early:"devices that are in a namespace before the module is" \
	two_lost:"services at one port whose devices are gone" \
	link_local:"link-local addresses, of the service and of the receiver" \
	beacon:"a beacon with a device" \
	killed_group:"ss -K of sockets that share a port" \
	churn:"devices, services, the module and the namespace come and go at once"
