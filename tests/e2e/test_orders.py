"""A server in the wrong hands: its orders come over the real wire, to an agent
whose policy is narrow. Each ends as a failed report that names the rule, and
nothing of it runs. Every letter of the rules is judged in tests/unit
(test_orders, test_policy); here is one of each kind, all the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS
from support.agent import Agent
from support.fakeborg import FakeBorg

CREATE = ["borg", "create", "--json"]
END = ["/nonexistent/r::a", "@IN"]
OPTION, WORD, VERB = "the option", "the word", "borg's command"
POLICY = "is refused by this host's policy"
Task = dict[str, Any]


def backup(*words: str, **env: str) -> Task:
    """A backup with more words, or another environment."""
    return {"task": "backup", "command": [*CREATE, *words, *END], "env": env,
            "archive_name": "a", "directories": "@IN"}  # fmt: skip


def command(*words: str, **more: Any) -> Task:
    return {"task": "prune", "command": list(words), "env": {}, **more}


def dump(slug: str, options: str) -> Task:
    config = {"host": "127.0.0.1", "user": "u", "password": "p", "databases": "*",
              "dump_dir": "@IN/dumps", "extra_options": options, "abort_on_failure": True}  # fmt: skip
    return {**backup(), "plugins": [{"slug": slug, "config": config}]}


def hook(kind: str, **scripts: str) -> Task:
    config = {"abort_on_failure": True, **scripts}
    if kind == "backup":
        return {**backup(), "plugins": [{"slug": "shell_hook", "config": config}]}
    return {"task": kind, "plugin": {"slug": "shell_hook", "config": config}}


def restore(cwd: str | None, kind: str = "restore") -> Task:
    task = {"task": kind, "command": ["borg", "extract", "/nonexistent/r::a", "x"], "env": {}}
    return task if cwd is None else {**task, "cwd": cwd}


# What is ordered, and the words of the rule. @PWN is a program that leaves a
# trace, @IN the directory that everything may happen in, @OUT another one.
ORDERS: dict[str, tuple[Task, str]] = {
    # programs
    "a shell": (command("/bin/sh", "-c", "@PWN"), "the program"),
    "a program": (command("@PWN"), "the program"),
    "another borg": (command("borgmatic", "create"), "the program"),
    "a borg of its own": (command("@OUT/borg", "create", "r::a", "@PWN"), "[policy] backup_from"),
    # borg's commands
    "with-lock": (command("borg", "with-lock", "/r", "@PWN"), VERB),
    "serve": (command("borg", "serve"), VERB),
    "key export": (command("borg", "key", "export", "/r", "@OUT/key"), VERB),
    "export-tar": (command("borg", "export-tar", "--tar-filter=@PWN", "/r::a", "@OUT/x"), VERB),
    "mount": (command("borg", "mount", "/r", "@OUT"), VERB),
    "debug": (command("borg", "debug", "dump-repo-objs", "/r"), VERB),
    "before the command": (command("borg", "--rsh", "@PWN", "list", "/r"), "an option before"),
    # options
    "--rsh=": (backup("--rsh=@PWN"), OPTION),
    "--rsh": (backup("--rsh", "@PWN"), OPTION),
    "--rs": (backup("--rs=@PWN"), OPTION),
    "--content-from-command": (backup("--content-from-command"), OPTION),
    "--paths-from-command": (backup("--paths-from-command"), OPTION),
    "--debug-profile": (backup("--debug-profile=@OUT/profile"), OPTION),
    "--umask": (backup("--umask=0000"), OPTION),
    "--remote-path": (backup("--remote-path=@PWN;x"), OPTION),
    "--remote-path with words": (backup("--remote-path", "sh -c @PWN"), OPTION),
    "a host like an option": (
        command("borg", "list", "ssh://-oProxyCommand=@PWN/x"), WORD),
    "a host that becomes one": (command("borg", "list", "{now:-oProxyCommand=@PWN}:x"), WORD),
    "rclone": (command("borg", "list", "rclone::sftp,ssh=@PWN:x"), WORD),
    # the environment
    "LD_PRELOAD": (backup(LD_PRELOAD="@OUT/x.so"), "LD_PRELOAD"),
    "PATH": (backup(PATH="@OUT"), "PATH"),
    "PYTHONPATH": (backup(PYTHONPATH="@OUT"), "PYTHONPATH"),
    "BORG_PASSCOMMAND": (backup(BORG_PASSCOMMAND="@PWN"), "BORG_PASSCOMMAND"),
    "BORG_LOGGING_CONF": (backup(BORG_LOGGING_CONF="@OUT/x"), "BORG_LOGGING_CONF"),
    "BORG_KEY_FILE": (backup(BORG_KEY_FILE="@OUT/key"), "BORG_KEY_FILE"),
    "BORG_CACHE_DIR": (backup(BORG_CACHE_DIR="@OUT"), "BORG_CACHE_DIR"),
    "BORG_RSH": (backup(BORG_RSH="@PWN"), "BORG_RSH"),
    "BORG_RSH, a shell": (backup(BORG_RSH="sh -c @PWN"), "BORG_RSH"),
    "ProxyCommand": (backup(BORG_RSH="ssh -o ProxyCommand=@PWN"), "BORG_RSH"),
    "ssh -F": (backup(BORG_RSH="ssh -F @OUT/x"), "BORG_RSH"),
    "ssh -E": (backup(BORG_RSH="ssh -E @OUT/log"), "BORG_RSH"),
    "dbclient -J": (backup(BORG_RSH="dbclient -J @PWN"), "BORG_RSH"),
    "BORG_REMOTE_PATH": (backup(BORG_REMOTE_PATH="sh -c @PWN"), "BORG_REMOTE_PATH"),
    # dumps
    "--result-file": (dump("mysql_dump", "--result-file=@OUT/x"), "mysqldump's option"),
    "-r": (dump("mysql_dump", "-r @OUT/x"), "mysqldump's option"),
    "--tab": (dump("mysql_dump", "--tab=@OUT"), "mysqldump's option"),
    "--plugin-dir": (dump("mysql_dump", "--plugin-dir=@OUT"), "mysqldump's option"),
    "--defaults-file": (dump("mysql_dump", "--defaults-file=@OUT/x"), "mysqldump's option"),
    "-f": (dump("pg_dump", "-f @OUT/x"), "pg_dump's option"),
    "--file": (dump("pg_dump", "--file=@OUT/x"), "pg_dump's option"),
    "--out": (dump("mongo_dump", "--out=@OUT"), "mongodump's option"),
    # where
    "restore out": (restore("@OUT"), "[policy] restore_to"),
    "restore in place": (restore(None), "[policy] restore_to"),
    "restore upwards": (restore("@IN/../out"), "[policy] restore_to"),
    "restore through a link": (restore("@IN/link"), "[policy] restore_to"),
    "restore into a link": (restore("@IN/link/new/dir"), "[policy] restore_to"),
    "extract by another name": (restore("@OUT", "whatever"), "[policy] restore_to"),
    "a restore that is called a backup": (restore("@IN", "backup"), VERB),
    "databases": (
        {**restore("/", "restore_mysql"), "databases": [{"database": "a", "mode": "replace"}],
         "mysql_config": {"user": "u", "password": "p", "dump_dir": "@IN"}},
        "[policy] restore_to"),
    "backup of the rest": (command("borg", "create", "/r::a", "@OUT"), "[policy] backup_from"),
    "backup through a link": (command("borg", "create", "/r::a", "@IN/link"),
                              "[policy] backup_from"),
    "a path like an option": (command("borg", "create", "/r::a", "--first=x y/../@OUT"), OPTION),
    "patterns": (command("borg", "create", "--pattern=R @OUT", "/r::a"), "[policy] backup_from"),
    "browse": ({"task": "list_dir", "path": "@OUT"}, "[policy] browse"),
    "browse through a link": ({"task": "list_dir", "path": "@IN/link"}, "browse"),
    # scripts
    "a hook": (hook("backup", pre_script="@PWN"), "[policy] hooks"),
    "a hook by a link": (hook("backup", pre_script="@HOOKS/link"), "[policy] hooks"),
    "a hook upwards": (hook("backup", pre_script="@HOOKS/../out/pwn"), "[policy] hooks"),
    "a tested hook": (hook("plugin_test", pre_script="@PWN"), "[policy] hooks"),
    "a deferred hook": (hook("plugin_post", post_script="@PWN"), "[policy] hooks"),
    # this program
    "update_agent": ({"task": "update_agent"}, "updated by its administrator|auto_update"),
    "update_borg": ({"task": "update_borg", "download_url": "https://127.0.0.1:1/borg",
                     "install_method": "binary", "target_version": "9"}, "[borg] update"),
}  # fmt: skip


def filled(value: Any, places: dict[str, Path]) -> Any:
    text = json.dumps(value)
    for name, path in places.items():
        text = text.replace(name, str(path))
    return json.loads(text)


@pytest.fixture
def places(place: Path) -> dict[str, Path]:
    """Where the server's orders lead; @PWN is there to be run."""
    places = {"@IN": place / "in", "@OUT": place / "out", "@HOOKS": place / "hooks",
              "@PWN": place / "out/pwn"}  # fmt: skip
    for name in ("@IN", "@OUT", "@HOOKS"):
        places[name].mkdir()
    for name in ("pwn", "borg", "mysqldump", "mariadb-dump", "pg_dump", "mongodump", "ssh"):
        (places["@OUT"] / name).write_text(f"#!/bin/sh\necho \"$0 $*\" >>{place}/ran\n")
        (places["@OUT"] / name).chmod(0o755)
    (places["@IN"] / "link").symlink_to(places["@OUT"])
    (places["@HOOKS"] / "link").symlink_to(places["@PWN"])
    return places


