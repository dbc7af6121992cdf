"""An ssh that hangs, the real one: at the connection test, under the
catalogue, and below borg. No job waits for it for ever, no process is left.
The agent's clocks run faster (support/clock.py), ssh's own do not."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bbsd import BBS, Job
from support import process
from support.agent import Agent
from support.clock import Clock
from support.fakeborg import FakeBorg
from support.site import Faked, cancelled
from support.sshd import Sshd


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Takes connections, and says nothing."""
    held = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listener.accept()[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for conn in held:
        conn.close()


@pytest.fixture
def silent(sshd: Sshd, bbs: BBS) -> Iterator[int]:
    """The server names a port that says nothing."""
    with silent_port() as port:
        bbs.use_ssh(replace(sshd.access, port=port))
        yield port


def sshs(agent: Agent) -> list[process.Process]:
    below = process.descendants(agent.pid)
    return [p for p in below if p.command.startswith("ssh ") and p.state != "Z"]


def test_at_the_test(bbs: BBS, agent: Agent, silent: int) -> None:
    """It is ended after 30 s; polls go on, and jobs that need no ssh begin."""
    clock = Clock(agent)
    agent.configure(bbs)
    agent.start()
    bbs.wait(lambda: sshs(agent), 15)
    bbs.wait_polls(2)
    with clock.runs(20):
        agent.wait_log("ssh was stopped: it did not end within 30 s")
        look = bbs.add_task({"task": "list_dir", "path": "/etc"})
        assert bbs.wait_status(look)["result"] == "completed"
    assert not process.settled(lambda: sshs(agent), 3)


@pytest.mark.parametrize("how", ["no answer", "nothing read", "no end"])
def test_under_the_catalogue(
    bbs: BBS, agent: Agent, sshd: Sshd, fake_borg: Callable[..., FakeBorg], how: str
) -> None:
    """A backup is completed, and says that its catalogue did not get through:
    ssh that never connects, one whose other end takes nothing while megabytes
    wait, one that does not end when everything was said."""
    lines = 200 if how == "no end" else 60000
    borg = fake_borg(f"for i in range({lines}): log(type='file_status', status='A',"
                     " path='/nonexistent/a-rather-long-name-%d' % i)\nsummary()")  # fmt: skip
    clock = Clock(agent)
    bbs.use_ssh(sshd.access)
    sshd.catalog_mode("hang")
    agent.borg = borg.path
    with silent_port() as port:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(1)
        agent.wait_log("SSH connection works")
        if how == "no answer":
            info = agent.etc / "ssh_info.json"
            info.write_text(info.read_text().replace(str(sshd.port), str(port)))
        job = bbs.add_backup("/nonexistent/r", ["/etc/hostname"], "x")
        bbs.wait(borg.runs, 15)
        with clock.runs(40):
            report = bbs.wait_status(job, 30)
            bbs.wait_polls(2)
    assert report["result"] == "completed"
    assert "catalog streaming failed" in report["error_log"]
    assert not process.settled(lambda: sshs(agent), 3)
    # The other end of it, which is the test's own.
    below = process.descendants(os.getpid())
    process.kill_all([p for p in below if p.command == "sleep 600"])


@contextlib.contextmanager
def waiting_borg(bbs: BBS, agent: Agent, sshd: Sshd) -> Iterator[Job]:
    """A real borg that waits for a real ssh, to which nobody says anything."""
    agent.borg = None
    bbs.use_ssh(sshd.access)
    agent.configure(bbs)
    agent.start()
    agent.wait_log("SSH connection works")
    with silent_port() as port:
        rsh = sshd.access.rsh().replace(f"-p {sshd.port}", f"-p {port}")
        job = bbs.add_backup(sshd.repo_url(), ["/etc/hostname"], "x", env={"BORG_RSH": rsh})
        bbs.wait(lambda: below_borg(agent), 20)
        yield job
    agent.wait_jobless()


def below_borg(agent: Agent) -> list[process.Process]:
    return [p for p in sshs(agent) if "borg serve" in p.command]


def test_below_borg(bbs: BBS, agent: Agent, sshd: Sshd) -> None:
    """Cancelled, both are gone (borg waits for its ssh even then, so it takes
    the SIGKILL after 10 s)."""
    clock = Clock(agent)
    with waiting_borg(bbs, agent, sshd) as job:
        world = Faked.__new__(Faked)
        world.bbs, world.agent = bbs, agent
        with clock.runs(10):
            cancelled(world, job)


@pytest.mark.parametrize("how", ["waits", "is stopped"])
def test_below_borg_for_hours(bbs: BBS, agent: Agent, sshd: Sshd, how: str) -> None:
    """Nobody cancels it: after two hours without CPU time and I/O both are
    gone, and the job is reported."""
    clock = Clock(agent)
    with waiting_borg(bbs, agent, sshd) as job:
        if how == "is stopped":
            os.kill(below_borg(agent)[0].pid, signal.SIGSTOP)
        clock.passes(110 * 60)
        assert not job.reports and below_borg(agent)
        deadline = time.monotonic() + 60
        while not job.reports:
            assert time.monotonic() < deadline, "nobody notices"
            clock.passes(60)
        assert job.reports[0]["result"] == "failed"
        assert "120 minutes" in job.reports[0]["error_log"], job.reports[0]
