"""What the agent sends, judged.

fatal() finds the values over which the real server stumbles: it answers 500
and the report is lost. impolite() finds what the real server bears in silence
but an agent must not send; the tests want none of it.
"""

from typing import Any

Body = dict[str, Any]

TEXTS = {
    "register": ("hostname", "os_info", "agent_version", "platform", "architecture",
                 "glibc_version", "mac_address", "ip_address", "borg_version",
                 "borg_binary_path", "borg_install_method", "borg_source"),
    "progress": ("status_message", "log_message", "log_level", "output_log"),
    "status": ("result", "error_log", "output_log", "archive_name", "task_result"),
}  # fmt: skip
TEXTS["info"] = TEXTS["register"]

CUTS = {"status_message": 255, "log_message": 2000, "os_info": 255}
CHOICES = {
    "log_level": {"info", "warning", "error"},
    "borg_install_method": {"binary", "pip", "package", "unknown"},
    "borg_source": {"official", "server", "unknown"},
}
COUNTS = ("files_total", "files_processed")
INT_MAX = 2**31
TEXT_COLUMN_MAX = 65535
REPORT_TEXT_MAX = 10000


def fatal(endpoint: str, body: Body) -> str | None:
    """Why the real server would fail with 500, or None."""
    for key in TEXTS.get(endpoint, ()):
        if isinstance(body.get(key), (list, dict)):
            return f"{key} is not text"
    for key, size in CUTS.items():
        if isinstance(body.get(key), str) and splits(body[key], size):
            return f"{key} has a character across byte {size}"
    for key, allowed in CHOICES.items():
        if key in body and body[key] is not None and body[key] not in allowed:
            return f"{key} is {body[key]!r}"
    for key in COUNTS:
        if isinstance(body.get(key), (int, float)) and body[key] >= INT_MAX:
            return f"{key} is {body[key]}"
    if len(str(body.get("error_log") or "").encode()) >= TEXT_COLUMN_MAX:
        return "error_log is too long"
    return None


def splits(text: str, size: int) -> bool:
    """Would cutting at that byte leave half a character?"""
    try:
        text.encode()[:size].decode()
    except UnicodeDecodeError:
        return True
    return False


def impolite(endpoint: str, headers: dict[str, str], body: Body, task: str) -> list[str]:
    """What is wrong with an accepted request of the agent, in words."""
    wrong = []
    if not headers.get("user-agent", "").startswith("BBS-Agent/"):
        wrong.append(f"User-Agent {headers.get('user-agent')!r}")
    if headers.get("content-type") != "application/json":
        wrong.append(f"Content-Type {headers.get('content-type')!r}")
    for key, size in CUTS.items():
        if len(str(body.get(key) or "").encode()) > size:
            wrong.append(f"{key} longer than {size} bytes")
    for key in ("error_log", "output_log"):
        size = len(str(body.get(key) or "").encode())
        if size > REPORT_TEXT_MAX and not (key == "output_log" and task == "list_dir"):
            wrong.append(f"{key} of {size} bytes")
    if task == "list_dir" and endpoint == "progress":
        wrong.append("progress of a list_dir")
    if "job_id" in body and type(body["job_id"]) is not int:
        wrong.append(f"job_id {body['job_id']!r} is no number")
    if body.get("had_warnings", True) is not True:
        wrong.append(f"had_warnings {body['had_warnings']!r}")
    for key in (*COUNTS, "bytes_total", "bytes_processed", "original_size",
                "deduplicated_size"):  # fmt: skip
        if key in body and (type(body[key]) is not int or body[key] < 0):
            wrong.append(f"{key} {body[key]!r}")
    if endpoint == "status" and body.get("result") not in (
        "completed", "failed", "abandoned",
    ):  # fmt: skip
        wrong.append(f"result {body.get('result')!r}")
    return wrong
