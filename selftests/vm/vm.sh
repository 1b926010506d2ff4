#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vm.sh - boot a throw-away guest, run something in it, judge it.
#
#   vm.sh KERNEL [option...] --command 'shell commands'
#   vm.sh KERNEL [option...] --tests DIR     run DIR/run_kselftest.sh
#
#   --ko FILE       the module (default: build.sh builds it); "none" for none
#   --add SRC:DST   put a file or folder of this machine into the guest
#   --env NAME=VAL  for the environment of what runs
#   --append ARGS   more on the kernel's command line
#   --timeout SEC   for the whole guest (default 120): not counting the time in which
#                   it waits for a processor of this machine, and times the factor
#                   by which the guest finds itself slow (see init)
#   --image KIND    base (default; small on another architecture), trace or clients
#                   (see image.sh)
#   --memory MB     --smp N
#   --qemu 'ARGS'   more arguments for QEMU
#   --out DIR       keep console.log, result.log and verdict there
#   --keep-log      keep them even when all is well, and say where
#   --quiet         do not show what the guest says while it runs
#
# Exit status: what the guest's command gave; 123 the kernel complained or
# leaked; 124 time-out; 125 no verdict (panic, crash); 126 QEMU did not run.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# Anything like this on the console is a finding. Tests never print there.
# The slab allocator says "BUG skbuff_head_cache (Not tainted): Poison overwritten".
SPLATS='BUG:|BUG [^ ]+ \(|WARNING:|possible .* locking|possible .* deadlock|INFO: |unregister_netdevice: waiting'
SPLATS="$SPLATS|Kernel panic|Oops|general protection fault|KASAN|UBSAN|ODEBUG|refcount_t:"
SPLATS="$SPLATS|ref_tracker:|detected stall|soft lockup|blocked for more than|corruption"
SPLATS="$SPLATS|scheduling while atomic|sleeping function|Memory corruption|DEBUG_LOCKS_WARN"

# findings - what the console says against the guest. The whole kernel races here
# and there, knowingly or not; what counts is ours.
findings() {
	grep -aE "$SPLATS" "$out/console.log" | tr -d '\r' | awk '!/BUG: KCSAN:/ || /ksocket_/'
}

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

kernel=${1:-}
[ -n "$kernel" ] || usage
shift
command='' tests='' ko='' append='' timeout=120 image='' memory='' smp=2
[ "$kernel" != kcsan ] || smp=4 # a race takes two at the same place
out='' keep='' quiet='' qemu_more='' adds=() envs=()
while [ $# -gt 0 ]; do
	case $1 in
	--command) command=$2; shift ;;
	--tests) tests=$2; shift ;;
	--ko) ko=$2; shift ;;
	--add) adds+=("$2"); shift ;;
	--env) envs+=("$2"); shift ;;
	--append) append=$2; shift ;;
	--timeout) timeout=$2; shift ;;
	--image) image=$2; shift ;;
	--memory) memory=$2; shift ;;
	--smp) smp=$2; shift ;;
	--qemu) qemu_more=$2; shift ;;
	--out) out=$2; shift ;;
	--keep-log) keep=1 ;;
	--quiet) quiet=1 ;;
	*) usage ;;
	esac
	shift
done
[ -n "$command$tests" ] || usage

arch=$(kernel_get "$kernel" ARCH)
qemu=qemu-system-$(kernel_get "$kernel" QEMU)
console=$(kernel_get "$kernel" CONSOLE)
if [ -z "$image" ]; then
	image=base
	! is_foreign "$kernel" || image=small
fi
case $image in
base | small) ;;
*) memory=${memory:-2048} ;; # it is unpacked into memory
esac
kdir=$(kernel_ready "$kernel")
base=$("$VM_DIR/image.sh" "$image" "$arch")
if [ -z "$ko" ]; then ko=$("$VM_DIR/build.sh" "$kernel"); fi

