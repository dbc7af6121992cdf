"""A host moves over from the stock agent. Its program is a STAND-IN that does
what matters here: a Python process that a shell script starts, with a borg below
it while it has a job. The service that runs it is a real one, of the host's init.
"""

from .host import wait
from .life import MEDIA, World, same_files

PLACE = "opt/bbs-agent"
AGENT = """# A stand-in for the stock agent, of bbs-agent's tests.
import os, subprocess, time
while True:
    if os.path.exists("/root/job"):
        code = subprocess.call(["/usr/bin/borg", "create", "--read-special", "/root/repo::x", "/root/pipe"])
        open("/root/job.code", "w").write(str(code))
        os.unlink("/root/job")
    time.sleep(0.1)
"""
START = f"#!/bin/sh\nexec python3 /{PLACE}/bbs-agent.py\n"
UNIT = f"""[Unit]
Description=Stock
[Service]
ExecStart=/{PLACE}/bbs-agent-start.sh
Restart=always
[Install]
WantedBy=multi-user.target
"""
SYSV = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides: bbs-agent
# Required-Start: $remote_fs
# Required-Stop: $remote_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
pid=/run/stock.pid
case $1 in
start) start-stop-daemon -S -b -m -p $pid -x /usr/bin/python3 -- /{PLACE}/bbs-agent.py ;;
stop) start-stop-daemon -K -p $pid --retry TERM/5/KILL/2; rm -f $pid ;;
restart) $0 stop; $0 start ;;
esac
"""
OPENRC = f"""#!/sbin/openrc-run
command=/{PLACE}/bbs-agent-start.sh
supervisor=supervise-daemon
"""
# Of each init: the file, what is in it, what makes it start.
SERVICES = {
    "systemd": ("etc/systemd/system/bbs-agent.service", UNIT,
                "systemctl daemon-reload && systemctl enable --now bbs-agent"),
    "sysv": ("etc/init.d/bbs-agent", SYSV, "update-rc.d bbs-agent defaults && service bbs-agent start"),
    "openrc": ("etc/init.d/bbs-agent", OPENRC,
               "rc-update add bbs-agent default && rc-service bbs-agent start"),
}  # fmt: skip
RUNS = "pgrep -f [o]pt/bbs-agent/bbs-agent.py"


def set_up(w: World) -> None:
    host = w.host
    path, text, start = SERVICES[host.init]
    config = f"[server]\r\nurl = {w.bbs.url}\r\napi_key = {w.bbs.api_key}\r\nca_file = {MEDIA}/ca.pem\r\n"
    for name, content in ((f"{PLACE}/bbs-agent.py", AGENT), (f"{PLACE}/bbs-agent-start.sh", START),
                          ("etc/bbs-agent/config.ini", "\ufeff" + config),
                          ("etc/bbs-agent/ssh_key", w.sshd.access.private_key), (path, text)):  # fmt: skip
        file = host.tree / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content.encode())
        file.chmod(0o600 if name.startswith("etc/bbs-agent") else 0o755)
    host.run(f"borg init -e none /root/repo && mkfifo /root/pipe && {start}")
    wait(lambda: host.succeeds(RUNS), "the stand-in for the stock agent does not run")


def moves_over_from_the_stock_agent(w: World) -> str:
    host = w.host
    set_up(w)
    theirs = {n: t for n, t in host.files().items() if n.startswith((f"{PLACE}/", "etc/bbs-agent/ssh"))}
    config = (host.tree / "etc/bbs-agent/config.ini").read_bytes()
    # It backs up a pipe that nobody writes to, until somebody does.
    (host.tree / "root/job").touch()
    wait(lambda: host.succeeds("pgrep -x borg"), "its borg does not run")
    said = host.run(f"{MEDIA}/bbs-agent-* install", code=1)
    assert "a job of the agent runs (borg" in said and "nothing was changed" in said, said
    assert host.succeeds(RUNS) and host.succeeds("pgrep -x borg")
    host.run("echo >/root/pipe")
    wait(lambda: (host.tree / "root/job.code").exists(), "its borg does not end")
    assert (host.tree / "root/job.code").read_text() == "0"
    wait(lambda: not (host.tree / "root/job").exists(), "its job does not end")
    assert "has answered it" in host.run(f"{MEDIA}/bbs-agent-* install")
    assert not host.succeeds(RUNS), "the stock agent still runs"
    assert (host.tree / "etc/bbs-agent/config.ini").read_bytes() == config
    now = host.files()
    assert {n: now.get(n) for n in theirs} == theirs
    w.polls_again("after the move")
    host.run("rm -r /root/repo /root/pipe /root/job.code")
    said = host.run("bbs-agent uninstall --purge")
    assert f"/{PLACE}: the stock agent's files" in said, said
    same_files(w, but=PLACE)
    host.run(f"rm -r /{PLACE}")
    return "moved over from the (stand-in for the) stock agent; refused while it backed up"
