"""A job at work, or a slow server, does not make the agent deaf."""

import time
from pathlib import Path

from bbsd import BBS, Job
from support.site import MakeFaked


def gaps_of(bbs: BBS, *endpoints: str, since: float) -> list[float]:
    times = [r.time for r in bbs.requests() if r.endpoint in endpoints and r.time >= since]
    return [b - a for a, b in zip(times, times[1:])]


def test_polls_go_on_during_a_job(faked: MakeFaked) -> None:
    world = faked("[(progress(i, i), time.sleep(0.5)) for i in range(12)]; summary()")
    job = world.order()
    world.bbs.wait_status(job, 40)
    gaps = gaps_of(world.bbs, "tasks", since=job.progress_times[0])
    assert len(gaps) >= 4 and max(gaps) < 2


def test_a_sign_of_life_with_a_long_poll_interval(faked: MakeFaked) -> None:
    world = faked("time.sleep(14); summary()", start=False)
    world.bbs.state.poll_interval = 12
    job = world.order()
    world.agent.start()
    world.bbs.wait_status(job, 40)
    gaps = gaps_of(world.bbs, "tasks", "heartbeat", since=0)
    assert gaps and max(gaps) < 12.8


def test_polls_and_heartbeats_go_on_during_a_slow_status(faked: MakeFaked) -> None:
    """Apache imports the catalogue before it answers."""
    world = faked()
    world.bbs.fault("status", "slow", seconds=12)
    job = world.order()
    world.bbs.wait_status(job)
    world.bbs.ask_about(job.id, "tasks")
    status = world.bbs.wait_request("status", 1, 30)
    gaps = gaps_of(world.bbs, "tasks", since=status.time)
    assert len(gaps) >= 9 and max(gaps) < 2
    assert len(job.reports) == 1, "a good backup was called abandoned"
    beats = [r for r in world.bbs.requests("heartbeat") if r.time >= status.time]
    assert beats


def test_the_next_job_runs_during_a_slow_status(faked: MakeFaked) -> None:
    world = faked()
    world.bbs.fault("status", "slow", seconds=10)
    first = world.order()
    world.bbs.wait_status(first)
    second = world.order()
    world.bbs.wait_running(second, 8)


def test_progress_of_a_silent_borg(faked: MakeFaked) -> None:
    """A lock, an index: progress comes every 5 s all the same."""
    world = faked("time.sleep(14); summary()")
    job = world.order()
    world.bbs.wait_status(job, 40)
    gaps = [b - a for a, b in zip(job.progress_times, job.progress_times[1:])]
    assert len(gaps) >= 2 and max(gaps) < 6


def test_a_flood_does_not_hold_up_the_poll(faked: MakeFaked, fastborg: Path) -> None:
    world = faked(start=False)
    world.agent.env["FASTBORG_LINES"] = "300000"
    world.agent.configure(world.bbs, borg={"path": fastborg})
    world.start()
    job = world.order()
    world.bbs.wait_status(job, 60)
    world.bbs.wait_polls(1)
    gaps = gaps_of(world.bbs, "tasks", since=job.progress_times[0])
    assert not gaps or max(gaps) < 2
    assert job.reports[0]["files_total"] == 300000


def test_a_slow_progress_answer_does_not_stop_borg(faked: MakeFaked) -> None:
    world = faked("[(progress(i, i), time.sleep(0.2)) for i in range(10)]; summary()")
    job = world.order()
    world.bbs.wait_running(job)
    world.bbs.fault("progress", "slow", seconds=4)
    assert world.bbs.wait_status(job, 20)["result"] == "completed"


# side by side

# The first run is long, those behind it are not.
LONG = "time.sleep(5 if open(HERE + '/runs').read().count('\\n{') == 1 else 0); summary()"


def order_look(bbs: BBS, path: str = "/etc") -> Job:
    return bbs.add_task({"task": "list_dir", "path": path, "depth": 1, "max_entries": 5000})


def test_a_look_while_a_backup_runs(faked: MakeFaked) -> None:
    """And another backup waits behind it all the same."""
    world = faked(LONG)
    first = world.order()
    world.bbs.wait_running(first)
    second = world.order()
    world.bbs.wait(lambda: second.deliveries, 5)
    began = time.monotonic()
    looks = [order_look(world.bbs) for _ in range(10)]
    test = world.bbs.add_task(
        {"task": "plugin_test", "plugin": {"slug": "shell_hook", "config": {}}}
    )
    for job in [*looks, test]:
        world.bbs.wait_status(job, 5)
    # A poll a second, and the answers come one after the other.
    assert time.monotonic() - began < 3
    assert all(job.reports[0]["result"] == "completed" for job in looks)
    assert not first.reports and not second.progress
    assert not test.progress or "status_message" not in test.progress[0]
    assert world.bbs.wait_status(first)["result"] == "completed"
    assert world.bbs.wait_status(second)["result"] == "completed"


def test_two_backups_never_at_once(faked: MakeFaked) -> None:
    body = "began = time.time(); time.sleep(0.4); summary()\n"
    body += "with open(os.path.join(HERE, 'spans'), 'a') as f: print(began, time.time(), file=f)"
    world = faked(body)
    jobs = [world.order() for _ in range(3)]
    for job in jobs:
        order_look(world.bbs)
        assert world.bbs.wait_status(job, 20)["result"] == "completed"
    lines = (world.borg.dir / "spans").read_text().splitlines()
    spans = sorted([float(x) for x in line.split()] for line in lines)
    assert len(spans) == 3
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:]))
