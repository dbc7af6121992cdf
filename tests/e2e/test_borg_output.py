"""What borg prints and how it ends, and what becomes of it: with fake borgs."""

import json
import os
import time

import pytest

from support.site import MakeFaked

FINE = "summary(); "
ROUTINE = [
    "/x: file changed while we backed it up",
    "/x: stat: [Errno 2] No such file or directory: '/x'",
    "/x: open: [Errno 13] Permission denied: 'x'",
    "Remote: Warning: Permanently added '[127.0.0.1]:22' (ED25519) to the list of known hosts.",
]


def exit_with(code: int, *warnings: str, level: str = "WARNING") -> str:
    said = "".join(f"message({w!r}, {level!r}); " for w in warnings)
    return f"file('/etc/hostname'); {said} {FINE} sys.exit({code})"


@pytest.mark.parametrize(
    ("code", "warnings", "result", "had_warnings"),
    [
        (0, [], "completed", False),
        (1, ROUTINE, "completed", False),
        (1, [*ROUTINE, "/x: read: [Errno 5] Input/output error"], "completed", True),
        (100, ROUTINE, "completed", False),
        (107, ["/x: something odd"], "completed", True),
        (127, ["/x: something odd"], "completed", True),
        (2, ["Repository does not exist."], "failed", False),
        (128, [], "failed", False),
        (3, [], "failed", False),
    ],
)
def test_the_exit_decides(faked: MakeFaked, code: int, warnings: list[str],
                          result: str, had_warnings: bool) -> None:
    report = faked(exit_with(code, *warnings)).backup()
    assert report["result"] == result
    assert report.get("had_warnings", False) is had_warnings
    if had_warnings:
        assert warnings[-1] in report["error_log"]
        assert ROUTINE[0] not in report["error_log"]


def test_an_error_is_told_in_borgs_words(faked: MakeFaked) -> None:
    report = faked("message('Archive x already exists', 'ERROR', 'Archive.AlreadyExists'); "
                   "sys.exit(2)").backup()  # fmt: skip
    assert (report["result"], report["error_log"].strip()) == ("failed", "Archive x already exists")


def test_an_errors_cause_is_told_although_a_warning_of_it_is_routine(faked: MakeFaked) -> None:
    report = faked("message('Local Exception', 'ERROR', 'Exception'); "
                   "message('Traceback:\\nPermissionError: [Errno 13] Permission denied: /cache', "
                   "'ERROR'); sys.exit(2)").backup()  # fmt: skip
    assert report["result"] == "failed"
    assert "[Errno 13] Permission denied: /cache" in report["error_log"]


def test_a_silent_end_has_its_code(faked: MakeFaked) -> None:
    report = faked("sys.exit(2)").backup()
    assert report["result"] == "failed"
    assert "borg exited with code 2" in report["error_log"]


def test_a_killed_borg_is_a_failure(faked: MakeFaked) -> None:
    report = faked("file('/x'); os.kill(os.getpid(), signal.SIGKILL)").backup()
    assert report["result"] == "failed"
    assert report["error_log"]


def test_a_lock_that_could_not_be_released(faked: MakeFaked) -> None:
    report = faked(
        "file('/etc/hostname'); summary()\n"
        "print('Traceback (most recent call last):', file=sys.stderr)\n"
        "print('borg.locking.NotLocked: Failed to release the lock /x (was not locked)', "
        "file=sys.stderr)\n"
        "message('Failed to release the lock /x (was not locked).', 'ERROR')\n"
        "sys.exit(2)"
    ).backup()
    assert report["result"] == "completed"
    assert report["had_warnings"] is True


def test_a_traceback_is_kept_as_text(faked: MakeFaked) -> None:
    report = faked("import traceback\ntry: raise ValueError('something broke in borg')\n"
                   "except ValueError: traceback.print_exc(); sys.exit(2)").backup()  # fmt: skip
    assert report["result"] == "failed"
    assert "ValueError: something broke in borg" in report["error_log"]


