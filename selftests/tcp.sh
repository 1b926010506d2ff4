#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tcp.sh - services on TCP: every byte of many connections, half-closes, resets,
# those who never read or never answer, limits, and the end at any moment.
#
# KSOCKET_SOAK=1: a gigabyte, 1,000 connections, 200,000 in a row; on a debug
# kernel fewer.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=7000
UPSTREAM=7001
BIG=$((64 << 20)) MANY=200 EACH=$((64 << 10)) CYCLES=2000 LIVE=100 UNLOAD_US=1000000
# Ends of services and namespaces, one after the other.
ROUNDS=4
# Seconds of silence, and what may be taken for a megabyte in milliseconds.
IDLE=3 MEGABYTE_MS=10000
if [ -n "${KSOCKET_SOAK:-}" ]; then
	BIG=$((1 << 30)) MANY=1000 EACH=$((1 << 20)) CYCLES=200000 LIVE=1000 ROUNDS=200
fi
if [ -n "${KSOCKET_DEBUG_KERNEL:-}" ]; then
	BIG=$((BIG / 16)) MANY=$((MANY / 4)) EACH=$((EACH / 4))
	CYCLES=$((CYCLES / 8)) LIVE=$((LIVE / 4)) UNLOAD_US=10000000
	IDLE=8 MEGABYTE_MS=60000
	# A namespace ends slowly there, with that many at work.
	[ -n "${KSOCKET_SOAK:-}" ] || LIVE=10
fi
IDLE=$((IDLE * KSOCKET_SLOW)) MEGABYTE_MS=$((MEGABYTE_MS * KSOCKET_SLOW))
UNLOAD_US=$((UNLOAD_US * KSOCKET_SLOW))

# --- what is asked of a service ---

tcp() {
	"$KSOCKET_TESTS/tcp_load" "$@"
}

# tcp_fails NAMESPACE ARGUMENT...: it does not go well; the file "said" says why
tcp_fails() {
	! in_ns "$1" "$KSOCKET_TESTS/tcp_load" "${@:2}" >"$TMP/said" 2>&1 ||
		fail "all went well: ${*:2}"
}

# said PATTERN
said() {
	grep -E "$1" "$TMP/said" >/dev/null || fail "wanted '$1': $(cat "$TMP/said")"
}

load_tcp() {
	load proto=tcp "listen_port=$PORT" "$@"
}

load_tcp_in() {
	load_in "$1" proto=tcp "listen_port=$PORT" "${@:2}"
}

# load_relay PARAMETER...
load_relay() {
	load_tcp mode=relay "reply_port=$UPSTREAM" "$@"
}

# shows NAMESPACE KEY=VALUE...: for the one service there
shows() {
	local all pair
	all=$'\n'$(service "$1")$'\n'
	for pair in "${@:2}"; do
		[[ $all == *$'\n'"${pair/=/ }"$'\n'* ]] || return 1
	done
}

# comes_to KEY=VALUE...: soon
comes_to() {
	wait_for 20 shows - "$@"
}

# service_sockets NAMESPACE: those of a service, listening or not. One that the
# stack keeps for a minute after an orderly end is nobody's.
service_sockets() {
	in_ns "$1" ss -Htan "( sport = :$PORT or dport = :$UPSTREAM )" |
		grep -v '^TIME-WAIT' || true
}

_no_service_sockets() {
	[ -z "$(service_sockets "$1")" ]
}

# no_sockets_left NAMESPACE
no_sockets_left() {
	_no_service_sockets "$1" || fail "sockets left: $(service_sockets "$1" | head -n 3)"
}

# tcp_unload [NAMESPACE]
tcp_unload() {
	tcp_balanced "${1:--}"
	rmmod ksocket
	no_sockets_left "${1:--}"
}

# closing NAMESPACE: the service's connections that are on their way out
closing() {
	in_ns "$1" ss -Htan "( sport = :$PORT or dport = :$UPSTREAM )" |
		grep -E '^(CLOSE-WAIT|FIN-WAIT|LAST-ACK|CLOSING)' || true
}

# serve NAMESPACE MODE [-6]: what a relay leads to; $served is its process
serve() {
	spawn "$1" "$KSOCKET_TESTS/tcp_load" serve $UPSTREAM "${@:2}"
	served=$!
	wait_for 20 listening $UPSTREAM "$1"
}

serve_end() {
	kill "$served"
	wait "$served" || true
}

# each_datapath COMMAND...: with the parameter that chooses it
each_datapath() {
	"$@" datapath=copy
	"$@" datapath=zerocopy
}

# --- a client of the shell's own: a connection is a file ---

# dial: opens the file $fd
dial() {
	exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
}

# answers FD: what goes comes back
answers() {
	local got
	echo hello >&"$1"
	read -r -t $((20 * KSOCKET_SLOW)) -u "$1" got
	assert_eq "the echo" "$got" hello
}

# is_closed FD: the other side ends it soon, in order or not
is_closed() {
	local rc=0
	read -r -t $((20 * KSOCKET_SLOW)) -u "$1" 2>/dev/null || rc=$?
	assert_eq "the end of a connection" "$rc" 1
}

# hold_start NAMESPACE ADDRESS CONNECTIONS OPTION...: $holder is its process
hold_start() {
	: >"$TMP/held"
	spawn "$1" "$KSOCKET_TESTS/tcp_load" hold "$2" $PORT -c "${@:3}" >"$TMP/held"
	holder=$!
	wait_for 60 grep '^holding ' "$TMP/held"
}

hold_end() {
	kill "$holder"
	wait "$holder" || true
	tail -n 1 "$TMP/held"
}

# --- echo, discard ---

KEYS="max_connections backlog idle_timeout keepalive connections accepted connected
close_done close_reset close_timeout close_idle close_unfinished close_limit close_loop
close_upstream_refused close_upstream_unreachable close_upstream_timeout close_nomem
close_stopped close_claimed"

