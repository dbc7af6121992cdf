"""doctor's line "repository": where the last job worked is remembered without
any secret, and what stands in the way there is said."""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS
from support.agent import Agent
from support.deadmount import CannotMount, stuck_mount
from support.site import Site
from support.sshd import Sshd, free_port

HOUR = 3600


def look(agent: Agent) -> tuple[str, str]:
    """The line's state and text."""
    done = agent.call("doctor", "--json", "--root", str(agent.root))
    [found] = [c for c in json.loads(done.stdout)["checks"] if c["check"] == "repository"]
    assert done.returncode == 1 or found["state"] != "fail"
    return found["state"], found["text"]


def past(number: int, repository: str | None, age: int = HOUR, result: str = "completed",
         **more: str) -> dict[str, object]:  # fmt: skip
    ended = datetime.now(timezone.utc) - timedelta(seconds=age + 5)
    return {"job_id": number, "type": "backup", "result": result, "repository": repository,
            "ended": ended.strftime("%Y-%m-%dT%H:%M:%SZ"), **more}  # fmt: skip


def remember(agent: Agent, *jobs: dict[str, object]) -> None:
    """As if these had been; the newest first."""
    agent.var.mkdir(parents=True, exist_ok=True)
    (agent.var / "history.json").write_text(json.dumps({"history": jobs}))


@pytest.fixture
def known(bbs: BBS, sshd: Sshd, agent: Agent) -> Agent:
    """It has the server's SSH key, as one that ran would."""
    agent.configure(bbs)
    access = sshd.access
    bbs.use_ssh(access)
    (agent.etc / "ssh_key").write_text(access.private_key)
    (agent.etc / "ssh_key").chmod(0o600)
    (agent.etc / "ssh_info.json").write_text(json.dumps(
        {"ssh_unix_user": access.user, "server_host": access.host, "ssh_port": access.port}
    ))  # fmt: skip
    return agent


def url(sshd: Sshd, host: str | None = None, port: int = 0) -> str:
    access = sshd.access
    return f"ssh://{access.user}@{host or access.host}:{port or access.port}/./repo1"


# what is remembered


def test_of_a_real_backup(site: Site) -> None:
    """It stands in status too, which everybody reads; it is reached over SSH."""
    job = site.backup("/etc/hostname")
    shown = url(site.sshd)
    site.agent.wait_jobless()
    state, text = look(site.agent)
    assert state == "ok", text
    assert text.startswith(f"{shown}: SSH to the server works; last reached by job {job.id} (backup), ")
    said = status_with_history(site.agent)
    assert said["history"][0]["repository"] == shown
    everything = json.dumps(said) + (site.agent.var / "history.json").read_text()
    assert site.repo.passphrase.startswith("fake-Pass") and "fake-Pass" not in everything
    assert "::" not in said["history"][0]["repository"]
    before = len(logins(site.sshd))
    look(site.agent)
    assert len(logins(site.sshd)) == before + 1, "the SSH line had done it"
    site.sshd.stop()
    state, text = look(site.agent)
    assert state == "skipped" and "not checked: needs ssh; last reached by job" in text


def status_with_history(agent: Agent) -> dict[str, Any]:
    """It is written at most once a second."""
    until = time.monotonic() + 10
    while True:
        said: dict[str, Any] = json.loads((agent.run_dir / "status.json").read_text())
        if said["history"]:
            return said
        assert time.monotonic() < until, said
        time.sleep(0.05)


def logins(sshd: Sshd) -> list[str]:
    return [line for line in sshd.log.read_text().splitlines() if "Accepted publickey" in line]


def test_no_job_yet(known: Agent) -> None:
    assert look(known) == ("skipped", "no job has named a repository yet")
    remember(known, past(1, None), past(2, None))
    assert look(known) == ("skipped", "none of the last jobs named one")


def test_a_history_of_an_older_version_or_damaged(known: Agent) -> None:
    job = past(1, None)
    del job["repository"]
    remember(known, job)
    assert look(known)[0] == "skipped"
    (known.var / "history.json").write_text('{"history": [')
    state, text = look(known)
    assert state == "skipped" and "is damaged" in text


# over SSH


