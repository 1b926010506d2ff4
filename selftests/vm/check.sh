#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh - all that has to pass: static checks, the selftests on every
# kernel, the negative controls, the mutants. The last line is the sum.
#
#   KERNELS  names in the table "kernels" (default: those for check)
#   TESTS    names of test programs (default: all; a choice leaves out what is
#            not a selftest)
#   DATAPATHS  "copy zerocopy softirq": run the tests on each of these (default:
#            on the module's default, and some on the others on one kernel each)
#   PARTS    "static tests negative mutants bench", to choose among these
#   JOBS     how many guests at once (default: one for each processor, and one
#            more when the debug kernel is there)

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

KERNELS=${KERNELS:-$ALL_KERNELS}
kernels=$KERNELS # a job may be given others
TESTS=${TESTS:-}
more=0
if [ -z "${JOBS:-}" ]; then
	JOBS=$(guest_jobs)
	more=1
fi
if [ -z "${PARTS:-}" ]; then
	PARTS=tests
	[ -n "$TESTS" ] || PARTS="static tests negative mutants bench"
fi
for kernel in $KERNELS; do
	case " $(kernels_when check soak name) " in
	*" $kernel "*) ;;
	*) die "no kernel '$kernel'; there are: $(kernels_when check soak name)" ;;
	esac
done
# One build for each kernel serves all: the warnings, sparse, and the tests.
has() { case " $1 " in *" $2 "*) return 0 ;; *) return 1 ;; esac; }

run=$(mktemp -d "$CACHE/check.XXXXXX")
mkdir -p "$CACHE/log"
# Others may run this script at the same time: nothing is shared but the cache.
logs=$(mktemp -d "$CACHE/log/check.XXXXXX")
find "$CACHE/log" -mindepth 1 -maxdepth 1 -type d -mmin +1440 -exec rm -rf {} +
# Background jobs of this shell, and of no one else, end with it.
# shellcheck disable=SC2046 # process numbers are words
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$run"; rmdir "$logs" 2>/dev/null || true' EXIT
started=$SECONDS

# at_once - what waits leaves processors idle; the build of the debug kernel takes
# them as long as it runs, and another guest after that.
at_once() { echo $((JOBS + (builder == 0 ? more : 0))); }

# job NAME COMMAND... - run it beside others; its result is $run/NAME.counts. A
# job that leaves no result counts as one failure.
job() {
	local name=$1
	shift
	while [ "$(jobs -rp | grep -cv "^$builder\$")" -ge "$(at_once)" ]; do
		sleep 0.2
	done
	# What waits for the debug kernel is long: it goes first.
	if [ "$builder" != 0 ] && ! kill -0 "$builder" 2>/dev/null; then
		builder_end
		debug_jobs
		job "$name" "$@"
		return
	fi
	printf '0 1 0\n' >"$run/$name.counts"
	# Whole lines of several jobs may alternate, but are never torn.
	{ { "$@" "$run/$name.counts" || true; } 2>&1 </dev/null | tee "$run/$name.said"; } &
}

wait_jobs() {
	local pid
	for pid in $(jobs -rp); do
		[ "$pid" = "$builder" ] || wait "$pid" || true
	done
}

builder_end() {
	wait "$builder" || say "check: the debug kernel failed to build"
	builder=0
}

# left_out KERNEL - PROGRAM:TEST or PROGRAM:* of all that does not run there in the
# short form, as it runs on another of the kernels.
left_out() {
	[ -z "${KSOCKET_SOAK:-}" ] || return 0
	awk -F ' *[|] *' -v kernel="$1" -v kernels=" $kernels " -v stock="${plain// /,}" '
		!/^#/ && NF == 3 {
			sub(/^stock$/, stock, $1)
			here = elsewhere = 0
			n = split($1, where, ",")
			for (i = 1; i <= n; i++) {
				if (where[i] == kernel) here = 1
				else if (where[i] == "soak") elsewhere = 1
				else if (where[i] != "" && index(kernels, " " where[i] " ")) elsewhere = 1
			}
			if (here || !elsewhere) next
			n = split($3, tests, " ")
			for (i = 1; i <= n; i++) print $2 ":" tests[i]
		}' "$VM_DIR/short-form" | xargs
}

tests_on() {
	local kernel=$1 label=$2 params=$3 tests=$4 timeout=1200 except
	shift 4
	except=$(left_out "$kernel")
	! is_own "$kernel" || timeout=3000
	if has "$PARTS" static; then
		MAKEARGS=$(build_args "$kernel")
		export MAKEARGS
	fi
	# shellcheck disable=SC2086 # options are words
	LABEL=$label OUT=$logs/$(basename "$tests") "$VM_DIR/run-tests.sh" "$kernel" "$tests" "$1" \
		--timeout "${VM_TIMEOUT:-$timeout}" ${KSOCKET_SOAK:+--env KSOCKET_SOAK=1} \
		${KSOCKET_SEED:+--env KSOCKET_SEED="$KSOCKET_SEED"} ${special:-} \
		--env KSOCKET_PARAMS="$params" --env KSOCKET_EXCEPT="$except"
}

