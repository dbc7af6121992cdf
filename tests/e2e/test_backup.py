"""Backups with the real borg over the real sshd, and their catalogues."""

import json
import os
import re
import shutil
import socket
import time
from datetime import datetime
from pathlib import Path

import pytest

from bbsd import BBS, Job
from support import tree
from support.agent import Agent
from support.deadmount import CannotMount, dead_mount
from support.fakeborg import COMPLETE
from support.repo import Repo
from support.site import MakeFaked, Site
from support.sshd import Sshd


def messages(job: Job) -> list[str]:
    """The status messages, each once, in order."""
    seen = [p["status_message"] for p in job.progress if "status_message" in p]
    return [m for i, m in enumerate(seen) if m not in seen[:i]]


def numbers(job: Job) -> tuple[int, int]:
    report = job.reports[0]
    assert report["files_total"] == report["files_processed"]
    assert report["bytes_total"] == report["bytes_processed"] == report["original_size"]
    return report["files_total"], report["original_size"]


def test_a_backup_behind_each_kind_of_host(
    place: Path, each_bbs: BBS, sshd: Sshd, repo: Repo, agent: Agent, odd_tree: Path
) -> None:
    """One backup, looked at from all sides."""
    site = Site(place, each_bbs, sshd, repo, agent)
    agent.start()
    job = site.backup(odd_tree)
    report = job.reports[0]
    assert (report["result"], job.state) == ("completed", "completed"), report
    assert "had_warnings" not in report and "error_log" not in report
    assert len(job.reports) == 1
    assert repo.archives() == [report["archive_name"]]
    check_totals(job, repo)
    check_progress(job, odd_tree)
    check_catalogue(site.catalog(job), odd_tree)


def check_totals(job: Job, repo: Repo) -> None:
    """They are borg's."""
    name = job.reports[0]["archive_name"]
    info = json.loads(repo.borg("info", "--json", f"{repo.path}::{name}"))
    stats = info["archives"][0]["stats"]
    files, size = numbers(job)
    assert files == stats["nfiles"]
    # The archive's own metadata is counted in one place and not in the other.
    assert abs(size - stats["original_size"]) < 20_000
    assert job.reports[0]["deduplicated_size"] > 0


def check_progress(job: Job, root: Path) -> None:
    """It comes in the protocol's order."""
    said = messages(job)
    assert said[0] == "Starting task..."
    target = next(i for i, m in enumerate(said) if re.fullmatch(r"Backing up [\d,]+ files\.\.\.", m))
    if "Counting files..." in said:
        assert said.index("Counting files...") < target
    first = next(p for p in job.progress if "Backing up" in p.get("status_message", ""))
    count = sum(1 for p in root.rglob("*") if p.is_symlink() or not p.is_dir())
    assert (first["files_total"], first["files_processed"]) == (count, 0)


def check_catalogue(lines: list[bytes], root: Path) -> None:
    """Complete, valid, and what stat tells."""
    entries = {e["path"]: e for e in (json.loads(line.decode("utf-8")) for line in lines)}
    assert len(lines) == 1 + sum(1 for _ in root.rglob("*"))
    assert all(set(e) == {"path", "status", "size", "mtime"} for e in entries.values())
    for name in tree.ODD_NAMES:
        if name not in tree.INVALID_UTF8:
            path = f"{root}/{name.decode()}"
            entry = entries[path]
            assert (entry["size"], entry["mtime"]) == expected_line(path.encode())
            assert entry["status"] in ("A", "H", "U", "M")
    for special, status in (("empty dir", "D"), ("link", "S"), ("fifo", "F")):
        assert entries[f"{root}/{special}"]["status"] == status
    # borg 1.2.4 prints ? for each byte that is no text, so stat finds nothing.
    bad = [e for path, e in entries.items() if path.startswith(f"{root}/latin1-")]
    assert len(bad) == 1
    if "?" in bad[0]["path"]:
        assert (bad[0]["size"], bad[0]["mtime"]) == (0, None)


def expected_line(path: bytes, zone_hours: int = 0) -> tuple[int, str]:
    st = Path(path.decode()).lstat()
    when = datetime.utcfromtimestamp(st.st_mtime + zone_hours * 3600)
    return st.st_size, when.strftime("%Y-%m-%d %H:%M:%S")


