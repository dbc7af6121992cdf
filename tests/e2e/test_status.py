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


# an agent that does not run


def test_not_running(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    done = status(agent)
    assert done.returncode == 3 and done.stdout == ""
    assert re.search("bbs-agent is not running: start it with .*; if it ends again, bbs-agent doctor says why",
                     done.stderr)  # fmt: skip
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
    agent.process.send_signal(signal.SIGUSR1)  # type: ignore[union-attr]
    wait_ok(agent)


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
