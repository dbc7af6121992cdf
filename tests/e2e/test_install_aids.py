"""The manual page and the completions: installed where the host has a place
for them, told in a dry run, and removed again with nothing else."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from bbsd import BBS
from support.agent import TOP
from support.hosttree import Done, HostTree

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a host of its own needs root (chroot, PID namespace)"
)

# By name: where it goes on a host that has all places, and the next best.
PLACES = {
    "bbs-agent.8": ["usr/local/share/man/man8/bbs-agent.8", "usr/share/man/man8/bbs-agent.8"],
    "bbs-agent.bash": ["usr/local/share/bash-completion/completions/bbs-agent",
                       "usr/share/bash-completion/completions/bbs-agent",
                       "etc/bash_completion.d/bbs-agent"],
    "bbs-agent.zsh": ["usr/local/share/zsh/site-functions/_bbs-agent",
                      "usr/share/zsh/vendor-completions/_bbs-agent",
                      "usr/share/zsh/site-functions/_bbs-agent"],
    "bbs-agent.fish": ["usr/share/fish/vendor_completions.d/bbs-agent.fish"],
}  # fmt: skip


@pytest.fixture
def host(place: Path, bbs: BBS) -> HostTree:
    """With all places, and a bundle in /tmp."""
    host = HostTree(place / "host")
    for path in [path for places in PLACES.values() for path in places]:
        (host.root / path).parent.mkdir(parents=True, exist_ok=True)
    for name in PLACES:
        shutil.copy(TOP / "dist" / name, host.root / "tmp")
    assert bbs.ca_file is not None
    shutil.copy(bbs.ca_file, host.root / "tmp/ca.pem")
    return host


def install(host: HostTree, bbs: BBS, options: str = "") -> Done:
    return host.run(f"/tmp/bbs-agent install --server {bbs.url} --key {bbs.api_key} "
                    f"--ca-file /tmp/ca.pem --no-start {options}")  # fmt: skip


def there(host: HostTree) -> set[str]:
    return {path for places in PLACES.values() for path in places if (host.root / path).exists()}


def test_the_best_place_and_gone_again(host: HostTree, bbs: BBS) -> None:
    before = host.files()
    best = {name: places[0] for name, places in PLACES.items()}
    done = install(host, bbs, "--dry-run")
    assert done.code == 0 and there(host) == set()
    assert all(f"would write /{path} " in done.out for path in best.values()), done.out
    assert install(host, bbs).code == 0
    assert there(host) == set(best.values())
    for name, path in best.items():
        assert (host.root / path).read_bytes() == (TOP / "dist" / name).read_bytes()
        assert (host.root / path).stat().st_mode & 0o777 == 0o644
    done = host.run("/tmp/bbs-agent uninstall --purge --dry-run")
    assert all(f"would remove /{path}" in done.out for path in best.values())
    assert host.run("/tmp/bbs-agent uninstall --purge").code == 0
    assert host.files() == before


def test_the_next_best_place(host: HostTree, bbs: BBS) -> None:
    for first, *_ in PLACES.values():
        (host.root / first).parent.rmdir()
    assert install(host, bbs).code == 0
    assert there(host) == {places[1] for places in PLACES.values() if len(places) > 1}


def test_no_place_and_nothing_beside(host: HostTree, bbs: BBS) -> None:
    shutil.rmtree(host.root / "usr/share")
    shutil.rmtree(host.root / "usr/local/share")
    (host.root / "tmp/bbs-agent.bash").unlink()
    done = install(host, bbs)
    assert done.code == 0 and len(done.err.splitlines()) == 1 and "SSH key" in done.err, done.err
    assert there(host) == set() and not (host.root / "usr/share").exists()


def test_a_packages_own_stay(host: HostTree, bbs: BBS) -> None:
    first = PLACES["bbs-agent.8"][0]
    host.write(first, "a package's\n")
    assert install(host, bbs).code == 0
    assert host.read(first) == "a package's\n"
    assert PLACES["bbs-agent.8"][1] not in there(host)
    assert host.run("/tmp/bbs-agent uninstall --purge").code == 0
    assert there(host) == {first}


def test_what_others_can_change_is_passed_over(host: HostTree, bbs: BBS) -> None:
    """Shells run it, root's among them."""
    (host.root / "tmp/bbs-agent.bash").chmod(0o646)
    (host.root / "tmp/bbs-agent.fish").unlink()
    (host.root / "tmp/bbs-agent.fish").symlink_to("bbs-agent.8")
    sums = "".join(f"{hashlib.sha256(b'other').hexdigest()}  {name}\n" for name in ["bbs-agent.zsh"])
    host.write("tmp/SHA256SUMS", sums)
    done = install(host, bbs)
    assert done.code == 0
    assert "bbs-agent.bash is passed over: others can change it" in done.err
    assert "bbs-agent.zsh" in done.err and "SHA256SUMS" in done.err
    assert there(host) == {PLACES["bbs-agent.8"][0]}


def test_a_tree(host: HostTree, place: Path, bbs: BBS) -> None:
    """Below --root, and nothing of it on this host."""
    bundle = place / "bundle"
    bundle.mkdir()
    for name in ["bbs-agent", *PLACES]:
        shutil.copy(host.root / "tmp" / name, bundle)
    outer = HostTree(place / "outer")
    (outer.root / "inner").mkdir()
    host.root.rename(outer.root / "inner/host")
    bundle.rename(outer.root / "bundle")
    shutil.copy(str(bbs.ca_file), outer.root / "tmp/ca.pem")
    (outer.root / "usr/share/man/man8").mkdir(parents=True)
    done = outer.run(f"/bundle/bbs-agent install --server {bbs.url} --key {bbs.api_key} "
                     "--ca-file /tmp/ca.pem --root /inner/host")  # fmt: skip
    assert done.code == 0, done.said
    inner = HostTree.__new__(HostTree)
    inner.root = outer.root / "inner/host"
    assert there(inner) == {places[0] for places in PLACES.values()}
    assert not list((outer.root / "usr/share/man/man8").iterdir())
    assert outer.run("/bundle/bbs-agent uninstall --root /inner/host").code == 0
    assert there(inner) == set()


def test_what_a_cut_left_behind(host: HostTree, bbs: BBS) -> None:
    """Half-written files of an installation that was killed."""
    before = host.files()
    halves = [host.write(f"{path.rpartition('/')[0]}/.{path.rpartition('/')[2]}.0123456789ab.tmp", "half")
              for path in (PLACES["bbs-agent.8"][0], PLACES["bbs-agent.zsh"][0])]  # fmt: skip
    assert install(host, bbs).code == 0
    assert not [half for half in halves if half.exists()]
    halves[0].write_text("half")
    assert host.run("/tmp/bbs-agent uninstall --purge").code == 0
    assert host.files() == before
