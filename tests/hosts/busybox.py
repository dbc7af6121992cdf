"""Nothing but a static busybox, which is PID 1 too, and Dropbear's client.

Its borg is a STAND-IN, a shell script that writes what borg's log looks like:
there is no Python here to run the real one. It asks the real sshd for `borg
serve` by BORG_RSH, so the way there is real. It proves nothing about borg.
"""

from . import container, life, usual
from .host import SECONDS, Host
from .life import World

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
    has_borg = False
    # A line that is gone stops nothing by itself.
    stop = (
        "mv /etc/inittab /etc/inittab.on && grep -v bbs-agent /etc/inittab.on >/etc/inittab; "
        "kill -HUP 1; pid=$(head -n 1 /run/bbs-agent/lock); kill $pid; "
        "while kill -0 $pid 2>/dev/null; do sleep 0.1; done"
    )
    start = "mv /etc/inittab.on /etc/inittab; kill -HUP 1"
    reload = "kill -HUP $(head -n 1 /run/bbs-agent/lock)"

    def said(self) -> str:
        return self.console.read_text(errors="replace")

    def prepare(self) -> None:
        (self.tree / "etc/inittab").write_text(INITTAB)
        borg = self.tree / "usr/bin/borg"
        borg.write_text(BORG)
        borg.chmod(0o755)


def line(w: World) -> str:
    """The line for inittab that install prints."""
    said = life.install(w)
    assert "nothing starts it yet" in said, said
    assert "ssh is not installed" not in said, said  # Dropbear's is
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


def uninstalls(w: World) -> str:
    """The line is its administrator's, who is told of it."""
    said = w.host.run(f"{life.MEDIA}/bbs-agent-* uninstall --purge")
    assert "/etc/inittab: a line that starts the agent: take it out" in said, said
    assert not {"borg", "bbs-agent"} & set(life.comms(w))
    inittab = w.host.tree / "etc/inittab"
    inittab.write_text(INITTAB)
    w.host.run("kill -HUP 1")
    life.same_files(w)
    return "uninstalled; its line in inittab was named; every file as before"


# With this borg.
LIVES = tuple(backs_up if step is life.backs_up else step for step in usual.LIVES)
STEPS: tuple[life.Step, ...] = (
    installs, *(step for step in LIVES if step is not life.comes_back), uninstalls,
    *container.STEPS,
)  # fmt: skip
