"""What the server knows: jobs, their queue, and who may ask.

No HTTP here: each endpoint is a method from a decoded body to (status, body).
The caller holds State.changed, whose waiters wake after every request.
"""

import copy
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from . import checks

Body = dict[str, Any]
Answer = tuple[int, Body | None]  # None: the server fell over

ARCHIVE = "@ARCHIVE@"  # stands in a task for the name of this delivery
BAD_KEYS_MAX = 20
BAD_KEYS_SECONDS = 300


@dataclass
class Job:
    """One task: queued, sent, running, then completed, failed, abandoned or
    cancelled. Reports that come after the end are kept too."""

    id: int
    task: Body
    state: str = "queued"
    deliveries: int = 0
    progress: list[Body] = field(default_factory=list)
    progress_times: list[float] = field(default_factory=list)
    reports: list[Body] = field(default_factory=list)
    cancel_time: float | None = None  # when the first cancel:true was answered
    started: float = field(default_factory=time.time)

    @property
    def terminal(self) -> bool:
        return self.state not in ("queued", "sent", "running")

    def deliver(self) -> Body:
        """The task as this poll gets it; a backup's archive has a new name
        at every delivery."""
        self.deliveries += 1
        if self.state == "queued":
            self.state = "sent"
        stamp = time.localtime(self.started + self.deliveries)
        name = time.strftime(f"plan{self.id}-%Y-%m-%d_%H-%M-%S", stamp)
        task: Body = _replace(copy.deepcopy(self.task), name)
        if "job_id" not in task:
            task["job_id"] = self.id
        return task

    def last(self, key: str) -> Any:
        """The newest value of a field in the progress reports."""
        return next((p[key] for p in reversed(self.progress) if key in p), None)


def _replace(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value.replace(ARCHIVE, name)
    if isinstance(value, list):
        return [_replace(v, name) for v in value]
    if isinstance(value, dict):
        return {k: _replace(v, name) for k, v in value.items()}
    return value


class State:
    def __init__(self, api_key: str, poll_interval: int) -> None:
        self.changed = threading.Condition()
        self.api_key = api_key
        self.poll_interval = poll_interval
        self.name = "Web 1 \u2013 Z\u00fcrich"
        self.ssh: Body = {"ssh_unix_user": "", "server_host": "", "ssh_port": 22}
        self.ssh_private_key: str | None = None
        self.jobs: dict[int, Job] = {}
        self.next_id = 1
        self.next_archive = 1
        self.check_in_tasks: list[int] = []
        self.check_in_heartbeat: list[int] = []
        self.cancel_job: int | None = None
        self.bad_keys: list[float] = []
        self.violations: list[str] = []
        self.information: list[Body] = []  # bodies of register and info

    # what the tests order

    def add(self, task: Body) -> Job:
        job = Job(self.next_id, task)
        self.jobs[job.id] = job
        self.next_id += 1
        return job

    def cancel(self, job_id: int) -> None:
        """The web page's button: the job is over at once for the server."""
        job = self.jobs[job_id]
        if not job.terminal:
            job.state = "cancelled"

    # who asks

    def authenticate(self, header: str | None) -> Answer | None:
        """None: welcome."""
        if header == f"Bearer {self.api_key}":
            return None
        now = time.monotonic()
        self.bad_keys = [t for t in self.bad_keys if now - t < BAD_KEYS_SECONDS]
        self.bad_keys.append(now)
        if len(self.bad_keys) > BAD_KEYS_MAX:
            return 429, {"error": "Too many failed attempts"}
        return 401, {"error": "Invalid API key"}

    # the endpoints

    def register(self, body: Body) -> Answer:
        if checks.fatal("register", body):
            return 500, None
        self.information.append(body)
        return 200, {
            "status": "ok",
            "agent_id": 1,
            "name": self.name,
            "poll_interval": self.poll_interval,
            **self.ssh,
        }

    def info(self, body: Body) -> Answer:
        if checks.fatal("info", body):
            return 500, None
        self.information.append(body)
        return 200, {"status": "ok"}

    def ssh_key(self) -> Answer:
        if self.ssh_private_key is None:
            return 404, {"error": "No SSH key provisioned"}
        return 200, {"status": "ok", "ssh_private_key": self.ssh_private_key, **self.ssh}

    def tasks(self) -> Answer:
        waiting = [j for j in self.jobs.values() if j.state in ("queued", "sent")]
        answer: Body = {
            "status": "ok",
            "tasks": [job.deliver() for job in waiting],
            "poll_interval": self.poll_interval,
        }
        if self.check_in_tasks:
            answer["check_jobs"] = list(self.check_in_tasks)
        return 200, answer

    def heartbeat(self) -> Answer:
        answer: Body = {
            "status": "ok",
            "agent_id": 1,
            "server_time": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        if self.check_in_heartbeat:
            answer["check_jobs"] = list(self.check_in_heartbeat)
        if self.cancel_job is not None:
            answer["cancel_job"] = self.cancel_job
        return 200, answer

    def progress(self, body: Body | None) -> Answer:
        job, refusal = self._job(body)
        if job is None or body is None:
            return refusal
        if checks.fatal("progress", body):
            return 500, None
        job.progress.append(body)
        job.progress_times.append(time.monotonic())
        if job.state in ("queued", "sent"):
            job.state = "running"
        cancel = job.state == "cancelled"
        if cancel and job.cancel_time is None:
            job.cancel_time = time.monotonic()
        return 200, {"status": "ok", "cancel": cancel}

    def status(self, body: Body | None) -> Answer:
        job, refusal = self._job(body)
        if job is None or body is None:
            return refusal
        if checks.fatal("status", body):
            return 500, None
        result = body.get("result")
        job.reports.append(body)
        self._forget(job.id)
        if job.terminal:
            return 200, {"status": "ok", "already_terminal": True, "archive_id": None}
        job.state = result if result in ("completed", "abandoned") else "failed"
        if job.state == "abandoned":
            return 200, {"status": "ok"}
        archive = None
        if job.task.get("task") == "backup" and job.state == "completed":
            archive, self.next_archive = self.next_archive, self.next_archive + 1
        return 200, {"status": "ok", "archive_id": archive}

    def _job(self, body: Body | None) -> tuple[Job | None, Answer]:
        """The job that a report names, or how the report is refused."""
        number = _number(body.get("job_id")) if body else 0
        if number == 0:
            return None, (400, {"error": "job_id required"})
        job = self.jobs.get(number)
        if job is None:
            return None, (404, {"error": "Job not found"})
        return job, (200, None)

    def _forget(self, job_id: int) -> None:
        for ids in (self.check_in_tasks, self.check_in_heartbeat):
            while job_id in ids:
                ids.remove(job_id)


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0
