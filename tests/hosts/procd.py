"""OpenWrt's procd is not to be had here: /etc/rc.common and PID 1 are STAND-INS.
They note how they are called (/root/calls), and do what procd's documentation
says of the parameters that the script sets: start the command, start it again
after `respawn`'s second number of seconds, end it by TERM. What they prove is
that the script is one that rc.common can read, and that install and uninstall
call it as they should.
"""

import re

from . import life, usual
from .busybox import LIVES, Busybox
from .host import wait

RC_COMMON = r"""#!/bin/sh
# A stand-in for OpenWrt's /etc/rc.common, of bbs-agent's tests.
script=$1
name=${script##*/}
echo "$name $2" >>/root/calls
. "$script"
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_send_signal() {
	echo "signal $*" >>/root/calls
	kill -"$3" "$(cat /run/procd.pid)"
}
procd_set_param() {
	echo "param $*" >>/root/calls
	what=$1
	shift
	case $what in
	command) echo "$*" >/run/procd.$name.new ;;
	respawn) echo "$2" >/run/procd.delay ;;
	esac
}
begin() {
	start_service
	mv /run/procd.$name.new /run/procd.$name
}
end() {
	rm -f /run/procd.$name
	[ -s /run/procd.pid ] || return 0
	kill "$(cat /run/procd.pid)" 2>/dev/null
	while kill -0 "$(cat /run/procd.pid)" 2>/dev/null; do sleep 0.1; done
	rm -f /run/procd.pid
}
case $2 in
start) begin ;;
stop) end ;;
restart)
	end
	begin
	;;
reload) if type reload_service >/dev/null; then reload_service; else end; begin; fi ;;
enable)
	ln -sf "../init.d/$name" "/etc/rc.d/S$START$name"
	ln -sf "../init.d/$name" "/etc/rc.d/K$STOP$name"
	;;
disable) rm -f "/etc/rc.d/S$START$name" "/etc/rc.d/K$STOP$name" ;;
esac
"""

PID1 = r"""#!/bin/sh
# A stand-in for OpenWrt's procd, of bbs-agent's tests.
PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
cd /
off() {
	for script in /etc/rc.d/K*; do
		[ ! -x "$script" ] || /bin/sh /etc/rc.common "/etc/init.d/${script##*/K10}" stop
	done
	exec poweroff -f
}
trap off USR2
rm -f /run/up /run/procd*
for script in /etc/rc.d/S*; do
	[ ! -x "$script" ] || /bin/sh /etc/rc.common "/etc/init.d/${script##*/S95}" start
done
touch /run/up
# Where its tree is gone, it goes, too.
while [ -e /sbin/procd ]; do
	for service in /run/procd.bbs-agent; do
		[ -s "$service" ] || continue
		pid=$(cat /run/procd.pid 2>/dev/null)
		[ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null || continue
		if [ -n "$pid" ]; then
			sleep "$(cat /run/procd.delay)" & wait $!
			[ -s "$service" ] || continue
		fi
		$(cat "$service") >>/var/log/service 2>&1 &
		echo $! >/run/procd.pid
	done
	sleep 0.2 & wait $!
done
"""


class Procd(Busybox):
    """The tree is busybox'; PID 1 and rc.common are what makes it procd's."""

    init = "procd"
    is_up = "[ -e /run/up ]"
    start = "/etc/init.d/bbs-agent start"
    stop = "/etc/init.d/bbs-agent stop"
    reload = "/etc/init.d/bbs-agent reload"

    def said(self) -> str:
        return (self.tree / "var/log/service").read_text(errors="replace")

    def prepare(self) -> None:
        super().prepare()
        (self.tree / "etc/inittab").unlink()
        (self.tree / "etc/rc.d").mkdir()
        # A shell's name is its script's only when the kernel starts that.
        for name, text in (("sbin/procd", PID1), ("etc/rc.common", RC_COMMON)):
            (self.tree / name).write_text(text)
            (self.tree / name).chmod(0o755)
        (self.tree / "sbin/init").unlink()
        # As OpenWrt's: it becomes procd.
        (self.tree / "sbin/init").write_text("#!/bin/sh\nexec /sbin/procd\n")
        (self.tree / "sbin/init").chmod(0o755)


def calls_as_it_should(w: life.World) -> str:
    calls = (w.host.tree / "root/calls").read_text().splitlines()
    for call in ("bbs-agent enable", "bbs-agent restart", "param command /usr/local/bin/bbs-agent run",
                 "param respawn 3600 10 0", "param term_timeout 20", "param stderr 1"):  # fmt: skip
        assert call in calls, calls
    return "enabled, started, with its parameters"


def was_told_to_reload(w: life.World) -> str:
    calls = (w.host.tree / "root/calls").read_text().splitlines()
    assert "signal bbs-agent * HUP" in calls, calls
    return "procd was asked to send HUP to its every instance"


def says_what_keeps_it(w: life.World) -> str:
    """Installed, but not answered; and beside an agent that somebody runs."""
    fault = w.bbs.fault("register", "status", times=1000, code=503)
    said = w.host.run("bbs-agent install", code=1)
    assert re.search(r"the service runs \(process \d+\), but within 60 s the server did not answer"
                     r" it: logread says more", said), said  # fmt: skip
    w.bbs.faults.remove(fault)
    w.host.run(f"{w.host.stop}; bbs-agent run >/dev/null 2>&1 &")
    wait(lambda: w.host.agent(), "no agent by hand")
    by_hand = w.host.agent()
    said = w.host.run("bbs-agent install", code=1)
    assert f"runs here (process {by_hand}): end it, then install again" in said, said
    w.host.run(f"kill {by_hand}")
    assert "has answered it" in w.host.run("bbs-agent install")
    return "said that the server did not answer; that an agent of somebody else's runs"


STEPS: tuple[life.Step, ...] = (
    *usual.INSTALLED, calls_as_it_should, says_what_keeps_it, *LIVES, was_told_to_reload, *usual.GONE,
)  # fmt: skip
