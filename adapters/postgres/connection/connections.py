"""A connection for the length of a block."""

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.connection.errors import connecting


@contextlib.asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Lend a connection of the pool; what is not committed at the end is rolled back. Raises DatabaseUnavailable."""
    connection = engine.connect()
    with connecting():
        await connection.start()
    try:
        yield connection
    finally:
        # A connection that is lost by now has nothing to roll back; what mattered was said before. Leaving it as a
        # context manager does, and not by `close`, completes even if the caller is cancelled meanwhile.
        with contextlib.suppress(DBAPIError):
            await connection.__aexit__(None, None, None)