def test_plugins(faked: MakeFaked) -> None:
    """Unknown ones are passed over; one that cannot run is told, not fatal."""
    world = faked()
    unknown = world.backup(plugins=[{"slug": "s3_sync", "config": {}}])
    assert unknown["result"] == "completed"
    assert "plugin" not in unknown.get("error_log", "")
    known = world.backup(plugins=[{"slug": "mysql_dump", "config": {"user": "u", "password": "p"}}])
    assert known["result"] == "completed"
    assert known["had_warnings"] is True
    assert "Backup completed, but 1 plugin(s) failed" in known["error_log"]


def test_a_plugin_may_abort(faked: MakeFaked) -> None:
    world = faked()
    plugin = {"slug": "mysql_dump", "config": {"abort_on_failure": True}}
    assert world.backup(plugins=[plugin])["result"] == "failed"
    assert world.borg.runs() == []


# floods


def test_a_summary_of_5_megabytes(faked: MakeFaked) -> None:
    report = faked("summary(nfiles=7, padding='x' * 5_000_000)").backup()
    assert (report["result"], report["files_total"]) == ("completed", 7)


def test_a_summary_without_end(faked: MakeFaked) -> None:
    body = "b = b'x' * 65536\nfor i in range(800): os.write(1, b)\nfile('/etc/hostname')"
    assert faked(body).backup()["result"] == "completed"


def test_a_line_of_10_megabytes(faked: MakeFaked) -> None:
    body = ("file('/' + 'x' * 100_000 + ' Error' * 1_650_000); file('/etc/hostname')\n"
            "progress(3, 30); summary(3, 30)")  # fmt: skip
    world = faked(body)
    report = world.backup()
    assert (report["result"], report["files_total"]) == ("completed", 3)
    assert " ERROR " not in world.agent.log  # its rest is no line of its own


def test_log_lines_that_are_no_json(faked: MakeFaked) -> None:
    body = (
        "for junk in (b'{', b'{}', b'[]', b'null', b'\\0\\0', b'\\xff\\xfe', b'{\"type\": 5}',"
        " b'{\"type\": \"file_status\"}', b'{\"type\": \"file_status\", \"path\": 7, \"status\": []}',"
        " b'{\"type\": \"archive_progress\", \"nfiles\": \"x\", \"original_size\": -1}',"
        " b'{' * 100000, b'\\r', b''):\n"
        "    os.write(2, junk + b'\\n')\n"
        "file('/etc/hostname'); summary(2, 20)\n"
        "os.write(2, b'{\"type\": \"file_status\", \"pa')"
    )
    report = faked(body).backup()
    assert (report["result"], report["files_total"]) == ("completed", 2)


def test_a_grandchild_that_keeps_the_pipe(faked: MakeFaked) -> None:
    """The job ends with borg; what borg left behind is ended."""
    body = "subprocess.Popen(['sleep', '300']); summary()"
    world = faked(body)
    assert world.backup(timeout=20)["result"] == "completed"
    world.agent.wait_jobless()


def test_ten_thousand_warnings(faked: MakeFaked) -> None:
    """Cut at a character, the first and the last kept."""
    body = (
        "message('the first of all')\n"
        "for i in range(10000): message('\\u00fc\\u20ac\\U0001f600 ' * 20 + str(i))\n"
        "message('the very last'); summary(); sys.exit(1)"
    )
    report = faked(body).backup()
    assert len(report["error_log"].encode()) <= 10000
    assert "the first of all" in report["error_log"]
    assert "the very last" in report["error_log"]


def test_messages_that_are_no_text(faked: MakeFaked) -> None:
    """Lone surrogates, NULs, controls: the report stays strict JSON (the
    server refuses it otherwise)."""
    body = (
        "message('lone \\udcff surrogate \\x00 nul \\x1b[31m control')\n"
        "os.write(2, b'Error: raw \\xff\\xc3 bytes\\n')\n"
        "sys.exit(2)"
    )
    report = faked(body).backup()
    assert report["result"] == "failed"
    assert "lone" in report["error_log"]


# what borg is given


