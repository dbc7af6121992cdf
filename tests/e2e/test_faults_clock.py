"""Time: a server that is away for an hour at each step of the cycle, a clock
that somebody sets, a host that was suspended. The agent's clocks are played
(support/clock.py), so an hour takes seconds."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from bbsd import BBS, Job
from support.agent import BINARY, Agent
from support.clock import YEAR, Clock
from support.relay import Relay
from support.site import Faked, MakeFaked

HOUR = 3600
# It runs until the test says so.
UNTIL_GO = "progress(1, 1)\nwhile not os.path.exists(HERE + '/go'): time.sleep(0.02)\nsummary()"


def descriptors(agent: Agent) -> int:
    return len(list(Path(f"/proc/{agent.pid}/fd").iterdir()))


def world_of(faked: MakeFaked, body: str = UNTIL_GO) -> tuple[Faked, Clock]:
    world = faked(body, start=False, ssh=False)
    return world, Clock(world.agent)


def go(world: Faked) -> None:
    (world.borg.dir / "go").touch()


# a server that was put back to an earlier state


def test_a_number_that_is_given_out_anew(faked: MakeFaked) -> None:
    """The server knows nothing of the report that it took: the job is not run
    again, and is no job without an end. What was on its way is let pass."""
    world, clock = world_of(faked, "summary()")
    world.start()
    job = world.order()
    assert world.bbs.wait_status(job)["result"] == "completed"
    with world.bbs.state.changed:
        job.state = "queued"
    world.bbs.wait_polls(2)
    assert len(job.reports) == 1
    clock.passes(360)
    world.bbs.wait(lambda: len(job.reports) == 2, 20)
    again = job.reports[1]
    assert again["result"] == "failed" and "does not run it again" in again["error_log"]
    world.bbs.wait_polls(2)
    assert len(job.reports) == 2 and len(world.borg.runs()) == 1
    [past] = json.loads((world.agent.var / "history.json").read_text())["history"]
    assert past["result"] == "completed"


# an hour without a server


def leave_at(world: Faked, clock: Clock, step: str) -> Job | None:
    """The server goes in the middle of that request; the job that runs."""
    bbs = world.bbs
    if step == "register":
        bbs.stop()
        world.agent.start()
        world.agent.wait_log("refused")
        return None
    world.start()
    job = world.order() if step in ("progress", "heartbeat", "status") else None
    if job:
        bbs.wait(world.borg.runs, 15)
    before = len(bbs.requests(step))
    bbs.fault(step, "hang")
    if step == "status":
        go(world)
    elif step == "info":
        clock.passes(HOUR + 1, step=HOUR + 1)
    elif step != "tasks":
        clock.passes(12, step=12)
    bbs.wait(lambda: len(bbs.requests(step)) > before, 15)
    bbs.stop()
    bbs.faults.clear()
    return job


@pytest.mark.parametrize("step", ["register", "tasks", "progress", "status", "info", "heartbeat"])
def test_an_hour_without_a_server(faked: MakeFaked, step: str) -> None:
    world, clock = world_of(faked)
    job = leave_at(world, clock, step)
    began, open_then = len(world.agent.log.splitlines()), descriptors(world.agent)
    clock.passes(HOUR, step=20, pause=0.012)
    lines = world.agent.log.splitlines()[began:]
    tries = sum("again: " in line for line in lines)
    # It neither gives up nor hammers, and the log stays calm.
    ways = 2 if step == "status" else 1  # reports are tried beside the rest
    assert 30 < tries < 110 * ways, tries
    # (borg --version has less time here than it would)
    said = [line for line in lines
            if re.search("Z (WARN|ERROR) ", line) and "borg" not in line]  # fmt: skip
    assert len(said) <= 4, said
    assert descriptors(world.agent) <= open_then + 4
    world.bbs.start()
    late = world.order()
    go(world)
    with clock.runs():
        assert world.bbs.wait_status(late)["result"] == "completed"
        if job:
            assert world.bbs.wait_status(job)["result"] == "completed"
        world.bbs.wait_polls(2)
    assert not job or len(job.reports) == 1
    assert len(world.borg.runs()) == (2 if job else 1)


# a clock that is set


@pytest.mark.parametrize("years", [1, -1], ids=["forward", "back"])
def test_the_clock_is_set_while_a_job_runs(faked: MakeFaked, years: int) -> None:
    """No timer of the agent minds. Certificates do, until the clock is right
    again, and the report waits for that."""
    world, clock = world_of(faked)
    world.start()
    job = world.order()
    world.bbs.wait(world.borg.runs, 15)
    clock.is_set(years * YEAR)
    world.bbs.wait_polls(1)
    # A process of before would resume its TLS session without a certificate.
    for net in world.agent.own_processes():
        if "net-process" in net.command:
            os.kill(net.pid, signal.SIGKILL)
    line = world.agent.wait_log("certificate")
    assert re.search("expired|valid only from|cannot be judged", line), line
    polls = len(world.bbs.requests())
    go(world)
    world.agent.wait_log(f"job {job.id} is kept and sent again")
    assert len(world.bbs.requests()) == polls
    assert not job.reports
    clock.is_set(-years * YEAR)
    with clock.runs():
        assert world.bbs.wait_status(job)["result"] == "completed"
        world.bbs.wait_polls(2)
    assert len(job.reports) == 1 and len(world.borg.runs()) == 1


@pytest.mark.parametrize("years", [1, -1], ids=["forward", "back"])
def test_the_clock_was_set_over_a_restart(
    place: Path, faked: MakeFaked, years: int
) -> None:
    """What lies in the spool is sent, whatever year its name says; what was
    acknowledged stays so."""
    with BBS(place / "plain", tls=False) as bbs:
        world = faked("summary()", start=False, ssh=False)
        world.bbs = bbs
        clock = Clock(world.agent)
        world.agent.configure(bbs)
        world.start()
        old = world.order()
        bbs.wait_status(old)
        bbs.fault("status", "error_500", times=1000)
        jobs = [world.order()]
        bbs.wait_request("status", 2)
        world.agent.stop()
        clock.is_set(years * YEAR)
        world.start()
        jobs.append(world.order())
        bbs.wait(lambda: len(world.borg.runs()) == 3, 15)
        bbs.wait_polls(1)
        bbs.faults.clear()
        with clock.runs():
            for job in jobs:
                assert bbs.wait_status(job)["result"] == "completed"
            bbs.wait_polls(2)
        assert [len(job.reports) for job in (old, *jobs)] == [1, 1, 1]
        assert not world.agent.spool()


def test_a_board_without_a_clock(bbs: BBS, agent: Agent) -> None:
    """It wakes up long before the program was made: one sentence, and all is
    well as soon as somebody sets the clock."""
    clock = Clock(agent)
    agent.configure(bbs)
    clock.is_set(-40 * YEAR)
    agent.start()
    line = agent.wait_log("certificate")
    assert re.search("this host's clock says 19[0-9-]+, which is before .* set the clock", line)
    with clock.runs(10):
        assert bbs.requests() == []
        clock.is_set(40 * YEAR)
        bbs.wait_polls(2)
    said = [line for line in agent.log.splitlines() if "clock says" in line]
    assert len(said) == 1, said


# suspend


def test_asks_at_once_after_a_suspend(bbs: BBS, agent: Agent) -> None:
    """Its timer counts the suspend, as a timeout of poll(2) does not; and the
    connection of before, that nobody knows any more, is not tried."""
    bbs.state.poll_interval = 3600
    clock = Clock(agent)
    with Relay(bbs.port) as relay:
        bbs.public_url = f"https://127.0.0.1:{relay.port}"
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(1)
        agent.wait_log("/api/agent/tasks: 200")
        relay.lose()
        clock.sleeps(8 * HOUR)
        began = time.monotonic()
        bbs.wait_polls(1, 10)
        assert time.monotonic() - began < 3
        assert relay.accepted == 2
    assert "WARN" not in agent.log


def test_a_job_goes_on_after_a_suspend(faked: MakeFaked) -> None:
    world, clock = world_of(faked)
    world.start()
    job = world.order()
    world.bbs.wait(world.borg.runs, 15)
    heard = len(job.progress)
    clock.sleeps(8 * HOUR)
    world.bbs.wait(lambda: len(job.progress) > heard, 3)
    go(world)
    assert world.bbs.wait_status(job)["result"] == "completed"
    assert len(job.reports) == 1


# the seam


def test_the_release_has_no_such_clock() -> None:
    test_build = BINARY.parent / "tests/bbs-agent-clock"
    if not test_build.exists():
        pytest.skip("only where both were built")
    assert b"clock-of-a-test" in test_build.read_bytes()
    assert b"clock-of-a-test" not in BINARY.read_bytes()
