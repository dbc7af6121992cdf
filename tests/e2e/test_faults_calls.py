"""System calls that fail, one after the other: no disk, no memory, no
process, no descriptor. Each time: no report is lost, no job runs twice, the
agent lives on, and what comes afterwards is as good as ever."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bbsd import BBS
from support import process
from support.agent import Agent
from support.clock import Clock
from support.inject import OPEN, POLL, SUPERVISOR, UNLINK, WORKERS, cases, failing, starting
from support.site import Faked, MakeFaked

def nothing_is_left(world: Faked) -> list[Path]:
    journal = world.agent.var / "journal"
    return [*journal.iterdir(), *world.agent.spool(), *world.agent.run_dir.glob("*-key*"),
            *world.agent.root.rglob(".*.tmp")]  # fmt: skip


def settle(world: Faked, timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while left := nothing_is_left(world):
        assert time.monotonic() < deadline, f"left: {left}"
        time.sleep(0.02)


def prepared(faked: MakeFaked) -> tuple[Faked, Clock]:
    world = faked("file('/etc/hostname'); progress(1, 100); summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    world.start()
    return world, clock


def suffer(world: Faked, case: tuple[str, str, str], workers: bool) -> None:
    """One backup and one look under that fault, and a backup afterwards."""
    pid, runs = world.agent.pid, len(world.borg.runs())
    with failing(world.agent, *case, workers=workers):
        jobs = [world.order(), world.bbs.add_task({"task": "list_dir", "path": "/etc"})]
        try:
            world.bbs.wait(lambda: all(job.reports for job in jobs), 1)
        except TimeoutError:
            pass  # not while it lasts, then
    for job in jobs:
        report = world.bbs.wait_status(job, 20)
        assert report["result"] == "completed" or report["error_log"], report
    ran = len(world.borg.runs()) - runs
    assert ran <= 1
    assert world.backup(timeout=20)["result"] == "completed"
    if case[0] == UNLINK:  # what could not be removed, the next start removes
        world.agent.stop()
        world.start()
        pid = world.agent.pid
    settle(world)
    for job in jobs:  # more than once where the answer could not be read
        assert len(job.reports) == 1 or case[0] in ("sendmsg", "recvmsg")
        assert all(report == job.reports[0] for report in job.reports)
    assert len(world.borg.runs()) - runs == ran + 1
    assert world.agent.running and world.agent.pid == pid
    # A report that says so is no lie.
    if jobs[0].reports[0]["result"] == "completed":
        assert ran == 1


@pytest.mark.parametrize("table", [SUPERVISOR, WORKERS], ids=["supervisor", "workers"])
def test_calls_that_fail(faked: MakeFaked, table: list[tuple[str, str, tuple[str, ...]]]) -> None:
    world, clock = prepared(faked)
    with clock.runs(20):
        for case in cases(table):
            try:
                suffer(world, case, table is WORKERS)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"{case}: {error}") from error


def test_a_wait_that_fails_is_no_flood(bbs: BBS, started: Agent) -> None:
    """Neither of the log nor of the processor."""
    began = process.cpu_seconds([started.pid])
    with failing(started, POLL, "ENOMEM", "1+"):
        started.wait_log("ERROR cannot wait: ")
        time.sleep(1.5)
    assert process.cpu_seconds([started.pid]) - began < 0.3
    assert 1 <= started.log.count("ERROR cannot wait: ") < 8
    bbs.wait_polls(2)


def test_a_journal_that_cannot_be_read_is_kept(faked: MakeFaked, place: Path) -> None:
    """The server is told of the job; the script that it owes runs when the
    file can be read."""
    script = place / "post.sh"
    script.write_text(f"#!/bin/sh\necho ran >>{place}/trace\n")
    script.chmod(0o755)
    hook = {"slug": "shell_hook", "config": {"pre_script": "/bin/true", "post_script": str(script)}}
    world = faked("progress(1, 1); time.sleep(100)", ssh=False)
    job = world.order(plugins=[hook])
    world.bbs.wait(world.borg.runs, 15)
    victims = [p.pid for p in process.descendants(world.agent.pid)]
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in [*victims, world.agent.pid]:
            os.kill(pid, how)
    world.agent.stop()
    for pid in victims:
        process.reap(pid)
    journal = world.agent.var / f"journal/{job.id}.log"
    world.agent.prefix = starting(OPEN, "EIO", journal)
    world.agent.start()
    report = world.bbs.wait_status(job, 15)
    assert "Interrupted" in report["error_log"]
    world.agent.wait_log("cannot read the journal")
    world.bbs.wait_polls(1)
    assert journal.exists() and not (place / "trace").exists()
    world.agent.stop()
    world.agent.prefix = []
    world.agent.start()
    settle(world)
    assert (place / "trace").read_text() == "ran\n"
    assert len(job.reports) == 1


def test_a_spool_that_cannot_be_read_is_not_empty(faked: MakeFaked) -> None:
    """The job whose report lies there is not unknown. Nobody else knows it any
    more: the agent was started anew."""
    world = faked("summary()", ssh=False)
    fault = world.bbs.fault("status", "status", times=100000, code=503)
    job = world.order()
    world.agent.wait_log(f"the report of job {job.id} is kept")
    world.agent.stop()
    world.agent.start()
    world.bbs.wait_polls(1)
    for call, error in ((OPEN, "EMFILE"), ("?getdents,getdents64", "EIO")):
        with failing(world.agent, call, error, "1+"):
            world.bbs.ask_about(job.id, "tasks")
            world.bbs.wait_polls(2)
    fault.times = 0
    assert world.bbs.wait_status(job)["result"] == "completed"
    settle(world)
    assert [report["result"] for report in job.reports] == ["completed"]
    assert "the server asks about it" not in world.agent.log


# a disk that is full, descriptors that are used up


def own_disk(agent: Agent, place: Path) -> None:
    """The agent's own files lie on a disk of a few pages, from its start."""
    for path in (agent.var, agent.run_dir):
        path.mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o size=256k tmpfs {agent.var}"
    alone = ["unshare", "-m", "sh", "-c"]
    if subprocess.run([*alone, mount], capture_output=True).returncode != 0:
        pytest.skip("no mounts here")
    agent.prefix = [*alone, f'{mount} && exec "$@"', "sh"]


