"""A new borg: from the server's order to the file in its place, and every way
in which that must not happen. All of it below the test's own directory."""

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, CA, PATIENCE, Cert, Job
from bbsd.state import Body
from support.agent import Agent
from support.fakeborg import FakeBorg
from support.files import Files
from support.site import MakeFaked

SUPPORT = Path(__file__).resolve().parents[1] / "support"
NAME = "borg-linux-test"

MakeBorg = Callable[..., bytes]


@pytest.fixture(scope="session")
def elf(workshop: Path) -> MakeBorg:
    """elf(version, ...) compiles such a borg once; its bytes."""

    def make(version: str = "1.4.1", *options: str) -> bytes:
        label = hashlib.sha256(repr((version, options)).encode()).hexdigest()[:16]
        path = workshop / f"elfborg-{label}"
        if not path.exists():
            subprocess.run(
                ["cc", "-O1", f'-DVERSION="{version}"', *options, "-o", path,
                 SUPPORT / "elfborg.c"], check=True,
            )  # fmt: skip
        return path.read_bytes()

    return make


class World:
    """An agent whose borg lies in a directory of the test's."""

    def __init__(self, place: Path, bbs: BBS, agent: Agent) -> None:
        self.bbs, self.agent = bbs, agent
        self.borg = place / "bin" / "borg"
        self.borg.parent.mkdir()
        shutil.copy(FakeBorg(place / "old").path, self.borg)
        self.old = self.borg.read_bytes()

    def start(self, **sections: dict[str, Any]) -> "World":
        borg = {"path": self.borg, **sections.pop("borg", {})}
        self.agent.configure(self.bbs, borg=borg, **sections)
        self.agent.start()
        self.bbs.wait_polls(1)
        return self

    def order(self, url: str | None, **more: Any) -> Job:
        task: Body = {
            "task": "update_borg", "target_version": "1.4.1", "download_url": url,
            "install_method": "binary" if url else "pip", "binary_path": str(self.borg),
            "fallback_to_pip": True, "source": "official", **more,
        }  # fmt: skip
        job = self.bbs.add_task(task)
        os.kill(self.agent.pid, signal.SIGUSR1)
        return job

    def update(self, url: str | None, timeout: float = PATIENCE, **more: Any) -> Body:
        return self.bbs.wait_status(self.order(url, **more), timeout)

    def refused(self, url: str | None, **more: Any) -> str:
        """The reason; nothing on the host may have changed."""
        report = self.update(url, **more)
        assert report["result"] == "failed", report
        assert self.borg.read_bytes() == self.old
        assert [p.name for p in self.borg.parent.iterdir()] == ["borg"]
        assert not list(self.agent.var.glob(".borg*"))
        return str(report["error_log"])


@pytest.fixture
def world(place: Path, bbs: BBS, agent: Agent) -> World:
    return World(place, bbs, agent)


def sums(body: bytes, name: str = NAME) -> bytes:
    return f"{'0' * 64}  other\n{hashlib.sha256(body).hexdigest()}  {name}\n".encode()


