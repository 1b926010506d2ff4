#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# source_addr.sh - on a wildcard socket the echo comes from the address that
# was asked, not from the one the routing table prefers. The client is
# connected: an answer from elsewhere would not reach it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# Host b has two addresses of each family on its device, and one of each on lo
# that the device would never be given as a source.
two_addresses() {
	ns_pair a b
	ns_ip b addr add 192.0.2.3/24 dev veth0
	ns_ip b addr add 2001:db8::3/64 dev veth0 nodad
	ns_ip b addr add 198.51.100.1/32 dev lo
	ns_ip b addr add 2001:db8:1::1/128 dev lo nodad
	ns_ip a route add 198.51.100.1/32 via 192.0.2.2
	ns_ip a route add 2001:db8:1::1/128 via 2001:db8::2
	load_in b mode=echo "listen_addr=$1" listen_port=7000
}

# The same sender asks them all: what is remembered of it must not be the address.
# Too long for one packet, an answer goes another way.
LARGE=$(printf '%03000d' 7)

ask_ipv4() {
	for addr in 192.0.2.2 192.0.2.3 198.51.100.1; do
		assert_eq "the echo from $addr" "$(ask "UDP4:$addr:7000,sourceport=7100" hello a)" hello
		assert_eq "and a large one" "$(ask "UDP4:$addr:7000" "$LARGE" a)" "$LARGE"
	done
}

ask_ipv6() {
	for addr in 2001:db8::2 2001:db8::3 2001:db8:1::1; do
		assert_eq "the echo from $addr" "$(ask "UDP6:[$addr]:7000,sourceport=7100" hello a)" hello
		assert_eq "and a large one" "$(ask "UDP6:[$addr]:7000" "$LARGE" a)" "$LARGE"
	done
}

done_with() {
	assert_tx "$1" b
	balanced b
	rmmod ksocket
}

source_addr_ipv4() {
	two_addresses 0.0.0.0
	ask_ipv4
	done_with 6
}

source_addr_dual() {
	two_addresses ::
	ask_ipv6
	ask_ipv4
	done_with 12
}

# Two links with the same link-local address on each: only the device tells
# them apart.
source_addr_link_local() {
	ns_pair a b
	ns_ip b link add dummy0 type dummy
	ns_ip b addr add fe80::b/64 dev dummy0 nodad
	ns_ip b link set dummy0 up
	ns_ip a addr add fe80::a/64 dev veth0 nodad
	ns_ip b addr add fe80::b/64 dev veth0 nodad
	ns_ip b addr add fe80::bb/64 dev veth0 nodad
	load_in b mode=echo listen_addr=:: listen_port=7000
	for addr in fe80::b fe80::bb; do
		assert_eq "the echo from $addr" \
			"$(ask "UDP6:[$addr%veth0]:7000" hello a)" hello
	done
	done_with 2
}

ksocket_run_tests \
	source_addr_ipv4:"0.0.0.0: from each IPv4 address that was asked" \
	source_addr_dual:"::: from each IPv6 and IPv4 address that was asked" \
	source_addr_link_local:"::: from the link-local address and device that were asked"
