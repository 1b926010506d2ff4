#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh - how many instructions an answer costs: ours, and that of everything
# else that people use for it, all in one boot.
#
# The guest runs under QEMU's icount, where a nanosecond is an instruction: what
# else this machine does changes nothing, and two runs agree within one percent.
#
#   KERNEL            6.1 (default), 6.12 or 7.2
#   BASELINE          a stored bench.json: say what has become slower, and fail
#                     when something of ours did by more than 5 percent
#   BENCH_OUT         where bench.json, bench.txt and bench.svg go (.cache/bench)
#   BENCH_SHORT       ours and the reference only, without a plot, compared with
#                     stored-KERNEL.json
#   BENCH_COUNT       datagrams of a timed run (20000)
#   BENCH_CONTENDERS, BENCH_COLUMNS, BENCH_FAMILIES  see guest.sh

set -eu -o pipefail
VM_DIR=$(cd "$(dirname "$0")/../vm" && pwd -P)
# shellcheck source=selftests/vm/lib.sh
. "$VM_DIR/lib.sh"

BENCH=$REPO/selftests/bench
kernel=${KERNEL:-6.1}
out=${BENCH_OUT:-$CACHE/bench}
image=bench
if [ -n "${BENCH_SHORT:-}" ]; then
	image=base
	export BENCH_CONTENDERS="recvmmsg ksocket-copy ksocket-zerocopy ksocket-softirq
		ksocket-zerocopy-gro ksocket-softirq-gro"
	export BENCH_COLUMNS="echo64 echo1400 relay64 ping64"
	BASELINE=${BASELINE:-$BENCH/stored-$kernel.json}
	"$VM_DIR/deps.sh" vm python
else
	"$VM_DIR/deps.sh" vm bench
fi
mkdir -p "$out"
work=$(mktemp -d "$CACHE/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

step build "ksocket.ko, the load and the contenders"
ko=$("$VM_DIR/build.sh" "$kernel")
mkdir "$work/load" "$work/bin"
cp "$BENCH"/Kbuild "$BENCH"/bench_payload.h "$BENCH"/bench_load.c "$BENCH"/bench_floor.c "$work/load"
"$VM_DIR/build.sh" "$kernel" "$work/load" "$work/ko" >/dev/null
cp "$work"/ko/*.ko "$BENCH"/{guest,contenders}.sh "$work/bin"
"$BENCH/programs.sh" "$work/bin"
[ -n "${BENCH_SHORT:-}" ] ||
	clang -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" \
		-c "$BENCH/bench_bpf.c" -o "$work/bin/bench_bpf.o"

options=()
for name in BENCH_COUNT BENCH_CONTENDERS BENCH_COLUMNS BENCH_FAMILIES; do
	[ -z "${!name:-}" ] || options+=(--env "$name=${!name}")
done
step boot "a guest that counts instructions"
# Mitigations would be counted, the timer of an emulated machine as well. Copies
# are counted as a processor with fast string instructions makes them.
KSOCKET_ACCEL=tcg "$VM_DIR/vm.sh" "$kernel" --image $image --smp 1 --ko "$ko" \
	--qemu "-icount shift=0,align=off,sleep=off -cpu $TCG_CPU" \
	--append 'mitigations=off nokaslr tsc=reliable clocksource=tsc' \
	--add "$work/bin:/usr/lib/ksocket/bench" --timeout 3000 \
	${options[@]+"${options[@]}"} \
	--command '/bin/bash /usr/lib/ksocket/bench/guest.sh' | tee "$out/results"

python3 "$BENCH/report.py" "$out/results" "$out" "$kernel" ${BASELINE:+"$BASELINE"}
