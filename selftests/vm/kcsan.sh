#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kcsan.sh - the selftests on a kernel that looks for data races. Two that are
# planted, one in a module and one in ksocket, have to be found first. Takes TESTS
# and DATAPATHS as check.sh does.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

"$VM_DIR/deps.sh" vm debug
"$VM_DIR/debug-kernel.sh" kcsan
work=$(mktemp -d "$CACHE/kcsan.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$VM_DIR/build.sh" kcsan "$REPO/selftests/negative" "$work/ko" >/dev/null
# shellcheck disable=SC2016 # the guest knows its module
"$VM_DIR/vm.sh" kcsan --quiet --out "$work/vm" --ko "$work/ko/data_race.ko" \
	--command 'insmod $KSOCKET_KO && sleep 20; rmmod data_race' >/dev/null 2>&1 || true
case $(verdict_get "$work/vm" finding) in
*KCSAN*ksocket_race*) report ok kcsan "control: the planted data race is found" ;;
*)
	report FAILED kcsan "control: the planted data race" "$(verdict_get "$work/vm" why)"
	exit 1
	;;
esac
KERNELS=kcsan MUTANTS='' "$VM_DIR/mutants.sh"
KERNELS=kcsan PARTS=tests "$VM_DIR/check.sh"
