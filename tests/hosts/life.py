"""An agent's life on a booted host, in steps. Each host names its own list of
them; each step is told, and leaves the host so that the next can follow."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bbsd import BBS, CA, Job
from support.release import Key
from support.repo import Repo
from support.sshd import Sshd

from .host import SECONDS, Host, wait
from .trees import TOP

BINARY = Path(os.environ.get("BBS_AGENT_BINARY", TOP / "build/bbs-agent"))
# An agent that is told to stop ends a backup, reports and is gone within this.
STOP_SECONDS = 15
MEDIA = "/opt/media"


@dataclass
class World:
    """A host and what it talks to."""

    host: Host
    bbs: BBS
    ca: CA
    sshd: Sshd
    repo: Repo
    key: Key  # of releases
    other_key: Key  # that no host has heard of
    before: dict[str, str]

    @property
    def polls(self) -> int:
        return len(self.bbs.requests("tasks"))

    def polls_again(self, why: str, seconds: float = SECONDS) -> None:
        seen = self.polls
        wait(lambda: self.polls > seen + 1, f"no poll {why}", seconds)


Step = Callable[[World], str]


def put_media(host: Host, ca: CA) -> None:
    """What somebody carries to the host."""
    media = host.tree / MEDIA.lstrip("/")
    media.mkdir(parents=True)
    shutil.copy(BINARY, media / f"bbs-agent-{os.uname().machine}")
    shutil.copy(TOP / "install.sh", media)
    shutil.copy(ca.cert, media / "ca.pem")


def install(w: World) -> str:
    """One line, without a network but the server."""
    return w.host.run(
        f"cd {MEDIA} && sha256sum bbs-agent-* >SHA256SUMS && cd / && "
        f"sh {MEDIA}/install.sh --from {MEDIA} --server {w.bbs.url} --key {w.bbs.api_key} "
        f"--ca-file {MEDIA}/ca.pem"
    )


# the steps


def installs(w: World) -> str:
    said = install(w)
    assert f"runs as a service of {w.host.init}; the server has answered it" in said, said
    first = w.host.agent()
    again = w.host.run("bbs-agent install")
    assert "the server has answered it" in again and w.host.agent() != first, again
    return "installed by one line, and once more"


def starts_again_after_a_kill(w: World) -> str:
    before = w.host.agent()
    w.host.run(f"kill -KILL {before}")
    began = time.monotonic()
    w.polls_again("after SIGKILL")
    assert w.host.agent() != before
    return f"polls {time.monotonic() - began:.0f} s after SIGKILL"


def survives_a_reboot(w: World) -> str:
    w.host.shut_down()
    w.host.boot()
    w.polls_again("after the reboot")
    return "polls after a reboot"


def shows_its_status(w: World) -> str:
    told = json.loads(w.host.run("bbs-agent status --json"))
    assert told["running"] and told["server"]["answered"], told
    assert told["pid"] == w.host.agent(), told
    return "status: it runs, and the server answers"


def backs_up(w: World) -> str:
    """With the real borg, over ssh, to the real borg."""
    job = w.bbs.add_backup(w.repo.url, ["/etc"], w.repo.passphrase)
    report = w.bbs.wait_status(job, SECONDS)
    assert report["result"] == "completed" and report["files_total"] > 5, report
    assert report["archive_name"] in w.repo.archives()
    assert w.sshd.catalog(job.id).stat().st_size > 0
    return f"a backup over ssh: {report['files_total']} files"


def reloads(w: World) -> str:
    """The process stays the same, and a bad configuration is not taken."""
    config, before = w.host.tree / "etc/bbs-agent/config.ini", w.host.agent()
    good = config.read_text()
    for line, words in (("poll_interval = 0", "stays as it was: "), ("log_level = DEBUG", "was read again")):
        config.write_text(f"{good}\n[agent]\n{line}\n")
        w.host.run(w.host.reload)
        wait(lambda: f"the configuration {words}" in w.host.said(), f"not said: {words}")
        w.polls_again("after a reload")
    config.write_text(good)
    w.host.run(w.host.reload)
    assert w.host.agent() == before
    return "reloaded by the same process; a bad configuration was not taken, and named"


def slow_job(w: World) -> Job:
    """A backup that would take long, with its borg at work."""
    if w.host.has_borg:
        (w.host.tree / "root/slow").write_bytes(os.urandom(1 << 20) * 100)
    else:
        (w.host.tree / "root/slow").touch()
    job = w.bbs.add_backup(w.repo.url, ["/root/slow"], w.repo.passphrase,
                           options=("--upload-ratelimit=200", "--chunker-params=10,14,11,1023"))  # fmt: skip
    w.bbs.wait_running(job)
    if w.host.has_borg:
        wait(w.repo.locked, "borg does not begin")
    else:
        wait(lambda: "borg" in comms(w), "no borg")
    return job


def comms(w: World) -> list[str]:
    return w.host.run("cat /proc/[0-9]*/comm 2>/dev/null; true").split()


def stops_in_a_backup(w: World) -> str:
    """In time, reported, nothing left running, and no lock in the repository."""
    job = slow_job(w)
    refused = w.host.run(f"{MEDIA}/bbs-agent-* install", code=1)
    assert "a job of the agent runs" in refused and "nothing was changed" in refused, refused
    began = time.monotonic()
    w.host.run(w.host.stop)
    took = time.monotonic() - began
    assert took < STOP_SECONDS, f"the stop took {took:.1f} s"
    assert not {"borg", "bbs-agent"} & set(comms(w)), comms(w)
    w.host.run(w.host.start)
    report = w.bbs.wait_status(job, SECONDS)
    assert report["result"] == "failed" and "Interrupted" in report["error_log"], report
    wait(lambda: not w.repo.locked(), "the repository stays locked")
    (w.host.tree / "root/slow").unlink()
    return f"stopped in mid-backup after {took:.1f} s: {report['error_log'].splitlines()[0]}"


def comes_back(w: World) -> str:
    """Without --purge its identity stays, and is enough to install again."""
    said = w.host.run("bbs-agent uninstall")
    assert "/etc/bbs-agent: configuration and keys, kept without --purge" in said, said
    kept = {n: t for n, t in w.host.files().items() if n.startswith("etc/bbs-agent/")}
    assert {"etc/bbs-agent/config.ini", "etc/bbs-agent/ssh_key"} <= set(kept), kept
    same_files(w, but="etc/bbs-agent")
    clients = len(w.bbs.state.information)
    assert "has answered it" in w.host.run(f"{MEDIA}/bbs-agent-* install")
    now = w.host.files()
    assert {n: now[n] for n in kept} == kept and len(w.bbs.state.information) > clients
    return "uninstalled but for its configuration; installed again with that alone"


def uninstalls(w: World) -> str:
    """Every file is as it was; once more is no failure."""
    said = w.host.run(f"sh {MEDIA}/install.sh --uninstall --purge")
    assert "is uninstalled" in said, said
    assert "bbs-agent" not in comms(w), comms(w)
    same_files(w)
    assert "is uninstalled" in w.host.run(f"{MEDIA}/bbs-agent-* uninstall --purge")
    same_files(w)
    return "uninstalled, twice; every file as before"


def same_files(w: World, but: str = "-", running: bool = True) -> None:
    now = w.host.files()
    other = [n for n in sorted({*now, *w.before})
             if now.get(n) != w.before.get(n) and not f"{n}/".startswith(f"{but}/")]  # fmt: skip
    assert not other, f"other than before: {other}"
    left = running and w.host.run("find /run /var/log /root /tmp /var/lib -name '*bbs-agent*'")
    assert not left, left


def comes_up_installed(w: World) -> str:
    """Installed from outside while it was off."""
    w.host.shut_down()
    image(w)
    w.host.boot()
    w.polls_again("after the first boot")
    w.host.run("/usr/local/bin/bbs-agent uninstall --purge")
    same_files(w)
    return "installed by --root while off; came up; uninstalled"


def image(w: World) -> None:
    done = subprocess.run(
        [BINARY, "install", "--root", w.host.tree, "--server", w.bbs.url, "--key", w.bbs.api_key,
         "--ca-file", w.ca.cert],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "will start with it" in done.stdout, done.stdout
