#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py RESULTS OUT KERNEL [BASELINE] - table, JSON and plot of a benchmark.

Reads what guest.sh printed. Writes bench.txt, bench.json and, where there is a
gnuplot, bench.svg into the folder OUT and prints the table. With a BASELINE, an earlier
bench.json, everything of ours that takes more than five percent more
instructions fails.
"""
import json
import os
import shutil
import subprocess
import sys

REFERENCE = "recvmmsg"
TOLERANCE = 1.05


def read(path):
    """Return {family: {contender: {column: instructions}}}, and what was left out."""
    results, bad = {}, []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            word = line.split()
            if word[:1] == ["result"] and len(word) == 5:
                _, contender, column, family, value = word
                results.setdefault(family, {}).setdefault(contender, {})[column] = int(value)
            elif word[:1] in (["bad"], ["skip"]):
                bad.append(line.strip())
    return results, bad


def columns_of(table):
    """All columns, in the order in which they were first seen."""
    seen = []
    for row in table.values():
        seen += [column for column in row if column not in seen]
    return seen


def cell(table, contender, column):
    """Instructions, and how many times better than the reference that is."""
    value = table[contender].get(column)
    if value is None:
        return "-"
    reference = table.get(REFERENCE, {}).get(column)
    return f"{value} ({reference / value:.2f})" if reference else str(value)


def table_text(results, kernel):
    """The tables, one for each family."""
    lines = []
    for family, table in sorted(results.items()):
        columns = columns_of(table)
        lines.append(f"Instructions per datagram, Linux {kernel}, IPv{family}"
                     f" (times better than {REFERENCE})")
        rows = [["contender"] + columns]
        rows += [[name] + [cell(table, name, column) for column in columns] for name in table]
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns) + 1)]
        for row in rows:
            first = row[0].ljust(widths[0])
            lines.append("  ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]))
        lines.append("")
    return "\n".join(lines)


def plot(results, kernel, out):
    """A bar for each contender, saturated echo and relay of 64 bytes."""
    if not shutil.which("gnuplot"):
        return
    table = results.get("4") or next(iter(results.values()))
    data, svg = os.path.join(out, "bench.dat"), os.path.join(out, "bench.svg")
    wanted = [c for c in ("echo64", "relay64") if c in columns_of(table)]
    if not wanted:
        return
    with open(data, "w", encoding="utf-8") as file:
        for name, row in table.items():
            values = " ".join(str(row.get(column, "NaN")) for column in wanted)
            file.write(f"{name} {values}\n")
    bars = ", ".join(f"'{data}' using {i + 2}:xtic(1) title '{column}'"
                     for i, column in enumerate(wanted))
    script = f"""
set terminal svg size 900,420 font 'sans,12' background rgb 'white'
set output '{svg}'
set title 'Instructions per datagram, Linux {kernel}: less is better'
set style data histogram
set style fill solid 0.8
set xtics rotate by -35
set yrange [0:*]
set grid ytics
plot {bars}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    os.remove(data)
    with open(svg, "r+", encoding="utf-8") as file:
        first, rest = file.read().split("\n", 1)
        file.seek(0)
        file.write(f"{first}\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n{rest}")


def slower(results, baseline):
    """Lines that say what takes more instructions than in the baseline."""
    said = []
    for family, table in results.items():
        for contender, row in table.items():
            for column, value in row.items():
                before = baseline.get(family, {}).get(contender, {}).get(column)
                if contender.startswith("ksocket") and before and value > before * TOLERANCE:
                    said.append(f"slower: {contender} {column} IPv{family}:"
                                f" {before} -> {value} ({100 * value / before - 100:+.1f} %)")
    return said


def main():
    """See the module's text."""
    path, out, kernel = sys.argv[1:4]
    results, bad = read(path)
    if not results:
        sys.exit("bench: no results")
    text = table_text(results, kernel)
    print(text)
    with open(os.path.join(out, "bench.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(out, "bench.json"), "w", encoding="utf-8") as file:
        json.dump({"kernel": kernel, "instructions": results}, file, indent=1)
        file.write("\n")
    plot(results, kernel, out)
    for line in bad:
        print(line)
    failed = [line for line in bad if line.startswith("bad")]
    if len(sys.argv) > 4:
        with open(sys.argv[4], encoding="utf-8") as file:
            worse = slower(results, json.load(file)["instructions"])
        for line in worse:
            print(line)
        if not worse:
            print("bench: nothing of ours is slower")
        failed += worse
    print(f"bench: {out}/bench.txt, bench.json, bench.svg")
    sys.exit(1 if failed else 0)


main()
