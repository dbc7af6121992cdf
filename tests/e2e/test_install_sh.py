"""install.sh: in each shell, by each way of getting the program, and what it
refuses. It installs into an empty directory (--root) here, and as a whole
into a small host with busybox alone."""

import functools
import hashlib
import http.server
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbsd import BBS, Cert
from support.agent import BINARY, TOP
from support.hosttree import HostTree

SCRIPT = TOP / "install.sh"
SHELLS = {"dash": ["dash"], "ash": ["busybox", "ash"], "bash": ["bash"], "posix": ["bash", "--posix"]}
ARCH = os.uname().machine
pytestmark = pytest.mark.skipif(
    ARCH not in ("x86_64", "aarch64", "riscv64", "ppc64le", "s390x"), reason="not a release's name"
)


class Release:
    """A directory with a program, its sum and the script, and a caller."""

    def __init__(self, place: Path, bbs: BBS) -> None:
        self.dir, self.root, self.tmp = place / "release", place / "root", place / "tmp"
        for path in (self.dir, self.root, self.tmp):
            path.mkdir()
        self.bbs = bbs
        self.program = self.dir / f"bbs-agent-{ARCH}"
        shutil.copy(BINARY, self.program)
        shutil.copy(SCRIPT, self.dir / "install.sh")
        self.sum = hashlib.sha256(BINARY.read_bytes()).hexdigest()
        (self.dir / "SHA256SUMS").write_text(f"{'0' * 64}  bbs-agent-other\n{self.sum}  {self.program.name}\n")
        self.path = os.environ["PATH"]

    def options(self) -> list[str]:
        return ["--server", self.bbs.url, "--key", self.bbs.api_key,
                "--ca-file", str(self.bbs.ca_file), "--root", str(self.root)]  # fmt: skip

    def run(self, *words: str, shell: str = "dash",
            script: bytes | None = None) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """The script as a file, or through a pipe."""
        start = [str(shutil.which(SHELLS[shell][0])), *SHELLS[shell][1:]]
        start += [str(self.dir / "install.sh")] if script is None else ["-s", "--"]
        done = subprocess.run(
            [*start, *words], input=script or b"", capture_output=True, timeout=60,
            env={"PATH": self.path, "TMPDIR": str(self.tmp), "HOME": "/"}, cwd="/",
        )  # fmt: skip
        assert not list(self.tmp.iterdir()), "something is left in TMPDIR"
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def only(self, place: Path, *names: str) -> None:
        """A PATH with these programs, and those that every system has."""
        common = ["awk", "cat", "chmod", "cp", "cut", "dd", "dirname", "grep", "mktemp", "mv",
                  "rm", "tr", "uname"]  # fmt: skip
        directory = place / "bin"
        directory.mkdir()
        for name in [*common, *names]:
            found = shutil.which(name)
            assert found is not None, name
            (directory / name).symlink_to(found)
        self.path = str(directory)

    @property
    def installed(self) -> bool:
        return (self.root / "usr/local/bin/bbs-agent").exists()


@pytest.fixture
def release(place: Path, bbs: BBS) -> Release:
    return Release(place, bbs)


