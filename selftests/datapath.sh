#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# datapath.sh - copy, zerocopy and softirq do the same, in three ways: to
# netfilter, to routing policy, to taps, to checksums, to the MTU.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

DATAPATHS="copy zerocopy softirq"
COUNT=500
ON_OFF="on off"
GRO="on off"
# There, loading alone takes seconds.
if [ -n "${KSOCKET_DEBUG_KERNEL:-}" ] && [ -z "${KSOCKET_SOAK:-}" ]; then
	COUNT=50
	ON_OFF=off
	GRO=on
fi

# echo_b [PARAMETER=VALUE...]: a asks, b answers whatever its address
echo_b() {
	load_in b mode=echo listen_addr=:: listen_port=7000 "$@"
}

# ask_b [OPTION...]: a closed loop over both families, each answer compared
ask_b() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -c $COUNT -w 16 -a "$@" 192.0.2.2 7000
	in_ns a "$KSOCKET_TESTS/udp_flood" -c $COUNT -w 16 -a "$@" 2001:db8::2 7000
}

shown() {
	load mode=relay listen_port=7000 datapath=zerocopy gro=on
	assert_eq datapath "$(counter datapath)" zerocopy
	assert_eq gro "$(counter gro)" on
	unload
	# An answer that is composed takes the buffer in any case.
	load mode=text listen_port=7000 gro=off
	assert_eq datapath "$(counter datapath)" copy
	assert_eq gro "$(counter gro)" off
	unload
}

# Who answers: the thread is woken, or not.
_wakes() {
	ns_pair a b
	echo_b "datapath=$1"
	ask_b
	assert_tx $((2 * COUNT)) b
	assert_eq fallbacks "$(counter fallbacks b)" 0
	if [ "$1" = softirq ]; then
		assert_eq wakeups "$(counter wakeups b)" 0
	else
		assert_ge wakeups "$(counter wakeups b)" 1
	fi
	unload_in b
}

wakes_copy() { _wakes copy; }
wakes_zerocopy() { _wakes zerocopy; }
wakes_softirq() { _wakes softirq; }

# What does not fit the MTU goes the long way, is answered like all else, and
# is counted.
fallback() {
	local path expect
	ns_pair a b
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		ask_b -s 5000
		assert_tx $((2 * COUNT)) b
		expect=$((2 * COUNT))
		[ "$path" != copy ] || expect=0
		assert_eq "fallbacks, $path" "$(counter fallbacks b)" $expect
		unload_in b
	done
}

