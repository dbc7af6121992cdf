"""How install goes about it: it does what a dry run says and says what it
does, can be cut off anywhere, and waits for what must not be disturbed."""

import os
import pty
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bbsd import BBS
from support.agent import BINARY
from support.hosttree import Done, HostTree, Install

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a host of its own needs root (chroot, PID namespace)"
)

INITS = ["systemd", "openrc", "sysv", "procd"]
STOCK_SERVICE = {"systemd": "etc/systemd/system/bbs-agent.service", "sysv": "etc/init.d/bbs-agent"}


@pytest.fixture
def install(place: Path, bbs: BBS, request: pytest.FixtureRequest) -> Install:
    return Install(HostTree(place / "host", getattr(request, "param", "systemd")), bbs)


def at_a_terminal(host: HostTree, command: str,
                  watch: Callable[[str], object] = len) -> tuple[Done, list[str]]:  # fmt: skip
    """What it did, and the lines that somebody who watches sees."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                seen.extend(part)
                watch(seen.decode(errors="replace"))
        except OSError:
            pass  # the terminal's other side is closed

    reader = threading.Thread(target=read)
    reader.start()
    done = host.run(f"{command} >&9", terminal=theirs)
    os.close(theirs)
    reader.join()
    os.close(ours)
    return done, seen.decode().replace("\r", "").splitlines()


# as it is said of the future, and of what is done
SAME = [
    (r"^would ", ""),
    (r"^wait until the server has answered the service$", "waiting for the server to answer the service"),
    (r"^obtain borg: .*", ""),
]  # fmt: skip


def promised(done: Done) -> list[str]:
    *lines, last = done.out.splitlines()
    assert last == "nothing was changed (--dry-run)"
    for pattern, done_so in SAME:
        lines = [re.sub(pattern, done_so, line) for line in lines]
    return lines


# a dry run


@pytest.mark.parametrize("install", INITS, indirect=True)
def test_a_dry_run_says_exactly_what_is_done(install: Install) -> None:
    """From nothing, of a second run that repairs, and at the end; where
    nobody watches, one line is said, and what is missing."""
    host = install.host
    command = f"/tmp/bbs-agent install {install.options()}"
    told = host.run(f"{command} --dry-run")
    done, seen = at_a_terminal(host, command)
    assert done.code == 0, done.said
    assert seen[:-1] == promised(told)
    (host.root / "etc/bbs-agent/config.ini").chmod(0o644)
    host.write("usr/local/bin/bbs-agent", "not a program", 0o755)
    told = host.run("/tmp/bbs-agent install --dry-run")
    done, seen = at_a_terminal(host, "/tmp/bbs-agent install")
    assert done.code == 0, done.said
    assert seen[:-1] == promised(told)
    assert "write /usr/local/bin/bbs-agent" in "\n".join(seen)
    done = host.run("/tmp/bbs-agent install")
    assert done.code == 0 and len(done.out.splitlines()) == 1
    [note] = done.err.splitlines()
    assert note.startswith("bbs-agent: note: the server has no SSH key for this client yet: ")
    told = host.run("/tmp/bbs-agent uninstall --purge --dry-run")
    done, seen = at_a_terminal(host, "/tmp/bbs-agent uninstall --purge")
    assert done.code == 0, done.said
    assert seen[:-1] == promised(told)


@pytest.mark.parametrize("install", list(STOCK_SERVICE), indirect=True)
def test_a_dry_run_over_another_agents_service(install: Install) -> None:
    host = install.host
    host.write(STOCK_SERVICE[host.init], "#!/bin/sh\n# of the stock agent\n", 0o755)
    host.program("opt/bbs-agent/bbs-agent.py", "#!/bin/sh\n")
    before = host.files()
    told = host.run(f"/tmp/bbs-agent install {install.options()} --dry-run")
    assert host.files() == before
    done, seen = at_a_terminal(host, f"/tmp/bbs-agent install {install.options()}")
    assert done.code == 0, done.said
    assert seen[:-1] == promised(told)
    assert "another agent's: it is replaced" in told.out
    assert "left as it is: /opt/bbs-agent" in told.out


# the program


def test_over_one_that_runs(install: Install) -> None:
    """At each moment whoever calls it gets a whole program; the agent that
    runs from it is not disturbed before its restart."""
    done = install(
        after="""
		cp /tmp/bbs-agent /tmp/other && echo another >>/tmp/other
		until [ -e /tmp/end ]; do /usr/local/bin/bbs-agent version || echo broken; done >/tmp/versions 2>&1 &
		for n in 1 2 3 4 5 6; do
			/tmp/other install && /tmp/bbs-agent install || exit
		done
		/tmp/other install
		code=$?
		touch /tmp/end
		wait $!
		"""
    )
    assert done.code == 0, done.said
    root = install.host.root
    versions = (root / "tmp/versions").read_text().splitlines()
    assert len(set(versions)) == 1 and len(versions) > 20, set(versions)
    assert (root / "usr/local/bin/bbs-agent").read_bytes() == BINARY.read_bytes() + b"another\n"
    assert os.listdir(root / "usr/local/bin") == ["bbs-agent"]


@pytest.mark.parametrize("call", ["fsync", "?rename,?renameat,?renameat2", "?mkdir,?mkdirat"])
def test_cut_off_anywhere(place: Path, bbs: BBS, call: str) -> None:
    """Killed before each of its calls that change something, it leaves the
    program whole or absent; the next run does the rest, and leaves over
    nothing of the first."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    root = place / "there"
    command = [BINARY, "install", "--root", root, "--server", bbs.url, "--key", bbs.api_key,
               "--ca-file", str(bbs.ca_file), "--borg", "none"]  # fmt: skip
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    whole = {p.relative_to(root): p.read_bytes() if p.is_file() else b"" for p in root.rglob("*")}
    step, killed = 0, True
    while killed and step < 30:
        step += 1
        shutil.rmtree(root)
        cut = subprocess.run(
            ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
             "-e", f"inject={call}:signal=KILL:when={step}", *command],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if "not permitted" in cut.stderr:
            pytest.skip("strace may not")
        killed = cut.returncode != 0
        program = root / "usr/local/bin/bbs-agent"
        assert not program.exists() or program.read_bytes() == BINARY.read_bytes()
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        now = {p.relative_to(root): p.read_bytes() if p.is_file() else b"" for p in root.rglob("*")}
        # An agent that starts looks after its own directory.
        over = [n for n in now if n not in whole and n.parent.name != "bbs-agent"]
        assert not over and all(now[n] == whole[n] for n in whole), (step, over)
    assert not killed and step > 2, step


