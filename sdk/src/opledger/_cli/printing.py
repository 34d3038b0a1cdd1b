"""What commands print: tables for people, JSON and ids for programs. Data goes to standard output."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

    from opledger import Operation

SAMPLE: Final = 200
"""Rows from which the widths of columns are taken. Those behind them are printed as they come."""
TITLES: Final = ("ID", "TYPE", "STATUS", "AGE", "TOOK", "WHAT")
"""Of `row`."""
_TIME_LENGTH: Final = 13
"""Characters of an id with its time, to the millisecond."""
_COLOURS: Final = {"ACCEPTED": "cyan", "RUNNING": "blue", "COMPLETED": "green", "FAILED": "red"}
_SIGNS: Final = {"ACCEPTED": "○", "RUNNING": "◐", "COMPLETED": "●", "FAILED": "✗"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def plain(value: Any) -> Any:
    """A model as JSON has it."""
    import msgspec

    return msgspec.to_builtins(value)


def print_value(value: Any, form: str) -> None:
    """Prints one value: `json`, indented, or `jsonl`."""
    if form == "jsonl":
        print_line(value)
    else:
        print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_values(values: Iterable[Any], form: str) -> None:
    """Prints the values as they come, in constant memory: `json`, an array, or `jsonl`."""
    with one_by_one(form, flush=False) as show:
        for value in values:
            show(value)


@contextmanager
def one_by_one(form: str, *, flush: bool = True) -> Iterator[Callable[[Any], None]]:
    """Yields a function that prints a value at once. As a table: an operation's row, without titles.

    If an exception leaves the block, the array of `json` has no end, so that no program takes it for complete.
    """
    begin = "["

    def show(value: Any) -> None:
        nonlocal begin
        if form == "id":
            print(value.id, flush=flush)
        elif form == "jsonl":
            print_line(value, flush=flush)
        elif form == "json":
            print(begin, json.dumps(plain(value), ensure_ascii=False), flush=flush)
            begin = ","
        else:
            print(fitting("  ".join(row(value)).rstrip()), flush=flush)

    yield show
    if form == "json":
        print("[]" if begin == "[" else "]", flush=flush)


def print_line(value: Any, *, flush: bool = False) -> None:
    """Prints the value as one line of JSON."""
    print(json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")), flush=flush or sys.stdout.isatty())


def console(*, stderr: bool = False) -> "Console":
    """The terminal. Elsewhere there are no colours, and lines are as long as they have to be."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else max(shutil.get_terminal_size((200, 24)).columns, 200)
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_operations(operations: Iterable["Operation"], form: str) -> None:
    """Prints the operations as they come, in constant memory."""
    if form == "table":
        print_table(operations)
    else:
        print_values(operations, form)


def print_table(operations: Iterable["Operation"], *, stderr: bool = False) -> None:
    """Prints the operations as rows. In a terminal, their ids are shortened."""
    waiting = iter(operations)
    sample = [*islice(waiting, SAMPLE)]
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    length = length_that_tells_apart(one.id for one in sample) if is_terminal else None
    print_rows(TITLES, (row(one, length) for one in chain(sample, waiting)), stderr=stderr)


def row(operation: "Operation", length: int | None = None) -> Sequence[str]:
    """The operation as a row. `length`: characters of its id; None: all."""
    now = datetime.now(UTC)  # noqa: TID251
    took = operation.duration
    return (
        operation.id[:length].rstrip("-"),
        operation.type,
        f"{_SIGNS[operation.status]} {operation.status}",
        age(now - operation.accepted_at),
        "" if took is None else age(took),
        gist(operation),
    )


def gist(operation: "Operation") -> str:
    """What matters most about the operation, in one line."""
    if operation.error is not None:
        return one_line(f"{operation.error.code}: {operation.error.message}")
    if operation.attention is not None:
        return one_line(f"{operation.attention.kind}: {operation.attention.message}")
    if operation.done:
        return ""
    if operation.cancel_requested is not None:
        return "cancellation requested"
    progress = operation.progress
    if progress is None:
        return "" if operation.start_at is None else f"starts at {operation.start_at:%Y-%m-%d %H:%M:%SZ}"
    share = "" if progress.fraction is None else f"{progress.fraction:.0%}"
    return one_line(" ".join(part for part in (share, progress.message or "") if part))


def print_rows(titles: Sequence[str], rows: Iterable[Sequence[str]], *, stderr: bool = False) -> None:
    """Prints a table that fits the terminal: the last column is cut, the others are as wide as the first rows need."""
    from rich.cells import cell_len
    from rich.text import Text

    def joined(cells: Sequence[str]) -> str:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
        return fitting("  ".join(padded).rstrip(), stderr=stderr)

    out = console(stderr=stderr)
    waiting = iter(rows)
    sample = [*islice(waiting, SAMPLE)]
    widths = [max(map(cell_len, column)) for column in zip(titles, *sample, strict=True)]
    if not out.is_terminal or sample:
        out.print(Text(joined(titles), style="bold"))
    for cells in chain(sample, waiting):
        text = Text(joined(cells))
        for status, colour in _COLOURS.items():
            text.highlight_regex(rf"\S {status}\b", colour)
        out.print(text)


def fitting(line: str, *, stderr: bool = False) -> str:
    """The line, cut to the width of the terminal, if there is one. Characters such as CJK and emoji take two cells."""
    if not (sys.stderr if stderr else sys.stdout).isatty():
        return line
    from rich.cells import cell_len, set_cell_size

    width = console(stderr=stderr).width
    return line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…"


def one_line(text: str) -> str:
    """The text without line breaks and control characters."""
    return "".join(one if one.isprintable() else " " for one in text)


def age(time: timedelta) -> str:
    """A time in its two largest units, such as 2h 5m."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // 60}m {seconds % 60}s"
    if seconds < _DAY:
        return f"{seconds // 3600}h {seconds % 3600 // 60}m"
    return f"{seconds // 86400}d {seconds % 86400 // 3600}h"


def seconds(value: float | None) -> str:
    """Seconds as a text; below a minute with three digits."""
    if value is None:
        return ""
    return f"{value:.3g}s" if value < _MINUTE else age(timedelta(seconds=value))


def length_that_tells_apart(ids: Iterable[str]) -> int:
    """Characters by which the ids differ, at least those of their time."""
    return max([_TIME_LENGTH, *(_first_difference(*pair) + 1 for pair in pairwise(sorted({*ids})))])


def _first_difference(one: str, other: str) -> int:
    return next(place for place, (left, right) in enumerate(zip(one, other, strict=True)) if left != right)
