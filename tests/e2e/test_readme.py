"""README.md is run: every command of its code blocks on a small host in a
directory (support/hosttree.py, whose service manager is a stand-in) or on this
machine, against the stand-in server behind a real nginx, with a release that
dist/assemble made. What differs from the README's line: the server's address
and the key; where it runs on this machine, --ca-file and --root behind it.
sudo, which a test has no password for, is a script that runs the rest.

A command that is neither run nor listed as not run fails, and so does a list
that names what README.md does not."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bbsd import BBS, CA, Cert
from support import words
from support.agent import BINARY, TOP, Agent
from support.hosttree import Done, HostTree
from support.maker import KNOWN, Maker
from support.nginx import Nginx

README = (TOP / "README.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
EXAMPLE = "https://backup.example.com"
ARCH = os.uname().machine
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a host of its own needs root")

# What is not run here, and why; or what runs it, and a word that stands there.
NOT_RUN: dict[str, str | tuple[str, str]] = {
    "make demo": ("tests/e2e/test_demo.py", '"make", "demo"'),
    "make test": "this is a part of it",
    "make e2e": "this is a part of it",
    "make unit": "make test has run it before this",
    "make": "what is tested here was built by it",
    "make CC=aarch64-linux-gnu-gcc": ("dist/build", "CC="),
    "make V=1": "the same as make, with more to read",
    "make lint": (".ci/run", "lint"),
    "make bench": ("tests/e2e/test_bench.py", "tests/bench/run"),  # 40 minutes: its short form
    "make fuzz": "it takes ten minutes, and clang",
    "make test-arch": "it takes ten compilers",
    "make test-hosts": "it boots six hosts",
    "make test-slow": "it waits for real time limits",
    "make dist SIGN_KEY=private.pem RELEASE_KEY=public.pem": ("tests/e2e/test_release.py", "SIGN_KEY"),
    "sudo bbs-agent doctor --accept-host-key": ("tests/e2e/test_doctor.py", "--accept-host-key"),
    "systemctl status bbs-agent": ("tests/hosts/systemd.py", "systemctl status bbs-agent"),
    "sudo systemctl reload bbs-agent": ("tests/hosts/systemd.py", "systemctl reload bbs-agent"),
    "sudo systemctl kill --kill-who=main -s USR1 bbs-agent": (
        "tests/hosts/systemd.py", "systemctl kill --kill-who=main -s USR1 bbs-agent"),
    "journalctl -u bbs-agent -p warning": ("tests/hosts/systemd.py", "journalctl -u bbs-agent -p warning"),
    "sudo bbs-agent run --debug": ("tests/support/agent.py", "--debug"),
}
SUDO = '#!/bin/sh\nexec "$@"\n'
CURL = f"{EXAMPLE}/bbs-agent/install.sh"
INSTALL = f"install --server {EXAMPLE} --key KEY"
PROGRAM = "sudo ./bbs-agent-x86_64"
RUN: set[str] = set()  # by the tests below, as they are collected


def commands() -> list[str]:
    """Of the blocks that are shell, without comments."""
    lines = "".join(text for kind, text in BLOCK.findall(README) if kind == "sh").splitlines()
    return [re.sub(r"\s+# .*", "", line) for line in lines]


def runs(*lines: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test runs these."""
    RUN.update(lines)
    return needs_root


# what there is


def test_each_command_is_run_or_has_a_reason() -> None:
    said = set(commands())
    assert said - RUN - set(NOT_RUN) == set(), "neither run nor listed with a reason"
    assert (RUN | set(NOT_RUN)) - said == set(), "not in README.md any more"
    assert not RUN & set(NOT_RUN)


def test_no_block_escapes() -> None:
    """Each is fenced and says what it is."""
    kinds = [kind for kind, _ in BLOCK.findall(README)]
    assert set(kinds) == {"sh", "text", "ini"}
    rest = BLOCK.sub("", README)
    assert "```" not in rest and not re.search(r"\n\n(    |\t)", rest)


