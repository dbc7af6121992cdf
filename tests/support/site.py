"""A whole small world: server, sshd, repository, agent, wired together."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bbsd import BBS, PATIENCE, Job
from bbsd.state import Body

from .agent import Agent
from .fakeborg import FakeBorg
from .repo import Repo
from .sshd import Sshd


class Site:
    """Everything is made by the caller; this is how it is used."""

    def __init__(self, directory: Path, bbs: BBS, sshd: Sshd, repo: Repo, agent: Agent) -> None:
        self.dir = directory
        self.bbs, self.sshd, self.repo, self.agent = bbs, sshd, repo, agent
        bbs.use_ssh(sshd.access)
        agent.borg = None
        agent.configure(bbs)

    def order_backup(self, *directories: Path | str, **more: Any) -> Job:
        passphrase = more.pop("passphrase", self.repo.passphrase)
        return self.bbs.add_backup(
            self.repo.url, [str(d) for d in directories], passphrase, **more
        )

    def order_restore(self, backup: Job, *paths: Path | str, cwd: Path | str | None,
                      **more: Any) -> Job:  # fmt: skip
        """Paths as the host knows them; the archive has no leading slash."""
        return self.bbs.add_restore(
            self.repo.url, backup.reports[0]["archive_name"],
            [str(p).lstrip("/") for p in paths],
            None if cwd is None else str(cwd), self.repo.passphrase, **more,
        )  # fmt: skip

    def backup(self, *directories: Path | str, timeout: float = 60, **more: Any) -> Job:
        """Orders one and waits for its report."""
        job = self.order_backup(*directories, **more)
        self.bbs.wait_status(job, timeout)
        return job

    def restore(self, backup: Job, *paths: Path | str, cwd: Path | str | None,
                timeout: float = 60, **more: Any) -> Body:  # fmt: skip
        job = self.order_restore(backup, *paths, cwd=cwd, **more)
        return self.bbs.wait_status(job, timeout)

    def catalog(self, job: Job) -> list[bytes]:
        """The lines of a job's catalogue as they arrived."""
        path = self.sshd.catalog(job.id)
        return path.read_bytes().splitlines() if path.exists() else []


class Faked:
    """A smaller one: server, sshd and agent, but a fake borg."""

    REPO = "/nonexistent/repo"

    def __init__(self, bbs: BBS, agent: Agent, borg: FakeBorg) -> None:
        self.bbs, self.agent, self.borg = bbs, agent, borg
        agent.borg = borg.path
        agent.configure(bbs)

    def start(self) -> "Faked":
        self.agent.start()
        self.bbs.wait_polls(1)
        return self

    def order(self, directories: Sequence[str] = ("/etc/hostname",), **more: Any) -> Job:
        return self.bbs.add_backup(self.REPO, list(directories), "secret-phrase", **more)

    def backup(self, timeout: float = PATIENCE, **more: Any) -> Body:
        """Orders a backup; its final report."""
        return self.bbs.wait_status(self.order(**more), timeout)


MakeFaked = Callable[..., Faked]


def cancelled(world: Site | Faked, job: Job, timeout: float = 20) -> float:
    """Presses the button; how long after the answer the report came."""
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job, timeout)
    assert report["result"] == "failed"
    assert "Cancelled by user" in report["error_log"]
    told = [r.time for r in world.bbs.requests("status") if r.json and r.json["job_id"] == job.id]
    assert job.cancel_time is not None
    return told[0] - job.cancel_time
