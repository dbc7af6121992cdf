"""list_dir: the server's file browser, answered at once and never stuck."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from support.agent import Agent
from support.deadmount import CannotMount, dead_mount

Node = dict[str, Any]


def order(bbs: BBS, path: str | Path | None, **more: Any) -> Job:
    """As the real server orders one; a value of None takes a field out."""
    task = {"task": "list_dir", "path": None if path is None else str(path), "depth": 2,
            "show_hidden": False, "show_all": False, "follow_symlinks": False,
            "max_entries": 5000, **more}  # fmt: skip
    return bbs.add_task({k: v for k, v in task.items() if v is not None})


def look(bbs: BBS, path: str | Path, **more: Any) -> Node:
    """Orders one; its tree."""
    job = order(bbs, path, **more)
    report = bbs.wait_status(job)
    assert report["result"] == "completed", report
    assert not job.progress, "the server keeps its parameters there"
    tree: Node = json.loads(report["output_log"])
    return tree


def refusals(bbs: BBS, *paths: str | Path | None) -> list[str]:
    """Why each of them is no directory to look into."""
    reports = [bbs.wait_status(job) for job in [order(bbs, path) for path in paths]]
    assert all(r["result"] == "failed" and "output_log" not in r for r in reports)
    return [r["error_log"] for r in reports]


def entries(node: Node) -> int:
    return sum(1 + entries(child) for child in node.get("children", []))


def names(node: Node) -> list[str]:
    return [child["name"] for child in node["children"]]


def child(node: Node, name: str) -> Node:
    found: Node = next(c for c in node["children"] if c["name"] == name)
    return found


def fill(directory: Path, count: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        os.mknod(f"{directory}/f{i:04d}")


def test_a_tree_as_the_server_wants_it(bbs: BBS, started: Agent, place: Path) -> None:
    top = place / "data"
    (top / "Beta/deep/deeper").mkdir(parents=True)
    (top / "alpha").mkdir()
    (top / "Zeta.txt").write_text("12345")
    (top / "eta").touch()
    (top / ".hidden").touch()
    (top / "link").symlink_to("alpha")
    (top / os.fsdecode(b"caf\xe9")).touch()
    os.utime(top / "eta", (1, 1_700_000_000))
    tree = look(bbs, top)
    assert names(tree) == ["alpha", "Beta", "caf\ufffd", "eta", "link", "Zeta.txt"]
    shape = {k: v for k, v in tree.items() if k != "children"}
    assert shape == {"name": "data", "path": str(top), "type": "directory", "size": None,
                     "entry_count": 6, "truncated": False}  # fmt: skip
    assert child(tree, "eta") == {"name": "eta", "path": str(top / "eta"), "type": "file",
                                  "size": 0, "mtime": 1_700_000_000}  # fmt: skip
    assert child(tree, "Zeta.txt")["size"] == 5
    assert child(tree, "link")["type"] == "symlink" and child(tree, "link")["size"] is None
    deep = child(child(tree, "Beta"), "deep")
    assert names(deep) == ["deeper"]  # two levels are opened, the third is listed
    deeper = child(deep, "deeper")
    assert set(deeper) == {"name", "path", "type", "size", "mtime"}

    tree = look(bbs, f"{top}/", show_hidden=True, follow_symlinks=True, depth="0")
    assert names(tree) == ["alpha", "Beta", "link", ".hidden", "caf\ufffd", "eta", "Zeta.txt"]
    assert child(tree, "link")["type"] == "directory"


def test_the_recorded_payloads(bbs: BBS, started: Agent) -> None:
    """What a real server asked, field by field."""
    wanted = {"task": "list_dir", "path": "/", "depth": 1, "show_hidden": True,
              "show_all": True, "follow_symlinks": False, "max_entries": 5000}  # fmt: skip
    job = bbs.add_task(wanted)
    tree = json.loads(bbs.wait_status(job)["output_log"])
    assert (tree["name"], tree["path"]) == ("/", "/")
    assert {"proc", "dev", "etc"} <= set(names(tree))
    assert child(tree, "dev")["path"] == "/dev" and names(child(tree, "dev"))
    # At once: the poll that brought it, then its status, and nothing between.
    ours = [r for r in bbs.requests() if r.json and r.json.get("job_id") == job.id]
    assert [r.endpoint for r in ours] == ["status"]
    usual = look(bbs, "/", depth=0)
    assert not {"proc", "sys", "dev", "run", "tmp"} & set(names(usual))


def test_what_is_no_directory(bbs: BBS, started: Agent) -> None:
    said = refusals(bbs, "/etc/passwd", "/nonexistent/x", "etc", "C:\\Users", None, "/etc/../etc")
    assert said[0] == "/etc/passwd is not a directory"
    assert "does not exist" in said[1]
    assert "must begin with /" in said[2] and "must begin with /" in said[3]
    assert "names no directory" in said[4]
    assert "without .." in said[5]


def test_caps_are_held(bbs: BBS, started: Agent, place: Path) -> None:
    fill(place / "t/a", 60)
    fill(place / "t/b", 60)
    tree = look(bbs, place / "t", max_entries=1)  # 50 is the least
    assert entries(tree) == 50 and not tree["truncated"]
    assert child(tree, "a")["truncated"] and len(child(tree, "a")["children"]) == 48
    assert child(tree, "b") == {**child(tree, "b"), "children": [], "truncated": True}
    deep = place / "1/2/3/4/5/6/7/8"
    deep.mkdir(parents=True)
    tree = look(bbs, place / "1", depth=99)
    for name in "234567":
        tree = child(tree, name)
    assert "children" not in tree and tree["path"].endswith("/1/2/3/4/5/6/7")


def test_many_entries_behind_a_proxy_with_a_limit(
    bbs: BBS, started: Agent, place: Path
) -> None:
    """nginx takes 1 MiB: the tree is halved until it fits."""
    big = place / ("b" * 90)
    for i in range(16):
        fill(big / f"d{i:02d}", 500)
    tree = look(bbs, big, max_entries=20000)
    sent = bbs.requests("status")
    bodies = [int(r.headers["content-length"]) for r in sent]
    assert len(bodies) >= 2 and bodies[0] > 2**20 >= bodies[-1]
    assert all(a > b for a, b in zip(bodies, bodies[1:]))
    assert names(tree) == [f"d{i:02d}" for i in range(16)], "what is near the top stays"
    assert entries(tree) in (4008, 2004) and child(tree, "d15")["truncated"]
    asked = next(r.time for r in reversed(bbs.requests("tasks")) if r.time < sent[0].time)
    assert sent[0].time - asked < 1 and sent[-1].time - asked < 3, "somebody waits for it"


def test_polls_come_quickly_while_somebody_browses(bbs: BBS, agent: Agent) -> None:
    bbs.state.poll_interval = 30
    agent.configure(bbs)
    job = order(bbs, "/etc", depth=0)
    agent.start()
    bbs.wait_status(job)
    polls = len(bbs.requests("tasks"))
    bbs.wait_polls(2, 8)
    times = [r.time for r in bbs.requests("tasks")][polls - 1 :]
    assert all(1.8 < b - a < 2.7 for a, b in zip(times, times[1:]))


def test_the_policy(bbs: BBS, agent: Agent, place: Path) -> None:
    """By the letters of the path, and by where it leads."""
    (place / "in/sub").mkdir(parents=True)
    (place / "out").mkdir()
    (place / "in/door").symlink_to("../out")
    agent.configure(bbs, policy={"browse": place / "in", "restore_to": place / "in",
                                 "backup_from": place / "in"})  # fmt: skip
    agent.start()
    assert names(look(bbs, place / "in", follow_symlinks=True)) == ["sub", "door"]
    restore = bbs.add_restore("/r", "a", [], str(place / "in/door/new"))
    backup = bbs.add_backup("/r", [str(place / "in/door")])
    for text in refusals(bbs, place / "out", place / "in/../out", "/", place / "in/door"):
        assert "[policy] browse" in text
    assert "[policy] restore_to" in bbs.wait_status(restore)["error_log"]
    assert not (place / "out/new").exists()
    report = bbs.wait_status(backup)
    assert "[policy] backup_from" in report["error_log"] and report["result"] == "failed"


def test_a_dead_mount(bbs: BBS, started: Agent, place: Path) -> None:
    """It is given up in time, and holds up nobody else."""
    try:
        with dead_mount(place / "t/dead"):
            began = time.monotonic()
            stuck = [order(bbs, place / "t/dead"), order(bbs, place / "t")]
            bbs.wait(lambda: all(job.deliveries for job in stuck), 5)
            assert "t" in names(look(bbs, place, depth=0))
            bbs.wait_polls(3, 5)
            assert time.monotonic() - began < 8
            for job in stuck:
                report = bbs.wait_status(job, 20)
                assert report["result"] == "failed" and "15 s" in report["error_log"]
                # Handed out at every poll meanwhile, and begun once.
                assert job.deliveries > 5 and len(job.reports) == 1
                assert started.log.count(f"job {job.id}: list_dir started") == 1
            assert time.monotonic() - began < 20
    except CannotMount as error:
        pytest.skip(f"no mount that hangs can be made here: {error}")


def test_stopping_while_it_hangs(bbs: BBS, started: Agent, place: Path) -> None:
    try:
        with dead_mount(place / "dead"):
            job = order(bbs, place / "dead")
            started.wait_log(f"job {job.id}: .*started")
            began = time.monotonic()
            assert started.stop() == 0
            assert time.monotonic() - began < 6
            assert "agent was stopped" in bbs.wait_status(job)["error_log"]
    except CannotMount as error:
        pytest.skip(f"no mount that hangs can be made here: {error}")
