"""HTTP/1.1 as the two hosts of the real server speak it.

nginx with php-fpm sends every answer chunked and keeps the connection for
75 seconds; Apache with mod_php sends Content-Length and closes after 5.
"""

import email.utils
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, BinaryIO

HEAD_MAX = 64 * 1024
NGINX, APACHE = "nginx", "apache"
IDLE_SECONDS = {NGINX: 75.0, APACHE: 5.0}
BODY_MAX = {NGINX: 1 << 20, APACHE: 1 << 30}
JSON, HTML = "application/json", "text/html; charset=UTF-8"


class Broken(Exception):
    """What came is no HTTP request."""


@dataclass
class Request:
    """One request and what became of it; times are monotonic seconds."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    time: float = 0.0
    connection: int = 0
    json: dict[str, Any] | None = None
    status: int = 0  # of the answer; 0 when none was sent
    fault: str = ""  # its kind, when one was played
    answered: float = 0.0  # when the answer was out

    @property
    def endpoint(self) -> str:
        """The last part of /api/agent/<endpoint>."""
        return self.path.split("?")[0].rpartition("/")[2]


@dataclass
class Answer:
    status: int
    body: bytes = b""
    type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)
    ahead: float = 0.0  # seconds that the sender's clock is


def read_head(stream: BinaryIO) -> Request | None:
    """The next request without its body; None when the peer is gone."""
    first = stream.read(1)
    if not first:
        return None
    if not first.isalpha():  # TLS, most likely: no line end may ever come
        raise Broken(f"first byte {first!r}")
    first += stream.readline(HEAD_MAX)
    words = first.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Broken(f"request line {first[:80]!r}")
    request = Request(words[0], words[1], {})
    size = len(first)
    while True:
        line = stream.readline(HEAD_MAX)
        size += len(line)
        if line in (b"\r\n", b"\n"):
            return request
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or size > HEAD_MAX:
            raise Broken(f"header line {line[:80]!r}")
        request.headers[name.strip().lower()] = value.strip()


def read_body(stream: BinaryIO, request: Request) -> None:
    length = int(request.headers.get("content-length", "0"))
    request.body = stream.read(length)
    if len(request.body) < length:
        raise Broken("the body was cut")


def head(answer: Answer, style: str, framing: list[tuple[str, str]],
         keep: bool, version: str = "1.1") -> bytes:  # fmt: skip
    """The status line and the headers, with the host's own habits."""
    server = "nginx/1.22.1" if style == NGINX else "Apache/2.4.62 (Debian)"
    lines = [
        ("Server", server),
        ("Date", email.utils.formatdate(time.time() + answer.ahead, usegmt=True)),
        ("Content-Type", answer.type),
        *framing,
        ("Connection", ("keep-alive" if style == NGINX else "Keep-Alive") if keep else "close"),
    ]
    if style == APACHE:
        lines.append(("Vary", "Authorization"))
        if keep:
            lines.append(("Keep-Alive", "timeout=5, max=100"))
    lines += [
        ("X-Frame-Options", "SAMEORIGIN"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
        *answer.headers,
    ]
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    phrase = HTTPStatus(answer.status).phrase
    return f"HTTP/{version} {answer.status} {phrase}\r\n{text}\r\n".encode("latin-1")


def render(answer: Answer, style: str, keep: bool) -> bytes:
    """The whole answer as that host would send it."""
    if style == APACHE:
        if answer.status == 500 and not answer.body:
            return head(answer, style, [("Content-Length", "0")], False, "1.0")
        length = [("Content-Length", str(len(answer.body)))]
        return head(answer, style, length, keep) + answer.body
    framing = [("Transfer-Encoding", "chunked")]
    return head(answer, style, framing, keep) + chunks(answer.body, 8192)


def chunks(body: bytes, size: int, extension: str = "", trailer: str = "") -> bytes:
    out = b""
    for i in range(0, len(body), size):
        part = body[i : i + size]
        out += b"%x%s\r\n" % (len(part), extension.encode()) + part + b"\r\n"
    return out + f"0{extension}\r\n{trailer}\r\n".encode()


def html(status: int, phrase: str = "") -> Answer:
    phrase = phrase or HTTPStatus(status).phrase
    page = (
        f"<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {phrase}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, page.encode(), HTML)
