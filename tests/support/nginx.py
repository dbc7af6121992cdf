"""A real nginx that ends TLS in front of a plain stand-in server."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from bbsd import Cert

from .sshd import free_port

CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ worker_connections 256; }}
http {{
	access_log {dir}/access.log;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	upstream bbs {{
		server {upstream};
		keepalive 4;
	}}
	server {{
		listen 127.0.0.1:{port} ssl{http2};
		ssl_certificate {chain};
		ssl_certificate_key {key};
		ssl_protocols {protocols};
		ssl_session_cache shared:x:1m;
		{more}
		location / {{
			proxy_pass http://bbs;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_read_timeout 600;
		}}
	}}
}}
"""


class Nginx:
    def __init__(self, directory: Path, upstream_port: int, cert: Cert,
                 protocols: str = "TLSv1.2 TLSv1.3", http2: bool = True) -> None:  # fmt: skip
        self.dir = directory
        self.upstream_port = upstream_port
        self.cert = cert
        self.protocols = protocols
        self.http2 = " http2" if http2 else ""
        self.more = ""  # lines for the server's block
        self.port = 0
        self._server: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def pid(self) -> int:
        return self._server.pid if self._server else 0

    def access_log(self) -> str:
        return (self.dir / "access.log").read_text()

    def start(self) -> "Nginx":
        self.port = free_port("127.0.0.1")
        config = self.dir / "nginx.conf"
        config.write_text(
            CONFIG.format(
                dir=self.dir, port=self.port, upstream=f"127.0.0.1:{self.upstream_port}",
                chain=self.cert.chain, key=self.cert.key, protocols=self.protocols,
                user="user root;" if os.geteuid() == 0 else "", http2=self.http2,
                more=self.more,
            )
        )  # fmt: skip
        with (self.dir / "stderr").open("wb") as log:
            self._server = subprocess.Popen(
                [program(), "-p", str(self.dir), "-c", str(config), "-e", f"{self.dir}/error.log"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(250):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
            if self._server.poll() is not None:
                break
        raise RuntimeError(f"nginx does not start: {(self.dir / 'stderr').read_text()}")

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def __enter__(self) -> "Nginx":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def program() -> str:
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError("no nginx: install nginx-light or nginx")
    return path
