"""The agent's own update: by the server's order and by hand, and every way in
which it must not happen."""

import fcntl
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fakeborg import HALF_WAY, FakeBorg
from support.release import NAME, NEW, NEWER, OLD, Key, as_version, release, signed
from support.updating import Host, NewIsUnheard, broken, host, key, other_key  # noqa: F401


class Watched:
    """Is a lock ever free meanwhile?"""

    def __init__(self, path: Path) -> None:
        self.path, self.free = path, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self) -> "Watched":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def watch(self) -> None:
        with self.path.open("r+b") as lock:
            while not self.over.is_set():
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                self.free += 1
                fcntl.lockf(lock, fcntl.LOCK_UN)


# it works


def test_ordered(host: Host) -> None:
    """Downloaded, verified, tried; then another program in the same process,
    the lock held all the time, and the server is told by the new one."""
    fresh = as_version(NEW)
    host.offer(release(host.key, NEW, fresh))
    host.start()
    pid = host.agent.pid
    assert host.bbs.state.information[-1]["auto_update_enabled"] is True
    assert host.told() == OLD
    with Watched(host.agent.run_dir / "lock") as lock:
        report = host.ordered()
        assert report["result"] == "completed", report
    assert NEW in report["output_log"] and OLD in report["output_log"]
    assert lock.free == 0, "the lock was free for a moment"
    assert host.agent.pid == pid and host.agent.running
    assert host.told() == NEW
    assert host.program.read_bytes() == fresh
    assert host.program.stat().st_mode & 0o777 == 0o755
    assert (host.program.parent / "bbs-agent.old").read_bytes() == host.body
    assert host.beside() == ["bbs-agent", "bbs-agent.old"]
    assert host.updated
    host.bbs.wait(lambda: re.fullmatch(f"updated from {OLD} to {NEW} on 20..-..-..", host.status() or ""), 20)
    assert not any("authorization" in s.headers for s in host.files.seen), "the key leaked"
    # Its descriptors are those of any agent: nothing was left open for it.
    assert len(os.listdir(f"/proc/{pid}/fd")) < 16
    # Once more: there is nothing newer now, and the next one comes.
    report = host.ordered()
    assert report["result"] == "failed" and "is the newest" in report["error_log"]
    host.offer(release(host.key, NEWER, as_version(NEWER)))
    assert host.ordered()["result"] == "completed"
    assert host.told() == NEWER and host.agent.pid == pid
    assert (host.program.parent / "bbs-agent.old").read_bytes() == fresh


def test_by_hand(host: Host) -> None:
    """From a directory, while the agent runs."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    pid, asked = host.agent.pid, len(host.files.seen)
    done = host.hand("--check", "--from", str(host.medium))
    assert done.returncode == 0, done.stderr
    assert f"installed: bbs-agent {OLD}" in done.stdout
    assert f"available: bbs-agent {NEW}" in done.stdout
    assert "newer: yes" in done.stdout
    host.unchanged()
    done = host.hand("--from", str(host.medium))
    assert done.returncode == 0, done.stderr
    assert "took over, and the server has answered it" in done.stdout
    assert (host.version(), host.told(), host.agent.pid) == (NEW, NEW, pid)
    assert host.updated and len(host.files.seen) == asked
    done = host.hand()
    assert done.returncode == 0 and "is the newest" in done.stdout
    assert "newer: no" in host.hand("--check").stdout


def test_by_hand_without_an_agent(host: Host) -> None:
    """From the configured address; the next start is the new one."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(auto="no")
    done = host.hand()
    assert done.returncode == 0, done.stderr
    assert "no agent runs here" in done.stdout
    assert host.version() == NEW and host.phase == "pending"
    assert host.agent.once().returncode == 0
    assert host.updated and host.told() == NEW
    assert host.state["starts"] == 0, "it ended in good order"


