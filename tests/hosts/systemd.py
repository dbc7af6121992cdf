"""Debian with systemd as PID 1."""

from . import life
from .host import Host


class Systemd(Host):
    name = init = "systemd"
    is_up = "case $(systemctl is-system-running) in running | degraded) true;; *) false;; esac"
    power_off = "systemctl poweroff"
    start = "systemctl start bbs-agent"
    stop = "systemctl stop bbs-agent"
    reload = "systemctl reload bbs-agent"

    def said(self) -> str:
        if self.process is None or self.process.poll() is not None:
            return ""
        return self._run("journalctl -u bbs-agent --no-pager").stdout


def is_what_the_unit_says(w: life.World) -> str:
    """systemd itself has no complaint about it."""
    show = w.host.run("systemctl show -p ActiveState,Type,KillMode,OOMPolicy,WatchdogUSec bbs-agent")
    for line in ("ActiveState=active", "Type=notify", "KillMode=control-group",
                 "OOMPolicy=continue", "WatchdogUSec=2min"):  # fmt: skip
        assert line in show.split("\n"), show
    assert "registered as client" in w.host.run("journalctl -u bbs-agent -o cat --no-pager")
    verdict = w.host.run("systemd-analyze verify bbs-agent.service")
    assert not verdict.strip(), verdict
    return "active, READY, in the journal; systemd-analyze verify is silent"


STEPS: tuple[life.Step, ...] = (life.USUAL[0], is_what_the_unit_says, *life.USUAL[1:])
