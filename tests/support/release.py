"""Releases of the agent, signed with keys of the tests' own.

The newer version is this very binary with another number in its place: the
text "3.0.0" becomes "3.0.1" wherever it stands, and nothing else is different.
Those that fail in their trial are small static programs (elfagent.c), those that
fail behind it the agent itself with something added (fatal.c)."""

import hashlib
import platform
import re
import subprocess
from pathlib import Path

import pytest

from .agent import BINARY, TOP

ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "aarch64", "riscv64": "riscv64",
                 "ppc64le": "ppc64le", "s390x": "s390x"}  # fmt: skip
NAME = f"bbs-agent-{ARCHITECTURES.get(platform.machine(), 'i686')}"


def built_version() -> str:
    text = (TOP / "src/base/version.h").read_text()
    found = re.search(r'BBS_VERSION "([^"]+)"', text)
    assert found
    return found[1]


OLD = built_version()
NEW = OLD[:-1] + chr(ord(OLD[-1]) + 1)
NEWER = OLD[:-1] + chr(ord(OLD[-1]) + 2)


def as_version(version: str, program: Path = BINARY) -> bytes:
    body = program.read_bytes()
    assert len(version) == len(OLD) and body.count(OLD.encode()) >= 2
    return body.replace(OLD.encode(), version.encode())


def fatal(how: str, version: str = NEW) -> bytes:
    """One that works in its trial and then does not: "crash" or "hang"."""
    program = TOP / f"build/tests/bbs-agent-{how}"
    if not program.exists():
        pytest.skip(f"{program} is not there: make {program.relative_to(TOP)}")
    return as_version(version, program)


class Key:
    def __init__(self, directory: Path, name: str, kind: str = "EC") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.private, self.public = directory / f"{name}.key", directory / f"{name}.pem"
        options = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "EC" else []
        self._openssl("genpkey", "-algorithm", kind, *options, "-out", self.private)
        self._openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)

    def _openssl(self, *words: str | Path, data: bytes = b"") -> bytes:
        return subprocess.run(
            ["openssl", *words], input=data, capture_output=True, check=True
        ).stdout

    def sign(self, text: bytes) -> bytes:
        return self._openssl("dgst", "-sha256", "-sign", self.private, data=text)


def release(key: Key, version: str, body: bytes, name: str = NAME) -> dict[str, bytes]:
    """The files of one."""
    sums = f"# bbs-agent {version}\n{'0' * 64}  bbs-agent-other\n".encode()
    sums += f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode()
    return signed(key, {name: body}, sums)


def signed(key: Key, files: dict[str, bytes], sums: bytes) -> dict[str, bytes]:
    return {**files, "SHA256SUMS": sums, "SHA256SUMS.sig": key.sign(sums)}
