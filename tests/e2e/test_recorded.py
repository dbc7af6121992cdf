"""Every task that was recorded from a real server, carried out.

The recordings lie outside of the project; without them this is skipped. The
paths in them are moved below the test's directory, borg is a fake one that
writes what it is asked to extract, and no database answers.
"""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS
from bbsd.state import Body
from support.agent import TOP, Agent
from support.fakeborg import FakeBorg

WIRE = Path(os.environ.get("BBS_SHARED", TOP.parent / "shared")) / "wire"

BORG = r"""
import gzip
command = sys.argv[1:]
if command[0] == "extract":
    at = next(i for i, w in enumerate(command) if "::" in w)
    item("x")
    for path in command[at + 1:]:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if not os.path.isdir(path):
            with gzip.open(path, "wb") as f:
                f.write(b"SELECT 1;\n")
        item(path)
elif "--dry-run" in command:
    file("/a", "-"); file("/b", "x")
else:
    file("/etc/hostname"); progress(1, 100); summary()
"""

# What each kind comes to; the exceptions are by the recording's number.
RESULTS = {
    "backup": "completed",
    "backup_dry_run": "completed",
    "restore": "completed",
    "list_dir": "completed",
    "plugin_test": "completed",
    "plugin_post": "completed",
    "restore_mysql": "failed",  # no database answers here
    "restore_pg": "failed",
    "restore_mongo": "failed",
    "update_agent": "failed",
    "update_borg": "failed",  # pip, and a server that is not there
}
# number: (result, what its error says)
EXCEPTIONS = {
    "0017": ("failed", "script"),
    "0072": ("failed", "/nonexistent"),
    "0079": ("failed", "/moved/passwd"),
    "0442": ("completed", "4 plugin(s) failed"),
    "0443": ("completed", "4 plugin(s) failed"),
    "0449": ("failed", ""),
    "0450": ("failed", "its plugin"),
    "0451": ("failed", "C:\\"),
    "0457": ("failed", "its plugin"),
    "0458": ("failed", "its plugin"),
}


def closed_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def moved(text: str, place: Path) -> str:
    """The same text with the recorded machine's paths below `place`."""
    below = str(place).lstrip("/")
    for old, new in {
        "tmp/bbs-test": f"{below}/moved",
        "home/bbs": f"{below}/bbs",
        "chroot/home": f"{below}/chroot",
        "usr/local/bin/borg": f"{below}/bin/borg",
        "/etc/passwd": f"/{below}/moved/passwd",
        '"path":"/a"': f'"path":"/{below}/moved"',
    }.items():
        text = text.replace(old, new)
    for port in ("3306", "5432", "27017", "18443"):
        text = text.replace(port, str(closed_port()))
    return text


def recorded_tasks(place: Path) -> list[tuple[str, Body]]:
    found = []
    for path in sorted(WIRE.glob("*-GET-tasks.json")):
        body = json.loads(path.read_text())["response"]["body"]
        for task in json.loads(body).get("tasks") or []:
            text = moved(json.dumps(task, separators=(",", ":")), place)
            found.append((path.name[:4], json.loads(text)))
    return found


def make_scripts(directory: Path) -> None:
    for name in ("pre.sh", "post.sh"):
        script = directory / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text('#!/bin/sh\necho "$0 $BBS_BACKUP_STATUS"\n')
        script.chmod(0o755)


@pytest.mark.skipif(not WIRE.is_dir(), reason=f"no recordings: {WIRE} (see BBS_SHARED)")
def test_every_recorded_task(bbs: BBS, agent: Agent, place: Path) -> None:
    make_scripts(place / "moved/data/hooks")
    (place / "moved/passwd").write_text("")
    agent.borg = FakeBorg(place / "faked", BORG).path
    agent.configure(bbs)
    agent.start()
    jobs = []
    for number, task in recorded_tasks(place):
        task.pop("job_id")
        jobs.append((number, task, bbs.add_task(task)))
    assert {task["task"] for _, task, _ in jobs} == set(RESULTS)
    for number, task, job in jobs:
        report = bbs.wait_status(job, 120)
        result, words = EXCEPTIONS.get(number, (RESULTS[task["task"]], ""))
        told = f"{number} {task['task']}: {report}"
        assert report["result"] == result, told
        assert words in report.get("error_log", ""), told
        check(task, report)


def check(task: Body, report: Body) -> None:
    """What a report of that kind holds beside its result."""
    if report["result"] == "failed":
        assert report["error_log"], task
        return
    kind = task["task"]
    if kind == "list_dir":
        tree: Any = json.loads(report["output_log"])
        assert (tree["path"], tree["type"]) == (task["path"], "directory")
    elif kind == "backup_dry_run":
        found = json.loads(report["task_result"])
        assert (found["would_backup"], found["excluded"]) == (1, 1)
    elif kind == "backup":
        assert report["archive_name"] == task["archive_name"]
        assert report["files_processed"] == 1
    elif kind == "plugin_test":
        assert "pre.sh" in report["output_log"] and "post.sh" in report["output_log"]
