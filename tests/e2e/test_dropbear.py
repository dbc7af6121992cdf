"""Hosts whose only ssh is Dropbear's, as small devices have it: with the real
client, against OpenSSH's server and against Dropbear's own."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbsd import BBS
from support import tree
from support.agent import Agent
from support.dropbear import Dropbear, only_dropbear
from support.repo import Repo
from support.site import MakeFaked, Site
from support.sshd import Sshd

FAKE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"


def borrow(agent: Agent, place: Path, client: str = "dbclient") -> None:
    """Takes OpenSSH away from the agent."""
    agent.env["PATH"] = only_dropbear(place / "bin", client)


@pytest.fixture(params=["openssh", "dropbear"])
def server(request: pytest.FixtureRequest, place: Path) -> Iterator[Sshd]:
    """With an RSA key in PEM, as today's servers; the other has Ed25519."""
    if request.param == "openssh":
        made = Sshd(place / "ssh", key_type="rsa")
    else:
        made = Dropbear(place / "ssh")
    with made:
        yield made


def make_site(place: Path, bbs: BBS, server: Sshd, template: Path, agent: Agent) -> Site:
    shutil.copytree(template, server.home / "repo1")
    repo = Repo(server.home / "repo1", server.repo_url(), place / "look")
    return Site(place, bbs, server, repo, agent)


def test_a_backup_and_a_restore(
    place: Path, bbs: BBS, server: Sshd, repo_template: Path, agent: Agent, odd_tree: Path
) -> None:
    borrow(agent, place)
    site = make_site(place, bbs, server, repo_template, agent)
    agent.start()
    agent.wait_log("the SSH connection works")
    job = site.backup(odd_tree)
    report = job.reports[0]
    assert report["result"] == "completed", report
    # Nothing of what Dropbear says passes for a warning of borg's.
    assert "had_warnings" not in report and "error_log" not in report, report
    assert len(site.catalog(job)) > 20
    target = place / "restored"
    assert site.restore(job, odd_tree, cwd=target)["result"] == "completed"
    assert tree.differences(odd_tree, target / str(odd_tree).lstrip("/")) == []
    copy = agent.etc / "ssh_key.dropbear"
    assert copy.stat().st_mode & 0o777 == 0o600
    known = (agent.etc / "dropbear/.ssh/known_hosts").read_text()
    assert known.startswith("127.0.0.1 ssh-")
    assert not (agent.home / ".ssh").exists()


def test_a_link_called_ssh(
    place: Path, bbs: BBS, sshd: Sshd, repo_template: Path, agent: Agent, odd_tree: Path
) -> None:
    """And without the host keys: one line of Dropbear's about it, no warning."""
    borrow(agent, place, "ssh")
    site = make_site(place, bbs, sshd, repo_template, agent)
    agent.configure(bbs, agent={"ssh_host_key": "no"})
    agent.start()
    report = site.backup(odd_tree).reports[0]
    assert report["result"] == "completed", report
    assert "had_warnings" not in report, report
    assert not (agent.etc / "dropbear").exists()


def test_a_stale_key(place: Path, bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    """It is found at the start, and the copy for Dropbear is made anew."""
    borrow(agent, place)
    agent.configure(bbs)
    bbs.use_ssh(sshd.access)
    agent.start()
    agent.wait_log("the SSH connection works")
    agent.stop()
    before = (agent.etc / "ssh_key.dropbear").read_bytes()
    bbs.use_ssh(sshd.renew_key())
    agent.log_path.unlink()
    agent.start()
    agent.wait_log("the server refuses this host's SSH key")
    agent.wait_log("the SSH connection works")
    assert (agent.etc / "ssh_key.dropbear").read_bytes() != before
    assert (agent.etc / "ssh_key").read_text() == sshd.access.private_key


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_another_host_key(place: Path, bbs: BBS, agent: Agent, kind: str) -> None:
    """The same algorithm or another one: neither is the host's key."""
    borrow(agent, place)
    agent.configure(bbs)
    with Dropbear(place / "ssh") as server:
        bbs.use_ssh(server.access)
        agent.start()
        agent.wait_log("the SSH connection works")
        agent.stop()
        server.stop()
        server.new_host_key(kind)
        server.start()
        agent.log_path.unlink()
        agent.start()
        line = agent.wait_log("SSH host key is not the one")
        assert "dropbear/.ssh/known_hosts" in line


def test_a_job_that_meets_another_host_key(
    place: Path, bbs: BBS, repo_template: Path, agent: Agent
) -> None:
    """Its report begins with what to do."""
    borrow(agent, place)
    with Dropbear(place / "ssh") as server:
        site = make_site(place, bbs, server, repo_template, agent)
        agent.start()
        agent.wait_log("the SSH connection works")
        server.stop()
        server.new_host_key("ed25519")
        server.start()
        report = site.backup("/etc/hostname").reports[0]
    assert report["result"] == "failed"
    first = report["error_log"].splitlines()[0]
    assert "dropbear/.ssh/known_hosts" in first and "--accept-host-key" in first


def test_a_key_that_cannot_be_converted(place: Path, bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    borrow(agent, place)
    agent.configure(bbs)
    access = sshd.access
    bbs.use_ssh(type(access)(access.user, access.host, access.port, FAKE_KEY))
    agent.start()
    agent.wait_log("not converted for Dropbear")
    agent.wait_log("no SSH connection to the server")
    assert not (agent.etc / "ssh_key.dropbear").exists()


def test_a_remote_key_is_converted(faked: MakeFaked, place: Path, sshd: Sshd) -> None:
    world = faked(
        "words = os.environ['BORG_RSH'].split()\n"
        "key = words[words.index('-i') + 1]\n"
        "mode = os.stat(key).st_mode & 0o777\n"
        "json.dump([words, mode, open(key, 'rb').read(15).hex()], open(HERE + '/key', 'w'))\n"
        "summary()",
        start=False,
    )
    borrow(world.agent, place)
    world.start()
    rsh = "ssh -i /tmp/bbs-remote-ssh-key -p 22 -o BatchMode=yes"
    world.backup(env={"BORG_RSH": rsh}, remote_ssh_key=sshd.access.private_key)
    words, mode, head = json.loads((world.borg.dir / "key").read_text())
    assert words[:4] == [str(place / "bin/dbclient"), "-y", "-y", "-i"]
    assert words[5:] == ["-p", "22"]
    assert mode == 0o600
    assert bytes.fromhex(head) == b"\0\0\0\x0bssh-ed25519"
    assert not list(world.agent.run_dir.glob("remote-key*"))


def test_the_client_is_asked_once(place: Path, bbs: BBS, sshd: Sshd, agent: Agent) -> None:
    """And again when it is another one."""
    binary = place / "bin"
    binary.mkdir()
    fake = binary / "ssh"
    script = "#!/bin/sh\ncase \"$*\" in *-V) echo x >>{}/asked; exit 0;; esac\necho pong\n"
    fake.write_text(script.format(place))
    fake.chmod(0o755)
    agent.env["PATH"] = f"{binary}:{agent.env['PATH']}"
    agent.configure(bbs)
    bbs.use_ssh(sshd.access)
    agent.start()
    agent.wait_log("the SSH connection works")
    for _ in range(2):
        bbs.wait_status(bbs.add_backup("/nonexistent", ["/etc/hostname"], "p"))
    asked = len((place / "asked").read_text().split())
    assert asked == 2  # its name, and whether it can keep host keys
    fake.write_text(script.format(place) + "# another\n")
    bbs.wait_status(bbs.add_backup("/nonexistent", ["/etc/hostname"], "p"))
    assert len((place / "asked").read_text().split()) == 4