def test_once(host: Host) -> None:
    """From cron: ordered, done and reported in one run."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure()
    job = host.bbs.add_task({"task": "update_agent"})
    done = host.agent.once()
    assert done.returncode == 0, done.stderr
    assert host.bbs.wait_status(job)["result"] == "completed"
    assert host.version() == NEW


def test_two_keys(host: Host, other_key: Key) -> None:
    """A change of key: the file holds the next one, too."""
    both = host.program.parent.parent / "both.pem"
    both.write_bytes(other_key.public.read_bytes() + host.key.public.read_bytes())
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(public_key=both)
    assert host.hand().returncode == 0
    assert host.version() == NEW


def test_after_the_backup(host: Host, place: Path) -> None:
    """By hand during a backup: tried and put into its place at once, taken
    over when the backup is done. Ordered, it waits for its turn."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    borg = FakeBorg(place / "slow", HALF_WAY)
    host.agent.borg = borg.path
    host.start()
    backup = host.bbs.add_backup("/nonexistent/repo", ["/etc/hostname"], "secret")
    host.bbs.wait(lambda: borg.runs(), 20)
    update = host.order()
    done = host.hand()
    assert done.returncode == 0, done.stderr
    assert "takes over when its job is done" in done.stdout
    assert backup.reports == [] and update.progress == []
    assert host.state["starts"] == 0
    host.bbs.wait(lambda: "takes over when no job runs" in (host.status() or ""), 20)
    # Somebody who browses does not wait for that.
    look = host.bbs.add_task({"task": "list_dir", "path": "/etc", "depth": 0})
    assert host.bbs.wait_status(look)["result"] == "completed"
    assert backup.reports == []
    (borg.dir / "go").touch()
    assert host.bbs.wait_status(backup)["result"] == "completed"
    report = host.bbs.wait_status(update)
    assert "is the newest" in report["error_log"]
    assert host.told() == NEW and host.updated


def test_once_more_by_hand(host: Host) -> None:
    """The agent never heard that a new version is in its place: the next call
    tells it."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    os.kill(host.agent.pid, signal.SIGUSR2)  # there is nothing to take over
    host.bbs.wait_polls(2)
    host.program.rename(host.program.with_name("bbs-agent.old"))
    host.program.write_bytes(as_version(NEW))
    host.program.chmod(0o755)
    state = {"phase": "pending", "from": OLD, "to": NEW, "program": str(host.program)}
    (host.agent.var / "update.json").write_text(json.dumps(state))
    host.bbs.wait_polls(2)
    assert host.told() == OLD
    done = host.hand()
    assert done.returncode == 0 and "took over" in done.stdout, done
    assert host.told() == NEW and host.updated


# it must not be


def spoiled(host: Host, other: Key, how: str) -> dict[str, bytes]:
    fresh = as_version(NEW)
    good = release(host.key, NEW, fresh)
    sums = good["SHA256SUMS"]
    made: dict[str, dict[str, bytes]] = {
        "forged": {**good, "SHA256SUMS.sig": other.sign(sums)},
        "changed": {**good, "SHA256SUMS": sums.replace(b"bbs-agent-other", b"bbs-agent-0ther")},
        "no signature": {**good, "SHA256SUMS.sig": b""},
        "noise": {**good, "SHA256SUMS.sig": b"\x30\x45" + b"\xff" * 69},
        "wrong sum": {**good, NAME: fresh + b"\0"},
        "cut": {**good, NAME: fresh[:100_000]},
        "older": release(host.key, "2.9.9", fresh),
        "the same": release(host.key, OLD, host.body),
        "no version": signed(host.key, {NAME: fresh}, sums.partition(b"\n")[2]),
        "no number": release(host.key, "latest", fresh),
        "not for us": release(host.key, NEW, fresh, "bbs-agent-z80"),
        "no program": release(host.key, NEW, b"#!/bin/sh\nexit 40\n"),
        "another": release(host.key, NEW, Path("/usr/bin/openssl").read_bytes()),
        "its name": release(host.key, NEWER, fresh),
        "empty": {**good, NAME: b""},
    }
    return made[how]


@pytest.mark.parametrize(
    "how, words",
    [
        ("forged", "signature of SHA256SUMS is wrong"),
        ("changed", "signature of SHA256SUMS is wrong"),
        ("no signature", "signature of SHA256SUMS is wrong"),
        ("noise", "signature of SHA256SUMS is wrong"),
        ("wrong sum", "is not what was signed"),
        ("cut", "is not what was signed"),
        ("older", "an older version is never installed"),
        ("the same", "is the newest that"),
        ("no version", "does not begin with"),
        ("no number", "does not begin with"),
        ("not for us", "has no program for this machine"),
        ("no program", "it is no program"),
        ("another", "is no static program"),
        ("its name", f'calls itself "bbs-agent {NEW}"'),
        ("empty", "is not what was signed"),
    ],
)
def test_not_installed(host: Host, other_key: Key, how: str, words: str) -> None:
    host.offer(spoiled(host, other_key, how))
    host.configure()
    done = host.hand("--from", str(host.medium))
    said = done.stdout if how == "the same" else done.stderr
    assert words in said, done
    assert len(said.strip().splitlines()) == 1
    assert done.returncode == (0 if how == "the same" else 1)
    host.unchanged()


def test_the_network_has_no_hand_on_what_is_run(host: Host) -> None:
    """As long as it downloads, the program that will be tried is not there."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.files.put(f"/dist/{NAME}", as_version(NEW), "drip")
    host.start()
    job = host.order()
    host.bbs.wait(lambda: f"/dist/{NAME}" in host.files.paths(), 20)
    host.bbs.wait(lambda: job.progress, 20)
    assert host.beside() == ["bbs-agent"]
    host.bbs.cancel(job)
    assert host.bbs.wait_status(job, 30)["result"] == "failed"
    host.unchanged()


