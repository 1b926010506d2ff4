#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# soak.sh - the selftests in their long forms (KSOCKET_SOAK=1: a thousand rounds
# where "make check" makes some) on a stock kernel and the debug kernel. Takes
# KERNELS and TESTS as check.sh does.

set -eu -o pipefail
cd "$(dirname "$0")"
export KERNELS=${KERNELS:-6.1 debug} PARTS=tests
export KSOCKET_SOAK=1 VM_TIMEOUT=${VM_TIMEOUT:-10800}
exec ./check.sh
