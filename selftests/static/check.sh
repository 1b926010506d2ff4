#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [COUNTS] - the static checks, over all files of the repository. Every
# check is first shown a planted violation that it has to find: one that
# finds nothing because it does nothing would otherwise look like success.
#
#   KERNELS  what to build for (default: the stock kernels)
#   CHECKS   names of checks (default: all)

set -eu -o pipefail
# shellcheck source=selftests/vm/lib.sh
. "$(dirname "$0")/../vm/lib.sh"

STATIC_DIR=$REPO/selftests/static
# Cheap ones that look for mistakes, not for style.
COCCI="free/kfree free/ifnullfree null/deref_null null/eno null/kmerr
	locks/call_kern locks/double_lock locks/flags locks/mini_lock
	iterators/itnull iterators/use_after_iter iterators/list_entry_update
	tests/doublebitand tests/doubletest tests/odd_ptr_err tests/unsigned_lesser_than_zero
	api/kstrdup api/memdup api/err_cast api/kfree_mismatch api/atomic_as_refcounter
	misc/doubleinit misc/ifcol misc/noderef misc/badty misc/boolconv misc/returnvar
	misc/semicolon misc/cond_no_effect misc/excluded_middle misc/warn"

counts=${1:-}
KERNELS=${KERNELS:-$STOCK_KERNELS}
CHECKS=${CHECKS:-build vendor sparse checkpatch shellcheck kernel-doc spdx versions coccinelle rst manuals drop-reasons netlink syzkaller docs packaging}
passed=0 failed=0
"$VM_DIR/deps.sh" vm static
linux=$("$VM_DIR/source.sh")
work=$(mktemp -d "$CACHE/static.XXXXXX")
trap 'rm -rf "$work"' EXIT

# files DIR PATTERN... - the files of a tree by their names, those that git
# ignores left out.
files() {
	local dir=$1
	shift
	(
		cd "$dir"
		if [ -e .git ]; then
			git -c safe.directory='*' ls-files -co --exclude-standard -- "$@" | sort -u
		else
			local pattern
			for pattern; do
				find . -type f -path "./${pattern#:(glob)}" ! -path './.cache/*' ! -name '*.mod.c'
			done | sed 's|^\./||' | sort -u
		fi | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
	)
}

# check NAME FUNCTION ARGUMENT... - run it over the repository, and first over
# the planted violation in $work/bad, where it has to fail.
result() {
	if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	report "$1" static "$2"
	[ "$1" = ok ] || sed 's/^/             | /' "$work/out"
}

planted() {
	local name=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		result FAILED "$name: control: a planted violation was not found"
	else
		# It has to be the violation, not a missing tool.
		if grep -qE "$violation" "$work/out"; then
			result ok "$name: control: a planted violation is found"
		else
			result FAILED "$name: control: failed for another reason than '$violation'"
		fi
	fi
}

check() {
	local name=$1 start=$SECONDS
	shift
	if "$@" >"$work/out" 2>&1; then
		result ok "$name ($((SECONDS - start)) s)"
	else
		result FAILED "$name"
	fi
}

# bad FILE - a fresh tree with one file, taken from stdin.
bad() {
	rm -rf "$work/bad"
	mkdir -p "$work/bad/$(dirname "$1")"
	cat >"$work/bad/$1"
}

# --- the compiler ------------------------------------------------------------
# no_warning LOG - of the compiler, sparse or modpost. Debian's own compiler was a
# patch release older; that says nothing of us. Findings in the kernel's own headers
# name their full path there.
no_warning() {
	! grep -E 'warning:|Warning:|error:' "$1" |
		grep -vE '^[^ ]*/(linux-headers|linux-kbuild)|the compiler differs from the one'
}

check_build() {
	local kernel=$1 src=$2 ko
	ko=$(MAKEARGS=$(build_args "$kernel") "$VM_DIR/build.sh" "$kernel" "$src") || return 1
	no_warning "${ko%/*}/build.log" || return 1
	if grep -qaF "${ko%/*}/" "$ko"; then
		echo "error: the module holds the path that it was built in"
		return 1
	fi
}

