"""The sandbox of the network process, attacked from inside, with every layer
and as on kernels that lack some. The program links the agent's own objects."""

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

from bbsd import BBS, CA, Cert
from support.agent import TOP, Agent
from support.lacking import is_possible, lacking
from support.status import wait_told

CHECK = TOP / "build/tests/sandboxcheck"
# With the filter of architectures whose calls are not listed one by one.
DENY_CHECK = TOP / "build/tests/sandboxcheck-deny"
DENY_AGENT = TOP / "build/tests/bbs-agent-deny"
NATIVE = os.uname().machine in ("x86_64", "i686")
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def check(*arguments: str, user: int | None = None, program: Path = CHECK) -> str:
    """The layers; every attack must have been stopped by those at hand."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True,
                          user=user, group=user, extra_groups=None if user is None else [],
                          timeout=30)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.rpartition("layers: ")[2].strip()


def layers(user: bool, *missing: str) -> str:
    every = ["no_new_privs", "rlimits"]
    every += ["Landlock"] if LANDLOCK else []
    every += ["seccomp"] if NATIVE else []
    names = [name for name in every if name.lower() not in missing]
    return ", ".join(["user nobody", *names] if user else names)


@root
@pytest.mark.parametrize("missing", ["", "seccomp", "landlock", "rlimits", "landlock,seccomp"])
def test_started_by_root(missing: str) -> None:
    assert check("--deny", missing) == layers(True, *missing.split(","))


@root
@pytest.mark.parametrize("missing", ["", "seccomp", "landlock,seccomp,rlimits"])
def test_root_that_cannot_become_another(missing: str) -> None:
    """In some containers: what is left of root has no capability."""
    assert check("--stay", "--deny", missing) == layers(False, *missing.split(","))


@pytest.mark.parametrize("missing", ["", "seccomp", "landlock"])
def test_started_by_an_ordinary_user(missing: str) -> None:
    user = 65534 if os.geteuid() == 0 else None
    # Another user cannot always enter the directory of this clone.
    try:
        obtained = check("--stay", "--deny", missing, user=user)
    except PermissionError:
        pytest.skip(f"the user nobody cannot read {CHECK}")
    assert obtained == layers(False, *missing.split(","))


# the filter of other architectures


@root
@pytest.mark.skipif(not NATIVE, reason="it is the only one here")
@pytest.mark.parametrize("missing", ["", "landlock"])
def test_a_list_of_what_is_denied(missing: str) -> None:
    assert check("--deny", missing, program=DENY_CHECK) == layers(True, missing)


@pytest.mark.skipif(not NATIVE, reason="it is the only one here")
def test_all_works_behind_that_list(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    """Names, TLS, both network processes."""
    with BBS(place / "bbs", cert=cert, ca=ca, name="localhost") as bbs:
        agent.binary = DENY_AGENT
        agent.configure(bbs)
        agent.start()
        look = bbs.add_task({"task": "list_dir", "path": "/etc"})
        assert bbs.wait_status(look)["result"] == "completed"
        bbs.wait_polls(2)
    assert "seccomp" in agent.wait_log("sandbox: ")
    assert "its sandbox" not in agent.log


# as users see it


@pytest.mark.skipif(not is_possible(), reason="needs root and x86_64")
@pytest.mark.parametrize(
    ("kinds", "missing"),
    [
        (["landlock"], "Landlock"),
        (["landlock", "seccomp"], "Landlock, seccomp"),
        (["users", "seccomp"], "user of its own, seccomp"),
    ],
)
def test_a_host_that_lacks_layers(bbs: BBS, agent: Agent, kinds: list[str], missing: str) -> None:
    """One line of the log tells it, status and doctor show it, all works."""
    agent.configure(bbs)
    agent.prefix = lacking(*kinds)
    agent.start()
    # A report is sent by a process of its own, of which nothing more is said.
    bbs.wait_status(bbs.add_task({"task": "list_dir", "path": "/etc"}))
    said = [line for line in agent.log.splitlines() if "sandbox" in line and " DEBUG" not in line]
    wanted = missing if LANDLOCK or "landlock" in kinds else missing.replace("own, ", "own, Landlock, ")
    assert len(said) == 1 and f"; not to be had here: {wanted}" in said[0], said
    if "users" in kinds:
        assert " WARN " in said[0] and "cannot become nobody: Operation not permitted" in said[0]
    seen = wait_told(agent, lambda s: s["sandbox"]["layers"])["sandbox"]
    assert seen["missing"].replace("user nobody", "user of its own") == wanted
    assert all(name not in seen["layers"] for name in missing.split(", "))
    found = subprocess.run(agent.command("doctor"), env=agent.env, capture_output=True, text=True)
    line = next(line for line in found.stdout.splitlines() if " sandbox " in line)
    assert line.startswith("WARN") and f"without {seen['missing']}:" in line, line
