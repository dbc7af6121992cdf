"""Trees of files to back up, and whether two of them are the same.

Everything is bytes: some of these names are no text.
"""

import hashlib
import os
import stat
from pathlib import Path

MTIME = 1_600_000_000_123_456_000  # borg keeps nanoseconds; ours end in 000

ODD_NAMES = [
    b"plain.txt",
    b"with space.txt",
    b" leading and trailing ",
    b"quote\"double",
    b"quote'single",
    b"back\\slash",
    b"new\nline",
    b"tab\tand\rreturn",
    b"bell\x07escape\x1b[31m",
    b"del\x7f",
    b"-starts-with-dash",
    b"*glob?[x]",
    b"$(touch pwned)`x`;&|",
    b"percent%s%n",
    "gr\u00f6\u00dfe-\u65e5\u672c\u8a9e".encode(),
    "emoji-\U0001f600".encode(),
    "separator-\u2028-end".encode(),
    "bom-\ufeff".encode(),
    b"latin1-\xfc\xe4",
    b"bad-\xff\xfe-utf8",
    b"cut-\xc3",
    b"surrogate-\xed\xb0\x80",
    b"<html>&amp;",
    b"x" * 255,
]
INVALID_UTF8 = [b"latin1-\xfc\xe4", b"bad-\xff\xfe-utf8", b"cut-\xc3", b"surrogate-\xed\xb0\x80"]


def make_odd_tree(root: Path) -> None:
    """Odd names, and one of each kind of file that a user may make."""
    top = os.fsencode(root)
    os.makedirs(top, exist_ok=True)
    for name in ODD_NAMES:
        _write(os.path.join(top, name), b"content of " + name)
    deep = os.path.join(top, *[b"d%02d" % i for i in range(20)])
    os.makedirs(deep)
    _write(os.path.join(deep, b"deep.txt"), b"deep")
    os.makedirs(os.path.join(top, b"empty dir"))
    os.makedirs(os.path.join(top, b"odd \xff dir\n"))
    _write(os.path.join(top, b"odd \xff dir\n", b"inside"), b"inside")
    _write(os.path.join(top, b"empty file"), b"")
    _write(os.path.join(top, b"big"), os.urandom(3_000_000))
    _write(os.path.join(top, b"executable"), b"#!/bin/sh\n", 0o755)
    _write(os.path.join(top, b"private"), b"secret", 0o600)
    os.link(os.path.join(top, b"plain.txt"), os.path.join(top, b"hard link"))
    os.symlink(b"plain.txt", os.path.join(top, b"link"))
    os.symlink(b"nowhere/at all", os.path.join(top, b"dangling"))
    os.symlink(b"bad-\xff\xfe-utf8", os.path.join(top, b"link to bad"))
    os.mkfifo(os.path.join(top, b"fifo"), 0o640)
    _settle(top)


def make_many(root: Path, count: int, per_directory: int = 500) -> None:
    """Small files, no two alike."""
    for i in range(count):
        directory = os.path.join(root, f"dir{i // per_directory:04d}")
        if i % per_directory == 0:
            os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"file{i:06d}.txt"), "wb") as f:
            f.write(b"file number %d\n" % i)


def make_big(root: Path, mebibytes: int) -> None:
    """Data that neither compresses nor repeats."""
    root.mkdir(parents=True, exist_ok=True)
    for i in range(mebibytes):
        (root / f"block{i:04d}").write_bytes(os.urandom(1 << 20))


def _write(path: bytes, content: bytes, mode: int = 0o644) -> None:
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, mode)


def _settle(top: bytes) -> None:
    """Known times, set from the leaves up."""
    for parent, directories, files in os.walk(top, topdown=False):
        for name in [*files, *directories]:
            path = os.path.join(parent, name)
            os.utime(path, ns=(MTIME, MTIME), follow_symlinks=False)
    os.utime(top, ns=(MTIME, MTIME))


def snapshot(root: Path | bytes) -> dict[bytes, tuple[object, ...]]:
    """What makes a tree: kind, mode, owner, time, content, link, and which
    names are one file."""
    top = os.fsencode(root)
    seen: dict[bytes, tuple[object, ...]] = {}
    inodes: dict[int, bytes] = {}
    for parent, directories, files in os.walk(top):
        directories.sort()
        for name in sorted([*directories, *files]):
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, top)
            st = os.lstat(path)
            first = relative
            if stat.S_ISREG(st.st_mode):
                first = inodes.setdefault(st.st_ino, relative)
            seen[relative] = (
                stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns,
                _content(path, st), first,
            )  # fmt: skip
    return seen


def _content(path: bytes, st: os.stat_result) -> object:
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    return None


def differences(one: Path | bytes, two: Path | bytes) -> list[str]:
    """What is not the same in two trees; empty: identical."""
    a, b = snapshot(one), snapshot(two)
    out = [f"only in the first: {p!r}" for p in sorted(a.keys() - b.keys())]
    out += [f"only in the second: {p!r}" for p in sorted(b.keys() - a.keys())]
    out += [f"{p!r}: {a[p]} != {b[p]}" for p in sorted(a.keys() & b.keys()) if a[p] != b[p]]
    return out
