"""Final reports, and servers that do not take them: what is an answer and what
is none, which report waits, which is set aside, and that the others pass."""

import json
import re
import time
from pathlib import Path
from typing import Any

from bbsd import BBS
from support.agent import Agent
from support.clock import Clock
from support.inject import recorded
from support.site import Faked, MakeFaked

DAY = 86400
PAGE = {"kind": "status", "page": True}
# What a server, or what stands before it, may say once; what becomes of the
# report; how often the server itself has seen it then.
ANSWERS: dict[str, tuple[dict[str, Any], str, int]] = {
    "the server's own 404": ({"kind": "status", "code": 404}, "dropped", 0),
    "somebody's 404": ({**PAGE, "code": 404}, "taken", 1),
    "the server's own 400": ({"kind": "status", "code": 400}, "aside", 0),
    "somebody's 400": ({**PAGE, "code": 400}, "taken", 1),
    "404 with half of a body": ({"kind": "status", "code": 404, "body": '{"error":'}, "taken", 1),
    "401": ({"kind": "status", "code": 401}, "taken", 1),
    "403": ({**PAGE, "code": 403}, "taken", 1),
    "413": ({**PAGE, "code": 413}, "taken", 1),
    "429": ({"kind": "status", "code": 429, "retry_after": "1"}, "taken", 1),
    "500": ({"kind": "error_500"}, "taken", 1),
    "502": ({**PAGE, "code": 502}, "taken", 1),
    "nothing": ({"kind": "drop", "times": 2}, "taken", 1),
    "done, and nothing said": ({"kind": "drop", "times": 2, "done": True}, "taken", 3),
    "a redirect": ({"kind": "redirect", "location": "/login", "code": 302}, "taken", 1),
    "a login page": ({"kind": "text", "body": "<html>hello"}, "taken", 1),
    "half of one": ({"kind": "cut", "after": 40}, "taken", 2),
}


def aside(agent: Agent) -> list[Path]:
    return [path for path in agent.spool() if path.name.endswith(".bad")]


def errors(agent: Agent, words: str) -> list[str]:
    return [line for line in agent.log.splitlines() if " ERROR " in line and words in line]


def empty(agent: Agent) -> None:
    """Until nothing waits any more."""
    deadline = time.monotonic() + 15
    while waiting := [p for p in agent.spool() if p.suffix == ".json"]:
        assert time.monotonic() < deadline, waiting
        time.sleep(0.05)


def test_what_is_an_answer(faked: MakeFaked) -> None:
    """A report goes only on a definite answer, and the others pass it."""
    world = faked(ssh=False, start=False)
    clock = Clock(world.agent)
    jobs = {}
    for name, (options, _, _) in ANSWERS.items():
        jobs[name] = world.order()
        world.bbs.fault("status", job=jobs[name], **options)
    world.start()
    with clock.runs(10):
        for name, (_, becomes, _) in ANSWERS.items():
            if becomes == "taken":
                assert world.bbs.wait_status(jobs[name], 40)["result"] == "completed", name
        last = world.order()
        assert world.bbs.wait_status(last, 40)["result"] == "completed"
        empty(world.agent)
        world.bbs.wait_polls(2)
    assert {n: len(j.reports) for n, j in jobs.items()} == {n: a[2] for n, a in ANSWERS.items()}
    refused = jobs["the server's own 400"].id
    assert [path.name.split("-")[1] for path in aside(world.agent)] == [f"{refused}.json.bad"]
    assert len(errors(world.agent, f"job {refused}: the server refuses its report (400), it is set aside as .bad: ")) == 1
    assert len(world.borg.runs()) == len(jobs) + 1


def test_too_large_a_report(faked: MakeFaked) -> None:
    """Something before the server takes no body of that size: what is sent
    again says the same in fewer words."""
    body = "for i in range(500): message('\\u00fc' * 200 + str(i))\nsys.exit(2)"
    world = faked(body, ssh=False, start=False)
    job = world.order()
    world.bbs.fault("status", job=job, kind="status", code=413, page=True)
    world.start()
    taken = world.bbs.wait_status(job, 20)
    empty(world.agent)
    first, second = [r.json for r in world.bbs.requests("status") if r.json]
    assert first["job_id"] == second["job_id"] == job.id and second == taken
    assert taken["result"] == first["result"] == "failed"
    assert 0 < len(taken["error_log"]) < len(first["error_log"])


def test_already_over(faked: MakeFaked) -> None:
    """The server has ended the job itself: that is an answer, too."""
    world = faked(ssh=False)
    job = world.order()
    world.bbs.wait(lambda: world.borg.runs(), 15)
    job.state = "failed"
    world.bbs.wait_status(job)
    empty(world.agent)
    assert len(job.reports) == 1 and not aside(world.agent)


def test_an_endless_500(faked: MakeFaked) -> None:
    """The server stumbles over one report for a day: it is set aside with one
    line, and all the time the others passed it."""
    world = faked(ssh=False, start=False)
    clock = Clock(world.agent)
    world.start()
    job = world.order()
    fault = world.bbs.fault("status", "error_500", times=100000, job=job)
    world.bbs.wait(lambda: fault.times < 100000, 20)
    for _ in range(2):
        clock.passes(DAY / 4, step=1800)
        with clock.runs(60):
            assert world.backup()["result"] == "completed"
    assert not aside(world.agent)
    clock.passes(DAY, step=1800)
    with clock.runs(60):
        world.bbs.wait(lambda: aside(world.agent), 20)
        assert world.backup()["result"] == "completed"
    assert job.reports == [] and len(aside(world.agent)) == 1
    assert f"-{job.id}.json.bad" in aside(world.agent)[0].name
    assert len(errors(world.agent, f"job {job.id}: its report is given up")) == 1


