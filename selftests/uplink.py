#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
uplink.py TEST [ARGUMENT...] - one test of datagrams that go on by TCP, see
uplink.sh: the sender, the receiver, and what is between them. An assertion that
fails is the test's failure.
"""
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

SLOW = (4 if os.environ.get("KSOCKET_DEBUG_KERNEL") else 1) * int(os.environ.get("KSOCKET_SLOW", 1))
LISTEN, REPLY = 7000, 7001
UDP_SEGMENT = 103   # linux/udp.h


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def counters():
    """Those of the only service."""
    with open("/proc/net/ksocket", encoding="ascii") as file:
        words = dict(line.rstrip("\n").split(" ", 1) for line in file)
    return {key: int(value) for key, value in words.items() if re.fullmatch(r"\d+", value)}


def drops(now):
    return sum(value for key, value in now.items() if key.startswith("drop_"))


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds * SLOW
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < end, f"{what}: not within {seconds * SLOW} s, {counters()}"
        time.sleep(0.02)


def counted(**wanted):
    """Wait until the counters are that."""
    def right():
        now = counters()
        return all(now[key] == value for key, value in wanted.items())
    wait_for(str(wanted), right)


def at_least(key, value, seconds=30):
    wait_for(f"{key} >= {value}", lambda: counters()[key] >= value, seconds)


def settled(sent):
    """All that was sent has come, nothing waits, and nothing is missing in the books."""
    def right():
        now = counters()
        done = now["rx_packets"] + now["rx_overflow"] == sent and not now["queued"] and \
            not now["queued_bytes"] and now["rx_packets"] == now["tx_packets"] + drops(now)
        return now if done else None
    return wait_for(f"{sent} and an empty queue", right, 60)


class Receiver:
    """Takes connections one after the other, and what comes by them apart."""

    def __init__(self, address="127.0.0.1", framing="length", rcvbuf=0, shut=False):
        self.framing, self.shut = framing, shut
        self.got = []           # (number of the connection, datagram)
        self.raw = b""          # without framing
        self.errors = []
        self.conns = []
        self.reading = threading.Event()
        self.reading.set()
        self.listener = socket.socket(family_of(address), socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if rcvbuf:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.listener.bind((address, REPLY))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            if self.shut:
                conn.shutdown(socket.SHUT_WR)
            self.conns.append(conn)
            threading.Thread(target=self.read, args=(conn, len(self.conns) - 1),
                             daemon=True).start()

    def take(self, number, data):
        """Return what is not whole yet."""
        if self.framing == "none":
            self.raw += data
            return b""
        while True:
            if self.framing == "newline":
                one, end, rest = data.partition(b"\n")
                if not end:
                    return data
            elif self.framing == "octet-counting":
                # RFC 6587, section 3.4.1: no leading zero, one space.
                digits, end, rest = data.partition(b" ")
                if not end:
                    assert len(digits) < 6, digits
                    return data
                if not re.fullmatch(rb"[1-9][0-9]*", digits):
                    self.errors.append(digits)
                    return b""
                one, rest = rest[:int(digits)], rest[int(digits):]
                if len(one) < int(digits):
                    return data
            else:
                if len(data) < 2:
                    return data
                size = struct.unpack(">H", data[:2])[0]
                one, rest = data[2:2 + size], data[2 + size:]
                if len(one) < size:
                    return data
            self.got.append((number, one))
            data = rest

    def read(self, conn, number):
        rest = b""
        while True:
            self.reading.wait()
            try:
                data = conn.recv(65536)
            except OSError:
                return
            if not data:
                return
            rest = self.take(number, rest + data)

    def close(self):
        """Both the connections and the port."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.conns:
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            conn.close()

    def payloads(self):
        return [data for _, data in self.got]


class Sender:
    """Numbers its datagrams; what is behind the number follows from it."""

    def __init__(self, address="127.0.0.1"):
        self.sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
        self.sock.connect((address, LISTEN))
        self.sent = 0

    @staticmethod
    def made(number, size):
        return (b"%08d" % number).ljust(size, b"%c" % (97 + number % 26))

    def send(self, count, size=100, rate=0):
        for _ in range(count):
            self.sock.send(self.made(self.sent, size))
            self.sent += 1
            if rate:
                time.sleep(1 / rate)

    def send_burst(self, count, size=100):
        """They leave as one packet, and come as one where gro=on."""
        data = b"".join(self.made(self.sent + n, size) for n in range(count))
        self.sock.sendmsg([data], [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))])
        self.sent += count


