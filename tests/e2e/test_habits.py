"""How `run` behaves under a service manager: SIGHUP, SIGUSR1, the line of
`systemctl status`, the journal's priorities, a log file of its own."""

import calendar
import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bbsd import BBS, CA, Cert
from support import process
from support.agent import Agent
from support.site import MakeFaked
from support.status import wait_told

OLD = "old-key-0123456789abcdef"
NEW = "new-key-fedcba9876543210"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")


class Manager:
    """A service manager's socket, and what it was told."""

    def __init__(self, directory: Path, agent: Agent) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(directory / "notify"))
        self.socket.setblocking(False)
        self.told: list[tuple[float, str]] = []
        agent.env["NOTIFY_SOCKET"] = str(directory / "notify")

    def lines(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            while text := self.socket.recv(65536).decode():
                self.told += [(time.monotonic(), line) for line in text.split("\n")]
        return [line for _, line in self.told]

    def wait(self, pattern: str, timeout: float = 15) -> str:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.lines():
                if re.search(pattern, line):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"never told {pattern!r}, but {self.lines()}")


@pytest.fixture
def manager(place: Path, agent: Agent) -> Iterator[Manager]:
    made = Manager(place, agent)
    yield made
    made.socket.close()


def hang_up(agent: Agent) -> None:
    os.kill(agent.pid, signal.SIGHUP)


def wait_for(what: Callable[[], object], timeout: float = 15, name: str = "") -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, name or "waited in vain"
        time.sleep(0.05)