def test_a_link_to_a_dead_mount_holds_nothing_up(
    place: Path, sshd: Sshd, faked: MakeFaked
) -> None:
    """borg does not follow it, and neither may a look at it last."""
    link, there = place / "link", place / "there"
    link.symlink_to(place / "dead" / "x")
    there.symlink_to("/proc/version")
    world = faked(f"file({str(link)!r}, 's'); file({str(there)!r}, 's'); " + COMPLETE)
    try:
        with dead_mount(place / "dead"):
            job = world.order()
            report = world.bbs.wait_status(job)
    except CannotMount as error:
        pytest.skip(f"no FUSE mount here: {error}")
    assert (report["result"], report.get("had_warnings", False)) == ("completed", False)
    assert f"what {link} leads to does not answer" in world.agent.log
    lines = [json.loads(line) for line in sshd.catalog(job.id).read_text().splitlines()]
    sizes = {line["path"]: line["size"] for line in lines}
    assert (sizes[str(link)], sizes[str(there)]) == (link.lstat().st_size, there.lstat().st_size)


def test_counting_waits_for_no_dead_mount(place: Path, faked: MakeFaked) -> None:
    """borg may have been told to leave it out."""
    (place / "tree").mkdir()
    (place / "tree" / "file").touch()
    try:
        with dead_mount(place / "tree" / "dead"):
            world = faked()
            job = world.order([str(place / "tree")], precount_files=True)
            report = world.bbs.wait_status(job, 60)
    except CannotMount as error:
        pytest.skip(f"no FUSE mount here: {error}")
    assert report["result"] == "completed"
    assert "Counting files..." in messages(job)
    assert "counting files takes too long, or a mount does not answer" in world.agent.log


def test_the_expected_number_is_the_target(faked: MakeFaked) -> None:
    world = faked()
    job = world.order(expected_files=4242)
    world.bbs.wait_status(job)
    assert job.last("files_total") == 4242
    assert "Counting files..." not in messages(job)


def test_no_count_when_none_is_wanted(faked: MakeFaked) -> None:
    world = faked()
    job = world.order(precount_files=False)
    world.bbs.wait_status(job)
    assert "Counting files..." not in messages(job)
    assert all(p.get("files_total", 0) == 0 for p in job.progress)


def test_counts_below_directories_with_crlf(faked: MakeFaked, place: Path) -> None:
    for name in ("one", "two words"):
        tree.make_many(place / name, 5)
    world = faked()
    job = world.order()
    job.task["directories"] = f"{place}/one\r\n{place}/two words\r\n"
    world.bbs.wait_status(job)
    assert job.last("files_total") == 10


# the catalogue


def entries_of(sshd: Sshd, job: Job) -> list[dict[str, object]]:
    lines = sshd.catalog(job.id).read_bytes().splitlines()
    return [json.loads(line.decode("utf-8")) for line in lines]


def test_the_catalogue_has_local_times(faked: MakeFaked, sshd: Sshd, place: Path) -> None:
    zone = "CET-1CEST,M3.5.0,M10.5.0/3"
    for name, when in (("summer", 1_750_000_000), ("winter", 1_735_700_000)):
        (place / name).touch()
        os.utime(place / name, (when, when))
    world = faked(f"file('{place}/summer'); file('{place}/winter'); summary()", start=False)
    world.agent.env["TZ"] = zone
    job = world.start().order()
    world.bbs.wait_status(job)
    for entry, hours in zip(entries_of(sshd, job), (2, 1), strict=True):
        assert entry["mtime"] == expected_line(str(entry["path"]).encode(), hours)[1]


def test_what_was_left_out_is_not_in_the_catalogue(faked: MakeFaked, sshd: Sshd) -> None:
    world = faked("[file('/%s' % s, s) for s in 'AMUdhsfxeC-']; summary()")
    job = world.order()
    world.bbs.wait_status(job)
    assert [e["status"] for e in entries_of(sshd, job)] == list("AMUDHSFC-")


def test_invalid_names_of_every_borg(faked: MakeFaked, sshd: Sshd, place: Path) -> None:
    """1.2.4 prints ?, others lone surrogates, borg 2 adds path_b64; a line
    that is not UTF-8 would be dropped by the server."""
    (place / "ok").write_text("12345")
    world = faked(
        "log(type='file_status', status='A', path='/x/lone-\\udcff')\n"
        "log(type='file_status', status='A', path='/x/?', path_b64='L3gv/w==')\n"
        f"file('{place}/ok')\n"
        "summary()"
    )
    job = world.order()
    world.bbs.wait_status(job)
    entries = entries_of(sshd, job)
    assert len(entries) == 3
    assert str(entries[0]["path"]).startswith("/x/lone-")
    assert (entries[2]["path"], entries[2]["size"]) == (f"{place}/ok", 5)