def test_installed(world: World, files: Files, elf: MakeBorg) -> None:
    """Verified, proven, in its place, the old one beside it; and the server
    knows the version before it hears that the job is done."""
    body = elf()
    url = files.put(f"/v/{NAME}", body)
    files.put("/v/SHA256SUMS", sums(body))
    world.start()
    report = world.update(url)
    assert report["result"] == "completed", report
    assert "SHA256SUMS" in report["output_log"] and "1.2.4" in report["output_log"]
    assert world.borg.read_bytes() == body
    assert stat.S_IMODE(world.borg.stat().st_mode) == 0o755
    assert world.borg.stat().st_uid == os.geteuid()
    assert world.borg.with_name("borg.bak").read_bytes() == world.old
    assert sorted(p.name for p in world.borg.parent.iterdir()) == ["borg", "borg.bak"]
    assert (world.agent.etc / "borg_source").read_text() == "official\n"
    told = [r for r in world.bbs.requests() if r.endpoint in ("info", "status")]
    assert told[-1].endpoint == "status"
    before = [r.json or {} for r in told if r.endpoint == "info"][-1]
    assert (before["borg_version"], before["borg_source"]) == ("1.4.1", "official")
    assert not list(world.agent.var.glob(".borg*"))
    # Once more: it is there already, and nothing is downloaded for that.
    seen = len(files.seen)
    again = world.update(url)
    assert again["result"] == "failed" and "already" in again["error_log"]
    assert len(files.seen) == seen
    # The next one takes its place, the one before is kept.
    newer = elf("1.4.2")
    done = world.update(files.put("/w/borg", newer, "chunked"), target_version="v1.4.2",
                        source="server")  # fmt: skip
    assert done["result"] == "completed", done
    assert "not known" in done["output_log"]
    assert world.borg.read_bytes() == newer
    assert world.borg.with_name("borg.bak").read_bytes() == body
    assert (world.agent.etc / "borg_source").read_text() == "server\n"


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "fifo"])
def test_what_stands_in_its_way(
    world: World, files: Files, elf: MakeBorg, place: Path, kind: str
) -> None:
    """In the place of a file that it makes: it is replaced, never written to."""
    victim = place / "victim"
    victim.write_bytes(b"whole")
    world.agent.var.mkdir(parents=True)
    for path in (world.agent.var / ".borg-update", world.borg.with_name("borg.bbs-new"),
                 world.borg.with_name("borg.bak")):  # fmt: skip
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "hard link":
            path.hardlink_to(victim)
        else:
            path.symlink_to(victim if kind == "link" else place / "made")
    body = elf()
    world.start()
    assert world.update(files.put(f"/v/{NAME}", body))["result"] == "completed"
    assert world.borg.read_bytes() == body
    assert world.borg.with_name("borg.bak").read_bytes() == world.old
    assert sorted(p.name for p in world.borg.parent.iterdir()) == ["borg", "borg.bak"]
    assert victim.read_bytes() == b"whole" and not (place / "made").exists()


def test_without_a_borg_before(world: World, files: Files, elf: MakeBorg) -> None:
    world.borg.unlink()
    world.start()
    report = world.update(files.put("/borg", elf()), target_version="")
    assert report["result"] == "completed", report
    assert [p.name for p in world.borg.parent.iterdir()] == ["borg"]


def chain(files: Files, count: int, end: str) -> str:
    for i in range(count):
        files.put(f"/r{i}", location=f"/r{i + 1}" if i + 1 < count else end, code=301 + i % 3)
    return files.url("/r0")


def test_redirects(world: World, files: Files, elf: MakeBorg, ca: CA) -> None:
    """Five at most, never to plain http, and the key stays at home."""
    body = elf()
    end = files.put("/end/borg", body)
    world.start()
    assert "5 redirects" in world.refused(chain(files, 6, end))
    with Files(None) as plain:
        open_end = plain.put("/borg", body)
        assert "unencrypted" in world.refused(files.put("/down", location=open_end))
        assert plain.seen == []
    assert "file" in world.refused(files.put("/f", location="file:///etc/passwd"))
    report = world.update(chain(files, 5, "//" + end.partition("//")[2] + "?a=" + "b" * 3000))
    assert report["result"] == "completed", report
    assert world.borg.read_bytes() == body
    for seen in files.seen:
        assert "authorization" not in seen.headers
        assert seen.headers["user-agent"].startswith("BBS-Agent/")


def test_the_key_goes_to_the_server_alone(world: World, files: Files, elf: MakeBorg) -> None:
    """From the server away, and back again."""
    world.start()
    own = world.bbs.url + "/api/agent/download?file=borg"
    away = files.put("/away", location=own)
    world.bbs.fault("download", "redirect", location=away, code=302)
    error = world.refused(own)
    assert "404" in error
    asked = world.bbs.requests("download")
    assert [r.headers.get("authorization") for r in asked] == [f"Bearer {world.bbs.api_key}"] * 2
    assert files.paths() == ["/away"]
    assert "authorization" not in files.seen[0].headers


