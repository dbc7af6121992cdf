"""InterWorx: a stand-in for its backup.pex, in the home of a user iworx that
only the agent under test sees (it gets an /etc/passwd of its own)."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from support.agent import Agent
from support.fakeborg import KEEPING
from support.inject import traced
from support.site import Faked, MakeFaked

# A stand-in: it records its arguments, and makes an archive for each domain.
PROGRAM = r'''#!/usr/bin/python3 -S
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "runs"), "a") as runs:
    print(json.dumps(sys.argv[1:]), file=runs)
mode = open(os.path.join(here, "mode")).read()
words = sys.argv[1:]
out = words[words.index("--output-dir") + 1]
if mode == "nothing":
    sys.exit(0)
if mode == "company":  # somebody else writes beside it meanwhile
    open(os.path.join(out, "..", "uploaded-meanwhile"), "w").close()
with open(os.path.join(out, "example.com-full.tar.gz"), "w") as made:
    made.write("x" * 2000)
os.mkdir(os.path.join(out, "work"))
if mode == "slow":
    open(os.path.join(here, "pausing"), "w").close()
    time.sleep(60)
if mode == "fail":
    print("example.org: cannot be backed up")
    sys.exit(1)
os.rmdir(os.path.join(out, "work"))
'''

UNSHARE = 'mount --bind "$0" /etc/passwd && exec "$@"'


class WithUser(Agent):
    """Sees another /etc/passwd; the others' is untouched."""

    passwd: Path

    def command(self, *arguments: str) -> list[str]:
        return ["unshare", "-m", "sh", "-c", UNSHARE, str(self.passwd), *super().command(*arguments)]


def can_unshare() -> bool:
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


needs_user = pytest.mark.skipif(
    os.geteuid() != 0 or not can_unshare(), reason="no mount namespace can be made here"
)

# In a report; without ssh there is a warning of the catalogue, too.
FAILED = "1 plugin(s) failed"


class World:
    def __init__(self, made: Faked, place: Path) -> None:
        self.bbs, self.agent, self.repo = made.bbs, made.agent, made.REPO
        self.bin = place / "iworx/bin"
        self.out = place / "interworx backups"

    def mode(self, mode: str) -> None:
        (self.bin / "mode").write_text(mode)

    def config(self, **more: Any) -> dict[str, Any]:
        return {"backup_type": "full", "domains": "all", "output_dir": str(self.out),
                "compression": "6", "no_disabled": True, "cleanup_after": True, **more}  # fmt: skip

    def order(self, **config: Any) -> Job:
        plugin = {"slug": "interworx", "config": self.config(**config), "config_id": 6}
        return self.bbs.add_backup(self.repo, [str(self.out)], plugins=[plugin])

    def backup(self, **config: Any) -> Job:
        job = self.order(**config)
        self.bbs.wait_status(job)
        self.agent.wait_jobless(15)  # it cleans up after its report
        return job

    def runs(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.bin / "runs").read_text().splitlines()]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir())


def said(job: Job) -> str:
    return "\n".join(p["log_message"] for p in job.progress if "log_message" in p)


@pytest.fixture
def world(faked: MakeFaked, agent: Agent, place: Path) -> Iterator[World]:
    world = World(faked(KEEPING, start=False, ssh=False), place)
    world.bin.mkdir(parents=True)
    (world.bin / "backup.pex").write_text(PROGRAM)
    (world.bin / "backup.pex").chmod(0o755)
    world.mode("good")
    passwd = place / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text().rstrip("\n")
                      + f"\niworx:x:106:106:InterWorx:{world.bin.parent}:/bin/sh\n")  # fmt: skip
    agent.__class__ = WithUser
    agent.passwd = passwd  # type: ignore[attr-defined]
    agent.start()
    world.bbs.wait_polls(1)
    yield world


@needs_user
def test_only_what_this_run_made_is_removed(world: World) -> None:
    world.out.mkdir()
    (world.out / "of-somebody-else.tar.gz").write_text("mine")
    job = world.backup()
    report = job.reports[0]
    assert report["result"] == "completed" and FAILED not in report["error_log"], report
    assert "1 file (example.com-full.tar.gz), 2.0 kB" in said(job)
    out = str(world.out)
    own = f"{out}/.bbs-agent-{job.id}"
    assert world.runs() == [["--output-dir", own, "--tmp-dir", own, "--compression", "6",
                             "--domains", "all", "--backup-options", "all", "--no-disabled"]]  # fmt: skip
    kept = world.agent.borg.parent / "kept" / out.lstrip("/")  # type: ignore[union-attr]
    assert sorted(p.name for p in kept.iterdir()) == ["example.com-full.tar.gz",
                                                      "of-somebody-else.tar.gz"]  # fmt: skip
    assert world.names() == ["of-somebody-else.tar.gz"]
    world.mode("company")
    world.backup()
    assert world.names() == ["of-somebody-else.tar.gz", "uploaded-meanwhile"]


