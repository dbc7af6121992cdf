"""Ways for the server to misbehave, by name.

A fault is a function of the exchange that plays it and says whether the
connection may live on. Those that need the server's real answer ask for it
with exchange.answer(), which is also what changes the server's state: a fault
that never asks leaves the request undone.
"""

import contextlib
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol

from . import phpjson, wire
from .wire import Answer, Request


class Exchange(Protocol):
    """What a fault gets to play with."""

    request: Request
    style: str
    connection: Any

    def answer(self) -> Answer: ...
    def send(self, data: bytes) -> None: ...
    def send_answer(self, answer: Answer, keep: bool = True) -> bool: ...
    def sleep(self, seconds: float) -> None: ...
    def cut(self) -> None: ...


@dataclass
class Fault:
    """Played for the next `times` requests whose endpoint matches."""

    endpoint: str  # "tasks", "status", ... or "*"
    kind: str
    times: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    job_id: int | None = None  # None: any, or none

    def is_for(self, request: Request) -> bool:
        about = (request.json or {}).get("job_id")
        return self.endpoint in ("*", request.endpoint) and self.job_id in (None, about)

    def play(self, exchange: Exchange) -> bool:
        return KINDS[self.kind](exchange, **self.options)


def status(x: Exchange, code: int, retry_after: str | None = None,
           page: bool = False, error: str = "made to fail",
           body: str | None = None) -> bool:  # fmt: skip
    """An answer of that status: JSON with `error`, that body, or a proxy's page."""
    said = body.encode() if body is not None else phpjson.encode({"error": error})
    answer = wire.html(code) if page else Answer(code, said)
    if retry_after is not None:
        answer.headers.append(("Retry-After", retry_after))
    return x.send_answer(answer)


def error_500(x: Exchange) -> bool:
    """An uncaught error, as the host shows it."""
    return x.send_answer(Answer(500, b"", wire.HTML), x.style == wire.NGINX)


def slow(x: Exchange, seconds: float) -> bool:
    """The work is done at once, the answer comes late."""
    answer = x.answer()
    x.sleep(seconds)
    return x.send_answer(answer)


def drip(x: Exchange, size: int = 8, pause: float = 0.05, body: bool = False) -> bool:
    """The answer in small pieces, or only its body."""
    data = wire.render(x.answer(), x.style, True)
    start = data.index(b"\r\n\r\n") + 4 if body else 0
    x.send(data[:start])
    for i in range(start, len(data), size):
        x.send(data[i : i + size])
        x.sleep(pause)
    return True


def hang(x: Exchange, seconds: float = 3600) -> bool:
    """Nothing is done, nothing is said."""
    x.sleep(seconds)
    x.cut()
    return False


def drop(x: Exchange, done: bool = False) -> bool:
    """The connection ends without an answer, the work done or not."""
    if done:
        x.answer()
    x.cut()
    return False


def cut(x: Exchange, after: int) -> bool:
    """The connection breaks after so many bytes of the answer, or, below 0,
    so many before its end."""
    x.send(wire.render(x.answer(), x.style, True)[:after])
    x.cut()
    return False


def text(x: Exchange, body: bytes | str, type: str = wire.JSON) -> bool:
    """200 with this body, whatever it is."""
    data = body.encode() if isinstance(body, str) else body
    return x.send_answer(Answer(200, data, type))


def value(x: Exchange, value: Any) -> bool:
    """200 with this value as JSON."""
    return x.send_answer(Answer(200, phpjson.encode(value)))