def test_refused_by_order(host: Host, other_key: Key) -> None:
    """The same reasons reach the server, one job after the other."""
    host.start()
    assert "404" in host.refused()
    host.offer(spoiled(host, other_key, "forged"))
    assert "signature of SHA256SUMS is wrong" in host.refused()
    host.bbs.wait(lambda: re.match(
        "the update failed on .*: the signature of SHA256SUMS is wrong", host.status() or ""), 20)  # fmt: skip
    host.offer(spoiled(host, other_key, "wrong sum"))
    assert "is not what was signed" in host.refused()
    host.offer(spoiled(host, other_key, "older"))
    assert "an older version is never installed" in host.refused()
    host.offer(spoiled(host, other_key, "the same"))
    assert "is the newest" in host.refused()
    host.offer(spoiled(host, other_key, "its name"))
    assert "calls itself" in host.refused()
    assert host.told() == OLD


def test_doctor(host: Host, other_key: Key) -> None:
    """It looks as an update would, and changes nothing."""
    host.configure(public_key=None, auto="no")
    assert host.doctor()[0] == "skipped" and "updates are off: there is no key" in host.doctor()[1]
    host.configure(public_key=None)
    assert host.doctor()[0] == "warn"
    host.configure(auto="no", url=None)
    state, text = host.doctor()
    assert state == "skipped" and f"cannot get {host.bbs.url}/bbs-agent/SHA256SUMS: " in text
    assert "404" in text
    host.configure(auto="no")
    assert host.doctor()[0] == "warn" and "404" in host.doctor()[1]
    host.configure(url="https://127.0.0.1:1/x")
    assert host.doctor()[0] == "warn" and "https://127.0.0.1:1/x/SHA256SUMS" in host.doctor()[1]
    host.configure()
    host.offer(spoiled(host, other_key, "forged"))
    assert host.doctor()[0] == "warn" and "signature of SHA256SUMS is wrong" in host.doctor()[1]
    host.offer(spoiled(host, other_key, "the same"))
    assert host.doctor()[0] == "ok" and "nothing is newer" in host.doctor()[1]
    host.offer(release(host.key, NEW, as_version(NEW)))
    state, text = host.doctor()
    assert state == "ok", text
    assert f"{host.files.url('/dist')} offers bbs-agent {NEW}, signed by a known key: bbs-agent update installs it" in text
    host.unchanged()
    host.program.parent.chmod(0o777)
    assert "others can write into the directory" in host.hand().stderr
    host.program.parent.chmod(0o755)
    state, text = host.doctor()
    assert state == "warn" and "offers bbs-agent" in text and f"{NEW} was not installed on" in text
    assert not any("authorization" in s.headers for s in host.files.seen), "the key leaked"


def test_a_password_in_the_address(host: Host) -> None:
    host.configure()
    done = host.hand("--from", "https://me:geheim@127.0.0.1/x")
    assert done.returncode == 1 and "geheim" not in done.stderr + json.dumps(host.state)


