"""A release on the backup server, and install.sh with each program that can
fetch it. nginx, curl, wget and busybox are real; what cuts a download short is
a small server of the tests' own."""

import functools
import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bbsd import BBS, CA, Cert
from support.agent import BINARY
from support.maker import ARCH, KNOWN, Maker, install, openssl, tools
from support.nginx import Nginx

pytestmark = pytest.mark.skipif(not KNOWN, reason="not a release's name")
PROGRAM = f"bbs-agent-{ARCH}"
# What gets install.sh; with a CA file where the program knows such a thing.
FETCH = {"curl": "curl -fsSL --cacert {ca}", "wget": "wget -qO - --ca-certificate {ca}",
         "busybox": "SSL_CERT_FILE={ca} busybox wget -qO -"}  # fmt: skip
# Also for busybox without openssl, whose own TLS offers nothing but SHA-1.
OLD_TLS = "ssl_ciphers DEFAULT:@SECLEVEL=0;"


@pytest.fixture
def maker(place: Path) -> Maker:
    return Maker(place)


@pytest.fixture
def site(place: Path, ca: CA, cert: Cert, maker: Maker) -> Iterator[BBS]:
    """The backup server behind nginx, which offers the release's folder, too."""
    maker.make(SIGN_KEY=maker.key, RELEASE_KEY=maker.public)
    with BBS(place / "bbs", tls=False, ca=ca) as server:
        nginx = Nginx(place / "nginx", server.port, cert)
        nginx.more = f"location /bbs-agent/ {{ alias {maker.out}/; }}" + OLD_TLS
        with nginx:
            server.public_url = nginx.url
            yield server
    assert not server.violations


@pytest.fixture
def root(place: Path) -> Path:
    (place / "root").mkdir()
    return place / "root"


def pipe(site: BBS, root: Path, *have: str) -> subprocess.CompletedProcess[str]:
    """The line that a user pastes, with these programs in PATH."""
    get = FETCH[have[0]].format(ca=site.ca_file)
    line = (f"{get} {site.url}/bbs-agent/install.sh | sh -s -- --server {site.url} "
            f"--key {site.api_key} --ca-file {site.ca_file} --root {root}")  # fmt: skip
    path = tools(root.parent / "tools", "sh", *have)
    return subprocess.run(["/bin/sh", "-c", line], env={"PATH": path, "HOME": "/"}, cwd="/",
                          capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=60)  # fmt: skip


@pytest.mark.parametrize("fetcher", FETCH)
def test_from_the_server(site: BBS, root: Path, fetcher: str) -> None:
    """The folder of the release, copied to the server: done."""
    done = pipe(site, root, fetcher, "openssl")
    assert done.returncode == 0, done.stderr
    assert (root / "usr/local/bin/bbs-agent").exists(), done.stderr
    assert (root / "usr/local/bin/bbs-agent").read_bytes() == BINARY.read_bytes()
    assert site.url in (root / "etc/bbs-agent/config.ini").read_text()
    said = done.stderr.splitlines()
    assert len(said) == 1 and "has no SSH key for this client yet" in said[0], said


@pytest.mark.parametrize("fetcher", FETCH)
def test_without_openssl(site: BBS, root: Path, fetcher: str) -> None:
    """The sum alone is compared, which is said; busybox does not know the server."""
    done = pipe(site, root, fetcher, "sha256sum")
    assert (root / "usr/local/bin/bbs-agent").exists(), done.stderr
    assert "the signature is not checked" in done.stderr
    assert ("checks no certificate without openssl" in done.stderr) == (fetcher == "busybox")


@pytest.mark.parametrize("fetcher", FETCH)
def test_a_server_that_is_not_known(site: BBS, root: Path, maker: Maker, fetcher: str) -> None:
    """Its CA is not that which was given: not even the program's name is asked for."""
    other = CA(maker.place / "other-ca").cert
    words = ["--server", site.url, "--key", "k", "--root", str(root), "--ca-file", str(other)]
    (maker.place / "script").mkdir()
    script = maker.place / "script/install.sh"
    script.write_bytes((maker.out / "install.sh").read_bytes())
    done = install(script.parent, *words, have=(fetcher, "openssl"))
    assert done.returncode == 1 and f"cannot get {site.url}/bbs-agent/{PROGRAM}" in done.stderr
    assert not list(root.iterdir()) and not site.requests()


