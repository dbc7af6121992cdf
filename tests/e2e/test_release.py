"""A release: what dist/assemble puts together from programs, keys and files,
and install.sh on what came out. The programs of other machines are the concern
of make test-arch: here there is this machine's alone."""

import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from bbsd import BBS
from support.agent import BINARY, TOP
from support.maker import ARCH, KNOWN, Maker, install, openssl

pytestmark = pytest.mark.skipif(not KNOWN, reason="not a release's name")
# The manual page and the completions.
AIDS = ["bbs-agent.8", "bbs-agent.bash", "bbs-agent.fish", "bbs-agent.zsh"]


@pytest.fixture
def maker(place: Path) -> Maker:
    return Maker(place)


def test_what_is_in_it(maker: Maker) -> None:
    maker.make()
    (maker.out / "bbs-agent-vax").write_text("of an earlier release")
    said = maker.make()
    version = subprocess.run([BINARY, "version"], capture_output=True, text=True).stdout.split()[1]
    assert re.search(rf"{ARCH} +{BINARY.stat().st_size}  OK, says this test\n", said)
    assert "not signed" in said and len(said.splitlines()) == 3
    names = ["README.md", "SHA256SUMS", f"bbs-agent-{ARCH}", "install.sh", *AIDS]
    assert sorted(maker.listing()) == sorted([*names, f"bbs-agent-{version}-{ARCH}.tar.gz"])
    assert (maker.out / "README.md").read_bytes() == (TOP / "dist/README.md").read_bytes()
    sums = (maker.out / "SHA256SUMS").read_text().splitlines()
    assert sums[0] == f"# bbs-agent {version}"
    for check in (["sha256sum", "-c"], ["busybox", "sha256sum", "-c"]):
        lines = "\n".join(sums if check[0] != "busybox" else sums[1:])
        done = subprocess.run(check, input=lines, cwd=maker.out, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        names = [f"bbs-agent-{ARCH}", *AIDS, "install.sh"]
        assert done.stdout == "".join(f"{name}: OK\n" for name in names)


def test_the_same_again(maker: Maker) -> None:
    files = {"BORG": "/bin/true", "CA": maker.public, "RELEASE_KEY": maker.public}
    maker.make(**files)
    first = maker.listing()
    for path in (maker.built / ARCH).iterdir():
        os.utime(path, (1, 1))
    os.utime(maker.public, (2, 2))
    maker.make(**files)
    assert maker.listing() == first


def test_a_bundle(maker: Maker) -> None:
    maker.make(BORG="/bin/true", CA=maker.public, SIGN_KEY=maker.key)
    with tarfile.open(maker.bundle) as tar:
        members = tar.getmembers()
    top = maker.bundle.name.removesuffix(".tar.gz")
    assert [m.name for m in members] == [top, *(f"{top}/{name}" for name in sorted(
        ["SHA256SUMS", "SHA256SUMS.sig", f"bbs-agent-{ARCH}", "borg", "ca.pem", "install.sh",
         *AIDS]))]  # fmt: skip
    text = (TOP / "src/base/version.h").read_text()
    released = re.search(r"BBS_RELEASED (\d+)", text)
    assert released is not None
    assert {(m.uid, m.gid, m.mtime) for m in members} == {(0, 0, int(released[1]))}
    modes = {m.name.rpartition("/")[2]: m.mode for m in members if m.isfile()}
    assert modes["borg"] == modes["install.sh"] == modes[f"bbs-agent-{ARCH}"] == 0o755
    assert modes["ca.pem"] == modes["SHA256SUMS"] == 0o644


def test_a_borg_goes_where_it_runs(maker: Maker) -> None:
    """By its head: byte order (ppc64le has that of x86), class, machine."""
    other, script = maker.place / "other-borg", maker.place / "borg.sh"
    for at in (4, 5, 18):
        data = bytearray(Path("/bin/true").read_bytes())
        data[at] ^= 3
        other.write_bytes(data)
        refused(maker.run(BORG=other), f"is for none of: {ARCH}")
    script.write_text("#!/bin/sh\n")
    assert f"{script} is in the bundles for: {ARCH}\n" in maker.make(BORG=script)
    assert (maker.unpack() / "borg").read_text() == "#!/bin/sh\n"


def test_the_signature(maker: Maker) -> None:
    """DER, over the bytes of SHA256SUMS; install.sh checks it when it has the key."""
    maker.make(SIGN_KEY=maker.key, RELEASE_KEY=maker.public)
    openssl("dgst", "-sha256", "-verify", maker.public, "-signature",
            maker.out / "SHA256SUMS.sig", maker.out / "SHA256SUMS")  # fmt: skip
    done = install(maker.out, "--version")
    assert done.returncode == 0 and done.stderr == ""
    sums = maker.out / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("# bbs-agent ", "# bbs-agent 1"))
    done = install(maker.out, "--version")
    assert done.returncode == 1 and "signature of SHA256SUMS is wrong" in done.stderr
    done = maker.run(RELEASE_KEY=maker.public)
    assert "SHA256SUMS.sig" not in maker.listing(), "an old signature stayed"
    assert "install.sh has a key and will refuse it" in done.stderr
    assert "SHA256SUMS.sig" in install(maker.out, "--version").stderr


