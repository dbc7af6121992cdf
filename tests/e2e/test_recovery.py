"""After a crash: the next start ends what is left, tells the server, runs what
is owed, and touches nothing that is not its own."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from support import process
from support.agent import Agent
from support.site import Faked, MakeFaked

SLEEPS = "progress(1, 1); time.sleep(100)"
REBOOTED = "Interrupted: the host was restarted while the job ran"
CRASHED = "Interrupted: the agent ended unexpectedly while the job ran"


def wait_until(what: Callable[[], Any], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def journal(agent: Agent) -> Path:
    return agent.var / "journal"


def records(agent: Agent, job_id: int) -> list[dict[str, Any]]:
    text = (journal(agent) / f"{job_id}.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def record(agent: Agent, job_id: int, **fields: Any) -> None:
    with (journal(agent) / f"{job_id}.log").open("a") as file:
        file.write(json.dumps(fields) + "\n")


def borgs(world: Faked) -> list[process.Process]:
    found = process.descendants(os.getpid())
    return [p for p in found if str(world.borg.path) in p.command and p.state != "Z"]


def kill_tree(world: Faked, who: str = "all") -> None:
    """SIGKILL to the supervisor, to its workers, too, or to borg as well."""
    victims = [p.pid for p in process.descendants(world.agent.pid)]
    if who != "all":
        victims = [p.pid for p in world.agent.own_processes() if p.pid != world.agent.pid]
    if who == "supervisor":
        victims = []
    # as one blow: none may see the others die
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in [*victims, world.agent.pid]:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass
    assert world.agent.stop() == -signal.SIGKILL
    for pid in victims:
        process.reap(pid)


def running(faked: MakeFaked, body: str = SLEEPS, **more: Any) -> tuple[Faked, Job]:
    world = faked(body, ssh=False)
    job = world.order(**more)
    world.bbs.wait(lambda: world.borg.runs(), 15)
    return world, job


def only_report(world: Faked, job: Job, timeout: float = 20) -> dict[str, Any]:
    """The one report, and nothing more of the job on disk."""
    world.bbs.wait_status(job, timeout)
    world.bbs.wait_polls(2)
    assert len(job.reports) == 1, job.reports
    wait_until(lambda: not list(journal(world.agent).iterdir()))
    assert not world.agent.spool()
    assert not list(world.agent.root.rglob(".*.tmp"))
    return job.reports[0]


@pytest.mark.parametrize("who", ["supervisor", "all"])
def test_half_written_files_go(faked: MakeFaked, who: str) -> None:
    """Also while a worker outlives the agent: when that has ended."""
    world, job = running(faked, "signal.signal(signal.SIGTERM, lambda *_: None); time.sleep(2)")
    kill_tree(world, who)
    halves = plant_halves(world.agent)
    world.agent.start()
    if who == "supervisor":
        world.agent.wait_log("outlived the agent")
        assert all(path.exists() for path in halves)
    only_report(world, job)
    wait_until(lambda: not any(path.exists() for path in halves))


def test_half_written_files_of_a_lost_worker_go(faked: MakeFaked) -> None:
    """The agent itself lives on, maybe for months."""
    world, job = running(faked)
    halves = plant_halves(world.agent)
    os.kill(process.look(borgs(world)[0].pid).parent, signal.SIGKILL)  # type: ignore[union-attr]
    only_report(world, job)
    wait_until(lambda: not any(path.exists() for path in halves))


def plant_halves(agent: Agent) -> list[Path]:
    """What a write leaves that was cut short before its rename, and secrets
    that a worker which lives on may need."""
    places = (agent.etc, agent.var, agent.var / "spool", journal(agent), agent.run_dir)
    paths = [place / ".x.0123456789ab.tmp" for place in places]
    names = ("remote-key-7", "hook-passphrase-7", ".hook-passphrase-7", "secret-7", "secret-7.js")
    paths += [agent.run_dir / name for name in names]
    for path in paths:
        path.write_text("half")
    return paths


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Not ours, though the journal may name its number."""
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as found:
        yield found
        assert found.poll() is None, "a stranger was killed"
        found.kill()


