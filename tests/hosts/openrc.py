"""Debian with OpenRC, started by sysvinit as PID 1, as Debian has it; its
supervise-daemon starts the agent again."""

from . import life
from .host import Host


class Openrc(Host):
    name = init = "openrc"
    is_up = "[ \"$(cat /run/openrc/softlevel)\" = default ] && ! pgrep -x openrc"
    start = "rc-service bbs-agent start"
    stop = "rc-service bbs-agent stop"

    @property
    def reload(self) -> str:
        script = self.tree / "etc/init.d/bbs-agent"
        return "rc-service bbs-agent reload" if "reload()" in script.read_text() else ""


def is_in_its_runlevel(w: life.World) -> str:
    status = w.host.run("rc-status default")
    line = next(line for line in status.splitlines() if "bbs-agent" in line)
    assert "started" in line, status
    return "in the runlevel default, started"


STEPS: tuple[life.Step, ...] = (life.USUAL[0], is_in_its_runlevel, *life.USUAL[1:])
