"""Looking at processes through /proc, and owning the orphans.

A program that calls adopt_orphans() becomes the parent of every descendant
whose own parent died, so that nothing an agent leaves behind can hide.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    state: str
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})"


def adopt_orphans() -> None:
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("PR_SET_CHILD_SUBREAPER")


def look(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    text = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid, int(fields[1]), fields[0], text or f"[{name}]")


def start_time(pid: int) -> int:
    """In ticks since the host's start; with the number it says who it is."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[19])


def everything() -> list[Process]:
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [p for pid in pids if (p := look(pid)) is not None]


def descendants(root: int) -> list[Process]:
    """All below root, zombies too; root itself is not among them."""
    children: dict[int, list[Process]] = {}
    for process in everything():
        children.setdefault(process.parent, []).append(process)
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += [p.pid for p in below]
    return found


def settled(find: Callable[[], list[Process]], timeout: float = 1.0) -> list[Process]:
    """What find() still finds after a moment; the dead among our adopted
    children are collected on the way."""
    deadline = time.monotonic() + timeout
    while True:
        found = find()
        for process in found:
            if process.state == "Z" and process.parent == os.getpid():
                reap(process.pid)
        alive = [p for p in found if p.state != "Z"]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)


def pss_kib(pids: list[int]) -> int:
    """Proportional memory of these processes together."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # gone, or not ours to look at
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total


def anonymous_kib(pid: int) -> int:
    """Memory of its own, whoever shares it: what a leak would add to."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line[:10] == "Anonymous:")


def hidden(pids: list[int]) -> int:
    """How many of them do not let us look at their memory."""
    return sum(1 for pid in pids if not os.access(f"/proc/{pid}/smaps_rollup", os.R_OK))


def cpu_seconds(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2 :].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def kill_all(processes: list[Process]) -> None:
    for process in processes:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for process in processes:
        reap(process.pid)


def reap(pid: int, timeout: float = 5.0) -> None:
    """Collects an adopted child, when it is one."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return
        except ChildProcessError:
            return
        time.sleep(0.01)
