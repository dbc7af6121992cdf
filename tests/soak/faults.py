"""What goes wrong around an agent that lives on."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support import inject, process

# Of the server, which keeps what it was told but for "status" with an answer
# that says it took what it did not: no agent can know that.
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("error_500", {}), ("status", {"code": 502, "page": True}),
    ("status", {"code": 503, "retry_after": "5"}), ("status", {"code": 429, "retry_after": "3"}),
    ("status", {"code": 401}), ("slow", {"seconds": 0.3}), ("drip", {"size": 40, "pause": 0.01}),
    ("hang", {"seconds": 1}), ("drop", {}), ("drop", {"done": True}), ("cut", {"after": 40}),
    ("cut", {"after": -3}), ("text", {"body": "<html>Login</html>"}), ("value", {"value": []}),
    ("text", {"body": '{"status": "ok", "tasks": ['}), ("big_body", {"size": 20_000_000}),
    ("big_body", {"size": 20_000_000, "framed": "chunked"}), ("big_header", {}),
    ("redirect", {"location": "https://example.com/"}), ("http10", {}), ("close_framed", {}),
    ("continue_first", {}), ("odd_chunks", {}), ("bad_chunks", {}), ("two_lengths", {}),
    ("not_http", {}),
]  # fmt: skip
ENDPOINTS = ("*", "*", "tasks", "progress", "status", "status", "heartbeat", "register", "info")
# What cannot be removed is removed by the next start, and there is none here.
CALLS = [case for case in inject.cases(inject.SUPERVISOR) if case[0] != inject.UNLINK]


@dataclass
class Fault:
    name: str
    play: Callable[[Any], None]
    hard: bool = False  # of this host: a job that runs may fail over it


def draw(rng: random.Random) -> Fault:
    return rng.choices((answer, report, wire, net, worker, call), (10, 3, 4, 3, 1, 1))[0](rng)


def answer(rng: random.Random) -> Fault:
    kind, options = rng.choice(ANSWERS)
    endpoint, times = rng.choice(ENDPOINTS), rng.randint(1, 3)
    return Fault("answers", lambda life: life.bbs.fault(endpoint, kind, times, **options))


def report(rng: random.Random) -> Fault:
    """A report that the server does not take."""
    kind, times = rng.choice(("drop", "hang")), rng.randint(1, 3)
    options = {"seconds": 1} if kind == "hang" else {}
    return Fault("answers", lambda life: life.bbs.fault("status", kind, times, **options))


def wire(rng: random.Random) -> Fault:
    """Connections break, stop or crawl."""
    kind, seconds = rng.choice(("lose", "vanish", "cut", "dribble", "close")), rng.uniform(0, 0.4)
    cut_after = rng.randint(0, 6000)

    def play(life: Any) -> None:
        relay = life.relay
        if kind == "lose":
            relay.lose()
        elif kind == "vanish":
            vanish(relay)
        elif kind == "close":
            life.bbs.drop_connections()
        else:
            relay.cut_after = cut_after if kind == "cut" else None
            relay.dribble = 0.0005 if kind == "dribble" else None
            time.sleep(seconds)
            relay.cut_after = relay.dribble = None

    return Fault("wires", play)


def vanish(relay: Any) -> None:
    """As Relay.vanish, for a relay that lives long: what is closed already
    cannot vanish."""
    relay.sockets[:] = [s for s in relay.sockets if s.fileno() >= 0]
    try:
        relay.vanish()
    except OSError:
        relay.lose()


def net(rng: random.Random) -> Fault:
    how = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV))

    def play(life: Any) -> None:
        for p in process.descendants(life.agent.pid):
            if "net-process" in p.command:
                hit(p.pid, how)

    return Fault("killed nets", play)


def worker(rng: random.Random) -> Fault:
    def play(life: Any) -> None:
        for p in process.descendants(life.agent.pid):
            if p.parent == life.agent.pid and "net-process" not in p.command:
                hit(p.pid, signal.SIGKILL)

    return Fault("killed workers", play, hard=True)


def call(rng: random.Random) -> Fault:
    """System calls of the supervisor fail for a moment."""
    case, seconds = rng.choice(CALLS), rng.uniform(0.05, 0.4)

    def play(life: Any) -> None:
        try:
            with inject.failing(life.agent, *case):
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    life.poll()
        except pytest.skip.Exception:
            pass  # no strace here, or it may not

    return Fault("failing calls", play, hard=True)


def hit(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass
