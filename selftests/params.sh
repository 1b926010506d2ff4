#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# params.sh - what insmod says to bad parameters: its errno and the one line in
# the log, word by word, with nothing left behind. And that good ones count.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# refused ERRNO LOG-LINE [PARAMETER=VALUE...]: in the namespace $where. The log
# is read once, after the last one: dmesg and its filters take their time.
where=-
lines=
refused() {
	local errno=$1
	[ -n "$lines" ] || log_mark
	lines="${lines:+$lines
}ksocket: $2"
	shift 2
	assert_eq "errno of $*" \
		"$(in_ns "$where" "$KSOCKET_TESTS/load_module" "$KSOCKET_KO" "$@")" "$errno"
	refute loaded
}

# all_refused: they said what they had to, and nothing is left of them
all_refused() {
	assert_eq "log" "$(log_since)" "$lines"
	assert_eq "threads" "$(threads)" 0
	assert_eq "sockets" "$(in_ns "$where" ss -Hau)" ""
	lines=
}

# refused_value ERRNO PARAMETER=VALUE REST-OF-LINE
refused_value() {
	refused "$1" "$2: $3" "$2"
}

# some VALUE...: into VALUES; on the debug kernel, where each load takes a second,
# only the first and the last: what is made of the others is the same code
some() {
	VALUES=("$@")
	[ -z "${KSOCKET_DEBUG_KERNEL:-}" ] || [ -n "${KSOCKET_SOAK:-}" ] || VALUES=("$1" "${!#}")
}

params_ports() {
	some -1 99999999999 99999999999999999999 65536
	for port in "${VALUES[@]}"; do
		refused_value ERANGE "listen_port=$port" "out of range, allowed 0 to 65535"
	done
	some "" http 70x 7.0 -
	for port in "${VALUES[@]}"; do
		refused_value EINVAL "listen_port=$port" "not a number, allowed 0 to 65535"
	done
	some 0 -1 65536
	for port in "${VALUES[@]}"; do
		refused_value ERANGE "reply_port=$port" "out of range, allowed 1 to 65535"
	done
	refused_value EINVAL reply_port=telnet "not a number, allowed 1 to 65535"
	all_refused
}

# A value of any length makes a line of bearable length.
params_long_value() {
	long=$(printf '%0900d' 1)
	refused EINVAL "listen_port=x${long:0:31}: not a number, allowed 0 to 65535" \
		"listen_port=x$long"
	refused EINVAL "listen_addr=x${long:0:63}: not an IPv4 or IPv6 address" \
		"listen_addr=x$long"
	all_refused
}

params_addresses() {
	some garbage "" 127.0.0.256 127.0.0 127.0.0.1/8 127.0.0.1%lo "[::1]" \
		localhost ::1::2
	for addr in "${VALUES[@]}"; do
		refused_value EINVAL "listen_addr=$addr" "not an IPv4 or IPv6 address"
		refused_value EINVAL "reply_addr=$addr" "not an IPv4 or IPv6 address"
	done
	all_refused
}

params_scopes() {
	for name in listen_addr reply_addr; do
		refused_value EINVAL "$name=::1%lo" \
			"only a link-local IPv6 address takes a %device"
		refused_value EINVAL "$name=2001:db8::1%lo" \
			"only a link-local IPv6 address takes a %device"
		refused_value EINVAL "$name=fe80::1" "a link-local address needs its %device"
		refused_value EINVAL "$name=fe80::1%" "a link-local address needs its %device"
		refused_value ENODEV "$name=fe80::1%nodev0" "no such network device here"
		refused_value ENODEV "$name=fe80::1%99999" "no such network device here"
	done
	all_refused
}

params_no_host() {
	some 224.0.0.1 239.255.255.255 ff0e::1
	for name in listen_addr reply_addr; do
		for addr in "${VALUES[@]}"; do
			refused_value EINVAL "$name=$addr" \
				"a multicast group, need the address of one host"
		done
		for addr in 255.255.255.255 127.255.255.255; do
			refused_value EINVAL "$name=$addr" \
				"a broadcast address, need the address of one host"
		done
	done
	refused EINVAL "listen_addr=ff02::1: a multicast group, need the address of one host" \
		listen_addr=ff02::1%lo
	for addr in 0.0.0.0 ::; do
		refused_value EINVAL "reply_addr=$addr" "no host's address, need the receiver's"
	done
	all_refused
}

