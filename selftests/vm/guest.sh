#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh KERNEL "PROGRAM..." COUNTS - build the module and these test programs for
# a kernel that has its own architecture or configuration, run them there, count.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1 programs=$2 counts=$3
work=$(mktemp -d "$CACHE/guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
# As the static check of warnings builds it, which then finds it done.
ko=$(MAKEARGS=$(build_args "$kernel") "$VM_DIR/build.sh" "$kernel")
# shellcheck disable=SC2086 # a list of words
KERNEL=$kernel "$VM_DIR/tests.sh" "$work/tests" $programs >/dev/null
export OUT
OUT=$(mktemp -d "$CACHE/log/$kernel.XXXXXX")

run() {
	"$VM_DIR/run-tests.sh" "$kernel" "$work/tests" "$counts" --ko "$ko" \
		--timeout "${VM_TIMEOUT:-1200}" ${KSOCKET_SOAK:+--env KSOCKET_SOAK=1}
}

# QEMU 7.2 for s390x takes a valid instruction for none at times, anywhere in the
# kernel (seen once in some ten guests). No compiler makes an invalid one.
emulator_fault() {
	[ "$kernel" = 6.1:s390x ] && grep -qa 'illegal operation: 0001' "$OUT/console.log" 2>/dev/null
}

run && exit
emulator_fault || exit 1
say "  $kernel: QEMU took a valid instruction for none: the guest is run once more"
run
