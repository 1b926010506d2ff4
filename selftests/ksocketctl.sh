#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksocketctl.sh - the command for people: what it asks for happens, what it shows
# is so, and what is wrong is said in one line.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

CTL=$KSOCKET_TESTS/ksocketctl
for TOOLS in "$KSOCKET_TESTS" "$KSOCKET_TESTS/../tools/ksocketctl"; do
	[ ! -r "$TOOLS/completion.bash" ] || break
done
for MANUALS in "$KSOCKET_TESTS/Documentation" "$KSOCKET_TESTS/../Documentation"; do
	[ ! -d "$MANUALS" ] || break
done

ctl() {
	"$CTL" "$@"
}

# begin: a module without services; every test is for nothing without the command
begin() {
	needs_ksocketctl
	load listen_port=0
}

# is_json EXPRESSION: what comes in is JSON, and the expression of it is true
is_json() {
	python3 -c 'import json, re, sys
got = json.load(sys.stdin)
assert eval("(" + sys.argv[1] + ")"), (sys.argv[1], got)' "$1"
}

# says STATUS TEXT WORD...: it ends with that status, and that text in one line,
# after which comes a hint where the words are at fault
says() {
	local status=$1 text=$2 said rc=0 lines=$'\n'
	shift 2
	said=$(ctl "$@" 2>&1) || rc=$?
	[ "$rc" = "$status" ] || fail "ksocketctl $*: status $rc, wanted $status: $said"
	[[ "$said" == "ksocketctl: "*"$text"* ]] || fail "ksocketctl $*: '$said', wanted '$text'"
	[ "$status" = 1 ] || lines=
	assert_eq "ends of lines in '$said'" "${said//[!$'\n']/}" "$lines"
	REFUSED=$((${REFUSED:-0} + 1))
}

# What list has of each kind, where nothing is given.
TAKES="proto udp threads 1 buffer 65535 rcvbuf 0"
TAKES_SO="datapath softirq gro off"
ECHO_REST="$TAKES sndbuf 0 min-source-port 1024 $TAKES_SO ttl inherit dscp inherit"
DISCARD_REST="$TAKES $TAKES_SO"
RELAY_REST="$TAKES sndbuf 0 $TAKES_SO ttl inherit dscp zero reply-proto udp"
UPLINK_REST="$TAKES sndbuf 0 $TAKES_SO"
BEACON_REST="proto udp buffer 65535 sndbuf 0"

add_del() {
	local words
	begin
	assert_eq "an empty list" "$(ctl list)" ""
	ctl add seven listen 127.0.0.1:7000 echo
	assert_eq list "$(ctl list)" "seven listen 127.0.0.1:7000 echo $ECHO_REST"
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	ctl replace seven listen 127.0.0.1:7000 discard threads 1
	assert_eq list "$(ctl list)" "seven listen 127.0.0.1:7000 discard $DISCARD_REST"
	ctl del seven
	assert_eq list "$(ctl list)" ""

	# What is shown is what "add" takes.
	ctl add all listen '[::1]:7000' text "it's a \$text" to '[::1]:7001' dev lo threads 1 \
		buffer 1500 rcvbuf 65536 sndbuf 131072 gro on ttl system dscp inherit
	words=$(ctl list)
	assert_eq list "$words" "all listen [::1]:7000 text 'it'\\''s a \$text' to [::1]:7001 dev lo proto udp threads 1 buffer 1500 rcvbuf 65536 sndbuf 131072 gro on ttl system dscp inherit reply-proto udp"
	ctl del all
	eval "ctl add ${words//[/\\[}"
	assert_eq "list, from the list" "$(ctl list)" "$words"
	ctl -json list | is_json "got[0]['text'] == \"it's a \$text\" and got[0]['gro'] is True
		and got[0]['listen'] == {'address': '::1', 'port': 7000}" || fail "no such JSON"
	ctl del all
	unload
	nothing_left 7000
}

# What somebody else has chosen is a word to a shell, and nothing to a terminal.
quoted() {
	local words text name
	begin
	ip link add 'd;id' type veth peer name p
	text=$'tab\t, line\n, it\'s \\ \xff \e[31m'
	ctl add a listen 127.0.0.1:7000 text "$text" to 127.0.0.1:7001
	ctl add b listen 127.0.0.1:7002 text $'it\'s \e \\ \xc2\x9b2J \xc3\xa9' to 127.0.0.1:7001
	ctl add c listen 127.0.0.1:7003 echo dev 'd;id'
	words=$(ctl list)
	refute grep -aqP '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$words"
	for name in a b c; do
		ctl del $name
	done
	eval "ctl add ${words//$'\n'/$'\n'ctl add }"
	assert_eq "list, from the list" "$(ctl list)" "$words"
	receiver "$TMP/got" 7001
	tell UDP4:127.0.0.1:7000 x
	wait_for 20 file_is "$TMP/got" "$text"
	# Names are chosen in containers as well.
	for name in ';' "\$(id)" 'a*' '<' "\\" "a'b" '' 'a b'; do
		says 2 "not a name, need 1 to 15 letters, digits or" add "$name" listen 127.0.0.1:7004 echo
	done
	unload
	ip link del 'd;id'
}

# as_in_proc SERVICE KEYS: its stats are what /proc/net/ksocket has of it: each
# counter that all services have, and those that match KEYS
as_in_proc() {
	awk -v name="$1" -v keys="^(rx|tx)_|^discarded|_errors$|^wakeups|^fallbacks|^user_sends|^reply_ignored|^accepted|^connected|$2" '
		$1 == "service" { it = $2 == name }
		it && $1 ~ keys { print "    " $1 " " $2 }' /proc/net/ksocket | sort >"$TMP/proc"
	ctl stats "$1" | sed '1d; /^    thread/,$d; /drop_/d' | sort >"$TMP/ctl"
	diff "$TMP/proc" "$TMP/ctl"
}

# at_least SERVICE COUNTER NUMBER
at_least() {
	[ "$(ctl stats "$1" | awk -v key="$2" '$1 == key { print $2; exit }')" -ge "$3" ]
}

HOUR=3600000
UPLINK="reply-proto tcp framing newline newline drop queue-bytes 4096 keepalive 70"

beacons() {
	local words
	begin
	ctl add sink listen 127.0.0.1:9000 beacon-sink
	ctl add lamp beacon 127.0.0.1:9000 interval 50 text "it's seq={seq}" dev lo
	words="lamp beacon 127.0.0.1:9000 interval 50 text 'it'\\''s seq={seq}' dev lo $BEACON_REST reply-proto udp"
	assert_eq list "$(ctl list)" "sink listen 127.0.0.1:9000 beacon-sink $DISCARD_REST
$words"
	ctl del lamp
	eval "ctl add $words"
	assert_eq "list, from the list" "$(ctl list | sed 1d)" "$words"
	wait_for 30 at_least sink beacon_received 5
	ctl replace lamp interval $HOUR text 'seq={seq}' beacon 127.0.0.1:9000
	wait_for 20 at_least lamp tx_packets 1
	assert_eq "show lamp" "$(ctl show lamp | sed 1d)" "    receiver not known to refuse
    beacons 1 made, 0 missed
    tx 1 packets 5 bytes, 0 dropped"
	# From the socket that beacons come from.
	ctl send lamp seq=3
	as_in_proc lamp ^beacons_
	ctl replace lamp beacon 127.0.0.1:9000
	assert_eq "the defaults" "$(ctl list | sed 1d)" "lamp beacon 127.0.0.1:9000 interval 2000 text 'seq={seq} wall={wall} mono={mono} host={host}' $BEACON_REST reply-proto udp"

	# Of each kind another number of them.
	ctl replace sink listen 127.0.0.1:9001 beacon-sink
	(
		# What goes through the loopback device stays in order on one processor.
		taskset -pc 0 $BASHPID >/dev/null
		exec 3<>/dev/udp/127.0.0.1/9001
		for n in 10 20 12 13 14 15 15 15 500 501 0 x x x; do
			printf 'seq=%s' $n >&3
		done
	)
	wait_for 20 at_least sink discarded 14
	as_in_proc sink ^beacon_
	ctl show sink >"$TMP/show"
	assert_eq "show sink" "$(sed 1d "$TMP/show")" "    rx 14 packets 82 bytes, 0 lost before
    beacons received 5 lost 488 late 4 duplicate 2 restarted 1 malformed 3 evicted 0
    tx 0 packets 0 bytes, 0 dropped"
	ctl -j show | is_json "[s['name'] for s in got] == ['lamp', 'sink'] and
		got[0]['mode'] == 'beacon' and got[0]['interval'] == 2000 and 'listen' not in got[0] and
		got[0]['reply'] == {'address': '127.0.0.1', 'port': 9000} and
		got[0]['text'].startswith('seq={seq} ') and got[0]['stats']['beacons_missed'] == 0 and
		got[1]['mode'] == 'beacon-sink' and got[1]['stats']['beacon_lost'] == 488 and
		got[1]['stats']['beacon_malformed'] == 3" || fail JSON
	ctl reset sink
	at_least sink beacon_lost 0
	refute at_least sink beacon_lost 1
	unload
}

# What already does what is asked goes on: nothing is lost, reset or told.
replace_same() {
	local words=(seven listen 127.0.0.1:7000 echo rcvbuf 8388608) i
	begin
	ctl add "${words[@]}"
	ctl add t listen 127.0.0.1:7000 echo proto tcp
	hold 7000 3
	spawn - "$CTL" monitor >"$TMP/events"
	# It listens once it has told of one that is another.
	until grep -q '^started n' "$TMP/events"; do
		ctl ensure n listen 127.0.0.1:7001 discard >/dev/null
		ctl del n
	done
	: >"$TMP/events"
	flood -c 2000 -w 1 127.0.0.1 7000 >"$TMP/flood" &
	for i in {1..15}; do
		assert_eq "replace $i" "$(ctl replace "${words[@]}")" unchanged
		assert_eq "ensure $i" "$(ctl ensure t listen 127.0.0.1:7000 echo proto tcp)" unchanged
	done
	wait $! || fail "lost: $(cat "$TMP/flood")"
	ctl -j replace "${words[@]}" | is_json "got['unchanged'] is True" || fail JSON
	ctl -j show | is_json "got[0]['stats']['rx_packets'] == 2000 and got[0]['stats']['tx_packets'] == 2000 and
		got[1]['connections'] == 3 and got[1]['stats']['accepted'] == 3" ||
		fail "counters: $(ctl show)"
	says 2 "service seven: a service of this name exists and is another" \
		ensure "${words[@]}" min-source-port 5
	assert_eq "a new one" "$(ctl ensure n listen 127.0.0.1:7001 discard)" ""
	wait_for 20 grep -q '^started n ' "$TMP/events"
	refute grep -E '^[a-z]+ (seven|t)( |$)' "$TMP/events"
	unload
}

# hold PORT COUNT: so many connections, over each a byte and its echo; $holder is
# the process
hold() {
	: >"$TMP/held"
	spawn - "$KSOCKET_TESTS/tcp_load" hold 127.0.0.1 "$1" -c "$2" -e >"$TMP/held"
	holder=$!
	wait_for 60 grep -x "holding $2" "$TMP/held"
}

# peers_of PORT: of the connections there, as the stack has them
peers_of() {
	ss -Htn "sport = :$1" | awk '{ print $5 }' | sort
}

TCP_REST="threads 1 rcvbuf 0 sndbuf 0 datapath zerocopy max-connections 5 backlog 6 idle-timeout 700 keepalive 80"

