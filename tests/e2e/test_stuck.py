"""Processes that the kernel keeps in state D, where SIGKILL does nothing: real
ones, on a file system whose server reads each question and never answers."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbsd import BBS
from support import process
from support.agent import Agent
from support.clock import Clock
from support.deadmount import CannotMount, Stuck, dead_mount, stuck_mount
from support.site import MakeFaked

STUCK = r"process \d+ does not end \(state D: the kernel waits for \w+\)"


@pytest.fixture
def stuck(place: Path) -> Iterator[Stuck]:
    try:
        with stuck_mount(place / "stuck") as made:
            yield made
    except CannotMount as error:
        pytest.skip(f"no FUSE mount here: {error}")


def test_borg_and_a_hook_that_cannot_be_killed(
    place: Path, stuck: Stuck, faked: MakeFaked
) -> None:
    """Both at once, since each takes 10 s until it is killed, and 10 s until
    it is given up. No other borg starts meanwhile."""
    world = faked(
        "if os.path.exists(HERE + '/second'): summary(); sys.exit(0)\n"
        f"ignore_term()\nos.stat({str(stuck.path)!r} + '/x')",
        ssh=False,
    )
    hook = place / "hook"
    hook.write_text(f"#!/bin/sh\nexec stat {stuck.path}/y\n")
    hook.chmod(0o755)
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    config = {"pre_script": str(hook), "post_script": "", "timeout": "1"}
    test = world.bbs.add_task({"task": "plugin_test",
                               "plugin": {"slug": "shell_hook", "config": config}})  # fmt: skip
    (world.borg.dir / "second").touch()
    began = time.monotonic()
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job, 40)
    assert 15 < time.monotonic() - began < 35
    assert report["result"] == "failed"
    assert_matches(rf"Cancelled by user.*; {STUCK}", report["error_log"])
    told = world.bbs.wait_status(test, 20)
    assert told["result"] == "failed" and "timed out after 1 s" in str(told)
    assert_matches(STUCK, told["error_log"])
    # What hangs is not forgotten, and the next job waits for it ...
    borg = world.borg.runs()[0]["pid"]
    assert state_of(borg) == "D"
    following = world.order()
    world.agent.wait_log(f"job {following.id}: backup received")
    world.bbs.wait_polls(2)
    assert len(world.borg.runs()) == 1
    if not os.environ.get("BBS_TEST_SLOW"):
        stuck.release()
        assert world.bbs.wait_status(following)["result"] == "completed"
        assert state_of(borg) in (None, "Z")
        return
    # ... but not for ever, and says so.
    assert world.bbs.wait_status(following, 60)["result"] == "completed"
    assert state_of(borg) == "D"
    lines = [p["log_message"] for p in following.progress if "log_message" in p]
    assert any("may be locked" in line for line in lines)
    assert_matches(rf"Of job {job.id}, {STUCK}", "\n".join(lines))
    stuck.release()


def test_a_look_that_cannot_be_killed(stuck: Stuck, bbs: BBS, agent: Agent) -> None:
    """It is told of, and a run of cron's goes on without it."""
    agent.configure(bbs)
    job = bbs.add_task({"task": "list_dir", "path": f"{stuck.path}/x"})
    agent.start("--once")
    assert agent.process
    assert "15 s" in bbs.wait_status(job, 30)["error_log"]
    assert agent.process.wait(120) == 0
    assert_matches(STUCK, agent.log)
    stuck.release()


def test_a_count_that_cannot_be_killed(stuck: Stuck, faked: MakeFaked) -> None:
    """It is told of, and the backup goes on without it."""
    world = faked("summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    world.start()
    with clock.runs(10):
        report = world.backup(directories=[f"{stuck.path}/x"])
    assert report["result"] == "completed"
    assert_matches(f"{STUCK}; it looked at files only", world.agent.log)
    stuck.release()


def test_a_worker_that_hangs(place: Path, faked: MakeFaked) -> None:
    """On the directory of a restore, before its borg runs. Nobody would ever
    see that, since the supervisor goes on to tell of the job."""
    world = faked(ssh=False, start=False)
    clock = Clock(world.agent)
    try:
        with dead_mount(place / "dead") as dead:
            world.start()
            with clock.runs(5):
                job = world.bbs.add_restore(world.REPO, "a", [], str(dead / "x"))
                world.agent.wait_log(f"job {job.id}: restore started")
            clock.passes(110 * 60, step=30)
            assert not job.reports
            for _ in range(100):  # two minutes in which nobody looked do not count
                if not job.reports:
                    clock.passes(5 * 60, step=30)
            with clock.runs(20):
                report = world.bbs.wait_status(job, 5)
                assert report["result"] == "failed" and "120 minutes" in report["error_log"]
                assert world.backup()["result"] == "completed"
    except CannotMount as error:
        pytest.skip(f"no mount that hangs can be made here: {error}")


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


def state_of(pid: int) -> str | None:
    seen = process.look(pid)
    return seen.state if seen else None