def test_one_that_breaks_the_server(faked: MakeFaked) -> None:
    """What takes it there dies of this report, or never answers: it is kept for
    ever, for a server that is down looks the same, and the others pass it."""
    world = faked(ssh=False, start=False)
    clock = Clock(world.agent)
    broken = [world.order() for _ in range(4)]
    for job, kind in zip(broken, ({**PAGE, "code": 502}, {"kind": "drop"},
                                  {"kind": "text", "body": "<b>Fatal error</b>"},
                                  {"kind": "hang", "seconds": 1000}), strict=True):  # fmt: skip
        world.bbs.fault("status", job=job, times=100000, **kind)
    world.start()
    with clock.runs(30):
        last = world.order()
        assert world.bbs.wait_status(last, 90)["result"] == "completed"
    assert not any(job.reports for job in broken) and not aside(world.agent)
    for fault in world.bbs.faults:
        fault.times = 0
    with clock.runs(30):
        for job in broken:
            assert world.bbs.wait_status(job, 60)["result"] == "completed"
        empty(world.agent)


def plant(agent: Agent, count: int, end: str = "") -> None:
    spool = agent.var / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    agent.var.chmod(0o700)
    spool.chmod(0o700)
    for n in range(count):
        name = f"{0x6000000000000 + n:016x}-{5000 + n}.json{end}"
        (spool / name).write_text(json.dumps({"job_id": 5000 + n, "result": "failed"}))


def test_a_spool_without_end(bbs: BBS, agent: Agent) -> None:
    """The oldest go, one line each; files that were set aside go, too."""
    plant(agent, 2003)
    plant(agent, 102, ".bad")
    agent.configure(bbs)
    bbs.stop()
    agent.start()
    agent.wait_log("over 100 reports are set aside")
    deadline = time.monotonic() + 10
    while len(agent.spool()) != 2100 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len([p for p in agent.spool() if p.suffix == ".json"]) == 2000
    assert len(aside(agent)) == 100
    told = errors(agent, "over 2000 reports wait in")
    assert len(told) == 3 and "-5000.json, is given up" in told[0], told


def test_on_disk_before_it_is_sent(faked: MakeFaked, place: Path) -> None:
    """The file's bytes, then its name, then the directory; and only then the
    report itself leaves this host. So it is with the job's journal and the
    word that it begins."""
    world = faked(ssh=False)
    with recorded(world.agent, "fsync,fdatasync,renameat,sendmsg", place / "calls"):
        assert world.backup()["result"] == "completed"
        empty(world.agent)
    lines = (place / "calls").read_text().splitlines()
    spool = re.escape(str(world.agent.var / "spool"))
    journal = re.escape(str(world.agent.var / "journal"))

    def first(pattern: str) -> int:
        found = [n for n, line in enumerate(lines) if re.search(pattern, line)]
        assert found, f"{pattern} in\n" + "\n".join(lines)
        return found[0]

    steps = [first(rf"fsync\(\d+<{journal}/\.1\.log\.\w+\.tmp>\)"),
             first(rf"fsync\(\d+<{journal}>\)"), first(r"sendmsg\(.*/api/agent/progress"),
             first(rf"fdatasync\(\d+<{journal}/1\.log>\)"),
             first(rf"fsync\(\d+<{spool}/\.\w+-1\.json\.\w+\.tmp>\)"),
             first(rf"renameat\(\d+<{spool}>, \"\.\w+-1\.json\.\w+\.tmp\", "),
             first(rf"fsync\(\d+<{spool}>\)"),
             first(r"sendmsg\(.*/api/agent/status")]  # fmt: skip
    assert steps == sorted(steps), "\n".join(lines[n] for n in steps)


def test_what_is_in_memory_outlives_a_stop(bbs: BBS, agent: Agent) -> None:
    """A refusal is only kept in memory while the agent lives. The server, which
    hands the job out once more, gets one all the same."""
    agent.configure(bbs, policy={"tasks": "backup"})
    bbs.fault("status", "status", times=1000, code=503)
    job = bbs.add_task({"task": "list_dir", "path": "/etc"})
    agent.start()
    agent.wait_log(f"the report of job {job.id} is kept")
    assert agent.stop() == 0 and len(agent.spool()) == 1
    agent.start()
    bbs.wait_polls(2)
    bbs.faults.clear()
    assert "the task type" in bbs.wait_status(job)["error_log"]
    empty(agent)
    assert len(job.reports) == 1


def test_in_order_over_days_and_restarts(faked: MakeFaked) -> None:
    """Three backups while the server takes no report for days; the agent is
    killed and started meanwhile. Each comes once, the oldest first."""
    world: Faked = faked(ssh=False, start=False)
    clock = Clock(world.agent)
    world.start()
    fault = world.bbs.fault("status", "status", times=100000, code=403, page=True)
    jobs = []
    for number in range(3):
        jobs.append(world.order())
        world.bbs.wait(lambda: len(world.borg.runs()) == number + 1, 20)
        world.bbs.wait(lambda: len(world.agent.spool()) == number + 1, 20)
        clock.passes(2 * DAY, step=7200)
        if number == 1:
            world.agent.process.kill()
            world.agent.process.wait()
            world.agent.start()
            world.bbs.wait_polls(1)
    heard = len(world.bbs.requests("status"))
    fault.times = 0
    with clock.runs(20):
        for job in jobs:
            assert world.bbs.wait_status(job, 20)["result"] == "completed"
        empty(world.agent)
    taken = [r.json["job_id"] for r in world.bbs.requests("status")[heard:] if r.status == 200]
    assert taken == [job.id for job in jobs]
    assert len(world.borg.runs()) == 3