connections() {
	local words first
	begin
	ctl add t listen 127.0.0.1:7000 echo proto tcp max-connections 5 backlog 6 \
		idle-timeout 700 keepalive 80
	words="t listen 127.0.0.1:7000 echo proto tcp $TCP_REST"
	assert_eq list "$(ctl list)" "$words"
	ctl del t
	eval "ctl add $words"
	assert_eq "list, from the list" "$(ctl list)" "$words"
	ctl -j list | is_json "got[0]['proto'] == 'tcp' and got[0]['max_connections'] == 5 and
		got[0]['backlog'] == 6 and got[0]['idle_timeout'] == 700 and
		got[0]['keepalive'] == 80 and got[0]['connections'] == 0" || fail "JSON"
	ctl add u listen 127.0.0.1:7000 echo
	ctl add r listen 127.0.0.1:7001 relay 127.0.0.1:7000 proto tcp
	assert_eq "conns of nobody" "$(ctl conns)" ""
	assert_eq "conns of nobody in JSON" "$(ctl -j conns)" "[]"

	hold 7000 3
	first=$holder
	hold 7001 2
	wait_for 20 counter_is tx_bytes 5
	ctl conns t >"$TMP/conns"
	cat "$TMP/conns"
	assert_eq "connections of t" "$(grep -cE '^t thread 0 id [0-4] peer 127\.0\.0\.1:[0-9]+ state open age [0-9]+\.[0-9]{3} idle [0-9]+\.[0-9]{3} rx 1 tx 1$' "$TMP/conns")" 5
	assert_eq "their numbers" "$(awk '{ print $5 }' "$TMP/conns" | paste -sd ' ')" "0 1 2 3 4"
	awk '{ print $7 }' "$TMP/conns" | sort | diff - <(peers_of 7000) || fail "other peers"
	ctl conns r | awk '{ print $7 }' | sort | diff - <(peers_of 7001) || fail "other peers of r"
	assert_eq "connections of u" "$(ctl conns u)" ""
	assert_eq "connections of all" "$(ctl conns | cut -d' ' -f1 | uniq -c | paste -sd ' ' | tr -s ' ')" " 5 t 2 r"
	ctl -j conns | is_json "len(got) == 7 and [c['id'] for c in got] == [0, 1, 2, 3, 4, 0, 1] and
		all(c['state'] == 'open' and c['thread'] == 0 and c['rx_bytes'] == c['tx_bytes'] == 1 and
		c['peer']['address'] == '127.0.0.1' and c['idle'] <= c['age'] for c in got)" || fail "JSON"

	# One more is too many.
	refute "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 7000 -n 10
	wait_for 20 counter_is close_limit 1
	ctl show t >"$TMP/show"
	assert_eq show "$(sed 1d "$TMP/show")" "    connections 5 of 5, 6 accepted, 0 lost before
    ended 1 limit 1
    rx 5 bytes
    tx 5 bytes"
	assert_eq "show r" "$(ctl show r | sed 1d)" "    receiver not known to refuse
    connections 2 of 1024, 2 accepted, 0 lost before
    connected 2 to the receiver
    ended 0
    rx 4 bytes
    tx 4 bytes"

	kill "$first" "$holder"
	wait_for 20 counter_is close_done 5
	wait_for 20 counter_is connections 0
	ctl stats t >"$TMP/stats"
	for words in "connections 0" "accepted 6" "close_done 5" "close_limit 1" "rx_bytes 5" "rx_packets 0"; do
		grep -qx "    $words" "$TMP/stats" || fail "no '$words': $(cat "$TMP/stats")"
	done
	refute grep -q close_reset "$TMP/stats"
	ctl -j show t | is_json "got[0]['stats']['closes']['done'] == 5 and got[0]['connections'] == 0 and
		got[0]['thread_stats'][0]['closes']['limit'] == 1" || fail "JSON of the ends"
	ctl reset t
	ctl stats t >"$TMP/stats"
	refute grep -q close_ "$TMP/stats"
	grep -qx '    accepted 0' "$TMP/stats" || fail "not from 0: $(cat "$TMP/stats")"
	ctl replace t listen 127.0.0.1:7000 discard proto tcp
	ctl list >"$TMP/list"
	grep -q '^t listen 127.0.0.1:7000 discard proto tcp .* max-connections 1024 backlog 128 idle-timeout 3600 keepalive 60$' "$TMP/list" ||
		fail "$(cat "$TMP/list")"
	unload
}

# up_to FILE: a receiver by TCP, and its connection is there
up_to() {
	spawn - socat -u TCP-LISTEN:7001,reuseaddr "OPEN:$1,creat,append"
	wait_for 60 counter_is connections 1
}

is_unreachable() {
	ctl show "$1" | grep -qx '    receiver unreachable'
}

uplinks() {
	local words receiver
	begin
	words="up listen 127.0.0.1:7000 relay 127.0.0.1:7001 $UPLINK_REST $UPLINK"
	# shellcheck disable=SC2086 # words
	ctl add up listen 127.0.0.1:7000 relay 127.0.0.1:7001 $UPLINK
	assert_eq list "$(ctl list)" "$words"
	ctl del up
	eval "ctl add $words"
	ctl add r listen 127.0.0.1:7002 relay 127.0.0.1:7001 reply-proto udp
	ctl add l beacon 127.0.0.1:7001 interval $HOUR text hi reply-proto tcp
	assert_eq list "$(ctl list)" "$words
r listen 127.0.0.1:7002 relay 127.0.0.1:7001 $RELAY_REST
l beacon 127.0.0.1:7001 interval $HOUR text 'hi' $BEACON_REST reply-proto tcp framing length queue-bytes 1048576 keepalive 60"
	ctl del l

	# Away: it waits in the queue, up to its bound; datagrams are those that came.
	ctl send up one 2>"$TMP/said" || [ $? = 2 ]
	tell UDP4:127.0.0.1:7000 two
	wait_for 20 at_least up queued 1
	wait_for 60 at_least up connect_failed 2
	wait_for 20 is_unreachable up
	ctl show up >"$TMP/show"
	assert_eq "show up" "$(sed '1d; s/[0-9]* attempts/N attempts/' "$TMP/show")" "    receiver unreachable
    rx 1 packets 3 bytes, 0 lost before
    tx 0 packets 0 bytes, 0 dropped
    connections 0 of 1, 0 came up, 0 broke, N attempts failed
    queued 1 packets, $(counter queued_bytes) bytes of 4096"
	ctl -j show | is_json "got[0]['reply_proto'] == 'tcp' and got[0]['framing'] == 'newline' and
		got[0]['queue_bytes'] == 4096 and got[0]['queued'] == 1 and
		got[0]['queued_bytes'] == $(counter queued_bytes) and got[0]['connections'] == 0 and
		got[0]['stats']['connect_failed'] > 1 and got[0]['stats']['disconnected'] == 0 and
		got[1]['reply_proto'] == 'udp' and 'queued' not in got[1]" || fail JSON
	head -c 1200 /dev/zero >"$TMP/zeros"
	for _ in 1 2 3 4; do
		socat -u "OPEN:$TMP/zeros" UDP4:127.0.0.1:7000
	done
	wait_for 20 counter_is drop_queue_away 1
	ctl stats up >"$TMP/stats"
	grep -qx '    drop_queue_away 1' "$TMP/stats" || fail "$(cat "$TMP/stats")"
	ctl del r
	ctl del up
	# shellcheck disable=SC2086 # words
	ctl add up listen 127.0.0.1:7000 relay 127.0.0.1:7001 $UPLINK

	# There: its connection.
	tell UDP4:127.0.0.1:7000 three
	up_to "$TMP/got"
	receiver=$!
	wait_for 20 file_is "$TMP/got" three
	wait_for 20 counter_is queued 0
	ctl conns >"$TMP/conns"
	grep -qxE 'up thread 0 id 0 peer 127\.0\.0\.1:7001 state open age [0-9.]+ idle [0-9.]+ rx 0 tx 6' "$TMP/conns" ||
		fail "conns: $(cat "$TMP/conns")"
	kill "$receiver"
	# Who has ended its side may still listen; what it is sent tells.
	tell UDP4:127.0.0.1:7000 four
	wait_for 20 at_least up disconnected 1
	up_to "$TMP/again"
	wait_for 20 file_is "$TMP/again" four
	wait_for 20 counter_is queued 0
	as_in_proc up '^connections$|^queued|^connect_failed|^disconnected'
	unload
}

