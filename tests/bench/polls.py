"""The agent with nothing to do: what it holds, what a poll costs, how soon it
is there."""

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bbsd import faults
from support.agent import BINARY

from .cpu import own_ns
from .figures import Figure, figure
from .world import SYSTEM_ROOTS, World, compile_c

BATCHES = 5
# Between two polls. At the first pace the processor stays awake and warm, as
# in a loop; at the second it sleeps in between, as it does in earnest.
PAUSE, LONG_PAUSE = 0.001, 0.1


class Relay:
    """Between agent and server, counting bytes."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self.upstream = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self.upstream) as far:
            pairs = {near: far, far: near}
            for sock in pairs:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with selectors.DefaultSelector() as ready:
                for sock in pairs:
                    ready.register(sock, selectors.EVENT_READ)
                while self.forward(ready, pairs):
                    pass

    def forward(self, ready: selectors.BaseSelector,
                pairs: dict[socket.socket, socket.socket]) -> bool:  # fmt: skip
        for key, _ in ready.select():
            source = key.fileobj
            assert isinstance(source, socket.socket)
            try:
                data = source.recv(65536)
                pairs[source].sendall(data)
            except OSError:
                return False
            if not data:
                return False
            self.bytes += len(data)
        return True

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Watch:
    def __init__(self, world: World) -> None:
        self.world = world
        self.polls = len(world.bbs.requests("tasks"))

    def poll(self, count: int, pause: float = PAUSE) -> None:
        for _ in range(count):
            self.polls += 1
            while not self.polled():
                pass
            time.sleep(pause)

    def polled(self) -> bool:
        """Asks for a poll; not heard while the agent takes in the last one."""
        self.world.poll()
        try:
            self.world.bbs.wait_request("tasks", self.polls, timeout=1)
        except TimeoutError:
            return False
        return True

    def cpu_ms(self, count: int, pause: float = PAUSE) -> float:
        """Of supervisor and network processes, for one poll of so many."""
        pids = [p.pid for p in self.world.agent.own_processes()]
        before = sum(own_ns(pid) for pid in pids)
        self.poll(count, pause)
        return (sum(own_ns(pid) for pid in pids) - before) / 1e6 / count


def last_answer(x: faults.Exchange) -> bool:
    """The real answer, and the server closes."""
    return x.send_answer(x.answer(), False)


def measure(place: Path, polls: int, starts: int, say: Callable[[str], None]) -> list[Figure]:
    with World(place) as world:
        world.configure(borg={"path": compile_c("fakeborg", place)})
        begun = [start_ms(world) for _ in range(starts)]
        say(f"start to first request: {', '.join(f'{ms:.1f}' for ms in begun)} ms")
        relay = Relay(world.bbs.port)
        world.bbs.public_url = f"https://127.0.0.1:{relay.port}"
        world.configure(borg={"path": place / "fakeborg"})
        world.start()
        idle = memory(world, say)
        poll_kept, poll_bytes = kept(world, relay, polls, say)
        poll_resumed = resumed(world, polls, say)
        relay.close()
    return [*idle, poll_kept, poll_resumed, poll_bytes, judge_start(begun), size()]


def start_ms(world: World) -> float:
    """From before fork and exec to the whole request at the server."""
    count = len(world.bbs.requests("register"))
    began = time.monotonic()
    world.agent.start()
    arrived = world.bbs.wait_request("register", count + 1).time
    world.agent.stop()
    return (arrived - began) * 1000


def judge_start(begun: list[float]) -> Figure:
    note = (
        f"From before fork and exec to the whole register request at the server: configuration, "
        f"{roots()}, system information, TLS handshake. {len(begun)} starts; with a fake borg, "
        "whose version costs nothing."
    )
    return figure("start", begun, note)


def memory(world: World, say: Callable[[str], None]) -> list[Figure]:
    if not world.may_look():
        say("idle memory: left out, only root can look at the network process")
        return []
    Watch(world).poll(20)
    values = []
    for _ in range(10):
        time.sleep(0.1)
        values.append(world.pss_mb())
    processes = len(world.agent.own_processes())
    say(f"idle: {values[-1]:.3f} MB in {processes} processes")
    note = f"{processes} processes together after 20 polls, nothing to do; {roots()}."
    return [figure("pss_idle", values, note)]


def kept(world: World, relay: Relay, polls: int, say: Callable[[str], None]) -> list[Figure]:
    watch = Watch(world)
    cpu, sizes = [], []
    for _ in range(BATCHES):
        before = relay.bytes
        cpu.append(watch.cpu_ms(polls // BATCHES))
        sizes.append((relay.bytes - before) / (polls // BATCHES))
    slow = watch.cpu_ms(polls // BATCHES, LONG_PAUSE)
    say(f"poll, connection kept: {min(cpu):.3f} to {max(cpu):.3f} ms (after a sleep {slow:.3f}), "
        f"{sizes[-1]:.0f} bytes")  # fmt: skip
    note = (
        f"Supervisor and network process, by the scheduler's clock: {polls} polls, asked for by "
        f"SIGUSR1 {PAUSE * 1000:g} ms apart, the connection kept, no job waiting. {asleep(slow)}"
    )
    size_note = "The same polls, counted by a relay: TLS records included, TCP and IP headers not."
    return [
        figure("poll_kept", cpu, note, asleep=slow),
        figure("poll_bytes", sizes, size_note),
    ]


def asleep(ms: float) -> str:
    return (
        f"{LONG_PAUSE * 1000:g} ms apart, with the processor asleep and its caches cold in "
        f"between: {ms:.3f} ms."
    )


def resumed(world: World, polls: int, say: Callable[[str], None]) -> Figure:
    """The server closes after each answer."""
    faults.KINDS["last_answer"] = last_answer
    world.bbs.fault("*", "last_answer", times=1 << 30)
    watch = Watch(world)
    watch.poll(2)
    context = world.bbs.context
    assert context is not None
    hits, count = context.session_stats()["hits"], watch.polls
    cpu = [watch.cpu_ms(polls // BATCHES) for _ in range(BATCHES)]
    slow = watch.cpu_ms(polls // BATCHES, LONG_PAUSE)
    share = (context.session_stats()["hits"] - hits) / (watch.polls - count)
    world.bbs.faults.clear()
    say(f"poll, session resumed: {min(cpu):.3f} to {max(cpu):.3f} ms (after a sleep {slow:.3f}), "
        f"{share:.0%} resumed")  # fmt: skip
    note = (
        f"The same with a server that closes each connection after its answer: {polls} new "
        f"connections, {share:.0%} of them resumed by the server's own count. {asleep(slow)}"
    )
    return figure("poll_resumed", cpu, note, resumed=share, asleep=slow)


def roots() -> str:
    if not SYSTEM_ROOTS.exists():
        return "one CA root (the system has no bundle)"
    return f"{SYSTEM_ROOTS.read_text().count('-----BEGIN CERT') + 1} CA roots"


def size() -> Figure:
    return figure("size", [os.stat(BINARY).st_size / 1e6], f"{BINARY.name}, nothing else.")
