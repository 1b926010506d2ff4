#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh COUNTS - the short form of the benchmark: every reply is right, and
# nothing of ours takes five percent more instructions than stored. And the
# control: numbers that are stored ten percent smaller make it fail. "make
# bench-host" runs in a guest here, for its output and not for its numbers.

set -eu -o pipefail
BENCH=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=selftests/vm/lib.sh
. "$BENCH/../vm/lib.sh"

counts=$1
passed=0 failed=0
work=$(mktemp -d "$CACHE/benchcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT
start=$SECONDS

verdict() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		report ok bench "$2"
	else
		failed=$((failed + 1))
		report FAILED bench "$2"
		sed 's/^/             | /' "$work/log"
	fi
}

BENCH_SHORT=1 BENCH_OUT=$work "$BENCH/bench.sh" >"$work/log" 2>&1 && rc=0 || rc=$?
grep -E '^(contender|recvmmsg|ksocket)' "$work/log" | sed 's/^/             /' || true
verdict "$rc" "no datapath is more than 5 % slower than stored ($((SECONDS - start)) s)"

python3 - "$work" <<-'END'
	import json, sys
	with open(sys.argv[1] + "/bench.json") as file:
	    bench = json.load(file)
	for table in bench["instructions"].values():
	    for row in table.values():
	        for column in row:
	            row[column] = row[column] * 9 // 10
	with open(sys.argv[1] + "/faster.json", "w") as file:
	    json.dump(bench, file)
END
python3 "$BENCH/report.py" "$work/results" "$work" 6.1 "$work/faster.json" >"$work/log" 2>&1 && rc=1 || rc=0
[ "$rc" = 1 ] || grep -q '^slower: ksocket-softirq echo64' "$work/log" || rc=1
verdict "$rc" "control: with stored numbers 10 % smaller it fails"

mkdir "$work/bin"
"$BENCH/programs.sh" "$work/bin"
cp "$BENCH"/{host,contenders}.sh "$work/bin"
"$VM_DIR/vm.sh" 6.1 --add "$work/bin:/usr/lib/ksocket/bench" --env B=/usr/lib/ksocket/bench \
	--env KO=/lib/ksocket/ksocket.ko --env HOST_COUNT=4000 --timeout 300 \
	--command 'bash /usr/lib/ksocket/bench/host.sh' >"$work/log" 2>&1 && rc=0 || rc=$?
[ "$(grep -cE '^(recv|recvmmsg|uring|ksocket|zerocopy|softirq)[^ ]* .* [0-9.]+ +[0-9.]+ +[0-9.]+$' "$work/log")" -ge 8 ] || rc=1
verdict "$rc" "bench-host measures in a guest"

echo "$passed $failed 0" >"$counts"
[ "$failed" = 0 ]
