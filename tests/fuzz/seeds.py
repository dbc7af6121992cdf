#!/usr/bin/python3
"""Makes the first inputs of the fuzzers: tests/fuzz/seeds.py DIRECTORY

DIRECTORY/NAME/ gets those of fuzz_NAME. For the TLS client they are recorded:
DIRECTORY/../fuzz_tls, whose random numbers are always the same, talks to a
server here, and what the server said is kept. Everything is made of what
stands below and of the project's own tests."""

import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bbsd.ca import CA, openssl  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\n"
HTTP = [
    b"G" + OK + b"Content-Length: 3\r\n\r\nabc",
    b"G" + OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n01\r\nd\r\n00\r\nt: u\r\n\r\n",
    b"G" + OK + b"\r\nuntil the end",
    b"GHTTP/1.0 500 No\r\nConnection: close\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
    b"GHTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx",
    b"GHTTP/1.1 302 Found\r\nLocation: https://a/b\r\nContent-Length: 0\r\n\r\n",
    b"GHTTP/1.1 429 x\r\nRetry-After: Fri, 02 Jan 2026 00:00:00 GMT\r\n\r\n",
    b"H" + OK + b"Content-Length: 3\r\n\r\n",
    b"CHTTP/1.1 200 Connection established\r\nKeep-Alive: 5\r\n\r\nrest",
]

BORG = ["borg", "create", "--json", "--log-json", "--list", "--lock-wait=600", "-C", "lz4"]
ENV = {"BORG_PASSPHRASE": "x", "BORG_RSH": "ssh -i /etc/bbs-agent/ssh_key -p 22 -o BatchMode=yes"}
DATABASE = {"host": "h", "port": "3306", "user": "u", "password": "p", "databases": "*",
            "exclude_databases": ["a"], "dump_dir": "/srv/d", "per_database": True,
            "extra_options": "--quick --where 'a b' -C"}  # fmt: skip
HOOK = {"pre_script": "/opt/hooks/a 'b c' \"d\\e\"", "post_script": "", "timeout": "30"}
TASKS = [
    {"task": "backup", "job_id": "12", "command": [*BORG, "ssh://u@h:22/./r::{now}", "/srv"],
     "env": ENV, "archive_name": "a", "directories": "/srv\r\n/home\n", "expected_files": 5,
     "plugins": [{"slug": "mysql_dump", "config": DATABASE, "config_id": 3},
                 {"slug": "shell_hook", "config": HOOK}], "remote_ssh_key": "k\r\n"},
    {"task": "restore", "job_id": 1, "command": ["borg", "extract", "r::a", "--", "-x"],
     "cwd": "/srv/../x", "env": []},
    {"task": "list_dir", "job_id": 2, "path": "/srv", "depth": 2, "show_all": "1"},
    {"task": "update_borg", "job_id": 3, "download_url": None, "target_version": ""},
    {"task": "plugin_test", "job_id": 4, "plugin": {"slug": "shell_hook", "config": HOOK}},
    {"task": "x", "job_id": 5, "command": ["borg", "list", "{now:-o:x}", "-sr", "r", "--re=x"]},
]  # fmt: skip
JSONS = [
    {"status": "ok", "tasks": TASKS, "poll_interval": 30, "check_jobs": [1, "2"]},
    {"status": "ok", "agent_id": 1, "ssh_unix_user": "u", "server_host": "h", "ssh_port": "22"},
    {"status": "ok", "ssh_private_key": "-----BEGIN X\r\nabc\n-----END X", "ssh_port": 22},
    [1.5e3, -0, True, None, "\u00e9\U0001f600\n\\/", {"": [[]]}], *TASKS, DATABASE,
]  # fmt: skip

LINES = [
    {"type": "file_status", "status": "A", "path": "etc/hostname"},
    {"type": "file_status", "status": "M", "path": "a\udc80b\u00e9", "path_b64": "YYBi"},
    {"type": "archive_progress", "nfiles": 3, "original_size": 5, "finished": False},
    {"type": "progress_percent", "operation": 1, "msgid": "extract", "current": 1, "total": 9},
    {"type": "log_message", "levelname": "WARNING", "name": "borg.archiver",
     "message": "x: file changed while we backed it up"},
    {"type": "log_message", "levelname": "INFO", "name": "borg.output.list", "message": "y"},
]  # fmt: skip
TEXT = "Traceback (most recent call last):\nNotLocked\nFailed to release the lock\n"

