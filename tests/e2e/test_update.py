"""The agent's own update: by the server's order and by hand, and every way in
which it must not happen, or must be undone. support/release.py says what the
new versions are."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, CA, Cert, Job
from bbsd.faults import Exchange, Fault
from bbsd.state import Body
from support import process
from support.agent import Agent
from support.clock import BINARY as CLOCKED
from support.clock import Clock
from support.fakeborg import HALF_WAY, FakeBorg
from support.files import Files
from support.release import NAME, NEW, NEWER, OLD, Key, as_version, fatal, release, signed

SUPPORT = Path(__file__).resolve().parents[1] / "support"


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


@pytest.fixture
def files(cert: Cert) -> Iterator[Files]:
    with Files(cert) as server:
        yield server


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

    def ordered(self, timeout: float = 30) -> Body:
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


class Watched:
    """Is a lock ever free meanwhile?"""

    def __init__(self, path: Path) -> None:
        self.path, self.free = path, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self) -> "Watched":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def watch(self) -> None:
        with self.path.open("r+b") as lock:
            while not self.over.is_set():
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                self.free += 1
                fcntl.lockf(lock, fcntl.LOCK_UN)


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


# it works


def test_ordered(host: Host) -> None:
    """Downloaded, verified, tried; then another program in the same process,
    the lock held all the time, and the server is told by the new one."""
    fresh = as_version(NEW)
    host.offer(release(host.key, NEW, fresh))
    host.start()
    pid = host.agent.pid
    assert host.bbs.state.information[-1]["auto_update_enabled"] is True
    assert host.told() == OLD
    with Watched(host.agent.run_dir / "lock") as lock:
        report = host.ordered()
        assert report["result"] == "completed", report
    assert NEW in report["output_log"] and OLD in report["output_log"]
    assert lock.free == 0, "the lock was free for a moment"
    assert host.agent.pid == pid and host.agent.running
    assert host.told() == NEW
    assert host.program.read_bytes() == fresh
    assert host.program.stat().st_mode & 0o777 == 0o755
    assert (host.program.parent / "bbs-agent.old").read_bytes() == host.body
    assert host.beside() == ["bbs-agent", "bbs-agent.old"]
    assert host.updated
    assert not any("authorization" in s.headers for s in host.files.seen), "the key leaked"
    # Its descriptors are those of any agent: nothing was left open for it.
    assert len(os.listdir(f"/proc/{pid}/fd")) < 16
    # Once more: there is nothing newer now, and the next one comes.
    report = host.ordered()
    assert report["result"] == "failed" and "is the newest" in report["error_log"]
    host.offer(release(host.key, NEWER, as_version(NEWER)))
    assert host.ordered()["result"] == "completed"
    assert host.told() == NEWER and host.agent.pid == pid
    assert (host.program.parent / "bbs-agent.old").read_bytes() == fresh


def test_by_hand(host: Host) -> None:
    """From a directory, while the agent runs."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    pid, asked = host.agent.pid, len(host.files.seen)
    done = host.hand("--check", "--from", str(host.medium))
    assert done.returncode == 0, done.stderr
    assert f"installed: bbs-agent {OLD}" in done.stdout
    assert f"available: bbs-agent {NEW}" in done.stdout
    assert "newer: yes" in done.stdout
    host.unchanged()
    done = host.hand("--from", str(host.medium))
    assert done.returncode == 0, done.stderr
    assert "took over, and the server has answered it" in done.stdout
    assert (host.version(), host.told(), host.agent.pid) == (NEW, NEW, pid)
    assert host.updated and len(host.files.seen) == asked
    done = host.hand()
    assert done.returncode == 0 and "is the newest" in done.stdout
    assert "newer: no" in host.hand("--check").stdout


