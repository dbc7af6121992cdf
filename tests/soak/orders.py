"""What the server orders in a soak, and what must be true when it is reported
as completed."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bbsd import Job
from support import tree

from .world import MARK, NOWHERE, World

REMOTE_KEY = "-----BEGIN NO KEY-----\nabc\n-----END NO KEY-----\n"


@dataclass
class Order:
    kind: str
    job: Job
    borg: bool = True  # does it run borg?
    hooks: bool = False
    # Of a job that is reported as completed: what is not so? "": nothing.
    lie: Callable[[], str] = lambda: ""

    def __str__(self) -> str:
        return f"{self.kind} {self.job.id}"

    @property
    def over(self) -> bool:
        """Told, or cancelled before anybody had heard of it."""
        job = self.job
        return job.terminal and bool(job.reports or not job.progress)


def mark(w: World, seconds: float = 0) -> dict[str, str]:
    return {MARK: f"job-{w.bbs.state.next_id},{seconds:.3f}"}


def hooked(w: World, rng: random.Random) -> list[dict[str, Any]]:
    """A script before and one behind; with the passphrase in a file."""
    def line(which: str, most: float) -> str:
        return f"{w.hook} {which} {w.bbs.state.next_id} {rng.uniform(0, most):.3f}"

    config = {"pre_script": line("pre", 0.3), "post_script": line("post", 0.5),
              "timeout": 60, "expose_passphrase": True}  # fmt: skip
    return [{"slug": "shell_hook", "config": config}]


def quick(w: World, rng: random.Random) -> Order:
    """borg pretends."""
    return Order("quick", keyed(w, rng.uniform(0, 1)))


def keyed(w: World, seconds: float) -> Job:
    """The key of a remote repository lies in a file meanwhile."""
    env = mark(w, seconds) | {"BORG_RSH": w.sshd.access.rsh("/var/lib/bbs/key")}
    return w.bbs.add_backup(NOWHERE, ["/etc/hostname"], "secret-phrase", env=env,
                            remote_ssh_key=REMOTE_KEY)  # fmt: skip


def hook(w: World, rng: random.Random) -> Order:
    env = mark(w, rng.uniform(0, 0.5))
    plugins = hooked(w, rng)
    job = w.bbs.add_backup(NOWHERE, ["/etc/hostname"], "secret-phrase", env=env, plugins=plugins)
    return Order("hook", job, hooks=True)


def endless(w: World, rng: random.Random) -> Order:
    """It ends with the agent or its worker, or is cancelled."""
    return Order("endless", keyed(w, 3600))


def backup(w: World, rng: random.Random) -> Order:
    """The real borg, to the real repository over the real ssh."""
    hooks = rng.random() < 0.5
    more: dict[str, Any] = {"plugins": hooked(w, rng)} if hooks else {}
    (w.source / "big" / "changing").write_bytes(rng.randbytes(200_000))
    job = w.bbs.add_backup(w.repo.url, [str(w.source)], w.repo.passphrase,
                           options=("--upload-ratelimit=4000",), env=mark(w), **more)  # fmt: skip

    def lie() -> str:
        name = job.reports[0].get("archive_name")
        if name not in w.repo.archives():
            return f"archive {name} is not there"
        w.archive = str(name)
        lines = w.sshd.catalog(job.id)
        return "" if lines.exists() and lines.stat().st_size > 0 else "its catalogue is empty"

    return Order("backup", job, hooks=hooks, lie=lie)


def restore(w: World, rng: random.Random) -> Order:
    to = w.restored / str(w.bbs.state.next_id)
    to.mkdir()
    many = w.source / "many"
    job = w.bbs.add_restore(w.repo.url, w.archive, [str(many).lstrip("/")], str(to),
                            w.repo.passphrase)  # fmt: skip
    job.task["env"] |= {MARK: f"job-{job.id},0"}

    def lie() -> str:
        wrong = tree.differences(many, to / str(many).lstrip("/"))
        shutil.rmtree(to)
        return "; ".join(wrong[:3])

    return Order("restore", job, lie=lie)


def upkeep(w: World, rng: random.Random) -> Order:
    """borg without progress, catalogue or totals."""
    words = rng.choice((
        ["prune", "--keep-last=20", w.repo.url], ["check", "--repository-only", w.repo.url],
        ["compact", w.repo.url], ["list", "--json", w.repo.url],
    ))  # fmt: skip
    env = w.bbs.borg_env(w.repo.passphrase) | mark(w)
    command = ["borg", words[0], "--lock-wait=600", *words[1:]]
    job = w.bbs.add_task({"task": words[0], "command": command, "env": env})
    return Order(words[0], job)


def look(w: World, rng: random.Random) -> Order:
    job = w.bbs.add_task({"task": "list_dir", "path": rng.choice(("/etc", str(w.source)))})
    return Order("look", job, borg=False)


def hook_test(w: World, rng: random.Random) -> Order:
    config = {"pre_script": f"{w.hook} test {w.bbs.state.next_id} {rng.uniform(0, 0.5):.3f}"}
    job = w.bbs.add_task({"task": "plugin_test",
                          "plugin": {"slug": "shell_hook", "config": config}})  # fmt: skip
    return Order("test", job, borg=False)


def mixture(w: World, rng: random.Random) -> list[Order]:
    """One that takes a moment, and a few beside and behind it."""
    first = rng.choices((quick, hook, backup, restore, upkeep, endless), (2, 3, 4, 2, 2, 2))[0]
    rest = rng.choices((quick, hook, look, hook_test), (2, 2, 3, 2), k=rng.randint(1, 3))
    made = [first, *rest]
    if rng.random() < 0.3:
        rng.shuffle(made)
    return [make(w, rng) for make in made]