def memory_has(pid: int, text: bytes) -> bool:
    """Anywhere in what the process may write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            area, rights = line.split()[:2]
            start, end = (int(part, 16) for part in area.split("-"))
            if "w" not in rights or "[v" in line:
                continue
            memory.seek(start)
            with contextlib.suppress(OSError):
                if text in memory.read(end - start):
                    return True
    return False


# SIGHUP


def test_another_key_is_taken_and_the_old_one_wiped(bbs: BBS, agent: Agent) -> None:
    bbs.state.api_key = OLD
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    nets = {p.pid for p in agent.own_processes() if "net-process" in p.command}
    bbs.state.api_key = NEW
    agent.wait_log("refuses the API key")
    agent.configure(bbs)
    hang_up(agent)
    agent.wait_log("the configuration was read again")
    agent.wait_log("the server answers again")
    now = {p.pid for p in agent.own_processes() if "net-process" in p.command}
    assert nets and now and not nets & now
    assert NEW not in agent.log and OLD not in agent.log
    if os.access(f"/proc/{agent.pid}/mem", os.R_OK):
        assert memory_has(agent.pid, NEW.encode())
        assert not memory_has(agent.pid, OLD.encode())


def test_another_ca_is_trusted(place: Path, bbs: BBS, agent: Agent) -> None:
    own = place / "trusted.pem"
    own.write_bytes(CA(place / "stranger").cert.read_bytes())
    agent.configure(bbs, server={"url": bbs.url, "api_key": bbs.api_key, "ca_file": own})
    agent.start()
    agent.wait_log("WARN  the certificate of")
    assert bbs.ca_file
    own.write_bytes(bbs.ca_file.read_bytes())
    hang_up(agent)
    bbs.wait_polls(1)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ("[agent]\npoll_interval = 0\n", r"config\.ini line \d+: \[agent\] poll_interval = 0 is not"),
        ("[server]\nca_file = /nonexistent/ca.pem\n", "cannot read the CA certificates in /nonexist"),
        ("[agent]\nlog_file = /nonexistent/log\n", "cannot open the log /nonexistent/log"),
    ],
    ids=["value", "ca", "log"],
)
def test_a_bad_file_changes_nothing(
    bbs: BBS, agent: Agent, manager: Manager, wrong: str, said: str
) -> None:
    agent.debug = False
    agent.configure(bbs, agent={"poll_interval": 1, "log_level": "WARNING"})
    agent.start()
    bbs.wait_polls(1)
    good = agent.config.read_text()
    nets = {p.pid for p in agent.own_processes()}
    agent.write_config(good + wrong)
    hang_up(agent)
    line = agent.wait_log("stays as it was")
    assert re.search(said, line), line
    assert " ERROR " in line
    bbs.wait_polls(2)
    assert {p.pid for p in agent.own_processes()} == nets
    assert len([x for x in agent.log.splitlines() if "ERROR" in x]) == 1
    manager.wait("^RELOADING=1$")
    assert manager.lines()[-1] == "READY=1" or "READY=1" in manager.lines()[-3:]


def test_systemd_is_told(bbs: BBS, agent: Agent, manager: Manager) -> None:
    agent.configure(bbs)
    agent.start()
    manager.wait("^READY=1$")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    hang_up(agent)
    usec = manager.wait(r"^MONOTONIC_USEC=\d+$").split("=")[1]
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(usec) <= after
    wait_for(lambda: manager.lines().count("READY=1") == 2)
    order = [x for x in manager.lines() if x.split("=")[0] in ("READY", "RELOADING")]
    assert order == ["READY=1", "RELOADING=1", "READY=1"]


def test_a_running_job_goes_on_and_a_waiting_one_is_judged_anew(faked: MakeFaked) -> None:
    world = faked(
        "file('/etc/hostname')\n"
        "while not os.path.exists(HERE + '/go'): time.sleep(0.05)\n"
        "progress(1, 100); summary()",
        ssh=False,
    )
    running = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    waiting = world.bbs.add_restore("/x", "a", ["p"], "/nonexistent")
    world.agent.wait_log(f"job {waiting.id}: restore received")
    world.agent.configure(world.bbs, policy={"tasks": "list_dir"})
    hang_up(world.agent)
    refused = world.bbs.wait_status(waiting)
    assert refused["result"] == "failed" and "policy" in refused["error_log"]
    (world.borg.dir / "go").touch()
    assert world.bbs.wait_status(running)["result"] == "completed"
    assert len(world.borg.runs()) == 1
    assert "policy" in world.backup()["error_log"]


def test_answers_that_were_under_way_are_asked_for_again(bbs: BBS, agent: Agent) -> None:
    """A poll and a report hang at the server: both are repeated at once."""
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    report = bbs.fault("status", "hang", seconds=50)
    job = bbs.add_task({"task": "list_dir", "path": "/nonexistent/x"})
    bbs.wait(lambda: report.times == 0, 15)
    bbs.fault("tasks", "hang", seconds=50)
    bbs.wait(lambda: not any(f.times for f in bbs.faults), 15)
    hang_up(agent)
    bbs.wait_status(job, 10)
    bbs.wait_polls(1, 10)


def test_many_hangups_leak_nothing(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)

    def files() -> int:
        return len(os.listdir(f"/proc/{agent.pid}/fd"))

    for n in range(1, 9):
        hang_up(agent)
        wait_for(lambda: agent.log.count("was read again") >= n)
        if n == 2:
            bbs.wait_polls(1)
            before = files()
    bbs.wait_polls(1)
    wait_for(lambda: files() <= before, name=f"{before} descriptors, now {files()}")


# SIGUSR1


def test_it_polls_at_once(bbs: BBS, agent: Agent) -> None:
    bbs.state.poll_interval = 3600
    agent.configure(bbs)
    agent.start()
    agent.wait_log("POST /api/agent/info|SSH|tasks: 200")
    polls = len(bbs.requests("tasks"))
    os.kill(agent.pid, signal.SIGUSR1)
    bbs.wait_request("tasks", polls + 1, 3)


def test_it_polls_once_more_when_one_is_under_way(bbs: BBS, agent: Agent) -> None:
    """What that one's answer says may be older than what is asked for."""
    bbs.state.poll_interval = 3600
    bbs.fault("tasks", "slow", times=1, seconds=1.5)
    agent.configure(bbs)
    agent.start()
    agent.wait_log("GET /api/agent/tasks")
    os.kill(agent.pid, signal.SIGUSR1)
    agent.wait_log("tasks: 200")
    bbs.wait_request("tasks", 2, 5)


