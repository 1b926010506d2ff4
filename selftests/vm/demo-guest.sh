#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo-guest.sh - what "make demo" shows, inside the guest: every command is
# printed as one would type it, run, and what comes back is compared.

set -u
bad=0
cd "$(dirname "${KSOCKET_KO:-./ksocket.ko}")" || exit 1

title() { printf '\n# %s\n' "$*"; }

# type COMMAND - as if somebody typed it.
type_it() {
	printf '$ %s\n' "$1"
	bash -c "$1"
}

# must COMMAND - it has to succeed.
must() {
	type_it "$1" || { echo "!!! failed: exit status $?"; bad=1; }
}

# expect COMMAND OUTPUT - it has to print exactly this.
expect() {
	local got
	printf '$ %s\n' "$1"
	got=$(bash -c "$1" 2>&1)
	printf '%s\n' "$got"
	[ "$got" = "$2" ] || { printf '!!! expected: %s\n' "$2"; bad=1; }
}

# await COMMAND - until it succeeds, five seconds at most.
await() {
	local n=0
	until bash -c "$1" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 100 ] || { echo "!!! waited in vain: $1"; bad=1; return; }
		sleep 0.05
	done
}

# receiver ADDRESS FILE - something that listens on port 23, as the module's
# default expects.
receiver() {
	type_it "socat -u $1 OPEN:$2,creat,append &"
	await "ss -Hlun 'sport = :23' | grep -q ."
}

received() {
	await "[ -s $1 ]"
	expect "cat $1" "$2"
}

stop_receiver() {
	pkill -x socat
	await "! ss -Hlun 'sport = :23' | grep -q ."
}

type_it "uname -r"

title "Relay, the default: what arrives on port 2325 goes on to port 23."
receiver UDP4-RECV:23,bind=127.0.0.1 /tmp/relay4
must "insmod ksocket.ko"
must "echo 'hello, relay' | socat - UDP4:127.0.0.1:2325"
received /tmp/relay4 "hello, relay"
expect "grep -E '^(mode|listen|reply|reply_ignored|rx_packets|tx_packets) ' /proc/net/ksocket" "mode relay
listen 127.0.0.1:2325
reply 127.0.0.1:23
rx_packets 1
tx_packets 1
reply_ignored 0"
must "rmmod ksocket"
stop_receiver

title "Relay over IPv6."
receiver 'UDP6-RECV:23,bind=[::1]' /tmp/relay6
must "insmod ksocket.ko listen_addr=::1 reply_addr=::1"
must "echo 'hello, relay over IPv6' | socat - UDP6:[::1]:2325"
received /tmp/relay6 "hello, relay over IPv6"
must "rmmod ksocket"
stop_receiver

title "Echo, over IPv4 and IPv6 with one service."
must "insmod ksocket.ko mode=echo listen_addr=:: listen_port=7000"
expect "echo 'hello, echo' | socat -t 2 - UDP4:127.0.0.1:7000" "hello, echo"
expect "echo 'hello, echo over IPv6' | socat -t 2 - UDP6:[::1]:7000" "hello, echo over IPv6"
expect "grep -E '^(mode|listen|rx_|tx_)' /proc/net/ksocket" "mode echo
listen [::]:7000
rx_packets 2
rx_bytes 34
tx_packets 2
tx_bytes 34
rx_overflow 0"

title "A clean unload: no module, no thread, no socket left."
must "rmmod ksocket"
expect "lsmod | grep -c ksocket" "0"
# "^": a kworker keeps the name of the last workqueue that it worked for.
expect "pgrep -c ^ksocket" "0"
expect "ss -Hlun 'sport = :7000' | wc -l" "0"
type_it "dmesg | grep -o 'ksocket: service.*'"
exit $bad
