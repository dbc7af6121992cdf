"""A host whose agent updates itself: what test_update.py and
test_update_undone.py have in common. support/release.py says what the new
versions are."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, PATIENCE, Cert, Job
from bbsd.faults import Exchange, Fault
from bbsd.state import Body

from . import process
from .agent import Agent
from .files import Files
from .release import NEW, Key

SUPPORT = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def key(workshop: Path) -> Key:
    return Key(workshop / "release", "one")


@pytest.fixture(scope="session")
def other_key(workshop: Path) -> Key:
    return Key(workshop / "release", "two")


@pytest.fixture(scope="session")
def broken(workshop: Path) -> Callable[[str], bytes]:
    """broken("CRASH") is a program that does so."""

    def make(how: str) -> bytes:
        path = workshop / f"elfagent-{how}"
        if not path.exists():
            subprocess.run(
                ["cc", "-static", f"-D{how}", "-o", path, SUPPORT / "elfagent.c"], check=True
            )
        return path.read_bytes()

    return make


class Host:
    """An agent whose program is a file of its own, and a place of releases."""

    def __init__(self, place: Path, bbs: BBS, agent: Agent, files: Files, key: Key) -> None:
        self.bbs, self.agent, self.files, self.key = bbs, agent, files, key
        self.medium = place / "medium"
        self.program = place / "bin" / "bbs-agent"
        self.program.parent.mkdir(mode=0o755)
        shutil.copy(agent.binary, self.program)
        self.body = self.program.read_bytes()
        agent.binary = self.program

    def offer(self, made: dict[str, bytes]) -> None:
        """In both places."""
        self.medium.mkdir(exist_ok=True)
        for name, body in made.items():
            self.files.put(f"/dist/{name}", body)
            (self.medium / name).write_bytes(body)

    def configure(self, auto: str = "yes", **update: Any) -> None:
        update = {"url": self.files.url("/dist"), "public_key": self.key.public, **update}
        self.agent.configure(self.bbs, agent={"poll_interval": 1, "auto_update": auto},
                             update=update)  # fmt: skip

    def start(self, **update: Any) -> "Host":
        self.configure(**update)
        self.agent.start()
        self.bbs.wait_polls(1)
        return self

    def order(self) -> Job:
        job = self.bbs.add_task({"task": "update_agent"})
        os.kill(self.agent.pid, signal.SIGUSR1)
        return job

    def ordered(self, timeout: float = PATIENCE) -> Body:
        return self.bbs.wait_status(self.order(), timeout)

    def hand(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.agent.call("update", *words, "--root", str(self.agent.root), timeout=100)

    @property
    def state(self) -> dict[str, Any]:
        path = self.agent.var / "update.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @property
    def phase(self) -> str:
        return str(self.state.get("phase", ""))

    @property
    def updated(self) -> bool:
        """By its own word: the server answered the new version."""
        return self.phase == "installed" and self.version() == self.state["to"]

    def wait_trial(self) -> None:
        self.bbs.wait(lambda: any(".new" in p.command for p in process.descendants(os.getpid())), 20)

    def status(self) -> Any:
        """What `status` says of updates; the file is written once a second."""
        done = self.agent.call("status", "--json", "--root", str(self.agent.root))
        return json.loads(done.stdout)["update"]

    def doctor(self) -> tuple[str, str]:
        """Its line on updates: state and text."""
        done = self.agent.call("doctor", "--json", "--root", str(self.agent.root))
        check = json.loads(done.stdout)["checks"][-1]
        assert check["check"] == "update"
        return check["state"], check["text"]

    def beside(self) -> list[str]:
        return sorted(p.name for p in self.program.parent.iterdir())

    def version(self) -> str:
        """Of the file; it must be a whole program at any time."""
        done = self.agent.call("version")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[1]

    def told(self) -> str:
        """The version that the server was told last."""
        return str(self.bbs.state.information[-1]["agent_version"])

    def unchanged(self) -> None:
        assert self.program.read_bytes() == self.body
        assert self.beside() == ["bbs-agent"]
        assert self.phase in ("", "failed")
        assert not process.settled(
            lambda: [p for p in process.descendants(os.getpid()) if ".new" in p.command]
        )

    def refused(self) -> str:
        """By order: the reason. Nothing may have changed."""
        report = self.ordered()
        assert report["result"] == "failed", report
        self.unchanged()
        assert self.agent.running
        return str(report["error_log"])


@pytest.fixture
def host(place: Path, bbs: BBS, agent: Agent, files: Files, key: Key) -> Host:
    return Host(place, bbs, agent, files, key)


class NewIsUnheard(Fault):
    """Once it was tried, the new version's polls get no good answer."""

    def __init__(self, good: int = 1) -> None:
        super().__init__("tasks", "status", 1_000_000)
        self.heard, self.good = 0, good

    def play(self, exchange: Exchange) -> bool:
        if exchange.request.headers["user-agent"].endswith(NEW):
            self.heard += 1
            if self.heard > self.good:
                return exchange.send_answer(exchange.answer().__class__(503))
        return exchange.send_answer(exchange.answer())
