"""The stand-in server: listener, connections, routing, record.

One thread accepts, one thread serves each connection. Everything that the
tests do with the server goes through class BBS.
"""

import itertools
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from . import checks, phpjson, wire
from .ca import CA, Cert
from .faults import KINDS, Fault
from .state import ARCHIVE, Body, Job, State
from .wire import Answer, Request

API = "/api/agent/"
KEY = "testkey0" * 8
HANDSHAKE_SECONDS = 10.0
GOODBYE_SECONDS = 0.5
DRAIN_SECONDS = 5.0
# What must come, comes within this on a busy machine, too.
PATIENCE = 90.0

CREATE = ["borg", "create", "--json", "--log-json", "--list", "--progress",
          "--lock-wait=600"]  # fmt: skip
EXTRACT = ["borg", "extract", "--log-json", "--progress", "--list", "--lock-wait=600"]


@dataclass
class SshAccess:
    """Where the agent's ssh goes, and a repository's passphrase with it."""

    user: str
    host: str
    port: int
    private_key: str

    def rsh(self, key_path: str = "/etc/bbs-agent/ssh_key") -> str:
        """BORG_RSH as the real server builds it."""
        return (
            f"ssh -i {key_path} -p {self.port} -o StrictHostKeyChecking=no "
            "-o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR"
        )


