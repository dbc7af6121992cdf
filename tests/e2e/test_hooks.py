"""Scripts before and after a backup: order, environment, ends of every kind.

Each script leaves a line in a file of the test, so that what ran, when and
with what can be read there.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, Job
from bbsd.state import Body
from support import process
from support.agent import Agent
from support.fakeborg import COMPLETE, FakeBorg
from support.site import Faked, MakeFaked, Site

NAME = "Shell Script Hook"
PHRASE = "secret-phrase"  # what a faked world's backups carry
VARIABLES = ["ARCHIVE_NAME", "REPO_PATH", "BACKUP_PLAN", "CLIENT_NAME", "BACKUP_STATUS",
             "DIRECTORIES", "JOB_ID"]  # fmt: skip


class Scripts:
    """A directory of scripts that tell what they did."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        self.trace_path = directory / "trace"
        directory.mkdir(parents=True)

    def make(self, name: str, body: str = "") -> Path:
        """One that writes NAME STATUS TIME into the trace, then runs body."""
        told = f'echo "{name} $BBS_BACKUP_STATUS $(date +%s.%N)" >>"{self.trace_path}"'
        return self.write(name, f'#!/bin/sh\nhere="{self.dir}"\n{told}\n{body}\n')

    def write(self, name: str, text: str, mode: int = 0o755) -> Path:
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
        path.chmod(mode)
        return path

    def trace(self) -> list[tuple[str, str, float]]:
        if not self.trace_path.exists():
            return []
        lines = [line.split() for line in self.trace_path.read_text().splitlines()]
        return [(name, status, float(at)) for name, status, at in lines]

    def ran(self) -> list[str]:
        return [f"{name} {status}" for name, status, _ in self.trace()]

    def wait(self, count: int, timeout: float = 15) -> list[str]:
        """Until so many lines are there."""
        wait_until(lambda: len(self.trace()) >= count, timeout)
        return self.ran()

    def read(self, name: str) -> str:
        path = self.dir / name
        return path.read_text() if path.exists() else ""


def wait_until(what: Callable[[], Any], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def scripts(place: Path) -> Scripts:
    return Scripts(place / "my scripts")


def hook(pre: Path | str = "", post: Path | str = "", **config: Any) -> Body:
    def quoted(script: Path | str) -> str:
        return f"'{script}'" if isinstance(script, Path) else script

    return {
        "slug": "shell_hook",
        "config": {"pre_script": quoted(pre), "post_script": quoted(post), "timeout": "60",
                   "abort_on_failure": False, "expose_passphrase": False, **config},
        "config_id": 1,
        "config_name": "hook cfg",
    }  # fmt: skip


def logged(job: Job) -> str:
    return "\n".join(p["log_message"] for p in job.progress if "log_message" in p)


def gone(scripts: Scripts, name: str) -> bool:
    """The process whose number a script wrote there has ended."""
    seen = process.look(int(scripts.read(name)))
    return seen is None or seen.state == "Z"


def test_order_environment_and_quoting(faked: MakeFaked, scripts: Scripts) -> None:
    world = faked(COMPLETE)
    show = "; ".join(f'echo "{name}=$BBS_{name}"' for name in VARIABLES)
    first = scripts.make("pre1", f'({show}; for a; do echo "[$a]"; done; env) >"$here/seen"; echo hi')
    # what is going on is told while it goes on
    second = scripts.make("pre2", 'until [ -e "$here/go" ]; do sleep 0.05; done; echo oops >&2; exit 3')
    posts = [scripts.make(f"post{i}", "echo bye") for i in (1, 2, 3)]
    line = f"'{first}' a\\ b \"c 'd' \\$HOME\" '' ;rm *"
    plugins = [hook(line, posts[0]), hook(second, posts[1]), {"slug": "s3_sync", "config": []},
               hook(post=posts[2])]  # fmt: skip
    job = world.order(["/etc/hostname", "/etc/passwd"], plugins=plugins)
    world.bbs.wait(lambda: job.last("status_message") == f"Running plugin: {NAME}", 15)
    scripts.write("go", "")
    report = world.bbs.wait_status(job)
    assert scripts.wait(5) == ["pre1 pending", "pre2 pending", "post1 completed",
                               "post2 completed", "post3 completed"]  # fmt: skip
    # the second one's failure is a warning
    assert report["result"] == "completed"
    assert report["had_warnings"] is True
    assert f"Backup completed, but 1 plugin(s) failed: {NAME}" in report["error_log"]
    assert "(exit 3) | output: oops" in report["error_log"]
    # in this order: plugins, borg, report, post-scripts
    times = [at for _, _, at in scripts.trace()]
    assert times[1] < world.borg.runs()[0]["time"] < times[2]
    said = [p["status_message"] for p in job.progress if "status_message" in p]
    assert said.index("Starting task...") < said.index(f"Running plugin: {NAME}")
    # what the script saw
    seen = scripts.read("seen")
    wanted = {
        "ARCHIVE_NAME": report["archive_name"], "REPO_PATH": world.REPO,
        "BACKUP_PLAN": 'T\u00e4glich /srv "main"', "CLIENT_NAME": world.bbs.state.name,
        "BACKUP_STATUS": "pending", "DIRECTORIES": "/etc/hostname\n/etc/passwd",
        "JOB_ID": str(job.id),
    }  # fmt: skip
    assert seen.startswith("".join(f"{k}={v}\n" for k, v in wanted.items()))
    assert "\n[a b]\n[c 'd' $HOME]\n[]\n[;rm]\n[*]\n" in seen
    assert PHRASE not in seen and "BORG_PASSCOMMAND" not in seen
    # what the server was told, as the stock agent says it
    told = logged(job)
    assert f"Shell hook: pre-script: {line} (exit 0) | post-script: '{posts[0]}' (pending)" in told
    assert "| output: hi" in told
    wait_until(lambda: world.agent.log.count("bye") >= 3)
    assert f"Shell hook post-script: '{posts[0]}' completed (exit 0): bye" in world.agent.log
    assert "s3_sync" in world.agent.log
    kept = world.agent.var / "hooks.json"
    wait_until(lambda: kept.read_text().count('"ok":true') == 3)
    assert f'"job_id":{job.id}' in kept.read_text()


def test_post_script_waits_for_the_report(faked: MakeFaked, scripts: Scripts) -> None:
    """Until it is delivered, but for ten seconds only; the next job waits for
    the script."""
    world = faked()
    post = scripts.make("post", 'sleep 1.5; echo "done - $(date +%s.%N)" >>"$here/trace"')
    world.bbs.fault("status", "error_500", times=1)
    job = world.order(plugins=[hook(post=post)])
    world.bbs.wait(lambda: world.borg.runs(), 15)
    later = world.order()
    assert world.bbs.wait_status(job)["result"] == "completed"
    delivered = time.time()
    assert world.bbs.wait_status(later)["result"] == "completed"
    ran = scripts.trace()
    assert [name for name, _, _ in ran] == ["post", "done"]
    assert delivered - 0.3 < ran[0][2] < delivered + 3
    assert world.borg.runs()[1]["time"] > ran[1][2]


def test_an_undelivered_report_does_not_hold_it_up(faked: MakeFaked, scripts: Scripts) -> None:
    world = faked(ssh=False)
    world.bbs.fault("status", "error_500", times=100)
    began = time.time()
    job = world.order(plugins=[hook(post=scripts.make("post"))])
    assert scripts.wait(1, 25) == ["post completed"]
    assert 9 < scripts.trace()[0][2] - began < 20
    assert not job.reports and world.agent.spool()


def test_after_failure_and_abort(faked: MakeFaked, scripts: Scripts) -> None:
    world = faked("message('it broke', 'ERROR'); sys.exit(2)")
    pre, post, more = (scripts.make(n) for n in ("pre", "post", "more"))
    bad = scripts.make("bad", "echo the cause >&2; exit 9")
    assert world.backup(plugins=[hook(pre, post)])["result"] == "failed"
    assert scripts.wait(2) == ["pre pending", "post failed"]
    # a plugin that aborts: its own post-script runs, one that was not begun not
    plugins = [hook(bad, post, abort_on_failure=True), hook(pre, post), hook(post=more)]
    report = world.backup(plugins=plugins)
    assert report["result"] == "failed"
    assert report["error_log"].startswith(f"Backup aborted because a plugin failed: {NAME}")
    assert "the cause" in report["error_log"] and "exit 9" in report["error_log"]
    assert scripts.wait(5)[2:] == ["bad pending", "post failed", "more failed"]
    # one that could not even start began nothing
    report = world.backup(plugins=[hook("/nonexistent/pre", post, abort_on_failure=True)])
    assert "the directory /nonexistent does not exist" in report["error_log"]
    # put off until the server asks for it
    world.backup(plugins=[hook(pre, post, post_script_timing="repo_jobs")])
    world.agent.wait_jobless()
    assert scripts.ran()[5:] == ["pre pending"]
    assert len(world.borg.runs()) == 2


def test_after_cancel(faked: MakeFaked, scripts: Scripts) -> None:
    world = faked("progress(1, 1); time.sleep(100)")
    pre, post = scripts.make("pre"), scripts.make("post", "sleep 1; touch \"$here/ended\"")
    job = world.order(plugins=[hook(pre, post)])
    world.bbs.wait(lambda: world.borg.runs(), 15)
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job)
    assert (report["result"], report["error_log"]) == ("failed", "Cancelled by user")
    assert scripts.wait(2) == ["pre pending", "post failed"]
    wait_until(lambda: (scripts.dir / "ended").exists())
    # while the pre-script runs: it ends with its group, borg is never started
    slow = scripts.make("slow", 'sleep 100 & echo $! >"$here/pid"; wait')
    job = world.order(plugins=[hook(slow, post, abort_on_failure=True), hook(pre, post)])
    wait_until(lambda: scripts.read("pid").endswith("\n"))
    world.bbs.cancel(job)
    assert world.bbs.wait_status(job)["error_log"] == "Cancelled by user"
    assert scripts.wait(4)[2:] == ["slow pending", "post failed"]
    assert gone(scripts, "pid")
    world.agent.wait_jobless()
    assert len(scripts.ran()) == 4 and len(world.borg.runs()) == 1


