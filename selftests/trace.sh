#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# trace.sh - the tracepoints: they exist, print what happened, and there are as
# many events as the counters say. With tracefs itself, trace-cmd and bpftrace.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

EVENTS="ksocket_conn_close ksocket_conn_open ksocket_drop ksocket_rx ksocket_service_start ksocket_service_stop ksocket_tx ksocket_uplink"

# fields EVENT: name and size of what a program finds in it
fields() {
	sed -n 's/^\tfield:.*[ *]\([a-z]*\)\(\[[^]]*\]\)\{0,1\};\t.*size:\([0-9]*\);.*/\1:\3/p' \
		"$TRACING/events/ksocket/$1/format" | tr '\n' ' '
}

trace_formats() {
	load mode=echo listen_port=7000
	[ -d "$TRACING/events" ] || skip "no tracefs"
	assert_eq "events" "$(cd $TRACING/events/ksocket && echo ksocket_*)" "$EVENTS"
	assert_eq "fields of ksocket_rx" "$(fields ksocket_rx)" \
		"service:16 from:28 to:28 len:4 segs:4 "
	assert_eq "fields of ksocket_tx" "$(fields ksocket_tx)" "service:16 to:28 len:4 segs:4 "
	assert_eq "fields of ksocket_drop" "$(fields ksocket_drop)" \
		"service:16 from:28 to:28 len:4 reason:4 err:4 "
	assert_eq "fields of ksocket_conn_open" "$(fields ksocket_conn_open)" \
		"service:16 peer:28 "
	assert_eq "fields of ksocket_conn_close" "$(fields ksocket_conn_close)" \
		"service:16 peer:28 rx:8 tx:8 reason:4 err:4 "
	assert_eq "fields of ksocket_uplink" "$(fields ksocket_uplink)" \
		"service:16 to:28 up:4 err:4 wait:4 "
	for event in ksocket_service_start ksocket_service_stop; do
		assert_eq "fields of $event" "$(fields $event)" \
			"service:16 mode:16 listen:28 threads:4 "
	done
	unload
}

# symbols_of EVENT COUNTERS: every counter is a symbol in the event, in the same
# order
symbols_of() {
	grep '^print fmt' "$TRACING/events/ksocket/$1/format" |
		grep -o '{ [0-9]*, "[a-z_]*" }' | tr -d '{}",' >"$TMP/symbols"
	service | awk -v "key=$2_" 'sub("^" key, "", $1) { print "", n++, $1, "" }
		END { print "", n, "none", "" }' | diff - "$TMP/symbols" ||
		fail "other symbols in $1"
}

# Tracing programs see numbers for the reasons, not the kernel's own names.
trace_symbols() {
	load mode=echo listen_port=7000
	[ -d "$TRACING/events" ] || skip "no tracefs"
	symbols_of ksocket_drop drop
	symbols_of ksocket_conn_close close
	unload
}

# line PATTERN: there is such an event
line() {
	grep -qE -e "$1" "$TRACE_INSTANCE/trace" ||
		fail "no '$1' in: $(grep -v '^#' "$TRACE_INSTANCE/trace")"
}

trace_echo() {
	load mode=echo listen_port=7000
	trace_on
	ask UDP4:127.0.0.1:7000,sourceport=7100 hello >/dev/null
	wait_for 20 events_are ' ksocket_tx: ' 1
	line ' ksocket_rx: service=param from=127.0.0.1:7100 to=127.0.0.1:7000 len=5 segs=1$'
	line ' ksocket_tx: service=param to=127.0.0.1:7100 len=5 segs=1$'
	# A softirq is in whose time it happens to be.
	[ "$(datapath)" = softirq ] || line "-$(thread_pid ksocket/7000.0) +\["
	assert_eq "drops" "$(events ' ksocket_drop: ')" 0
	unload
}

# As binary data a record has the whole union of an address: behind an IPv4
# one is nothing, also on the slow path, where a burst is taken apart.
trace_padding() {
	load mode=echo listen_port=7000 datapath=copy gro=on
	trace_on
	flood -c 80 -g 8 127.0.0.1 7000 >/dev/null
	# Where the loopback device cuts bursts up there is none.
	ethtool -k lo | grep -q "tx-udp-segmentation: off" ||
		assert_ge "bursts" "$(events ' ksocket_rx: .* segs=8$')" 1
	assert_tx 80
	python3 - "$TRACE_INSTANCE"/per_cpu/cpu*/trace_pipe_raw <<-'END'
		import os, re, struct, sys
		raw = b""
		for name in sys.argv[1:]:
		    file = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
		    try:
		        while data := os.read(file, 65536):
		            raw += data
		    except BlockingIOError:
		        pass
		service = b"param".ljust(16, b"\0") + struct.pack("=H", 2)
		behind = re.findall(re.escape(service) + rb"..\x7f\0\0\x01(.{20})", raw, re.DOTALL)
		assert len(behind) >= 80, f"{len(behind)} records"
		bad = [data.hex() for data in behind if data.strip(b"\0")]
		assert not bad, f"{len(bad)} of {len(behind)} records: {bad[0]}"
	END
	unload
}

