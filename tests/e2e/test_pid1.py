"""The agent as the first process of a container: a PID namespace of its own.
It reaps what it adopts, and stops in time whatever borg does."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import process
from support.agent import Agent
from support.site import MakeFaked, Site

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
# What a service manager gives it.
STOP_SECONDS = 15
# Detached twice, so that it is nobody's child; it ends when it is told to.
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        open(HERE + '/daemon', 'w').write(os.readlink('/proc/self'))
        while not os.path.exists(HERE + '/end'): time.sleep(0.05)
    os._exit(0)
os.wait()
while not os.path.exists(HERE + '/daemon'): time.sleep(0.05)
"""


@pytest.fixture
def first(agent: Agent) -> Iterator[Agent]:
    """Started, it is PID 1."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not here")
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"no PID namespace here: {tried.stderr.strip()}")
    agent.prefix = NAMESPACE
    yield agent
    if agent.running:
        end(agent)


def inside(agent: Agent) -> int:
    """Its process as we see it."""
    if not agent.prefix:
        return agent.pid
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for found in process.descendants(agent.pid):
            if found.parent == agent.pid and found.command.startswith(str(agent.binary)):
                return found.pid
        time.sleep(0.05)
    raise AssertionError("it never started")


def end(agent: Agent) -> float:
    """How long it took to stop; it must have been cleanly."""
    assert agent.process
    began = time.monotonic()
    os.kill(inside(agent), signal.SIGTERM)
    assert agent.process.wait(STOP_SECONDS + 5) == 0
    return time.monotonic() - began


def zombies(agent: Agent) -> list[process.Process]:
    return [p for p in process.descendants(inside(agent)) if p.state == "Z"]


def test_it_reaps_what_it_adopts(first: Agent, faked: MakeFaked) -> None:
    world = faked(DAEMON + "summary()", ssh=False)
    status = Path(f"/proc/{inside(first)}/status").read_text()
    assert [line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:")] == ["1"]
    assert world.backup()["result"] == "completed"
    first.wait_log("reported to the server")
    # The worker is gone, the daemon is its grandparent's.
    deadline = time.monotonic() + 10
    while not [p for p in process.descendants(inside(first)) if "faked/borg" in p.command
               and p.parent == inside(first)]:  # fmt: skip
        assert time.monotonic() < deadline, process.descendants(inside(first))
        time.sleep(0.05)
    (world.borg.dir / "end").touch()
    assert not process.settled(
        lambda: [p for p in process.descendants(inside(first)) if "borg" in p.command], 5)  # fmt: skip
    deadline = time.monotonic() + 5
    while zombies(first):
        assert time.monotonic() < deadline, zombies(first)
        time.sleep(0.05)
    assert end(first) < 3


@pytest.mark.parametrize("place_of", ["pid 1", "a service"])
def test_it_stops_in_time_although_borg_does_not(
    request: pytest.FixtureRequest, place_of: str, agent: Agent, faked: MakeFaked
) -> None:
    if place_of == "pid 1":
        request.getfixturevalue("first")
    world = faked("ignore_term()\nfile('/etc/hostname')\ntime.sleep(100)", ssh=False)
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    assert end(agent) < STOP_SECONDS
    # The server has it, or the next start sends it.
    if not job.reports:
        assert len(agent.spool()) == 1
        agent.prefix = []
        agent.start()
    report = world.bbs.wait_status(job)
    assert report["result"] == "failed" and "the agent was stopped" in report["error_log"]


def test_a_real_backup_is_stopped_and_reported(first: Agent, site: Site, place: Path) -> None:
    tree = place / "tree"
    tree.mkdir()
    for n in range(40):
        (tree / str(n)).write_bytes(os.urandom(1 << 20))
    job = site.order_backup(tree, options=("--upload-ratelimit=400",))
    site.bbs.wait(lambda: any(p.get("files_processed") for p in job.progress), 30)
    assert end(first) < STOP_SECONDS
    first.prefix = []
    if not job.reports:
        first.start()
    report = site.bbs.wait_status(job)
    assert report["result"] == "failed" and "the agent was stopped" in report["error_log"]
    assert not list(site.repo.path.glob("lock.*"))