link_local() {
	local address
	begin
	ip link add dummy0 type dummy
	ip -6 addr add fe80::7/64 dev dummy0 nodad
	ip link set dummy0 up
	address='[fe80::7%dummy0]:7000'
	ctl add a listen "$address" echo
	assert_eq list "$(ctl list)" "a listen $address echo $ECHO_REST"
	ctl del a
	ip link del dummy0
	unload
}

misunderstood() {
	begin
	ctl add seven listen 127.0.0.1:7000 echo
	says 1 "unknown command 'halt'" halt
	says 1 "the name of a service is missing" add
	says 1 "listen ADDRESS:PORT is missing" add x echo
	says 1 "one of relay, echo, discard, text, beacon-sink is missing" add x listen 127.0.0.1:1
	says 1 "the address to listen on is missing" add x listen
	says 1 "need an address and a port" add x listen localhost:7000 echo
	says 1 "need an address and a port" add x listen 127.0.0.1 echo
	says 1 "need an address and a port" add x listen 127.0.0.1: echo
	says 1 "need an address and a port" add x listen ::1:7000 echo
	says 1 "need an address and a port" add x listen '[::1]7000' echo
	says 1 "need an address and a port" add x listen '[::g]:7000' echo
	says 1 "need an address and a port" add x listen '[:1' echo
	says 1 "need an address and a port" add x listen '[' echo
	says 1 "need an address and a port" add x listen "$(printf '%0200d' 1):1" echo
	says 1 "need a number from 0 to 65535" add x listen 127.0.0.1:65536 echo
	says 1 "need a number from 0 to 65535" add x listen 127.0.0.1:-1 echo
	says 1 "no such network device here" add x listen '[fe80::1%nowhere]:7000' echo
	says 1 "no such network device here" add x listen 127.0.0.1:1 echo dev nowhere
	says 1 "a service has one mode" add x listen 127.0.0.1:1 echo discard
	says 1 "echo is there twice" add x listen 127.0.0.1:1 echo echo
	says 1 "threads is there twice" add x listen 127.0.0.1:1 echo threads 1 threads 1
	says 1 "unknown word 'loud'" add x listen 127.0.0.1:1 echo loud
	says 1 "need a number from 0 to 4294967295" add x listen 127.0.0.1:1 echo threads 1x
	says 1 "need a number from 0 to 4294967295" add x listen 127.0.0.1:1 echo rcvbuf ''
	says 1 "need copy, zerocopy or softirq" add x listen 127.0.0.1:1 echo datapath fast
	says 1 "need on or off" add x listen 127.0.0.1:1 echo gro yes
	says 1 "proto sctp: need udp or tcp" add x listen 127.0.0.1:1 echo proto sctp
	says 1 "proto is there twice" add x listen 127.0.0.1:1 echo proto tcp proto udp
	says 1 "need a number from 0 to 4294967295" add x listen 127.0.0.1:1 echo proto tcp keepalive -1
	says 1 "max-connections is missing" add x listen 127.0.0.1:1 echo proto tcp max-connections
	says 1 "to and the receiver are missing" add x listen 127.0.0.1:1 text hi 127.0.0.1:2
	says 1 "framing lines: need none, newline, length or octet-counting" add x listen 127.0.0.1:1 echo framing lines
	says 1 "reply-proto sctp: need udp or tcp" add x listen 127.0.0.1:1 echo reply-proto sctp
	says 1 "queue-bytes 1M: need a number from 0 to 4294967295" add x listen 127.0.0.1:1 echo queue-bytes 1M
	says 1 "framing is there twice" add x beacon 127.0.0.1:1 framing none framing none
	says 1 "reply-proto is missing" add x beacon 127.0.0.1:1 reply-proto
	says 1 "the receiver of relay is missing" add x listen 127.0.0.1:1 relay
	says 1 "the receiver of text is missing" add x listen 127.0.0.1:1 text hi to
	says 1 "to and the receiver are missing" add x listen 127.0.0.1:1 text hi echo
	says 1 "the receiver of beacon is missing" add x beacon
	says 1 "need an address and a port" add x beacon interval 100
	says 1 "the interval is missing" add x beacon 127.0.0.1:1 interval
	says 1 "interval 1s: need a number from 0 to 4294967295" add x beacon 127.0.0.1:1 interval 1s
	says 1 "interval is there twice" add x beacon 127.0.0.1:1 interval 10 interval 20
	says 1 "text is there twice" add x beacon 127.0.0.1:1 text a text b
	says 1 "echo: a service has one mode" add x beacon 127.0.0.1:1 echo
	says 1 "text: a service has one mode" add x beacon 127.0.0.1:1 text a to 127.0.0.1:2
	says 1 "unknown word '127.0.0.1:2'" add x beacon 127.0.0.1:1 text a 127.0.0.1:2
	says 1 "listen ADDRESS:PORT is missing" add x beacon-sink
	says 1 "unexpected word 'now'" del seven now
	says 1 "unexpected word 'now'" conns seven now
	says 1 "nothing to change" set seven
	says 1 "does not change while a service runs" set seven threads 2
	says 1 "does not change while a service runs" set seven max-connections 2
	says 1 "does not change while a service runs" set seven interval 100
	says 1 "does not change while a service runs" set seven queue-bytes 8192
	says 1 "need a number above 0" top interval 0
	says 1 "the name is too long" del "$(printf '%070000d' 0)"
	says 1 "the text is too long" add x listen 127.0.0.1:1 text "$(printf '%065546d' 0)" to 127.0.0.1:2
	says 1 "need always, auto or never" --color=sometimes list
	says 1 "a format of its own" -json stats --prometheus
	says 1 "unknown option '--prom'" stats --prom
	says 2 "service --prom: no service of this name here" stats -- --prom
	assert_eq list "$(ctl list)" "seven listen 127.0.0.1:7000 echo $ECHO_REST"
	echo "$REFUSED commands"
	unload
}