keys() {
	local key
	load_tcp mode=echo max_connections=5 backlog=6 idle_timeout=7 keepalive=8
	comes_to proto=tcp max_connections=5 backlog=6 idle_timeout=7 keepalive=8
	for key in $KEYS; do
		[[ $(counter "$key") =~ ^[0-9]+$ ]] || fail "$key: '$(counter "$key")'"
	done
	tcp_unload
}

# _echo SOCAT-ADDRESS
_echo() {
	assert_eq "the echo" "$(ask "$1" hello)" hello
}

echo_ipv4() {
	load_tcp mode=echo
	_echo TCP4:127.0.0.1:$PORT
	comes_to proto=tcp connections=0 accepted=1 close_done=1 rx_bytes=5 tx_bytes=5
	tcp_unload
}

echo_ipv6() {
	load_tcp mode=echo listen_addr=::1
	_echo "TCP6:[::1]:$PORT"
	comes_to connections=0 accepted=1 close_done=1 rx_bytes=5 tx_bytes=5
	tcp_unload
}

echo_dual_stack() {
	load_tcp mode=echo listen_addr=::
	_echo TCP4:127.0.0.1:$PORT
	_echo "TCP6:[::1]:$PORT"
	comes_to connections=0 accepted=2 close_done=2
	tcp_unload
}

_echo_large() {
	load_tcp mode=echo "$1"
	tcp echo 127.0.0.1 $PORT -n "$BIG"
	comes_to connections=0 accepted=1 close_done=1 "rx_bytes=$BIG" "tx_bytes=$BIG"
	tcp_unload
}

echo_large() {
	each_datapath _echo_large
}

# Also pieces of every size, not only what fills a buffer.
_echo_many() {
	load_tcp mode=echo listen_addr=:: backlog=1024 "$1"
	tcp echo 127.0.0.1 $PORT -c "$MANY" -n "$EACH"
	tcp echo ::1 $PORT -c 20 -n 20000 -s 777
	comes_to connections=0 "accepted=$((MANY + 20))" "close_done=$((MANY + 20))" \
		"tx_bytes=$((MANY * EACH + 400000))"
	tcp_unload
}

echo_many() {
	each_datapath _echo_many
}

_echo_urgent() {
	load_tcp mode=echo "$1"
	tcp echo 127.0.0.1 $PORT -c 4 -n 100001 -u
	comes_to connections=0 close_done=4 tx_bytes=400004
	tcp_unload
}

echo_urgent() {
	each_datapath _echo_urgent
}

# Nothing but a connection, nothing but an end.
echo_nothing() {
	load_tcp mode=echo
	tcp echo 127.0.0.1 $PORT -c 3 -n 0
	comes_to connections=0 close_done=3 rx_bytes=0 tx_bytes=0
	tcp_unload
}

_discard() {
	load_tcp mode=discard "$1"
	tcp put 127.0.0.1 $PORT -c 10 -n 300001 -q
	comes_to connections=0 close_done=10 rx_bytes=3000010 tx_bytes=0
	tcp_unload
}

discard() {
	each_datapath _discard
}

echo_threads() {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	load_tcp mode=echo threads=2
	assert_eq threads "$(threads)" 2
	before0=$(thread_switches 0) before1=$(thread_switches 1)
	tcp echo 127.0.0.1 $PORT -c 64 -n 20000
	assert_ge "first thread's turns" "$(thread_switches 0)" $((before0 + 1))
	assert_ge "second thread's turns" "$(thread_switches 1)" $((before1 + 1))
	tcp_unload
}

# thread_switches THREAD: how often it went to sleep
thread_switches() {
	awk '/^voluntary_ctxt_switches/ { print $2 }' \
		"/proc/$(pgrep "^ksocket/$PORT.$1\$")/status"
}

# --- relay ---

# The bytes of a relay are those of both directions.
_relay_echo() {
	load_relay "$1"
	tcp echo 127.0.0.1 $PORT -c 20 -n "$EACH"
	tcp echo 127.0.0.1 $PORT -n 100001 -u
	tcp echo 127.0.0.1 $PORT -n $((BIG / 8))
	sum=$((2 * (20 * EACH + 100001 + BIG / 8)))
	comes_to connections=0 accepted=22 connected=22 close_done=22 rx_bytes=$sum tx_bytes=$sum
	tcp_unload
}

relay_echo() {
	serve - echo
	each_datapath _relay_echo
}

# The answer comes after our end, and ours after theirs.
_relay_half_closed() {
	serve - sink
	load_relay "$1"
	tcp put 127.0.0.1 $PORT -c 10 -n 300001
	comes_to connections=0 close_done=10 connected=10
	serve_end
	serve - source:300001
	tcp get 127.0.0.1 $PORT -c 10 -n 300001
	tcp get 127.0.0.1 $PORT -c 10 -n 300001 -f
	comes_to connections=0 close_done=30 connected=30
	tcp_unload
	serve_end
}

relay_half_closed() {
	each_datapath _relay_half_closed
}

# _relay_between LISTEN-ADDRESS REPLY-ADDRESS
_relay_between() {
	load_relay "listen_addr=$1" "reply_addr=$2"
	tcp echo "$1" $PORT -c 5
	comes_to connections=0 connected=5 close_done=5
	tcp_unload
}

relay_ipv6() {
	serve - echo
	_relay_between ::1 127.0.0.1
	serve_end
	serve - echo -6
	_relay_between ::1 ::1
	_relay_between 127.0.0.1 ::1
}

# A client that sees nothing would show nothing.
relay_faults() {
	local row
	load_relay
	for row in wrong:50000=" wrong=1 short=0" lost:50000=" short=1" more=" wrong=1 short=0" \
		reset:50000=" errors=1" sink=" short=1"; do
		serve - "${row%%=*}"
		tcp_fails - echo 127.0.0.1 $PORT -n 100000
		said "${row#*=}"
		serve_end
	done
	comes_to connections=0 accepted=5 connected=5
	tcp_unload
}

