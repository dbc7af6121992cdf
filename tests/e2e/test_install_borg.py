"""How install comes to a borg: what is there, a file given or brought along,
the distribution's package, the borg project's binary. Package managers are
stand-ins that write down how they are called; the binaries are real ELF
programs (support/elfborg.c) from a server of files over TLS."""

import hashlib
import os
import pty
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bbsd import BBS, Cert
from support.files import Files
from support.hosttree import Done, HostTree

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a host of its own needs root (chroot, PID namespace)"
)

SUPPORT = Path(__file__).resolve().parents[1] / "support"
# What every borg of the tests' own does: enough to be believed.
WORKS = '#!/bin/sh\necho "borg 1.4.1"\n'
MakeBorg = Callable[..., bytes]


@pytest.fixture(scope="session")
def elf(workshop: Path) -> MakeBorg:
    """Static: the hosts have no C library unless a test gives them one."""

    def make(*options: str) -> bytes:
        label = hashlib.sha256(repr(options).encode()).hexdigest()[:16]
        path = workshop / f"static-elfborg-{label}"
        if not path.exists():
            subprocess.run(
                ["cc", "-O1", "-static", *options, "-o", path, SUPPORT / "elfborg.c"],
                check=True,
            )  # fmt: skip
        return path.read_bytes()

    return make


class World:
    """A host without borg."""

    def __init__(self, host: HostTree, bbs: BBS) -> None:
        self.host, self.bbs = host, bbs
        (host.root / "usr/bin/borg").unlink()
        assert bbs.ca_file is not None
        shutil.copy(bbs.ca_file, host.root / "tmp/ca.pem")
        self.place = host.root / "usr/local/bin/borg"

    def install(self, options: str = "", program: str = "/tmp/bbs-agent install",
                before: str = "", terminal: int = subprocess.DEVNULL) -> Done:  # fmt: skip
        """It succeeds, whatever becomes of borg."""
        ends = "<&9 >&9" if terminal >= 0 else ""
        done = self.host.run(
            f"{before}\n{program} --server {self.bbs.url} --key {self.bbs.api_key} "
            f"--ca-file /tmp/ca.pem {options} {ends}\n", terminal=terminal,
        )  # fmt: skip
        assert done.code == 0, done.said
        assert not (self.host.root / "var/lib/bbs-agent/.borg-update").exists()
        return done

    def refused(self, options: str, *words: str) -> None:
        """No borg, and why, in a note."""
        done = self.install(options)
        notes = [line for line in done.err.splitlines() if "no borg yet" in line]
        assert len(notes) == 1 and all(w in notes[0] for w in words), done.err
        assert not self.place.exists()

    def manager(self, name: str, body: str) -> None:
        """Alone of its kind: the host's other programs are busybox's."""
        self.host.program(
            f"usr/sbin/{name}",
            f'#!/bin/sh\necho "{name} $*" >>/calls\necho "env $DEBIAN_FRONTEND"\n{body}\n',
        )

    def told(self) -> list[str]:
        return [c for c in self.host.calls if not c.startswith("systemctl")]

    def versions(self) -> list[object]:
        return [(r.json or {}).get("borg_version") for r in self.bbs.requests("register")]


INSTALLS = "case $* in *borg*) printf '#!/bin/sh\\necho borg 1.2.4\\n' >/usr/bin/borg; chmod +x /usr/bin/borg;; esac"


@pytest.fixture
def world(place: Path, bbs: BBS) -> World:
    return World(HostTree(place / "host"), bbs)


def test_what_is_there_is_used(world: World) -> None:
    world.host.program("usr/bin/borg", WORKS)
    world.manager("apt-get", INSTALLS)
    world.host.program("tmp/borg-linux-glibc228", WORKS)
    assert "borg" not in world.install("--borg auto").err
    assert world.told() == [] and not world.place.exists()
    assert world.versions() == ["1.4.1"]


def test_one_that_is_there_and_broken(world: World) -> None:
    world.host.program("usr/bin/borg", "#!/bin/sh\nexit 4\n")
    done = world.install()
    assert "/usr/bin/borg --version failed with code 4" in done.err


def test_a_file(world: World, elf: MakeBorg) -> None:
    """Proven before it takes the other's place; done again, nothing happens."""
    world.host.program("usr/local/bin/borg", "#!/bin/sh\necho borg 1.1.9\n")
    world.host.program("tmp/mine", WORKS)
    world.install("--borg /tmp/mine")
    assert world.place.read_text() == WORKS
    assert (world.place.with_name("borg.bak")).read_text().endswith("1.1.9\n")
    inode = world.place.stat().st_ino
    world.install("--borg /tmp/mine")
    assert world.place.stat().st_ino == inode
    half = '#!/bin/sh\n[ "$1" = init ] && { echo no libfoo >&2; exit 3; }\necho borg 1.4.1\n'
    world.host.program("tmp/half", half)
    done = world.install("--borg /tmp/half")
    assert '"init" ended with code 3: no libfoo' in done.err
    assert world.place.read_text() == WORKS


