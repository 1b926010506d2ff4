#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# netlink.sh - the generic netlink family, driven by the kernel's own client
# (tools/net/ynl) from nothing but Documentation/netlink/specs/ksocket.yaml.
# Most of it is in netlink.py, which uses that client as a library.

. "$(dirname "$0")/lib.sh"

export YNL_SPEC=$KSOCKET_TESTS/Documentation/netlink/specs/ksocket.yaml
[ -r "$YNL_SPEC" ] || YNL_SPEC=$KSOCKET_TESTS/../Documentation/netlink/specs/ksocket.yaml
YNL=$(find_ynl) || YNL=
export YNL

# The command, as it comes.
YNL_COMMAND=(python3 -u "$YNL/cli.py" --spec "$YNL_SPEC" --no-schema)

ynl() {
	"${YNL_COMMAND[@]}" "$@"
}

have_ynl() {
	[ -n "$YNL" ] || skip "no tools/net/ynl beside the kselftest in KSFT, or no python3-yaml"
}

# subscribed: somebody here listens to a generic netlink group
subscribed() {
	awk '$2 == 16 && $4 !~ /^0*$/ { found = 1 } END { exit !found }' /proc/net/netlink
}

# by_library NAME: that test of netlink.py, with no service but its own
by_library() {
	have_ynl
	load listen_port=0
	python3 "$KSOCKET_TESTS/netlink.py" "$1"
	unload
	nothing_left 7000
}

cli() {
	local pid
	have_ynl
	load listen_port=0
	spawn - "${YNL_COMMAND[@]}" --subscribe events --duration 300 --output-json >"$TMP/events"
	pid=$!
	wait_for 60 subscribed
	ynl --excl --do service-new --json '{"name": "a", "mode": "echo",
		"listen": {"ipv4": "127.0.0.1", "port": 7000}}' >"$TMP/new"
	assert_eq "an echo" "$(ask UDP4:127.0.0.1:7000 hello)" hello
	ynl --dump service-get --output-json >"$TMP/dump"
	cat "$TMP/dump"
	grep -q '"tx-packets": 1\b' "$TMP/dump" || fail "no answer counted"
	ynl --do service-del --json '{"name": "a"}' >"$TMP/del"
	wait_for 60 grep -q service-stopped "$TMP/events"
	grep -q service-started "$TMP/events" || fail "no start told"
	kill "$pid"
	unload
	nothing_left 7000
}

refusals() { by_library refusals; }
round_trip() { by_library round_trip; }
idempotent() { by_library idempotent; }
gone() { by_library gone; }
change() { by_library change; }
tcp() { by_library tcp; }
connections() { by_library connections; }
upstream_told() { by_library upstream_told; }
many() { by_library many; }
threads_apart() { by_library threads_apart; }
events_told() { by_library events_told; }
receiver_told() { by_library receiver_told; }
uplink() { by_library uplink; }
effects() { by_library effects; }
beacon_told() { by_library beacon_told; }
sink_counts() { by_library sink_counts; }
quiet() {
	export TRACING
	[ -d "$TRACING/events/workqueue" ] || skip "no events of work queues"
	by_library quiet
}
many_on_a_port() { by_library many_on_a_port; }
losses_told() { by_library losses_told; }
turned_away() { by_library turned_away; }
dialogue() { by_library dialogue; }
outer_world() { by_library outer_world; }

# What the parameters have started is there as well, and an unload is told.
one_object() {
	have_ynl
	load listen_port=7000 mode=echo
	python3 "$KSOCKET_TESTS/netlink.py" parameters
	READY=$TMP/ready spawn - python3 "$KSOCKET_TESTS/netlink.py" last_word
	wait_for 60 file_is "$TMP/ready" yes
	rmmod ksocket
	wait $! || fail "the unload was not told"
}

ksocket_run_tests \
	cli:"the kernel's own client: do, dump, subscribe" \
	round_trip:"what is asked is what runs, what runs is what is told" \
	refusals:"bad requests: their errno, their words, their attribute" \
	effects:"what has no effect is refused, and not told" \
	idempotent:"the same again, another one, NLM_F_EXCL, NLM_F_REPLACE" \
	gone:"what could be neither replaced nor started again" \
	change:"what changes without a stop, and counters from 0" \
	tcp:"a service on TCP: what is asked is told, the same again, another one" \
	connections:"connections: each is told once, with its bytes, while others come and go" \
	threads_apart:"the counters of each thread" \
	many:"hundreds of services, dumped while they come and go" \
	many_on_a_port:"a thousand services on one port cost a sender no more than one" \
	events_told:"starts and stops are told, to who may hear it" \
	receiver_told:"a receiver that refuses and one that is back are told, in time" \
	quiet:"nobody looks after a receiver that is back" \
	upstream_told:"likewise a receiver of connections" \
	uplink:"datagrams that go on by TCP: what is asked, what becomes of them" \
	beacon_told:"likewise of a beacon's receiver, whom nobody makes it send to" \
	sink_counts:"what a sink of beacons counts, and from 0 again" \
	losses_told:"loops and losses are told, now and then" \
	turned_away:"likewise connections that are turned away" \
	dialogue:"a message, its answer, and what the kernel says on its own" \
	outer_world:"an unprivileged user namespace has its own services" \
	one_object:"a service of the parameters, and the last word at unload"
