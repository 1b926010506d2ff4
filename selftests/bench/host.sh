#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# host.sh - the benchmark on a real machine: how many datagrams a second, how
# long a round trip takes (median, 99 %, 99.9 %), how busy the processors are, and
# what more threads bring. As root; it loads ksocket into the running kernel and
# unloads it, and works in two network namespaces of its own.
#
#   HOST_COUNT       datagrams of a run (default 200000)
#   HOST_CONTENDERS  names of contenders.sh (default: servers and ksocket)
#   HOST_THREADS     numbers of threads (default: 1, 2, 4 ... processors)
#   KO               the module (default: ksocket.ko of this tree, as make leaves it)

set -eu -o pipefail
BENCH=$(cd "$(dirname "$0")" && pwd -P)
KO=${KO:-$BENCH/../../ksocket.ko}
PORT=7000
CLIENT_PORT=5000
NS_PREFIX=ksbench-
family=4
COUNT=${HOST_COUNT:-200000}
die() { echo "error: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root: it makes network namespaces and loads a module"
[ -r "$KO" ] || die "no module $KO: run make first, or say KO=..."
[ ! -d /sys/module/ksocket ] || die "a ksocket is loaded: unload it first"
# B may be given where there is no compiler.
work=$(mktemp -d)
if [ -z "${B:-}" ]; then
	B=$work
	for program in bench_server bench_client; do
		"${CC:-cc}" -O2 -o "$B/$program" "$BENCH/$program.c"
	done
fi
# shellcheck source=selftests/bench/contenders.sh
. "$BENCH/contenders.sh"

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
	[ ! -d /sys/module/ksocket ] || rmmod ksocket || true
	ip netns del "$NS_A" 2>/dev/null || true
	ip netns del "$NS_B" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# ticks: of all processors, busy and all
ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat; }

# clients NUMBER COUNT WINDOW [times]: so many at a time; sets received, busy (in
# per cent of all processors), ns, and with times the three percentiles
clients() {
	local i pids=() b0 t0 b1 t1 start
	read -r b0 t0 < <(ticks)
	start=$(date +%s%N)
	for ((i = 0; i < $1; i++)); do
		in_a "$B/bench_client" "$(address 1)" $((CLIENT_PORT + i)) "$(address 2)" \
			$PORT 64 "$2" "$3" 0 ${4:+"$4"} >"$work/client.$i" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	ns=$(($(date +%s%N) - start))
	read -r b1 t1 < <(ticks)
	busy=$(((b1 - b0) * 100 / (t1 - t0 + 1)))
	received=$(awk '{ sum += $2 } END { print sum + 0 }' "$work"/client.*)
	read -r _ _ _ _ _ p50 p99 p999 <"$work/client.0" || true
	rm -f "$work"/client.*
}

# Everything that is timed is right first.
verify() {
	local sent wrong twice
	read -r sent received wrong twice _ < <(in_a "$B/bench_client" "$(address 1)" \
		$CLIENT_PORT "$(address 2)" $PORT 64 2000 32 1)
	[ "$sent $received $wrong $twice" = "2000 2000 0 0" ] ||
		die "$1: of $sent datagrams $received came back, $wrong wrong, $twice twice"
}

us() { awk -v ns="$1" 'BEGIN { printf "%.1f", ns / 1000 }'; }

# run NAME CLIENTS: the server is up
run() {
	local rate
	verify "$1"
	clients "$2" $((COUNT / $2)) 32
	rate=$((received * 1000000 / (ns / 1000)))
	[ "$received" = $((COUNT / $2 * $2)) ] || rate="$rate (lost $((COUNT - received)))"
	throughput=$rate load=$busy
	clients 1 $((COUNT / 10)) 1 times
	printf '%-22s %14s %6s %9s %9s %9s\n' "$1" "$throughput" "$load" "$(us "$p50")" \
		"$(us "$p99")" "$(us "$p999")"
}

cpus=$(nproc)
network
echo "Linux $(uname -r), $cpus processors, echo of 64 bytes over a veth pair, IPv4"
printf '%-22s %14s %6s %9s %9s %9s\n' contender 'datagrams/s' 'CPU %' 'p50 us' 'p99 us' 'p99.9 us'
for contender in ${HOST_CONTENDERS:-recvfrom recvmmsg uring ksocket-copy ksocket-zerocopy ksocket-softirq}; do
	if ! serve "$contender" echo >"$work/said" 2>&1; then
		echo "$contender: does not run here: $(tail -n 1 "$work/said")"
		unserve "$contender" || true
		continue
	fi
	run "$contender" 1
	# A server that was killed says so.
	unserve "$contender" || true
	server=''
done

threads=${HOST_THREADS:-$(for ((n = 1; n < cpus; n *= 2)); do echo $n; done; echo "$cpus")}
echo "as many clients as threads:"
for n in $threads; do
	for path in zerocopy softirq; do
		serve_ksocket echo "datapath=$path" "threads=$n"
		run "$path, threads=$n" "$n"
		unserve_ksocket
	done
done
echo "bench-host: done"
