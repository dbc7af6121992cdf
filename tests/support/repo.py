"""A real borg repository, encrypted, below the private sshd's home."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .sshd import Sshd

PASSPHRASE = 'fake-Pass/"phrase"-\u00fc-0000'


@dataclass
class Repo:
    path: Path  # where it lies
    url: str  # how the agent reaches it
    base: Path  # BORG_BASE_DIR for our own look at it
    passphrase: str = PASSPHRASE

    def borg(self, *arguments: str, cwd: Path | None = None) -> str:
        """Runs borg on the repository from the outside; its stdout."""
        done = subprocess.run(
            ["borg", *arguments], cwd=cwd, env=borg_env(self.base, self.passphrase),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"borg {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def archives(self) -> list[str]:
        listing: dict[str, Any] = json.loads(self.borg("list", "--json", str(self.path)))
        return [a["name"] for a in listing["archives"]]

    def locked(self) -> bool:
        """A lock of the repository that somebody left (or holds)."""
        return any((self.path / name).exists() for name in ("lock.exclusive", "lock.roster"))


def create_repo(sshd: Sshd, base: Path, name: str = "repo1") -> Repo:
    repo = Repo(sshd.home / name, sshd.repo_url(name), base)
    base.mkdir(parents=True, exist_ok=True)
    repo.borg("init", "-e", "repokey-blake2", str(repo.path))
    return repo


def borg_env(base: Path, passphrase: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(base),
        "BORG_BASE_DIR": str(base),
        "BORG_PASSPHRASE": passphrase,
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "LC_ALL": "C.UTF-8",
    }
