#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# counters.sh - /proc/net/ksocket: its keys, their order, who sees what.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

# The format is a promise: as in Documentation/counters.rst, key by key.
KEYS="service mode proto listen reply device device_lost threads buffer_size rcvbuf sndbuf
min_source_port rx_packets rx_bytes tx_packets tx_bytes discarded drop_truncated
drop_src_unspecified drop_src_multicast drop_src_broadcast drop_dst_multicast
drop_dst_broadcast drop_src_port_zero drop_src_port_low drop_src_port_own drop_loop
drop_send_refused drop_send_unreachable drop_send_denied drop_send_nomem
drop_send_again drop_send_too_long drop_send_other drop_queue_away drop_queue_slow
drop_framing drop_ttl stale_errors recv_errors
rx_overflow reply_ignored wakeups datapath gro fallbacks user_sends
max_connections backlog idle_timeout keepalive connections accepted connected
close_done close_reset close_timeout close_idle close_unfinished close_limit
close_loop close_upstream_refused close_upstream_unreachable
close_upstream_timeout close_nomem close_stopped close_claimed
interval beacons_missed beacon_received beacon_lost beacon_late beacon_duplicate
beacon_restarted beacon_malformed beacon_evicted
reply_proto framing queue_bytes queued queued_bytes connect_failed disconnected
ttl dscp newline"

counters_format() {
	load listen_port=7000
	service >"$TMP/all"
	awk '{ print $1 }' "$TMP/all" >"$TMP/keys"
	# shellcheck disable=SC2086 # a list of words
	printf '%s\n' $KEYS | diff - "$TMP/keys" || fail "other keys"
	# One key, one blank, one value without blanks; after the configuration
	# numbers only.
	refute grep -vE '^[a-z_]+ [^ ]+$' "$TMP/all"
	refute grep -vE '^[a-z_]+ [0-9]+$' <(sed '1,6d; /^datapath /d; /^gro /d; /^reply_proto /d; /^framing /d; /^ttl /d; /^dscp /d; /^newline /d' "$TMP/all")
	unload
}

counters_config() {
	load listen_port=7000 buffer_size=9000 rcvbuf=20000 sndbuf=30000 device=lo \
		listen_addr=:: reply_addr=::1 reply_port=7001
	head -n 12 /proc/net/ksocket >"$TMP/config"
	diff - "$TMP/config" <<-'EOF' || fail "another configuration"
		service param
		mode relay
		proto udp
		listen [::]:7000
		reply [::1]:7001
		device lo
		device_lost 0
		threads 1
		buffer_size 9000
		rcvbuf 20000
		sndbuf 30000
		min_source_port 1024
	EOF
	unload
}

counters_bytes() {
	load mode=echo listen_port=7000 "$(by_thread)"
	sum=0
	for size in 0 1 100 1472 65507; do
		flood -c 3 -s $size -w 1 -a 127.0.0.1 7000
		sum=$((sum + 3 * size))
	done
	for way in rx tx; do
		assert_eq ${way}_packets "$(counter ${way}_packets)" 15
		assert_eq ${way}_bytes "$(counter ${way}_bytes)" $sum
	done
	for key in discarded stale_errors recv_errors rx_overflow reply_ignored fallbacks user_sends \
		connections accepted connected close_done; do
		assert_eq $key "$(counter $key)" 0
	done
	assert_ge wakeups "$(counter wakeups)" 1
	unload
}

# Counters are counted per CPU and read as one.
counters_all_cpus() {
	load mode=echo listen_port=7000 "$(by_thread)"
	thread=$(thread_pid 'ksocket/7000*')
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		taskset -pc "$cpu" "$thread"
		flood -c 10 -w 1 -a 127.0.0.1 7000
	done
	assert_tx $((10 * $(nproc)))
	unload
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# What may be seen without CAP_NET_ADMIN: names, sizes and counters, no address,
# by whatever interface.
counters_unprivileged() {
	load listen_port=7000 listen_addr=127.0.0.2 reply_addr=127.0.0.3 reply_port=7001
	assert_eq "mode" "$(stat -c %A /proc/net/ksocket)" -r--r--r--
	as_nobody cat /proc/net/ksocket >"$TMP/seen"
	assert_eq "first line" "$(head -n 1 "$TMP/seen")" "service param"
	service >"$TMP/all"
	sed 's/^\(listen\|reply\) .*/\1 hidden/' "$TMP/all" | diff - "$TMP/seen" ||
		fail "nobody sees something else"
	# Root in a user namespace of its own has no right to this network namespace.
	as_nobody unshare --user --map-root-user cat /proc/net/ksocket >"$TMP/seen"
	refute grep -F 127.0.0 "$TMP/seen"
	# It is the one who opens the file that counts.
	as_nobody cat </proc/net/ksocket | diff "$TMP/all" - || fail "a file that was handed on"
	refute as_nobody sh -c 'echo x >/proc/net/ksocket'
	unload
}

counters_interfaces() {
	local name
	needs_ksocketctl
	load listen_port=7000 listen_addr=127.0.0.2 reply_addr=127.0.0.3 reply_port=7001
	for name in list show stats conns monitor; do
		refute as_nobody timeout 20 "$KSOCKET_TESTS/ksocketctl" $name >"$TMP/said" 2>&1
		grep -qi "not permitted" "$TMP/said" || fail "$name: $(cat "$TMP/said")"
	done
	# The option that reads a service, and the one that reads its counters.
	for name in 1281 1282; do
		as_nobody python3 -c 'import socket, sys
sock = socket.socket(type=socket.SOCK_DGRAM)
try:
    sock.getsockopt(0, int(sys.argv[1]), 1024)
except PermissionError:
    sys.exit(0)
sys.exit(1)' $name || fail "socket option $name"
	done
	for name in /sys/module/ksocket/parameters/*; do
		refute as_nobody cat "$name"
	done
	unload
}

counters_namespaces() {
	ns_add a
	ns_add b
	load_in a mode=echo listen_port=7000
	ns_add late
	assert_eq "in the one" "$(counter service a)" param
	for ns in b late -; do
		assert_eq "in another" "$(service $ns)" ""
		assert_eq "file in another" "$(in_ns $ns ls /proc/net/ksocket)" /proc/net/ksocket
	done
	balanced a
	rmmod ksocket
	for ns in a b late -; do
		refute in_ns $ns test -e /proc/net/ksocket
	done
}

# A reader who takes it byte by byte gets the same text.
counters_small_reads() {
	load listen_port=7000
	assert_eq "byte by byte" "$(dd if=/proc/net/ksocket bs=1 status=none)" "$(service)"
	unload
}

ksocket_run_tests \
	counters_format:"the keys and their order" \
	counters_config:"the configuration is shown as it counts" \
	counters_bytes:"packets and bytes" \
	counters_all_cpus:"what all CPUs counted is added up" \
	counters_unprivileged:"anyone may read counters, and addresses only with CAP_NET_ADMIN" \
	counters_interfaces:"no other interface shows more" \
	counters_namespaces:"each namespace shows its own services only" \
	counters_small_reads:"byte by byte it reads the same"
