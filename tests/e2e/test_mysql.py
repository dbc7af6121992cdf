"""Dumps of MySQL before a backup, and their restore: a real MariaDB, a real
borg."""

import gzip
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from bbsd.state import Body
from support import process
from support.agent import Agent
from support.mariadb import PASSWORD, USER, MariaDB
from support.site import MakeFaked, Site

HOSTILE = "a`; DROP DATABASE b; --"


@pytest.fixture
def db(mariadb: MariaDB) -> Iterator[MariaDB]:
    """The session's server, empty."""
    mariadb.clear()
    yield mariadb


def config(db: MariaDB, place: Path, **more: Any) -> Body:
    made: Body = {
        "host": "127.0.0.1", "port": str(db.port), "user": USER, "password": PASSWORD,
        "databases": "*", "dump_dir": str(place / "dumps"), "compress": True,
        "exclude_databases": ["information_schema", "performance_schema", "sys", "mysql"],
        "extra_options": "--single-transaction --quick --routines --triggers --events",
    }  # fmt: skip
    made.update(more)
    return made


def plugin(settings: Body, number: int = 3) -> Body:
    return {"slug": "mysql_dump", "config": settings, "config_id": number,
            "config_name": f"mysql {number}"}  # fmt: skip


def backup(site: Site, settings: Body, *others: Body) -> Job:
    plugins = [plugin(s, 3 + i) for i, s in enumerate((settings, *others))]
    places = [p["config"]["dump_dir"] for p in plugins]
    return site.backup(*dict.fromkeys(places), plugins=plugins)


def order_restore(site: Site, job: Job, settings: Body, databases: list[Body],
                  names: list[str] | None = None) -> Job:  # fmt: skip
    """As the server orders it: exact files out of the archive."""
    top = settings["dump_dir"]
    if names is None:
        end = ".sql.gz" if settings["compress"] else ".sql"
        names = list(dict.fromkeys(d["database"] + end for d in databases))
    keys = ("host", "port", "user", "password", "dump_dir", "compress", "per_database")
    return site.order_restore(
        job, *[f"{top}/{name}" for name in names], cwd="/", task="restore_mysql",
        databases=databases, mysql_config={k: settings[k] for k in keys if k in settings},
    )  # fmt: skip


def restore(site: Site, job: Job, settings: Body, databases: list[Body],
            names: list[str] | None = None) -> Body:  # fmt: skip
    return site.bbs.wait_status(order_restore(site, job, settings, databases, names), 60)


def replace(*names: str) -> list[Body]:
    return [{"database": name, "mode": "replace"} for name in names]


def logs(job: Job) -> str:
    return "\n".join(p.get("log_message", "") for p in job.progress)


def groups(job: Job) -> Any:
    told = job.reports[0].get("databases_backed_up")
    told = json.loads(told) if isinstance(told, str) else told
    return told["groups"] if told else None


def no_secret(site_agent: Agent, bbs: BBS) -> None:
    sent = [r.body.decode() for r in bbs.requests() if r.method == "POST"]
    for form in (PASSWORD, json.dumps(PASSWORD)[1:-1], json.dumps(PASSWORD, ensure_ascii=False)[1:-1]):
        assert not any(form in text for text in (site_agent.log, *sent))
    assert not list(site_agent.run_dir.glob("*secret*"))


def dumps_dir(place: Path) -> Path:
    """As the agent makes it."""
    (place / "dumps").mkdir(mode=0o700)
    return place / "dumps"


def extracting(path: Path, text: str) -> str:
    """A fake borg's extract of one file."""
    return f"open({str(path)!r}, 'w').write({text!r}); item({path.name!r})\n"


def order_import(bbs: BBS, settings: Body, *names: str) -> Body:
    """The report of a restore whose borg is a fake one."""
    job = bbs.add_restore("/x", "a", ["p"], "/", task="restore_mysql", mysql_config=settings,
                          databases=replace(*(names or ("shop",))))  # fmt: skip
    return bbs.wait_status(job)


# the cycle


