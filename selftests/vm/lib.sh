# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh - what every script of the test machine shares: the places, the table
# of kernels, messages, locks, and a private apt that touches nothing of the
# user's system.
#
# To be sourced. Sets REPO, VM_DIR, CACHE.

# What a calling make was told, such as -s, is not meant for ours: sparse is
# known to have run by what make says.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
REPO=$(cd "$VM_DIR/../.." && pwd -P)
CACHE=${KSOCKET_CACHE:-$REPO/.cache}
case $CACHE in /*) ;; *) CACHE=$PWD/$CACHE ;; esac
mkdir -p "$CACHE"
PATH=$PATH:/usr/sbin:/sbin

# kernel_get NAME COLUMN - a field of the table "kernels"; suites as words.
kernel_get() {
	awk -v name="${1#*-of-}" -v column="$2" '
		$1 == "#" && $2 == "NAME" && $3 == "WHEN" { for (i = 2; i <= NF; i++) at[$i] = i - 1 }
		$1 == name { gsub(",", " ", $at["SUITES"]); print $at[column]; found = 1 }
		END { exit !found }' "$VM_DIR/kernels" || die "unknown kernel '$1' (known: $ALL_KERNELS)"
}

# kernels_when WORD... - the names of those that run then.
kernels_when() {
	awk -v words=" $* " '!/^#/ && index(words, " " $2 " ") { print $1 }' "$VM_DIR/kernels" | xargs
}

ALL_KERNELS=$(kernels_when check)
# shellcheck disable=SC2034 # for those who source this
STOCK_KERNELS=$(tr ' ' '\n' <<<"$ALL_KERNELS" | grep -E '^[0-9.]+$' | xargs)

# kernel_file NAME - the name in paths: make takes a colon for the end of a target.
kernel_file() { printf '%s\n' "${1/:/+}"; }

# is_foreign KERNEL - does it run on another architecture than this machine's?
is_foreign() { [ "$(kernel_get "$1" ARCH)" != amd64 ]; }

# is_guest KERNEL - does it run guest_programs only?
is_guest() { [[ $1 == *:* ]]; }

# guest_programs - what shows on a kernel of another architecture or configuration
# that every feature works there.
guest_programs() { echo "smoke.sh sockopt netlink_fuzz udp_sizes"; }

# cross_prefix KERNEL - of compiler and binutils, empty for this machine's.
cross_prefix() { kernel_get "$1" CROSS | sed 's/^-$//'; }

# sparse knows no newer ones; there it says nothing and checks nothing.
SPARSE_KERNELS="5.10 6.1 6.12"

# build_args KERNEL - what make is given where one build is for the static checks and
# the tests.
build_args() {
	case " $SPARSE_KERNELS " in
	*" $1 "*) echo "W=1 C=2" ;;
	*) ! is_own "$1" || return 0; echo "W=1" ;;
	esac
}

# is_own KERNEL - is it one that we build, and slow?
is_own() { [ "$1" = debug ] || [ "$1" = kcsan ]; }

say() { printf '%s\n' "$*" >&2; }

# A step that may take long says so before it starts and how long it took.
step() { printf '  %-8s %s\n' "$1" "${*:2}" >&2; }

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# with_lock NAME COMMAND... - one process at a time makes an artefact; the
# others wait and then find it finished.
with_lock() {
	local name=$1
	shift
	mkdir -p "$CACHE/lock"
	(
		if ! flock -w 3 9; then
			step wait "another process is making '$name'"
			flock 9
		fi
		"$@"
	) 9>"$CACHE/lock/$name"
}

# hash_of FILE|STRING... - a short key of the contents, for cache names.
hash_of() {
	local a
	for a; do
		if [ -e "$a" ] && [ ! -d "$a" ]; then cat "$a"; else printf '%s\n' "$a"; fi
	done | sha256sum | cut -c1-12
}

# --- a private apt ---------------------------------------------------------
# Own source list, own state, own (empty) package status: it resolves and
# downloads as if on another machine. The mirror is the one this machine uses.

# apt_site main|security - the mirror's address, from the user's own settings.
apt_site() {
	local sites
	sites=$(apt-get indextargets --format '$(RELEASE) $(SITE)' \
		'Created-By: Packages' 2>/dev/null || true)
	if [ "$1" = security ]; then
		awk '$1 ~ /-security$/ && !n++ { print $2 }' <<<"$sites"
	else
		# Only a Debian release by its well-known name: third-party
		# sources carry other names and do not mirror Debian.
		awk '$1 ~ /^(bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)(-updates)?$/ && !n++ \
			{ print $2 }' <<<"$sites"
	fi
}

# apt_state SUITE... - print the config file of a private apt for these suites,
# its package lists not older than a day. Offline, older lists serve as well:
# what they name is either in the cache or cannot be fetched anyway.
apt_state() { apt_state_of amd64 "$@"; }

# apt_state_of ARCH SUITE... - as apt_state, on a machine of that architecture. An
# apt that knows several would mix them in what a package depends on.
apt_state_of() {
	local name dir
	name=$(tr ' ' '+' <<<"${*:2}")
	[ "$1" = amd64 ] || name=$1+$name
	dir=$CACHE/apt/$name
	with_lock "apt-$name" apt_state_make "$dir" "$@" >&2
	echo "$dir/apt.conf"
}

apt_state_make() {
	local dir=$1 arch=$2 site suite key
	shift 2
	if [ -n "$(find "$dir/fresh" -mmin -1440 2>/dev/null)" ]; then return 0; fi
	# A mirror that failed is left alone for an hour.
	if [ -n "$(find "$dir/failed" -mmin -60 2>/dev/null)" ]; then return 0; fi
	mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/empty"
	: >"$dir/status"
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	: >"$dir/sources.list"
	for suite; do
		case $suite in
		*-security) site=$(apt_site security) ;;
		*) site=$(apt_site main) ;;
		esac
		if [ -z "$site" ] && [ "${suite%-security}" != "$suite" ]; then
			# Mirrors keep the two archives side by side.
			site=$(apt_site main)
			site=${site%/}-security
		fi
		[ -n "${site%-security}" ] ||
			die "no Debian mirror found in this machine's apt sources"
		echo "deb [signed-by=$key arch=$arch] $site $suite main" >>"$dir/sources.list"
	done
	# An archived suite's Release file is past its date and still signed.
	cat >"$dir/apt.conf" <<-CONF
		Dir::State "$dir";
		Dir::State::status "$dir/status";
		Dir::State::lists "$dir/lists";
		Dir::Cache "$dir";
		Dir::Cache::archives "$dir/archives";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Check-Valid-Until "false";
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Install-Recommends "false";
		APT::Install-Suggests "false";
		APT::Sandbox::User "root";
	CONF
	step fetch "package lists of $* ($arch)"
	if APT_CONFIG=$dir/apt.conf apt-get -qq -o APT::Update::Error-Mode=any update; then
		touch "$dir/fresh"
	elif ls "$dir"/lists/*_Packages* >/dev/null 2>&1; then
		touch "$dir/failed"
		say "  note: cannot refresh the lists of $*; using those of the cache"
	else
		die "cannot fetch the package lists of $*"
	fi
}

# apt_resolve CONF PACKAGE... - the closure of dependencies, one
# "package version" per line. Remembered as long as the package lists are.
apt_resolve() {
	local conf=$1 memo
	shift
	memo=${conf%/*}/closure-$(hash_of "$*")
	if [ ! -s "$memo" ] || [ "$memo" -ot "${conf%/*}/fresh" ]; then
		APT_CONFIG=$conf apt-get -s install "$@" |
			sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1 \2/p' |
			sort -u >"$memo.$$"
		[ -s "$memo.$$" ] || die "cannot resolve: $*"
		mv "$memo.$$" "$memo"
	fi
	cat "$memo"
}

# apt_download CONF DIR <"package version" lines
apt_download() {
	local conf=$1 dir=$2
	mkdir -p "$dir"
	(cd "$dir" && sed 's/ /=/' |
		APT_CONFIG=$conf xargs -r apt-get -qq download)
}

# kernel_renumber DIR FROM VERSION - DIR becomes the headers in FROM with the version
# number VERSION.
kernel_renumber() {
	local dir=$1 from=$2 major=${3%.*} minor=${3#*.} file
	[ ! -f "$dir/release" ] || return 0
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -al "$from/root" "$dir/"
	while read -r file; do
		# sed writes a new file, which the other name of the old one is spared.
		sed -i -E "s/(LINUX_VERSION_CODE) .*/\1 $((major * 65536 + minor * 256))/
			s/(LINUX_VERSION_MAJOR) .*/\1 $major/
			s/(LINUX_VERSION_PATCHLEVEL) .*/\1 $minor/
			s/(LINUX_VERSION_SUBLEVEL) .*/\1 0/
			s/(UTS_RELEASE) .*/\1 \"$3.0\"/" "$file"
	done < <(find "$dir/root/usr/src" \( -name version.h -path '*/generated/uapi/*' \
		-o -name utsrelease.h -path '*/generated/*' \) -type f)
	cp "$from/release" "$dir/release"
	find "$CACHE/kernel/$(basename "${dir%/*}")" -mindepth 1 -maxdepth 1 ! -path "$dir" -exec rm -rf {} +
}

# kernel_ready NAME - fetch or build what is missing, print the kernel's folder. A
# NAME like 5.14-of-6.1 is a kernel as vendors make them, with the number of the
# one and the insides of the other: its headers are to build for, and nothing boots.
kernel_ready() {
	local from
	case $1 in
	*-of-*)
		from=$(kernel_ready "${1#*-of-}")
		with_lock "kernel-$1" kernel_renumber "$CACHE/kernel/$1/$(basename "$from")" \
			"$from" "${1%-of-*}" >&2
		echo "$CACHE/kernel/$1/$(basename "$from")"
		return
		;;
	esac
	if is_own "$1"; then
		"$VM_DIR/debug-kernel.sh" "$1" >&2
	else
		"$VM_DIR/fetch.sh" "$1" >&2
	fi
	readlink -f "$CACHE/kernel/$(kernel_file "$1")/current"
}

# The skips that are expected, by kernel.
SKIPS=$REPO/selftests/expected-skips

# ktap_count LABEL COUNTS KERNEL [PROGRAM...] - read what the runner says from
# stdin, print it for people, put "passed failed skipped" into the file COUNTS.
# Skips are judged by SKIPS, which may be empty; TIMES=1 prints the time of each
# test.
ktap_count() {
	local label=$1 counts=$2 kernel=$3 live=()
	shift 3
	# mawk would wait for a full block of input before it looks at a line.
	if awk -W version 2>&1 </dev/null | grep -q mawk; then live=(-W interactive); fi
	awk ${live[@]+"${live[@]}"} -v label="$label" -v want="$*" -v counts="$counts" \
		-v kernel="$kernel" -v skips="$SKIPS" -v times="${TIMES:-}" \
		-f "$VM_DIR/ktap.awk"
}

# report WORD LABEL WHAT [DETAIL] - one result that is not a test program's.
report() { printf '  %-8s %-8s %s\n' "$2" "$1" "$3${4:+: $4}"; }

# verdict_get DIR NAME - a field of what vm.sh left in DIR.
verdict_get() { sed -n "s/^$2=//p" "$1/verdict" 2>/dev/null || true; }

# mutant_noticed DIR LOG TIMEOUT - is what vm.sh left in DIR and run-tests.sh said in
# LOG a fault that was noticed? Prints the finding, or why not. With TIMEOUT, a
# reason, a guest that did not end is a finding too.
mutant_noticed() {
	local verdict said
	verdict=$(verdict_get "$1" verdict)
	said=$(grep -v -- '- skipped: ' "$2" |
		sed -n 's/^.*- \(not ok\|[^ ]*: \)/\1/p; s/^.*\(the guest: \)/\1/p' | sed -n 1p)
	case $verdict in
	'' | 126)
		# Red because the guest never came up would prove nothing.
		echo "the guest did not run: $(tail -n 1 "$2")"
		return 1
		;;
	124)
		if ! grep -q -- '- not ok ' "$2" && [ -z "$3" ]; then
			echo "no test noticed before the guest's time was up"
			return 1
		fi
		;;
	esac
	[ -n "$said" ] || { echo "red, but no test failed: $(tail -n 1 "$2")"; return 1; }
	echo "$said"
}

# guest_jobs - how many guests to run at a time. Each has two processors, but
# the tests wait a good part of their time.
guest_jobs() { nproc; }

# The processor that TCG emulates: see vm.sh for what it must not have.
# shellcheck disable=SC2034 # for those who source this
TCG_CPU=max,-cx16,-la57

# Test programs that need a guest of their own: where they run, and with what.
# shellcheck disable=SC2034 # for those who source this
SPECIAL_PROGRAMS="tcp.sh tcp_peer.sh noipv6.sh trace.sh docs.sh"

special_options() {
	case $1 in
	noipv6.sh) echo "--append ipv6.disable=1" ;;
	tcp.sh) echo "--image clients" ;;
	# A packet that is used after it was freed shows in its poison.
	tcp_peer.sh) echo "--append slub_debug=FZPU,skbuff_head_cache,skbuff_fclone_cache,skbuff_small_head" ;;
	trace.sh | docs.sh) echo "--image trace --memory 2048" ;;
	esac
}

# special_here PROGRAM KERNEL - does this program have its own guest for KERNEL?
special_here() {
	case $1 in
	noipv6.sh | tcp.sh | tcp_peer.sh) return 0 ;;
	# The image with bpftrace in it is large: on one kernel.
	trace.sh | docs.sh) [ "$2" = 6.1 ] ;;
	*) return 1 ;;
	esac
}
