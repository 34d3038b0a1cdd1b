"""The statement that stores new operations and their history lines, in one round trip.

Every column is one array, so that any number of operations has the same statement.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert
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
        await _ADD.execute(connection, _parameters(part, rows))


async def add_unless_known(connection: AsyncConnection, change: Change) -> bool:
    """Stores the operation and its history lines, unless its id or its chain is stored. Returns whether it was
    stored."""
    found = await _ADD_UNLESS_KNOWN.execute(connection, _parameters([change], [to_row(change.operation)]))
    return bool(found.all())


def _parameters(changes: Sequence[Change], rows: Sequence[Values]) -> dict[str, Sequence[Any]]:
    lines = [transition_to_row(change.operation.id, line) for change in changes for line in change.transitions]
    return {**arrays("new", _NEW, rows), **arrays("line", LINE, lines)}


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
    lines = unnested("line", LINE)
    return _writing(sa.select(*lines.c)).add_cte(_inserting().cte("added"))


def _adding_unless_known() -> "sa.Select[Any]":
    lines = unnested("line", LINE)
    # Without a target: a conflict with any unique index counts, that of ids or that of chains.
    added = _inserting().on_conflict_do_nothing().returning(operations.c.id).cte("added")
    written = _writing(sa.select(*lines.c).where(lines.c.operation_id == added.c.id)).cte("written")
    return sa.select(added.c.id).add_cte(written)


def _inserting() -> Insert:
    new = unnested("new", _NEW)
    return insert(operations).from_select([column.name for column in _NEW], sa.select(*new.c), include_defaults=False)


def _writing(lines: "sa.Select[Any]") -> sa.Insert:
    return sa.insert(transitions).from_select([column.name for column in LINE], lines, include_defaults=False)


_ADD: Final = RawStatement(_adding())
_ADD_UNLESS_KNOWN: Final = RawStatement(_adding_unless_known())
