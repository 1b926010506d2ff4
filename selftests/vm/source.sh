#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# source.sh - unpack what is needed of Debian's kernel source package and print
# where it is: kselftest, checkpatch, kernel-doc, coccinelle's scripts, netlink
# specifications and their tools, and all that the debug kernel is built from.
# Nothing of it is copied into the project.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

SUITE=sid
SOURCE=linux-source-7.2

# Other processors, and drivers that neither we nor our kernel look at. Their
# Kconfig and Makefiles stay, or nothing could be configured.
EXCLUDES='
*/arch/[!xK]*/*.[chS] */arch/[!xK]*/*.dts* */arch/[!xK]*/boot/*
*/Documentation/[!Knd]*/* */Documentation/devicetree/* */Documentation/driver-api/*
*/drivers/gpu/*.[ch] */drivers/net/ethernet/*.[ch] */drivers/net/wireless/*.[ch]
*/drivers/media/*.[ch] */drivers/scsi/*.[ch] */drivers/infiniband/*.[ch]
*/drivers/staging/*.[ch] */drivers/crypto/*.[ch] */drivers/iio/*.[ch]
*/drivers/accel/*.[ch] */drivers/hid/*.[ch] */drivers/pinctrl/*.[ch]
*/sound/*.[ch] */rust/*.rs */samples/*.[ch] */tools/perf/* */fs/*/nls_*
*/tools/testing/selftests/bpf/* */tools/testing/selftests/powerpc/*'

unpack() {
	local out=$1 conf=$2 list=$3 tmp x args=() start=$SECONDS
	[ ! -f "$out/done" ] || return 0
	step fetch "$SOURCE: ${list#* } (160 MB)"
	mkdir -p "$CACHE/source"
	tmp=$(mktemp -d "$CACHE/source/tmp.XXXXXX")
	apt_download "$conf" "$tmp/deb" <<<"$list"
	step unpack "$SOURCE"
	set -f
	for x in $EXCLUDES; do args+=(--exclude="$x"); done
	set +f
	mkdir "$tmp/linux"
	dpkg-deb --fsys-tarfile "$tmp"/deb/*.deb |
		tar -xOf - --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -dc -T0 | tar -C "$tmp/linux" --strip-components=1 -xf - "${args[@]}"
	rm -rf "$tmp/deb"
	touch "$tmp/done"
	rm -rf "$out"
	mv "$tmp" "$out"
	find "$CACHE/source" -mindepth 1 -maxdepth 1 ! -path "$out" -exec rm -rf {} +
	step unpack "$SOURCE done ($((SECONDS - start)) s, $(du -sm "$out" | cut -f1) MB)"
}

conf=$(apt_state $SUITE)
list=$(apt_resolve "$conf" $SOURCE | grep "^$SOURCE ")
out=$CACHE/source/${list#* }-$(hash_of "$list" "$0")
[ -f "$out/done" ] || with_lock source unpack "$out" "$conf" "$list"
echo "$out/linux"
