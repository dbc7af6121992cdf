"""Releases of this machine's program alone, made by dist/assemble, and their
install.sh with few programs in reach."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from .agent import BINARY, TOP

ARCH = os.uname().machine
# install.sh calls it as the kernel does.
KNOWN = ARCH in ("x86_64", "aarch64", "riscv64", "ppc64le", "s390x")
# What every system has.
COMMON = ("awk", "cat", "chmod", "cp", "cut", "dd", "dirname", "grep", "mktemp", "mv", "rm", "tr",
          "uname")  # fmt: skip


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Maker:
    """Calls dist/assemble for directories of its own."""

    def __init__(self, place: Path) -> None:
        self.place, self.out, self.built = place, place / "dist", place / "built"
        (self.built / ARCH).mkdir(parents=True)
        shutil.copy(BINARY, self.built / ARCH / "program")
        (self.built / ARCH / "checked").write_text("OK, says this test\n")
        self.key, self.public = self.keys("key", "prime256v1")

    def keys(self, name: str, curve: str) -> tuple[Path, Path]:
        key, public = self.place / f"{name}.pem", self.place / f"{name}.pub.pem"
        openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", key)
        openssl("ec", "-in", key, "-pubout", "-out", public)
        return key, public

    def run(self, *words: str, **files: Path | str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "DIST": str(self.out), "BUILT": str(self.built)}
        env |= {name: str(path) for name, path in files.items()}
        return subprocess.run(
            [TOP / "dist/assemble", *(words or [ARCH])], env=env, capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    def make(self, **files: Path | str) -> str:
        done = self.run(**files)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def listing(self) -> dict[str, str]:
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in self.out.iterdir()}

    @property
    def bundle(self) -> Path:
        return next(self.out.glob("*.tar.gz"))

    def unpack(self) -> Path:
        with tarfile.open(self.bundle) as tar:
            tar.extractall(self.place / "away")
        return next((self.place / "away").iterdir())


def tools(directory: Path, *names: str) -> str:
    """A PATH with these and what every system has."""
    directory.mkdir(exist_ok=True)
    for name in (*COMMON, *names):
        link, found = directory / name, shutil.which(name)
        assert found is not None, name
        link.unlink(missing_ok=True)
        link.symlink_to(found)
    return str(directory)


def install(folder: Path, *words: str,
            have: Iterable[str] = ("openssl", "sha256sum")) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """install.sh of that folder; `have` is in PATH, and nothing that fetches
    unless it is named there."""
    path = tools(folder.parent / ("tools-" + "-".join(have)), *have)
    return subprocess.run(
        [str(shutil.which("dash")), str(folder / "install.sh"), *words], cwd="/", timeout=60,
        env={"PATH": path, "HOME": "/"}, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
