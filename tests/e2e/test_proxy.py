"""Through a real proxy (tinyproxy): with CONNECT, with a password, over IPv6;
around it; and what is said when it does not let through. The password is never
in the log."""

import base64
from pathlib import Path

import pytest

from bbsd import BBS, CA, Cert
from support.agent import Agent
from support.tinyproxy import Tinyproxy

LOGIN = "agent s3cr.t-pw"  # as tinyproxy has it
WRITTEN = "agent:s3cr%2Et-pw"  # as config.ini has it
SECRETS = ["s3cr", base64.b64encode(b"agent:s3cr.t-pw").decode()]


def no_secret_in(agent: Agent) -> None:
    for secret in SECRETS:
        assert secret not in agent.log, secret


@pytest.mark.parametrize("how", ["config.ini", "environment"])
@pytest.mark.parametrize("login", ["", LOGIN], ids=["open", "password"])
def test_connect(bbs: BBS, agent: Agent, place: Path, login: str, how: str) -> None:
    with Tinyproxy(place / "proxy", login=login) as proxy:
        url = proxy.url(WRITTEN if login else "")
        agent.configure(bbs, server={"proxy": url if how == "config.ini" else None})
        if how == "environment":
            agent.env["HTTPS_PROXY"] = url
        agent.start()
        bbs.wait_polls(2)
        assert f"CONNECT 127.0.0.1:{bbs.port}" in proxy.log
        # Nothing of the request itself, and the login not to the server.
        assert "/api/agent" not in proxy.log
        assert all("proxy-authorization" not in r.headers for r in bbs.requests())
        no_secret_in(agent)


@pytest.mark.parametrize(
    ("login", "words"),
    [("", "wants a login: proxy = http://USER:PASSWORD@127.0.0.1:"),
     ("agent:s3cret-and-wrong", "refuses the user or the password that [server] proxy has")],
    ids=["none", "wrong"],
)  # fmt: skip
def test_a_login_that_is_wrong(
    bbs: BBS, agent: Agent, place: Path, login: str, words: str
) -> None:
    with Tinyproxy(place / "proxy", login=LOGIN) as proxy:
        agent.configure(bbs, server={"proxy": proxy.url(login)})
        agent.start()
        assert words in agent.wait_log("WARN .*proxy")
        no_secret_in(agent)
        assert "s3cret" not in agent.log and bbs.requests() == []


def test_a_way_that_it_refuses(bbs: BBS, agent: Agent, place: Path) -> None:
    with Tinyproxy(place / "proxy", more="ConnectPort 443") as proxy:
        agent.configure(bbs, server={"proxy": proxy.url()})
        agent.start()
        assert "refuses the way to 127.0.0.1 port" in agent.wait_log("WARN .*proxy")
        assert bbs.requests() == []


def test_ipv6(place: Path, ca: CA, cert: Cert, agent: Agent) -> None:
    with BBS(place / "bbs", cert=cert, ca=ca, host="::1") as bbs:
        with Tinyproxy(place / "proxy", host="::1", login=LOGIN) as proxy:
            agent.configure(bbs, server={"proxy": proxy.url(WRITTEN)})
            agent.start()
            bbs.wait_polls(2)
            assert f"[::1]:{bbs.port}" in proxy.log
            no_secret_in(agent)


def test_plain_http(place: Path, agent: Agent) -> None:
    with BBS(place / "bbs", tls=False) as bbs, Tinyproxy(place / "proxy", login=LOGIN) as proxy:
        agent.configure(bbs, server={"proxy": proxy.url(WRITTEN)})
        agent.start()
        bbs.wait_polls(2)
        assert f"http://127.0.0.1:{bbs.port}/api/agent/tasks" in proxy.log
        assert all("proxy-authorization" not in r.headers for r in bbs.requests())
        no_secret_in(agent)


@pytest.mark.parametrize("secret", ["agent:s3cr.t-pw", SECRETS[1]], ids=["plain", "sent"])
def test_an_answer_that_repeats_the_login(place: Path, agent: Agent, secret: str) -> None:
    """What is no answer of a backup server is quoted, but for that."""
    with BBS(place / "bbs", tls=False) as bbs, Tinyproxy(place / "proxy", login=LOGIN) as proxy:
        bbs.fault("*", "text", times=1000, body=f"<p>You are {secret}")
        agent.configure(bbs, server={"proxy": proxy.url(WRITTEN)})
        agent.start()
        assert '"<p>You are ***"' in agent.wait_log("WARN .*not what a backup server says")
        no_secret_in(agent)


@pytest.mark.parametrize("listed", ["127.0.0.1", "localhost, .example.org,127.0.0.1", "*"])
def test_hosts_around_it(bbs: BBS, agent: Agent, listed: str) -> None:
    proxy = f"http://{WRITTEN}@127.0.0.1:1"
    agent.configure(bbs, server={"proxy": proxy, "no_proxy": listed})
    agent.start()
    bbs.wait_polls(2)


def test_a_proxy_that_comes_back(bbs: BBS, agent: Agent, place: Path) -> None:
    with Tinyproxy(place / "proxy") as proxy:
        agent.configure(bbs, server={"proxy": proxy.url()})
        agent.start()
        bbs.wait_polls(1)
        proxy.stop()
        agent.wait_log("the proxy cannot be reached")
        proxy.start()
        bbs.wait_polls(2, 30)


@pytest.mark.parametrize("value", ["https://agent:s3cr%40t@h:1", "http://agent:s3cr%zz@h:1",
                                   "http://agent:s3cr@h", "agent:s3cr@h:1", "http://a:s3cr@h:1/x"])  # fmt: skip
def test_what_is_no_proxy(bbs: BBS, agent: Agent, value: str) -> None:
    """Told with file and key, but not with the password in it."""
    agent.configure(bbs, server={"proxy": value})
    done = agent.once()
    assert done.returncode == 1 and "proxy" in done.stderr
    assert "s3cr" not in done.stderr, done.stderr
