"""Mounts that never answer, like one of a network drive whose server is gone:
FUSE file systems that nobody serves, or somebody who never replies."""

import contextlib
import ctypes
import errno
import os
import select
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

MNT_FORCE, MNT_DETACH = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


class CannotMount(Exception):
    """Not root, or a kernel or container without FUSE."""


@contextlib.contextmanager
def dead_mount(path: Path) -> Iterator[Path]:
    """Whoever touches path waits, until the end or until killed."""
    with _mounted(path):
        yield path


@contextlib.contextmanager
def stuck_mount(path: Path) -> Iterator["Stuck"]:
    """Whoever touches a file below path waits in state D until release() or
    the end, and is not even ended by SIGKILL: its question was read and is not
    answered."""
    over = threading.Event()
    stuck = Stuck(path)

    asked: list[int] = []

    def take(fuse: int) -> None:
        _, opcode, unique = struct.unpack_from("IIQ", os.read(fuse, 1 << 17))
        if opcode == 26:  # FUSE_INIT
            body = struct.pack("IIIIHHI", 7, 22, 0, 0, 12, 9, 4096)
            os.write(fuse, struct.pack("IiQ", 16 + len(body), 0, unique) + body)
        else:
            asked.append(unique)

    def serve(fuse: int) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                if select.select([fuse], [], [], 0.1)[0]:
                    take(fuse)
                while asked and stuck.released.is_set():
                    os.write(fuse, struct.pack("IiQ", 16, -errno.EIO, asked.pop()))

    with _mounted(path) as fuse:
        thread = threading.Thread(target=serve, args=[fuse])
        thread.start()
        try:
            yield stuck
        finally:
            over.set()
            thread.join()


class Stuck:
    """A mount that is stuck until it is released."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.released = threading.Event()

    def release(self) -> None:
        """All questions are answered with an error from now on."""
        self.released.set()


@contextlib.contextmanager
def _mounted(path: Path) -> Iterator[int]:
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
        yield fuse
    finally:
        os.close(fuse)  # all that wait go on, with an error
        LIBC.umount2(target, MNT_FORCE | MNT_DETACH)
