#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sysroot.sh ARCH - the libraries of ksocketctl and their headers, of an architecture,
# below the cache; prints the folder. The C library is the cross compiler's.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGES="libmnl0 libmnl-dev libjansson4 libjansson-dev"

make_sysroot() {
	local conf=$1 out=$2 list=$3 tmp deb
	[ ! -d "$out" ] || return 0
	mkdir -p "$CACHE/sysroot"
	tmp=$(mktemp -d "$CACHE/sysroot/tmp.XXXXXX")
	apt_download "$conf" "$tmp/deb" <<<"$list"
	mkdir -p "$tmp/usr/lib"
	ln -s usr/lib "$tmp/lib"
	for deb in "$tmp"/deb/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -C "$tmp" --keep-directory-symlink --exclude=./usr/share -xf -
	done
	rm -rf "$tmp/deb"
	mv "$tmp" "$out"
	find "$CACHE/sysroot" -mindepth 1 -maxdepth 1 -name "$arch-*" ! -path "$out" -exec rm -rf {} +
}

arch=${1:?usage: sysroot.sh ARCH}
conf=$(apt_state_of "$arch" bookworm bookworm-security)
# shellcheck disable=SC2086 # a list of words
list=$(apt_resolve "$conf" $PACKAGES | grep -E "^(${PACKAGES// /|}) ")
out=$CACHE/sysroot/$arch-$(hash_of "$list" "$0")
[ -d "$out" ] || with_lock "sysroot-$arch" make_sysroot "$conf" "$out" "$list"
echo "$out"