refused() {
	local setting
	begin
	ctl add seven listen 127.0.0.1:7000 echo
	says 2 "service seven: a service of this name exists" add seven listen 127.0.0.1:7001 echo
	says 2 "service a/b: not a name" add a/b listen 127.0.0.1:7001 echo
	says 2 "service nobody: no service of this name here" del nobody
	says 2 "service nobody: no service of this name here" show nobody
	says 2 "service nobody: no service of this name here" stats nobody
	says 2 "service nobody: no service of this name here" reset nobody
	says 2 "service nobody: no service of this name here" conns nobody
	says 2 "listen 127.0.0.1:7000: listen address in use, need a free port (Address already in use)" \
		add x listen 127.0.0.1:7000 echo
	says 2 "listen 127.0.0.1:0: " add x listen 127.0.0.1:0 echo
	says 2 "listen 224.0.0.1:7001: a multicast group" add x listen 224.0.0.1:7001 echo
	says 2 "listen 192.0.2.99:7001: not an address of this host" add x listen 192.0.2.99:7001 echo
	says 2 "needs a scope: ADDRESS%DEVICE" add x listen '[fe80::1]:7001' echo
	says 2 "needs a scope" add x listen '[::1%lo]:7001' echo
	says 2 "relay 127.0.0.1:7001: the receiver is the service itself" \
		add x listen 127.0.0.1:7001 relay 127.0.0.1:7001
	says 2 "relay 203.0.113.1:1: cannot reach the receiver (Network is unreachable)" \
		add x listen 127.0.0.1:7001 relay 203.0.113.1:1
	says 2 "threads 100000: more threads than processors" \
		add x listen 127.0.0.1:7001 echo threads 100000
	says 2 "rcvbuf 1: " add x listen 127.0.0.1:7001 echo rcvbuf 1
	says 2 "sndbuf 1: out of range, allowed 2048 to" set seven sndbuf 1
	says 2 "this service has no receiver" send seven hello
	for setting in "max-connections 0 1 65536" "max-connections 65537 1 65536" "backlog 0 1 65535" \
		"backlog 65536 1 65535" "idle-timeout 86401 0 86400" "keepalive 32768 0 32767"; do
		# shellcheck disable=SC2086 # words
		set -- $setting
		says 2 "$1 $2: out of range, allowed $3 to $4 (Numerical result out of range)" \
			add x listen 127.0.0.1:7001 echo proto tcp "$1" "$2"
	done
	says 2 "threads 0: out of range, allowed 1 and more (Numerical result out of range)" \
		add x listen 127.0.0.1:7001 echo threads 0
	says 2 "service a-name-of-21-letters1: too long, allowed 15 bytes (Invalid argument)" \
		add a-name-of-21-letters1 listen 127.0.0.1:7001 echo
	says 2 "mode text: this mode is for datagrams only, need proto udp (Invalid argument)" \
		add x listen 127.0.0.1:7001 text hi to 127.0.0.1:7002 proto tcp
	says 2 "relay 127.0.0.1:7001: the receiver is the service itself" \
		add x listen 127.0.0.1:7001 relay 127.0.0.1:7001 proto tcp
	for setting in 0 4095 67108865; do
		says 2 "queue-bytes $setting: out of range, allowed 4096 to 67108864 (Numerical result out of range)" \
			add x listen 127.0.0.1:7001 relay 127.0.0.1:7002 reply-proto tcp queue-bytes $setting
	done
	says 2 "reply-proto udp: a connection goes on by TCP only (Invalid argument)" \
		add x listen 127.0.0.1:7001 relay 127.0.0.1:7002 proto tcp reply-proto udp
	for setting in 0 9 3600001; do
		says 2 "interval $setting: out of range, allowed 10 to 3600000 (Numerical result out of range)" \
			add x beacon 127.0.0.1:9000 interval $setting
	done
	says 2 "text {n}{number}: unknown word in braces, allowed {seq}, {wall}, {mono} and {host} (Invalid argument)" \
		add x beacon 127.0.0.1:9000 text '{n}{number}'
	says 2 ": " add x beacon 127.0.0.1:9000 text "$(printf '%01025d' 0)"
	says 2 "threads 2: has no effect here, it is for modes that have requests, not beacon (Invalid argument)" \
		add x beacon 127.0.0.1:9000 threads 2
	says 2 "queue-bytes 4096: has no effect here, it is for proto udp with reply_proto tcp (Invalid argument)" \
		add x listen 127.0.0.1:7001 relay 127.0.0.1:7002 queue-bytes 4096
	ctl add d listen 127.0.0.1:7001 discard
	says 2 "min-source-port 5: has no effect here" set d min-source-port 5
	ctl del d
	says 2 "listen 127.0.0.1:7001: has no effect here, it is for modes that have requests, not beacon" \
		add x listen 127.0.0.1:7001 beacon 127.0.0.1:9000
	says 2 "beacon 203.0.113.1:9000: cannot reach the receiver (Network is unreachable)" \
		add x beacon 203.0.113.1:9000
	says 2 "mode beacon: this mode is for datagrams only, need proto udp (Invalid argument)" \
		add x beacon 127.0.0.1:9000 proto tcp
	says 2 "mode beacon-sink: this mode is for datagrams only" \
		add x listen 127.0.0.1:7001 beacon-sink proto tcp
	says 2 "out of range, allowed 2048 to" add x beacon 127.0.0.1:9000 sndbuf 1
	ctl add r listen 127.0.0.1:7001 relay 127.0.0.1:7002 proto tcp
	says 2 "each client of this service has a connection of its own to the receiver" send r hello
	says 2 "listen 127.0.0.1:7001: listen address in use, need a free port (Address already in use)" \
		add x listen 127.0.0.1:7001 echo proto tcp
	ctl del r
	assert_eq list "$(ctl list)" "seven listen 127.0.0.1:7000 echo $ECHO_REST"
	echo "$REFUSED refusals"
	unload
}

# Without the capability, without the module, without room for what is printed.
without() {
	local said rc=0
	begin
	said=$(setpriv --reuid 65534 --clear-groups "$CTL" list 2>&1) || rc=$?
	assert_eq "status: $said" $rc 2
	[[ "$said" == *CAP_NET_ADMIN* ]] || fail "unprivileged: $said"
	rc=0
	ctl help >/dev/full 2>"$TMP/said" || rc=$?
	assert_eq "status with a full disk" $rc 1
	grep -q "cannot write" "$TMP/said" || fail "a full disk: $(cat "$TMP/said")"
	unload
	says 2 "is not loaded, try modprobe ksocket listen_port=0" list
	# What is not understood asks for nothing.
	says 1 "unknown word 'loud'" add x listen 127.0.0.1:1 echo loud
}