relay_reset_by_upstream() {
	serve - refuse
	load_relay
	tcp_fails - echo 127.0.0.1 $PORT -n 100000
	said ' errors=1 '
	comes_to connections=0 accepted=1 connected=1 close_reset=1
	tcp_unload
}

# --- relay, with clients and servers of others ---

relay_netcat() {
	dd if=/dev/urandom of="$TMP/sent" bs=1000 count=300 status=none
	nc -l -N 127.0.0.1 $UPSTREAM <"$TMP/sent" >"$TMP/got" &
	served=$!
	wait_for 20 listening $UPSTREAM -
	load_relay
	nc -N 127.0.0.1 $PORT <"$TMP/sent" >"$TMP/back"
	wait "$served"
	cmp "$TMP/sent" "$TMP/got"
	cmp "$TMP/sent" "$TMP/back"
	comes_to connections=0 close_done=1 rx_bytes=600000 tx_bytes=600000
	tcp_unload
}

# _relay_http ADDRESS HOST: HOST is ADDRESS as it is in a URL
_relay_http() {
	spawn - python3 -m http.server -d "$TMP/web" -b "$1" $UPSTREAM >/dev/null 2>&1
	served=$!
	wait_for 60 listening $UPSTREAM -
	load_relay "listen_addr=$1" "reply_addr=$1"
	rm -f "$TMP/got"
	curl -sSgf -m 120 -o "$TMP/got" "http://$2:$PORT/file"
	cmp "$TMP/web/file" "$TMP/got"
	comes_to connections=0 accepted=1 connected=1
	assert_ge rx_bytes "$(counter rx_bytes)" 2000000
	tcp_unload
	serve_end
}

relay_http() {
	python3 -c 'import http.server' 2>/dev/null || skip "no http.server in this python3"
	command -v curl >/dev/null || skip "no curl"
	mkdir "$TMP/web"
	dd if=/dev/urandom of="$TMP/web/file" bs=1000 count=2000 status=none
	_relay_http 127.0.0.1 127.0.0.1
	_relay_http ::1 '[::1]'
}

relay_iperf3() {
	command -v iperf3 >/dev/null || skip "no iperf3"
	spawn - iperf3 -s -p $UPSTREAM >/dev/null
	served=$!
	wait_for 20 listening $UPSTREAM -
	load_relay
	for way in "" -R; do
		iperf3 -c 127.0.0.1 -p $PORT -t 2 -P 4 $way >"$TMP/said" || fail "$(cat "$TMP/said")"
		grep 'SUM.*receiver' "$TMP/said"
	done
	# Each time one more, to agree on what is measured.
	comes_to connections=0 accepted=10 connected=10
	tcp_unload
}

relay_ncat() {
	command -v ncat >/dev/null || skip "no ncat"
	dd if=/dev/urandom of="$TMP/sent" bs=1000 count=300 status=none
	serve - echo
	load_relay
	ncat 127.0.0.1 $PORT <"$TMP/sent" >"$TMP/back"
	cmp "$TMP/sent" "$TMP/back"
	comes_to connections=0 close_done=1
	tcp_unload
}

# --- upstreams that do not come ---

upstream_refused() {
	load_relay
	tcp_fails - echo 127.0.0.1 $PORT -c 5 -n 100000
	said '^connections=5 '
	comes_to connections=0 accepted=5 connected=0 close_upstream_refused=5
	# Who comes back is found.
	serve - echo
	tcp echo 127.0.0.1 $PORT
	comes_to connections=0 connected=1 close_done=1
	tcp_unload
}

upstream_unreachable() {
	ns_add a
	ns_ip a addr add 192.0.2.1/24 dev lo
	ns_ip a route add local 198.51.100.1 dev lo
	load_tcp_in a mode=relay reply_addr=198.51.100.1 "reply_port=$UPSTREAM"
	ns_ip a route del local 198.51.100.1 dev lo
	ns_ip a route add unreachable 198.51.100.1
	tcp_fails a echo 127.0.0.1 $PORT
	wait_for 20 shows a connections=0 accepted=1 close_upstream_unreachable=1
	tcp_unload a
}

# blackhole NAMESPACE RULE...: what is dropped on its way in
blackhole() {
	needs_nft accept
	in_ns "$1" nft -f - <<-END
		table inet ksocket_test {
			chain in {
				type filter hook input priority 0;
				${*:2} drop
			}
		}
	END
}

upstream_timeout() {
	local ms
	ns_pair a b
	blackhole b tcp dport $UPSTREAM
	load_tcp_in a mode=relay reply_addr=192.0.2.2 "reply_port=$UPSTREAM"
	tcp_fails a echo 127.0.0.1 $PORT -c 3 -T $((40000 * KSOCKET_SLOW))
	ms=$(sed -n 's/^connections=3 .*ms=//p' "$TMP/said")
	echo "closed after $ms ms"
	assert_ge "milliseconds" "$ms" 9000
	assert_le "milliseconds" "$ms" $((30000 * KSOCKET_SLOW))
	wait_for 20 shows a connections=0 accepted=3 connected=0 close_upstream_timeout=3
	tcp_unload a
}

# --- limits ---

max_connections() {
	local first second
	load_tcp mode=echo max_connections=2
	comes_to max_connections=2
	dial; first=$fd
	dial; second=$fd
	answers "$first"
	answers "$second"
	tcp_fails - echo 127.0.0.1 $PORT
	said 'reset by peer'
	comes_to connections=2 accepted=3 close_limit=1
	answers "$first"
	answers "$second"
	exec {first}>&-
	comes_to connections=1 close_done=1
	tcp echo 127.0.0.1 $PORT
	answers "$second"
	exec {second}>&-
	comes_to connections=0 accepted=4 close_limit=1 close_done=3
	tcp_unload
}