def test_what_was_dumped_comes_back(site: Site, db: MariaDB, place: Path) -> None:
    """Odd names among them; every kind of object; then all is dropped."""
    names = ["shop", "with space", HOSTILE, "b", "\u00fc-x", "-v"]
    for name in names:
        db.make(name)
    before = {name: db.picture(name) for name in names}
    settings = config(db, place)
    job = backup(site, settings)
    report = job.reports[0]
    assert (report["result"], report.get("error_log")) == ("completed", None), report
    group = groups(job)[0]
    group["databases"].sort()
    assert groups(job)[1:] == [] and group == {
        "config_id": 3, "config_name": "mysql 3", "engine": "mysql",
        "dump_dir": settings["dump_dir"], "databases": sorted(names),
        "per_database": True, "compress": True,
    }  # fmt: skip
    assert "Dumped 6 databases (" in logs(job) and settings["dump_dir"] in logs(job)
    assert any(p.get("status_message") == "Running plugin: MySQL dump" for p in job.progress)
    site.agent.wait_jobless()
    assert os.listdir(settings["dump_dir"]) == []  # cleaned up
    assert oct(os.stat(settings["dump_dir"]).st_mode & 0o7777) == "0o700"

    db.clear()
    report = restore(site, job, settings, replace(*names))
    assert (report["result"], report.get("error_log")) == ("completed", None), report
    assert report["output_log"] == "Imported: " + ", ".join(f"{n} -> {n}" for n in names)
    assert db.databases() == set(names)
    assert {name: db.picture(name) for name in names} == before
    assert db.sql("SELECT `-v`.twice(21)") == "42\n"
    assert os.listdir(settings["dump_dir"]) == []
    no_secret(site.agent, site.bbs)


def test_all_in_one_file(site: Site, db: MariaDB, place: Path) -> None:
    """per_database and compress off; what is not excluded is in it."""
    for name in ("one", HOSTILE, "left out"):
        db.make(name)
    settings = config(db, place, per_database=False, compress=False, cleanup_after=False)
    settings["exclude_databases"] = [*settings["exclude_databases"], "left out"]
    job = backup(site, settings)
    assert groups(job)[0]["databases"] == sorted(["one", HOSTILE])
    assert not groups(job)[0]["per_database"] and not groups(job)[0]["compress"]
    dump = Path(settings["dump_dir"]) / "all_databases.sql"
    assert dump.stat().st_mode & 0o7777 == 0o600
    before = {name: db.picture(name) for name in ("one", HOSTILE)}
    db.clear()
    orders = [*replace("one", HOSTILE), {"database": "one", "mode": "rename", "target_name": "x"}]
    report = restore(site, job, settings, orders, ["all_databases.sql"])
    assert report["result"] == "completed"
    assert report["output_log"] == f"Imported: one -> one, {HOSTILE} -> {HOSTILE}"
    assert "can only be restored in its place" in report["error_log"]
    assert {name: db.picture(name) for name in db.databases()} == before
    assert dump.exists()  # it was there before


def test_rename_and_replace(site: Site, db: MariaDB, place: Path) -> None:
    """A copy beside it; then over it, with what it was kept in a file."""
    db.make("shop", 50)
    settings = config(db, place)
    job = backup(site, settings)
    before = db.picture("shop")
    db.sql("USE shop; DELETE FROM `odd ``t`; CREATE TABLE later (n INT); INSERT INTO later VALUES (7)")

    copies = [{"database": "shop", "mode": "rename"},
              {"database": "shop", "mode": "rename", "target_name": "a\u00e9`b"}]  # fmt: skip
    report = restore(site, job, settings, copies)
    assert report["output_log"] == "Imported: shop -> shop_copy, shop -> a\u00e9`b"
    assert db.picture("shop_copy") == db.picture("a\u00e9`b") == before
    assert db.sql("SELECT n FROM shop.later") == "7\n"

    orders = replace("shop", "gone")
    report = restore(site, job, settings, orders)
    assert (report["result"], report["output_log"]) == ("completed", "Imported: shop -> shop")
    assert '"gone": the archive holds no dump' in report["error_log"]
    assert db.picture("shop") == before  # and `later` is gone
    collation = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='shop'"
    assert db.sql(collation) == "latin1_german1_ci\n"
    safety = Path(settings["dump_dir"]) / "shop_pre_restore.sql.gz"
    assert safety.stat().st_mode & 0o7777 == 0o600
    assert b"INSERT INTO `later` VALUES" in gzip.decompress(safety.read_bytes())


def test_an_old_dump_is_not_taken_for_the_archives(
    faked: MakeFaked, db: MariaDB, place: Path
) -> None:
    """It lies where the extract would have put the dump, but did not."""
    db.make("shop")
    dumps = dumps_dir(place)
    (dumps / "shop.sql.gz").write_bytes(gzip.compress(b"DROP DATABASE shop;"))
    (dumps / "shop.sql").write_text("DROP DATABASE shop;")
    world = faked("item('p')")
    report = order_import(world.bbs, config(db, place))
    assert report["result"] == "failed"
    assert '"shop": the archive holds no dump' in report["error_log"]
    assert "an older file of that name" in report["error_log"]
    assert db.databases() == {"shop"}
    assert len(os.listdir(dumps)) == 2


