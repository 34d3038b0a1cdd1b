"""The statement that stores new operations and their history lines, in one round trip.

Every column is one array, so that any number of operations has the same statement.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.raw_statement import RawStatement
from adapters.postgres.operations.parts import Values
from adapters.postgres.operations.rows import to_row, transition_to_row
from adapters.postgres.operations.saving import LINE, MAX_CHARACTERS, arrays, unnested
from adapters.postgres.operations.text import text_size
from adapters.postgres.schema.tables import operations, transitions
from domain.operation.operation import Change

_NEW: Final = [column for column in operations.c if column.name != "changed_in"]
"""All columns but the one that PostgreSQL fills in."""


async def add(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    """Stores the operations and their history lines."""
    for part, rows in _parts(changes):
        lines = [transition_to_row(change.operation.id, line) for change in part for line in change.transitions]
        await _ADD.execute(connection, {**arrays("new", _NEW, rows), **arrays("line", LINE, lines)})


def _parts(changes: Sequence[Change]) -> Iterator[tuple[list[Change], list[Values]]]:
    """Returns the changes with their rows, in parts of one change or of at most MAX_CHARACTERS."""
    part: list[Change] = []
    rows: list[Values] = []
    held = 0
    for change in changes:
        row = to_row(change.operation)
        held += text_size(row.values())
        if rows and held > MAX_CHARACTERS:
            yield part, rows
            part, rows, held = [], [], text_size(row.values())
        part.append(change)
        rows.append(row)
    if rows:
        yield part, rows


def _adding() -> sa.Insert:
    new, lines = unnested("new", _NEW), unnested("line", LINE)
    added = (
        sa.insert(operations)
        .from_select([column.name for column in _NEW], sa.select(*new.c), include_defaults=False)
        .cte("added")
    )
    written = sa.insert(transitions).from_select(
        [column.name for column in LINE], sa.select(*lines.c), include_defaults=False
    )
    return written.add_cte(added)


_ADD: Final = RawStatement(_adding())
