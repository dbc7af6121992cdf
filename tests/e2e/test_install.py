"""install and uninstall on small hosts of each kind, against a server over
TLS. The service managers are stand-ins (support/hosttree.py says which)."""

import os
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from bbsd import BBS, CA
from support.agent import BINARY, TOP
from support.hosttree import Done, HostTree, Install

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a host of its own needs root (chroot, PID namespace)"
)

INITS = ["systemd", "openrc", "sysv", "procd"]


@pytest.fixture
def install(place: Path, bbs: BBS, request: pytest.FixtureRequest) -> Install:
    return Install(HostTree(place / "host", getattr(request, "param", "systemd")), bbs)


def refused(install: Install, done: Done, words: str, code: int = 1) -> None:
    """One sentence, and nothing is different from before."""
    assert done.code == code, done.said
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert re.search(words, done.err), done.err
    assert "nothing was changed" in done.err
    assert install.bbs.api_key not in done.said


# installed


@pytest.mark.parametrize("install", INITS, indirect=True)
def test_from_nothing_to_nothing(install: Install) -> None:
    """Installed, answered, installed again, taken away."""
    host, bbs = install.host, install.bbs
    before = host.files()
    done = install(after="/tmp/bbs-agent install; cp /run/bbs-agent/lock /tmp/lock")
    assert done.code == 0, done.said
    assert f"runs as a service of {host.init}; the server has answered it" in done.out
    assert len(bbs.requests("register")) == 2
    config = host.root / "etc/bbs-agent/config.ini"
    assert config.stat().st_mode & 0o777 == 0o600
    assert f"url = {bbs.url}\n" in config.read_text()
    assert f"api_key = {bbs.api_key}\n" in config.read_text()
    assert "ca_file = /etc/bbs-agent/ca.pem\n" in config.read_text()
    assert (host.root / "usr/local/bin/bbs-agent").read_bytes() == BINARY.read_bytes()
    assert host.read("tmp/lock").splitlines()[1] == "answered"
    (host.root / "tmp/lock").unlink()

    installed = host.files()
    assert install("").code == 0  # as after a reboot: nothing runs, all is there
    for name, what in host.files().items():
        if not name.startswith(("run/", "var/log/")):
            assert installed[name] == what, name

    (host.root / "usr/local/bin/bbs-agent.old").touch()  # of an update
    done = host.run("/usr/local/bin/bbs-agent uninstall && /tmp/bbs-agent uninstall --purge")
    assert done.code == 0, done.said
    assert "configuration and keys" in done.out
    assert host.files() == before


@pytest.mark.parametrize("install", ["sysv"], indirect=True)
def test_the_init_script(install: Install) -> None:
    """Of SysV, real but for its shell: it starts the agent again when it was
    killed, and its stop ends both."""
    done = install(
        after="""
		agent() { head -n 1 /run/bbs-agent/lock; }
		first=$(agent)
		/etc/rc3.d/S98bbs-agent start
		sed -i 's/sleep 10/sleep 0.2/' /etc/init.d/bbs-agent
		/etc/init.d/bbs-agent restart
		until [ "$(agent)" != $first ]; do sleep 0.1; done
		until [ "$(sed -n 2p /run/bbs-agent/lock)" = answered ]; do sleep 0.1; done
		second=$(agent)
		kill -KILL $second
		until [ "$(agent)" != $second ] && kill -0 $(agent); do sleep 0.1; done
		/etc/init.d/bbs-agent status
		/etc/init.d/bbs-agent stop
		/etc/init.d/bbs-agent status; echo code $?
		echo $first $second $(agent)
		ps | grep -c 'bbs-agent [r]un'
		"""
    )
    assert done.code == 0, done.said
    lines = done.out.splitlines()
    assert "bbs-agent runs already" in lines and "bbs-agent runs" in lines
    assert "code 3" in lines
    assert len(set(lines[-2].split())) == 3
    assert lines[-1] == "0", done.said


