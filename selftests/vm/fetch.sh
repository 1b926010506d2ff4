#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh KERNEL... - bring stock Debian kernels into the cache: image, the
# modules that tests need, and what external modules are built with. Nothing of
# them is installed on this machine; for a kernel of another architecture deps.sh
# installs the cross compiler and QEMU. "source" instead of a kernel brings the parts of
# the kernel source package that the tests need (see source.sh), "check" all stock
# kernels of "make check".
#
# After it, $CACHE/kernel/NAME/current holds: release, vmlinuz, config,
# modules.cpio, and root/ with the headers (a whole small tree with its own
# compiler when this machine's is too old, marked by the file "own-tools").

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# What tests may ask for with modprobe; names that a kernel has built in, or
# does not know, are passed over.
GUEST_MODULES="veth dummy tun ifb ipip bridge vrf 8021q macvlan ipvlan bonding
	nf_tables nf_conntrack nf_nat nf_log_syslog nf_log_ipv4 nf_log_ipv6
	nft_ct nft_counter nft_limit nft_log nft_nat nft_masq nft_reject
	nft_reject_inet nft_reject_ipv4 nft_reject_ipv6 nft_chain_nat nft_redir
	nft_fib nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_numgen nft_hash
	nft_quota nft_objref nft_queue nfnetlink_queue nft_socket nft_tproxy nft_dup_netdev
	nft_fwd_netdev nft_dup_ipv4 nft_dup_ipv6
	ip_vs ip_vs_rr
	sch_netem sch_ingress sch_fq_codel sch_fq sch_tbf sch_prio sch_htb
	cls_bpf cls_u32 cls_flower cls_matchall act_mirred act_gact act_pedit
	act_bpf act_csum act_skbedit
	udp_diag tcp_diag inet_diag af_packet af_packet_diag netlink_diag
	unix_diag pktgen nlmon crc32c_generic crc32c libcrc32c
	virtio_pci virtio_console"

# Tools of a tree that brings its own compiler.
TREE_TOOLS="make dash bash coreutils sed grep mawk findutils diffutils pahole
	libc-bin libc6-dev"

# trim_modules ROOT RELEASE OUT.cpio - the modules above with what they depend
# on, uncompressed (the guest loads them faster so), as a cpio archive.
trim_modules() {
	local root=$1 rel=$2 out=$3 tmp mod file
	tmp=$(mktemp -d "$CACHE/tmp.XXXXXX")
	mkdir -p "$tmp/usr/lib/modules/$rel"
	depmod -b "$root" "$rel" 2>/dev/null || depmod -b "$root/usr" "$rel"
	for mod in $GUEST_MODULES; do
		modprobe -d "$root" -S "$rel" --show-depends "$mod" 2>/dev/null |
			awk '$1 == "insmod" { print $2 }' || true
	done | sort -u | while read -r file; do
		cp "$file" "$tmp/usr/lib/modules/$rel/"
	done
	find "$tmp" -name '*.xz' -exec xz -d {} +
	find "$tmp" -name '*.zst' -exec zstd -q -d --rm {} +
	cp "$root/lib/modules/$rel"/modules.builtin* "$root/lib/modules/$rel/modules.order" \
		"$tmp/usr/lib/modules/$rel/"
	ln -s usr/lib "$tmp/lib"
	depmod -b "$tmp" "$rel"
	(cd "$tmp" && rm lib && find . | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0 --reproducible) >"$out"
	rm -rf "$tmp"
}

