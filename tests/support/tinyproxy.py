"""A real tinyproxy, with or without a password."""

import os
import socket
import subprocess
import time
from pathlib import Path

from .sshd import free_port

CONFIG = """
{user}
Port {port}
Listen {host}
Timeout 600
LogFile "{dir}/log"
LogLevel Connect
MaxClients 20
{more}
"""


class Tinyproxy:
    """On loopback; login is "user password" of it, more goes into its file."""

    def __init__(self, directory: Path, host: str = "127.0.0.1", login: str = "", more: str = "") -> None:
        self.dir = directory
        self.host = host
        self.port = 0
        self.more = f"{more}\n" + (f"BasicAuth {login}" if login else "")
        self._server: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def url(self, login: str = "") -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{login + '@' if login else ''}{host}:{self.port}"

    @property
    def log(self) -> str:
        path = self.dir / "log"
        return path.read_text() if path.exists() else ""

    def start(self) -> "Tinyproxy":
        """After a stop on the same port again."""
        self.port = self.port or free_port(self.host)
        config = self.dir / "tinyproxy.conf"
        config.write_text(CONFIG.format(
            dir=self.dir, host=self.host, port=self.port, more=self.more,
            user="User root\nGroup root" if os.geteuid() == 0 else ""))  # fmt: skip
        with (self.dir / "output").open("wb") as output:
            self._server = subprocess.Popen(
                ["tinyproxy", "-d", "-c", str(config)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        for _ in range(250):
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
            if self._server.poll() is not None:
                break
        raise RuntimeError(f"tinyproxy does not start: {(self.dir / 'output').read_text()}")

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def __enter__(self) -> "Tinyproxy":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
