"""A real MariaDB server of our own: private socket, port and data directory,
and a user that needs a password."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

USER = "bbs backup"
PASSWORD = "p#w\"o'r\\d = x;\u00fc "  # each is special to an option file
SYSTEM = {"information_schema", "performance_schema", "mysql", "sys"}
START_SECONDS = 60


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


class MariaDB:
    """A context manager; the databases that tests make are theirs to name."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        self.socket = directory / "s"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "MariaDB":
        self.dir.mkdir(parents=True)
        user = f"--user={getpass.getuser()}"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", user, f"--datadir={self.dir}/data",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, capture_output=True,
        )  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        server = shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin") or "mariadbd"
        with (self.dir / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [server, "--no-defaults", user, f"--datadir={self.dir}/data",
                 f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
                 f"--pid-file={self.dir}/pid", "--skip-log-bin", "--event-scheduler=OFF",
                 "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.try_sql("SELECT 1"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.dir / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.05)
        secret = PASSWORD.encode().hex()
        self.sql(
            f"SET @p = CONVERT(X'{secret}' USING utf8mb4);"
            f"EXECUTE IMMEDIATE CONCAT(\"CREATE USER '{USER}'@'%' IDENTIFIED BY \", QUOTE(@p));"
            f"GRANT ALL ON *.* TO '{USER}'@'%';"
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _run(self, statements: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch",
             "--default-character-set=utf8mb4", "--skip-column-names", "--raw"],
            input=statements.encode(), capture_output=True,
        )  # fmt: skip

    def try_sql(self, statements: str) -> bool:
        return self._run(statements).returncode == 0

    def sql(self, statements: str) -> str:
        done = self._run(statements)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace")

    def databases(self) -> set[str]:
        """Those that are not the server's own."""
        hexed = self.sql("SELECT HEX(SCHEMA_NAME) FROM information_schema.SCHEMATA").split()
        return {bytes.fromhex(name).decode() for name in hexed} - SYSTEM

    def clear(self) -> None:
        for name in self.databases():
            self.sql(f"DROP DATABASE {quoted(name)}")

    def make(self, name: str, rows: int = 3) -> None:
        """A database with a bit of everything that a dump has to carry."""
        n = quoted(name)
        self.sql(
            f"CREATE DATABASE {n} CHARACTER SET latin1 COLLATE latin1_german1_ci; USE {n};\n"
            "CREATE TABLE `odd ``t` (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)"
            " CHARACTER SET utf8mb4, raw LONGBLOB) ENGINE=InnoDB;\n"
            "INSERT INTO `odd ``t` (text, raw) VALUES ('Z\u00fcrich \U0001f600 \\\\ '' \"',"
            " X'000A0D1A5C27220080FF5C212073682D'), ('\\\\! touch /tmp/never', NULL);\n"
            f"INSERT INTO `odd ``t` (text, raw) SELECT CONCAT('row ', seq), RANDOM_BYTES(500)"
            f" FROM seq_1_to_{rows};\n"
            "CREATE VIEW seen AS SELECT id, text FROM `odd ``t`;\n"
            "CREATE TABLE log (n INT);\n"
            "DELIMITER //\n"
            "CREATE TRIGGER counted AFTER INSERT ON `odd ``t` FOR EACH ROW BEGIN"
            " INSERT INTO log VALUES (NEW.id); END//\n"
            "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC BEGIN RETURN 2 * n; END//\n"
            "CREATE PROCEDURE hello() BEGIN SELECT 'x;y'; END//\n"
            "CREATE EVENT often ON SCHEDULE EVERY 1 DAY DO BEGIN SELECT 1; END//\n"
            "DELIMITER ;\n"
        )

    def picture(self, name: str) -> dict[str, Any]:
        """Everything in a database, to be compared."""
        literal = "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"
        parts = {
            "triggers": ("TRIGGERS", "TRIGGER_SCHEMA", "TRIGGER_NAME, ACTION_STATEMENT"),
            "routines": ("ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME, ROUTINE_DEFINITION"),
            "events": ("EVENTS", "EVENT_SCHEMA", "EVENT_NAME, EVENT_DEFINITION"),
            "tables": ("TABLES", "TABLE_SCHEMA", "TABLE_NAME, TABLE_TYPE"),
        }
        seen: dict[str, Any] = {
            part: self.sql(f"SELECT {columns} FROM information_schema.{table}"
                           f" WHERE {key} = {literal} ORDER BY 1")  # fmt: skip
            for part, (table, key, columns) in parts.items()
        }
        seen["rows"] = self.sql(
            f"SELECT id, HEX(text), MD5(raw), HEX(LEFT(raw, 40)) FROM {quoted(name)}.`odd ``t`"
            " ORDER BY id"
        )
        seen["view"] = self.sql(f"SELECT COUNT(*), MAX(text) FROM {quoted(name)}.seen")
        return seen