def test_what_runs_the_rest_is_there() -> None:
    for command, reason in NOT_RUN.items():
        if isinstance(reason, tuple):
            assert reason[1] in (TOP / reason[0]).read_text(), (command, reason)


def test_targets() -> None:
    """Whatever is called a target anywhere in README.md is one."""
    named = set(re.findall(r"`make ([a-z][a-z0-9-]*)[` ]", README))
    named |= {line.split()[1] for line in commands() if re.match(r"make [a-z]", line)}
    assert {"demo", "test", "help", "reproducible", "dist"} <= named
    rules = "".join((TOP / name).read_text() for name in ("Makefile", "tests/tests.mk", "dist/dist.mk"))
    for target in named:
        assert re.search(rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:(?!=)", rules, re.M), target


def table(head: str) -> list[list[str]]:
    """The cells of the rows of the table whose head begins so."""
    [found] = re.findall(rf"^{re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.M)
    return [line.strip("|").split(" | ") for line in found.splitlines()]


def make(*what: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    return subprocess.run(["make", *what], cwd=TOP, env=env, capture_output=True, text=True)


def test_commands_in_the_text() -> None:
    """`bbs-agent ...` anywhere: a command with options that it has."""
    found = re.findall(r"`(?:sudo )?bbs-agent ([a-z][^`]*)`", README)
    assert len(found) > 4
    for text in found:
        verb, *rest = text.split()
        assert verb in words.verbs(), text
        assert {w for w in rest if w.startswith("--")} <= words.options(verb), text


def test_options_and_keys_are_all_there() -> None:
    known = {name for name, _, _ in words.option_rows()}
    assert all(re.search(rf"`[^`\n]*{name}\b|^.*{name}\b", README, re.M) for name in known)
    told = re.findall(r"`(--[a-z-]+)[^`]*`", "".join(row[0] for row in table("| option |")))
    assert set(told) == words.options("install") - {"--config"}
    section, keys = "", []
    for row in table("| section | key |"):
        section = row[0].strip() or section
        keys.append((section, row[1].strip(" `")))
    assert sorted(keys) == sorted(words.config_keys())
    told = re.findall(r"`(\w+)`", "".join(row[0] for row in table("| environment |")))
    assert set(told) == words.environment() - {
        "PATH", "HOME", "TERM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM",
        "BBS_AGENT_BUNDLE"}  # fmt: skip
    told = re.findall(r"`(\w+)`", "".join(row[0] for row in table("| the server orders |")))
    assert set(told) == words.tasks()
    assert {row[0].strip() for row in table("| code |")} == words.exit_codes()
    told = re.findall(r"SIG\w+", "".join(row[0] for row in table("| signal |")))
    assert set(told) == words.signals()
    for path in words.files() - {"/etc/bbs-agent", "/var/lib/bbs-agent", "/run/bbs-agent"}:
        assert f"`{path}" in README, path


def test_links_lead_somewhere() -> None:
    heads = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
             for h in re.findall(r"^#+ (.*)$", README, re.M)}  # fmt: skip
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert target[1:] in heads if target[0] == "#" else (TOP / target).exists(), target


def literals() -> str:
    """All texts of the program, those that are written in parts put together."""
    text = "".join(path.read_text() for path in sorted(words.SRC.rglob("*.[ch]")))
    text = re.sub(r"/\*.*?\*/|'\\\\?.'", "", text, flags=re.S)
    text = re.sub(r'(?<!\\)"\s*"', "", text)
    return "\n".join(re.findall(r'"((?:\\.|[^"\\\n])*)"', text)).replace('\\"', '"')


# What stands for something else in a quoted sentence: names, numbers, and what
# is left out.
OTHERS = re.compile(
    r'\.\.\.|\bHOST\b|\bX\b|\bFILE\b|\bN\b|"|\bconfig\.ini\b|/etc/[\w/.-]+[\w]|/usr/[\w/]+|'
    r"/api/\S*|\[\w+\] \w+ = \S+|\b[\d.]+\b|state D|DNS|connection refused|server_host|SSH-2|"
    r"backup(?= received)|plan1\S*|\b[\d-]+T?[\d:]+Z?\b|"
    r"plugin MySQL dump|Access denied .*|plugin Shell Script Hook|: cannot start"
)


def unsaid(quotes: list[str]) -> list[str]:
    """Parts of them that stand in no text of the program."""
    said = literals()
    parts = [part.strip(" :,()") for quote in quotes for part in OTHERS.split(quote)]
    return [part for part in parts if len(part) > 5 and part not in said]


def test_what_doctor_is_said_to_say() -> None:
    """Each row names checks, and quotes what the program says."""
    rows = table("| what is the matter |")
    assert len(rows) > 25
    checks = set(re.findall(r'^    \{"([a-z_]+)", doctor_\w+\}', words.source("cli/doctor.c"), re.M))
    for _, text in rows:
        quotes = re.findall(r"`([^`]*)`", text)
        assert quotes[0] in checks, text
        sentences = [q for q in quotes if " " in q and not re.match(r"bbs-agent |proxy = ", q)]
        assert sentences and not unsaid(sentences), text


def test_what_the_log_is_said_to_say() -> None:
    """Each line of the table is one of the program's own."""
    rows = table("| the log |")
    assert len(rows) > 10
    quotes = [quote for first, _ in rows for quote in re.findall(r"`([^`]*)`", first)]
    assert not unsaid(quotes)


def test_doctors_checks() -> None:
    """Each of them, in their order."""
    rows = re.findall(r'^    \{"([a-z_]+)", doctor_\w+\}', words.source("cli/doctor.c"), re.M)
    part = README[README.index("\n## Doctor") : README.index("\n## Troubleshooting")]
    table = part[part.index("| check | |") :]
    told = re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?`) \|", table, re.M)))
    assert told == rows and len(rows) == 19
    [picture] = re.findall(r"^```text\n(.*?)^```", part, re.M | re.S)
    shown = [line.split()[1] for line in picture.splitlines()]
    assert shown == rows[: len(shown)]


def test_the_picture_of_the_log() -> None:
    part = README[README.index("\n## Log") : README.index("\n## Doctor")]
    [picture] = re.findall(r"^```text\n(.*?)^```", part, re.M | re.S)
    lines = [re.fullmatch(r"[\dTZ:-]+ (?:INFO |WARN |ERROR) (.*)", line) for line in picture.splitlines()]
    assert len(lines) > 4 and all(lines)
    assert not unsaid([line[1] for line in lines if line])
    [told] = re.findall(r"`(the server answers again .*?)`", part, re.S)
    assert not unsaid([" ".join(told.split())])


@runs("make help")
def test_make_help() -> None:
    told = make("help").stdout
    for target in ("make demo", "make test", "make dist", "make lint", "make test-hosts"):
        assert target in told


# the server's key


@runs("openssl x509 -in server.crt -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256")
def test_the_pin(place: Path, ca: CA, cert: Cert, bbs: BBS, agent: Agent) -> None:
    """What the line prints, the agent trusts without the CA."""
    shutil.copy(cert.chain, place / "server.crt")
    [line] = [c for c in commands() if c.startswith("openssl x509")]
    done = subprocess.run(["sh", "-c", line], cwd=place, check=True, capture_output=True, text=True)
    pin = done.stdout.split()[-1]
    agent.configure(bbs, server={"ca_file": None, "pin_sha256": pin})
    agent.start()
    bbs.wait_polls(1)
    assert len(pin) == 64


def test_the_configuration(place: Path, agent: Agent) -> None:
    """The example is one, without a warning."""
    [text] = [text for kind, text in BLOCK.findall(README) if kind == "ini"]
    agent.write_config(text.encode())
    agent.config.chmod(0o600)
    done = agent.call("doctor", "--root", str(agent.root))
    assert re.search(r"^OK    config ", done.stdout, re.M), done.stdout


# installed in each way


class World:
    """A release on the server, and the host that is installed."""

    def __init__(self, place: Path, bbs: BBS, cert: Cert) -> None:
        assert bbs.ca_file is not None
        self.bbs, self.place = bbs, place
        self.maker = Maker(place / "release")
        self.maker.make(SIGN_KEY=self.maker.key, RELEASE_KEY=self.maker.public)
        self.nginx = Nginx(place / "nginx", bbs.port, cert)
        self.nginx.more = f"location /bbs-agent/ {{ alias {self.maker.out}/; }}"
        self.nginx.start()
        bbs.public_url = self.url = self.nginx.url
        self.host = HostTree(place / "host")
        self.host.program("usr/bin/sudo", SUDO)
        for name in self.maker.out.iterdir():
            shutil.copy(name, self.host.root / "tmp" / rename(name.name))
        self.host.write("etc/hosts", "127.0.0.1 localhost\n")
        # as if its CA were one of the system's
        self.host.write("etc/ssl/certs/ca-certificates.crt", Path(bbs.ca_file).read_bytes())
        (self.host.root / "usr/share/man/man8").mkdir(parents=True)

    def close(self) -> None:
        self.nginx.stop()

    def line(self, command: str) -> str:
        """As a person would type it."""
        assert command in commands(), command
        return re.sub(r"\bKEY\b", self.bbs.api_key, command.replace(EXAMPLE, self.url))

    def run(self, *lines: str) -> Done:
        done = self.host.run("cd /tmp\nset -e\n" + "\n".join(map(self.line, lines)))
        assert done.code == 0, done.said
        assert self.bbs.api_key not in done.said
        return done

    @property
    def installed(self) -> bool:
        return (self.host.root / "usr/local/bin/bbs-agent").exists()


def rename(name: str) -> str:
    """README's machine is x86_64; this one may be another."""
    return re.sub(rf"{ARCH}(?=$|\.tar)", "x86_64", name)


@pytest.fixture
def world(place: Path, ca: CA, cert: Cert) -> Iterator[World]:
    if not KNOWN:
        pytest.skip("install.sh calls this machine otherwise")
    with BBS(place / "bbs", tls=False, ca=ca) as bbs:
        world = World(place, bbs, cert)
        yield world
        world.close()


ONE_LINE = f"curl -fsSL {CURL} | sudo sh -s -- --server {EXAMPLE} --key KEY"


@runs(ONE_LINE)
def test_one_line(world: World, place: Path) -> None:
    """On this machine, for its curl is no file that stands alone; and with a CA
    of one's own."""
    assert "give curl `--cacert ca.pem`, and `--ca-file ca.pem` behind the key" in README
    (place / "bin").mkdir()
    (place / "bin/sudo").write_text(SUDO)
    (place / "bin/sudo").chmod(0o755)
    root = place / "root"
    root.mkdir()
    line = world.line(ONE_LINE).replace("curl ", f"curl --cacert {world.bbs.ca_file} ", 1)
    line += f" --ca-file {world.bbs.ca_file} --root {root} --borg none"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, cwd=place,
        env={"PATH": f"{place}/bin:{os.environ['PATH']}", "HOME": "/", "TMPDIR": str(place)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (root / "usr/local/bin/bbs-agent").read_bytes() == BINARY.read_bytes()
    assert world.url in (root / "etc/bbs-agent/config.ini").read_text()


LOOKS = ["bbs-agent status", "bbs-agent status --json", "sudo bbs-agent uninstall --dry-run"]


@runs("chmod +x bbs-agent-x86_64", f"{PROGRAM} {INSTALL}", *LOOKS, "bbs-agent status --watch",
      "sudo bbs-agent uninstall --purge", "sudo bbs-agent doctor")  # fmt: skip
def test_the_program_alone(world: World) -> None:
    """Installed, looked at, and taken away."""
    before = world.host.files()
    done = world.host.run(
        "\n".join(["cd /tmp", "chmod -x bbs-agent-x86_64",
                   *map(world.line, ["chmod +x bbs-agent-x86_64", f"{PROGRAM} {INSTALL}"]),
                   "until bbs-agent status | grep -q answered; do sleep 0.1; done",
                   *map(world.line, LOOKS), "bbs-agent status --watch >/tmp/watch & watch=$!",
                   "until grep -q Server /tmp/watch; do sleep 0.1; done; kill $watch",
                   world.line("sudo bbs-agent doctor") + "; echo doctor $?",
                   world.line("sudo bbs-agent uninstall --purge"), "rm /tmp/watch"])
    )  # fmt: skip
    assert done.code == 0, done.said
    assert "is installed and runs as a service of systemd; the server has answered it" in done.out
    assert "would remove /usr/share/man/man8/bbs-agent.8" in done.out
    assert "Server    " + world.url in done.out and '{"running":true' in done.out
    assert "would remove /usr/local/bin/bbs-agent" in done.out
    assert re.search(r"^OK    api_key ", done.out, re.M), done.out
    assert "bbs-agent is uninstalled" in done.out
    assert world.host.files() == before
    picture(done.out)


@needs_root
def test_the_picture_of_install(world: World) -> None:
    """On a terminal each of its lines comes, in this order."""
    [shown] = [text for _, text in BLOCK.findall(README) if text.startswith("# bbs-agent install")]
    state = world.bbs.state
    state.ssh_private_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END-----"
    state.ssh = {"ssh_unix_user": "u1", "server_host": "127.0.0.1", "ssh_port": 2222}
    ours, theirs = os.openpty()
    line = world.line(f"{PROGRAM} {INSTALL}")
    done = world.host.run(f"cd /tmp; chmod +x bbs-agent-x86_64; {line} >&9 2>&9", terminal=theirs)
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(ours, 65536):
            told += part
    os.close(ours)
    assert done.code == 0, told
    lines = iter(re.sub(r"\d+", "N", text) for text in told.decode().splitlines())
    for text in shown.splitlines()[1:]:
        assert re.sub(r"\d+", "N", text) in lines, (text, told.decode())


def picture(out: str) -> None:
    """What README.md shows of status has the lines of this one."""
    [shown] = [text for _, text in BLOCK.findall(README) if text.startswith("$ bbs-agent status")]
    labels = re.findall(r"^([A-Z]\S*(?: \S+)?|borg)  +\S", shown, re.M)
    assert labels == ["Server", "SSH key", "borg", "Reports", "Policy", "Sandbox", "Update", "Job", "Last jobs"]
    for label in labels[:-1]:
        assert re.search(rf"^{label}  +\S", out, re.M), label


@runs(f"{PROGRAM} install")
def test_in_place_of_the_stock_agent(world: World) -> None:
    world.host.write("etc/bbs-agent/config.ini", f"[server]\nurl = {world.url}\n"
                     f"api_key = {world.bbs.api_key}\n\n[agent]\npoll_interval = 30\n")  # fmt: skip
    world.host.write("opt/bbs-agent/bbs-agent.py", "print()\n")
    world.host.write("etc/systemd/system/bbs-agent.service",
                     "[Service]\nExecStart=/usr/bin/python3 /opt/bbs-agent/bbs-agent.py\n")  # fmt: skip
    done = world.run("chmod +x bbs-agent-x86_64", f"{PROGRAM} install")
    assert "the server has answered it" in done.out
    assert "python3" not in world.host.read("etc/systemd/system/bbs-agent.service")
    assert (world.host.root / "opt/bbs-agent/bbs-agent.py").exists()


BUNDLE = ["tar xzf bbs-agent-3.0.0-x86_64.tar.gz", "cd bbs-agent-3.0.0-x86_64",
          f"sudo ./install.sh --server {EXAMPLE} --key KEY"]  # fmt: skip


@runs(*BUNDLE)
def test_a_bundle(world: World) -> None:
    version = re.search(r"bbs-agent-([\d.]+)-", world.maker.bundle.name)
    assert version and BUNDLE[0].split("-")[2] == version[1], "README names another version"
    if ARCH != "x86_64":
        pytest.skip("the directory in the bundle has this machine's name")
    done = world.run(*BUNDLE)
    assert "the server has answered it" in done.out


@runs(f"{PROGRAM} {INSTALL} --root /mnt/image")
def test_into_an_image(world: World) -> None:
    image = HostTree(world.host.root / "mnt/image")
    image.program("lib/systemd/systemd", "")
    shutil.copytree(world.host.root / "etc/ssl", image.root / "etc/ssl")
    world.run("chmod +x bbs-agent-x86_64", f"{PROGRAM} {INSTALL} --root /mnt/image")
    assert not world.installed
    assert (image.root / "usr/local/bin/bbs-agent").exists()
    assert "ExecStart=/usr/local/bin/bbs-agent run\n" in image.read("etc/systemd/system/bbs-agent.service")


@runs(f"{PROGRAM} {INSTALL} --service none", "sudo bbs-agent run --once")
def test_cron(world: World) -> None:
    done = world.run("chmod +x bbs-agent-x86_64", f"{PROGRAM} {INSTALL} --service none",
                     "sudo bbs-agent run --once")  # fmt: skip
    assert "nothing starts it yet. A line that does: " in done.out
    assert len(world.bbs.requests("tasks")) == 1
    [line] = [t for _, t in BLOCK.findall(README) if t.startswith("*/10 ")]
    assert shlex.split(line)[5:9] == ["root", "/usr/local/bin/bbs-agent", "run", "--once"]
    assert shlex.split(line)[6] in done.out


UPDATES = [f"sudo bbs-agent update{more}" for more in (" --check", "", " --from /media/usb/bbs-agent")]


@runs(*UPDATES)
def test_updates(world: World) -> None:
    """There is none that is newer; tests/e2e/test_update.py has the others."""
    world.host.write("etc/bbs-agent/key.pem", world.maker.public.read_bytes())
    shutil.copytree(world.maker.out, world.host.root / "media/usb/bbs-agent")
    world.run("chmod +x bbs-agent-x86_64", f"{PROGRAM} {INSTALL}")
    config = world.host.read("etc/bbs-agent/config.ini")
    world.host.write("etc/bbs-agent/config.ini", config + "\n[update]\npublic_key = /etc/bbs-agent/key.pem\n", 0o600)
    done = world.host.run("\n".join(map(world.line, UPDATES)))
    assert "newer: no" in done.out and done.said.count("is the newest that") == 2, done.said
    assert f"{world.url}/bbs-agent" in done.said and "/media/usb/bbs-agent" in done.said


BY_HAND = ["openssl ecparam -name prime256v1 -genkey -noout -out private.pem",
           "openssl pkey -in private.pem -pubout -out public.pem",
           "{ echo '# bbs-agent 3.1.0'; sha256sum bbs-agent-*; } >SHA256SUMS",
           "openssl dgst -sha256 -sign private.pem -out SHA256SUMS.sig SHA256SUMS"]  # fmt: skip


@runs(*BY_HAND)
def test_a_release_by_hand(place: Path) -> None:
    """What these lines sign, the agent would take."""
    if not KNOWN:
        pytest.skip("a release calls this machine otherwise")
    shutil.copy(BINARY, place / f"bbs-agent-{ARCH}")
    lines = [line for line in commands() if line in BY_HAND]
    subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=place, check=True, capture_output=True)
    config = place / "config.ini"
    config.write_text("[server]\nurl = https://127.0.0.1:9\napi_key = k\n"
                      f"[update]\nurl = {place}\npublic_key = {place}/public.pem\n")  # fmt: skip
    done = subprocess.run(
        [BINARY, "update", "--check", "--root", place / "root", "--config", config],
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "available: bbs-agent 3.1.0" in done.stdout, done.stderr
