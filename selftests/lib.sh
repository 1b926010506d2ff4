# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh - what the ksocket selftests share. A test program sources it, defines
# one function per test and ends with
#
#	ksocket_run_tests FUNCTION:"what it shows" ...
#
# Every function runs in a shell of its own under set -e: the first command that
# fails fails the test and is named. Namespaces and modules that a test leaves
# behind are removed after it, and so is $TMP, a folder for the test's files.
#
# From the environment: KSOCKET_KO is the module (default: the one that is
# built in the repository), KSOCKET_DEBUG_KERNEL=1 says that this kernel is slow,
# KSOCKET_SOAK=1 asks for the long form, KSOCKET_ONLY="FUNCTION..." for these tests
# only, KSOCKET_EXCEPT="PROGRAM:FUNCTION..." leaves these out. KSOCKET_SLOW, a whole
# number that a guest measures at its start, multiplies the time limits.

set -u -o pipefail
export KSOCKET_SLOW=${KSOCKET_SLOW:-1}
_SLOW_AT_START=$KSOCKET_SLOW

KSOCKET_TESTS=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
KSOCKET_KO=${KSOCKET_KO:-$(readlink -f "$KSOCKET_TESTS/../ksocket.ko")}

for _dir in "${KSFT:-}" "$KSOCKET_TESTS/.."; do
	if [ -r "$_dir/kselftest/ktap_helpers.sh" ]; then
		# shellcheck source=/dev/null
		. "$_dir/kselftest/ktap_helpers.sh"
		break
	fi
done
if ! declare -F ktap_print_header >/dev/null; then
	echo "Bail out! no kselftest: set KSFT to a kernel's tools/testing/selftests"
	exit 1
fi

# The whole program lives in a network namespace of its own, so that it meets
# no service of the host and leaves none there.
if [ -z "${KSOCKET_TEST_NS:-}" ]; then
	# Where stdbuf started us, each program would load its library first.
	[ -z "${_STDBUF_O:-}" ] || unset LD_PRELOAD _STDBUF_O
	KSOCKET_TEST_NS=1 exec unshare --net -- "$BASH" "$0" "$@"
fi

# Where the processor is emulated, and more so on a debug kernel, it is the start
# of a process that takes time: what follows does with few.

# --- what a test says ---

fail() {
	echo "FAIL: $*"
	exit "$KSFT_FAIL"
}

skip() {
	echo "SKIP: $*"
	exit "$KSFT_SKIP"
}

# needs WHAT COMMAND...: skip where that is missing, which COMMAND shows, in a
# network namespace of its own. What the test itself sets up afterwards has to
# work: a setup that fails is a failure, not a skip.
needs() {
	unshare --net -- "${@:2}" >/dev/null 2>&1 || skip "no $1"
}

# needs_nft STATEMENT [HOOK]: nftables, with such a rule at such a hook
needs_nft() {
	needs "nftables with '$1'" nft "table inet needs { chain c {
		type ${2:-filter hook input priority 0}; $1; }; }"
}

# assert_eq WHAT GOT WANTED
assert_eq() {
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}

# assert_le WHAT GOT LIMIT, assert_ge WHAT GOT LIMIT
assert_le() {
	[ "$2" -le "$3" ] || fail "$1: got $2, wanted at most $3"
}

assert_ge() {
	[ "$2" -ge "$3" ] || fail "$1: got $2, wanted at least $3"
}

# refute COMMAND...: it must fail. (A bare "! command" never ends a test.)
refute() {
	! "$@" || fail "unexpectedly true: $*"
}

# _slow_again: the machine may have become slower since it was measured, which is
# done once more as the guest's init did. Where nothing was measured, nothing is.
_slow_again() {
	local i now start=${EPOCHREALTIME/[.,]/}
	[ -n "${KSOCKET_SLOW_MS:-}" ] || return 1
	for ((i = 0; i < 5000; i++)); do :; done
	for ((i = 0; i < 10; i++)); do /usr/bin/true; done
	now=$(((${EPOCHREALTIME/[.,]/} - start) / 1000 / KSOCKET_SLOW_MS))
	[ "$now" -le 20 ] || now=20
	# A fault of ours that takes the processor must not buy itself time.
	[ "$now" -le $((2 * _SLOW_AT_START)) ] || now=$((2 * _SLOW_AT_START))
	[ "$now" -gt "$KSOCKET_SLOW" ] || return 1
	echo "the machine is slower than at the start: by $now, not $KSOCKET_SLOW"
	KSOCKET_SLOW=$now
}

