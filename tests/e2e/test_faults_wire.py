"""The wire: answers that are cut at each byte, connections that dribble,
vanish or hear nothing, names that are gone. What the agent tells the server
arrives, and what the server orders is done once."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, CA, Job
from bbsd.faults import Fault
from support.agent import Agent
from support.clock import Clock
from support.relay import Relay
from support.site import MakeFaked

LOOK = {"task": "list_dir", "path": "/nonexistent"}
# Longer than any pause that the agent makes, shorter than an exchange may take.
PAUSE = 62


def no_net_died(agent: Agent) -> bool:
    return "broken message" not in agent.log and "was killed by signal" not in agent.log


def played(faults: list[Fault]) -> int:
    return sum(fault.times == 0 for fault in faults)


def play(clock: Clock, faults: list[Fault], is_over: Callable[[], object]) -> None:
    """One after the other, without the agent's pauses in between. On a slow
    machine time has to wait longer, or no handshake comes to its end."""
    patience, deadline = 0.008, time.monotonic() + 120
    before, since = -1, 0.0
    while not is_over():
        if played(faults) != before:
            before, since = played(faults), time.monotonic()
            patience = max(0.008, patience / 2)
        elif time.monotonic() - since > patience:
            clock.passes(PAUSE, step=PAUSE, pause=0)
            patience = min(1.5 * patience, 1)
            since = time.monotonic()
        assert time.monotonic() < deadline, f"{played(faults)} played, and no end"
        time.sleep(0.001)


def cuts(bbs: BBS, endpoint: str, step: int = 1) -> list[Fault]:
    return [bbs.fault(endpoint, "cut", after=after) for after in range(0, 1200, step)]


def test_the_answer_to_a_report_is_cut_at_each_byte(faked: MakeFaked) -> None:
    """Until it is whole, the report is kept and sent again."""
    world = faked("summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    world.start()
    faults = cuts(world.bbs, "status")
    job = world.order()
    world.bbs.wait_status(job)
    assert world.agent.spool()
    play(clock, faults, lambda: not world.agent.spool())
    sent = played(faults)
    assert 300 < sent < 1200
    world.bbs.wait_polls(1)
    assert len(job.reports) == sent
    assert all(report == job.reports[0] for report in job.reports)
    assert len(world.borg.runs()) == 1
    assert no_net_died(world.agent)


def test_a_poll_is_cut_at_each_byte(faked: MakeFaked) -> None:
    """No half of a task is run, and the whole one once."""
    world = faked("summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    world.start()
    job = world.order()
    faults = cuts(world.bbs, "tasks", 5)
    play(clock, faults, lambda: job.reports)
    assert 100 < played(faults) < 240
    assert not [j for j in world.bbs.state.jobs.values() if j.id != job.id]
    world.bbs.faults.clear()
    with clock.runs():
        world.bbs.wait_polls(3)
    assert [r["result"] for r in job.reports] == ["completed"]
    assert len(world.borg.runs()) == 1
    assert no_net_died(world.agent)


def behind(bbs: BBS, relay: Relay) -> None:
    bbs.public_url = f"https://127.0.0.1:{relay.port}"


def test_a_connection_is_cut_within_tls(bbs: BBS, agent: Agent) -> None:
    """In the handshake and in records: where the bytes make no sense yet."""
    clock = Clock(agent)
    with Relay(bbs.port) as relay:
        behind(bbs, relay)
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(1)
        for after in range(0, 1600, 40):
            relay.cut_after = after
            before = relay.accepted
            bbs.drop_connections()
            deadline = time.monotonic() + 10
            while relay.accepted == before:
                assert time.monotonic() < deadline
                clock.passes(PAUSE, step=PAUSE, pause=0.01)
        relay.cut_after = None
        with clock.runs():
            bbs.wait_polls(2)
    assert no_net_died(agent)


def test_an_answer_is_cut_within_its_records(faked: MakeFaked) -> None:
    """One that ends with the connection is whole when the record that ends TLS
    has come to its last byte, and not before: its JSON may be at its end."""
    world = faked("summary()", start=False, ssh=False)
    clock = Clock(world.agent)
    with Relay(world.bbs.port) as relay:

        def cut(count: int) -> Fault:
            def before(x: Any) -> None:
                relay.keep_last(x.connection.sock.getpeername()[1], count)

            return world.bbs.fault("status", "close_framed", blanks=4, before=before)

        behind(world.bbs, relay)
        world.agent.configure(world.bbs)
        world.start()
        faults = [cut(count) for count in (*range(600, 240, -20), *range(240, 0, -1))]
        whole = world.bbs.fault("status", "close_framed", blanks=4)
        job = world.order()
        world.bbs.wait_status(job)
        play(clock, faults, lambda: not world.agent.spool())
        assert played(faults) == len(faults) and whole.times == 0
        world.bbs.wait_polls(1)
    assert len(job.reports) == len(faults) + 1
    assert all(report == job.reports[0] for report in job.reports)
    assert no_net_died(world.agent)


def test_a_server_that_dribbles(bbs: BBS, agent: Agent) -> None:
    """Each byte in good time, and never an end: in TLS, then in HTTP."""
    clock = Clock(agent)
    with Relay(bbs.port) as relay, clock.runs():
        behind(bbs, relay)
        relay.dribble = 0.05
        agent.configure(bbs)
        agent.start()
        agent.wait_log("WARN .*does not finish the TLS handshake")
        assert bbs.requests() == []
        relay.dribble = None
        bbs.wait_polls(1)
        job = bbs.add_task(LOOK)
        fault = bbs.fault("tasks", "drip", size=1, pause=0.05)
        bbs.wait(lambda: fault.times == 0, 10)
        agent.wait_log("WARN .*did not answer within 60 s")
        bbs.fault("tasks", "drip", size=1, pause=0.2, body=True)
        agent.wait_log("WARN .*took over 120 s")
        bbs.wait_status(job)
        bbs.wait_polls(2)
    assert len(job.reports) == 1
    assert no_net_died(agent)


@pytest.mark.parametrize("how", ["lose", "vanish"])
def test_a_connection_that_only_one_side_has(faked: MakeFaked, how: str) -> None:
    """A router forgot it, or the server was switched off and on."""
    world = faked("while not os.path.exists(HERE + '/go'): time.sleep(0.02)\nsummary()",
                  start=False, ssh=False)  # fmt: skip
    clock = Clock(world.agent)
    with Relay(world.bbs.port) as relay:
        behind(world.bbs, relay)
        world.agent.configure(world.bbs)
        world.start()
        job = world.order()
        world.bbs.wait(world.borg.runs, 15)
        if how == "vanish" and os.geteuid() != 0:
            pytest.skip("needs root")
        getattr(relay, how)()
        (world.borg.dir / "go").touch()
        with clock.runs():
            assert world.bbs.wait_status(job)["result"] == "completed"
            world.bbs.wait_polls(2)
    if how == "vanish":  # told by a reset: repeated at once, and no failure
        assert "WARN  no answer" not in world.agent.log
        assert len(world.bbs.requests("register")) == 1
    assert len(job.reports) == 1


# names


def mounted(agent: Agent, mount: str) -> None:
    """The agent, and nobody else, finds it so."""
    alone = ["unshare", "-m", "sh", "-c"]
    if subprocess.run([*alone, mount], capture_output=True).returncode != 0:
        pytest.skip("no mounts here")
    agent.prefix = [*alone, f'{mount} && exec "$@"', "sh"]


def own_names(agent: Agent, place: Path) -> Path:
    """A host that has its names from a file of the test; that file."""
    hosts, resolv = place / "hosts", place / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost bbs.test\n")
    resolv.write_text("nameserver 127.0.0.9\noptions timeout:1\n")
    mount = f"mount --bind {hosts} /etc/hosts && mount --bind {resolv} /etc/resolv.conf"
    mounted(agent, mount)
    return hosts


def test_names_that_are_gone(place: Path, ca: CA, agent: Agent) -> None:
    cert = ca.issue("named", ("bbs.test",))
    clock = Clock(agent)
    hosts = own_names(agent, place)
    with BBS(place / "bbs", cert=cert, ca=ca, name="bbs.test") as bbs, clock.runs():
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)
        known = hosts.read_text()
        hosts.write_text("127.0.0.1 localhost\n")
        bbs.drop_connections()
        agent.wait_log("WARN .*bbs.test .*DNS")
        job: Job = bbs.add_task(LOOK)
        hosts.write_text(known)
        bbs.wait_status(job)
        bbs.wait_polls(2)
    assert len(job.reports) == 1


def own_etc(agent: Agent, place: Path) -> Path:
    """A host whose /etc is the test's; that directory."""
    etc = place / "etc-of-the-host"
    etc.mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", etc)
    (place / "resolver").mkdir()
    resolv = place / "resolver/resolv.conf"  # or all of /etc may be read
    resolv.write_text("nameserver 127.0.0.9\noptions timeout:1 attempts:1\n")
    (etc / "resolv.conf").symlink_to(resolv)
    (etc / "hosts").write_text("127.0.0.1 localhost bbs.test\n")
    mount = f"mount --bind {etc} /etc"
    mounted(agent, mount)
    return etc


def test_names_that_come_in_a_new_file(place: Path, ca: CA, agent: Agent) -> None:
    """As editors and DHCP clients write it: the network process may read the
    one of before only, so a look-up that fails is followed by a process anew."""
    cert = ca.issue("named", ("bbs.test",))
    clock = Clock(agent)
    etc = own_etc(agent, place)
    with BBS(place / "bbs", cert=cert, ca=ca, name="bbs.test") as bbs, clock.runs():
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)
        shutil.copy(etc / "hosts", etc / "hosts.new")
        os.replace(etc / "hosts.new", etc / "hosts")
        bbs.drop_connections()
        bbs.wait_polls(2, 20)