def patched(body: bytes, what: bytes, by: bytes) -> bytes:
    assert len(what) == len(by) and what in body
    return body.replace(what, by)


def newer_glibc(body: bytes) -> bytes:
    """The version that every program needs, from the future."""
    name = b"GLIBC_2.34\0" if b"GLIBC_2.34\0" in body else b"GLIBC_2.2.5\0"
    return patched(body, name, b"GLIBC_2.99".ljust(len(name), b"\0"))


def test_what_is_no_borg_for_this_host(world: World, files: Files, elf: MakeBorg) -> None:
    """Nothing of it is executed; each is one clear sentence."""
    body = elf()
    loader = body[body.index(b"/lib64/ld-") :].partition(b"\0")[0]
    cases = {
        "web page": (b"<!DOCTYPE html><html>" + b"x" * 2_000_000, "it begins .<!DOCTYPE"),
        "archive": (b"\x1f\x8b" + body, "archive"),
        "small": (elf("1.4.1", "-DPADDING=10"), "over 1 MiB"),
        "machine": (body[:18] + b"\xb7\0" + body[20:], "made for aarch64, this host is x86_64"),
        "glibc": (newer_glibc(body), "needs glibc 2.99, this host has 2."),
        "loader": (patched(body, loader, b"/lib64/xx-" + loader[10:]), "the loader /lib64/xx-"),
        "half": (body[:600_000], "cut short"),
    }
    world.start()
    for name, (content, reason) in cases.items():
        error = world.refused(files.put(f"/{name.replace(' ', '')}", content))
        assert all(part in error for part in reason.split(".") if part), (name, error)
    error = world.refused(files.put("/borg-linux-glibc299", body))
    assert "needs glibc 2.99" in error


def test_what_does_not_come_whole(world: World, files: Files, elf: MakeBorg) -> None:
    body = elf()
    world.start()
    for how in ("cut", "cut-chunked", "close"):
        assert "cut short" in world.refused(files.put("/borg", body, how)), how
    assert "404" in world.refused(files.url("/missing"))
    files.put("/s/SHA256SUMS", sums(body + b"x"))
    assert "SHA256SUMS" in world.refused(files.put(f"/s/{NAME}", body))
    files.put("/t/SHA256SUMS", sums(body), "cut")
    assert "SHA256SUMS" in world.refused(files.put(f"/t/{NAME}", body))


def test_never_from_https_to_http(world: World, elf: MakeBorg) -> None:
    world.start()
    with Files(None) as plain:
        url = plain.put("/borg", elf())
        for way in (url, url.replace("http:", "HTTP:")):
            assert "only https:// will do" in world.refused(way)
        assert plain.seen == []


def test_a_server_without_tls(place: Path, agent: Agent, elf: MakeBorg) -> None:
    """Its borg may come as it speaks itself; that is said."""
    with BBS(place / "bbs", tls=False) as bbs, Files(None) as plain:
        world, body = World(place, bbs, agent).start(), elf()
        assert "how long" in world.refused(plain.put("/long", body, "close"))
        assert world.update(plain.put("/borg", body))["result"] == "completed"
        assert "comes over http://" in agent.log
    assert world.borg.read_bytes() == body


def test_what_does_not_work_here(world: World, files: Files, elf: MakeBorg) -> None:
    """Found out by running it, before it takes the old one's place."""
    world.start()
    for verb in ("--version", "help", "init", "create"):
        error = world.refused(files.put("/borg", elf("1.4.1", f'-DBROKEN="{verb}"')))
        assert f'"{verb}"' in error and "libfoo.so: cannot open" in error
    assert "1.4.1" in world.refused(files.put("/borg", elf("1.3.9")))
    error = world.refused(files.put("/borg", elf("1.2.4")), target_version="")
    assert "1.2.4 already" in error