work=$(mktemp -d "$CACHE/run.XXXXXX")
qemu_pid='' watcher=''
# watch_end - the number of a process that has ended may soon be another one's, which
# the watcher would take for the guest.
watch_end() {
	[ -n "$watcher" ] || return 0
	# The shell would add its own word about a job that is killed.
	{ kill "$watcher" && wait "$watcher"; } 2>/dev/null || true
	watcher=''
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	watch_end
	# Ends only the guest that this script itself started.
	[ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
if [ -z "$out" ]; then
	mkdir -p "$CACHE/log"
	out=$(mktemp -d "$CACHE/log/$(kernel_file "$kernel").XXXXXX")
else
	mkdir -p "$out"
	keep=1
fi

# --- the guest's third archive: what to do -----------------------------------
job=$work/root
mkdir -p "$job/job" "$job/usr/lib/ksocket"
cp "$VM_DIR/init" "$job/init"
chmod 755 "$job/init"
{
	echo "KSOCKET_KO=/lib/ksocket/ksocket.ko"
	! is_own "$kernel" || echo "KSOCKET_DEBUG_KERNEL=1"
	[ "$kernel" != kcsan ] || echo "KSOCKET_KCSAN=1"
	for pair in ${envs[@]+"${envs[@]}"}; do printf '%s=%q\n' "${pair%%=*}" "${pair#*=}"; done
} >"$job/job/env"
[ "$ko" = none ] || cp "$ko" "$job/usr/lib/ksocket/ksocket.ko"
if [ -n "$tests" ]; then
	cp -a "$tests" "$job/kselftest"
	# Line by line, or a crash would take the last results with it.
	# The long forms know no other limit than the guest's own.
	command='cd /kselftest && stdbuf -oL ./run_kselftest.sh --override-timeout $((KSOCKET_SLOW * ${KSOCKET_SOAK:+1000}1500))'
fi
printf '%s\n' "$command" >"$job/job/run"
for pair in ${adds[@]+"${adds[@]}"}; do
	mkdir -p "$job/$(dirname "${pair#*:}")"
	cp -a "${pair%%:*}" "$job/${pair#*:}"
done
(cd "$job" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/job.cpio"
cat "$base" "$kdir/modules.cpio" "$work/job.cpio" >"$work/initrd"
rm -rf "$job"

# --- boot ----------------------------------------------------------------------
case $arch in
amd64 | i386) accel=${KSOCKET_ACCEL:-$("$VM_DIR/accel.sh")} ;;
*) accel=tcg ;;
esac
machine=$(kernel_get "$kernel" MACHINE)
cmdline="console=$console loglevel=5 panic=-1 oops=panic panic_on_warn=1 softlockup_panic=1"
cmdline="$cmdline sysctl.kernel.hung_task_timeout_secs=30 sysctl.kernel.hung_task_panic=1"
cmdline="$cmdline rcupdate.rcu_cpu_stall_suppress=0"
set -- -nodefaults -no-user-config -display none -monitor none -no-reboot \
	-kernel "$kdir/vmlinuz" -initrd "$work/initrd" \
	-serial "file:$out/console.log"
case $console in
ttyS0) set -- "$@" -serial "file:$out/result.log" ;;
*)
	result=hvc0
	[ "$console" != hvc0 ] || result=hvc1
	cmdline="$cmdline ksocket_say=$result"
	set -- "$@" -device virtio-serial -chardev "file,id=say,path=$out/result.log" \
		-device virtconsole,chardev=say
	;;
esac
if is_own "$kernel"; then
	# It has no ACPI; without sockets=2 it would find one processor. It waits
	# for RCU at every turn, and grace periods that are hurried are RCU's too.
	cmdline="$cmdline rcupdate.rcu_expedited=1"
	# KCSAN reports with a warning.
	[ "$kernel" = debug ] || cmdline="$cmdline panic_on_warn=0"
	set -- "$@" -machine "$machine,acpi=off" -smp "$smp,sockets=$smp" -m "${memory:-2048}"
else
	set -- "$@" -machine "$machine" -smp "$smp" -m "${memory:-1024}"
fi
if [ "$accel" = kvm ]; then
	set -- "$@" -accel kvm -cpu host
else
	# Without ,-cx16 kernels built by gcc 12 crash at random under TCG. With
	# la57 an interrupt that comes while the boot CPU is being identified
	# finds KASAN in doubt about the size of the address space. With a host
	# thread for each processor it sometimes runs code that another one has
	# just patched (seen: int3 in __schedule, a nop that never ends); taking
	# turns is no slower with as many guests as processors.
	#
	# TCG translates code once for each address at which it is executed: with
	# randomized addresses, all of a program and its libraries at every start,
	# which takes four times as long. String instructions it executes byte by
	# byte where the kernel believes them to be fast.
	cmdline="$cmdline norandmaps"
	# On 32-bit ARM processors that took turns waited for each other for ever, before
	# init (multi_cpu_stop).
	turns=single
	[ "$arch" != armhf ] || turns=multi
	cpu=$(kernel_get "$kernel" CPU | sed "s/^-\$/$TCG_CPU,-erms,-fsrm/")
	set -- "$@" -accel "tcg,thread=${KSOCKET_TCG_THREAD:-$turns}" -cpu "$cpu"
fi

set -- "$@" -append "$cmdline $append"

