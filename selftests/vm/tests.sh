#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tests.sh OUT [NAME...] - build the selftests and install them with kselftest's
# runner into OUT, ready for vm.sh --tests OUT. With names (echo, echo.sh) only
# those are in the list of what is run. Prints the list.
#
# SELFTESTS=DIR takes the tests from another folder, TOOLS=DIR the command. They are
# for the architecture of the kernel KERNEL.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

out=${1:?usage: tests.sh OUT [NAME...]}
shift
from=${SELFTESTS:-$REPO/selftests}
ksft=$("$VM_DIR/source.sh")/tools/testing/selftests
work=$(mktemp -d "$CACHE/tests.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Built in a copy, so that no product lies about in the repository.
mkdir -p "$work/selftests" "$out/kselftest"
(cd "$from" && find . \( -path ./vm -o -path ./mutants -o -path ./negative -o -path ./bench \) -prune -o -print |
	cpio --quiet -pdm "$work/selftests")
for part in include tools Documentation README.md; do
	[ ! -e "$REPO/$part" ] || cp -a "$REPO/$part" "$work/$part"
done

[ ! -d "${TOOLS:-}" ] || cp -a "$TOOLS/." "$work/tools/"

# The compiler that deps.sh installs; lib.mk would take "gcc".
cross=(CC=gcc-12) prefix=''
if is_foreign "${KERNEL:-6.1}"; then
	prefix=$(cross_prefix "$KERNEL")
	# The kernel's own headers want an arch/ that source.sh leaves packed; those
	# of the cross compiler's library do.
	cross=(TOOLS_INCLUDES= "CC=${prefix}gcc-12" "SYSROOT=$("$VM_DIR/sysroot.sh" "$(kernel_get "$KERNEL" ARCH)")")
fi

# A make that called us must not leak into this one: lib.mk looks at MAKELEVEL.
run_make() {
	env -u MAKELEVEL -u MAKEFLAGS -u MFLAGS -u OUTPUT -u CC \
		make -s -C "$work/selftests" KSFT="$ksft" ${cross[@]+"${cross[@]}"} "$@"
}
if ! run_make INSTALL_PATH="$out/ksocket" install >"$work/log" 2>&1; then
	cat "$work/log" >&2
	die "the selftests do not build"
fi
run_make COLLECTION=ksocket emit_tests | grep '^ksocket:' >"$work/all" ||
	die "the selftests name no test program"

if [ $# -gt 0 ]; then
	# Only run where it is named.
	echo ksocket:smoke.sh >>"$work/all"
	for name; do
		grep -E "^ksocket:$name(\.[a-z]+)?\$" "$work/all" ||
			die "no test '$name'; there are: $(sed 's/^ksocket://' "$work/all" | tr '\n' ' ')"
	done >"$work/list"
else
	cp "$work/all" "$work/list"
fi
cp "$work/list" "$out/kselftest-list.txt"
cp "$ksft"/kselftest/{runner.sh,ktap_helpers.sh,module.sh,prefix.pl} "$out/kselftest/"
cp "$ksft/run_kselftest.sh" "$out/"
# netlink.sh drives the module with the kernel's own client.
cp -r "$ksft/../../net/ynl/pyynl" "$out/"
sed 's/^ksocket://' "$work/list"