def test_on_another_host(known: Agent, sshd: Sshd) -> None:
    """Here: another name of the same. It is asked by itself."""
    remember(known, past(3, url(sshd, "localhost")))
    hosts = known.etc / "known_hosts"
    state, text = look(known)
    assert state == "ok" and "SSH to it works; last reached by job 3 (backup), 1 h" in text, text
    assert "localhost" not in hosts.read_text(), "its key is not ours to keep"


def test_another_host_wants_another_key(known: Agent, sshd: Sshd, place: Path) -> None:
    with_other = Sshd(place / "other").start()
    try:
        remember(known, past(3, url(with_other)))
        state, text = look(known)
    finally:
        with_other.stop()
    assert state == "ok" and "SSH answers there; its key comes with each task" in text, text


def test_another_host_is_gone(known: Agent, sshd: Sshd) -> None:
    remember(known, past(3, url(sshd, port=free_port("127.0.0.1"))))
    state, text = look(known)
    assert state == "fail" and "no SSH connection: " in text and "Connection refused" in text
    assert "its port open?" in text and "last reached by job 3" in text


def test_how_the_last_job_ended(known: Agent, sshd: Sshd) -> None:
    here = url(sshd)
    remember(known, past(9, here, HOUR, "failed"), past(8, here, 2 * HOUR, "abandoned"),
             past(7, "/elsewhere", 3 * HOUR), past(6, here, 26 * HOUR))  # fmt: skip
    state, text = look(known)
    assert state == "warn", text
    assert "last tried by job 9 (backup), 1 h" in text and "which failed: the server's page" in text
    assert "last reached by job 6 (backup), 1 d 2 h" in text
    remember(known, past(9, here, HOUR, "failed", reason="Cancelled by user"))
    state, text = look(known)
    assert state == "ok" and "which failed: Cancelled by user" in text and "reached" not in text
    remember(known, past(9, here, HOUR, "failed", error="Connection closed by remote host."))
    state, text = look(known)
    assert state == "warn" and "which failed: Connection closed by remote host." in text


def test_a_way_that_only_borg_knows(known: Agent) -> None:
    remember(known, past(3, "rclone:"))
    state, text = look(known)
    assert state == "skipped" and "only borg knows the way there; last reached by job 3" in text


# in a directory


@pytest.fixture
def directory(known: Agent, place: Path) -> Iterator[Path]:
    path = place / "repo"
    remember(known, past(3, str(path)))
    yield path


def test_a_real_one(known: Agent, directory: Path) -> None:
    subprocess.run(["borg", "init", "-e", "none", directory], check=True, capture_output=True,
                   env={**known.env, "BORG_BASE_DIR": str(directory.parent)})  # fmt: skip
    state, text = look(known)
    assert state in ("ok", "warn") and text.startswith(f"{directory}: "), text
    assert " free" in text and "last reached by job 3" in text
    (directory / "config").unlink()
    state, text = look(known)
    assert state == "fail" and 'no borg repository, there is no "config" in it' in text


def test_it_is_not_there(known: Agent, directory: Path) -> None:
    state, text = look(known)
    assert state == "fail" and f"{directory} cannot be opened: No such file" in text
    assert "is its disk mounted?" in text


def test_its_disk_is_full(known: Agent, directory: Path) -> None:
    directory.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(directory)]
    if subprocess.run(mounted, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        (directory / "data").mkdir()
        (directory / "config").touch()
        state, text = look(known)
    finally:
        subprocess.run(["umount", str(directory)], check=True)
    assert state == "fail" and "make room there" in text, text


def wait_gone(agent: Agent) -> None:
    until = time.monotonic() + 10
    while any(str(agent.root).encode() in cmdline(p) for p in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < until, "a process is left"
        time.sleep(0.05)


def cmdline(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""  # it ended


def test_its_mount_does_not_answer(known: Agent, directory: Path) -> None:
    """Not even SIGKILL ends who looks at it. doctor goes on, and whoever reads
    what it prints does not wait for that process."""
    try:
        with stuck_mount(directory) as stuck:
            began = time.monotonic()
            state, text = look(known)
            took = time.monotonic() - began
            stuck.release()
            wait_gone(known)
    except CannotMount as reason:
        pytest.skip(str(reason))
    assert state == "fail" and "does not answer: its disk hangs" in text, text
    assert took < 15, took
