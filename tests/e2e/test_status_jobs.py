"""`bbs-agent status`: the job that runs, and the last ten, which outlive the
agent."""

import json
import re
import signal
import time
from typing import Any

import pytest

from support.agent import TOP
from support.fakeborg import COMPLETE, HALF_WAY
from support.site import MakeFaked
from support.status import fits, on_terminal, seconds, status, told, wait_told


def test_a_running_backup_has_a_bar(faked: MakeFaked) -> None:
    world = faked(HALF_WAY)
    began = time.time()
    job = world.order(expected_files=1000)
    wait_told(world.agent, lambda s: s["jobs"] and (s["jobs"][0]["files"] or 0) >= 600)
    found = wait_told(world.agent, lambda s: s["jobs"][0]["bytes_per_s"] and s["jobs"][0]["seconds_left"])
    running = found["jobs"][0]
    # 1.5 MB in the 1.1 s between borg's two words; less than half a second is no measure
    assert 0 < running["bytes_per_s"] < 3_200_000
    # 400 of 1,000 files take two thirds of what the others took
    assert running["seconds_left"] <= time.time() - seconds(running["started"]) + 1
    assert running["job_id"] == job.id and running["state"] == "running"
    assert running["archive"] and running["files_total"] == 1000
    shown = on_terminal(world.agent)
    assert fits(shown), shown
    assert re.search(r"\[#{24}-{16}\]  60 %  Backing up 1000 f\.\.\.$", shown, re.M), shown
    assert re.search(r"600 of 1,000 files, 3\.0 MB, [\d.]+ .?B/s, .* left$", shown, re.M), shown
    assert re.search(rf"Job +{job.id} backup for", shown), shown
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job, 30)
    past = wait_told(world.agent, lambda s: s["history"] and not s["jobs"])["history"][0]
    assert 1 <= seconds(past["ended"]) - seconds(past["started"]) <= time.time() - began + 1
    shown = status(world.agent).stdout
    assert re.search(rf"{job.id} backup +{time.strftime('%Y')}\S+ \S+ +completed \d+ .* 6\.0 MB", shown)


def test_without_a_total_its_phase_is_told(faked: MakeFaked) -> None:
    world = faked("while not os.path.exists(HERE + '/go'): time.sleep(0.05)\nitem('a')")
    job = world.bbs.add_restore("/x", "a", ["p"], str(world.agent.tmp))
    wait_told(world.agent, lambda s: s["jobs"] and s["jobs"][0]["message"] == "Running restore")
    world.order()
    wait_told(world.agent, lambda s: s["jobs_waiting"] == 1)
    shown = on_terminal(world.agent)
    assert re.search(rf"^Job +{job.id} restore for [\d ms]+, 1 more\n +Running restore\n +0 files$", shown, re.M), shown
    assert "[" not in shown.split("Job ")[1], shown
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job, 30)


def names(found: Any) -> set[str]:
    """Of all members, at any depth."""
    if isinstance(found, list):
        return set().union(*map(names, found))
    return set(found).union(*map(names, found.values())) if isinstance(found, dict) else set()


def test_the_json_is_what_the_readme_says(faked: MakeFaked) -> None:
    """Key by key, none more and none less."""
    text = (TOP / "README.md").read_text()
    text = text[text.index("### Status as JSON") :]
    text = text[: text.index("\n## ")]
    table = re.findall(r"^\| (`.*?) \|(.*)\|$", text, re.M)
    first = {name for keys, _ in table for name in re.findall(r"`(\w+)`", keys)}
    world = faked(HALF_WAY)
    job = world.order()
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job, 30)
    (world.borg.dir / "go").unlink()
    world.order(expected_files=1000)
    found = wait_told(world.agent, lambda s: s["jobs"] and s["history"])
    assert set(found) == first | {"running"}
    told = set(re.findall(r"`(\w+)`", "".join(f"{a} {b}" for a, b in table)))
    values = {"waiting", "starting", "running", "reporting", "completed", "failed", "abandoned",
              "works", "refused", "missing", "untested"}  # fmt: skip
    assert told - values == names(found) - values
    (world.borg.dir / "go").touch()