static_build() {
	local kernel=${KERNELS%% *}
	violation="warning: .*no previous prototype|unused variable"
	planted_module "void ksocket_planted(void) { int unused; }"
	planted "W=1 ($kernel)" check_build "$kernel" "$work/bad"
	for kernel in $KERNELS; do
		check "W=1 build without a warning on $kernel" check_build "$kernel" "$REPO"
	done
}

# Vendors keep the number of a kernel and renew what is in it.
VENDOR_KERNELS=${VENDOR_KERNELS:-6.1 6.12}
VENDOR_NUMBER=5.14

# check_vendor KERNEL SOURCE - what is found out about the kernel does not change
# with its number.
check_vendor() {
	local own vendor
	vendor=$VENDOR_NUMBER-of-$1
	check_build "$vendor" "$2" || return 1
	own=$(MAKEARGS=$(build_args "$1") "$VM_DIR/build.sh" "$1" "$2") || return 1
	vendor=$(MAKEARGS=$(build_args "$vendor") "$VM_DIR/build.sh" "$vendor" "$2") || return 1
	diff "${own%/*}/compat-have.h" "${vendor%/*}/compat-have.h"
}

static_vendor() {
	local kernel first=
	for kernel in $VENDOR_KERNELS; do
		case " $KERNELS " in *" $kernel "*) ;; *) continue ;; esac
		if [ -z "$first" ]; then
			first=$kernel
			violation="error: .*planted"
			planted_module '#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
#error planted
#endif'
			planted "vendor kernels ($kernel)" check_vendor "$kernel" "$work/bad"
		fi
		check "$kernel under the number $VENDOR_NUMBER is known for what it is" \
			check_vendor "$kernel" "$REPO"
	done
}

planted_module() {
	bad Kbuild <<<"obj-m := planted.o"
	printf '%s\n' '#include <linux/module.h>' "$1" 'MODULE_LICENSE("GPL");' \
		'MODULE_DESCRIPTION("planted");' >"$work/bad/planted.c"
}

check_sparse() {
	local kernel=$1 src=$2 ko log
	ko=$(MAKEARGS=$(build_args "$kernel") "$VM_DIR/build.sh" "$kernel" "$src") || return 1
	log=${ko%/*}/build.log
	if ! grep -qE '^ +CHECK +' "$log"; then
		echo "sparse did not run"
		return 1
	fi
	no_warning "$log"
}

static_sparse() {
	local kernel first=
	for kernel in $SPARSE_KERNELS; do
		case " $KERNELS " in *" $kernel "*) ;; *) continue ;; esac
		if [ -z "$first" ]; then
			first=$kernel
			violation="Using plain integer as NULL pointer"
			planted_module 'static int *planted = 0;
static int __init planted_init(void) { return !planted; }
module_init(planted_init);'
			planted "sparse ($kernel)" check_sparse "$kernel" "$work/bad"
		fi
		check "sparse on $kernel" check_sparse "$kernel" "$REPO"
	done
}

# --- style ---------------------------------------------------------------------
# Every finding has to be excepted, every exception has to be needed.
check_checkpatch() {
	local dir=$1 list=()
	mapfile -t list < <(files "$dir" '*.c' '*.h')
	(cd "$dir" && "$linux/scripts/checkpatch.pl" --no-tree --strict --terse --show-types \
		--no-summary -f "${list[@]}") >"$work/checkpatch" 2>&1 || true
	awk -v exceptions="$STATIC_DIR/checkpatch.exceptions" -v own="$([ "$dir" = "$REPO" ] && echo 1)" '
		BEGIN {
			while ((getline line <exceptions) > 0) {
				if (line ~ /^#/ || line ~ /^[ \t]*$/)
					continue
				n = split(line, word, /[ \t]+/)
				if (n < 3) {
					print "exception without a reason: " line
					bad = 1
				}
				wanted[word[1] " " word[2]] = 1
			}
		}
		match($0, /(ERROR|WARNING|CHECK):[A-Z0-9_]+: /) {
			file = $0
			sub(/:.*/, "", file)
			type = substr($0, RSTART, RLENGTH)
			sub(/^[A-Z]+:/, "", type)
			sub(/: $/, "", type)
			if ((type " " file) in wanted) {
				used[type " " file] = 1
				next
			}
			print
			bad = 1
			next
		}
		{ print; bad = 1 }
		END {
			for (e in wanted)
				if (own && !(e in used)) {
					print "exception no longer needed: " e
					bad = 1
				}
			exit bad
		}' "$work/checkpatch"
}

