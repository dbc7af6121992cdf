"""The command line and config.ini, as README promises them."""

import base64
import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS
from support import words
from support.agent import Agent
from support.site import MakeFaked, Site


@pytest.mark.parametrize("topic", ["", *sorted(words.verbs())])
def test_help(agent: Agent, topic: str) -> None:
    """On one screen of 80x24, with examples and every option."""
    ways = [["help", topic], ["--help", topic], [topic, "--help"], [topic, "-h"]]
    if topic == "help":
        ways = ways[:1]
    shown = {agent.call(*filter(None, way)).stdout for way in ways}
    assert len(shown) == 1
    text = shown.pop()
    lines = text.splitlines()
    assert lines[0].startswith("usage: bbs-agent") and topic in lines[0]
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    known = words.options(topic) if topic else words.verbs() | {"--root", "--config"}
    for name in known - ({"--root", "--config"} if topic else set()):
        assert re.search(rf"^  {name}\b|{name} FILE", text, re.M), name
    if topic not in ("version", "help"):
        assert "example" in text
        for example in re.findall(r"^(?:  |example: )bbs-agent (\S+)(.*)$", text, re.M):
            assert example[0] in words.verbs()
            assert set(re.findall(r"--[a-z-]+", example[1])) <= words.options(example[0])


@pytest.mark.parametrize(("line", "said"), [
    ("instal", "did you mean install?"), ("statsu", "did you mean status?"),
    ("stat", "did you mean status?"), ("udpate --check", "did you mean update?"),
    ("help unnistall", "did you mean uninstall?"), ("run --onec", "did you mean --once?"),
    ("install --kee-file=/x", "did you mean --key-file?"), ("--hlep", "did you mean --help?"),
    ("doctor --accept", "did you mean --accept-host-key?"), ("run -debug", "did you mean --debug?"),
    ("status --once", "--once is an option of run, not of status"),
    ("run --purge", "--purge is an option of uninstall, not of run"),
    ("update --pin=x", "--pin is an option of install, not of update"),
    ("status --watch --json", "--watch does not go with"),
    ("status watch", "did you mean --watch?"), ("uninstall purge", "did you mean --purge?"),
    ("install --server", 'a value is missing after "--server"'),
    ("install --server --key K", 'a value is missing after "--server"'),
    ("install --key= --server=x", 'a value is missing after "--key="'),
])  # fmt: skip
def test_what_was_meant(agent: Agent, line: str, said: str) -> None:
    done = agent.call(*line.split())
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("line", ["frobnicate", "run --frobnicate", "--tria", "update --jobb=1",
                                  "x" * 5000, "--" + "y" * 5000, "\033[31m", "", "--", "-",
                                  "\udcff\udcfe", "run extra"])  # fmt: skip
def test_nothing_comes_near(agent: Agent, line: str) -> None:
    """No guess, nothing that is not for people, and nothing that steers a
    terminal."""
    done = agent.call(*line.split(" "))
    assert done.returncode == 2
    assert not re.search(r"did you mean (--trial|--job|net-process)", done.stderr)
    assert "\033" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_version(agent: Agent) -> None:
    for words in (["version"], ["--version"]):
        done = agent.call(*words)
        assert done.returncode == 0
        assert re.search(r"\b\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize(
    "words",
    [["frobnicate"], ["run", "--frobnicate"], ["run", "--root"], ["run", "extra"], ["--config"]],
)
def test_wrong_usage(agent: Agent, words: list[str]) -> None:
    done = agent.call(*words)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr


def test_not_configured(agent: Agent) -> None:
    done = agent.call("run", "--root", str(agent.root))
    assert done.returncode == 3
    assert str(agent.config) in done.stderr


@pytest.mark.parametrize("key", ["url", "api_key"])
def test_half_configured(agent: Agent, bbs: BBS, key: str) -> None:
    agent.configure(bbs, server={key: None})
    done = agent.call("run", "--root", str(agent.root))
    assert done.returncode == 3
    assert key in done.stderr


@pytest.mark.parametrize(
    ("section", "key", "value", "right"),
    [
        ("agent", "poll_interval", "soon", "1"),
        ("agent", "poll_interval", "0", "3600"),
        ("agent", "poll_interval", "3601", "3600"),
        ("agent", "log_level", "LOUD", "DEBUG"),
        ("server", "url", "ftp://x", "https://"),
        ("server", "verify", "nope", "no"),
        ("server", "pin_sha256", "abc", "SHA-256"),
        ("borg", "nice", "-5", "0"),
        ("borg", "path", "borg", "absolute"),
    ],
)
def test_a_bad_value_is_told(agent: Agent, bbs: BBS, section: str, key: str, value: str,
                             right: str) -> None:  # fmt: skip
    agent.configure(bbs, **{section: {key: value}})
    done = agent.call("run", "--root", str(agent.root))
    assert done.returncode == 1
    line = next(n for n, text in enumerate(agent.config.read_text().splitlines(), 1)
                if text.startswith(f"{key} = "))  # fmt: skip
    for part in (str(agent.config), str(line), key, value, right):
        assert part in done.stderr, done.stderr


def test_garbage_is_no_configuration(agent: Agent) -> None:
    agent.write_config(b"\x7fELF\x00\x01\x02 nothing of the kind\n" * 50)
    done = agent.call("run", "--root", str(agent.root))
    assert done.returncode in (1, 3)
    assert str(agent.config) in done.stderr


def test_an_unknown_key_is_a_warning(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs, agent={"colour": "blue"})
    agent.start()
    bbs.wait_polls(1)
    line = next(n for n, text in enumerate(agent.config.read_text().splitlines(), 1)
                if "colour" in text)  # fmt: skip
    said = agent.wait_log("colour")
    assert "WARN" in said and str(line) in said


