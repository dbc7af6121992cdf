"""A private Dropbear server, and an agent whose only ssh is Dropbear's.

Dropbear reads authorized_keys from the user's home in the password database
and nowhere else: nss_wrapper gives it a database of ours.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import IO

from .sshd import Sshd

# What a host without OpenSSH has instead; the rest comes from /usr/bin.
TOOLS = ("dbclient", "dropbearconvert", "env", "python3", "sh", "cat", "nice", "ionice")


class Dropbear(Sshd):
    """Used like Sshd."""

    def _launch(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        home = self.dir / "user"
        keys = home / ".ssh"
        keys.mkdir(parents=True, exist_ok=True)
        for path in (home, keys):
            path.chmod(0o700)
        shutil.copy(self.dir / "authorized_keys", keys / "authorized_keys")
        (keys / "authorized_keys").chmod(0o600)
        me = pwd.getpwuid(os.getuid())
        (self.dir / "passwd").write_text(
            f"{me.pw_name}:x:{me.pw_uid}:{me.pw_gid}::{home}:/bin/sh\n"
        )
        (self.dir / "group").write_text(f"users:x:{me.pw_gid}:\n")
        host_key = self.dir / "dropbear_host_key"
        if not host_key.exists():
            self.new_host_key("ed25519")
        return subprocess.Popen(
            ["/usr/sbin/dropbear", "-F", "-E", "-s", "-p", f"{self.host}:{self.port}",
             "-P", str(self.dir / "pid"), "-r", str(host_key)],
            env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": "libnss_wrapper.so",
                 "NSS_WRAPPER_PASSWD": str(self.dir / "passwd"),
                 "NSS_WRAPPER_GROUP": str(self.dir / "group")},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def new_host_key(self, kind: str) -> None:
        path = self.dir / "dropbear_host_key"
        path.unlink(missing_ok=True)
        subprocess.run(["dropbearkey", "-t", kind, "-f", str(path)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def only_dropbear(directory: Path, client: str = "dbclient") -> str:
    """A PATH in which Dropbear's client is the only one, under that name."""
    directory.mkdir(parents=True)
    for name in TOOLS:
        program = shutil.which(name, path="/usr/bin:/bin")
        if program is None:
            raise RuntimeError(f"no {name}: install dropbear-bin")
        (directory / (client if name == "dbclient" else name)).symlink_to(program)
    return str(directory)
