"""`bbs-agent status` as a test asks it: on a pipe, on a terminal, as JSON."""

import calendar
import contextlib
import ctypes
import fcntl
import json
import os
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bbsd import PATIENCE

from .agent import Agent


def status(agent: Agent, *options: str) -> subprocess.CompletedProcess[str]:
    return agent.call("status", *options, "--root", str(agent.root))


def told(agent: Agent) -> dict[str, Any]:
    """What --json says of an agent that runs, or was just started."""
    deadline = time.monotonic() + 5
    while (done := status(agent, "--json")).returncode == 3 and time.monotonic() < deadline:
        time.sleep(0.05)
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


def on_terminal(agent: Agent, rows: int = 24, columns: int = 80) -> str:
    """What stands on a terminal of that size."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [agent.binary, "status", "--root", agent.root], env={**agent.env, "TERM": "xterm"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(ours, 65536):
            text += part
    os.close(ours)
    assert process.wait(10) == 0
    return re.sub(r"\033\[\d*m", "", text.decode()).replace("\r\n", "\n")


def fits(text: str, rows: int = 23, columns: int = 80) -> bool:
    lines = text.splitlines()
    return len(lines) <= rows and all(len(line) <= columns for line in lines)


def wait_ok(agent: Agent) -> None:
    deadline = time.monotonic() + 10
    while status(agent).returncode != 0:
        assert time.monotonic() < deadline


def seconds(text: str) -> int:
    """Of a time as JSON has it, since 1970."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Renames:
    """Counts what the kernel says of files that get their name in a directory."""

    MOVED_TO = 0x80
    # One event that is like the one before it is left out: files are made, too.
    CREATE = 0x100

    def __init__(self, directory: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        wanted = self.MOVED_TO | self.CREATE
        assert libc.inotify_add_watch(self.fd, os.fsencode(directory), wanted) >= 0

    def __enter__(self) -> "Renames":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def count(self) -> int:
        events = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.fd, 65536):
                events += part
        found = 0
        while events:  # descriptor, mask, cookie, length of the name
            mask, length = struct.unpack_from("4xI4xI", events)
            events = events[16 + length :]
            found += mask & self.MOVED_TO != 0
        return found


class Terminal:
    """A tmux with a server of its own: a screen that is read as text."""

    def __init__(self, env: dict[str, str], socket: Path, *shell: str,
                 rows: int = 24, columns: int = 80) -> None:  # fmt: skip
        self.socket = socket
        self.env = {**env, "TERM": "xterm-256color"}
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                 *(shell or ("sh",)))  # fmt: skip

    def run(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", str(self.socket), *words], env=self.env, check=True,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def close(self) -> None:
        self.run("kill-server")

    def type(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def screen(self, *options: str) -> str:
        return self.run("capture-pane", "-p", *options)

    def wait(self, pattern: str, timeout: float = PATIENCE) -> str:
        deadline = time.monotonic() + timeout
        while not re.search(pattern, shown := self.screen()):
            assert time.monotonic() < deadline, f"never {pattern!r}:\n{shown}"
            time.sleep(0.1)
        return shown
