"""The same tree as a container: what is PID 1 there is a program, not an init."""

import os
import signal
import subprocess
import time

from . import life, machine
from .host import wait
from .life import MEDIA, World


def inside(w: World, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs them as such a container's only program."""
    done = subprocess.run(
        machine.nspawn(w.host.machine, "--console=pipe", "-D", w.host.tree, *words),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    machine.leave(w.host.machine)
    return done


def line(w: World) -> str:
    return (
        f"{MEDIA}/bbs-agent-{os.uname().machine} install --server {w.bbs.url} "
        f"--key {w.bbs.api_key} --ca-file {MEDIA}/ca.pem"
    )


def refuses_a_container(w: World) -> str:
    """A shell as PID 1, and one that only reaps."""
    w.host.shut_down()
    install = line(w)
    named = []
    for words in (("/bin/sh", "-c", f"{install}; exit $?"), ("--as-pid2", *install.split())):
        done = inside(w, *words)
        assert done.returncode == 1, done
        assert "keeps no service running (is this a container?)" in done.stderr, done.stderr
        assert "nothing was changed" in done.stderr and not done.stdout.strip(), done
        named.append(done.stderr.split('"')[1])
        life.same_files(w, running=False)
    return f"refused in a container whose PID 1 is {' or '.join(named)}"


def runs_as_pid_1(w: World) -> str:
    """Put there all the same, it is the container's own program."""
    done = inside(w, "/bin/sh", "-c", f"{line(w)} --service none")
    assert done.returncode == 0 and "nothing starts it yet" in done.stdout, done
    w.host.boot("/usr/local/bin/bbs-agent", "run")
    w.polls_again("as PID 1")
    assert w.host.agent() == 1
    # An orphan of somebody else's is adopted, and reaped.
    w.host.run("(sleep 0.2 &)")
    wait(lambda: "Z" not in w.host.run("cat /proc/[0-9]*/stat | cut -d ' ' -f 3").split()
         and "sleep" not in life.comms(w), "an orphan is not reaped")  # fmt: skip
    job = life.slow_job(w)
    began = time.monotonic()
    assert w.host.process is not None
    os.kill(w.host.pid1, signal.SIGTERM)
    code = w.host.process.wait(life.STOP_SECONDS)
    took = time.monotonic() - began
    machine.leave(w.host.machine)
    w.host.process = None
    assert code == 0, code
    assert "Interrupted" in job.reports[-1]["error_log"], job.reports
    return f"as PID 1 it reaps, and stopped in mid-backup after {took:.1f} s with code 0"


STEPS = (refuses_a_container, runs_as_pid_1)
