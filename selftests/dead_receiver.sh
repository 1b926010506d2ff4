#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dead_receiver.sh - nobody listens at the reply port: every datagram is tried
# and counted, nothing is logged, nothing spins, and the first datagram after
# the receiver has come back arrives.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=50000
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || COUNT=2000

# A receive buffer that holds them all: this is about the answers.
_load_relay() {
	load mode=relay "listen_addr=$1" listen_port=7000 \
		"reply_addr=$1" reply_port=7001 rcvbuf=134217728
}

# _backlog [PACKETS]: how many packets may wait for the softirqs of a processor.
# The loopback device drops those of a sender that is ahead of them, before any
# protocol has seen them. Only the first namespace has it, and for all.
_backlog() {
	local file=/proc/sys/net/core/netdev_max_backlog
	# shellcheck disable=SC2016 # the other shell expands it
	nsenter --net=/proc/1/ns/net sh -c '[ -z "$2" ] && cat "$1" || echo "$2" >"$1"' - $file "${1:-}"
}

_tried() {
	[ $(($(counter tx_packets) + $(counter drop_send_refused))) = "$1" ]
}

# _arrives ADDRESS [PAYLOAD]: start a receiver, send one datagram, it is there
_arrives() {
	local out=/tmp/ksocket-test-$$ pid
	"$KSOCKET_TESTS/udp_flood" -l -c 1 -t $((20 * KSOCKET_SLOW)) "$1" 7001 >"$out" &
	pid=$!
	case $1 in
	*:*) wait_for 20 bound6 7001 ;;
	*) wait_for 20 bound4 7001 ;;
	esac
	printf '%s' "${2:-back}" >"/dev/udp/$1/7000"
	wait "$pid" || fail "no receiver"
	grep -q 'received=1 ' "$out" || fail "the first datagram is lost: $(cat "$out")"
	rm -f "$out"
}

# _asleep: no processor time and no wake-up from one look to the next
_asleep() {
	local before
	before="$(cpu_ticks) $(counter wakeups)"
	sleep 1
	[ "$before" = "$(cpu_ticks) $(counter wakeups)" ]
}

_dead() {
	local stale
	_load_relay "$1"
	log_mark
	"$KSOCKET_TESTS/udp_flood" -c "$COUNT" "$1" 7000
	wait_for 60 _tried "$COUNT"
	assert_eq rx_packets "$(counter rx_packets)" "$COUNT"
	assert_eq rx_overflow "$(counter rx_overflow)" 0
	stale=$(counter stale_errors)
	assert_ge "stale_errors" "$stale" 1
	echo "stale_errors $stale, drop_send_refused $(counter drop_send_refused)"
	wait_for 5 _asleep
	assert_eq "the log" "$(log_since)" ""
	_arrives "$1"
	# Again, after a single one: were only every other one lost, the number
	# of those before would decide.
	printf 'lost' >"/dev/udp/$1/7000"
	wait_for 20 counter_is rx_packets $((COUNT + 2))
	_arrives "$1"
	unload
}

dead_ipv4() {
	_dead 127.0.0.1
}

dead_ipv6() {
	[ -d /proc/sys/net/ipv6 ] || skip "no IPv6"
	_dead ::1
}

# A firewall in front of the receiver refuses in other words.
# _rejected ADDRESS REJECTION
_rejected() {
	nft add table inet ksocket_test
	nft add chain inet ksocket_test in '{ type filter hook input priority 0; }'
	nft add rule inet ksocket_test in udp dport 7001 reject with "${@:2}"
	"$KSOCKET_TESTS/udp_flood" -c 5 "$1" 7000 >/dev/null
	wait_for 20 counter_is rx_packets "$((_sent += 5))"
	nft delete table inet ksocket_test
	# What does not fit one packet goes through the socket, which has the
	# error still.
	_arrives "$1" "$(printf '%0*d' $((_sent / 6 % 2 * 3000)) 7)"
	: $((_sent += 1))
	echo "${*:2}: tx_packets $(counter tx_packets), stale_errors $(counter stale_errors)"
}

firewall_ipv4() {
	local code
	needs_nft "reject with icmpx type no-route"
	ip link set lo mtu 1500
	_load_relay 127.0.0.1
	_sent=0
	for code in port-unreachable host-unreachable net-unreachable \
		prot-unreachable admin-prohibited host-prohibited; do
		_rejected 127.0.0.1 icmp type "$code"
	done
	# Not all are hard errors (icmp_err_convert), and several that come while
	# the thread answers a batch are one.
	assert_ge "stale_errors" "$(counter stale_errors)" 4
	unload
	ip link set lo mtu 65536
}

firewall_ipv6() {
	local code
	[ -d /proc/sys/net/ipv6 ] || skip "no IPv6"
	needs_nft "reject with icmpx type no-route"
	ip link set lo mtu 1500
	_load_relay ::1
	_sent=0
	for code in port-unreachable addr-unreachable no-route \
		admin-prohibited policy-fail reject-route; do
		_rejected ::1 icmpv6 type "$code"
	done
	assert_ge "stale_errors" "$(counter stale_errors)" 4
	unload
	ip link set lo mtu 65536
}

backlog_before=$(_backlog)
trap '_backlog "$backlog_before"' EXIT
_backlog 1000000

ksocket_run_tests \
	dead_ipv4:"IPv4: $COUNT datagrams to a closed port" \
	dead_ipv6:"IPv6: $COUNT datagrams to a closed port" \
	firewall_ipv4:"IPv4: a firewall's ICMP errors cost no datagram afterwards" \
	firewall_ipv6:"IPv6: a firewall's ICMP errors cost no datagram afterwards"
