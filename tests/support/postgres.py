"""A private PostgreSQL server: own port, own socket, own data, passwords.

PostgreSQL does not run as root: then it runs as the user that Debian's
package makes. One server serves a whole session.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from .sshd import free_port

SUPERUSER = "chief"
USER = "backup"
# Characters that a shell, SQL, a connection string or .pgpass would read.
PASSWORD = "p:a\\s's \"w$o=rd`%\u00fc"
SYSTEM_USER = "postgres" if os.geteuid() == 0 else None


def binaries() -> Path:
    """The newest server that is installed; not in PATH on Debian."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(found, key=lambda path: int(path.parts[-3])).parent


class Postgres:
    """A context manager. The user's databases are made by create()."""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="bbs-postgres-"))
        self.port = 0
        self._server: subprocess.Popen[bytes] | None = None
        if SYSTEM_USER is not None:
            shutil.chown(self.dir, SYSTEM_USER)

    def __enter__(self) -> "Postgres":
        bin_dir = binaries()
        self._run(bin_dir / "initdb", "-D", self.dir / "data", "-U", SUPERUSER, "-E", "UTF8",
                  "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256",
                  "--no-sync")  # fmt: skip
        self.port = free_port("127.0.0.1")
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "fsync": "off",
                    "unix_socket_directories": self.dir, "shared_buffers": "16MB",
                    "autovacuum": "off", "log_statement": "all"}  # fmt: skip
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.dir / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [bin_dir / "postgres", "-D", self.dir / "data", *options], user=SYSTEM_USER,
                cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait()
        quoted = PASSWORD.replace("'", "''")
        self.sql(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{quoted}'")
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _run(self, *argv: Any) -> None:
        done = subprocess.run(
            argv, user=SYSTEM_USER, cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]}: {done.stderr!r}")

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while self._call("psql", "-c", "SELECT 1", database="postgres").returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError((self.dir / "log").read_text(errors="replace"))
            time.sleep(0.05)

    def _call(self, *argv: str, database: str) -> "subprocess.CompletedProcess[str]":
        """A client program, as the superuser, over the socket."""
        env = {"PATH": os.environ["PATH"], "PGHOST": str(self.dir), "PGPORT": str(self.port),
               "PGUSER": SUPERUSER, "PGDATABASE": database, "LC_ALL": "C.UTF-8"}  # fmt: skip
        return subprocess.run(
            argv, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def sql(self, statements: str, database: str = "postgres") -> str:
        done = self._call("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statements,
                          database=database)  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def create(self, database: str, statements: str = "", owner: str = USER) -> None:
        self.sql(f"CREATE DATABASE {quote(database)} OWNER {owner}")
        if statements:
            self.sql(f"SET ROLE {owner}; {statements}", database)

    def drop(self, *databases: str) -> None:
        for database in databases:
            self.sql(f"DROP DATABASE IF EXISTS {quote(database)} WITH (FORCE)")

    def names(self) -> list[str]:
        return self.sql("SELECT datname FROM pg_database ORDER BY 1").splitlines()

    def content(self, database: str) -> str:
        """All that a database holds, as text that can be compared."""
        done = self._call("pg_dump", "--no-owner", "--no-privileges", database=database)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        lines = done.stdout.splitlines()
        return "\n".join(ln for ln in lines if not ln.startswith(("\\restrict", "\\unrestrict")))

    def log(self) -> str:
        return (self.dir / "log").read_text(errors="replace")

    def config(self, dump_dir: Path, **more: Any) -> dict[str, Any]:
        """As the server configures the plugin."""
        return {"host": "127.0.0.1", "port": str(self.port), "user": USER, "password": PASSWORD,
                "databases": "*", "dump_dir": str(dump_dir), "compress": True,
                "cleanup_after": True,
                "exclude_databases": ["template0", "template1", "postgres"],
                "extra_options": "--no-owner --no-privileges",
                "abort_on_failure": False, **more}  # fmt: skip


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
