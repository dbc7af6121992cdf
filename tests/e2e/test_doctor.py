"""`bbs-agent doctor`: each thing that goes wrong in practice, made to go wrong
for real, is named by the check that it belongs to, in a sentence that says
what to do; and the server's SSH host key, kept, compared and replaced."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, CA, Cert, spki_pin
from bbsd.ca import openssl
from support.agent import Agent
from support.clock import YEAR, Clock
from support.dropbear import Dropbear, only_dropbear
from support.hosttree import HostTree
from support.nginx import Nginx
from support.site import Site
from support.sshd import Sshd, free_port, keygen
from support.status import wait_told

# In the order in which they are shown: scripts rely on it.
NAMES = (
    "config clock dns proxy tcp tls http api_key poll ssh_key ssh borg repository "
    "cache spool locale service sandbox update"
).split()


class Finding(dict[str, tuple[str, str]]):
    """Check: its state and its text; and the exit code."""

    code = 0

    def expect(self, name: str, state: str, *words: str) -> None:
        found, text = self[name]
        assert found == state, (name, found, text)
        for word in words:
            assert word in text, (name, word, text)

    def expect_skipped(self, needed: str, *names: str) -> None:
        for name in names:
            self.expect(name, "skipped", "not checked: needs " + needed)

    @property
    def failed(self) -> list[str]:
        return [name for name, (state, _) in self.items() if state == "fail"]


def read(out: str, code: int) -> Finding:
    said = json.loads(out)
    assert said["version"] == 1
    assert [c["check"] for c in said["checks"]] == NAMES
    found = Finding({c["check"]: (c["state"], c["text"]) for c in said["checks"]})
    found.code = code
    states = {state for state, _ in found.values()}
    worst = next(s for s in ("fail", "warn", "ok") if s in states)
    assert said["state"] == worst
    assert code == (1 if worst == "fail" else 0) or code == 3
    return found


def doctor(agent: Agent, *options: str) -> Finding:
    done = agent.call("doctor", "--json", *options, "--root", str(agent.root))
    assert "k" * 32 not in done.stdout + done.stderr
    return read(done.stdout, done.returncode)


def point(agent: Agent, url: str, ca: CA | None = None, **server: Any) -> None:
    ca_file = {"ca_file": ca.cert} if ca else {}
    agent.configure(
        server={"url": url, "api_key": "k" * 32, **ca_file, **server},
        borg={"path": agent.borg},
    )


def with_ssh(agent: Agent, bbs: BBS, sshd: Sshd) -> None:
    """What an agent that ran would have fetched."""
    bbs.use_ssh(sshd.access)
    access = sshd.access
    (agent.etc / "ssh_key").write_text(access.private_key)
    (agent.etc / "ssh_key").chmod(0o600)
    (agent.etc / "ssh_info.json").write_text(json.dumps(
        {"ssh_unix_user": access.user, "server_host": access.host, "ssh_port": access.port}
    ))  # fmt: skip


# all is well


def test_all_is_well(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    """And no task is taken away by asking."""
    agent.configure(bbs, agent={"poll_interval": 3600})
    bbs.state.poll_interval = 3600
    bbs.use_ssh(sshd.access)
    agent.start()
    agent.wait_log("the SSH connection works")
    bbs.wait_polls(0)
    job = bbs.add_backup("/nonexistent", ["/etc/hostname"])
    polls = len(bbs.requests("tasks"))
    found = doctor(agent)
    assert not found.failed and found.code == 0, found
    assert len(bbs.requests("tasks")) == polls
    assert job.deliveries == 0
    found.expect("config", "ok", bbs.url)
    found.expect("clock", "ok", "as on the server")
    found.expect("dns", "ok", "127.0.0.1")
    found.expect("proxy", "ok", "none")
    found.expect("tcp", "ok", f"127.0.0.1 port {bbs.port} takes connections")
    found.expect("tls", "ok", "TLS 1.2", "bbsd test root", "made out to", "127.0.0.1", "days left")
    found.expect("api_key", "ok", "accepts")
    found.expect("poll", "ok", f"agent {agent.pid}")
    found.expect("ssh_key", "ok", "same as the server")
    found.expect("ssh", "ok", "ssh-ed25519 SHA256:")
    found.expect("borg", "ok", "1.2")
    found.expect("repository", "skipped", "no job has named a repository yet")
    found.expect("spool", "ok", "waiting reports: 0")
    found.expect("sandbox", "ok" if full_sandbox(agent) else "warn", "no_new_privs")
    found.expect("update", "skipped")


def full_sandbox(agent: Agent) -> bool:
    """Did the running agent get all of it on this kernel?"""
    line = agent.wait_log("sandbox: ")
    return "Landlock" in line and "seccomp" in line and "rlimits" in line


def test_for_people(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    done = agent.call("doctor", "--root", str(agent.root))
    assert done.returncode == 1  # there is no SSH key
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    assert [words[1] for words in lines] == NAMES
    assert {words[0] for words in lines} <= {"OK", "WARN", "FAIL", "-"}
    assert ["FAIL", "ssh_key"] in [words[:2] for words in lines]
    assert "no agent runs here" in done.stdout
    assert agent.call("help", "doctor").stdout.startswith("usage: bbs-agent doctor")
    assert not agent.run_dir.exists(), "it only looks"


def test_on_a_terminal(agent: Agent) -> None:
    """80 columns wide: no word is broken, and a pipe gets each line whole."""
    whole = agent.call("doctor", "--root", str(agent.root)).stdout
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    done = subprocess.Popen(agent.command("doctor"), env=agent.env, stdin=subprocess.DEVNULL,
                            stdout=theirs, stderr=subprocess.DEVNULL)  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    assert done.wait(60) == 3
    lines = shown.decode().replace("\r", "").splitlines()
    assert len(lines) > len(NAMES)
    for line in lines:
        assert len(line) <= 80 or " " not in line[18:], line
    joined = "\n".join(lines).replace("\n" + 18 * " ", " ")
    moment = r"\d\d:\d\d:\d\d|[\d.]+ GB"
    assert re.sub(moment, "", joined) == re.sub(moment, "", whole.rstrip("\n"))


def test_times_and_letters_are_the_readers(place: Path, ca: CA, agent: Agent) -> None:
    """And a script's are UTC and UTF-8. A server's certificate is text from
    outside: it steers no terminal."""
    cert = Cert(place / "odd.pem", place / "odd.key")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8",
            "-subj", "/CN=Zürich\u202e\u009b2J", "-days", "30", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", cert.key, "-out", cert.chain)  # fmt: skip
    with server(place, agent, ca, cert) as bbs:
        agent.configure(bbs, server={"ca_file": None, "pin_sha256": spki_pin(cert.chain)})
        agent.env["TZ"] = "ABC-5:30"
        before = time.time()
        done = agent.call("doctor", "--root", str(agent.root))
        there = {time.strftime("%Y-%m-%d %H:%M", time.gmtime(t + 19800)) for t in (before, time.time())}
        clock = next(line for line in done.stdout.splitlines() if line.startswith("OK    clock"))
        assert clock.split("clock")[1].strip()[:16] in there and " ABC, as on the server" in clock
        assert "Zürich?" in done.stdout and "\u202e" not in done.stdout
        assert "\u009b" not in done.stdout and "\\xc2\\x9b2J" in done.stdout
        agent.env["LC_ALL"] = "C"
        plain = agent.call("doctor", "--root", str(agent.root)).stdout
        assert plain.isascii() and "Z?rich?" in plain
        found = doctor(agent)
        found.expect("clock", "ok", " UTC, as on the server")
        found.expect("tls", "ok", "Zürich")


# config.ini


def test_not_configured(agent: Agent) -> None:
    found = doctor(agent)
    assert found.code == 3
    found.expect("config", "fail", "config.ini", "not configured")
    found.expect_skipped("config", "dns", "tcp", "tls", "http", "api_key", "sandbox")
    found.expect("borg", "ok")
    found.expect("locale", "ok")


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ("[server]\nurl = https://x\napi_key = k\n[agent]\npoll_interval = 0\n", "fail", "line 5"),
        ("[server]\nurl = https://x y\napi_key = k\n", "fail", "url = https://x y"),
        ("[server]\nurl = http://127.0.0.1:1\napi_key = k\nurk = 1\n", "warn", "line 4"),
    ],
)
def test_a_bad_line(agent: Agent, text: str, state: str, words: str) -> None:
    agent.write_config(text)
    found = doctor(agent)
    found.expect("config", state, words)
    assert found.code == 1


def test_a_key_that_others_can_read(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    agent.config.chmod(0o644)
    doctor(agent).expect("config", "warn", "chmod 600")


# the way to the server


def test_the_port_is_closed(agent: Agent) -> None:
    port = free_port("127.0.0.1")
    point(agent, f"http://127.0.0.1:{port}")
    found = doctor(agent)
    found.expect("dns", "ok")
    found.expect("tcp", "fail", f"port {port}: connection refused", "firewall")
    found.expect_skipped("tcp", "tls", "http", "api_key")
    found.expect("poll", "warn", "no agent runs here", "start it (")


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """A port behind which nobody accepts: SYNs are dropped, as a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        yield port
        for caller in callers:
            caller.close()