params_mode() {
	some proxy "" ECHO echoo
	for value in "${VALUES[@]}"; do
		refused_value EINVAL "mode=$value" \
			"unknown, allowed relay, echo, discard, text, beacon or beacon-sink"
	done
	all_refused
}

params_datapath() {
	some fast "" SOFTIRQ
	for value in "${VALUES[@]}"; do
		refused_value EINVAL "datapath=$value" \
			"unknown, allowed copy, zerocopy or softirq"
	done
	some maybe "" 2
	for value in "${VALUES[@]}"; do
		refused_value EINVAL "gro=$value" "allowed on or off"
	done
	some none "" Inherit
	for value in "${VALUES[@]}"; do
		refused_value EINVAL "ttl=$value" "unknown, allowed inherit or system"
	done
	some none 0 System
	for value in "${VALUES[@]}"; do
		refused_value EINVAL "dscp=$value" "unknown, allowed inherit or zero"
	done
	all_refused
}

params_numbers() {
	local cpus
	cpus=$(getconf _NPROCESSORS_ONLN)
	some 0 -1 99999999999 65536
	for value in "${VALUES[@]}"; do
		refused_value ERANGE "buffer_size=$value" "out of range, allowed 1 to 65535"
	done
	refused_value EINVAL buffer_size=big "not a number, allowed 1 to 65535"
	some 0 -1 $((cpus + 1))
	for value in "${VALUES[@]}"; do
		refused_value ERANGE "threads=$value" "out of range, allowed 1 to $cpus"
	done
	refused_value EINVAL threads=two "not a number, allowed 1 to $cpus"
	for value in -1 65536; do
		refused_value ERANGE "min_source_port=$value" "out of range, allowed 0 to 65535"
	done
	refused_value EINVAL min_source_port=any "not a number, allowed 0 to 65535"
	for value in -1 0 9 3600001; do
		refused_value ERANGE "interval=$value" "out of range, allowed 10 to 3600000"
	done
	refused_value EINVAL interval=1s "not a number, allowed 10 to 3600000"
	for name in rcvbuf sndbuf; do
		for value in 1 2047; do
			refused_value ERANGE "$name=$value" \
				"out of range, allowed 2048 to 1073741823, or 0 for the system's default"
		done
		for value in -1 1073741824; do
			refused_value ERANGE "$name=$value" \
				"out of range, allowed 0 to 1073741823"
		done
		refused_value EINVAL "$name=big" "not a number, allowed 0 to 1073741823"
	done
	all_refused
}

params_device() {
	refused_value ENODEV device=nodev0 "no such network device here"
	all_refused
}

# A device of another namespace is no device here.
params_device_elsewhere() {
	ns_pair a b
	refused_value ENODEV device=veth0 "no such network device here"
	refused_value ENODEV listen_addr=fe80::1%veth0 "no such network device here"
	all_refused
}

params_self_loop() {
	local own="is the service's own listen address"
	refused ELOOP "reply address 127.0.0.1:2325 $own" reply_port=2325
	refused ELOOP "reply address 127.0.0.1:2325 $own" \
		listen_addr=0.0.0.0 reply_port=2325
	refused ELOOP "reply address 127.0.0.9:2325 $own" \
		listen_addr=0.0.0.0 reply_addr=127.0.0.9 reply_port=2325
	refused ELOOP "reply address 127.0.0.1:2325 $own" listen_addr=:: reply_port=2325
	refused ELOOP "reply address [::1]:2325 $own" \
		listen_addr=:: reply_addr=::1 reply_port=2325
	refused ELOOP "reply address [::1]:2325 $own" \
		listen_addr=::1 reply_addr=::1 reply_port=2325
	refused ELOOP "reply address 127.0.0.1:2325 $own" \
		listen_addr=::ffff:127.0.0.1 reply_port=2325
	refused ELOOP "reply address 127.0.0.1:2325 $own" \
		reply_addr=::ffff:127.0.0.1 reply_port=2325
	refused ELOOP "reply address 127.0.0.1:2325 $own" mode=text reply_port=2325
	all_refused
}

