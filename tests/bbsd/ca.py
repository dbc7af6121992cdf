"""A certificate authority of the tests' own, by the openssl command."""

import base64
import datetime
import hashlib
import ipaddress
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
[ca]
default_ca = own
[own]
database = {dir}/index.txt
serial = {dir}/serial
new_certs_dir = {dir}
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
copy_extensions = none
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
commonName = unused
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[sub]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""

LEAF = """
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
{usage}
{names}
"""


@dataclass
class Cert:
    """A server's certificate with the chain that it sends, and its key."""

    chain: Path
    key: Path


class CA:
    """A root (or, through intermediate(), what a root has signed)."""

    def __init__(
        self, directory: Path, name: str = "bbsd test root", parent: "CA | None" = None
    ) -> None:
        self.dir = directory
        self.parent = parent
        self.cert = directory / "ca.pem"
        self.key = directory / "ca.key"
        directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "openssl.cnf"
        self.config.write_text(CONFIG.format(dir=directory))
        (directory / "index.txt").touch()
        (directory / "serial").write_text("1000\n")
        make_key(self.key, "ec")
        if parent is None:
            openssl(
                "req", "-x509", "-config", self.config, "-extensions", "root",
                "-key", self.key, "-subj", f"/CN={name}", "-days", "30",
                "-out", self.cert,
            )  # fmt: skip
        else:
            parent.sign(self.key, name, self.cert, self.config, "sub")

    def intermediate(self, name: str = "bbsd test intermediate") -> "CA":
        return CA(self.dir / "intermediate", name, self)

    def issue(
        self,
        label: str = "server",
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1"),
        key: str = "ec",
        start_days: float = -1,
        end_days: float = 30,
        usage: str = "serverAuth",
        send_chain: bool = True,
    ) -> Cert:
        """A server certificate; hosts become SANs (names or addresses)."""
        cert = Cert(self.dir / f"{label}.pem", self.dir / f"{label}.key")
        make_key(cert.key, key)
        extensions = self.dir / f"{label}.cnf"
        extensions.write_text(
            LEAF.format(
                usage=f"extendedKeyUsage = {usage}" if usage else "",
                names="subjectAltName = " + ", ".join(map(_san, hosts)) if hosts else "",
            )
        )
        name = hosts[0] if hosts else "localhost"
        self.sign(cert.key, name, cert.chain, extensions, "leaf", start_days, end_days)
        if send_chain and self.parent is not None:
            with cert.chain.open("a") as chain:
                chain.write(self.cert.read_text())
        return cert

    def sign(
        self,
        key: Path,
        name: str,
        out: Path,
        extensions: Path,
        section: str,
        start_days: float = -1,
        end_days: float = 30,
    ) -> None:
        request = out.with_suffix(".csr")
        openssl(
            "req", "-new", "-config", self.config, "-key", key,
            "-subj", f"/CN={name}", "-out", request,
        )  # fmt: skip
        openssl(
            "ca", "-batch", "-notext", "-config", self.config, "-in", request,
            "-cert", self.cert, "-keyfile", self.key, "-out", out,
            "-extfile", extensions, "-extensions", section,
            "-startdate", _date(start_days), "-enddate", _date(end_days),
        )  # fmt: skip


def _san(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _date(days: float) -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def make_key(path: Path, kind: str) -> None:
    options = {
        "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    }[kind]
    openssl("genpkey", "-algorithm", *options, "-out", path)


def spki_pin(cert: Path) -> str:
    """The base64 of the SHA-256 of the first certificate's public key."""
    pem = openssl("x509", "-in", cert, "-noout", "-pubkey")
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"],
        input=pem, capture_output=True, check=True,
    ).stdout  # fmt: skip
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def openssl(*arguments: str | Path) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout
