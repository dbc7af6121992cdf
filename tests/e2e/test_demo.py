"""`make demo`: what it shows, with nothing left behind."""

import os
import subprocess

from support.agent import BINARY, TOP


def test_demo() -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    done = subprocess.run(
        ["make", "demo"] if BINARY == TOP / "build/bbs-agent" else [TOP / "tests/demo"],
        cwd=TOP, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("registered", "reported completed", "arrived over ssh", "identical",
                  "nothing: no process, no file"):  # fmt: skip
        assert words in done.stdout, done.stdout
