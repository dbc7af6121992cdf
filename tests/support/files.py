"""A server of files, over TLS or not, that can misbehave while it sends."""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bbsd import Cert


@dataclass
class File:
    """One path. how: plain, chunked, close (no length), cut, cut-chunked,
    drip; a location makes it a redirect."""

    body: bytes = b""
    how: str = "plain"
    location: str = ""
    code: int = 302


@dataclass
class Seen:
    path: str
    headers: dict[str, str] = field(default_factory=dict)


class Files:
    """A context manager; files maps paths (without query) to File."""

    def __init__(self, cert: Cert | None) -> None:
        self.files: dict[str, File] = {}
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self.dripped = threading.Event()  # somebody left in the middle
        files = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:  # noqa: N802
                files.serve(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.tls = cert is not None
        if cert is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert.chain, cert.key)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self) -> "Files":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def put(self, path: str, body: bytes = b"", how: str = "plain", **more: Any) -> str:
        self.files[path] = File(body, how, **more)
        return self.url(path)

    def paths(self) -> list[str]:
        return [s.path for s in self.seen]

    def serve(self, h: BaseHTTPRequestHandler) -> None:
        headers = {k.lower(): v for k, v in h.headers.items()}
        self.seen.append(Seen(h.path, headers))
        file = self.files.get(h.path.partition("?")[0])
        try:
            if file is None:
                self.answer(h, 404, b"<html>no such file</html>")
            elif file.location:
                h.send_response(file.code)
                h.send_header("Location", file.location)
                h.send_header("Content-Length", "0")
                h.end_headers()
            else:
                self.WAYS[file.how](self, h, file.body)
        except (OSError, ValueError):
            h.close_connection = True

    def answer(self, h: BaseHTTPRequestHandler, code: int, body: bytes, cut: int = 0) -> None:
        h.send_response(code)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body[: len(body) - cut])

    def plain(self, h: BaseHTTPRequestHandler, body: bytes) -> None:
        self.answer(h, 200, body)

    def cut(self, h: BaseHTTPRequestHandler, body: bytes) -> None:
        self.answer(h, 200, body, 1000)
        h.close_connection = True

    def _chunks(self, h: BaseHTTPRequestHandler, body: bytes, end: bytes) -> None:
        h.send_response(200)
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        for i in range(0, len(body), 65536):
            part = body[i : i + 65536]
            h.wfile.write(b"%x\r\n" % len(part) + part + b"\r\n")
        h.wfile.write(end)

    def chunked(self, h: BaseHTTPRequestHandler, body: bytes) -> None:
        self._chunks(h, body, b"0\r\n\r\n")

    def cut_chunked(self, h: BaseHTTPRequestHandler, body: bytes) -> None:
        self._chunks(h, body, b"")
        h.close_connection = True

    def close(self, h: BaseHTTPRequestHandler, body: bytes) -> None:
        """No length, and no good-bye of TLS either."""
        h.send_response(200)
        h.end_headers()
        h.wfile.write(body)
        h.close_connection = True

    def drip(self, h: BaseHTTPRequestHandler, body: bytes) -> None:
        """A first part at once, then a byte now and then, never an end."""
        h.send_response(200)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body[:100_000])
        try:
            for i in range(100_000, len(body)):
                if self.stopping.is_set():
                    return
                h.wfile.write(body[i : i + 1])
                time.sleep(0.1)
        except OSError:
            self.dripped.set()
            raise

    WAYS: dict[str, Callable[..., None]] = {
        "plain": plain, "chunked": chunked, "cut": cut, "cut-chunked": cut_chunked,
        "close": close, "drip": drip,
    }  # fmt: skip
