"""bbsd from a shell: serves until interrupted, orders come as JSON lines.

On stdout: first {"url":…, "ca_file":…, "api_key":…}, then a line for each
request. On stdin, one order a line:
  {"add": TASK}             queue a task
  {"cancel": JOB_ID}        press the web page's button
  {"fault": [ENDPOINT, KIND, TIMES, {OPTIONS}]}
"""

import argparse
import json
import sys
import threading
from pathlib import Path
from typing import Any

from . import wire
from .server import BBS, KEY, SshAccess


def main() -> int:
    parser = argparse.ArgumentParser(prog="bbsd", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--dir", type=Path, required=True, help="for the CA and its keys")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="no TLS")
    parser.add_argument("--style", choices=(wire.NGINX, wire.APACHE), default=wire.NGINX)
    parser.add_argument("--api-key", default=KEY)
    parser.add_argument("--poll-interval", type=int, default=30)
    parser.add_argument("--numbers-as-strings", action="store_true")
    parser.add_argument("--ssh", metavar="USER@HOST:PORT")
    parser.add_argument("--ssh-key", type=Path, help="private key to hand out")
    parser.add_argument("--task", type=Path, action="append", default=[],
                        help="file with one task as JSON")  # fmt: skip
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)

    bbs = BBS(
        options.dir, tls=not options.plain, style=options.style, host=options.host,
        port=options.port, api_key=options.api_key, poll_interval=options.poll_interval,
        numbers_as_strings=options.numbers_as_strings,
    )  # fmt: skip
    if options.ssh:
        user, _, rest = options.ssh.partition("@")
        host, _, port = rest.rpartition(":")
        bbs.use_ssh(SshAccess(user, host, int(port), options.ssh_key.read_text()))
    for path in options.task:
        bbs.add_task(json.loads(path.read_text()))
    bbs.on_request = lambda r: say(
        method=r.method, path=r.path, status=r.status, fault=r.fault, body=r.json
    )
    with bbs:
        say(url=bbs.url, ca_file=str(bbs.ca_file or ""), api_key=bbs.api_key)
        try:
            serve(bbs)
        except KeyboardInterrupt:
            pass
    return 0


def serve(bbs: BBS) -> None:
    for line in sys.stdin:
        try:
            obey(bbs, json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            say(error=f"{type(error).__name__}: {error}")
    threading.Event().wait()  # stdin is at its end: until interrupted


def obey(bbs: BBS, order: dict[str, Any]) -> None:
    if "add" in order:
        say(job_id=bbs.add_task(order["add"]).id)
    elif "cancel" in order:
        bbs.cancel(bbs.state.jobs[order["cancel"]])
    elif "fault" in order:
        endpoint, kind, times, more = order["fault"]
        bbs.fault(endpoint, kind, times, **more)
    else:
        say(error="add, cancel or fault")


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    sys.exit(main())