# The long way is no overtaking lane: large and small ones stay in order. So that
# the loopback device keeps it, wherever they are sent, one processor receives.
in_order() {
	local path pid i
	ns_add a
	ns_ip a link set lo mtu 1500
	in_ns_sys a sh -c 'echo 1 >/sys/class/net/lo/queues/rx-0/rps_cpus'
	for path in $DATAPATHS; do
		rm -f "$TMP/got"
		receiver "$TMP/got" 7001 4 a
		pid=$!
		load_in a mode=relay listen_port=7000 reply_addr=127.0.0.1 \
			reply_port=7001 "datapath=$path"
		# One right after the other, so that they meet in the queue. Without a
		# newline, printf makes one write of it.
		in_ns a bash -c 'exec 3>/dev/udp/127.0.0.1/7000
			for i in {0000..0059}; do
				printf -v data[10#$i] "%*s" $((10#$i % 3 ? 1 : 600)) ""
				data[10#$i]=${data[10#$i]// /"$i "}
			done
			for i in {0..59}; do printf %s "${data[i]}" >&3; done'
		wait_for 20 counter_is tx_packets 60 a
		wait_for 20 sizes_are $((40 * 5 + 20 * 3000))
		tr ' ' '\n' <"$TMP/got" | uniq >"$TMP/order"
		seq -f %04g 0 59 | diff - "$TMP/order" || fail "$path: another order"
		balanced a
		rmmod ksocket
		kill "$pid"
		wait "$pid" || true
	done
}

sizes_are() {
	[ "$(stat -c %s "$TMP/got")" = "$1" ]
}

ip_options() {
	local path
	for path in $DATAPATHS; do
		load mode=echo listen_port=7000 "datapath=$path"
		assert_eq "$path: with IP options" \
			"$(ask UDP4:127.0.0.1:7000,ip-options=x01010100 hello)" hello
		assert_eq "$path: without a checksum" \
			"$(ask UDP4:127.0.0.1:7000,setsockopt-int=1:11:1 hello)" hello
		unload
	done
}

# Who offloads checksums leaves them to the other side, who does not makes them:
# a wrong one is lost, for no device vouches for what it has received.
checksums() {
	local path tx rx sizes="0 1 64 1471 3000"
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || sizes="64 3000"
	ns_pair a b
	needs ethtool ethtool --version
	in_ns a ethtool -K veth0 rx off >/dev/null
	in_ns b ethtool -K veth0 rx off >/dev/null
	for path in $DATAPATHS; do
		for tx in $ON_OFF; do
			in_ns b ethtool -K veth0 tx "$tx" >/dev/null
			for rx in $ON_OFF; do
				in_ns a ethtool -K veth0 tx "$rx" >/dev/null
				echo_b "datapath=$path"
				for size in $sizes; do
					ask_b -c 20 -s "$size" >/dev/null
				done
				unload_in b
			done
		done
	done
}

# captured FILE EXPRESSION: so many packets
captured() {
	tcpdump -nr "$1" "$2" 2>/dev/null | grep -c . || true
}

# held FILE: requests that socat has read, by destination port and length
held() {
	grep -c ' 1b 58 00 6c ' "$1" || true
}

held_are() {
	[ "$(held "$1")" = "$2" ]
}

# A tap holds on to packets: tcpdump to copies, socat to the packets themselves,
# which it reads later. What they have seen stays as it was, and the answers are
# as they should be, checksums too.
taps() {
	local path pid
	ns_pair a b
	needs ethtool ethtool --version
	in_ns a ethtool -K veth0 tx off >/dev/null
	in_ns b ethtool -K veth0 tx off >/dev/null
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		spawn b tcpdump -U -B 8192 -s 0 -i veth0 -w "$TMP/$path" udp 2>"$TMP/said"
		pid=$!
		# Few enough for the largest buffer that anybody may have.
		spawn b socat -u -x INTERFACE:veth0,rcvbuf=4000000 /dev/null 2>"$TMP/held"
		pid="$pid $!"
		wait_for 20 grep -q 'listening on' "$TMP/said"
		wait_for 20 in_ns b sh -c '[ "$(wc -l </proc/net/packet)" = 3 ]'
		ask_b -c 40 -s 100
		wait_for 20 captured_are "$TMP/$path" 'src port 7000' 80
		wait_for 20 held_are "$TMP/held" 80
		# shellcheck disable=SC2086 # process numbers
		kill $pid
		# shellcheck disable=SC2086
		wait $pid || true
		assert_eq "$path: requests" "$(captured "$TMP/$path" 'dst port 7000')" 80
		assert_eq "$path: bad checksums" \
			"$(tcpdump -nvvr "$TMP/$path" 2>/dev/null | grep -c 'bad .*cksum' || true)" 0
		unload_in b
	done
}

captured_are() {
	[ "$(captured "$1" "$2")" = "$3" ]
}

# A firewall that tracks connections knows the answers as such; one that forbids
# them is told apart.
firewall() {
	local path
	needs_nft "ct state new"
	ns_pair a b
	for path in $DATAPATHS; do
		in_ns b nft -f - <<-'END'
			table inet fw {
				chain in {
					type filter hook input priority 0;
					ct state new,established accept
				}
				chain out {
					type filter hook output priority 0; policy drop;
					meta l4proto ipv6-icmp accept
					udp sport 7000 ct state established ct direction reply accept
				}
			}
		END
		echo_b "datapath=$path"
		ask_b
		assert_tx $((2 * COUNT)) b
		in_ns b nft flush chain inet fw out
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 10 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is drop_send_denied 10 b
		in_ns b nft delete table inet fw
		assert_eq "$path: and again" "$(ask UDP4:192.0.2.2:7000 hello a)" hello
		unload_in b
	done
}

# What the routing says now counts, not what it said when the sender was new.
routing() {
	local path
	ns_pair a b
	needs "rules by port" ip rule add ipproto udp sport 7000 table 7
	ns_ip b route add unreachable default table 7
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		ask_b >/dev/null
		ns_ip b rule add ipproto udp sport 7000 table 7
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 5 -b 192.0.2.1,7100 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is drop_send_unreachable 5 b
		ns_ip b rule del ipproto udp sport 7000 table 7
		ask_b >/dev/null
		# A policy about the address that was asked.
		ns_ip b rule add from 192.0.2.2 table 7
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 5 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is drop_send_unreachable 10 b
		ns_ip b rule del from 192.0.2.2 table 7
		ask_b >/dev/null
		assert_eq "other drops" "$(service b |
			awk '/^drop_/ && $1 != "drop_send_unreachable" { sum += $2 } END { print sum }')" 0
		unload_in b
	done
}

# tag_requests: those of a have DSCP 4 and may be told of congestion; what comes to
# a of that is counted. untag_requests: they have neither
tag_requests() {
	needs_nft "ip dscp set 4" "filter hook output priority mangle"
	in_ns a nft -f - <<-'END'
		table inet tag {
			counter classes { }
			counter congested { }
			chain out {
				type filter hook output priority mangle;
				udp dport 7000 ip dscp set 4
				udp dport 7000 ip ecn set ect0
				udp dport 7000 ip6 dscp set 4
				udp dport 7000 ip6 ecn set ect0
			}
			chain in {
				type filter hook input priority mangle;
				udp sport 7000 ip dscp 4 counter name classes
				udp dport 7001 ip dscp 4 counter name classes
				udp sport 7000 ip6 dscp 4 counter name classes
				udp dport 7001 ip6 dscp 4 counter name classes
				udp sport 7000 ip ecn != not-ect counter name congested
				udp dport 7001 ip ecn != not-ect counter name congested
				udp sport 7000 ip6 ecn != not-ect counter name congested
				udp dport 7001 ip6 ecn != not-ect counter name congested
			}
		}
	END
}

untag_requests() {
	in_ns a nft flush chain inet tag out
}

# tagged WHAT COUNT: so many came to a with a DSCP, and none with ECN
tagged() {
	assert_eq "$1: with a DSCP" "$(in_ns a nft list counter inet tag classes |
		sed -n 's/.*packets \([0-9]*\).*/\1/p')" "$2"
	assert_eq "$1: with ECN" "$(in_ns a nft list counter inet tag congested |
		sed -n 's/.*packets \([0-9]*\).*/\1/p')" 0
	in_ns a nft delete table inet tag
}

