"""The catalogue at full speed: a fake borg that costs nothing names files
that exist, over and over; ssh takes the catalogue to a private sshd."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bbsd import Job
from support import process, tree
from support.sshd import Sshd

from .cpu import Others, Share, own_ns, summary
from .figures import Figure, figure
from .world import World, compile_c

FILES = 20_000
SAMPLE_SECONDS = 0.05
WATCH_SECONDS = 0.005


@dataclass
class Speed:
    entries: float  # a second
    entry_us: float  # of the worker's CPU
    stat_us: tuple[float, float]  # by path, below the open directory
    machine: Share


class Course:
    def __init__(self, world: World, sshd: Sshd) -> None:
        self.world, self.sshd = world, sshd
        source = world.dir / "listed"
        tree.make_many(source, FILES)
        files = sorted(p for p in source.rglob("*") if p.is_file())
        self.list = world.dir / "list"
        self.list.write_text("".join(f"{p}\n" for p in files))
        self.path_length = len(str(files[0]))
        self.clock = world.dir / "clock"
        self.statloop = compile_c("statloop", world.dir)
        self.borg = compile_c("fakeborg", world.dir)
        world.bbs.use_ssh(sshd.access)
        world.configure(borg={"path": self.borg})

    def order(self, lines: int) -> Job:
        self.world.agent.env |= {
            "BENCH_LIST": str(self.list),
            "BENCH_LINES": str(lines),
            "BENCH_CLOCK": str(self.clock),
        }
        self.world.start()
        job = self.world.bbs.add_backup("/nonexistent/repo", ["/"], expected_files=lines)
        self.world.poll()
        return job

    def finish(self, job: Job, lines: int) -> None:
        self.world.agent.stop()
        self.world.check(job)
        path = self.sshd.catalog(job.id)
        with path.open("rb") as f:
            count = sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))
            f.seek(0)
            if b'"mtime":null' in f.readline():
                raise RuntimeError("the files were not found")
        path.unlink()
        if count != lines:
            raise RuntimeError(f"{count} lines of {lines} came")

    def stats(self, lines: int) -> tuple[float, float]:
        """Microseconds: by path, below the open directory."""
        done = subprocess.run([self.statloop, self.list, str(lines)], check=True,
                              capture_output=True, text=True)  # fmt: skip
        whole, below = (float(word) / 1000 for word in done.stdout.split())
        return whole, below

    def speed(self, lines: int) -> Speed:
        others = Others()
        stat_us = self.stats(lines)
        os.sync()
        job = self.order(lines)
        cpu = self.watch(job)
        status = next(r for r in reversed(self.world.bbs.requests("status")) if r.json)
        seconds = status.time - int(self.clock.read_text()) / 1e9
        share = others.share()
        self.finish(job, lines)
        return Speed(lines / seconds, cpu / 1000 / lines, stat_us, share)

    def watch(self, job: Job) -> int:
        """Waits for the report; the CPU of the busiest worker, in ns."""
        used: dict[int, int] = {}
        deadline = time.monotonic() + 600
        while not job.reports:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no report of job {job.id}\n{self.world.agent.log[-4000:]}")
            for pid in used or self.workers():
                used[pid] = max(used.get(pid, 0), own_ns(pid))
            time.sleep(WATCH_SECONDS)
        return max(used.values(), default=0)

    def workers(self) -> list[int]:
        """The worker, once it has started borg."""
        below = process.descendants(self.world.agent.pid)
        borgs = {p.parent for p in below if p.command.startswith(f"{self.borg} create")}
        return [pid for pid in borgs if pid != self.world.agent.pid]

    def peak(self, lines: int) -> float:
        """MB of all the agent's processes, looked at 20 times a second."""
        job = self.order(lines)
        peak = 0.0
        while not job.reports:
            peak = max(peak, self.world.pss_mb())
            time.sleep(SAMPLE_SECONDS)
        self.finish(job, lines)
        return peak


def measure(place: Path, lines: int, runs: int, say: Callable[[str], None]) -> list[Figure]:
    with Sshd(place / "sshd") as sshd, World(place) as world:
        course = Course(world, sshd)
        speeds = []
        for n in range(runs):
            s = course.speed(lines)
            say(f"catalogue {n + 1}: {s.entries:,.0f} entries/s, {s.entry_us:.2f} us of CPU each, "
                f"the stat alone {s.stat_us[1]:.2f} (by path {s.stat_us[0]:.2f}), "
                f"{s.machine}")  # fmt: skip
            speeds.append(s)
        found = judge(course, lines, speeds)
        if not world.may_look():
            say("peak memory: left out, only root can look at the network process")
            return found
        few = lines // 10
        peaks = {count: course.peak(count) for count in (few, lines)}
        say(f"peak memory: {peaks[few]:.2f} MB with {few:,} lines, {peaks[lines]:.2f} with {lines:,}")
    return [*found, judge_memory(few, lines, peaks)]


def judge(course: Course, lines: int, speeds: list[Speed]) -> list[Figure]:
    below = [s.stat_us[1] for s in speeds]
    whole = [s.stat_us[0] for s in speeds]
    shares = [s.machine for s in speeds]
    machine = [vars(s) for s in shares]
    rest = summary(shares)
    cpu_note = (
        f"The worker's CPU for {lines:,} lines naming {FILES:,} files that exist, paths of "
        f"{course.path_length} bytes: read, parse, stat, write to ssh. The stat alone, measured "
        f"in the same run: {statistics.median(below):.2f} us below an open directory, "
        f"{statistics.median(whole):.2f} us by path. {rest}"
    )
    speed_note = (
        f"{lines:,} lines, from the fake borg's first to the final report: the whole catalogue is "
        f"on the server by then. ssh, sshd and the server run on the same machine. {rest}"
    )
    return [
        figure("cpu_entry", [s.entry_us for s in speeds], cpu_note,
               stat_below=below, stat_path=whole, machine=machine),
        figure("entries", [s.entries for s in speeds], speed_note, machine=machine),
    ]  # fmt: skip


def judge_memory(few: int, lines: int, peaks: dict[int, float]) -> Figure:
    note = (
        f"Supervisor, network processes and worker together, every 50 ms. {peaks[few]:.2f} MB with "
        f"{few:,} lines, {peaks[lines]:.2f} MB with {lines:,}."
    )
    return figure("pss_peak", [peaks[few], peaks[lines]], note, lines=[few, lines])
