"""Nothing but a static busybox, which is PID 1 too, and Dropbear's client.

Its borg is a STAND-IN, a shell script that writes what borg's log looks like:
there is no Python here to run the real one. It asks the real sshd for `borg
serve` by BORG_RSH, so the way there is real. It proves nothing about borg.
"""

import time

from . import life
from .host import SECONDS, Host, wait
from .life import MEDIA, World

BORG = r"""#!/bin/sh
# A stand-in for borg, of bbs-agent's tests.
[ "$1" = --version ] && { echo 'borg 1.2.4'; exit 0; }
trap 'exit 143' TERM
for word; do
	case $word in *::*) target=${word#ssh://} ;; esac
	last=$word
done
login=${target%%/*}
# The other side speaks borg's protocol, which nobody here does: it must start.
$BORG_RSH "$login" borg serve </dev/null >/root/serve.out 2>/root/serve.err
echo $? >/root/serve.code
n=0
while [ "$last" = /root/slow ] || [ $n = 0 ]; do
	n=$((n + 1))
	echo '{"type": "file_status", "status": "A", "path": "/etc/passwd"}' >&2
	echo '{"type": "archive_progress", "nfiles": '$n', "original_size": 1, "compressed_size": 1,
"deduplicated_size": 1, "path": "x", "time": 1.0, "finished": false}' | tr -d '\n' >&2
	echo >&2
	[ "$last" = /root/slow ] || break
	sleep 1 & wait $!
done
echo '{"archive": {"name": "x", "stats": {"nfiles": 1, "original_size": 1, "compressed_size": 1,
"deduplicated_size": 1}}, "repository": {}}'
"""

INITTAB = """::sysinit:/bin/mkdir -p /run /tmp
::shutdown:/bin/true
"""


class Busybox(Host):
    name = "busybox"
    is_up = "[ -d /proc/1 ] && [ \"$(cat /proc/1/comm)\" = init ]"
    power_off = "kill -USR2 1"

    def prepare(self) -> None:
        (self.tree / "etc/inittab").write_text(INITTAB)
        borg = self.tree / "usr/bin/borg"
        borg.write_text(BORG)
        borg.chmod(0o755)


def line(w: World) -> str:
    """The line for inittab that install prints."""
    said = life.install(w)
    assert "nothing starts it yet" in said, said
    return next(part for part in said.split() if part.startswith("::respawn:")) + " run"


def installs(w: World) -> str:
    text = line(w)
    inittab = w.host.tree / "etc/inittab"
    inittab.write_text(inittab.read_text() + text + "\n")
    w.host.run("kill -HUP 1")
    w.polls_again("after init read its inittab again")
    return f"installed by one line; inittab got {text}"


def backs_up(w: World) -> str:
    """Through dbclient to the real sshd; its borg is the stand-in."""
    job = w.bbs.add_backup(w.repo.url, ["/etc"], w.repo.passphrase)
    report = w.bbs.wait_status(job, SECONDS)
    assert report["result"] == "completed", report
    assert w.sshd.catalog(job.id).stat().st_size > 0
    return "a backup by the stand-in for borg; its catalogue came over dbclient"


def stops_in_a_backup(w: World) -> str:
    (w.host.tree / "root/slow").touch()
    job = w.bbs.add_backup(w.repo.url, ["/root/slow"], w.repo.passphrase)
    w.bbs.wait_running(job)
    wait(lambda: "borg" in w.host.run("cat /proc/[0-9]*/comm 2>/dev/null; true"), "no borg")
    inittab = w.host.tree / "etc/inittab"
    text = inittab.read_text()
    inittab.write_text(INITTAB)
    began = time.monotonic()
    # A line that is gone stops nothing by itself.
    w.host.run("kill -HUP 1")
    w.host.run("kill $(head -n 1 /run/bbs-agent/lock)")
    wait(lambda: not runs(w), "the agent does not stop", life.STOP_SECONDS)
    took = time.monotonic() - began
    inittab.write_text(text)
    w.host.run("kill -HUP 1")
    report = w.bbs.wait_status(job, SECONDS)
    assert report["result"] == "failed" and "Interrupted" in report["error_log"], report
    return f"stopped in mid-backup after {took:.1f} s"


def runs(w: World) -> bool:
    return bool(w.host.run("cat /proc/[0-9]*/comm 2>/dev/null | grep -E 'bbs-agent|^borg'; true"))


def uninstalls(w: World) -> str:
    (w.host.tree / "etc/inittab").write_text(INITTAB)
    w.host.run("kill -HUP 1")
    said = w.host.run(f"sh {MEDIA}/install.sh --uninstall --purge")
    assert "is uninstalled" in said, said
    assert not runs(w)
    life.same_files(w)
    return "uninstalled; every file as before"


STEPS: tuple[life.Step, ...] = (
    installs, life.starts_again_after_a_kill, life.survives_a_reboot, backs_up,
    stops_in_a_backup, uninstalls,
)  # fmt: skip