def check_numbers(receiver, size, all_of=None):
    """
    Each as it was made, each connection in order without a gap that a queue with
    room does not make. Return: how many came twice, and the numbers.
    """
    seen, twice, last = set(), 0, {}
    for conn, data in receiver.got:
        number = int(data[:8])
        assert data == Sender.made(number, size), f"{data[:40]} is not what was sent"
        assert number > last.get(conn, -1), f"{number} after {last[conn]}"
        last[conn] = number
        twice += number in seen
        seen.add(number)
    if all_of is not None:
        missing = sorted(set(range(all_of)) - seen)
        assert not missing, f"{len(missing)} missing: {missing[:10]}"
    return twice, sorted(seen)


def nft(rules):
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def block(verdict):
    nft("table inet uplink { chain out { type filter hook output priority 0;\n"
        f"tcp dport {REPLY} {verdict}\n}}\n}}\n")


def unblock():
    nft("delete table inet uplink\n")


def exact(address, framing):
    """Every byte, every boundary, in its order."""
    receiver = Receiver(address, framing)
    at_least("connections", 1)
    sender = Sender(address)
    sizes = (0, 1, 2, 3, 4, 8, 100, 1400, 1472, 1473, 9000, 65507)
    made = [Sender.made(n, max(size, 8))[:size] for n, size in enumerate(sizes)]
    wanted = list(made)
    if framing == "octet-counting":
        # Others count, so what looks like a count or an end is a byte as any other.
        made += [b"7 seven", b"two\nlines\n", b"\0\r\n"]
        wanted = made[1:]
    if framing == "newline":
        made += [b"its own\n", b"\n"]
        wanted += [b"its own", b""]
    for data in made:
        sender.sock.send(data)
    counted(tx_packets=len(made), queued=0, queued_bytes=0)
    assert counters()["tx_bytes"] == sum(map(len, made)), counters()
    if framing == "none":
        wait_for("all bytes", lambda: len(receiver.raw) >= sum(map(len, made)))
        assert receiver.raw == b"".join(made)
    else:
        wait_for("all datagrams", lambda: len(receiver.got) >= len(wanted))
        assert not receiver.errors, receiver.errors
        assert receiver.payloads() == wanted, [d[:20] for d in receiver.payloads()]

    # The other end of the line would take these for two.
    bad = 0
    if framing == "newline":
        for data in (b"two\nlines", b"\nempty before", b"\n\n"):
            sender.sock.send(data)
        bad = 3
        counted(drop_framing=bad)
    now = settled(len(made) + bad)
    assert (now["connected"], now["disconnected"], drops(now)) == (1, 0, bad), now


def lines(how):
    """One line for each datagram, whatever newlines are in it."""
    receiver = Receiver(framing="newline")
    at_least("connections", 1)
    with_ = {"escape": b"#012", "space": b" "}[how]
    trace = b"<13>java.lang.Exception: x\n\tat a(b.c)\n\tat d(e.f)"
    made = [trace, trace + b"\n", b"\n", b"\n\n", b"\nfirst", b"a\0b\r\nc", b"none", b""]
    # Across the end of the ring, at all offsets.
    made += [b"%d\n" % n * (n % 7) + b"end" for n in range(600)]
    made += [b"x\n" * 8000, b"\n" * 16000 + b"y"]
    sender = Sender()
    sent = []
    for n, data in enumerate(made):
        sender.sock.send(data)
        last = data[-1:] == b"\n"
        sent.append(data[:len(data) - last].replace(b"\n", with_) + b"\n" * last)
        if n % 16 == 15 or len(data) > 1000:
            settled(n + 1)
    counted(tx_packets=len(made), queued=0, queued_bytes=0, tx_bytes=sum(map(len, sent)))
    wait_for("all datagrams", lambda: len(receiver.got) >= len(made))
    got = receiver.payloads()
    for n, (one, line) in enumerate(zip(got, sent)):
        assert one + b"\n" * line.endswith(b"\n") == line, (n, one[:60], line[:60])
    assert len(got) == len(made), len(got)
    # What is longer than a datagram can be once it is escaped.
    sender.sock.send(b"\n" * 16500)
    if how == "escape":
        counted(drop_send_too_long=1)
    now = settled(len(made) + 1)
    assert drops(now) == (how == "escape"), now


