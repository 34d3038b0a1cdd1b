"""Frequent statements, compiled by SQLAlchemy and run by the driver: SQLAlchemy would take longer than PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from adapters.postgres.connection.driver import Connection
from adapters.postgres.connection.errors import connecting, translated

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class RawStatement:
    """A statement that runs on the driver, in a transaction of its own."""

    def __init__(self, statement: "sa.Select[Any]") -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self._sql = str(compiled)
        self._given = dict(compiled.params)
        places = [(name, compiled.binds[name].type) for name in compiled.positiontup or ()]
        self._places = [(name, kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for name, kind in places]

    async def fetch(self, engine: AsyncEngine, parameters: Mapping[str, Any]) -> list[asyncpg.Record]:
        """Returns the rows. Raises DatabaseUnavailable and the other errors of `translated`."""
        given = {**self._given, **parameters}
        values = [given[name] if process is None else process(given[name]) for name, process in self._places]
        with translated():
            async with _checked_out(engine) as connection:
                return await connection.fetch(self._sql, *values)


@contextlib.asynccontextmanager
async def _checked_out(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Yields a connection of the pool. Raises DatabaseUnavailable."""
    with connecting():
        lent = await engine.raw_connection()
    connection = cast(Connection, lent.driver_connection)
    try:
        yield connection
    except (TimeoutError, asyncio.CancelledError):
        connection.terminate()  # an answer is still to come, for which the next user would wait
        raise
    finally:
        await greenlet_spawn(lent.close)
