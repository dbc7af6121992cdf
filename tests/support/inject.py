"""System calls that fail: strace(1) makes them, in an agent that runs."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .agent import Agent

FORK = "?fork,?vfork,?clone,?clone3"
OPEN = "?open,?openat"
RENAME = "?rename,?renameat,?renameat2"
POLL = "?poll,?ppoll"
UNLINK = "?unlink,?unlinkat"
# strace counts the calls of each process.
SUPERVISOR = [
    (FORK, "EAGAIN", ("1", "1+")),
    ("socketpair", "EMFILE", ("1", "1+")),
    (OPEN, "EMFILE", ("1", "2", "4", "1+")),
    (OPEN, "EIO", ("3+2",)),
    ("write", "ENOSPC", ("3", "1+")),
    ("fsync", "EIO", ("1", "2", "1+")),
    (RENAME, "ENOSPC", ("1", "2", "1+")),
    (UNLINK, "EIO", ("1", "2", "1+")),
    ("?getdents,getdents64", "EIO", ("1", "2", "3+2", "1+")),
    ("mmap", "ENOMEM", ("1", "3", "1+")),
    ("brk", "ENOMEM", ("1+",)),
    (POLL, "ENOMEM", ("1", "3", "2+2")),
    ("sendmsg", "ENOBUFS", ("1", "2", "3+3")),
    ("recvmsg", "ENOMEM", ("1", "2", "3+3")),
    ("wait4", "EINTR", ("1", "1+2")),
    ("read", "EIO", ("1", "2", "2+2")),
    ("fcntl", "EINVAL", ("1+",)),
    ("timerfd_settime", "EINVAL", ("1+",)),
]
WORKERS = [
    (FORK, "EAGAIN", ("1", "2", "1+")),
    ("pipe2", "EMFILE", ("1", "3", "4", "1+")),
    (OPEN, "EMFILE", ("1", "3", "6", "9", "1+")),
    (OPEN, "EACCES", ("12", "14")),
    ("write", "ENOSPC", ("1", "2", "4", "1+")),
    ("pwrite64", "ENOSPC", ("1", "2", "1+")),
    ("fsync", "EIO", ("1", "2", "1+")),
    (RENAME, "ENOSPC", ("1", "1+")),
    ("mmap", "ENOMEM", ("1", "5", "1+", "2+", "4+")),
    ("brk", "ENOMEM", ("1+",)),
    (POLL, "ENOMEM", ("1", "2", "1+2")),
    ("sendmsg", "ENOBUFS", ("1", "3", "5", "1+")),
    ("recvmsg", "ENOMEM", ("1", "2")),
    ("signalfd4", "EMFILE", ("1",)),
    ("setsid", "EPERM", ("1",)),
    ("execve", "ETXTBSY", ("1",)),
]


def cases(table: list[tuple[str, str, tuple[str, ...]]]) -> list[tuple[str, str, str]]:
    return [(call, error, when) for call, error, whens in table for when in whens]


@contextmanager
def failing(agent: Agent, call: str, error: str, when: str, workers: bool = False) -> Iterator[None]:
    """In the supervisor the calls of that name and number ("3", "2+", "1+2")
    fail meanwhile; with workers also, numbered anew in each, in what it forks:
    workers, helpers and what they fork, until that executes a program."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    words = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", "signal=none",
             "-e", f"inject={call}:error={error}:when={when}"]  # fmt: skip
    if workers:
        words += ["-f", "-b", "execve"]
    with traced(agent, words):
        yield


def starting(call: str, error: str, path: Path) -> list[str]:
    """What an agent is started by in whose supervisor these calls with this
    path fail (Agent.prefix)."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    return ["strace", "-D", "-qq", "-o", "/dev/null", "-P", str(path), "-e", "signal=none",
            "-e", f"trace={call}", "-e", f"inject={call}:error={error}"]  # fmt: skip


@contextmanager
def recorded(agent: Agent, calls: str, out: Path) -> Iterator[None]:
    """These calls of the supervisor, and of what it forks, as lines of a file."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    words = ["strace", "-qq", "-f", "-b", "execve", "-y", "-s", "400", "-o", str(out),
             "-e", f"trace={calls}", "-e", "signal=none"]  # fmt: skip
    with traced(agent, words):
        yield


@contextmanager
def traced(agent: Agent, words: list[str]) -> Iterator[None]:
    """By this strace, until it is left."""
    strace = subprocess.Popen([*words, "-p", str(agent.pid)], stderr=subprocess.PIPE)
    try:
        wait_traced(agent, strace)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(10)
        if strace.stderr is not None:
            strace.stderr.close()


def wait_traced(agent: Agent, strace: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    status = Path(f"/proc/{agent.pid}/status")
    while f"TracerPid:\t{strace.pid}\n" not in status.read_text():
        if strace.poll() is not None and strace.stderr is not None:
            pytest.skip(f"strace may not: {strace.stderr.read().decode()[:200]}")
        assert time.monotonic() < deadline, "strace does not begin"
        time.sleep(0.01)
