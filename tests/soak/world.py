"""The small world of a soak: server, sshd, repository and agent, all real but
the backup server. They live as long as the soak; only the agent dies.

Its borg is a script that writes down each of its runs. Then it becomes the
real borg, or, for the repository that is none, pretends to be one for as long
as the job says.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bbsd import BBS, CA
from support import process, tree
from support.agent import Agent
from support.fakeborg import FakeBorg
from support.repo import Repo, create_repo
from support.sshd import Sshd

from .power import Disk

NOWHERE = "/nonexistent/repo"
# A job's word to the borg below; the real one reads its names and knows none.
MARK = "BORG_WORKAROUNDS"
BORG = """
if not any("/nonexistent/" in word for word in sys.argv):
    os.execv("{borg}", ["borg", *sys.argv[1:]])
seconds = float(os.environ["BORG_WORKAROUNDS"].split(",")[1])
file("/etc/hostname")
progress(1, 100)
time.sleep(seconds)
summary()
"""
# What a hook's script does: say that it begins, take its time, say that it is
# over. One write each, so that lines of two scripts cannot mix.
HOOK = """#!/bin/sh
echo "$1-begins $2 $$" >>"{trace}"
sleep "$3"
echo "$1-ends $2 $$" >>"{trace}"
"""


class World:
    """A context manager; the agent is configured and not started."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.dir = place
        ca = CA(place / "ca")
        self.bbs = BBS(place / "bbs", cert=ca.issue(), ca=ca)
        self.sshd = Sshd(place / "sshd")
        self.agent = Agent(place / "agent")
        self.repo: Repo = create_repo(self.sshd, place / "look")
        self.borg = FakeBorg(place / "borg", BORG.format(borg=shutil.which("borg")))
        self.agent.borg = self.borg.path
        self.disk = Disk(self.agent)
        self.trace_path = place / "trace"
        self.hook = place / "hook.sh"
        self.hook.write_text(HOOK.format(trace=self.trace_path))
        self.hook.chmod(0o755)
        self.source = place / "source"
        tree.make_many(self.source / "many", 60)
        tree.make_big(self.source / "big", 2)
        self.restored = place / "restored"
        self.restored.mkdir()
        self.blows: list[Any] = []
        self.held = self.size = 0  # by the supervisor at its first rest
        self.archive = "first"
        self.repo.borg("create", f"{self.repo.path}::first", str(self.source))

    def __enter__(self) -> "World":
        self.stranger = subprocess.Popen(["sleep", "infinity"], start_new_session=True)
        self.bbs.start()
        self.sshd.start()
        self.bbs.use_ssh(self.sshd.access)
        self.agent.configure(self.bbs)
        self.disk.sync()
        return self

    def __exit__(self, *_: object) -> None:
        for how in (self.agent.stop, self.sshd.stop, self.bbs.stop, self.stranger.kill):
            try:
                how()
            except AssertionError as error:
                print(f"soak: {error}")
        self.stranger.wait()
        process.kill_all(process.descendants(os.getpid()))

    # what happened

    def runs(self, job_id: int) -> list[dict[str, Any]]:
        """How often borg ran for that job."""
        mark = f"job-{job_id},"
        return [r for r in self.borg.runs() if r["env"].get(MARK, "").startswith(mark)]

    def trace(self) -> list[tuple[str, int]]:
        """What scripts did, in order: what, for which job."""
        if not self.trace_path.exists():
            return []
        lines = [line.split() for line in self.trace_path.read_text().splitlines()]
        return [(line[0], int(line[1])) for line in lines]

    # who is there

    def started(self) -> list[process.Process]:
        """All that this agent, living or dead, has started and that is there:
        not itself, its network processes, nor what the servers started."""
        self.tidy()
        ours = {self.sshd.pid, self.agent.pid, self.stranger.pid}
        ours |= {p.pid for p in process.descendants(self.sshd.pid)}
        mine = self.agent.pid
        return [p for p in process.descendants(os.getpid())
                if p.pid not in ours and not self.is_server(p)
                and not (p.parent == mine and "net-process" in p.command)]  # fmt: skip

    def tidy(self) -> None:
        """What died and was left to us is collected, as init does it."""
        own = {self.sshd.pid, self.agent.pid, self.stranger.pid}
        for p in process.descendants(os.getpid()):
            if p.state == "Z" and p.parent == os.getpid() and p.pid not in own:
                process.reap(p.pid, 0.1)

    def is_server(self, p: process.Process) -> bool:
        """Of sshd, and what that leaves to us when a session breaks."""
        client = p.command.startswith("ssh ")
        named = any(word in p.command for word in ("sshd", "borg serve", str(self.sshd.dir)))
        return named and not client

    def hears(self, number: signal.Signals) -> bool:
        """Has the agent come so far that it takes this signal as a message?"""
        try:
            status = Path(f"/proc/{self.agent.pid}/status").read_text()
        except OSError:
            return False
        blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
        return bool(int(blocked.split()[1], 16) >> (number - 1) & 1)


def wait_for(what: Callable[[], Any], seconds: float, pause: float = 0.02) -> bool:
    """Until it is so; False: it is not, after all that time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