def spoil(maker: Maker, how: str) -> None:
    """The folder, as somebody might change it who has no key of ours. The
    program would say that it was run."""
    sums, signature = maker.out / "SHA256SUMS", maker.out / "SHA256SUMS.sig"
    program = maker.out / PROGRAM
    old = maker.listing()[PROGRAM]
    program.write_text(f"#!/bin/sh\ntouch {maker.place}/was-run\n")
    if how != "sum":
        sums.write_text(sums.read_text().replace(old, maker.listing()[PROGRAM]))
    if how == "other key":
        other = maker.keys("other", "prime256v1")[0]
        openssl("dgst", "-sha256", "-sign", other, "-out", signature, sums)
    elif how == "no signature":
        signature.unlink()


SPOILT = {
    "sum": f"the SHA-256 sum of {PROGRAM} is",
    "signature": "the signature of SHA256SUMS is wrong",
    "other key": "the signature of SHA256SUMS is wrong",
    "no signature": "SHA256SUMS.sig",
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_not_ours_is_not_run(site: BBS, root: Path, maker: Maker, how: str) -> None:
    """From the server, from the folder beside the script, and from one that is named."""
    spoil(maker, how)
    words = ["--server", site.url, "--key", "k", "--root", str(root)]
    elsewhere = maker.place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "install.sh").write_bytes((maker.out / "install.sh").read_bytes())
    for done in (
        pipe(site, root, "curl", "openssl"),
        install(maker.out, *words),
        install(elsewhere, *words, "--from", str(maker.out)),
    ):
        assert done.returncode == 1
        assert SPOILT[how] in done.stderr, done.stderr
        assert not list(root.iterdir())
        assert not (maker.place / "was-run").exists()
    assert not site.requests()


class Cut(http.server.SimpleHTTPRequestHandler):
    """Sends half of one file; whoever knows its length can tell."""

    cut = ""
    honest = True
    log_message = lambda *_: None  # type: ignore[assignment]  # noqa: E731

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        body = path.read_bytes()
        self.send_response(200)
        if self.honest or path.name != self.cut:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if path.name == self.cut else body)
        self.close_connection = True


@contextmanager
def cutting(maker: Maker, cert: Cert, name: str, honest: bool) -> Iterator[str]:
    handler = type("Handler", (Cut,), {"cut": name, "honest": honest})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(maker.out))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert.chain, cert.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("fetcher", "name"),
    [*((f, PROGRAM) for f in FETCH), ("curl", "SHA256SUMS"), ("curl", "SHA256SUMS.sig")],
)
@pytest.mark.parametrize("honest", [True, False], ids=["length", "no length"])
def test_a_file_that_was_cut(
    maker: Maker, cert: Cert, ca: CA, root: Path, name: str, honest: bool, fetcher: str
) -> None:
    """Whether the fetching program notices or not."""
    maker.make(SIGN_KEY=maker.key, RELEASE_KEY=maker.public)
    script = maker.place / "script"
    script.mkdir()
    (script / "install.sh").write_bytes((maker.out / "install.sh").read_bytes())
    with cutting(maker, cert, name, honest) as url:
        words = ["--from", url, "--server", "https://127.0.0.1:9", "--key", "k", "--root", str(root)]
        words += ["--ca-file", str(ca.cert)]
        done = install(script, *words, have=(fetcher, "openssl"))
        assert done.returncode == 1 and name.split(".")[0] in done.stderr, done.stderr
        assert not list(root.iterdir())
    with cutting(maker, cert, "", True) as url:
        words[1] = url
        done = install(script, *words, have=(fetcher, "openssl"))
        assert "127.0.0.1 port 9" in done.stderr, "the program was not run though nothing was cut"