def test_the_last_ten_jobs_outlive_a_restart(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    jobs = [world.order() for _ in range(12)]
    world.bbs.wait_status(jobs[-1], 60)
    before = wait_told(world.agent, lambda s: s["history"] and not s["jobs"])["history"]
    assert [j["job_id"] for j in before] == [j.id for j in reversed(jobs)][:10]
    assert {j["result"] for j in before} == {"completed"}
    assert {j["bytes"] for j in before} == {100} and {j["stored_bytes"] for j in before} == {50}
    world.agent.stop()
    world.agent.start()
    assert wait_told(world.agent, lambda s: s["server"]["answered"])["history"] == before
    shown = on_terminal(world.agent)
    assert fits(shown), shown
    assert all(re.search(rf"^ +{j.id} ", shown, re.M) for j in jobs[2:]), shown
    mode = (world.agent.var / "history.json").stat().st_mode
    assert mode & 0o777 == 0o600


def test_how_jobs_end(faked: MakeFaked) -> None:
    world = faked(
        "if 'warn' in ' '.join(sys.argv): message('cannot read it'); summary(); sys.exit(1)\n"
        "if 'bad' in ' '.join(sys.argv): message('Repository /r does not exist.', 'ERROR'); sys.exit(2)\n"
        "if 'slow' in ' '.join(sys.argv): progress(1, 1); time.sleep(60)\n" + COMPLETE
    )
    good = world.order()
    warn = world.order(directories=["/warn"])
    bad = world.order(directories=["/bad"])
    world.bbs.wait_status(bad, 30)
    refused = world.bbs.add_task({"task": "frobnicate"})
    world.bbs.wait_status(refused, 30)
    slow = world.order(directories=["/slow"])
    wait_told(world.agent, lambda s: s["jobs"] and s["jobs"][0]["bytes"])
    world.bbs.cancel(slow)
    world.bbs.wait_status(slow, 30)
    found = wait_told(world.agent, lambda s: len(s["history"]) == 5)["history"]
    by_id = {j["job_id"]: j for j in found}
    assert by_id[good.id]["result"] == "completed" and not by_id[good.id]["had_warnings"]
    assert by_id[warn.id]["result"] == "completed" and by_id[warn.id]["had_warnings"]
    assert by_id[bad.id]["result"] == "failed" and by_id[bad.id]["reason"] is None
    assert by_id[refused.id]["result"] == "failed" and by_id[refused.id]["reason"]
    assert by_id[slow.id]["reason"] == "Cancelled by user"
    shown = status(world.agent).stdout
    for part in ("warnings  ", "failed    Repository /r does not exist.\n",
                 "failed    Cancelled by user\n"):  # fmt: skip
        assert part in shown, shown
    kept = {j["job_id"]: j["error"] for j in json.loads((world.agent.var / "history.json").read_text())["history"]}
    assert kept == {good.id: None, warn.id: "cannot read it", bad.id: "Repository /r does not exist.",
                    refused.id: None, slow.id: None}  # fmt: skip


def test_a_crash_leaves_its_job_in_the_list(faked: MakeFaked) -> None:
    world = faked("progress(1, 1); time.sleep(60)")
    job = world.order()
    wait_told(world.agent, lambda s: s["jobs"] and s["jobs"][0]["bytes"])
    world.agent.stop(signal.SIGKILL)
    world.agent.start()
    world.bbs.wait_status(job, 30)
    found = wait_told(world.agent, lambda s: s["history"])["history"][0]
    assert (found["job_id"], found["type"], found["result"]) == (job.id, "backup", "failed")
    assert re.search(rf" {job.id} backup .* failed +Interrupted: ", status(world.agent).stdout)


def test_browsing_is_no_job_of_the_list(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    look = world.bbs.add_task({"task": "list_dir", "path": "/etc", "depth": 1})
    world.bbs.wait_status(look, 20)
    backup = world.order()
    world.bbs.wait_status(backup, 20)
    found = wait_told(world.agent, lambda s: s["history"])["history"]
    assert [j["job_id"] for j in found] == [backup.id]


def test_reports_that_wait(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    world.bbs.fault("status", "error_500", times=2)
    job = world.order()
    found = wait_told(world.agent, lambda s: s["reports"]["reason"])
    assert found["reports"]["waiting"] == 1
    assert "1 to be sent" in status(world.agent).stdout
    world.bbs.wait_status(job, 30)
    wait_told(world.agent, lambda s: s["reports"]["waiting"] == 0)


def test_names_do_not_steer_the_terminal(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    name = "a\033[2Jb\u202e\u65e5\u672c" + "x" * 100
    job = world.bbs.add_backup(world.REPO, ["/etc/hostname"], "secret-phrase", archive_name=name)
    world.bbs.wait_status(job, 30)
    found = wait_told(world.agent, lambda s: s["history"])
    assert found["history"][0]["archive"] == name
    shown = status(world.agent).stdout
    assert "\033" not in shown and "\u202e" not in shown and "a\\x1b[2Jb" in shown


@pytest.mark.parametrize("text", ["{", '{"history": [{}, 1, null, {"job_id": "x"}]}'])
def test_a_damaged_history(faked: MakeFaked, text: str) -> None:
    world = faked(start=False)
    path = world.agent.var / "history.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    world.start()
    assert world.backup()["result"] == "completed"
    found = wait_told(world.agent, lambda s: s["history"])
    assert found["history"][0]["result"] == "completed"
    assert status(world.agent).returncode == 0
    if text == "{":
        world.agent.wait_log("history.json is damaged")


def test_times_are_the_readers(faked: MakeFaked) -> None:
    world = faked(COMPLETE)
    job = world.order()
    world.bbs.wait_status(job, 30)
    ended = wait_told(world.agent, lambda s: s["history"])["history"][0]["ended"]
    for zone, hours in (("XYZ-5", 5), ("ABC+3", -3), ("UTC0", 0)):
        world.agent.env["TZ"] = zone
        there = time.gmtime(seconds(ended) + hours * 3600)
        shown = status(world.agent).stdout
        assert time.strftime("%Y-%m-%d %H:%M", there) in shown.splitlines()[-1], shown
        assert zone[:3] in shown.splitlines()[0]
        assert told(world.agent)["history"][0]["ended"] == ended