# tests_guest KERNEL LABEL PARAMS NAME [PROGRAM...] - one guest that runs these
# programs, the module loaded with PARAMS.
tests_guest() {
	local kernel=$1 label=$2 params=$3 name=$4
	shift 4
	[ $# -gt 0 ] || return 0
	mkdir "$run/$name"
	cp -al "$run/tests/." "$run/$name/"
	rm "$run/$name/kselftest-list.txt"
	printf 'ksocket:%s\n' "$@" >"$run/$name/kselftest-list.txt"
	job "$name" tests_on "$kernel" "$label" "$params" "$run/$name"
}

# What says its parameters itself, or is not about traffic: once is enough.
OWN_PARAMS="datapath.sh params.sh noipv6.sh docs.sh"

# What the kernels of others cannot do at all.
OWN_KERNELS="fault_injection.sh"

# Where nobody asked for another datapath, these have to do.
SHORT_TURN="echo.sh relay.sh udp_sizes source_addr.sh dead_receiver.sh"

# On the debug kernel they take two to six minutes each.
LONG_PROGRAMS="tcp.sh uplink.sh datapath.sh fault_injection.sh guard.sh netlink.sh demux.sh netns_exit.sh params.sh races.sh unload.sh"

# datapaths_on KERNEL - "default" is the module's own; several words for several
# turns.
datapaths_on() {
	if [ -n "${DATAPATHS:-}" ]; then
		echo "$DATAPATHS"
		return
	fi
	case $1 in
	6.1) echo "default copy" ;;
	7.2) echo "default zerocopy" ;;
	*) echo default ;;
	esac
}

# tests_turn KERNEL DATAPATH FIRST - one guest for most programs, and one for each
# of those that need one to themselves. The kernels of our own are slow: there, several
# guests share them, so that whoever comes free goes on with the next.
tests_turn() {
	local kernel=$1 label=$1 params='' first=$3 name=tests-$1-$2
	local guests=1 program programs long special='' all=() share=() i n=0 out
	out=$(left_out "$kernel")
	! is_own "$kernel" || guests=3
	# It runs what the others do not.
	[ "$kernel" != 6.1 ] || guests=2
	if [ "$2" != default ]; then
		label=$kernel/$2
		params=datapath=$2
	fi
	# The longest first, so that the guests that share them end together.
	programs=$(sed 's/^ksocket://' "$run/tests/kselftest-list.txt")
	long=$(tr ' ' '\n' <<<"$LONG_PROGRAMS")
	mapfile -t all < <(grep -xF "$programs" <<<"$long" || true
		grep -vxF "$long" <<<"$programs" || true)
	for program in "${all[@]}"; do
		if [ "$first" = no ] && has "$OWN_PARAMS" "$program"; then
			continue
		elif has "$out" "$program:*"; then
			continue
		elif has "$OWN_KERNELS" "$program" && ! is_own "$kernel"; then
			continue
		elif [ "$first" = no ] && [ -z "${DATAPATHS:-}" ] && ! has "$SHORT_TURN" "$program"; then
			continue
		elif has "$SPECIAL_PROGRAMS" "$program" && special_here "$program" "$kernel"; then
			special=$(special_options "$program")
			tests_guest "$kernel" "$label" "$params" "$name-$program" "$program"
			special=''
		else
			share[n % guests]+=" $program"
			n=$((n + 1))
		fi
	done
	for i in ${share[@]+"${!share[@]}"}; do
		# shellcheck disable=SC2086 # a list of words
		tests_guest "$kernel" "$label" "$params" "$name-$i" ${share[i]}
	done
}

# guest_job KERNEL - the programs of guest_programs that were asked for; an
# amd64 kernel may run others by name.
guest_job() {
	local program programs=''
	for program in $(guest_programs); do
		if [ -z "$TESTS" ] || has "$TESTS" "${program%.sh}" || has "$TESTS" "$program"; then
			programs="$programs $program"
		fi
	done
	if [ -n "$TESTS" ] && ! is_foreign "$1"; then programs=$TESTS; fi
	[ -z "$programs" ] || job "guest-$1" "$VM_DIR/guest.sh" "$1" "$programs"
}

tests_jobs() {
	local datapath first=yes
	if is_guest "$1"; then
		guest_job "$1"
		return
	fi
	for datapath in $(datapaths_on "$1"); do
		tests_turn "$1" "$datapath" $first
		first=no
	done
}

