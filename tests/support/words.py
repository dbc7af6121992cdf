"""What the program takes and tells, read from its own tables in the source:
whatever is written about it for people is held against these."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SRC = TOP / "src"

# Between the agent and itself; nobody types them.
HIDDEN = {"--trial", "--job", "net-process"}
# Commands of their own, behind any other too.
QUESTIONS = {"--help", "--version"}


def source(*names: str) -> str:
    return "".join((SRC / name).read_text() for name in names)


def verbs() -> set[str]:
    """Those that main.c looks up, and the two that need no table."""
    table = re.search(r"verbs\[\] = \{(.*?)\};", source("main.c"), re.S)
    assert table
    return {*re.findall(r'\{"([a-z]+)"', table.group(1)), "version", "help"} - HIDDEN


def option_rows() -> list[tuple[str, bool, set[str]]]:
    """Name, does it take a value, and the verbs that take it."""
    rows = re.findall(r'\{"(--[a-z-]+)",\s+(true|false),\s+([A-Z |]+),', source("main.c"))
    assert len(rows) >= 20
    return [
        (name, value == "true", verbs() - {"version", "help"} if bits == "ANY"
         else set(bits.lower().split(" | ")))
        for name, value, bits in rows if name not in HIDDEN | QUESTIONS
    ]  # fmt: skip


def options(verb: str) -> set[str]:
    return {name for name, _, of in option_rows() if verb in of}


def config_keys() -> list[tuple[str, str]]:
    rows = re.findall(r'\{"([a-z]+)", "([a-z_0-9]+)", VALUE_', source("bbs/config.c"))
    assert len(rows) >= 29
    return rows


def files() -> set[str]:
    """The names of the agent's own files."""
    text = source("bbs/paths.c", "setup/plan.c", "setup/service.h", "job/ssh_dropbear.c")
    found = set(re.findall(r'"/?((?:etc|var|run|usr)/[a-z_./-]*bbs-agent[a-z_./-]*)"', text))
    assert len(found) >= 15
    return {"/" + name for name in found}


def environment() -> set[str]:
    found = {"TZ"}  # the C library's
    for path in SRC.glob("*/*.c"):
        text = path.read_text()
        found.update(re.findall(r'getenv\("(\w+)"\)', text))
        for call in re.findall(r"= environment\(([^)]*)\)", text):
            found.update(re.findall(r'"(\w+)"', call))
    found.update(re.findall(r'_ENV "(\w+)"', source("setup/beside.h")))
    found.update(re.findall(r'"(LC_\w+|LANG)"', source("cli/term.c")))
    return found


def exit_codes() -> set[str]:
    lines = re.findall(r"EXIT_\w+ = (\d+),(.*)", source("base/exitcode.h"))
    return {code for code, comment in lines if "not for people" not in comment}


def tasks() -> set[str]:
    """The types that have a name of their own."""
    found = set(re.findall(r'\{"(\w+)", TASK_\w+, ', source("bbs/task.c")))
    assert len(found) >= 11
    return found


def signals() -> set[str]:
    """Those that do something that somebody may want."""
    caught = set(re.findall(r"case (SIG\w+):", source("agent/supervisor.c"))) - {"SIGCHLD"}
    assert len(caught) >= 4
    return caught


def services() -> set[str]:
    table = re.search(r"names\[\] = \{(.*?)\};", source("setup/host.c"), re.S)
    assert table
    return {*re.findall(r'"(\w+)"', table.group(1)), "auto"} - {"unknown"}