def test_it_polls_at_once_after_an_outage(bbs: BBS, agent: Agent) -> None:
    bbs.state.poll_interval = 3600
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    agent.wait_log("/api/agent/tasks: 200")
    bbs.stop()
    os.kill(agent.pid, signal.SIGUSR1)
    agent.wait_log("no connection to")
    bbs.start()
    os.kill(agent.pid, signal.SIGUSR1)
    agent.wait_log("the server answers again", 5)


# STATUS=


def test_the_status_lives(faked: MakeFaked, agent: Agent, manager: Manager) -> None:
    world = faked(
        "for n in range(1, 3000):\n"
        "    progress(n, n * 10)\n"
        "    time.sleep(0.01)\n"
        "    if os.path.exists(HERE + '/go'): break\n"
        "summary()",
        ssh=False,
    )
    manager.wait(r"^STATUS=idle; last contact \d\d:\d\d:\d\d UTC$")
    job = world.order(expected_files=2000)
    manager.wait(rf"^STATUS=job {job.id}: backup \d+ %, [\d,]+ files$")
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job)
    world.bbs.stop()
    line = manager.wait("^STATUS=server not reachable")
    assert re.match(r"STATUS=server not reachable since \d\d:\d\d:\d\d UTC: no connection", line)
    told = [at for at, text in manager.told if text.startswith("STATUS=")]
    assert all(b - a > 4.5 for a, b in zip(told, told[1:], strict=False)), told


@pytest.mark.parametrize("task", [{}, {"task": "backup", "command": "borg"}], ids=["none", "late"])
def test_the_status_of_a_job_whose_type_is_not_known(
    bbs: BBS, agent: Agent, manager: Manager, task: dict[str, object]
) -> None:
    """It is refused while the line tells of it."""
    bbs.fault("status", "slow", seconds=1)
    agent.configure(bbs)
    agent.start()
    job = bbs.add_task(task)
    assert bbs.wait_status(job)["result"] == "failed"
    assert agent.running and len(bbs.requests("register")) == 1


def test_the_status_tells_what_waits_and_what_is_reported(
    faked: MakeFaked, agent: Agent, manager: Manager
) -> None:
    """And what a server says is no order to the service manager."""
    world = faked("while not os.path.exists(HERE + '/go'): time.sleep(0.05)\nsummary()", ssh=False)
    first, second = world.order(), world.order()
    manager.wait(rf"^STATUS=job {first.id}: backup.*; 1 waiting$")
    evil = "no\nREADY=1\nSTATUS=all is well\n\x1b[2J"
    world.bbs.fault("status", "status", code=500, error=evil, times=1000)
    (world.borg.dir / "go").touch()
    manager.wait(rf"^STATUS=job ({first.id}|{second.id}): backup, reporting", 30)
    world.bbs.fault("tasks", "status", code=500, error=evil, times=1000)
    manager.wait("STATUS=.*trouble with the server since .*500", 30)
    assert manager.lines().count("READY=1") == 1
    assert not any(line.startswith("STATUS=all") or "\x1b" in line for line in manager.lines())
    world.bbs.faults.clear()
    world.bbs.wait_status(second, 90)


