"""When one of the agent's processes dies: no borg goes on, nobody waits."""

import contextlib
import os
import shutil
import signal
from pathlib import Path

from bbsd import Job
from support import process, tree
from support.site import MakeFaked, Site


def backing_up(site: Site, place: Path) -> tuple[Job, process.Process]:
    """A job in the middle of its work, and its worker."""
    tree.make_big(place / "big", 40)
    job = site.order_backup(place / "big", options=("--upload-ratelimit=1500",))
    site.bbs.wait(lambda: borgs(site) and len(job.progress) >= 3, 20)
    borg = borgs(site)[0]
    worker = process.look(borg.parent)
    assert worker is not None
    assert worker.parent == site.agent.pid
    return job, worker


def borgs(site: Site) -> list[process.Process]:
    """What borg this agent has started, wherever it hangs by now."""
    found = process.descendants(os.getpid())
    return [p for p in found if "borg create" in p.command and p.state != "Z"]


def test_a_worker_dies(site: Site, place: Path) -> None:
    job, worker = backing_up(site, place)
    os.kill(worker.pid, signal.SIGKILL)
    report = site.bbs.wait_status(job, 20)
    assert report["result"] == "failed"
    assert "signal 9" in report["error_log"]
    assert not process.settled(lambda: borgs(site), 12)
    assert site.backup(place / "big").reports[0]["result"] == "completed"
    # borg's own, when it cannot even write that it was stopped
    for left in site.agent.tmp.iterdir():
        shutil.rmtree(left)


def test_a_worker_dies_over_a_silent_borg(faked: MakeFaked) -> None:
    """It does not see that nobody reads it, so it is stopped."""
    world = faked("time.sleep(600)", ssh=False)
    job = world.order()
    world.bbs.wait(world.borg.runs, 15)
    below = process.descendants(world.agent.pid)
    borg = next(p for p in below if str(world.borg.path) in p.command)
    os.kill(borg.parent, signal.SIGKILL)
    assert "signal 9" in world.bbs.wait_status(job, 20)["error_log"]

    def alive() -> list[process.Process]:
        found = process.look(borg.pid)
        return [found] if found and found.state != "Z" else []

    assert not process.settled(alive, 5)


def test_the_supervisor_dies(site: Site, place: Path) -> None:
    job, _ = backing_up(site, place)
    site.agent.stop(signal.SIGKILL)
    assert not process.settled(lambda: borgs(site), 12)
    site.agent.start()
    report = site.bbs.wait_status(job, 20)
    assert report["result"] == "failed"
    assert "Interrupted" in report["error_log"]
    assert len(job.reports) == 1


def test_the_whole_group_is_told_to_end(site: Site, place: Path) -> None:
    """As a service manager does that signals each process of a service."""
    job, worker = backing_up(site, place)
    for found in process.descendants(site.agent.pid):
        with contextlib.suppress(ProcessLookupError):  # its parent was faster
            os.kill(found.pid, signal.SIGTERM)
    assert worker.parent == site.agent.pid
    site.agent.stop()
    assert not process.settled(lambda: borgs(site), 2)
    assert "Interrupted" in job.reports[0]["error_log"]
    # A borg that is told twice, by the manager and by us, may be told while it
    # takes its own temporary directory away.
    for left in site.agent.tmp.glob("tmp*"):
        shutil.rmtree(left)
