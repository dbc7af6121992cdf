"""The completions of bash, zsh and fish, in these shells on a real terminal:
after each command exactly the options that it takes."""

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import words
from support.status import Terminal

DIST = words.TOP / "dist"
PROMPT = "ready>"  # a blank behind it is lost on the way
START = {
    "bash": (["bash", "--norc", "-i"], f". {DIST}/bbs-agent.bash; "
             "bind 'set show-all-if-ambiguous on'"),
    # as it finds the file by itself, where install puts it
    "zsh": (["zsh", "-f", "-i"], f"ln -s {DIST}/bbs-agent.zsh ~/_bbs-agent; fpath+=(~); "
            "autoload -U compinit; compinit -D -u; LISTMAX=0; setopt NO_AUTO_MENU"),
}  # fmt: skip
OPTION = r"(?<!\S)--[a-z][a-z-]*"


@pytest.fixture(params=START)
def shell(request: pytest.FixtureRequest, place: Path) -> Iterator[Terminal]:
    command, first = START[request.param]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place), "LC_ALL": "C.UTF-8"}
    terminal = Terminal(env, place / "tmux", *command, rows=40, columns=100)
    with contextlib.closing(terminal):
        terminal.type(f" {first}; PS1='{PROMPT} '", "Enter")
        terminal.wait(rf"(?m)^{PROMPT}$")
        yield terminal


def complete(shell: Terminal, line: str, enough: set[str]) -> str:
    """What stands below the line after the completion key; the line goes."""
    shell.type("C-u", "C-l")
    shell.wait(rf"\A{PROMPT}\s*\Z")
    shell.type("-l", line)
    shell.wait(rf"\A{PROMPT} {re.escape(line.rstrip())}")
    shell.type("Tab")
    deadline = time.monotonic() + 10
    while not all(word in (shown := shell.screen()) for word in enough):
        assert time.monotonic() < deadline, f"{line}: not {enough}:\n{shown}"
        time.sleep(0.05)
    return shown


def listed(shown: str) -> set[str]:
    """Without the line itself, descriptions and zsh's sign for a value."""
    lines = [re.sub(r"  -- .*", "", line) for line in shown.splitlines() if PROMPT not in line]
    return {word.rstrip("=") for word in " ".join(lines).split()}


@pytest.mark.parametrize("verb", sorted(words.verbs() - {"version", "help"}))
def test_options(shell: Terminal, verb: str) -> None:
    wanted = words.options(verb)
    assert listed(complete(shell, f"bbs-agent {verb} --", wanted)) == wanted


def test_everything_else(shell: Terminal) -> None:
    shown = complete(shell, "bbs-agent ", words.verbs())
    assert {w for w in listed(shown) if not w.startswith("-")} == words.verbs()
    shown = complete(shell, "bbs-agent help ", words.verbs())
    assert listed(shown) == words.verbs()
    for line in ("bbs-agent install --service ", "bbs-agent install --service="):
        assert listed(complete(shell, line, words.services())) == words.services(), line
    # a word that is clear is finished; a directory is one
    complete(shell, "bbs-agent unin", {"uninstall"})
    complete(shell, "bbs-agent run --root /us", {"/usr/"})
    complete(shell, "bbs-agent --root / stat", {"status"})
    complete(shell, "bbs-agent --root / status --wa", {"--watch"})


def test_fish(place: Path) -> None:
    """It lists everything by itself, without a terminal."""
    lines = [f"bbs-agent {verb} --" for verb in sorted(words.verbs() - {"version", "help"})]
    lines += ["bbs-agent ", "bbs-agent help ", "bbs-agent install --service ",
              "bbs-agent --root=/us", "bbs-agent --root / status --"]  # fmt: skip
    asked = "".join(f"complete -C '{line}'; echo; " for line in lines)
    done = subprocess.run(["fish", "--no-config", "-c", f"source {DIST}/bbs-agent.fish; {asked}"],
                          check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(place)})  # fmt: skip
    assert done.stderr == ""
    answers = [{line.split("\t")[0] for line in part.splitlines()}
               for part in done.stdout.replace("\n\n", "\0").strip("\0\n").split("\0")]  # fmt: skip
    for line, told in zip(lines, answers, strict=True):
        if found := re.fullmatch(r"bbs-agent (?:--root / )?([a-z]+) --", line):
            assert told == words.options(found.group(1)), line
    verbs, topics, services, root, _ = answers[-5:]
    assert verbs == topics == words.verbs()
    assert services == words.services() and "--root=/usr/" in root


def test_on_a_terminal_in_fish(place: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place), "LC_ALL": "C.UTF-8"}
    terminal = Terminal(env, place / "tmux", "fish", "--no-config", "-i")
    with contextlib.closing(terminal):
        terminal.type(f" source {DIST}/bbs-agent.fish", "Enter")
        terminal.type("-l", "bbs-agent uninstall --pu")
        terminal.wait("--pu")
        terminal.type("Tab")
        terminal.wait("bbs-agent uninstall --purge")