def test_without_a_key(host: Host) -> None:
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(public_key=None)
    assert host.bbs.state.information[-1]["auto_update_enabled"] is False
    assert "there is no key" in host.refused()
    assert host.files.seen == []


def test_an_unusable_key(host: Host) -> None:
    rsa = Key(host.program.parent.parent / "rsa", "rsa", "RSA")
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.configure(public_key=rsa.public)
    assert "holds no ECDSA P-256 public key" in host.hand().stderr
    host.configure(public_key="/nonexistent/key.pem")
    assert "public_key = /nonexistent/key.pem: No such file" in host.hand().stderr
    host.unchanged()


def test_not_allowed(host: Host) -> None:
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start(auto="no")
    assert host.bbs.state.information[-1]["auto_update_enabled"] is False
    assert "auto_update = yes" in host.refused()
    assert host.files.seen == []


def test_allowed_by_the_environment(host: Host) -> None:
    host.agent.env["BBS_AUTO_UPDATE"] = "false"
    host.start()
    assert host.bbs.state.information[-1]["auto_update_enabled"] is False
    assert "auto_update = yes" in host.refused()


def test_the_usual_address(host: Host) -> None:
    host.start(url=None)
    assert f"cannot get {host.bbs.url}/bbs-agent/SHA256SUMS" in host.refused()


@pytest.mark.parametrize(
    "how, words",
    [("CRASH", "does not work here (code 134)"), ("SILENT", "does not work here (code 0)"),
     ("FAIL", "does not work here (code 1): nothing works")],
)  # fmt: skip
def test_a_trial_that_fails(
    host: Host, broken: Callable[[str], bytes], how: str, words: str
) -> None:
    host.offer(release(host.key, NEW, broken(how)))
    host.start()
    assert words in host.refused()


def test_a_trial_that_hangs(host: Host, broken: Callable[[str], bytes]) -> None:
    """A cancel ends it; without one its time does, see test_a_trial_without_end."""
    host.offer(release(host.key, NEW, broken("HANG")))
    host.start()
    job = host.order()
    host.wait_trial()
    host.bbs.cancel(job)
    report = host.bbs.wait_status(job)
    assert report["result"] == "failed" and "Cancelled" in report["error_log"]
    host.unchanged()


@pytest.mark.skipif("BBS_TEST_LONG" not in os.environ, reason="takes over a minute")
def test_a_trial_without_end(host: Host, broken: Callable[[str], bytes]) -> None:
    host.offer(release(host.key, NEW, broken("HANG")))
    host.start()
    report = host.ordered(90)
    assert "it did not end within 60 s" in report["error_log"], report
    host.unchanged()


def test_a_trial_that_the_server_refuses(host: Host) -> None:
    """The new version is good, but the server does not answer it."""
    host.offer(release(host.key, NEW, as_version(NEW)))
    host.start()
    host.bbs.fault("register", "status", code=503)
    assert "the server answers 503" in host.refused()
    assert host.told() == OLD
    host.bbs.faults.append(NewIsUnheard(0))
    assert "the server answers 503" in host.refused()
    assert host.told() == OLD


def test_a_trial_by_hand_that_fails(host: Host) -> None:
    """The agent beside it tells the server again who it is, and people what
    happened."""
    host.offer(release(host.key, NEWER, as_version(NEW)))
    host.start(auto="no")
    assert "calls itself" in host.hand().stderr
    host.bbs.wait(lambda: host.told() == OLD, 20)
    host.bbs.wait(lambda: re.match(
        f"{NEWER} was not installed on .*calls itself", host.status() or ""), 20)  # fmt: skip
    host.unchanged()


def test_one_at_a_time(host: Host, broken: Callable[[str], bytes]) -> None:
    host.offer(release(host.key, NEW, broken("HANG")))
    host.configure()
    words = host.agent.command("update")
    with subprocess.Popen(words, env=host.agent.env, stderr=subprocess.DEVNULL) as first:
        host.wait_trial()
        # An agent that starts meanwhile leaves it alone.
        assert host.agent.once().returncode == 0
        assert "bbs-agent.new" in host.beside()
        assert "another update is at work" in host.hand().stderr
        first.terminate()
        assert first.wait(20) == 1
    host.unchanged()