@needs_user
def test_the_choices_become_options(world: World) -> None:
    world.backup(backup_type="structure_only", no_disabled=False, compression=1)
    world.backup(backup_type="partial", domains="a.com, b.org", include_mail=False, no_logs=True,
                 cleanup_after=False)  # fmt: skip
    assert [run[4:] for run in world.runs()] == [
        ["--compression", "1", "--domains", "all", "--structure-only"],
        ["--compression", "6", "--domains", "a.com", "b.org", "--backup-options", "web", "db",
         "no-logs", "--no-disabled"],
    ]  # fmt: skip
    assert world.names() == ["example.com-full.tar.gz"]
    job = world.backup(domains="--help")
    assert '"--help" is no domain' in said(job)
    assert len(world.runs()) == 2


@needs_user
def test_what_failed_is_told(world: World) -> None:
    """What is there is backed up all the same, and goes afterwards."""
    world.mode("fail")
    job = world.backup()
    report = job.reports[0]
    assert report["result"] == "completed" and FAILED in report["error_log"]
    assert "example.org: cannot be backed up" in said(job)
    assert world.names() == []
    job = world.backup(abort_on_failure=True)
    assert job.reports[0]["result"] == "failed"
    assert world.names() == []
    world.mode("nothing")
    assert "wrote no backup" in said(world.backup())


@needs_user
def test_cancelled(world: World) -> None:
    world.mode("slow")
    job = world.order()
    deadline = time.monotonic() + 30
    while not (world.bin / "pausing").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    world.bbs.cancel(job)
    assert world.bbs.wait_status(job)["error_log"] == "Cancelled by user"
    world.agent.wait_jobless()
    assert world.names() == []


@needs_user
def test_the_plugin_is_tested(world: World) -> None:
    plugin = {"slug": "interworx", "config": world.config()}
    report = world.bbs.wait_status(world.bbs.add_task({"task": "plugin_test", "plugin": plugin}))
    assert report["result"] == "completed" and str(world.bin) in report["output_log"]
    (world.bin / "backup.pex").unlink()
    report = world.bbs.wait_status(world.bbs.add_task({"task": "plugin_test", "plugin": plugin}))
    assert report["result"] == "failed" and "backup.pex" in report["error_log"]


def test_without_interworx(bbs: BBS, started: Agent) -> None:
    """No such user is one clear sentence."""
    plugin = {"slug": "interworx", "config": {}}
    report = bbs.wait_status(bbs.add_task({"task": "plugin_test", "plugin": plugin}))
    assert report["result"] == "failed"
    assert report["error_log"] == "InterWorx is not installed here: there is no user iworx"


@needs_user
@pytest.mark.parametrize("kind", ["hard link", "directory"])
def test_a_swap_before_the_directory_is_given_away(world: World, place: Path, kind: str) -> None:
    """Whoever owns the output directory puts something of root's where the
    agent made its own: that stays root's."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    world.out.mkdir()
    os.chown(world.out, 65534, 65534)
    # In the same directory: nobody may move another one's out of it.
    victim = world.out / "of-root" if kind == "directory" else place / "of-root"
    victim.mkdir(0o700) if kind == "directory" else victim.touch(0o600)
    number = victim.stat().st_ino
    swapped = threading.Event()

    def swap() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for part in world.out.glob(".bbs-agent-*"):
                part.rename(world.out / "moved away")
                victim.rename(part) if kind == "directory" else part.hardlink_to(victim)
                swapped.set()
                return
            time.sleep(0.01)

    attacker = threading.Thread(target=swap)
    attacker.start()
    slow = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", "trace=mkdirat", "-e", "signal=none",
            "-e", "inject=mkdirat:delay_exit=1000000"]  # fmt: skip
    with traced(world.agent, slow):
        job = world.order()
        world.bbs.wait(lambda: swapped.is_set(), 30)
        report = world.bbs.wait_status(job)
    attacker.join()
    found = [p.stat() for p in [victim, *world.out.iterdir()] if p.exists()]
    assert [st.st_uid for st in found if st.st_ino == number][:1] == [0]
    assert FAILED in report["error_log"] and "cannot make a directory" in said(job)
