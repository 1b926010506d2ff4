# SPDX-License-Identifier: GPL-2.0
#
# ktap.awk - read what kselftest's runner says, as it comes, and count.
#
# -v label=TEXT     starts every line that is printed
# -v want="A B"     the programs that have to appear
# -v counts=FILE    gets "PASSED FAILED SKIPPED" at the end
# -v skips=FILE     the skips that are expected, see there; without it any will do
# -v kernel=NAME    the kernel that FILE is asked about
# -v times=1        also print the seconds that each result took
#
# Counted are the results that a program gives one by one ("# ok 1 ..."), not
# the programs. A program also fails as a whole, counting one more failure, if
# it gives no result at all, another number of results than it planned, a bad
# exit status without a failed result, or if it never ends or never starts. A
# skip that is not expected is a failure, and so is an expected one that was none.

function now() { return systime() }

function fail(reason) {
	failed++
	prog_failed++
	notes = notes "\n" sprintf("  %-8s          - %s: %s", label, prog, reason)
}

# strip TEXT: without blanks at both ends
function strip(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

# bad_skip REASON: a line of the list is wrong
function bad_skip(reason) {
	prog = skips
	fail(reason)
	print substr(notes, 2)
	notes = prog = ""
}

# is_about WORD: does a word of the list name this kernel? All guests of a kernel are
# "NAME:*". Any other "*" would hide skips on kernels that are yet to come.
function is_about(word) {
	if (word !~ /\*/)
		return word == kernel
	if (word !~ /^[^:*]+:\*$/) {
		bad_skip("not a kernel, nor all guests of one (\"6.1:*\"): " word)
		return 0
	}
	return index(kernel, substr(word, 1, length(word) - 1)) == 1
}

# The lines of the list that are about this kernel.
function read_skips(    line, field, words, n, i) {
	while ((getline line <skips) > 0) {
		if (line ~ /^#/ || strip(line) == "")
			continue
		if (split(line, field, "|") != 4 || strip(field[4]) == "") {
			bad_skip("not \"program | kernels | test | reason\": " line)
			continue
		}
		n = split(field[2], words, " ")
		for (i = 1; i <= n; i++)
			if (is_about(words[i]))
				expected[strip(field[1]) SUBSEP strip(field[3])] = 1
	}
	close(skips)
}

function is_expected(title) {
	return ((prog SUBSEP title) in expected) || ((prog SUBSEP "*") in expected)
}

# skip TITLE REASON: the title is "*" for a program as a whole
function skip(title, reason) {
	if (skips != "" && !is_expected(title)) {
		fail("unexpected skip: " (title == "*" ? "" : title ": ") reason "\n" \
		     sprintf("  %-8s            if it cannot run there, add to selftests/expected-skips: " \
			     "%s | %s | %s | %s", label, prog, kernel, title, reason))
		return
	}
	skipped++
	prog_skipped++
	notes = notes "\n" sprintf("  %-8s          - skipped: %s%s", label,
				   title == "*" ? "" : title ": ", reason)
}

# passed_result TITLE: what is listed has to be so, or the list would hide the next
# skip.
function passed_result(title) {
	if (skips != "" && is_expected(title)) {
		fail("no longer skipped: " title "\n" \
		     sprintf("  %-8s            take %s from its line in selftests/expected-skips",
			     label, kernel))
		return
	}
	passed++
	prog_passed++
}

function program_end(ok, rest,    word) {
	if (rest ~ /# SKIP/ && results == 0) {
		if (skip_reason == "")
			skip_reason = "no reason given"
		skip("*", skip_reason)
	} else if (results == 0 && rest ~ /TIMEOUT/) {
		fail("timed out before its first result")
	} else if (results == 0) {
		fail("asserts nothing (no result printed)" (ok ? "" : ", and failed"))
	} else {
		if (plan < 0)
			fail("printed no plan")
		else if (plan != results)
			fail("planned " plan " results, gave " results)
		if (!ok && prog_failed == 0) {
			sub(/^.*# /, "", rest)
			fail("all results passed, but it ended with " rest)
		} else if (rest ~ /TIMEOUT/) {
			fail("timed out")
		}
	}
	word = prog_failed ? "FAILED" : (prog_passed ? "ok" : "skipped")
	printf "  %-8s %-8s %-24s %s%s%s (%d s)%s\n", label, word, prog,
		prog_passed " passed",
		(prog_failed ? ", " prog_failed " failed" : ""),
		(prog_skipped ? ", " prog_skipped " skipped" : ""),
		now() - began, notes
	# All that a failed program said.
	if (prog_failed)
		printf "%s", said
	fflush()
	seen[prog] = 1
	prog = ""
}

function program_begin(name) {
	if (prog != "") {
		fail("did not end")
		program_end(0, "exit status unknown")
	}
	prog = name
	began = result_began = now()
	results = prog_passed = prog_failed = prog_skipped = 0
	plan = -1
	notes = said = skip_reason = ""
}

function reason_of(line) {
	sub(/^.*# (SKIP|XFAIL) */, "", line)
	return line == "" ? "no reason given" : line
}

function title_of(line) {
	sub(/^# (not )?ok [0-9]+ *(- )?/, "", line)
	sub(/ *# (SKIP|XFAIL).*$/, "", line)
	return line
}

BEGIN {
	failed = passed = skipped = 0
	prog = ""
	if (skips != "")
		read_skips()
}

{ sub(/\r$/, "") }

# mawk has no room for more, and would end.
length($0) > 2000 { $0 = substr($0, 1, 2000) "..." }

/^# selftests: [^ ]+: / {
	name = $0
	sub(/^# selftests: [^ ]+: /, "", name)
	program_begin(name)
	next
}

/^(not )?ok [0-9]+ selftests: / {
	if (prog == "") {
		program_begin("?")
		fail("a verdict without a program: " $0)
	}
	program_end($1 == "ok", $0)
	next
}

prog != "" { said = said sprintf("  %-8s          | %s\n", label, $0) }

prog != "" && /^# 1\.\.[0-9]+/ {
	plan = $2
	sub(/^1\.\./, "", plan)
	plan += 0
	if ($0 ~ /# SKIP/)
		skip_reason = reason_of($0)
}

prog != "" && /^# (not )?ok [0-9]+/ {
	results++
	if (times) {
		printf "  %-8s %4d s  %s: %s\n", label, now() - result_began, prog, title_of($0)
		result_began = now()
	}
	if ($2 == "not") {
		failed++
		prog_failed++
		line = $0
		sub(/^# /, "", line)
		notes = notes "\n" sprintf("  %-8s          - %s", label, line)
	} else if ($0 ~ /# (SKIP|XFAIL)/) {
		skip(title_of($0), reason_of($0))
	} else {
		passed_result(title_of($0))
	}
}

# Programs that leave as a whole say why in words.
prog != "" && /^# .*(SKIP|skip)/ && results == 0 && skip_reason == "" {
	skip_reason = $0
	sub(/^# */, "", skip_reason)
}

prog != "" && /^# Bail out!/ { fail($0) }

END {
	if (prog != "") {
		fail("did not end")
		program_end(0, "exit status unknown")
	}
	n = split(want, names, " ")
	for (i = 1; i <= n; i++)
		if (!(names[i] in seen)) {
			prog = names[i]
			failed++
			printf "  %-8s FAILED   %-24s never ran\n", label, prog
		}
	print passed + 0, failed + 0, skipped + 0 >counts
}
