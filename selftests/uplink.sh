#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# uplink.sh - reply_proto=tcp: datagrams in, one connection to the receiver out.
# What comes of them when it is there, slow, gone, or silent.
#
# KSOCKET_SOAK=1: also a receiver that is silent for longer than we wait, and more
# datagrams.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

MANY=5000
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || MANY=1000
[ -z "${KSOCKET_SOAK:-}" ] || MANY=$((MANY * 100))
UPLINK="listen_port=7000 reply_port=7001 reply_proto=tcp"

# up [PARAMETER=VALUE...]
up() {
	# shellcheck disable=SC2086 # a list of words
	load $UPLINK "$@"
}

# test_py TEST [ARGUMENT...]
test_py() {
	python3 "$KSOCKET_TESTS/uplink.py" "$@"
}

# proves "PARAMETER=VALUE..." TEST [ARGUMENT...]: with a service like that
proves() {
	# shellcheck disable=SC2086 # a list of words
	up $1
	test_py "${@:2}"
	unload
}

exact() {
	local framing address n=0
	for framing in length newline none octet-counting; do
		for address in 127.0.0.1 ::1; do
			# On a debug kernel by turns.
			n=$((n + 1))
			[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || [ -n "${KSOCKET_SOAK:-}" ] ||
				[ $((n % 4)) -lt 2 ] || continue
			proves "framing=$framing listen_addr=$address reply_addr=$address" exact $address $framing
		done
	done
	nothing_left 7000
}

lines() {
	local how
	for how in escape space; do
		proves "framing=newline newline=$how queue_bytes=69632" lines $how
	done
	# Those of user space, and beacons, go the same way.
	up framing=newline newline=escape mode=text "text=\"a"$'\n'"b\""
	spawn - socat -u TCP-LISTEN:7001,reuseaddr "OPEN:$TMP/got,creat,append"
	wait_for 20 counter_is connections 1
	tell UDP:127.0.0.1:7000 anything
	wait_for 20 file_is "$TMP/got" a#012b
	unload
}

datapaths() {
	local path gro
	for path in copy zerocopy softirq; do
		for gro in off on; do
			proves "datapath=$path gro=$gro rcvbuf=4000000" many $((MANY / 5))
		done
	done
}

# A burst comes as one packet with gro=on, and takes the slow path with copy.
bursts() {
	local path
	ethtool -k lo | grep -q "tx-udp-segmentation: on" ||
		skip "the loopback device cuts bursts up"
	for path in copy zerocopy softirq; do
		up "datapath=$path" gro=on rcvbuf=4000000
		trace_on
		test_py bursts 20 10
		assert_ge "$path: bursts" "$(events ' ksocket_rx: .* segs=10$')" 1
		unload
	done
}

many_datagrams() {
	proves "rcvbuf=4000000" many $MANY
}

# Each thread has a connection of its own.
threads_apart() {
	[ "$(getconf _NPROCESSORS_ONLN)" != 1 ] || skip "one processor"
	up threads=2 rcvbuf=4000000
	wait_for 20 counter_is connections 0
	test_py many $((MANY / 5)) 8
	assert_eq "connected" "$(counter connected)" 2
	unload
}

mode_text() {
	up mode=text text=hello framing=newline
	spawn - socat -u TCP-LISTEN:7001,reuseaddr "OPEN:$TMP/got,creat,append"
	wait_for 20 counter_is connections 1
	tell UDP:127.0.0.1:7000 anything
	wait_for 20 file_is "$TMP/got" hello
	assert_tx 1
	unload
}

away() {
	proves "queue_bytes=65536 rcvbuf=4000000" away
}

too_long() {
	proves "queue_bytes=4096" too_long
}

slow() {
	proves "queue_bytes=65536 sndbuf=4096 rcvbuf=4000000" slow
}

# Longer than a receiver may be silent.
paused() {
	proves "queue_bytes=65536 sndbuf=4096 rcvbuf=4000000" paused 35
}

# There is room for as long as a busy machine takes to have it blocked.
reset() {
	proves "queue_bytes=16777216 rcvbuf=4000000" reset
}

cut_in_two() {
	proves "queue_bytes=65536 sndbuf=4096 rcvbuf=4000000" cut
}

black_hole() {
	proves "queue_bytes=16777216 rcvbuf=4000000" black_hole 3 waits
	[ -z "${KSOCKET_SOAK:-}" ] ||
		proves "queue_bytes=16777216 rcvbuf=4000000" black_hole 45 breaks
}

half_close() {
	proves "" half_close
}

talks_back() {
	proves "" talks_back
}

beacons() {
	load mode=beacon interval=50 reply_port=7001 reply_proto=tcp framing=newline
	test_py beacon
	# Who stops it does not wait for the next one.
	unload
	nothing_left 7001
}

enough_waits() {
	[ "$(events ' ksocket_uplink: ')" -ge 3 ]
}

# Between two attempts there is half to all of 200 ms, doubled each time.
back_off() {
	local waits
	up
	trace_on
	# It may take a while until that records.
	wait_for 120 enough_waits
	waits=$(sed -n 's/.*ksocket_uplink: .* up=0 err=-111 wait=\([0-9]*\)$/\1/p' "$TRACE_INSTANCE/trace")
	echo "waits: $(paste -sd ' ' <<<"$waits") ms"
	# When recording began, some attempts were over.
	awk -v ms=200 '{ wait[NR] = $1 }
		END {
			for (skip = 0; skip < 8; skip++) {
				for (i = 1; i <= NR; i++) {
					most = ms * 2 ^ (i - 1 + skip)
					if (most > 30000)
						most = 30000
					if (wait[i] < most / 2 || wait[i] > most)
						break
				}
				if (i > NR)
					exit NR < 2
			}
			exit 1
		}' <<<"$waits" || fail "not doubled"
	# And that is how long it takes.
	sed -n 's/.* \([0-9]*\.[0-9]*\): ksocket_uplink: .* wait=\([0-9]*\)$/\1 \2/p' "$TRACE_INSTANCE/trace" |
		awk -v slow="${KSOCKET_DEBUG_KERNEL:+1}" 'NR > 1 { ms = ($1 - last) * 1000
				print ms " ms after a wait of " wait
				if (ms < wait * 0.9 || ms > wait + (slow ? 8000 : 2000)) bad = 1 }
			{ last = $1; wait = $2 } END { exit bad }' || fail "not kept"
	unload
}

