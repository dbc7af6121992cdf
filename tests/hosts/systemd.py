"""Debian with systemd as PID 1."""

import re

from . import life, usual
from .host import Host, wait


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


PROPERTIES = {
    "ActiveState": "active", "Type": "notify", "Restart": "always", "RestartUSec": "10s",
    "KillMode": "control-group", "OOMPolicy": "continue", "WatchdogUSec": "2min",
    "TimeoutStopUSec": "30s", "StartLimitIntervalUSec": "0", "ProtectSystem": "no",
    "ProtectHome": "no", "PrivateTmp": "no", "NoNewPrivileges": "no", "StandardOutput": "journal",
}  # fmt: skip
DROP_IN = "etc/systemd/system/bbs-agent.service.d/local.conf"


def is_what_the_unit_says(w: life.World) -> str:
    """systemd itself has no complaint about it."""
    show = w.host.run(f"systemctl show -p {','.join([*PROPERTIES, 'After', 'Wants'])} bbs-agent")
    said = dict(line.split("=", 1) for line in show.splitlines())
    assert {k: said[k] for k in PROPERTIES} == PROPERTIES, said
    assert all("network-online.target" in said[k].split() for k in ("After", "Wants")), said
    assert "registered as client" in w.host.run("journalctl -u bbs-agent -o cat --no-pager")
    verdict = w.host.run("systemd-analyze verify bbs-agent.service")
    assert not verdict.strip(), verdict
    return "active, READY, in the journal; systemd-analyze verify is silent"


def is_watched(w: life.World) -> str:
    """It stands still, alive: systemd ends it, and starts another."""
    drop_in = w.host.tree / DROP_IN
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=3\nRestartSec=1\n")
    w.host.run("systemctl daemon-reload && systemctl restart bbs-agent")
    w.polls_again("with another watchdog")
    before = w.host.agent()
    w.host.run(f"kill -STOP {before}")
    w.polls_again("after it stood still")
    assert w.host.agent() != before
    assert "Watchdog timeout" in w.host.said()
    drop_in.unlink()
    drop_in.parent.rmdir()
    w.host.run("systemctl daemon-reload && systemctl restart bbs-agent")
    w.polls_again("as before")
    return "its watchdog ended one that stood still, and started it again"


def is_shown_by_systemd(w: life.World) -> str:
    """A line of what it does; what went wrong, and nothing else, among warnings."""
    status = w.host.run("systemctl status bbs-agent --no-pager --full")
    assert re.search(r'^ *Status: "\w', status, re.M), status
    config, before = w.host.tree / "etc/bbs-agent/config.ini", w.host.agent()
    good = config.read_text()
    config.write_text(f"{good}\n[agent]\npoll_interval = 0\n")
    w.host.run(w.host.reload)
    worth = "journalctl -u bbs-agent -p warning -o cat --no-pager"
    wait(lambda: "configuration stays as it was: " in w.host.run(worth), "no word among warnings")
    assert "registered as client" in w.host.said()
    assert "registered as client" not in w.host.run(worth)
    config.write_text(good)
    w.host.run("systemctl kill --kill-who=main -s USR1 bbs-agent")
    w.polls_again("asked to by USR1")
    assert w.host.agent() == before
    return "systemctl status has a line of it, journalctl -p warning what went wrong"


STEPS: tuple[life.Step, ...] = (
    *usual.INSTALLED, is_what_the_unit_says, is_shown_by_systemd, is_watched, *usual.LIVES, *usual.GONE, *usual.MOVED,
)  # fmt: skip