def test_a_firewall(agent: Agent, full_backlog: int) -> None:
    point(agent, f"http://127.0.0.1:{full_backlog}")
    found = doctor(agent)
    found.expect("tcp", "fail", f"port {full_backlog}: no answer", "does a firewall block it?")
    found.expect_skipped("tcp", "http", "api_key")


# A network of its own: the loopback, and a name server that says that there is
# no such name (its argument: 1), or none at all.
ALONE = """
import fcntl, os, socket, struct, subprocess, sys, threading
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1) + bytes(14))
subprocess.run(["mount", "--bind", sys.argv[2], "/etc/resolv.conf"], check=True)
def serve(s):
    while True:
        query, peer = s.recvfrom(512)
        s.sendto(query[:2] + b"\\x81\\x83" + query[4:6] + bytes(6) + query[12:], peer)
if sys.argv[1] == "1":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(s,), daemon=True).start()
sys.exit(subprocess.run(sys.argv[3:]).returncode)
"""


@pytest.mark.parametrize(
    ("answers", "words"), [("1", "no such name"), ("0", "the name servers do not answer")]
)
def test_the_name_is_not_found(place: Path, agent: Agent, answers: str, words: str) -> None:
    alone = ["unshare", *([] if os.geteuid() == 0 else ["-r"]), "-m", "-n"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here")
    conf = place / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    point(agent, "http://backup.example")
    command = agent.command("doctor", "--json")
    done = subprocess.run(
        [*alone, sys.executable, "-c", ALONE, answers, str(conf), *command],
        env=agent.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found = read(done.stdout, done.returncode)
    found.expect("dns", "fail", "backup.example", words, "/etc/resolv.conf")
    found.expect_skipped("dns", "tcp", "tls", "http", "api_key")


def test_each_address_of_a_name(place: Path, bbs: BBS, agent: Agent) -> None:
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    if tried.returncode != 0:
        pytest.skip("no mounts of its own can be made here")
    hosts = place / "hosts"
    hosts.write_text("127.0.0.1 twin.example\n127.0.0.9 twin.example\n::1 twin.example\n")
    agent.configure(bbs, server={"url": f"https://twin.example:{bbs.port}"})
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts),
         *agent.command("doctor", "--json")],
        env=agent.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    found = read(done.stdout, done.returncode)
    found.expect("dns", "ok", "twin.example: ", "127.0.0.1", "127.0.0.9", "::1")
    found.expect("tls", "fail", "the certificate of twin.example is not made out to it")


# certificates


@contextlib.contextmanager
def server(place: Path, agent: Agent, ca: CA, cert: Cert, **more: Any) -> Iterator[BBS]:
    with BBS(place / "tls", cert=cert, ca=ca, **more) as bbs:
        agent.configure(bbs)
        yield bbs


CERTIFICATES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "expired": ({"start_days": -30, "end_days": -1}, ("expired on", "renew it")),
    "not yet valid": ({"start_days": 2}, ("valid only from", "set the clock")),
    "wrong name": ({"hosts": ("example.org", "10.1.2.3")},
                   ("not made out to it but to example.org, 10.1.2.3", "[server] url")),
}  # fmt: skip


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_certificates(place: Path, ca: CA, agent: Agent, kind: str) -> None:
    options, words = CERTIFICATES[kind]
    with server(place, agent, ca, ca.issue("odd", **options)) as bbs:
        found = doctor(agent)
        found.expect("tcp", "ok")
        found.expect("tls", "fail", *words, "it shows: ", "signed by bbsd test root")
        found.expect_skipped("tls", "http", "api_key")
        early = kind == "not yet valid"
        found.expect("clock", "fail" if early else "warn" if kind == "expired" else "ok")
        assert bbs.requests() == [], "the key was sent to a server that is not trusted"


@pytest.mark.parametrize("authority", ["TRUE", "FALSE"])
def test_a_self_signed_certificate(place: Path, ca: CA, agent: Agent, authority: str) -> None:
    """openssl makes it a CA unless it is told not to."""
    cert = Cert(place / "self.pem", place / "self.key")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=backup", "-days", "30", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", f"basicConstraints=critical,CA:{authority}",
            "-keyout", cert.key, "-out", cert.chain)  # fmt: skip
    with server(place, agent, ca, cert):
        found = doctor(agent)
        found.expect("tls", "fail", "is self-signed", "ca_file", "pin_sha256")
        assert found.failed[0] == "tls"


def test_a_certificate_that_ends_soon(place: Path, ca: CA, agent: Agent) -> None:
    with server(place, agent, ca, ca.issue("soon", end_days=3.5)):
        doctor(agent).expect("tls", "warn", "3 days left", "renew it")


def test_what_is_not_verified_is_said(place: Path, ca: CA, agent: Agent) -> None:
    cert = CA(place / "other").issue("x")
    with server(place, agent, ca, cert) as bbs:
        agent.configure(bbs, server={"ca_file": None, "verify": "no"})
        doctor(agent).expect("tls", "warn", "verify = no")
        agent.configure(bbs, server={"ca_file": None, "pin_sha256": spki_pin(cert.chain)})
        doctor(agent).expect("tls", "ok", "pin_sha256")


def test_tls_13_only(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False, ca=ca) as bbs:
        with Nginx(place / "nginx", bbs.port, cert, "TLSv1.3") as nginx:
            agent.configure(bbs, server={"url": nginx.url})
            found = doctor(agent)
            found.expect("tls", "fail", "only TLS 1.3", "enable TLS 1.2")


def test_no_cipher_in_common(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False, ca=ca) as bbs:
        nginx = Nginx(place / "nginx", bbs.port, cert, "TLSv1.2")
        nginx.more = "ssl_ciphers ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:AES128-SHA256;"
        with nginx:
            agent.configure(bbs, server={"url": nginx.url})
            found = doctor(agent)
            found.expect("tls", "fail", "localhost and bbs-agent have no TLS cipher in common", "AES-GCM")


def test_a_ca_of_ones_own(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    """Which sends its certificate alone, as most do; what is said helps."""
    with server(place, agent, ca, cert) as bbs:
        agent.configure(bbs, server={"ca_file": CA(place / "other", "Somebody Else").cert})
        found = doctor(agent)
        found.expect("tls", "fail", "is signed by bbsd test root, which is not in",
                     "and not sent by the server: set ca_file to its CA's certificate")  # fmt: skip
        agent.configure(bbs, server={"ca_file": ca.cert})
        doctor(agent).expect("tls", "ok")


def test_a_missing_ca_file(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"ca_file": "/nonexistent/ca.pem"})
    found = doctor(agent)
    found.expect("tls", "fail", "/nonexistent/ca.pem")
    found.expect("tcp", "skipped", "see tls")
    found.expect_skipped("tls", "sandbox")
    found.expect_skipped("tls", "http", "api_key")


# what answers there


def test_https_to_a_port_without_tls(place: Path, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False) as bbs:
        agent.configure(bbs, server={"url": bbs.url.replace("http:", "https:")})
        found = doctor(agent)
        found.expect("tls", "fail", "speaks plain HTTP, not TLS", "http://")


def test_http_to_a_port_with_tls(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"url": bbs.url.replace("https:", "http:")})
    found = doctor(agent)
    found.expect("tls", "warn", "http://")
    found.expect("http", "fail", "speaks TLS", "must begin with https://")


def test_http_where_https_could_be(place: Path, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False) as bbs:
        agent.configure(bbs)
        found = doctor(agent)
        found.expect("tls", "warn", "unencrypted", "use https://")
        found.expect("api_key", "ok")


def test_another_program(bbs: BBS, agent: Agent) -> None:
    """An SSH server, say."""
    bbs.fault("ssh-key", "not_http")
    agent.configure(bbs)
    doctor(agent).expect("http", "fail", "not HTTP", "SSH-2.0", "check the port")
    bbs.fault("ssh-key", "text", body="hello")
    doctor(agent).expect("http", "fail", 'begins "hello" (JSON: ', "check [server] url")


def test_a_wrong_address(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"url": bbs.url + "/elsewhere"})
    found = doctor(agent)
    found.expect("http", "fail", "404", "address of a BBS server")
    found.expect_skipped("http", "api_key")


def test_an_agent_that_gets_no_answer(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    bbs.fault("register", "error_500", times=1000)
    agent.start()
    wait_told(agent, lambda s: s["server"]["failures"] > 0)
    found = doctor(agent)
    found.expect("api_key", "ok")
    found.expect("poll", "warn", f"agent {agent.pid} asks for tasks, but fails for ", "answers 500")
    os.kill(agent.pid, signal.SIGSTOP)
    (agent.run_dir / "status.json").unlink()
    found = doctor(agent)
    os.kill(agent.pid, signal.SIGCONT)
    found.expect("poll", "warn", "but the server has not answered it yet: its log says why")


def test_a_configuration_that_the_agent_does_not_have_yet(bbs: BBS, agent: Agent) -> None:
    """What doctor reads is right; what runs began with something else."""
    agent.configure(bbs, server={"api_key": "wrong" * 8})
    agent.start()
    agent.wait_log("refuses the API key")
    agent.configure(bbs)
    wait_told(agent, lambda s: s["server"]["failures"] > 0)
    found = doctor(agent)
    found.expect("api_key", "ok")
    found.expect("poll", "warn", "but fails for ", "refuses the API key (401)", "reload the agent")
    os.kill(agent.pid, signal.SIGHUP)
    bbs.wait_polls(1)
    wait_told(agent, lambda s: s["server"]["answered"] and s["server"]["failures"] == 0)
    doctor(agent).expect("poll", "ok", f"agent {agent.pid} asks for tasks")


@pytest.mark.parametrize(
    ("code", "words"), [(403, "refuses the API key (403)"), (429, "asks for fewer requests (429)")]
)
def test_a_server_that_turns_the_key_away(bbs: BBS, agent: Agent, code: int, words: str) -> None:
    bbs.fault("ssh-key", "status", code=code)
    agent.configure(bbs)
    found = doctor(agent)
    found.expect("http", "ok")
    found.expect("api_key", "fail", words)


def test_a_wrong_api_key(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"api_key": "wrong" * 8})
    found = doctor(agent)
    found.expect("http", "ok")
    found.expect("api_key", "fail", "refuses the API key (401)", "copy it again")


def test_a_captive_portal_with_a_certificate(place: Path, agent: Agent) -> None:
    """Who asks by https gets the certificate of the login page: that of a
    name that nobody here knows."""
    portal = CA(place / "public")
    with server(place, agent, portal, portal.issue("portal", hosts=("login.hotel.example",))):
        found = doctor(agent)
        found.expect("tls", "fail", "not made out to it but to login.hotel.example",
                     "a network's login page (captive portal)")  # fmt: skip
        found.expect_skipped("tls", "http", "api_key")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("redirect", {"location": "http://login.example/?from=x", "code": 302}),
        ("text", {"body": "<!DOCTYPE html><title>Welcome to our Wi-Fi</title>"}),
    ],
)
def test_a_captive_portal(bbs: BBS, agent: Agent, kind: str, options: dict[str, Any]) -> None:
    bbs.fault("ssh-key", kind, **options)
    agent.configure(bbs)
    found = doctor(agent)
    found.expect("http", "fail", "login page (captive portal) of this network?", "[server] url")
    assert "JSON" not in found["http"][1], "a person is to understand it"
    found.expect("clock", "ok", "as on the server")


@pytest.mark.parametrize(
    ("scheme", "broken", "words"),
    [("https", "tls", "does not finish the TLS handshake"), ("http", "http", "took over 8 s")],
)
def test_a_port_that_says_nothing(agent: Agent, scheme: str, broken: str, words: str) -> None:
    """It takes connections; nothing comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        point(agent, f"{scheme}://127.0.0.1:{port}")
        found = doctor(agent)
    found.expect("tcp", "ok", f"127.0.0.1 port {port} takes connections")
    found.expect(broken, "fail", words, "overloaded?")
    assert found.failed[0] == broken, found.failed
    found.expect_skipped(broken, "api_key")


def test_a_server_in_trouble(bbs: BBS, agent: Agent) -> None:
    bbs.fault("ssh-key", "error_500")
    agent.configure(bbs)
    doctor(agent).expect("http", "fail", "500", "its own log")


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [(7300, "fail", "2 h 1 min behind"), (-7300, "fail", "2 h 1 min ahead"), (300, "warn", "behind")],
)
def test_a_wrong_clock(bbs: BBS, agent: Agent, seconds: int, state: str, words: str) -> None:
    bbs.fault("ssh-key", "clock", seconds=seconds)
    agent.configure(bbs)
    found = doctor(agent)
    found.expect("clock", state, words, "NTP")
    found.expect("http", "ok")


@pytest.mark.parametrize(
    ("seconds", "clock", "tls"),
    [
        (-10 * YEAR, "is before the day on which this program was made: set this host's clock",
         "which is before this program was made: set the clock"),
        (-2 * 86400, "but the server's certificate begins on", "set the clock"),
        (YEAR, "is that right? By it the server's certificate has expired", "expired on"),
    ],
)  # fmt: skip
def test_this_hosts_clock_is_wrong(
    bbs: BBS, ca: CA, agent: Agent, place: Path, seconds: int, clock: str, tls: str
) -> None:
    """Its own, not the server's: nothing gets as far as to be compared."""
    with server(place, agent, ca, ca.issue("today", start_days=-1, end_days=90)):
        Clock(agent).is_set(seconds)
        found = doctor(agent)
        found.expect("clock", "fail" if seconds < 0 else "warn", clock)
        found.expect("tls", "fail", tls, "this host's clock says")


# proxies


@contextlib.contextmanager
def proxy(answer: bytes, upstream: int = 0) -> Iterator[int]:
    """Says this to a CONNECT; with a port to go to it then passes bytes on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        with contextlib.suppress(OSError):  # it may be gone already
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            while not client.recv(65536).endswith(b"\r\n\r\n"):
                pass
            client.sendall(answer)
            if upstream:
                with socket.create_connection(("127.0.0.1", upstream)) as server:
                    back = threading.Thread(target=copy, args=(server, client))
                    back.start()
                    copy(client, server)
                    back.join()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_a_proxy(bbs: BBS, agent: Agent) -> None:
    with proxy(b"HTTP/1.1 200 OK\r\n\r\n", bbs.port) as port:
        agent.configure(bbs, server={"proxy": f"http://127.0.0.1:{port}"})
        found = doctor(agent)
    found.expect("proxy", "ok", f"127.0.0.1 port {port}")
    found.expect("tcp", "ok", f"127.0.0.1 port {port}")
    found.expect("api_key", "ok")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", "refuses the user or the password"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "refuses the way"),
    ],
)
def test_a_proxy_that_refuses(bbs: BBS, agent: Agent, answer: bytes, words: str) -> None:
    with proxy(answer) as port:
        agent.configure(bbs, server={"proxy": f"http://me:hunter2@127.0.0.1:{port}"})
        found = doctor(agent)
    found.expect("proxy", "fail", words)
    found.expect("tcp", "ok")
    found.expect_skipped("proxy", "tls", "http", "api_key")
    assert "hunter2" not in str(found)


def test_a_proxy_that_is_passed_by(bbs: BBS, agent: Agent) -> None:
    proxy = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    agent.configure(bbs, server={"proxy": proxy, "no_proxy": "127.0.0.1,example.org"})
    found = doctor(agent)
    found.expect("proxy", "ok", "none")
    found.expect("api_key", "ok")
    agent.configure(bbs, server={"proxy": proxy, "no_proxy": "example.org"})
    doctor(agent).expect("proxy", "fail", "cannot be reached")


def test_a_proxy_that_is_not_there(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"proxy": f"http://127.0.0.1:{free_port('127.0.0.1')}"})
    found = doctor(agent)
    found.expect("proxy", "fail", "the proxy cannot be reached", "connection refused")
    found.expect("tcp", "skipped", "see proxy")


# SSH


def test_no_ssh_key_yet(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs)
    found = doctor(agent)
    found.expect("ssh_key", "fail", "there is none yet", "provision SSH on the client's page")
    found.expect_skipped("ssh_key", "ssh")
    bbs.use_ssh(sshd.access)
    doctor(agent).expect("ssh_key", "fail", "start the agent, which fetches it")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_an_ordinary_user_may_not_read_the_key(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    """Which is no reason to tell them that there is none."""
    agent.configure(bbs)
    with_ssh(agent, bbs, sshd)
    with contextlib.ExitStack() as stack:
        # the tests' own directories are closed to others
        for path in (agent.root, *agent.root.parents):
            if path.owner() == "root" and not path.stat().st_mode & 1:
                stack.callback(path.chmod, path.stat().st_mode)
                path.chmod(path.stat().st_mode | 0o11)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *agent.command("doctor", "--json")],
            env=agent.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    found = read(done.stdout, done.returncode)
    found.expect("config", "fail", "Permission denied: run this as root")
    found.expect("ssh_key", "fail", "may not be read: run doctor as root")
    found.expect_skipped("ssh_key", "ssh")


def test_another_ssh_key(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs)
    with_ssh(agent, bbs, sshd)
    bbs.use_ssh(sshd.renew_key())
    found = doctor(agent)
    found.expect("ssh_key", "warn", "not the one that the server has now")
    found.expect("ssh", "fail", "refuses this host's SSH key")


def test_a_key_file_that_others_can_read(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs)
    with_ssh(agent, bbs, sshd)
    (agent.etc / "ssh_key").chmod(0o644)
    doctor(agent).expect("ssh_key", "warn", "chmod 600")


def test_sshd_is_gone(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs)
    with_ssh(agent, bbs, sshd)
    sshd.stop()
    found = doctor(agent)
    found.expect("ssh", "fail", "no SSH connection", "Connection refused")
    found.expect("repository", "skipped", "no job")


# this host


@pytest.mark.parametrize(
    ("lc_all", "lang", "words"),
    [
        ("", "de_DE.UTF-8", "borg runs with de_DE.UTF-8"),
        ("C", "de_DE.UTF-8", 'borg runs with C.UTF-8 in place of "C"'),
        ("", "", 'borg runs with C.UTF-8 in place of ""'),
    ],
)
def test_the_locale(bbs: BBS, agent: Agent, lc_all: str, lang: str, words: str) -> None:
    agent.configure(bbs)
    agent.env |= {"LC_ALL": lc_all, "LANG": lang}
    found = doctor(agent)
    found.expect("locale", "ok", words)


def test_no_borg(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, borg={"path": "/nonexistent/borg"})
    doctor(agent).expect("borg", "fail", "/nonexistent/borg")


def test_a_borg_for_another_c_library(place: Path, bbs: BBS, agent: Agent) -> None:
    """A real program whose loader this host does not have."""
    shell = Path("/bin/dash").read_bytes()
    assert b"/lib64/ld-linux-x86-64.so.2" in shell or pytest.skip("no such program here")
    borg = place / "borg"
    borg.write_bytes(shell.replace(b"/lib64/ld-linux-x86-64.so.2", b"/lib64/ld-other-x86-64.so.1"))
    borg.chmod(0o755)
    agent.configure(bbs, borg={"path": borg})
    doctor(agent).expect("borg", "fail", "/lib64/ld-other-x86-64.so.1", "x86_64", "glibc 2.")


def test_reports_that_wait(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    spool = agent.var / "spool"
    spool.mkdir(parents=True)
    (spool / "0005000000000000-7.json").write_text("{}")
    (spool / "0005000000000000-8.json.bad").write_text("{}")
    found = doctor(agent)
    found.expect("spool", "warn", "waiting reports: 1, the oldest for", "set aside: 1", "-8.json.bad")


@pytest.mark.parametrize(
    ("check", "size", "state"),
    [("cache", "1m", "fail"), ("cache", "500m", "warn"), ("spool", "1m", "fail"), ("spool", "32m", "warn")],
)
def test_a_full_disk(
    place: Path, bbs: BBS, agent: Agent, check: str, size: str, state: str
) -> None:
    mount = place / "small" if check == "cache" else agent.var / "spool"
    mount.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(mount)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        agent.configure(bbs)
        agent.env["BORG_CACHE_DIR"] = str(place / "small/a/b")
        doctor(agent).expect(check, state, "make room")
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a host of its own needs root")
@pytest.mark.parametrize("init", ["systemd", "sysv"])
def test_the_service(place: Path, bbs: BBS, init: str) -> None:
    """None yet, the stock agent's, ours; and a PID 1 that keeps none."""
    host = HostTree(place / "host", init)
    unit = {"systemd": "etc/systemd/system/bbs-agent.service", "sysv": "etc/init.d/bbs-agent"}[init]
    script = "/tmp/bbs-agent doctor --json"
    agent = Agent(place / "agent")
    agent.configure(bbs)
    host.write("etc/bbs-agent/config.ini", agent.config.read_bytes(), 0o600)

    def look(pid1: str | None = None) -> Finding:
        done = host.run(script, pid1)
        return read(done.out, done.code)

    look().expect("service", "fail", init, f"/{unit}", "bbs-agent install")
    host.write(unit, "[Service]\nExecStart=/usr/bin/python3 /opt/bbs-agent/bbs-agent.py\n")
    look().expect("service", "warn", "stock agent", "bbs-agent install")
    host.write(unit, "# written by bbs-agent install\n")
    look().expect("service", "ok", init, unit)
    look("sleep").expect("service", "warn", "PID 1", "keeps no service running")