# One is used all the time, the other is not.
idle_timeout() {
	local busy idle
	load_tcp mode=echo idle_timeout=$IDLE
	comes_to idle_timeout=$IDLE
	dial; busy=$fd
	dial; idle=$fd
	answers "$idle"
	local until=$((SECONDS + 20 * KSOCKET_SLOW))
	until shows - close_idle=1; do
		[ $SECONDS -lt $until ] || fail "nobody is closed"
		answers "$busy"
		sleep 0.2
	done
	is_closed "$idle"
	answers "$busy"
	comes_to connections=1 accepted=2 close_idle=1
	is_closed "$busy"
	comes_to connections=0 close_idle=2
	exec {busy}>&- {idle}>&-
	# A relay is idle when both of its sides are.
	rmmod ksocket
	serve - echo
	load_relay idle_timeout=$IDLE
	dial; idle=$fd
	local ms=${EPOCHREALTIME/./}
	answers "$idle"
	is_closed "$idle"
	ms=$(((${EPOCHREALTIME/./} - ms) / 1000))
	exec {idle}>&-
	# What was acknowledged right after it was sent does not count as another time.
	assert_ge "idle milliseconds" $ms $((IDLE * 1000 - 100))
	assert_le "idle milliseconds" $ms $((IDLE * 1800))
	comes_to connections=0 connected=1 close_idle=1
	tcp_unload
}

keepalive() {
	load_tcp mode=echo keepalive=100
	dial
	answers "$fd"
	ss -Htno "sport = :$PORT" >"$TMP/timer"
	grep -q 'timer:(keepalive,1min' "$TMP/timer" || fail "$(cat "$TMP/timer")"
	exec {fd}>&-
	comes_to connections=0 close_done=1
	tcp_unload
}

# A client that sends BYTES and ends its side, and only then reads, once it gets
# SIGUSR1.
PAUSED='
import signal, socket, sys, threading
go = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: go.set())
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(bytes(int(sys.argv[2])))
s.shutdown(socket.SHUT_WR)
while not go.wait(0.1):
    pass
got = 0
while part := s.recv(65536):
    got += len(part)
print(got, flush=True)
'

# Nothing comes to two clients any more: one keeps silent and is asked for life, the
# other ends, and our end is never acknowledged. A third one ends too, and all its
# window is full: it answers our probes, and is there when the other is given up.
clients_vanish() {
	local silent ended paused
	ns_pair a b
	# As in pair_add.
	in_ns b sysctl -qw net.ipv4.tcp_orphan_retries=1
	load_tcp_in a mode=echo listen_addr=0.0.0.0 keepalive=1 sndbuf=1000000
	spawn a python3 -c "$PAUSED" $PORT 200000 >"$TMP/paused"
	paused=$!
	wait_for 120 shows a connections=1 rx_bytes=200000
	hold_start b 192.0.2.1 1 -e
	silent=$holder
	hold_start b 192.0.2.1 1 -e
	ended=$holder
	wait_for 20 shows a connections=3 accepted=3
	blackhole b tcp sport $PORT
	kill -9 "$ended"
	wait_for 60 shows a connections=2 close_timeout=1 close_unfinished=0
	wait_for 60 shows a connections=1 close_timeout=1 close_unfinished=1
	kill -USR1 "$paused"
	wait "$paused"
	assert_eq "bytes that the paused one got" "$(cat "$TMP/paused")" 200000
	wait_for 20 shows a connections=0 close_done=1
	tcp_unload a
	kill "$silent"
}

# --- those who do not read ---

# _standing: no byte was taken or given for a while
_standing() {
	local before
	before=$(counter rx_bytes) before+=" $(counter tx_bytes)"
	sleep 0.5
	[ "$before" = "$(counter rx_bytes) $(counter tx_bytes)" ]
}

# in_hands CONNECTIONS: of what was taken and not given on, each has a bound. What
# the sockets hold has the stack's own.
in_hands() {
	local bytes
	bytes=$(($(counter rx_bytes) - $(counter tx_bytes)))
	echo "$1 connections, $bytes bytes taken and not given on"
	assert_le "bytes held" $bytes $(($1 * (256 << 10)))
	ss -Htmn "sport = :$PORT" | sed -n 's/.*skmem:(r\([0-9]*\),rb\([0-9]*\),t[0-9]*,tb\([0-9]*\),f[0-9]*,w\([0-9]*\),.*/\1 \2 \4 \3/p' >"$TMP/memory"
	assert_eq "sockets" "$(wc -l <"$TMP/memory")" "$1"
	awk '{ print "receive", $1, "of", $2, "send", $3, "of", $4 }' "$TMP/memory" | sort | uniq -c | sort -rn | head -n 3
	# The stack goes beyond it by what it has allowed already, and where memory is
	# short it makes a send buffer half of what is in it.
	awk '$1 > 2 * $2 || $3 > 3 * $4 { print; bad = 1 } END { exit bad }' "$TMP/memory" ||
		fail "more than the socket may have"
}

# others_go_on: they are not in the way of anybody
others_go_on() {
	tcp echo 127.0.0.1 $PORT -n 1048576 -T $MEGABYTE_MS >"$TMP/said"
	cat "$TMP/said"
	assert_le "milliseconds for 1 MiB" "$(sed -n 's/.*ms=//p' "$TMP/said")" $MEGABYTE_MS
}

never_reads() {
	load_tcp mode=echo "$@"
	hold_start - 127.0.0.1 8 -t
	wait_for 60 _standing
	in_hands 8
	others_go_on
	hold_end
	comes_to connections=0 accepted=9 close_done=1 close_reset=8
	tcp_unload
}

# filled COMMAND: on each datapath; to fill large buffers takes minutes on a debug
# kernel.
filled() {
	if [ -n "${KSOCKET_DEBUG_KERNEL:-}" ]; then
		"$1" datapath=zerocopy rcvbuf=262144 sndbuf=262144
	else
		each_datapath "$1"
	fi
}

