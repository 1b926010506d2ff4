#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the commands that the documentation shows, and compare what they print.

usage: docs.py FILE...      run the root sessions of each file
       docs.py --host FILE  list the commands for one's own machine

In an rst literal block or a Markdown code fence, a line that starts with "# "
is a command for root, further lines of it start with "> ", and all up to the
next command is what it prints: to the letter, but "..." stands for anything in
a line and, alone on a line, for any number of lines. A line that starts with
"$ " is for the reader's own machine: see selftests/static/docs.commands.

An rst file with a comment line ".. needs: PROGRAM" is skipped where there is no
such program. Each file runs in a network namespace and a shell of its own, in a folder with
ksocket.ko and Documentation in it. The results are KTAP, one for each file.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

END = "docs-py-end-of-command"


def blocks(path):
    """Yield (first line number, lines) of each literal block."""
    with open(path, encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.startswith("```"):
            start = number
            while number < len(lines) and not lines[number].startswith("```"):
                number += 1
            yield start + 1, lines[start:number]
            number += 1
        elif line.endswith("::") and not line.startswith(".. "):
            while number < len(lines) and not lines[number].strip():
                number += 1
            if number == len(lines):
                return
            indent = len(lines[number]) - len(lines[number].lstrip())
            start = number
            while number < len(lines) and (
                    not lines[number].strip() or
                    lines[number][:indent].strip() == "" and indent):
                number += 1
            block = [text[indent:] for text in lines[start:number]]
            while block and not block[-1]:
                block.pop()
            yield start + 1, block


def commands(path, prompt):
    """Yield (line number, command, expected lines) in the order of the file."""
    for start, block in blocks(path):
        if not any(line.startswith(("# ", "$ ")) for line in block):
            continue
        current = None
        for offset, line in enumerate(block):
            if line.startswith(("# ", "$ ")):
                if current:
                    yield current
                current = None
                if line.startswith(prompt):
                    current = (start + offset, line[2:], [])
            elif current and line.startswith("> ") and not current[2]:
                current = (current[0], current[1] + "\n" + line[2:], [])
            elif current:
                current[2].append(line)
        if current:
            yield current


def missing(path):
    """Return the program that PATH needs and this machine lacks, or None."""
    with open(path, encoding="utf-8") as stream:
        needs = re.search(r"^\.\. needs: (\S+)$", stream.read(), re.MULTILINE)
    if needs and not shutil.which(needs.group(1)):
        return needs.group(1)
    return None


def matches(expected, got):
    """Is GOT what the document shows?"""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(map(re.escape, line.split("..."))) + r"\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in got))


def ask(shell, command):
    """Run COMMAND in SHELL; return the lines it prints, without the prompt."""
    shell.stdin.write(command + "\necho " + END + "\n")
    shell.stdin.flush()
    got = []
    for line in shell.stdout:
        line = line.rstrip("\n")
        if line.endswith(END):
            if line != END:
                got.append(line[:-len(END)])
            return got
        got.append(line)
    raise EOFError("the shell has ended")


def run(path):
    """Return (number of commands, what went wrong)."""
    count = 0
    module = os.environ["KSOCKET_KO"]
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(module, os.path.join(folder, "ksocket.ko"))
        os.symlink(os.path.dirname(os.path.abspath(path)),
                   os.path.join(folder, "Documentation"))
        with subprocess.Popen(
                ["unshare", "--net", "bash", "--norc"], cwd=folder,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, bufsize=1) as shell:
            ask(shell, "ip link set lo up")
            try:
                for line, command, expected in commands(path, "# "):
                    count += 1
                    got = ask(shell, command)
                    while expected and not expected[-1]:
                        expected.pop()
                    if not matches(expected, got):
                        return count, "line %d: %s\nshown:\n%s\nprinted:\n%s" % (
                            line, command, "\n".join(expected), "\n".join(got))
            finally:
                ask(shell, "{ kill $(jobs -p); wait; rmmod ksocket; } 2>/dev/null")
                shell.stdin.close()
    return count, None


def main():
    if sys.argv[1] == "--host":
        for path in sys.argv[2:]:
            for _, command, _ in commands(path, "$ "):
                print(command)
        return 0
    print("TAP version 13")
    print("1..%d" % (len(sys.argv) - 1))
    failed = 0
    for number, path in enumerate(sys.argv[1:], 1):
        name = os.path.basename(path)
        lacking = missing(path)
        if lacking:
            print("ok %d %s # SKIP there is no %s here" % (number, name, lacking))
            continue
        count, wrong = run(path)
        if wrong:
            failed += 1
            for line in wrong.splitlines():
                print("# " + line)
        print("%sok %d %s: %d commands print what it shows" % (
            "not " if wrong else "", number, name, count), flush=True)
    return 1 if failed else 0


sys.exit(main())
