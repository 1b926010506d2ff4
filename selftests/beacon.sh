#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# beacon.sh - mode beacon: what is sent, when, and for how long. Mode beacon-sink:
# what has become of it on the way.
#
# KSOCKET_SOAK=1: 10,000 beacons.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

INTERVAL=10
COUNT=200
[ -z "${KSOCKET_SOAK:-}" ] || COUNT=10000
# There a beacon takes longer to send than the shortest interval.
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || INTERVAL=100 COUNT=$((COUNT / 4))
# So long, in ms, a beacon is kept from its processor; at least so many are missed,
# and so many that are close to each other are not of that.
AWAY=600 MISSED=40 CLOSE=3
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || AWAY=4000 MISSED=13 CLOSE=8
# How exact they are, in percent and ms, where nobody disturbs them.
EXACT="1 2" UNLOAD_US=100000
[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || EXACT="5 20" UNLOAD_US=5000000
# Where all is slower, it has to do as well with as many fewer of them in a second.
if [ "$KSOCKET_SLOW" -gt 1 ]; then
	INTERVAL=$((INTERVAL * KSOCKET_SLOW)) AWAY=$((AWAY * KSOCKET_SLOW))
	EXACT="5 $((${EXACT#* } * KSOCKET_SLOW))" UNLOAD_US=$((UNLOAD_US * KSOCKET_SLOW))
fi

# What takes long is not worth a moment of waiting.
HOUR=3600000

beacon_default() {
	receiver "$TMP/got" 9000
	load mode=beacon reply_port=9000 interval=$HOUR
	wait_for 20 test -s "$TMP/got"
	grep -qxE "seq=0 wall=[0-9]{19} mono=[0-9]+ host=$(uname -n)" "$TMP/got" ||
		fail "$(cat "$TMP/got")"
	assert_eq "listen" "$(counter listen)" -
	assert_eq "reply" "$(counter reply)" 127.0.0.1:9000
	assert_eq "interval" "$(counter interval)" $HOUR
	assert_tx 1
	assert_eq "rx_packets" "$(counter rx_packets)" 1
	assert_eq "tx_bytes" "$(counter tx_bytes)" "$(stat -c %s "$TMP/got")"
	assert_eq "sockets" "$(ss -Hun 'dport = :9000' | wc -l)" 1
	assert_eq "thread" "$(ps -o comm= "$(thread_pids)")" ksocket/9000.0
	unload
	nothing_left 2325
}

# Who shares the processor makes it late as well: of three times one has to be right.
beacon_steady() {
	local try
	for try in 1 2 3; do
		rm -f "$TMP/got"
		listener "$TMP/got" $COUNT
		load mode=beacon reply_port=9000 interval=$INTERVAL
		wait "$listener"
		unload
		# shellcheck disable=SC2086 # two numbers
		if python3 "$KSOCKET_TESTS/beacon.py" steady $INTERVAL $EXACT <"$TMP/got"; then
			return
		fi
	done
	fail "wrong $try times"
}

# Who keeps the thread from its processor makes it late. It skips what it has
# missed, says so, and goes on where it would be.
beacon_late() {
	local sent
	listener "$TMP/got" 1000000
	load mode=beacon reply_port=9000 interval=$INTERVAL
	wait_for 20 lines_at_least "$TMP/got" 5
	taskset -pc 0 "$(thread_pids)" >/dev/null
	# shellcheck disable=SC2016 # the other shell expands it
	taskset -c 0 chrt -f 50 bash -c 'end=$(($(date +%s%3N) + $1))
		until [ $(date +%s%3N) -ge $end ]; do for i in {1..2000}; do :; done; done' - $AWAY
	wait_for 20 counter_at_least beacons_missed $MISSED
	wait_for 20 lines_at_least "$TMP/got" "$(($(wc -l <"$TMP/got") + 10))"
	rmmod ksocket
	listened
	sent=$(payloads "$TMP/got" | wc -l)
	payloads "$TMP/got" | sed 's/ .*//' | diff - <(seq -f seq=%.0f 0 $((sent - 1))) ||
		fail "sequence numbers were skipped"
	# Not two of them at the same time, unless the late one comes next to the
	# one after it.
	payloads "$TMP/got" | sed 's/.*mono=\([0-9]*\).*/\1/' |
		awk -v ms=$INTERVAL -v most=$CLOSE 'NR > 1 && $1 - last < ms * 250000 { n++ } { last = $1 }
			END { print n + 0, "close together"; exit n > most }' || fail "a burst"
}

# sends TEMPLATE PATTERN: a beacon made of that looks like that
sends() {
	rm -f "$TMP/got"
	receiver "$TMP/got" 9000
	load mode=beacon reply_port=9000 interval=$HOUR "text=\"$1\""
	assert_tx 1
	wait_for 20 _all_is_there "$TMP/got"
	grep -qzxE "$2" "$TMP/got" || fail "'$1' became '$(cat "$TMP/got")'"
	unload
	kill $!
	wait
}

# _all_is_there FILE: in it are as many bytes as were sent
_all_is_there() {
	counter_is tx_bytes "$(stat -c %s "$1")"
}

beacon_words() {
	local host long
	host=$(uname -n)
	sends "{seq}{seq}" 00
	sends "{host}" "$host"
	sends "{wall}" '[0-9]{19}'
	sends "no word" "no word"
	# Other braces are themselves.
	sends '{}{ {seq} }{seq}' '\{\}\{ 0 \}0'
	sends '{{seq}}{' '\{0\}\{'
	# The longest template, and what becomes of it.
	long=$(printf '{wall}%.0s' {1..170})
	sends "$long" '[0-9]{3230}'
}

# The host is the one of those who have asked for it.
beacon_host() {
	needs_ksocketctl
	load listen_port=0
	listener "$TMP/got" 2
	# shellcheck disable=SC2016 # the other shell expands it
	unshare --uts sh -c 'echo box >/proc/sys/kernel/hostname && exec "$@"' - "$KSOCKET_TESTS/ksocketctl" \
		add there beacon 127.0.0.1:9000 interval $HOUR text "{host}"
	wait_for 20 lines_at_least "$TMP/got" 1
	"$KSOCKET_TESTS/ksocketctl" add here beacon 127.0.0.1:9000 interval $HOUR text "{host}"
	wait "$listener"
	assert_eq "hosts" "$(payloads "$TMP/got" | paste -sd ' ')" "box $(uname -n)"
	rmmod ksocket
}

beacon_empty() {
	listener "$TMP/got" 1
	load mode=beacon reply_port=9000 interval=$HOUR text=
	wait "$listener"
	assert_eq "payload" "$(payloads "$TMP/got")" ""
	assert_tx 1
	assert_eq "tx_bytes" "$(counter tx_bytes)" 0
	unload
}

# refused ERRNO LINE PARAMETER...
refused() {
	load_refused "$1" "$2" mode=beacon "${@:3}"
}

beacon_refused() {
	local allowed="unknown, allowed {seq}, {wall}, {mono} and {host}" word
	for word in '{foo}' '{SEQ}' '{seq2}' '{se-q}' '{0}'; do
		refused EINVAL "text: $word: $allowed" "text=$word"
		refused EINVAL "text: $word: $allowed" "text={seq}{$word{host}"
	done
	refused EINVAL "text: {$(printf '%031d' 0): $allowed" "text={$(printf '%01000d' 1)}"
	for word in -1 9 3600001 99999999999; do
		refused ERANGE "interval=$word: out of range, allowed 10 to 3600000" "interval=$word"
	done
	refused EINVAL "interval=1s: not a number, allowed 10 to 3600000" interval=1s
	refused EINVAL "mode=beacon: for datagrams only, proto=tcp allows relay, echo or discard" \
		proto=tcp
	refused EINVAL "threads: has no effect here, it is for modes that have requests, not beacon" \
		threads=2
	refused ENETUNREACH "cannot reach reply address 192.0.2.77:23: errno 101" \
		reply_addr=192.0.2.77
	# Other modes look at none of it.
	load mode=text listen_port=7000 'text={foo}'
	unload
}

# The listen side is not there, and must not be given.
beacon_no_listener() {
	local given
	for given in listen_port=0 listen_port=9000 listen_addr=192.0.2.77; do
		load_refused EINVAL "listen_addr, listen_port: has no effect here, it is for modes that have requests, not beacon" \
			mode=beacon "$given"
	done
	log_mark
	load mode=beacon "interval=$HOUR"
	assert_eq "services" "$(counter service)" param
	assert_eq "listen sockets" "$(ss -Huan state unconnected)" ""
	unload
	assert_eq "the log" "$(log_since)" "ksocket: service param started: udp -, beacon to\
 127.0.0.1:23, threads 1
ksocket: service param stopped"
}

# Longer than its buffer it is not sent, and counted.
beacon_too_long() {
	load mode=beacon reply_port=9000 interval=$HOUR buffer_size=9 text=0123456789
	wait_for 20 counter_is drop_send_too_long 1
	assert_eq "rx_packets" "$(counter rx_packets)" 1
	assert_eq "rx_bytes" "$(counter rx_bytes)" 10
	assert_tx 0
	unload
	receiver "$TMP/got" 9000
	load mode=beacon reply_port=9000 interval=$HOUR buffer_size=10 text=0123456789
	wait_for 20 file_is "$TMP/got" 0123456789
	unload
}

beacon_ipv6() {
	[ -d /proc/sys/net/ipv6 ] || skip "no IPv6"
	listener "$TMP/got" 5 - ::1
	load mode=beacon reply_addr=::1 reply_port=9000 interval=$INTERVAL "text={seq}"
	wait "$listener"
	assert_eq "payloads" "$(payloads "$TMP/got" | paste -sd ' ')" "0 1 2 3 4"
	assert_eq "reply" "$(counter reply)" "[::1]:9000"
	unload
}

# Nobody there: it is sent all the same and at the same pace, and the first one
# after the receiver has come arrives.
beacon_dead_receiver() {
	local sent
	log_mark
	load mode=beacon reply_port=9000 interval=100 "text={seq}"
	wait_for 30 counter_at_least tx_packets 10
	assert_ge "stale_errors" "$(counter stale_errors)" 5
	listener "$TMP/got" 3
	sent=$(counter tx_packets)
	wait "$listener"
	assert_le "the first that arrived" "$(payloads "$TMP/got" | sed -n 1p)" $((sent + 2))
	assert_eq "drops" "$(counter drop_send_refused)" 0
	assert_eq "the log" "$(log_since | grep -v ' started: ')" ""
	unload
}

# unload_times PARAMETER...: microseconds of five of them, the least first
unload_times() {
	for _ in 1 2 3 4 5; do
		load "$@"
		"$KSOCKET_TESTS/unload_time"
	done | sort -n | paste -sd ' '
}

# In the middle of an hour it takes what no service takes, or a moment.
beacon_unload() {
	local empty took limit=$UNLOAD_US
	empty=$(unload_times listen_port=0)
	took=$(unload_times mode=beacon reply_port=9000 interval=$HOUR)
	echo "microseconds: no service $empty; a beacon $took"
	[ $((${empty%% *} * 2)) -le $limit ] || limit=$((${empty%% *} * 2))
	assert_le "microseconds to unload" "${took%% *}" $limit
	# And while it is sent all the time.
	for _ in 1 2 3 4 5; do
		load mode=beacon reply_port=9000 interval=10
		sleep "0.0$((RANDOM % 10))"
		unload
	done
	nothing_left 2325
}

beacon_netns_exit() {
	local ms
	ns_add peer
	for ms in $HOUR 10; do
		peer_add gone
		load_in gone mode=beacon reply_addr=192.0.2.2 reply_port=9000 interval="$ms"
		wait_for 20 counter_at_least tx_packets 1 gone
		ns_del gone
		wait_for 60 peer_gone gone
		wait_for 10 _no_threads
		rmmod ksocket
	done
}

# arrives FILE FROM: one more from that address
arrives() {
	[ "$(tail -n 1 "$1" | cut -d ' ' -f 2)" = "$2" ]
}

# The address it is sent from goes, and another comes; then the device goes down.
_address_changes() {
	local from=$1 to=$2 bits=$3 receiver=$4
	load_in a mode=beacon "reply_addr=$receiver" reply_port=9000 interval=50 "text={seq}"
	wait_for 20 arrives "$TMP/got" "$from"
	ns_ip a addr add "$to/$bits" dev veth0 ${5:+nodad}
	ns_ip a addr del "$from/$bits" dev veth0
	wait_for 20 arrives "$TMP/got" "$to"
	ns_ip a link set veth0 down
	wait_for 20 counter_is_not drop_send_unreachable 0 a
	ns_ip a link set veth0 up
	ns_ip a addr replace "$to/$bits" dev veth0 ${5:+nodad}
	lines=$(wc -l <"$TMP/got")
	wait_for 30 lines_at_least "$TMP/got" $((lines + 3))
	unload_in a
	listened
}

beacon_address_ipv4() {
	ns_pair a b
	# With its only address a device loses its routes, and with them the other.
	in_ns a sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries'
	listener "$TMP/got" 100000 b
	_address_changes 192.0.2.1 192.0.2.7 24 192.0.2.2
}

beacon_address_ipv6() {
	[ -d /proc/sys/net/ipv6 ] || skip "no IPv6"
	ns_pair a b
	listener "$TMP/got" 100000 b ::
	_address_changes 2001:db8::1 2001:db8::7 64 2001:db8::2 nodad
}

# ss -K breaks the connection; it is made again, from the same port.
beacon_socket_killed() {
	local port lines
	ns_pair a b
	listener "$TMP/got" 100000 b
	load_in a mode=beacon reply_addr=192.0.2.2 reply_port=9000 interval=50 "text={seq}"
	wait_for 20 lines_at_least "$TMP/got" 2
	port=$(sed -n 1p "$TMP/got" | cut -d ' ' -f 3)
	in_ns a ss -K -u 'dport = :9000' >/dev/null
	lines=$(wc -l <"$TMP/got")
	wait_for 20 lines_at_least "$TMP/got" $((lines + 3))
	unload_in a
	listened
	assert_eq "ports" "$(cut -d ' ' -f 3 "$TMP/got" | sort -u)" "$port"
}

# device= is where it goes out.
beacon_device() {
	ns_pair a b
	listener "$TMP/got" 1 b
	load_in a mode=beacon reply_addr=192.0.2.2 reply_port=9000 interval=$HOUR device=veth0
	assert_eq "bound to" "$(in_ns a ss -Hun 'dport = :9000' | awk '{ print $3 }' |
		sed 's/.*%\(.*\):.*/\1/')" veth0
	wait "$listener"
	unload_in a
}