INI = """\ufeff[server]\r
url = https://backup.example.com:8443/bbs\r
api_key: k
pin_sha256 = {pin}
proxy = http://u:p%40@h:3128
verify = no
# a comment
[Agent]
poll_interval = 60
log_level = DEBUG
ssh_host_key = no
[borg]
nice = 5
update = package
[policy]
tasks = backup, restore
backup_from = /srv:/home
  /opt
hooks = /opt/hooks
[server]
""".format(pin="ab" * 32)

URLS = [
    "https://backup.example.com/bbs/", "http://[::1]:8080", "https://127.0.0.1:1/a?b#c",
    "http://u:p%41@proxy:3128", "../x/./y?z", "//other.example/p", "?q", "a.example,.b:443,*",
    "[fe80::1%eth0]", "HTTPS://EXAMPLE.com:0443/%2e%2e/",
]  # fmt: skip


def frame(kind: int, payload: bytes, fd: bool = False) -> bytes:
    return struct.pack("=II", len(payload) | (0x80000000 if fd else 0), kind) + payload


def packed(*fields: int | bytes) -> bytes:
    return b"".join(
        struct.pack("=Q", f) if isinstance(f, int) else struct.pack("=Q", len(f)) + f + b"\0"
        for f in fields
    )


REPLY = packed(0, 200, 0, b"", b'{"status":"ok"}')
REQUEST = packed(b"GET", b"/x", 1, 2, 3, b"", 2**64 - 1, 0, 0)
FRAMES = [
    b"\x3f" + frame(1, REPLY) + frame(2, REQUEST), b"\x00" + frame(5, b""),
    b"\x80" + frame(3, REPLY, fd=True) + frame(3, REPLY), b"\x80" + frame(3, REPLY),
    b"\x3f" + frame(3, REPLY, fd=True), b"\x10" + struct.pack("=II", 2**31 - 1, 1), REPLY, REQUEST,
]  # fmt: skip


