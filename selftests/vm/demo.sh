#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh [KERNEL] - show the module at work in a throw-away guest with a stock
# Debian kernel (default 6.1). What is missing is fetched first.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=${1:-6.1}
start=$SECONDS
"$VM_DIR/deps.sh" vm
step build "ksocket.ko for the stock kernel $kernel"
ko=$("$VM_DIR/build.sh" "$kernel")
step boot "a throw-away guest ($("$VM_DIR/accel.sh"))"
status=0
"$VM_DIR/vm.sh" "$kernel" --ko "$ko" --timeout 90 \
	--add "$VM_DIR/demo-guest.sh:usr/bin/demo-guest.sh" --command 'bash /usr/bin/demo-guest.sh' || status=$?
echo
if [ "$status" = 0 ]; then
	echo "demo: every answer was right, the kernel log is clean ($((SECONDS - start)) s)"
else
	echo "demo: FAILED ($status)"
fi
exit "$status"
