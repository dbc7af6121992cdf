"""Debian with sysvinit as PID 1. Nothing there starts a service again: the
keeper in our own script does, ten seconds after a death."""

from . import life, usual
from .host import Host


class Sysv(Host):
    name = init = "sysv"
    is_up = "[ \"$(runlevel)\" = 'N 2' ] && ! pgrep -x rc"
    start = "service bbs-agent start"
    stop = "service bbs-agent stop"
    reload = "service bbs-agent reload"


def has_its_links(w: life.World) -> str:
    links = w.host.run("ls /etc/rc0.d /etc/rc2.d /etc/rc6.d | grep bbs-agent").split()
    assert len(links) == 3 and sorted(n[0] for n in links) == ["K", "K", "S"], links
    assert "bbs-agent runs" in w.host.run("service bbs-agent status")
    return f"run levels: {' '.join(links)}"


STEPS: tuple[life.Step, ...] = (
    *usual.INSTALLED, has_its_links, *usual.LIVES, *usual.GONE, *usual.MOVED,
)  # fmt: skip
