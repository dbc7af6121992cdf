"""The agent's own update, undone: a new version that turns out to be none, the
power that fails in the middle, and an old version among a newer one's files."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bbsd import BBS
from support import process
from support.agent import Agent
from support.clock import BINARY as CLOCKED
from support.clock import Clock
from support.fakeborg import HALF_WAY, FakeBorg
from support.files import Files
from support.release import NEW, OLD, Key, as_version, fatal, release
from support.updating import Host, NewIsUnheard, broken, host, key  # noqa: F401


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
    sums = host.files.files.pop("/dist/SHA256SUMS")
    assert "404" in host.ordered()["error_log"]
    host.files.files["/dist/SHA256SUMS"] = sums
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
    host.bbs.wait(lambda: not host.agent.spool(), 20)
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
    clock.passes(200)
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
    assert "ran for an hour without an answer from the server" in report["error_log"]
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


def test_the_agent_dies_meanwhile(host: Host) -> None:
    """Whoever updates goes on; the agent that was started again sees it done."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    words = host.agent.command("update", "--from", str(host.medium))
    host.bbs.fault("register", "slow", seconds=2)
    with subprocess.Popen(words, env=host.agent.env, stdout=subprocess.DEVNULL) as update:
        host.wait_trial()
        host.agent.stop(signal.SIGKILL)
        host.agent.start()
        assert update.wait(30) == 0
    host.bbs.wait(lambda: host.told() == NEW and host.updated, 20)
    assert host.agent.log.count(f"bbs-agent {OLD} started") == 2


def test_an_older_version_reads_a_newer_ones_files(host: Host, place: Path) -> None:
    """What a version to come may leave in the spool, the journal and the state
    of an update: unknown members are passed over, nothing is lost, and what had
    begun, by whatever record, does not run again."""
    var, borg = host.agent.var, FakeBorg(place / "borg", HALF_WAY)
    host.agent.borg = borg.path
    for name in ("spool", "journal"):
        (var / name).mkdir(parents=True, mode=0o700)
    jobs = [host.bbs.add_backup("/nonexistent/repo", ["/etc/hostname"]) for _ in range(3)]
    later, begun, untold = (job.id for job in jobs)
    report = {"job_id": 900, "result": "completed", "new_member": {"a": [1]}}
    (var / "spool" / "0000000000000001-900.json").write_text(json.dumps(report))
    (var / "spool" / "later.cbor").write_bytes(b"\x00\x01")
    for number, records in {
        901: [{"journal": 2, "type": "sing", "mood": "good"}, {"tune": 7, "at": {"x": 1}}],
        later: [{"journal": 2, "type": "backup"}],
        begun: [{"journal": 1, "type": "backup", "new": 1}, {"phase": "two"}],
        untold: [{"journal": 1, "type": "backup", "new": 1}],
    }.items():
        lines = [json.dumps({**record, "job_id": number}) + "\n" for record in records]
        (var / "journal" / f"{number}.log").write_text("".join(lines))
    (var / "journal" / "901.idx").write_bytes(b"\x00")
    state = {"phase": "resting", "from": OLD, "to": NEW, "program": "/x", "more": True}
    (var / "update.json").write_text(json.dumps(state))
    host.start()
    sent = host.bbs.wait(
        lambda: {r.json["job_id"]: r.json for r in host.bbs.requests("status") if r.json}
        if len(host.bbs.requests("status")) >= 4 else None, 20)  # fmt: skip
    assert sent[900]["new_member"] == {"a": [1]}
    for number in (901, later, begun):
        assert "Interrupted" in sent[number]["error_log"], number
    # Only that one had not begun.
    (borg.dir / "go").touch()
    assert host.bbs.wait_status(jobs[2])["result"] == "completed"
    host.bbs.wait_polls(2)
    assert len(borg.runs()) == 1 and not any(job.progress for job in jobs[:2])
    assert [len(job.reports) for job in jobs] == [1, 1, 1]
    assert (var / "spool" / "later.cbor").exists() and (var / "journal" / "901.idx").exists()
    assert host.state == state