client_never_reads() {
	filled never_reads
}

client_reads_slowly() {
	load_tcp mode=echo
	hold_start - 127.0.0.1 8 -s
	others_go_on
	in_hands 8
	hold_end
	grep ' lost=0 .*received=[1-9].* wrong=0 ' "$TMP/held" >/dev/null || fail "they did not read"
	comes_to connections=0 accepted=9
	tcp_unload
}

# The one behind does not read: then we do not, and then the client cannot send.
upstream_reads_slowly() {
	serve - slow
	load_relay "$@"
	# At the end it resets: what it has sent would take the slow one minutes.
	hold_start - 127.0.0.1 8 -t -r
	wait_for 60 _standing_but_slow
	in_hands 8
	hold_end
	comes_to connections=0 accepted=8 connected=8 close_reset=8
	tcp_unload
	serve_end
}

# A kilobyte every ten milliseconds and connection is all that goes on.
_standing_but_slow() {
	local before
	before=$(counter rx_bytes)
	sleep 0.5
	[ $(($(counter rx_bytes) - before)) -lt $((8 * (256 << 10))) ]
}

relay_reads_slowly() {
	filled upstream_reads_slowly
}

# --- resets, and many in a row ---

# The stack may lose one that is reset while it is made, and counts that.
_all_taken() {
	shows - connections=0 && [ $(($(counter accepted) + $(counter rx_overflow))) -ge 50 ]
}

_resets() {
	local accepted
	tcp rst 127.0.0.1 $PORT -c 50
	wait_for 20 _all_taken
	accepted=$(counter accepted)
	assert_ge accepted "$accepted" 45
	# One that has just been accepted may already be gone.
	assert_ge close_reset "$(counter close_reset)" 20
	tcp echo 127.0.0.1 $PORT
	comes_to connections=0 "accepted=$((accepted + 1))"
	tcp_unload
}

client_resets() {
	load_tcp mode=echo
	_resets
	serve - echo
	load_relay
	_resets
}

_cycles() {
	tcp cycle 127.0.0.1 $PORT -c "$1"
	comes_to connections=0
}

cycles() {
	local before
	# Those that this side keeps for a minute are memory too.
	echo 64 >/proc/sys/net/ipv4/tcp_max_tw_buckets
	load_tcp mode=echo
	_cycles $((CYCLES / 4))
	before=$(kernel_kb)
	_cycles $CYCLES
	comes_to "accepted=$((CYCLES + CYCLES / 4))" "close_done=$((CYCLES + CYCLES / 4))"
	assert_eq "sockets on their way out" "$(closing -)" ""
	echo "$CYCLES connections, kernel memory $before kB before them, $(kernel_kb) kB after"
	# A socket that is forgotten would be 2 kB and more.
	[ -n "${KSOCKET_DEBUG_KERNEL:-}" ] ||
		assert_le "growth in kB" $(($(kernel_kb) - before)) $((1000 + CYCLES / 4))
	tcp_unload
}

relay_cycles() {
	serve - echo
	load_relay
	_cycles $((CYCLES / 4))
	comes_to "connected=$((CYCLES / 4))" "close_done=$((CYCLES / 4))"
	assert_eq "sockets on their way out" "$(closing -)" ""
	tcp_unload
}

# --- those who want no connection ---

# nstat_sum NAMESPACE COUNTER...: their sum
nstat_sum() {
	in_ns "$1" nstat -asz "${@:2}" | awk '/^Tcp/ { sum += $2 } END { print sum + 0 }'
}

_backlog_is_full() {
	[ "$(nstat_sum dying TcpExtTCPReqQFullDrop TcpExtTCPReqQFullDoCookies)" -ge 200 ]
}

_half_open_at_most() {
	[ "$(in_ns dying ss -Htn state syn-recv | wc -l)" -le "$1" ]
}

# Many more than the backlog holds begin a connection and never go on. Who is in is
# served all the while, and when it is over anybody comes in again.
syn_flood() {
	local LIVE=1 flooder bytes accepted=1
	pair_add
	in_ns dying sysctl -qw net.ipv4.tcp_synack_retries=1
	blackhole peer "tcp sport $PORT tcp flags & (syn | ack) == syn | ack"
	load_tcp_in dying mode=echo listen_addr=0.0.0.0 backlog=16
	busy dying 127.0.0.1 dying
	spawn peer "$KSOCKET_TESTS/tcp_load" hold 192.0.2.1 $PORT -c 500 >/dev/null 2>&1
	flooder=$!
	wait_for 60 _backlog_is_full
	# Each processor may let one more in, between its look and its entry.
	assert_le "half open" "$(in_ns dying ss -Htn state syn-recv | wc -l)" $((17 + $(nproc)))
	bytes=$(counter tx_bytes dying)
	wait_for 20 counter_at_least tx_bytes $((bytes + 1000000)) dying
	shows dying connections=1 accepted=1 || fail "a connection that never was"
	# With cookies the stack needs no room for them, and lets others in.
	if [ -e /proc/sys/net/ipv4/tcp_syncookies ]; then
		in_ns dying "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $PORT
		accepted=2
	fi
	kill $flooder
	wait $flooder || true
	wait_for 60 _half_open_at_most 0
	in_ns dying "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $PORT -c 10
	wait_for 20 shows dying connections=1 "accepted=$((accepted + 10))"
	rmmod ksocket
	no_sockets_left dying
	nothing_left $PORT dying
	busy_end
}