@pytest.fixture
def web(release: Release, cert: Cert) -> Iterator[str]:
    """The release's directory over TLS."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(release.dir))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert.chain, cert.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("shell", SHELLS)
def test_from_the_folder_it_lies_in(release: Release, shell: str) -> None:
    done = release.run(*release.options(), shell=shell)
    assert done.returncode == 0, done.stderr
    assert (release.root / "usr/local/bin/bbs-agent").read_bytes() == BINARY.read_bytes()
    assert release.bbs.url in (release.root / "etc/bbs-agent/config.ini").read_text()
    assert "no key to check a signature with" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_through_a_pipe(release: Release, shell: str) -> None:
    done = release.run(
        *release.options(), f"--from={release.dir}", shell=shell, script=SCRIPT.read_bytes()
    )
    assert done.returncode == 0, done.stderr
    assert release.installed


@pytest.mark.parametrize("shell", ["dash", "ash", "bash"])
def test_a_download_that_was_cut_runs_nothing(release: Release, shell: str) -> None:
    script = SCRIPT.read_bytes()
    end = len(script.rstrip())
    places = sorted({*range(0, end, end // 20), *range(end - 16, end)})
    words = [*release.options(), "--from", str(release.dir)]
    for cut in places:
        release.run(*words, shell=shell, script=script[:cut] or b"\n")
        assert not list(release.root.iterdir()), f"cut at {cut} of {end}"
    assert not release.bbs.requests()
    assert release.run(*words, shell=shell, script=script[:end]).returncode == 0
    assert release.installed


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_from_an_address(release: Release, web: str, place: Path, tool: str) -> None:
    release.only(place, tool, "sha256sum")
    done = release.run(*release.options(), "--from", web, script=SCRIPT.read_bytes())
    assert done.returncode == 0, done.stderr
    assert release.installed


def test_an_address_that_is_not_trusted(release: Release, web: str, place: Path) -> None:
    words = ["--server", web, "--key", "k", "--root", str(release.root)]
    done = release.run(*words, script=SCRIPT.read_bytes())
    assert done.returncode == 1
    assert "certificate" in done.stderr and f"cannot get {web}/bbs-agent/" in done.stderr
    assert not release.installed


def test_busybox_wget(release: Release, place: Path) -> None:
    """Over plain HTTP, which is warned about; a sum settles it."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(release.dir))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        release.only(place, "busybox")
        # Without a CA file, which busybox does not know.
        words = ["--from", url, "--version"]
        done = release.run(*words, script=SCRIPT.read_bytes())
        assert done.returncode == 0 and done.stdout.startswith("bbs-agent "), done.stderr
        assert "not https://" in done.stderr
        done = release.run(*words, "--sha256", release.sum, script=SCRIPT.read_bytes())
        assert done.returncode == 0 and done.stderr == ""
        server.shutdown()


@pytest.mark.parametrize("tool", ["sha256sum", "shasum", "openssl", "busybox"])
def test_a_wrong_sum_is_refused(release: Release, place: Path, tool: str) -> None:
    release.only(place, tool)
    good = release.run("--version")
    assert good.returncode == 0 and good.stdout.startswith("bbs-agent "), good.stderr
    with release.program.open("ab") as program:
        program.write(b"x")
    done = release.run(*release.options())
    assert done.returncode == 1
    assert release.sum in done.stderr and "nothing was installed" in done.stderr
    assert not release.installed and not release.bbs.requests()


def test_without_a_sum(release: Release, place: Path) -> None:
    (release.dir / "SHA256SUMS").write_text(f"{release.sum}  another\n")
    assert "does not name" in release.run(*release.options()).stderr
    (release.dir / "SHA256SUMS").unlink()
    assert "SHA256SUMS" in release.run(*release.options()).stderr
    assert not release.installed
    assert release.run(*release.options(), "--sha256", release.sum).returncode == 0


def test_a_signature(release: Release, place: Path) -> None:
    """With a key built in, as a release's script has it."""
    key, public = place / "key.pem", place / "public.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", public],
                   check=True, capture_output=True)  # fmt: skip
    script = release.dir / "install.sh"
    script.write_text(
        script.read_text().replace("PUBLIC_KEY=''", f"PUBLIC_KEY='{public.read_text()}'")
    )
    sums = release.dir / "SHA256SUMS"
    assert "SHA256SUMS.sig" in release.run("--version").stderr
    subprocess.run(["openssl", "dgst", "-sha256", "-sign", key, "-out", f"{sums}.sig", sums], check=True)
    done = release.run("--version")
    assert done.returncode == 0 and done.stderr == ""
    sums.write_text(sums.read_text() + "\n")
    done = release.run("--version")
    assert done.returncode == 1 and "signature of SHA256SUMS is wrong" in done.stderr


