"""Follows operations in a terminal, or line by line."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opledger._cli.exit_codes import ExitCode
from opledger._cli.matching import last_changed, matches
from opledger._cli.printing import (
    TITLES,
    console,
    gist,
    length_that_tells_apart,
    one_by_one,
    one_line,
    print_line,
    row,
)

if TYPE_CHECKING:
    from rich.table import Table

    from opledger import Client, Operation


def follow_one(ledger: "Client", operation_id: str, form: str) -> int:
    """Prints the changes of an operation until it is done. Returns the exit code of its outcome."""

    code = ExitCode.ERROR
    for event in ledger.events(operation_id):
        if form == "jsonl":
            print_line(event)
        elif form == "id":
            if event.operation is not None:
                _print_change(event.operation, form)
        elif event.operation is not None:
            print(f"{event.operation.status:<10} {gist(event.operation)}".rstrip(), flush=True)
        elif event.transition is not None:
            line = event.transition
            print(f"{line.at:%H:%M:%SZ}  {line.source.lower()}: {one_line(line.reason)}", flush=True)
        if event.operation is not None and event.operation.done:
            code = ExitCode.OPERATION_FAILED if event.operation.error is not None else ExitCode.OK
    return code


def follow_all(ledger: "Client", filters: Mapping[str, Any], form: str) -> None:
    """Shows the changes of all operations that match, without an end."""
    if form != "table" or not sys.stdout.isatty():
        for event in ledger.events():
            if event.operation is not None and matches(event.operation, filters):
                _print_change(event.operation, form)
        return
    from rich.live import Live

    out = console()
    with Live(table((), out.height), console=out, auto_refresh=True, refresh_per_second=4) as live:
        for shown in last_changed(ledger, filters):
            live.update(table(shown, out.height))


def _print_change(operation: "Operation", form: str) -> None:
    with one_by_one(form) as show:
        show(operation)


def table(operations: "Iterable[Operation]", height: int) -> "Table":
    """The last changed operations, the newest first, as many as fit."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, expand=True)
    shown = [*operations][::-1][: max(1, height - 3)]
    length = length_that_tells_apart(one.id for one in shown)
    rows = [row(one, length) for one in shown]
    *others, last = zip(TITLES, *rows, strict=True)
    for title, *cells in others:
        made.add_column(title, no_wrap=True, min_width=max(map(cell_len, (title, *cells))))
    made.add_column(last[0], no_wrap=True, overflow="ellipsis", ratio=1)
    for cells_of_one in rows:
        made.add_row(*map(Text, cells_of_one))
    return made
