"""The trees that hosts are booted from: made once, kept in build/hosts, and
copied for a run. Half a tree is no tree: it gets its name when it is whole. A
tree whose recipe changed is made again.

One Debian by debootstrap, with borg and an SSH client; each init system's is
a copy of it with that init system put in by apt. BusyBox' has no package of
Debian's in it but two static or copied programs.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / "build/hosts"
SUITE = "bookworm"
EVERYWHERE = "borgbackup openssh-client procps"
# What is put onto the base; initscripts are what /etc/init.d/rc runs.
DEBIANS = {
    "systemd": "systemd-sysv dbus",
    "sysv": "sysvinit-core initscripts",
    "openrc": "sysvinit-core initscripts openrc",
}
DROPBEAR = ("/usr/bin/dbclient", "/usr/bin/dropbearconvert")


# Of one command: a mirror that says nothing more.
SECONDS = 900


class Failed(Exception):
    """A command that makes a tree, and what it said."""


def tree(name: str) -> Path:
    """The finished tree of that name."""
    if name in DEBIANS:
        made("base", f"{SUITE} {EVERYWHERE}", base)
        return made(name, f"{SUITE} {EVERYWHERE} {DEBIANS[name]}", debian)
    return made(name, "busybox dropbear 1", busybox)


def made(name: str, recipe: str, make: Callable[[str, Path], None]) -> Path:
    path, note = CACHE / name, CACHE / f"{name}.recipe"
    if path.exists() and note.exists() and note.read_text() == recipe:
        return path
    half = CACHE / f"{name}.half"
    CACHE.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    clear(path)
    try:
        make(name, clear(half))
    except Failed as once:
        # A mirror has its moments.
        sys.stderr.write(f"hosts: the tree of {name}, once more after: {once}\n")
        make(name, clear(half))
    half.rename(path)
    note.write_text(recipe)
    return path


def clear(path: Path) -> Path:
    if path.exists():
        shutil.rmtree(path)
    return path


def copy(source: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, to], check=True)


def quietly(*command: str | Path) -> None:
    """Its output is shown when it fails, and only then."""
    words = " ".join(map(str, command))
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        try:
            code = str(process.wait(SECONDS))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = f"not done after {SECONDS} s"
        said.seek(0)
        if code != "0":
            raise Failed(f"{words}: {code}\n{said.read()[-4000:].decode(errors='replace')}")


def apt(root: Path, *words: str) -> None:
    """dpkg need not sync what a power cut may take: it is made again then."""
    quietly(
        "chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y",
        "-o", "APT::Install-Recommends=false", "-o", "Acquire::Languages=none",
        "-o", "Dpkg::Options::=--force-unsafe-io", "-o", "Acquire::Retries=3", *words,
    )  # fmt: skip


def base(_: str, half: Path) -> None:
    cache = CACHE / "cache"
    cache.mkdir(exist_ok=True)
    quietly("debootstrap", "--variant=minbase", f"--cache-dir={cache}",
            "--include=ca-certificates", SUITE, half)  # fmt: skip
    policy = half / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    apt(half, "install", *EVERYWHERE.split())


def debian(name: str, half: Path) -> None:
    copy(CACHE / "base", half)
    apt(half, "install", *DEBIANS[name].split())
    apt(half, "clean")
    (half / "usr/sbin/policy-rc.d").unlink()
    (half / "etc/hostname").write_text(f"{name}\n")
    inittab = half / "etc/inittab"
    if inittab.exists():
        # A container has no consoles for them.
        inittab.write_text(re.sub(r"(?m)^.*getty.*\n", "", inittab.read_text()))


def busybox(_: str, half: Path) -> None:
    program = shutil.which("busybox")
    if program is None:
        raise Failed("there is no busybox: install busybox-static")
    for name in ("bin sbin dev etc/init.d proc sys root run tmp usr/bin usr/sbin usr/local/bin "
                 "usr/lib var/lib var/log").split():  # fmt: skip
        (half / name).mkdir(parents=True)
    (half / "tmp").chmod(0o1777)
    shutil.copy(program, half / "bin/busybox")
    for name in subprocess.check_output([program, "--list"], text=True).split():
        if name != "busybox":
            (half / "bin" / name).symlink_to("busybox")
    (half / "sbin/init").symlink_to("../bin/busybox")
    (half / "etc/os-release").write_text("ID=busybox\n")
    (half / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    (half / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    for path in DROPBEAR:
        with_libraries(Path(path), half)


def with_libraries(program: Path, root: Path) -> None:
    """Copies it and what it is linked with, each to where it lies here."""
    said = subprocess.check_output(["ldd", program], text=True)
    files = [str(program), *re.findall(r"(/\S+) \(0x", said)]
    for name in files:
        place = root / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy(os.path.realpath(name), place)