def test_each_is_refused_and_nothing_runs(
    bbs: BBS, agent: Agent, place: Path, places: dict[str, Path],
    fake_borg: Callable[..., FakeBorg],
) -> None:
    borg = fake_borg()
    agent.borg = borg.path
    inside = places["@IN"]
    agent.configure(
        bbs, borg={"path": borg.path, "update": "no"},
        policy={"restore_to": inside, "backup_from": inside, "browse": inside,
                "hooks": places["@HOOKS"]},
    )  # fmt: skip
    before = sorted(places["@OUT"].iterdir())
    jobs = {name: bbs.add_task(filled(task, places)) for name, (task, _) in ORDERS.items()}
    agent.start()
    wrong = []
    for name, job in jobs.items():
        report = bbs.wait_status(job, 60)
        rule = ORDERS[name][1]
        if report["result"] != "failed" or not any(r in report["error_log"] for r in rule.split("|")):
            wrong.append(f"{name}: {report['result']}, {report.get('error_log')}")
        elif rule in (OPTION, WORD, VERB) and POLICY not in report["error_log"]:
            wrong.append(f"{name}: {report['error_log']}")
        if len(job.reports) != 1:
            wrong.append(f"{name}: {len(job.reports)} reports")
    assert not wrong, "\n".join(wrong)
    assert not (place / "ran").exists(), (place / "ran").read_text()
    assert borg.runs() == []
    assert sorted(places["@OUT"].iterdir()) == before
    # And what is fine still runs.
    fine = bbs.add_task(filled(backup(BORG_PASSPHRASE="x"), places))
    assert bbs.wait_status(fine)["result"] == "completed"
    assert len(borg.runs()) == 1


def test_types_that_are_not_listed(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, policy={"tasks": "backup, restore"})
    jobs = [bbs.add_task({"task": "list_dir", "path": "/etc"}),
            bbs.add_task({"task": "update_borg"}),
            bbs.add_task(command("borg", "prune", "/r"))]  # fmt: skip
    agent.start()
    for job in jobs:
        report = bbs.wait_status(job)
        assert report["result"] == "failed" and "the task type" in report["error_log"]


def test_no_hooks_at_all(bbs: BBS, agent: Agent, places: dict[str, Path]) -> None:
    agent.configure(bbs, policy={"hooks": "no"})
    jobs = [bbs.add_task(filled(hook(kind, **{script: "@PWN"}), places))
            for kind, script in (("backup", "pre_script"), ("plugin_test", "pre_script"),
                                 ("plugin_post", "post_script"))]  # fmt: skip
    agent.start()
    for job in jobs:
        report = bbs.wait_status(job)
        assert report["result"] == "failed" and "[policy] hooks = no" in report["error_log"]
    assert not (places["@OUT"].parent / "ran").exists()
