"""Queries of one tenant, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.errors import translated
from adapters.postgres.durations import DURATIONS, durations_of
from adapters.postgres.figures import ATTENTIVE_COUNT, WAITING_SINCE, attentive_of, scan_for
from adapters.postgres.operation_counts import COUNT, counts_of
from adapters.postgres.operations.operation_lookup import OperationLookup
from adapters.postgres.operations.operation_page import TenantSelect, for_tenant, page_of
from adapters.postgres.operations.rows import transition_from_row
from adapters.postgres.operations.text import storable
from adapters.postgres.operations.views import views
from adapters.postgres.schema.tables import operations, transitions
from adapters.postgres.throughput import (
    DURATIONS_BETWEEN,
    THROUGHPUT,
    durations_between_of,
    minutes_of,
    throughput_of,
)
from application.ports.storage.operation_queries import (
    AtLeast,
    Counts,
    OperationFilter,
    Page,
    PageKey,
    SortTime,
    ThroughputCounts,
)
from application.ports.storage.operation_view import OperationDetails
from domain.durations import Durations
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.throughput import Window


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

    async def get(self, operation_id: UUID) -> OperationDetails | None:
        return await self._lookup.get(self._tenant, operation_id)

    async def page(
        self,
        criteria: OperationFilter,
        *,
        newest_first: bool,
        after: PageKey | None,
        limit: int,
        by: SortTime = SortTime.ACCEPTED,
    ) -> Page:
        found = page_of(criteria, newest_first=newest_first, after=after, limit=limit, by=by)
        if found is None or not storable(self._tenant):
            return Page([])
        statement, parameters = found
        shown = (await statement.fetch(self._engine, {**parameters, "only_tenant": self._tenant}))[:limit]
        return Page.of(views(shown), more=bool(shown) and bool(shown[-1]["followed"]), by=by)

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        statement = (
            sa.select(transitions)
            .join(operations)
            .where(transitions.c.operation_id == operation_id)
            .order_by(transitions.c.sequence)
        )
        return [transition_from_row(row) for row in await self._rows(for_tenant(statement))]

    async def counts(self) -> Counts:
        return counts_of(await self._rows(TenantSelect(COUNT)))

    async def count_attentive(self, type_name: str | None, limit: int) -> AtLeast:
        if not (storable(self._tenant) and (type_name is None or storable(type_name))):
            return AtLeast(0, more=False)
        scan = scan_for(type_name, limit)
        [row] = await self._of_text(ATTENTIVE_COUNT, {"type": type_name, "scan": scan})
        return attentive_of(row, scan, limit)

    async def waiting_since(self, now: datetime) -> datetime | None:
        if not storable(self._tenant):
            return None
        [row] = await self._of_text(WAITING_SINCE, {"now": now})
        since: datetime | None = row.since
        return since

    async def durations(
        self, type_name: str, finished_after: datetime, finished_before: datetime, sample: int
    ) -> Mapping[OperationStatus, Durations]:
        if not (storable(self._tenant) and storable(type_name)):
            return dict.fromkeys((OperationStatus.COMPLETED, OperationStatus.FAILED), Durations())
        parameters = {"type": type_name, "after": finished_after, "before": finished_before, "sample": sample}
        return durations_of(await self._of_text(DURATIONS, parameters))

    async def throughput(self, window: Window, since: datetime, type_name: str | None) -> ThroughputCounts:
        if not (storable(self._tenant) and (type_name is None or storable(type_name))):
            return ThroughputCounts({}, {})
        parameters = {"minutes": minutes_of(window), "since": since, "type": type_name}
        return throughput_of(await self._of_text(THROUGHPUT, parameters))

    async def durations_between(self, type_name: str, times: Sequence[datetime], sample: int) -> list[Durations]:
        if not (storable(self._tenant) and storable(type_name)):
            return [Durations()] * (len(times) - 1)
        parameters = {"type": type_name, "starts": times[:-1], "ends": times[1:], "sample": sample}
        return durations_between_of(await self._of_text(DURATIONS_BETWEEN, parameters))

    async def _of_text(self, statement: sa.TextClause, parameters: Mapping[str, Any]) -> list[sa.Row[Any]]:
        """Returns the rows of a statement that is restricted to the tenant `only_tenant`."""
        async with connected(self._engine) as connection:
            with translated():
                return list(await connection.execute(statement, {**parameters, "only_tenant": self._tenant}))

    async def _rows(self, statement: TenantSelect) -> list[sa.Row[Any]]:
        """Returns the statement's rows, all of them the tenant's."""
        if not storable(self._tenant):
            return []
        async with connected(self._engine) as connection:
            with translated():
                return list(await connection.execute(statement, {"only_tenant": self._tenant}))
