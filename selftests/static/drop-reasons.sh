#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# drop-reasons.sh - print Documentation/drop-reasons.rst from the two tables in
# ksocket.h. With --check [DIR]: compare with the file that is there.

set -eu -o pipefail

top=${2:-$(dirname "$(readlink -f "$0")")/../..}
doc=$top/Documentation/drop-reasons.rst

generate() {
	cat <<-'EOF'
		.. SPDX-License-Identifier: GPL-2.0
		.. Made by selftests/static/drop-reasons.sh from the tables in ksocket.h: do not edit.

		Drop reasons
		============

		A datagram that is not answered is counted under exactly one of these. The
		name with ``drop_`` before it is the key in ``/proc/net/ksocket``; the name
		and the number are those of the tracepoint ``ksocket:ksocket_drop``.

		.. list-table::
		   :header-rows: 1

		   * - Number
		     - Name
		     - Meaning
	EOF
	rows DROP
	cat <<-'EOF'

		Ends of connections
		===================

		A TCP connection that was taken ends in exactly one of these ways. The name
		with ``close_`` before it is the key in ``/proc/net/ksocket``; the name and
		the number are those of the tracepoint ``ksocket:ksocket_conn_close``. In all
		but the first what is left of it is reset.

		.. list-table::
		   :header-rows: 1

		   * - Number
		     - Name
		     - Meaning
	EOF
	rows CLOSE
}

# rows TABLE - of one of the tables
rows() {
	sed -n "/^#define KSOCKET_$1_TABLE(X)/,/[^\\\\]\$/p" "$top/ksocket.h" |
		sed 's/ *\\$//' | tr -d '\n\t' | sed 's/X(/\n&/g' |
		sed -n 's/^X([A-Z_]*, *"\([a-z_]*\)", *"\(.*\)") *$/\1 \2/p' |
		awk '{
			name = $1
			sub(/^[a-z_]* /, "")
			printf "   * - %d\n     - ``%s``\n     - %s\n", NR - 1, name, $0
		}'
}

if [ "${1:-}" = --check ]; then
	generate | diff -u "$doc" - || {
		echo "Documentation/drop-reasons.rst is not what the tables in ksocket.h say" >&2
		exit 1
	}
else
	generate
fi
