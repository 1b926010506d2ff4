#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# soak.sh - the selftests in their long forms (KSOCKET_SOAK=1: a thousand rounds
# where "make check" makes some) on a stock kernel and the debug kernel, and what
# guest_programs are on the kernels of other architectures and configurations.
# Takes KERNELS and TESTS as check.sh does.

set -eu -o pipefail
cd "$(dirname "$0")"
# shellcheck source=selftests/vm/lib.sh
. ./lib.sh
guests=$(kernels_when check soak | tr ' ' '\n' | grep : | xargs)
export KERNELS=${KERNELS:-6.1 debug $guests} PARTS=tests
export KSOCKET_SOAK=1 VM_TIMEOUT=${VM_TIMEOUT:-10800}
exec ./check.sh
