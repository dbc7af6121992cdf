"""Rounds in which the agent, or a part of it, is ended at a random moment
while it has work to do."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from . import blows, invariants
from .invariants import Broken
from .orders import Order, mixture, upkeep
from .world import World, wait_for

REAL = {"backup", "restore", "prune", "check", "compact", "list"}  # borgs

Say = Callable[[str], None]


def poll_soon(w: World) -> None:
    """Somebody who cannot wait; an agent that has only just begun would die
    of it, and polls soon anyway."""
    if w.hears(signal.SIGUSR1):
        os.kill(w.agent.pid, signal.SIGUSR1)


def one_round(w: World, seed: int, number: int) -> str:
    """What was done, in a line."""
    rng = random.Random(f"{seed}/{number}")
    if not w.agent.running:
        w.agent.start()
    with w.bbs.state.changed:
        w.bbs.record.clear()
    orders = mixture(w, rng)
    poll_soon(w)
    struck = []
    for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]):
        blow = blows.draw(rng)
        struck.append(blow)
        w.blows.append(blow)
        blows.strike(w, blow)
        if blow.ends:
            check_gone(w, blow)
            time.sleep(blow.pause)
            w.agent.start()
    settle(w, orders, len(struck), rng)
    results = [f"{o} {o.job.state}" for o in orders]
    return f"{'; '.join(results)} | {', '.join(map(str, struck))}"


def check_gone(w: World, blow: blows.Blow) -> None:
    """Stopped in good order, it leaves nobody behind."""
    if blow.how == signal.SIGTERM and not wait_for(lambda: not w.started(), 5):
        raise Broken(f"the agent has stopped and left: {[str(p) for p in w.started()]}")
    if w.agent.lock_held():
        raise Broken("the agent is gone and its lock is held")


def settle(w: World, orders: list[Order], count: int, rng: random.Random) -> None:
    for o in orders:
        if o.kind == "endless":
            w.bbs.cancel(o.job)
    poll_soon(w)
    invariants.wait_rest(w, orders)
    invariants.check(w, orders, count)
    if any(o.kind in REAL for o in orders):
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


def rounds(place: Path, seed: int, numbers: Iterable[int], until: float | None, say: Say) -> str:
    """until: the time at which no other one begins. A line about them."""
    count = 0
    with World(place) as w:
        for number in numbers:
            if until is not None and time.monotonic() >= until:
                break
            began = time.monotonic()
            try:
                text = one_round(w, seed, number)
            except (Broken, AssertionError, TimeoutError) as error:
                broken = Broken(f"round {number}: {error}")
                broken.round, broken.log = number, w.agent.log[-6000:]
                raise broken from error
            say(f"round {number}: {time.monotonic() - began:.1f} s: {text}")
            count += 1
        w.agent.stop()
    jobs = w.bbs.state.jobs.values()
    done = sum(job.state == "completed" for job in jobs)
    runs = Counter(blow.who for blow in w.blows)
    told = ", ".join(f"{who} {n}" for who, n in runs.most_common())
    return (f"{count} rounds, {len(w.blows)} blows ({told}), {len(jobs)} jobs ({done} completed, "
            f"the others failed or cancelled), each told once and run once at most")  # fmt: skip