@pytest.mark.parametrize("who", ["supervisor", "workers", "all"])
def test_killed_while_borg_runs(faked: MakeFaked, who: str) -> None:
    world, job = running(faked)
    kill_tree(world, who)
    if who == "all":
        assert not process.settled(lambda: borgs(world))
    if who == "workers":
        assert borgs(world)
    polls = len(world.bbs.requests("tasks"))
    world.agent.start()
    report = only_report(world, job)
    assert report["result"] == "failed"
    assert "Interrupted" in report["error_log"]
    assert not process.settled(lambda: borgs(world))
    if who != "supervisor":
        assert report["error_log"] == CRASHED
        before = [r.endpoint for r in world.bbs.requests()][-200:]
        told = [r.time for r in world.bbs.requests("status")][-1]
        asked = [r.time for r in world.bbs.requests("tasks")[polls:] if r.time < told]
        assert len(asked) <= 1, before


def test_killed_before_the_server_heard_of_it(faked: MakeFaked) -> None:
    """It is handed out once more, and runs: once."""
    world = faked(ssh=False)
    world.bbs.fault("progress", "hang")
    job = world.order()
    world.bbs.wait(lambda: [r for r in world.bbs.requests("progress")], 15)
    assert records(world.agent, job.id)[0]["type"] == "backup"
    kill_tree(world)
    world.bbs.drop_connections()
    world.agent.start()
    assert only_report(world, job)["result"] == "completed"
    assert len(world.borg.runs()) == 1


def test_killed_when_the_server_had_just_heard_of_it(faked: MakeFaked) -> None:
    world = faked(ssh=False)
    world.bbs.fault("progress", "drop", times=100, done=True)
    job = world.order()
    world.bbs.wait(lambda: job.state == "running", 15)
    kill_tree(world)
    world.bbs.faults.clear()
    world.agent.start()
    assert only_report(world, job)["error_log"] == CRASHED
    assert not world.borg.runs()


def test_killed_while_the_report_is_sent(faked: MakeFaked) -> None:
    world = faked(ssh=False)
    world.bbs.fault("status", "hang")
    job = world.order()
    world.bbs.wait(lambda: world.bbs.requests("status"), 15)
    kill_tree(world)
    world.bbs.drop_connections()
    world.agent.start()
    assert only_report(world, job)["result"] == "completed"


def test_the_host_was_restarted(
    faked: MakeFaked, stranger: subprocess.Popen[bytes]
) -> None:
    """Numbers and even start times of then mean nothing any more."""
    world, job = running(faked)
    kill_tree(world)
    path = journal(world.agent) / f"{job.id}.log"
    boot = records(world.agent, job.id)[0]["boot"]
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    start = process.start_time(stranger.pid)
    record(world.agent, job.id, worker=stranger.pid, start=start, boot=boot)
    record(world.agent, job.id, group=stranger.pid, start=start)
    path.write_text(path.read_text().replace(boot, "0" * 8 + boot[8:]))
    world.agent.start()
    assert only_report(world, job)["error_log"] == REBOOTED


def test_a_stranger_got_the_number(
    faked: MakeFaked, stranger: subprocess.Popen[bytes]
) -> None:
    world, job = running(faked)
    kill_tree(world)
    boot = records(world.agent, job.id)[0]["boot"]
    record(world.agent, job.id, worker=stranger.pid, start=7, boot=boot)
    record(world.agent, job.id, group=stranger.pid, start=7)
    world.agent.start()
    assert only_report(world, job)["error_log"] == CRASHED


def test_what_is_acknowledged_stays_so(faked: MakeFaked) -> None:
    world = faked(ssh=False)
    job = world.order()
    assert only_report(world, job)["result"] == "completed"
    world.agent.stop()
    world.agent.start()
    world.bbs.ask_about(job.id)
    # and a server that forgot hands it out again
    job.state = "queued"
    world.bbs.wait_polls(3)
    assert len(job.reports) == 1
    assert len(world.borg.runs()) == 1


