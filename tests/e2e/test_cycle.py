"""Register, poll, liveness, the SSH key, check_jobs: the agent's daily round."""

import os
import platform
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bbsd import BBS, Job
from support.agent import Agent
from support.clock import Clock
from support.site import MakeFaked
from support.sshd import Sshd

LIST = {"task": "update_agent"}  # a task that is answered at once


def gaps(times: list[float]) -> list[float]:
    return [b - a for a, b in zip(times, times[1:])]


def poll_times(bbs: BBS, start: int = 0) -> list[float]:
    return [r.time for r in bbs.requests("tasks")[start:]]


def test_registers_with_what_the_host_is(bbs: BBS, agent: Agent) -> None:
    agent.borg = None
    agent.configure(bbs)
    agent.start()
    bbs.wait_request("register")
    info = bbs.state.information[0]
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    borg = subprocess.run(["borg", "--version"], capture_output=True, text=True).stdout
    assert info["hostname"] == socket.gethostname()
    assert info["platform"] == "linux"
    assert info["architecture"] == machine
    assert info["os_info"].endswith(platform.machine())
    assert info["glibc_version"] == "glibc" + platform.libc_ver()[1].replace(".", "")
    assert info["borg_version"] == borg.split()[1]
    assert info["auto_update_enabled"] is False
    assert isinstance(info["in_container"], bool)
    assert info["borg_install_method"] in ("package", "binary")
    assert info["borg_source"] == "unknown"
    socket.inet_pton(socket.AF_INET6 if ":" in info["ip_address"] else socket.AF_INET,
                     info["ip_address"])  # fmt: skip
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", info["mac_address"])


def test_registers_before_it_polls(bbs: BBS, started: Agent) -> None:
    asked = [r.endpoint for r in bbs.requests()]
    assert asked.index("register") < asked.index("tasks")


def test_names_itself_and_its_version(bbs: BBS, started: Agent) -> None:
    version = bbs.state.information[0]["agent_version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", version)
    assert version in started.call("version").stdout
    request = bbs.requests("tasks")[0]
    assert request.headers["user-agent"] == f"BBS-Agent/{version}"
    assert request.headers["host"] == f"127.0.0.1:{bbs.port}"


def test_polls_on_one_connection(bbs: BBS, started: Agent) -> None:
    bbs.wait_polls(4)
    assert len({r.connection for r in bbs.requests("tasks")}) == 1


def test_the_servers_interval_wins(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, agent={"poll_interval": 30})
    agent.start()
    bbs.wait_polls(4)
    assert all(0.8 < gap < 1.6 for gap in gaps(poll_times(bbs)))
    bbs.state.poll_interval = 3
    bbs.wait_polls(1)
    before = len(bbs.requests("tasks")) - 1
    bbs.wait_polls(2)
    assert all(2.6 < gap < 3.8 for gap in gaps(poll_times(bbs, before)))


def test_an_impossible_interval_is_not_taken(bbs: BBS, started: Agent) -> None:
    bbs.state.poll_interval = -5
    bbs.wait_polls(3)
    assert all(gap > 0.8 for gap in gaps(poll_times(bbs)))


def test_numbers_as_strings(bbs: BBS, agent: Agent) -> None:
    bbs.numbers_as_strings = True
    agent.configure(bbs, agent={"poll_interval": 30})
    agent.start()
    job = bbs.add_task(LIST)
    assert bbs.wait_status(job)["job_id"] == job.id
    bbs.wait_polls(3)


def test_registers_again_after_an_outage(bbs: BBS, started: Agent) -> None:
    bbs.stop()
    time.sleep(3)
    bbs.start()
    bbs.wait_request("register", 2, 20)
    bbs.wait_polls(2)


def test_a_lost_idle_connection_is_no_failure(bbs: BBS, started: Agent) -> None:
    """Apache closes after 5 s: the next request goes out on a new one."""
    for _ in range(3):
        bbs.wait_polls(1)
        bbs.drop_connections()
    bbs.wait_polls(1)
    assert all(gap < 1.6 for gap in gaps(poll_times(bbs)))
    assert len(bbs.requests("register")) == 1


def test_waits_as_long_as_the_server_asks(bbs: BBS, started: Agent) -> None:
    fault = bbs.fault("tasks", "status", code=503, retry_after="4")
    bbs.wait(lambda: fault.times == 0, 10)
    before = len(bbs.requests("tasks")) - 1
    bbs.wait_polls(1)
    assert 3.8 < gaps(poll_times(bbs, before))[0] < 6


def test_backs_off_when_the_server_fails(bbs: BBS, started: Agent) -> None:
    fault = bbs.fault("*", "error_500", times=3)
    bbs.wait(lambda: fault.times == 0, 30)
    failed = [r.time for r in bbs.requests() if r.fault]
    # It doubles, give or take a quarter: 1.25 s at most, then 1.5 s at least.
    assert gaps(failed)[-1] > 1.45
    bbs.wait_polls(2)


def test_a_server_that_fails_at_tasks_alone(bbs: BBS, started: Agent) -> None:
    """It is asked for them ever more rarely, and for nothing else; that is one
    line. When it works again it is told who we are."""
    fault = bbs.fault("tasks", "error_500", times=4)
    bbs.wait(lambda: fault.times == 0, 60)
    failed = [r.time for r in bbs.requests("tasks") if r.fault]
    assert gaps(failed)[-1] > 2.9
    assert len(bbs.requests("register")) == 1
    assert started.log.count("WARN ") == 1 and "answers again" not in started.log
    bbs.wait_request("register", 2, 30)
    bbs.wait_polls(1)
    assert started.log.count("answers again") == 1