# Scans of several kinds find what is there, and are none of a service's business: who
# is in stays, and only those that were connections are counted.
port_scan() {
	local kind
	command -v nmap >/dev/null || skip "no nmap here"
	pair_add
	load_tcp_in dying mode=echo listen_addr=0.0.0.0
	hold_start peer 192.0.2.1 1 -e
	for kind in -sS -sX -sA; do
		in_ns peer nmap -n -Pn -T5 $kind -p $((PORT - 5))-$((PORT + 5)) 192.0.2.1 >"$TMP/scan"
		grep -qE '^Nmap done: 1 IP address \(1 host up\)' "$TMP/scan" || fail "$(cat "$TMP/scan")"
		[ $kind != -sS ] || grep -qE "^$PORT/tcp +open " "$TMP/scan" || fail "$(cat "$TMP/scan")"
		shows dying connections=1 accepted=1 || fail "$kind made a connection"
	done
	# Whole connections, and then what may be behind the port.
	in_ns peer nmap -n -Pn -T5 -sT -p $PORT 192.0.2.1 >/dev/null
	wait_for 20 shows dying connections=1 accepted=2
	in_ns peer nmap -n -Pn -T5 -sV --version-light -p $PORT 192.0.2.1 >"$TMP/scan"
	grep -qE "^$PORT/tcp +open +echo" "$TMP/scan" || fail "$(cat "$TMP/scan")"
	wait_for 20 shows dying connections=1
	hold_end
	tcp_unload dying
}

# --- the end ---

# busy FROM ADDRESS SERVICE-NAMESPACE: connections in the middle of what they do
busy() {
	spawn "$1" "$KSOCKET_TESTS/tcp_load" echo "$2" $PORT -c "$LIVE" -n 1000000000 \
		>/dev/null 2>&1
	clients=$!
	wait_for 60 _moving "$3"
}

_moving() {
	shows "$1" "connections=$LIVE" && [ "$(counter tx_bytes "$1")" -gt 1000000 ]
}

busy_end() {
	kill "$clients" 2>/dev/null || true
	wait "$clients" || true
}

_unload_busy() {
	local us
	busy - 127.0.0.1 -
	us=$("$KSOCKET_TESTS/unload_time")
	echo "$LIVE connections, $us microseconds"
	assert_le "microseconds to unload" "$us" $UNLOAD_US
	nothing_left $PORT
	no_sockets_left -
	# They all hear of it.
	wait_for 20 _ended "$clients"
	busy_end
}

_ended() {
	! kill -0 "$1" 2>/dev/null
}

unload_busy() {
	load_tcp mode=echo backlog=1024
	_unload_busy
	serve - echo
	load_relay backlog=1024
	_unload_busy
}

# A service that ends has nobody to tell it, but who traces.
stopped() {
	local first second
	needs_ksocketctl
	load_tcp mode=echo
	trace_on
	dial; first=$fd
	dial; second=$fd
	answers "$first"
	answers "$second"
	"$KSOCKET_TESTS/ksocketctl" del param
	assert_eq "told as stopped" \
		"$(events 'ksocket_conn_close: service=param .* reason=stopped err=0$')" 2
	assert_eq "all that were told" "$(events ksocket_conn_close:)" 2
	is_closed "$first"
	is_closed "$second"
	exec {first}>&- {second}>&-
	rmmod ksocket
	no_sockets_left -
}

unload_idle() {
	local us
	load_tcp mode=echo
	dial
	answers "$fd"
	us=$("$KSOCKET_TESTS/unload_time")
	assert_le "microseconds to unload" "$us" $UNLOAD_US
	is_closed "$fd"
	exec {fd}>&-
	no_sockets_left -
}

# What the upstream never acknowledges is not waited for.
unload_blackholed() {
	local us
	pair_add
	_relay_into_blackhole
	us=$("$KSOCKET_TESTS/unload_time")
	assert_le "microseconds to unload" "$us" $UNLOAD_US
	no_sockets_left dying
	nothing_left $PORT dying
	busy_end
}

# A relay from and to "peer", and nothing reaches the upstream any more.
_relay_into_blackhole() {
	serve peer echo
	load_tcp_in dying mode=relay listen_addr=0.0.0.0 backlog=1024 \
		reply_addr=192.0.2.2 "reply_port=$UPSTREAM"
	busy peer 192.0.2.1 dying
	blackhole peer tcp dport $UPSTREAM
}

# pair_add: the namespaces dying and peer. What a client leaves behind that was
# killed keeps its namespace: it gives up soon, and what an earlier test has left
# is waited for here, so that the count of namespaces is this test's own.
pair_add() {
	[ -z "${KSOCKET_VM:-}" ] || wait_for 60 namespaces_at_most 2
	ns_add peer
	in_ns peer sysctl -qw net.ipv4.tcp_orphan_retries=1
	peer_add dying
}

# gone_with_namespace: the module stays, and nothing of the rest
gone_with_namespace() {
	ns_del dying
	wait_for 60 _no_threads
	wait_for 60 peer_gone dying
	busy_end
	loaded || fail "the module went with the namespace"
	rmmod ksocket
	all_freed
	nothing_left $PORT peer
}

netns_del_echo() {
	pair_add
	load_tcp_in dying mode=echo listen_addr=0.0.0.0 backlog=1024
	busy peer 192.0.2.1 dying
	gone_with_namespace
}

netns_del_relay() {
	pair_add
	serve peer echo
	load_tcp_in dying mode=relay listen_addr=0.0.0.0 backlog=1024 \
		reply_addr=192.0.2.2 "reply_port=$UPSTREAM"
	busy peer 192.0.2.1 dying
	gone_with_namespace
}

netns_del_blackholed() {
	pair_add
	_relay_into_blackhole
	gone_with_namespace
}

# Upstreams that are being asked for when all goes.
netns_del_connecting() {
	pair_add
	blackhole peer tcp dport $UPSTREAM
	load_tcp_in dying mode=relay listen_addr=0.0.0.0 \
		reply_addr=192.0.2.2 "reply_port=$UPSTREAM"
	hold_start peer 192.0.2.1 20
	wait_for 20 shows dying connections=20 connected=0
	clients=$holder
	gone_with_namespace
}

_half_open() {
	[ "$(in_ns dying ss -Htn state syn-recv | wc -l)" -ge 30 ]
}

