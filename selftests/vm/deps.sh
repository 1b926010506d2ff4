#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh GROUP... - install the Debian packages that are missing, and say so.
# Groups: vm (build and boot), debug (build the debug kernel), static (checks),
# bench (the benchmark), python (its short form), and for the kernels of other
# architectures their names: cross compiler, C library and QEMU. No package of
# another architecture is installed.

set -eu -o pipefail
PATH=$PATH:/usr/sbin:/sbin

# "what proves that it is there" and "the package that brings it"
needs() {
	case $1 in
	vm) cat <<-LIST ;;
		qemu-system-x86_64 qemu-system-x86
		gcc-12 gcc-12
		make make
		bwrap bubblewrap
		cpio cpio
		xz xz-utils
		zstd zstd
		rsync rsync
		patch patch
		depmod kmod
		flock util-linux
		/usr/include/stdio.h libc6-dev
		/usr/include/linux/udp.h linux-libc-dev
		libelf.so.1 libelf1
		/usr/include/libmnl/libmnl.h libmnl-dev
		/usr/include/jansson.h libjansson-dev
		/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
	LIST
	debug) cat <<-LIST ;;
		flex flex
		bison bison
		bc bc
		perl perl
		/usr/include/libelf.h libelf-dev
	LIST
	static) cat <<-LIST ;;
		sparse sparse
		spatch coccinelle
		shellcheck shellcheck
		perl perl
		python3 python3
		/usr/lib/python3/dist-packages/yaml python3-yaml
		/usr/lib/python3/dist-packages/jsonschema python3-jsonschema
		git git
		rst2html python3-docutils
		groff groff-base
		dkms dkms
	LIST
	python) echo python3 python3 ;;
	bench) cat <<-LIST ;;
		clang clang
		gnuplot gnuplot-nox
		python3 python3
	LIST
	i386) cross i686-linux-gnu i386 ;;
	s390x) cross s390x-linux-gnu s390x; echo qemu-system-s390x qemu-system-misc ;;
	arm64) cross aarch64-linux-gnu arm64; echo qemu-system-aarch64 qemu-system-arm ;;
	armhf) cross arm-linux-gnueabihf armhf; echo qemu-system-arm qemu-system-arm ;;
	ppc64el) cross powerpc64le-linux-gnu ppc64el; echo qemu-system-ppc64 qemu-system-ppc ;;
	*) echo "deps.sh: no group '$1'" >&2; exit 2 ;;
	esac
}

# cross TRIPLET ARCH - compiler and C library
cross() {
	echo "$1-gcc-12 gcc-12-$1"
	echo "/usr/$1/include/stdio.h libc6-dev-$2-cross"
}

present() {
	case $1 in
	/*) [ -e "$1" ] ;;
	lib*) grep -q "$1" < <(ldconfig -p) ;;
	rst2html) command -v rst2html >/dev/null || command -v rst2html5 >/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

missing=''
for group; do
	while read -r proof package; do
		present "$proof" || missing="$missing $package"
	done < <(needs "$group")
done
[ -n "$missing" ] || exit 0

as_root=''
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "error: missing packages, and no root or sudo to install them:$missing" >&2
		exit 1
	}
	as_root=sudo
fi
echo "  install $missing" >&2
export DEBIAN_FRONTEND=noninteractive
install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install"
# Package lists may be absent or old. Updating them may fail for a source that
# has nothing to do with us; whether it mattered shows in the second attempt.
# shellcheck disable=SC2086 # lists of words
if ! $install $missing >/dev/null 2>&1 </dev/null; then
	$as_root apt-get -qq update >/dev/null 2>&1 </dev/null || true
	$install $missing >/dev/null </dev/null
fi
