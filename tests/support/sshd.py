"""A private sshd whose only key runs the gate, as on the real server.

It runs as the current user, root or not, on a port of its own on loopback.
The gate answers ping, serves borg below its home, and stores catalogues.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import IO

from bbsd import SshAccess

GATE = r"""#!/bin/sh
# The forced command: what the server lets an agent's key do.
HOME='{home}'
export HOME
cd "$HOME" || exit 1
refuse() {{
	echo "ERROR: $1" >&2
	exit 1
}}
case "$SSH_ORIGINAL_COMMAND" in
ping)
	echo pong ;;
'borg serve' | 'borg serve '*)
	exec borg serve --append-only --restrict-to-path "$HOME" ;;
'catalog-write '*)
	id=${{SSH_ORIGINAL_COMMAND#catalog-write }}
	case "$id" in
	'' | *[!0-9]*) refuse 'invalid job_id' ;;
	esac
	mkdir -p .catalog-logs
	case "$(cat catalog-mode 2>/dev/null)" in
	fail) refuse 'no space left' ;;
	hang) exec sleep 600 ;;
	cut) head -c 1000 >".catalog-logs/catalog-$id.jsonl"; exit 1 ;;
	esac
	exec cat >".catalog-logs/catalog-$id.jsonl" ;;
*)
	refuse 'command not allowed' ;;
esac
"""

# SetEnv: bash, run by sshd, would read ~/.bashrc, whatever that does; not so
# when it takes itself for a shell below another one.
CONFIG = """
SetEnv SHLVL=9
ListenAddress {host}:{port}
HostKey {dir}/host_key
PidFile none
AuthorizedKeysFile {dir}/authorized_keys
StrictModes no
UsePAM {pam}
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
MaxStartups 100
LogLevel VERBOSE
"""


class Sshd:
    def __init__(self, directory: Path, key_type: str = "ed25519", host: str = "127.0.0.1") -> None:
        self.dir = directory
        self.host = host
        self.home = directory / "home"
        self.log = directory / "sshd.log"
        self.port = 0
        self.key_type = key_type
        self._server: subprocess.Popen[bytes] | None = None
        self.home.mkdir(parents=True)
        keygen(directory / "host_key", "ed25519")
        gate = directory / "gate"
        gate.write_text(GATE.format(home=self.home))
        gate.chmod(0o755)
        self.renew_key()

    def renew_key(self) -> SshAccess:
        """A new key pair; the old one is denied from now on."""
        key = self.dir / "client_key"
        for path in (key, key.with_suffix(".pub")):
            path.unlink(missing_ok=True)
        keygen(key, self.key_type)
        public = key.with_suffix(".pub").read_text()
        options = f'restrict,command="{self.dir}/gate"'
        (self.dir / "authorized_keys").write_text(f"{options} {public}")
        return self.access

    @property
    def access(self) -> SshAccess:
        key = (self.dir / "client_key").read_text()
        return SshAccess(getpass.getuser(), self.host, self.port, key)

    def repo_url(self, name: str = "repo1") -> str:
        """borg takes the port from BORG_RSH, as from the real server."""
        return f"ssh://{getpass.getuser()}@{self.host}/./{name}"

    def catalog(self, job_id: int) -> Path:
        return self.home / ".catalog-logs" / f"catalog-{job_id}.jsonl"

    def catalog_mode(self, mode: str) -> None:
        """What becomes of catalogues: "" (stored), fail, hang or cut."""
        (self.home / "catalog-mode").write_text(mode)

    @property
    def pid(self) -> int:
        return self._server.pid if self._server else 0

    def start(self) -> "Sshd":
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(5):
            self.port = self.port or free_port(self.host)
            if self._try():
                return self
            self.port = 0
        raise RuntimeError(f"sshd does not start: {self.log.read_text()}")

    def _launch(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        config = self.dir / "sshd_config"
        config.write_text(
            CONFIG.format(dir=self.dir, host=self.host, port=self.port, pam=uses_pam())
        )
        return subprocess.Popen(
            [program(), "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def _try(self) -> bool:
        with self.log.open("ab") as log:
            self._server = self._launch(log)
        for _ in range(200):
            if self._server.poll() is not None:
                return False
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        self.stop()
        return False

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def __enter__(self) -> "Sshd":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def program() -> str:
    """sshd insists on its absolute path."""
    path = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError("no sshd: install openssh-server")
    return path


def uses_pam() -> str:
    """Without PAM sshd refuses root where root's password is locked."""
    if os.geteuid() != 0:
        return "no"
    try:
        for line in Path("/etc/shadow").read_text().splitlines():
            name, password = line.split(":")[:2]
            if name == "root" and password.startswith("!"):
                return "yes"
    except OSError:
        pass
    return "no"


def keygen(path: Path, kind: str) -> None:
    """ed25519, or rsa in PEM as today's servers have it (with 4096 bits, which
    would take many seconds here)."""
    options = ["-t", "rsa", "-b", "2048", "-m", "PEM"] if kind == "rsa" else ["-t", kind]
    subprocess.run(
        ["ssh-keygen", "-q", "-N", "", "-C", "", *options, "-f", str(path)], check=True
    )


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
