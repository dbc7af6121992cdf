"""What booting a host asks of this machine, and how it is done: systemd-nspawn
in a mount namespace of its own, with a cgroup of its own. So nothing here
depends on how this machine mounts its cgroups, or whether at all, and nothing
of it is seen outside.
"""

import os
import subprocess
from pathlib import Path

# A hierarchy that is mounted here need not be one that we may write to (a
# container's is not). nspawn keeps a directory for each container in its own.
PLACE = """
mkdir -p /run/systemd/nspawn && mount -t tmpfs none /run/systemd/nspawn || exit
name=$1
shift
if mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null; then
	mkdir -p "/sys/fs/cgroup/$name" && echo 0 >"/sys/fs/cgroup/$name/cgroup.procs" ||
		umount /sys/fs/cgroup
fi
exec "$@"
"""
# What the container left in it is empty as soon as its last process is gone.
LEAVE = """
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || exit 0
for try in 1 2 3 4 5 6 7 8 9 10; do
	[ -d "/sys/fs/cgroup/$1" ] || break
	find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
done
"""
PROBE = f"probe-{os.getpid()}"
# Each is asked for on its own, so that the answer names what is missing.
NAMESPACES = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--propagation=private")
NEEDS = {
    "namespaces": "true",
    "mounting in a namespace": "mount -t tmpfs none /mnt && mount -t proc none /proc",
    "device nodes": "mount -t tmpfs none /mnt && mknod /mnt/null c 1 3 && : >/mnt/null",
    "cgroups that can be written to": (
        "mount -t cgroup2 none /sys/fs/cgroup; for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do "
        "new=$dir/bbs-hosts-probe.$$; mkdir $new || continue; ls $new/cgroup.procs >/dev/null; "
        "is=$?; rmdir $new; [ $is != 0 ] || exit 0; done; exit 1"
    ),
}  # fmt: skip


def missing() -> str:
    """What this machine cannot do, with its own words; "" when it can all."""
    if os.geteuid() != 0:
        return "only root can boot containers, and this is not root"
    for name, script in NEEDS.items():
        done = _quietly(*NAMESPACES, "sh", "-c", script)
        if done.returncode != 0:
            return f"this machine does not let root have {name}: {done.stderr.strip()}"
    return ""


def boots_nothing(tree: Path) -> str:
    """Why nspawn fails on it although this machine can all it needs; "" when
    it does not."""
    done = _quietly(*nspawn(PROBE, "--console=pipe", "-D", tree, "/bin/true"))
    leave(PROBE)
    return done.stderr.strip() or f"code {done.returncode}" if done.returncode != 0 else ""


def nspawn(machine: str, *words: str | Path) -> list[str | Path]:
    """A PID namespace around it makes the container end with it, however it ends."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "sh", "-c", PLACE, "sh", _cgroup(machine),
            "env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn", "--quiet",
            "--register=no", "--keep-unit", "--settings=no", "--resolv-conf=off",
            "--timezone=off", f"--machine={machine}", *words]  # fmt: skip


def leave(machine: str) -> None:
    """Behind nspawn's end."""
    _quietly("unshare", "--mount", "--propagation=private", "sh", "-c", LEAVE, "sh", _cgroup(machine))


def _cgroup(machine: str) -> str:
    return f"bbs-hosts-{machine}"


def _quietly(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
