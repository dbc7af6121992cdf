"""One agent that lives on: thousands of polls, hundreds of jobs, and around it
a server, a wire and a host that fail at random. What it holds at the end is
what it held after the warm-up.

Its clock runs faster, so that it lives through more hours than we do, and it
polls as often as it is asked to (SIGUSR1).
"""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbsd import BBS, CA
from bbsd.wire import Request
from support import process
from support.agent import Agent
from support.clock import Clock
from support.relay import Relay, close

from . import faults, invariants
from .invariants import Broken
from .orders import Order
from .world import MARK, NOWHERE, wait_for

Say = Callable[[str], None]
SPEED = 10
OPEN_JOBS = 3
CALM_SECONDS = 40
# What may be more at the end than after the warm-up: the C library's spare
# memory, and pages that are shared with nobody any more.
GROWTH_KIB = 64
POLLS_A_FAULT = 25
TOLD_AGAIN = 2

BORG = """#!/bin/sh
[ "$1" != --version ] || {{ echo 'borg 1.2.4'; exit 0; }}
echo "${name}" >>'{runs}'
for i in 1 2 3 4 5 6 7 8 9; do
	echo '{{"type": "file_status", "status": "A", "path": "/etc/hostname"}}' >&2
done
echo '{{"archive": {{"stats": {{"nfiles": 9, "original_size": 9, "deduplicated_size": 1}}}}}}'
"""


@dataclass
class Figures:
    polls: int
    jobs: int
    pss_kib: int
    descriptors: int
    processes: int
    files: set[str]

    def __str__(self) -> str:
        return (f"{self.polls} polls, {self.jobs} jobs: {self.pss_kib} KiB, {self.descriptors} "
                f"descriptors in {self.processes} processes, {len(self.files)} files")  # fmt: skip


