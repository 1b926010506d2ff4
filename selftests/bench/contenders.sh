# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# contenders.sh - two namespaces joined by a veth pair, and whoever answers in
# one of them: ksocket and what else people use for it.
#
# To be sourced, with B (where the programs are), KO (the module), PORT,
# CLIENT_PORT and family set, for TCP also SS_PROTO=t, and what is to be measured in
# FAMILIES, BENCH_CONTENDERS and BENCH_COLUMNS.
# shellcheck disable=SC2154 # those

# Those with -gro have the stack collect bursts.
# shellcheck disable=SC2034 # for those who source this
CONTENDERS="recvfrom recvmmsg gro uring socat sockperf
	ipvs nft-stateless nft-dnat xdp-generic tc-bpf tc-bpf-gro floor floor-gro
	ksocket-copy ksocket-zerocopy ksocket-zerocopy-gro ksocket-softirq
	ksocket-softirq-gro"

NS_A=${NS_PREFIX:-}a
NS_B=${NS_PREFIX:-}b

in_a() { ip netns exec "$NS_A" "$@"; }
in_b() { ip netns exec "$NS_B" "$@"; }

network() {
	local ns
	ip netns add "$NS_A"
	ip netns add "$NS_B"
	ip -n "$NS_A" link add veth0 type veth peer name veth0 netns "$NS_B"
	for ns in "$NS_A" "$NS_B"; do
		ip -n "$ns" link set lo up
		# Nothing but the load is to be on the wire.
		ip netns exec "$ns" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/veth0/accept_ra
			echo 0 >/proc/sys/net/ipv6/conf/veth0/router_solicitations
			echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
			echo 0 >/proc/sys/net/ipv4/conf/veth0/rp_filter
			echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
			echo 0 >/proc/sys/net/ipv4/conf/veth0/send_redirects
			echo 1 >/proc/sys/net/ipv4/ip_forward
			echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
		ip -n "$ns" link set veth0 up
	done
	# What is translated comes back with our own address as its source.
	in_a sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/accept_local
		echo 1 >/proc/sys/net/ipv4/conf/veth0/accept_local'
	ip -n "$NS_A" addr add 192.0.2.1/24 dev veth0
	ip -n "$NS_A" addr add 192.0.2.3/24 dev veth0
	ip -n "$NS_B" addr add 192.0.2.2/24 dev veth0
	ip -n "$NS_A" addr add 2001:db8::1/64 dev veth0 nodad
	ip -n "$NS_A" addr add 2001:db8::3/64 dev veth0 nodad
	ip -n "$NS_B" addr add 2001:db8::2/64 dev veth0 nodad
	sleep 1
	mac_a=$(in_a cat /sys/class/net/veth0/address)
	mac_b=$(in_b cat /sys/class/net/veth0/address)
	# Resolving addresses is not what is measured.
	for ns in 192.0.2.1 192.0.2.3 2001:db8::1 2001:db8::3; do
		ip -n "$NS_B" neigh replace $ns lladdr "$mac_a" dev veth0 nud permanent
	done
	for ns in 192.0.2.2 2001:db8::2; do
		ip -n "$NS_A" neigh replace $ns lladdr "$mac_b" dev veth0 nud permanent
	done
}

# address HOST: of this family
address() {
	if [ "$family" = 4 ]; then echo "192.0.2.$1"; else echo "2001:db8::$1"; fi
}

# start COMMAND...: in the background in b; $server is the program itself
start() {
	(exec ip netns exec "$NS_B" "$@") &
	server=$!
}

listening() {
	local i
	for ((i = 0; i < 100; i++)); do
		[ -z "$(in_b ss "-Hln${SS_PROTO:-u}" "sport = :$PORT")" ] || return 0
		kill -0 "$server" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

# serve_CONTENDER echo|relay: start it, or return 4 when it does not do that;
# unserve_CONTENDER: end it

serve_user() {
	if [ "$2" = echo ]; then
		start "$B/bench_server" "$1" "$(address 2)" "$PORT"
	else
		start "$B/bench_server" "$1" "$(address 2)" "$PORT" "$(address 1)" "$CLIENT_PORT"
	fi
	listening
}

unserve_user() { kill "$server" && wait "$server"; }

serve_socat() {
	local bracket
	[ "$1" = relay ] || return 4
	bracket=$(address 1)
	[ "$family" = 4 ] || bracket="[$bracket]"
	start socat -u "UDP$family-RECV:$PORT" "UDP$family-SENDTO:$bracket:$CLIENT_PORT"
	listening
}

# Its server looks for a header of its own in each message.
serve_sockperf() {
	echo "answers no messages but sockperf's"
	return 4
}
unserve_sockperf() { :; }

serve_ipvs() {
	local at to
	[ "$1" = relay ] || return 4
	at=$(address 2) to=$(address 3)
	modprobe -q ip_vs || {
		echo "no module ip_vs"
		return 4
	}
	[ "$family" = 4 ] || { at="[$at]" to="[$to]"; }
	in_b ipvsadm -A -u "$at:$PORT" -s rr && in_b ipvsadm -a -u "$at:$PORT" -r "$to:$CLIENT_PORT" -m
}
unserve_ipvs() { in_b ipvsadm -C; }

nft_ip() { if [ "$family" = 4 ]; then echo ip; else echo ip6; fi; }

# nft_prerouting HOOK RULE: what comes to our port, before it is routed
nft_prerouting() {
	in_b nft -f - <<-END
		table $(nft_ip) bench {
			chain pre {
				type $1;
				udp dport $PORT $2
			}
		}
	END
}
unserve_nft() { in_b nft flush ruleset; }

serve_nft_stateless() {
	[ "$1" = relay ] || return 4
	nft_prerouting 'filter hook prerouting priority raw' \
		"$(nft_ip) daddr set $(address 3) udp dport set $CLIENT_PORT notrack"
}

serve_nft_dnat() {
	local to
	[ "$1" = relay ] || return 4
	to=$(address 3)
	[ "$family" = 4 ] || to="[$to]"
	nft_prerouting 'nat hook prerouting priority dstnat' "dnat to $to:$CLIENT_PORT"
}

serve_xdp_generic() {
	[ "$1" = echo ] || return 4
	in_b ip link set dev veth0 xdpgeneric obj "$B/bench_bpf.o" sec xdp
}
unserve_xdp_generic() { in_b ip link set dev veth0 xdpgeneric off; }

serve_tc_bpf() {
	[ "$1" = echo ] || return 4
	in_b tc qdisc add dev veth0 clsact &&
		in_b tc filter add dev veth0 ingress bpf direct-action obj "$B/bench_bpf.o" sec tc
}
unserve_tc_bpf() { in_b tc qdisc del dev veth0 clsact; }

serve_floor() {
	[ "$1" = echo ] || return 4
	in_b insmod "$B/bench_floor.ko" "port=$PORT"
}
unserve_floor() { rmmod bench_floor; }

serve_ksocket() {
	local receiver=()
	[ "$1" = echo ] || receiver=("reply_addr=$(address 1)" "reply_port=$CLIENT_PORT")
	in_b insmod "$KO" "mode=$1" "listen_addr=$(address 2)" "listen_port=$PORT" \
		${receiver[@]+"${receiver[@]}"} rcvbuf=4194304 "${@:2}"
}
unserve_ksocket() { rmmod ksocket; }

# gro on|off: a veth collects bursts only for a peer that could not have made
# them itself.
gro() {
	local tso=off
	[ "$1" = on ] || tso=on
	in_a ethtool -K veth0 tso $tso >/dev/null 2>&1
	in_b ethtool -K veth0 gro "$1" >/dev/null
}

# serve CONTENDER echo|relay, unserve CONTENDER
serve() {
	case $1 in
	recvfrom | recvmmsg | uring) serve_user "$1" "$2" ;;
	gro) gro on && serve_user gro "$2" ;;
	tc-bpf-gro) gro on && serve_tc_bpf "$2" ;;
	floor-gro) gro on && serve_floor "$2" ;;
	ksocket-*-gro)
		gro on
		serve_ksocket "$2" "datapath=$(cut -d- -f2 <<<"$1")" gro=on
		;;
	ksocket-*) serve_ksocket "$2" "datapath=${1#*-}" ;;
	*) "serve_${1//-/_}" "$2" ;;
	esac
}

unserve() {
	case $1 in
	recvfrom | recvmmsg | uring | gro | socat) unserve_user ;;
	nft-*) unserve_nft ;;
	tc-bpf-gro) unserve_tc_bpf ;;
	floor-gro) unserve_floor ;;
	ksocket-*) unserve_ksocket ;;
	*) "unserve_${1//-/_}" ;;
	esac >/dev/null 2>&1
	case $1 in gro | *-gro) gro off ;; esac
}

# measure_all: each in each column, by the function measure of who has sourced this
measure_all() {
	local contender column
	for family in $FAMILIES; do
		for contender in $BENCH_CONTENDERS; do
			for column in $BENCH_COLUMNS; do
				measure "$contender" "$column"
			done
		done
	done
}
