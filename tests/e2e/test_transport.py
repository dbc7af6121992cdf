"""TLS, HTTP, and a server that misbehaves: the agent says what is wrong,
keeps running, keeps polling."""

import base64
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bbsd import BBS, CA, Cert, spki_pin
from support.agent import Agent
from support.nginx import Nginx
from support.sshd import free_port

# right, but unusual


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("http10", {}),
        ("close_framed", {}),
        ("continue_first", {}),
        ("odd_chunks", {}),
        ("drip", {"size": 16, "pause": 0.01}),
        ("slow", {"seconds": 3}),
    ],
)
def test_unusual_answers_are_understood(bbs: BBS, started: Agent, kind: str, options: dict[str, Any]) -> None:
    fault = bbs.fault("tasks", kind, **options)
    bbs.add_task({"task": "update_agent"})
    bbs.wait(lambda: fault.times == 0, 10)
    job = bbs.state.jobs[1]
    bbs.wait_status(job, 15)
    assert job.deliveries <= 2
    assert "WARN" not in started.log


def test_a_path_before_the_api(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with BBS(place / "bbs", cert=cert, ca=ca, prefix="/backup/bbs") as bbs:
        agent.configure(bbs, server={"url": bbs.url + "/"})
        agent.start()
        bbs.wait_polls(2)


def test_plain_http_is_warned_about(place: Path, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False) as bbs:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)
        assert re.search("WARN .*http", agent.log)


@pytest.mark.parametrize("style", ["nginx", "apache"])
def test_keep_alive_and_apaches_five_seconds(
    place: Path, ca: CA, cert: Cert, agent: Agent, style: str
) -> None:
    """An idle connection that the server closed costs no error."""
    with BBS(place / "bbs", cert=cert, ca=ca, style=style, poll_interval=6) as bbs:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2, 30)
        times = [r.time for r in bbs.requests("tasks")]
        assert times[1] - times[0] < 7.5
        assert "WARN" not in agent.log and "ERROR" not in agent.log
        connections = len({r.connection for r in bbs.requests("tasks")})
        assert connections == (1 if style == "nginx" else 2)


# what no server should send


def a_backup(**changes: Any) -> dict[str, Any]:
    task = {"task": "backup", "job_id": 77, "command": ["borg", "create", "r::a", "/x"],
            "env": {}, "archive_name": "a", "directories": "/x"}  # fmt: skip
    return {k: v for k, v in {**task, **changes}.items() if v is not ...}


