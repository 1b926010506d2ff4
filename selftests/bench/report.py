#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py TRANSPORT RESULTS OUT KERNEL [BASELINE] - table, JSON and plot of a benchmark.

Reads what guest.sh or guest-tcp.sh printed. Writes bench.txt, bench.json and, where there is a
gnuplot, bench.svg into the folder OUT and prints the table. With a BASELINE, an earlier
bench.json, everything of ours that takes more than five percent more
instructions fails.
"""
import json
import os
import shutil
import subprocess
import sys

REFERENCE = {"udp": "recvmmsg", "tcp": "epoll"}
# What is counted in columns of that name, each in a table of its own.
UNITS = {
    "udp": [("datagram", "")],
    "tcp": [("KiB", "-bulk"), ("round trip", "-ping"), ("connection", "-cycle")],
}
# What the load itself takes is told from the server's share where that says something.
SHARED = ["-bulk", "-ping"]
FLOOR = "floor"
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


def cell(table, contender, column, reference):
    """Instructions, and how many times better than the reference that is."""
    value = table[contender].get(column)
    if value is None:
        return "-"
    other = table.get(reference, {}).get(column)
    return f"{value} ({other / value:.2f})" if other and value else str(value)


def table_lines(title, table, columns, reference):
    """One table."""
    rows = [["contender"] + columns]
    rows += [[name] + [cell(table, name, column, reference) for column in columns]
             for name in table]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns) + 1)]
    lines = [title]
    for row in rows:
        first = row[0].ljust(widths[0])
        lines.append("  ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]))
    return lines + [""]


def without_floor(table, columns):
    """What is left when that is taken off which the load takes without a server."""
    floor = table[FLOOR]
    return {name: {column: row[column] - floor[column]
                   for column in columns if column in row and column in floor}
            for name, row in table.items() if name != FLOOR}


def table_text(results, kernel, transport):
    """The tables, of each family and unit."""
    lines = []
    reference = REFERENCE[transport]
    for family, table in sorted(results.items()):
        for unit, mark in UNITS[transport]:
            columns = [column for column in columns_of(table) if mark in column]
            if not columns:
                continue
            where = f"Linux {kernel}, IPv{family} (times better than {reference})"
            lines += table_lines(f"Instructions per {unit}, {where}", table, columns, reference)
            if mark in SHARED and FLOOR in table:
                lines += table_lines("Likewise without the load's own, the server's share",
                                     without_floor(table, columns), columns, reference)
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
    transport, path, out, kernel = sys.argv[1:5]
    results, bad = read(path)
    if not results:
        sys.exit("bench: no results")
    text = table_text(results, kernel, transport)
    print(text)
    with open(os.path.join(out, "bench.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(out, "bench.json"), "w", encoding="utf-8") as file:
        json.dump({"kernel": kernel, "instructions": results}, file, indent=1)
        file.write("\n")
    if transport == "udp":
        plot(results, kernel, out)
    for line in bad:
        print(line)
    failed = [line for line in bad if line.startswith("bad")]
    if len(sys.argv) > 5:
        with open(sys.argv[5], encoding="utf-8") as file:
            worse = slower(results, json.load(file)["instructions"])
        for line in worse:
            print(line)
        if not worse:
            print("bench: nothing of ours is slower")
        failed += worse
    print(f"bench: {out}/bench.txt, bench.json" + (", bench.svg" if transport == "udp" else ""))
    sys.exit(1 if failed else 0)


main()
