"""The sandbox of the network process, attacked from inside, with every layer
and as on kernels that lack some. The program links the agent's own objects."""

import ctypes
import os
import subprocess

import pytest

from support.agent import TOP

CHECK = TOP / "build/tests/sandboxcheck"
NATIVE = os.uname().machine in ("x86_64", "i686")
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def check(*arguments: str, user: int | None = None) -> str:
    """The layers; every attack must have been stopped by those at hand."""
    done = subprocess.run([CHECK, *arguments], capture_output=True, text=True,
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
