"""What a running agent may do with its memory, by /proc."""

import mmap
import struct
from pathlib import Path

from bbsd import BBS
from support.agent import BINARY, Agent

PT_GNU_RELRO = 0x6474E552


def mappings(pid: int) -> list[tuple[int, int, str, str]]:
    """(from, to, permissions, file) of each."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split(None, 5)
        first, last = (int(word, 16) for word in words[0].split("-"))
        found.append((first, last, words[1], words[5] if len(words) > 5 else ""))
    return found


def relro() -> tuple[int, int]:
    """Address and size of what is read-only once it is relocated."""
    image = BINARY.read_bytes()
    order = "<" if image[5] == 1 else ">"
    wide = image[4] == 2
    start = struct.unpack_from(order + ("Q" if wide else "I"), image, 32 if wide else 28)[0]
    each, number = struct.unpack_from(order + "HH", image, 54 if wide else 42)
    for at in range(start, start + each * number, each):
        fields = struct.unpack_from(order + ("IIQQQQQQ" if wide else "IIIIIIII"), image, at)
        if fields[0] == PT_GNU_RELRO:
            return (fields[3], fields[6]) if wide else (fields[2], fields[5])
    raise AssertionError("the program has no such part")


def test_nothing_is_writable_that_need_not_be(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    address, size = relro()
    for process in agent.own_processes():
        maps = mappings(process.pid)
        assert not [m for m in maps if "w" in m[2] and "x" in m[2]]
        base = min(m[0] for m in maps if m[3] == str(BINARY))
        first = base + address
        last = (first + size) // mmap.PAGESIZE * mmap.PAGESIZE
        inside = [m for m in maps if m[0] < last and m[1] > first]
        assert inside and all(m[2].startswith("r--") for m in inside)
