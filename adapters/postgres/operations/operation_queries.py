"""Queries of one tenant, in PostgreSQL."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.errors import translated
from adapters.postgres.operations.operation_lookup import OperationLookup
from adapters.postgres.operations.operation_page import TenantSelect, for_tenant, page_of
from adapters.postgres.operations.rows import transition_from_row
from adapters.postgres.operations.text import storable
from adapters.postgres.operations.views import views
from adapters.postgres.schema.tables import operations, transitions
from application.ports.operation_queries import OperationFilter, Page, PageKey
from application.ports.operation_view import OperationView
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition


class PostgresQueries:
    """Makes the queries of one tenant."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is in autocommit mode."""
        self._engine = engine
        self._lookup = OperationLookup(engine)

    def __call__(self, tenant: str) -> "PostgresOperationQueries":
        return PostgresOperationQueries(self._engine, self._lookup, tenant)


class PostgresOperationQueries:
    """Reads committed rows, each query in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, lookup: OperationLookup, tenant: str) -> None:
        self._engine = engine
        self._lookup = lookup
        self._tenant = tenant

    async def get(self, operation_id: UUID) -> OperationView | None:
        return await self._lookup.get(self._tenant, operation_id)

    async def page(self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int) -> Page:
        if not (storable(self._tenant) and _could_match(criteria)):
            return Page([])
        statement, parameters = page_of(criteria, newest_first=newest_first, after=after, limit=limit)
        shown = (await statement.fetch(self._engine, {**parameters, "only_tenant": self._tenant}))[:limit]
        return Page.of(views(shown), more=bool(shown) and bool(shown[-1]["followed"]))

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        statement = (
            sa.select(transitions)
            .join(operations)
            .where(transitions.c.operation_id == operation_id)
            .order_by(transitions.c.sequence)
        )
        return [transition_from_row(row) for row in await self._rows(for_tenant(statement))]

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        kinds = (operations.c.type, operations.c.status)
        rows = await self._rows(for_tenant(sa.select(*kinds, sa.func.count().label("many")).group_by(*kinds)))
        return {(row.type, OperationStatus(row.status)): row.many for row in rows}

    async def _rows(self, statement: TenantSelect) -> list[sa.Row[Any]]:
        """Returns the statement's rows, all of them the tenant's."""
        if not storable(self._tenant):
            return []
        async with connected(self._engine) as connection:
            with translated():
                return list(await connection.execute(statement, {"only_tenant": self._tenant}))


def _could_match(criteria: OperationFilter) -> bool:
    """Returns whether PostgreSQL can hold every text of the filter. A text that it cannot hold is in no row."""
    texts = [criteria.type or "", *criteria.labels, *criteria.labels.values()]
    return all(storable(text) for text in texts)