# wait_for SECONDS COMMAND...: until it succeeds. The seconds are those of a machine
# that is not slow; it is asked once more before this is given up.
wait_for() {
	local seconds=$1 start=$SECONDS
	shift
	until "$@" >/dev/null 2>&1; do
		[ $((SECONDS - start)) -le $((seconds * KSOCKET_SLOW)) ] || _slow_again ||
			fail "waited too long for: $*"
		pause 0.05
	done
}

# pause SECONDS: as sleep, without a program: nobody writes to this pipe
exec {_silence}<> <(:)
pause() {
	read -r -t "$1" -u "$_silence" _ || true
}

# --- namespaces ---

# Every namespace that a test makes has this in its name, so that nobody
# else's is ever touched.
NS_PREFIX=ksocket-test-

# in_ns NAMESPACE COMMAND...; with "-" for the one that we are in. /sys stays
# that of the machine.
in_ns() {
	local ns=$1
	shift
	if [ "$ns" = - ]; then
		"$@"
	else
		"$KSOCKET_TESTS/in_netns" "$NS_PREFIX$ns" "$@"
	fi
}

# in_ns_sys NAMESPACE COMMAND...: with the /sys of the namespace
in_ns_sys() {
	ip netns exec "$NS_PREFIX$1" "${@:2}"
}

# _exec_in NAMESPACE COMMAND...: as in_ns, in the place of this shell
_exec_in() {
	if [ "$1" = - ]; then
		exec "${@:2}"
	else
		exec "$KSOCKET_TESTS/in_netns" "$NS_PREFIX$1" "${@:2}"
	fi
}

# _read_in NAMESPACE FILE: its lines into the array TEXT
_read_in() {
	local text
	if [ "$1" = - ]; then
		mapfile -t TEXT <"$2"
	else
		text=$(exec "$KSOCKET_TESTS/in_netns" -c "$NS_PREFIX$1" "$2") || return
		mapfile -t TEXT <<<"$text"
	fi
}

# spawn NAMESPACE COMMAND...: in the background; $! is the program itself
spawn() {
	_exec_in "$@" &
}

ns_add() {
	ip netns add "$NS_PREFIX$1"
	ip -n "$NS_PREFIX$1" link set lo up
}

ns_del() {
	ip netns del "$NS_PREFIX$1"
}

# ns_ip NAMESPACE ARGUMENT...: as ip(8) there
ns_ip() {
	ip -n "$NS_PREFIX$1" "${@:2}"
}

# ns_pids NAMESPACE: the processes in it
ns_pids() {
	ip netns pids "$NS_PREFIX$1"
}

# A namespace that is being freed takes its half of a veth pair with it, and
# thereby the other half: a sign that shows in the namespace of the peer.
# peer_add NAMESPACE, peer_gone
peer_add() {
	ns_add "$1"
	ns_ip peer link add "$1" type veth peer name veth0 netns "$NS_PREFIX$1"
	ip -n "$NS_PREFIX$1" -batch - <<-END
		addr add 192.0.2.1/24 dev veth0
		link set veth0 up
	END
	ip -n "${NS_PREFIX}peer" -batch - <<-END
		addr add 192.0.2.2/24 dev $1
		link set $1 up
	END
}

peer_gone() {
	! ns_ip peer link show dev "$1" 2>/dev/null
}

# The kernel counts namespaces and takes one off when the last of it has been
# freed. The count shows in what it refuses: see namespaces_at_most.
namespaces_at_most() {
	local ok=1 max
	read -r max </proc/sys/user/max_net_namespaces
	echo "$1" >/proc/sys/user/max_net_namespaces
	unshare --net true 2>/dev/null && ok=0
	echo "$max" >/proc/sys/user/max_net_namespaces
	return $ok
}

# all_freed: there are no namespaces but that of this program and one more. Only
# in a machine of our own: for a moment nobody can make one.
all_freed() {
	[ -n "${KSOCKET_VM:-}" ] || return 0
	# and one for the trial
	wait_for 60 namespaces_at_most 3
}

