#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tcp_peer.sh - services on TCP and a peer that keeps no rule, see tcp_peer.c: after
# each attack no connection is left, the counters balance, and others are served.
#
# On a stock kernel the guest's slab allocator poisons packets, see special_options()
# in vm/lib.sh; what it has found shows in the kernel log, and at the latest at the
# end of each test.
#
# KSOCKET_SOAK=1: 2,000 connections or more of the attacks, as many of random ones.
# KSOCKET_SEED=N begins the random ones with that seed.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

ATTACKS="tiny shrink zero flood overlap urgent urgent_early accept half_open reset end sack stamps numbers
	headers"
# A short one of each by either IPv4 or IPv6, and some at random by both.
COUNT=1 RANDOM_COUNT=5 COLLAPSES=20 BY4=-4 BY6=-6
# One use of what was freed is enough there.
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || RANDOM_COUNT=1 COLLAPSES=2
if [ -n "${KSOCKET_SOAK:-}" ]; then
	COUNT=10 RANDOM_COUNT=200 COLLAPSES=300 BY4='' BY6=''
fi
SEED=${KSOCKET_SEED:-$((RANDOM * 32768 + RANDOM))}

# peer OPTION... ROLE ATTACK...
peer() {
	"$KSOCKET_TESTS/tcp_peer" ${PEER_VERBOSE:+-v} "$@"
}

# slabs_validate: have the allocator look at all packets that are free, where it
# poisons them
slabs_validate() {
	local file
	for file in /sys/kernel/slab/skbuff_*/validate; do
		{ echo 1 >"$file"; } 2>/dev/null || true
	done
}

# serve PARAMETER=VALUE...: small buffers, whose bounds are reached soon
serve() {
	peer_wire
	load listen_addr=:: listen_port=7000 rcvbuf=65536 sndbuf=131072 "$@"
}

# attack BY [OPTION...] ROLE: all of them by one or both, and some at random
attack() {
	# shellcheck disable=SC2086 # lists of words
	peer $1 -c "$COUNT" "${@:2}" $ATTACKS
	peer -c "$RANDOM_COUNT" -s "$SEED" "${@:2}" random
}

# done_with [COMMAND...]: the books balance, a client of the stack's own is served
done_with() {
	[ $# = 0 ] || "$@"
	slabs_validate
	tcp_balanced -
	rmmod ksocket
}

# client COMMAND...: every byte of it
client() {
	"$KSOCKET_TESTS/tcp_load" "$1" 127.0.0.1 7000 -c 2 "${@:2}"
}

echo_copy() {
	serve proto=tcp mode=echo datapath=copy
	attack "$BY4" echo
	done_with client echo
}

echo_zerocopy() {
	serve proto=tcp mode=echo datapath=zerocopy
	attack "$BY6" echo
	done_with client echo
}

discard() {
	peer_wire
	load listen_addr=:: listen_port=7000 rcvbuf=65536 proto=tcp mode=discard
	attack "$BY6" discard
	done_with client put -q
}

# relay DATAPATH BY: to an honest echo; the client misbehaves
relay() {
	spawn - "$KSOCKET_TESTS/tcp_load" serve 7001 echo
	wait_for 20 listening 7001 -
	serve proto=tcp mode=relay reply_port=7001 "datapath=$1"
	attack "$2" echo
	done_with client echo
}

relay_copy() {
	relay copy "$BY6"
}

relay_zerocopy() {
	relay zerocopy "$BY4"
}

# The upstream misbehaves, and an honest client sends back what it gets.
upstream_copy() {
	serve proto=tcp mode=relay reply_addr=192.0.2.2 reply_port=7001 datapath=copy
	attack '' -4 upstream
	done_with
}

upstream_zerocopy() {
	serve proto=tcp mode=relay reply_addr=2001:db8::2 reply_port=7001 datapath=zerocopy
	attack '' -6 upstream
	done_with
}

# So does the receiver of datagrams that go on by TCP. A service waits longer after each
# connection that is lost, so there is a new one for each attack.
uplink_meets() {
	serve mode=relay reply_addr=192.0.2.2 reply_port=7001 reply_proto=tcp framing=newline
	peer -4 "$@"
	unload
}

uplink() {
	local attack
	for attack in tiny shrink zero overlap urgent half_open end sack headers; do
		uplink_meets -c "$COUNT" uplink "$attack"
	done
	uplink_meets -c $((RANDOM_COUNT / 2)) -s "$SEED" uplink random
	slabs_validate
}

beacon() {
	peer_wire
	load mode=beacon interval=10 text=record-1 reply_addr=2001:db8::2 reply_port=7001 \
		reply_proto=tcp framing=newline
	peer -6 -b uplink tiny shrink sack end
	unload
}

# The receive queue is put in order in the middle of a send. Only an echo sends by the
# socket that it reads from.
collapse() {
	echo "poisoned packets: $(cat /sys/kernel/slab/skbuff_head_cache/poison 2>/dev/null || echo 0)"
	serve proto=tcp mode=echo datapath=copy
	peer -4 -c "$COLLAPSES" echo collapse
	done_with client echo
	serve proto=tcp mode=echo datapath=zerocopy
	peer -6 -c "$COLLAPSES" echo collapse
	done_with client echo
}

# Peers that are gone without a word, in every state.
silent() {
	serve proto=tcp mode=echo idle_timeout=2 keepalive=1
	# One peer: another would begin with the same ports, which the first one left behind.
	peer echo silent ${KSOCKET_SOAK:+silent_ends}
	done_with client echo
}

ksocket_run_tests \
	collapse:"a receive queue that is put in order in the middle of a send" \
	echo_copy:"echo, copy: a client that keeps no rule" \
	echo_zerocopy:"echo, zerocopy: likewise" \
	discard:"discard: likewise" \
	relay_copy:"relay, copy: likewise" \
	relay_zerocopy:"relay, zerocopy: likewise" \
	upstream_copy:"relay, copy: an upstream that keeps no rule" \
	upstream_zerocopy:"relay, zerocopy: likewise" \
	uplink:"reply_proto=tcp: a receiver that keeps no rule" \
	beacon:"beacons: likewise" \
	silent:"peers that are gone without a word"