trace_dual_stack() {
	load mode=echo listen_addr=:: listen_port=7000
	trace_on
	ask 'UDP6:[::1]:7000,sourceport=7100' hello >/dev/null
	ask UDP4:127.0.0.1:7000,sourceport=7100 hello >/dev/null
	wait_for 20 events_are ' ksocket_tx: ' 2
	line ' ksocket_rx: service=param from=\[::1\]:7100 to=\[::1\]:7000 len=5 segs=1$'
	line ' ksocket_tx: service=param to=\[::1\]:7100 len=5 segs=1$'
	# An IPv4 address looks like one, on whatever socket.
	line ' ksocket_rx: service=param from=127.0.0.1:7100 to=127.0.0.1:7000 len=5 segs=1$'
	line ' ksocket_tx: service=param to=127.0.0.1:7100 len=5 segs=1$'
	unload
}

trace_relay() {
	receiver "$TMP/got" 7001 6
	load listen_port=7000 reply_addr=::1 reply_port=7001
	trace_on
	tell UDP4:127.0.0.1:7000,sourceport=7100 hello
	wait_for 20 events_are ' ksocket_tx: ' 1
	line ' ksocket_rx: service=param from=127.0.0.1:7100 to=127.0.0.1:7000 len=5 segs=1$'
	line ' ksocket_tx: service=param to=\[::1\]:7001 len=5 segs=1$'
	unload
}

trace_drop() {
	load mode=echo listen_port=7000 buffer_size=5
	trace_on
	tell UDP4:127.0.0.1:7000,sourceport=7100 sixsix
	tell UDP4:127.0.0.1:7000,sourceport=77 hello
	wait_for 20 events_are ' ksocket_drop: ' 2
	line ' ksocket_drop: service=param from=127.0.0.1:7100 to=127.0.0.1:7000 len=6 reason=truncated err=0$'
	line ' ksocket_drop: service=param from=127.0.0.1:77 to=127.0.0.1:7000 len=5 reason=src_port_low err=0$'
	assert_eq "tx" "$(events ' ksocket_tx: ')" 0
	unload
}

# Of connections: the client, the bytes from and to it, how it has ended and the
# errno, or 0.
trace_connections() {
	local load_tool="$KSOCKET_TESTS/tcp_load"
	load proto=tcp mode=echo listen_port=7000 max_connections=1
	trace_on
	assert_eq "the echo" "$(ask TCP4:127.0.0.1:7000,sourceport=7100 hello)" hello
	wait_for 20 events_are ' ksocket_conn_close: ' 1
	line ' ksocket_conn_open: service=param peer=127.0.0.1:7100$'
	line ' ksocket_conn_close: service=param peer=127.0.0.1:7100 rx=5 tx=5 reason=done err=0$'
	line "-$(pgrep '^ksocket/7000.0$') +\\[.* ksocket_conn_open: "
	# One that is held, one that is too many, one that is reset at the end.
	spawn - "$load_tool" hold 127.0.0.1 7000 -e -r >"$TMP/held"
	wait_for 20 grep -x 'holding 1' "$TMP/held"
	refute "$load_tool" echo 127.0.0.1 7000 -n 10
	wait_for 20 events_are ' ksocket_conn_close: .* rx=0 tx=0 reason=limit err=0$' 1
	kill $!
	wait_for 20 events_are ' ksocket_conn_close: .* rx=1 tx=1 reason=reset err=-104$' 1
	assert_eq "opens" "$(events ' ksocket_conn_open: ')" "$(counter accepted)"
	assert_eq "closes" "$(events ' ksocket_conn_close: ')" 3
	# Nothing of datagrams.
	assert_eq "others" "$(events ' ksocket_(rx|tx|drop): ')" 0
	unload
}

trace_connections_refused() {
	load proto=tcp mode=relay listen_addr=:: listen_port=7000 reply_port=7001
	trace_on
	refute "$KSOCKET_TESTS/tcp_load" echo ::1 7000 -n 10
	refute "$KSOCKET_TESTS/tcp_load" echo 127.0.0.1 7000 -n 10
	wait_for 20 events_are ' ksocket_conn_close: ' 2
	line ' ksocket_conn_open: service=param peer=\[::1\]:[0-9]+$'
	line ' ksocket_conn_close: service=param peer=\[::1\]:[0-9]+ rx=0 tx=0 reason=upstream_refused err=-111$'
	line ' ksocket_conn_close: service=param peer=127.0.0.1:[0-9]+ rx=0 tx=0 reason=upstream_refused err=-111$'
	unload
}