# --- the module ---

loaded() {
	[ -d /sys/module/ksocket ]
}

# KSOCKET_PARAMS are words that every test loads the module with, such as
# "datapath=copy gro=on"; what a test says itself overrides them.
read -r -a KSOCKET_PARAMS <<<"${KSOCKET_PARAMS:-}"

# for_all PARAMETER=VALUE...: of the parameters that all loads are to have those that
# have an effect beside these, into FOR_ALL
for_all() {
	local word
	FOR_ALL=()
	for word in ${KSOCKET_PARAMS[@]+"${KSOCKET_PARAMS[@]}"}; do
		case "$word $*" in
		datapath=*mode=text* | datapath=*mode=beacon\ * | datapath=*mode=beacon) ;;
		datapath=softirq*proto=tcp*) ;;
		*) FOR_ALL+=("$word") ;;
		esac
	done
}

# receiver_of MODE PARAMETER=VALUE...: those of a receiver, where the mode has one,
# into RECEIVER
receiver_of() {
	# shellcheck disable=SC2034 # the caller reads it
	RECEIVER=()
	# shellcheck disable=SC2034
	case $1 in relay | text) RECEIVER=("${@:2}") ;; esac
}

# load [PARAMETER=VALUE...]; insmod's status
load() {
	for_all "$@"
	insmod "$KSOCKET_KO" ${FOR_ALL[@]+"${FOR_ALL[@]}"} "$@"
}

# load_refused ERRNO LINE PARAMETER=VALUE...: insmod's errno, and the line in the log
load_refused() {
	log_mark
	assert_eq "errno of ${*:3}" "$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO" "${@:3}")" "$1"
	assert_eq "log of ${*:3}" "$(log_since)" "ksocket: $2"
	refute loaded
}

# load_in NAMESPACE [PARAMETER=VALUE...]
load_in() {
	for_all "${@:2}"
	in_ns "$1" insmod "$KSOCKET_KO" ${FOR_ALL[@]+"${FOR_ALL[@]}"} "${@:2}"
}

# datapath: the one that the tests load with
datapath() {
	local word found=softirq
	for word in ${KSOCKET_PARAMS[@]+"${KSOCKET_PARAMS[@]}"}; do
		case $word in datapath=*) found=${word#*=} ;; esac
	done
	echo "$found"
}

# by_thread: the parameter for a test that watches the thread at work
by_thread() {
	local found
	found=$(datapath)
	[ "$found" != softirq ] || found=zerocopy
	echo "datapath=$found"
}

# unload_in NAMESPACE: at this quiet moment the books must balance
unload_in() {
	balanced "$1"
	rmmod ksocket
}

unload() {
	unload_in -
}

# service [NAMESPACE]: the counters and configuration
service() {
	if [ "${1:--}" = - ]; then
		cat /proc/net/ksocket
	else
		"$KSOCKET_TESTS/in_netns" -c "$NS_PREFIX$1" /proc/net/ksocket
	fi
}

# _counter KEY [NAMESPACE]: of the first service, into COUNTER
_counter() {
	local line
	COUNTER=
	_read_in "${2:--}" /proc/net/ksocket || return
	for line in ${TEXT[@]+"${TEXT[@]}"}; do
		if [ "${line%% *}" = "$1" ]; then
			COUNTER=${line#"$1"}
			COUNTER=${COUNTER# }
			return 0
		fi
	done
	return 1
}

# counter KEY [NAMESPACE]
counter() {
	_counter "$@" || return
	echo "$COUNTER"
}

# counter_is KEY VALUE [NAMESPACE]: for wait_for
counter_is() {
	_counter "$1" "${3:--}" && [ "$COUNTER" = "$2" ]
}

# counter_is_not KEY VALUE [NAMESPACE], counter_at_least KEY VALUE [NAMESPACE]: likewise
counter_is_not() {
	_counter "$1" "${3:--}" && [ "$COUNTER" != "$2" ]
}

counter_at_least() {
	_counter "$1" "${3:--}" && [ "$COUNTER" -ge "$2" ]
}

# assert_tx COUNT [NAMESPACE]: so many were answered. An answer can be there
# before it is counted.
assert_tx() {
	wait_for 20 counter_is tx_packets "$1" "${2:--}"
}

# balanced NAMESPACE: received = answered + discarded + drops + what is queued, for
# each service
balanced() {
	local until=$((SECONDS + 10 * KSOCKET_SLOW))
	until _books "$1"; do
		[ $SECONDS -lt $until ] || fail "unbalanced:$UNBALANCED"
		pause 0.1
	done
}

# _books NAMESPACE: what does not add up is in UNBALANCED
_books() {
	local line value name='' rx=0 sum=0
	UNBALANCED=
	TEXT=()
	_read_in "$1" /proc/net/ksocket || true
	for line in ${TEXT[@]+"${TEXT[@]}"} service; do
		value=${line#* }
		case $line in
		service*)
			[ "$rx" = "$sum" ] ||
				UNBALANCED+=" $name: rx_packets $rx, accounted for $sum"
			name=$value rx=0 sum=0
			;;
		"rx_packets "*) rx=$value ;;
		"tx_packets "* | "discarded "* | "queued "* | drop_*) sum=$((sum + value)) ;;
		esac
	done
	[ -z "$UNBALANCED" ]
}