def test_addresses_that_are_no_files(world: World, place: Path) -> None:
    world.start()
    for url in ("file:///bin/ls", "ftp://h/borg", "https://u:p@h/borg", "https://h/a b",
                "https://h/\u00e4", "https://", "/borg", "https://h:0/borg",
                "https://h/" + "x" * 9000):  # fmt: skip
        assert "cannot be used" in world.refused(url), url


def test_places_that_are_not_ours(world: World, files: Files, elf: MakeBorg, place: Path) -> None:
    url = files.put("/borg", elf())
    world.start()
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    (place / "link").symlink_to(world.borg)
    (place / "dir").mkdir()
    for path, reason in (("/usr/bin/borg", "distribution"), ("borg", "absolute"),
                         (f"{place}/a/../borg", "absolute"), (place / "open/borg", "others"),
                         (place / "link", "symbolic link"), (place / "dir", "plain file"),
                         (f"{place}/\n", "absolute")):  # fmt: skip
        assert reason in world.refused(url, binary_path=str(path)), path
    assert files.seen == []
    other = str(world.borg.with_name("other"))
    assert "[borg] path" in world.refused(url, binary_path=other)


def test_one_that_would_not_be_used(
    world: World, files: Files, elf: MakeBorg, place: Path
) -> None:
    """Debian's is found first: what was installed is taken back."""
    world.start(borg={"path": None})
    url = files.put("/borg", elf())
    assert "taken back" in world.refused(url, binary_path=str(place / "new/borg"))
    assert list((place / "new").iterdir()) == []


def test_other_hosts_are_judged_in_full(
    world: World, files: Files, elf: MakeBorg, workshop: Path
) -> None:
    """verify = no is for the server; its CA is of no use elsewhere."""
    url = files.put("/borg", elf())
    world.start(server={"verify": "no", "ca_file": None})
    error = world.refused(url)
    assert "certificate" in error, error
    assert files.seen == []


def test_a_slow_drip_ends(world: World, files: Files, elf: MakeBorg) -> None:
    world.start()
    assert "too slowly" in world.refused(files.put("/borg", elf(), "drip"))
    assert files.dripped.wait(5)


def test_cancel(world: World, files: Files, elf: MakeBorg) -> None:
    """The download ends with the job; other things went on meanwhile."""
    world.start()
    job = world.order(files.put("/borg", elf(), "drip"))
    world.bbs.wait(lambda: "/borg" in files.paths(), 10, "no download")
    browse = world.bbs.add_task({"task": "update_agent"})
    world.bbs.wait_status(browse, 5)  # a final report does not wait for it
    world.bbs.cancel(job)
    report = world.bbs.wait_status(job, 15)
    assert report["error_log"] == "Cancelled by user"
    assert files.dripped.wait(5)
    assert world.borg.read_bytes() == world.old
    assert not list(world.agent.var.glob(".borg*"))


def test_a_backup_is_not_disturbed(faked: MakeFaked, files: Files, elf: MakeBorg, place: Path) -> None:
    made = faked(f"file('/x')\nwhile not os.path.exists('{place}/go'): time.sleep(0.05)\nsummary()")
    backup = made.order()
    made.bbs.wait(lambda: made.borg.runs(), 10, "borg never ran")
    update = made.bbs.add_task({
        "task": "update_borg", "target_version": "1.4.1", "install_method": "binary",
        "download_url": files.put("/borg", elf()), "binary_path": str(made.borg.path),
        "source": "official"})  # fmt: skip
    made.bbs.wait_polls(2)
    assert files.seen == []
    (place / "go").touch()
    assert made.bbs.wait_status(backup)["result"] == "completed"
    assert made.bbs.wait_status(update)["result"] == "completed"
    assert made.borg.path.read_bytes() == elf()


