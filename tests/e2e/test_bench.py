"""The measurements run: the program of `make bench` in its short form, with its
own server, sshd, repository and clean-up. Its figures mean nothing here, where
other tests run beside it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.agent import BINARY, TOP

FIGURES = {
    "polls": ("idle memory", "CPU per poll, connection kept", "bytes per poll", "start to first request"),
    "backup": ("first run: wall time / bare borg", "unchanged: CPU / bare borg"),
}


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_of_it(place: Path, part: str) -> None:
    scratch, out = place / "scratch", place / "figures.json"
    scratch.mkdir()
    done = subprocess.run(
        [TOP / "tests/bench/run", "--quick", "--only", part, "--pairs", "1", "--json", out],
        env={**os.environ, "BBS_AGENT_BINARY": str(BINARY), "BENCH_DIR": str(scratch), "BENCH_FILES": "100"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, *rest = done.stdout.splitlines()[1:] if done.stdout.startswith("\n") else done.stdout.splitlines()
    assert head.split() == "figure this agent range goal stock * limit *".split(), done.stdout
    for name in FIGURES[part]:
        assert any(name in line for line in rest), (name, done.stdout)
    assert "no verdict" in done.stdout
    figures = json.loads(out.read_text())["figures"]
    assert figures and all(f["median"] >= 0 and f["values"] for f in figures)
    assert list(scratch.iterdir()) == [], "it leaves nothing behind"


def test_it_says_what_it_does_not_know() -> None:
    done = subprocess.run(
        [TOP / "tests/bench/run", "--only", "nothing"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "invalid choice" in done.stderr


def test_make_starts_it() -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    done = subprocess.run(
        ["make", "-n", "bench"], cwd=TOP, env=env, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "tests/bench/run", done
    assert "tests/setup.sh bench" in done.stdout
