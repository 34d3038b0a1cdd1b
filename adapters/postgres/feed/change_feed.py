"""The change feed in PostgreSQL.

A position is the id of the transaction that made the change, and the operation and history line within it. A
transaction gets its id at its first write and commits later, so a change with a smaller id may become visible after one
with a larger. The feed therefore reads only transactions below the oldest one that is still open.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.engine import autocommit
from adapters.postgres.connection.errors import translated
from adapters.postgres.feed.notifications import Listener
from adapters.postgres.operations.rows import standard_uuid, transition_from_row
from adapters.postgres.operations.text import text_size
from adapters.postgres.operations.views import view_columns, views
from adapters.postgres.schema.tables import operations, transitions, with_ids
from adapters.postgres.schema.types import TransactionId
from application.ports.storage.change_feed import STATE, Event, FeedRewound, Mark, MarkPage, Position
from application.ports.storage.operation_view import OperationView
from domain.operation.transition import Transition

_SNAPSHOT = sa.text(
    "SELECT pg_snapshot_xmin(seen) AS oldest, pg_snapshot_xmax(seen) AS next FROM pg_current_snapshot() AS seen"
)


_Content = tuple[OperationView | Transition, int]
"""A change and its size in characters."""


class PostgresChangeFeed:
    """Reads committed rows, each query in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, listener: Listener) -> None:
        self._engine = autocommit(engine)
        self._listener = listener

    async def head(self) -> Position:
        [snapshot] = await self._rows(_SNAPSHOT)
        return Position.behind(snapshot.oldest - 1)

    async def read(self, after: Position, limit: int) -> MarkPage:
        # The snapshot comes first: rows below its oldest open transaction cannot change any more.
        [snapshot] = await self._rows(_SNAPSHOT)
        if after.transaction >= snapshot.oldest:
            raise FeedRewound(f"transaction {after.transaction} has not ended here: the position is another database's")
        marks = sa.union_all(
            _states(after, snapshot.oldest).limit(limit).subquery().select(),
            _lines(after, snapshot.oldest).limit(limit).subquery().select(),
        ).subquery()
        order = (marks.c.transaction, marks.c.operation_id, marks.c.sequence)
        rows = await self._rows(sa.select(marks).order_by(*order).limit(limit))
        return MarkPage([_mark(row) for row in rows], settled=snapshot.oldest == snapshot.next)

    async def load(self, marks: Sequence[Mark]) -> list[Event]:
        contents = await self._load_states(marks) | await self._load_lines(marks)
        return [
            Event(mark.position, mark.tenant, *contents[mark.position]) for mark in marks if mark.position in contents
        ]

    async def gone(self, operation_ids: Collection[UUID]) -> set[UUID]:
        rows = await self._rows(sa.select(operations.c.id).where(with_ids(operation_ids)))
        return set(operation_ids) - {standard_uuid(row.id) for row in rows}

    async def changed(self, within: float) -> None:
        await self._listener.wait(within)

    async def _load_states(self, marks: Sequence[Mark]) -> dict[Position, _Content]:
        wanted = [mark.position.operation_id for mark in marks if mark.position.sequence == STATE]
        if not wanted:
            return {}
        rows = await self._rows(sa.select(*view_columns(operations), operations.c.changed_in).where(with_ids(wanted)))
        return {
            Position(row.changed_in, view.id, STATE): (view, text_size(row))
            for row, view in zip(rows, views(rows), strict=True)
        }

    async def _load_lines(self, marks: Sequence[Mark]) -> dict[Position, _Content]:
        places = [mark.position for mark in marks if mark.position.sequence != STATE]
        if not places:
            return {}
        key = sa.tuple_(transitions.c.operation_id, transitions.c.sequence)
        wanted = [(place.operation_id, place.sequence) for place in places]
        rows = await self._rows(sa.select(transitions).where(key.in_(wanted)))
        return {
            Position(row.written_in, standard_uuid(row.operation_id), row.sequence): (
                transition_from_row(row),
                text_size(row),
            )
            for row in rows
        }

    async def _rows(self, statement: sa.Executable) -> list[sa.Row[Any]]:
        async with connected(self._engine) as connection:
            with translated():
                return list(await connection.execute(statement))


def _states(after: Position, below: int) -> sa.Select[Any]:
    place = sa.tuple_(operations.c.changed_in, operations.c.id)
    mark = sa.tuple_(_number(after.transaction), after.operation_id)
    return (
        sa.select(
            operations.c.changed_in.label("transaction"),
            operations.c.id.label("operation_id"),
            sa.literal(STATE).label("sequence"),
            operations.c.tenant,
        )
        .where(place > mark if after.sequence == STATE else place >= mark, operations.c.changed_in < _number(below))
        .order_by(operations.c.changed_in, operations.c.id)
    )


def _lines(after: Position, below: int) -> sa.Select[Any]:
    place = (transitions.c.written_in, transitions.c.operation_id, transitions.c.sequence)
    mark = (_number(after.transaction), after.operation_id, after.sequence)
    return (
        sa.select(
            transitions.c.written_in.label("transaction"),
            transitions.c.operation_id,
            transitions.c.sequence,
            operations.c.tenant,
        )
        .join(operations)
        .where(sa.tuple_(*place) > sa.tuple_(*mark), transitions.c.written_in < _number(below))
        .order_by(*place)
    )


def _number(transaction: int) -> sa.BindParameter[int]:
    return sa.literal(transaction, TransactionId())


def _mark(row: sa.Row[Any]) -> Mark:
    return Mark(Position(row.transaction, standard_uuid(row.operation_id), row.sequence), row.tenant)
