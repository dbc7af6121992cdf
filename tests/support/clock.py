"""The clocks of an agent under test: build/tests/bbs-agent-clock reads from
the file beside it how far they are off (tests/clock/seam.c)."""

import ctypes
import mmap
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .agent import TOP, Agent

BINARY = TOP / "build/tests/bbs-agent-clock"
YEAR = 365 * 86400


class Clock:
    """Of one agent, which gets a binary of its own; not started yet."""

    def __init__(self, agent: Agent) -> None:
        if not BINARY.exists():
            pytest.skip(f"{BINARY} is not there: make build/tests/bbs-agent-clock")
        binary = agent.root.parent / "bbs-agent-clock"
        shutil.copy(BINARY, binary)
        agent.binary = binary
        path = Path(f"{binary}.clock-of-a-test")
        path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), 24)
        # passed, slept, wall
        self.milliseconds = (ctypes.c_int64 * 3).from_buffer(memory)

    def _add(self, which: int, seconds: float) -> None:
        """In one store: struct.pack_into() writes zeros first, and time would
        run back for a moment."""
        self.milliseconds[which] += int(seconds * 1000)

    def passes(self, seconds: float, step: float = 30, pause: float = 0.025) -> None:
        """Time goes by, in steps between which the agent may act."""
        while seconds > 0:
            self._add(0, min(step, seconds))
            seconds -= step
            time.sleep(pause)

    @contextmanager
    def runs(self, speed: float = 40) -> Iterator[None]:
        """Time goes by so much faster meanwhile."""
        end = threading.Event()

        def tick() -> None:
            before = time.monotonic()
            while not end.wait(0.005):
                now = time.monotonic()
                self._add(0, (speed - 1) * (now - before))
                before = now

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            end.set()
            ticker.join()

    def sleeps(self, seconds: float) -> None:
        """The host is suspended; timeouts of poll(2) do not notice."""
        self._add(1, seconds)

    def is_set(self, seconds: float) -> None:
        """Somebody sets the clock, so far ahead or (below 0) back."""
        self._add(2, seconds)
