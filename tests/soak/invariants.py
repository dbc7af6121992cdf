"""What must hold whenever an agent is at rest, whatever was done to it: each
job told once and run at most once, and nothing left of anybody."""

import json
import os
import time
from collections import Counter

from support import process

from .orders import Order
from .world import World, wait_for

# All that may lie below an agent's root when it has nothing to do.
FILES = {
    "etc/bbs-agent": {"config.ini", "ssh_key", "ssh_info.json", "known_hosts"},
    "var/lib/bbs-agent": {"done", "history.json", "hooks.json", "spool", "journal"},
    "var/lib/bbs-agent/spool": set(),
    "var/lib/bbs-agent/journal": set(),
    "run/bbs-agent": {"lock", "status.json", "ssh-client"},
}
REST_SECONDS = 60
SOON_SECONDS = 10
STEADY_LOOKS = 5
STEADY_PAUSE = 0.04
GROWTH_KIB = 64


class Broken(Exception):
    """An invariant that did not hold; the sentence says which."""

    round: int | None = None  # in which it was
    log = ""  # the end of the agent's


def files_left(w: World) -> list[str]:
    left = [str(p.relative_to(w.agent.root)) for p in w.agent.root.rglob("*")
            if p.is_file() or p.is_symlink()]  # fmt: skip
    allowed = {f"{top}/{name}" for top, names in FILES.items() for name in names}
    return sorted(name for name in left if name not in allowed)


def at_rest(w: World, orders: list[Order]) -> bool:
    return (all(o.over for o in orders)
            and not list((w.agent.var / "journal").iterdir())
            and not w.agent.spool() and not w.started())  # fmt: skip


def wait_rest(w: World, orders: list[Order], seconds: float = REST_SECONDS) -> None:
    if wait_for(lambda: at_rest(w, orders), seconds, 0.05):
        return
    untold = [f"{o} ({o.job.state})" for o in orders if not o.over]
    raise Broken(f"no rest within {seconds} s: without a report: {untold or 'none'}; "
                 f"processes: {[str(p) for p in w.started()]}; files: {files_left(w)}")  # fmt: skip


def check_reports(orders: list[Order], blows: int) -> None:
    """The server heard one thing of each job. The same words may come again:
    an agent that was killed before it could note that they were taken cannot
    know."""
    for o in orders:
        said = {json.dumps(r, sort_keys=True) for r in o.job.reports}
        if len(said) != 1:
            raise Broken(f"{o}: contradictory reports: {sorted(said)}")
        if len(o.job.reports) > 1 + blows:
            raise Broken(f"{o}: reported {len(o.job.reports)} times, after {blows} blows")
        report = o.job.reports[0]
        if report["result"] not in ("completed", "failed"):
            raise Broken(f"{o}: reported {report['result']}")
        if report["result"] == "failed" and not report.get("error_log"):
            raise Broken(f"{o}: failed, and nobody says why")


def check_order(w: World) -> None:
    """A job that is over for the server does not begin or move any more."""
    told: set[int] = set()
    for r in w.bbs.requests():
        body = r.json or {}
        if r.endpoint == "progress" and body["job_id"] in told and "status_message" in body:
            raise Broken(f"job {body['job_id']}: {body['status_message']!r} behind its report")
        if r.endpoint == "status" and r.status == 200:
            told.add(body["job_id"])


def check_runs(w: World, orders: list[Order], blows: int) -> None:
    """Nothing ran twice. Only a post-script may: one that was under way when
    its agent died runs again, since services may hang on it."""
    trace = Counter(w.trace())
    for o in orders:
        done, n = o.job.reports[0]["result"] == "completed", o.job.id
        runs = len(w.runs(n))
        if runs > 1:
            raise Broken(f"{o}: borg ran {runs} times")
        if done and o.borg and runs != 1:
            raise Broken(f"{o}: completed, and borg never ran")
        for what in ("pre", "test"):
            if trace[f"{what}-begins", n] > 1:
                raise Broken(f"{o}: its {what} script ran {trace[f'{what}-begins', n]} times")
        if o.kind == "test" and done and not trace["test-ends", n]:
            raise Broken(f"{o}: completed, and its script did not end")
        if not o.hooks:
            continue
        pre, begun, ended = (trace[k, n] for k in ("pre-begins", "post-begins", "post-ends"))
        if (pre or runs) and not ended:
            raise Broken(f"{o}: its post-script is owed and did not run to its end")
        if begun > 1 + blows:
            raise Broken(f"{o}: its post-script ran {begun} times, after {blows} blows")