def test_a_file_with_another_sum(world: World) -> None:
    world.host.program("tmp/mine", WORKS)
    world.host.write("tmp/SHA256SUMS", f"{'0' * 64}  mine\n")
    before = world.host.files()
    done = world.host.run(
        f"/tmp/bbs-agent install --server {world.bbs.url} --key {world.bbs.api_key} "
        "--ca-file /tmp/ca.pem --borg /tmp/mine"
    )
    assert done.code == 1 and "is not what SHA256SUMS says" in done.err
    assert "nothing was changed" in done.err and world.host.files() == before


def bundle(world: World) -> Path:
    media = world.host.root / "media"
    media.mkdir()
    shutil.copy(world.host.root / "tmp/bbs-agent", media)
    return media


def put(path: Path, body: bytes) -> None:
    path.write_bytes(body)
    path.chmod(0o644)  # as on a medium that knows no modes


def test_one_beside_the_program(world: World, elf: MakeBorg) -> None:
    """The newest that runs here; of another machine, or for a newer glibc
    than this host's, it is none."""
    media = bundle(world)
    body = elf()
    put(media / "borg-linux-glibc299-x86_64", body[:18] + b"\xb7\0" + body[20:])
    put(media / "borg-linux-glibc231-x86_64", elf("-DX=1"))
    put(media / "borg-linux-glibc235-x86_64-gh", body)
    put(media / "borg-linux-glibc241-x86_64.asc", body)
    world.manager("apt-get", INSTALLS)
    world.install(program="/media/bbs-agent install")
    assert world.place.read_bytes() == body
    assert world.versions() == ["1.4.1"]
    assert world.told() == []


def test_one_beside_install_sh(world: World, elf: MakeBorg) -> None:
    """Which runs a copy of the program."""
    media = bundle(world)
    (media / "bbs-agent").rename(media / f"bbs-agent-{os.uname().machine}")
    shutil.copy(SUPPORT.parents[1] / "install.sh", media)
    put(media / "borg", elf())
    world.host.program("usr/bin/awk", "#!/bin/sh\nexec busybox awk \"$@\"\n")
    world.install(program="sh /media/install.sh", before="cd /media; sha256sum bbs-agent-* borg >SHA256SUMS; cd /")
    assert world.place.read_bytes() == elf()


def test_one_beside_that_anybody_could_have_put_there(world: World, elf: MakeBorg) -> None:
    media = bundle(world)
    put(media / "borg", elf())
    for owner, mode, dir_mode in ((1000, 0o644, 0o1777), (0, 0o666, 0o755), (0, 0o644, 0o777)):
        os.chown(media / "borg", owner, owner)
        (media / "borg").chmod(mode)
        media.chmod(dir_mode)
        done = world.install(program="/media/bbs-agent install")
        assert "no borg yet" in done.err and not world.place.exists(), (owner, mode)
    put(media / "SHA256SUMS", f"{'0' * 64}  borg\n".encode())
    media.chmod(0o755)
    assert "no borg yet" in world.install(program="/media/bbs-agent install").err


MANAGERS = {
    "apt-get": ["-q update", "-q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "
                "-o Dpkg::Options::=--force-confold install borgbackup"],
    "dnf": ["-y --setopt=install_weak_deps=False install borgbackup"],
    "pacman": ["-S --noconfirm --needed borg"],
    "apk": ["add --no-progress --update-cache --upgrade borgbackup"],
}  # fmt: skip


def test_package_managers(world: World) -> None:
    """With --borg auto; nothing else of the system is touched."""
    for name, wanted in MANAGERS.items():
        world.manager(name, INSTALLS)
        done = world.install("--borg auto")
        assert "no borg yet" not in done.err and "env noninteractive" in done.err
        assert world.told() == [f"{name} {line}" for line in wanted]
        for path in (f"usr/sbin/{name}", "calls", "usr/bin/borg"):
            (world.host.root / path).unlink()
    assert world.versions() == ["1.2.4"] * len(MANAGERS)


def test_nothing_is_done_without_a_yes(world: World) -> None:
    """Nobody to ask: the command is told, the server hears of no borg."""
    world.manager("apt-get", INSTALLS)
    world.refused("", '"apt-get -q -y', "install borgbackup\" installs it", "--borg auto")
    assert world.told() == []
    assert world.versions() == ["not installed"]
    assert "borg" not in world.install("--borg none").err
    said = world.install("--borg auto --dry-run").out
    assert "would obtain borg: apt-get -q -y" in said
    assert world.told() == []


@pytest.mark.parametrize("answer", ["y", "", "n"])
def test_asked_at_a_terminal(world: World, answer: str) -> None:
    world.manager("apt-get", INSTALLS)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    try:
        world.install(terminal=theirs)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "There is no borg on this host" in shown and "install borgbackup" in shown
    assert "[y/N]" in shown
    assert len(world.told()) == (2 if answer == "y" else 0)
    assert (world.host.root / "usr/bin/borg").exists() == (answer == "y")


def test_a_package_manager_that_fails(world: World) -> None:
    world.manager("apt-get", "exit 100")
    world.refused("--borg auto", "apt-get failed with code 100", "no binary for this host")