# At a quiet moment every connection that was accepted is open or has ended for
# one reason. Packets are for UDP.
_tcp_unbalanced() {
	service "$1" | awk '
		$1 == "accepted" { accepted = $2 }
		$1 == "connections" || $1 ~ /^close_/ { sum += $2 }
		/^[rt]x_packets/ && $2 != 0 { print }
		END { if (!NR || accepted != sum) print "accepted " accepted + 0 ", accounted for " sum + 0 }'
}

_tcp_balanced() {
	[ -z "$(_tcp_unbalanced "$1")" ]
}

# tcp_balanced NAMESPACE
tcp_balanced() {
	local until=$((SECONDS + 10 * KSOCKET_SLOW))
	until _tcp_balanced "$1"; do
		[ $SECONDS -lt $until ] || fail "unbalanced: $(_tcp_unbalanced "$1")"
		sleep 0.1
	done
}

# _find_threads PATTERN: the processes with such a name, into FOUND
_find_threads() {
	local dir comm
	FOUND=()
	for dir in /proc/[0-9]*; do
		# It may end meanwhile.
		{ read -r comm <"$dir/comm"; } 2>/dev/null || continue
		# shellcheck disable=SC2053 # a pattern
		[[ $comm != $1 ]] || FOUND+=("${dir#/proc/}")
	done
}