def check_turns(w: World) -> None:
    """Between a job's pre-script and its last post-script no other job had
    its turn: it may need what the first one has stopped."""
    trace = w.trace()
    last = {n: i for i, (what, n) in enumerate(trace) if what == "post-ends"}
    for i, (what, n) in enumerate(trace):
        if what != "pre-begins" or n not in last:
            continue
        for other, m in trace[i + 1 : last[n]]:
            if m != n and other.startswith(("pre", "post")):
                raise Broken(f"{other} of job {m} while job {n} still owed its post-script")


def check_truth(orders: list[Order]) -> None:
    for o in orders:
        lie = o.lie() if o.job.reports[0]["result"] == "completed" else ""
        if lie:
            raise Broken(f"{o}: reported as completed, but: {lie}")


def check_server(w: World) -> None:
    if w.bbs.violations:
        raise Broken(f"the server was sent what it must not be: {w.bbs.violations}")


def check_files(w: World) -> None:
    """No spooled report, journal, key, passphrase or half-written file."""
    if not wait_for(lambda: not files_left(w), 1):
        raise Broken(f"files left: {files_left(w)}")


def check_repository(w: World) -> None:
    """Nobody holds it: what is dead holds no lock, and what lives has none.
    (borg's server on the far side needs a moment to see that we are gone.)"""
    if not wait_for(lambda: not w.repo.locked(), SOON_SECONDS):
        raise Broken(f"the repository is locked: {[p.name for p in w.repo.path.glob('lock*')]}")


def check_cache(w: World) -> None:
    """To be asked behind a job of borg that completed. (borg's list of who
    waits, lock.roster, holds nobody up: the next borg strikes the dead out.)"""
    locks = [str(p.relative_to(w.agent.home)) for p in w.agent.borg_locks()
             if p.name != "lock.roster"]  # fmt: skip
    if locks:
        raise Broken(f"locks of dead borgs: {locks}")


def held(w: World) -> int:
    """The supervisor's descriptors, but for those to its network processes."""
    nets = [p for p in process.descendants(w.agent.pid) if "net-process" in p.command]
    return len(os.listdir(f"/proc/{w.agent.pid}/fd")) - len(nets)


def held_steadily(w: World) -> int:
    """The most of a few looks on end: a network process that ends is counted
    for a while after the descriptor to it has gone."""
    looks = []
    for _ in range(STEADY_LOOKS):
        looks.append(held(w))
        time.sleep(STEADY_PAUSE)
    return max(looks)


def check_supervisor(w: World) -> None:
    """It holds no more than at any rest before. (It asks about the host now
    and then, so that it may hold one more for a moment.)"""
    now = held_steadily(w)
    w.held = min(w.held or now, now)
    if not wait_for(lambda: held_steadily(w) <= w.held, SOON_SECONDS):
        what = [os.readlink(f.path) for f in os.scandir(f"/proc/{w.agent.pid}/fd")]
        raise Broken(f"the supervisor holds more than {w.held} descriptors, as before: {what}")
    size = process.anonymous_kib(w.agent.pid)
    w.size = min(w.size or size, size)
    if size > w.size + GROWTH_KIB:
        raise Broken(f"the supervisor has {size} KiB, and had {w.size}")


def check_stranger(w: World) -> None:
    if w.stranger.poll() is not None:
        raise Broken(f"a stranger was killed ({w.stranger.returncode}): it has the number of what "
                     "an earlier agent had started")  # fmt: skip


def check(w: World, orders: list[Order], blows: int) -> None:
    """All of them; the agent runs, and is at rest."""
    orders = [o for o in orders if o.job.reports]
    check_reports(orders, blows)
    check_order(w)
    check_runs(w, orders, blows)
    check_turns(w)
    check_truth(orders)
    check_server(w)
    check_files(w)
    check_repository(w)
    check_supervisor(w)
    check_stranger(w)
