"""What was measured, as a table on the terminal, as Markdown and as JSON in bench/results (git-ignored)."""

import os
import platform
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from internal.runtime.project import PROJECT

RESULTS = PROJECT / "bench" / "results"


class Result(Struct):
    """One part's table in one deployment, which is empty for what needs none. `raw`: every single value, to look again.

    `short`: the columns that docs/performance.md shows; all when there are none.
    """

    part: str
    title: str
    deployment: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    raw: dict[str, Any]
    short: list[str] = []

    @property
    def heading(self) -> str:
        return f"{self.title} ({self.deployment})" if self.deployment else self.title


class Report(Struct):
    """A whole run. `load` is the system's load average at start and end: above 1 at the start somebody else was at work."""

    began: str
    machine: str
    load: list[float]
    deployments: dict[str, str]
    results: list[Result]


def new_report() -> Report:
    cores = len(os.sched_getaffinity(0))
    machine = f"{cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    return Report(time.strftime("%Y-%m-%dT%H:%M:%S%z"), machine, [os.getloadavg()[0]], {}, [])


def verdict(met: bool, mark: str) -> str:
    """A mark and whether it is met; it never fails a run: machines differ."""
    return f"{mark} {'met' if met else 'NOT MET'}"


def number(values: list[float], digits: int = 1) -> str:
    """The median, and the range when there are several."""
    if not values:
        return "-"
    middle = f"{median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):,.{digits}f}-{max(values):,.{digits}f}]"


def by_name(values: list[dict[str, float]], scale: float = 1000.0, digits: int = 1) -> str:
    """Medians of several named values, in thousandths: `postgres 1.2, s3 3.4`."""
    names = values[0] if values else {}
    return ", ".join(f"{name} {median(value[name] for value in values) * scale:.{digits}f}" for name in names) or "-"


def print_result(result: Result) -> None:
    widths = [max(len(row[place]) for row in [result.columns, *result.rows]) for place in range(len(result.columns))]
    print(f"\n{result.heading}")
    for row in [result.columns, ["-" * width for width in widths], *result.rows]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for note in result.notes:
        print(f"  {note}")


def write(report: Report) -> Path:
    """Write both files of a run; returns the Markdown's path."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S")
    (RESULTS / f"{stem}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    path = RESULTS / f"{stem}.md"
    path.write_text(_markdown(report), encoding="utf-8")
    return path


def _markdown(report: Report) -> str:
    lines = [f"# Measured {report.began}", "", f"{report.machine}; load {', '.join(f'{load:.1f}' for load in report.load)}", ""]
    lines += [f"- {name}: {described}" for name, described in report.deployments.items()]
    for result in report.results:
        lines += ["", f"## {result.heading}", ""]
        lines += [*table(result.columns, result.rows), ""]
        lines += [f"- {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    return [_line(columns), _line(["---"] * len(columns)), *map(_line, rows)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
