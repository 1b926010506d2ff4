#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run-tests.sh KERNEL TESTS COUNTS [vm.sh option...] - boot KERNEL, run the
# installed tests in the folder TESTS, count. The guest's own verdict (a clean
# kernel log, no leak, an orderly end) is one more result.
#
# LABEL names the kernel in what is printed (default: the kernel), OUT is where
# the logs go. ANY_SKIP=1 takes every skip for expected.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1 tests=$2 counts=$3
shift 3
label=${LABEL:-$kernel}
[ -z "${ANY_SKIP:-}" ] || SKIPS=
mkdir -p "$CACHE/log"
out=${OUT:-$(mktemp -d "$CACHE/log/$label.XXXXXX")}
rm -rf "$out"
mkdir -p "$out"
start=$SECONDS
mapfile -t programs < <(sed 's/^ksocket://' "$tests/kselftest-list.txt")

"$VM_DIR/vm.sh" "$kernel" --tests "$tests" --out "$out" "$@" 2>"$out/vm.err" |
	ktap_count "$label" "$counts.tests" "$kernel" "${programs[@]}" || true
read -r passed failed skipped <"$counts.tests"

verdict=$(verdict_get "$out" verdict)
seconds=$((SECONDS - start))
if [ -z "$verdict" ]; then
	report FAILED "$label" "the guest" "did not start"
	cat "$out/vm.err"
	failed=$((failed + 1))
elif [ "$verdict" -ge 123 ] || { [ "$verdict" != 0 ] && [ "$failed" = 0 ]; }; then
	report FAILED "$label" "the guest" "$(verdict_get "$out" why) ($seconds s)"
	sed 's/^/             | /' "$out/vm.err"
	failed=$((failed + 1))
else
	report ok "$label" "the guest: clean kernel log, orderly end ($seconds s, $(verdict_get "$out" alone) without waiting)"
	passed=$((passed + 1))
fi
if [ "$failed" = 0 ]; then
	rm -rf "$out"
else
	printf '  %-8s          logs: %s\n' "$label" "$out"
fi
echo "$passed $failed $skipped" >"$counts"
rm -f "$counts.tests"
[ "$failed" = 0 ]