counters_shown() {
	begin
	ctl add seven listen 127.0.0.1:7000 echo
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	tell UDP4:127.0.0.1:7000,sourceport=7 hello
	wait_for 20 counter_is drop_src_port_low 1
	wait_for 20 counter_is tx_packets 1
	ctl stats seven >"$TMP/stats"
	grep -qx '    rx_packets 2' "$TMP/stats" || fail "no rx_packets: $(cat "$TMP/stats")"
	grep -qx '    drop_src_port_low 1' "$TMP/stats" || fail "no drop: $(cat "$TMP/stats")"
	grep -qx '    thread 0' "$TMP/stats" || fail "no thread: $(cat "$TMP/stats")"
	as_in_proc seven '^$'
	ctl show seven >"$TMP/show"
	grep -qx '    tx 1 packets 5 bytes, 1 dropped' "$TMP/show" || fail "$(cat "$TMP/show")"
	ctl -j -p stats | is_json "got[0]['stats']['drops']['src_port_low'] == 1" || fail "JSON"
	ctl reset seven
	ctl -j show seven | is_json "got[0]['stats']['rx_packets'] == 0
		and len(got[0]['thread_stats']) == 1" || fail "JSON after the reset"
	ctl set seven min-source-port 0 rcvbuf 4096
	assert_eq list "$(ctl list)" "seven listen 127.0.0.1:7000 echo proto udp threads 1 buffer 65535 rcvbuf 4096 sndbuf 0 min-source-port 0 datapath softirq gro off ttl inherit dscp inherit"
	unload
}

# ended SERVICE COUNT: so many of its connections have, in order
ended() {
	ctl stats "$1" | grep -x "    close_done $2" >/dev/null
}

# metrics FILE...: each is in the text exposition format, version 0.0.4, as far as it
# concerns us. The last one has to be rejected with a fault planted in it.
metrics() {
	cat >"$TMP/metrics.py" <<-'PYTHON'
	import re, sys
	label = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
	sample = re.compile(r'([a-z_]+)(\{%s(?:,%s)*\})? [0-9]+\n' % (label, label))

	def check(lines):
	    typed, told, seen, last = {}, set(), set(), None
	    for line in lines:
	        if line.startswith("# HELP "):
	            last = line.split()[2]
	            assert last not in told, "HELP twice: " + line
	            assert len(line.split()) > 3, "HELP of nothing: " + line
	            told.add(last)
	        elif line.startswith("# TYPE "):
	            _, _, metric, kind = line.split()
	            assert metric == last and metric not in typed, "TYPE: " + line
	            assert kind in ("counter", "gauge"), line
	            assert (kind == "counter") == metric.endswith("_total"), line
	            typed[metric] = kind
	        else:
	            match = sample.fullmatch(line)
	            assert match, "no sample: " + line
	            assert match[1] == last and last in typed, "of another metric: " + line
	            assert match.groups() not in seen, "twice: " + line
	            seen.add(match.groups())
	    assert told == set(typed), "without TYPE: %s" % (told - set(typed))
	    return len(typed), len(seen)

	for name in sys.argv[1:]:
	    lines = open(name).readlines()
	    print("%d metrics, %d samples" % check(lines))

	first = next(i for i, line in enumerate(lines) if line[0] != "#")
	rest = next(i for i, line in enumerate(lines) if line[0] == "#" and i > first)
	faults = {
	    "no TYPE": lines[:first - 1] + lines[first:],
	    "no TYPE, and no sample": lines[:first - 1] + lines[rest:],
	    "no HELP": lines[:first - 2] + lines[first - 1:],
	    "HELP twice": [lines[0]] + lines,
	    "TYPE twice": lines[:first] + lines[first - 1:],
	    "a series twice": lines[:first + 1] + lines[first:],
	    "a sample elsewhere": lines[:first] + lines[first + 1:] + [lines[first]],
	    "a counter that is none": [line.replace("_total", "") for line in lines],
	    "an unknown type": [line.replace(" gauge", " number") for line in lines],
	    "a bare quote": [line.replace('="', '=""') for line in lines],
	    "no value": lines[:first] + [lines[first].rsplit(" ")[0] + "\n"] + lines[first + 1:],
	    "a negative value": lines[:first] + [lines[first].replace(" ", " -")] + lines[first + 1:],
	    "an empty line": lines[:first] + ["\n"] + lines[first:],
	    "no end": lines[:-1] + [lines[-1].rstrip()],
	}
	for fault, bad in faults.items():
	    try:
	        check(bad)
	    except AssertionError:
	        continue
	    sys.exit("not noticed: " + fault)
	print(len(faults), "faults noticed")
	PYTHON
	python3 "$TMP/metrics.py" "$@"
}

# all_counters SERVICE OTHERS: of each counter in /proc/net/ksocket there is a sample,
# but of those that match OTHERS, and there are no other ones
all_counters() {
	awk -v name="$1" -v others="$2" '
		$1 == "service" { it = $2 == name; next }
		!it || $2 !~ /^[0-9]+$/ || $1 ~ others { next }
		$1 ~ /^(threads|.*buf|.*_size|min_source_port|backlog|idle_timeout|keepalive|interval)$/ { next }
		$1 ~ /^(max_connections|connections|queue_bytes|queued|queued_bytes|device_lost)$/ { next }
		{
			key = $1
			label = ""
			if (sub(/^drop_/, "", key)) { label = ",reason=\"" key "\""; key = "drops" }
			if (sub(/^close_/, "", key)) { label = ",reason=\"" key "\""; key = "closes" }
			print "ksocket_" key "_total{service=\"" name "\"" label "} " $2
		}' /proc/net/ksocket | sort >"$TMP/proc"
	grep -F "_total{service=\"$1\"" "$TMP/metrics" | sort | diff "$TMP/proc" -
}

prometheus() {
	local sample uplink
	begin
	ctl stats --prometheus >"$TMP/none"
	ctl add seven listen 127.0.0.1:7000 echo
	ctl add b listen 127.0.0.1:7001 relay 127.0.0.1:7002
	ctl add t listen 127.0.0.1:7000 echo proto tcp
	ctl add sink listen 127.0.0.1:9000 beacon-sink
	ctl add lamp beacon 127.0.0.1:9000 interval $HOUR
	ctl add up listen 127.0.0.1:7003 relay 127.0.0.1:7000 reply-proto tcp framing newline
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	hold 7000 2
	"$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 7000 -n 1000
	wait_for 20 ended t 1
	wait_for 20 at_least sink beacon_received 1
	wait_for 60 at_least up connected 1
	tell UDP4:127.0.0.1:7003 "a
b"
	wait_for 20 at_least up drop_framing 1
	ctl stats --prometheus >"$TMP/metrics"
	for sample in 'tx_packets_total{service="seven"} 1' 'drops_total{service="b",reason="loop"} 0' \
		'receiver_unreachable{service="b"} 0' 'receiver_unreachable{service="lamp"} 0' \
		'service{service="seven",mode="echo",datapath="softirq",proto="udp"} 1' \
		'service{service="t",mode="echo",datapath="zerocopy",proto="tcp"} 1' \
		'service{service="lamp",mode="beacon",proto="udp"} 1' \
		'service{service="sink",mode="beacon-sink",datapath="softirq",proto="udp"} 1' \
		'accepted_total{service="t"} 4' 'closes_total{service="t",reason="done"} 1' \
		'connections{service="t"} 3' 'connections{service="up"} 1' \
		'queued{service="up"} 0' 'queued_bytes{service="up"} 0' \
		'drops_total{service="up",reason="framing"} 1' 'rx_bytes_total{service="t"} 1002' \
		'tx_packets_total{service="lamp"} 1' 'beacon_received_total{service="sink"} 1'; do
		grep -qxF "ksocket_$sample" "$TMP/metrics" || fail "no $sample: $(cat "$TMP/metrics")"
	done
	# What a service cannot have is not there.
	uplink='^drop_(queue_|framing)|^connect_failed|^disconnected'
	all_counters seven "$uplink|^close_|^beacon"
	all_counters t "$uplink|^drop_|^beacon"
	all_counters lamp "$uplink|^close_|^beacon_"
	all_counters sink "$uplink|^close_|^beacons_"
	all_counters up '^close_|^beacon'
	refute grep -E '^ksocket_(connections|queued).*"(seven|lamp|b)"' "$TMP/metrics"
	metrics "$TMP/none" "$TMP/metrics"
	unload
}

