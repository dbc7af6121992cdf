"""Who used how much CPU, and on what machine."""

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from support import process

TICK = os.sysconf("SC_CLK_TCK")


def own_ns(pid: int) -> int:
    """CPU of one process of one thread, by the scheduler's own count; 0 when
    it is gone."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except FileNotFoundError:  # gone, or a kernel without it
        return int(_seconds(pid, 2) * 1e9)
    except (OSError, IndexError):
        return 0


def _seconds(pid: int, fields: int) -> float:
    """utime, stime, and those of children that were waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0
    return sum(int(f) for f in stat[stat.rindex(")") + 2 :].split()[11 : 11 + fields]) / TICK


def tree_seconds(pid: int) -> float:
    """CPU of a process and all that it ever started and waits for."""
    return sum(_seconds(p, 4) for p in [pid, *(d.pid for d in process.descendants(pid))])


@dataclass(frozen=True)
class Share:
    """Of all processors' time while something was measured: what other
    programs had, and what a hypervisor gave to other machines; 0 to 1."""

    others: float
    stolen: float

    def __str__(self) -> str:
        return f"others {self.others:.0%}, stolen {self.stolen:.0%}"


def summary(shares: list[Share]) -> str:
    others, stolen = [s.others for s in shares], [s.stolen for s in shares]
    return (
        f"Of the CPUs' time others had {statistics.median(others):.0%} ({max(others):.0%} at "
        f"most), the hypervisor took {statistics.median(stolen):.0%} ({max(stolen):.0%})."
    )


class Others:
    """What the rest of the machine did between start and share()."""

    def __init__(self) -> None:
        self.time = time.monotonic()
        self.busy, self.stolen, self.ours = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        line = Path("/proc/stat").read_text().split("\n", 1)[0]
        user, nice, system, _, _, irq, softirq, steal = (int(f) for f in line.split()[1:9])
        busy = (user + nice + system + irq + softirq) / TICK
        return busy, steal / TICK, tree_seconds(os.getpid())

    def share(self) -> Share:
        busy, stolen, ours = self._now()
        whole = (time.monotonic() - self.time) * (os.cpu_count() or 1)
        spent = (busy - self.busy) - (ours - self.ours)
        return Share(max(0.0, spent / whole), (stolen - self.stolen) / whole)


def describe() -> list[str]:
    """The machine, in lines."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = os.cpu_count() or 1
    lines = [
        f"machine: {model}, {cores} core{'s' if cores > 1 else ''}, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()} {platform.machine()}"
    ]
    if cores == 1:
        lines.append("one core: borg and its reader share it; expect 1.07 to 1.10 for wall time")
    return lines


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())
