"""Queries for the drift between ledger and engine, in PostgreSQL."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.engine import autocommit
from adapters.postgres.connection.errors import translated
from adapters.postgres.convergence.watermarks import EXECUTIONS
from adapters.postgres.operations.rows import standard_uuid
from adapters.postgres.schema.tables import ATTENTIVE, TO_VERIFY, leases, operations, watermarks
from application.ports.storage.drift_queries import Drift
from application.ports.storage.leases import PRESENCE
from domain.operation.attention import AttentionKind

# These read partial indexes: their cost does not grow with the number of finished operations.
_LONGEST_WAITING = (
    sa.select(operations.c.verified_at.label("at"))
    .where(sa.text(TO_VERIFY))
    .order_by(operations.c.verified_at)
    .limit(1)
)
_ATTENTION = (
    sa.select(operations.c.attention_kind, sa.func.count().label("many"))
    .where(sa.text(ATTENTIVE))
    .group_by(operations.c.attention_kind)
)

_WATERMARK = sa.select((sa.func.clock_timestamp() - watermarks.c.at).label("age")).where(
    watermarks.c.name == EXECUTIONS
)
_PRESENCE = sa.select((sa.func.clock_timestamp() - leases.c.mark).label("age")).where(leases.c.name == PRESENCE)


class PostgresDriftQueries:
    """Reads committed rows, each query in a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = autocommit(engine)

    async def drift(self) -> Drift:
        waiting = await self._rows(_LONGEST_WAITING)
        counted = await self._rows(_ATTENTION)
        read = await self._rows(_WATERMARK)
        seen = await self._rows(_PRESENCE)
        return Drift(
            oldest_unverified=waiting[0].at if waiting else None,
            attention={AttentionKind(row.attention_kind): row.many for row in counted},
            watermark_age=read[0].age if read else None,
            worker_age=seen[0].age if seen else None,
        )

    async def diverged(self, limit: int) -> list[UUID]:
        statement = (
            sa.select(operations.c.id)
            .where(operations.c.attention_kind == AttentionKind.DIVERGED.value)
            .order_by(operations.c.attention_since.desc(), operations.c.id.desc())
            .limit(limit)
        )
        return [standard_uuid(row.id) for row in await self._rows(statement)]

    async def _rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        async with connected(self._engine) as connection:
            with translated():
                return list(await connection.execute(statement))
