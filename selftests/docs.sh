#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs.sh - the commands in README.md and Documentation/ print what is shown.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

for root in "$KSOCKET_TESTS" "$KSOCKET_TESTS/.."; do
	[ ! -r "$root/README.md" ] || break
done

if [ -n "${KSOCKET_DEBUG_KERNEL:-}" ]; then
	ktap_print_header
	ktap_skip_all "the debug kernel is too slow for the sessions' own time-outs"
	exit "$KSFT_SKIP"
fi

ksocket_ready
files=("$root/README.md")
for file in "$root"/Documentation/*.rst; do
	# Only those that show a session.
	! grep -qE '^ +# ' "$file" || files+=("$file")
done
export KSOCKET_KO
# The kernel's netlink client, where it comes with the kselftest.
if ynl=$(find_ynl); then
	bin=$(mktemp -d)
	trap 'rm -rf "$bin"' EXIT
	printf '#!/bin/sh\nexec python3 "%s/cli.py" "$@"\n' "$ynl" >"$bin/ynl"
	chmod +x "$bin/ynl"
	PATH=$PATH:$bin
fi
PATH=$PATH:$KSOCKET_TESTS
python3 "$KSOCKET_TESTS/docs.py" "${files[@]}"