def many(count, senders=1):
    """As fast as it goes, and whatever the datapath is."""
    receiver = Receiver()
    at_least("connections", 1)
    all_senders = [Sender() for _ in range(int(senders))]
    for _ in range(int(count) // 50):
        for sender in all_senders:
            sender.send(50, 200)
        wait_for("room", lambda: counters()["queued_bytes"] < 500000)
    wanted = sum(sender.sent for sender in all_senders)
    now = settled(wanted)
    assert now["tx_packets"] + now["rx_overflow"] == wanted and not drops(now), now
    wait_for("all datagrams", lambda: len(receiver.got) == now["tx_packets"])
    if len(all_senders) == 1 and not now["rx_overflow"]:
        check_numbers(receiver, 200, wanted)
    print(f"{now['tx_packets']} by {now['connections']} connections")


def bursts(count, size):
    """Each datagram of a burst is counted when the receiver has it."""
    receiver = Receiver()
    at_least("connections", 1)
    sender = Sender()
    for _ in range(int(count)):
        sender.send_burst(int(size), 200)
    now = settled(sender.sent)
    assert now["tx_packets"] == sender.sent, now
    wait_for("all datagrams", lambda: len(receiver.got) == sender.sent)
    check_numbers(receiver, 200, sender.sent)


def away():
    """The queue keeps what it has room for, the rest is counted, nothing else."""
    sender = Sender()
    sender.send(2000)
    room = 65536 // 104
    counted(rx_packets=2000, queued=room, queued_bytes=room * 104,
            drop_queue_away=2000 - room, tx_packets=0)
    at_least("connect_failed", 2)
    assert not counters()["connections"]
    receiver = Receiver()
    counted(queued=0, tx_packets=room)
    wait_for("all datagrams", lambda: len(receiver.got) == room)
    assert check_numbers(receiver, 100, room) == (0, list(range(room)))
    # There is room again.
    sender.sent = room
    sender.send(10)
    now = settled(2010)
    wait_for("more", lambda: len(receiver.got) == room + 10)
    assert (now["tx_packets"], now["connected"]) == (room + 10, 1), now
    check_numbers(receiver, 100, room + 10)


def too_long():
    """What would never fit is not waited for."""
    sender = Sender()
    sender.send(1, 4093)
    counted(drop_send_too_long=1, queued=0)
    sender.send(1, 4092)
    counted(queued=1, queued_bytes=4096)
    sender.send(1, 8)
    counted(drop_queue_away=1)
    receiver = Receiver()
    settled(3)
    wait_for("the one", lambda: receiver.got)
    assert receiver.payloads() == [Sender.made(1, 4092)]


def slow():
    """Who takes nothing holds the queue and no more; then all that is in it comes."""
    receiver = Receiver(rcvbuf=4096)
    receiver.reading.clear()
    at_least("connections", 1)
    sender = Sender()
    most = 0
    # A send buffer, a receive buffer and the queue, and as much again.
    while counters()["drop_queue_slow"] < 500:
        sender.send(100, 1000)
        most = max(most, counters()["queued_bytes"])
    assert 60000 < most <= 65536, most
    assert counters()["connected"] == 1
    receiver.reading.set()
    now = settled(sender.sent)
    wait_for("what was not dropped", lambda: len(receiver.got) == now["tx_packets"])
    twice, seen = check_numbers(receiver, 1000)
    assert not twice and len(seen) == now["tx_packets"]
    lost = now["drop_queue_slow"] + now["rx_overflow"]
    assert len(seen) + lost == sender.sent, (len(seen), lost, sender.sent)
    print(f"{sender.sent} sent, {len(seen)} delivered, {lost} counted, {most} bytes at most")


def paused(seconds):
    """Who takes nothing for long, but answers, keeps the connection."""
    receiver = Receiver(rcvbuf=4096)
    receiver.reading.clear()
    at_least("connections", 1)
    sender = Sender()
    while counters()["drop_queue_slow"] < 10:
        sender.send(100, 1000)
    time.sleep(int(seconds))
    now = counters()
    assert now["connected"] == 1 and now["disconnected"] == 0, now
    receiver.reading.set()
    now = settled(sender.sent)
    wait_for("what was not dropped", lambda: len(receiver.got) == now["tx_packets"])
    twice, seen = check_numbers(receiver, 1000)
    assert not twice and len(seen) == now["tx_packets"]
    assert now["connected"] == 1, now


def flow(receiver, faults, seconds):
    """Datagrams at a fixed rate while that happens, and what has become of them."""
    sender = Sender()
    stop = threading.Event()

    def run():
        while not stop.is_set():
            sender.send(1, 300, 200)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        faults()
        time.sleep(seconds)
    finally:
        stop.set()
        thread.join()
    now = settled(sender.sent)
    assert not drops(now) and not now["rx_overflow"], now
    wait_for("all datagrams", lambda: len({d for _, d in receiver.got}) == sender.sent)
    twice, _ = check_numbers(receiver, 300, sender.sent)
    assert now["tx_packets"] == sender.sent, now
    print(f"{sender.sent} sent, {twice} twice, {now['connected']} connections")
    return now


def reset():
    """What a connection has not had acknowledged, the next one sends."""
    receiver = Receiver()
    at_least("connections", 1)

    def faults():
        for number in range(1, 4):
            block("counter reject with tcp reset")
            at_least("disconnected", number)
            time.sleep(0.3)
            unblock()
            wait_for("a connection", lambda: counters()["connections"])
            time.sleep(0.3)

    now = flow(receiver, faults, 0.5)
    assert now["disconnected"] >= 3 and now["connected"] >= 4, now


def black_hole(seconds, breaks):
    """No answer at all: for a while the stack tries again, then we do."""
    receiver = Receiver()
    at_least("connections", 1)

    def faults():
        block("drop")
        time.sleep(float(seconds))
        unblock()

    now = flow(receiver, faults, 0.5)
    assert (now["disconnected"] > 0) == (breaks == "breaks"), now


def cut():
    """A connection that breaks in the middle of a datagram: the next one has it whole."""
    first = Receiver(rcvbuf=4096)
    first.reading.clear()
    at_least("connections", 1)
    sender = Sender()
    while not counters()["drop_queue_slow"]:
        sender.send(50, 7001)
    first.close()
    at_least("disconnected", 1)
    second = Receiver()
    now = settled(sender.sent)
    # What the first one has acknowledged and not read is lost with it.
    wait_for("the last", lambda: second.got and second.got[-1][1][:1] and
             len(second.got) >= 5)
    time.sleep(0.2)
    _, seen = check_numbers(second, 7001)
    assert seen == list(range(seen[0], seen[0] + len(seen))), seen
    assert len(seen) <= now["tx_packets"] <= len(seen) + 5, (seen, now)
    print(f"{now['tx_packets']} acknowledged, {len(seen)} by the second")


def half_close():
    """Who has nothing to say may still listen. Who is gone is found out."""
    receiver = Receiver(shut=True)
    at_least("connections", 1)
    sender = Sender()
    sender.send(100)
    counted(tx_packets=100)
    wait_for("all datagrams", lambda: len(receiver.got) == 100)
    now = counters()
    assert (now["connections"], now["disconnected"]) == (1, 0), now
    receiver.close()
    sender.send(100)
    at_least("disconnected", 1)
    again = Receiver()
    counted(tx_packets=200)
    wait_for("the rest", lambda: len(again.got) == 100)
    assert check_numbers(again, 100)[1] == list(range(100, 200))
    assert counters()["connected"] == 2


def talks_back():
    """What the receiver says is counted and forgotten."""
    receiver = Receiver()
    at_least("connections", 1)
    wait_for("a connection", lambda: receiver.conns)
    receiver.conns[0].sendall(b"x" * 300000)
    receiver.conns[0].send(b"!", socket.MSG_OOB)
    counted(reply_ignored=300001)
    Sender().send(10)
    wait_for("all datagrams", lambda: len(receiver.got) == 10)
    settled(10)
    receiver.close()


def beacon():
    """Beacons wait for who is away, and none is left out."""
    first = Receiver(framing="newline")
    wait_for("beacons", lambda: len(first.got) >= 20)
    first.close()
    at_least("disconnected", 1)
    time.sleep(0.5)
    second = Receiver(framing="newline")
    wait_for("beacons", lambda: len(second.got) >= 40)
    numbers = [int(re.fullmatch(rb"seq=(\d+) wall=\d{19} mono=\d+ host=.*", line).group(1))
               for line in first.payloads() + second.payloads()]
    once = sorted(set(numbers))
    # What was in the first one's buffer when it closed, it has acknowledged.
    gap = len(range(once[0], once[-1] + 1)) - len(once)
    print(f"{len(once)} beacons, {len(numbers) - len(once)} twice, {gap} with the first one")
    assert once[0] == 0 and gap <= 5, once
    assert numbers[len(first.got):] == sorted(numbers[len(first.got):])
    now = counters()
    assert now["connected"] == 2 and not drops(now), now


def burst(count):
    """And no look back. All of it fits the receiver's window, whether he reads or not."""
    sender = Sender()
    sender.send(int(count))


def own():
    """A port of this host that nobody listens at, and that we send from."""
    at_least("connect_failed", 3)
    now = counters()
    assert not now["connected"] and not now["connections"], now


globals()[sys.argv[1]](*sys.argv[2:])
