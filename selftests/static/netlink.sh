#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# netlink.sh - write what YNL makes of Documentation/netlink/specs/ksocket.yaml:
# the policy, the operations, the header for user space. With --check [DIR]:
# compare with the files that are there, and the names of the drop reasons and the
# ends of connections with the tables in ksocket.h. The generator is the kernel's, see vm/source.sh.

set -eu -o pipefail

here=$(dirname "$(readlink -f "$0")")
check=
if [ "${1:-}" = --check ]; then
	check=1
	shift
fi
top=$(readlink -f "${1:-$here/../..}")
linux=$("$here/../vm/source.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# The generator looks for its schema in the folder above, and for the root of a
# kernel's source above that.
mkdir -p "$work/netlink/specs"
touch "$work/MAINTAINERS"
cp "$linux"/Documentation/netlink/*.yaml "$work/netlink"
cp "$top/Documentation/netlink/specs/ksocket.yaml" "$work/netlink/specs"

# generate FILE MODE...
generate() {
	local file=$1 out=$work/${1##*/}
	shift
	# The one that Debian's modules belong to, see vm/deps.sh.
	/usr/bin/python3 "$linux/tools/net/ynl/pyynl/ynl_gen_c.py" --spec "$work/netlink/specs/ksocket.yaml" \
		--mode "$@" -o "$out"
	sed -i 's|^/\* To regenerate run: .* \*/|/* To regenerate run: selftests/static/netlink.sh */|' "$out"
	if [ -z "$check" ]; then
		mkdir -p "$top/$(dirname "$file")"
		cp "$out" "$top/$file"
	elif ! diff -u "$top/$file" "$out"; then
		echo "$file is not what the specification says"
		status=1
	fi
}

generate control/netlink-gen.h kernel --header
generate control/netlink-gen.c kernel --source
generate include/uapi/linux/ksocket_netlink.h uapi --header

# One reason for one attribute, in the same order; each set begins with padding.
sets=$(sed -n '/^    name: drops$/,/^    name: stats$/s/^        name: //p' \
	"$top/Documentation/netlink/specs/ksocket.yaml" | sed '/^pad$/d; s/-/_/g')
tables=$("$here/drop-reasons.sh" "" "$top" | sed -n 's/^     - ``\(.*\)``$/\1/p')
if [ "$sets" != "$tables" ]; then
	echo "drops and closes of the specification are not what the tables in ksocket.h say"
	status=1
fi
exit $status