params_self_loop_host() {
	ns_pair a b
	where=b
	refused ELOOP "reply address 192.0.2.2:7000 is the service's own listen address" \
		listen_addr=0.0.0.0 listen_port=7000 reply_addr=192.0.2.2 reply_port=7000
	refused ELOOP "reply address [2001:db8::2]:7000 is the service's own listen address" \
		listen_addr=:: listen_port=7000 reply_addr=2001:db8::2 reply_port=7000
	refused EINVAL "reply_addr=192.0.2.255: a broadcast address, need the address of one host" \
		reply_addr=192.0.2.255
	all_refused
	# The same port on another host is no loop.
	load_in b listen_addr=0.0.0.0 listen_port=7000 reply_addr=192.0.2.1 reply_port=7000
	rmmod ksocket
}

params_in_use() {
	spawn - socat -u UDP4-RECV:2325,bind=127.0.0.1 /dev/null
	owner=$!
	wait_for 20 bound4 2325
	log_mark
	assert_eq "errno" "$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO")" EADDRINUSE
	assert_eq "log" "$(log_since)" \
		"ksocket: listen address 127.0.0.1:2325 is in use, need a free port"
	refute loaded
	kill "$owner"
	wait_for 20 port_free 2325
	load
	unload
}

port_free() {
	! bound4 "$1"
}

# An owner who shares his port with SO_REUSEPORT does not share it with us.
params_in_use_shared() {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	spawn - socat -u UDP4-RECV:2325,bind=127.0.0.1,reuseport /dev/null
	wait_for 20 bound4 2325
	log_mark
	assert_eq "errno" "$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO" threads=2)" EADDRINUSE
	assert_eq "log" "$(log_since)" \
		"ksocket: listen address 127.0.0.1:2325 is in use, need a free port"
	refute loaded
}

# shares PROTO: somebody of our own uid comes to share the port of the service
shares() {
	local kind=DGRAM
	[ "$1" = udp ] || kind=STREAM
	python3 -c "
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_$kind)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind(('127.0.0.1', 2325))
if sock.type == socket.SOCK_STREAM:
    sock.listen()"
}

# Nor do we share ours with anybody, though the threads share it among themselves.
params_shared_by_threads() {
	local proto
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	for proto in udp tcp; do
		load mode=echo proto=$proto threads=2
		refute shares $proto 2>"$TMP/said"
		assert_eq "$proto" "$(tail -n 1 "$TMP/said")" "OSError: [Errno 98] Address already in use"
		unload
		# Without the service it can be had.
		shares $proto
	done
}

params_not_local() {
	refused EADDRNOTAVAIL \
		"listen_addr=192.0.2.77: not an address of this host or namespace" \
		listen_addr=192.0.2.77
	refused EADDRNOTAVAIL \
		"listen_addr=2001:db8::77: not an address of this host or namespace" \
		listen_addr=2001:db8::77
	all_refused
}

params_no_route() {
	refused ENETUNREACH "cannot reach reply address 192.0.2.77:23: errno 101" \
		reply_addr=192.0.2.77
	refused ENETUNREACH "cannot reach reply address [2001:db8::77]:23: errno 101" \
		reply_addr=2001:db8::77
	all_refused
}

# IPv6 switched off at run time: an error only where it was asked for.
params_ipv6_off() {
	ns_add c
	in_ns c sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
	where=c
	refused EADDRNOTAVAIL "listen_addr=::1: not an address of this host or namespace" \
		listen_addr=::1
	all_refused
	load_in c mode=echo listen_addr=:: listen_port=7000
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello c)" hello
	rmmod ksocket
	load_in c mode=echo listen_port=7000
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello c)" hello
	rmmod ksocket
}

