#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build.sh KERNEL [SRC [OUT]] - build the module in SRC (default: this
# repository) for a kernel of the matrix and print where the .ko is.
#
# SRC is copied first and never written to. Without OUT the result is kept in
# the cache, and not built again while neither source nor kernel changes.
# MAKEARGS holds more arguments for make, such as "W=1" or "C=2". What the
# compiler said is in build.log beside the .ko.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# sources DIR - every file that a build reads: what lies at the top and in the
# folders of the module, not tests, documents or products.
sources() {
	(cd "$1" && find . \( -path ./selftests -o -path ./Documentation -o -name '.*' ! -name . \) -prune \
		-o -type f \( -name '*.[chS]' -o -name Kbuild -o -name 'Makefile*' -o -name '*.mk' \) \
		! -name '*.mod.c' -print) | LC_ALL=C sort
}

# make_module KDIR DIR - run make in DIR. For a kernel with its own compiler, that
# tree is the root: in a name space, or by chroot where that is not allowed.
make_module() {
	local kdir=$1 dir=$2 rel
	rel=$(cat "$kdir/release")
	# Headers that bring a vmlinux would want pahole, for what no test reads.
	# shellcheck disable=SC2206 # make arguments are words
	local args=(-j"$(nproc)" CONFIG_DEBUG_INFO_BTF_MODULES= modules ${MAKEARGS:-})
	# On the debug kernel locals start with a pattern, so that what is never set shows;
	# the kernel as a whole would be slow with it.
	! is_own "$kernel" || args+=(KCFLAGS=-ftrivial-auto-var-init=pattern)
	# Nor is there a debugger in a guest.
	! is_guest "$kernel" || args+=(KCFLAGS=-g0)
	if [ ! -f "$kdir/own-tools" ]; then
		local headers=$kdir/root/usr/src/linux-headers-$rel
		[ -d "$headers" ] || headers=$kdir/build
		# Debian's gcc 12 builds for the older kernels as well. The headers of
		# another architecture have their ARCH with them.
		make -C "$headers" M="$dir" CROSS_COMPILE="$cross" CC="${CC:-${cross}gcc-12}" "${args[@]}"
	elif bwrap --bind "$kdir/root" / true 2>/dev/null; then
		bwrap --bind "$kdir/root" / --bind "$dir" /work --dev /dev --proc /proc \
			--tmpfs /tmp --setenv PATH /usr/sbin:/usr/bin --unshare-net --die-with-parent \
			make -C "/lib/modules/$rel/build" M=/work "${args[@]}"
	else
		build_chroot "$kdir/root" "$dir" "$rel" "${args[@]}"
	fi
}

# No mounts are possible here: the source goes in and comes back as a copy.
build_chroot() {
	local root=$1 dir=$2 rel=$3 inside status=0
	shift 3
	inside=$(mktemp -d "$root/work/XXXXXX")
	[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
	# objtool looks there for the size of its stack.
	mkdir -p "$root/proc/self"
	cat /proc/self/limits >"$root/proc/self/limits"
	cat /proc/self/maps >"$root/proc/self/maps"
	cp -a "$dir/." "$inside/"
	rm -f "$inside/build.log"
	chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin \
		make -C "/lib/modules/$rel/build" M="/work/${inside##*/}" "$@" || status=$?
	cp -a "$inside/." "$dir/"
	rm -rf "$inside"
	return $status
}

# build KDIR SRC DIR
build() {
	local kdir=$1 src=$2 dir=$3
	mkdir -p "$dir"
	(cd "$src" && sources . | cpio --quiet -pdm "$dir" 2>/dev/null)
	if ! make_module "$kdir" "$dir" >"$dir/build.log" 2>&1; then
		cat "$dir/build.log" >&2
		die "the module does not build for $kernel"
	fi
}

build_cached() {
	local kdir=$1 src=$2 out=$3 tmp
	[ ! -f "$out/done" ] || return 0
	mkdir -p "$CACHE/build"
	tmp=$(mktemp -d "$CACHE/build/tmp.XXXXXX")
	# shellcheck disable=SC2064 # the path as it is now
	trap "rm -rf '$tmp'" EXIT
	build "$kdir" "$src" "$tmp"
	touch "$tmp/done"
	rm -rf "$out"
	mv "$tmp" "$out"
	# Keep the last few builds for this kernel.
	find "$CACHE/build" -mindepth 1 -maxdepth 1 -name "$(kernel_file "$kernel")-*" -printf '%T@ %p\n' |
		sort -rn | tail -n +6 | cut -d' ' -f2- | xargs -r rm -rf
}

kernel=${1:?usage: build.sh KERNEL [SRC [OUT]]}
src=$(cd "${2:-$REPO}" && pwd -P)
cross=$(cross_prefix "$kernel")
kdir=$(kernel_ready "$kernel")
if [ -n "${3:-}" ]; then
	mkdir -p "$3"
	out=$(cd "$3" && pwd -P)
	build "$kdir" "$src" "$out"
else
	key=$( (cd "$src" && sources . | tr '\n' '\0' | xargs -0 sha256sum) | hash_of /dev/stdin \
		"$VM_DIR/build.sh" "$(readlink -f "$kdir")" "${MAKEARGS:-}" "${CC:-}")
	out=$CACHE/build/$(kernel_file "$kernel")-$key
	[ -f "$out/done" ] || with_lock "build-$(kernel_file "$kernel")" build_cached "$kdir" "$src" "$out"
fi
find "$out" -maxdepth 1 -name '*.ko' | grep . || die "the build for $kernel left no module"
