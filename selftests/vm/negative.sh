#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# negative.sh machine|modules COUNTS - prove that what judges can also condemn.
#
# machine: guests that panic, hang or say nothing, tests that fail or assert
# nothing, on a stock kernel. modules: the planted bugs of selftests/negative on
# the debug kernel. Each control passes when the verdict is red, and red for
# the right reason.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

part=$1 counts=$2
passed=0 failed=0
work=$(mktemp -d "$CACHE/negative.XXXXXX")
trap 'rm -rf "$work"' EXIT

result() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		report ok control "$2" "$3"
	else
		failed=$((failed + 1))
		report FAILED control "$2" "$3"
	fi
}

# control NAME VERDICTS FINDING KERNEL [vm.sh option...] - the guest's verdict
# has to be one of VERDICTS, and its reason or finding has to match FINDING.
control() {
	local name=$1 verdicts=$2 finding=$3 kernel=$4 got why
	shift 4
	"$VM_DIR/vm.sh" "$kernel" --quiet --out "$work/$name" "$@" >/dev/null 2>&1 || true
	got=$(verdict_get "$work/$name" verdict)
	why="$(verdict_get "$work/$name" why): $(verdict_get "$work/$name" finding)"
	case " $verdicts " in
	*" $got "*)
		if grep -qE "$finding" <<<"$why"; then
			result 0 "$name" "${why%: } ($(verdict_get "$work/$name" seconds) s)"
			return
		fi
		;;
	esac
	result 1 "$name" "verdict ${got:-none} instead of $verdicts, or not because of '$finding': $why"
}

# count NAME EXPECTED PROGRAMS [KERNEL] <what a runner says - the sum that has to result.
count() {
	local got SKIPS=${skip_list:-$work/skips}
	# shellcheck disable=SC2086 # a list of words
	ktap_count control "$work/ktap" "${4:-6.1}" $3 >/dev/null
	got=$(cat "$work/ktap")
	result "$([ "$got" = "$2" ]; echo $?)" "$1" "counted $got, expected $2 (passed failed skipped)"
}

# mutant NAME NOTICED VERDICT TIMEOUT LINE... - is a mutant whose guest ended like
# that, and said these lines, noticed?
mutant() {
	local got=no
	mkdir -p "$work/$1"
	echo "verdict=$3" >"$work/$1/verdict"
	printf '  name     %s\n' "${@:5}" >"$work/$1/log"
	! mutant_noticed "$work/$1" "$work/$1/log" "$4" >"$work/$1/why" || got=yes
	result "$([ "$got" = "$2" ]; echo $?)" "$1" "noticed: $got: $(cat "$work/$1/why")"
}

tap() { printf '%s\n' "# selftests: ksocket: $1" "${@:2}"; }

