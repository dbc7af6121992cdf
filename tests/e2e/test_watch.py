"""`bbs-agent status --watch` on a terminal, which tmux is, and without one."""

import os
import re
import signal
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
    assert "bbs-agent doctor says what is wrong" in " ".join(shown.split()), shown
    assert "q ends" in shown and "Sandbox" not in shown, shown
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


def watch_as(agent: Agent, terminal: Terminal, place: Path) -> int:
    """Its process, so that it can be sent a signal."""
    note = place / "watch-pid"
    note.unlink(missing_ok=True)
    command = f"echo $$ >{note}; exec {agent.binary} status --watch --root {agent.root}"
    terminal.type(f"sh -c '{command}'", "Enter")
    terminal.wait("q ends")
    return int(note.read_text())


def expect_shell(terminal: Terminal, mark: str) -> None:
    """The first screen is back, wraps and echoes what is typed, a line at a
    time."""
    shown = terminal.wait("first screen")
    assert "q ends" not in shown and "Server" not in shown
    terminal.type(f"stty -a | tr ' ;' '\\n\\n' | grep -c '^icanon$\\|^echo$' | sed s/^/{mark}=/", "Enter")
    terminal.wait(rf"(?m)^{mark}=2$")
    assert terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}") == "0 1 1\n"


@pytest.mark.parametrize("how", ["TERM", "HUP", "INT", "QUIT"])
def test_a_signal_ends_it_and_the_terminal_is_as_before(
    started: Agent, terminal: Terminal, place: Path, how: str
) -> None:
    terminal.type("echo first screen", "Enter")
    pid = watch_as(started, terminal, place)
    assert terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}") == "1 0 0\n"
    os.kill(pid, signal.Signals["SIG" + how])
    terminal.wait("first screen")
    terminal.type("echo code $?", "Enter")
    terminal.wait("(?m)^code 0")
    expect_shell(terminal, "after")


def test_it_makes_room_and_comes_back(started: Agent, terminal: Terminal, place: Path) -> None:
    """Ctrl-Z, and fg."""
    terminal.type("echo first screen", "Enter")
    pid = watch_as(started, terminal, place)
    terminal.type("C-z")
    expect_shell(terminal, "meanwhile")
    terminal.type("fg", "Enter")
    terminal.wait("q ends")
    os.kill(pid, 0)
    assert terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}") == "1 0 0\n"
    terminal.type("Q")
    expect_shell(terminal, "after")


def test_it_ends_with_whoever_reads_it(started: Agent) -> None:
    process = subprocess.Popen(
        [started.binary, "status", "--watch", "--root", started.root], env=started.env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline().startswith(b"bbs-agent 3")
    process.stdout.close()
    process.wait(30)


def test_a_small_window(faked: MakeFaked, place: Path) -> None:
    """40 columns: nothing is broken at the edge."""
    world = faked(HALF_WAY)
    world.order(expected_files=1000)
    terminal = Terminal(world.agent.env, place / "narrow", columns=40)
    try:
        watch(world.agent, terminal)
        lines = terminal.wait(r"\[#{12}-{8}\]  60 %").splitlines()
        labels = "Server SSH borg Reports Policy Sandbox Update Job q".split()
        assert lines[0].startswith("bbs-agent 3.0.0 runs for ") and lines[0].endswith("...")
        assert all(line[:10].split()[:1][0] in labels for line in lines[1:] if line[:10].strip()), lines
        (world.borg.dir / "go").touch()
        assert re.search(r"(?m)^ +1 backup +completed$", terminal.wait("Last jobs +result"))
    finally:
        terminal.close()


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


def test_a_terminal_that_only_prints(started: Agent, terminal: Terminal) -> None:
    """Such as an editor's: the text again and again, and the keys all the same."""
    wait_told(started, lambda s: s["server"]["answered"])
    watch(started, terminal, "TERM=dumb")
    terminal.wait(r"(?s)bbs-agent 3.*\nbbs-agent 3")
    assert terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}") == "0 1 1\n"
    assert "\033[" not in terminal.screen("-e")
    terminal.type("q")
    terminal.wait(r"(?m)^[$#] *$")


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
