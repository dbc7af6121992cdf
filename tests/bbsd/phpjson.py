"""JSON as the server's PHP writes it and as strictly as it reads it."""

import json
from typing import Any

DEPTH_MAX = 512


def encode(value: Any, numbers_as_strings: bool = False) -> bytes:
    """Escaped slashes, \\uXXXX for all that is not ASCII, [] for an empty
    map, and, when asked, every number as a string."""
    text = json.dumps(_php(value, numbers_as_strings), separators=(",", ":"))
    return text.replace("/", "\\/").encode("ascii")


def _php(value: Any, as_strings: bool) -> Any:
    if isinstance(value, dict):
        if not value:
            return []
        return {k: _php(v, as_strings) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_php(v, as_strings) for v in value]
    if as_strings and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def decode(body: bytes) -> dict[str, Any] | None:
    """The object, or None for whatever PHP's json_decode refuses: a BOM, a
    NUL, invalid UTF-8, a lone surrogate, a raw control character."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
        _judge(value, 1)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _judge(value: Any, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError("too deep")
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate fails here
    elif isinstance(value, list):
        for item in value:
            _judge(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _judge(key, depth)
            _judge(item, depth + 1)
