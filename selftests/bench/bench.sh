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
#   TRANSPORT         udp (default) or tcp
#   BASELINE          a stored bench.json: say what has become slower, and fail
#                     when something of ours did by more than 5 percent
#   BENCH_OUT         where bench.json, bench.txt and bench.svg go (.cache/bench, with
#                     TCP .cache/bench-tcp)
#   BENCH_SHORT       ours and the reference only, without a plot, compared with
#                     stored-KERNEL.json or stored-tcp-KERNEL.json
#   BENCH_COUNT, BENCH_CONTENDERS, BENCH_COLUMNS, BENCH_FAMILIES  see guest.sh and
#                     guest-tcp.sh

set -eu -o pipefail
VM_DIR=$(cd "$(dirname "$0")/../vm" && pwd -P)
# shellcheck source=selftests/vm/lib.sh
. "$VM_DIR/lib.sh"

BENCH=$REPO/selftests/bench
kernel=${KERNEL:-6.1}
transport=${TRANSPORT:-udp}
# Mitigations would be counted, the timer of an emulated machine as well. Copies
# are counted as a processor with fast string instructions makes them.
cpu=$TCG_CPU
case $transport in
udp)
	guest=guest.sh name=bench needs=bench stored=stored-$kernel.json
	short_contenders="recvmmsg ksocket-copy ksocket-zerocopy ksocket-softirq
		ksocket-zerocopy-gro ksocket-softirq-gro"
	short_columns="echo64 echo1400 relay64 ping64"
	;;
tcp)
	guest=guest-tcp.sh name=bench-tcp needs=python stored=stored-tcp-$kernel.json
	short_contenders="epoll ksocket-copy ksocket-zerocopy"
	short_columns="echo-bulk1 relay-bulk1 echo-ping1 relay-ping1"
	# QEMU counts a fast string instruction as one for each byte, and copies are
	# most of what streams cost: by words it is one for eight bytes.
	cpu=$TCG_CPU,-erms,-fsrm
	;;
*) die "TRANSPORT is udp or tcp" ;;
esac
out=${BENCH_OUT:-$CACHE/$name}
if [ -n "${BENCH_SHORT:-}" ]; then
	needs=python
	export BENCH_CONTENDERS=$short_contenders BENCH_COLUMNS=$short_columns
	BASELINE=${BASELINE:-$BENCH/$stored}
fi
"$VM_DIR/deps.sh" vm "$needs"
mkdir -p "$out"
work=$(mktemp -d "$CACHE/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

step build "ksocket.ko, the load and the contenders"
ko=$("$VM_DIR/build.sh" "$kernel")
mkdir "$work/load" "$work/bin"
cp "$BENCH"/Kbuild "$BENCH"/bench_payload.h "$BENCH"/bench_load.c "$BENCH"/bench_floor.c \
	"$BENCH"/bench_thread.c "$work/load"
"$VM_DIR/build.sh" "$kernel" "$work/load" "$work/ko" >/dev/null
cp "$work"/ko/*.ko "$BENCH"/contenders.sh "$BENCH/$guest" "$work/bin"
"$BENCH/programs.sh" "$work/bin"
[ "$needs" = python ] ||
	clang -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" \
		-c "$BENCH/bench_bpf.c" -o "$work/bin/bench_bpf.o"

options=()
for name in BENCH_COUNT BENCH_CONTENDERS BENCH_COLUMNS BENCH_FAMILIES; do
	[ -z "${!name:-}" ] || options+=(--env "$name=${!name}")
done
step boot "a guest that counts instructions"
KSOCKET_ACCEL=tcg "$VM_DIR/vm.sh" "$kernel" --smp 1 --ko "$ko" \
	--qemu "-icount shift=0,align=off,sleep=off -cpu $cpu" \
	--append 'mitigations=off nokaslr tsc=reliable clocksource=tsc' \
	--add "$work/bin:/usr/lib/ksocket/bench" --timeout 3000 \
	${options[@]+"${options[@]}"} \
	--command '/bin/bash /usr/lib/ksocket/bench/'"$guest" | tee "$out/results"

python3 "$BENCH/report.py" "$transport" "$out/results" "$out" "$kernel" ${BASELINE:+"$BASELINE"}
