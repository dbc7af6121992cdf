"""Borgs that misbehave on purpose: small scripts in the place of the real one.

The body of a script is Python that uses the helpers of PRELUDE; it prints
what borg would print, or what borg should never print.
"""

import json
from pathlib import Path
from typing import Any

PRELUDE = r'''#!/usr/bin/python3 -S
import json, os, signal, subprocess, sys, time

if "--version" in sys.argv:
    print("borg 1.2.4")
    sys.exit(0)

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "runs"), "a") as runs:
    runs.write("\n" + json.dumps({"argv": sys.argv, "cwd": os.getcwd(), "pid": os.getpid(),
                                  "time": time.time(), "env": dict(os.environ)}) + "\n")

def log(**fields):
    """One line of borg's JSON log."""
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()

def file(path, status="A"):
    log(type="file_status", status=status, path=path)

def item(path):
    log(type="log_message", levelname="INFO", name="borg.output.list", message=path)

def message(text, level="WARNING", msgid=None):
    log(type="log_message", levelname=level, name="borg.archiver", message=text,
        **({"msgid": msgid} if msgid else {}))

def progress(nfiles, size):
    log(type="archive_progress", nfiles=nfiles, original_size=size, compressed_size=size,
        deduplicated_size=size, path="x", time=time.time(), finished=False)

def summary(nfiles=1, size=100, dedup=50, padding=""):
    print(json.dumps({"archive": {"name": "x", "stats": {"nfiles": nfiles,
        "original_size": size, "compressed_size": dedup, "deduplicated_size": dedup},
        "padding": padding}, "repository": {}}, indent=4), flush=True)

def ignore_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
'''

COMPLETE = "file('/etc/hostname'); progress(1, 100); summary()"

# Half of what there is, and then as long as a file called "go" is not there.
HALF_WAY = """
progress(500, 1500000)
time.sleep(1.1)
progress(600, 3000000)
while not os.path.exists(os.path.join(HERE, "go")):
    time.sleep(0.05)
progress(1000, 6000000)
summary(1000, 6000000, 20000)
"""

# Keeps the directories that it is given, and gives back the files that are
# asked for.
KEEPING = """
import shutil
KEPT = os.path.join(HERE, "kept")
words = sys.argv[next(i for i, w in enumerate(sys.argv) if "::" in w) + 1:]
missed = []
for word in words:
    path = os.path.join(KEPT, word.lstrip("/"))
    if sys.argv[1] == "create":
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isdir(word):
            shutil.copytree(word, path)
        file(word)
    elif os.path.isdir(path):
        shutil.copytree(path, word, dirs_exist_ok=True)
        item(word)
    elif os.path.exists(path):
        os.makedirs(os.path.dirname(word), exist_ok=True)
        shutil.copy(path, word + ".new")
        os.rename(word + ".new", word)
        item(word)
    else:
        missed.append(word)
for word in missed:
    message("Include pattern '%s' never matched." % word)
if sys.argv[1] == "create":
    summary()
sys.exit(1 if missed else 0)
"""


class FakeBorg:
    """A program at .path; what it was called with is in runs()."""

    def __init__(self, directory: Path, body: str = COMPLETE) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.dir = directory
        self.path = directory / "borg"
        self.path.write_text(f"{PRELUDE}\n{body}\n")
        self.path.chmod(0o755)

    def runs(self) -> list[dict[str, Any]]:
        """One that was killed while it wrote this down has done nothing yet."""
        path = self.dir / "runs"
        if not path.exists():
            return []
        lines = path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}}")]
