#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# echo.sh - mode echo with real socat: what was sent comes back, to the sender.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

echo_ipv4() {
	load mode=echo listen_port=7000
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	assert_eq rx_packets "$(counter rx_packets)" 1
	assert_tx 1
	assert_eq rx_bytes "$(counter rx_bytes)" 5
	assert_eq tx_bytes "$(counter tx_bytes)" 5
	unload
}

echo_ipv6() {
	load mode=echo listen_addr=::1 listen_port=7000
	assert_eq "the echo" "$(ask 'UDP6:[::1]:7000' hello)" hello
	assert_eq rx_packets "$(counter rx_packets)" 1
	assert_tx 1
	assert_eq rx_bytes "$(counter rx_bytes)" 5
	assert_eq tx_bytes "$(counter tx_bytes)" 5
	unload
}

# An echo needs no second socket.
sockets() {
	ss -Hlun "sport = :$1" | wc -l
}

echo_dual_stack() {
	load mode=echo listen_addr=:: listen_port=7000
	assert_eq "sockets" "$(sockets 7000)" 1
	assert_eq "the echo over IPv4" "$(ask UDP4:127.0.0.1:7000 four)" four
	assert_eq "the echo over IPv6" "$(ask 'UDP6:[::1]:7000' six)" six
	assert_tx 2
	unload
}

echo_bindv6only() {
	echo 1 >/proc/sys/net/ipv6/bindv6only
	echo_dual_stack
	echo 0 >/proc/sys/net/ipv6/bindv6only
}

# A link-local address is the same on every link: it works by its device only.
link_local() {
	ns_pair a b
	ns_ip a addr add fe80::a/64 dev veth0 nodad
	ns_ip b addr add fe80::b/64 dev veth0 nodad
	load_in b mode=echo "listen_addr=fe80::b%$1" listen_port=7000
	assert_eq "the echo" "$(ask 'UDP6:[fe80::b%veth0]:7000' hello a)" hello
	balanced b
	ns_del b
}

echo_link_local() {
	link_local veth0
}

echo_link_local_number() {
	# The pair's end is the first device that the namespace gets after lo,
	# but kernels may bring tunnel devices: make one and ask.
	ns_add c
	ns_ip c link add veth0 type dummy
	ns_ip c addr add fe80::c/64 dev veth0 nodad
	ns_ip c link set veth0 up
	index=$(in_ns_sys c cat /sys/class/net/veth0/ifindex)
	load_in c mode=echo "listen_addr=fe80::c%$index" listen_port=7000
	assert_eq listen "$(counter listen c)" "[fe80::c%$index]:7000"
	assert_eq "the echo" "$(ask 'UDP6:[fe80::c%veth0]:7000' hello c)" hello
	balanced c
	rmmod ksocket
}

echo_device() {
	ns_pair a b
	load_in b mode=echo listen_addr=0.0.0.0 listen_port=7000 device=veth0
	assert_eq device "$(counter device b)" veth0
	# By lo the port is closed: the answer to that is an ICMP error.
	refute in_ns b "$KSOCKET_TESTS/udp_flood" -c 1 -a -T 200 127.0.0.1 7000
	assert_eq "rx_packets by lo" "$(counter rx_packets b)" 0
	assert_eq "the echo by veth0" "$(ask UDP4:192.0.2.2:7000 hello a)" hello
	assert_eq "rx_packets by veth0" "$(counter rx_packets b)" 1
	balanced b
	rmmod ksocket
}

echo_vrf() {
	needs VRF ip link add vrf0 type vrf table 10
	ns_pair a b
	ns_ip b link add vrf0 type vrf table 10
	ns_ip b link set vrf0 up
	ns_ip b link set veth0 master vrf0
	# Changing its master took the IPv6 addresses off the device.
	ns_ip b -6 addr replace 2001:db8::2/64 dev veth0 nodad
	load_in b mode=echo listen_addr=:: listen_port=7000 device=vrf0
	assert_eq "the echo over IPv4" "$(ask UDP4:192.0.2.2:7000 four a)" four
	assert_eq "the echo over IPv6" "$(ask 'UDP6:[2001:db8::2]:7000' six a)" six
	balanced b
	rmmod ksocket
}

# The stack doubles what it is asked for.
echo_socket_buffers() {
	load mode=echo listen_port=7000 rcvbuf=50000 sndbuf=60000
	assert_eq rcvbuf "$(counter rcvbuf)" 50000
	assert_eq sndbuf "$(counter sndbuf)" 60000
	memory=$(ss -Hlunm 'sport = :7000' | tr -d '\n')
	[[ $memory =~ rb100000, ]] || fail "receive buffer: $memory"
	[[ $memory =~ tb120000, ]] || fail "send buffer: $memory"
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	unload
}

# rcvbuf is what a burst may fill; what is over is counted.
echo_rcvbuf_overflows() {
	load mode=echo listen_port=7000 rcvbuf=2048 "$(by_thread)"
	flood -c 3000 -s 1000 127.0.0.1 7000
	wait_for 20 counted 3000
	assert_ge rx_overflow "$(counter rx_overflow)" 1
	unload
}

counted() {
	[ $(($(counter rx_packets) + $(counter rx_overflow))) = "$1" ]
}

# switches THREAD: how often the kthread went to sleep
switches() {
	awk '/^voluntary_ctxt_switches/ { print $2 }' \
		"/proc/$(thread_pid "ksocket/7000.$1")/status"
}

echo_threads() {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	load mode=echo listen_port=7000 threads=2 "$(by_thread)"
	assert_eq "threads" "$(threads)" 2
	assert_eq "sockets" "$(sockets 7000)" 2
	wait_for 20 test "$(switches 0)" -ge 1 -a "$(switches 1)" -ge 1
	before0=$(switches 0) before1=$(switches 1)
	# The stack spreads source ports over the sockets.
	flood -c 2000 -p 64 -w 16 -a 127.0.0.1 7000
	assert_tx 2000
	assert_ge "first thread's turns" "$(switches 0)" $((before0 + 1))
	assert_ge "second thread's turns" "$(switches 1)" $((before1 + 1))
	unload
}

ksocket_run_tests \
	echo_ipv4:"IPv4: the datagram comes back" \
	echo_ipv6:"IPv6: the datagram comes back" \
	echo_dual_stack:"listen_addr=:: answers IPv4 and IPv6 on one socket" \
	echo_bindv6only:"listen_addr=:: does so with net.ipv6.bindv6only=1 too" \
	echo_link_local:"a link-local address with the name of its device" \
	echo_link_local_number:"a link-local address with the number of its device" \
	echo_device:"device: what comes by another device is not seen" \
	echo_vrf:"device: a VRF, and the answer goes by its routes" \
	echo_socket_buffers:"rcvbuf and sndbuf set the socket's buffers" \
	echo_rcvbuf_overflows:"rcvbuf: what does not fit is counted as rx_overflow" \
	echo_threads:"threads=2: two sockets, two threads, both at work"