def test_in_a_tree_nothing_runs(world: World, elf: MakeBorg) -> None:
    """Neither the tree's package manager nor ours, and no borg of it."""
    host = world.host
    host.write("image/etc/os-release", "ID=test\n")
    host.program("image/usr/sbin/apt-get", "#!/bin/sh\ntouch /ran\n")
    world.manager("apt-get", INSTALLS)
    world.refused("--root /image --service none --borg auto", "borg")
    assert world.told() == []
    host.program("tmp/theirs", "#!/bin/sh\ntouch /ran\nexit 9\n")
    world.install("--root /image --service none --borg /tmp/theirs")
    assert "exit 9" in host.read("image/usr/local/bin/borg")
    assert not (host.root / "ran").exists() and not (host.root / "image/ran").exists()


def test_one_that_would_not_be_used(world: World) -> None:
    """config.ini names another one: what was put there is taken back."""
    world.host.program("opt/borg", WORKS)
    world.host.program("tmp/mine", WORKS + "# mine\n")
    world.host.write("etc/bbs-agent/config.ini", "[borg]\npath = /opt/borg\n")
    done = world.install("--borg /tmp/mine")
    assert "this host's borg is /opt/borg: it was taken back" in done.err
    assert not world.place.exists()


def test_below_another_root(world: World) -> None:
    """Where nobody would look for it: config.ini says where it is."""
    world.host.program("tmp/mine", WORKS)
    (world.host.root / "volume1").mkdir()
    world.install("--root /volume1 --borg /tmp/mine")
    assert world.host.read("volume1/usr/local/bin/borg") == WORKS
    assert "[borg]\npath = /volume1/usr/local/bin/borg\n" in world.host.read(
        "volume1/etc/bbs-agent/config.ini"
    )


# from the network


def test_an_address(world: World, files: Files, elf: MakeBorg) -> None:
    body = elf()
    url = files.put("/v/borg-x", body)
    files.put("/v/SHA256SUMS", f"{hashlib.sha256(body).hexdigest()}  borg-x\n".encode())
    assert "checksum" not in world.install(f"--borg {url}").err
    assert world.place.read_bytes() == body
    assert world.versions() == ["1.4.1"]
    assert all("authorization" not in s.headers for s in files.seen)
    world.place.unlink()
    done = world.install(f"--borg {files.put('/w/borg', body)}")
    assert "no checksum of this borg is known" in done.err
    assert hashlib.sha256(body).hexdigest() in done.err


def test_what_does_not_become_borg(world: World, files: Files, elf: MakeBorg) -> None:
    body = elf()
    files.put("/s/SHA256SUMS", f"{'0' * 64}  borg\n".encode())
    dynamic = Path("/bin/true").read_bytes() + b"\0" * 1_100_000
    for url, words in (
        (files.put("/s/borg", body), "is not what SHA256SUMS says"),
        (files.put("/a", body, "cut"), "cut short"),
        (files.put("/b", b"<html>" + b"x" * 2_000_000), "it begins"),
        (files.put("/c", dynamic), "the loader"),
        (files.put("/d", elf('-DBROKEN="create"')), '"create" ended with code 2'),
        (files.url("/missing"), "404"),
        ("https://u:p@127.0.0.1/borg", "cannot be used"),
        ("https://127.0.0.1:1/borg", "127.0.0.1"),
    ):
        world.refused(f"--borg {url}", words)


def give_glibc(world: World, version: str) -> None:
    """This machine's C library, which says that it is that version."""
    real = Path("/lib/x86_64-linux-gnu/libc.so.6").read_bytes()
    at = real.index(b"release version ") + len(b"release version ")
    world.host.write("lib64/libc.so.6", real[:at] + version.encode() + real[at + len(version) :])


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the table's rows for x86_64")
def test_the_projects_own_binary(world: World, files: Files, elf: MakeBorg) -> None:
    """From a mirror of it: the row for this glibc; and where this program
    knows the sum, what lies beside the file does not count."""
    body = elf()
    give_glibc(world, "2.30")
    files.put("/m/1.4.1/borg-linux-glibc228", body)
    base = files.url("/m/")
    done = world.install(f"--borg {base}")
    assert world.place.read_bytes() == body and "no checksum" in done.err
    world.place.unlink()
    for version, path in (("2.36", "/m/1.4.5/borg-linux-glibc235-x86_64-gh"),
                          ("2.34", "/m/1.4.4/borg-linux-glibc231-x86_64")):  # fmt: skip
        give_glibc(world, version)
        files.put(path, body)
        name = path.rpartition("/")[2]
        files.put(path.replace(name, "SHA256SUMS"),
                  f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode())  # fmt: skip
        world.refused(f"--borg {base}", "is not what SHA256SUMS says")
        assert files.seen[-1].path == path
    give_glibc(world, "2.27")
    seen = len(files.seen)
    world.refused(f"--borg {base}", "no binary for this host (x86_64, glibc 2.27)")
    assert len(files.seen) == seen
