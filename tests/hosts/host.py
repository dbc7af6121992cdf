"""A tree that is booted by systemd-nspawn, looked at and shut down. Its network
is this machine's loopback."""

import functools
import hashlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import machine, trees

SECONDS = 60
# What a system writes as it runs, with us or without.
PASSING = ("dev", "proc", "run", "sys", "tmp", "root", "var/cache", "var/log", "var/tmp",
           "var/lib/systemd", "var/lib/private", "var/lib/urandom", "etc/machine-id", "etc/mtab",
           "usr/lib/rc/cache", "etc/adjtime", "etc/resolv.conf", "etc/.pwd.lock", "opt/media")  # fmt: skip


def wait(what: Callable[[], object], name: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {name}")
        time.sleep(0.05)


class Host:
    """One kind of host; its module says what differs."""

    name = ""  # also the tree's
    init = ""  # what install says that it runs under
    is_up = "true"  # a command that succeeds once it is booted
    power_off = "poweroff"
    start = stop = reload = ""  # of the service
    has_borg = True  # the real one

    def __init__(self, place: Path) -> None:
        self.tree = place / self.name
        self.console = place / f"{self.name}.console"
        self.machine = f"{type(self).__name__.lower()}-{os.getpid()}"
        self.process: subprocess.Popen[bytes] | None = None
        trees.copy(trees.tree(self.name), self.tree)
        self.prepare()

    def prepare(self) -> None:
        """What the tree needs beyond what is kept."""

    def boot(self, *program: str) -> None:
        """Its init, or that program as PID 1."""
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                # It ends with us, and the container with it.
                ["setpriv", "--pdeathsig", "KILL",
                 *machine.nspawn(self.machine, "--console=pipe", "-D", self.tree,
                                 *(program or ["-b"]))],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True,
            )  # fmt: skip
        is_up = "true" if program else self.is_up
        wait(lambda: self.pid1 and self.succeeds(is_up), f"{self.name} does not boot")

    @property
    def pid1(self) -> int:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name}: the container ended")
        return child_of(child_of(self.process.pid))

    def _run(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["nsenter", "-t", str(self.pid1), "-m", "-u", "-i", "-p", "-C", "--", "/bin/sh", "-c",
             f"cd /; {command}"],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                 "HOME": "/root"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip

    def succeeds(self, command: str) -> bool:
        return self._run(command).returncode == 0

    def run(self, command: str, code: int = 0) -> str:
        """What it says; anything but that code is a failure of the test."""
        done = self._run(command)
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{self.name}: {command}: {done.returncode}\n{said}"
        return said

    def shut_down(self) -> None:
        if self.process is None:
            return
        self._run(self.power_off)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not shut down") from None
        self.process = None
        machine.leave(self.machine)

    def end(self) -> None:
        """By force, after a failure."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            machine.leave(self.machine)

    def said(self) -> str:
        """What the service wrote."""
        path = self.tree / "var/log/bbs-agent.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def agent(self) -> int:
        """The agent's pid, as the host itself sees it."""
        return int(self.run("head -n 1 /run/bbs-agent/lock").strip() or 0)

    def files(self) -> dict[str, str]:
        """Every file: its kind, mode and content."""
        found = {}
        for dir_name, dirs, names in os.walk(self.tree):
            for name in [*dirs, *names]:
                path = Path(dir_name) / name
                relative = str(path.relative_to(self.tree))
                if not is_passing(relative):
                    found[relative] = describe(path)
            dirs[:] = [d for d in dirs if not is_passing(
                os.path.relpath(os.path.join(dir_name, d), self.tree))]  # fmt: skip
        return found

    def log(self) -> str:
        """For a person, when a test failed."""
        text = self.console.read_text(errors="replace")[-2000:] if self.console.exists() else ""
        return text + self.said()[-4000:]

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.tree, ignore_errors=True)


def child_of(pid: int) -> int:
    """0: none yet. unshare's is nspawn, whose is the container's first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return int(children[0]) if pid != 0 and children else 0


def is_passing(name: str) -> bool:
    return any(name == p or name.startswith(p + "/") for p in PASSING)


def describe(path: Path) -> str:
    status = path.lstat()
    what = ""
    if stat.S_ISLNK(status.st_mode):
        what = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        what = digest(str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return f"{status.st_mode:o} {what}"


@functools.cache
def digest(path: str, *_: int) -> str:
    """Read once for as long as it is the same file, unchanged."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
