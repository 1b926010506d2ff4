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
# only.

set -u -o pipefail

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
	KSOCKET_TEST_NS=1 exec unshare --net -- "$BASH" "$0" "$@"
fi

# --- what a test says ---

fail() {
	echo "FAIL: $*"
	exit "$KSFT_FAIL"
}

skip() {
	echo "SKIP: $*"
	exit "$KSFT_SKIP"
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

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local until=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || fail "waited too long for: $*"
		sleep 0.05
	done
}

# --- namespaces ---

# Every namespace that a test makes has this in its name, so that nobody
# else's is ever touched.
NS_PREFIX=ksocket-test-

# in_ns NAMESPACE COMMAND...; with "-" for the one that we are in
in_ns() {
	local ns=$1
	shift
	if [ "$ns" = - ]; then
		"$@"
	else
		ip netns exec "$NS_PREFIX$ns" "$@"
	fi
}

# spawn NAMESPACE COMMAND...: in the background; $! is the program itself
spawn() {
	local ns=$1
	shift
	if [ "$ns" = - ]; then
		(exec "$@") &
	else
		(exec ip netns exec "$NS_PREFIX$ns" "$@") &
	fi
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

# load [PARAMETER=VALUE...]; insmod's status
load() {
	insmod "$KSOCKET_KO" ${KSOCKET_PARAMS[@]+"${KSOCKET_PARAMS[@]}"} "$@"
}

# load_in NAMESPACE [PARAMETER=VALUE...]
load_in() {
	in_ns "$1" insmod "$KSOCKET_KO" ${KSOCKET_PARAMS[@]+"${KSOCKET_PARAMS[@]}"} "${@:2}"
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
	in_ns "${1:--}" cat /proc/net/ksocket
}

# counter KEY [NAMESPACE]: of the first service
counter() {
	local key value found=1
	while read -r key value; do
		if [ $found = 1 ] && [ "$key" = "$1" ]; then
			echo "$value"
			found=0
		fi
	done < <(service "${2:--}")
	return $found
}

# counter_is KEY VALUE [NAMESPACE]: for wait_for
counter_is() {
	[ "$(counter "$1" "${3:--}")" = "$2" ]
}

# assert_tx COUNT [NAMESPACE]: so many were answered. An answer can be there
# before it is counted.
assert_tx() {
	wait_for 20 counter_is tx_packets "$1" "${2:--}"
}

# balanced NAMESPACE: received = answered + discarded + drops, for each service
balanced() {
	local until=$((SECONDS + 10))
	until unbalanced=$(service "$1" | awk '
		function check() {
			if (rx != sum)
				print name ": rx_packets " rx ", accounted for " sum
			rx = sum = 0
		}
		$1 == "service" { check(); name = $2 }
		$1 == "rx_packets" { rx = $2 }
		$1 == "tx_packets" || $1 == "discarded" || $1 ~ /^drop_/ { sum += $2 }
		END { check() }'); [ -z "$unbalanced" ]; do
		[ $SECONDS -lt $until ] || fail "unbalanced: $unbalanced"
		sleep 0.1
	done
}

# threads: the kthreads of all services
threads() {
	pgrep -c '^ksocket/' || true
}

# thread_pids: their process ids
thread_pids() {
	pgrep '^ksocket/' || true
}

# switches: how often these threads have left the processor, whoever counts
# wake-ups; a sleeper that nobody wakes does not
switches() {
	local pid
	for pid in $(thread_pids); do
		sed -n 's/^.*voluntary_ctxt_switches:/'"$pid"'/p' "/proc/$pid/status"
	done
}

# cpu_ticks: the processor time that they have used
cpu_ticks() {
	local pid
	for pid in $(thread_pids); do
		sed 's/^.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

_no_threads() {
	[ "$(threads)" = 0 ]
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
	dmesg | sed "1,/$_log_mark/d" | sed 's/^\[[^]]*\] //' | grep '^ksocket: ' |
		grep -v -e 'module taints kernel' -e 'module verification failed' || true
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

# trace_make: an instance of our own, without the names of processes: for those
# the kernel patches its running scheduler at each switching on and off, which
# an emulated CPU does not always survive (int3 in __schedule, 6.12 under TCG).
trace_make() {
	local names
	[ -d "$TRACING/instances" ] || skip "no tracefs"
	[ ! -d "$TRACE_INSTANCE" ] || return 0
	names=$(cat "$TRACING/options/record-cmd")
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
	[ "$(events "$1")" = "$2" ]
}

# --- networks ---

# ns_pair A B: two namespaces joined by the veth pair veth0, with addresses
# 192.0.2.1/24 and 2001:db8::1/64 in A, .2 and ::2 in B.
ns_pair() {
	ip netns add "$NS_PREFIX$1"
	ip netns add "$NS_PREFIX$2"
	_pair_addresses 1 "link add veth0 type veth peer name veth0 netns $NS_PREFIX$2" |
		ip -n "$NS_PREFIX$1" -batch -
	_pair_addresses 2 | ip -n "$NS_PREFIX$2" -batch -
	# Both sides have it at the same time.
	wait_for 10 in_ns "$1" grep -q 1 /sys/class/net/veth0/carrier
}

# _pair_addresses N [FIRST]: what host N of a pair has to be told, for ip -batch:
# each program that a test starts takes long where the processor is emulated
_pair_addresses() {
	[ -z "${2:-}" ] || echo "$2"
	echo "link set lo up"
	echo "addr add 192.0.2.$1/24 brd + dev veth0"
	[ ! -d /proc/sys/net/ipv6 ] || echo "addr add 2001:db8::$1/64 dev veth0 nodad"
	echo "link set veth0 up"
}

# bound4 PORT [NAMESPACE], bound6: does a UDP socket listen there?
bound4() {
	[ -n "$(in_ns "${2:--}" ss -Hlun4 "sport = :$1")" ]
}

bound6() {
	[ -n "$(in_ns "${2:--}" ss -Hlun6 "sport = :$1")" ]
}

# --- talking ---

# ask SOCAT-ADDRESS PAYLOAD [NAMESPACE]: send one datagram by real socat, print
# the answer. It is waited for up to 20 s and not a moment longer than needed.
ask() {
	printf '%s' "$2" | in_ns "${3:--}" socat -t20 - "$1,readbytes=${#2}"
}

# tell SOCAT-ADDRESS PAYLOAD [NAMESPACE]: send one datagram, want no answer.
tell() {
	printf '%s' "$2" | in_ns "${3:--}" socat -u - "$1"
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

# flood OPTION...: see udp_flood --help
flood() {
	"$KSOCKET_TESTS/udp_flood" "$@"
}

# --- the run ---

_cleanup() {
	local pid ns
	# A function in the background is a shell with the program as its child.
	for pid in $(jobs -p); do
		pkill -P "$pid"
		kill "$pid" 2>/dev/null
	done
	wait
	[ ! -d "$TRACE_INSTANCE" ] || rmdir "$TRACE_INSTANCE"
	! loaded || rmmod ksocket
	for ns in /run/netns/"$NS_PREFIX"*; do
		[ -e "$ns" ] || continue
		ip netns pids "${ns##*/}" | xargs -r kill -9 2>/dev/null
		ip netns del "${ns##*/}"
	done
}

# _show STATUS: what the service here had counted when a test failed
_show() {
	[ "$1" = "$KSFT_PASS" ] || [ "$1" = "$KSFT_SKIP" ] || ! loaded ||
		service | awk '/^service/ || /_/ && $2 != 0' | paste -sd ' '
}

_run_one() (
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
	local test rc reason chosen=()
	ktap_print_header
	ksocket_ready
	ip link set lo up
	if [ -n "${KSOCKET_ONLY:-}" ]; then
		for test; do
			[[ " $KSOCKET_ONLY " != *" ${test%%:*} "* ]] || chosen+=("$test")
		done
		set -- ${chosen[@]+"${chosen[@]}"}
	fi
	ktap_set_plan $#
	for test; do
		TMP=$(mktemp -d)
		# Not as a condition: set -e would have no effect in there.
		_run_one "${test%%:*}" 2>&1 | tee "$TMP.said" | sed 's/^/# /'
		rc=${PIPESTATUS[0]}
		reason=
		[ "$rc" != "$KSFT_SKIP" ] || reason=$(sed -n 's/^SKIP: //p' "$TMP.said" | tail -n 1)
		rm -rf "$TMP" "$TMP.said"
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
	ktap_finished
}