# the server's host key


def other_host_key(sshd: Sshd, kind: str) -> None:
    sshd.stop()
    for path in (sshd.dir / "host_key", sshd.dir / "host_key.pub"):
        path.unlink()
    keygen(sshd.dir / "host_key", kind)
    sshd.start()


def fingerprint(key: Path) -> str:
    line = subprocess.check_output(["ssh-keygen", "-lf", key], text=True)
    return line.split()[1]


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_another_host_key(site: Site, kind: str) -> None:
    """A new one of the same algorithm or of another: a backup fails and says
    what to do; that done, it works."""
    agent, sshd = site.agent, site.sshd
    agent.wait_log("the SSH connection works")
    known = agent.etc / "known_hosts"
    kept = known.read_text()
    assert kept.startswith(f"[127.0.0.1]:{sshd.port} ssh-ed25519 ")
    before = fingerprint(sshd.dir / "host_key.pub")
    other_host_key(sshd, kind)
    report = site.backup("/etc/hostname").reports[0]
    assert report["result"] == "failed"
    first = report["error_log"].splitlines()[0]
    for words in ("SSH host key", "127.0.0.1", str(known), "bbs-agent doctor --accept-host-key --root"):
        assert words in first
    assert known.read_text() == kept, "nobody agreed to this"
    found = doctor(agent)
    found.expect("ssh", "fail", "--accept-host-key", str(known))
    stranger = "other.example ssh-ed25519 AAAA\n"
    known.write_text(stranger + kept)
    done = agent.call("doctor", "--accept-host-key", "--root", str(agent.root))
    assert done.returncode == 0, done
    now = fingerprint(sshd.dir / "host_key.pub")
    assert f"kept: ssh-ed25519 {before}" in done.stdout
    assert f"now:  ssh-{kind} {now}" in done.stdout
    lines = known.read_text().splitlines()
    assert lines[0] + "\n" == stranger and len(lines) == 2, lines
    assert lines[1].startswith(f"[127.0.0.1]:{sshd.port} ssh-{kind} ")
    assert site.backup("/etc/hostname").reports[0]["result"] == "completed"
    again = doctor(agent, "--accept-host-key")
    again.expect("ssh", "ok", now)
    assert known.read_text().splitlines() == lines


