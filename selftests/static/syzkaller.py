#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""syzkaller.py [DIR] - compare selftests/syzkaller/ksocket.txt with the headers.

Constants have to be in include/uapi/linux/. Each request and each attribute of the
policy in control/netlink-gen.c has to be described, and the structs of the socket
options have the members of the header, in its order and of its sizes. Braces and
brackets have to match, and each type has to be defined here or be syzkaller's.
"""
import re
import sys

TOP = sys.argv[1] if len(sys.argv) > 1 else "."
# What the description takes from syzkaller's own ones.
BUILTIN = {
    "array", "bool8", "bytesize", "const", "csum", "eth2_packet_t", "flags", "fd", "genlmsghdr_t",
    "ifindex", "in", "inet", "inout", "int16", "int16be", "int32", "int8", "ipv4_addr", "ipv6_addr",
    "mac_addr", "msghdr_netlink", "netlink_msg_t", "nlattr", "nlnest", "opt", "out", "packed",
    "parent", "pseudo", "ptr", "send_flags", "sock_in", "sock_nl_generic", "string", "tcp_seq_num",
    "val", "varlen", "vnet_fragmentation", "packet",
}
SIZES = {"__u8": "8", "__u16": "16", "__be16": "16", "__u32": "32"}
found = []


def complain(text):
    found.append(text)


def read(name):
    with open(f"{TOP}/{name}", encoding="utf-8") as file:
        return file.read()


text = re.sub(r"^#.*", "", read("selftests/syzkaller/ksocket.txt"), flags=re.M)
uapi = read("include/uapi/linux/ksocket.h") + read("include/uapi/linux/ksocket_netlink.h")
gen = read("control/netlink-gen.c")

# Constants and what has to be there.
known = set(re.findall(r"\bKSOCKET_\w+", uapi))
used = set(re.findall(r"(?<![$\w])KSOCKET_\w+", text))
for name in sorted(used - known):
    complain(f"{name} is in no header")
wanted = set(re.findall(r"\.cmd\s*=\s*(KSOCKET_CMD_\w+)", gen))
wanted |= set(re.findall(r"\[(KSOCKET_A_\w+)\]", gen))
for name in sorted(wanted - used):
    complain(f"{name} is not described")
for call, cmd in re.findall(r"^sendmsg\$(\w+)\(.*msghdr_ksocket\[(\w+)\]", text, flags=re.M):
    if call != cmd:
        complain(f"sendmsg${call} sends {cmd}")


def members(name):
    """The members of a struct of the description: name and size in bits."""
    body = re.search(rf"^{name} {{\n(.*?)^}}", text, flags=re.M | re.S)
    if not body:
        complain(f"no struct {name}")
        return []
    out = []
    for line in body.group(1).strip().splitlines():
        member, kind = line.split(None, 1)
        size = re.search(r"int(8|16|32)|bool(8)", kind)
        if not re.match(r"(array|string|ksocket_so_)", kind) and size:
            out.append((member, size.group(1) or size.group(2)))
        else:
            out.append((member, ""))
    return out


for name in ("ksocket_so_name", "ksocket_so_info", "ksocket_so_addr", "ksocket_so_service"):
    body = re.search(rf"^struct {name} {{\n(.*?)^}};", uapi, flags=re.M | re.S).group(1)
    want = [(member, "" if array else SIZES.get(kind, "")) for kind, member, array in
            re.findall(r"^\t(?:struct )?(\w+) (\w+)(\[.*\])?;", body, flags=re.M)]
    if members(name) != want:
        complain(f"struct {name} is not the one of the header: {members(name)}, {want}")

# What a parser would find first.
for left, right in ("()", "[]", "{}"):
    if text.count(left) != text.count(right):
        complain(f"{left} and {right} do not match")
defined = set(re.findall(r"^(\w+) (?:\[|\{|=)", text, flags=re.M))
defined |= set(re.findall(r"^(?:type|resource) (\w+)", text, flags=re.M))
for line in text.splitlines():
    if re.match(r"(include|resource|\w+ =)", line) or not line.strip():
        continue
    # Neither strings nor the names of calls, members and arguments are types.
    line = re.sub(r'"[^"]*"|^[\w$]+', "", line.strip())
    line = re.sub(r"\b\w+ (?=ptr|const|bytesize|sock_|flags)", "", line)
    for word in re.findall(r"\b[a-z]\w*", line):
        if word not in BUILTIN | defined:
            complain(f"unknown type {word}")

print("\n".join(found))
sys.exit(bool(found))