def test_by_hand_without_an_agent(host: Host) -> None:
    """From the configured address; the next start is the new one."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(auto="no")
    done = host.hand()
    assert done.returncode == 0, done.stderr
    assert "no agent runs here" in done.stdout
    assert host.version() == NEW and host.phase == "pending"
    assert host.agent.once().returncode == 0
    assert host.updated and host.told() == NEW
    assert host.state["starts"] == 0, "it ended in good order"


def test_once(host: Host) -> None:
    """From cron: ordered, done and reported in one run."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure()
    job = host.bbs.add_task({"task": "update_agent"})
    done = host.agent.once()
    assert done.returncode == 0, done.stderr
    assert host.bbs.wait_status(job)["result"] == "completed"
    assert host.version() == NEW


def test_two_keys(host: Host, other_key: Key) -> None:
    """A change of key: the file holds the next one, too."""
    both = host.program.parent.parent / "both.pem"
    both.write_bytes(other_key.public.read_bytes() + host.key.public.read_bytes())
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(public_key=both)
    assert host.hand().returncode == 0
    assert host.version() == NEW


def test_after_the_backup(host: Host, place: Path) -> None:
    """By hand during a backup: tried and put into its place at once, taken
    over when the backup is done. Ordered, it waits for its turn."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    borg = FakeBorg(place / "slow", HALF_WAY)
    host.agent.borg = borg.path
    host.start()
    backup = host.bbs.add_backup("/nonexistent/repo", ["/etc/hostname"], "secret")
    host.bbs.wait(lambda: borg.runs(), 20)
    update = host.order()
    done = host.hand()
    assert done.returncode == 0, done.stderr
    assert "takes over when its job is done" in done.stdout
    assert host.told() == OLD or backup.reports == []
    assert backup.reports == [] and update.progress == []
    assert host.state["starts"] == 0
    (borg.dir / "go").touch()
    assert host.bbs.wait_status(backup)["result"] == "completed"
    report = host.bbs.wait_status(update)
    assert "is the newest" in report["error_log"]
    assert host.told() == NEW and host.updated


def test_once_more_by_hand(host: Host) -> None:
    """The agent never heard that a new version is in its place: the next call
    tells it."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    os.kill(host.agent.pid, signal.SIGUSR2)  # there is nothing to take over
    host.bbs.wait_polls(2)
    host.program.rename(host.program.with_name("bbs-agent.old"))
    host.program.write_bytes(as_version(NEW))
    host.program.chmod(0o755)
    state = {"phase": "pending", "from": OLD, "to": NEW, "program": str(host.program)}
    (host.agent.var / "update.json").write_text(json.dumps(state))
    host.bbs.wait_polls(2)
    assert host.told() == OLD
    done = host.hand()
    assert done.returncode == 0 and "took over" in done.stdout, done
    assert host.told() == NEW and host.updated


# it must not be


def spoiled(host: Host, other: Key, how: str) -> dict[str, bytes]:
    fresh = as_version(NEW)
    good = release(host.key, NEW, fresh)
    sums = good["SHA256SUMS"]
    made: dict[str, dict[str, bytes]] = {
        "forged": {**good, "SHA256SUMS.sig": other.sign(sums)},
        "changed": {**good, "SHA256SUMS": sums.replace(b"bbs-agent-other", b"bbs-agent-0ther")},
        "no signature": {**good, "SHA256SUMS.sig": b""},
        "noise": {**good, "SHA256SUMS.sig": b"\x30\x45" + b"\xff" * 69},
        "wrong sum": {**good, NAME: fresh + b"\0"},
        "cut": {**good, NAME: fresh[:100_000]},
        "older": release(host.key, "2.9.9", fresh),
        "the same": release(host.key, OLD, host.body),
        "no version": signed(host.key, {NAME: fresh}, sums.partition(b"\n")[2]),
        "no number": release(host.key, "latest", fresh),
        "not for us": release(host.key, NEW, fresh, "bbs-agent-z80"),
        "no program": release(host.key, NEW, b"#!/bin/sh\nexit 40\n"),
        "another": release(host.key, NEW, Path("/usr/bin/openssl").read_bytes()),
        "its name": release(host.key, NEWER, fresh),
        "empty": {**good, NAME: b""},
    }
    return made[how]


