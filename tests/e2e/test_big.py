"""Many files: backed up and restored identically. BBS_TEST_FILES sets how
many (the default keeps the whole suite short; 200000 is the promise)."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from support import process, tree
from support.agent import Agent
from support.site import MakeFaked, Site
from support.sshd import Sshd

FILES = int(os.environ.get("BBS_TEST_FILES", "10000"))
MEMORY_KIB_MAX = 3 * 1024


def test_many_files_go_and_come_back(site: Site, place: Path) -> None:
    source = place / "many"
    tree.make_many(source, FILES)
    patience = 60 + FILES / 200
    job = site.backup(source, timeout=patience)
    report = job.reports[0]
    assert report["result"] == "completed", report
    assert report["files_total"] == FILES
    directories = sum(len(d) for _, d, _ in os.walk(source)) + 1
    lines = site.catalog(job)
    assert len(lines) == FILES + directories
    assert len({json.loads(line)["path"] for line in lines}) == len(lines)
    restored = site.restore(job, source, cwd=place / "back", timeout=patience)
    assert restored["result"] == "completed", restored
    assert restored["files_processed"] == FILES + directories
    assert tree.differences(source, place / "back" / str(source).lstrip("/")) == []


def test_memory_does_not_grow_with_the_files(
    faked: MakeFaked, fastborg: Path, sshd: Sshd
) -> None:
    world = faked(start=False)
    world.agent.env["FASTBORG_LINES"] = "1000000"
    world.agent.configure(world.bbs, borg={"path": fastborg})
    world.start()
    job = world.order()
    peak = watch(world.agent, lambda: bool(job.reports))
    assert job.reports[0]["files_total"] == 1_000_000
    # At full speed, and whole: not given up by a clock that ran backwards.
    assert "error_log" not in job.reports[0]
    with sshd.catalog(job.id).open("rb") as lines:
        assert sum(1 for _ in lines) == 1_000_000
    assert peak < MEMORY_KIB_MAX, f"{peak} KiB"


def watch(agent: Agent, done: Callable[[], bool]) -> int:
    """The peak of what all the agent's processes hold together, in KiB."""
    peak, deadline = 0, time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        peak = max(peak, process.pss_kib([p.pid for p in agent.own_processes()]))
        time.sleep(0.05)
    return peak