# _from_one OPTION...: 20 of one sender over each family
_from_one() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a -b 192.0.2.1,7100 "$@" 192.0.2.2 7000 >/dev/null
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a -b 2001:db8::1,7100 "$@" 2001:db8::2 7000 >/dev/null
}

# A sender's datagrams differ in their DSCP, and so do the answers; ECN is for the
# way of the request alone. Those of 3000 bytes go through a socket.
dscp() {
	local path size
	ns_pair a b
	while read -r path size; do
		echo_b "datapath=$path"
		tag_requests
		_from_one -s "$size"
		untag_requests
		_from_one -s "$size"
		tagged "$path, $size bytes" 40
		unload_in b
	done <<-END
		copy 100
		softirq 100
		softirq 3000
	END
	echo_b dscp=zero
	tag_requests
	_from_one
	tagged dscp=zero 0
	unload_in b
}

# What is relayed has none, unless that is asked for.
dscp_relayed() {
	local path dscp size count
	ns_pair a b
	while read -r path dscp size count; do
		load_in b listen_addr=:: listen_port=7000 reply_addr=192.0.2.1 \
			reply_port=7001 "datapath=$path" "dscp=$dscp"
		tag_requests
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a -o 7001 -s "$size" \
			192.0.2.2 7000 >/dev/null
		tagged "$path, $dscp, $size bytes" "$count"
		unload_in b
	done <<-END
		softirq zero 100 0
		copy inherit 100 20
		softirq inherit 100 20
		softirq inherit 3000 20
	END
}