def inside(agent: Agent) -> Path:
    """Its var directory, as it sees it."""
    return Path(f"/proc/{agent.pid}/root{agent.var}")


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk(faked: MakeFaked, place: Path) -> None:
    """Backups go on, and are told of; a report that waits does so in memory
    and is on disk as soon as there is room and the agent ends."""
    world = faked("summary()", start=False, ssh=False)
    own_disk(world.agent, place)
    world.start()
    var = inside(world.agent)
    fill(var / "filler")
    assert world.backup()["result"] == "completed"
    world.agent.wait_log("No space left on device; it is kept in memory")
    fault = world.bbs.fault("status", "status", times=1000, code=503)
    waits = world.order()
    world.agent.wait_log(f"the report of job {waits.id} is kept")
    assert not list(var.glob("spool/*"))
    (var / "filler").unlink()
    fault.times = 0
    report = world.bbs.wait_status(waits, 15)
    assert report["result"] == "completed"
    assert world.backup()["result"] == "completed"
    world.bbs.wait_polls(1)
    assert len(waits.reports) == 1
    assert not list(var.glob("spool/*")) and not list(var.glob("journal/*"))
    assert not [p for p in var.rglob(".*.tmp")]


def test_a_disk_that_fills_up_at_each_write(faked: MakeFaked, place: Path) -> None:
    """With room for so many pages less each time."""
    world = faked("summary()", start=False, ssh=False)
    own_disk(world.agent, place)
    world.start()
    world.backup()
    var = inside(world.agent)
    for pages in range(5):
        fill(var / "filler")
        with (var / "filler").open("rb+") as filler:
            filler.truncate((var / "filler").stat().st_size - pages * 4096)
        job = world.order()
        os.kill(world.agent.pid, signal.SIGUSR1)  # polls now
        assert world.bbs.wait_status(job)["result"] == "completed"
        world.agent.wait_log(f"job {job.id}: reported to the server")
        assert len(job.reports) == 1
        (var / "filler").unlink()
    world.bbs.wait_polls(1)
    assert not list(var.glob("spool/*")) and not list(var.glob("journal/*"))


def test_no_descriptors_left(faked: MakeFaked) -> None:
    """From none at all to enough: whatever lacks one, the rest goes on."""
    world = faked("summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    world.start()
    limits = resource.prlimit(world.agent.pid, resource.RLIMIT_NOFILE)
    used = max(int(p.name) for p in Path(f"/proc/{world.agent.pid}/fd").iterdir()) + 1
    with clock.runs(20):
        for more in range(0, 7):
            resource.prlimit(world.agent.pid, resource.RLIMIT_NOFILE, (used + more, limits[1]))
            job = world.order()
            with contextlib.suppress(TimeoutError):
                world.bbs.wait_status(job, 0.6)
            resource.prlimit(world.agent.pid, resource.RLIMIT_NOFILE, limits)
            report = world.bbs.wait_status(job)
            assert report["result"] == "completed" or report["error_log"]
            settle(world)
            assert len(job.reports) == 1
        assert world.backup()["result"] == "completed"