# The kernel itself cuts no string: it refuses.
params_text_too_long() {
	assert_eq "errno" "$("$KSOCKET_TESTS/load_module" "$KSOCKET_KO" \
		"text=$(printf '%01025d' 1)")" ENOSPC
	refute loaded
}

params_no_service() {
	log_mark
	load listen_port=0
	assert_eq "log" "$(log_since)" "ksocket: no service started: listen_port=0"
	assert_eq "services" "$(service)" ""
	assert_eq "threads" "$(threads)" 0
	assert_eq "sockets" "$(ss -Hau)" ""
	rmmod ksocket
}

# Numbers as C writes them, addresses as people do, values at the edge.
params_edges() {
	local cpus
	cpus=$(getconf _NPROCESSORS_ONLN)
	load mode=relay listen_addr=::ffff:127.0.0.1 listen_port=65535 reply_port=1 \
		buffer_size=1 "threads=$cpus" device=lo rcvbuf=2048 sndbuf=2048
	assert_eq listen "$(counter listen)" 127.0.0.1:65535
	assert_eq reply "$(counter reply)" 127.0.0.1:1
	assert_eq device "$(counter device)" lo
	assert_eq threads "$(counter threads)" "$cpus"
	assert_eq buffer_size "$(counter buffer_size)" 1
	assert_eq rcvbuf "$(counter rcvbuf)" 2048
	assert_eq sndbuf "$(counter sndbuf)" 2048
	unload
	load mode=echo min_source_port=65535
	assert_eq min_source_port "$(counter min_source_port)" 65535
	unload
	load mode=echo listen_port=0x1b58 listen_addr=0:0:0:0:0:0:0:1 rcvbuf=1073741823 \
		sndbuf=1073741823 min_source_port=0
	assert_eq listen "$(counter listen)" "[::1]:7000"
	assert_eq "the echo" "$(ask 'UDP6:[::1]:7000' hello)" hello
	unload
}

# What has no effect is refused, its default too: parameters, and the place of an effect
params_no_effect() {
	local row given
	while IFS='|' read -r given row; do
		[ -n "$given" ] || continue
		# shellcheck disable=SC2086 # a list of words
		load_refused EINVAL "${row/:/: has no effect here, it is for}" $given
	done <<-'EOF'
		mode=echo reply_port=2325|reply_addr, reply_port: modes that have a receiver: relay, text, beacon
		mode=discard reply_addr=2001:db8::77|reply_addr, reply_port: modes that have a receiver: relay, text, beacon
		mode=echo text=testing...|text: the modes text and beacon
		mode=beacon threads=1|threads: modes that have requests, not beacon
		mode=beacon rcvbuf=0|rcvbuf: modes that have requests, not beacon
		mode=beacon gro=off|gro: proto udp, in modes other than beacon
		mode=beacon ttl=inherit|ttl: answers by UDP, in the modes relay, echo and text
		mode=text datapath=copy|datapath: modes other than text and beacon, which copy
		mode=discard sndbuf=4096|sndbuf: modes that send: relay, echo, text, beacon
		mode=discard dscp=zero|dscp: answers by UDP, in the modes relay, echo and text
		min_source_port=1024|min_source_port: mode echo with proto udp
		interval=2000|interval: mode beacon
		max_connections=1|max_connections: proto tcp
		backlog=128|backlog: proto tcp
		idle_timeout=0|idle_timeout: proto tcp
		keepalive=60|keepalive: proto tcp, or a receiver with reply_proto tcp
		framing=length|framing: proto udp with reply_proto tcp
		queue_bytes=1048576|queue_bytes: proto udp with reply_proto tcp
		reply_proto=tcp ttl=system|ttl: answers by UDP, in the modes relay, echo and text
		proto=tcp reply_proto=tcp|reply_proto: proto udp, in modes that have a receiver
		proto=tcp buffer_size=65535|buffer_size: proto udp
		proto=tcp gro=on|gro: proto udp, in modes other than beacon
		proto=tcp queue_bytes=4096|queue_bytes: proto udp with reply_proto tcp
	EOF
	load_refused EINVAL "datapath=softirq: no softirq can send by TCP, allowed copy or zerocopy" \
		proto=tcp datapath=softirq
}