@pytest.mark.parametrize("mode", ["fail", "cut"])
def test_a_catalogue_that_fails_does_not_cost_the_backup(
    faked: MakeFaked, sshd: Sshd, mode: str
) -> None:
    sshd.catalog_mode(mode)
    report = faked("[file('/x/%d' % i) for i in range(5000)]; time.sleep(0.5)\n"
                   "[file('/y/%d' % i) for i in range(5000)]; summary()").backup()  # fmt: skip
    assert report["result"] == "completed"
    assert "catalog streaming failed" in report["error_log"]


def test_ssh_that_cannot_be_reached_for_the_catalogue(faked: MakeFaked) -> None:
    report = faked("file('/etc/hostname'); summary()", ssh=False).backup()
    assert report["result"] == "completed"
    assert "catalog streaming failed" in report["error_log"]


# what goes wrong


def test_a_repository_that_is_not_there(site: Site, odd_tree: Path) -> None:
    shutil.rmtree(site.repo.path)
    report = site.backup(odd_tree).reports[0]
    assert report["result"] == "failed"
    assert "does not exist" in report["error_log"]


def test_a_wrong_passphrase(site: Site, odd_tree: Path) -> None:
    report = site.backup(odd_tree, passphrase="wrong-secret-9")
    assert report.reports[0]["result"] == "failed"
    assert "passphrase" in report.reports[0]["error_log"].lower()
    assert "wrong-secret-9" not in site.agent.log


def test_a_directory_that_is_missing_is_a_warning(site: Site, odd_tree: Path, place: Path) -> None:
    report = site.backup(odd_tree, place / "missing").reports[0]
    assert report["result"] == "completed"


def test_an_unreachable_sshd(site: Site, odd_tree: Path) -> None:
    site.sshd.stop()
    with socket.socket() as held:  # nobody else gets the port meanwhile
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((site.sshd.host, site.sshd.port))
        report = site.backup(odd_tree).reports[0]
    assert report["result"] == "failed"
    # What ssh said, unless borg saw its end before its words.
    assert re.search("refused|closed by remote host", report["error_log"].lower())


def test_one_backup_after_the_other(site: Site, odd_tree: Path) -> None:
    first = site.order_backup(odd_tree)
    second = site.order_backup(odd_tree)
    for job in (first, second):
        assert site.bbs.wait_status(job, 60)["result"] == "completed"
    end = first.progress_times[-1]
    assert second.progress_times[0] >= end
    assert len(site.repo.archives()) == 2


def test_a_remote_ssh_key_lies_where_borg_looks(faked: MakeFaked) -> None:
    world = faked(
        "words = os.environ['BORG_RSH'].split()\n"
        "key = words[words.index('-i') + 1]\n"
        "mode = os.stat(key).st_mode & 0o777\n"
        "json.dump([key, mode, open(key).read()], open(HERE + '/key', 'w'))\n"
        "summary()"
    )
    rsh = "ssh -i /tmp/bbs-remote-ssh-key -p 22 -o BatchMode=yes"
    world.backup(env={"BORG_RSH": rsh}, remote_ssh_key="-----BEGIN X\r\nabc\r\n-----END X")
    path, mode, text = json.loads((world.borg.dir / "key").read_text())
    assert text == "-----BEGIN X\nabc\n-----END X\n"
    assert mode == 0o600
    assert path.startswith(str(world.agent.run_dir))
    assert not Path(path).exists()


def test_a_dry_run_tells_what_it_would_do(site: Site, odd_tree: Path) -> None:
    job = site.backup(odd_tree, dry_run=True, options=("--exclude", "*.txt"))
    report = job.reports[0]
    assert report["result"] == "completed", report
    result = json.loads(report["task_result"])
    assert result["dry_run"] is True
    assert result["would_backup"] > 20
    assert result["excluded"] >= 2
    assert f"{odd_tree}/plain.txt" in result["excluded_sample"]
    assert f"{odd_tree}/executable" in result["included_sample"]
    assert site.repo.archives() == []


def test_progress_while_borg_works(site: Site, place: Path) -> None:
    """At least every 5 s, with numbers that grow."""
    tree.make_big(place / "big", 30)
    job = site.backup(place / "big", options=("--upload-ratelimit=2500",))
    assert job.reports[0]["result"] == "completed"
    gaps = [b - a for a, b in zip(job.progress_times, job.progress_times[1:])]
    assert max(gaps) < 6.5
    assert max(p.get("bytes_processed", 0) for p in job.progress) > 0
    assert time.monotonic() - job.progress_times[-1] < 6.5