# Datagrams by TCP: the way there, those that are acknowledged, those without room.
trace_uplink() {
	load listen_port=7000 reply_port=7001 reply_proto=tcp queue_bytes=4096
	trace_on
	flood -c 5 -s 1000 127.0.0.1 7000
	wait_for 20 events_are ' ksocket_drop: .* len=1000 reason=queue_away err=-107$' 1
	wait_for 20 events_are ' ksocket_rx: ' 5
	wait_for 60 grep -qE ' ksocket_uplink: service=param to=127.0.0.1:7001 up=0 err=-111 wait=[0-9]+$' "$TRACE_INSTANCE/trace"
	spawn - socat -u TCP-LISTEN:7001,reuseaddr /dev/null
	wait_for 60 events_are ' ksocket_tx: service=param to=127.0.0.1:7001 len=1000 segs=1$' 4
	line ' ksocket_uplink: service=param to=127.0.0.1:7001 up=1 err=0 wait=0$'
	unload
}

# As many events as datagrams, of every kind.
trace_numbers() {
	load mode=echo listen_port=7000 buffer_size=500
	trace_on
	flood -c 200 -s 500 -w 8 -a 127.0.0.1 7000
	flood -c 50 -s 501 127.0.0.1 7000
	wait_for 20 counter_is rx_packets 250
	balanced -
	wait_for 20 events_are ' ksocket_rx: ' 250
	assert_eq "tx events" "$(events ' ksocket_tx: ')" "$(counter tx_packets)"
	assert_eq "drop events" "$(events 'reason=truncated')" "$(counter drop_truncated)"
	assert_eq "tx_packets" "$(counter tx_packets)" 200
	unload
}

trace_service_stop() {
	ns_add c
	load_in c mode=echo listen_addr=:: listen_port=7000
	trace_on
	# The module stays, and with it what can print the event.
	ns_del c
	wait_for 20 events_are ' ksocket_service_stop: ' 1
	line ' ksocket_service_stop: service=param mode=echo listen=\[::\]:7000 threads=1$'
	rmmod ksocket
}

# The event comes before insmod is back, and with the module only come the
# files that switch it on. Newer kernels can be told of it beforehand; on others
# somebody watches for the files. A namespace that is being taken down keeps the
# module's init waiting at its first step meanwhile, for some 50 ms.
trace_service_start() {
	trace_make
	echo ':mod:ksocket' 2>/dev/null >"$TRACE_INSTANCE/set_event" || true
	for _ in $(seq 20); do
		(
			until echo 1 >"$TRACE_INSTANCE/events/ksocket/enable"; do :; done
		) 2>/dev/null &
		ns_add going
		ns_del going
		load mode=echo listen_port=7000
		wait $!
		if [ "$(events ' ksocket_service_start: ')" = 1 ]; then
			line ' ksocket_service_start: service=param mode=echo listen=127.0.0.1:7000 threads=1$'
			unload
			return
		fi
		unload
	done
	fail "no event in 20 starts"
}

trace_cmd() {
	command -v trace-cmd >/dev/null || skip "no trace-cmd here"
	load mode=echo listen_port=7000
	trace-cmd record -q -o "$TMP/trace.dat" -e ksocket -- \
		"$KSOCKET_TESTS/udp_flood" -c 20 -s 5 -w 1 -a 127.0.0.1 7000
	trace-cmd report -i "$TMP/trace.dat" >"$TMP/report"
	assert_eq "rx" "$(grep -c 'ksocket_rx: .*service=param from=127.0.0.1:' "$TMP/report")" 20
	assert_eq "tx" "$(grep -c 'ksocket_tx: .*len=5' "$TMP/report")" 20
	unload
}

trace_bpftrace() {
	command -v bpftrace >/dev/null || skip "no bpftrace here"
	load mode=echo listen_port=7000 buffer_size=10
	cat >"$TMP/program" <<-'EOF'
		BEGIN { printf("ready\n"); }
		tracepoint:ksocket:ksocket_rx { @rx = count(); }
		tracepoint:ksocket:ksocket_drop { @drop[args->service, args->reason] = count(); }
	EOF
	spawn - bpftrace -q "$TMP/program" >"$TMP/out" 2>&1
	wait_for 180 grep -q ready "$TMP/out"
	flood -c 20 -s 10 -w 1 -a 127.0.0.1 7000
	flood -c 5 -s 11 127.0.0.1 7000
	wait_for 20 counter_is rx_packets 25
	kill -INT $!
	wait $! || true
	grep -q '@rx: 25' "$TMP/out" || fail "$(cat "$TMP/out")"
	grep -q '@drop\[param, 0\]: 5' "$TMP/out" || fail "$(cat "$TMP/out")"
	unload
}

ksocket_run_tests \
	trace_formats:"the events and their fields" \
	trace_symbols:"the reasons of drops and ends are the counters' names" \
	trace_echo:"rx and tx of an echo" \
	trace_padding:"nothing is behind an address" \
	trace_dual_stack:"addresses of both families on one socket" \
	trace_relay:"tx of a relay names the receiver" \
	trace_drop:"drop says why" \
	trace_connections:"conn_open and conn_close of an echo" \
	trace_connections_refused:"conn_close says why, of both families" \
	trace_uplink:"uplink, and datagrams that go by it" \
	trace_numbers:"as many events as the counters say" \
	trace_service_stop:"service_stop" \
	trace_service_start:"service_start" \
	trace_cmd:"trace-cmd records and reports them" \
	trace_bpftrace:"bpftrace counts them"
