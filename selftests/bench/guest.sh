#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh - run the contenders, one after the other, in a machine of our own.
#
# Two namespaces joined by a veth pair: "a" asks, "b" answers. Every contender
# answers 2,000 datagrams that are compared byte by byte before it is timed.
# Prints for each: "result CONTENDER COLUMN FAMILY NANOSECONDS", or "bad
# CONTENDER COLUMN FAMILY REASON". Under QEMU's icount one nanosecond is one
# instruction.
#
#   BENCH_COUNT       datagrams of a timed run (default 20000)
#   BENCH_CONTENDERS  names (default: all)
#   BENCH_COLUMNS     names (default: all)
#   BENCH_FAMILIES    "4 6"

set -u
B=/usr/lib/ksocket/bench
KO=/usr/lib/ksocket/ksocket.ko
COUNT=${BENCH_COUNT:-20000}
FAMILIES=${BENCH_FAMILIES:-4}
PORT=7000
CLIENT_PORT=5000
COLUMNS="echo64 echo1400 relay64 user-echo64 user-relay64 ping64"
BENCH_COLUMNS=${BENCH_COLUMNS:-$COLUMNS}

# shellcheck source=selftests/bench/contenders.sh
. "$B/contenders.sh"
BENCH_CONTENDERS=${BENCH_CONTENDERS:-$CONTENDERS}

param() { cat "/sys/module/bench_load/parameters/$1"; }

# load COLUMN COUNT VERIFY: one run; sets received, wrong, twice and ns
load() {
	local size=${1//[a-z-]/} window=32 from relay=''
	from=$(address 1)
	if [[ $1 == user-relay* ]]; then
		# Who translates addresses sends on to another one of ours.
		relay=relay from=::
		[ "$family" != 4 ] || from=0.0.0.0
	fi
	case $1 in
	user-* | ping*)
		[[ $1 != ping* ]] || window=1
		read -r _ received wrong twice ns < <(in_a $B/bench_client "$from" \
			$CLIENT_PORT "$(address 2)" $PORT "$size" "$2" $window "$3" $relay)
		;;
	*)
		in_a insmod $B/bench_load.ko mac="$mac_b" from="$(address 1)" to="$(address 2)" \
			sport=$CLIENT_PORT dport=$PORT size="$size" count="$2" \
			window=$window verify="$3" || return
		received=$(param received) wrong=$(param wrong)
		twice=$(param twice) ns=$(param ns)
		rmmod bench_load
		;;
	esac
}

# measure CONTENDER COLUMN
measure() {
	local mode=echo count=$COUNT status=0 runs=1 best=''
	received=0 wrong=0 twice=0 ns=0
	case $2 in *relay*) mode=relay ;; esac
	serve "$1" $mode >/tmp/serve.log 2>&1 || status=$?
	if [ $status != 0 ]; then
		# Without a word it is not meant for this column.
		if [ $status != 4 ]; then
			echo "bad $1 $2 $family does not start: $(tail -n 1 /tmp/serve.log)"
		elif [ -s /tmp/serve.log ]; then
			echo "skip $1 $2 $family $(tail -n 1 /tmp/serve.log)"
		fi
		unserve "$1"
		return
	fi
	load "$2" 2000 1
	if [ "$received $wrong $twice" != "2000 0 0" ]; then
		echo "bad $1 $2 $family of 2000 replies $received came, $wrong wrong, $twice twice"
	else
		# Bursts fall into step with the sender or do not: the best of three.
		[[ $1 != *gro* ]] || runs=3
		while [ $((runs--)) != 0 ]; do
			load "$2" "$count" 0
			if [ "$received $wrong" != "$count 0" ]; then
				echo "bad $1 $2 $family of $count replies $received came, $wrong wrong"
				best=
				break
			fi
			[ -n "$best" ] && [ "$best" -le "$ns" ] || best=$ns
		done
		[ -z "$best" ] || echo "result $1 $2 $family $((best / count))"
	fi
	unserve "$1"
}

network
measure_all