machine() {
	local kernel=6.1 skips wide
	cat >"$work/skips" <<-'END'
		# a comment
		a.sh | 5.10 6.1 | x | no such thing
		b.sh | 6.1 | * | no such thing
		c.sh | 6.1:* | x | no such thing
	END
	mapfile -t skips < <(seq -f '# ok %g y # SKIP no such thing' 2 50)
	control good-guest "0" "exit status 0" $kernel --ko none --command true
	control failing-command "3" "exit status 3" $kernel --ko none --command 'exit 3'
	control panic "125" "without a verdict: .*sysrq triggered crash" $kernel --ko none \
		--command 'echo c >/proc/sysrq-trigger; sleep 60'
	control no-verdict "125" "without a verdict" $kernel --ko none \
		--command 'echo b >/proc/sysrq-trigger; sleep 60'
	control time-out "124" "no end within 12 s" $kernel --ko none --timeout 12 \
		--env KSOCKET_SLOW=1 --command 'sleep 100'
	# The same limit, on a machine that is slow.
	control slow-guest "0" "exit status 0" $kernel --ko none --timeout 12 \
		--env KSOCKET_SLOW=3 --command 'sleep 14'
	control kernel-warning "123" "complained: .*BUG: planted" $kernel --ko none \
		--command 'echo "BUG: planted" >/dev/kmsg'
	control no-init "126" "did not get as far as init" $kernel --ko none --command true \
		--append rdinit=/nonexistent
	control no-such-image "126" "QEMU failed" $kernel --ko none --command true \
		--qemu '-device no-such-device'

	count test-good "1 0 0" "a.sh" \
		< <(tap a.sh '# 1..1' '# ok 1 fine' 'ok 1 selftests: ksocket: a.sh')
	count test-fails "1 1 0" "a.sh" \
		< <(tap a.sh '# 1..2' '# ok 1 fine' '# not ok 2 bad' 'not ok 1 selftests: ksocket: a.sh # exit=1')
	count test-asserts-nothing "0 1 0" "a.sh" \
		< <(tap a.sh 'ok 1 selftests: ksocket: a.sh')
	count test-plans-nothing "0 1 0" "a.sh" \
		< <(tap a.sh '# 1..0' 'ok 1 selftests: ksocket: a.sh')
	count test-short-of-plan "1 1 0" "a.sh" \
		< <(tap a.sh '# 1..3' '# ok 1 fine' 'ok 1 selftests: ksocket: a.sh')
	count test-bad-exit "1 1 0" "a.sh" \
		< <(tap a.sh '# 1..1' '# ok 1 fine' 'not ok 1 selftests: ksocket: a.sh # exit=1')
	count test-timed-out "1 1 0" "a.sh" \
		< <(tap a.sh '# 1..1' '# ok 1 fine' 'not ok 1 selftests: ksocket: a.sh # TIMEOUT 45 seconds')
	count test-never-ends "1 2 0" "a.sh" \
		< <(tap a.sh '# 1..2' '# ok 1 fine')
	count test-missing "1 1 0" "a.sh b.sh" \
		< <(tap a.sh '# 1..1' '# ok 1 fine' 'ok 1 selftests: ksocket: a.sh')
	count test-without-plan "1 1 0" "a.sh" \
		< <(tap a.sh '# ok 1 fine' 'ok 1 selftests: ksocket: a.sh')
	count test-skipped "0 0 1" "a.sh" \
		< <(tap a.sh '# 1..1' '# ok 1 x # SKIP no such thing' 'ok 1 selftests: ksocket: a.sh')
	count test-skipped-as-a-whole "0 0 1" "b.sh" \
		< <(tap b.sh '# 1..0 # SKIP no such thing' 'ok 1 selftests: ksocket: b.sh # SKIP')
	count test-skipped-unexpected "1 49 0" "a.sh" \
		< <(tap a.sh '# 1..50' '# ok 1 fine' "${skips[@]}" 'ok 1 selftests: ksocket: a.sh')
	count test-skipped-elsewhere "0 1 0" "a.sh" 7.2 \
		< <(tap a.sh '# 1..1' '# ok 1 x # SKIP no such thing' 'ok 1 selftests: ksocket: a.sh')
	count test-skipped-as-a-whole-unexpected "0 1 0" "a.sh" \
		< <(tap a.sh '# 1..0 # SKIP no such thing' 'ok 1 selftests: ksocket: a.sh # SKIP')
	count test-skipped-no-longer "0 1 0" "a.sh" \
		< <(tap a.sh '# 1..1' '# ok 1 x' 'ok 1 selftests: ksocket: a.sh')
	count test-skipped-on-a-foreign-kernel "0 0 1" "c.sh" 6.1:i386 \
		< <(tap c.sh '# 1..1' '# ok 1 x # SKIP no such thing' 'ok 1 selftests: ksocket: c.sh')
	count test-of-the-kernel-itself "1 0 0" "c.sh" 6.1 \
		< <(tap c.sh '# 1..1' '# ok 1 x' 'ok 1 selftests: ksocket: c.sh')
	for wide in '*' '6.*' '6.1*' ':*' '6.1:i*' '6.1:*6' '*:*'; do
		echo "e.sh | 5.10 $wide | x | no such thing" >"$work/wide"
		skip_list=$work/wide count "skips-too-wide $wide" "1 1 0" "a.sh" \
			< <(tap a.sh '# 1..1' '# ok 1 fine' 'ok 1 selftests: ksocket: a.sh')
	done
	count test-long-line "1 0 0" "d.sh" \
		< <(tap d.sh '# 1..1' "# $(printf '%020000d' 0)" '# ok 1 fine' 'ok 1 selftests: ksocket: d.sh')
	count test-silence "0 1 0" "a.sh" </dev/null

	mutant mutant-fails yes 0 '' '         - not ok 2 bad'
	mutant mutant-hangs no 124 '' '         - a.sh: did not end' \
		'FAILED   the guest: no end within 600 s (601 s)'
	mutant mutant-fails-and-hangs yes 124 '' '         - not ok 2 bad' \
		'         - a.sh: did not end' 'FAILED   the guest: no end within 600 s (601 s)'
	mutant mutant-hangs-by-nature yes 124 'rmmod never returns' \
		'         - a.sh: did not end' 'FAILED   the guest: no end within 600 s (601 s)'
	mutant mutant-panics yes 125 '' 'FAILED   the guest: the guest ended without a verdict (60 s)'
	mutant mutant-red-without-a-test no 0 '' 'awk: no space left'
	mutant mutant-without-guest no 126 '' 'FAILED   the guest: QEMU failed (1) (0 s)'

	# The library that all tests use: a command that fails is a test that fails.
	"$VM_DIR/tests.sh" "$work/tests" discard.sh >/dev/null
	cp "$REPO/selftests/negative/failing.sh" "$work/tests/ksocket"
	echo ksocket:failing.sh >"$work/tests/kselftest-list.txt"
	count test-library "2 4 0" "failing.sh" \
		< <("$VM_DIR/vm.sh" $kernel --tests "$work/tests" --out "$work/library" 2>/dev/null)
}

# planted NAME ROUNDS FINDING - load and unload it that often. A busy host makes
# the debug kernel slow; a time-out would be red for the wrong reason.
planted() {
	control "$1" "123 125" "$3" debug --ko "$ko/$1.ko" --timeout 400 \
		--command "for i in {1..$2}; do insmod \$KSOCKET_KO && rmmod $1; done"
}

modules() {
	local ko name
	"$VM_DIR/build.sh" debug "$REPO/selftests/negative" >"$work/ko"
	ko=$(dirname "$(sed -n 1p "$work/ko")")
	for name in leak use_after_free lock_inversion atomic_sleep; do
		[ -f "$ko/$name.ko" ] || die "selftests/negative: no $name.ko was built"
	done
	# One leaked object may still be pointed to by chance, ten are not.
	planted leak 10 "memory leaked: .*unreferenced"
	planted use_after_free 1 "KASAN: .*use-after-free"
	planted lock_inversion 1 "possible circular locking"
	planted atomic_sleep 1 "sleeping function called from invalid context"
}

"$part"
echo "$passed $failed 0" >"$counts"
[ "$failed" = 0 ]
