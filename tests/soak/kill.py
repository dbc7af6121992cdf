"""Rounds in which the agent, or a part of it, is ended at a random moment
while it has work to do."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from . import blows, invariants
from .invariants import Broken
from .orders import Order, mixture, upkeep
from .world import World, wait_for

Say = Callable[[str], None]


def poll_soon(w: World) -> None:
    """Somebody who cannot wait (SIGUSR1); an agent that has not come so far
    as to hear it would die of it, and polls soon anyway."""
    status = Path(f"/proc/{w.agent.pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
    if int(blocked.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1:
        os.kill(w.agent.pid, signal.SIGUSR1)


def one_round(w: World, seed: int, number: int) -> str:
    """What was done, in a line."""
    rng = random.Random(f"{seed}/{number}")
    if not w.agent.running:
        w.agent.start()
    orders = mixture(w, rng)
    poll_soon(w)
    struck = []
    for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]):
        blow = blows.draw(rng)
        struck.append(blow)
        blows.strike(w, blow)
        if blow.ends:
            check_gone(w, blow)
            time.sleep(blow.pause)
            w.agent.start()
    settle(w, orders, len(struck), rng)
    results = [f"{o} {o.job.reports[0]['result']}" for o in orders]
    return f"{'; '.join(results)} | {', '.join(map(str, struck))}"


def check_gone(w: World, blow: blows.Blow) -> None:
    """Stopped in good order, it leaves nobody behind."""
    if blow.how == signal.SIGTERM and not wait_for(lambda: not w.started(), 1):
        raise Broken(f"the agent has stopped and left: {[str(p) for p in w.started()]}")
    if w.lock_held():
        raise Broken("the agent is gone and its lock is held")


def settle(w: World, orders: list[Order], count: int, rng: random.Random) -> None:
    invariants.wait_rest(w, orders)
    invariants.check(w, orders, count)
    if any(o.kind not in ("quick", "hook", "look", "test") for o in orders):
        witness(w, rng)
    # What a borg that was killed leaves in the temporary directory is its own.
    for path in w.agent.tmp.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def witness(w: World, rng: random.Random) -> None:
    """The repository is as usable as ever."""
    order = upkeep(w, rng)
    poll_soon(w)
    invariants.wait_rest(w, [order])
    if order.job.reports[0]["result"] != "completed":
        raise Broken(f"the next job on the repository: {order.job.reports[0]}")
    invariants.check(w, [order], 0)
    invariants.check_cache(w)


def rounds(place: Path, seed: int, numbers: list[int], until: float, say: Say) -> int:
    """How many were done; until: the time at which no other one begins."""
    done = 0
    with World(place) as w:
        for number in numbers:
            if time.monotonic() >= until:
                break
            began = time.monotonic()
            try:
                text = one_round(w, seed, number)
            except (Broken, AssertionError, TimeoutError) as error:
                raise Broken(f"round {number}: {error}\n{w.agent.log[-6000:]}\n"
                             f"To have it again: make soak SEED={seed} ROUND={number}")  # fmt: skip
            say(f"round {number}: {time.monotonic() - began:.1f} s: {text}")
            done += 1
        w.agent.stop()
    return done
