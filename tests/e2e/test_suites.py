"""Peers' suites of cases, against the agent's own parts: certificates
(x509-limbo), JSON (JSONTestSuite). They lie outside of the project; without
them these tests are skipped. And raw HTTP answers, which are our own."""

import hashlib
import json
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.agent import TOP

CHECKS = TOP / "build/tests"
SUITES = Path(os.environ.get("BBS_SHARED", TOP.parent / "shared")) / "suites"
LISTS = TOP / "tests/suites"

with_suites = pytest.mark.skipif(
    not SUITES.is_dir(), reason=f"no suites: {SUITES} (see BBS_SHARED)"
)


def listed(name: str) -> dict[str, str]:
    """case: reason"""
    lines = (LISTS / name).read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and line[0] != "#")


def accepts(case: dict[str, Any], place: Path) -> bool:
    chain = [case["peer_certificate"], *case["untrusted_intermediates"]]
    (place / "ca.pem").write_text("\n".join(case["trusted_certs"]))
    (place / "chain.pem").write_text("\n".join(chain))
    when = case["validation_time"]
    seconds = time.time() if when is None else datetime.fromisoformat(when).timestamp()
    done = subprocess.run(
        [CHECKS / "x509check", "--ca", place / "ca.pem", "--chain", place / "chain.pem",
         "--name", case["expected_peer_name"]["value"], "--time", str(int(seconds))],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), f"{case['id']}: {done.stderr}"
    assert done.returncode == 0 or done.stdout.strip(), f"{case['id']}: no reason"
    return done.returncode == 0


@with_suites
def test_certificates(place: Path) -> None:
    cases = json.loads((SUITES / "x509-limbo.json").read_text())["cases"]
    excused = json.loads((SUITES / "webpki-exceptions.json").read_text())
    accepted, refused = set(), set()
    for case in cases:
        good, wanted = accepts(case, place), case["expected_result"] == "SUCCESS"
        if good and not wanted:
            accepted.add(case["id"])
        if wanted and not good:
            refused.add(case["id"])
    assert accepted == set(listed("x509-accepted.txt"))
    assert refused == set(listed("x509-refused.txt"))
    assert len(refused) <= 8
    for name in accepted:
        assert excused[name]["actual"] == "SUCCESS"


@with_suites
def test_json() -> None:
    wrong, counts = [], {"y": 0, "n": 0, "i": 0}
    for path in sorted((SUITES / "json").glob("[yni]_*.json")):
        kind = path.name[0]
        counts[kind] += 1
        code = subprocess.run(
            [CHECKS / "jsoncheck", path], stdout=subprocess.DEVNULL, timeout=10
        ).returncode
        if code not in {"y": (0,), "n": (1,), "i": (0, 1)}[kind]:
            wrong.append(f"{path.name}: {code}")
    assert wrong == []
    assert (counts["y"], counts["n"]) == (95, 188)


# HTTP answers: what they come to, however they are cut

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b""
GOOD: dict[bytes, tuple[int, int, bytes]] = {
    OK + b"Content-Length: 3\r\n\r\nabc": (200, 1, b"abc"),
    OK + b"Content-Length: 0\r\n\r\n": (200, 1, EMPTY),
    OK + b"a: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": (200, 2, b"abc"),
    OK + b"Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n01\r\nd\r\n00\r\nt: u\r\n\r\n":
        (200, 1, b"abcd"),
    OK + b"\r\nuntil the end": (200, 0, b"until the end"),
    b"HTTP/1.0 500 No\r\nContent-Length: 0\r\n\r\n": (500, 1, EMPTY),
    b"HTTP/1.1 204 \r\n\r\n": (204, 0, EMPTY),
    b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx": (200, 1, b"x"),
    b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx": (200, 1, b"x"),
    OK + b"Content-Length:   7   \r\n\r\n1234567": (200, 1, b"1234567"),
}  # fmt: skip
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BAD = [
    b"", b"HTTP/1.1 200 OK\r\n", OK + b"Content-Length: 5\r\n\r\nabc", b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.1 2x0 OK\r\n\r\n", b"HTTP/1.1 99 OK\r\n\r\n", b"HTTP/1.1 1000 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\n\n",
    OK + b"a: b\n\r\n", OK + b"a: b\rc: d\r\n\r\n", OK + b"a\x00: b\r\n\r\n",
    OK + b"a: b\x00\r\n\r\n", OK + b" a: b\r\n\r\n", OK + b"a: b\r\n c\r\n\r\n",
    OK + b"a : b\r\n\r\n", OK + b": b\r\n\r\n", OK + b"no colon\r\n\r\n",
    *(OK + b"Content-Length: " + n + b"\r\n\r\nabc" for n in
      (b"-3", b"+3", b"0x3", b"3,3", b"3 3", b"", b"3.0", b"99999999999999999999",
       b"18446744073709551619")),
    OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    OK + b"Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc",
    OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    *(OK + b"Transfer-Encoding: " + c + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n" for c in
      (b"gzip, chunked", b"chunked, chunked", b"chunke", b"identity", b"")),
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    *(CHUNKED + c for c in
      (b"3\r\nabc", b"3\r\nabcd\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"-1\r\n\r\n", b"\r\nabc",
       b" 3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"g\r\n", b"0\r\n",
       b"10000000000000003\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
       b"3\r\nabc0\r\n\r\n", b"3;" + b"x" * 2000 + b"\r\nabc\r\n0\r\n\r\n")),
    OK + b"a: " + b"b" * 70000 + b"\r\n\r\n", b"HTTP/1.1 101 Up\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
]  # fmt: skip


def httpcheck(answer: bytes, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([CHECKS / "httpcheck", *arguments], input=answer, capture_output=True)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize("step", ["whole", "1", "3"])
def test_http_answers(step: str) -> None:
    arguments = [] if step == "whole" else ["--step", step]
    for answer, (status, fields, body) in GOOD.items():
        expected = f"{status} {fields} {hashlib.sha256(body).hexdigest()}\n"
        assert httpcheck(answer, *arguments) == (0, expected), answer
    for answer in BAD:
        code, said = httpcheck(answer, *arguments)
        assert code == 1 and said.startswith("error: "), answer[:200]


def test_http_answers_to_other_methods() -> None:
    head = OK + b"Content-Length: 3\r\n\r\n"
    nothing = hashlib.sha256(b"").hexdigest()
    assert httpcheck(head, "--method", "HEAD") == (0, f"200 1 {nothing}\n")
    assert httpcheck(OK + b"\r\nx", "--method", "CONNECT") == (
        0, f"200 0 {nothing}\n1 bytes behind it\n")  # fmt: skip
