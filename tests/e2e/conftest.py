"""The fixtures: a private world for each test, and its inspection after.

Every test gets a directory of its own that is removed afterwards, HOME and
borg's directories lie in it, and whatever an agent leaves behind (a process,
a temporary file, a held lock) fails the test that started it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bbsd import BBS, CA, Cert  # noqa: E402
from support import process, tree  # noqa: E402
from support.agent import BINARY, Agent  # noqa: E402
from support.fakeborg import COMPLETE, FakeBorg  # noqa: E402
from support.files import Files  # noqa: E402
from support.mariadb import MariaDB  # noqa: E402
from support.nginx import Nginx  # noqa: E402
from support.repo import Repo, create_repo  # noqa: E402
from support.site import Faked, MakeFaked, Site  # noqa: E402
from support.sshd import Sshd  # noqa: E402


def pytest_configure() -> None:
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: run make first", 2)
    os.environ.pop("TZ", None)
    process.adopt_orphans()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what the agent said."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    agent = getattr(item, "funcargs", {}).get("agent")
    if report.failed and isinstance(agent, Agent):
        report.sections.append(("the agent's log, its end", agent.log[-20000:]))


def temporary(label: str) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=f"bbs-{label}-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


# for the whole session


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    yield from temporary("session")


@pytest.fixture(scope="session")
def ca(workshop: Path) -> CA:
    return CA(workshop / "ca")


@pytest.fixture(scope="session")
def cert(ca: CA) -> Cert:
    return ca.issue("default")


@pytest.fixture(scope="session")
def repo_template(workshop: Path) -> Path:
    """borg init takes a second: once, then copied."""
    sshd = Sshd(workshop / "template")
    return create_repo(sshd, workshop / "template-base").path


@pytest.fixture(scope="session")
def fastborg(workshop: Path) -> Path:
    source = Path(__file__).resolve().parents[1] / "support/fastborg.c"
    subprocess.run(["cc", "-O2", "-o", workshop / "fastborg", source], check=True)
    return workshop / "fastborg"


@pytest.fixture
def files(cert: Cert) -> Iterator[Files]:
    with Files(cert) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(workshop: Path) -> Iterator[MariaDB]:
    with MariaDB(workshop / "mariadb") as server:
        yield server


# for each test


@pytest.fixture
def place() -> Iterator[Path]:
    yield from temporary("test")


@pytest.fixture
def bbs(place: Path, ca: CA, cert: Cert) -> Iterator[BBS]:
    """Over TLS, chunked as nginx with php-fpm."""
    with BBS(place / "bbs", cert=cert, ca=ca) as server:
        yield server
    assert not server.violations


@pytest.fixture(params=["nginx-style", "apache-style", "real-nginx"])
def each_bbs(request: pytest.FixtureRequest, place: Path, ca: CA, cert: Cert) -> Iterator[BBS]:
    """The same behind each kind of host, a real nginx among them."""
    if request.param == "real-nginx":
        with BBS(place / "bbs", tls=False, ca=ca) as server:
            with Nginx(place / "nginx", server.port, cert) as nginx:
                server.public_url = nginx.url
                yield server
    else:
        style = request.param.removesuffix("-style")
        with BBS(place / "bbs", cert=cert, ca=ca, style=style) as server:
            yield server
    assert not server.violations


@pytest.fixture
def agent(place: Path) -> Iterator[Agent]:
    """Not configured and not started; stopped and inspected at the end. Its
    borg is a fake one, which starts faster; a site has the real one."""
    agent = Agent(place / "agent")
    agent.borg = FakeBorg(place / "fake").path
    known = {p.pid for p in process.descendants(os.getpid())}
    yield agent
    code = agent.stop()
    left = process.settled(
        lambda: [p for p in process.descendants(os.getpid()) if is_left(p, known)]
    )
    process.kill_all(left)
    assert code == 0, f"the agent ended with {code}"
    assert not left, f"left behind: {', '.join(map(str, left))}"
    assert not agent.lock_held(), "the agent's lock is still held"
    assert not list(agent.tmp.iterdir()), "something is left in TMPDIR"
    assert not agent.borg_locks(), "borg's cache is left locked"


def is_left(found: process.Process, known: set[int]) -> bool:
    """Not one that was there before, nor a fixture's server below them."""
    if found.pid in known or found.parent in known:
        return False
    return not any(name in found.command for name in ("sshd", "nginx", "borg serve", "/gate"))


@pytest.fixture
def started(bbs: BBS, agent: Agent) -> Agent:
    """An agent that has registered and polled; no ssh, no repository."""
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(1)
    return agent


@pytest.fixture
def sshd(place: Path) -> Iterator[Sshd]:
    with Sshd(place / "sshd") as server:
        yield server


@pytest.fixture
def repo(place: Path, sshd: Sshd, repo_template: Path) -> Repo:
    path = sshd.home / "repo1"
    shutil.copytree(repo_template, path)
    return Repo(path, sshd.repo_url(), place / "look")


@pytest.fixture
def site(place: Path, bbs: BBS, sshd: Sshd, repo: Repo, agent: Agent) -> Site:
    """Everything real, the agent running."""
    site = Site(place, bbs, sshd, repo, agent)
    agent.start()
    bbs.wait_polls(1)
    return site


@pytest.fixture
def odd_tree(place: Path) -> Path:
    root = place / "odd tree"
    tree.make_odd_tree(root)
    return root


@pytest.fixture
def fake_borg(place: Path) -> Callable[..., FakeBorg]:
    """fake_borg(body) makes one; give its path to [borg] path."""

    def make(body: str = COMPLETE) -> FakeBorg:
        return FakeBorg(place / "faked", body)

    return make


@pytest.fixture
def faked(bbs: BBS, sshd: Sshd, agent: Agent, fake_borg: Callable[..., FakeBorg]) -> MakeFaked:
    """faked(body) starts an agent with that borg; its catalogue is taken."""

    def make(body: str = COMPLETE, start: bool = True, ssh: bool = True) -> Faked:
        if ssh:
            bbs.use_ssh(sshd.access)
        made = Faked(bbs, agent, fake_borg(body))
        return made.start() if start else made

    return make