def test_a_person_is_asked(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs)
    with_ssh(agent, bbs, sshd)
    doctor(agent).expect("ssh", "ok")
    known = agent.etc / "known_hosts"
    kept = known.read_text()
    other_host_key(sshd, "ed25519")
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        done = subprocess.run(
            [*agent.command("doctor", "--accept-host-key")],
            env=agent.env, stdin=theirs, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        os.close(ours)
        os.close(theirs)
        assert done.returncode == code, done
        assert "Keep the new key? [y/N]" in done.stdout
        assert (known.read_text() == kept) == (code == 1)
    assert "left as it was" not in done.stderr


def test_a_host_key_cannot_be_fetched(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs)
    done = agent.call("doctor", "--accept-host-key", "--root", str(agent.root))
    assert done.returncode == 1
    assert "the server has not said where its SSH is" in done.stderr
    with_ssh(agent, bbs, sshd)
    doctor(agent)
    kept = (agent.etc / "known_hosts").read_text()
    sshd.stop()
    done = agent.call("doctor", "--accept-host-key", "--root", str(agent.root))
    assert done.returncode == 1
    assert "cannot be fetched" in done.stderr and "Connection refused" in done.stderr
    assert (agent.etc / "known_hosts").read_text() == kept
    assert not (agent.run_dir / "host-key").exists()


def test_an_old_client_keeps_the_key(place: Path, bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    """One that does not know accept-new: the real one, told to refuse it."""
    agent.configure(bbs)
    with_ssh(agent, bbs, sshd)
    old = place / "old"
    old.mkdir()
    real = shutil.which("ssh")
    (old / "ssh").write_text(
        f'#!/bin/sh\ncase "$*" in *accept-new*) exit 255 ;; esac\nexec {real} "$@"\n'
    )
    (old / "ssh").chmod(0o755)
    agent.env["PATH"] = f"{old}:{agent.env['PATH']}"
    doctor(agent).expect("ssh", "ok", fingerprint(sshd.dir / "host_key.pub"))
    other_host_key(sshd, "ed25519")
    doctor(agent).expect("ssh", "fail", "--accept-host-key")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_another_host_key_with_dropbear(place: Path, bbs: BBS, agent: Agent, kind: str) -> None:
    agent.env["PATH"] = only_dropbear(place / "bin")
    agent.configure(bbs)
    with Dropbear(place / "ssh") as sshd:
        with_ssh(agent, bbs, sshd)
        doctor(agent).expect("ssh", "ok")
        known = agent.etc / "dropbear/.ssh/known_hosts"
        stranger = "other.example ssh-ed25519 AAAA\n"
        known.write_text(stranger + known.read_text())
        sshd.stop()
        sshd.new_host_key(kind)
        sshd.start()
        doctor(agent).expect("ssh", "fail", "--accept-host-key", str(known))
        done = agent.call("doctor", "--accept-host-key", "--root", str(agent.root))
        assert "kept: ssh-ed25519 SHA256:" in done.stdout, done
        assert f"now:  ssh-{kind} SHA256:" in done.stdout
        lines = known.read_text().splitlines()
        assert lines[0] + "\n" == stranger and len(lines) == 2, lines
        doctor(agent).expect("ssh", "ok")


def test_host_keys_are_not_wanted(bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    agent.configure(bbs, agent={"ssh_host_key": "no"})
    with_ssh(agent, bbs, sshd)
    doctor(agent).expect("ssh", "ok", "not checked (ssh_host_key = no)")
    other_host_key(sshd, "ed25519")
    doctor(agent).expect("ssh", "ok")
    done = agent.call("doctor", "--accept-host-key", "--root", str(agent.root))
    assert done.returncode == 1 and "no host key is kept" in done.stderr
