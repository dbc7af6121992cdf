"""An agent under test: its root, its configuration, its life, its log."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from bbsd import BBS, PATIENCE

from . import process

TOP = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BBS_AGENT_BINARY", TOP / "build" / "bbs-agent"))
STOP_SECONDS = 20


class Agent:
    """One root directory; may be started and stopped again and again."""

    def __init__(self, directory: Path, binary: Path = BINARY) -> None:
        self.root = directory / "root"
        self.home = directory / "home"
        self.tmp = directory / "tmp"
        self.log_path = directory / "agent.log"
        self.binary = binary
        self.debug = True
        self.prefix: list[str] = []  # what starts it, and becomes it
        self.borg: Path | None = None  # [borg] path; None: as the agent finds it
        self.env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "BORG_BASE_DIR": str(self.home),
            "TMPDIR": str(self.tmp),
            "LC_ALL": "C.UTF-8",
        }
        self.process: subprocess.Popen[bytes] | None = None
        for path in (self.etc, self.home, self.tmp):
            path.mkdir(parents=True, exist_ok=True)

    # its files

    @property
    def etc(self) -> Path:
        return self.root / "etc/bbs-agent"

    @property
    def config(self) -> Path:
        return self.etc / "config.ini"

    @property
    def run_dir(self) -> Path:
        return self.root / "run/bbs-agent"

    @property
    def var(self) -> Path:
        return self.root / "var/lib/bbs-agent"

    def configure(self, bbs: BBS | None = None, **sections: dict[str, Any]) -> None:
        """Writes config.ini: the server's own part, and what the test adds
        as section={"key": value}; a value of None takes a key out."""
        merged: dict[str, dict[str, Any]] = {}
        if bbs is not None:
            merged["server"] = {"url": bbs.url, "api_key": bbs.api_key}
            if bbs.ca_file is not None:
                merged["server"]["ca_file"] = bbs.ca_file
            merged["agent"] = {"poll_interval": 1}
            merged["borg"] = {"path": self.borg}
        for name, keys in sections.items():
            merged.setdefault(name, {}).update(keys)
        text = ""
        for name, keys in merged.items():
            lines = [f"{k} = {v}" for k, v in keys.items() if v is not None]
            text += f"[{name}]\n" + "\n".join(lines) + "\n\n"
        self.write_config(text)

    def write_config(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.config.write_bytes(data)
        self.config.chmod(0o600)

    # its life

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, str(self.binary), *arguments, "--root", str(self.root)]

    def start(self, *arguments: str) -> "Agent":
        options = ["--debug"] if self.debug else []
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("run", *options, *arguments), env=self.env, cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        return self

    def call(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs the binary to its end, with these arguments and no others."""
        return subprocess.run(
            [str(self.binary), *arguments], env=self.env, cwd="/", timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip

    def once(self, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        done = self.call("run", "--once", "--root", str(self.root), timeout=timeout)
        with self.log_path.open("a") as log:
            log.write(done.stdout + done.stderr)
        return done

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code (negative: the signal it died from)."""
        if self.process is None:
            return 0
        if self.running:
            self.process.send_signal(how)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise AssertionError(f"the agent did not stop in {STOP_SECONDS} s") from None
        self.process = None
        return code

    # what can be seen of it

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, pattern: str, timeout: float = PATIENCE) -> str:
        """Until the log has a match (case does not matter); the line."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.log.splitlines():
                if re.search(pattern, line, re.IGNORECASE):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"the log never said {pattern!r}")

    def own_processes(self) -> list[process.Process]:
        """The supervisor, its net and its workers, not what they run."""
        mine = [p for p in process.descendants(self.pid) if self._is_agent(p.pid)]
        top = process.look(self.pid)
        return ([top] if top else []) + mine

    def _is_agent(self, pid: int) -> bool:
        try:
            exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        except OSError:  # not dumpable, and we are not root: by its name then
            seen = process.look(pid)
            return seen is not None and "net-process" in seen.command
        return exe == str(self.binary) or "memfd:" in exe

    def job_processes(self) -> list[process.Process]:
        """Workers and what they run: everything below but the net."""
        below = process.descendants(self.pid)
        return [p for p in below if "net-process" not in p.command and p.state != "Z"]

    def wait_jobless(self, timeout: float = 15) -> None:
        deadline = time.monotonic() + timeout
        while left := self.job_processes():
            if time.monotonic() > deadline:
                raise AssertionError(f"still there: {', '.join(map(str, left))}")
            time.sleep(0.05)

    def lock_held(self) -> bool:
        path = self.run_dir / "lock"
        if not path.exists():
            return False
        with path.open("r+b") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def files(self) -> set[str]:
        """Everything below its root and its temporary directory."""
        return {
            str(path.relative_to(self.root.parent))
            for top in (self.root, self.tmp)
            for path in top.rglob("*")
        }

    def spool(self) -> list[Path]:
        """Files that wait below var: no directories, no state files."""
        return [p for p in self.var.rglob("*") if p.is_file() and "spool" in str(p)]

    def borg_locks(self) -> list[Path]:
        return list(self.home.glob(".cache/borg/*/lock.*"))

    def status_json(self) -> dict[str, Any] | None:
        path = self.run_dir / "status.json"
        return json.loads(path.read_text()) if path.exists() else None
