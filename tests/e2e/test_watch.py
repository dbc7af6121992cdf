"""`bbs-agent status --watch` on a terminal, which tmux is, and without one."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agent import Agent
from support.fakeborg import HALF_WAY
from support.site import MakeFaked
from support.status import Terminal, wait_told


@pytest.fixture
def terminal(agent: Agent, place: Path) -> Iterator[Terminal]:
    terminal = Terminal(agent.env, place / "tmux")
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
    shown = terminal.wait("bbs-agent is not running")
    assert "bbs-agent doctor says why" in " ".join(shown.split()) and "\n\nq ends" in shown
    agent.start()
    terminal.wait(rf"pid {agent.pid}\b")
    # the window changes
    terminal.run("resize-window", "-x", "50", "-y", "10")
    terminal.wait(r"runs for")
    lines = terminal.screen().splitlines()
    assert lines[0].startswith("bbs-agent") and "q ends" in lines[9], lines
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
    terminal.wait(r"(?m)[$#] *$")
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
