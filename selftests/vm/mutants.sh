#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mutants.sh [COUNTS] - show that the tests notice faults: for every patch in
# selftests/mutants, plant the fault, build, run the tests that are to notice,
# and require that it, or the guest's verdict, fails. A mutant that survives, or
# a patch that does not apply or build, is a failure.
#
# Each patch says in its head "Expect: PROGRAM [FUNCTION...]" and "Kernel: NAME".
# A guest that has to be ended because its time is up proves nothing, for that
# may be the machine's doing: the test has to give up first. Where a fault leaves
# no test that could, the head says "Timeout: REASON".
#
#   KERNELS  run only the mutants of these
#   MUTANTS  names of patches (default: all)

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

counts=${1:-}
KERNELS=${KERNELS:-$ALL_KERNELS}
dir=$REPO/selftests/mutants
passed=0 failed=0
if [ -z "$counts" ]; then
	groups=vm
	for kernel in $KERNELS; do
		! is_own "$kernel" || groups="$groups debug"
		! is_foreign "$kernel" || groups="$groups $(kernel_get "$kernel" ARCH)"
	done
	# shellcheck disable=SC2086 # a list of words
	"$VM_DIR/deps.sh" $groups
fi
work=$(mktemp -d "$CACHE/mutants.XXXXXX")
trap 'rm -rf "$work"' EXIT

survived() {
	failed=$((failed + 1))
	report FAILED mutant "$1" "$2"
}

head_field() { sed -n "/^---/q; s/^$2: *//p" "$1" | sed -n 1p; }

# source_copy DIR - the source of the module and the command, without tests and
# products.
source_copy() {
	mkdir -p "$1"
	(cd "$REPO" && find . \( -path ./selftests -o -path ./Documentation -o -name '.?*' \) -prune -o \
		-type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod*' -print |
		cpio --quiet -pdm "$1")
}

# planted_files PATCH
planted_files() { sed -n 's|^+++ b/||p' "$1"; }

# restore PATCH - the sources are as they were, and newer than what was built of them.
restore() {
	local file
	while read -r file; do
		rm -f "$work/src/$file" "$work/src/$file.orig" "$work/src/$file.rej"
		[ ! -f "$REPO/$file" ] || cp "$REPO/$file" "$work/src/$file"
	done < <(planted_files "$1")
}

# mutant_tests PATCH PROGRAM KERNEL - the tests of which PROGRAM is to run. The fault may
# be one of the command's, which comes with the tests, and the kernel may want them
# for another architecture; otherwise they are built once.
mutant_tests() {
	if planted_files "$1" | grep -q '^tools/' || is_guest "$3"; then
		KERNEL=$3 TOOLS=$work/src/tools "$VM_DIR/tests.sh" "$work/tests" "$2"
		return
	fi
	[ -d "$work/tests-all" ] || "$VM_DIR/tests.sh" "$work/tests-all" || return
	mkdir "$work/tests"
	cp -al "$work/tests-all/." "$work/tests/"
	rm "$work/tests/kselftest-list.txt"
	grep -E "^ksocket:$2(\.[a-z]+)?\$" "$work/tests-all/kselftest-list.txt" \
		>"$work/tests/kselftest-list.txt" || { echo "no test '$2'"; return 1; }
}

mutant() {
	local patch=$1 name expect only function kernel start=$SECONDS ko sum verdict
	name=$(basename "$patch" .patch)
	read -r expect only < <(head_field "$patch" Expect) || true
	kernel=$(head_field "$patch" Kernel)
	case " $KERNELS " in *" $kernel "*) ;; *) return 0 ;; esac
	if [ -z "$expect" ] || [ -z "$kernel" ]; then
		survived "$name" "its head names no 'Expect:' or no 'Kernel:'"
		return 0
	fi
	# A name that no test has would be red too.
	for function in $only; do
		grep -q "^	$function:" "$REPO/selftests/$expect" || {
			survived "$name" "$expect has no test $function"
			return 0
		}
	done
	rm -rf "$work/tests" "$work/vm"
	[ -d "$work/src" ] || source_copy "$work/src"
	if ! patch -d "$work/src" -p1 --no-backup-if-mismatch -s -f <"$patch" >"$work/log" 2>&1; then
		survived "$name" "does not apply: $(tail -n 1 "$work/log")"
		return 0
	fi
	# Only what the patch changes is compiled anew, and what the last one had changed.
	if ! ko=$("$VM_DIR/build.sh" "$kernel" "$work/src" "$work/build-$(kernel_file "$kernel")" 2>"$work/log"); then
		survived "$name" "does not build"
		sed 's/^/             | /' "$work/log"
		return 0
	fi
	if ! mutant_tests "$patch" "$expect" "$kernel" >"$work/log" 2>&1; then
		survived "$name" "$(tail -n 1 "$work/log")"
		return 0
	fi
	# shellcheck disable=SC2046 # options are words
	if LABEL=$name OUT=$work/vm ANY_SKIP=1 "$VM_DIR/run-tests.sh" "$kernel" "$work/tests" "$work/sum" \
		--ko "$ko" --timeout 600 --env KSOCKET_ONLY="$only" \
		$(special_options "$(sed -n 's/^ksocket://p' "$work/tests/kselftest-list.txt")") >"$work/log" 2>&1; then
		survived "$name" "$expect${only:+ $only} on $kernel did not notice ($((SECONDS - start)) s)"
		return 0
	fi
	if ! sum=$(mutant_noticed "$work/vm" "$work/log" "$(head_field "$patch" Timeout)"); then
		survived "$name" "$sum ($((SECONDS - start)) s)"
		return 0
	fi
	passed=$((passed + 1))
	report ok mutant "$name: noticed by $expect on $kernel ($((SECONDS - start)) s): $sum"
}

shopt -s nullglob
for patch in "$dir"/*.patch; do
	case " ${MUTANTS:-$(basename "$patch" .patch)} " in
	*" $(basename "$patch" .patch) "*)
		mutant "$patch"
		[ ! -d "$work/src" ] || restore "$patch"
		;;
	esac
done
[ -z "$counts" ] || echo "$passed $failed 0" >"$counts"
[ -n "$counts" ] || echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
