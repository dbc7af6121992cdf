"""Does the soak see what it looks for? A small world of its own (tests/soak),
at rest; then one thing after the other is made wrong in it."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from soak import invariants, kill, orders
from soak.blows import Blow
from soak.invariants import Broken
from soak.orders import Order
from soak.power import BINARY
from soak.world import NOWHERE, World


@dataclass
class Rest:
    """A world in which jobs are over."""

    world: World
    orders: list[Order]

    @property
    def job(self) -> Order:
        return self.orders[0]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    if not BINARY.exists():
        pytest.skip(f"{BINARY} is not there: make build/tests/bbs-agent-power")
    with World(tmp_path_factory.mktemp("soak")) as w:
        w.agent.start()
        w.bbs.wait_polls(1)
        rng = orders.random.Random(1)
        rest = Rest(w, [make(w, rng) for make in (orders.quick, orders.hook, orders.look)])
        invariants.wait_rest(w, rest.orders)
        yield rest
        w.agent.stop()


@contextlib.contextmanager
def file(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("left")
    yield
    path.unlink()


def in_root(name: str) -> Callable[[Rest], contextlib.AbstractContextManager[None]]:
    return lambda rest: file(rest.world.agent.root / name)


@contextlib.contextmanager
def again(rest: Rest, **other: str) -> Iterator[None]:
    """Its report comes once more, with these words."""
    rest.job.job.reports.append({**rest.job.job.reports[0], **other})
    yield
    rest.job.job.reports.pop()


@contextlib.contextmanager
def nothing_told(rest: Rest) -> Iterator[None]:
    job, reports = rest.job.job, rest.job.job.reports
    job.reports = []
    yield
    job.reports = reports


@contextlib.contextmanager
def run_twice(rest: Rest) -> Iterator[None]:
    path = rest.world.borg.dir / "runs"
    before = path.read_text()
    path.write_text(before + json.dumps(rest.world.runs(rest.job.job.id)[0]) + "\n")
    yield
    path.write_text(before)


@contextlib.contextmanager
def script(rest: Rest, change: Callable[[str], str]) -> Iterator[None]:
    path = rest.world.trace_path
    before = path.read_text()
    path.write_text(change(before))
    yield
    path.write_text(before)


@contextlib.contextmanager
def process(rest: Rest) -> Iterator[None]:
    """What a borg is that nobody looks after any more."""
    left = subprocess.Popen([rest.world.borg.path, "create", NOWHERE], start_new_session=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env={"BORG_WORKAROUNDS": "job-0,600"})  # fmt: skip
    yield
    left.kill()
    left.wait()


@contextlib.contextmanager
def late_word(rest: Rest) -> Iterator[None]:
    w = rest.world
    body = {"job_id": rest.job.job.id, "status_message": "Backing up"}
    late = next(r for r in w.bbs.requests("progress") if r.json)
    kept, late.json = late.json, body
    w.bbs.record.append(late)
    yield
    w.bbs.record.pop()
    late.json = kept


WRONG = {
    "a file half written": (in_root("var/lib/bbs-agent/.done.0a.tmp"), "files left"),
    "a report half written": (in_root("var/lib/bbs-agent/spool/.1-2.json.0a.tmp"), "no rest"),
    "a journal": (in_root("var/lib/bbs-agent/journal/1.log"), "no rest"),
    "a report": (in_root("var/lib/bbs-agent/spool/1-2.json"), "no rest"),
    "a key": (in_root("run/bbs-agent/remote-key-1"), "files left"),
    "a passphrase": (in_root("run/bbs-agent/hook-passphrase-1"), "files left"),
    "a locked repository": (lambda rest: file(rest.world.repo.path / "lock.exclusive"), "locked"),
    "a locked cache": (lambda rest: file(rest.world.agent.home / ".cache/borg/1/lock.exclusive"),
                       "locks of dead borgs"),
    "a process": (process, "no rest"),
    "a report lost": (nothing_told, "without a report"),
    "a report twice": (again, "reported 2 times, after 0 blows"),
    "two reports": (lambda rest: again(rest, error_log="other words"), "contradictory reports"),
    "a failure without words": (lambda rest: again(rest, result="failed"), "contradictory"),
    "borg ran twice": (run_twice, "borg ran 2 times"),
    "a script ran twice": (lambda rest: script(rest, lambda text: text * 2), "script ran 2 times"),
    "a script owed": (lambda rest: script(rest, lambda text: text.replace("post-ends", "x")),
                      "is owed"),
    "a word behind the report": (late_word, "behind its report"),
}  # fmt: skip


def look(rest: Rest) -> None:
    """As the soak does behind each round."""
    invariants.wait_rest(rest.world, rest.orders, 1)
    invariants.check(rest.world, rest.orders, 0)
    invariants.check_cache(rest.world)


@pytest.mark.parametrize("what", WRONG)
def test_it_sees(rest: Rest, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, words = WRONG[what]
    look(rest)
    monkeypatch.setattr(invariants, "SOON_SECONDS", 0.5)
    with make(rest), pytest.raises(Broken) as broken:
        look(rest)
    assert words in str(broken.value)


def test_it_sees_a_lock_that_is_held(rest: Rest) -> None:
    """By what an agent left that has ended."""
    w = rest.world
    w.agent.stop()
    blow = Blow("agent", signal.SIGTERM, "", lambda w: None, 0, 0)
    kill.check_gone(w, blow)
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c", "import fcntl, sys, time\n"
         "file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX)\n"
         "print(flush=True); time.sleep(600)", w.agent.run_dir / "lock"],
        stdout=subprocess.PIPE)  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline()
    try:
        with pytest.raises(Broken, match="has stopped and left|its lock is held"):
            kill.check_gone(w, blow)
        with pytest.raises(Broken, match="its lock is held"):
            kill.check_gone(w, Blow("agent", signal.SIGKILL, "", lambda w: None, 0, 0))
    finally:
        holder.kill()
        holder.communicate()
    w.agent.start()
    w.bbs.wait_polls(1)