# The stack's own trap for who tries again and again.
own_port() {
	echo "7001 7001" >/proc/sys/net/ipv4/ip_local_port_range
	proves "" own
	echo "32768 60999" >/proc/sys/net/ipv4/ip_local_port_range
}

# The address that the connection is from goes; the next one is from another.
address_change() {
	ns_pair a b
	load_in a listen_addr=127.0.0.1 listen_port=7000 reply_addr=192.0.2.2 reply_port=7001 \
		reply_proto=tcp framing=newline
	spawn b socat -u TCP-LISTEN:7001,reuseaddr,fork "OPEN:$TMP/got,creat,append"
	wait_for 30 counter_is connections 1 a
	tell UDP:127.0.0.1:7000 one a
	wait_for 20 file_is "$TMP/got" one
	ns_ip a addr flush dev veth0
	tell UDP:127.0.0.1:7000 two a
	ns_ip a addr add 192.0.2.11/24 dev veth0
	wait_for 60 file_is "$TMP/got" one$'\n'two
	assert_eq "from" "$(in_ns a ss -Htn state established 'dport = :7001' | awk '{ print $3 }' | sed 's/:[0-9]*$//')" \
		192.0.2.11
	assert_ge "disconnected" "$(counter disconnected a)" 1
	unload_in a
}

# A queue that nobody empties holds nobody up, and what is in it is not forgotten
# without a word.
stopped() {
	local took
	up queue_bytes=65536 rcvbuf=4000000
	test_py own
	flood -c 1000 -s 100 127.0.0.1 7000 >/dev/null
	wait_for 20 counter_is rx_packets 1000
	log_mark
	took=$(($("$KSOCKET_TESTS/unload_time") / 1000))
	echo "unload: $took ms"
	log_since | grep -qx "ksocket: service param: 630 datagrams to 127.0.0.1:7001 were not delivered" ||
		fail "$(log_since)"
	[ -n "${KSOCKET_DEBUG_KERNEL:-}" ] || assert_le "unload in ms" "$took" $((1000 * KSOCKET_SLOW))
	nothing_left 7000
}

