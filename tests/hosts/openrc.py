"""Debian with OpenRC, whose supervise-daemon starts the agent again. PID 1 is
sysvinit, as Debian has it, or OpenRC's own."""

from . import life, usual
from .host import Host


class Openrc(Host):
    name = init = "openrc"
    is_up = "[ \"$(cat /run/openrc/softlevel)\" = default ] && ! pgrep -x openrc"
    start = "rc-service bbs-agent start"
    stop = "rc-service bbs-agent stop"
    reload = "rc-service bbs-agent reload"


class OpenrcInit(Openrc):
    power_off = "openrc-shutdown --poweroff now"

    def prepare(self) -> None:
        init = self.tree / "sbin/init"
        init.unlink()
        init.symlink_to("openrc-init")


def is_in_its_runlevel(w: life.World) -> str:
    status = w.host.run("rc-status default")
    line = next(line for line in status.splitlines() if "bbs-agent" in line)
    assert "started" in line, status
    pid1 = w.host.run("cat /proc/1/comm; readlink /proc/1/exe").split()
    return f"in the runlevel default, started; PID 1 is {pid1[0]}, {pid1[1]}"


STEPS: tuple[life.Step, ...] = (
    *usual.INSTALLED, is_in_its_runlevel, *usual.LIVES, *usual.GONE, *usual.MOVED,
)  # fmt: skip