def big_body(x: Exchange, size: int = 200_000_000, framed: str = "length") -> bool:
    """200 with a body that nobody can want."""
    block = b" " * 65536
    framings: dict[str, list[tuple[str, str]]] = {
        "length": [("Content-Length", str(size))],
        "chunked": [("Transfer-Encoding", "chunked")],
        "close": [],
    }
    x.send(wire.head(Answer(200), x.style, framings[framed], False))
    for _ in range(size // len(block)):
        x.send(b"10000\r\n" + block + b"\r\n" if framed == "chunked" else block)
    x.cut()
    return False


def big_header(x: Exchange, size: int = 1_000_000) -> bool:
    """The real answer below a header line of that size."""
    answer = x.answer()
    answer.headers.append(("X-Padding", "x" * size))
    return x.send_answer(answer)


def many_tasks(x: Exchange, count: int = 100_000) -> bool:
    """More tasks than any server has; their job ids are unknown to it."""
    tasks = [{"task": "list_dir", "job_id": 1_000_000 + i, "path": "/none"} for i in range(count)]
    body = {"status": "ok", "tasks": tasks, "poll_interval": 1}
    return x.send_answer(Answer(200, phpjson.encode(body)))


def redirect(x: Exchange, location: str, code: int = 301) -> bool:
    answer = wire.html(code)
    answer.headers.append(("Location", location))
    return x.send_answer(answer)


def clock(x: Exchange, seconds: float) -> bool:
    """The real answer, by a clock that is so far ahead."""
    answer = x.answer()
    answer.ahead = seconds
    return x.send_answer(answer)


def http10(x: Exchange) -> bool:
    """The real answer, HTTP/1.0, its end marked by the connection's."""
    answer = x.answer()
    x.send(wire.head(answer, x.style, [], False, "1.0") + answer.body)
    return False


def close_framed(x: Exchange, blanks: int = 0,
                 before: Callable[[Exchange], None] | None = None) -> bool:  # fmt: skip
    """HTTP/1.1 without a length; so often some white space behind the JSON,
    each in a record of its own. With `before`, which is called first, nobody
    waits for the peer to close its side, too."""
    answer = x.answer()
    if before is not None:
        before(x)
    x.send(wire.head(answer, x.style, [], False) + answer.body)
    for _ in range(blanks):
        x.send(b" " * 20)
    if before is not None:
        x.connection.sock.settimeout(0)
        with contextlib.suppress(OSError):
            x.connection.sock.unwrap()
        x.cut()
    return False


def cut_unframed(x: Exchange, forged: bool = False) -> bool:
    """The same without the word that ends a TLS connection: it may be cut; or
    somebody on the way adds a record of his own."""
    answer = x.answer()
    x.send(wire.head(answer, x.style, [], False) + answer.body)
    if forged:
        os.write(x.connection.sock.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
    x.cut()
    return False


def continue_first(x: Exchange) -> bool:
    """Interim answers before the real one."""
    x.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    x.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
    return x.send_answer(x.answer())


def odd_chunks(x: Exchange, size: int = 3) -> bool:
    """Right, but unusual: tiny chunks, extensions, a trailer."""
    answer = x.answer()
    framing = [("Transfer-Encoding", "chunked")]
    body = wire.chunks(answer.body, size, ";why=not", "X-Trailer: yes\r\n")
    x.send(wire.head(answer, x.style, framing, True) + body)
    return True


def bad_chunks(x: Exchange) -> bool:
    """A chunk whose size is no number."""
    answer = x.answer()
    framing = [("Transfer-Encoding", "chunked")]
    x.send(wire.head(answer, x.style, framing, False) + b"zz\r\n" + answer.body + b"\r\n0\r\n\r\n")
    return False


def two_lengths(x: Exchange) -> bool:
    """Two Content-Length headers that differ."""
    answer = x.answer()
    framing = [("Content-Length", str(len(answer.body))), ("Content-Length", "5")]
    x.send(wire.head(answer, x.style, framing, False) + answer.body)
    return False


def not_http(x: Exchange, greeting: bytes = b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n") -> bool:
    x.send(greeting)
    return False


FUNCTIONS: tuple[Any, ...] = (
    status, error_500, slow, drip, hang, drop, cut, text, value, big_body,
    big_header, many_tasks, redirect, clock, http10, close_framed, cut_unframed,
    continue_first,
    odd_chunks, bad_chunks, two_lengths, not_http,
)  # fmt: skip
KINDS: dict[str, Callable[..., bool]] = {f.__name__: f for f in FUNCTIONS}
