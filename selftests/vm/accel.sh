#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# accel.sh - print "kvm" if /dev/kvm really boots a guest here, else "tcg".
#
# That the file exists proves nothing: a nested host may offer one on which
# stock guests hang. The answer is remembered until the machine is rebooted or
# QEMU changes.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	echo tcg
	exit
fi

probe() {
	[ ! -s "$memo" ] || return 0
	step probe "does /dev/kvm boot a guest?"
	rm -f "$CACHE"/accel-*
	if KSOCKET_ACCEL=kvm "$VM_DIR/vm.sh" 6.1 --ko none --quiet --timeout 15 \
		--out "$CACHE/log/probe" --command true >&2; then
		echo kvm >"$memo.new"
	else
		echo tcg >"$memo.new"
	fi
	step probe "using $(cat "$memo.new")"
	mv "$memo.new" "$memo"
}

memo=$CACHE/accel-$(hash_of /proc/sys/kernel/random/boot_id "$(qemu-system-x86_64 --version)")
with_lock accel probe
cat "$memo"
