"""PostgreSQL: a real server, dumped, backed up by borg, lost, restored."""

import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from bbsd.server import EXTRACT
from bbsd.state import Body
from support import process
from support.agent import Agent
from support.postgres import PASSWORD, SUPERUSER, USER, Postgres
from support.fakeborg import KEEPING
from support.site import MakeFaked, Site

# What a shell, SQL, or libpq (a connection string) would take for its own.
ODD = ['qu"ote\'s and \u00fc', "x=y", "a`; DROP DATABASE b; --", "-d"]

RICH = r'''
CREATE SCHEMA "Other one";
CREATE EXTENSION pgcrypto;
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE item (id serial PRIMARY KEY, name text, raw bytea, feeling mood, n positive);
CREATE TABLE "Other one"."odd ""name""" (item int REFERENCES item, note text);
CREATE TABLE history (id int, at text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO history VALUES (new.id, 'made; -- not a comment'); RETURN new; END $$;
CREATE TRIGGER noted AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO item (name, raw, feeling, n) VALUES
	(E'tab\t, newline\n, backslash \\, \u00fc', '\x00ff0a0d5c2e', 'sad', 1),
	(NULL, '', 'it''s "ok"', NULL), ('\.', NULL, NULL, 7);
INSERT INTO "Other one"."odd ""name""" VALUES (1, E'\restrict me');
CREATE VIEW named AS SELECT id, name FROM item WHERE name IS NOT NULL;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM item;
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b';
CREATE AGGREGATE total(int) (SFUNC = add, STYPE = int, INITCOND = '0');
CREATE OPERATOR @+ (FUNCTION = add, LEFTARG = int, RIGHTARG = int);
CREATE SEQUENCE lonely START 41;
SELECT nextval('lonely');
'''


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture
def postgres(server: Postgres) -> Iterator[Postgres]:
    """Its databases are gone before and after."""
    yield server
    own = {"postgres", "template0", "template1"}
    server.drop(*(name for name in server.names() if name not in own))


@pytest.fixture
def world(postgres: Postgres, site: Site) -> Iterator["World"]:
    """With the real borg; the server stands before the agent starts."""
    world = World(postgres, site.bbs, site.agent, site.dir, site.repo.url, site.repo.passphrase)
    yield world
    world.check()


@pytest.fixture
def small_world(postgres: Postgres, faked: MakeFaked, place: Path) -> Iterator["World"]:
    """With a borg that only keeps files."""
    made = faked(KEEPING, ssh=False)
    world = World(postgres, made.bbs, made.agent, place, made.REPO, "")
    yield world
    world.check()

# In a report; without ssh there is a warning of the catalogue, too.
FAILED = "1 plugin(s) failed"


class World:
    def __init__(self, postgres: Postgres, bbs: BBS, agent: Agent, place: Path, repo: str,
                 passphrase: str) -> None:  # fmt: skip
        self.postgres, self.bbs, self.agent = postgres, bbs, agent
        self.repo, self.passphrase = repo, passphrase
        self.dumps = place / "pg dumps"

    def check(self) -> None:
        assert PASSWORD not in self.agent.log
        assert not list(self.agent.run_dir.glob("*secret*"))

    def backup(self, dump: bool = True, **config: Any) -> Job:
        """Of the dumps as the plugin makes them, or as they lie there."""
        plugin = {"slug": "pg_dump", "config": self.postgres.config(self.dumps, **config),
                  "config_id": 4, "config_name": "pg"}  # fmt: skip
        job = self.bbs.add_backup(self.repo, [str(self.dumps)], self.passphrase,
                                  plugins=[plugin] if dump else [])  # fmt: skip
        self.bbs.wait_status(job, 60)
        self.agent.wait_jobless(15)  # it cleans up after its report
        return job

    def order(self, backup: Job, *databases: Body, end: str = ".sql.gz", **config: Any) -> Job:
        """A restore as the server orders it."""
        names = dict.fromkeys(d["database"] + end for d in databases)
        archive = f"{self.repo}::{backup.reports[0]['archive_name']}"
        paths = [f"{self.dumps}/{name}".lstrip("/") for name in names]
        return self.bbs.add_task(
            {"task": "restore_pg", "command": [*EXTRACT, archive, *paths],
             "env": self.bbs.borg_env(self.passphrase), "cwd": "/",
             "databases": list(databases),
             "pg_config": self.postgres.config(self.dumps, **config)}
        )  # fmt: skip

    def restore(self, backup: Job, *databases: Body, **more: Any) -> Body:
        return self.bbs.wait_status(self.order(backup, *databases, **more), 60)

    def dump_names(self) -> set[str]:
        return {path.name for path in self.dumps.iterdir()}

    def clear(self) -> None:
        for path in self.dumps.iterdir():
            path.unlink()