# counts: of a sink: received, lost, late, duplicate, restarted, malformed, evicted
counts() {
	service "${1:--}" | sed -n 's/^beacon_[a-z]* //p' | paste -sd ' '
}

counts_are() {
	[ "$(counts)" = "$1" ]
}

# sender NUMBER: a socket of its own; say NUMBER PAYLOAD: one datagram from there.
# What goes through the loopback device stays in order on one processor.
sender() {
	taskset -pc 0 $BASHPID >/dev/null
	eval "exec $((10 + $1))<>/dev/udp/127.0.0.1/7000"
}

say() {
	# shellcheck disable=SC2059 # with what it escapes
	printf "$2" >&$((10 + $1))
}

# counted "COUNTS" SEQUENCE...: what a new sink counts when it is sent that
counted() {
	local seq
	load mode=beacon-sink listen_port=7000
	sender 1
	for seq in "${@:2}"; do
		say 1 "seq=$seq"
	done
	wait_for 20 counter_is discarded $(($# - 1))
	assert_eq "counts of ${*:2}" "$(counts)" "$1"
	unload
}

sink_sequences() {
	local max=18446744073709551615
	counted "3 0 0 0 0 0 0" 5 6 7
	counted "2 2 0 0 0 0 0" 5 8
	counted "2 2 1 0 0 0 0" 5 8 6
	counted "2 2 2 1 0 0 0" 5 8 7 6 7
	counted "1 0 0 2 0 0 0" 5 5 5
	# The first one that comes need not be the first one that was sent.
	counted "1 2 1 0 0 0 0" 5 3
	counted "1 2 2 2 0 0 0" 5 3 4 4 3
	# As far back as 63.
	counted "1 63 1 0 0 0 0" 100 37
	counted "2 0 0 0 1 0 0" 100 36
	counted "2 62 0 1 0 0 0" 0 63 0
	counted "3 63 0 0 1 0 0" 0 64 0
	counted "3 126 1 0 0 0 0" 0 64 128 65
	counted "3 0 0 0 1 0 0" 1000 0 1
	# Far ahead.
	counted "2 4294967294 0 0 0 0 0" 0 4294967295
	counted "2 0 0 0 1 0 0" 0 4294967296
	counted "3 0 0 1 2 0 0" 0 $max $max 0
}

# understood COUNT PAYLOAD...: so many of them have a sequence number
understood() {
	local payload
	load mode=beacon-sink listen_port=7000
	sender 1
	for payload in "${@:2}"; do
		say 1 "$payload"
	done
	wait_for 20 counter_is discarded $(($# - 1))
	assert_eq "malformed" "$(counter beacon_malformed)" $(($# - 1 - $1))
	assert_eq "received" "$(($(counter beacon_received) + $(counter beacon_late)))" "$1"
	unload
}

sink_payloads() {
	local pad
	understood 0 s seq seq= seq=x seq=-1 'seq= 1' SEQ=1 'seq\0=1' 'seq=x seq=1' \
		seq=18446744073709551616 seq=99999999999999999999999 '{"seq":1}'
	understood 6 seq=1 'x seq=2' 'seq=0003x' '\0\0seq=4' 'subseq=5' 'seq=6 seq=x'
	# All of the number, and what ends it, is within 256 bytes.
	pad=$(printf '%0251d' 0)
	understood 4 "${pad}seq=1" "${pad#0}seq=2 tail" "${pad#0}seq=33" "${pad#0000}seq=4 "
	understood 0 "${pad}0seq=4" "${pad}seq=55" "${pad}seq=6 tail" "${pad}00000seq=7"
}

# Huge ones, and those that are no beacons at all, do no harm.
sink_sizes() {
	load mode=beacon-sink listen_port=7000
	flood -c 100 -s 65507 127.0.0.1 7000 >/dev/null
	flood -c 100 -s 0 127.0.0.1 7000 >/dev/null
	wait_for 30 counter_is discarded $((200 - $(counter rx_overflow)))
	assert_eq "counts" "$(counts)" "0 0 0 0 0 $(counter discarded) 0"
	{
		printf 'seq=1'
		head -c 65502 /dev/zero
	} | socat -u -b 65507 - UDP4:127.0.0.1:7000
	wait_for 20 counter_is beacon_received 1
	unload
	load mode=beacon-sink listen_port=7000 buffer_size=5
	sender 1
	say 1 seq=1
	say 1 seq=22
	wait_for 20 counter_is drop_truncated 1
	assert_eq "rx_packets" "$(counter rx_packets)" 2
	assert_eq "counts" "$(counts)" "1 0 0 0 0 0 0"
	unload
}

# Each has its own numbers, and 64 of them are known.
sink_senders() {
	local i
	load mode=beacon-sink listen_port=7000
	for i in {1..64}; do
		sender "$i"
		say "$i" seq=$((i * 100))
	done
	wait_for 20 counts_are "64 0 0 0 0 0 0"
	for i in 1 64 2; do
		say "$i" seq=$((i * 100))
	done
	wait_for 20 counts_are "64 0 0 3 0 0 0"
	# The third is the one not heard of for longest.
	sender 65
	say 65 seq=1
	wait_for 20 counts_are "65 0 0 3 0 0 1"
	for i in 1 2 4 5 64 65; do
		say "$i" seq=$((i == 65 ? 1 : i * 100))
	done
	wait_for 20 counts_are "65 0 0 9 0 0 1"
	say 3 seq=300
	wait_for 20 counts_are "66 0 0 9 0 0 2"
	unload
}

# The same on every datapath, also where many come as one packet.
sink_datapaths() {
	local path gro
	for path in copy zerocopy softirq; do
		for gro in off on; do
			load mode=beacon-sink listen_port=7000 rcvbuf=4194304 "datapath=$path" \
				"gro=$gro"
			python3 "$KSOCKET_TESTS/beacon.py" burst 127.0.0.1 7000 330
			wait_for 20 counter_is discarded 330
			assert_eq "counts with $path, gro $gro" "$(counts)" "330 0 0 0 0 0 0"
			unload
		done
	done
	[ -d /proc/sys/net/ipv6 ] || return 0
	load mode=beacon-sink listen_addr=:: listen_port=7000 rcvbuf=4194304
	python3 "$KSOCKET_TESTS/beacon.py" burst ::1 7000 330
	python3 "$KSOCKET_TESTS/beacon.py" burst 127.0.0.1 7000 330
	wait_for 20 counts_are "660 0 0 0 0 0 0"
	unload
}

# ynl_in NAMESPACE ARGUMENT...: the kernel's own netlink client
ynl_in() {
	local spec=$KSOCKET_TESTS/Documentation/netlink/specs/ksocket.yaml
	[ -r "$spec" ] || spec=$KSOCKET_TESTS/../Documentation/netlink/specs/ksocket.yaml
	in_ns "$1" python3 "$YNL/cli.py" --spec "$spec" --no-schema "${@:2}" >/dev/null
}

# passed NAMESPACE: packets that its counter has seen
passed() {
	in_ns "$1" nft list counter inet ksocket_test n | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# passed_by NAMESPACE HOOK [RULE]: count beacons there, and do that to them
passed_by() {
	in_ns "$1" nft add table inet ksocket_test
	in_ns "$1" nft add counter inet ksocket_test n
	in_ns "$1" nft add chain inet ksocket_test c "{ type filter hook $2 priority 0; }"
	in_ns "$1" nft add rule inet ksocket_test c "udp dport 9000 ${3:-} counter name n ${4:-}"
}

# way_begin: a beacon in a, its sink in b, and a way without noise between them
way_begin() {
	YNL=$(find_ynl) || skip "no tools/net/ynl beside the kselftest in KSFT, or no python3-yaml"
	needs_nft accept
	needs netem tc qdisc add dev lo root netem delay 1ms
	ns_pair a b
	# Neither neighbours nor routers are looked for on the way.
	for ns in a b; do
		[ ! -d /proc/sys/net/ipv6 ] ||
			in_ns $ns sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
	done
	ns_ip a neigh replace 192.0.2.2 dev veth0 nud permanent \
		lladdr "$(ns_ip b -br link show dev veth0 | awk '{ print $3 }')"
	in_ns a tc qdisc add dev veth0 root netem delay 1ms
	passed_by a output
	load_in b mode=beacon-sink listen_addr=192.0.2.2 listen_port=9000
	ynl_in a --do service-new --json '{"name": "a", "mode": "beacon",
		"reply": {"ipv4": "192.0.2.2", "port": 9000}, "interval": '$INTERVAL'}'
	wait_for 20 counter_is_not beacon_received 0 b
}

_netem_is_empty() {
	in_ns a tc -s qdisc show dev veth0 | grep 'backlog 0b 0p' >/dev/null
}

# _way_is_empty SENT: each has come, or was missing when the next one came
_way_is_empty() {
	read -r received lost _ < <(counts b)
	[ $((received + lost)) = "$1" ]
}

# way_end: the last ones come without trouble, then the beacon stops. Sets sent,
# and received, lost, late, duplicate from the sink, when all is there.
way_end() {
	local more
	netem delay 1ms
	more=$(($(counter beacon_received b) + 5))
	wait_for 20 counter_at_least beacon_received $more b
	ynl_in a --do service-del --json '{"name": "a"}'
	sent=$(passed a)
	wait_for 20 _netem_is_empty
	sleep 0.2
	wait_for 20 _way_is_empty "$sent"
	read -r received lost late duplicate _ < <(counts b)
	echo "sent $sent, received $received, lost $lost, late $late, duplicate $duplicate"
	assert_eq "what the sink took" "$(counter discarded b)" $((received + late + duplicate))
	assert_eq "the rest" "$(counts b | cut -d ' ' -f 5-)" "0 0 0"
	unload_in b
}

# netem OPTION...: on the way from the beacon. It is there from the beginning to
# the end: when it comes or goes the device drops what is sent meanwhile.
netem() {
	in_ns a tc qdisc change dev veth0 root netem "$@"
}

# way_dropped NUMBER: so many did not arrive. The processors of b have a queue each,
# and one may overtake another there: that one is lost when the next comes, and late
# then.
way_dropped() {
	assert_eq "received and late" $((received + late)) $((sent - $1))
	assert_eq "lost" "$lost" $(($1 + late))
}

way_loss() {
	way_begin
	passed_by b prerouting "numgen inc mod 5 == 0" drop
	wait_for 60 counter_at_least beacon_lost 20 b
	in_ns b nft flush chain inet ksocket_test c
	way_end
	way_dropped "$(passed b)"
	assert_eq "duplicate" "$duplicate" 0
}

way_netem_loss() {
	way_begin
	netem loss 20%
	wait_for 60 counter_at_least beacon_lost 20 b
	way_end
	way_dropped "$(in_ns a tc -s qdisc show dev veth0 |
		sed -n 's/.*dropped \([0-9]*\),.*/\1/p' | head -n 1)"
}

way_duplicate() {
	way_begin
	netem duplicate 30%
	wait_for 60 counter_at_least beacon_duplicate 20 b
	way_end
	# A slow machine's netem may let one overtake another all the same.
	assert_eq "lost" "$lost" "$late"
}

way_reorder() {
	way_begin
	netem delay $((INTERVAL * 5 / 2))ms reorder 30%
	wait_for 60 counter_at_least beacon_late 20 b
	way_end
	# None is missing in the end.
	assert_eq "lost" "$lost" "$late"
	assert_eq "received and late" $((received + late)) "$sent"
	assert_eq "duplicate" "$duplicate" 0
}

way_everything() {
	way_begin
	netem delay $((INTERVAL * 5 / 2))ms reorder 30% duplicate 20% loss 10%
	for what in lost late duplicate; do
		wait_for 60 counter_at_least beacon_$what 10 b
	done
	way_end
}

ksocket_run_tests \
	beacon_default:"the default is what is documented" \
	beacon_steady:"$COUNT beacons, one in $INTERVAL ms, no drift" \
	beacon_late:"a late one skips what it has missed" \
	beacon_words:"the words of the template" \
	beacon_host:"the name of the host, in a UTS namespace" \
	beacon_empty:"an empty template makes empty datagrams" \
	beacon_refused:"unknown words, intervals, threads" \
	beacon_no_listener:"there is no listen side" \
	beacon_too_long:"one that is longer than the buffer" \
	beacon_ipv6:"IPv6" \
	beacon_dead_receiver:"a dead receiver, and its return" \
	beacon_unload:"unload in the middle of an hour" \
	beacon_netns_exit:"its namespace ends" \
	beacon_address_ipv4:"IPv4: the address changes, the device goes" \
	beacon_address_ipv6:"IPv6: the address changes, the device goes" \
	beacon_socket_killed:"ss -K does not stop it" \
	beacon_device:"the device it goes out by" \
	sink_sequences:"sink: sequences of every kind" \
	sink_payloads:"sink: where a sequence number is found" \
	sink_sizes:"sink: huge, empty and strange datagrams" \
	sink_senders:"sink: 64 senders, the longest silent one makes room" \
	sink_datapaths:"sink: every datapath, bursts, IPv6" \
	way_loss:"on the way: every fifth is lost, and counted" \
	way_netem_loss:"on the way: netem loses some" \
	way_duplicate:"on the way: some come twice" \
	way_reorder:"on the way: some are overtaken" \
	way_everything:"on the way: all of it at once"
