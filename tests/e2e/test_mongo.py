"""MongoDB: with a stand-in for its programs, since Debian does not have them;
borg is the real one once. See support/fakemongo.py for what that proves."""

import shutil
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from bbsd.server import EXTRACT
from bbsd.state import Body
from support.agent import Agent
from support.fakeborg import KEEPING
from support.fakemongo import PASSWORD, FakeMongo
from support.repo import Repo
from support.site import MakeFaked, Site
from support.sshd import Sshd

# As it stands in an address.
ENCODED = urllib.parse.quote(PASSWORD, safe="-_.!~*'()")
# In a report; without ssh there is a warning of the catalogue, too.
FAILED = "1 plugin(s) failed"


class World:
    def __init__(self, mongo: FakeMongo, bbs: BBS, agent: Agent, place: Path) -> None:
        self.mongo, self.bbs, self.agent = mongo, bbs, agent
        self.repo, self.passphrase = "/nonexistent/repo", ""
        self.dumps = place / "mongo dumps"

    def check(self) -> None:
        assert PASSWORD not in self.agent.log
        assert ENCODED not in self.agent.log
        assert not list(self.agent.run_dir.glob("*secret*"))

    def backup(self, dump: bool = True, **config: Any) -> Job:
        plugin = {"slug": "mongo_dump", "config": self.mongo.config(self.dumps, **config),
                  "config_id": 5, "config_name": "mongo"}  # fmt: skip
        job = self.bbs.add_backup(self.repo, [str(self.dumps)], self.passphrase,
                                  plugins=[plugin] if dump else [])  # fmt: skip
        self.bbs.wait_status(job, 60)
        self.agent.wait_jobless(15)  # it cleans up after its report
        return job

    def order(self, backup: Job, *databases: Body, **config: Any) -> Job:
        names = dict.fromkeys(d["database"] for d in databases)
        archive = f"{self.repo}::{backup.reports[0]['archive_name']}"
        return self.bbs.add_task(
            {"task": "restore_mongo",
             "command": [*EXTRACT, archive, *(f"{self.dumps}/{n}".lstrip("/") for n in names)],
             "env": self.bbs.borg_env(self.passphrase), "cwd": "/", "databases": list(databases),
             "mongo_config": self.mongo.config(self.dumps, **config)}
        )  # fmt: skip

    def restore(self, backup: Job, *databases: Body, **config: Any) -> Body:
        return self.bbs.wait_status(self.order(backup, *databases, **config), 60)

    def clear(self) -> None:
        for path in self.dumps.iterdir():
            shutil.rmtree(path)


@pytest.fixture
def mongo(place: Path, agent: Agent) -> FakeMongo:
    mongo = FakeMongo(place / "mongo")
    agent.env["PATH"] = f"{mongo.bin}:{agent.env['PATH']}"
    return mongo


@pytest.fixture
def world(mongo: FakeMongo, faked: MakeFaked, place: Path) -> Iterator[World]:
    """With a borg that only keeps files."""
    made = faked(KEEPING, ssh=False)
    world = World(mongo, made.bbs, made.agent, place)
    yield world
    world.check()


def replace(name: str) -> Body:
    return {"database": name, "mode": "replace"}


def rename(name: str, target: str) -> Body:
    return {"database": name, "mode": "rename", "target_name": target}


def said(job: Job) -> str:
    return "\n".join(p["log_message"] for p in job.progress if "log_message" in p)


def test_the_whole_way(
    mongo: FakeMongo, place: Path, bbs: BBS, sshd: Sshd, repo: Repo, agent: Agent
) -> None:
    """Dumped, into a real borg's archive, lost, and back."""
    Site(place, bbs, sshd, repo, agent)
    world = World(mongo, bbs, agent.start(), place)
    world.repo, world.passphrase = repo.url, repo.passphrase
    mongo.create("shop", items="one\ntwo", orders="three")
    mongo.create("a*b", things="four")
    job = world.backup()
    report = job.reports[0]
    assert report["result"] == "completed" and "had_warnings" not in report, report
    group = report["databases_backed_up"]["groups"][0]
    assert (group["engine"], group["databases"]) == ("mongo", ["a*b", "shop"])
    assert list(world.dumps.iterdir()) == [], "cleanup_after"
    shutil.rmtree(mongo.data / "shop")
    report = world.restore(job, replace("shop"), rename("a*b", "a*c"))
    assert report["result"] == "completed" and "error_log" not in report, report
    assert report["output_log"] == "Imported: shop -> shop, a*b -> a*c"
    assert mongo.content("shop") == {"items": "one\ntwo", "orders": "three"}
    assert mongo.content("a*c") == {"things": "four"}
    assert all("--gzip" in run for run in mongo.runs("mongodump"))
    world.check()


