"""kernel.py DIRECTORY PROGRAM: build/tests/sandboxcheck below a real kernel of MIPS.

qemu's user emulation has neither seccomp nor Landlock, so the machine is
emulated as a whole: a Malta board with Debian's kernel, and PROGRAM as its
only one. The package is kept in DIRECTORY. One line on standard output: OK,
or SKIPPED and why. Debian has such a kernel for mipsel alone.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "linux-image-4kc-malta"
# This machine's own, where they are of Debian.
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
# All of apt's state in a directory of its own: this host stays of one architecture.
APT = """Dir "{0}";
Dir::Etc "";
Dir::Etc::sourcelist "{1}";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/etc/apt/apt.conf.d";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
Dir::State "state";
Dir::State::status "{0}/status";
Dir::Cache "cache";
APT::Architecture "mipsel";
APT::Architectures {{ "mipsel"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
"""
SLOW = 240  # seconds of a boot, on a busy machine


class Skip(Exception):
    pass


def apt(place: Path, *words: str) -> str:
    done = subprocess.run(["apt-get" if words[0] != "depends" else "apt-cache", "-q", *words],
                          cwd=place, env=os.environ | {"LC_ALL": "C", "APT_CONFIG": str(place / "apt.conf")},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)  # fmt: skip
    if done.returncode != 0:
        raise Skip(f"no kernel could be fetched: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def fetch(place: Path) -> Path:
    """The kernel, from Debian and checked by apt; once."""
    kernel = place / "vmlinuz"
    if kernel.exists():
        return kernel
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Skip(f"there is no {tool} here, which fetches the kernel")
    sources = next((path for path in SOURCES if path.exists()), None)
    if sources is None:
        raise Skip("this machine has no list of Debian's sources")
    for name in ("state/lists/partial", "cache/archives/partial", "preferences.d"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "apt.conf").write_text(APT.format(place, sources))
    (place / "status").touch()
    apt(place, "update")
    found = re.search(r"Depends: (linux-image-\S+)", apt(place, "depends", PACKAGE))
    if found is None:
        raise Skip(f"Debian has no {PACKAGE} any more")
    apt(place, "download", found[1])
    package = next(place.glob(f"{found[1]}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, place / "tree"], check=True)
    next(place.glob("tree/boot/vmlinuz-*")).rename(kernel)
    for path in (place / "tree", place / "state", place / "cache"):
        shutil.rmtree(path)
    package.unlink()
    return kernel


def member(name: str, mode: int, data: bytes = b"") -> bytes:
    """Of a cpio archive in the form that kernels read (newc)."""
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % n for n in numbers) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def initramfs(program: Path) -> bytes:
    text = program.read_bytes()
    folders = b"".join(member(name, 0o40755) for name in ("bin", "etc", "dev", "proc"))
    return (folders + member("tmp", 0o41777) + member("check", 0o100755, text)
            + member("bin/true", 0o100755, text) + member("etc/shadow", 0o100600, b"root:x\n")
            + member("etc/passwd", 0o100644, b"root:x:0:0::/:\n") + member("TRAILER!!!", 0))  # fmt: skip


def boot(place: Path, kernel: Path, program: Path) -> str:
    archive = place / "initramfs"
    archive.write_bytes(initramfs(program))
    try:
        done = subprocess.run(
            ["qemu-system-mipsel", "-M", "malta", "-m", "256", "-display", "none", "-monitor",
             "none", "-serial", "stdio", "-vga", "none", "-net", "none", "-no-reboot", "-kernel", kernel,
             "-initrd", archive, "-append",
             "console=ttyS0 rdinit=/check quiet panic=-1 -- --boot"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=SLOW)  # fmt: skip
    except FileNotFoundError:
        raise Skip("qemu-system-mipsel is missing; on Debian it is in qemu-system-mips") from None
    return (done.stdout + done.stderr).decode(errors="replace").replace("\r", "")


def main() -> int:
    place, program = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    place.mkdir(parents=True, exist_ok=True)
    try:
        said = boot(place, fetch(place), program)
    except Skip as why:
        print(f"SKIPPED: {why}")
        return 0
    print(said, file=sys.stderr)
    assert re.search(r"^exit: 0$", said, re.M), "an attack went through, or the kernel did not start"
    layers = re.search(r"^layers: (.*)$", said, re.M)
    wanted = "no_new_privs, rlimits, Landlock, seccomp"
    assert layers and layers[1].endswith(wanted), layers and layers[1]
    print(f"OK, below a real kernel: {layers[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