# A policy about the traffic class counts for the answer, and only where it has it.
dscp_routing() {
	local path
	ns_pair a b
	ns_ip b route add unreachable default table 7
	ns_ip b -6 route add unreachable default table 7
	ns_ip b rule add to 192.0.2.1 tos 0x10 table 7
	ns_ip b -6 rule add to 2001:db8::1 tos 0x10 table 7
	for path in copy softirq; do
		echo_b "datapath=$path"
		_from_one
		tag_requests
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 5 -b 192.0.2.1,7100 192.0.2.2 7000 >/dev/null
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 5 -b 2001:db8::1,7100 2001:db8::2 7000 >/dev/null
		wait_for 20 counter_is drop_send_unreachable 10 b
		tagged "$path" 0
		_from_one
		unload_in b
		load_in b listen_addr=:: listen_port=7000 reply_addr=192.0.2.1 \
			reply_port=7001 "datapath=$path" dscp=inherit
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a -o 7001 192.0.2.2 7000 >/dev/null
		tag_requests
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 5 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is drop_send_unreachable 5 b
		tagged "$path, relay" 0
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a -o 7001 192.0.2.2 7000 >/dev/null
		unload_in b
	done
}

# _large FROM TO: 20 echoes that fit an MTU of 1500 and not one of 1300
_large() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 -w 1 -a -s 1400 -b "$1,7100" "$2" 7000 >/dev/null
}

# A route's MTU counts as it is now, not as it was when the sender was new.
path_mtu() {
	local path
	ns_pair a b
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		# The same sender before and after: its route is remembered.
		_large 192.0.2.1 192.0.2.2
		ns_ip b route change 192.0.2.0/24 dev veth0 src 192.0.2.2 mtu 1300
		_large 192.0.2.1 192.0.2.2
		ns_ip b route change 192.0.2.0/24 dev veth0 src 192.0.2.2
		_large 2001:db8::1 2001:db8::2
		ns_ip b -6 route change 2001:db8::/64 dev veth0 proto kernel metric 256 mtu 1300
		_large 2001:db8::1 2001:db8::2
		ns_ip b -6 route change 2001:db8::/64 dev veth0 proto kernel metric 256
		case $path in
		copy) assert_eq fallbacks "$(counter fallbacks b)" 0 ;;
		*) assert_eq "fallbacks, $path" "$(counter fallbacks b)" 40 ;;
		esac
		unload_in b
	done
}

# Bursts go through whole where gro=on, and as single ones where it is off.
bursts() {
	local path gro
	ns_pair a b
	for path in $DATAPATHS; do
		for gro in $GRO; do
			echo_b "datapath=$path" "gro=$gro"
			ask_b -g 8 -w 64 -s 1000
			# The last one of a burst may be shorter than a GSO packet.
			ask_b -g 7 -w 64 -s 100 -c 50
			assert_tx $((2 * COUNT + 100)) b
			unload_in b
			load_in b listen_addr=0.0.0.0 listen_port=7000 reply_addr=192.0.2.1 \
				reply_port=7001 "datapath=$path" "gro=$gro"
			in_ns a "$KSOCKET_TESTS/udp_flood" -c $COUNT -g 8 -w 64 -a -o 7001 \
				192.0.2.2 7000
			assert_tx $COUNT b
			unload_in b
		done
	done
}

# In a burst each datagram is judged and counted by itself.
bursts_counted() {
	local path
	ns_pair a b
	for path in $DATAPATHS; do
		echo_b "datapath=$path" gro=on buffer_size=99
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 80 -g 8 -s 100 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is drop_truncated 80 b
		unload_in b
		load_in b mode=discard listen_addr=:: listen_port=7000 "datapath=$path" gro=on
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 80 -g 8 -s 100 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is discarded 80 b
		assert_eq bytes "$(counter rx_bytes b)" 8000
		unload_in b
		load_in b mode=text "text=ha" listen_addr=:: listen_port=7000 \
			reply_addr=192.0.2.1 reply_port=7001 gro=on
		in_ns a "$KSOCKET_TESTS/udp_flood" -c 80 -g 8 -s 100 192.0.2.2 7000 >/dev/null
		wait_for 20 counter_is tx_packets 80 b
		assert_eq bytes "$(counter tx_bytes b)" 160
		unload_in b
	done
}

