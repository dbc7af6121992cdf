"""`bbs-agent status`: what it tells of the agent, to whom, and what it makes of
one that does not run and of files that are damaged."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bbsd import BBS
from support.agent import Agent
from support.site import MakeFaked
from support.status import Renames, fits, on_terminal, seconds, status, told, wait_ok, wait_told

KEYS = {
    "running", "version", "pid", "pid_start", "started", "written", "stopping", "server",
    "poll_interval", "next_poll", "ssh", "borg", "reports", "policy", "sandbox", "update",
    "jobs_waiting", "jobs", "history",
}  # fmt: skip
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


# what it shows


def test_an_idle_agent(started: Agent, bbs: BBS) -> None:
    wait_told(started, lambda s: s["borg"]["path"] and s["sandbox"]["layers"])
    done = status(started)
    assert done.returncode == 0 and done.stderr == ""
    assert fits(shown := on_terminal(started)), shown
    assert fits(shown := on_terminal(started, 8, 40), 7, 40), shown
    for part in (bbs.url, "answered", "1.2.4", str(started.borg), "none waits",
                 "only borg", "no_new_privs", f"pid {started.pid}"):  # fmt: skip
        assert part in done.stdout, done.stdout
    assert "\033" not in done.stdout


def test_right_behind_the_first_answer(started: Agent) -> None:
    """The file is a moment behind; somebody who has just installed is not told
    that nothing has answered."""
    done = status(started)
    assert done.returncode == 0 and "answered" in done.stdout
    assert "has not answered yet" not in done.stdout


def test_json(started: Agent, bbs: BBS) -> None:
    found = wait_told(started, lambda s: s["borg"]["path"] and s["server"]["answered"])
    assert set(found) == KEYS
    assert found["running"] is True and found["pid"] == started.pid
    assert found["server"]["url"] == bbs.url and found["server"]["failures"] == 0
    assert found["update"] == "none so far; only by hand (auto_update = no)" and found["jobs"] == [] and found["poll_interval"] == 1
    for time_ in (found["started"], found["written"], found["server"]["answered"]):
        assert UTC.fullmatch(time_), time_
    assert abs(seconds(found["written"]) - time.time()) < 10


def test_a_server_that_fails(started: Agent, bbs: BBS) -> None:
    bbs.stop()
    found = wait_told(started, lambda s: s["server"]["failures"] > 0)
    assert UTC.fullmatch(found["server"]["failing_since"])
    shown = status(started)
    assert shown.returncode == 0
    assert "fails for" in shown.stdout and "connection refused" in shown.stdout
    bbs.start()
    found = wait_told(started, lambda s: s["server"]["failures"] == 0)
    assert found["server"]["reason"] is None and found["server"]["failing_since"] is None


def test_the_policy_is_shown(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs, policy={"tasks": "backup,restore", "hooks": "no", "restore_to": "/srv"})
    agent.start()
    bbs.wait_polls(1)
    shown = status(agent).stdout
    assert "tasks backup" in shown and "no hooks" in shown and "restores to /srv" in shown


def test_a_borg_that_cannot_be_used(place: Path, agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs, borg={"path": place / "borg"})
    agent.start()
    found = wait_told(agent, lambda s: s["borg"]["reason"])["borg"]
    assert found["version"] is None and found["path"] is None
    assert f"{place}/borg is not a program" in found["reason"]
    shown = " ".join(on_terminal(agent).split())
    assert f"{place}/borg is not a program: correct it or remove the line" in shown
    assert "bbs-agent doctor (as root)" in shown
    agent.stop()
    (place / "borg").write_text("#!/bin/sh\necho no module named borg >&2\nexit 1\n")
    (place / "borg").chmod(0o755)
    agent.start()
    found = wait_told(agent, lambda s: s["borg"]["reason"] and s["borg"]["path"])["borg"]
    assert found["version"] is None and "no module named borg" in found["reason"]
    assert "failed with code 1: no module named borg" in " ".join(status(agent).stdout.split())


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
    wait_told(started, lambda s: s["server"]["answered"])
    done = as_nobody(started, place)
    assert done.returncode == 0, done.stderr
    assert "answered" in done.stdout
    started.stop()
    done = as_nobody(started, place)
    assert done.returncode == 3 and "is not running" in done.stderr


def as_nobody(agent: Agent, place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`status` as an ordinary user asks it."""
    for path in (place, agent.root.parent):
        path.chmod(0o755)
    binary = place / "bbs-agent"
    if not binary.exists():
        shutil.copy(agent.binary, binary)
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(binary),
         "status", *options, "--root", str(agent.root)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_borg_said_is_for_root(place: Path, faked: MakeFaked) -> None:
    """It names files. Nobody else is shown it, and nobody else can read it."""
    world = faked("message('/root/diary: open: [Errno 5] Input/output error', 'ERROR'); sys.exit(2)")
    assert world.backup()["result"] == "failed"
    wait_told(world.agent, lambda s: s["history"])
    shown = on_terminal(world.agent)
    assert fits(shown), shown
    assert fits(narrow := on_terminal(world.agent, 24, 40), 23, 40), narrow
    assert "\n          /root/diary: open: [Errno 5] Input/output error\n" in shown, shown
    assert "failed    /root/diary: open: [Errno 5]" in status(world.agent).stdout
    assert "bbs-agent doctor (as root)" in shown
    kept = json.loads((world.agent.var / "history.json").read_text())["history"][0]
    assert kept["error"] == "/root/diary: open: [Errno 5] Input/output error"
    assert "diary" not in status(world.agent, "--json").stdout
    assert "diary" not in (world.agent.run_dir / "status.json").read_text()
    theirs = as_nobody(world.agent, place)
    assert theirs.returncode == 0 and "diary" not in theirs.stdout
    assert " backup " in theirs.stdout and " failed " in theirs.stdout
    assert "bbs-agent doctor (as root)" in theirs.stdout


