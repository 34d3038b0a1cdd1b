"""A pooled connection as a context manager."""

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.connection.errors import connecting


@contextlib.asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yields a connection of the pool, and rolls back what is not committed. Raises DatabaseUnavailable."""
    connection = engine.connect()
    with connecting():
        await connection.start()
    try:
        yield connection
    finally:
        # A lost connection has nothing to roll back, and the statement that lost it has raised. `__aexit__`, unlike
        # `close`, completes even if the caller is cancelled meanwhile.
        with contextlib.suppress(DBAPIError):
            await connection.__aexit__(None, None, None)