@pytest.mark.parametrize(
    "how, words",
    [
        ("forged", "signature of SHA256SUMS is wrong"),
        ("changed", "signature of SHA256SUMS is wrong"),
        ("no signature", "signature of SHA256SUMS is wrong"),
        ("noise", "signature of SHA256SUMS is wrong"),
        ("wrong sum", "is not what was signed"),
        ("cut", "is not what was signed"),
        ("older", "an older version is never installed"),
        ("the same", "is the newest that"),
        ("no version", "does not begin with"),
        ("no number", "does not begin with"),
        ("not for us", "has no program for this machine"),
        ("no program", "it is no program"),
        ("another", "is no static program"),
        ("its name", f'calls itself "bbs-agent {NEW}"'),
        ("empty", "is not what was signed"),
    ],
)
def test_not_installed(host: Host, other_key: Key, how: str, words: str) -> None:
    host.offer(spoiled(host, other_key, how))
    host.configure()
    done = host.hand("--from", str(host.medium))
    said = done.stdout if how == "the same" else done.stderr
    assert words in said, done
    assert len(said.strip().splitlines()) == 1
    assert done.returncode == (0 if how == "the same" else 1)
    host.unchanged()


def test_refused_by_order(host: Host, other_key: Key) -> None:
    """The same reasons reach the server, one job after the other."""
    host.start()
    assert "404" in host.refused()
    host.offer(spoiled(host, other_key, "forged"))
    assert "signature of SHA256SUMS is wrong" in host.refused()
    host.offer(spoiled(host, other_key, "wrong sum"))
    assert "is not what was signed" in host.refused()
    host.offer(spoiled(host, other_key, "older"))
    assert "an older version is never installed" in host.refused()
    host.offer(spoiled(host, other_key, "the same"))
    assert "is the newest" in host.refused()
    host.offer(spoiled(host, other_key, "its name"))
    assert "calls itself" in host.refused()
    assert host.told() == OLD


def test_without_a_key(host: Host) -> None:
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(public_key=None)
    assert host.bbs.state.information[-1]["auto_update_enabled"] is False
    assert "there is no key" in host.refused()
    assert host.files.seen == []


def test_an_unusable_key(host: Host) -> None:
    rsa = Key(host.program.parent.parent / "rsa", "rsa", "RSA")
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(public_key=rsa.public)
    assert "holds no ECDSA P-256 public key" in host.hand().stderr
    host.configure(public_key="/nonexistent/key.pem")
    assert "public_key = /nonexistent/key.pem: No such file" in host.hand().stderr
    host.unchanged()


def test_not_allowed(host: Host) -> None:
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    assert host.bbs.state.information[-1]["auto_update_enabled"] is False
    assert "auto_update = yes" in host.refused()
    assert host.files.seen == []


def test_allowed_by_the_environment(host: Host) -> None:
    host.agent.env["BBS_AUTO_UPDATE"] = "false"
    host.start()
    assert host.bbs.state.information[-1]["auto_update_enabled"] is False
    assert "auto_update = yes" in host.refused()


def test_the_usual_address(host: Host) -> None:
    host.start(url=None)
    assert f"cannot get {host.bbs.url}/bbs-agent/SHA256SUMS" in host.refused()


@pytest.mark.parametrize(
    "how, words",
    [("CRASH", "does not work here (code 134)"), ("SILENT", "does not work here (code 0)"),
     ("FAIL", "does not work here (code 1): nothing works")],
)  # fmt: skip
def test_a_trial_that_fails(
    host: Host, broken: Callable[[str], bytes], how: str, words: str
) -> None:
    host.offer(release(host.key, NEW, broken(how)))
    host.start()
    assert words in host.refused()