class Long:
    """A context manager: the agent runs, and its clock."""

    def __init__(self, place: Path, seed: str) -> None:
        self.rng = random.Random(f"{seed}/long")
        self.dir = place
        place.mkdir(parents=True, exist_ok=True)
        ca = CA(place / "ca")
        self.bbs = BBS(place / "bbs", cert=ca.issue(), ca=ca)
        self.agent = Agent(place / "agent")
        self.agent.debug = False
        self.clock = Clock(self.agent)
        self.runs_path = place / "runs"
        self.agent.borg = place / "borg"
        self.agent.borg.write_text(BORG.format(name=MARK, runs=self.runs_path))
        self.agent.borg.chmod(0o755)
        self.script = place / "script"
        self.script.write_text(f"#!/bin/sh\necho job-$1,0 >>'{self.runs_path}'\n")
        self.script.chmod(0o755)
        self.orders: list[Order] = []
        self.polls = 0
        self.polled = threading.Event()
        self.hard: list[int] = []  # jobs that were open when the host failed
        self.count: dict[str, int] = {}
        self.troubles: list[tuple[float, float]] = []  # from, until when
        self.told: dict[int, list[Request]] = {}  # reports that were taken
        self.bbs.on_request = self.on_request

    def __enter__(self) -> "Long":
        self.bbs.start()
        self.relay = Relay(self.bbs.port).__enter__()
        self.bbs.public_url = f"https://127.0.0.1:{self.relay.port}"
        self.agent.configure(self.bbs)
        self.agent.start()
        self.bbs.wait_polls(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.stop()
        self.relay.__exit__()
        self.bbs.stop()

    def on_request(self, request: Request) -> None:
        if request.endpoint == "tasks" and request.status == 200:
            self.polls += 1
            self.polled.set()
        if request.endpoint == "status" and request.json:
            self.told.setdefault(request.json["job_id"], []).append(request)

    # what happens

    def poll(self, seconds: float = 0.05) -> None:
        """Asks for one; it may not come, when there is a fault."""
        self.polled.clear()
        os.kill(self.agent.pid, signal.SIGUSR1)
        self.polled.wait(seconds)
        time.sleep(0.001)

    def order(self) -> None:
        kind = self.rng.choices(("quick", "look", "test"), (7, 2, 1))[0]
        if kind == "quick":
            env = {MARK: f"job-{self.bbs.state.next_id},0"}
            job = self.bbs.add_backup(NOWHERE, ["/etc/hostname"], "secret-phrase", env=env)
        elif kind == "look":
            job = self.bbs.add_task({"task": "list_dir", "path": "/etc"})
        else:
            config = {"pre_script": f"{self.script} {self.bbs.state.next_id}"}
            job = self.bbs.add_task({"task": "plugin_test",
                                     "plugin": {"slug": "shell_hook", "config": config}})  # fmt: skip
        self.orders.append(Order(kind, job, borg=kind == "quick"))

    def open_orders(self) -> list[Order]:
        return [o for o in self.orders[-4 * OPEN_JOBS :] if not o.job.reports]

    def fail(self) -> None:
        """Something goes wrong."""
        fault = faults.draw(self.rng)
        self.count[fault.name] = self.count.get(fault.name, 0) + 1
        if fault.hard:
            self.hard += [o.job.id for o in self.open_orders()]
        self.mend()
        began = time.monotonic()
        fault.play(self)
        # A connection that hears nothing does so until it is mended.
        if fault.name != "answers":
            until = float("inf") if self.relay.lost else time.monotonic()
            self.troubles.append((began, until))

    def mend(self) -> None:
        """What went wrong is over. A report whose connection nobody answers
        would wait for its ten minutes else."""
        self.bbs.faults.clear()
        self.relay.cut_after = self.relay.dribble = None
        if self.relay.lost:
            self.troubles[-1] = (self.troubles[-1][0], time.monotonic())
            self.relay.lost = set()
            for sock in self.relay.sockets:
                close(sock)
            self.relay.sockets.clear()

    def go_on(self, polls: int, jobs: int, each: float) -> None:
        """So many polls and jobs more; a fault every so many polls."""
        first, ordered = self.polls, len(self.orders)
        next_fault = first + self.rng.expovariate(1 / each)
        deadline = time.monotonic() + 60 + polls / 5
        while self.polls < first + polls or len(self.orders) < ordered + jobs:
            if time.monotonic() > deadline or not self.agent.running:
                raise Broken(f"only {self.polls - first} of {polls} polls")
            self.poll()
            due = (self.polls - first) * jobs / polls
            if len(self.orders) - ordered < due and len(self.open_orders()) < OPEN_JOBS:
                self.order()
            if self.polls >= next_fault:
                self.fail()
                next_fault = self.polls + self.rng.expovariate(1 / each)

    # what is asked

    def calm(self) -> Figures:
        """All is well again, all jobs are told, and the second network
        process has had its rest."""
        self.mend()
        if not wait_for(self.is_calm, CALM_SECONDS, 0.1):
            untold = [f"{o} ({o.job.state})" for o in self.orders if not o.job.reports]
            raise Broken(f"no rest: without a report: {untold}; processes: "
                         f"{[str(p) for p in process.descendants(self.agent.pid)]}")  # fmt: skip
        for _ in range(20):
            self.poll()
        while len(pids := [p.pid for p in self.agent.own_processes()]) != 2:
            time.sleep(0.1)  # it looks at borg now and then
        descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
        # Each second one is written, and takes the other's place.
        files = {name for name in self.agent.files() if not name.endswith("/status.json.new")}
        return Figures(self.polls, len(self.orders), process.pss_kib(pids), descriptors, len(pids),
                       files)  # fmt: skip

    def is_calm(self) -> bool:
        self.poll()
        return (all(o.job.reports for o in self.orders)
                and len(process.descendants(self.agent.pid)) == 1
                and not self.agent.spool() and not list((self.agent.var / "journal").iterdir()))  # fmt: skip

    def check_told(self) -> None:
        """What was taken comes again only where its answer may not have
        arrived. (A request of a killed process may be read after its end: on a
        busy machine each trouble can look as if it had been over.)"""
        again = [number for number, requests in self.told.items()
                 for one, other in zip(requests, requests[1:]) if not self.excused(one, other)]  # fmt: skip
        if len(again) > TOLD_AGAIN + len(self.troubles):
            raise Broken(f"reported again, and nothing had failed: jobs {again}")

    def excused(self, one: Request, other: Request) -> bool:
        if one.fault or one.status != 200:
            return True
        return any(began <= other.time and one.time <= until for began, until in self.troubles)

    def check(self) -> None:
        invariants.check_reports(self.orders, sum(self.count.values()))
        self.check_told()
        runs = self.runs_path.read_text().split()
        for o in self.orders:
            ran = runs.count(f"job-{o.job.id},0")
            done = o.job.reports[0]["result"] == "completed"
            if ran > 1 or (done and ran != int(o.kind != "look")):
                raise Broken(f"{o}: {o.job.reports[0]['result']}, and it ran {ran} times")
            if not done and o.job.id not in self.hard:
                raise Broken(f"{o}: nothing but the server failed: {o.job.reports[0]}")
        if self.bbs.violations:
            raise Broken(f"the server was sent what it must not be: {self.bbs.violations}")
        if not wait_for(lambda: not self.strays(), CALM_SECONDS):
            raise Broken(f"left behind: {[str(p) for p in self.strays()]}")

    def strays(self) -> list[process.Process]:
        """Neither the agent nor its network process."""
        found = process.descendants(os.getpid())
        mine = {self.agent.pid, *(p.pid for p in self.agent.own_processes())}
        return [p for p in found if p.state != "Z" and p.pid not in mine]


def flat(before: Figures, after: Figures) -> None:
    if after.descriptors != before.descriptors:
        raise Broken(f"descriptors: {before} became {after}")
    if after.files != before.files:
        raise Broken(f"files: {sorted(after.files ^ before.files)}")
    if after.pss_kib > before.pss_kib + GROWTH_KIB:
        raise Broken(f"memory: {before} became {after}")


def live(place: Path, seed: str, polls: int, jobs: int, until: float | None, say: Say) -> str:
    """The whole life, or until that time; a line about it."""
    with Long(place, seed) as life, life.clock.runs(SPEED):
        pid, part = life.agent.pid, (polls // 10, jobs // 10, POLLS_A_FAULT)
        try:
            life.go_on(*part)
            before = after = life.calm()
            say(f"long: after the warm-up {before}")
            for number in range(2, 11):
                life.go_on(*part)
                if number % 3 == 1:
                    after = life.calm()
                    life.check()
                    say(f"long: {after}; {sum(life.count.values())} faults")
                if until is not None and time.monotonic() >= until:
                    break
            after = life.calm()
            life.check()
            flat(before, after)
            if life.agent.pid != pid or not life.agent.running:
                raise Broken("the agent died")
        except (Broken, AssertionError, TimeoutError) as error:
            broken = Broken(str(error))
            broken.log = life.agent.log[-6000:]
            raise broken from error
    shutil.rmtree(place, ignore_errors=True)
    failed = sum(o.job.reports[0]["result"] == "failed" for o in life.orders)
    told = ", ".join(f"{n} {name}" for name, n in sorted(life.count.items()))
    return (f"one agent through {life.polls} polls, {len(life.orders)} jobs ({failed} failed with "
            f"the host) and {sum(life.count.values())} faults ({told}): from {before.pss_kib} to "
            f"{after.pss_kib} KiB, from {before.descriptors} to {after.descriptors} descriptors")  # fmt: skip
