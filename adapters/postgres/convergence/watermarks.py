"""The watermark of the engine's index, in PostgreSQL."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.tables import TO_VERIFY, operations, watermarks
from adapters.postgres.schema.types import Instant

EXECUTIONS = "executions"
_NOW = sa.func.clock_timestamp(type_=Instant)


class PostgresWatermarks:
    """Works within the transaction of its connection, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        with translated():
            found = await self._connection.execute(sa.select(_NOW))
        moment: datetime = found.scalar_one()
        return moment

    async def get(self) -> datetime | None:
        return await self._moment(sa.select(watermarks.c.at).where(watermarks.c.name == EXECUTIONS))

    async def advance(self, to: datetime) -> None:
        statement = insert(watermarks).values(name=EXECUTIONS, at=sa.func.least(sa.cast(to, Instant), _NOW))
        statement = statement.on_conflict_do_update(
            index_elements=[watermarks.c.name],
            set_={"at": statement.excluded.at},
            where=sa.or_(watermarks.c.at < statement.excluded.at, watermarks.c.at > _NOW),
        )
        with translated():
            await self._connection.execute(statement)

    async def oldest_unfinished(self) -> datetime | None:
        # By a CHECK, the dispatched, unfinished operations are those with a verification due: one index serves both.
        return await self._moment(sa.select(sa.func.min(operations.c.accepted_at)).where(sa.text(TO_VERIFY)))

    async def _moment(self, statement: sa.Select[tuple[datetime]]) -> datetime | None:
        with translated():
            moment: datetime | None = await self._connection.scalar(statement)
        return moment
