"""Ten cancels of a real borg, one after the other: nothing is left."""

import time
from pathlib import Path

from support import tree
from support.site import Site, cancelled

BORG_GRACE = 10  # seconds from SIGTERM to SIGKILL


def test_ten_cancels_in_a_row_leave_nothing(site: Site, place: Path) -> None:
    tree.make_big(place / "big", 40)
    before = site.agent.files()
    for number in range(10):
        job = site.order_backup(place / "big", options=("--upload-ratelimit=1500",))
        # While borg starts, and while it sends.
        least = 3 if number % 2 else 2
        site.bbs.wait(lambda: len(job.progress) >= least, 20)
        # A real borg under a rate limit takes its time to unlock and end; how
        # soon it is told is measured with borgs that end at once, below.
        assert cancelled(site, job) < BORG_GRACE
        site.agent.wait_jobless()
        wait_unlocked(site)
        assert not site.agent.borg_locks()
        assert not list(site.agent.tmp.iterdir())
        assert len(job.reports) == 1
    kept = ("known_hosts", "/done", "/history.json")  # for all time

    def new() -> set[str]:
        return {f for f in site.agent.files() - before if not f.endswith(kept)}

    # The server has the last report before the agent knows that it has it.
    deadline = time.monotonic() + 5
    while new() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert new() == set()
    assert "killing it" not in site.agent.log
    last = site.backup(place / "big")
    assert last.reports[0]["result"] == "completed"


def wait_unlocked(site: Site, timeout: float = 5) -> None:
    """The server's side of ssh needs a moment to see the end."""
    deadline = time.monotonic() + timeout
    while site.repo.locked():
        assert time.monotonic() < deadline, "the repository stays locked"
        time.sleep(0.05)
