"""What every measurement needs: a server with TLS, and an agent of its own.

The agent is a copy of the binary, so that nothing else on the machine shares
its pages, and it trusts what it would trust in earnest: the system's bundle,
with the stand-in server's root added.
"""

import os
import shutil
import signal
import ssl
import subprocess
import time
from pathlib import Path

from bbsd import BBS, CA, Job
from support import process
from support.agent import BINARY, Agent

SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
NEVER = 3600  # poll interval: polls come when they are asked for
HERE = Path(__file__).resolve().parent


class World:
    """A context manager. Directories of earlier worlds may be reused."""

    def __init__(self, place: Path) -> None:
        self.dir = place
        place.mkdir(parents=True, exist_ok=True)
        binary = place / "bbs-agent"
        shutil.copy(BINARY, binary)
        ca = CA(place / "ca")
        self.bbs = BBS(place / "bbs", cert=ca.issue(), ca=ca, poll_interval=NEVER)
        assert self.bbs.context is not None
        # The cipher is the client's choice, as nginx and Apache have it.
        self.bbs.context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        self.agent = Agent(place / "agent", binary)
        self.agent.debug = False
        self.roots = place / "roots.pem"
        system = SYSTEM_ROOTS.read_bytes() if SYSTEM_ROOTS.exists() else b""
        self.roots.write_bytes(ca.cert.read_bytes() + system)

    def __enter__(self) -> "World":
        self.bbs.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.stop()
        self.bbs.stop()

    def configure(self, **sections: dict[str, object]) -> None:
        server = sections.pop("server", {})
        self.agent.configure(self.bbs, server={"ca_file": self.roots, **server}, **sections)

    def start(self) -> None:
        """Until it has registered and polled, and sits still."""
        polls = len(self.bbs.requests("tasks"))
        self.agent.start()
        self.bbs.wait_request("tasks", polls + 1)
        self.agent.wait_jobless()
        time.sleep(0.2)

    def poll(self) -> None:
        """Asks for one now; does not wait for it."""
        os.kill(self.agent.pid, signal.SIGUSR1)

    def check(self, job: Job) -> None:
        report = job.reports[0]
        if report["result"] != "completed" or report.get("error_log"):
            raise RuntimeError(f"the job went wrong: {report}\n{self.agent.log[-4000:]}")
        if self.bbs.violations:
            raise RuntimeError(f"impolite: {self.bbs.violations}")

    @staticmethod
    def may_look() -> bool:
        """Nobody but root sees the memory of the network process."""
        return os.geteuid() == 0

    def pss_mb(self) -> float:
        """Of the supervisor, its nets and its workers, together."""
        pids = [p.pid for p in self.agent.own_processes()]
        return process.pss_kib(pids) * 1024 / 1e6


def compile_c(name: str, directory: Path) -> Path:
    program = directory / name
    compiler = shutil.which("cc") or "gcc"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"]
    subprocess.run([compiler, *flags, "-o", program, HERE / f"{name}.c"], check=True)
    return program
