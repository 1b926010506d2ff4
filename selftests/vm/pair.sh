#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pair.sh KERNEL [SOURCE] - build the module that starts two services
# (pair/*.patch) and print where it is. loop.sh wants it in KSOCKET_PAIR_KO.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

if [ -z "${2:-}" ] && [ -n "${PAIR:-}" ]; then
	ko=$("$VM_DIR/build.sh" "$1")
	[ -f "${ko%/*}/pair/pair.ko" ] || die "two-services.patch does not apply, or build"
	echo "${ko%/*}/pair/pair.ko"
	exit
fi
work=$(mktemp -d "$CACHE/pair.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "${2:-$REPO}" && find . \( -path ./selftests -o -path ./Documentation -o -name '.?*' \) -prune \
	-o -type f \( -name '*.[ch]' -o -name Kbuild \) ! -name '*.mod.c' -print |
	cpio --quiet -pdm "$work")
patch -s -d "$work" -p1 <"$REPO/selftests/pair/two-services.patch" >&2 ||
	die "pair/two-services.patch does not apply"
"$VM_DIR/build.sh" "$1" "$work"