def test_a_trial_that_hangs(host: Host, broken: Callable[[str], bytes]) -> None:
    """A cancel ends it; without one its time does, see test_a_trial_without_end."""
    host.offer(release(host.key, NEW, broken("HANG")))
    host.start()
    job = host.order()
    host.wait_trial()
    host.bbs.cancel(job)
    report = host.bbs.wait_status(job)
    assert report["result"] == "failed" and "Cancelled" in report["error_log"]
    host.unchanged()


@pytest.mark.skipif("BBS_TEST_LONG" not in os.environ, reason="takes over a minute")
def test_a_trial_without_end(host: Host, broken: Callable[[str], bytes]) -> None:
    host.offer(release(host.key, NEW, broken("HANG")))
    host.start()
    report = host.ordered(90)
    assert "it did not end within 60 s" in report["error_log"], report
    host.unchanged()


def test_a_trial_that_the_server_refuses(host: Host) -> None:
    """The new version is good, but the server does not answer it."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start()
    host.bbs.fault("register", "status", code=503)
    assert "the server answers 503" in host.refused()
    assert host.told() == OLD
    host.bbs.faults.append(NewIsUnheard(0))
    assert "the server answers 503" in host.refused()
    assert host.told() == OLD


def test_a_program_that_others_can_replace(host: Host) -> None:
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure()
    host.program.parent.chmod(0o777)
    assert "others can write into the directory" in host.hand().stderr
    host.program.parent.chmod(0o755)
    host.unchanged()


def test_one_at_a_time(host: Host, broken: Callable[[str], bytes]) -> None:
    host.offer(release(host.key, NEW, broken("HANG")))
    host.configure()
    words = host.agent.command("update")
    with subprocess.Popen(words, env=host.agent.env, stderr=subprocess.DEVNULL) as first:
        host.wait_trial()
        # An agent that starts meanwhile leaves it alone.
        assert host.agent.once().returncode == 0
        assert "bbs-agent.new" in host.beside()
        assert "another update is at work" in host.hand().stderr
        first.terminate()
        assert first.wait(20) == 1
    host.unchanged()


# it is undone


def test_rolled_back(host: Host) -> None:
    """A new version that dies three times before the server answered it."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start()
    fault = NewIsUnheard()
    host.bbs.faults.append(fault)
    job = host.order()
    for starts in (1, 2, 3):
        host.bbs.wait(lambda n=starts: host.state.get("starts") == n, 30)
        assert host.version() == NEW and job.reports == []
        host.agent.stop(signal.SIGKILL)
        host.agent.start()
    report = host.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert f"bbs-agent {NEW} was taken back" in report["error_log"]
    assert f"This is {OLD} again" in report["error_log"]
    assert host.program.read_bytes() == host.body
    assert host.beside() == ["bbs-agent"]
    host.bbs.wait(lambda: host.told() == OLD, 20)
    assert host.agent.running
    state = host.state
    assert (state["phase"], state["from"], state["to"]) == ("rolled_back", OLD, NEW)
    assert "3 times" in state["reason"] and state["job_id"] == 0
    assert len(job.reports) == 1
    # The server may not try it again, a person may.
    report = host.ordered()
    assert "only \"bbs-agent update\" by hand" in report["error_log"]
    host.bbs.faults.remove(fault)
    done = host.hand()
    assert done.returncode == 0, done.stderr
    assert host.told() == NEW and host.updated


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_fails_behind_its_trial(host: Host, how: str) -> None:
    """The service starts it again whenever it dies; one that hangs is ended by
    its own alarm. The fourth start brings the old one back."""
    host.offer(release(host.key, NEW, fatal(how)))
    host.start()
    job, died = host.order(), 0
    deadline = time.monotonic() + 60
    while not job.reports:
        assert time.monotonic() < deadline, host.agent.log
        if not host.agent.running:
            died += 1
            host.agent.start()
        time.sleep(0.05)
    assert died == 3 and job.reports[0]["result"] == "failed"
    assert "started 3 times and ended unexpectedly" in job.reports[0]["error_log"]
    assert host.agent.log.count(f"bbs-agent {NEW} started") == 3
    assert host.program.read_bytes() == host.body and host.beside() == ["bbs-agent"]
    host.bbs.wait(lambda: host.told() == OLD, 20)
    host.bbs.wait(lambda: f"{NEW} was taken back on" in (host.status() or ""), 20)


