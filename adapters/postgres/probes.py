"""Whether the database is there, and is this version's."""

import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connections import connected
from adapters.postgres.errors import translated
from adapters.postgres.migrations import check_known, head
from domain.errors import StartupError


class DatabaseProbe:
    """The database answers."""

    name = "database"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises DatabaseUnavailable."""
        async with connected(self._engine) as connection:
            with translated():
                await connection.execute(sa.select(1))


class MigrationProbe:
    """The database is at the revision that this version works with."""

    name = "migrations"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises DatabaseUnavailable; StartupError, which says what to do."""
        revision = await self._revision()
        check_known(revision)
        if revision != head():
            raise StartupError(
                f"the database is at revision {revision or 'none'}, this version needs {head()}: run `opledger migrate`"
            )

    async def _revision(self) -> str | None:
        async with connected(self._engine) as connection:
            try:
                with translated():
                    found = await connection.execute(sa.text("SELECT version_num FROM alembic_version"))
            except ProgrammingError:  # there is no such table
                return None
            return found.scalar_one_or_none()