# _skbs MODE DATAPATH SIZE: allocations for socket buffers while 200 datagrams come
_skbs() {
	local event patience=(-a)
	[ "$1" = echo ] || patience=(-T 10)
	load_in b "mode=$1" listen_addr=:: listen_port=7000 "datapath=$2"
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 50 -w 1 "${patience[@]}" -s "$3" 192.0.2.2 7000 >/dev/null
	echo >"$TRACE_INSTANCE/trace"
	for event in kmem_cache_alloc kmalloc kmem_cache_alloc_node kmalloc_node; do
		[ ! -d "$TRACING/events/kmem/$event" ] ||
			echo 1 >"$TRACE_INSTANCE/events/kmem/$event/enable"
	done
	in_ns a "$KSOCKET_TESTS/udp_flood" -c 200 -w 1 "${patience[@]}" -s "$3" 192.0.2.2 7000 >/dev/null
	echo 0 >"$TRACE_INSTANCE/events/kmem/enable"
	grep -cE 'call_site=[a-z_]*(skb|kmalloc_reserve)' "$TRACE_INSTANCE/trace" || true
	unload_in b
}

# As many as where nothing is answered: those are the sender's own. What goes
# through a socket takes more.
allocations() {
	local path n base
	[ -d "$TRACING/events/kmem/kmem_cache_alloc" ] || skip "no kmem events"
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || skip "a debug kernel changes what is allocated"
	trace_make
	ns_pair a b
	base=$(_skbs discard zerocopy 64)
	assert_ge "for requests alone" "$base" 100
	for path in $DATAPATHS; do
		n=$(_skbs echo "$path" 64)
		echo "$path: $n allocations for 200 echoes, $base without an answer"
		assert_le "$path" "$n" $((base + 20))
	done
	base=$(_skbs discard zerocopy 5000)
	n=$(_skbs echo softirq 5000)
	echo "over the MTU: $n allocations for 200 echoes, $base without an answer"
	assert_ge "over the MTU" "$n" $((base + 200))
}

# The callback goes and comes while two processors are in it.
attach_detach() {
	local i n=4 path pid
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || n=2
	[ -z "${KSOCKET_SOAK:-}" ] || n=300
	ns_pair a b
	spawn a "$KSOCKET_TESTS/udp_flood" -p 16 192.0.2.2 7000 >/dev/null 2>&1
	pid=$!
	spawn a "$KSOCKET_TESTS/udp_flood" -p 16 2001:db8::2 7000 >/dev/null 2>&1
	pid="$pid $!"
	for ((i = 0; i < n; i++)); do
		for path in $DATAPATHS; do
			echo_b "datapath=$path" "gro=$( ((i % 2)) && echo on || echo off)" \
				threads=$((i / 2 % 2 + 1))
			wait_for 20 busy
			rmmod ksocket
		done
	done
	# shellcheck disable=SC2086 # process numbers
	kill $pid
	wait
	nothing_left 7000 b
}

# All processors bring datagrams at the same time, and each one counts. KCSAN looks
# at few accesses only and needs longer.
all_cpus() {
	local cpu address path seconds=1
	[ -z "${KSOCKET_KCSAN:-}" ] || seconds=20
	ns_pair a b
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		for ((cpu = 0; cpu < $(nproc); cpu++)); do
			address=192.0.2.2
			((cpu % 2)) || address=2001:db8::2
			spawn a "$KSOCKET_TESTS/udp_flood" -t $seconds -p 16 $address 7000
		done
		wait
		assert_ge received "$(counter rx_packets b)" 100
		unload_in b
	done
}

# What a socket sends has no device that it has come by: neither may an answer, for
# a rule to look at or a reject to answer to.
no_device() {
	local path gro
	ns_pair a b
	for path in $DATAPATHS; do
		for gro in on off; do
			in_ns b nft -f - <<-EOF
				table inet t {
					counter c { }
					chain p { type filter hook postrouting priority 0
						udp sport 7000 iifname "veth0" counter name c
					}
				}
			EOF
			echo_b "datapath=$path" "gro=$gro"
			ask_b
			assert_eq "$path, gro=$gro: with a device" "$(in_ns b nft list counter inet t c |
				sed -n 's/.*packets \([0-9]*\).*/\1/p')" 0
			in_ns b nft add chain inet t o '{ type filter hook output priority 0; }'
			in_ns b nft add rule inet t o udp sport 7000 reject
			in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 192.0.2.2 7000
			in_ns a "$KSOCKET_TESTS/udp_flood" -c 20 2001:db8::2 7000
			wait_for 20 counter_is rx_packets $((2 * COUNT + 40)) b
			wait_for 20 _are_denied
			in_ns b nft delete table inet t
			unload_in b
		done
	done
}