def test_what_machines_read_is_utc(faked: MakeFaked, agent: Agent, manager: Manager) -> None:
    """Whatever zone and language the service manager gives the agent."""
    agent.env |= {"TZ": "XYZ-5", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    world = faked(ssh=False)
    job = world.order()
    world.bbs.wait_status(job)

    def is_now(text: str) -> bool:
        """The time of day, to the hour."""
        at = calendar.timegm(time.strptime(time.strftime("%Y-%m-%d ", time.gmtime()) + text,
                                           "%Y-%m-%d %H:%M:%S"))  # fmt: skip
        return abs((at - time.time() + 43200) % 86400 - 43200) < 3600

    line = manager.wait(r"^STATUS=idle; last contact \d\d:\d\d:\d\d UTC$")
    assert is_now(line.split()[-2])
    found = wait_told(agent, lambda s: s["history"])
    for text in (found["started"], found["written"], found["server"]["answered"],
                 found["history"][0]["started"], found["history"][0]["ended"]):  # fmt: skip
        assert text.endswith("Z") and is_now(text[11:19]), text
    assert all(re.match(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", x) and is_now(x[11:19]) for x in agent.log.splitlines())


# The journal's priorities


def test_each_line_has_its_priority(bbs: BBS, agent: Agent) -> None:
    """As under systemd, whose socket is our standard error."""
    reading, writing = os.pipe()
    st = os.fstat(writing)
    agent.env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
    agent.configure(bbs, nonsense={"x": 1}, server={"url": bbs.url, "api_key": bbs.api_key,
                                                     "verify": "no"})  # fmt: skip
    command = agent.command("run", "--once", "--debug")
    done = subprocess.run(command, env=agent.env, stdin=subprocess.DEVNULL, stdout=writing,
                          stderr=writing, timeout=60)  # fmt: skip
    agent.write_config("[agent]\npoll_interval = 0\n")
    bad = subprocess.run(command, env=agent.env, stdin=subprocess.DEVNULL, stdout=writing,
                         stderr=writing, timeout=60)  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    assert (done.returncode, bad.returncode) == (0, 1)
    assert all(re.match("<[3467]>", line) for line in lines), lines
    assert {line[:3] for line in lines} == {"<3>", "<4>", "<6>", "<7>"}
    assert "<3>" in lines[-1] and "poll_interval" in lines[-1]
    warnings = [line for line in lines if line[1] in "34"]
    assert any("unknown key" in line for line in warnings)
    assert any("verify = no" in line for line in warnings)


# A log of its own

LIMIT = 1 << 20


def noisy(bbs: BBS, agent: Agent, log: Path) -> None:
    agent.debug = False
    agent.configure(bbs, agent={"poll_interval": 1, "log_file": log, "log_level": "DEBUG"})


def test_the_log_is_turned_over(place: Path, bbs: BBS, agent: Agent) -> None:
    log, old = place / "own.log", place / "own.log.1"
    log.write_bytes(b"x" * (LIMIT - 400) + b"\n")
    log.chmod(0o600)
    old.write_text("older\n")
    noisy(bbs, agent, log)
    agent.start()
    wait_for(lambda: old.stat().st_size > LIMIT - 100 and log.exists() and log.stat().st_size > 200)
    assert LIMIT <= old.stat().st_size < LIMIT + 5000
    assert stat.S_IMODE(log.stat().st_mode) in (0o640, 0o600)
    bbs.wait_polls(2)
    code = agent.stop()
    text = (old.read_bytes()[LIMIT - 399 :] + log.read_bytes()).decode()
    assert code == 0
    # No line is lost at the turn: each request has its answer's line.
    assert text.count("GET /api/agent/tasks") == len(bbs.requests("tasks"))
    assert all(re.match(r"2\d{3}-\d\d-\d\dT", line) for line in text.strip().splitlines())


def test_workers_follow(place: Path, faked: MakeFaked) -> None:
    world = faked(
        "file('/etc/hostname')\n"
        "while not os.path.exists(HERE + '/go'): time.sleep(0.05)\n"
        "message('a warning of borg')\nsummary()",
        start=False, ssh=False,
    )  # fmt: skip
    log = place / "own.log"
    noisy(world.bbs, world.agent, log)
    config = world.agent.config.read_text()
    world.agent.write_config(f"{config}[borg]\npath = {world.borg.path}\n")
    world.agent.start()
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    log.rename(place / "taken-away")
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job)
    wait_for(lambda: log.exists() and "a warning of borg" in log.read_text())


def test_the_service_log_is_turned_over(bbs: BBS, agent: Agent) -> None:
    """Where a service's standard error is that file, as with OpenRC."""
    log = agent.root / "var/log/bbs-agent.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * LIMIT)
    agent.log_path = log
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    assert log.with_suffix(".log.1").stat().st_size == LIMIT
    assert "registered" in agent.wait_log("registered")
    assert log.stat().st_size < 100_000


def test_another_file_at_standard_error_is_left_alone(place: Path, bbs: BBS, agent: Agent) -> None:
    agent.log_path.write_bytes(b"x" * LIMIT)
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    assert not agent.log_path.with_suffix(".log.1").exists()
    assert agent.log_path.stat().st_size > LIMIT


@pytest.mark.parametrize("what", ["link", "hard link", "pipe", "foreign"])
def test_a_log_that_somebody_prepared_is_refused(
    place: Path, bbs: BBS, agent: Agent, what: str
) -> None:
    log, victim = place / "own.log", place / "victim"
    victim.write_text("precious\n")
    if what == "link":
        log.symlink_to(victim)
    elif what == "hard link":
        log.hardlink_to(victim)
    elif what == "pipe":
        os.mkfifo(log)
    elif os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    else:
        log.touch()
        os.chown(log, 12345, 12345)
    noisy(bbs, agent, log)
    done = agent.once()
    assert done.returncode == 1
    assert f"cannot open the log {log}" in done.stderr
    assert victim.read_text() == "precious\n"


def test_others_may_not_write_into_it(place: Path, bbs: BBS, agent: Agent) -> None:
    log = place / "own.log"
    log.touch()
    log.chmod(0o666)
    noisy(bbs, agent, log)
    assert agent.once().returncode == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o644


def test_a_full_disk_stops_nothing(place: Path, bbs: BBS, agent: Agent) -> None:
    noisy(bbs, agent, Path("/dev/full"))
    agent.start()
    bbs.wait_polls(3)
    assert agent.running


@AS_ROOT
def test_a_full_disk_at_the_turn(place: Path, bbs: BBS, agent: Agent) -> None:
    disk = place / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=3", "x", disk],
                             capture_output=True)  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.decode()}")
    try:
        log = disk / "own.log"
        log.write_bytes(b"x" * LIMIT)
        (disk / "other").touch()  # the third inode: no new file
        noisy(bbs, agent, log)
        agent.start()
        bbs.wait_polls(2)
        assert (disk / "own.log.1").stat().st_size > LIMIT  # nothing is lost
        (disk / "other").unlink()
        wait_for(lambda: log.exists() and "GET" in log.read_text())
        assert agent.stop() == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_hangup_opens_another_log(place: Path, bbs: BBS, agent: Agent) -> None:
    noisy(bbs, agent, place / "one.log")
    agent.start()
    bbs.wait_polls(1)
    noisy(bbs, agent, place / "two.log")
    hang_up(agent)
    wait_for(lambda: "was read again" in (place / "two.log").read_text()
             if (place / "two.log").exists() else False)  # fmt: skip
    size = (place / "one.log").stat().st_size
    bbs.wait_polls(2)
    assert (place / "one.log").stat().st_size == size


# borg that hangs at the start


def test_registration_does_not_wait_for_borg(place: Path, bbs: BBS, agent: Agent) -> None:
    """It is told of when it answers at last."""
    borg = place / "slow/borg"
    borg.parent.mkdir()
    borg.write_text(
        "#!/bin/sh\n"
        f"while [ ! -e {borg.parent}/go ]; do sleep 0.1; done\n"
        "echo borg 1.2.4\n"
    )
    borg.chmod(0o755)
    agent.borg = borg
    agent.configure(bbs)
    agent.start()
    first = bbs.wait_request("register", 1, 12).json
    assert first and "borg_version" not in first and first["hostname"] == os.uname().nodename
    bbs.wait_polls(1)
    (borg.parent / "go").touch()
    told = bbs.wait_request("info", 1, 10).json
    assert told and told["borg_version"] == "1.2.4"
    assert told["borg_binary_path"] == str(borg)
