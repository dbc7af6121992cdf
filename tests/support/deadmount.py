"""A mount that never answers, like one of a network drive whose server is
gone: a FUSE file system that nobody serves."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

MNT_FORCE, MNT_DETACH = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


class CannotMount(Exception):
    """Not root, or a kernel or container without FUSE."""


@contextlib.contextmanager
def dead_mount(path: Path) -> Iterator[Path]:
    """Whoever touches path waits, until the end or until killed."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise CannotMount(str(error)) from error
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
    target = os.fsencode(path)
    if LIBC.mount(b"dead", target, b"fuse", 0, options.encode()) != 0:
        os.close(fuse)
        raise CannotMount(os.strerror(ctypes.get_errno()))
    try:
        yield path
    finally:
        os.close(fuse)  # all that wait go on, with an error
        LIBC.umount2(target, MNT_FORCE | MNT_DETACH)
