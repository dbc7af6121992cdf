"""A stand-in for MongoDB: no server, and not its programs.

MongoDB cannot be had from Debian. What stands here keeps databases as files
below one directory and puts programs called mongodump, mongorestore and
mongosh beside it. They judge their arguments strictly: an option that is not
known here, or the password in a command line, is a failure. mongosh does not
run JavaScript: it reads the agent's question from the script's first line.
What only the real ones can prove is not proven by it.
"""

import json
import os
from pathlib import Path
from typing import Any

USER = "backup"
PASSWORD = "m:o\\n'g \"o$@/\u00fc%"

PRELUDE = r'''#!/usr/bin/python3 -S
# A stand-in of bbs-agent's tests; see tests/support/fakemongo.py.
import gzip, json, os, re, shutil, stat, sys, time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(HERE, "data")
SETTINGS = json.load(open(os.path.join(HERE, "settings.json")))
NAME = os.path.basename(sys.argv[0])
with open(os.path.join(HERE, "runs"), "a") as runs:
    print(json.dumps([NAME, *sys.argv[1:]]), file=runs)

def fail(text):
    sys.stderr.write(text + "\n")
    sys.exit(1)

if any(SETTINGS["password"] in word for word in sys.argv):
    fail("the password stands in the command line")

def private(path):
    """The text of a file that nobody else can read."""
    if stat.S_IMODE(os.stat(path).st_mode) != 0o600:
        fail(path + " can be read by others")
    return open(path).read()

def options(with_value, without):
    found = {}
    for word in sys.argv[1:]:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name[2:] not in (with_value if equals else without):
            fail("unknown option \"%s\"" % word)
        found[name[2:]] = value
    return found

def log_in(user, password, source):
    if SETTINGS["down"]:
        fail("server selection error: connection refused")
    if (user, password, source) != (SETTINGS["user"], SETTINGS["password"], "admin"):
        return "Authentication failed."
    return None

def log_in_tool(o):
    password = ""
    if "config" in o:
        found = re.fullmatch(r'password: (".*")\n', private(o["config"]))
        if not found:
            fail("error parsing config file: " + o["config"])
        password = json.loads(found.group(1))
    wrong = log_in(o.get("username", ""), password, o.get("authenticationDatabase"))
    if wrong:
        fail("Failed: can't create session: " + wrong)

def pause():
    if SETTINGS["slow"] == NAME:
        open(os.path.join(HERE, "pausing"), "w").close()
        time.sleep(60)
'''

DUMP = r'''
o = options({"host", "port", "username", "authenticationDatabase", "config", "db", "out",
             "readPreference"}, {"gzip"})
log_in_tool(o)
source = os.path.join(DATA, o["db"])
if not os.path.isdir(source):
    sys.exit(0)  # the real one is content, too
target = os.path.join(o["out"], o["db"])
os.makedirs(target)
for name in os.listdir(source):
    if name in SETTINGS["broken"]:
        fail("Failed: error writing data for collection: No such thing as " + name)
    for kind in ("bson", "metadata.json"):
        opened = gzip.open if "gzip" in o else open
        end = ".gz" if "gzip" in o else ""
        with opened(os.path.join(target, "%s.%s%s" % (name, kind, end)), "wb") as out:
            if kind == "bson":
                out.write(open(os.path.join(source, name), "rb").read())
    pause()
'''

RESTORE = r'''
o = options({"host", "port", "username", "authenticationDatabase", "config", "db", "dir"},
            {"gzip", "drop", "stopOnError"})
log_in_tool(o)
target = os.path.join(DATA, o["db"])
os.makedirs(target, exist_ok=True)
end = ".bson.gz" if "gzip" in o else ".bson"
for name in sorted(os.listdir(o["dir"])):
    if not name.endswith(end):
        continue
    collection = os.path.join(target, name[:-len(end)])
    if os.path.exists(collection) and "drop" not in o:
        fail("E11000 duplicate key error collection")
    data = (gzip.open if "gzip" in o else open)(os.path.join(o["dir"], name), "rb").read()
    if data.startswith(b"bad"):
        fail("Failed: %s: error restoring from %s" % (o["db"], name))
    with open(collection, "wb") as out:
        out.write(data)
    pause()
'''

SHELL = r'''
if sys.argv[1:4] != ["--quiet", "--norc", "--nodb"] or not sys.argv[4].endswith(".js"):
    fail("unknown arguments: %s" % sys.argv[1:])
script = private(sys.argv[4])
found = re.match(r"var c = (\{.*\});\n", script)
c = json.loads(found.group(1))
print("a line that a shell says by itself")
wrong = log_in(c["user"], c["password"], c["auth_db"])
sizes = {d: sum(os.stat(os.path.join(DATA, d, f)).st_size for f in os.listdir(os.path.join(DATA, d)))
         for d in os.listdir(DATA)}
if SETTINGS["refused"]:
    answer = {"error": SETTINGS["refused"]}
elif wrong:
    answer = {"error": wrong}
elif c["ask"] == "size":
    answer = {"size": sizes[c["name"]]}
elif c["ask"] == "drop":
    shutil.rmtree(os.path.join(DATA, c["name"]))
    answer = {"dropped": True}
else:
    answer = {"databases": ["admin", "config", "local", *sorted(sizes)]}
print("\nbbs-agent " + json.dumps(answer))
'''


class FakeMongo:
    """Databases of collections, each a text; put .bin into the agent's PATH."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        self.bin = directory / "bin"
        self.data = directory / "data"
        self.settings: dict[str, Any] = {"user": USER, "password": PASSWORD, "down": False,
                                         "slow": None, "broken": [], "refused": None}  # fmt: skip
        self.bin.mkdir(parents=True)
        self.data.mkdir()
        self.set()
        for name, body in (("mongodump", DUMP), ("mongorestore", RESTORE), ("mongosh", SHELL)):
            (self.bin / name).write_text(PRELUDE + body)
            (self.bin / name).chmod(0o755)

    def set(self, **settings: Any) -> None:
        self.settings.update(settings)
        (self.dir / "settings.json").write_text(json.dumps(self.settings))

    def create(self, database: str, **collections: str) -> None:
        (self.data / database).mkdir(exist_ok=True)
        for name, text in collections.items():
            (self.data / database / name).write_text(text)

    def content(self, database: str) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.data / database).iterdir()}

    def names(self) -> list[str]:
        return sorted(os.listdir(self.data))

    def runs(self, program: str) -> list[list[str]]:
        lines = (self.dir / "runs").read_text().splitlines()
        return [run[1:] for run in map(json.loads, lines) if run[0] == program]

    @property
    def pausing(self) -> bool:
        return (self.dir / "pausing").exists()

    def config(self, dump_dir: Path, **more: Any) -> dict[str, Any]:
        """As the server configures the plugin."""
        return {"host": "127.0.0.1", "port": "27017", "user": USER, "password": PASSWORD,
                "auth_db": "admin", "databases": "*", "dump_dir": str(dump_dir),
                "compress": True, "cleanup_after": True,
                "exclude_databases": ["admin", "config", "local"], "extra_options": "",
                "abort_on_failure": False, **more}  # fmt: skip
