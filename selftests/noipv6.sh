#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# noipv6.sh - on a kernel booted with ipv6.disable=1: IPv4 works, and whoever
# asks for IPv6 is told that there is none.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

off() {
	[ ! -d /proc/sys/net/ipv6 ] || skip "IPv6 is on: boot with ipv6.disable=1"
}

noipv6_echo() {
	off
	load mode=echo listen_port=7000
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	unload
	load mode=echo listen_addr=0.0.0.0 listen_port=7000
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	unload
}

noipv6_relay() {
	off
	receiver "$TMP/got" 7001
	load listen_port=7000 reply_port=7001
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" hello
	unload
}

noipv6_refused() {
	off
	for param in listen_addr=::1 listen_addr=:: reply_addr=::1; do
		log_mark
		assert_eq "errno of $param" \
			"$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO" "$param")" EAFNOSUPPORT
		assert_eq "log of $param" "$(log_since)" \
			"ksocket: an IPv6 address was given, but IPv6 is not available here"
		refute loaded
	done
}

noipv6_unused() {
	off
	load mode=echo listen_port=7000
	unload
}

ksocket_run_tests \
	noipv6_echo:"echo over IPv4 works without IPv6" \
	noipv6_relay:"relay over IPv4 works without IPv6" \
	noipv6_refused:"an IPv6 address is refused, with its errno and line" \
	noipv6_unused:"an IPv6 address that is not used does no harm"