sending() {
	local rc=0
	begin
	receiver "$TMP/got" 7001
	ctl add b listen 127.0.0.1:7000 relay 127.0.0.1:7001
	ctl send b "hello "
	printf 'from stdin' | ctl send b -
	wait_for 20 file_is "$TMP/got" "hello from stdin"
	head -c 65508 /dev/zero | ctl send b - 2>"$TMP/said" || rc=$?
	assert_eq "status for 65508 bytes" $rc 2
	grep -q "Message too long" "$TMP/said" || fail "65508 bytes: $(cat "$TMP/said")"
	rc=0
	head -c 70000 /dev/zero | ctl send b - 2>"$TMP/said" || rc=$?
	assert_eq "status for 70000 bytes" $rc 1
	kill "$!"
	wait_for 20 refute_bound 7001
	# Where the processor is slow, the refusal may come after the answer.
	wait_for 20 known_to_refuse
	ctl -j send b hello >"$TMP/said" || true
	is_json "got == {'unreachable': True}" <"$TMP/said" || fail "JSON: $(cat "$TMP/said")"
	unload
}

known_to_refuse() {
	local rc=0
	ctl send b hello 2>"$TMP/said" || rc=$?
	[ $rc = 2 ] && grep -q "known to refuse" "$TMP/said"
}

refute_bound() {
	! bound4 "$1"
}

listens() {
	awk '$2 == 16 && $4 !~ /^0*$/ { n++ } END { exit n != '"$1"' }' /proc/net/netlink
}

monitoring() {
	local one
	begin
	spawn - "$CTL" monitor >"$TMP/text"
	spawn - "$CTL" -j -t monitor >"$TMP/json"
	wait_for 20 listens 2
	ctl add b listen 127.0.0.1:7000 relay 127.0.0.1:7001
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 grep -q ^unreachable "$TMP/text"
	ctl del b
	wait_for 20 grep -q ^stopped "$TMP/text"
	ctl add c listen 127.0.0.1:7000 echo proto tcp max-connections 1
	exec {one}<>/dev/tcp/127.0.0.1/7000
	# This one is reset, which it may be before it is open.
	(: <>/dev/tcp/127.0.0.1/7000) 2>/dev/null || true
	wait_for 20 grep -q ^dropped "$TMP/text"
	exec {one}>&-
	ctl del c
	# One that has neither a listen address nor, in an event, a text.
	ctl add s listen 127.0.0.1:7000 beacon-sink
	ctl add lamp beacon 127.0.0.1:7000 interval $HOUR text hello
	ctl del lamp
	wait_for 20 grep -q '^stopped lamp' "$TMP/text"
	assert_eq "events" "$(cat "$TMP/text")" "started b listen 127.0.0.1:7000 relay 127.0.0.1:7001 proto udp threads 1
unreachable b 127.0.0.1:7001 Connection refused
stopped b asked
started c listen 127.0.0.1:7000 echo proto tcp threads 1
dropped c limit 1
stopped c asked
started s listen 127.0.0.1:7000 beacon-sink proto udp threads 1
started lamp beacon 127.0.0.1:7000 proto udp
stopped lamp asked"
	wait_for 20 grep -q '"stopped".*"lamp"' "$TMP/json"
	# The events are lines; as an array they are one document.
	{
		echo '['
		sed '$!s/$/,/' "$TMP/json"
		echo ']'
	} | is_json "[e['name'] for e in got] == ['b', 'b', 'b', 'c', 'c', 'c', 's', 'lamp', 'lamp'] and
		all(re.fullmatch('[0-9-]{10}T[0-9:]{8}[.][0-9]{6}[+-][0-9]{2}:[0-9]{2}', e['timestamp']) for e in got) and got[3]['proto'] == 'tcp' and
		got[4]['closes']['limit'] == 1 and
		got[7]['mode'] == 'beacon' and 'listen' not in got[7]" || fail "JSON"
	assert_eq "events in JSON" "$(wc -l <"$TMP/json")" 9
	unload
}

rates() {
	begin
	ctl add seven listen 127.0.0.1:7000 echo
	ctl add lamp beacon 127.0.0.1:9000 interval 10
	"$KSOCKET_TESTS/udp_flood" -c 1000000 -w 8 127.0.0.1 7000 >/dev/null &
	ctl -j top interval 0.5 count 2 >"$TMP/json"
	ctl top count 1 >"$TMP/text"
	kill $!
	assert_eq "tables" "$(wc -l <"$TMP/json")" 2
	tail -n 1 "$TMP/json" | is_json "got[0]['name'] == 'seven' and got[0]['rx_packets'] > 10
		and got[0]['tx_bits'] > 8 * 10 and got[0]['unreachable'] is False
		and got[1]['name'] == 'lamp' and got[1]['tx_packets'] > 0 and got[1]['tx_bits'] > 0
		and not {'rx_packets', 'rx_bits', 'connections'} & set(got[1])" || fail "rates"
	cat "$TMP/text"
	head -n 1 "$TMP/text" | grep -q '^SERVICE ' || fail "no head"
	grep -qE '^seven +[0-9.]+' "$TMP/text" || fail "no line"
	grep -qE '^lamp +- +- +[0-9.]+ +[0-9.]+[kM]? +[0-9]+ +- +- +(-|unreachable)$' "$TMP/text" ||
		fail "no line of the beacon"
	ctl del lamp
	ctl del seven

	# Of connections: bytes, how many come, how many there are.
	ctl add t listen 127.0.0.1:7000 echo proto tcp
	spawn - "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 7000 -c 3 -n 1000000000
	holder=$!
	wait_for 20 counter_is connections 3
	ctl -j top interval 0.5 count 2 >"$TMP/json"
	ctl top count 1 >"$TMP/text"
	kill "$holder"
	tail -n 1 "$TMP/json" | is_json "got[0]['name'] == 't' and got[0]['connections'] == 3 and
		got[0]['accepted'] == 0 and got[0]['rx_bits'] > 80 and got[0]['tx_bits'] > 80 and
		'rx_packets' not in got[0] and 'drops' not in got[0]" || fail "rates of connections"
	cat "$TMP/text"
	grep -qE '^t +- +[0-9.]+[kMGT]? +- +[0-9.]+[kMGT]? +- +0 +3 +-$' "$TMP/text" || fail "no line of connections"
	unload
}

