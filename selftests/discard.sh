#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# discard.sh - mode discard with real socat: taken, counted, forgotten.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# discard SOCAT-ADDRESS ADDRESS
discard() {
	load mode=discard "listen_addr=$2" listen_port=7000
	assert_eq reply "$(counter reply)" -
	tell "$1" hello
	wait_for 20 counter_is discarded 1
	assert_eq rx_bytes "$(counter rx_bytes)" 5
	# An answer would come in the same instant.
	flood -c 3 -s 100 -r -T 300 "$2" 7000 >"$TMP/sender"
	grep -q 'sent=3 received=0 .*errors=0' "$TMP/sender" || fail "$(cat "$TMP/sender")"
	wait_for 20 counter_is discarded 4
	assert_eq rx_packets "$(counter rx_packets)" 4
	assert_eq rx_bytes "$(counter rx_bytes)" 305
	assert_tx 0
	assert_eq "sockets" "$(ss -Hau | wc -l)" 1
	unload
}

discard_ipv4() {
	discard UDP4:127.0.0.1:7000 127.0.0.1
}

discard_ipv6() {
	discard 'UDP6:[::1]:7000' ::1
}

ksocket_run_tests \
	discard_ipv4:"IPv4: the datagram is counted and not answered" \
	discard_ipv6:"IPv6: the datagram is counted and not answered"
