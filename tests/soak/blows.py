"""Who is hit, how, and when. All of it is drawn from one seeded generator, so
that a round can be had again; only the machine's own pace differs then."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bbsd.wire import Request
from support import process

from .world import World

MOMENT_SECONDS = 3.0  # a moment that does not come within this is now


@dataclass
class Blow:
    who: str
    how: signal.Signals
    moment: str
    wait: Callable[[World], None]
    pause: float  # before the next start, when it ended the agent
    luck: int  # of a host: what its disk has kept
    ends: bool = False  # did it end the agent?

    def __str__(self) -> str:
        return f"{self.how.name} to {self.who} {self.moment}"


def draw(rng: random.Random) -> Blow:
    who = rng.choices(("agent", "worker", "net", "borg", "service", "all", "host"),
                      (8, 2, 2, 2, 2, 4, 2))[0]  # fmt: skip
    how = signal.SIGKILL
    if who == "service" or (who in ("agent", "worker", "borg") and rng.random() < 0.35):
        how = signal.SIGTERM
    moment, wait = draw_moment(rng)
    return Blow(who, how, moment, wait, rng.choice((0, 0, 0.05, 0.3)), rng.getrandbits(32))


# when


def draw_moment(rng: random.Random) -> tuple[str, Callable[[World], None]]:
    kind = rng.choices(("after", "asked", "file", "borg"), (3, 4, 3, 2))[0]
    late = rng.choice((0, 0, 0.001, 0.005, 0.02, 0.2))
    if kind == "after":
        seconds = rng.uniform(0, 2.5)
        return f"after {seconds:.2f} s", lambda w: time.sleep(seconds)
    if kind == "asked":
        endpoint = rng.choice(("register", "tasks", "progress", "progress", "status", "report"))
        number = rng.randint(1, 3)
        if endpoint == "report":
            return f"{late * 1000:g} ms into a report", lambda w: wait_sending(w, late)
        text = f"{late * 1000:g} ms after {endpoint} {number}"
        return text, lambda w: wait_asked(w, endpoint, number, late)
    if kind == "file":
        where = rng.choice(("journal/*.log", "spool/*.json", "spool/.*.tmp", "journal/.*.tmp"))
        return f"{late * 1000:g} ms after {where}", lambda w: wait_file(w, where, late)
    return f"{late * 1000:g} ms after borg's start", lambda w: wait_borg(w, late)


def wait_asked(w: World, endpoint: str, number: int, late: float) -> None:
    """The answer to such a request has just left."""
    seen, left = threading.Event(), [number]

    def on_request(request: Request) -> None:
        left[0] -= request.endpoint == endpoint
        if left[0] <= 0:
            seen.set()

    w.bbs.on_request = on_request
    seen.wait(MOMENT_SECONDS)
    w.bbs.on_request = None
    time.sleep(late)


def wait_sending(w: World, late: float) -> None:
    """A report is under way, and the server will not take it."""
    fault = w.bbs.fault("status", "hang", seconds=1)
    deadline = time.monotonic() + MOMENT_SECONDS
    while fault.times and time.monotonic() < deadline:
        time.sleep(0.0005)
    w.bbs.faults.remove(fault)
    time.sleep(late)


def wait_file(w: World, where: str, late: float) -> None:
    deadline = time.monotonic() + MOMENT_SECONDS
    while not any(w.agent.var.glob(where)) and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(late)


def wait_borg(w: World, late: float) -> None:
    path = w.borg.dir / "runs"
    before = path.stat().st_size if path.exists() else 0
    deadline = time.monotonic() + MOMENT_SECONDS
    while time.monotonic() < deadline and (path.stat().st_size if path.exists() else 0) == before:
        time.sleep(0.001)
    time.sleep(late)


# whom


def strike(w: World, blow: Blow) -> None:
    """Waits for its moment and does it. When the agent ends of it, it has
    ended when this returns."""
    blow.wait(w)
    if blow.who == "agent":
        end(w, blow)
    elif blow.who == "service":
        for p in process.descendants(w.agent.pid):
            hit(p.pid, blow.how)
        end(w, blow)
    elif blow.who in ("all", "host"):
        cut_power(w)
        blow.ends = True
        if blow.who == "host":
            reboot(w, blow.luck)
        else:
            for path in (w.agent.var / "journal").glob("*.log"):
                give_numbers_to(w.stranger.pid, 7, path)
    else:
        victims = [p for p in process.descendants(w.agent.pid) if is_a(p, blow.who, w)]
        for p in victims:
            hit(p.pid, blow.how)


def end(w: World, blow: Blow) -> None:
    """A stop in good order is one, unless the agent has only just begun."""
    blow.ends = True
    allowed = {-blow.how}
    if blow.how == signal.SIGTERM:
        allowed = {0} if w.hears(blow.how) else {0, -blow.how}
    code = w.agent.stop(blow.how)
    if code not in allowed:
        raise AssertionError(f"the agent ended with {code}")


def is_a(p: process.Process, who: str, w: World) -> bool:
    if who == "net":
        return "net-process" in p.command
    if who == "worker":
        return p.parent == w.agent.pid and "net-process" not in p.command
    return str(w.borg.path) in p.command or p.command.startswith("/usr/bin/python3 /usr/bin/borg")


def cut_power(w: World) -> None:
    """All of them at once: none may see another die."""
    victims: set[int] = set()
    while True:
        found = {w.agent.pid} | {p.pid for p in process.descendants(w.agent.pid)}
        found |= {p.pid for p in w.started()}
        if not found - victims:
            break
        for pid in found - victims:
            hit(pid, signal.SIGSTOP)
        victims |= found
    for pid in victims:
        hit(pid, signal.SIGKILL)
    w.agent.stop()
    w.tidy()


BOOT = Path("/proc/sys/kernel/random/boot_id")


def reboot(w: World, luck: int) -> None:
    """Another boot: what was not synced may be gone, /run is empty, and the
    numbers of processes mean nothing."""
    w.disk.lose_power(random.Random(luck))
    boot = BOOT.read_text().strip()
    start = process.start_time(w.stranger.pid)
    for path in (w.agent.var / "journal").glob("*.log"):
        give_numbers_to(w.stranger.pid, start, path)
        path.write_text(path.read_text().replace(boot, "0" * 8 + boot[8:]))
    w.disk.sync()
    shutil.rmtree(w.agent.run_dir, ignore_errors=True)
    for path in w.agent.tmp.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def give_numbers_to(pid: int, start: int, path: Path) -> None:
    """A stranger has the numbers of a dead worker and of what it ran."""
    text = path.read_text()
    if '"worker"' not in text:
        return
    whole = text[: text.rindex("\n") + 1]
    numbers = ({"worker": pid, "start": start, "boot": BOOT.read_text().strip()},
               {"group": pid, "start": start})  # fmt: skip
    path.write_text(whole + "".join(json.dumps(n) + "\n" for n in numbers))


def hit(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass
