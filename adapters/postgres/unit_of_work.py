"""The unit of work: a transaction in PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator, Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.bulk_actions import PostgresBulkActions
from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.errors import translated
from adapters.postgres.convergence.leases import PostgresLeases
from adapters.postgres.convergence.watermarks import PostgresWatermarks
from adapters.postgres.idempotency_keys import PostgresIdempotencyKeys
from adapters.postgres.operations.operation_repository import PostgresOperationRepository


class PostgresUnitOfWork:
    """One transaction on one connection."""

    def __init__(self, connection: AsyncConnection, announce: Callable[[], None]) -> None:
        self._connection = connection
        self._announce = announce
        self.operations = PostgresOperationRepository(connection)
        self.idempotency_keys = PostgresIdempotencyKeys(connection)
        self.watermarks = PostgresWatermarks(connection)
        self.leases = PostgresLeases(connection)
        self.bulk_actions = PostgresBulkActions(connection)

    async def commit(self) -> None:
        """Commits. This checks deferred constraints. After DatabaseUnavailable the commit may be durable or not."""
        with translated():
            await self._connection.commit()
        if self.operations.changed:
            self._announce()


class PostgresUnitsOfWork:
    """Opens units of work, each on a connection of its own."""

    def __init__(self, engine: AsyncEngine, announce: Callable[[], None] = lambda: None) -> None:
        """Calls `announce` after every commit of a new version or a history line."""
        self._engine = engine
        self._announce = announce

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[PostgresUnitOfWork]:
        async with connected(self._engine) as connection:
            yield PostgresUnitOfWork(connection, self._announce)