# half_open: connections that never get any further, for the answer to their
# first packet does not arrive
half_open() {
	pair_add
	blackhole peer "tcp sport $PORT tcp flags & (syn | ack) == syn | ack"
	load_tcp_in dying mode=echo listen_addr=0.0.0.0 backlog=64
	spawn peer "$KSOCKET_TESTS/tcp_load" hold 192.0.2.1 $PORT -c 50 >/dev/null 2>&1
	clients=$!
	wait_for 20 _half_open
}

netns_del_half_open() {
	half_open
	gone_with_namespace
}

unload_half_open() {
	half_open
	rmmod ksocket
	# None is left to the timers of the stack, which may come when its namespace has gone.
	no_sockets_left dying
	nothing_left $PORT dying
	busy_end
}

# Again and again, in turns: unload an echo, end the namespace of a relay, each with
# connections at work.
rounds() {
	local round LIVE=10
	for ((round = 0; round < ROUNDS; round++)); do
		if ((round % 2)); then
			pair_add
			serve peer echo
			load_tcp_in dying mode=relay listen_addr=0.0.0.0 \
				reply_addr=192.0.2.2 "reply_port=$UPSTREAM"
			busy peer 192.0.2.1 dying
			gone_with_namespace
			serve_end
			ns_del peer
		else
			load_tcp mode=echo
			busy - 127.0.0.1 -
			rmmod ksocket
			nothing_left $PORT
			no_sockets_left -
			busy_end
		fi
	done
}

# --- services in a row, and in a circle ---

# relay_add NAME FROM TO: one more service
relay_add() {
	"$KSOCKET_TESTS/ksocketctl" add "$1" listen "127.0.0.1:$2" relay "127.0.0.1:$3" proto tcp
}

# of_all KEY: the counter of all services
of_all() {
	service | awk -v "key=$1" '$1 == key { sum += $2 } END { print sum }'
}

# of_all_is KEY VALUE: for wait_for
of_all_is() {
	[ "$(of_all "$1")" = "$2" ]
}

# Seven relays and the echo behind them are eight, as many as may be.
chain() {
	local i
	needs_ksocketctl
	load_tcp mode=echo
	for i in 1 2 3 4 5 6 7; do
		relay_add "r$i" $((PORT + i)) $((PORT + i - 1))
	done
	"$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $((PORT + 7)) -c 3 -n 100000
	wait_for 20 of_all_is close_done 24
	relay_add r8 $((PORT + 8)) $((PORT + 7))
	relay_add r9 $((PORT + 9)) $((PORT + 8))
	refute "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $((PORT + 9)) -n 100
	wait_for 20 of_all_is connections 0
	assert_eq close_loop "$(of_all close_loop)" 1
	rmmod ksocket
}

# Each connection would make another one, until nobody may have any more.
circle() {
	needs_ksocketctl
	load listen_port=0
	relay_add there $PORT $((PORT + 1))
	relay_add back $((PORT + 1)) $PORT
	refute "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 $PORT -n 100
	wait_for 20 of_all_is connections 0
	assert_eq close_loop "$(of_all close_loop)" 1
	assert_eq accepted "$(of_all accepted)" 9
	rmmod ksocket
}

# ss -K closes the listen socket, as an administrator may. It listens again, on its
# port and its device, and its connections are as before; so are those that were there.
_listener_killed() {
	local fd errors i threads=$1
	ns_pair a b
	load_tcp_in a mode=echo listen_addr=0.0.0.0 device=veth0 "threads=$threads"
	hold_start b 192.0.2.1 2 -e
	for i in 1 2; do
		errors=$(counter recv_errors a)
		# It shows those that it has closed.
		if [ -z "$(in_ns a ss -KHtl "sport = :$PORT")" ]; then
			[ "$i" = 2 ] || skip "no CONFIG_INET_DIAG_DESTROY"
			fail "nothing that could be closed a second time"
		fi
		wait_for 20 counter_at_least recv_errors $((errors + 1)) a
		wait_for 20 _listens_on veth0 "$threads"
		in_ns b "$KSOCKET_TESTS/tcp_load" echo 192.0.2.1 $PORT -c 8 -n 100001
	done
	wait_for 20 shows a connections=2 accepted=18 close_done=16
	hold_end
	tcp_unload a
	ns_del a
	ns_del b
}

_listens_on() {
	[ "$(in_ns a ss -Htln "sport = :$PORT" | grep -c "%$1:$PORT ")" = "$2" ]
}

listener_killed() {
	_listener_killed 1
	[ "$(nproc)" -lt 2 ] || _listener_killed 2
}

# A connection that is reset while it is taken still has the callbacks of the listen
# socket, and they may find the connection in it instead of the worker.
reset_while_taken() {
	local round
	load_tcp mode=echo backlog=$LIVE
	for ((round = 0; round < 20; round++)); do
		hold_start - 127.0.0.1 $LIVE -r
		kill "$holder"
		wait "$holder" || true
	done
	comes_to connections=0
	tcp_unload
}

# --- what others do with the same sockets ---

# A sockmap has taken the connection before the service can: it is refused. Sockets
# that are the service's from the beginning no sockmap takes.
sockmap() {
	local holder
	spawn - "$KSOCKET_TESTS/sock_map" /sys/fs/cgroup $PORT $UPSTREAM >"$TMP/map" 2>&1
	holder=$!
	wait_for 20 test -s "$TMP/map"
	grep -q '^attached' "$TMP/map" || skip "no sockmap: $(cat "$TMP/map")"
	serve - echo
	load_relay
	tcp_fails - echo 127.0.0.1 $PORT
	said 'reset by peer'
	comes_to connections=0 accepted=1 connected=0 close_claimed=1
	tcp_unload
	load listen_port=$PORT reply_port=$UPSTREAM reply_proto=tcp
	comes_to connections=1 connected=1
	rmmod ksocket
	kill "$holder"
	wait "$holder"
	tail -n 1 "$TMP/map"
	assert_eq "what the sockmap got" "$(tail -n 1 "$TMP/map")" \
		"listen=16 accepted=0 connected=16"
	serve_end
}

