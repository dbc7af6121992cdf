"""The figures of the table: what is promised, what was measured, the print."""

import json
import statistics
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WIDTH = 110


@dataclass(frozen=True)
class Promise:
    """One row. `stock` (the stock Python agent) and `limit` (what could be
    had at best) were measured elsewhere and are quoted, not measured here."""

    key: str
    name: str
    unit: str
    goal: float
    stock: str
    limit: str
    digits: int = 2
    at_least: bool = False  # more is better

    def kept(self, value: float) -> bool:
        return value >= self.goal if self.at_least else value <= self.goal

    def text(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


PROMISES = {
    p.key: p
    for p in (
        Promise("wall_first", "backup, first run: wall time / bare borg", "x", 1.05, "1.39", "1.00", 3),
        Promise("wall_unchanged", "backup, unchanged: wall time / bare borg", "x", 1.05, "1.36", "1.00", 3),
        Promise("cpu_first", "backup, first run: CPU / bare borg", "x", 1.10, "1.88", "1.00", 3),
        Promise("cpu_unchanged", "backup, unchanged: CPU / bare borg", "x", 1.10, "1.88", "1.00", 3),
        Promise("cpu_entry", "agent CPU per catalogue entry", "us", 2.0, "8 to 20", "1.2 to 1.5"),
        Promise("entries", "catalogue entries per second", "1/s", 450_000, "100,000", "600,000", 0, True),
        Promise("pss_peak", "peak memory during that (PSS)", "MB", 3.0, "33.5", ""),
        Promise("pss_idle", "idle memory (PSS)", "MB", 0.8, "24.5", "0.18"),
        Promise("poll_kept", "CPU per poll, connection kept", "ms", 0.2, "29", "0.02 to 0.05", 3),
        Promise("poll_resumed", "CPU per poll, TLS session resumed", "ms", 0.5, "29", "", 3),
        Promise("poll_bytes", "bytes per poll, both ways", "B", 700, "3,100", "457", 0),
        Promise("start", "start to first request", "ms", 20, "101", "", 1),
        Promise("size", "size of what is installed beside borg", "MB", 0.4, "32.7", "", 3),
    )
}  # fmt: skip


@dataclass
class Figure:
    """What was measured of a promise, and how."""

    promise: Promise
    values: list[float]
    note: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def kept(self) -> bool:
        return self.promise.kept(self.median)

    def as_json(self) -> dict[str, Any]:
        p = self.promise
        return {
            "figure": p.key, "name": p.name, "unit": p.unit, "median": self.median,
            "min": min(self.values), "max": max(self.values), "values": self.values,
            "goal": p.goal, "at_least": p.at_least, "kept": self.kept,
            "quoted": {"stock": p.stock, "limit": p.limit}, "note": self.note, **self.more,
        }  # fmt: skip


def figure(key: str, values: list[float], note: str, **more: Any) -> Figure:
    return Figure(PROMISES[key], values, note, more)


def print_table(figures: list[Figure], machine: list[str], judge: bool) -> None:
    rows = [("figure", "this agent", "range", "goal", "", "stock *", "limit *")]
    for number, f in enumerate(figures, 1):
        p = f.promise
        rows.append((
            f"{number:2} {p.name}", f"{p.text(f.median)} {p.unit}",
            f"{p.text(min(f.values))} .. {p.text(max(f.values))}",
            f"{'>=' if p.at_least else '<='} {p.goal:,g}",
            "" if not judge else "kept" if f.kept else "MISSED", p.stock, p.limit,
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for i, row in enumerate(rows):
        cells = [
            cell.ljust(width) if n in (0, 4, 5, 6) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths))
        ]
        print("  ".join(cells).rstrip())
        if i == 0:
            print("-" * (sum(widths) + 2 * (len(widths) - 1)))
    print("\n* measured elsewhere, quoted; all else was measured in this run\n")
    for number, f in enumerate(figures, 1):
        print(textwrap.fill(f"{number:2} {f.note}", WIDTH, subsequent_indent="   "))
    print()
    for line in machine:
        print(textwrap.fill(line, WIDTH, subsequent_indent="   "))


def write_json(path: Path, figures: list[Figure], machine: list[str]) -> None:
    text = {"machine": machine, "figures": [f.as_json() for f in figures]}
    path.write_text(json.dumps(text, indent=1) + "\n")