def test_what_is_not_wanted(world: World, files: Files, elf: MakeBorg) -> None:
    """No file and no package manager; skip; and borg managed by hand."""
    world.start()
    assert "not possible here" in world.refused(None)
    report = world.update(None, install_method="skip")
    assert (report["result"], report["output_log"][:9]) == ("completed", "Skipped -")
    world.agent.stop()
    world.start(borg={"update": "no"})
    assert "by hand" in world.refused(files.put("/borg", elf()))
    assert files.seen == []


MANAGERS = {
    "apt-get": ["-q update", "-q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "
                "-o Dpkg::Options::=--force-confold install borgbackup"],
    "dnf": ["-y --setopt=install_weak_deps=False install borgbackup"],
    "yum": ["-y install borgbackup"],
    "zypper": ["--non-interactive install --no-recommends borgbackup"],
    "pacman": ["-S --noconfirm --needed borg"],
    "apk": ["add --no-progress --update-cache --upgrade borgbackup"],
    "opkg": ["update", "install borgbackup"],
    "xbps-install": ["-S -y borg"],
}  # fmt: skip


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_package_managers(world: World, place: Path) -> None:
    """Stand-ins that are alone in PATH write down what they are told."""
    stubs, version, told = place / "stubs", place / "version", place / "told"
    stubs.mkdir()
    version.write_text("1.0.0\n")
    script(world.borg, f"read v <{version}; echo borg $v")
    world.old = world.borg.read_bytes()
    world.agent.env["PATH"] = str(stubs)
    world.start(borg={"update": "package"})
    assert "no package manager" in world.refused(None, target_version="")
    for number, (name, wanted) in enumerate(MANAGERS.items()):
        script(stubs / name, f'echo "$*" >>{told}; echo "done $DEBIAN_FRONTEND"; '
               f"case $* in *borg*) echo 1.1.{number} >{version};; esac")  # fmt: skip
        report = world.update(None, target_version="")
        assert report["result"] == "completed", (name, report)
        assert "done noninteractive" in report["output_log"]
        assert f"borg 1.1.{number} installed" in report["output_log"]
        assert told.read_text().splitlines() == wanted
        info = world.bbs.requests("info")[-1].json or {}
        assert info["borg_version"] == f"1.1.{number}"
        (stubs / name).unlink()
        told.unlink()
    script(stubs / "dnf", "echo nothing to do")
    assert "nothing newer" in world.refused(None, target_version="")
    script(stubs / "dnf", "echo no mirror; exit 7")
    report = world.update(None, target_version="")
    assert "code 7" in report["error_log"] and "no mirror" in report["output_log"]


def test_a_package_is_left_alone(world: World, files: Files, elf: MakeBorg, place: Path) -> None:
    (place / "stubs").mkdir()
    script(place / "stubs/dpkg-query", 'echo "borgbackup: $2"')
    world.agent.env["PATH"] = str(place / "stubs")
    world.start()
    error = world.refused(files.put("/borg", elf()))
    assert f"belongs to a package (borgbackup: {world.borg})" in error


def test_update_agent_is_refused(started: Agent, bbs: BBS) -> None:
    """As it was recorded, and with nothing of the server's on this host."""
    wire = Path(os.environ.get("BBS_SHARED", SUPPORT.parents[1] / "../shared")) / "wire"
    task: Body = {"task": "update_agent"}
    recorded = wire / "0081-update_agent-GET-tasks.json"
    if recorded.exists():
        answer = json.loads(json.loads(recorded.read_text())["response"]["body"])
        task = {k: v for k, v in answer["tasks"][0].items() if k != "job_id"}
    before = started.binary.stat()
    report = bbs.wait_status(bbs.add_task(task))
    assert report["result"] == "failed"
    assert "does not install the server's script" in report["error_log"]
    assert all(i["auto_update_enabled"] is False for i in bbs.state.information)
    assert bbs.requests("download") == []
    assert started.binary.stat() == before