def test_timeout_and_daemons(faked: MakeFaked, scripts: Scripts) -> None:
    """A time-out ends the group; a daemon that a script starts stays, though
    it holds the script's output open."""
    world = faked()
    slow = scripts.make("slow", 'echo begun; (trap "" TERM; sleep 100) & echo $! >"$here/pid"; wait')
    daemon = scripts.make("daemon", 'sleep 100 & echo $! >"$here/daemon-pid"; echo up')
    began = time.monotonic()
    job = world.order(plugins=[hook(slow, timeout=1), hook(daemon)])
    report = world.bbs.wait_status(job)
    assert time.monotonic() - began < 20
    assert report["result"] == "completed" and report["had_warnings"] is True
    assert "timed out after 1 s and was ended" in report["error_log"]
    assert "begun" in report["error_log"]
    assert gone(scripts, "pid")
    assert "output: up" in logged(job)
    assert not gone(scripts, "daemon-pid")
    os.kill(int(scripts.read("daemon-pid")), signal.SIGKILL)


def test_the_passphrase_is_exposed_by_a_file(
    faked: MakeFaked, scripts: Scripts, agent: Agent
) -> None:
    world = faked(f"print(os.listdir('{agent.run_dir}'), file=open(HERE + '/seen', 'w'))\n{COMPLETE}")
    look = (
        'ls -l "$here/../agent/root/run/bbs-agent" >"$here/ls-$1"\n'
        '(eval "$BORG_PASSCOMMAND"; echo; echo "$BORG_REPO"; env) >"$here/seen-$1"\n'
        'eval "$BORG_PASSCOMMAND"'
    )
    script = scripts.make("look", look)
    both = hook(f"'{script}' pre", f"'{script}' post", expose_passphrase=True)
    job = world.order(plugins=[both])
    world.bbs.wait_status(job)
    scripts.wait(2)
    world.agent.wait_jobless()
    for which in ("pre", "post"):
        seen = scripts.read(f"seen-{which}").splitlines()
        assert seen[:2] == [PHRASE, world.REPO]
        assert not [line for line in seen[2:] if PHRASE in line]
        assert "-rw-------" in scripts.read(f"ls-{which}")
        assert "hook-passphrase" in scripts.read(f"ls-{which}")
    # gone with each script, and told to nobody
    assert "lock" in (seen_by_borg := (world.borg.dir / "seen").read_text())
    assert "passphrase" not in seen_by_borg
    assert not [f for f in world.agent.files() if "passphrase" in f]
    assert PHRASE not in world.agent.log.replace(f'"{PHRASE}"', "") and PHRASE not in logged(job)
    assert PHRASE not in (world.agent.var / "hooks.json").read_text()


def test_left_passphrases_are_swept(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    agent.run_dir.mkdir(parents=True)
    for name in ("hook-passphrase-7", ".hook-passphrase-7.0123456789ab.tmp"):
        (agent.run_dir / name).write_text("x")
    agent.start()
    bbs.wait_polls(1)
    assert not [f for f in agent.files() if "passphrase" in f]


def order(bbs: BBS, config: Any, task: str = "plugin_test", slug: str = "shell_hook") -> Job:
    return bbs.add_task({"task": task, "plugin": {"slug": slug, "config": config}})


def test_plugin_test_and_post(started: Agent, bbs: BBS, scripts: Scripts) -> None:
    pre = scripts.make("pre", "echo pre hook out; echo pre hook err >&2")
    post = scripts.make("post", 'echo "post hook arg=$1"')
    slow = scripts.make("slow", "sleep 100")
    good = hook(pre, f"'{post}' arg1")["config"]
    tested, done = order(bbs, good), order(bbs, good, "plugin_post")
    timed = order(bbs, hook(slow, post, timeout=1)["config"])
    report = bbs.wait_status(tested)
    assert report["result"] == "completed"
    assert report["output_log"] == (
        f"Pre-script: '{pre}' exit 0 \u2014 pre hook out\npre hook err | "
        f"Post-script: '{post}' arg1 exit 0 \u2014 post hook arg=arg1"
    )
    report = bbs.wait_status(done)
    assert report["result"] == "completed"
    assert report["output_log"] == f"'{post}' arg1 completed (exit 0): post hook arg=arg1"
    # both run, with the configured time
    report = bbs.wait_status(timed)
    assert report["result"] == "failed"
    assert "timed out after 1 s" in report["error_log"]
    assert "post hook arg=" in report["error_log"]
    assert sorted(scripts.ran()) == ["post completed"] * 3 + ["pre pending", "slow pending"]


def test_each_mistake_is_named(started: Agent, bbs: BBS, scripts: Scripts) -> None:
    scripts.write("plain", "#!/bin/sh\n", 0o644)
    scripts.write("crlf", "#!/bin/sh\r\nexit 0\r\n")
    scripts.write("env-crlf", "#!/usr/bin/env sh\r\nexit 0\r\n")
    scripts.write("option-crlf", "#!/bin/sh -e\r\nexit 0\r\n")
    scripts.write("other", "#!/opt/none/php -q\n")
    scripts.write("text", "exit 0\n")
    scripts.write("empty", "")
    (scripts.dir / "link").symlink_to("nowhere")
    wanted = {
        "plain": "is not executable (mode 0644): chmod +x helps",
        "crlf": "its lines end in CR LF",
        "env-crlf": "its lines end in CR LF",
        "option-crlf": "its lines end in CR LF",
        "other": "its interpreter /opt/none/php does not exist",
        "text": "neither a program nor a script that begins with #!",
        "empty": "it is empty",
        "link": "it is a link to nowhere, which does not exist",
        "missing": "it does not exist",
        "no/such": f"the directory {scripts.dir}/no does not exist",
        "plain/x": f"{scripts.dir}/plain is not a directory",
    }
    nothing = "neither a pre-script nor a post-script"
    jobs = [(order(bbs, hook(scripts.dir / n)["config"]), why) for n, why in wanted.items()]
    jobs += [(order(bbs, hook(line)["config"]), why) for line, why in (
        ("/bin/true 'x", "a quote is not closed"), ("./x", "not an absolute path"),
        ("no-such-command x", "not in PATH"))]  # fmt: skip
    jobs += [(order(bbs, empty), nothing)
             for empty in ([], {}, {"pre_script": " ", "post_script": None})]  # fmt: skip
    jobs.append((order(bbs, hook("/bin/true")["config"], "plugin_post"), "no post-script"))
    # another slug, and one that is nobody's
    jobs += [(order(bbs, {}, "plugin_post", slug), slug) for slug in ("mysql_dump", "s3_sync")]
    found = order(bbs, hook("true")["config"])
    for job, why in jobs:
        report = bbs.wait_status(job, 60)
        assert report["result"] == "failed"
        assert why in report["error_log"]
    assert bbs.wait_status(found)["result"] == "completed"


def test_hooks_may_be_forbidden(bbs: BBS, agent: Agent, scripts: Scripts) -> None:
    world = forbidding(bbs, agent, "no")
    pre, post = scripts.make("pre"), scripts.make("post")
    report = world.backup(plugins=[hook(pre, post), hook(post=post)])
    assert report["result"] == "completed" and report["had_warnings"] is True
    assert "2 plugin(s) failed" in report["error_log"]
    assert "[policy] hooks = no" in report["error_log"]
    report = world.backup(plugins=[hook(pre, post, abort_on_failure=True)])
    assert report["result"] == "failed"
    assert "[policy] hooks = no" in report["error_log"]
    for task in ("plugin_test", "plugin_post"):
        job = bbs.add_task({"task": task, "plugin": hook(pre, post)})
        report = bbs.wait_status(job)
        assert report["result"] == "failed"
        assert "[policy] hooks = no" in report["error_log"]
    agent.wait_jobless()
    assert not scripts.ran()


def forbidding(bbs: BBS, agent: Agent, hooks: Path | str) -> Faked:
    world = Faked(bbs, agent, FakeBorg(agent.root.parent / "faked"))
    agent.configure(bbs, policy={"hooks": hooks})
    return world.start()


def test_hooks_of_one_directory(bbs: BBS, agent: Agent, scripts: Scripts, place: Path) -> None:
    (place / "alias").symlink_to(scripts.dir / "good")
    good = scripts.make("good/pre")
    bad, twin = scripts.make("bad"), scripts.make("good-twin")
    (scripts.dir / "good/way-out").symlink_to(bad)
    (scripts.dir / "way-in").symlink_to(good)
    world = forbidding(bbs, agent, place / "alias")

    allowed = [good, place / "alias/pre", scripts.dir / "way-in"]
    refused = [bad, twin, scripts.dir / "good/way-out", scripts.dir / "good/../bad"]
    fine = [order(bbs, hook(script)["config"]) for script in allowed]
    not_fine = [order(bbs, hook(script)["config"]) for script in refused]
    not_fine += [order(bbs, hook(post=script)["config"], "plugin_post") for script in refused]
    not_fine.append(order(bbs, hook("sh -c true")["config"]))
    missing = order(bbs, hook(scripts.dir / "good/missing")["config"])
    for job in fine:
        assert bbs.wait_status(job)["result"] == "completed"
    for job in not_fine:
        report = bbs.wait_status(job)
        assert report["result"] == "failed"
        assert f"[policy] hooks = {place / 'alias'}" in report["error_log"]
    assert "does not exist" in bbs.wait_status(missing)["error_log"]
    assert len(scripts.ran()) == 3
    # whose post-script may not run, its pre-script does not either
    report = world.backup(plugins=[hook(good, bad), hook(good)])
    assert "1 plugin(s) failed" in report["error_log"]
    agent.wait_jobless()
    assert scripts.ran()[3:] == ["good/pre pending"]


def test_stopping_lets_the_post_script_end(faked: MakeFaked, scripts: Scripts) -> None:
    world = faked("progress(1, 1); time.sleep(100)")
    post = scripts.make("post", 'sleep 1; touch "$here/ended"')
    job = world.order(plugins=[hook(post=post)])
    world.bbs.wait(lambda: world.borg.runs(), 15)
    assert world.agent.stop() == 0
    assert (scripts.dir / "ended").exists()
    assert scripts.ran() == ["post failed"]
    assert "Interrupted" in job.reports[0]["error_log"]


def test_the_supervisor_dies_before_the_script_ends(faked: MakeFaked, scripts: Scripts) -> None:
    """The script goes with it, stays owed, and runs at the next start, before
    any other job."""
    world = faked(ssh=False)
    post = scripts.make("post", '[ -e "$here/pid" ] && exit; echo $$ >"$here/pid"; exec sleep 100')
    world.order(plugins=[hook(post=post)])
    wait_until(lambda: scripts.read("pid").endswith("\n"))
    world.agent.stop(signal.SIGKILL)
    wait_until(lambda: gone(scripts, "pid"))
    later = world.order()
    world.agent.start()
    assert world.bbs.wait_status(later)["result"] == "completed"
    assert scripts.ran() == ["post completed", "post completed"]
    assert scripts.trace()[1][2] < world.borg.runs()[1]["time"]


def test_the_worker_dies(faked: MakeFaked, scripts: Scripts) -> None:
    world = faked("progress(1, 1); time.sleep(100)", ssh=False)
    pre, post = scripts.make("pre"), scripts.make("post")
    job = world.order(plugins=[hook(pre, post, expose_passphrase=True)])
    world.bbs.wait(lambda: world.borg.runs(), 15)
    borg = process.look(world.borg.runs()[0]["pid"])
    assert borg is not None
    os.kill(borg.parent, signal.SIGKILL)
    assert scripts.wait(2, 25) == ["pre pending", "post failed"]
    assert world.bbs.wait_status(job)["result"] == "failed"


def test_a_hook_around_a_real_backup(site: Site, place: Path, scripts: Scripts) -> None:
    data = place / "data"
    data.mkdir()
    pre = scripts.make("pre", f'echo dumped >"{data}/dump"')
    post = scripts.make("post", f'rm "{data}/dump"')
    job = site.backup(data, plugins=[hook(pre, post, expose_passphrase=True)])
    assert job.reports[0]["result"] == "completed"
    assert "had_warnings" not in job.reports[0]
    assert any(b"data/dump" in line for line in site.catalog(job))
    assert scripts.wait(2) == ["pre pending", "post completed"]
    wait_until(lambda: not (data / "dump").exists())
