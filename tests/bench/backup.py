"""A backup of many small files through the agent, against borg alone.

Both run the very same command, in turns, on the same repository over the same
sshd. Alone means: its log thrown away (2>/dev/null), no catalogue.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bbsd.server import CREATE
from support import tree
from support.repo import PASSPHRASE, Repo, create_repo
from support.sshd import Sshd

from .cpu import Others, Share, summary, tree_seconds
from .figures import Figure, figure
from .world import World

KINDS = {"first": "first run (empty repository, no cache)", "unchanged": "unchanged files"}


@dataclass
class Run:
    wall: float  # seconds
    cpu: float


class Contest:
    def __init__(self, world: World, sshd: Sshd, files: int, say: Callable[[str], None]) -> None:
        self.world, self.sshd, self.files, self.say = world, sshd, files, say
        self.number = 0
        self.source = world.dir / "tree"
        say(f"a tree of {files:,} small files in {self.source}")
        tree.make_many(self.source, files)
        self.directories = sum(len(d) for _, d, _ in os.walk(self.source)) + 1
        self.empty = create_repo(sshd, world.dir / "look", "empty").path
        self.repo = Repo(sshd.home / "repo1", sshd.repo_url(), world.dir / "look")
        world.bbs.use_ssh(sshd.access)
        world.configure()

    def forget(self) -> None:
        """As before the first run: nothing stored, nothing cached."""
        for path in (self.repo.path, self.world.agent.home):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.empty, self.repo.path)
        self.world.agent.home.mkdir()

    def through_agent(self, kind: str) -> Run:
        """From the order to the final report, catalogue and all."""
        world, expected = self.world, self.files if kind == "unchanged" else 0
        world.start()
        before = tree_seconds(world.agent.pid)
        began = time.monotonic()
        job = world.bbs.add_backup(
            self.repo.url, [str(self.source)], PASSPHRASE, expected_files=expected
        )
        world.poll()
        world.bbs.wait_status(job, timeout=60 + self.files / 100)
        status = next(r for r in reversed(world.bbs.requests("status")) if r.json)
        wall = status.time - began
        world.agent.wait_jobless()
        cpu = tree_seconds(world.agent.pid) - before
        world.agent.stop()
        world.check(job)
        self.check_catalogue(self.sshd.catalog(job.id))
        return Run(wall, cpu)

    def check_catalogue(self, path: Path) -> None:
        with path.open("rb") as lines:
            count = sum(1 for _ in lines)
        path.unlink()
        if count != self.files + self.directories:
            raise RuntimeError(f"{count} lines in the catalogue of {self.files} files")

    def alone(self, kind: str) -> Run:
        self.number += 1
        command = [*CREATE, f"{self.repo.url}::alone{self.number}", str(self.source)]
        key = self.sshd.dir / "client_key"
        env = {**self.world.agent.env, **self.world.bbs.borg_env(PASSPHRASE),
               "LANG": "C.UTF-8", "BORG_RSH": self.sshd.access.rsh(str(key))}  # fmt: skip
        began = time.monotonic()
        borg = subprocess.Popen(
            command, env=env, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, usage = os.wait4(borg.pid, 0)
        wall = time.monotonic() - began
        borg.returncode = os.waitstatus_to_exitcode(status)
        if borg.returncode != 0:
            raise RuntimeError(f"borg alone ended with {borg.returncode}")
        return Run(wall, usage.ru_utime + usage.ru_stime)

    def pair(self, kind: str, number: int) -> tuple[Run, Run, Share]:
        """(agent, alone, what else the machine did); who goes first takes
        turns."""
        runs: dict[str, Run] = {}
        others = Others()
        for who in ("agent", "alone") if number % 2 else ("alone", "agent"):
            if kind == "first":
                self.forget()
            os.sync()
            runs[who] = self.through_agent(kind) if who == "agent" else self.alone(kind)
        share = others.share()
        a, b = runs["agent"], runs["alone"]
        self.say(
            f"{kind} {number}: {a.wall:.2f} s / {b.wall:.2f} s = {a.wall / b.wall:.3f}, "
            f"CPU {a.cpu:.2f} s / {b.cpu:.2f} s = {a.cpu / b.cpu:.3f}; {share}"
        )
        return a, b, share


def measure(place: Path, files: int, pairs: int, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    with Sshd(place / "sshd") as sshd, World(place) as world:
        contest = Contest(world, sshd, files, say)
        # Not counted: the files come into memory, python's own into its cache.
        contest.forget()
        contest.alone("first")
        for kind, text in KINDS.items():
            done = [contest.pair(kind, n + 1) for n in range(pairs)]
            figures += judge(kind, text, files, done)
    wall_first, cpu_first, wall_same, cpu_same = figures
    return [wall_first, wall_same, cpu_first, cpu_same]


def judge(kind: str, text: str, files: int, done: list[tuple[Run, Run, Share]]) -> list[Figure]:
    out = []
    for what in ("wall", "cpu"):
        ours = [getattr(a, what) for a, _, _ in done]
        bare = [getattr(b, what) for _, b, _ in done]
        unit = "s" if what == "wall" else "s CPU"
        note = (
            f"{files:,} files, {text}: {statistics.median(ours):.2f} {unit} through the agent, "
            f"{statistics.median(bare):.2f} {unit} for borg alone (medians of {len(done)} pairs, "
            f"in turns; 2>/dev/null, repokey-blake2 over a private sshd). "
        )
        note += (
            "From the order to the final report, with the catalogue on the server."
            if what == "wall"
            else "The agent's side: all its processes, borg, and both ssh; sshd for neither."
        )
        shares = [s for _, _, s in done]
        note += f" {summary(shares)}"
        ratios = [a / b for a, b in zip(ours, bare)]
        out.append(figure(f"{what}_{kind}", ratios, note, agent=ours, alone=bare,
                          machine=[vars(s) for s in shares]))
    return out