_are_denied() {
	[ $(($(counter drop_send_denied b) + $(counter tx_packets b))) = $((2 * COUNT + 40)) ]
}

# _tc_programs: at ingress of b, give each packet all that a program can; at egress
# drop a packet that has any of it. The programs are four and twelve instructions
# of BPF, as no filter of tc's looks at all of these.
_tc_programs() {
	grep -qw bpf /proc/filesystems || skip "no BPF programs"
	needs "tc clsact" tc qdisc add dev lo clsact
	mkdir -p "$TMP/bpf"
	mount -t bpf bpf "$TMP/bpf"
	python3 - "$TMP/bpf" <<-'END'
		import ctypes, os, struct, sys
		NR = {"x86_64": 321, "i686": 357, "aarch64": 280, "armv7l": 386, "ppc64le": 361,
		      "s390x": 351}[os.uname().machine]
		libc = ctypes.CDLL(None, use_errno=True)
		LITTLE = sys.byteorder == "little"

		def insn(op, dst=0, src=0, off=0, imm=0):
		    regs = dst | src << 4 if LITTLE else dst << 4 | src
		    return struct.pack("=BBhi", op, regs, off, imm)

		def bpf(cmd, attr):
		    attr = attr.ljust(120, b"\0")
		    fd = libc.syscall(NR, cmd, attr, len(attr))
		    if fd < 0:
		        sys.exit(os.strerror(ctypes.get_errno()))
		    return fd

		def load(name, code):
		    code = ctypes.create_string_buffer(code, len(code))
		    gpl = ctypes.create_string_buffer(b"GPL")
		    path = ctypes.create_string_buffer(os.fsencode(sys.argv[1] + "/" + name))
		    fd = bpf(5, struct.pack("=IIQQ", 3, len(code) // 8, ctypes.addressof(code),
		                            ctypes.addressof(gpl)))
		    bpf(6, struct.pack("=QI", ctypes.addressof(path), fd))

		# Members of struct __sk_buff, all u32 but the last: mark, queue_mapping,
		# vlan_present, priority, ingress_ifindex, tc_index, hash, napi_id, tstamp
		kept = [8, 12, 20, 32, 36, 44, 68, 84]
		mark = b"".join(insn(0xb7, 2, imm=value) + insn(0x63, 1, 2, off)
		                for off, value in ((8, 7), (12, 1), (32, 0x10007), (72, 5)))
		load("in", mark + insn(0xb7, 0) + insn(0x95))
		look = insn(0x79, 0, 1, 152)
		for off in kept:
		    look += insn(0x61, 2, 1, off) + insn(0x4f, 0, 2)
		load("out", look + insn(0x15, 0, off=1) + insn(0xb7, 0, imm=2) + insn(0x95))
	END
	in_ns b tc qdisc add dev veth0 clsact
	in_ns b tc filter add dev veth0 ingress bpf da object-pinned "$TMP/bpf/in"
	in_ns b tc filter add dev veth0 egress bpf da object-pinned "$TMP/bpf/out"
	umount "$TMP/bpf"
}

# What the way in has left on a request is not on its answer: an answer that has any
# of it is lost.
metadata() {
	local path gro mac
	ns_pair a b
	# What the stack labels it has hashed.
	in_ns b sysctl -qw net.ipv6.auto_flowlabels=0
	# The kernel gives what it asks for neighbours a priority.
	mac=$(in_ns_sys a cat /sys/class/net/veth0/address)
	ns_ip a neigh replace 192.0.2.2 lladdr "$MAC_B" nud permanent dev veth0
	ns_ip b neigh replace 192.0.2.1 lladdr "$mac" nud permanent dev veth0
	_tc_programs
	for path in copy softirq; do
		for gro in $GRO; do
			echo_b "datapath=$path" "gro=$gro"
			ask_b -c 100 -s 100
			ask_b -c 96 -s 100 -g 8 -w 64
			unload_in b
		done
	done
}

# _neighbour_lost: b knows that nobody has this address
_neighbour_lost() {
	[[ $(ns_ip b neigh show to 192.0.2.1) == *@(FAILED|INCOMPLETE)* ]]
}