# waited PID - milliseconds for which the busiest thread of PID would have run, had
# it had a processor
waited() {
	local task ns most=0
	for task in "/proc/$1/task"/*/schedstat; do
		{ read -r _ ns _ <"$task"; } 2>/dev/null || continue
		[ "$ns" -le "$most" ] || most=$ns
	done
	echo $((most / 1000000))
}

# began PID - when the process was started, in ticks; nothing if there is none
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# watch_guest PID - end it when its time is up; the file "overdue" says that this
# was done. A guest that others leave no processor, or on a slow machine, has more.
watch_guest() {
	local start=$SECONDS slow='' alone ms most=0 began
	began=$(began "$1")
	while [ -n "$began" ]; do
		sleep 1
		[ "$(began "$1")" = "$began" ] || break
		[ -n "$slow" ] ||
			slow=$(sed -n 's/^ksocket-slow=\([0-9]*\) .*/\1/p' "$out/result.log" | sed -n 1p)
		# Threads that end take their numbers with them.
		ms=$(waited "$1")
		[ "$ms" -le "$most" ] || most=$ms
		alone=$((SECONDS - start - most / 1000))
		echo "$alone" >"$work/alone"
		[ $alone -ge $((timeout * ${slow:-1})) ] || continue
		echo "$alone" >"$work/overdue"
		kill "$1" 2>/dev/null || true
		sleep 5
		[ "$(began "$1")" != "$began" ] || kill -9 "$1" 2>/dev/null || true
		break
	done
}

boot() {
	: >"$out/console.log"
	: >"$out/result.log"
	# shellcheck disable=SC2086 # QEMU arguments are a list of words
	"$qemu" "$@" $qemu_more </dev/null >"$out/qemu.log" 2>&1 9>&- &
	qemu_pid=$!
	watch_guest "$qemu_pid" </dev/null >/dev/null 2>&1 9>&- &
	watcher=$!
	if [ -z "$quiet" ]; then
		tail -s 0.1 -q --pid=$qemu_pid -n +1 -f "$out/result.log" 2>/dev/null |
			grep --line-buffered -vE '^(ksocket-init|ksocket-slow=.*|rc=[0-9]+|kmemleak-done)$' || true
	fi
	status=0
	# The shell would add its own word about a QEMU that aborts.
	{ wait "$qemu_pid" || status=$?; } 2>/dev/null
	qemu_pid=''
	watch_end
}

rm -f "$out/verdict"
start=$SECONDS
boot "$@"
# A kernel that dies before init has met neither the module nor a test; an
# emulator under load does that now and then. Once.
if [ "$status" = 0 ] && [ ! -f "$work/overdue" ] &&
	! grep -q '^ksocket-init$' "$out/result.log"; then
	cp "$out/console.log" "$out/console-first.log"
	say "vm: $kernel: the guest did not get as far as init, once more: $(
		grep -m1 -aE "$SPLATS" "$out/console.log" | tr -d '\r')"
	boot "$@"
fi
seconds=$((SECONDS - start))

# --- judge ---------------------------------------------------------------------
# The first finding is the cause, the others mostly its consequences.
finding=$(findings | sed -n 1p || true)
leak=$(grep -m1 -A1000 '^kmemleak-report:$' "$out/result.log" || true)
rc=$(tail -n 1 "$out/result.log" | sed -n 's/^rc=\([0-9]\{1,\}\)$/\1/p')
if [ -f "$work/overdue" ]; then
	verdict=124 why="no end within $timeout s"
elif [ "$status" != 0 ]; then
	verdict=126 why="QEMU failed ($status): $(tail -n 1 "$out/qemu.log")"
elif ! grep -q '^ksocket-init$' "$out/result.log"; then
	# Nothing of ours was met, so it is no verdict on it.
	verdict=126 why="the guest did not get as far as init"
elif [ -z "$rc" ]; then
	verdict=125 why="the guest ended without a verdict"
elif [ -n "$finding" ]; then
	verdict=123 why="the kernel complained"
elif [ -n "$leak" ]; then
	verdict=123 why="memory leaked"
	finding=$(printf '%s\n' "$leak" | sed -n 's/^unreferenced/kmemleak: unreferenced/p' | sed -n 1p)
elif [ "$kernel" = debug ] && ! grep -q '^kmemleak-done$' "$out/result.log"; then
	verdict=125 why="the guest did not look for leaks"
else
	verdict=$rc why="exit status $rc"
fi
{
	echo "verdict=$verdict"
	echo "why=$why"
	echo "finding=$finding"
	echo "seconds=$seconds"
	echo "alone=$(cat "$work/alone" 2>/dev/null)"
	echo "accel=$accel"
} >"$out/verdict"

if [ "$verdict" != 0 ] && [ -z "$quiet" ]; then
	say "vm: $kernel: $why${finding:+: $finding}"
	if [ -n "$finding" ]; then
		grep -aE -A40 "$SPLATS" "$out/console.log" | head -n 60 | sed 's/^/vm:   /' >&2 || true
		printf '%s\n' "$leak" | head -n 40 | sed 's/^/vm:   /' >&2
	elif [ "$verdict" -ge 124 ]; then
		tail -n 15 "$out/console.log" | sed 's/^/vm:   /' >&2
	fi
fi
if [ "$verdict" != 0 ] || [ -n "$keep" ]; then
	[ -n "$quiet" ] || say "vm: logs in $out"
else
	rm -rf "$out"
fi
exit "$verdict"
