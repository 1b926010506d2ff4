#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# packaging.sh - make, make install, make uninstall and DKMS, as the
# documentation shows them, for a kernel of the matrix and below a folder of our
# own: nothing of this machine's /lib/modules or /var/lib/dkms is touched.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/../vm/lib.sh"

kernel=${1:-6.1}
kdir=$(kernel_ready "$kernel")
release=$(cat "$kdir/release")
headers=$kdir/root/usr/src/linux-headers-$release
work=$(mktemp -d "$CACHE/packaging.XXXXXX")
trap 'rm -rf "$work"' EXIT

run() {
	"$@" >"$work/log" 2>&1 || { cat "$work/log"; die "failed: $*"; }
}

expect() {
	"$@" || die "not so: $*"
}

# The tree as a clone would have it.
mkdir "$work/src" "$work/root"
(cd "$REPO" && find . \( -name .cache -o -name .git \) -prune -o -type f -print |
	cpio --quiet -pdm "$work/src")
cd "$work/src"

run make KDIR="$headers" CC=gcc-12
expect [ -f ksocket.ko ]
installed=$work/root/lib/modules/$release/updates/ksocket.ko
run make KDIR="$headers" CC=gcc-12 INSTALL_MOD_PATH="$work/root" install
expect [ -f "$installed" ]
expect grep -q ksocket "$work/root/lib/modules/$release/modules.dep"
run make KDIR="$headers" CC=gcc-12 INSTALL_MOD_PATH="$work/root" uninstall
expect [ ! -e "$installed" ]
expect [ "$(grep -c ksocket "$work/root/lib/modules/$release/modules.dep")" = 0 ]
run make KDIR="$headers" clean
expect [ ! -e ksocket.ko ]
expect [ ! -e compat-have.h ]

run make tools-install DESTDIR="$work/root" PREFIX=/usr
for file in sbin/ksocketctl share/bash-completion/completions/ksocketctl \
	share/man/man8/ksocketctl.8 share/man/man4/ksocket.4; do
	expect [ -s "$work/root/usr/$file" ]
done
run "$work/root/usr/sbin/ksocketctl" help
run make tools-uninstall DESTDIR="$work/root" PREFIX=/usr
expect [ -z "$(find "$work/root/usr" -type f)" ]
run make KDIR="$headers" clean
expect [ ! -e tools/ksocketctl/ksocketctl ]

# No headers: one line that says what is missing, no more.
! make KDIR="$work/none" >"$work/log" 2>&1 || die "builds without headers"
expect grep -q '^error: no kernel headers' "$work/log"

version=$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' ksocket.c)
expect grep -q "^PACKAGE_VERSION=\"$version\"" dkms.conf
mkdir "$work/dkms" "$work/sources" "$work/lib"
in_folders=(--dkmstree "$work/dkms" --sourcetree "$work/sources" --installtree "$work/lib/modules")
export CC=gcc-12
run dkms add "${in_folders[@]}" "$work/src"
run dkms build "${in_folders[@]}" -k "$release" --kernelsourcedir "$headers" "ksocket/$version"
find "$work/dkms" -name 'ksocket.ko*' | grep -q . || die "DKMS built no module"
echo "packaging: make, install, uninstall, clean and DKMS work for $release"
