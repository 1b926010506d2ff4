#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest-tcp.sh - run the contenders for TCP, one after the other, in a machine of
# our own: guest.sh for streams.
#
# A program in the namespace "a" writes and reads, and is the receiver of what is
# relayed; "b" answers. The first run of every contender in every column compares
# every byte, and only who has it all right is timed. Prints "result CONTENDER
# COLUMN FAMILY VALUE", where VALUE is nanoseconds per KiB, round trip or
# connection, of several runs the one in the middle, or "bad CONTENDER COLUMN FAMILY REASON".
#
#   BENCH_CONTENDERS  names (default: all)
#   BENCH_COLUMNS     names (default: all)
#   BENCH_FAMILIES    "4 6"
#   BENCH_COUNT       MiB of a timed run with bulk on one connection (16); with 64
#                     there are four times as many, and 128 messages or 4
#                     connections for each

set -u
B=/usr/lib/ksocket/bench
KO=/usr/lib/ksocket/ksocket.ko
COUNT=${BENCH_COUNT:-16}
FAMILIES=${BENCH_FAMILIES:-4}
PORT=7000
CLIENT_PORT=5000
BENCH_COLUMNS=${BENCH_COLUMNS:-echo-bulk1 echo-bulk64 relay-bulk1 relay-bulk64
	echo-ping1 echo-ping64 relay-ping1 relay-ping64 echo-cycle relay-cycle}
BENCH_CONTENDERS=${BENCH_CONTENDERS:-floor socat epoll splice thread
	ksocket-copy ksocket-zerocopy}
SS_PROTO=t

# shellcheck source=selftests/bench/contenders.sh
. "$B/contenders.sh"

serve_tcp_socat() {
	local listen="TCP$family-LISTEN:$PORT,reuseaddr,fork,backlog=1024,nodelay" to
	to=$(address 1)
	[ "$family" = 4 ] || to="[$to]"
	# More at a time than the pipe takes, and it waits for itself.
	if [ "$1" = echo ]; then
		start socat -b 4096 "$listen" PIPE
	else
		start socat -b 65536 "$listen" "TCP$family:$to:$CLIENT_PORT,nodelay"
	fi
}

# serve_tcp CONTENDER echo|relay: start it in b
serve_tcp() {
	local to
	to=$(address 1)
	case $1 in
	floor) ;;
	epoll | splice)
		# shellcheck disable=SC2046 # none or two words
		start "$B/bench_stream_server" "$1" "$(address 2)" $PORT \
			$([ "$2" = echo ] || echo "$to $CLIENT_PORT")
		listening
		;;
	socat) serve_tcp_socat "$2" && listening ;;
	thread)
		[ "$2" = echo ] && to=''
		in_b insmod "$B/bench_thread.ko" "addr=$(address 2)" port=$PORT "to=$to" \
			to_port=$CLIENT_PORT
		;;
	ksocket-*)
		local receiver=()
		[ "$2" = echo ] || receiver=("reply_addr=$to" "reply_port=$CLIENT_PORT")
		in_b insmod "$KO" proto=tcp "mode=$2" "listen_addr=$(address 2)" listen_port=$PORT \
			${receiver[@]+"${receiver[@]}"} "datapath=${1#*-}" backlog=1024
		;;
	*) return 1 ;;
	esac
}

unserve_tcp() {
	case $1 in
	floor) ;;
	thread) rmmod bench_thread ;;
	ksocket-*) rmmod ksocket ;;
	# It was killed, and says so.
	*) unserve_user || true ;;
	esac >/dev/null 2>&1
}

# load CONTENDER MODE KIND CONNECTIONS COUNT VERIFY: sets all and ns
load() {
	local mode=$2 place=$CLIENT_PORT
	if [ "$1" = floor ]; then
		mode=floor place=$NS_B
		[ "$2" = echo ] || mode=floor-relay
	fi
	all=0 wrong=0 ns=0
	read -r all wrong ns < <(in_a "$B/bench_stream" "$3" "$mode" "$(address 1)" \
		"$(address 2)" $PORT "$4" "$5" "$6" "$place")
}

# measure CONTENDER COLUMN
measure() {
	local mode=${2%%-*} kind=${2#*-} conns count
	conns=${kind//[a-z]/} kind=${kind//[0-9]/}
	case $kind in
	bulk) count=$((COUNT << (conns > 1 ? 22 : 20))) ;;
	ping) count=$((COUNT * 128)) ;;
	cycle) count=$((COUNT * 4)) ;;
	esac
	# A process for each connection takes its time.
	[ "$1-$kind" != socat-cycle ] || count=$((count / 4))
	if ! serve_tcp "$1" "$mode" >/tmp/serve.log 2>&1; then
		echo "bad $1 $2 $family does not start: $(tail -n 1 /tmp/serve.log)"
	else
		measure_served "$1" "$2" "$mode" "$kind" "${conns:-1}" "$count"
	fi
	unserve_tcp "$1"
}

# measure_served CONTENDER COLUMN MODE KIND CONNECTIONS COUNT
measure_served() {
	local verify=$(($6 / 8)) unit=1 run runs=1 took=()
	[ "$4" != bulk ] || unit=1024
	# One run in six of a single bulk connection takes a tenth more: its turns and the
	# acknowledgments do not meet in the same way each time.
	[ "$4$5" != bulk1 ] || runs=5
	# Nothing else is compared with the number that is wanted.
	verify=$((verify / $5 * $5))
	load "$1" "$3" "$4" "$5" $verify 1
	if [ "$all $wrong" != "$verify 0" ]; then
		echo "bad $1 $2 $family of $verify (bytes, messages, connections) $all came, $wrong bytes wrong"
		return
	fi
	for ((run = 0; run < runs; run++)); do
		load "$1" "$3" "$4" "$5" "$6" 0
		if [ "$all" != "$6" ]; then
			echo "bad $1 $2 $family of $6 (bytes, messages, connections) $all came"
			return
		fi
		took+=("$ns")
	done
	ns=$(printf '%s\n' "${took[@]}" | sort -n | sed -n "$((runs / 2 + 1))p")
	echo "result $1 $2 $family $((ns * unit / $6))"
}

network
measure_all
