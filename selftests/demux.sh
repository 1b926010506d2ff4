#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demux.sh - a sender that is known is not looked up again, and whatever the
# network says about it still counts from the moment it says so.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=400
ADDRESS4=192.0.2.2
ADDRESS6=2001:db8::2

# udp_from4 PORT COUNT [OPTION...], udp_from6: a asks from the same port
udp_from4() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -b "192.0.2.1,$1" -c "$2" "${@:3}" $ADDRESS4 7000
}

udp_from6() {
	in_ns a "$KSOCKET_TESTS/udp_flood" -b "2001:db8::1,$1" -c "$2" "${@:3}" $ADDRESS6 7000
}

# known MODE: after this, port 7100 of a is known
known() {
	ns_pair a b
	load_in b "mode=$1" listen_addr=:: listen_port=7000
	_meet -a
}

_meet() {
	udp_from4 7100 $COUNT -w 16 "$@" >/dev/null
	udp_from6 7100 $COUNT -w 16 "$@" >/dev/null
}

# _lookups 4|6 EVENT: looks at the routing tables while COUNT datagrams come
_lookups() {
	echo >"$TRACE_INSTANCE/trace"
	echo 1 >"$TRACE_INSTANCE/events/$2/enable"
	"udp_from$1" 7100 $COUNT -w 16 -a >/dev/null
	echo 0 >"$TRACE_INSTANCE/events/$2/enable"
	events "${2##*/}:"
}

# The sender itself looks as often in both cases.
fewer_lookups() {
	local family event without with
	trace_make
	known echo
	for family in 4 6; do
		event=fib/fib_table_lookup
		[ $family = 4 ] || event=fib6/fib6_table_lookup
		[ -d "$TRACING/events/$event" ] || skip "no event $event"
		with=$(_lookups $family $event)
		in_ns b sysctl -qw net.ipv4.udp_early_demux=0
		without=$(_lookups $family $event)
		in_ns b sysctl -qw net.ipv4.udp_early_demux=1
		echo "IPv$family: $with look-ups for $COUNT datagrams, $without with udp_early_demux=0"
		# A route that changes meanwhile is found out, and the next sample
		# is at most 61 datagrams away.
		assert_ge "without" "$without" $((with + COUNT * 9 / 10 - 61))
	done
	unload_in b
}

# nobody_asked COMMAND...: what of 20 datagrams from there comes through to us
# is none; others are still answered
nobody_asked() {
	local before
	before=$(counter rx_packets b)
	"$@" 20 -T 1 >/dev/null
	assert_eq "another port" "$(ask UDP4:$ADDRESS4:7000 hello a)" hello
	assert_eq "another port" "$(ask "UDP6:[$ADDRESS6]:7000" hello a)" hello
	assert_eq received "$(counter rx_packets b)" $((before + 2))
}

# The rules come before the table of local addresses.
_rules_first() {
	local family
	for family in -4 -6; do
		ns_ip b $family rule add pref 10 lookup local
		ns_ip b $family rule del pref 0
	done
}

policy() {
	needs "rules by port" ip rule add ipproto udp sport 7100 prohibit
	known echo
	_rules_first
	_meet -a
	ns_ip b rule add pref 5 from 192.0.2.1 ipproto udp sport 7100 prohibit
	ns_ip b -6 rule add pref 5 from 2001:db8::1 ipproto udp sport 7100 prohibit
	nobody_asked udp_from4 7100
	nobody_asked udp_from6 7100
	ns_ip b rule del pref 5
	ns_ip b -6 rule del pref 5
	_meet -a
	unload_in b
}

# A mark that a rule of the firewall gives, or another class, takes another way:
# for the routing nothing has changed.
_marked() {
	needs_nft accept
	known echo
	_rules_first
	# shellcheck disable=SC2086 # words
	ns_ip b rule add pref 5 $1 blackhole
	# shellcheck disable=SC2086 # words
	ns_ip b -6 rule add pref 5 $1 blackhole
	_meet -a
	in_ns b nft -f - <<-END
		table inet fw {
			chain pre {
				type filter hook prerouting priority mangle;
				ip saddr 192.0.2.1 udp sport 7100 $2
				ip6 saddr 2001:db8::1 udp sport 7100 $3
			}
		}
	END
	nobody_asked udp_from4 7100
	nobody_asked udp_from6 7100
	in_ns b nft delete table inet fw
	_meet -a
	unload_in b
}

marks() {
	_marked "fwmark 1" "meta mark set 1" "meta mark set 1"
}

classes() {
	_marked "tos 0x10" "ip dscp set 4" "ip6 dscp set 4"
}

input_rule() {
	needs_nft accept
	known echo
	in_ns b nft -f - <<-'END'
		table inet fw {
			chain in {
				type filter hook input priority 0;
				udp sport 7100 counter drop
			}
		}
	END
	nobody_asked udp_from4 7100
	nobody_asked udp_from6 7100
	in_ns b nft list table inet fw | grep 'counter packets 40 ' || fail "not 40 dropped"
	in_ns b nft delete table inet fw
	_meet -a
	unload_in b
}

# The port is translated before we see the packet, and the answer back.
translated() {
	needs_nft "udp dport 7009 redirect to :7000" "nat hook prerouting priority dstnat"
	ns_pair a b
	in_ns b nft -f - <<-'END'
		table inet fw {
			chain pre {
				type nat hook prerouting priority dstnat;
				udp dport 7009 redirect to :7000
			}
		}
	END
	load_in b mode=echo listen_addr=:: listen_port=7000
	_meet -a
	in_ns a "$KSOCKET_TESTS/udp_flood" -c $COUNT -w 16 -a $ADDRESS4 7009
	in_ns a "$KSOCKET_TESTS/udp_flood" -c $COUNT -w 16 -a $ADDRESS6 7009
	assert_tx $((4 * COUNT)) b
	unload_in b
}