def test_the_agents_own_update_takes_it(maker: Maker, place: Path) -> None:
    """That is the other reader of what is signed. With both keys in one file."""
    other, other_public = maker.keys("other", "prime256v1")
    both = place / "both.pem"
    both.write_text(maker.public.read_text() + other_public.read_text())
    config = place / "config.ini"
    config.write_text("[server]\nurl = https://127.0.0.1:9\napi_key = k\n"
                      f"[update]\npublic_key = {both}\n")  # fmt: skip
    config.chmod(0o600)
    words = [BINARY, "update", "--check", "--from", maker.out, "--root", place / "root",
             "--config", config]  # fmt: skip
    for key in (maker.key, other):
        maker.make(SIGN_KEY=key, RELEASE_KEY=both)
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        version = (maker.out / "SHA256SUMS").read_text().splitlines()[0].removeprefix("# ")
        assert f"available: {version} (" in done.stdout
    with (maker.out / "SHA256SUMS").open("a") as sums:
        sums.write("\n")
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "signature of SHA256SUMS is wrong" in done.stderr


def test_two_keys(maker: Maker) -> None:
    """While keys change, a release carries the old one and the new one."""
    other, other_public = maker.keys("other", "prime256v1")
    both = maker.place / "both.pem"
    text = "The old one, it's for 3.0:\n" + maker.public.read_text() + other_public.read_text()
    both.write_bytes(text.replace("\n", "\r\n").encode())
    for key, public in ((maker.key, both), (other, both), (other, f"{maker.public} {other_public}")):
        maker.make(SIGN_KEY=key, RELEASE_KEY=public)
        done = install(maker.out, "--version")
        assert done.returncode == 0 and done.stderr == "", done.stderr
    third = maker.keys("third", "prime256v1")[0]
    openssl("dgst", "-sha256", "-sign", third, "-out", maker.out / "SHA256SUMS.sig",
            maker.out / "SHA256SUMS")  # fmt: skip
    done = install(maker.out, "--version")
    assert done.returncode == 1 and "signature of SHA256SUMS is wrong" in done.stderr


def test_a_wrong_key(maker: Maker) -> None:
    """One sentence, and the release that was there stays."""
    maker.make()
    before = maker.listing()
    long_key, long_public = maker.keys("long", "secp384r1")
    rsa, locked, junk = (maker.place / f"{name}.pem" for name in ("rsa", "locked", "junk"))
    openssl("genrsa", "-out", rsa, "2048")
    openssl("ec", "-in", maker.key, "-aes128", "-passout", "pass:secret", "-out", locked)
    junk.write_text("no key\n")
    for wrong in (long_key, rsa, locked, junk, maker.public, maker.place / "none.pem"):
        for words in ((ARCH,), ("--look", ARCH)):
            refused(maker.run(*words, SIGN_KEY=wrong), f"SIGN_KEY={wrong}")
    three = maker.place / "three.pem"
    three.write_text(maker.public.read_text() * 3)
    for wrong in (long_public, junk, three, maker.key, maker.place / "none.pem"):
        refused(maker.run(RELEASE_KEY=wrong), f"RELEASE_KEY={wrong}")
    other = maker.keys("other", "prime256v1")[1]
    refused(maker.run(SIGN_KEY=maker.key, RELEASE_KEY=other), "does not belong")
    refused(maker.run(BORG=maker.place / "none"), "BORG=")
    for words in (("vax",), ("--look", ARCH, "vax")):
        refused(maker.run(*words), "there is no vax in")
    assert maker.listing() == before


def test_what_failed_is_no_release(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two, whose compiler is there (gcc by another name)."""
    maker.make()
    before = maker.listing()
    (maker.place / "mips-linux-gnu-gcc").symlink_to("/usr/bin/gcc")
    monkeypatch.setenv("PATH", f"{maker.place}:{os.environ['PATH']}")
    done = maker.run(ARCH, "mips")
    assert re.search(r"mips +-  FAILED, see ", done.stdout)
    refused(done, "no release was made: mips failed")
    assert maker.listing() == before


def test_a_missing_compiler_is_named(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH has this machine's tools and no cross compiler."""
    foreign = "mips" if ARCH != "mips" else "s390x"
    tools = maker.place / "tools"
    tools.mkdir()
    for path in Path("/usr/bin").iterdir():
        if not path.name.startswith("mips-"):
            (tools / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(tools))
    done = maker.run(ARCH, foreign)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"{foreign} +-  missing: no compiler here \(Debian: gcc-mips-", done.stdout)
    assert f"bbs-agent-{foreign}" not in maker.listing()


def test_a_host_without_a_network(maker: Maker, bbs: BBS, place: Path) -> None:
    """From the unpacked bundle, with nothing that could fetch anything."""
    maker.make(SIGN_KEY=maker.key, RELEASE_KEY=maker.public, CA=str(bbs.ca_file))
    bundle, root = maker.unpack(), place / "root"
    root.mkdir()
    words = ["--server", bbs.url, "--key", bbs.api_key, "--root", str(root),
             "--ca-file", str(bundle / "ca.pem")]  # fmt: skip
    done = install(bundle, *words)
    assert done.returncode == 0, done.stderr
    assert (root / "usr/local/bin/bbs-agent").read_bytes() == BINARY.read_bytes()
    assert bbs.url in (root / "etc/bbs-agent/config.ini").read_text()


def test_a_changed_byte(maker: Maker, place: Path) -> None:
    maker.make()
    bundle, root = maker.unpack(), place / "root"
    root.mkdir()
    program = bundle / f"bbs-agent-{ARCH}"
    data = bytearray(program.read_bytes())
    data[len(data) // 2] ^= 1
    program.write_bytes(data)
    done = install(bundle, "--server", "https://127.0.0.1:9", "--key", "k", "--root", str(root))
    assert done.returncode == 1 and "nothing was installed" in done.stderr
    assert not list(root.iterdir())


def refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert done.returncode == 1
    assert why in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
