#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# programs.sh DIR - compile the user-space programs into DIR, for any guest.

set -eu
for program in bench_server bench_client bench_stream bench_stream_server; do
	gcc-12 -O2 -Wall -Wextra -static -o "$1/$program" "$(dirname "$0")/$program.c"
done