# On a terminal there are colours, unless they are not wanted; elsewhere none.
colours() {
	local escape
	begin
	escape=$(printf '\033')
	ctl add seven listen 127.0.0.1:7000 echo
	cat >"$TMP/terminal.py" <<-'PYTHON'
	import pty, sys
	sys.exit(pty.spawn(sys.argv[1:]) != 0)
	PYTHON
	python3 "$TMP/terminal.py" "$CTL" list >"$TMP/terminal" </dev/null
	grep -q "$escape\[36mseven$escape\[0m" "$TMP/terminal" || fail "no colours on a terminal"
	NO_COLOR=1 python3 "$TMP/terminal.py" "$CTL" list >"$TMP/plain" </dev/null
	refute grep -q "$escape" "$TMP/plain"
	ctl list >"$TMP/pipe"
	refute grep -q "$escape" "$TMP/pipe"
	ctl --color=always list >"$TMP/always"
	grep -q "$escape" "$TMP/always" || fail "no colours where they are asked for"
	unload
}

elsewhere() {
	local rc
	begin
	ns_add a
	ctl -n "${NS_PREFIX}a" add there listen 127.0.0.1:7000 echo
	assert_eq "the list here" "$(ctl list)" ""
	assert_eq "the list there" "$(ctl -netns "${NS_PREFIX}a" list)" \
		"there listen 127.0.0.1:7000 echo $ECHO_REST"
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello a)" hello
	rc=0
	ctl -n nowhere list 2>"$TMP/said" || rc=$?
	assert_eq "status: $(cat "$TMP/said")" $rc 1
	grep -q "network namespace nowhere: No such file" "$TMP/said" || fail "$(cat "$TMP/said")"
	unload
}

# complete WORD...: what is offered for the last word
complete_words() {
	(
		set +eu
		# shellcheck source=/dev/null
		. "$TOOLS/completion.bash"
		PATH=$KSOCKET_TESTS:$PATH
		COMP_WORDS=(ksocketctl "$@")
		COMP_CWORD=$#
		_ksocketctl
		echo "${COMPREPLY[*]}"
	)
}

completion() {
	begin
	ctl add seven listen 127.0.0.1:7000 echo
	ctl add six listen 127.0.0.1:7001 echo
	assert_eq commands "$(complete_words mo)" monitor
	assert_eq services "$(complete_words show '')" "seven six"
	assert_eq "a service" "$(complete_words -j del se)" seven
	assert_eq modes "$(complete_words add x listen 127.0.0.1:1 rel)" relay
	assert_eq beacons "$(complete_words add x be)" "beacon beacon-sink"
	assert_eq "of a beacon" "$(complete_words add x beacon 127.0.0.1:1 int)" interval
	assert_eq "not of a beacon" "$(complete_words add x beacon 127.0.0.1:1 li)" ""
	assert_eq "a receiver is not known" "$(complete_words add x beacon '')" ""
	assert_eq datapaths "$(complete_words add x datapath '')" "copy zerocopy softirq"
	assert_eq devices "$(complete_words add x dev l)" lo
	ip link add "d\$(>oops)" type veth peer name p
	assert_eq "a device" "$(cd "$TMP" && complete_words add x dev d)" 'd\$\(\>oops\)'
	[ ! -e "$TMP/oops" ] || fail "the name of a device was executed"
	ip link del p
	assert_eq settings "$(complete_words set seven '')" "rcvbuf sndbuf min-source-port"
	assert_eq framings "$(complete_words add x framing '')" "none newline length octet-counting"
	assert_eq "of the receiver" "$(complete_words add x listen 127.0.0.1:1 reply)" reply-proto
	assert_eq protocols "$(complete_words add x listen 127.0.0.1:1 echo proto '')" "udp tcp"
	assert_eq "of connections" "$(complete_words add x listen 127.0.0.1:1 echo max)" max-connections
	assert_eq "nothing behind a number's word" "$(complete_words add x idle-timeout '')" ""
	assert_eq "services with connections" "$(complete_words conns '')" "seven six"
	assert_eq prometheus "$(complete_words stats --p)" --prometheus
	assert_eq "nothing behind a name" "$(complete_words del seven '')" ""
	unload
}

# What the command understands, and the module, is in the manuals.
manuals() {
	local word
	begin
	sed 's/\\-/-/g' "$MANUALS/ksocketctl.8" >"$TMP/8"
	for word in $(ctl help | tr -d '[]' | grep -oE '\b[a-z][a-z-]+\b' | sort -u); do
		[ "$word" != see ] || continue
		grep -qw -e "$word" "$TMP/8" ||
			fail "ksocketctl.8 does not have '$word'"
	done
	for word in /sys/module/ksocket/parameters/*; do
		grep -qw "${word##*/}" "$MANUALS/ksocket.4" ||
			fail "ksocket.4 does not have '${word##*/}'"
	done
	unload
}

ksocket_run_tests \
	add_del:"add, list, replace, del; what is listed can be added" \
	quoted:"words of others, quoted; names" \
	beacons:"beacons and their sink: settings, counters, what is shown" \
	replace_same:"replace and ensure what already does just that" \
	connections:"services on TCP: their settings, connections and ends" \
	uplinks:"datagrams that go on by TCP: settings, the queue, the connection" \
	link_local:"a link-local address with its device" \
	misunderstood:"words that are not understood: one line each, status 1" \
	refused:"what the kernel refuses: one line each, status 2" \
	without:"without the capability, without room, without the module" \
	counters_shown:"stats, show, reset, set" \
	prometheus:"stats --prometheus" \
	sending:"send, and a receiver that refuses" \
	monitoring:"monitor: events as they happen" \
	rates:"top: rates" \
	colours:"colours on a terminal only" \
	elsewhere:"another network namespace" \
	completion:"completion in bash" \
	manuals:"the manuals have every word"