# An empty value is no setting where the default is empty, wherever it has an effect.
params_empty() {
	local row
	for row in "mode=echo reply_proto= device=" "mode=discard dscp=" "proto=tcp reply_proto= dscp=" \
		"mode=relay reply_proto= dscp="; do
		# shellcheck disable=SC2086 # a list of words
		load $row
		assert_eq "services of $row" "$(grep -c ^service /proc/net/ksocket)" 1
		unload
	done
	# An empty text is a text.
	load_refused EINVAL "text: has no effect here, it is for the modes text and beacon" mode=echo text=
}

params_readable() {
	insmod "$KSOCKET_KO" mode=text listen_port=7000 "text=\"two words\""
	dir=/sys/module/ksocket/parameters
	assert_eq "names" "$(cd $dir && echo *)" "backlog buffer_size datapath device dscp framing gro\
 idle_timeout interval keepalive listen_addr listen_port max_connections min_source_port mode newline proto\
 queue_bytes rcvbuf reply_addr reply_port reply_proto sndbuf text threads ttl"
	for row in backlog:128 idle_timeout:3600 interval:2000 keepalive:60 max_connections:1024 proto:udp buffer_size:65535 datapath:softirq device: gro:off listen_addr:127.0.0.1 listen_port:7000 \
		min_source_port:1024 mode:text rcvbuf:0 reply_addr:127.0.0.1 reply_port:23 \
		sndbuf:0 "text:two words" threads:1 reply_proto: framing:length queue_bytes:1048576 ttl:inherit dscp: newline:drop; do
		assert_eq "${row%%:*}" "$(cat "$dir/${row%%:*}")" "${row#*:}"
		assert_eq "mode of ${row%%:*}" "$(stat -c %a "$dir/${row%%:*}")" 400
	done
	unload
}

# modinfo is the reference card: every parameter has its range in it.
params_described() {
	for name in buffer_size datapath device gro interval listen_addr listen_port min_source_port mode \
		rcvbuf reply_addr reply_port sndbuf text threads ttl dscp newline; do
		# Not -q: it leaves early, and with pipefail modinfo's SIGPIPE counts.
		modinfo -F parm "$KSOCKET_KO" | grep "^$name:.*(default .*(charp)" >/dev/null ||
			fail "$name is not described"
	done
}

params_log_lines() {
	log_mark
	load mode=echo listen_port=7000
	assert_eq "the echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	rmmod ksocket
	assert_eq "log" "$(log_since)" "ksocket: service param started: udp 127.0.0.1:7000, echo, threads 1
ksocket: service param stopped"
}

ksocket_run_tests \
	params_ports:"ports" \
	params_long_value:"a very long value" \
	params_addresses:"what is no address" \
	params_scopes:"IPv6 addresses with and without a device" \
	params_no_host:"multicast, broadcast and wildcard addresses" \
	params_mode:"mode" \
	params_datapath:"datapath, gro, ttl, dscp" \
	params_numbers:"buffer_size, threads, min_source_port, interval, rcvbuf, sndbuf" \
	params_device:"device" \
	params_device_elsewhere:"a device of another namespace" \
	params_self_loop:"a reply address that is the listen address" \
	params_self_loop_host:"the same on a host's own addresses" \
	params_in_use:"a port in use" \
	params_in_use_shared:"a port in use by someone who shares it" \
	params_shared_by_threads:"nobody else shares a port that threads share" \
	params_not_local:"an address that is not here" \
	params_no_route:"a receiver without a route" \
	params_ipv6_off:"IPv6 switched off: an error only where it was asked for" \
	params_text_too_long:"a text longer than the kernel takes" \
	params_no_service:"listen_port=0 starts no service" \
	params_edges:"values at the edge of what is allowed" \
	params_no_effect:"what has no effect" \
	params_empty:"an empty value where the default is empty" \
	params_readable:"the values are readable under /sys/module" \
	params_described:"modinfo describes every parameter" \
	params_log_lines:"one line at start, one at stop, none in between"
