"""`bbs-agent status`: what it shows, to whom, and what it makes of an agent
that does not run, of files that are damaged, and of a terminal."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS
from support.agent import Agent
from support.fakeborg import COMPLETE
from support.site import Faked, MakeFaked

# Half of what there is, and then as long as a file called "go" is not there.
HALF_WAY = """
progress(500, 1500000)
time.sleep(1.1)
progress(600, 3000000)
while not os.path.exists(os.path.join(HERE, "go")):
    time.sleep(0.05)
progress(1000, 6000000)
summary(1000, 6000000, 20000)
"""

KEYS = {
    "running", "version", "pid", "pid_start", "started", "written", "stopping", "server",
    "poll_interval", "next_poll", "ssh", "borg", "reports", "policy", "sandbox", "update",
    "jobs_waiting", "jobs", "history",
}  # fmt: skip
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def status(agent: Agent, *options: str) -> subprocess.CompletedProcess[str]:
    return agent.call("status", *options, "--root", str(agent.root))


def told(agent: Agent) -> dict[str, Any]:
    """What --json says of an agent that runs."""
    done = status(agent, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def wait_told(agent: Agent, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 15
    while not wanted(found := told(agent)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def fits(text: str, rows: int = 23, columns: int = 80) -> bool:
    lines = text.splitlines()
    return len(lines) <= rows and all(len(line) <= columns for line in lines)


# what it shows


def test_an_idle_agent(started: Agent, bbs: BBS) -> None:
    wait_told(started, lambda s: s["borg"]["path"] and s["sandbox"]["layers"])
    done = status(started)
    assert done.returncode == 0 and done.stderr == ""
    assert fits(done.stdout), done.stdout
    for part in (bbs.url, "answered", "next poll in", "1.2.4", str(started.borg), "none waits",
                 "only borg", "no_new_privs", f"pid {started.pid}"):  # fmt: skip
        assert part in done.stdout, done.stdout
    assert "\033" not in done.stdout


def test_json(started: Agent, bbs: BBS) -> None:
    found = wait_told(started, lambda s: s["borg"]["path"] and s["server"]["answered"])
    assert set(found) == KEYS
    assert found["running"] is True and found["pid"] == started.pid
    assert found["server"]["url"] == bbs.url and found["server"]["failures"] == 0
    assert found["update"] is None and found["jobs"] == [] and found["poll_interval"] == 1
    for time_ in (found["started"], found["written"], found["server"]["answered"]):
        assert UTC.fullmatch(time_), time_
    assert abs(_seconds(found["written"]) - time.time()) < 10


def _seconds(text: str) -> int:
    import calendar

    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def test_a_running_backup_has_a_bar(faked: MakeFaked) -> None:
    world = faked(HALF_WAY)
    job = world.order(expected_files=1000)
    wait_told(world.agent, lambda s: s["jobs"] and (s["jobs"][0]["files"] or 0) >= 600)
    found = wait_told(world.agent, lambda s: (s["jobs"][0]["bytes_per_s"] or 0) > 0)
    running = found["jobs"][0]
    assert running["job_id"] == job.id and running["state"] == "running"
    assert running["archive"] and running["files_total"] == 1000
    shown = status(world.agent).stdout
    assert fits(shown), shown
    assert re.search(r"\[#{24}-{16}\]  60 %", shown), shown
    assert re.search(r"600 of 1,000 files, 3\.0 MB, [\d.]+ .?B/s", shown), shown
    assert f"Job {job.id}" in shown and "backup for" in shown
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job, 30)
    wait_told(world.agent, lambda s: s["history"] and not s["jobs"])
    shown = status(world.agent).stdout
    assert re.search(rf"{job.id} backup +{time.strftime('%Y')}\S+ \S+ +completed .* 6\.0 MB", shown)


def test_the_last_ten_jobs_outlive_a_restart(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    jobs = [world.order() for _ in range(12)]
    world.bbs.wait_status(jobs[-1], 60)
    before = wait_told(world.agent, lambda s: s["history"] and not s["jobs"])["history"]
    assert [j["job_id"] for j in before] == [j.id for j in reversed(jobs)][:10]
    assert {j["result"] for j in before} == {"completed"}
    assert {j["bytes"] for j in before} == {100} and {j["stored_bytes"] for j in before} == {50}
    world.agent.stop()
    world.agent.start()
    assert wait_told(world.agent, lambda s: s["server"]["answered"])["history"] == before
    assert fits(status(world.agent).stdout)
    mode = (world.agent.var / "history.json").stat().st_mode
    assert mode & 0o777 == 0o600


def test_how_jobs_end(faked: MakeFaked) -> None:
    world = faked(
        "if 'warn' in ' '.join(sys.argv): message('cannot read it'); summary(); sys.exit(1)\n"
        "if 'bad' in ' '.join(sys.argv): sys.exit(2)\n"
        "if 'slow' in ' '.join(sys.argv): progress(1, 1); time.sleep(60)\n" + COMPLETE
    )
    good = world.order()
    warn = world.order(directories=["/warn"])
    bad = world.order(directories=["/bad"])
    world.bbs.wait_status(bad, 30)
    refused = world.bbs.add_task("frobnicate")
    world.bbs.wait_status(refused, 30)
    slow = world.order(directories=["/slow"])
    wait_told(world.agent, lambda s: s["jobs"] and s["jobs"][0]["bytes"])
    world.bbs.cancel(slow)
    world.bbs.wait_status(slow, 30)
    found = wait_told(world.agent, lambda s: len(s["history"]) == 5)["history"]
    by_id = {j["job_id"]: j for j in found}
    assert by_id[good.id]["result"] == "completed" and not by_id[good.id]["had_warnings"]
    assert by_id[warn.id]["result"] == "completed" and by_id[warn.id]["had_warnings"]
    assert by_id[bad.id]["result"] == "failed" and by_id[bad.id]["reason"] is None
    assert by_id[refused.id]["result"] == "failed" and by_id[refused.id]["reason"]
    assert by_id[slow.id]["reason"] == "Cancelled by user"
    shown = status(world.agent).stdout
    for part in ("warnings", "failed", "Cancelled by user"):
        assert part in shown, shown


def test_a_crash_leaves_its_job_in_the_list(faked: MakeFaked) -> None:
    world = faked("progress(1, 1); time.sleep(60)")
    job = world.order()
    wait_told(world.agent, lambda s: s["jobs"] and s["jobs"][0]["bytes"])
    assert world.agent.process is not None
    world.agent.process.kill()
    world.agent.process.wait()
    world.agent.start()
    world.bbs.wait_status(job, 30)
    found = wait_told(world.agent, lambda s: s["history"])["history"][0]
    assert (found["job_id"], found["type"], found["result"]) == (job.id, "backup", "failed")


def test_browsing_is_no_job_of_the_list(started: Agent, bbs: BBS) -> None:
    job = bbs.add_task("list_dir", path="/etc", depth=1)
    bbs.wait_status(job, 20)
    assert wait_told(started, lambda s: not s["jobs"])["history"] == []


def test_a_server_that_fails(started: Agent, bbs: BBS) -> None:
    bbs.stop()
    found = wait_told(started, lambda s: s["server"]["failures"] > 0)
    assert UTC.fullmatch(found["server"]["failing_since"])
    shown = status(started)
    assert shown.returncode == 0
    assert "fails since" in shown.stdout and "connection refused" in shown.stdout
    bbs.start()
    found = wait_told(started, lambda s: s["server"]["failures"] == 0)
    assert found["server"]["reason"] is None and found["server"]["failing_since"] is None


def test_reports_that_wait(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    world.bbs.fault("status", "error_500", times=2)
    job = world.order()
    found = wait_told(world.agent, lambda s: s["reports"]["reason"])
    assert found["reports"]["waiting"] == 1
    assert "1 to be sent" in status(world.agent).stdout
    world.bbs.wait_status(job, 30)
    wait_told(world.agent, lambda s: s["reports"]["waiting"] == 0)


def test_the_policy_is_shown(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs, policy={"tasks": "backup,restore", "hooks": "no", "restore_to": "/srv"})
    agent.start()
    bbs.wait_polls(1)
    shown = status(agent).stdout
    assert "tasks backup" in shown and "no hooks" in shown and "restores to /srv" in shown


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_sandbox_that_is_not_whole(started: Agent, bbs: BBS) -> None:
    found = wait_told(started, lambda s: s["sandbox"]["layers"])["sandbox"]
    assert "user nobody" in found["layers"]
    shown = status(started).stdout
    assert ("not to be had here" in shown) == (found["missing"] is not None)
    both = found["layers"] + ", " + (found["missing"] or "")
    assert all(layer in both for layer in ("rlimits", "Landlock", "seccomp"))


# nothing that is nobody's business


def test_no_secret_is_in_it(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    bbs.fault("tasks", "status", code=500, error=f"bad key {bbs.api_key}", times=3)
    agent.start()
    found = wait_told(agent, lambda s: s["server"]["failures"] > 0 and s["server"]["reason"])
    assert "bad key ***" in found["server"]["reason"], found
    for path in (agent.run_dir / "status.json", *agent.var.glob("history.json")):
        assert bbs.api_key not in path.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_anybody_may_ask(started: Agent, place: Path) -> None:
    for path in (place, started.root.parent):
        path.chmod(0o755)
    binary = place / "bbs-agent"
    shutil.copy(started.binary, binary)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(binary),
               "status", "--root", str(started.root)]  # fmt: skip
    wait_told(started, lambda s: s["server"]["answered"])
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "answered" in done.stdout
    started.stop()
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 3 and "is not running" in done.stderr


def test_names_do_not_steer_the_terminal(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    name = "a\033[2Jb\u202e\u65e5\u672c" + "x" * 100
    job = world.bbs.add_backup(world.REPO, ["/etc/hostname"], "secret-phrase", archive_name=name)
    world.bbs.wait_status(job, 30)
    found = wait_told(world.agent, lambda s: s["history"])
    assert found["history"][0]["archive"] == name
    shown = status(world.agent).stdout
    assert "\033" not in shown and "\u202e" not in shown and "a\\x1b[2Jb" in shown


# an agent that does not run


def test_not_running(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    done = status(agent)
    assert done.returncode == 3 and done.stdout == ""
    assert "bbs-agent is not running: start it with" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    agent.start()
    bbs.wait_polls(1)
    assert agent.process is not None
    agent.process.kill()
    agent.process.wait()
    done = status(agent, "--json")  # its last word is still there
    assert done.returncode == 3 and "is not running" in done.stderr
    found = json.loads(done.stdout)
    assert found["running"] is False and set(found) == KEYS


def test_not_configured(agent: Agent) -> None:
    done = status(agent)
    assert done.returncode == 3
    assert "not configured; run bbs-agent install" in done.stderr
    assert json.loads(status(agent, "--json").stdout) == {"running": False}


def test_wrong_usage(agent: Agent) -> None:
    assert status(agent, "--watch", "--json").returncode == 2
    assert status(agent, "--once").returncode == 2
    assert "--watch" in agent.call("help", "status").stdout


# files that are damaged


@pytest.mark.parametrize("text", ["", "{", "[1]", "{\"pid\": 1, \"server\": [7]}", "\x00" * 4096])
def test_a_damaged_status_file(agent: Agent, bbs: BBS, text: str) -> None:
    agent.configure(bbs, agent={"poll_interval": 3600})
    bbs.poll_interval = 3600
    agent.start()
    bbs.wait_polls(1)
    agent.wait_log("registered")
    time.sleep(1.2)  # the writer's own pause: what it had to tell is told
    (agent.run_dir / "status.json").write_text(text)
    done = status(agent)
    assert done.returncode == 1 and done.stdout == ""
    assert f"bbs-agent is running (pid {agent.pid}), but" in done.stderr
    found = status(agent, "--json")
    assert found.returncode == 1 and json.loads(found.stdout)["running"] is True


@pytest.mark.parametrize("text", ["", "{", "{\"history\": 5}", "{\"history\": [{}, 1, null]}"])
def test_a_damaged_history(faked: MakeFaked, text: str) -> None:
    world = faked(start=False)
    path = world.agent.var / "history.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    world.start()
    assert world.backup()["result"] == "completed"
    found = wait_told(world.agent, lambda s: s["history"])
    assert found["history"][0]["result"] == "completed"
    assert status(world.agent).returncode == 0
    if text in ("", "{"):
        world.agent.wait_log("history.json is damaged")


def test_a_run_directory_that_cannot_be_written(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    (agent.run_dir / "status.json.new").mkdir(parents=True)
    agent.start()
    bbs.wait_polls(3)
    assert agent.log.count("cannot write") == 1
    (agent.run_dir / "status.json.new").rmdir()
    bbs.wait_polls(2)
    assert told(agent)["pid"] == agent.pid


# how often it is written


def test_an_idle_poll_writes_at_most_once(started: Agent, bbs: BBS) -> None:
    wait_told(started, lambda s: s["borg"]["path"])
    path = started.run_dir / "status.json"
    polls = len(bbs.requests("tasks"))
    seen = {path.stat().st_ino}
    last, writes = path.stat().st_mtime_ns, 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError):
            now = path.stat().st_mtime_ns
            writes += now != last
            last = now
        time.sleep(0.005)
    assert seen and writes <= len(bbs.requests("tasks")) - polls + 1
    assert writes >= 2


# time and terminals


def test_times_are_the_readers(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    job = world.order()
    world.bbs.wait_status(job, 30)
    ended = wait_told(world.agent, lambda s: s["history"])["history"][0]["ended"]
    for zone, hours in (("XYZ-5", 5), ("ABC+3", -3), ("UTC0", 0)):
        world.agent.env["TZ"] = zone
        there = time.gmtime(_seconds(ended) + hours * 3600)
        shown = status(world.agent).stdout
        assert time.strftime("%Y-%m-%d %H:%M", there) in shown.splitlines()[-1], shown
        assert zone[:3] in shown.splitlines()[0]
        assert told(world.agent)["history"][0]["ended"] == ended


class Terminal:
    """A tmux of its own: a screen that is read as text."""

    def __init__(self, agent: Agent, directory: Path) -> None:
        self.socket = directory / "tmux"
        self.env = {**agent.env, "TERM": "xterm-256color"}
        self.run("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh")

    def run(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", str(self.socket), *words], env=self.env, check=True,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def type(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def screen(self, *options: str) -> str:
        return self.run("capture-pane", "-p", *options)

    def wait(self, pattern: str, timeout: float = 15) -> str:
        deadline = time.monotonic() + timeout
        while not re.search(pattern, shown := self.screen()):
            assert time.monotonic() < deadline, f"never {pattern!r}:\n{shown}"
            time.sleep(0.1)
        return shown


@pytest.fixture
def terminal(agent: Agent, place: Path) -> Iterator[Terminal]:
    terminal = Terminal(agent, place)
    yield terminal
    terminal.run("kill-server")


def watch(agent: Agent, terminal: Terminal, before: str = "") -> None:
    terminal.type(f"{before} {agent.binary} status --watch --root {agent.root}", "Enter")


def test_watch_follows(faked: MakeFaked, terminal: Terminal) -> None:
    world = faked(HALF_WAY)
    agent = world.agent
    terminal.type("echo first screen", "Enter")
    watch(agent, terminal)
    shown = terminal.wait("Server .*127.0.0.1|Server .*localhost")
    assert "q ends" in shown and "first screen" not in shown
    job = world.order(expected_files=1000)
    shown = terminal.wait(r"\[#{24}-{16}\]  60 %")
    assert "600 of 1,000 files" in shown
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job, 30)
    terminal.wait(rf"{job.id} backup .* completed")
    # the agent ends, and comes back
    agent.stop()
    terminal.wait("bbs-agent is not running")
    agent.start()
    terminal.wait(rf"pid {agent.pid}\b")
    # the window changes
    terminal.run("resize-window", "-x", "50", "-y", "10")
    terminal.wait(r"runs for")
    lines = terminal.screen().splitlines()
    assert lines[0].startswith("bbs-agent") and lines[9].startswith("q ends"), lines
    terminal.run("resize-window", "-x", "80", "-y", "24")
    # and the end: the first screen is back, and the shell echoes
    terminal.type("q")
    shown = terminal.wait("first screen")
    assert "Server" not in shown
    terminal.type("stty -a | grep -o '[-]*icanon\\|[-]*echo '", "Enter")
    shown = terminal.wait(r"(?m)^echo")
    assert "-icanon" not in shown.replace("'[-]*icanon", "")


def test_watch_ends_with_ctrl_c(started: Agent, terminal: Terminal) -> None:
    watch(started, terminal)
    terminal.wait("q ends")
    terminal.type("C-c")
    terminal.wait(r"(?m)^[$#] *$")
    terminal.type("echo code $?", "Enter")
    terminal.wait("(?m)^code 0")


def test_colour_and_its_absence(started: Agent, terminal: Terminal) -> None:
    wait_told(started, lambda s: s["server"]["answered"])
    watch(started, terminal)
    terminal.wait("answered")
    assert "\033[32m" in terminal.screen("-e")
    terminal.type("q")
    terminal.wait(r"(?m)^[$#] ")
    watch(started, terminal, "NO_COLOR=1")
    terminal.wait("answered")
    assert "\033[" not in terminal.screen("-e")


def test_watch_without_a_terminal(started: Agent, place: Path) -> None:
    with (place / "out").open("w+") as out:
        process = subprocess.Popen(
            [started.binary, "status", "--watch", "--root", started.root], env=started.env,
            stdin=subprocess.DEVNULL, stdout=out,
        )  # fmt: skip
        deadline = time.monotonic() + 15
        while (place / "out").read_text().count("bbs-agent 3") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.terminate()
        assert process.wait(5) == 0
    assert "\033" not in (place / "out").read_text()