def test_it_waits_no_hour_after_a_stumble(bbs: BBS, agent: Agent) -> None:
    """However rarely the server wants to be asked."""
    bbs.state.poll_interval = 3600
    bbs.fault("tasks", "status", code=503)
    agent.configure(bbs)
    clock = Clock(agent)
    agent.start()
    agent.wait_log("answers 503 to")
    clock.passes(90)
    bbs.wait_request("tasks", 2, 20)


def test_a_wrong_key_is_said_once_and_tried_again(bbs: BBS, agent: Agent) -> None:
    right, bbs.state.api_key = bbs.state.api_key, "another"
    agent.configure(bbs, server={"api_key": right})
    agent.start()
    bbs.wait(lambda: len(bbs.record) >= 3, 20)
    said = [line for line in agent.log.splitlines() if "ERROR" in line]
    assert len(said) == 1 and "api_key" in said[0].lower() + "api_key" and "key" in said[0]
    bbs.state.api_key = right
    bbs.wait_polls(2, 40)


def test_fetches_the_ssh_key_and_tries_it(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    bbs.use_ssh(sshd.access)
    bbs.state.ssh_private_key = sshd.access.private_key.replace("\n", "\r\n").rstrip()
    agent.configure(bbs)
    agent.start()
    wait_for(lambda: "Accepted publickey" in sshd.log.read_text())
    key = agent.etc / "ssh_key"
    assert key.read_text() == sshd.access.private_key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    info = (agent.etc / "ssh_info.json").read_text()
    assert str(sshd.port) in info and sshd.access.user in info


def test_ssh_that_is_not_provisioned_yet(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    """Said once, shown as what it is, and asked about again."""

    def shown() -> str:
        return agent.call("status", "--root", str(agent.root)).stdout

    agent.configure(bbs)
    agent.start()
    agent.wait_log("the server has no SSH key for this client yet: provision SSH on the client's page")
    wait_for(lambda: "SSH key   none yet; the server is asked for one" in shown())
    os.kill(agent.pid, signal.SIGHUP)
    bbs.wait_request("ssh-key", 2)
    bbs.wait_polls(2)
    assert agent.log.count("no SSH key for this client") == 1
    bbs.use_ssh(sshd.access)
    os.kill(agent.pid, signal.SIGHUP)
    agent.wait_log("the SSH connection works")
    wait_for(lambda: "SSH key   accepted by the server" in shown())


def test_a_stale_ssh_key_is_fetched_again(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    old = sshd.access
    bbs.use_ssh(sshd.renew_key())
    agent.configure(bbs)
    key = agent.etc / "ssh_key"
    key.write_text(old.private_key)
    key.chmod(0o600)
    agent.start()
    wait_for(lambda: key.read_text() == sshd.access.private_key)
    wait_for(lambda: "Accepted publickey" in sshd.log.read_text())


def test_the_old_ssh_key_stays_until_there_is_a_new_one(
    bbs: BBS, sshd: Sshd, agent: Agent
) -> None:
    old = sshd.access
    bbs.use_ssh(sshd.renew_key())
    bbs.fault("ssh-key", "error_500", times=100)
    agent.configure(bbs)
    key = agent.etc / "ssh_key"
    key.write_text(old.private_key)
    key.chmod(0o600)
    agent.start()
    bbs.wait_request("ssh-key")
    bbs.wait_polls(2)
    assert key.read_text() == old.private_key


def test_no_ssh_key_yet_is_no_trouble(bbs: BBS, started: Agent) -> None:
    bbs.wait_polls(3)
    assert not (started.etc / "ssh_key").exists()


def test_an_rsa_key_works(bbs: BBS, place: Path, agent: Agent) -> None:
    with Sshd(place / "rsa", "rsa") as sshd:
        bbs.use_ssh(sshd.access)
        agent.configure(bbs)
        agent.start()
        wait_for(lambda: "Accepted publickey" in sshd.log.read_text())


# check_jobs


def lost_job(bbs: BBS) -> Job:
    """A job that the server believes to run and the agent never saw."""
    job = bbs.add_task(LIST)
    job.state = "running"
    return job


def test_an_unknown_job_is_abandoned(bbs: BBS, started: Agent) -> None:
    job = lost_job(bbs)
    bbs.ask_about(job.id, "tasks")
    assert bbs.wait_status(job)["result"] == "abandoned"


def test_a_job_of_the_same_answer_is_not_abandoned(bbs: BBS, started: Agent) -> None:
    with bbs.state.changed:
        job = bbs.add_task(LIST)
        bbs.ask_about(job.id, "tasks")
    bbs.wait_status(job)
    bbs.wait_polls(2)
    assert [r["result"] for r in job.reports] == ["failed"]


def test_a_reported_job_is_not_abandoned(bbs: BBS, started: Agent) -> None:
    job = bbs.add_task(LIST)
    bbs.wait_status(job)
    bbs.ask_about(job.id, "tasks")
    bbs.wait_polls(3)
    assert len(job.reports) == 1


def test_a_running_job_named_by_the_poll_goes_on(faked: MakeFaked) -> None:
    world = faked("time.sleep(5); " + "summary()")
    job = world.order()
    world.bbs.wait_running(job)
    world.bbs.ask_about(job.id, "tasks")
    assert world.bbs.wait_status(job)["result"] == "completed"


def wait_for(what: Callable[[], object], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
