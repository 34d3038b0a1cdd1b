"""The history of an operation, as its page shows it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from domain.operation.transition import Transition
from entrypoints.ui.rendering.times import duration

FIRST: Final = 20
LAST: Final = 180
"""Lines that are shown of a long history: the first and the last ones."""


def timeline(lines: Sequence[Transition]) -> list[dict[str, Any]]:
    """The lines, with the time after the first one. In the place of those left out is their number."""
    if not lines:
        return []
    start = lines[0].at
    if len(lines) <= FIRST + LAST:
        return [_line(line, start) for line in lines]
    left_out = {"left_out": len(lines) - FIRST - LAST}
    return [*(_line(each, start) for each in lines[:FIRST]), left_out, *(_line(each, start) for each in lines[-LAST:])]


def ending(lines: Sequence[Transition]) -> Transition | None:
    """The line with which the operation got its status."""
    changes = [line for line in lines if line.from_status != line.to_status]
    return changes[-1] if changes else None


def _line(line: Transition, start: datetime) -> dict[str, Any]:
    return {
        "left_out": 0,
        "line": line,
        "moved": line.from_status != line.to_status,
        "after": None if line.at <= start else f"+{duration(line.at - start)}",
    }