static_checkpatch() {
	violation="LEADING_SPACE|CODE_INDENT"
	printf '// SPDX-License-Identifier: GPL-2.0\nint f(void)\n{\n        return 0;\n}\n' | bad a.c
	planted checkpatch check_checkpatch "$work/bad"
	check "checkpatch --strict" check_checkpatch "$REPO"
}

# Everything that a shell reads, by its first line or its name.
check_shellcheck() {
	local dir=$1 list=()
	mapfile -t list < <(
		cd "$dir"
		files "$dir" '*' | while read -r file; do
			case $file in
			*.sh) echo "$file" ;;
			*.patch) ;;
			*) if head -c 64 "$file" | head -n 1 | tr -d '\0' | grep -qE '^#!.*[/ ](ba|da)?sh\b'; then
				echo "$file"
			fi ;;
			esac
		done
	)
	# SC2016: what a guest or make expands is rightly in single quotes.
	(cd "$dir" && shellcheck -x -P "$dir" -P SCRIPTDIR -e SC2016 "${list[@]}")
}

static_shellcheck() {
	violation="SC2086"
	printf '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\nls $1\n' | bad script
	planted shellcheck check_shellcheck "$work/bad"
	check shellcheck check_shellcheck "$REPO"
}

check_kernel_doc() {
	local dir=$1 list=()
	mapfile -t list < <(files "$dir" '*.c' '*.h' | grep -vE '^selftests/')
	(cd "$dir" && python3 "$linux/scripts/kernel-doc" -none -Wall -Werror "${list[@]}")
}

static_kernel-doc() {
	violation="not described"
	printf '/**\n * f() - returns what it gets\n * @b: of another function\n *\n * Return: it.\n */\nint f(int a)\n{\n\treturn a;\n}\n' |
		bad a.c
	planted kernel-doc check_kernel_doc "$work/bad"
	check kernel-doc check_kernel_doc "$REPO"
}

check_spdx() {
	local dir=$1 file status=0
	while read -r file; do
		case $file in
		LICENSE | *.patch | *.json) continue ;;
		esac
		[ -e "$dir/$file" ] || continue
		# What a tool has left behind, for example.
		if [ ! -s "$dir/$file" ]; then
			echo "no SPDX line: $file is empty"
			status=1
			continue
		fi
		if ! head -n 3 "$dir/$file" | grep -aq 'SPDX-License-Identifier: '; then
			echo "no SPDX line: $file"
			status=1
		fi
	done < <(files "$dir" '*')
	return $status
}

static_spdx() {
	violation="no SPDX line: a.c"
	bad a.c <<<"int a;"
	planted SPDX check_spdx "$work/bad"
	check "SPDX line in every file" check_spdx "$REPO"
}

