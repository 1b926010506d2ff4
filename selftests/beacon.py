#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
beacon.py - what beacon.sh needs of a receiver that looks at the clock.

  beacon.py receive ADDRESS PORT COUNT   take COUNT datagrams and print a line for
                                         each: when the kernel got it, in ns of
                                         CLOCK_REALTIME, from where, and what; at
                                         the end how many beacons were missed then
  beacon.py burst ADDRESS PORT COUNT     send COUNT, numbered, in packets of 50
  beacon.py steady MS PERCENT DRIFT      look at such lines: every sequence number
                                         once, in order, one in MS milliseconds, up
                                         to PERCENT; the drift is below DRIFT ms
"""
import re
import socket
import struct
import sys

SO_TIMESTAMPNS = 35
UDP_SEGMENT = 103


def missed():
    try:
        with open("/proc/net/ksocket", encoding="ascii") as file:
            return re.search(r"^beacons_missed (\d+)$", file.read(), re.M).group(1)
    except (OSError, AttributeError):
        return 0


def receive(address, port, count):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((address, int(port)))
        for _ in range(int(count)):
            data, ancillary, _, peer = sock.recvmsg(65536, 256)
            seconds, ns = struct.unpack("ll", ancillary[0][2][:struct.calcsize("ll")])
            # In one write: others read this file meanwhile.
            print(f"{seconds * 10**9 + ns} {peer[0]} {peer[1]} {data.decode(errors='replace')}",
                  flush=True)
    print("missed", missed())


def burst(address, port, count):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, int(port)))
        sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, len("seq=%06d" % 0))
        for start in range(0, int(count), 50):
            sock.send("".join("seq=%06d" % number for number in range(
                start, min(start + 50, int(count)))).encode())


def close_to(what, got, wanted, percent):
    off = 100 * (got - wanted) / wanted
    print(f"{what}: {got / 1e6:.4f} ms, {off:+.3f} %")
    assert abs(off) <= percent, f"{what} is off by more than {percent} %"


def steady(ms, percent, most):
    interval = int(ms) * 10**6
    percent = int(percent)
    lines = sys.stdin.read().splitlines()
    skipped = int(lines.pop().split()[1])
    arrivals = [int(line.split()[0]) for line in lines]
    seqs = [int(re.search(r"seq=(\d+)", line).group(1)) for line in lines]
    monos = [int(re.search(r"mono=(\d+)", line).group(1)) for line in lines]
    walls = [int(re.search(r"wall=(\d+)", line).group(1)) for line in lines]
    assert seqs == list(range(len(lines))), seqs
    steps = len(lines) - 1 + skipped
    print(f"{len(lines)} beacons, {skipped} missed")
    close_to("by their own clock", (monos[-1] - monos[0]) / steps, interval, percent)
    close_to("by their arrival", (arrivals[-1] - arrivals[0]) / steps, interval, percent)
    assert all(wall <= arrival for wall, arrival in zip(walls, arrivals)), \
        "one arrived before it was sent"

    # How far from the grid: the least late of the first half and of the second.
    late = [mono - monos[0] - i * interval for i, mono in enumerate(monos)]
    if skipped:
        late = [(x + interval // 2) % interval - interval // 2 for x in late]
    half = len(late) // 2
    drift = min(late[half:]) - min(late[:half])
    print(f"drift: {drift / 1e6:.3f} ms, latest: {(max(late) - min(late)) / 1e6:.3f} ms")
    assert abs(drift) < int(most) * 10**6, "the beacons drift"


globals()[sys.argv[1]](*sys.argv[2:])