def test_the_unit_is_what_systemd_understands(install: Install, place: Path) -> None:
    assert install().code == 0
    unit = place / "bbs-agent.service"
    shutil.copy(install.host.root / "etc/systemd/system/bbs-agent.service", unit)
    for line in ("Type=notify", "Restart=always", "OOMPolicy=continue", "KillMode=control-group",
                 "TimeoutStopSec=30", "StartLimitIntervalSec=0", "After=network-online.target",
                 "WatchdogSec=120", "ExecStart=/usr/local/bin/bbs-agent run"):  # fmt: skip
        assert line in unit.read_text().splitlines()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here; the unit's lines were compared")
    unit.write_text(unit.read_text().replace("/usr/local/bin/bbs-agent", str(BINARY)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0 and str(unit) not in done.stderr, done.stderr


def test_dry_run(install: Install) -> None:
    before = install.host.files()
    done = install(install.options() + " --dry-run")
    assert done.code == 0
    assert install.host.files() == before
    for words in ("would write /usr/local/bin/bbs-agent", "would write /etc/bbs-agent/config.ini",
                  "would write /etc/bbs-agent/ca.pem", "would write /etc/systemd/system/bbs-agent",
                  "would run: systemctl enable", "would run: systemctl restart",
                  "nothing was changed"):  # fmt: skip
        assert words in done.out
    assert not install.host.calls
    assert not install.bbs.requests("register")


def test_the_ssh_key_is_there_at_once(install: Install) -> None:
    bbs = install.bbs
    bbs.state.ssh_private_key = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nx\r\n-----END-----"
    bbs.state.ssh = {"ssh_unix_user": "u1", "server_host": "127.0.0.1", "ssh_port": 2222}
    assert install(install.options() + " --no-start").code == 0
    key = install.host.root / "etc/bbs-agent/ssh_key"
    assert key.read_text().endswith("-----END-----\n") and "\r" not in key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert '"u1"' in install.host.read("etc/bbs-agent/ssh_info.json")
    assert not bbs.requests("register") and "systemctl restart bbs-agent.service" not in install.host.calls


@pytest.mark.parametrize("how", ["file", "environment"])
def test_the_key_out_of_sight(install: Install, how: str) -> None:
    key = install.bbs.api_key
    install.host.write("tmp/key", key + "\r\n")
    by = "--key-file /tmp/key" if how == "file" else ""
    words = f"--server {install.bbs.url} --ca-file /tmp/ca.pem --no-start {by}"
    before = f"export BBS_AGENT_KEY={key}" if how == "environment" else ""
    assert install(words, before).code == 0
    assert f"api_key = {key}\n" in install.host.read("etc/bbs-agent/config.ini")


STOCK = (
    "\ufeff; by the stock installer\r\n[server]\r\nurl: {url}\r\n"
    "API_Key = {key}\r\n# mine\r\nca_file = /tmp/ca.pem\r\n\r\n[agent]\r\npoll_interval = 7\r\n"
)


def test_moving_over_from_the_stock_agent(install: Install) -> None:
    host = install.host
    text = STOCK.format(url=install.bbs.url, key=install.bbs.api_key)
    host.write("etc/bbs-agent/config.ini", text, 0o644)
    host.write("etc/bbs-agent/ssh_key", "kept\n", 0o600)
    host.program("opt/bbs-agent/bbs-agent.py", "#!/bin/sh\nsleep 100\n")
    host.write("etc/systemd/system/bbs-agent.service", "[Service]\nExecStart=/opt/bbs-agent/x\n")
    done = install("--dry-run")
    assert done.code == 0
    assert "another agent's: it is replaced" in done.out
    assert "left as it is: /opt/bbs-agent" in done.out
    done = install("")
    assert done.code == 0, done.said
    assert (host.root / "etc/bbs-agent/config.ini").read_bytes() == text.encode()
    assert (host.root / "etc/bbs-agent/config.ini").stat().st_mode & 0o777 == 0o600
    assert host.read("etc/bbs-agent/ssh_key") == "kept\n"
    assert (host.root / "opt/bbs-agent/bbs-agent.py").exists()
    assert "/usr/local/bin/bbs-agent run" in host.read("etc/systemd/system/bbs-agent.service")


def test_given_values_replace_and_the_rest_stays(install: Install) -> None:
    text = STOCK.format(url="https://192.0.2.1", key="old-key")
    install.host.write("etc/bbs-agent/config.ini", text)
    assert install(install.options() + " --no-start").code == 0
    want = text.lstrip("\ufeff").replace("\r\n", "\n")
    want = want.replace("url: https://192.0.2.1", f"url = {install.bbs.url}")
    want = want.replace("API_Key = old-key", f"api_key = {install.bbs.api_key}")
    want = want.replace("/tmp/ca.pem", "/etc/bbs-agent/ca.pem")
    assert install.host.read("etc/bbs-agent/config.ini") == want


def test_borg_from_a_file(install: Install) -> None:
    install.host.program("tmp/borg", "#!/bin/sh\necho borg 1.4.1\n")
    install.host.program("tmp/bad", "#!/bin/sh\nexit 7\n")
    before = install.host.files()
    refused(install, install(install.options() + " --borg /tmp/bad"), "does not run here.*7")
    assert install.host.files() == before
    assert install(install.options() + " --no-start --borg /tmp/borg").code == 0
    assert "1.4.1" in install.host.read("usr/local/bin/borg")


def test_without_borg_and_ssh(install: Install) -> None:
    """Both can be had later: said, no more."""
    (install.host.root / "usr/bin/borg").unlink()
    (install.host.root / "usr/bin/ssh").unlink()
    done = install()
    assert done.code == 0
    assert "there is no borg yet" in done.err and "ssh is not installed" in done.err
    assert "has answered" in done.out


def test_a_service_that_fails(install: Install) -> None:
    """What the service manager says is shown; a second run repairs."""
    good = install.host.read("bin/systemctl")
    install.host.program("bin/systemctl", "#!/bin/sh\necho Unit is cursed >&2\nexit 5\n")
    done = install()
    assert done.code == 1
    assert "code 5" in done.err and "Unit is cursed" in done.err
    assert "nothing was changed" not in done.err
    install.host.program("bin/systemctl", good)
    assert install().code == 0


# into a tree


@pytest.mark.parametrize("kind", ["systemd", "openrc", "sysv", "procd", "plain"])
def test_a_tree_that_is_not_booted(place: Path, bbs: BBS, kind: str) -> None:
    """No start; what starts it at the first boot is there."""
    marks = {"systemd": "usr/lib/systemd/systemd", "openrc": "sbin/openrc-run",
             "sysv": "etc/rc2.d/README", "procd": "sbin/procd", "plain": "README"}  # fmt: skip
    links = {
        "systemd": "etc/systemd/system/multi-user.target.wants/bbs-agent.service",
        "openrc": "etc/runlevels/default/bbs-agent",
        "sysv": "etc/rc2.d/S98bbs-agent",
        "procd": "etc/rc.d/S95bbs-agent",
    }
    tree = place / "tree"
    for name in [marks[kind], *(["bin/sh", "etc/init.d/x"] if kind != "plain" else [])]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    insserv = tree / "etc/init.d/.depend.start"
    before = "TARGETS = a bbs-agent-x\nINTERACTIVE =\na: bbs-agent\n"
    insserv.parent.mkdir(parents=True, exist_ok=True)
    insserv.write_text(before)
    done = subprocess.run(
        [BINARY, "install", "--root", tree, "--server", bbs.url, "--key", bbs.api_key,
         "--ca-file", str(bbs.ca_file)], capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = (tree / "etc/bbs-agent/config.ini").read_text()
    assert (tree / "usr/local/bin/bbs-agent").stat().st_mode & 0o777 == 0o755
    if kind == "plain":
        assert f"{tree}/usr/local/bin/bbs-agent run --root {tree}" in done.stdout
        assert f"ca_file = {tree}/etc/bbs-agent/ca.pem" in config
        return
    assert "ca_file = /etc/bbs-agent/ca.pem" in config
    link = tree / links[kind]
    target = os.readlink(link)
    found = tree / target.lstrip("/") if target.startswith("/") else link.parent / target
    assert "/usr/local/bin/bbs-agent" in found.read_text()
    assert str(tree) not in found.read_text()
    again = [BINARY, "install", "--root", tree]
    assert subprocess.run(again, capture_output=True, timeout=30).returncode == 0
    listed = before.replace("-x\n", "-x bbs-agent\n") if kind == "sysv" else before
    assert insserv.read_text() == listed
    gone = [BINARY, "uninstall", "--purge", "--root", tree]
    assert subprocess.run(gone, capture_output=True, timeout=30).returncode == 0
    assert not [p for p in tree.rglob("*bbs-agent*")]
    assert insserv.read_text() == before


# refused


@pytest.mark.parametrize(
    ("name", "words"),
    [("bash", "PID 1 is \"bash\".*container"), ("tini", "tini"), ("runit", "runit.*--service none")],
)
def test_nothing_would_keep_it_running(install: Install, name: str, words: str) -> None:
    before = install.host.files()
    refused(install, install(pid1=name), words)
    assert install.host.files() == before
    assert not install.bbs.requests()


def test_cron_gets_a_line(install: Install) -> None:
    install.host.write("etc/crontab", "")
    done = install(install.options() + " --service none", pid1="bash")
    assert done.code == 0, done.said
    assert "*/10 * * * * root /usr/local/bin/bbs-agent run --once" in done.out
    line = done.out[done.out.index("*/10") :].split("root ")[1]
    assert install.host.run(line, pid1="bash").code == 0
    assert install.bbs.requests("register")


def test_busybox_init_gets_a_line(install: Install) -> None:
    install.host.write("etc/inittab", "")
    done = install(pid1="init", shell="/bin/busybox sh")
    assert done.code == 0, done.said
    assert "::respawn:/usr/local/bin/bbs-agent run" in done.out
    assert not install.host.calls


def an_agents_borg(command: str) -> str:
    return (
        f"mkdir /opt; printf '#!/bin/sh\\n%s\\nexit 0\\n' '/tmp/borg {command}' >/opt/bbs-agent.py\n"
        "printf '#!/bin/sh\\nsleep 60\\nexit 0\\n' >/tmp/borg; chmod +x /tmp/borg /opt/bbs-agent.py\n"
        f"/opt/bbs-agent.py >/dev/null 2>&1 & until ps | grep -q '[b]org {command}'; do sleep 0.1; done"
    )


BEFORE = {
    "the server's host": ("mkdir -p /var/www/bbs", "--on-server"),
    "read-only": ("mount -t tmpfs -o ro none /usr/local", "/usr/local cannot be written.*read-only"),
    "no space": ("mount -t tmpfs -o size=1m none /var/lib", "/var/lib has .* left"),
    "a backup": (an_agents_borg("create"), "a job of the agent runs.*when it is done"),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_refused_for_the_hosts_sake(install: Install, name: str) -> None:
    before, words = BEFORE[name]
    done = install(before=before, after="find /etc /usr /var -name '*bbs-agent*'")
    refused(install, done, words)
    assert done.out == ""
    if name == "the server's host":
        assert install(install.options() + " --on-server --no-start").code == 0


def test_a_question_to_borg_is_no_job(install: Install) -> None:
    """An agent asks for the version when it starts; that can take its time."""
    assert install(before=an_agents_borg("--version")).code == 0


def test_refused_for_the_servers_sake(install: Install) -> None:
    before = install.host.files()
    refused(install, install(install.options("wrong-key")), "refuses the API key .401")
    install.bbs.fault("ssh-key", "status", code=404, page=True)
    refused(install, install(), "404.*BBS server")
    install.bbs.fault("ssh-key", "status", code=503, page=True)
    refused(install, install(), "503")
    words = f"--server {install.bbs.url} --key {install.bbs.api_key}"
    refused(install, install(words), "no CA certificates were found on this host: install .*or set ca_file or pin_sha256")
    install.bbs.stop()
    refused(install, install(), "connection refused")
    install.bbs.start()
    assert install.host.files() == before


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ("", "--server URL", 3),
        ("--server https://127.0.0.1", "API key is missing", 3),
        ("--server ftp://x --key k", "https://", 2),
        ("--server https://x --key k --pin 12", "--pin .*SHA-256", 2),
        ("--server https://x --key k --proxy socks5://x", "--proxy.*http://", 2),
        ("--server https://x --key k --insecure --pin 12", "--insecure", 2),
        ("--server https://x --key k --service upstart", "systemd, openrc", 2),
        ("--server https://x --key-file /nonexistent", "/nonexistent", 1),
        ("--server https://x --key k --ca-file /nonexistent", "/nonexistent", 1),
        ("--server https://x --key k --borg atuo", "--borg atuo: .*; it takes a file, a URL, auto", 1),
        ("--server https://x --key k --root '/a b'", "blanks", 2),
    ],
)
def test_options_that_cannot_be(install: Install, options: str, words: str, code: int) -> None:
    before = install.host.files()
    refused(install, install(options), words, code)
    assert install.host.files() == before


def refused_outside(place: Path, bbs: BBS, words: str, *before: str, binary: Path = BINARY) -> None:
    """Of this very host, into a directory: one sentence, and nothing is there."""
    root = place / "there"
    root.mkdir(exist_ok=True)
    had = sorted(root.rglob("*"))
    done = subprocess.run(
        [*before, binary, "install", "--root", root, "--server", bbs.url, "--key", bbs.api_key,
         "--ca-file", str(bbs.ca_file)], capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    if before and "not permitted" in done.stderr:
        pytest.skip("strace may not")
    assert done.returncode == 1 and done.stdout == ""
    assert re.search(words, done.stderr), done.stderr
    assert "nothing was changed" in done.stderr and done.stderr.count("\n") == 1
    assert sorted(root.rglob("*")) == had and not bbs.requests()


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("release", ["2.6.18-8.el5", "2.4.37", "2.6.31.14"])
def test_an_old_kernel(place: Path, bbs: BBS, release: str) -> None:
    """By its own word, which strace puts into its mouth."""
    fields = b"".join(f.encode().ljust(65, b"\0") for f in ("Linux", "host", release))
    refused_outside(
        place, bbs, f"runs Linux {re.escape(release)}: the agent needs 2.6.32 or newer",
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=uname",
        "-e", f"inject=uname:poke_exit=@arg1={fields.hex()}",
    )  # fmt: skip


def test_a_tree_of_another_machine(place: Path, bbs: BBS) -> None:
    head = bytearray(BINARY.read_bytes()[:64])
    head[18] ^= 0xFF
    shell = place / "there/bin/busybox"
    shell.parent.mkdir(parents=True)
    (place / "there/bin/sh").symlink_to("busybox")
    shell.write_bytes(head)
    refused_outside(place, bbs, "another kind of machine.*: take the bbs-agent for that one")


def test_a_clock_that_was_never_set(place: Path, bbs: BBS) -> None:
    """The agent with the clock of a test; else no certificate would be valid,
    and that would be said of them."""
    binary = TOP / "build/tests/bbs-agent-clock"
    if not binary.exists():
        pytest.skip(f"{binary} is not there: make {binary.relative_to(TOP)}")
    copy = place / "agent"
    shutil.copy(binary, copy)
    Path(f"{copy}.clock-of-a-test").write_bytes(struct.pack("<3q", 0, 0, -int(time.time()) * 1000))
    refused_outside(place, bbs, "clock is before the day.*set the date first", binary=copy)


def test_only_root(place: Path) -> None:
    binary = place / "bbs-agent"
    shutil.copy(BINARY, binary)
    place.chmod(0o755)
    for verb in ("install --service none --server http://127.0.0.1:1 --key k", "uninstall"):
        done = subprocess.run([binary, *verb.split()], user=65534, capture_output=True, text=True)
        assert done.returncode == 1
        assert "only root" in done.stderr
    config = place / "config.ini"
    config.touch(0o600)
    for verb in ("run", "update"):
        done = subprocess.run([binary, verb, "--config", config], user=65534, capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr == f"bbs-agent: cannot read {config}: Permission denied: run this as root, or with sudo\n"


# removed


def test_uninstall_leaves_what_is_not_ours(install: Install) -> None:
    host = install.host
    host.write("etc/systemd/system/bbs-agent.service", "[Service]\nExecStart=/my/own\n")
    before = host.files()
    done = host.run("/tmp/bbs-agent uninstall")
    assert done.code == 0
    assert "not written by bbs-agent install" in done.out
    assert host.files() == before


def test_uninstall_goes_on_past_a_failure(install: Install) -> None:
    host = install.host
    assert install().code == 0
    done = host.run(
        "mkdir -p /var/lib/bbs-agent/held && mount -t tmpfs none /var/lib/bbs-agent/held\n"
        "/tmp/bbs-agent uninstall --purge"
    )
    assert done.code == 1
    assert "/var/lib/bbs-agent" in done.err and "Left" in done.err
    assert [n for n in host.files() if "bbs-agent" in n and not n.startswith("tmp/")] == [
        "var/lib/bbs-agent", "var/lib/bbs-agent/held",
    ]  # fmt: skip
    assert host.run("/tmp/bbs-agent uninstall --purge").code == 0
    assert not [n for n in host.files() if "bbs-agent" in n and not n.startswith("tmp/")]


def test_what_it_says_of_a_certificate_helps(install: Install, place: Path) -> None:
    """Keys of config.ini have options of their own here; the sum is a pin."""
    host, bbs = install.host, install.bbs
    other = CA(place / "other", "Somebody Else").cert.read_bytes()
    host.write("etc/ssl/certs/ca-certificates.crt", other)
    plain = f"--server {bbs.url} --key {bbs.api_key}"
    done = install(plain)
    refused(install, done, "for install these are --ca-file and --pin")
    pin = re.search(r"set pin_sha256 to its key \(([0-9a-f]{64})", done.err)
    assert pin and "etc/bbs-agent" not in host.files(), done.err
    done = install(f"{plain} --pin {pin[1]}")
    assert done.code == 0, done.said
    assert f"pin_sha256 = {pin[1]}\n" in host.read("etc/bbs-agent/config.ini")
