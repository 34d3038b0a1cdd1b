"""Prints rows as a table, and writes them as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.harness.measurement import Row

RESULTS = Path(__file__).parents[1] / "results.json"
"""Figures of the last whole run."""
_MARKS = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}


def print_table(rows: Sequence[Row]) -> None:
    """Prints the table, ratios first."""
    table = Table(box=None, pad_edge=False)
    for heading, justify in (
        ("what", "left"),
        ("against", "left"),
        ("ratio (spread)", "right"),
        ("goal", "right"),
        ("", "left"),
        ("ours", "right"),
        ("theirs", "right"),
        ("unit", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        ratio = f"{short(row.figure)} ({spread(row.ratios)})" if row.ratios else ""
        goal = f"{row.goal.sense} {short(row.goal.bound)}" if row.goal else ""
        ours, theirs = (_of(values) for values in (row.ours, row.theirs))
        table.add_row(row.what, row.against, ratio, goal, _MARKS[row.reached], ours, theirs, row.unit)
    console = Console(width=max(200, Console().width))
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.what}, {row.against}: {row.note}" if row.against else f"{row.what}: {row.note}")


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Writes every figure of every repeat, and the machine."""
    machine = {
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    lines = [{**asdict(row), "ratios": row.ratios, "figure": row.figure, "reached": row.reached} for row in rows]
    path.write_text(json.dumps({"machine": machine, "rows": lines}, indent=1) + "\n")


def _of(values: Sequence[float]) -> str:
    return f"{short(median(values))} ({spread(values)})" if values else ""


def spread(values: Sequence[float]) -> str:
    """Returns the range, from least to greatest."""
    return f"{short(min(values))}-{short(max(values))}"


def short(value: float) -> str:
    """Rounds to three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
