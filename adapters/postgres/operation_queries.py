"""One tenant's view of the operations in PostgreSQL."""

from collections.abc import Mapping
from typing import Any, NewType
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connections import connected
from adapters.postgres.errors import translated
from adapters.postgres.json_text import dump
from adapters.postgres.operation_lookup import OperationLookup
from adapters.postgres.rows import from_row, storable, transition_from_row
from adapters.postgres.tables import operations, transitions
from application.ports.operation_queries import OperationFilter, PageKey
from domain.operation import Operation
from domain.status import OperationStatus
from domain.transition import Transition

_Select = sa.Select[Any]
_Own = NewType("_Own", _Select)
"""A statement that returns one tenant's rows alone."""


def _own(statement: _Select) -> _Own:
    return _Own(statement.where(operations.c.tenant == sa.bindparam("own_tenant")))


class PostgresQueries:
    """Makes the queries of one tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine`: for single statements."""
        self._engine = engine
        self._lookup = OperationLookup(engine)

    def __call__(self, tenant: str) -> "PostgresOperationQueries":
        return PostgresOperationQueries(self._engine, self._lookup, tenant)


class PostgresOperationQueries:
    """Reads what is committed, each query in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, lookup: OperationLookup, tenant: str) -> None:
        self._engine = engine
        self._lookup = lookup
        self._tenant = tenant

    async def get(self, operation_id: UUID) -> Operation | None:
        return await self._lookup.get(self._tenant, operation_id)

    async def page(
        self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int
    ) -> list[Operation]:
        if not _could_match(criteria):
            return []
        statement = _narrowed(sa.select(operations), criteria)
        position = sa.tuple_(operations.c.accepted_at, operations.c.id)
        if after is not None:
            mark = sa.tuple_(after.accepted_at, after.operation_id)
            statement = statement.where(position < mark if newest_first else position > mark)
        order = [operations.c.accepted_at, operations.c.id]
        statement = statement.order_by(*(column.desc() for column in order) if newest_first else order)
        return [from_row(row) for row in await self._rows(_own(statement.limit(limit)))]

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        statement = (
            sa.select(transitions)
            .join(operations)
            .where(transitions.c.operation_id == operation_id)
            .order_by(transitions.c.sequence)
        )
        return [transition_from_row(row) for row in await self._rows(_own(statement))]

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        kinds = (operations.c.type, operations.c.status)
        rows = await self._rows(_own(sa.select(*kinds, sa.func.count().label("many")).group_by(*kinds)))
        return {(row.type, OperationStatus(row.status)): row.many for row in rows}

    async def _rows(self, statement: _Own) -> list[sa.Row[Any]]:
        """The one way to the database: what it returns is the tenant's."""
        if not storable(self._tenant):
            return []
        async with connected(self._engine) as connection:
            with translated():
                return list(await connection.execute(statement, {"own_tenant": self._tenant}))


def _could_match(criteria: OperationFilter) -> bool:
    """Whether PostgreSQL can be asked: a text that it cannot hold is in no row."""
    texts = [criteria.type or "", *criteria.labels, *criteria.labels.values()]
    return all(storable(text) for text in texts)


def _narrowed(statement: _Select, criteria: OperationFilter) -> _Select:
    if criteria.statuses:
        statuses = sorted(status.value for status in criteria.statuses)
        one = len(statuses) == 1
        statement = statement.where(operations.c.status == statuses[0] if one else operations.c.status.in_(statuses))
    if criteria.type is not None:
        statement = statement.where(operations.c.type == criteria.type)
    if criteria.labels:
        wanted = sa.literal(dump(dict(criteria.labels)), operations.c.labels.type)
        statement = statement.where(operations.c.labels.op("@>", is_comparison=True)(wanted))
    if criteria.attention is not None:
        statement = statement.where(operations.c.attention_kind == criteria.attention.value)
    if criteria.accepted_after is not None:
        statement = statement.where(operations.c.accepted_at > criteria.accepted_after)
    if criteria.accepted_before is not None:
        statement = statement.where(operations.c.accepted_at < criteria.accepted_before)
    return statement