def said(job: Job) -> str:
    return "\n".join(p["log_message"] for p in job.progress if "log_message" in p)


def replace(name: str) -> Body:
    return {"database": name, "mode": "replace"}


def rename(name: str, target: str) -> Body:
    return {"database": name, "mode": "rename", "target_name": target}


def test_what_was_lost_comes_back(world: World) -> None:
    """Dropped, and made anew by the restore; the sequence goes on counting."""
    postgres = world.postgres
    postgres.create("rich", RICH)
    before = postgres.content("rich")
    job = world.backup()
    report = job.reports[0]
    assert report["result"] == "completed" and "had_warnings" not in report, report
    group = report["databases_backed_up"]["groups"][0]
    assert (group["engine"], group["databases"], group["config_id"]) == ("pg", ["rich"], 4)
    assert world.dump_names() == set(), "cleanup_after"
    postgres.drop("rich")
    report = world.restore(job, replace("rich"))
    assert report["result"] == "completed" and "error_log" not in report, report
    assert report["output_log"] == "Imported: rich -> rich"
    assert postgres.content("rich") == before
    assert postgres.sql("SELECT nextval('lonely'), 1 @+ 2", "rich") == "42|3"


def test_names_are_data(small_world: World) -> None:
    """Each is dumped under its name, restored in place, and as another."""
    world, postgres = small_world, small_world.postgres
    postgres.create("b", "CREATE TABLE t AS SELECT 'still here' AS x")
    postgres.create("postgres://a")
    for name in ODD:
        postgres.create(name, f"CREATE TABLE t AS SELECT {len(name)} AS x")
    job = world.backup()
    report = job.reports[0]
    # A slash cannot stand in a file's name: said, and the others are there.
    assert FAILED in report["error_log"] and "postgres://a" in said(job)
    assert sorted(report["databases_backed_up"]["groups"][0]["databases"]) == sorted([*ODD, "b"])
    for name in ODD:
        postgres.sql("UPDATE t SET x = 99", name)
    report = world.restore(job, *map(replace, ODD), rename("x=y", "postgres://b"),
                           rename("-d", "dbname=b"))  # fmt: skip
    assert report["result"] == "completed" and "error_log" not in report, report
    for name, target in [*((n, n) for n in ODD), ("x=y", "postgres://b")]:
        assert postgres.sql("SELECT x FROM t", target) == str(len(name))
    assert postgres.sql("SELECT x FROM t", "dbname=b") == "2"
    assert postgres.sql("SELECT x FROM t", "b") == "still here"


def test_replace_leaves_nothing_but_the_dump(small_world: World) -> None:
    """What came later goes; a safety dump holds it."""
    world = small_world
    postgres = world.postgres
    postgres.create("shop", RICH + "SELECT lo_from_bytea(4711, 'large');")
    before = postgres.content("shop")
    job = world.backup()
    postgres.sql(
        f"SET ROLE {USER}; CREATE SCHEMA later; CREATE TABLE later.t AS SELECT 1 AS x;"
        "CREATE TABLE newer AS SELECT 2 AS x; CREATE TYPE pair AS (a int, b int);"
        "CREATE FUNCTION f(pair) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "DELETE FROM history; DROP VIEW named; ALTER TABLE item DROP COLUMN raw;"
        "CREATE TEXT SEARCH CONFIGURATION words (PARSER = pg_catalog.default)", "shop")  # fmt: skip
    report = world.restore(job, replace("shop"))
    assert report["result"] == "completed" and "error_log" not in report, report
    assert postgres.content("shop") == before
    safety = world.dumps / "shop_pre_restore.sql.gz"
    assert safety.stat().st_mode & 0o777 == 0o600
    text = subprocess.run(["gzip", "-dc", safety], capture_output=True, check=True).stdout
    assert b"CREATE TABLE later.t" in text