# what goes wrong in a dump


def test_one_fails_the_others_go_on(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    db.make("good")
    db.make("bad")
    db.make("a/b")
    db.sql("USE bad; CREATE VIEW broken AS SELECT text FROM `odd ``t`; DROP TABLE `odd ``t`")
    settings = config(db, place, databases="good, bad, a/b, missing", cleanup_after=False)
    world = faked()
    job = world.order(plugins=[plugin(settings)])
    report = world.bbs.wait_status(job)
    assert report["result"] == "completed" and report["had_warnings"] is True
    assert report["error_log"].startswith(
        "Backup completed, but 1 plugin(s) failed: MySQL dump"
    )
    assert groups(job)[0]["databases"] == ["good"]
    said = logs(job)
    for part in ('"missing": there is no such', '"bad": ', '"a/b" cannot be', "(good)"):
        assert part in said
    assert os.listdir(settings["dump_dir"]) == ["good.sql.gz"]  # no half file


def test_no_password_in_what_the_database_says(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """One who took his name for a password, too."""
    world = faked("summary()")
    settings = config(db, place, user="horse-staple", password="horse-staple")
    job = world.order(plugins=[plugin(settings)])
    for said in (world.bbs.wait_status(job)["error_log"], logs(job), world.agent.log):
        assert "Access denied for user '***'" in said and "horse-staple" not in said


def test_two_configurations_of_one_directory(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """By whatever path; and only what this run made is cleaned up."""
    db.make("one")
    db.make("two")
    dumps = dumps_dir(place)
    (dumps / "theirs.sql.gz").write_text("not ours")
    (dumps / ".bbs-dump.tmp").write_text("of a crash")
    (place / "link").symlink_to(dumps)
    settings = [
        config(db, place, databases="one"),
        config(db, place, databases="two", dump_dir=str(place / "link")),
        config(db, place, databases="two", dump_dir=str(place / "elsewhere")),
    ]
    world = faked()
    job = world.order(plugins=[plugin(each, 3 + i) for i, each in enumerate(settings)])
    world.bbs.wait_status(job)
    assert [(g["config_id"], g["databases"]) for g in groups(job)] == [(3, ["one"]), (5, ["two"])]
    assert "another configuration of this backup dumps into" in logs(job)
    world.agent.wait_jobless()
    assert os.listdir(dumps) == ["theirs.sql.gz"]
    assert os.listdir(place / "elsewhere") == []


def test_no_room(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """Too little room is said beforehand, or when it has come to an end."""
    db.make("big", 4000)
    db.make("small")
    db.sql("ANALYZE TABLE big.`odd ``t`")
    dumps = dumps_dir(place)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(dumps)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        world = faked()
        for compress in (True, False):
            settings = config(db, place, compress=compress, cleanup_after=False)
            job = world.order(plugins=[plugin(settings)])
            assert world.bbs.wait_status(job)["result"] == "completed"
            assert groups(job)[0]["databases"] == ["small"]
            wanted = "the disk that holds" if compress else "there is no room for the dump"
            assert wanted in logs(job) and "big" in logs(job)
            assert not list(dumps.glob("big*")) and not list(dumps.glob(".bbs*"))
    finally:
        subprocess.run(["umount", "-l", str(dumps)], check=True)


@pytest.mark.parametrize("unsafe", ["mode", "owner", "link"])
def test_a_directory_of_another_user(faked: MakeFaked, db: MariaDB, place: Path, unsafe: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    db.make("shop")
    dumps, settings = place / "dumps", config(db, place)
    dumps.mkdir(mode=0o700)
    if unsafe == "mode":
        dumps.chmod(0o777)
    elif unsafe == "owner":
        os.chown(dumps, 65534, -1)
    else:
        (place / "theirs").mkdir()
        os.chown(place / "theirs", 65534, -1)
        (place / "theirs/link").symlink_to(dumps)
        settings["dump_dir"] = str(place / "theirs/link")
    world = faked()
    job = world.order(plugins=[plugin(settings)])
    world.bbs.wait_status(job)
    assert "another user can" in logs(job) and groups(job) is None
    assert os.listdir(dumps) == []


@contextmanager
def held(db: MariaDB) -> Iterator[None]:
    """A lock on a table of "shop", for which a dump waits."""
    holder = subprocess.Popen(
        ["mariadb", "--no-defaults", f"--socket={db.socket}", "--user=root",
         "--execute=USE shop; LOCK TABLES `odd ``t` WRITE; SELECT SLEEP(60)"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        holder.kill()
        holder.wait()


def test_the_directory_is_swapped_while_dumping(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """A lock holds the dump; meanwhile its directory's name leads elsewhere.
    Nothing is written, or removed, where it leads."""
    db.make("shop")
    dumps, elsewhere = dumps_dir(place), place / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "shop.sql.gz").write_text("theirs")
    (elsewhere / ".bbs-dump.tmp").write_text("theirs")
    with held(db):
        world = faked()
        settings = config(db, place, extra_options="--lock-tables")
        job = world.order(plugins=[plugin(settings)])
        wait_for_process(world.agent, "mariadb-dump")
        dumps.rename(place / "moved")
        dumps.symlink_to(elsewhere)
    report = world.bbs.wait_status(job)
    world.agent.wait_jobless()
    left = {path.name: path.read_text() for path in elsewhere.iterdir()}
    assert left == {"shop.sql.gz": "theirs", ".bbs-dump.tmp": "theirs"}, (left, report)


def test_a_failed_backup_tells_no_databases(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    db.make("shop")
    world = faked("message('it broke', 'ERROR'); sys.exit(2)")
    job = world.order(plugins=[plugin(config(db, place))])
    assert world.bbs.wait_status(job)["result"] == "failed"
    assert groups(job) is None
    assert os.listdir(place / "dumps") == ["shop.sql.gz"]


def test_cancel_while_dumping(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """A lock holds the dump; afterwards nothing of it is left."""
    db.make("shop")
    with held(db):
        world = faked()
        settings = config(db, place, extra_options="--lock-tables")
        job = world.order(plugins=[plugin(settings)])
        wait_for_process(world.agent, "mariadb-dump")
        seen = " ".join(map(str, world.agent.job_processes()))
        assert "--defaults-extra-file=" in seen and PASSWORD not in seen
        for found in world.agent.job_processes():
            assert PASSWORD.encode() not in Path(f"/proc/{found.pid}/environ").read_bytes()
        world.bbs.cancel(job)
        report = world.bbs.wait_status(job)
        assert (report["result"], report["error_log"]) == ("failed", "Cancelled by user")
        world.agent.wait_jobless()
        assert os.listdir(settings["dump_dir"]) == []
        assert world.borg.runs() == []
        no_secret(world.agent, world.bbs)


def wait_for_process(agent: Agent, name: str, timeout: float = 20) -> process.Process:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for found in agent.job_processes():
            if name in found.command.split(" ")[0]:
                return found
        time.sleep(0.02)
    raise AssertionError(f"{name} never ran")


# what goes wrong in a restore


def test_cancel_while_importing(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    db.make("shop")
    before = db.picture("shop")
    dumps = dumps_dir(place)
    world = faked(extracting(dumps / "shop.sql", "CREATE TABLE t (n INT);\nSELECT SLEEP(60);\n"))
    job = world.bbs.add_restore(
        "/x", "a", ["p"], "/", task="restore_mysql", mysql_config=config(db, place),
        databases=[{"database": "shop", "mode": "rename"}],
    )  # fmt: skip
    world.bbs.wait(lambda: "shop_copy" in db.databases(), 30)
    world.bbs.wait(lambda: any("Importing shop_copy" in p.get("status_message", "")
                               for p in job.progress), 30)  # fmt: skip
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job)
    assert (report["result"], report["error_log"]) == ("failed", "Cancelled by user")
    world.agent.wait_jobless()
    assert db.picture("shop") == before
    no_secret(world.agent, world.bbs)


def test_a_failed_import_names_the_way_back(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    db.make("shop")
    dumps = dumps_dir(place)
    world = faked(extracting(dumps / "shop.sql", "CREATE TABLE a (n INT);\nthis is no SQL;\n"))
    report = order_import(world.bbs, config(db, place))
    assert report["result"] == "failed"
    assert "You have an error in your SQL syntax" in report["error_log"]
    safety = dumps / "shop_pre_restore.sql.gz"
    assert f"what was there before lies in {safety}" in report["error_log"]
    assert b"INSERT INTO `odd ``t`" in gzip.decompress(safety.read_bytes())


def test_without_a_safety_dump_nothing_is_dropped(
    faked: MakeFaked, db: MariaDB, place: Path
) -> None:
    """What the dump has is replaced, what it has not stays; it is said."""
    db.make("shop")
    db.sql("USE shop; CREATE VIEW broken AS SELECT n FROM log; DROP TABLE log")
    dumps = dumps_dir(place)
    world = faked(extracting(dumps / "shop.sql", "CREATE TABLE new (n INT);\n"))
    report = order_import(world.bbs, config(db, place))
    assert (report["result"], report["output_log"]) == ("completed", "Imported: shop -> shop")
    assert "no safety dump could be made" in report["error_log"]
    assert report["had_warnings"] is True
    tables = set(db.sql("SHOW TABLES FROM shop").split("\n"))
    assert {"new", "odd `t"} <= tables
    assert not list(dumps.glob("*_pre_restore*"))


def test_nothing_runs_on_this_host_from_a_dump(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """The client's own commands, as a table's name in a comment could hold."""
    dumps = dumps_dir(place)
    text = f"-- a name\n\\! touch {place}/ran\nsystem touch {place}/ran\nCREATE TABLE a (n INT);\n"
    world = faked(extracting(dumps / "shop.sql", text))
    assert order_import(world.bbs, config(db, place))["result"] == "failed"
    assert not (place / "ran").exists()


def test_no_import_after_a_failed_extract(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    db.make("shop")
    dumps = dumps_dir(place)
    world = faked(extracting(dumps / "shop.sql", "DROP DATABASE shop;")
                  + "message('it broke', 'ERROR'); sys.exit(2)")  # fmt: skip
    report = order_import(world.bbs, config(db, place))
    assert report["result"] == "failed" and "it broke" in report["error_log"]
    assert db.databases() == {"shop"} and not report.get("output_log")


def test_borgs_warning_is_gone_past(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """But not for a file that it names."""
    dumps = dumps_dir(place)
    text = "CREATE TABLE t (n INT);"
    world = faked(extracting(dumps / "a.sql", text) + extracting(dumps / "b.sql", text)
                  + "message('home/x/b.sql: [Errno 5] Input/output error'); sys.exit(1)")  # fmt: skip
    report = order_import(world.bbs, config(db, place), "a", "b")
    assert (report["result"], report["output_log"]) == ("completed", "Imported: a -> a")
    assert '"b": borg could not extract b.sql whole' in report["error_log"]
    assert report["had_warnings"] is True and db.databases() == {"a"}


def test_orders_that_cannot_be(faked: MakeFaked, db: MariaDB, place: Path) -> None:
    """Each is refused before borg runs."""
    world = faked("item('p')")
    good = config(db, place)
    bad: list[tuple[Body, tuple[str, ...], str]] = [
        ({"password": ""}, ("shop",), "no password for MySQL"),
        ({"user": ""}, ("shop",), "no user for MySQL"),
        ({"password": "wrong-one"}, ("shop",), "Access denied"),
        ({}, ("../../etc/shop",), "cannot be the name of a dump"),
        ({}, ("a", "a"), "two databases are to become"),
        ({}, ("a", "a_pre_restore"), "would overwrite the dump"),
        ({"port": "x"}, ("shop",), "port"),
    ]
    for change, names, wanted in bad:
        report = order_import(world.bbs, {**good, **change}, *names)
        assert report["result"] == "failed" and wanted in report["error_log"], (change, report)
    assert world.borg.runs() == []
    assert "wrong-one" not in world.agent.log


# the test of a configuration


def try_plugin(bbs: BBS, settings: Body) -> Body:
    return bbs.wait_status(bbs.add_task({"task": "plugin_test", "plugin": plugin(settings)}))


def test_plugin_test(started: Agent, bbs: BBS, db: MariaDB, place: Path) -> None:
    for name in ("shop", HOSTILE):
        db.make(name)
    settings = config(db, place)
    report = try_plugin(bbs, settings)
    assert report["result"] == "completed"
    assert report["output_log"] == (
        f"Connection successful. Found 2 database(s): {HOSTILE}, shop"
    )
    bad = [
        ({"password": "wrong-one"}, "Access denied"),
        ({"databases": "shop,none"}, '"none": there is no such database'),
        ({"extra_options": "--quick --tab=/tmp"}, '"--tab=/tmp" is refused'),
        ({"port": "1"}, "connect"),
    ]
    for change, wanted in bad:
        report = try_plugin(bbs, {**settings, **change})
        assert report["result"] == "failed" and wanted in report["error_log"], report
    assert not (place / "dumps").exists()
    no_secret(started, bbs)
    assert "wrong-one" not in started.log