def tasks(value: Any) -> dict[str, Any]:
    return {"status": "ok", "tasks": value, "poll_interval": 1}


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "garbage": ("text", {"body": "<br />\n<b>Fatal error</b>: Uncaught Error"}, "web page"),
    "cut json": ("text", {"body": '{"status":"ok","tasks":[{"task"'}, "JSON"),
    "empty": ("text", {"body": ""}, "JSON"),
    "a list": ("text", {"body": "[]"}, "JSON"),
    "a number": ("text", {"body": "42"}, "JSON"),
    "a nul": ("text", {"body": b'{"status":"ok\0"}'}, "JSON"),
    "no utf-8": ("text", {"body": b'{"status":"\xff\xfe"}'}, "JSON"),
    "a bom": ("text", {"body": b'\xef\xbb\xbf{"status":"ok","tasks":[]}'}, "JSON"),
    "two values": ("text", {"body": '{"tasks":[]}{"tasks":[]}'}, "JSON"),
    "deep": ("text", {"body": '{"tasks":' + "[" * 5000 + "]" * 5000 + "}"}, "JSON|deep"),
    "tasks null": ("value", {"value": tasks(None)}, "task"),
    "tasks text": ("value", {"value": tasks("x")}, "task"),
    "tasks missing": ("value", {"value": {"status": "ok"}}, "task"),
    "task null": ("value", {"value": tasks([None, 5, "x", []])}, "task"),
    "no job_id": ("value", {"value": tasks([{"task": "backup"}])}, "job_id"),
    "job_id text": ("value", {"value": tasks([{"task": "backup", "job_id": "x"}])}, "job_id"),
    "job_id 0": ("value", {"value": tasks([{"task": "backup", "job_id": 0}])}, "job_id"),
    "200 MB": ("big_body", {}, "over .* [KM]iB"),
    "200 MB chunked": ("big_body", {"framed": "chunked"}, "over .* [KM]iB"),
    "200 MB unframed": ("big_body", {"framed": "close"}, "over .* [KM]iB"),
    "1 MB header": ("big_header", {}, "header|head|large"),
    "redirect": ("redirect", {"location": "https://127.0.0.1:1/elsewhere"}, "redirect|30[12]|elsewhere"),
    "relative redirect": ("redirect", {"location": "/login", "code": 302}, "redirect|30[12]|login"),
    "403": ("status", {"code": 403}, "403|refus"),
    "404": ("status", {"code": 404, "page": True}, "404"),
    "413": ("status", {"code": 413, "page": True}, "413"),
    "429": ("status", {"code": 429}, "429"),
    "500": ("error_500", {}, "500"),
    "502": ("status", {"code": 502, "page": True}, "502"),
    "dropped": ("drop", {}, "closed|cut|ended|connection"),
    "cut head": ("cut", {"after": 40}, "cut|closed|ended|connection"),
    "cut body": ("cut", {"after": -20}, "cut|closed|ended|connection"),
    "bad chunks": ("bad_chunks", {}, "chunk|HTTP"),
    "two lengths": ("two_lengths", {}, "length"),
    "not http": ("not_http", {}, "HTTP"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_answers_are_said_and_survived(bbs: BBS, started: Agent, name: str) -> None:
    kind, options, words = BAD[name]
    # A connection that ends without an answer is tried once more at once.
    fault = bbs.fault("tasks", kind, times=2 if kind == "drop" else 1, **options)
    before = len(started.log.splitlines())
    bbs.wait(lambda: fault.times == 0, 15)
    bbs.wait_polls(1, 20)
    said = [
        line
        for line in started.log.splitlines()[before:]
        if re.search("Z (WARN|ERROR) ", line)
    ]
    assert said, "nothing was said"
    assert any(re.search(words, line, re.IGNORECASE) for line in said), said
    assert max(len(line) for line in said) < 2000
    assert started.running


def test_a_hundred_thousand_tasks(bbs: BBS, started: Agent) -> None:
    fault = bbs.fault("tasks", "many_tasks")
    bbs.wait(lambda: fault.times == 0, 20)
    bbs.wait_polls(3, 60)
    started.wait_log("tasks|1000|1,000|large")
    assert len({(r.json or {}).get("job_id") for r in bbs.requests("status")}) <= 1000


def test_a_question_about_very_many_jobs(bbs: BBS, started: Agent) -> None:
    ids = list(range(1_000_000, 1_003_000))
    body = {"status": "ok", "tasks": [], "poll_interval": 1, "check_jobs": ids}
    bbs.fault("tasks", "value", value=body)
    started.wait_log("asks about 3000 jobs; only the first 1000")
    bbs.wait_polls(2)
    assert "job 1000999: the server asks" in started.log
    assert "job 1001000: the server asks" not in started.log


def test_questions_about_jobs_without_end(bbs: BBS, started: Agent) -> None:
    """While the server takes no reports, those that it asks for are limited."""
    bbs.fault("status", "status", times=100_000, code=503)
    for first in (1_000_000, 1_001_000, 1_002_000):
        ids = list(range(first, first + 700))
        body = {"status": "ok", "tasks": [], "poll_interval": 1, "check_jobs": ids}
        fault = bbs.fault("tasks", "value", value=body)
        bbs.wait(lambda: fault.times == 0, 20)  # noqa: B023
    bbs.wait_polls(1)
    assert started.log.count("the server asks about it") == 1000


def test_an_answer_that_never_comes(bbs: BBS, agent: Agent) -> None:
    """Held for longer than anybody waits here: a stop is prompt anyway."""
    bbs.fault("tasks", "hang")
    agent.configure(bbs)
    agent.start()
    bbs.wait(lambda: any(r.endpoint == "tasks" for r in bbs.record), 10)
    time.sleep(0.5)
    began = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - began < 3


MALFORMED: dict[str, dict[str, Any]] = {
    "unknown type": {"task": "make_coffee", "job_id": ...},
    "no type": {"task": ..., "job_id": ...},
    "type null": {"task": None, "job_id": ...},
    "no command": a_backup(command=..., job_id=...),
    "command text": a_backup(command="borg create", job_id=...),
    "command empty": a_backup(command=[], job_id=...),
    "command of numbers": a_backup(command=["borg", 5, None], job_id=...),
    "env list": a_backup(env=["A=B"], job_id=...),
    "env of lists": a_backup(env={"BORG_X": []}, job_id=...),
    "plugins text": a_backup(plugins="x", job_id=...),
    "plugin empty": {"task": "plugin_test", "plugin": [], "job_id": ...},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_task_is_reported_failed(bbs: BBS, started: Agent, name: str) -> None:
    task = {k: v for k, v in MALFORMED[name].items() if v is not ...}
    report = bbs.wait_status(bbs.add_task(task))
    assert report["result"] == "failed"
    assert report["error_log"]
    bbs.wait_polls(1)


def test_the_job_id_may_be_a_text(bbs: BBS, started: Agent) -> None:
    job = bbs.add_task({"task": "make_coffee", "job_id": "1"})
    assert bbs.wait_status(job)["job_id"] == 1


# the network


def test_no_server_there(agent: Agent) -> None:
    port = free_port("127.0.0.1")
    write(agent, f"https://127.0.0.1:{port}")
    agent.start()
    agent.wait_log("refused")
    time.sleep(2)
    assert agent.running


def test_a_name_that_does_not_exist(agent: Agent) -> None:
    write(agent, "https://no-such-host.invalid")
    agent.start()
    line = agent.wait_log("WARN .*no-such-host.invalid", 60)
    assert re.search("DNS|resolve|address", line)
    assert agent.running


def write(agent: Agent, url: str, **server: Any) -> None:
    agent.configure(server={"url": url, "api_key": "k" * 32, **server})


def test_ipv6(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with BBS(place / "bbs", cert=cert, ca=ca, host="::1") as bbs:
        assert "[::1]" in bbs.url
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)
        assert bbs.requests()[0].headers["host"] == f"[::1]:{bbs.port}"


def test_localhost_falls_back_to_the_other_family(
    place: Path, ca: CA, cert: Cert, agent: Agent
) -> None:
    with BBS(place / "bbs", cert=cert, ca=ca, host="127.0.0.1", name="localhost") as bbs:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)


# certificates


@contextmanager
def tls_server(place: Path, ca: CA, cert: Cert, **more: Any) -> Iterator[BBS]:
    with BBS(place / "tls", cert=cert, ca=ca, **more) as bbs:
        yield bbs


@pytest.mark.parametrize("key", ["ec", "rsa"])
@pytest.mark.parametrize("hosts", [("127.0.0.1",), ("localhost", "127.0.0.1", "::1")])
def test_good_certificates(place: Path, ca: CA, agent: Agent, key: str, hosts: tuple[str, ...]) -> None:
    cert = ca.issue(f"good-{key}-{len(hosts)}", hosts, key)
    with tls_server(place, ca, cert) as bbs:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)