def test_borgs_environment(faked: MakeFaked) -> None:
    world = faked()
    world.backup(env={"BORG_RSH": "ssh -i /etc/bbs-agent/ssh_key -p 2222 -o BatchMode=yes"})
    env = world.borg.runs()[0]["env"]
    assert env["BORG_PASSPHRASE"] == "secret-phrase"
    assert f"-i {world.agent.etc}/ssh_key" in env["BORG_RSH"]
    assert "-p 2222" in env["BORG_RSH"]
    assert env["BORG_RELOCATED_REPO_ACCESS_IS_OK"] == "yes"
    assert env["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] == "yes"
    assert env["LC_ALL"] == "C.UTF-8"
    assert env["HOME"] == str(world.agent.home)


def test_a_locale_that_is_not_utf8_is_replaced(faked: MakeFaked) -> None:
    world = faked(start=False)
    world.agent.env["LC_ALL"] = "C"
    world.start().backup()
    assert world.borg.runs()[0]["env"]["LC_ALL"] == "C.UTF-8"


def test_borgs_home_is_set(faked: MakeFaked) -> None:
    """A service manager may not set it."""
    world = faked(start=False)
    del world.agent.env["HOME"]
    world.start().backup()
    assert world.borg.runs()[0]["env"]["HOME"].startswith("/")


def test_borgs_words_are_the_servers(faked: MakeFaked) -> None:
    world = faked()
    job = world.order(directories=["/a b", "/c'd\"e", "/gr\u00f6\u00dfe"], options=("--exclude", "*\n*"))
    world.bbs.wait_status(job)
    argv = world.borg.runs()[0]["argv"]
    assert argv[1:8] == job.task["command"][1:8]
    assert argv[-3:] == ["/a b", "/c'd\"e", "/gr\u00f6\u00dfe"]
    assert "*\n*" in argv


def test_nothing_secret_is_in_the_log(faked: MakeFaked) -> None:
    world = faked("message('the phrase is secret-phrase'); sys.exit(2)")
    report = world.backup()
    assert report["error_log"] == "the phrase is ***"
    assert "secret-phrase" not in world.agent.log
    assert world.bbs.api_key not in world.agent.log


def test_a_redelivered_job_runs_once(faked: MakeFaked) -> None:
    """borg waits for the first progress to be taken; the name that counts
    is that of the first delivery."""
    world = faked()
    world.bbs.fault("progress", "error_500", times=2)
    job = world.order()
    report = world.bbs.wait_status(job, 40)
    assert job.deliveries > 1
    runs = world.borg.runs()
    assert len(runs) == 1
    name = runs[0]["argv"][-2].split("::")[1]
    assert report["archive_name"] == name
    taken = [r for r in world.bbs.requests("progress") if r.status == 200]
    accepted = taken[0].answered - time.monotonic() + time.time()
    assert runs[0]["time"] >= accepted - 0.2


def test_a_report_whose_answer_was_lost_is_sent_again(faked: MakeFaked) -> None:
    world = faked()
    world.bbs.fault("status", "drop", times=2, done=True)
    job = world.order()
    world.bbs.wait(lambda: len(job.reports) >= 2, 30)
    assert job.reports[0] == job.reports[1]
    assert len(world.borg.runs()) == 1
    assert job.state == "completed"


def test_a_report_survives_an_outage(faked: MakeFaked) -> None:
    world = faked("time.sleep(3); summary()")
    job = world.order()
    world.bbs.wait_running(job)
    world.bbs.stop()
    time.sleep(6)
    world.bbs.start()
    assert world.bbs.wait_status(job, 40)["result"] == "completed"


def test_borg_that_is_missing(faked: MakeFaked) -> None:
    world = faked()
    os.unlink(world.borg.path)
    report = world.backup()
    assert report["result"] == "failed"
    assert "borg" in report["error_log"] and str(world.borg.path) in report["error_log"]
    world.bbs.wait_polls(2)


def test_borg_that_cannot_be_executed(faked: MakeFaked) -> None:
    world = faked()
    world.borg.path.write_text("#!/no/such/interpreter\n")
    report = world.backup()
    assert report["result"] == "failed"
    assert report["error_log"]
    assert json.dumps(report)