def test_a_failed_import_changes_nothing(small_world: World) -> None:
    """One is whole, others are not, one is not there: each is told apart."""
    world, postgres = small_world, small_world.postgres
    bad = ("cut", "torn", "wrong")
    for name in ("good", *bad):
        postgres.create(name, "CREATE TABLE t AS SELECT 1 AS x; CREATE TABLE u AS SELECT 2 AS x")
    world.backup(cleanup_after=False)
    text = gzip.decompress((world.dumps / "wrong.sql.gz").read_bytes())
    for name, spoilt in (
        ("cut", gzip.compress(text[: text.index(b"COPY public.u")])),
        ("torn", gzip.compress(text)[:-9]),
        ("wrong", gzip.compress(text + b"SELECT no_such_function();\n")),
    ):  # fmt: skip
        (world.dumps / f"{name}.sql.gz").write_bytes(spoilt)
    backup = world.backup(dump=False)
    world.clear()
    for name in ("good", *bad):
        postgres.sql("UPDATE t SET x = 7", name)
    report = world.restore(backup, replace("good"), *map(replace, bad), rename("wrong", "made"),
                           replace("missing"))  # fmt: skip
    assert report["result"] == "completed" and report["had_warnings"] is True, report
    assert report["output_log"] == "Imported: good -> good"
    for part in ("not whole", "damaged", "no_such_function", "missing.sql"):
        assert part in report["error_log"], report["error_log"]
    assert [postgres.sql("SELECT x FROM t", n) for n in ("good", *bad)] == ["1", "7", "7", "7"]
    assert "made" not in postgres.names(), "made for an import that failed"


def test_a_wrong_password_is_one_sentence(small_world: World) -> None:
    world = small_world
    world.postgres.create("a", "CREATE TABLE t (x int)")
    wrong = "not-the-password-1234"
    job = world.backup(password=wrong)
    report = job.reports[0]
    assert report["result"] == "completed" and FAILED in report["error_log"]
    assert "password authentication failed" in said(job)
    assert "databases_backed_up" not in report
    job = world.backup()
    report = world.restore(job, replace("a"), password=wrong)
    assert report["result"] == "failed"
    assert "password authentication failed" in report["error_log"]
    report = world.restore(job, replace("a"), password="")
    assert report["result"] == "failed" and "password" in report["error_log"]
    for text in (world.agent.log, json.dumps(report)):
        assert wrong not in text


def test_a_database_that_fails_does_not_cost_the_others(small_world: World) -> None:
    world = small_world
    postgres = world.postgres
    postgres.create("mine", "CREATE TABLE t (x int)")
    postgres.create("theirs", "CREATE TABLE t (x int)", owner=SUPERUSER)
    job = world.backup(cleanup_after=False)
    report = job.reports[0]
    assert report["result"] == "completed" and FAILED in report["error_log"]
    assert "permission denied for table t" in said(job)
    assert report["databases_backed_up"]["groups"][0]["databases"] == ["mine"]
    assert world.dump_names() == {"mine.sql.gz"}
    assert (world.dumps.stat().st_mode & 0o777, (world.dumps / "mine.sql.gz").stat().st_mode & 0o777) == (0o700, 0o600)  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_forged_dump_has_no_rights(small_world: World, place: Path) -> None:
    """psql runs what it says; where TLS is set up for the user that the agent
    is, psql has to be that one."""
    world = small_world
    open_to_all = place / "open"
    open_to_all.mkdir()
    place.chmod(0o711)
    open_to_all.chmod(0o777)
    told = open_to_all / "told"
    world.postgres.create("forged", "CREATE TABLE t AS SELECT 1 AS x")
    world.backup(cleanup_after=False, compress=False)
    text = (world.dumps / "forged.sql").read_text()
    forged = f"\\! id -u >{told}; grep -E '^(Groups|NoNewPrivs|CapEff)' /proc/self/status >>{told}\n"
    (world.dumps / "forged.sql").write_text(forged + text)
    backup = world.backup(dump=False)
    for uid in ("65533", "0"):
        told.unlink(missing_ok=True)
        report = world.restore(backup, replace("forged"), end=".sql")
        assert report["result"] == "completed", report
        assert told.read_text().split()[0] == uid
        if uid != "0":
            assert told.read_text().split() == ["65533", "Groups:", "CapEff:", "0" * 16,
                                                "NoNewPrivs:", "1"]  # fmt: skip
        (world.agent.home / ".postgresql").mkdir(exist_ok=True)
    assert world.postgres.sql("SELECT x FROM t", "forged") == "1"


SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"


def slowed(world: World, seconds: int) -> Job:
    """A backup of a database whose import pauses near its end, and goes on
    with more than a pipe holds. What the database has now is 7."""
    world.postgres.create("slow", "CREATE TABLE t AS SELECT 1 AS x")
    world.backup(cleanup_after=False, compress=False)
    text = (world.dumps / "slow.sql").read_text()
    end = text.index("--\n-- PostgreSQL database dump complete")
    pause = f"SELECT pg_sleep({seconds});\n" + "\n" * 1_000_000
    with gzip.open(world.dumps / "slow.sql.gz", "wt") as dump:
        dump.write(text[:end] + pause + text[end:])
    backup = world.backup(dump=False)
    world.clear()
    world.postgres.sql("UPDATE t SET x = 7", "slow")
    return backup


def wait_pause(world: World) -> None:
    deadline = time.monotonic() + 30
    while world.postgres.sql(SLEEPING) == "0":
        assert time.monotonic() < deadline, "the import never came to its pause"
        time.sleep(0.05)


def test_cancelled_while_importing(small_world: World) -> None:
    """Nothing of it stays, and the password was in no command line."""
    world = small_world
    postgres = world.postgres
    backup = slowed(world, 60)
    job = world.order(backup, rename("slow", "copied"), replace("slow"))
    wait_pause(world)
    everything = process.descendants(world.agent.pid)
    assert any("psql" in p.command for p in everything)
    assert not any(PASSWORD in p.command for p in everything)
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job, 30)
    assert (report["result"], report["error_log"]) == ("failed", "Cancelled by user")
    world.agent.wait_jobless()
    assert "copied" not in postgres.names()
    assert postgres.sql("SELECT x FROM t", "slow") == "7"


def test_the_worker_is_killed_while_importing(small_world: World) -> None:
    """What unpacks the dump is ended then, and what imports it reads an end
    that looks like the dump's own: it must not be committed."""
    world = small_world
    postgres, agent = world.postgres, world.agent
    job = world.order(slowed(world, 3), replace("slow"))
    wait_pause(world)
    psql = [p for p in agent.job_processes() if "ON_ERROR_STOP" in p.command]
    workers = [p for p in agent.own_processes() if p.pid != agent.pid and "net" not in p.command]
    assert len(workers) == 1 and psql
    os.kill(workers[0].pid, signal.SIGKILL)
    assert world.bbs.wait_status(job, 30)["result"] == "failed"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'slow'"
    deadline = time.monotonic() + 20
    while postgres.sql(sessions) != "0":
        assert time.monotonic() < deadline, "the import never ended"
        time.sleep(0.1)
    assert postgres.sql("SELECT x FROM t", "slow") == "7"


def test_the_plugin_is_tested(postgres: Postgres, bbs: BBS, started: Agent, place: Path) -> None:
    postgres.create("one two")
    config = postgres.config(place / "dumps")
    job = bbs.add_task({"task": "plugin_test", "plugin": {"slug": "pg_dump", "config": config}})
    report = bbs.wait_status(job)
    assert report["result"] == "completed" and "one two" in report["output_log"], report
    assert "template" not in report["output_log"]
    job = bbs.add_task({"task": "plugin_test", "plugin":
                        {"slug": "pg_dump", "config": {**config, "port": "1"}}})  # fmt: skip
    report = bbs.wait_status(job)
    assert report["result"] == "failed" and "refused" in report["error_log"], report
    assert not (place / "dumps").exists()
    assert PASSWORD not in started.log