STOCK = """; written by the stock installer
[Server]
URL: {url}
api_key : {key}
ca_file={ca}

[agent]
# a comment
poll_interval = 1
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text + "\n[server]\napi_key = wrong\n[server]\napi_key = "
        + text.split("api_key : ")[1].split("\n")[0],
        lambda text: text.rstrip("\n"),
    ],
    ids=["as it is", "crlf", "bom", "merged", "no newline at the end"],
)
def test_the_stock_agents_file_works(agent: Agent, bbs: BBS, change: Callable[[str], str]) -> None:
    text = STOCK.replace("[Server]", "[server]").format(
        url=bbs.url, key=bbs.api_key, ca=bbs.ca_file
    )
    agent.write_config(change(text))
    agent.start()
    bbs.wait_polls(1)
    assert bbs.requests("tasks")[0].status == 200


def test_the_key_may_lie_in_a_file(agent: Agent, bbs: BBS) -> None:
    path = agent.etc / "key"
    path.write_text(bbs.api_key + "\r\n")
    agent.configure(bbs, server={"api_key": None, "api_key_file": path})
    agent.start()
    bbs.wait_polls(1)


def test_another_config_file(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    other = agent.root / "other.ini"
    agent.config.rename(other)
    agent.start("--config", str(other))
    bbs.wait_polls(1)


def test_the_log_has_one_line_an_event(agent: Agent, bbs: BBS) -> None:
    agent.debug = False
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(2)
    agent.stop()
    for line in agent.log.splitlines():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO |WARN |ERROR) .*", line), line


def test_the_key_is_never_in_the_log(agent: Agent, bbs: BBS) -> None:
    """Not at DEBUG, and not when the server sends it back."""
    agent.configure(bbs)
    bbs.fault("tasks", "status", code=500, error=f"bad key {bbs.api_key}")
    bbs.fault("tasks", "text", body=f"no JSON, but {bbs.api_key}")
    agent.start()
    bbs.wait_polls(4, 30)
    agent.stop()
    assert "DEBUG" in agent.log
    assert bbs.api_key not in agent.log


# --once


def test_once_runs_what_there_is(faked: MakeFaked) -> None:
    world = faked(start=False)
    job = world.order()
    done = world.agent.once()
    assert done.returncode == 0, done.stderr
    assert job.reports[0]["result"] == "completed"
    assert len(world.bbs.requests("tasks")) == 1
    assert len(world.bbs.requests("register")) == 1


def test_once_with_nothing_to_do(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    assert agent.once(20).returncode == 0
    assert len(bbs.requests("tasks")) == 1


def test_once_delivers_every_report(faked: MakeFaked) -> None:
    world = faked(start=False)
    jobs = [world.order() for _ in range(3)]
    world.bbs.fault("status", "error_500", times=1)
    assert world.agent.once().returncode == 0
    assert [j.state for j in jobs] == ["completed"] * 3


def test_once_without_a_server(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    bbs.stop()
    done = agent.once(60)
    assert done.returncode == 1
    assert "refused" in done.stderr
    bbs.start()


def arguments_of(agent: Agent) -> list[Any]:
    return [p.command for p in agent.own_processes()]


def test_no_secret_is_in_any_argv(agent: Agent, bbs: BBS) -> None:
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    assert not [c for c in arguments_of(agent) if bbs.api_key in c]


def test_debug_shows_the_conversation(faked: MakeFaked) -> None:
    """What is sent, what is answered; of tasks and keys only how much."""
    world = faked()
    world.agent.wait_log("the SSH connection works|no SSH connection")
    world.backup()
    log = world.agent.log
    assert re.search(r'POST /api/agent/register \{"hostname":', log)
    assert re.search(r'/api/agent/register: 200 \(\d+ bytes\) \{.*"agent_id":', log)
    assert re.search(r"/api/agent/tasks: 200 \(\d+ bytes\) *\n", log)
    assert re.search(r'POST /api/agent/progress \{"job_id":1', log)
    assert re.search(r'/api/agent/progress: 200 \(\d+ bytes\) \{.*"status":', log)
    assert re.search(r'POST /api/agent/status for job 1 \(\d+ bytes\) \{"job_id":1,"result":', log)
    for secret in ("secret-phrase", "PRIVATE KEY", world.bbs.api_key):
        assert secret not in log


def forms(secret: str) -> set[str]:
    """As it could slip into a log: a part that no escaping changes, itself,
    escaped, encoded."""
    raw = secret.encode()
    plain = max(re.findall(r"[A-Za-z0-9-]+", secret), key=len)
    return {plain, secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1],
            urllib.parse.quote(secret, safe=""), base64.b64encode(raw).decode().rstrip("=")[:-1],
            raw.hex()}  # fmt: skip


def test_a_normal_day(site: Site, place: Path) -> None:
    """Few lines a job at INFO; at DEBUG, too, no secret in any form."""
    (place / "data").mkdir()
    (place / "data/file").write_text("x")
    site.agent.wait_log("the SSH connection works")
    hook = {"slug": "shell_hook", "config": {"pre_script": "/bin/true", "expose_passphrase": True}}
    job = site.backup(place / "data", plugins=[hook])
    site.restore(job, place / "data", cwd=place)
    site.agent.wait_log("job 2: reported")
    log = site.agent.log
    told = [line for line in log.splitlines() if " DEBUG " not in line]
    assert len([line for line in told if "job 1: " in line]) <= 6, told
    assert len([line for line in told if "job 2: " in line]) == 4, told
    assert len([line for line in told if " job " not in line]) <= 5, told
    key = site.sshd.access.private_key.splitlines()[1:-1]
    for secret in (site.bbs.api_key, site.repo.passphrase, *(line[:40] for line in key)):
        assert not [form for form in forms(secret) if form in log]