def test_a_chain_with_an_intermediate(place: Path, agent: Agent) -> None:
    root = CA(place / "root")
    with tls_server(place, root, root.intermediate().issue("leaf")) as bbs:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(2)


Made = Callable[[CA, Path], Cert]
REFUSED_CERTS: dict[str, tuple[Made, str]] = {
    "expired": (lambda ca, _: ca.issue("expired", start_days=-30, end_days=-1), "expired"),
    "too early": (lambda ca, _: ca.issue("early", start_days=2), "valid only from|not valid yet"),
    "wrong name": (lambda ca, _: ca.issue("name", ("example.org", "10.1.2.3")), "made out|example.org"),
    "unknown CA": (lambda ca, place: CA(place / "other", "Somebody Else").issue("x"), "Somebody Else|not in"),
    "no serverAuth": (lambda ca, _: ca.issue("client", usage="clientAuth"), "serverAuth|TLS servers"),
    "no names": (lambda ca, _: ca.issue("nameless", ()), "name|made out"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_CERTS)
def test_bad_certificates_are_told_apart(place: Path, ca: CA, agent: Agent, name: str) -> None:
    make, words = REFUSED_CERTS[name]
    with tls_server(place, ca, make(ca, place)) as bbs:
        agent.configure(bbs)
        agent.start()
        line = agent.wait_log("certificate")
        assert re.search(words, line), line
        time.sleep(1.5)
        assert agent.running
        assert bbs.requests() == [], "the key was sent to a server that is not trusted"


def test_a_missing_intermediate_is_said(place: Path, agent: Agent) -> None:
    root = CA(place / "root")
    cert = root.intermediate().issue("leaf", send_chain=False)
    with tls_server(place, root, cert) as bbs:
        agent.configure(bbs)
        agent.start()
        assert "intermediate" in agent.wait_log("certificate")
        assert bbs.requests() == []


def test_a_pin_needs_no_ca(place: Path, ca: CA, agent: Agent) -> None:
    cert = CA(place / "other").issue("pinned", ("elsewhere.example",))
    with tls_server(place, ca, cert) as bbs:
        agent.configure(bbs, server={"ca_file": None, "pin_sha256": spki_pin(cert.chain)})
        agent.start()
        bbs.wait_polls(2)


def test_another_pin_is_refused(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    other = ca.issue("another")
    with tls_server(place, ca, cert) as bbs:
        agent.configure(bbs, server={"ca_file": None, "pin_sha256": spki_pin(other.chain)})
        agent.start()
        agent.wait_log("pin_sha256")
        assert bbs.requests() == []


def test_two_pins(place: Path, ca: CA, agent: Agent) -> None:
    """The key of today and that of tomorrow; each server has one of them."""
    now, next_ = ca.issue("now"), ca.issue("next")
    pins = f"{spki_pin(now.chain)}, {hex_pin(next_.chain)}"
    for cert in (now, next_):
        with tls_server(place / cert.chain.stem, ca, cert) as bbs:
            agent.configure(bbs, server={"ca_file": None, "pin_sha256": pins})
            agent.start()
            bbs.wait_polls(1)
            assert agent.stop() == 0


def test_a_pinned_ca(place: Path, agent: Agent) -> None:
    """Its key need not be the server's, but the certificate must be good."""
    root = CA(place / "root")
    middle = root.intermediate()
    good, late = middle.issue("good"), middle.issue("late", end_days=-0.5)
    for cert, fine in ((good, True), (late, False)):
        with tls_server(place / cert.chain.stem, root, cert) as bbs:
            pin = spki_pin(middle.cert)
            agent.configure(bbs, server={"ca_file": None, "pin_sha256": pin})
            agent.start()
            if fine:
                bbs.wait_polls(1)
            else:
                agent.wait_log("certificate .* expired")
                assert bbs.requests() == []
            assert agent.stop() == 0


def test_a_wrong_pin_with_a_valid_chain(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    """With pins only these count, whoever signed the certificate."""
    other = CA(place / "other").issue("another")
    with tls_server(place, ca, cert) as bbs:
        agent.configure(bbs, server={"pin_sha256": spki_pin(other.chain)})
        agent.start()
        assert "another key than pin_sha256" in agent.wait_log("pin_sha256")
        time.sleep(1.5)
        assert bbs.requests() == []


def test_a_record_that_is_cut_off(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    """A body without a length ends with the connection: with TLS it must say
    so, or somebody on the way has cut it."""
    with tls_server(place, ca, cert) as bbs:
        agent.configure(bbs)
        agent.start()
        bbs.wait_polls(1)
        fault = bbs.fault("tasks", "cut_unframed")
        bbs.wait(lambda: fault.times == 0, 10)
        assert re.search("cut|truncated", agent.wait_log("WARN .*(cut|truncated)"))
        bbs.wait_polls(1)
        bbs.fault("tasks", "cut_unframed", forged=True)
        bbs.wait(lambda: agent.log.count("was cut short") == 2, 10)
        bbs.wait_polls(1)


def hex_pin(chain: Path) -> str:
    return base64.b64decode(spki_pin(chain)).hex()


def test_no_check_is_warned_about(place: Path, ca: CA, agent: Agent) -> None:
    cert = CA(place / "other").issue("x")
    with tls_server(place, ca, cert) as bbs:
        agent.configure(bbs, server={"ca_file": None, "verify": "no"})
        agent.start()
        bbs.wait_polls(1)
        agent.wait_log("WARN .*verify")


def test_tls_13_only(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with tls_server(place, ca, cert, tls_minimum=ssl.TLSVersion.TLSv1_3) as bbs:
        agent.configure(bbs)
        agent.start()
        assert "only TLS 1.3" in agent.wait_log("TLS")
        assert agent.running


def test_an_nginx_with_tls_13_only(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False, ca=ca) as bbs:
        with Nginx(place / "nginx", bbs.port, cert, "TLSv1.3") as nginx:
            agent.configure(bbs, server={"url": nginx.url})
            agent.start()
            assert "only TLS 1.3" in agent.wait_log("TLS")


def test_plain_http_where_tls_is_expected(place: Path, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False) as bbs:
        agent.configure(bbs, server={"url": bbs.url.replace("http:", "https:")})
        agent.start()
        line = agent.wait_log("WARN .*(TLS|HTTP)")
        assert re.search("plain HTTP|does not speak TLS", line), line


def test_tls_where_plain_http_is_expected(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"url": bbs.url.replace("https:", "http:")})
    agent.start()
    agent.wait_log("WARN .*(400|TLS)")
    assert agent.running


def test_a_ca_file_that_is_missing(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs, server={"ca_file": "/nonexistent/ca.pem"})
    agent.start()
    agent.wait_log("/nonexistent/ca.pem")
    assert exit_code(agent) == 1


def test_a_ca_file_without_certificates(bbs: BBS, agent: Agent, place: Path) -> None:
    (place / "empty.pem").write_text("nothing here\n")
    agent.configure(bbs, server={"ca_file": place / "empty.pem"})
    agent.start()
    agent.wait_log("empty.pem")
    assert exit_code(agent) == 1


def exit_code(agent: Agent) -> int:
    """Of an agent that ends by itself."""
    assert agent.process is not None
    code = agent.process.wait(10)
    agent.process = None
    return code


# proxies


def test_the_environments_proxy_is_used(bbs: BBS, agent: Agent) -> None:
    port = free_port("127.0.0.1")
    agent.configure(bbs)
    agent.env["https_proxy"] = f"http://127.0.0.1:{port}"
    agent.start()
    agent.wait_log("proxy|refused")
    assert bbs.requests() == []


def test_no_proxy_for_this_host(bbs: BBS, agent: Agent) -> None:
    agent.configure(bbs)
    agent.env["https_proxy"] = "http://127.0.0.1:1"
    agent.env["no_proxy"] = "localhost,127.0.0.1"
    agent.start()
    bbs.wait_polls(2)