def test_crashes_later(host: Host) -> None:
    """It works, the server has heard so, and then it dies again and again."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start()
    job = host.order()
    assert host.bbs.wait_status(job)["result"] == "completed"
    host.agent.wait_log(f"job {job.id}: reported")
    for starts in (1, 2, 3):
        host.bbs.wait(lambda n=starts: host.state["starts"] == n and host.updated, 30)
        host.agent.stop(signal.SIGKILL)
        host.agent.start()
    host.bbs.wait(lambda: host.told() == OLD, 20)
    assert host.phase == "rolled_back" and host.program.read_bytes() == host.body
    assert len(job.reports) == 1 and host.agent.running


@pytest.fixture
def timed(place: Path, bbs: BBS, agent: Agent, files: Files, key: Key) -> tuple[Host, Clock]:
    """A host whose clocks the test sets, in both versions."""
    clock, seam = Clock(agent), ".clock-of-a-test"
    at = Path(f"{agent.binary}{seam}")
    host = Host(place, bbs, agent, files, key)
    Path(f"{host.program}{seam}").symlink_to(at)
    return host, clock


def test_proved(timed: tuple[Host, Clock]) -> None:
    """After ten minutes no later crash counts."""
    host, clock = timed
    host.offer(release(host.key, NEW, as_version(NEW, CLOCKED)))
    host.start()
    assert host.ordered()["result"] == "completed"
    assert host.updated and host.state["starts"] == 1
    clock.passes(500)
    host.bbs.wait_polls(2)
    assert host.state["starts"] == 1
    clock.passes(110)
    host.bbs.wait(lambda: host.state["starts"] == 0, 20)
    for _ in range(4):
        host.agent.stop(signal.SIGKILL)
        host.agent.start()
        host.bbs.wait_polls(1)
    assert host.updated and host.told() == NEW


def test_never_heard(timed: tuple[Host, Clock]) -> None:
    """It runs, and nothing comes of it: after an hour the old one is back, and
    may try again when the server says so."""
    host, clock = timed
    host.offer(release(host.key, NEW, as_version(NEW, CLOCKED)))
    host.start()
    host.bbs.faults.append(NewIsUnheard())
    job = host.order()
    host.bbs.wait(lambda: host.state.get("starts") == 1, 30)
    clock.passes(3000, pause=0.05)
    assert job.reports == [] and host.phase == "pending"
    with clock.runs(200):
        report = host.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert "ran for an hour without an answer of the server" in report["error_log"]
    host.bbs.wait(lambda: host.told() == OLD, 20)
    assert host.phase == "rolled_back" and host.program.read_bytes() == host.body
    host.bbs.faults.clear()
    assert host.ordered()["result"] == "completed"
    assert host.updated and host.told() == NEW


def test_stopped_in_good_order(host: Host) -> None:
    """An outage of the server is no reason to go back: only ends that nobody
    ordered count."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start()
    host.bbs.faults.append(NewIsUnheard())
    job = host.order()
    for _ in range(5):
        host.bbs.wait(lambda: host.state.get("starts") == 1, 30)
        host.agent.wait_log(f"bbs-agent {NEW} started")
        assert host.agent.stop() == 0
        host.agent.log_path.unlink()
        assert host.state["starts"] == 0
        host.agent.start()
    host.bbs.faults.clear()
    assert host.bbs.wait_status(job)["result"] == "completed"
    assert host.version() == NEW


