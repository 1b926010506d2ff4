#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# image.sh [base|trace|clients|small [ARCH]] - make the guest's root file system
# as a cpio archive and print its path. "base" is what nearly all tests need and
# small, for a guest unpacks it at every boot; "trace" adds bpftrace, whose compiler is
# larger than everything else together; "clients" programs of others that talk TCP, and
# a web server in Python; "small" is what guest_programs need, on any architecture.

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGES="bash dash coreutils sed grep mawk findutils diffutils util-linux procps
	kmod mount hostname iproute2 iputils-ping nftables ipvsadm ethtool socat netcat-openbsd tcpdump
	bpftool trace-cmd python3-minimal libpython3.11-minimal libpython3.11-stdlib python3-yaml libyaml-0-2
	libmnl0 libjansson4
	libc-bin netbase"
SMALL_PACKAGES="bash dash coreutils sed grep mawk util-linux kmod mount hostname iproute2 ethtool socat
	libmnl0 libjansson4 netbase"
TRACE_PACKAGES="bpftrace"
CLIENTS_PACKAGES="curl iperf3 ncat nmap"

# Drawn in by dependencies and of no use to a guest without a package manager.
UNUSED='^(perl|perl-base|perl-modules-.*|libperl.*|dpkg|tar|passwd|login|adduser|debconf|libpam.*|libgdbm.*|libdb5.*|libsem.*|libsepol.*|libssl-.*|gcc-12-base|media-types|usrmerge|init-system-helpers|libsqlite3.*|install-info|sensible-utils|debianutils|python3-distutils|libpython3-stdlib) '

# Files that only cost boot time. prune DIR KIND
prune() {
	(
		cd "$1/usr"
		rm -rf share/{doc,man,locale,info,lintian,bash-completion,common-licenses,zoneinfo,bug,menu,gdb,zsh,polkit-1,perl,perl5} \
			lib/{systemd,udev,tmpfiles.d,sysusers.d,tc} \
			lib/*-linux-gnu*/{gconv,audit,security,engines-3,ossl-modules}
		rm -f bin/{localedef,iconv} sbin/{iconvconfig,zic,arpd,mkfs.*,fsck.*}
		rm -rf ../var/{lib,cache,log,spool,backups}/* ../boot ../media ../srv \
			../etc/{init.d,cron*,systemd,security,pam.d,default,logrotate.d,apparmor.d}
		[ ! -d lib/python3 ] || prune_python "$1/usr/lib/python3.11" "$2"
		find . -name __pycache__ -prune -exec rm -rf {} +
	)
}

# prune_python DIR KIND, in /usr
prune_python() {
	local py=$1
	find lib/python3/dist-packages -mindepth 1 -maxdepth 1 ! -name yaml -exec rm -rf {} +
	rm -rf "$py"/{lib2to3,distutils,idlelib,pydoc_data,ensurepip,test,unittest,asyncio,xml,xmlrpc,wsgiref,multiprocessing,sqlite3,dbm,curses,venv} \
		"$py"/lib-dynload/{_codecs_,_test,_sqlite3,_curses,_asyncio,audioop,_decimal}*
	# The web server's.
	[ "$2" = clients ] || rm -rf "$py"/{email,http,html}
	find "$py/encodings" -type f ! -name '__init__.py' ! -name 'aliases.py' \
		! -name 'utf_8.py' ! -name 'ascii.py' ! -name 'latin_1.py' ! -name 'idna.py' -delete
}

make_image() {
	local kind=$1 name=$2 out=$3 conf=$4 list=$5 tmp deb start=$SECONDS
	[ ! -f "$out" ] || return 0
	step image "guest root '$name'"
	mkdir -p "$CACHE/image"
	tmp=$(mktemp -d "$CACHE/image/tmp.XXXXXX")
	apt_download "$conf" "$tmp/deb" <<<"$list"
	mkdir -p "$tmp"/root/usr/{bin,sbin,lib,lib64} \
		"$tmp"/root/{proc,sys,dev,run,tmp,root,etc,var/lib,var/tmp,mnt}
	for deb in bin sbin lib lib64; do ln -s usr/$deb "$tmp/root/$deb"; done
	for deb in "$tmp"/deb/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -C "$tmp/root" --keep-directory-symlink -xf -
	done
	prune "$tmp/root" "$kind"
	ln -sf mawk "$tmp/root/usr/bin/awk"
	[ "$kind" = small ] || ln -sf nc.openbsd "$tmp/root/usr/bin/nc"
	ln -sf dash "$tmp/root/usr/bin/sh"
	# nmap's, by way of liblinear.
	[ "$kind" != clients ] || ln -sf blas/libblas.so.3 "$tmp/root/usr/lib/x86_64-linux-gnu/"
	ln -sf /run "$tmp/root/var/run"
	ln -sf /proc/mounts "$tmp/root/etc/mtab"
	[ "$kind" = small ] || ln -sf python3.11 "$tmp/root/usr/bin/python3"
	printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\ntcpdump:x:101:101::/:/bin/false\n' \
		>"$tmp/root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\ntcpdump:x:101:\n' >"$tmp/root/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$tmp/root/etc/hosts"
	chmod 1777 "$tmp/root/tmp"
	ldconfig -r "$tmp/root" 2>/dev/null || true
	(cd "$tmp/root" && find . | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0 --reproducible) >"$tmp/cpio"
	mv "$tmp/cpio" "$out"
	rm -rf "$tmp"
	find "$CACHE/image" -name "$name-*" ! -path "$out" -delete
	step image "guest root '$name' done ($((SECONDS - start)) s, $(du -m "$out" | cut -f1) MB)"
}

# The exact package versions are the key, and so is this script.
main() {
	local kind=${1:-base} arch=${2:-amd64} name conf pkgs=$PACKAGES list out
	case $kind in
	trace) pkgs="$pkgs $TRACE_PACKAGES" ;;
	clients) pkgs="$pkgs $CLIENTS_PACKAGES" ;;
	small) pkgs=$SMALL_PACKAGES ;;
	esac
	name=$kind
	[ "$kind" != small ] || name=small-$arch
	conf=$(apt_state_of "$arch" bookworm bookworm-security)
	# shellcheck disable=SC2086 # a list of words
	list=$(apt_resolve "$conf" $pkgs | grep -vE "$UNUSED")
	# Large, and only bpftrace's compiler links to them.
	[ "$kind" = trace ] || list=$(grep -vE '^(libicu.*|libxml2) ' <<<"$list")
	out=$CACHE/image/$name-$(hash_of "$list" "$VM_DIR/image.sh").cpio
	[ -f "$out" ] || with_lock "image-$name" make_image "$kind" "$name" "$out" "$conf" "$list"
	echo "$out"
}

main "$@"
