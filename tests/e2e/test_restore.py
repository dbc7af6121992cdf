"""Restores with the real borg: what comes back, and where."""

from pathlib import Path

import pytest

from support import tree
from support.site import MakeFaked, Site


def restored(target: Path, original: Path) -> Path:
    """borg keeps the whole path below the directory it runs in."""
    return target / str(original).lstrip("/")


def test_what_comes_back_is_what_went(site: Site, odd_tree: Path, place: Path) -> None:
    """Names, content, modes, times, links, hard links, fifo: all the same."""
    job = site.backup(odd_tree)
    target = place / "restored here"
    target.mkdir()
    report = site.restore(job, odd_tree, cwd=target)
    assert report["result"] == "completed", report
    assert tree.differences(odd_tree, restored(target, odd_tree)) == []
    assert report["files_processed"] == 1 + sum(1 for _ in odd_tree.rglob("*"))


def test_the_directory_is_made(site: Site, odd_tree: Path, place: Path) -> None:
    job = site.backup(odd_tree)
    target = place / "a" / "b c" / "d\u00e9"
    assert site.restore(job, odd_tree, cwd=target)["result"] == "completed"
    assert tree.differences(odd_tree, restored(target, odd_tree)) == []


def test_one_file_and_nothing_else(site: Site, odd_tree: Path, place: Path) -> None:
    job = site.backup(odd_tree)
    target = place / "one"
    report = site.restore(job, odd_tree / "with space.txt", cwd=target)
    assert (report["result"], report["files_processed"]) == ("completed", 1)
    names = [p.name for p in restored(target, odd_tree).iterdir()]
    assert names == ["with space.txt"]


def test_components_are_stripped(site: Site, odd_tree: Path, place: Path) -> None:
    job = site.backup(odd_tree)
    depth = len(odd_tree.parts) - 1
    report = site.restore(job, odd_tree, cwd=place / "flat",
                          options=(f"--strip-components={depth}",))  # fmt: skip
    assert report["result"] == "completed"
    assert (place / "flat/plain.txt").read_text() == "content of plain.txt"


def test_in_place_without_a_directory(site: Site, odd_tree: Path) -> None:
    """No cwd means /: the files go back to where they were."""
    job = site.backup(odd_tree)
    before = tree.snapshot(odd_tree)
    (odd_tree / "plain.txt").write_text("spoiled")
    (odd_tree / "private").unlink()
    assert site.restore(job, odd_tree, cwd=None)["result"] == "completed"
    after = tree.snapshot(odd_tree)
    for name in (b"private", b"plain.txt"):
        assert after[name][4] == before[name][4]


def test_nothing_extracted_is_a_failure(site: Site, odd_tree: Path, place: Path) -> None:
    """borg 1.2.4 ends with 1 here, others with 0."""
    job = site.backup(odd_tree)
    report = site.restore(job, "/no/such/path", cwd=place / "none")
    assert report["result"] == "failed"
    assert "never matched" in report["error_log"]


def test_nothing_extracted_and_exit_0_is_a_failure(faked: MakeFaked, place: Path) -> None:
    world = faked("sys.exit(0)")
    job = world.bbs.add_restore("/x", "a", ["p"], str(place / "r"))
    report = world.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert report["error_log"].startswith("Restore extracted nothing")


@pytest.mark.parametrize("code", [1, 2, 101])
def test_a_warning_is_a_failure(faked: MakeFaked, place: Path, code: int) -> None:
    world = faked(f"item('p'); message('p: something is wrong'); sys.exit({code})")
    job = world.bbs.add_restore("/x", "a", ["p"], str(place / "r"))
    report = world.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert "something is wrong" in report["error_log"]


def test_a_windows_directory_fails(faked: MakeFaked) -> None:
    world = faked("item('p')")
    job = world.bbs.add_restore("/x", "a", ["C/Users/x"], "C:\\")
    report = world.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert "C:" in report["error_log"]
    assert world.borg.runs() == []


def test_a_directory_that_cannot_be_made(faked: MakeFaked, place: Path) -> None:
    (place / "file").write_text("in the way")
    world = faked("item('p')")
    job = world.bbs.add_restore("/x", "a", ["p"], str(place / "file/below"))
    report = world.bbs.wait_status(job)
    assert report["result"] == "failed"
    assert str(place / "file") in report["error_log"]
    assert world.borg.runs() == []


def test_borg_runs_in_the_directory(faked: MakeFaked, place: Path) -> None:
    world = faked("item('p')")
    there = world.bbs.add_restore("/x", "a", ["p"], str(place / "target"))
    world.bbs.wait_status(there)
    nowhere = world.bbs.add_restore("/x", "a", ["p"], None)
    world.bbs.wait_status(nowhere)
    assert [run["cwd"] for run in world.borg.runs()] == [str(place / "target"), "/"]


def test_progress_of_a_restore(faked: MakeFaked, place: Path) -> None:
    """Bytes come from borg's percentage of the extraction alone."""
    world = faked(
        "log(type='progress_percent', msgid='extract', current=0, total=0, finished=False)\n"
        "log(type='progress_percent', msgid='cache.sync', current=83, total=17, finished=False)\n"
        "for i in range(7):\n"
        "    item('f%d' % i); time.sleep(1)\n"
        "    log(type='progress_percent', msgid='extract', current=i * 10, total=70)\n"
        "log(type='progress_percent', msgid='extract', finished=True)"
    )
    job = world.bbs.add_restore("/x", "a", ["p"], str(place / "r"))
    report = world.bbs.wait_status(job)
    assert (report["result"], report["files_processed"]) == ("completed", 7)
    assert (report["bytes_processed"], report["bytes_total"]) == (60, 70)
    assert any(p.get("bytes_total") == 70 for p in job.progress)
    assert all(p.get("bytes_processed", 0) <= 70 for p in job.progress)