def killed_at(host: Host, call: str, step: int) -> bool:
    """Updates by hand, killed before its nth call of that name; was it?"""
    update = host.agent.command("update", "--from", str(host.medium))
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=KILL:when={step}", *update],
        env=host.agent.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "ptrace" in done.stderr.lower() and "not permitted" in done.stderr.lower():
        pytest.skip("strace may not")
    return done.returncode != 0


@pytest.mark.parametrize("call", ["fsync", "unlink", "rename", "link", "fchmod"])
def test_the_power_fails(host: Host, call: str) -> None:
    """Killed before each of its calls that change something: the program is a
    whole one at each moment, the agent starts, and nothing is left over."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    calls = {"unlink": "?unlink,?unlinkat", "rename": "?rename,?renameat,?renameat2",
             "link": "?link,?linkat"}.get(call, call)  # fmt: skip
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(auto="no")
    seen, step, killed = set(), 0, True
    while killed and step < 30:
        step += 1
        killed = killed_at(host, calls, step)
        version = host.version()
        seen.add(version)
        assert killed or version == NEW
        assert host.agent.once().returncode == 0, step
        assert (host.version(), host.told()) == (version, version), step
        assert host.phase == ("installed" if version == NEW else ""), step
        assert "bbs-agent.new" not in host.beside(), step
        (host.agent.var / "update.json").unlink(missing_ok=True)
        for path in host.program.parent.iterdir():
            path.unlink()
        host.program.write_bytes(host.body)
        host.program.chmod(0o755)
    assert not killed and step > 1 and seen == {OLD, NEW}, (step, seen)


def test_killed_while_it_updates(host: Host, broken: Callable[[str], bytes]) -> None:
    """The agent and all that is below it die during the trial: the next start
    is the old version, and says so."""
    host.offer(release(host.key, NEW, broken("HANG")))
    host.start()
    job = host.order()
    host.wait_trial()
    os.kill(host.agent.pid, signal.SIGSTOP)
    process.kill_all(process.descendants(host.agent.pid))
    host.agent.stop(signal.SIGKILL)
    host.agent.start()
    report = host.bbs.wait_status(job)
    assert report["result"] == "failed" and "interrupted" in report["error_log"].lower()
    host.unchanged()


def test_an_older_version_reads_a_newer_ones_files(host: Host) -> None:
    """What a version to come may leave in the spool, the journal and the state
    of an update: unknown members are passed over, and nothing is lost."""
    var = host.agent.var
    for name in ("spool", "journal"):
        (var / name).mkdir(parents=True, mode=0o700)
    report = {"job_id": 900, "result": "completed", "new_member": {"a": [1]}}
    (var / "spool" / "0000000000000001-900.json").write_text(json.dumps(report))
    (var / "spool" / "later.cbor").write_bytes(b"\x00\x01")
    records = [{"journal": 2, "job_id": 901, "type": "sing", "mood": "good"},
               {"tune": 7, "at": {"x": 1}}]  # fmt: skip
    (var / "journal" / "901.log").write_text("".join(json.dumps(r) + "\n" for r in records))
    (var / "journal" / "901.idx").write_bytes(b"\x00")
    state = {"phase": "resting", "from": OLD, "to": NEW, "program": "/x", "more": True}
    (var / "update.json").write_text(json.dumps(state))
    host.start()
    sent = host.bbs.wait(
        lambda: {r.json["job_id"]: r.json for r in host.bbs.requests("status") if r.json}
        if len(host.bbs.requests("status")) >= 2 else None, 20)  # fmt: skip
    assert sent[900]["new_member"] == {"a": [1]}
    assert "Interrupted" in sent[901]["error_log"]
    assert (var / "spool" / "later.cbor").exists() and (var / "journal" / "901.idx").exists()
    assert host.state == state