class BBS:
    """A server on loopback; a context manager."""

    def __init__(
        self,
        directory: Path,
        tls: bool = True,
        cert: Cert | None = None,
        ca: CA | None = None,
        style: str = wire.NGINX,
        host: str = "127.0.0.1",
        name: str | None = None,
        port: int = 0,
        api_key: str = KEY,
        poll_interval: int = 1,
        numbers_as_strings: bool = False,
        prefix: str = "",
        tls_minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    ) -> None:
        self.dir = Path(directory)
        self.style = style
        self.host, self.port = host, port
        self.name = name or host
        self.prefix = prefix
        self.public_url: str | None = None
        self.numbers_as_strings = numbers_as_strings
        self.state = State(api_key, poll_interval)
        self.ssh: SshAccess | None = None
        self.ca = ca
        self.context = self._context(cert, tls_minimum) if tls else None
        self.record: list[Request] = []
        self.faults: list[Fault] = []
        self.on_request: Callable[[Request], None] | None = None
        self.stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(1)

    def _context(self, cert: Cert | None, minimum: ssl.TLSVersion) -> ssl.SSLContext:
        if cert is None:
            self.ca = self.ca or CA(self.dir / "ca")
            cert = self.ca.issue()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = minimum
        context.load_cert_chain(cert.chain, cert.key)
        return context

    # life

    def start(self) -> "BBS":
        """Listens; after a stop() on the same port again."""
        self.stopping.clear()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._spawn(self._accept, listener)
        return self

    def stop(self) -> None:
        """Ends every connection and stops listening; the state stays."""
        self.stopping.set()
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop_connections()
        for thread in self._threads:
            thread.join(HANDSHAKE_SECONDS)
        self._threads.clear()

    def drop_connections(self) -> None:
        for sock in list(self._sockets):
            _hard_close(sock)

    def __enter__(self) -> "BBS":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """How the agent reaches it, also when a proxy stands before it."""
        if self.public_url is not None:
            return self.public_url
        host = f"[{self.name}]" if ":" in self.name else self.name
        scheme = "https" if self.context else "http"
        return f"{scheme}://{host}:{self.port}{self.prefix}"

    @property
    def ca_file(self) -> Path | None:
        return self.ca.cert if self.ca else None

    @property
    def api_key(self) -> str:
        return self.state.api_key

    @property
    def violations(self) -> list[str]:
        return self.state.violations

    # what the server orders

    def use_ssh(self, access: SshAccess) -> None:
        """What register and ssh-key tell, and what jobs get as BORG_RSH."""
        with self.state.changed:
            self.ssh = access
            self.state.ssh_private_key = access.private_key
            self.state.ssh = {
                "ssh_unix_user": access.user,
                "server_host": access.host,
                "ssh_port": access.port,
            }

    def add_task(self, task: Body) -> Job:
        """Queues a task as it stands; a job_id is added unless it has one."""
        with self.state.changed:
            return self.state.add(task)

    def add_backup(
        self,
        repo: str,
        directories: list[str],
        passphrase: str = "",
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        dry_run: bool = False,
        expected_files: int = 0,
        precount_files: bool = True,
        **more: Any,
    ) -> Job:
        """A backup as the real server orders it; `more` adds fields."""
        create = [*CREATE[:2], *(["--dry-run"] if dry_run else []), *CREATE[2:]]
        return self.add_task(
            {
                "task": "backup_dry_run" if dry_run else "backup",
                "command": [*create, *options, f"{repo}::{ARCHIVE}", *directories],
                "env": {**self.borg_env(passphrase), **(env or {})},
                "archive_name": ARCHIVE,
                "directories": "\n".join(directories),
                "expected_files": expected_files,
                "precount_files": precount_files,
                "repo_path": repo,
                "plan_name": 'T\u00e4glich /srv "main"',
                "client_name": self.state.name,
                **more,
            }
        )

    def add_restore(
        self,
        repo: str,
        archive: str,
        paths: list[str],
        cwd: str | None,
        passphrase: str = "",
        options: tuple[str, ...] = (),
        **more: Any,
    ) -> Job:
        task: Body = {
            "task": "restore",
            "command": [*EXTRACT, *options, f"{repo}::{archive}", *paths],
            "env": self.borg_env(passphrase),
            **more,
        }
        if cwd is not None:
            task["cwd"] = cwd
        return self.add_task(task)

    def borg_env(self, passphrase: str = "") -> dict[str, str]:
        env = {
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }
        if passphrase:
            env["BORG_PASSPHRASE"] = passphrase
        if self.ssh is not None:
            env["BORG_RSH"] = self.ssh.rsh()
        return env

    def cancel(self, job: Job) -> None:
        with self.state.changed:
            self.state.cancel(job.id)
            self.state.changed.notify_all()

    def ask_about(self, job_id: int, by: str = "tasks") -> None:
        """check_jobs names it in tasks or heartbeat until it is reported."""
        with self.state.changed:
            asked = {
                "tasks": self.state.check_in_tasks,
                "heartbeat": self.state.check_in_heartbeat,
            }
            asked[by].append(job_id)

    def fault(self, endpoint: str, kind: str, times: int = 1, job: Job | None = None,
              **options: Any) -> Fault:  # fmt: skip
        """The next requests for that endpoint ("*": any) go wrong; only those
        about that job, if one is given."""
        if kind not in KINDS:
            raise ValueError(kind)
        fault = Fault(endpoint, kind, times, options, job.id if job else None)
        with self.state.changed:
            self.faults.append(fault)
        return fault

    # what the tests look at

    def requests(self, endpoint: str | None = None) -> list[Request]:
        """The record so far, in order of arrival."""
        with self.state.changed:
            return [r for r in self.record if endpoint in (None, r.endpoint)]

    def wait(self, what: Callable[[], Any], timeout: float, name: str = "") -> Any:
        """Until what() is true; it is called after every request."""
        deadline = time.monotonic() + timeout
        with self.state.changed:
            while not (result := what()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(name or "the server waited in vain")
                self.state.changed.wait(min(left, 0.2))
            return result

    def wait_request(self, endpoint: str, count: int = 1, timeout: float = PATIENCE) -> Request:
        """Until that endpoint was asked so often (and answered)."""

        def enough() -> Request | None:
            seen = [r for r in self.record if r.endpoint == endpoint and r.answered]
            return seen[count - 1] if len(seen) >= count else None

        found: Request = self.wait(enough, timeout, f"no {endpoint} number {count}")
        return found

    def wait_polls(self, more: int, timeout: float = PATIENCE) -> Request:
        """Until the agent polled so many times more."""
        return self.wait_request("tasks", len(self.requests("tasks")) + more, timeout)

    def wait_running(self, job: Job, timeout: float = PATIENCE) -> None:
        self.wait(lambda: job.progress, timeout, f"job {job.id} never started")

    def wait_status(self, job: Job, timeout: float = PATIENCE) -> Body:
        """The first final report of the job."""
        self.wait(lambda: job.reports, timeout, f"no report of job {job.id}")
        return job.reports[0]

    # the work

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self._spawn(self._serve, sock, next(self._numbers))

    def _serve(self, sock: socket.socket, number: int) -> None:
        self._sockets.add(sock)
        raw = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(HANDSHAKE_SECONDS)
            if self.context is not None:
                if sock.recv(1, socket.MSG_PEEK).isalpha():
                    raise wire.Broken("The plain HTTP request was sent to HTTPS port")
                sock = self.context.wrap_socket(sock, server_side=True)
                self._sockets.discard(raw)
                self._sockets.add(sock)
            Connection(self, sock, number).run()
        except wire.Broken as error:
            refuse(sock, self.style, str(error))
        except (OSError, ValueError):
            pass
        finally:
            self._sockets -= {raw, sock}
            sock.close()

    def take_fault(self, request: Request) -> Fault | None:
        with self.state.changed:
            for fault in self.faults:
                if fault.times > 0 and fault.is_for(request):
                    fault.times -= 1
                    return fault
        return None

    def handle(self, request: Request) -> Answer:
        """The server's own answer; this is where its state changes."""
        with self.state.changed:
            status, body = self._route(request)
        if body is None:
            return wire.html(404) if status == 404 else Answer(status, b"", wire.HTML)
        return Answer(status, phpjson.encode(body, self.numbers_as_strings))

    def _route(self, request: Request) -> tuple[int, Body | None]:
        state, body = self.state, request.json
        routes: dict[tuple[str, str], Callable[[], tuple[int, Body | None]]] = {
            ("POST", "register"): lambda: state.register(body or {}),
            ("POST", "info"): lambda: state.info(body or {}),
            ("GET", "tasks"): state.tasks,
            ("GET", "ssh-key"): state.ssh_key,
            ("POST", "heartbeat"): state.heartbeat,
            ("POST", "progress"): lambda: state.progress(body),
            ("POST", "status"): lambda: state.status(body),
        }
        path = request.path.split("?")[0]
        base, _, endpoint = path.rpartition("/")
        route = routes.get((request.method, endpoint))
        if route is None or base + "/" != self.prefix + API:
            return 404, None
        refusal = state.authenticate(request.headers.get("authorization"))
        if refusal is not None:
            return refusal
        self._judge(request)
        return route()

    def _judge(self, request: Request) -> None:
        body = request.json or {}
        job = self.state.jobs.get(body.get("job_id", 0))
        task = str(job.task.get("task")) if job else ""
        wrong = checks.impolite(request.endpoint, request.headers, body, task)
        if request.method == "POST" and request.json is None:
            wrong.append(f"body {request.body[:200]!r} is no strict JSON object")
        fatal = checks.fatal(request.endpoint, body)
        wrong += [fatal] if fatal else []
        self.violations.extend(f"{request.endpoint}: {w}" for w in wrong)


class Connection:
    """One connection: requests one after the other."""

    def __init__(self, bbs: BBS, sock: socket.socket, number: int) -> None:
        self.bbs, self.sock, self.number = bbs, sock, number
        self.stream = sock.makefile("rb")

    def run(self) -> None:
        keep = True
        while keep and not self.bbs.stopping.is_set():
            self.sock.settimeout(wire.IDLE_SECONDS[self.bbs.style])
            try:
                request = wire.read_head(self.stream)
            except TimeoutError:
                break
            if request is None:
                break
            self.sock.settimeout(60)
            keep = self.exchange(request)
        self.goodbye()

    def exchange(self, request: Request) -> bool:
        request.connection = self.number
        too_big = int(request.headers.get("content-length", "0")) > (
            wire.BODY_MAX[self.bbs.style]
        )
        if not too_big:
            wire.read_body(self.stream, request)
            request.json = phpjson.decode(request.body) if request.body else None
        request.time = time.monotonic()
        with self.bbs.state.changed:
            self.bbs.record.append(request)
        exchange = LiveExchange(self, request)
        if too_big:
            exchange.send_answer(wire.html(413), False)
            self.drain()
            return False
        fault = self.bbs.take_fault(request)
        try:
            if fault is None:
                return exchange.send_answer(exchange.answer())
            request.fault = fault.kind
            return fault.play(exchange)
        finally:
            self.finish(request)

    def finish(self, request: Request) -> None:
        with self.bbs.state.changed:
            request.answered = time.monotonic()
            self.bbs.state.changed.notify_all()
        if self.bbs.on_request is not None:
            self.bbs.on_request(request)

    def drain(self) -> None:
        """Closing over unread bytes would cost the peer the answer."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and self.stream.read1(65536):
            pass

    def goodbye(self) -> None:
        """close_notify where there is TLS."""
        self.sock.settimeout(GOODBYE_SECONDS)
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.unwrap()
        else:
            self.sock.shutdown(socket.SHUT_WR)


class LiveExchange:
    """One request of a connection, as faults see it."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self.connection, self.request = connection, request
        self.style = connection.bbs.style

    def answer(self) -> Answer:
        return self.connection.bbs.handle(self.request)

    def send(self, data: bytes) -> None:
        self.connection.sock.sendall(data)

    def send_answer(self, answer: Answer, keep: bool = True) -> bool:
        wished = self.request.headers.get("connection", "").lower() != "close"
        broken = self.style == wire.APACHE and answer.status == 500 and not answer.body
        keep = keep and wished and not broken
        self.request.status = answer.status
        self.send(wire.render(answer, self.style, keep))
        return keep

    def sleep(self, seconds: float) -> None:
        self.connection.bbs.stopping.wait(seconds)

    def cut(self) -> None:
        _hard_close(self.connection.sock)


def refuse(sock: socket.socket, style: str, why: str) -> None:
    """Both hosts answer 400, in plain text, to what is no HTTP request."""
    try:
        sock.sendall(wire.render(wire.html(400, why), style, False))
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(GOODBYE_SECONDS)
        sock.recv(65536)
    except OSError:
        pass


def _hard_close(sock: socket.socket) -> None:
    """No close_notify, no more bytes."""
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass
