"""What stands already where the agent makes a file as root: links to what
matters, pipes that nobody reads, directories. Nothing behind a link changes,
nobody waits for a pipe, and jobs come to their ends."""

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bbsd import BBS, CA, Cert
from support.agent import Agent
from support.site import Site
from support.fakeborg import FakeBorg
from support.status import status
from support.sshd import Sshd

# Below the root; the first job is number 1, and 7 and 8 are of an earlier life.
# known_hosts, which ssh itself writes in a directory that is closed to others, has a test of its own.
FILES = [
    "etc/bbs-agent/ssh_key", "etc/bbs-agent/ssh_info.json", "etc/bbs-agent/borg_source",
    "var/lib/bbs-agent/done", "var/lib/bbs-agent/hooks.json", "var/lib/bbs-agent/history.json",
    "var/lib/bbs-agent/spool/0006000000000000-7.json", "var/lib/bbs-agent/journal/8.log",
    "run/bbs-agent/status.json", "run/bbs-agent/status.json.new", "run/bbs-agent/ssh-client",
    "run/bbs-agent/remote-key-1", "run/bbs-agent/secret-1", "run/bbs-agent/hook-passphrase-1",
]  # fmt: skip
Plant = Callable[[Path, Path], object]
KINDS: dict[str, Plant] = {
    "link": lambda path, victim: path.symlink_to(victim),
    "hard link": lambda path, victim: path.hardlink_to(victim),
    "dangling link": lambda path, victim: path.symlink_to(victim.parent / "made"),
    "fifo": lambda path, _: os.mkfifo(path),
    "directory": lambda path, _: path.mkdir(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_stands_there(
    bbs: BBS, sshd: Sshd, agent: Agent, place: Path, fake_borg: Callable[..., FakeBorg], kind: str
) -> None:
    victims = place / "victims"
    victims.mkdir()
    for number, name in enumerate(FILES):
        path, victim = agent.root / name, victims / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        victim.write_text(f"whole {number}\n")
        KINDS[kind](path, victim)
    for path in (agent.var, agent.var / "spool", agent.var / "journal"):
        path.chmod(0o700)
    borg = fake_borg("progress(1, 1); summary()")
    hook = place / "hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    plugin = {"slug": "shell_hook", "config": {"pre_script": str(hook), "post_script": str(hook),
                                               "expose_passphrase": True}}  # fmt: skip
    bbs.use_ssh(sshd.access)
    agent.borg = borg.path
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(2)
    job = bbs.add_backup("/nonexistent/r", ["/etc/hostname"], "phrase", plugins=[plugin],
                         remote_ssh_key="PRIVATE\n")  # fmt: skip
    report = bbs.wait_status(job, 30)
    bbs.wait_polls(2)
    assert status(agent).returncode == (1 if kind == "directory" else 0)
    assert len(job.reports) == 1
    # A directory in its place cannot be a key, or a journal.
    assert report["result"] == ("failed" if kind == "directory" else "completed"), report
    assert agent.stop() == 0
    for number, name in enumerate(FILES):
        assert (victims / str(number)).read_text() == f"whole {number}\n", name
    assert not (victims / "made").exists()
    if kind != "directory":
        key = agent.etc / "ssh_key"
        assert key.is_file() and not key.is_symlink() and key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_no_file_where_host_keys_are_kept(site: Site, kind: str) -> None:
    """ssh would wait for the pipe for ever: a job and doctor say what stands
    there; once it is gone, all works."""
    agent = site.agent
    agent.wait_log("the SSH connection works")
    known = agent.etc / "known_hosts"
    known.unlink()
    KINDS[kind](known, known)
    report = site.backup("/etc/hostname").reports[0]
    assert report["result"] == "failed"
    assert f"{known}, where the server's SSH host key is kept, is no file" in report["error_log"]
    for words in ([], ["--accept-host-key"]):
        done = agent.call("doctor", *words, "--root", str(agent.root), timeout=20)
        assert done.returncode == 1 and "is no file: remove it" in done.stdout + done.stderr, done
    known.rmdir() if kind == "directory" else known.unlink()
    assert site.backup("/etc/hostname").reports[0]["result"] == "completed"
    assert known.is_file() and not known.is_symlink()


@pytest.mark.parametrize("kind", KINDS)
def test_the_lock(bbs: BBS, agent: Agent, place: Path, kind: str) -> None:
    """It refuses, in a sentence, instead of writing into what it is not."""
    victim = place / "victim"
    victim.write_text("whole\n")
    agent.run_dir.mkdir(parents=True)
    KINDS[kind](agent.run_dir / "lock", victim)
    agent.configure(bbs)
    assert status(agent).returncode == 3  # and does not wait for a pipe
    done = agent.once(20)
    lock = agent.run_dir / "lock"
    lock.rmdir() if lock.is_dir() else lock.unlink()
    assert done.returncode == 1
    assert "cannot use the lock" in done.stderr and "remove it" in done.stderr
    assert victim.read_text() == "whole\n" and not (place / "made").exists()
    assert bbs.requests() == []