@pytest.mark.parametrize(
    ("machine", "name"),
    [("aarch64", "aarch64"), ("i586", "i686"), ("armv5tel", "armv5"), ("armv7l", "armv5"),
     ("mips", "mipsel"), ("riscv64", "riscv64"), ("ppc64le", "ppc64le"), ("s390x", "s390x")],
)  # fmt: skip
def test_the_machine(release: Release, place: Path, machine: str, name: str) -> None:
    """What the kernel calls it; the rest is told by this machine's own
    programs (little endian, 64 bits) and its /proc/cpuinfo (no VFP)."""
    release.only(place, "sha256sum")
    (place / "bin/uname").unlink()
    (place / "bin/uname").write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo {machine}\n')
    (place / "bin/uname").chmod(0o755)
    release.program.unlink()
    done = release.run("--version", "--from", str(release.dir))
    assert done.returncode == 1
    assert f"no bbs-agent-{name} in" in done.stderr


@pytest.mark.parametrize("machine", ["sparc64", "mips64", "armeb"])
def test_a_machine_without_a_program(release: Release, place: Path, machine: str) -> None:
    release.only(place, "sha256sum")
    (place / "bin/uname").unlink()
    (place / "bin/uname").write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo {machine}\n')
    (place / "bin/uname").chmod(0o755)
    done = release.run(*release.options())
    assert done.returncode == 1 and machine in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_usage(release: Release) -> None:
    done = release.run("--help")
    assert done.returncode == 0 and "--from" in done.stdout
    done = release.run("--from")
    assert done.returncode == 1 and "missing after --from" in done.stderr
    done = release.run("--server", "--key", "K", "--from", "/a1--b")
    assert done.returncode == 1 and "missing after --server" in done.stderr
    done = release.run(script=SCRIPT.read_bytes())
    assert done.returncode == 1 and "give --server" in done.stderr
    done = release.run(*release.options(), "--frobnicate")
    assert done.returncode == 2 and "--frobnicate" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a host of its own needs root")
def test_a_whole_life_with_busybox_alone(place: Path, release: Release) -> None:
    """From a folder without a network but the backup server, and away."""
    host = HostTree(place / "host")
    for name in ("install.sh", "SHA256SUMS", f"bbs-agent-{ARCH}"):
        shutil.copy(release.dir / name, host.root / "tmp")
    shutil.copy(str(release.bbs.ca_file), host.root / "tmp/ca.pem")
    before = host.files()
    done = host.run(
        f"sh /tmp/install.sh --server {release.bbs.url} --ca-file /tmp/ca.pem "
        f"--key {release.bbs.api_key} && sh /tmp/install.sh --uninstall --purge"
    )
    assert done.code == 0, done.said
    assert "the server has answered it" in done.out
    assert host.files() == before


AIDS = {"bbs-agent.8": "usr/share/man/man8/bbs-agent.8",
        "bbs-agent.bash": "usr/share/bash-completion/completions/bbs-agent",
        "bbs-agent.zsh": "usr/share/zsh/site-functions/_bbs-agent",
        "bbs-agent.fish": "usr/share/fish/vendor_completions.d/bbs-agent.fish"}  # fmt: skip


def with_aids(release: Release) -> None:
    for name, path in AIDS.items():
        shutil.copy(TOP / "dist" / name, release.dir)
        digest = hashlib.sha256((release.dir / name).read_bytes()).hexdigest()
        with (release.dir / "SHA256SUMS").open("a") as sums:
            sums.write(f"{digest}  {name}\n")
        (release.root / path).parent.mkdir(parents=True)


@pytest.mark.parametrize("way", ["web", "folder"])
def test_manual_and_completions(release: Release, web: str, way: str) -> None:
    with_aids(release)
    done = release.run(*release.options(), "--from", web if way == "web" else str(release.dir),
                       script=SCRIPT.read_bytes())  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, path in AIDS.items():
        assert (release.root / path).read_bytes() == (TOP / "dist" / name).read_bytes()


def test_a_wrong_manual_is_left_out(release: Release) -> None:
    with_aids(release)
    with (release.dir / "bbs-agent.8").open("a") as page:
        page.write("one more line\n")
    (release.dir / "bbs-agent.zsh").unlink()
    done = release.run(*release.options())
    assert done.returncode == 0 and release.installed
    for name in ("bbs-agent.8", "bbs-agent.zsh"):
        assert f"{name} is left out" in done.stderr
        assert not (release.root / AIDS[name]).exists()
    assert (release.root / AIDS["bbs-agent.bash"]).exists()
    assert "Left" not in done.stderr and "bash is left out" not in done.stderr
