#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh COUNTS - the short forms of the benchmark: every reply is right,
# nothing of ours takes five percent more instructions than stored, and with TCP
# none as many as the server in user space. And the controls: numbers that are
# stored ten percent smaller make it fail, and so does a server that takes half.
# "make bench-host" runs in a guest here, for its output and not for its numbers.

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

# short TRANSPORT OUT
short() {
	mkdir "$2"
	BENCH_SHORT=1 TRANSPORT=$1 BENCH_OUT=$2 "$BENCH/bench.sh" >"$work/log" 2>&1
}

# stored_with OUT CONTENDERS FACTOR - stored numbers that are some percent of those
stored_with() {
	python3 - "$@" <<-'END'
		import json, sys
		out, contenders, percent = sys.argv[1], sys.argv[2], int(sys.argv[3])
		with open(out + "/bench.json") as file:
		    bench = json.load(file)
		for table in bench["instructions"].values():
		    for name, row in table.items():
		        for column in row if name.startswith(contenders) else []:
		            row[column] = row[column] * percent // 100
		json.dump(bench, sys.stdout)
	END
}

# ahead FILE - whether all of ours take fewer instructions than the server
ahead() {
	python3 - "$1" <<-'END'
		import json, sys
		with open(sys.argv[1]) as file:
		    tables = json.load(file)["instructions"].values()
		behind = [f"{name} {column}: {value}, epoll {table['epoll'][column]}"
		          for table in tables for name, row in table.items() if name != "epoll"
		          for column, value in row.items() if value >= table["epoll"][column]]
		print("\n".join(behind))
		sys.exit(bool(behind))
	END
}

short udp "$work/udp" && rc=0 || rc=$?
grep -E '^(contender|recvmmsg|ksocket)' "$work/log" | sed 's/^/             /' || true
verdict "$rc" "no datapath is more than 5 % slower than stored ($((SECONDS - start)) s)"

stored_with "$work/udp" ksocket 90 >"$work/faster.json"
python3 "$BENCH/report.py" udp "$work/udp/results" "$work/udp" 6.1 "$work/faster.json" \
	>"$work/log" 2>&1 && rc=1 || rc=0
[ "$rc" = 1 ] || grep -q '^slower: ksocket-softirq echo64' "$work/log" || rc=1
verdict "$rc" "control: with stored numbers 10 % smaller it fails"

start=$SECONDS
short tcp "$work/tcp" && rc=0 || rc=$?
grep -E '^(contender|epoll|ksocket)' "$work/log" | sed 's/^/             /' || true
verdict "$rc" "TCP: no datapath is more than 5 % slower than stored ($((SECONDS - start)) s)"
ahead "$work/tcp/bench.json" >"$work/log" 2>&1 && rc=0 || rc=1
verdict "$rc" "TCP: all are ahead of an epoll server in user space"
stored_with "$work/tcp" epoll 50 >"$work/faster.json"
ahead "$work/faster.json" >"$work/log" 2>&1 && rc=1 || rc=0
verdict "$rc" "control: behind a server that takes half as many it fails"

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