fetch_kernel() {
	local name=$1 dir conf list rel version tmp image start package arch flavour own=
	dir=$CACHE/kernel/$(kernel_file "$name")
	package=$(kernel_get "$name" PACKAGE)
	arch=$(kernel_get "$name" ARCH)
	# 6.12-cloud-amd64 brings a kernel whose name ends with -cloud-amd64.
	flavour=${package#[0-9]*.[0-9]*-}
	# shellcheck disable=SC2046 # several suites are several words
	conf=$(apt_state_of "$arch" $(kernel_get "$name" SUITES))
	[ "$name" = 7.2 ] && own=1
	list=$(apt_resolve "$conf" "linux-image-$package" "linux-headers-$package" | grep '^linux-')
	read -r image version < <(grep -E "^linux-image-[0-9.]+[-+].*-$flavour " <<<"$list") ||
		die "no stock kernel $name found on the mirror"
	rel=${image#linux-image-}
	case $rel in
	"${name%:*}".*) ;;
	*) die "the mirror offers $rel where $name was expected" ;;
	esac
	# This script decides what the artefact holds, so it is part of the key.
	image=$dir/$rel-$version-$(hash_of "$VM_DIR/fetch.sh")
	if [ ! -f "$image/release" ]; then
		start=$SECONDS
		step fetch "Linux $name: $rel ($version)"
		mkdir -p "$dir"
		tmp=$(mktemp -d "$dir/tmp.XXXXXX")
		if [ -n "$own" ]; then
			# shellcheck disable=SC2086 # a list of words
			{
				grep -E '^linux-(image|binary|modules)-[0-9]' <<<"$list"
				apt_resolve "$conf" "linux-headers-$package" $TREE_TOOLS
			} | sort -u | apt_download "$conf" "$tmp/deb"
		else
			grep -E "^linux-((image|headers)-${rel//+/\\+}|headers-.*-common(-rt)?) " <<<"$list" |
				apt_download "$conf" "$tmp/deb"
			fetch_kbuild "$name" "$tmp/deb" <<<"$list"
		fi
		unpack_kernel "$tmp" "$rel" "$own"
		rm -rf "$image"
		mv "$tmp" "$image"
		# An older build of this kernel will not be asked for again.
		find "$dir" -mindepth 1 -maxdepth 1 -type d ! -path "$image" -exec rm -rf {} +
		step fetch "Linux $name done ($((SECONDS - start)) s)"
	fi
	ln -sfn "$(basename "$image")" "$dir/current.new"
	mv -T "$dir/current.new" "$dir/current"
}

# fetch_kbuild NAME DIR <"package version" lines - the tools that the headers of that
# kernel link to, as programs of this machine: those of amd64 write modules for any
# word size and byte order.
fetch_kbuild() {
	local conf kbuild
	kbuild=$(sed -n 's/^\(linux-kbuild-[^ ]*\) .*/\1/p')
	# shellcheck disable=SC2046 # several suites are several words
	conf=$(apt_state $(kernel_get "$1" SUITES))
	apt_resolve "$conf" "$kbuild" | grep "^$kbuild " | apt_download "$conf" "$2"
}

# unpack_kernel DIR RELEASE OWN - from DIR/deb to the layout described above.
unpack_kernel() {
	local dir=$1 rel=$2 own=$3 root=$1/root deb
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
	# Merged /usr, whatever the packages of the suite still believe.
	ln -s usr/bin "$root/bin"
	ln -s usr/sbin "$root/sbin"
	ln -s usr/lib "$root/lib"
	ln -s usr/lib64 "$root/lib64"
	for deb in "$dir"/deb/*.deb; do
		# dpkg-deb would replace the links by directories.
		dpkg-deb --fsys-tarfile "$deb" |
			tar -C "$root" --keep-directory-symlink -xf - \
				--exclude='./usr/share/doc' --exclude='./usr/share/man' \
				--exclude='./usr/share/locale'
	done
	rm -rf "$dir/deb"
	if ls "$root"/boot/vmlinu[xz]-"$rel" >/dev/null 2>&1; then
		mv "$root"/boot/vmlinu[xz]-"$rel" "$dir/vmlinuz"
	else
		mv "$root/usr/lib/modules/$rel/vmlinuz" "$dir/vmlinuz"
	fi
	# The headers look for their other half in /usr/src: let them look beside
	# themselves. (Not in a tree that is entered with its own root.)
	[ -n "$own" ] ||
		sed -i 's|^include /usr/src/|include $(dir $(lastword $(MAKEFILE_LIST)))../|' \
			"$root/usr/src/linux-headers-$rel/Makefile"
	find "$root" -path "*/linux-headers-$rel/.config" -exec cp {} "$dir/config" \;
	trim_modules "$root" "$rel" "$dir/modules.cpio"
	# The rest of the modules is of no use: 'build' links to the headers.
	rm -rf "${root:?}/usr/lib/modules/$rel/kernel" "${root:?}/boot"
	if [ -n "$own" ]; then
		ln -sf mawk "$root/usr/bin/awk"
		ln -sfn "/usr/src/linux-headers-$rel" "$root/usr/lib/modules/$rel/build"
		mkdir -p "$root/tmp" "$root/proc" "$root/dev" "$root/work"
		touch "$dir/own-tools"
	fi
	echo "$rel" >"$dir/release"
}

for name; do
	if [ "$name" = check ]; then
		for stock in $ALL_KERNELS; do is_own "$stock" || "$0" "$stock"; done
	elif [ "$name" = source ]; then
		"$VM_DIR/source.sh"
	else
		! is_foreign "$name" || with_lock deps "$VM_DIR/deps.sh" "$(kernel_get "$name" ARCH)"
		with_lock "kernel-$(kernel_file "$name")" fetch_kernel "$name"
	fi
done
