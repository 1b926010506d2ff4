#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# text.sh - mode text with real socat: whatever comes, the receiver gets the
# text.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

text_default() {
	receiver "$TMP/got" 7001
	load mode=text listen_port=7000 reply_port=7001
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" testing...
	tell UDP4:127.0.0.1:7000 "something else, and longer than the text"
	wait_for 20 file_is "$TMP/got" testing...testing...
	assert_tx 2
	assert_eq tx_bytes "$(counter tx_bytes)" 20
	unload
}

text_ipv6() {
	receiver "$TMP/got" 7001 6
	load mode=text listen_addr=::1 listen_port=7000 reply_addr=::1 reply_port=7001
	tell 'UDP6:[::1]:7000' hello
	wait_for 20 file_is "$TMP/got" testing...
	unload
}

# insmod hands the quotes to the kernel, which takes them off.
text_own() {
	receiver "$TMP/got" 7001
	load mode=text listen_port=7000 reply_port=7001 'text="two words, 100%s"'
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" 'two words, 100%s'
	unload
}

text_longest() {
	receiver "$TMP/got" 7001
	long=$(printf '%01024d' 7)
	load mode=text listen_port=7000 reply_port=7001 "text=$long"
	tell UDP4:127.0.0.1:7000 hello
	wait_for 20 file_is "$TMP/got" "$long"
	assert_eq tx_bytes "$(counter tx_bytes)" 1024
	unload
}

# An empty text is an empty datagram, and an empty datagram asks for the text.
text_empty() {
	load mode=text listen_port=7000 reply_port=7001 text=
	flood -c 3 -s 0 -w 1 -o 7001 -a 127.0.0.1 7000
	assert_eq rx_packets "$(counter rx_packets)" 3
	assert_eq rx_bytes "$(counter rx_bytes)" 0
	assert_tx 3
	assert_eq tx_bytes "$(counter tx_bytes)" 0
	unload
}

text_not_to_sender() {
	receiver "$TMP/got" 7001
	load mode=text listen_port=7000 reply_port=7001
	flood -c 1 -s 10 -r -T 500 127.0.0.1 7000 >"$TMP/sender"
	wait_for 20 file_is "$TMP/got" testing...
	grep -q 'sent=1 received=0' "$TMP/sender" || fail "$(cat "$TMP/sender")"
	unload
}

ksocket_run_tests \
	text_default:"the default text is testing..." \
	text_ipv6:"IPv6" \
	text_own:"a text of one's own, with blanks" \
	text_longest:"a text of 1024 bytes" \
	text_empty:"an empty text, asked for by empty datagrams" \
	text_not_to_sender:"the sender gets no answer"
