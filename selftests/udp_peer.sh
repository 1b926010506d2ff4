#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# udp_peer.sh - services on UDP and a sender that owns each field of each header, see
# udp_peer.c: what is to be answered is, rightly, and nothing else; the counters
# balance, and others are served.
#
# KSOCKET_SOAK=1: a hundred times as many packets at random. KSOCKET_SEED=N begins
# them with that seed.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=1000
[ -z "${KSOCKET_SOAK:-}" ] || COUNT=100000
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || COUNT=$((COUNT / 4))
SEED=${KSOCKET_SEED:-$((RANDOM * 32768 + RANDOM))}

# proves ROLE KIND... -- PARAMETER=VALUE...: with a service like that
proves() {
	local args=()
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	echo "$*"
	load listen_addr=:: listen_port=7000 "$@"
	"$KSOCKET_TESTS/udp_peer" "${args[@]}"
	[[ " ${args[*]} " != *" echo "* ]] ||
		assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	unload
}

# wire: all addresses are behind the device, and none is suspicious for where it is
wire() {
	peer_wire
	ip route replace default dev tun0
	ip -6 route replace default dev tun0
	sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tun0.rp_filter=0
}

# echoes DATAPATH
echoes() {
	local gro
	wire
	for gro in off on; do
		proves echo headers fragments -- mode=echo "datapath=$1" gro=$gro
	done
}

echo_copy() {
	echoes copy
}

echo_zerocopy() {
	echoes zerocopy
}

echo_softirq() {
	echoes softirq
}

relay() {
	local path
	wire
	for path in copy softirq; do
		proves relay headers fragments -- mode=relay reply_addr=192.0.2.2 reply_port=7001 \
			datapath=$path
	done
	proves relay headers -- mode=relay reply_addr=2001:db8::2 reply_port=7001 gro=on
}

discard() {
	wire
	proves discard headers fragments -- mode=discard
}

random() {
	local path
	wire
	for path in softirq copy; do
		proves -c "$COUNT" -s "$SEED" echo random -- mode=echo datapath=$path
	done
	proves -c "$COUNT" -s "$SEED" echo random -- mode=echo gro=on
	proves -c "$COUNT" -s "$SEED" relay random -- mode=relay reply_addr=192.0.2.2 reply_port=7001
}

ksocket_run_tests \
	echo_copy:"echo, copy: every kind of header and fragment, gro off and on" \
	echo_zerocopy:"echo, zerocopy: likewise" \
	echo_softirq:"echo, softirq: likewise" \
	relay:"relay: likewise" \
	discard:"discard: likewise" \
	random:"what is changed at random"