# Likewise when the receiver is silent in the middle of it, and when the namespace goes.
stopped_silent() {
	local round
	for round in 1 2 3; do
		ns_pair a b
		load_in a listen_addr=127.0.0.1 listen_port=7000 reply_addr=192.0.2.2 reply_port=7001 \
			reply_proto=tcp
		spawn b socat -u TCP-LISTEN:7001,reuseaddr,fork /dev/null
		wait_for 30 counter_is connections 1 a
		in_ns a nft -f - <<-EOF
			table inet t { chain o { type filter hook output priority 0;
				tcp dport 7001 drop
			}
			}
		EOF
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 500 -s 1000 127.0.0.1 7000 >/dev/null
		wait_for 20 counter_is rx_packets 500 a
		if [ $round = 1 ]; then
			rmmod ksocket
		else
			ns_del a
			wait_for 30 peer_is_gone b
			rmmod ksocket
		fi
		ns_del b
		[ $round = 1 ] || continue
		ns_del a
	done
}

peer_is_gone() {
	! ns_ip "$1" link show veth0 >/dev/null 2>&1
}

# What was handed over before is not cut off by the end.
stopped_busy() {
	local got left
	up framing=newline
	spawn - socat -u TCP-LISTEN:7001,reuseaddr "OPEN:$TMP/got,creat,append"
	wait_for 20 counter_is connections 1
	log_mark
	test_py burst 200
	rmmod ksocket
	left=$(log_since | sed -n 's/^ksocket: service param: \([0-9]*\) datagrams to .* were not delivered$/\1/p')
	wait
	got=$(wc -l <"$TMP/got")
	echo "$got came, ${left:-0} did not"
	assert_ge "what came or was said not to" $((got + ${left:-0})) 200
	[ -n "${KSOCKET_DEBUG_KERNEL:-}" ] || assert_eq "came" "$got" 200
}

refusals() {
	local range="allowed 4096 to 67108864"
	load_refused EINVAL "reply_proto=sctp: unknown, allowed udp or tcp" reply_proto=sctp
	load_refused EINVAL "reply_proto=udp: proto=tcp allows tcp only" proto=tcp reply_proto=udp
	load_refused EINVAL "framing=lines: unknown, allowed none, newline, length or octet-counting" framing=lines
	load_refused EINVAL "newline=keep: unknown, allowed drop, escape or space" newline=keep
	load_refused EINVAL "newline: has no effect here, it is for reply_proto tcp with framing newline" reply_proto=tcp newline=drop
	load_refused ERANGE "queue_bytes=4095: out of range, $range" queue_bytes=4095
	load_refused ERANGE "queue_bytes=67108865: out of range, $range" queue_bytes=67108865
	load_refused EINVAL "queue_bytes=1M: not a number, $range" queue_bytes=1M
	# The port of the service is another one by TCP.
	log_mark
	load listen_port=7000 reply_port=7000 reply_proto=tcp
	assert_eq "the log" "$(log_since)" \
		"ksocket: service param started: udp 127.0.0.1:7000, relay to 127.0.0.1:7000 by tcp, threads 1"
	unload
	# Where there is no receiver it means nothing.
	load_refused EINVAL "reply_proto: has no effect here, it is for proto udp, in modes that have a receiver" \
		listen_port=7000 mode=echo reply_proto=tcp
}

ksocket_run_tests \
	exact:"every byte, every boundary, in each framing, IPv4 and IPv6" \
	bursts:"bursts, each datagram counted" \
	lines:"newlines before the end: escaped, a space" \
	many_datagrams:"thousands of datagrams, in their order" \
	datapaths:"likewise on every datapath" \
	threads_apart:"each thread has a connection of its own" \
	mode_text:"mode text" \
	away:"a receiver that is away: the queue, what has no room, and the rest in order" \
	too_long:"what is longer than the queue" \
	slow:"a receiver that takes nothing holds its bound, and gets what was kept" \
	paused:"a receiver that takes nothing for longer than one may be silent" \
	reset:"connections that are reset: all is delivered" \
	cut_in_two:"one that is reset in the middle of a datagram" \
	black_hole:"a receiver that is silent for a while: all is delivered" \
	half_close:"one that has ended its side, and one that has gone" \
	talks_back:"what the receiver says" \
	beacons:"beacons by TCP" \
	back_off:"attempts: half to all of 200 ms, doubled each time" \
	own_port:"no connection to ourselves" \
	address_change:"an address that goes" \
	stopped:"stop with a full queue" \
	stopped_silent:"stop, and the end of a namespace, with a silent receiver" \
	stopped_busy:"stop in the middle of it" \
	refusals:"bad requests"