def test_a_lock_that_anybody_can_take(bbs: BBS, agent: Agent) -> None:
    """The lock's file can be read by all, and so be locked for reading. That
    keeps no agent from its work, and passes for none. All can read it whatever
    the umask that the agent was started with."""
    agent.configure(bbs)
    agent.prefix = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    agent.run_dir.mkdir(parents=True)
    lock = agent.run_dir / "lock"
    lock.touch()
    with lock.open("rb") as planted:
        fcntl.lockf(planted, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert status(agent).returncode == 3
        agent.start()
        bbs.wait_polls(1)
        assert lock.stat().st_mode & 0o777 == 0o644
        assert f"(pid {agent.pid})" in status(agent).stdout
        second = agent.once(20)
        assert second.returncode == 1 and f"another agent (pid {agent.pid})" in second.stderr
        assert agent.stop() == 0
    lock.chmod(0o600)
    agent.start()
    bbs.wait_polls(2)
    assert lock.stat().st_mode & 0o777 == 0o644


def test_directories_of_others(bbs: BBS, agent: Agent) -> None:
    """One that others may write to is closed to them; one that belongs to
    another user is not used."""
    agent.configure(bbs)
    agent.run_dir.mkdir(parents=True)
    agent.run_dir.chmod(0o777)
    agent.var.mkdir(parents=True)
    agent.var.chmod(0o755)
    agent.start()
    bbs.wait_polls(1)
    assert agent.stop() == 0
    assert agent.run_dir.stat().st_mode & 0o7777 == 0o755
    assert agent.var.stat().st_mode & 0o7777 == 0o700
    assert f"{agent.run_dir} was open to other users (mode 777)" in agent.log
    if os.geteuid() == 0:
        os.chown(agent.var, 65534, 65534)
        done = agent.once(20)
        os.chown(agent.var, 0, 0)
        assert done.returncode == 1
        assert f"{agent.var} belongs to another user" in done.stderr


# a restore, while somebody moves its directory


def test_a_directory_is_swapped_while_it_is_restored(
    bbs: BBS, agent: Agent, place: Path, fake_borg: Callable[..., FakeBorg]
) -> None:
    """borg stands where it was judged to stand, and not where the name leads
    by now."""
    target, elsewhere = place / "in/target", place / "elsewhere"
    target.mkdir(parents=True)
    elsewhere.mkdir()
    borg = fake_borg(
        f"os.rename({str(target)!r}, {str(target) + '.old'!r})\n"
        f"os.symlink({str(elsewhere)!r}, {str(target)!r})\n"
        "open('restored', 'w').close(); item('restored')"
    )
    agent.borg = borg.path
    agent.configure(bbs, policy={"restore_to": place / "in"})
    agent.start()
    bbs.wait_polls(1)
    first = bbs.add_restore("/nonexistent/r", "a", ["x"], str(target))
    assert bbs.wait_status(first)["result"] == "completed"
    assert (place / "in/target.old/restored").exists() and not list(elsewhere.iterdir())
    # Now the name leads out.
    second = bbs.add_restore("/nonexistent/r", "a", ["x"], str(target))
    report = bbs.wait_status(second)
    assert report["result"] == "failed" and "[policy] restore_to" in report["error_log"]
    assert len(borg.runs()) == 1 and not list(elsewhere.iterdir())


SWAP = """
import ctypes, sys, time
libc, names = ctypes.CDLL(None), [name.encode() for name in sys.argv[1:]]
while libc.renameat2(-100, names[0], -100, names[1], 2) == 0:  # RENAME_EXCHANGE
    time.sleep(0.00002)
sys.exit("no renameat2")
"""


def test_nothing_is_made_where_a_restore_may_not_go(
    bbs: BBS, agent: Agent, place: Path, fake_borg: Callable[..., FakeBorg]
) -> None:
    """A directory and a link that leads out, exchanged again and again while
    the agent makes a restore's directory in it."""
    inside, outside = place / "in/inside", place / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    link = place / "in/link"
    link.symlink_to(outside)
    agent.borg = fake_borg("item('x')").path
    agent.configure(bbs, policy={"restore_to": place / "in"})
    agent.start()
    bbs.wait_polls(1)
    swap = subprocess.Popen(["/usr/bin/python3", "-c", SWAP, inside, link])
    try:
        wanted = [str(inside / f"a{n}/b") for n in range(24)]
        jobs = [bbs.add_restore("/nonexistent/r", "a", ["x"], path) for path in wanted]
        for job in jobs:
            bbs.wait_status(job, 60)
        if swap.poll() is not None:
            pytest.skip("this file system exchanges no names")
    finally:
        swap.kill()
        swap.wait()
    assert not list(outside.iterdir())