# Nothing asks for a version, and one file for what a kernel has.
check_versions() {
	local file status=0
	while read -r file; do
		case $file in selftests/*) continue ;; esac
		if grep -Hn 'LINUX_VERSION_CODE\|KERNEL_VERSION(' "$1/$file"; then status=1; fi
		case $file in compat.h | compat-probe.c) continue ;; esac
		if grep -Hn 'KSOCKET_HAVE_' "$1/$file"; then status=1; fi
	done < <(files "$1" '*.c' '*.h')
	return $status
}

static_versions() {
	violation="LINUX_VERSION_CODE"
	bad a.c <<<"#if LINUX_VERSION_CODE"
	planted versions check_versions "$work/bad"
	check "no kernel versions; what a kernel has is asked in compat.h only" check_versions "$REPO"
}

check_coccinelle() {
	local dir=$1 list=() name out status=0
	mapfile -t list < <(files "$dir" '*.c' | grep -vE '^selftests/')
	for name in $COCCI; do
		out=$(cd "$dir" && spatch -D report --very-quiet --no-show-diff --no-includes \
			--cocci-file "$linux/scripts/coccinelle/$name.cocci" "${list[@]}" 2>"$work/spatch.err") ||
			{ echo "$name: spatch failed"; cat "$work/spatch.err"; status=1; }
		if [ -n "$out" ]; then
			printf '%s\n%s\n' "$name:" "$out"
			status=1
		fi
	done
	return $status
}

static_coccinelle() {
	violation="reference preceded by free|kfree"
	printf '#include <linux/slab.h>\nint f(int *p)\n{\n\tkfree(p);\n\treturn p[1];\n}\n' | bad a.c
	local all=$COCCI
	COCCI=free/kfree
	planted coccinelle check_coccinelle "$work/bad"
	COCCI=$all
	check coccinelle check_coccinelle "$REPO"
}

check_rst() {
	local list=()
	mapfile -t list < <(files "$1" '*.rst')
	[ "${#list[@]}" -gt 0 ] || return 0
	(cd "$1" && python3 "$STATIC_DIR/rst.py" "${list[@]}")
}

static_rst() {
	violation="Title underline too short"
	printf 'A long title\n=====\n\ntext\n' | bad a.rst
	planted "rst documents" check_rst "$work/bad"
	check "rst documents parse" check_rst "$REPO"
}

check_manuals() {
	local list=()
	mapfile -t list < <(files "$1" '*.[1-8]')
	[ "${#list[@]}" -gt 0 ] || return 0
	(cd "$1" && groff -man -ww -Tutf8 -z "${list[@]}" 2>&1 | grep . && return 1 || return 0)
}

static_manuals() {
	violation="macro .*not defined"
	printf '.\\" SPDX-License-Identifier: GPL-2.0\n.TH A 8\n.NONSENSE\n' | bad a.8
	planted "manuals" check_manuals "$work/bad"
	check "manuals are formatted without a warning" check_manuals "$REPO"
}

# --- documentation that is made from the source, or leads to commands -------------
static_drop-reasons() {
	violation="is not what the table"
	bad Documentation/drop-reasons.rst </dev/null
	cp "$REPO/ksocket.h" "$work/bad/"
	planted "drop reasons" "$STATIC_DIR/drop-reasons.sh" --check "$work/bad"
	check "Documentation/drop-reasons.rst is the table in ksocket.h" \
		"$STATIC_DIR/drop-reasons.sh" --check
}

static_netlink() {
	local from=Documentation/netlink/specs/ksocket.yaml
	violation="is not what the specification says"
	sed 's/^        name: fallbacks$/        name: falls/' "$REPO/$from" | bad $from
	cp -r "$REPO"/{control,include,ksocket.h} "$work/bad/"
	planted "netlink" "$STATIC_DIR/netlink.sh" --check "$work/bad"
	check "policy, operations and header are what the netlink specification says" \
		"$STATIC_DIR/netlink.sh" --check
}

check_syzkaller() {
	python3 "$STATIC_DIR/syzkaller.py" "$1" || return
	# Debian has no package of it.
	! command -v syz-fmt >/dev/null || syz-fmt "$1/selftests/syzkaller" || return
}

static_syzkaller() {
	local from=selftests/syzkaller/ksocket.txt
	violation="KSOCKET_A_SERVICE_GRO is not described"
	sed '/KSOCKET_A_SERVICE_GRO/d' "$REPO/$from" | bad $from
	cp -r "$REPO"/{control,include} "$work/bad/"
	planted "syzkaller" check_syzkaller "$work/bad"
	check "the syzkaller description is what the headers say" check_syzkaller "$REPO"
}

# Every command for the reader's own machine has somebody who runs it.
check_docs() {
	local list=() command status=0
	mapfile -t list < <(files "$1" '*.rst' '*.md')
	while read -r command; do
		if ! grep -qF "$command :: " "$STATIC_DIR/docs.commands"; then
			echo "nothing runs: $command"
			status=1
		fi
	done < <(cd "$1" && python3 "$REPO/selftests/docs.py" --host "${list[@]}")
	return $status
}

static_docs() {
	violation="nothing runs: make coffee"
	printf 'Do::\n\n    $ make coffee\n' | bad a.rst
	planted "documented commands" check_docs "$work/bad"
	check "documented commands are run by a test" check_docs "$REPO"
}

static_packaging() {
	check "make, install, uninstall, clean, DKMS" "$STATIC_DIR/packaging.sh"
}

for name in $CHECKS; do "static_$name"; done
[ -z "$counts" ] || echo "$passed $failed 0" >"$counts"
[ -n "$counts" ] || echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
