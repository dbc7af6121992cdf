"""A small host in a directory: busybox, the agent's binary, and as PID 1 of
a PID namespace whatever the test wants to be installed under.

What manages the services there is a stand-in that records how it was called
and starts the command that the service file names; init scripts of SysV are
run as they are. The network is this machine's loopback.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bbsd import BBS

from .agent import BINARY

# PID 1 runs /script and ends; its name and its program are what is judged.
PID1 = """#!{shell}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH HOME=/root
cd /
sh /script 9<&0 >/out 2>/err </dev/null
echo $? >/code
"""

# Starts what a file names, in place of what it started before.
STARTER = """
ended() {
	[ -s /run/service.pid ] || return 0
	kill "$(cat /run/service.pid)" 2>/dev/null
	while kill -0 "$(cat /run/service.pid)" 2>/dev/null; do sleep 0.1; done
	rm -f /run/service.pid
}
started() { "$@" >>/var/log/service 2>&1 & echo $! >/run/service.pid; }
"""

SYSTEMCTL = f"""#!/bin/sh
echo "systemctl $*" >>/calls
{STARTER}
unit=/etc/systemd/system/bbs-agent.service
case $1 in
restart) ended; started $(sed -n 's/^ExecStart=//p' $unit) ;;
stop) ended ;;
enable)
	mkdir -p /etc/systemd/system/multi-user.target.wants
	ln -sf ../bbs-agent.service /etc/systemd/system/multi-user.target.wants/ ;;
disable) rm -f /etc/systemd/system/multi-user.target.wants/bbs-agent.service ;;
esac
"""

RC_SERVICE = f"""#!/bin/sh
echo "rc-service $*" >>/calls
{STARTER}
. /etc/init.d/bbs-agent
case $* in
*restart) ended; started $command $command_args ;;
*stop) ended ;;
esac
"""

RC_UPDATE = """#!/bin/sh
echo "rc-update $*" >>/calls
mkdir -p /etc/runlevels/default
case $1 in
add) ln -sf /etc/init.d/bbs-agent /etc/runlevels/default/ ;;
del) rm /etc/runlevels/default/bbs-agent ;;
esac
"""

RC_COMMON = f"""#!/bin/sh
echo "rc.common $(basename "$1") $2" >>/calls
{STARTER}
. "$1"
procd_open_instance() {{ :; }}
procd_close_instance() {{ :; }}
procd_set_param() {{
	echo "procd_set_param $*" >>/calls
	[ "$1" = command ] || return 0
	shift
	started "$@"
}}
case $2 in
restart) ended; start_service ;;
stop) ended ;;
enable) ln -sf ../init.d/bbs-agent /etc/rc.d/S95bbs-agent ;;
disable) rm -f /etc/rc.d/S95bbs-agent ;;
esac
"""

PROGRAMS = {
    "systemd": {"bin/systemctl": SYSTEMCTL},
    "openrc": {"sbin/rc-service": RC_SERVICE, "sbin/rc-update": RC_UPDATE},
    "procd": {"etc/rc.common": RC_COMMON},
}
DIRECTORIES = (
    "bin sbin lib/own dev etc/systemd/system/multi-user.target.wants etc/init.d etc/rc.d "
    "etc/runlevels/default proc root run tmp usr/bin usr/sbin usr/local/bin var/lib var/log"
)
# PID 1's name, and which shell its program is a copy of.
PID1_OF = {"systemd": "systemd", "openrc": "init", "sysv": "init", "procd": "procd"}


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class HostTree:
    def __init__(self, root: Path, init: str = "systemd") -> None:
        self.root, self.init = root, init
        for name in DIRECTORIES.split():
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "var/run").symlink_to("../run")
        busybox = shutil.which("busybox")
        assert busybox is not None
        shutil.copy(busybox, root / "bin/busybox")
        shutil.copy(busybox, root / "lib/own/sh")
        for name in subprocess.check_output([busybox, "--list"], text=True).split():
            if name not in ("busybox", "init"):
                (root / "bin" / name).symlink_to("busybox")
        shutil.copy(BINARY, root / "tmp/bbs-agent")
        for name, numbers in (("null", (1, 3)), ("urandom", (1, 9))):
            os.mknod(root / "dev" / name, 0o020666, os.makedev(*numbers))
            (root / "dev" / name).chmod(0o666)
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
        self.write("etc/group", "root:x:0:\nnogroup:x:65534:\n")
        self.program("usr/bin/borg", "#!/bin/sh\necho borg 1.2.4\n")
        self.program("usr/bin/ssh", "#!/bin/sh\nexit 255\n")
        for name, text in PROGRAMS.get(init, {}).items():
            self.program(name, text)
        if init == "openrc":
            (root / "run/openrc").mkdir()
        if init == "sysv":
            for level in range(7):
                (root / f"etc/rc{level}.d").mkdir()

    def write(self, name: str, text: str | bytes, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def program(self, name: str, text: str) -> Path:
        return self.write(name, text, 0o755)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def run(self, script: str, pid1: str | None = None, shell: str = "/lib/own/sh",
            timeout: float = 60, terminal: int = subprocess.DEVNULL) -> Done:  # fmt: skip
        """Runs it below a new PID 1; nothing that it starts outlives it. A
        terminal is its descriptor 9."""
        name = pid1 or PID1_OF[self.init]
        self.program(f"sbin/{name}", PID1.format(shell=shell))
        self.write("script", script)
        # A pid of the last run would be another process of this one.
        scratch = [self.root / n for n in ("out", "err", "code", "script", f"sbin/{name}",
                                           "run/service.pid")]  # fmt: skip
        try:
            subprocess.run(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                 f"--mount-proc={self.root}/proc", "chroot", self.root, f"/sbin/{name}"],
                check=False, timeout=timeout, stdin=terminal,
                env={"PATH": os.environ["PATH"]},
            )  # fmt: skip
            out, err, code = (p.read_text(errors="replace") for p in scratch[:3])
        finally:
            for path in scratch:
                path.unlink(missing_ok=True)
        return Done(int(code), out, err)

    def files(self) -> dict[str, tuple[int, bytes | str]]:
        """Every file with its mode and content, what the stand-ins and the
        running system write apart."""
        found: dict[str, tuple[int, bytes | str]] = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name in ("calls", "var/log/service", "run/service.pid"):
                continue
            mode = path.lstat().st_mode
            content: bytes | str = b""
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                content = path.read_bytes()
            found[name] = (mode, content)
        return found

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []


class Install:
    """A host, a server, and the command line that brings them together."""

    def __init__(self, host: HostTree, bbs: BBS) -> None:
        self.host, self.bbs = host, bbs
        assert bbs.ca_file is not None
        shutil.copy(bbs.ca_file, host.root / "tmp/ca.pem")

    def options(self, key: str | None = None) -> str:
        return f"--server {self.bbs.url} --key {key or self.bbs.api_key} --ca-file /tmp/ca.pem"

    def __call__(self, options: str | None = None, before: str = "", after: str = "",
                 pid1: str | None = None, shell: str = "/lib/own/sh") -> Done:  # fmt: skip
        words = self.options() if options is None else options
        return self.host.run(
            f"{before}\n/tmp/bbs-agent install {words}\ncode=$?\n{after}\nexit $code\n",
            pid1, shell,
        )  # fmt: skip
