"""What config.ini asks of borg's process, a host that stays awake, and the key
of a remote repository, whatever becomes of its job."""

import json
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from support.site import Faked, MakeFaked

# A stand-in for systemd-inhibit that keeps to the real one's ways: it runs
# what it is given and is there as long as that is.
INHIBIT = """#!/usr/bin/python3
import json, os, subprocess, sys
note = open({note!r}, "a")
print(json.dumps(["begin", os.getpid(), sys.argv[1:]]), file=note, flush=True)
words = [a for a in sys.argv[1:] if not a.startswith("--")]
subprocess.call(words)
print(json.dumps(["end", os.getpid()]), file=note, flush=True)
"""


def inhibitor(world: Faked, place: Path, script: str = INHIBIT) -> Path:
    """A systemd-inhibit first in PATH; where it notes what happens."""
    note = place / "inhibited"
    program = place / "bin/systemd-inhibit"
    program.parent.mkdir()
    program.write_text(script.format(note=str(note)))
    program.chmod(0o755)
    world.agent.env["PATH"] = f"{program.parent}:{world.agent.env['PATH']}"
    return note


def notes(path: Path) -> list[list[object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}/exe").exists()


# [borg] nice, ionice, upload_kib, max_hours


def test_borg_is_nice(faked: MakeFaked) -> None:
    world = faked(
        "io = subprocess.run(['ionice'], capture_output=True, text=True).stdout.strip()\n"
        "json.dump([os.nice(0), io], open(HERE + '/nice', 'w'))\n"
        "summary()",
        start=False, ssh=False,
    )
    keys = {"path": world.borg.path, "nice": 7, "ionice_class": 2, "ionice_level": 6}
    world.agent.configure(world.bbs, borg=keys)
    world.start()
    assert world.backup()["result"] == "completed"
    nice, io = json.loads((world.borg.dir / "nice").read_text())
    assert (nice, io) == (7, "best-effort: prio 6")


@pytest.mark.parametrize("before", [[], ["--log-json", "--lock-wait=60"]])
def test_uploads_are_limited(faked: MakeFaked, before: list[str]) -> None:
    world = faked(start=False, ssh=False)
    world.agent.configure(world.bbs, borg={"path": world.borg.path, "upload_kib": 1234})
    world.start()
    command = ["borg", *before, "create", "--json", "/x::a", "/etc/hostname"]
    job = world.bbs.add_task({"task": "backup", "command": command, "env": {},
                              "archive_name": "a", "directories": "/etc/hostname"})  # fmt: skip
    world.bbs.wait_status(job)
    argv = world.borg.runs()[-1]["argv"]
    assert argv[argv.index("create") + 1] == "--upload-ratelimit=1234"


def test_a_command_that_prints_without_end(faked: MakeFaked) -> None:
    """Its head is reported; the rest is read and dropped, on no disk."""
    world = faked("for i in range(700_000): print('archive-%012d' % i)", ssh=False)
    job = world.bbs.add_task({"task": "archives", "command": ["borg", "list", "/x"], "env": {}})
    report = world.bbs.wait_status(job)
    assert report["result"] == "completed", report
    assert report["output_log"].startswith("archive-000000000000\narchive-000000000001\n")
    assert 9000 < len(report["output_log"]) <= 10000
    world.agent.wait_log("the rest is dropped")


# the host stays awake


def test_sleep_is_inhibited(faked: MakeFaked, place: Path) -> None:
    world = faked("open(HERE + '/at', 'w').write(open({!r}).read())\nsummary()"
                  .format(str(place / "inhibited")), start=False, ssh=False)  # fmt: skip
    note = inhibitor(world, place)
    # The note must be there when borg looks.
    world.borg.path.write_text(
        world.borg.path.read_text().replace(
            "open(HERE + '/at'", f"time.sleep(0.5)\nopen(HERE + '/at'"
        )
    )
    world.start()
    job = world.order()
    assert world.bbs.wait_status(job)["result"] == "completed"
    kind, pid, words = json.loads((world.borg.dir / "at").read_text())
    assert kind == "begin"
    assert words == ["--what=sleep", "--who=bbs-agent",
                     f"--why=backup server's job {job.id}", "--mode=block", "cat"]  # fmt: skip
    wait_gone(pid)
    assert len([n for n in notes(note) if n[0] == "begin"]) == 1


def test_it_ends_with_a_worker_that_is_killed(faked: MakeFaked, place: Path) -> None:
    world = faked("time.sleep(30)", start=False, ssh=False)
    note = inhibitor(world, place)
    world.start()
    job = world.order()
    world.bbs.wait(lambda: notes(note) and world.borg.runs(), 15)
    _, pid, _ = notes(note)[0]
    assert isinstance(pid, int)
    worker = int(Path(f"/proc/{pid}/stat").read_text().split()[3])
    os.kill(worker, signal.SIGKILL)
    wait_gone(pid)
    assert notes(note)[-1] == ["end", pid]
    world.bbs.wait_status(job)
    world.agent.wait_jobless()


@pytest.mark.parametrize(
    "script",
    ["#!/bin/sh\nexit 1\n", "not a program\n", "#!/bin/sh\ntrap '' TERM\nexec sleep 3\n"],
    ids=["refused", "broken", "stubborn"],
)
def test_it_costs_no_job(faked: MakeFaked, place: Path, script: str) -> None:
    world = faked("item('p')", start=False, ssh=False)
    inhibitor(world, place, script)
    world.start()
    began = time.monotonic()
    job = world.bbs.add_restore("/x", "a", ["p"], str(place / "r"))
    assert world.bbs.wait_status(job)["result"] == "completed"
    assert time.monotonic() - began < 4


# the key of a remote repository

RSH = "ssh -i /tmp/bbs-remote-ssh-key -p 22 -o BatchMode=yes"
KEY = "-----BEGIN X\r\nabc\r\n-----END X"
SEE = (
    "words = os.environ['BORG_RSH'].split()\n"
    "open(HERE + '/key', 'w').write(open(words[words.index('-i') + 1]).read())\n"
)


def keys(world: Faked) -> list[Path]:
    return list(world.agent.run_dir.glob("remote-key*"))


@pytest.mark.parametrize("end", ["summary()", "sys.exit(2)"], ids=["success", "failure"])
def test_the_remote_key_goes_with_its_job(faked: MakeFaked, end: str) -> None:
    world = faked(SEE + end, ssh=False)
    planted = Path("/tmp/bbs-remote-ssh-key")
    if not planted.is_symlink() and not planted.exists():
        planted.symlink_to("/nonexistent/elsewhere")
    try:
        world.backup(env={"BORG_RSH": RSH}, remote_ssh_key=KEY)
    finally:
        if planted.is_symlink():
            planted.unlink()
    assert (world.borg.dir / "key").read_text() == "-----BEGIN X\nabc\n-----END X\n"
    world.agent.wait_jobless()
    assert keys(world) == []


@pytest.mark.parametrize("how", ["cancel", "killed worker", "killed agent"])
def test_the_remote_key_goes_when_the_job_is_ended(faked: MakeFaked, how: str) -> None:
    world = faked(SEE + "time.sleep(60)", ssh=False)
    job = world.order(env={"BORG_RSH": RSH}, remote_ssh_key=KEY)
    world.bbs.wait(lambda: (world.borg.dir / "key").exists(), 15)
    assert len(keys(world)) == 1
    borg = world.borg.runs()[0]["pid"]
    worker = int(Path(f"/proc/{borg}/stat").read_text().split()[3])
    if how == "cancel":
        world.bbs.cancel(job)
    elif how == "killed worker":
        os.kill(worker, signal.SIGKILL)
    else:
        world.agent.stop(signal.SIGKILL)
        for pid in (worker, borg):  # the worker may be quicker
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        world.start()
    if how != "killed agent":
        world.bbs.wait_status(job, 30)
        world.agent.wait_jobless()
    assert keys(world) == []