def test_replace_makes_a_safety_dump(world: World) -> None:
    mongo = world.mongo
    mongo.create("shop", items="old")
    job = world.backup(compress=False)
    mongo.create("shop", items="new", later="kept")
    report = world.restore(job, replace("shop"), compress=False)
    assert report["result"] == "completed" and "error_log" not in report, report
    assert mongo.content("shop") == {"items": "old", "later": "kept"}
    safety = world.dumps / "_pre_restore/shop"
    assert {p.name for p in safety.glob("*.bson.gz")} == {"items.bson.gz", "later.bson.gz"}
    assert safety.stat().st_mode & 0o777 == 0o700


def test_partly(world: World) -> None:
    """A bad one, one that is not there, one that may not be called so."""
    mongo = world.mongo
    mongo.create("good", items="fine")
    mongo.create("worse", items="bad bson")
    job = world.backup()
    report = world.restore(job, replace("good"), rename("worse", "made"), rename("good", "a.b"),
                           replace("missing"))  # fmt: skip
    assert report["result"] == "completed" and report["had_warnings"] is True, report
    assert report["output_log"] == "Imported: good -> good"
    for part in ("error restoring from items", '"a.b" cannot be the name', "missing"):
        assert part in report["error_log"], report["error_log"]
    assert mongo.names() == ["good", "worse"], "made for an import that failed"


def test_leftovers_are_not_imported(world: World) -> None:
    """Files of an older dump among what borg brought: said, and left alone."""
    world.mongo.create("shop", items="one")
    job = world.backup(cleanup_after=False)
    (world.dumps / "shop/stale.bson.gz").write_bytes(b"of another time")
    time.sleep(1.1)
    report = world.restore(job, replace("shop"))
    assert report["result"] == "failed" and "more than the archive" in report["error_log"], report
    assert world.mongo.content("shop") == {"items": "one"}


def test_a_wrong_password_is_one_sentence(world: World) -> None:
    world.mongo.create("shop", items="one")
    wrong = "not-the-password-1234"
    job = world.backup(password=wrong)
    assert FAILED in job.reports[0]["error_log"]
    assert "Authentication failed" in said(job)
    job = world.backup()
    report = world.restore(job, replace("shop"), password=wrong)
    assert report["result"] == "failed" and "Authentication failed" in report["error_log"]
    assert wrong not in world.agent.log


def test_a_refused_address_shows_no_password(world: World) -> None:
    """The shell quotes it, as it quotes one that it cannot parse."""
    world.mongo.set(refused=f"Invalid URI: mongodb://backup:{ENCODED}@127.0.0.1:27017/admin")
    job = world.backup()
    assert "Invalid URI: mongodb://backup:***@127.0.0.1" in said(job)
    assert ENCODED not in said(job)
    world.agent.wait_log(r"Invalid URI: mongodb://backup:\*\*\*@")


def test_a_failed_dump_leaves_nothing(world: World) -> None:
    world.mongo.create("bad", weird="x")
    world.mongo.create("good", items="y")
    world.mongo.set(broken=["weird"])
    job = world.backup(cleanup_after=False)
    report = job.reports[0]
    assert report["result"] == "completed" and FAILED in report["error_log"]
    assert report["databases_backed_up"]["groups"][0]["databases"] == ["good"]
    assert "No such thing as weird" in said(job)
    assert [p.name for p in world.dumps.iterdir()] == ["good"]


@pytest.mark.parametrize("slow", ["mongodump", "mongorestore"])
def test_cancelled(world: World, slow: str) -> None:
    mongo = world.mongo
    mongo.create("shop", items="one")
    backup = world.backup()
    mongo.set(slow=slow)
    if slow == "mongodump":
        plugin = {"slug": "mongo_dump", "config": mongo.config(world.dumps)}
        job = world.bbs.add_backup(world.repo, [str(world.dumps)], plugins=[plugin])
    else:
        job = world.order(backup, rename("shop", "copied"))
    deadline = time.monotonic() + 30
    while not mongo.pausing:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job)
    assert (report["result"], report["error_log"]) == ("failed", "Cancelled by user")
    world.agent.wait_jobless()
    assert mongo.names() == ["shop"]
    assert not [p for p in world.dumps.iterdir() if p.name.startswith(".")]


def test_the_plugin_is_tested(mongo: FakeMongo, bbs: BBS, started: Agent, place: Path) -> None:
    mongo.create("shop", items="one")
    order = {"task": "plugin_test",
             "plugin": {"slug": "mongo_dump", "config": mongo.config(place / "dumps")}}  # fmt: skip
    report = bbs.wait_status(bbs.add_task(dict(order)))
    assert report["result"] == "completed" and "shop" in report["output_log"], report
    (mongo.bin / "mongosh").unlink()
    report = bbs.wait_status(bbs.add_task(dict(order)))
    assert report["result"] == "failed" and "mongosh" in report["error_log"], report