@pytest.mark.parametrize("install", ["systemd", "sysv"], indirect=True)
def test_a_second_run_repairs(install: Install) -> None:
    """What was damaged is as before, and it is the same client."""
    host = install.host
    host_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END-----\n"
    install.bbs.state.ssh_private_key = host_key
    install.bbs.state.ssh = {"ssh_unix_user": "u1", "server_host": "127.0.0.1", "ssh_port": 2222}
    assert install().code == 0
    good = host.files()
    service = {"systemd": "etc/systemd/system/bbs-agent.service", "sysv": "etc/init.d/bbs-agent"}[host.init]
    done = install(
        "",
        before=f"""
		rm /etc/bbs-agent/ssh_key /etc/bbs-agent/ssh_info.json
		echo broken >/usr/local/bin/bbs-agent; chmod 600 /usr/local/bin/bbs-agent
		sed -i 's/bin.bbs-agent/bin\\/other/' /{service}
		chmod 666 /etc/bbs-agent/config.ini; rm -rf /var/lib/bbs-agent
		""",
    )
    assert done.code == 0, done.said
    assert host.read("etc/bbs-agent/ssh_key") == host_key
    for name in ("usr/local/bin/bbs-agent", service, "etc/bbs-agent/config.ini",
                 "etc/bbs-agent/ssh_key", "etc/bbs-agent/ssh_info.json"):  # fmt: skip
        assert host.files()[name] == good[name], name
    assert len(install.bbs.requests("register")) == 2


# waiting


def test_a_backup_that_begins_meanwhile(install: Install) -> None:
    """It was asked before, and the stock agent began one behind that: its end
    is waited for before anything of it is stopped."""
    host = install.host
    waiting = "until [ -e /tmp/%s ]; do sleep 0.1; done\n"
    host.program("opt/bbs-agent.py", f"#!/bin/sh\n{waiting % 'asked'}/tmp/borg create\necho $? >/tmp/code\n")
    host.program("tmp/borg", f"#!/bin/sh\n{waiting % 'seen'}exit 0\n")
    install.bbs.fault("ssh-key", "slow", seconds=2)

    def begin() -> None:
        install.bbs.wait(lambda: install.bbs.requests("ssh-key"), 30)
        host.write("tmp/asked", "")

    def watch(text: str) -> None:
        if "waiting for its end" in text:
            host.write("tmp/seen", "")

    beginning = threading.Thread(target=begin)
    beginning.start()
    done, seen = at_a_terminal(
        host, f"/opt/bbs-agent.py >/dev/null 2>&1 & /tmp/bbs-agent install {install.options()}", watch
    )
    beginning.join()
    assert done.code == 0, done.said
    assert host.read("tmp/code") == "0\n"
    waits = [n for n, line in enumerate(seen) if "waiting for its end" in line]
    assert len(waits) == 1 and "borg, process" in seen[waits[0]], seen
    assert any("systemctl restart" in line for line in seen[waits[0] :])
    assert not any("systemctl restart" in line for line in seen[: waits[0]])
