"""Frequent statements, compiled by SQLAlchemy and run by the driver: SQLAlchemy would take longer than PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from adapters.postgres.connection.driver import Connection
from adapters.postgres.connection.errors import connecting, translated

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class RawStatement:
    """A statement that is compiled once."""

    def __init__(self, statement: "sa.Select[Any] | sa.Insert | sa.Delete") -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self._sql = str(compiled)
        self._given = dict(compiled.params)
        places = [(name, compiled.binds[name].type) for name in compiled.positiontup or ()]
        self._places = [(name, kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for name, kind in places]

    async def fetch(self, engine: AsyncEngine, parameters: Mapping[str, Any]) -> list[asyncpg.Record]:
        """Runs the statement on the driver, in a transaction of its own. Returns the rows. Raises DatabaseUnavailable
        and the other errors of `translated`."""
        with translated():
            async with _checked_out(engine) as connection:
                return await connection.fetch(self._sql, *self._values(parameters))

    async def execute(self, connection: AsyncConnection, parameters: Mapping[str, Any]) -> "sa.CursorResult[Any]":
        """Runs the statement in the connection's transaction. Raises the driver's errors."""
        return await connection.exec_driver_sql(self._sql, tuple(self._values(parameters)))

    def _values(self, parameters: Mapping[str, Any]) -> list[Any]:
        given = {**self._given, **parameters}
        return [given[name] if process is None else process(given[name]) for name, process in self._places]


@contextlib.asynccontextmanager
async def _checked_out(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Yields a connection of the pool. Raises DatabaseUnavailable."""
    with connecting():
        lent = await engine.raw_connection()
    connection = cast(Connection, lent.driver_connection)
    try:
        yield connection
    except (TimeoutError, asyncio.CancelledError, asyncpg.InternalClientError):
        connection.terminate()  # an answer is still to come, for which the next user would wait
        raise
    finally:
        await greenlet_spawn(lent.close)
