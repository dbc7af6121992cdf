"""Programs of another architecture, run by qemu's user emulation.

The agent starts itself anew, so qemu alone is not enough: the kernel must know
that such a program belongs to it. It is told so in a user namespace, for what
runs in there and for nobody else (binfmt_misc per namespace: Linux 6.7).
Where the kernel knows it anyway, as a host with binfmt-support does, nothing
is done.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def starts(program: Path) -> bool:
    try:
        done = subprocess.run([program, "version"], capture_output=True, stdin=subprocess.DEVNULL)
    except OSError:
        return False
    return done.returncode == 0


def rule(program: Path, qemu: str) -> str:
    """By the ELF head, all of it but the ABI's and its version's bytes. O: by
    a descriptor, since the agent executes one; F: opened now."""
    head = program.read_bytes()[:20]
    mask = b"\xff" * 7 + b"\x00" * 9 + b"\xff" * 4
    magic, care = ("".join(f"\\x{b:02x}" for b in text) for text in (head, mask))
    return f":bbs-agent:M::{magic}:{care}:{qemu}:OF"


def call(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def map_users(pid: int) -> None:
    """All of them, so that the agent can become nobody; else only ours."""
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        path = Path(f"/proc/{pid}/{kind}_map")
        try:
            path.write_text("0 0 65536")
        except OSError:
            if kind == "gid":
                Path(f"/proc/{pid}/setgroups").write_text("deny")
            path.write_text(f"0 {own} 1")


def be_oneself(uid: int, gid: int) -> None:
    """Who is not root was root for the mount alone: sshd must not think that
    it is. One namespace further in, where the rule holds as well."""
    call(libc.unshare(CLONE_NEWUSER), "no second user namespace is allowed here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{gid} 0 1")


def enter(program: Path, qemu: str) -> None:
    """Goes on in a child, in which such programs start; the parent waits and
    ends as the child does."""
    uid, gid = os.geteuid(), os.getegid()
    child_ready, parent_ready = os.pipe(), os.pipe()
    place = tempfile.mkdtemp(prefix="bbs-binfmt-")
    child = os.fork()
    if child:
        os.close(child_ready[1])
        if os.read(child_ready[0], 1):
            map_users(child)
            os.write(parent_ready[1], b"x")
        status = os.waitpid(child, 0)[1]
        os.rmdir(place)  # nothing is mounted there but in the child's namespace
        sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
    call(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "no user namespace is allowed here")
    os.write(child_ready[1], b"x")
    os.close(parent_ready[1])
    os.read(parent_ready[0], 1)
    call(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount namespace")
    mounted = libc.mount(b"binfmt", place.encode(), b"binfmt_misc", 0, None)
    call(mounted, "no binfmt_misc in a user namespace (Linux 6.7 has it): "
         "install qemu-user-binfmt, or check this architecture elsewhere")  # fmt: skip
    Path(place, "register").write_text(rule(program, qemu))
    if uid != 0:
        be_oneself(uid, gid)


def prepare(program: Path, qemu: str, cpu: str | None) -> str:
    """How it runs from now on, in words. With `cpu`, one of that kind is
    emulated even where the program could run as it is."""
    if cpu is None and starts(program):
        return "here"
    path = next((p for d in ("/usr/bin", "/usr/local/bin") for suffix in ("-static", "")
                 if (p := Path(d, qemu + suffix)).exists()), None)  # fmt: skip
    if path is None:
        raise OSError(f"{qemu}-static is missing; on Debian it is in qemu-user-static")
    try:
        enter(program, str(path))
    except OSError:
        if starts(program):
            return "here"
        raise
    if not starts(program):
        raise OSError(f"{path} does not start {program}")
    return qemu if cpu is None else f"{qemu} -cpu {cpu}"
