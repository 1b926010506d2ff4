#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# suspend.sh - the machine is suspended to memory (ACPI S3) and wakes by its clock:
# what a service does goes on where it was.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# So long, in seconds. A busy machine takes a moment to get there, and an alarm
# that comes before would be nobody's.
SLEEP=$((8 * KSOCKET_SLOW))
INTERVAL=100

# Nobody's own machine is put to sleep.
can_suspend() {
	[ -n "${KSOCKET_VM:-}" ] || skip "not in a throw-away guest"
	grep -qw deep /sys/power/mem_sleep 2>/dev/null ||
		skip "this kernel does not suspend to memory"
}

# asleep: returns when the machine is awake again
asleep() {
	local mono wall
	read -r mono wall < <(clocks)
	rtcwake -u -m mem -s $SLEEP >"$TMP/rtcwake" 2>&1 || fail "$(cat "$TMP/rtcwake")"
	read -r mono wall < <(clocks | awk -v mono="$mono" -v wall="$wall" \
		'{ printf "%d %d\n", $1 - mono, $2 - wall }')
	# Without this, nothing here would be about suspend.
	assert_ge "seconds that the clock stood still" $((wall - mono)) $((SLEEP / 2))
}

# clocks: CLOCK_MONOTONIC and the time of day, in seconds
clocks() {
	python3 -c 'import time; print(time.monotonic(), time.time())'
}

# Its clock stands still as well: none is skipped for having been asleep, and no
# burst makes up for it.
beacon() {
	local listener
	can_suspend
	listener "$TMP/got" 1000000 - 127.0.0.1
	load mode=beacon reply_port=9000 interval=$INTERVAL 'text="{seq} {mono} {wall}"'
	wait_for 20 lines_at_least "$TMP/got" 5
	asleep
	wait_for 20 lines_at_least "$TMP/got" $(($(wc -l <"$TMP/got") + 10))
	assert_le "beacons missed" "$(counter beacons_missed)" $((SLEEP * 1000 / INTERVAL / 2))
	assert_eq "drops" "$(service | awk '/^drop_/ { sum += $2 } END { print sum }')" 0
	unload
	listened
	payloads "$TMP/got" | awk -v sleep=$SLEEP -v ms=$INTERVAL '
		$1 != NR - 1 { print "beacon", NR - 1, "is", $1; exit bad = 1 }
		NR > 1 && $2 - mono < ms * 250000 { close_by++ }
		NR > 1 && $3 - wall - ($2 - mono) > sleep * 5e8 { asleep++ }
		{ mono = $2; wall = $3 }
		END { if (bad) exit 1
			print NR, "beacons,", close_by + 0, "close to the one before,", asleep + 0,
				"after a sleep"
			exit close_by > 3 || asleep != 1 }' || fail "not where it was"
}

# add NAME PORT WORD...: one more service
add() {
	"$KSOCKET_TESTS/ksocketctl" add "$1" listen "127.0.0.1:$2" "${@:3}"
}

# says_back FD: a connection that was there before
says_back() {
	local got
	echo hello >&"$1"
	read -r -t $((30 * KSOCKET_SLOW)) -u "$1" got || true
	assert_eq "the echo on a connection" "$got" hello
}

answers() {
	local port
	for port in 7000 7001 7002; do
		assert_eq "the answer of $port" "$(ask "UDP4:127.0.0.1:$port" hello)" hello
	done
	says_back "$direct"
	says_back "$relayed"
	tell UDP4:127.0.0.1:7005 up
}

_sent_up() {
	[ "$(wc -c <"$TMP/up")" = "$1" ]
}

# On each datapath, and on the connections that were there: nothing breaks.
services() {
	local direct relayed
	can_suspend
	needs_ksocketctl
	load listen_port=0
	add copy 7000 echo datapath copy
	add zerocopy 7001 echo datapath zerocopy
	add softirq 7002 echo datapath softirq
	add echo 7003 echo proto tcp
	add relay 7004 relay 127.0.0.1:7003 proto tcp
	spawn - socat -u TCP4-LISTEN:9000,bind=127.0.0.1 "OPEN:$TMP/up,creat,append"
	wait_for 20 listening 9000 -
	add up 7005 relay 127.0.0.1:9000 reply-proto tcp framing none
	exec {direct}<>/dev/tcp/127.0.0.1/7003 {relayed}<>/dev/tcp/127.0.0.1/7004
	answers
	wait_for 20 _sent_up 2
	asleep
	answers
	wait_for 20 _sent_up 4
	assert_eq "connections that broke" "$(service |
		awk '/^(disconnected|close_[a-z_]*) / { sum += $2 } END { print sum }')" 0
	exec {direct}>&- {relayed}>&-
	balanced -
	rmmod ksocket
	wait
}

# In the middle of a flood: every datagram is answered or counted.
flooded() {
	local flooder
	can_suspend
	load mode=echo listen_port=7000
	spawn - "$KSOCKET_TESTS/udp_flood" 127.0.0.1 7000
	flooder=$!
	wait_for 20 counter_at_least rx_packets 100
	asleep
	wait_for 20 counter_at_least rx_packets $(($(counter rx_packets) + 100))
	kill $flooder
	wait $flooder || true
	balanced -
	unload
	nothing_left 7000
}

ksocket_run_tests \
	beacon:"a beacon goes on where it was" \
	services:"services and their connections are there again" \
	flooded:"asleep in the middle of a flood"
