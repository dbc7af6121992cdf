"""The agent's own update on a booted host. A bad one goes back by itself,
whoever it is that starts the agent there.

What crashes and hangs is the real agent with that built in; its patience with
itself is 2 s in place of 15 min (support/fatal.c).
"""

import json
from typing import Any

from support.release import NEW, NEWER, OLD, Key, as_version, fatal, release

from .host import wait
from .life import MEDIA, World

# Three times an end and the pause behind it; one reboot.
SECONDS = 120
NEWEST = OLD[:-1] + chr(ord(OLD[-1]) + 3)
PROGRAM = "usr/local/bin/bbs-agent"
RELEASE = f"{MEDIA}/release"
CONFIG = f"""
[agent]
auto_update = yes
[update]
url = {RELEASE}
public_key = {RELEASE}/key.pem
"""


def offer(w: World, key: Key, version: str, body: bytes) -> None:
    place = w.host.tree / RELEASE.lstrip("/")
    place.mkdir(exist_ok=True)
    (place / "key.pem").write_bytes(w.key.public.read_bytes())
    for name, content in release(key, version, body).items():
        (place / name).write_bytes(content)


def state(w: World) -> dict[str, Any]:
    path = w.host.tree / "var/lib/bbs-agent/update.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def program(w: World) -> bytes:
    return (w.host.tree / PROGRAM).read_bytes()


def beside(w: World) -> list[str]:
    return sorted(p.name for p in (w.host.tree / PROGRAM).parent.glob("bbs-agent*"))


def refuses_a_bad_signature(w: World) -> str:
    config = w.host.tree / "etc/bbs-agent/config.ini"
    config.write_text(config.read_text() + CONFIG)
    offer(w, w.other_key, NEW, as_version(NEW))
    w.host.run(w.host.reload)
    wait(lambda: w.bbs.state.information[-1]["auto_update_enabled"], "updates are not allowed")
    before, pid = program(w), w.host.agent()
    report = w.bbs.wait_status(w.bbs.add_task({"task": "update_agent"}), SECONDS)
    words = "signature of SHA256SUMS is wrong"
    assert report["result"] == "failed" and words in report["error_log"], report
    assert words in w.host.run("bbs-agent update", code=1)
    assert program(w) == before and w.host.agent() == pid and beside(w) == ["bbs-agent"]
    return "an update with a bad signature was refused, by order and by hand"


def takes_back_a_crashing_version(w: World) -> str:
    """The host goes down in the middle of it, and nothing is forgotten."""
    before = program(w)
    offer(w, w.key, NEW, fatal("crash"))
    job = w.bbs.add_task({"task": "update_agent"})
    wait(lambda: state(w).get("starts"), "the new version does not start")
    assert program(w) != before
    w.host.shut_down()
    starts = state(w)["starts"]
    w.host.boot()
    goes_back(w, job, NEW, before)
    return f"a version that crashes was taken back, with a reboot behind start {starts} of 3"


def takes_back_a_hanging_version(w: World) -> str:
    before = program(w)
    offer(w, w.key, NEWER, fatal("hang", NEWER))
    job = w.bbs.add_task({"task": "update_agent"})
    wait(lambda: state(w).get("to") == NEWER, "the new version does not get its place")
    goes_back(w, job, NEWER, before)
    return "a version that hangs was taken back"


def goes_back(w: World, job: Any, version: str, before: bytes) -> None:
    report = w.bbs.wait_status(job, SECONDS)
    assert report["result"] == "failed", report
    assert f"bbs-agent {version} was taken back: it was started 3 times" in report["error_log"], report
    assert f"This is {OLD} again" in report["error_log"], report
    assert program(w) == before and beside(w) == ["bbs-agent"]
    assert state(w)["phase"] == "rolled_back" and state(w)["starts"] == 3
    w.polls_again(f"after {version} was taken back")
    assert w.bbs.state.information[-1]["agent_version"] == OLD
    assert f"{version} was taken back" in json.loads(w.host.run("bbs-agent status --json"))["update"]


def takes_a_good_version(w: World) -> str:
    """The same process, so whoever started it notices nothing."""
    pid = w.host.agent()
    offer(w, w.key, NEWEST, as_version(NEWEST))
    report = w.bbs.wait_status(w.bbs.add_task({"task": "update_agent"}), SECONDS)
    assert report["result"] == "completed", report
    assert w.host.agent() == pid
    assert w.bbs.state.information[-1]["agent_version"] == NEWEST
    assert NEWEST in w.host.run("bbs-agent version") and state(w)["phase"] == "installed"
    w.host.shut_down()
    w.host.boot()
    w.polls_again("after the reboot")
    assert w.bbs.state.information[-1]["agent_version"] == NEWEST
    return f"updated from {OLD} to {NEWEST} in the same process; it is there after a reboot"


STEPS = (
    refuses_a_bad_signature, takes_back_a_crashing_version, takes_back_a_hanging_version,
    takes_a_good_version,
)  # fmt: skip
