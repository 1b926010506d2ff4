# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of ksocketctl in bash.

_ksocketctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local i=1 netns=() words=''
	COMPREPLY=()

	while [[ $i -lt $COMP_CWORD && ${COMP_WORDS[i]} == -* ]]; do
		case ${COMP_WORDS[i]} in
		-n | -netns | --netns)
			netns=(-n "${COMP_WORDS[i + 1]}")
			i=$((i + 1))
			;;
		esac
		i=$((i + 1))
	done
	local command=${COMP_WORDS[i]} place=$((COMP_CWORD - i))

	if [[ $place -le 0 ]]; then
		case $prev in
		-n | -netns | --netns) words=$(ls /run/netns 2>/dev/null) ;;
		*)
			words="list show add replace ensure set del send stats conns reset top monitor help"
			[[ $cur != -* ]] ||
				words="-json -pretty -netns -timestamp -color -Version -help"
			;;
		esac
	else
		case $command:$place in
		show:1 | replace:1 | ensure:1 | set:1 | del:1 | send:1 | conns:1 | reset:1)
			words=$(ksocketctl "${netns[@]}" list 2>/dev/null | cut -d' ' -f1)
			;;
		stats:1)
			words="--prometheus $(ksocketctl "${netns[@]}" list 2>/dev/null | cut -d' ' -f1)"
			;;
		add:1 | show:* | del:* | send:* | conns:* | reset:* | monitor:*) ;;
		stats:2) words=--prometheus ;;
		top:*)
			case $prev in
			interval | count) ;;
			*) words="interval count" ;;
			esac
			;;
		set:*)
			case $prev in
			rcvbuf | sndbuf | min-source-port) ;;
			*) words="rcvbuf sndbuf min-source-port" ;;
			esac
			;;
		add:* | replace:* | ensure:*)
			case $prev in
			datapath) words="copy zerocopy softirq" ;;
			gro) words="on off" ;;
			proto | reply-proto) words="udp tcp" ;;
			framing) words="none newline length octet-counting" ;;
			newline) words="drop escape space" ;;
			ttl) words="inherit system" ;;
			dscp) words="inherit zero" ;;
			dev) words=$(sed -n 's/^ *\([^ :]*\):.*/\1/p' /proc/net/dev) ;;
			listen | relay | beacon | to | text | threads | buffer | rcvbuf | sndbuf | min-source-port) ;;
			max-connections | backlog | idle-timeout | keepalive | interval | queue-bytes) ;;
			*)
				words="dev threads datapath gro buffer rcvbuf sndbuf min-source-port proto max-connections backlog idle-timeout keepalive reply-proto framing newline queue-bytes ttl dscp"
				case " ${COMP_WORDS[*]} " in
				*" beacon "*) words+=" interval text" ;;
				*) words+=" listen relay echo discard text to beacon beacon-sink" ;;
				esac
				;;
			esac
			;;
		esac
	fi
	# compgen -W would expand them, and names of devices and namespaces are given
	# by whoever made them.
	local word list=()
	read -r -d '' -a list <<<"$words"
	for word in "${list[@]}"; do
		[[ $word != "$cur"* ]] || COMPREPLY+=("$(printf %q "$word")")
	done
}

complete -F _ksocketctl ksocketctl
