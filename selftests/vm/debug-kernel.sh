#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug-kernel.sh [debug|kcsan] - build the debug kernel, or the one that looks for
# data races (about eight minutes on two free processors, once) and keep it in the
# cache, keyed by source and options.
# Takes the same place in the cache as a stock kernel: see fetch.sh; instead
# of root/ with headers there is build/, the kernel's own build folder.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

kind=${1:-debug}
FRAGMENTS=("$VM_DIR/debug.config")
NEEDED="MODULE_UNLOAD NET_NS_REFCNT_TRACKER"
case $kind in
debug) NEEDED="$NEEDED KASAN PROVE_LOCKING DEBUG_ATOMIC_SLEEP DEBUG_KMEMLEAK FAILSLAB
	TUN VLAN_8021Q
	FAIL_PAGE_ALLOC FAIL_FUNCTION" ;;
kcsan)
	FRAGMENTS+=("$VM_DIR/kcsan.config")
	NEEDED="$NEEDED KCSAN"
	;;
*) die "debug-kernel.sh: no kind '$kind'" ;;
esac
CC=${KSOCKET_DEBUG_CC:-gcc-12}

# check_config RESOLVED - say which requested options the kernel's own rules
# dropped: a debug kernel without its checks would find nothing.
check_config() {
	local line name missing=0
	while read -r line; do
		case $line in
		"# CONFIG_"*" is not set")
			name=${line#\# }
			name=${name% is not set}
			grep -q "^$name=" "$1" || continue
			;;
		CONFIG_*)
			grep -qxF "$line" "$1" && continue
			;;
		*) continue ;;
		esac
		say "  config   not granted: $line"
		missing=$((missing + 1))
	done <"${FRAGMENTS[-1]}"
	for name in $NEEDED; do
		grep -q "^CONFIG_$name=y" "$1" || die "the $kind kernel would lack $name"
	done
}

# Shows how far make is: one line every half minute.
progress() {
	local dir=$1 pid=$2 start=$SECONDS n=0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		n=$((n + 1))
		if [ $((n % 30)) = 0 ]; then
			step build "$kind kernel: $(find "$dir" -name '*.o' | wc -l) objects, $((SECONDS - start)) s"
		fi
	done
}

build_kernel() {
	local out=$1 src=$2 tmp pid start=$SECONDS
	[ ! -f "$out/release" ] || return 0
	step build "$kind kernel (about 8 minutes, once)"
	mkdir -p "$CACHE/kernel/$kind"
	# Make records absolute paths: build where the result will stay. The
	# file "release" comes last and says that it is whole.
	rm -rf "$out"
	tmp=$out
	mkdir -p "$tmp/build" "$tmp/modules"
	(
		cd "$src"
		# Their scripts expect to start from a clean tree's root.
		make -s O="$tmp/build" CC="$CC" HOSTCC="$CC" tinyconfig
		./scripts/kconfig/merge_config.sh -m -O "$tmp/build" "$tmp/build/.config" \
			kernel/configs/kvm_guest.config "${FRAGMENTS[@]}" >"$tmp/merge.log"
		make -s O="$tmp/build" CC="$CC" HOSTCC="$CC" olddefconfig
	) >"$tmp/config.log" 2>&1 || { cat "$tmp/config.log" >&2; die "cannot configure the $kind kernel"; }
	check_config "$tmp/build/.config"
	nice -n 10 make -C "$tmp/build" -j"$(nproc)" CC="$CC" HOSTCC="$CC" \
		KBUILD_BUILD_TIMESTAMP=1 KBUILD_BUILD_USER=ksocket KBUILD_BUILD_HOST=ksocket \
		bzImage modules >"$tmp/build.log" 2>&1 &
	pid=$!
	progress "$tmp/build" "$pid"
	wait "$pid" || { tail -n 40 "$tmp/build.log" >&2; die "the $kind kernel does not build"; }
	cp "$tmp/build/arch/x86/boot/bzImage" "$tmp/vmlinuz"
	cp "$tmp/build/.config" "$tmp/config"
	install_modules "$tmp"
	# External modules need headers, symbols and host tools, not objects.
	find "$tmp/build" \( -path "$tmp/build/scripts" -o -path "$tmp/build/tools" \) -prune \
		-o -type f \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' -o -name 'vmlinux*' ! -name vmlinux.lds \
		-o -name bzImage \) -exec rm -f {} +
	make -s -C "$tmp/build" kernelrelease >"$tmp/release.new"
	mv "$tmp/release.new" "$tmp/release"
	find "$CACHE/kernel/$kind" -mindepth 1 -maxdepth 1 -type d ! -path "$out" -exec rm -rf {} +
	step build "$kind kernel done ($((SECONDS - start)) s)"
}

# All is built in; modprobe only has to know that.
install_modules() {
	local dir=$1 rel
	rel=$(make -s -C "$dir/build" kernelrelease)
	mkdir -p "$dir/modules/usr/lib/modules/$rel"
	cp "$dir/build/modules.order" "$dir/build"/modules.builtin* "$dir/modules/usr/lib/modules/$rel/"
	ln -s usr/lib "$dir/modules/lib"
	depmod -b "$dir/modules" "$rel"
	rm "$dir/modules/lib"
	(cd "$dir/modules" && find . | cpio --quiet -o -H newc -R 0:0) >"$dir/modules.cpio"
	rm -r "$dir/modules"
}

src=$("$VM_DIR/source.sh")
out=$CACHE/kernel/$kind/$(hash_of "$src" "${FRAGMENTS[@]}" "$("$CC" --version | sed -n 1p)" "$0")
if [ ! -f "$out/release" ]; then with_lock "kernel-$kind" build_kernel "$out" "$src"; fi
ln -sfn "$(basename "$out")" "$CACHE/kernel/$kind/current.$$"
mv -T "$CACHE/kernel/$kind/current.$$" "$CACHE/kernel/$kind/current"