# The stack stores the route of a known sender's packet in the listen socket and
# gives it to the next multicast packet: it is a multicast packet for all that.
groups() {
	ns_pair a b
	load_in b mode=echo listen_addr=0.0.0.0 listen_port=7000
	udp_from4 7100 $COUNT -w 16 -a >/dev/null
	for _ in 1 2 3; do
		tell UDP4-DATAGRAM:224.0.0.1:7000,ip-multicast-if=192.0.2.1 hello a
		udp_from4 7100 20 -w 16 -a >/dev/null
	done
	wait_for 20 counter_is drop_dst_multicast 3 b
	assert_eq "other drops" "$(service b |
		awk '/^drop_/ && $1 != "drop_dst_multicast" { sum += $2 } END { print sum }')" 0
	assert_tx $((COUNT + 60)) b
	unload_in b
}

# What is sent to an address that was ours goes nowhere, and comes when it is
# ours again.
address_gone() {
	local before
	known echo
	before=$(counter rx_packets b)
	ns_ip b addr add 192.0.2.3/32 dev veth0
	ns_ip b addr del 192.0.2.2/24 dev veth0
	ns_ip b route add 192.0.2.0/24 dev veth0
	ns_ip b addr del 2001:db8::2/64 dev veth0
	ns_ip b addr add 2001:db8::3/64 dev veth0 nodad
	# With no host there, nobody would send.
	ns_ip a neigh replace 192.0.2.2 lladdr "$MAC_B" dev veth0
	ns_ip a neigh replace 2001:db8::2 lladdr "$MAC_B" dev veth0
	udp_from4 7100 20 -T 1 >/dev/null
	udp_from6 7100 20 -T 1 >/dev/null
	assert_eq "another address" "$(ask UDP4:192.0.2.3:7000 hello a)" hello
	assert_eq "another address" "$(ask "UDP6:[2001:db8::3]:7000" hello a)" hello
	assert_eq received "$(counter rx_packets b)" $((before + 2))
	ns_ip b addr add 192.0.2.2/24 dev veth0
	ns_ip b addr add 2001:db8::2/64 dev veth0 nodad
	_meet -a
	unload_in b
}

# hold_queue: take the packets of NFQUEUE 0 in b, and never decide
hold_queue() {
	spawn b python3 -c "
import socket, struct, time
sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
def config(kind, value):
    attr = struct.pack('HH', 4 + len(value), kind) + value
    attr += bytes(-len(attr) % 4)
    # NFQNL_MSG_CONFIG, NLM_F_REQUEST
    sock.send(struct.pack('IHHIIBBH', 20 + len(attr), 3 << 8 | 2, 1, 0, 0, 0, 0, 0) + attr)
config(1, struct.pack('BBH', 1, 0, 0))  # NFQNL_CFG_CMD_BIND
config(2, struct.pack('>IB', 0, 1))     # NFQNL_COPY_META
time.sleep(1000)"
}

# held N: for wait_for, so many packets wait in a queue in b
held() {
	_read_in b /proc/net/netfilter/nfnetlink_queue || return
	# shellcheck disable=SC2086 # words
	set -- "$1" ${TEXT[0]:-}
	[ "${4:-}" = "$1" ]
}

# A hook that is unregistered takes along what waits in any queue.
queues() {
	needs_ksocketctl
	ns_pair a b
	needs_nft "udp dport 7777 queue num 0"
	modprobe -q nfnetlink_queue || [ -e /proc/net/netfilter/nfnetlink_queue ] ||
		skip "no nfnetlink_queue"
	in_ns b nft -f - <<-'END'
		table inet fw {
			chain in {
				type filter hook input priority 0;
				udp dport 7777 queue num 0
			}
		}
	END
	hold_queue
	wait_for 20 held 0
	load_in b listen_port=0
	tell UDP4:$ADDRESS4:7777 hello a
	wait_for 20 held 1
	in_ns b "$KSOCKET_TESTS/ksocketctl" add x listen '[::]:7000' echo
	_meet -a
	in_ns b "$KSOCKET_TESTS/ksocketctl" del x
	held 1 || fail "the packet in the queue is gone"
	rmmod ksocket
}

# Each thread's senders are its own, and the next service's its own.
next_service() {
	local threads
	ns_pair a b
	for threads in 1 2 1; do
		load_in b mode=echo listen_addr=:: listen_port=7000 threads=$threads
		_meet -a
		in_ns a "$KSOCKET_TESTS/udp_flood" -c $COUNT -w 16 -p 5 -a $ADDRESS4 7000 >/dev/null
		assert_tx $((3 * COUNT)) b
		unload_in b
		_meet -T 10
	done
	nothing_left 7000 b
}

ksocket_run_tests \
	fewer_lookups:"a sender that is known takes no look at the routing tables" \
	policy:"a policy rule that comes and goes" \
	marks:"a mark of the firewall is seen by a policy rule" \
	classes:"a traffic class that the firewall sets, likewise" \
	input_rule:"an input rule drops what it did not before" \
	translated:"a port that is translated" \
	groups:"a multicast packet after those of a known sender" \
	address_gone:"an address that comes and goes" \
	queues:"what waits in an NFQUEUE outlives a service" \
	next_service:"the senders of a service end with it"
