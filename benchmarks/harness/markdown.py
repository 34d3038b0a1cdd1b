"""Writes the table of docs/performance.md from benchmarks/results.json."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.harness.table import short, spread

PAGE: Final = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN: Final = "<!-- of `make bench`; what is between these lines is written by it -->\n"
END: Final = "<!-- end -->\n"
_HEAD = "| what | against | ratio (spread) | goal | | ours | theirs | unit |\n|---|---|---|---|---|---|---|---|\n"
_MARKS = {True: "reached", False: "**missed**", None: ""}


def markdown(rows: list[Mapping[str, Any]]) -> str:
    """Returns the table, one line for each row."""
    return _HEAD + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def write_table(rows: list[Mapping[str, Any]], page: Path = PAGE) -> None:
    """Replaces the table of the page. Raises ValueError if the page has no place for it."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page.name} lacks the lines that a table goes between")
    page.write_text(f"{before}{BEGIN}{markdown(rows)}{END}{after}")


def _cells(row: Mapping[str, Any]) -> list[str]:
    ratio = f"{short(row['figure'])} ({spread(row['ratios'])})" if row["ratios"] else ""
    goal = f"{row['goal']['sense']} {short(row['goal']['bound'])}" if row["goal"] else ""
    ours, theirs = (short(median(row[side])) if row[side] else "" for side in ("ours", "theirs"))
    return [row["what"], row["against"], ratio, goal, _MARKS[row["reached"]], ours, theirs, row["unit"]]