def test_damaged_files(faked: MakeFaked) -> None:
    world = faked(start=False, ssh=False)
    jobs = [world.order() for _ in range(5)]
    for job in jobs:
        job.state = "running"
    spool, agent = world.agent.var / "spool", world.agent
    for path in (spool, journal(agent)):
        path.mkdir(parents=True)
    (journal(agent) / f"{jobs[0].id}.log").write_text("")
    (journal(agent) / f"{jobs[1].id}.log").write_bytes(b'{"type":"backup"}\n\x00\x00\n')
    (journal(agent) / f"{jobs[2].id}.log").write_text('{"journal":9,"type":"backup","new":[1]}\n')
    (spool / f"{1:016x}-{jobs[3].id}.json").write_text('{"job_id":' + str(jobs[3].id))
    good = {"job_id": jobs[4].id, "result": "completed"}
    (spool / f"{2:016x}-{jobs[4].id}.json").write_text(json.dumps(good))
    (agent.var / "done").write_bytes(b"\xff\x00garbage\n12")
    (journal(agent) / ".7.log.0123456789ab.tmp").write_text("half")
    world.start()
    for job in jobs:
        world.bbs.wait_status(job)
    world.bbs.wait_polls(1)
    assert [len(job.reports) for job in jobs] == [1] * 5
    results = [job.reports[0]["result"] for job in jobs]
    assert results == ["failed"] * 4 + ["completed"]
    assert "damaged" in jobs[3].reports[0]["error_log"]
    errors = [line for line in agent.log.splitlines() if " ERROR " in line]
    assert sum("is damaged: set aside" in line for line in errors) == 2
    assert sum("set aside as .bad" in line for line in errors) == 1
    left = [p.name for p in (*spool.iterdir(), *journal(agent).iterdir())]
    assert len(left) == 3 and all(name.endswith(".bad") for name in left)


def hooked(place: Path, name: str = "post", body: str = "") -> list[dict[str, Any]]:
    """A hook that writes down that it ran, and how the backup ended."""
    script = place / f"{name}.sh"
    script.write_text(f'#!/bin/sh\necho "{name} $BBS_BACKUP_STATUS" >>"{place}/trace"\n{body}\n')
    script.chmod(0o755)
    config = {"pre_script": "/bin/true", "post_script": str(script), "timeout": 60}
    return [{"slug": "shell_hook", "config": config}]


def trace(place: Path) -> list[str]:
    path = place / "trace"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("who", ["supervisor", "all"])
def test_an_owed_script_runs_once(faked: MakeFaked, place: Path, who: str) -> None:
    """And before the next job: it may start what the first one stopped."""
    body = f"open('{place}/trace', 'a').write('borg\\n'); time.sleep(3); summary()"
    world, job = running(faked, body, plugins=hooked(place))
    kill_tree(world, who)
    second = world.order(plugins=hooked(place, "post2"))
    world.agent.start()
    assert only_report(world, job)["result"] == "failed"
    assert world.bbs.wait_status(second, 30)["result"] == "completed"
    wait_until(lambda: len(trace(place)) == 4)
    assert trace(place) == ["borg", "post failed", "borg", "post2 completed"]


def test_an_owed_script_of_a_lost_worker(faked: MakeFaked, place: Path) -> None:
    """The agent itself lives on."""
    world, job = running(faked, plugins=hooked(place))
    os.kill(process.look(borgs(world)[0].pid).parent, signal.SIGKILL)  # type: ignore[union-attr]
    assert "signal 9" in only_report(world, job)["error_log"]
    assert trace(place) == ["post failed"]


def test_killed_in_a_post_script(faked: MakeFaked, place: Path) -> None:
    """It runs again, with what the backup's end was, and is reported once."""
    world = faked(ssh=False)
    body = f'[ -e "{place}/again" ] || {{ touch "{place}/again"; sleep 100; }}'
    job = world.order(plugins=hooked(place, body=body))
    wait_until(lambda: trace(place))
    world.bbs.wait_status(job)
    world.bbs.wait_polls(1)
    kill_tree(world, "workers")
    world.agent.start()
    wait_until(lambda: len(trace(place)) == 2)
    assert only_report(world, job)["result"] == "completed"
    assert trace(place) == ["post completed"] * 2


def test_a_log_line_outlives_a_failed_call(bbs: BBS, faked: MakeFaked, place: Path) -> None:
    world = faked(ssh=False)
    config = {"pre_script": f"sh -c 'until [ -e {place}/go ]; do sleep 0.1; done'"}
    job = world.order(plugins=[{"slug": "shell_hook", "config": config}])
    bbs.wait(lambda: job.last("status_message") == "Running plugin: Shell Script Hook", 15)
    fault = bbs.fault("progress", "error_500")
    (place / "go").touch()
    bbs.wait_status(job)
    assert fault.times == 0
    lines = [p["log_message"] for p in job.progress if "log_message" in p]
    assert len([line for line in lines if line.startswith("Shell hook")]) == 1
