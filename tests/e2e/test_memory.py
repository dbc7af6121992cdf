"""What a running agent may do with its memory, by /proc; and how it lives on
when there is none."""

import contextlib
import mmap
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbsd import BBS
from support.agent import BINARY, Agent
from support.clock import Clock
from support.site import Faked, MakeFaked

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


# none left


def size(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * mmap.PAGESIZE


def user(pid: int) -> list[str]:
    """What makes a program one of the same user: only that one may limit it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    uid, gid = (line.split()[1] for line in lines if line[:4] in ("Uid:", "Gid:"))
    return ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"] * (os.geteuid() == 0)


def limit(pid: int, size: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # it has ended
        subprocess.run([*user(pid), "prlimit", "--pid", str(pid), f"--as={size}:"])


@contextlib.contextmanager
def starved(pids: list[int], more: int) -> Iterator[None]:
    """They get so much more than they have, and not a page beyond, nor does
    what they fork. Whoever is started in their place has what it wants."""
    for pid in pids:
        limit(pid, str(size(pid) + more))
    try:
        yield
    finally:
        for pid in pids:
            limit(pid, str(100 << 20))


def starve(world: Faked, who: str, more: int) -> int:
    """A backup and a look meanwhile; how many of them failed over it."""
    agent, runs = world.agent, len(world.borg.runs())
    nets = [p.pid for p in agent.own_processes() if p.pid != agent.pid]
    if who == "net":  # an answer that needs some
        padding = {"status": "ok", "tasks": [], "poll_interval": 1, "padding": "x" * 500_000}
        world.bbs.fault("tasks", "value", value=padding)
    with starved([agent.pid] if who == "supervisor" else nets, more):
        jobs = [world.order(), world.bbs.add_task({"task": "list_dir", "path": "/etc"})]
        with contextlib.suppress(TimeoutError):
            world.bbs.wait(lambda: all(job.reports for job in jobs), 1)
    for job in jobs:
        report = world.bbs.wait_status(job, 30)
        assert report["result"] == "completed" or report["error_log"]
    assert len(world.borg.runs()) - runs <= 1
    deadline = time.monotonic() + 30
    while agent.spool() or list((agent.var / "journal").iterdir()):
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.02)
    assert all(len(job.reports) == 1 for job in jobs)
    return sum(job.reports[0]["result"] == "failed" for job in jobs)


@pytest.mark.parametrize("who", ["supervisor", "net"])
def test_no_memory_left(faked: MakeFaked, who: str) -> None:
    """From none at all to enough. What the supervisor forks has no more."""
    world = faked("file('/etc/hostname'); progress(1, 100); summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    world.start()
    pid, failed = world.agent.pid, 0
    with clock.runs(20):
        for more in (0, 4, 16, 64, 256, 1024):
            failed += starve(world, who, more * 1024)
        assert world.backup()["result"] == "completed"
    assert world.agent.running and world.agent.pid == pid
    assert failed > 0 if who == "supervisor" else "memory" in world.agent.log