# --- ports and parameters ---

port_in_use() {
	spawn - "$KSOCKET_TESTS/tcp_load" serve $PORT echo
	wait_for 20 listening $PORT -
	log_mark
	assert_eq "errno" "$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO" proto=tcp mode=echo \
		"listen_port=$PORT")" EADDRINUSE
	assert_eq "log" "$(log_since)" \
		"ksocket: listen address 127.0.0.1:$PORT is in use, need a free port"
	refute loaded
}

# A port is free for UDP where it is in use for TCP.
port_of_udp() {
	receiver "$TMP/got" $PORT
	load_tcp mode=echo
	_echo TCP4:127.0.0.1:$PORT
	tcp_unload
}

# Connections that this side has ended keep the port for a minute; not from us.
port_again() {
	load_tcp mode=echo idle_timeout=$((IDLE / 2))
	dial
	answers "$fd"
	is_closed "$fd"
	exec {fd}>&-
	rmmod ksocket
	load_tcp mode=echo
	dial
	answers "$fd"
	rmmod ksocket
	load_tcp mode=echo
	_echo TCP4:127.0.0.1:$PORT
	exec {fd}>&-
	comes_to connections=0
	tcp_unload
}

# refused ERRNO PATTERN PARAMETER=VALUE...
refused() {
	log_mark
	assert_eq "errno of ${*:3}" \
		"$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO" proto=tcp "${@:3}")" "$1"
	refute loaded
	log_since | grep -E "^ksocket: $2" || fail "${*:3}: $(log_since)"
}

bad_parameters() {
	local value
	refused EINVAL "proto=sctp: unknown, allowed .*udp.*tcp" proto=sctp
	refused EINVAL "proto=: unknown, allowed .*udp.*tcp" proto=
	for value in 0 65537 -1; do
		refused ERANGE "max_connections=$value: out of range, allowed 1 to 65536" \
			max_connections=$value
	done
	refused EINVAL "max_connections=many: not a number, allowed 1 to 65536" \
		max_connections=many
	refused ERANGE "backlog=0: out of range, allowed 1 to " backlog=0
	refused ERANGE "idle_timeout=86401: out of range, allowed 0 to 86400" \
		idle_timeout=86401
	refused ERANGE "keepalive=32768: out of range, allowed 0 to 32767" keepalive=32768
	refused EINVAL "mode=text: for datagrams only, proto=tcp allows relay, echo or discard" mode=text
	assert_eq "listening sockets" "$(ss -Htl)" ""
}

ksocket_run_tests \
	keys:"/proc/net/ksocket has what belongs to connections" \
	echo_ipv4:"echo: IPv4" \
	echo_ipv6:"echo: IPv6" \
	echo_dual_stack:"echo: listen_addr=:: answers both" \
	echo_large:"echo: a large transfer, byte by byte" \
	echo_many:"echo: $MANY connections at once, byte by byte" \
	echo_urgent:"echo: an urgent byte stays in its place" \
	echo_nothing:"echo: connections without a byte" \
	discard:"discard: all is swallowed, the end is in order" \
	echo_threads:"threads=2: both are at work" \
	relay_echo:"relay: all comes back, byte by byte" \
	relay_half_closed:"relay: half-closes are passed on, either way" \
	relay_ipv6:"relay: IPv6 on either side" \
	relay_faults:"relay: what is wrong behind it is seen in front of it" \
	relay_reset_by_upstream:"relay: a reset is passed on" \
	relay_netcat:"relay: between two netcats" \
	relay_http:"relay: curl and a web server" \
	relay_iperf3:"relay: iperf3" \
	relay_ncat:"relay: ncat" \
	upstream_refused:"relay: nobody listens upstream" \
	upstream_unreachable:"relay: no route upstream" \
	upstream_timeout:"relay: upstream does not answer" \
	max_connections:"max_connections: one more is reset, the others go on" \
	idle_timeout:"idle_timeout: those who are silent are closed" \
	keepalive:"keepalive: the timer runs" \
	clients_vanish:"clients that vanish, in silence and at their end" \
	client_never_reads:"clients that never read" \
	client_reads_slowly:"clients that read slowly" \
	relay_reads_slowly:"relay: the one behind it reads slowly" \
	client_resets:"clients that reset at every moment" \
	syn_flood:"a flood of connections that are never completed" \
	port_scan:"port scans" \
	cycles:"echo: $CYCLES connections in a row leave nothing" \
	relay_cycles:"relay: $((CYCLES / 4)) connections in a row leave nothing" \
	stopped:"a service that ends with connections" \
	unload_idle:"rmmod with an idle connection" \
	unload_busy:"rmmod with $LIVE connections at work" \
	unload_blackholed:"rmmod with upstreams that do not hear" \
	unload_half_open:"rmmod with connections half open" \
	netns_del_echo:"ip netns del with $LIVE connections at work" \
	netns_del_relay:"ip netns del with $LIVE relayed connections at work" \
	netns_del_blackholed:"ip netns del with upstreams that do not hear" \
	netns_del_connecting:"ip netns del with upstreams that do not answer" \
	netns_del_half_open:"ip netns del with connections half open" \
	rounds:"$ROUNDS ends of services and namespaces with connections at work" \
	chain:"eight services in a row, and not nine" \
	circle:"two relays to each other" \
	reset_while_taken:"connections that are reset while they are taken" \
	sockmap:"connections that a sockmap has taken" \
	listener_killed:"ss -K of the listen socket does not stop it" \
	port_in_use:"a port in use" \
	port_of_udp:"a port in use by UDP" \
	port_again:"the same port again at once" \
	bad_parameters:"bad parameters: each has its errno and its line"