debug_jobs() {
	if has "$PARTS" tests && has "$kernels" debug; then tests_jobs debug; fi
	if has "$PARTS" negative && has "$kernels" debug; then
		job negative "$VM_DIR/negative.sh" modules
	fi
	if has "$PARTS" mutants && has "$kernels" debug; then
		MUTANTS=${MUTANTS:-$mutants} KERNELS=debug job mutants-debug "$VM_DIR/mutants.sh"
	fi
}

groups=vm
for kernel in $KERNELS; do ! is_own "$kernel" || groups="$groups debug"; done
if has "$PARTS" static; then groups="$groups static"; fi
for kernel in $KERNELS; do ! is_foreign "$kernel" || groups="$groups $(kernel_get "$kernel" ARCH)"; done
# shellcheck disable=SC2086 # a list of words
"$VM_DIR/deps.sh" $groups
say "check: kernels: $KERNELS; tests: ${TESTS:-all}; parts: $PARTS"
"$VM_DIR/source.sh" >/dev/null
stock='' plain=''
for kernel in $KERNELS; do
	is_own "$kernel" || stock="$stock $kernel"
	is_own "$kernel" || is_guest "$kernel" || plain="$plain $kernel"
done
# The guests' jobs fetch theirs beside the tests of the others.
# shellcheck disable=SC2086 # a list of words
"$VM_DIR/fetch.sh" ${plain:-6.1}
"$VM_DIR/image.sh" >/dev/null
say "  using    $("$VM_DIR/accel.sh") for the guests, $JOBS at a time"

# All mutants take longer than everything else together: some are run here,
# all by "make mutants".
mutants=$(grep -v '^#' "$REPO/selftests/mutants/in-check" 2>/dev/null | tr '\n' ' ' || true)
mutants=${mutants:-none}

if has "$PARTS" tests; then
	# shellcheck disable=SC2086 # a list of words
	"$VM_DIR/tests.sh" "$run/tests" $TESTS >"$run/programs" || exit 1
	say "check: $(wc -l <"$run/programs") test programs on each kernel"
	[ -n "${KSOCKET_SOAK:-}" ] || say "check: the short form, see selftests/vm/short-form"
	for kernel in $KERNELS; do
		! is_guest "$kernel" || say "check: on $kernel only: ${TESTS:-$(guest_programs)}"
	done
fi

# The debug kernel is the longest step: its build starts first, and what needs
# it starts as soon as it is there. All others fill the gaps.
builder=0
if has "$KERNELS" debug; then
	"$VM_DIR/debug-kernel.sh" &
	builder=$!
	sleep 2
fi
if has "$PARTS" tests; then
	for kernel in $KERNELS; do [ "$kernel" = debug ] || tests_jobs "$kernel"; done
fi
if has "$PARTS" static; then
	# "make static" builds for the other one as well.
	KERNELS=$KERNELS VENDOR_KERNELS=6.12 job static "$REPO/selftests/static/check.sh"
fi
if has "$PARTS" negative; then job machine "$VM_DIR/negative.sh" machine; fi
if has "$PARTS" bench && has "$KERNELS" 6.1; then job bench "$REPO/selftests/bench/check.sh"; fi
if has "$PARTS" mutants && [ -n "$stock" ]; then
	MUTANTS=${MUTANTS:-$mutants} KERNELS=$stock job mutants "$VM_DIR/mutants.sh"
fi
if [ "$builder" != 0 ]; then
	builder_end
	debug_jobs
fi
wait_jobs

# failed_job NAME NUMBER - its findings again, where they are found: at the end. Of
# what a failed program said, what belongs to a result that failed.
failed_job() {
	say "check: failed: $1 ($2)"
	awk '
		function flush() { printf "%s", held; held = "" }
		/^  [^ ]+ +(FAILED|ok|skipped) / { flush(); show = $2 == "FAILED" }
		!show || /^  [^ ]+ +[0-9]+ s  / { next }
		/ [|] # ok / { held = ""; next }
		/ [|] / { held = held $0 "\n" }
		/ [|] # not ok / { flush() }
		!/ [|] /
		END { flush() }' "$run/$1.said" | head -n 80
}

passed=0 failed=0 skipped=0
for counts in "$run"/*.counts; do
	[ -f "$counts" ] || continue
	read -r p f s <"$counts"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	[ "$f" = 0 ] || failed_job "$(basename "$counts" .counts)" "$f"
done
say "check: $((SECONDS - started)) s"
[ "$skipped" = 0 ] && skipped='' || skipped=", $skipped skipped"
echo "$passed passed, $failed failed$skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