# an agent that does not run


def test_not_running(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    done = status(agent)
    assert done.returncode == 3 and done.stdout == ""
    assert "bbs-agent is not running: start it with bbs-agent run --root" in done.stderr
    assert "bbs-agent doctor says what is wrong" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    agent.start()
    bbs.wait_polls(1)
    agent.stop(signal.SIGKILL)
    done = status(agent, "--json")  # its last word is still there
    assert done.returncode == 3 and "is not running" in done.stderr
    found = json.loads(done.stdout)
    assert found["running"] is False and set(found) == KEYS


def test_not_configured(agent: Agent) -> None:
    done = status(agent)
    assert done.returncode == 3
    assert "not configured: run bbs-agent install" in done.stderr
    assert json.loads(status(agent, "--json").stdout) == {"running": False}


def test_wrong_usage(agent: Agent) -> None:
    assert status(agent, "--watch", "--json").returncode == 2
    assert status(agent, "--once").returncode == 2
    assert "--watch" in agent.call("help", "status").stdout


# files that are damaged


def test_a_damaged_status_file(agent: Agent, bbs: BBS) -> None:
    bbs.state.poll_interval = 60
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    wait_told(agent, lambda s: s["borg"]["path"] and s["poll_interval"] == 60)
    assert "next poll in" in status(agent).stdout
    path = agent.run_dir / "status.json"
    for text in ("{", "\0" * 4096, '{"pid": 1, "server": [7], "jobs": {}, "history": [[]]}'):
        path.write_text(text)
        for options in ((), ("--json",)):
            done = status(agent, *options)
            assert done.returncode == 1
            assert f"bbs-agent is running (pid {agent.pid}), but" in done.stderr
        assert json.loads(done.stdout)["running"] is True
    path.unlink()
    assert "has not written" in status(agent).stderr
    os.mkfifo(path)  # nobody writes into it
    assert "is damaged" in status(agent).stderr
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "cannot be read: File too large" in status(agent).stderr
    path.unlink()
    agent.process.send_signal(signal.SIGUSR1)  # type: ignore[union-attr]
    wait_ok(agent)


def test_what_an_earlier_agent_told_is_not_this_ones(agent: Agent, bbs: BBS) -> None:
    """Its number may be the same: after a reboot, in a container always."""
    bbs.state.poll_interval = 60
    agent.configure(bbs)
    agent.start()
    found = wait_told(agent, lambda s: s["borg"]["path"] and s["server"]["answered"])
    path = agent.run_dir / "status.json"
    for key in ("pid", "pid_start"):
        path.write_text(json.dumps({**json.loads(path.read_text()), key: found[key] + 1}))
        done = status(agent)
        assert done.returncode == 1 and "has not written" in done.stderr and not done.stdout
        path.write_text(json.dumps(found))
        assert status(agent).returncode == 0


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
    time.sleep(1.1)  # what it still had to tell
    with Renames(started.run_dir) as renames:
        polls = len(bbs.requests("tasks"))
        bbs.wait_polls(3)
        written = renames.count()
        polls = len(bbs.requests("tasks")) - polls
    assert 1 <= written <= polls + 1, (written, polls)


def test_a_busy_job_writes_at_most_once_a_second(faked: MakeFaked) -> None:
    """However often it says how far it is."""
    world = faked(
        "n = 0\n"
        "while not os.path.exists(HERE + '/go'):\n"
        "    n += 1\n"
        "    progress(n, n * 1000)\n"
        "    time.sleep(0.01)\n"
        "summary()",
        ssh=False,
    )
    job = world.order(expected_files=100000)
    wait_told(world.agent, lambda s: s["jobs"] and s["jobs"][0]["files"])
    began = time.monotonic()
    with Renames(world.agent.run_dir) as renames:
        world.bbs.wait_polls(4)
        written = renames.count()
        passed = time.monotonic() - began
    assert 1 <= written <= passed / 0.95 + 1, (written, passed)
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job, 30)
