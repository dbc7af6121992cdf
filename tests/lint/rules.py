#!/usr/bin/python3
"""The rules of the house that no compiler knows.

Which part may include which, which files see BearSSL and jsmn, which calls
are not used at all, no floating point, and how long a function or a file may
be. Comments and strings are blanked before anything is looked for.
"""
import pathlib
import re
import sys

# A part may include itself and what stands here.
LAYERS = {
    "base": (),
    "net": ("base",),
    "bbs": ("base",),
    "job": ("base", "net", "bbs"),
    "setup": ("base", "net", "bbs"),
    "agent": ("base", "net", "bbs", "job", "setup"),
    "cli": ("base", "net", "bbs", "job", "setup"),
}

# Header: the files that may include it.
ONLY = {
    r"bearssl.*\.h": r"(net/(tls|trust)|base/hash|bbs/release)"
    r"(_\w+)?\.[ch]",
    r"jsmn\.h": r"base/json(_\w+)?\.[ch]",
    r"net/http\.h": r"net/(net|http)(_\w+)?\.[ch]",
    r"(math|float|complex|tgmath|fenv)\.h": r"",
}

# Call: what is used in its place.
BANNED = {
    "strcpy stpcpy strncpy strcat strncat": "base/text or struct buf",
    "sprintf vsprintf gets": "snprintf",
    "atoi atol atoll atof strtod strtof strtold": "base/text",
    "system popen wordexp": "base/proc",
    "alloca": "a fixed buffer or the heap",
    "strtok": "strtok_r",
    "ctime asctime localtime gmtime": "the _r function",
    "rand srand random srandom drand48": "getrandom",
    "tmpnam tempnam mktemp": "base/file",
    "setjmp longjmp": "a return value",
    "difftime": "integers",
    "gethostbyname gethostbyaddr": "getaddrinfo",
}

FUNCTION_LINES = 60
FILE_LINES = 550

TOKEN = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S
)
FLOAT = re.compile(
    r"\b(?:float|double)\b"
    r"|(?<![\w.])(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|(?<![\w.])\d+[eE][+-]?\d+"
)

complaints = []


def complain(path, line, text):
    complaints.append(f"{path}:{line}: {text}")


def blank(match):
    """Keeps the lines of what is taken out, and a trace of a string."""
    text = match.group()
    kept = '""' if text[0] in "\"'" else " "
    return kept + "\n" * text.count("\n")


def check_includes(path, name, source):
    part = name.split("/")[0] if "/" in name else None
    for number, line in enumerate(source.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if not match:
            continue
        quoted, header = match.group(1) == '"', match.group(2)
        for pattern, allowed in ONLY.items():
            if re.fullmatch(pattern, header) and not re.fullmatch(
                allowed, name
            ):
                complain(path, number, f"{header} is not for this file")
        other = header.split("/")[0]
        if not quoted or other not in LAYERS or part is None:
            continue
        if other != part and other not in LAYERS[part]:
            complain(path, number, f"{part} may not include {header}")


def check_code(path, code):
    for number, line in enumerate(code.splitlines(), 1):
        for names, instead in BANNED.items():
            calls = re.search(rf"\b({names.replace(' ', '|')})\s*\(", line)
            if calls:
                complain(
                    path, number, f"{calls.group(1)}: use {instead} instead"
                )
        if FLOAT.search(line):
            complain(path, number, "no floating point here")


def check_length(path, code):
    lines = code.splitlines()
    if len(lines) > FILE_LINES:
        complain(path, len(lines), f"more than {FILE_LINES} lines: two files")
    start = 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_LINES:
                complain(
                    path, start, f"a function of {number - start - 1} lines"
                )
            start = 0


def check_file(root, path):
    source = path.read_text()
    name = str(path.relative_to(root))
    if not source.startswith("/*"):
        complain(path, 1, "the file does not begin by saying what it is")
    code = TOKEN.sub(blank, source)
    check_includes(path, name, source)
    check_code(path, code)
    check_length(path, code)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "src")
    files = sorted(root.rglob("*.[ch]"))
    for path in files:
        check_file(root, path)
    for text in complaints:
        print(text)
    print(f"rules: {len(files)} files, {len(complaints)} complaints")
    return 1 if complaints or not files else 0


sys.exit(main())
