#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# failing.sh - tests of the tests' library: two of them have to pass and the
# others to fail, whatever comes after the command that fails. For negative.sh.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

passes() {
	true
}

# The answer of a command that may fail is looked at, not its status.
passes_substitution() {
	local said
	said=$(echo answer; false; echo more)
	assert_eq "the answer" "$said" "answer
more"
}

fails_command() {
	false
	true
}

_helper() {
	false
	true
}

fails_in_function() {
	_helper
	true
}

fails_in_namespace() {
	ns_add a
	in_ns a false
	true
}

fails_assertion() {
	assert_eq "one" 1 2
	true
}

ksocket_run_tests \
	passes:"a test that passes" \
	passes_substitution:"a command substitution" \
	fails_command:"a command that fails" \
	fails_in_function:"one in a function" \
	fails_in_namespace:"one in a namespace" \
	fails_assertion:"an assertion"