def session(tls: ssl.SSLContext | None, answers: list[bytes], program: Path) -> bytes:
    """What the server says to fuzz_tls, which runs once against it."""
    said = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        conn, _ = listener.accept()
        conn.settimeout(5)
        if tls is None:
            said.extend(b"".join(answers))
            conn.sendall(said)
            conn.close()
            return
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = tls.wrap_bio(incoming, outgoing, server_side=True)
        todo = [talk.do_handshake, lambda: talk.read(65536),
                lambda: [talk.write(a) for a in answers], talk.unwrap]  # fmt: skip
        try:
            while todo:
                waits = False
                try:
                    todo[0]()
                    todo.pop(0)
                except ssl.SSLWantReadError:
                    waits = True
                except ssl.SSLError:
                    todo = []
                data = outgoing.read()
                said.extend(data)
                conn.sendall(data)
                if waits:
                    heard = conn.recv(65536)
                    incoming.write(heard) if heard else incoming.write_eof()
        except OSError:
            pass
        conn.close()

    thread = threading.Thread(target=serve)
    thread.start()
    empty = program.with_suffix(".empty")
    empty.touch()
    subprocess.run(
        [program, empty],
        env={"BBS_FUZZ_PORT": str(listener.getsockname()[1]), "ASAN_OPTIONS": "detect_leaks=0"},
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    thread.join()
    listener.close()
    return bytes(said)


def context(chain: Path, key: Path, cipher: str = "ECDHE+AESGCM:ECDHE+CHACHA20") -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.options |= ssl.OP_NO_TICKET
    tls.set_ciphers(cipher)
    tls.load_cert_chain(chain, key)
    return tls


def sessions(ca: CA, program: Path) -> list[bytes]:
    body = b'{"status":"ok"}'
    whole = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunks = [OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + b"\r\n", b"a\r\n",
              body[5:] + b"\r\n0\r\n\r\n"]  # fmt: skip
    ec = ca.issue("ec")
    rsa = ca.issue("rsa", key="rsa")
    below = ca.intermediate().issue("below")
    other = ca.issue("other", hosts=("elsewhere",))
    good = [session(context(c.chain, c.key), [whole], program) for c in (ec, rsa, below, other)]
    for data in good[:3]:  # once more from the record alone, to their end
        seed = program.with_suffix(".seed")
        seed.write_bytes(data)
        subprocess.run([program, seed], env={"BBS_FUZZ_WHOLE": "1"}, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    good += [session(context(ec.chain, ec.key), chunks, program),
             session(context(ec.chain, ec.key, "ECDHE+CHACHA20"), [whole], program),
             session(context(ec.chain, ec.key, "AES256-SHA"), [], program),
             session(None, [b"HTTP/1.1 400 Bad\r\n\r\n"], program)]  # fmt: skip
    late = context(ec.chain, ec.key)
    late.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    late.minimum_version = ssl.TLSVersion.TLSv1_3
    return [*good, session(late, [], program), good[0][:-40]]


def certificates(ca: CA) -> list[bytes]:
    leaf = ca.issue("names", hosts=("backup.example.com", "10.0.0.1"))
    pems = [leaf.chain.read_bytes() + ca.cert.read_bytes(), ca.cert.read_bytes()]
    ders = [ssl.PEM_cert_to_DER_cert(p.read_text()) for p in (ca.cert, ca.dir / "rsa.pem")]
    return [*pems, *ders]


def judged(keys: bytes, text: bytes, signature: bytes) -> bytes:
    return struct.pack(">BHH", 7, len(keys), len(text)) + keys + text + signature


def releases(directory: Path) -> list[bytes]:
    """Lists with signatures of keys made here, and such as must not be taken."""
    directory.mkdir(parents=True, exist_ok=True)
    keys, signatures, text = [], [], directory / "SHA256SUMS"
    text.write_text(f"# bbs-agent 3.1.0\n{'0' * 64}  other\n{'ab' * 32}  bbs-agent-x86_64\n")
    for number, curve in enumerate(("P-256", "P-256", "P-384")):
        key = directory / f"{number}.key"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", key)
        keys.append(openssl("pkey", "-in", key, "-pubout"))
        signatures.append(openssl("dgst", "-sha256", "-sign", key, text))
    lines, (one, two, large) = text.read_bytes(), keys
    return [
        judged(one, lines, signatures[0]), judged(one + two, lines, signatures[1]),
        judged(two, lines, signatures[0]), judged(large, lines, signatures[2]),
        judged(one, lines.replace(b"3.1.0", b"3.01.0"), signatures[0]),
        judged(one.replace(b"\n", b"\r\n"), lines.replace(b"\n", b"\r\n"), signatures[0]),
        judged(b"", lines[lines.index(b"\n") + 1 :], b""), judged(one, b"# bbs-agent 3.1\n", b"0"),
    ]  # fmt: skip


def main(top: Path) -> None:
    programs = top.parent
    ca = CA(programs / "ca")
    (programs / "fuzz_tls.ca.pem").write_bytes(ca.cert.read_bytes())
    texts = [json.dumps(j).encode() for j in JSONS]
    borg = "\n".join(json.dumps(line) for line in LINES) + "\n" + TEXT
    seeds = {
        "http": HTTP,
        "json": texts,
        "task": texts,
        "ini": [INI.encode(), b"[server]\nurl=x\n"],
        "url": [u.encode() for u in URLS],
        "borglog": [borg.encode(), *(json.dumps(line).encode() for line in LINES)],
        "frame": FRAMES,
        "tls": sessions(ca, programs / "fuzz_tls"),
        "cert": certificates(ca),
        "release": releases(programs / "release"),
        "elf": [Path(p).read_bytes()[:65536] for p in ("/bin/true",)],
    }
    for name, inputs in seeds.items():
        place = top / name
        place.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(inputs):
            (place / f"seed-{i}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