# threads: the kthreads of all services
threads() {
	_find_threads 'ksocket/*'
	echo ${#FOUND[@]}
}

# thread_pids: their process ids, thread_pid NAME: that of the one of this name
thread_pids() {
	_find_threads 'ksocket/*'
	[ ${#FOUND[@]} = 0 ] || printf '%s\n' "${FOUND[@]}"
}

thread_pid() {
	_find_threads "$1"
	echo "${FOUND[*]}"
}

# switches: how often these threads have left the processor, whoever counts
# wake-ups; a sleeper that nobody wakes does not
switches() {
	local pid line
	_find_threads 'ksocket/*'
	for pid in ${FOUND[@]+"${FOUND[@]}"}; do
		mapfile -t TEXT <"/proc/$pid/status"
		for line in "${TEXT[@]}"; do
			[[ $line != *voluntary_ctxt_switches:* ]] || echo "$pid${line#*:}"
		done
	done
}

# cpu_ticks: the processor time that they have used
cpu_ticks() {
	local pid line sum=0
	_find_threads 'ksocket/*'
	for pid in ${FOUND[@]+"${FOUND[@]}"}; do
		read -r line <"/proc/$pid/stat"
		read -r -a line <<<"${line##*) }"
		sum=$((sum + line[11] + line[12]))
	done
	echo $sum
}

_no_threads() {
	_find_threads 'ksocket/*'
	[ ${#FOUND[@]} = 0 ]
}

# nothing_left PORT [NAMESPACE]: no module, thread, socket or /proc file
nothing_left() {
	! loaded || fail "the module is still loaded"
	# A thread that has been joined may still be on its last steps.
	wait_for 10 _no_threads
	! bound4 "$1" "${2:--}" || fail "an IPv4 socket is left"
	! bound6 "$1" "${2:--}" || fail "an IPv6 socket is left"
	! in_ns "${2:--}" test -e /proc/net/ksocket || fail "/proc/net/ksocket is left"
}

# The kilobytes that the kernel holds and cannot give back.
kernel_kb() {
	awk '/^(SUnreclaim|KernelStack|PageTables|VmallocUsed):/ { sum += $2 }
		END { print sum }' /proc/meminfo
}

# log_mark, then log_since: what ksocket (or who logs in its name) said since
log_mark() {
	_log_mark="ksocket-test-mark-$$-$RANDOM$RANDOM"
	echo "$_log_mark" >/dev/kmsg
}

log_since() {
	dmesg | awk -v mark="$_log_mark" 'index($0, mark) { since = 1; next }
		since && sub(/^\[[^]]*\] ksocket: /, "ksocket: ") &&
		!/module taints kernel|module verification failed/'
}

# find_ynl: print where the kernel's own netlink client is, if it can run here
find_ynl() {
	local dir
	for dir in "$KSOCKET_TESTS/../pyynl" "${KSFT:-}/../../net/ynl/pyynl"; do
		if [ -r "$dir/cli.py" ] && python3 -c 'import yaml' 2>/dev/null; then
			echo "$dir"
			return
		fi
	done
	return 1
}

# --- tracepoints ---

TRACING=/sys/kernel/tracing
[ -d $TRACING/events ] || TRACING=/sys/kernel/debug/tracing
TRACE_INSTANCE=$TRACING/instances/ksocket-test

# trace_make: an instance of our own, for all tests of the program, without the names of processes: for those
# the kernel patches its running scheduler at each switching on and off, which
# an emulated CPU does not always survive (int3 in __schedule, 6.12 under TCG).
trace_make() {
	local names
	[ -d "$TRACING/instances" ] || skip "no tracefs"
	[ ! -d "$TRACE_INSTANCE" ] || return 0
	read -r names <"$TRACING/options/record-cmd"
	echo 0 >"$TRACING/options/record-cmd"
	mkdir "$TRACE_INSTANCE"
	echo "$names" >"$TRACING/options/record-cmd"
}

# trace_on: record ksocket's events, once it is loaded. What was recorded is
# gone when the module is: nobody could print it any more.
trace_on() {
	trace_make
	echo 1 >"$TRACE_INSTANCE/events/ksocket/enable"
}

# events PATTERN: how many, and events_are PATTERN COUNT for wait_for
events() {
	grep -cE "$1" "$TRACE_INSTANCE/trace" || true
}

events_are() {
	[ "$(exec grep -cE "$1" "$TRACE_INSTANCE/trace")" = "$2" ]
}

# --- networks ---

# ns_pair A B: two namespaces joined by the veth pair veth0, with addresses
# 192.0.2.1/24 and 2001:db8::1/64 in A, .2 and ::2 in B. MAC_B is that of B.
ns_pair() {
	local a=$NS_PREFIX$1 b=$NS_PREFIX$2
	ip -batch - <<-END
		netns add $a
		netns add $b
		link add veth0 netns $a type veth peer name veth0 netns $b
	END
	_pair_side "$a" 1
	_pair_side "$b" 2
	# Both sides have it at the same time.
	wait_for 10 _has_carrier "$2"
	MAC_B=${MAC_B#*link/ether }
	MAC_B=${MAC_B%% *}
}

# _pair_side NETNS N: what host N of a pair has to be told
_pair_side() {
	local ipv6=
	[ ! -d /proc/sys/net/ipv6 ] || ipv6="addr add 2001:db8::$2/64 dev veth0 nodad"
	ip -n "$1" -batch - <<-END
		link set lo up
		addr add 192.0.2.$2/24 brd + dev veth0
		$ipv6
		link set veth0 up
	END
}

_has_carrier() {
	MAC_B=$(ns_ip "$1" link show dev veth0)
	[[ $MAC_B == *LOWER_UP* ]]
}

# peer_wire: the device tun0, behind which the programs tcp_peer and udp_peer are
peer_wire() {
	ip link show dev tun0 >/dev/null 2>&1 && return
	modprobe -q tun || true
	[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; } ||
		skip "no tun device"
	ip tuntap add dev tun0 mode tun vnet_hdr
	ip -batch - <<-END
		addr add 192.0.2.1/24 dev tun0
		addr add 2001:db8::1/64 dev tun0 nodad
		link set tun0 up mtu 1500
	END
}

# bound4 PORT [NAMESPACE], bound6: does a UDP socket listen there?
bound4() {
	_udp_bound "$1" /proc/net/udp "${2:--}"
}

bound6() {
	[ -e /proc/net/udp6 ] && _udp_bound "$1" /proc/net/udp6 "${2:--}"
}

# listening PORT NAMESPACE: by TCP
listening() {
	[ -n "$(in_ns "$2" ss -Htln "sport = :$1")" ]
}

# _udp_bound PORT FILE NAMESPACE: a line there has this local port and no peer, which
# is state 7
_udp_bound() {
	local line port
	printf -v port :%04X "$1"
	_read_in "$3" "$2" || return
	for line in "${TEXT[@]}"; do
		[[ $line != *": "*"$port "*:0000" 07 "* ]] || return 0
	done
	return 1
}

needs_ksocketctl() {
	[ -x "$KSOCKET_TESTS/ksocketctl" ] ||
		skip "no ksocketctl was built: libmnl-dev or libjansson-dev is missing"
}

# --- talking ---

# ask SOCAT-ADDRESS PAYLOAD [NAMESPACE]: send one datagram by real socat, print
# the answer. It is waited for up to 20 s times
# KSOCKET_SLOW and not a moment longer than needed.
ask() {
	printf '%s' "$2" | _exec_in "${3:--}" socat -t$((20 * KSOCKET_SLOW)) - "$1,readbytes=${#2}"
}

# tell SOCAT-ADDRESS PAYLOAD [NAMESPACE]: send one datagram, want no answer.
tell() {
	printf '%s' "$2" | _exec_in "${3:--}" socat -u - "$1"
}

# receiver FILE PORT [4|6] [NAMESPACE]: socat writes what comes to FILE
receiver() {
	spawn "${4:--}" socat -u "UDP${3:-4}-RECV:$2" "OPEN:$1,creat,append"
	if [ "${3:-4}" = 4 ]; then
		wait_for 20 bound4 "$2" "${4:--}"
	else
		wait_for 20 bound6 "$2" "${4:--}"
	fi
}

# file_is FILE CONTENT: for wait_for
file_is() {
	[ "$(cat "$1")" = "$2" ]
}

# no_tentative: for wait_for, in the namespaces a and b. A device takes part in
# IPv6's groups once it is sure of its own address.
no_tentative() {
	[ -z "$(in_ns a ip -6 addr show tentative)$(in_ns b ip -6 addr show tentative)" ]
}

# listener FILE COUNT [NAMESPACE [ADDRESS]]: see beacon.py; $listener is its pid
listener() {
	local address=${4:-0.0.0.0}
	spawn "${3:--}" python3 "$KSOCKET_TESTS/beacon.py" receive "$address" 9000 "$2" >"$1"
	listener=$!
	case $address in
	*:*) wait_for 30 bound6 9000 "${3:--}" ;;
	*) wait_for 30 bound4 9000 "${3:--}" ;;
	esac
}

# listened: it takes no more, and no line is half written
listened() {
	kill "$listener"
	wait "$listener" || true
}

# payloads FILE: without the receiver's words before them
payloads() {
	sed '/^missed /d; s/^[0-9]* [^ ]* [0-9]* //' "$1"
}

# lines_at_least FILE COUNT: for wait_for
lines_at_least() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

# flood OPTION...: see udp_flood --help
flood() {
	"$KSOCKET_TESTS/udp_flood" "$@"
}

# --- the run ---

_cleanup() {
	local pids line pid dir ns spaces=() batch=
	pids=$(jobs -p)
	if [ -n "$pids" ]; then
		pids=" ${pids//$'\n'/ } "
		# A function in the background is a shell with the program as its child.
		for dir in /proc/[0-9]*; do
			{ read -r line <"$dir/stat"; } 2>/dev/null || continue
			read -r _ pid _ <<<"${line##*) }"
			[[ $pids != *" $pid "* ]] || kill "${dir#/proc/}"
		done
		# shellcheck disable=SC2086 # process numbers
		kill $pids 2>/dev/null
	fi
	wait
	if [ -d "$TRACE_INSTANCE" ]; then
		: >"$TRACE_INSTANCE/set_event"
		: >"$TRACE_INSTANCE/trace"
	fi
	! loaded || rmmod ksocket
	for ns in /run/netns/"$NS_PREFIX"*; do
		[ ! -e "$ns" ] || spaces+=("$ns")
	done
	[ ${#spaces[@]} -gt 0 ] || return 0
	for dir in /proc/[0-9]*; do
		for ns in "${spaces[@]}"; do
			[ ! "$dir/ns/net" -ef "$ns" ] || kill -9 "${dir#/proc/}" 2>/dev/null
		done
	done
	printf -v batch 'netns del %s\n' "${spaces[@]##*/}"
	ip -force -batch - <<<"$batch"
}

# _show STATUS: what the service here had counted when a test failed
_show() {
	[ "$1" = "$KSFT_PASS" ] || [ "$1" = "$KSFT_SKIP" ] || ! loaded ||
		service - | awk '/^service/ || /_/ && $2 != 0' | paste -sd ' '
}

_run_one() (
	shopt -u lastpipe
	set -eE
	# In a command substitution bash turns -e off: what fails there is an answer.
	trap '[[ $- != *e* ]] || echo "failed in ${FUNCNAME[0]:-main}, line $LINENO: $BASH_COMMAND"' ERR
	# shellcheck disable=SC2154 # _rc is assigned in there
	trap '_rc=$?; trap - ERR; set +e; _show $_rc; _cleanup; exit $_rc' EXIT
	"$1"
)

# ksocket_ready: leave with a reason where nothing can be tested
ksocket_ready() {
	if [ "$(id -u)" != 0 ]; then
		ktap_skip_all "needs root"
		exit "$KSFT_SKIP"
	fi
	if loaded; then
		echo "Bail out! a ksocket that is not ours is loaded: rmmod it first"
		exit "$KSFT_FAIL"
	fi
	if [ ! -r "$KSOCKET_KO" ]; then
		echo "Bail out! no module '$KSOCKET_KO': run make, or set KSOCKET_KO"
		exit "$KSFT_FAIL"
	fi
}

# ksocket_run_tests FUNCTION:TEXT...: the plan, the results, the exit status
ksocket_run_tests() {
	local test rc line reason files chosen=()
	ktap_print_header
	ksocket_ready
	ip link set lo up
	if [ -n "${KSOCKET_ONLY:-}" ]; then
		for test; do
			[[ " $KSOCKET_ONLY " != *" ${test%%:*} "* ]] || chosen+=("$test")
		done
		set -- ${chosen[@]+"${chosen[@]}"}
	elif [ -n "${KSOCKET_EXCEPT:-}" ]; then
		for test; do
			[[ " $KSOCKET_EXCEPT " == *" ${0##*/}:${test%%:*} "* ]] || chosen+=("$test")
		done
		set -- ${chosen[@]+"${chosen[@]}"}
	fi
	ktap_set_plan $#
	TMP=$(mktemp -d)
	for test; do
		reason=
		# The reader is this shell itself.
		shopt -s lastpipe
		# Not as a condition: set -e would have no effect in there.
		_run_one "${test%%:*}" 2>&1 | while IFS= read -r line || [ -n "$line" ]; do
			echo "# $line"
			[[ $line != "SKIP: "* ]] || reason=${line#SKIP: }
		done
		rc=${PIPESTATUS[0]}
		shopt -u lastpipe
		files=("$TMP"/*)
		[ ! -e "${files[0]}" ] || rm -rf "${files[@]}"
		case $rc in
		"$KSFT_PASS") ktap_test_pass "${test#*:}" ;;
		"$KSFT_SKIP")
			# As ktap_test_skip does, and with the reason.
			__ktap_test ok "${test#*:}" "SKIP $reason"
			KTAP_CNT_SKIP=$((KTAP_CNT_SKIP + 1))
			;;
		*) ktap_test_fail "${test#*:}" ;;
		esac
	done
	rmdir "$TMP"
	[ ! -d "$TRACE_INSTANCE" ] || rmdir "$TRACE_INSTANCE"
	ktap_finished
}
