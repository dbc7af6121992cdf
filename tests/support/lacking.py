"""A kernel that lacks something, for one program: LACKING WHAT PROGRAM...

Executes the program below a seccomp filter that answers as an old kernel, or a
container, would: lacking("landlock", "seccomp", "users") is the words before
the program. x86_64 only; is_possible() says so.
"""

import ctypes
import os
import struct
import sys

# call, errno, value of the first argument (None: any)
KINDS = {
    "landlock": (444, 38, None),  # landlock_create_ruleset: ENOSYS
    "seccomp": (157, 22, 22),  # prctl(PR_SET_SECCOMP): EINVAL
    "users": (116, 1, None),  # setgroups: EPERM
}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ERRNO, ALLOW = 0x00050000, 0x7FFF0000
PR_SET_SECCOMP, FILTER = 22, 2


def is_possible() -> bool:
    return os.uname().machine == "x86_64" and os.geteuid() == 0


def lacking(*kinds: str) -> list[str]:
    return [sys.executable, __file__, ",".join(kinds)]


def code_of(kinds: list[str]) -> bytes:
    code = []
    for kind in kinds:
        call, error, argument = KINDS[kind]
        code.append(struct.pack("=HBBI", LOAD, 0, 0, 0))
        code.append(struct.pack("=HBBI", EQUAL, 0, 1 if argument is None else 3, call))
        if argument is not None:
            code.append(struct.pack("=HBBI", LOAD, 0, 0, 16))
            code.append(struct.pack("=HBBI", EQUAL, 0, 1, argument))
        code.append(struct.pack("=HBBI", RETURN, 0, 0, ERRNO | error))
    return b"".join([*code, struct.pack("=HBBI", RETURN, 0, 0, ALLOW)])


def main() -> None:
    code = code_of(sys.argv[1].split(","))
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(kept))
    if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, FILTER, ctypes.create_string_buffer(program), 0, 0):
        sys.exit("no seccomp filter here")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