# A sender may say of its own neighbour that it is there (MSG_CONFIRM). Of b's
# neighbour it says nothing.
confirmed() {
	local path mac pid
	ns_pair a b
	mac=$(in_ns_sys a cat /sys/class/net/veth0/address)
	ns_ip a neigh replace 192.0.2.2 lladdr "$MAC_B" nud permanent dev veth0
	in_ns a sysctl -qw net.ipv4.conf.veth0.arp_ignore=8
	in_ns b sysctl -qw net.ipv4.neigh.veth0.base_reachable_time_ms=500 \
		net.ipv4.neigh.veth0.delay_first_probe_time=1 \
		net.ipv4.neigh.veth0.ucast_solicit=1 \
		net.ipv4.neigh.veth0.mcast_solicit=1
	for path in copy softirq; do
		echo_b "datapath=$path"
		ns_ip b neigh replace 192.0.2.1 lladdr "$mac" nud reachable dev veth0
		spawn a python3 -c "
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(('192.0.2.2', 7000))
while True:
    sock.send(b'x', 0x800)
    time.sleep(0.02)"
		pid=$!
		wait_for 60 counter_at_least tx_packets 5 b
		wait_for 60 _neighbour_lost
		kill "$pid"
		wait "$pid" || true
		unload_in b
	done
}

# It would be told to our socket, where nobody listens, and fill its buffer.
timestamps() {
	local path
	ns_pair a b
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		# SO_TIMESTAMPING: TX_SOFTWARE, TX_SCHED, OPT_ID, OPT_TSONLY
		in_ns a python3 -c "
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, 37, 1 << 1 | 1 << 8 | 1 << 7 | 1 << 11)
sock.connect(('192.0.2.2', 7000))
sock.settimeout(20)
for i in range(50):
    sock.send(b'x' * 1000)
    assert sock.recv(2000) == b'x' * 1000"
		assert_eq "$path: in the receive buffer" "$(in_ns b ss -Hlunm "sport = :7000" |
			sed -n 's/.*skmem:(r\([0-9]*\),.*/\1/p')" 0
		ask_b
		unload_in b
	done
}

# Both links have such a network; only one has the sender.
link_local() {
	local path
	ns_pair a b
	ns_ip b link add other type veth peer name rehto
	ns_ip b link set other up
	ns_ip b link set rehto up
	ns_ip b addr add fe80::b:1/64 dev other nodad
	ns_ip b addr add fe80::b/64 dev veth0 nodad
	ns_ip b -6 route replace fe80::/64 dev other metric 1
	ns_ip a addr add fe80::a/64 dev veth0 nodad
	wait_for 20 no_tentative
	for path in $DATAPATHS; do
		echo_b "datapath=$path"
		assert_eq "$path" "$(ask 'UDP6:[2001:db8::2]:7000,bind=[fe80::a%veth0]' hello a)" hello
		unload_in b
	done
}

busy() {
	[ "$(counter tx_packets b)" -gt 20 ]
}

ksocket_run_tests \
	shown:"/proc/net/ksocket says which one it is" \
	wakes_copy:"copy: the thread answers" \
	wakes_zerocopy:"zerocopy: the thread answers" \
	wakes_softirq:"softirq: no thread is woken" \
	fallback:"over the MTU: copied, and counted as that" \
	in_order:"large and small ones stay in their order" \
	ip_options:"IP options; no checksum" \
	checksums:"checksums with and without offloads" \
	taps:"tcpdump sees what was there, and correct checksums" \
	firewall:"connection tracking, and an output rule" \
	routing:"policy rules that come and go" \
	dscp:"the DSCP of a request is that of its answer" \
	dscp_relayed:"the DSCP of what is relayed" \
	dscp_routing:"policy rules by traffic class" \
	path_mtu:"an MTU that changes" \
	no_device:"an answer has come by no device" \
	metadata:"what a program notes on a request is not on its answer" \
	confirmed:"a request that confirms a neighbour confirms none of ours" \
	timestamps:"what the sender wants to be told of his packet is his" \
	link_local:"a link-local sender is answered on his link" \
	bursts:"bursts, gro=on and gro=off" \
	bursts_counted:"in a burst each one counts" \
	allocations:"an answer takes no memory of its own" \
	all_cpus:"all processors bring datagrams at once" \
	attach_detach:"attached and detached under a flood"
