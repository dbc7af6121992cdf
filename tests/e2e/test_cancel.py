"""Cancelling and stopping: what is left is nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

from bbsd import BBS
from support.agent import Agent
from support.site import MakeFaked, cancelled

def test_a_restore_is_cancelled_too(faked: MakeFaked, place: Path) -> None:
    world = faked("item('etc/hostname'); time.sleep(100)")
    job = world.bbs.add_restore(world.REPO, "x", ["etc/hostname"], str(place / "out"))
    world.bbs.wait(lambda: len(job.progress) >= 2, 20)
    assert cancelled(world, job) < 2.5
    world.agent.wait_jobless()


def test_borg_may_release_its_locks(faked: MakeFaked) -> None:
    """SIGTERM to borg alone comes first; its half second is granted."""
    world = faked(
        "def leave(*_):\n"
        "    time.sleep(0.5); open(HERE + '/released', 'w').close(); os._exit(143)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "progress(1, 1)\n"
        "time.sleep(60)"
    )
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    time.sleep(0.3)
    assert cancelled(world, job) < 2.5
    assert (world.borg.dir / "released").exists()


def test_a_silent_borg_is_cancelled(faked: MakeFaked) -> None:
    """Cancel comes by progress answers only: they go on while borg is silent."""
    world = faked("time.sleep(100)")
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    pressed = time.monotonic()
    assert cancelled(world, job) < 2.5
    assert job.cancel_time and job.cancel_time - pressed < 6


def test_a_borg_that_ignores_sigterm_is_killed(faked: MakeFaked) -> None:
    world = faked(
        "ignore_term()\n"
        "subprocess.Popen([sys.executable, '-S', '-c', 'import signal, time;"
        " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)'])\n"
        "time.sleep(100)"
    )
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    time.sleep(0.3)
    assert 9 < cancelled(world, job, 30) < 13
    world.agent.wait_jobless()


def test_cancelled_before_it_began(faked: MakeFaked) -> None:
    """The answer to `Starting task...` says cancel: borg is never started."""
    world = faked()
    fault = world.bbs.fault("progress", "error_500", times=1)
    job = world.order()
    world.bbs.wait(lambda: fault.times == 0, 10)
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job)
    assert (report["result"], report["error_log"]) == ("failed", "Cancelled by user")
    assert world.borg.runs() == []


def test_a_waiting_job_is_forgotten(faked: MakeFaked) -> None:
    """One that is no longer listed is not run."""
    world = faked("time.sleep(4); summary()")
    first, second = world.order(), world.order()
    world.bbs.wait_running(first)
    world.bbs.wait_polls(1)
    world.bbs.cancel(second)
    world.bbs.wait_status(first)
    world.bbs.wait_polls(3)
    assert len(world.borg.runs()) == 1
    assert second.progress == [] and second.reports == []


def test_heartbeats_cancel(faked: MakeFaked) -> None:
    """Only a job that runs here; another id is of no account."""
    world = faked("time.sleep(100)")
    job = world.order()
    world.bbs.state.cancel_job = job.id + 1000
    world.bbs.wait_request("heartbeat", 1, 25)
    world.bbs.wait_polls(1)
    assert job.reports == []
    world.bbs.state.cancel_job = job.id
    report = world.bbs.wait_status(job, 25)
    assert "Cancelled by user" in report["error_log"]


def test_a_job_the_server_forgot_is_told_no_more(faked: MakeFaked) -> None:
    world = faked("time.sleep(6); summary()")
    job = world.order()
    world.bbs.wait_running(job)
    del world.bbs.state.jobs[job.id]
    world.bbs.wait_polls(12, 40)
    refused = [r for r in world.bbs.requests() if r.status == 404 and r.endpoint == "progress"]
    assert len(refused) <= 2
    assert len([r for r in world.bbs.requests("status")]) <= 1


# the agent's own end


def test_a_stop_takes_the_job_with_it(faked: MakeFaked) -> None:
    """SIGTERM to the agent: borg ends, the report says why, then or later."""
    world = faked("progress(1, 1); time.sleep(100)")
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    began = time.monotonic()
    assert world.agent.stop() == 0
    assert time.monotonic() - began < 15
    if not job.reports:
        world.agent.start()
    report = world.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert "stop" in report["error_log"].lower()
    assert len(world.borg.runs()) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_agent_ends_at_once(started: Agent, how: signal.Signals) -> None:
    began = time.monotonic()
    assert started.stop(how) == 0
    assert time.monotonic() - began < 2


def test_a_killed_agent_leaves_no_borg(faked: MakeFaked) -> None:
    world = faked("progress(1, 1); time.sleep(100)")
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    borg = int(world.borg.runs()[0]["pid"])
    assert world.agent.stop(signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 15
    while Path(f"/proc/{borg}/stat").exists() and \
            ") Z " not in Path(f"/proc/{borg}/stat").read_text():  # fmt: skip
        assert time.monotonic() < deadline, "borg outlived the agent"
        time.sleep(0.1)
        os.waitpid(-1, os.WNOHANG)
    world.agent.start()
    world.bbs.ask_about(job.id, "tasks")
    assert world.bbs.wait_status(job, 30)["result"] in ("failed", "abandoned")
    assert len(world.borg.runs()) == 1


def test_a_killed_net_process_is_replaced(bbs: BBS, started: Agent) -> None:
    nets = [p for p in started.own_processes() if "net-process" in p.command]
    assert nets
    for net in nets:
        os.kill(net.pid, signal.SIGKILL)
    bbs.wait_polls(3, 20)


def test_a_killed_worker_costs_one_job(faked: MakeFaked) -> None:
    world = faked("progress(1, 1); time.sleep(100 if len(sys.argv) > 8 and '/fast' not in"
                  " sys.argv[-1] else 0); summary()")  # fmt: skip
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    time.sleep(0.5)
    workers = [p for p in world.agent.own_processes()
               if p.pid != world.agent.pid and "net-process" not in p.command]  # fmt: skip
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    assert world.bbs.wait_status(job, 20)["result"] == "failed"
    next_job = world.order(directories=["/fast"])
    assert world.bbs.wait_status(next_job, 30)["result"] == "completed"
    world.agent.wait_jobless(15)


def test_a_second_agent_is_refused(bbs: BBS, started: Agent) -> None:
    second = started.once(20)
    assert second.returncode == 1
    assert "already" in (second.stderr + second.stdout).lower() or "running" in second.stderr
    bbs.wait_polls(1)
