"""Migrates the database to this version's schema."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateSchema

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.revision import CURRENT, SCHEMA, check_known

_T = TypeVar("_T")
LOCK = 0x6F706C6564676572
"""Key of the advisory lock that a migration holds: "opledger" in ASCII."""
_SETTINGS = DatabaseSettings(
    application_name="opledger-migrate", pool_size=1, max_overflow=0, statement_timeout=None, lock_timeout=None
)
_MISSING = text("SELECT to_regnamespace(:schema) IS NULL")
_one_at_a_time = asyncio.Lock()
"""Alembic's `context` and `op` are global to the process."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """The revisions before and after a migration. Equal: nothing was to be done."""

    before: str | None
    after: str


async def migrate(url: str) -> Migrated:
    """Migrates the database to this version's revision, in one transaction. Waits for a migration of another process.

    Raises DatabaseUnavailable, and StartupError if the database is newer than this version.
    """

    def upgrade(config: Config) -> Migrated:
        context = MigrationContext.configure(config.attributes["connection"], opts={"version_table_schema": SCHEMA})
        before = context.get_current_revision()
        check_known(before)
        command.upgrade(config, "head")
        return Migrated(before, CURRENT)

    return await with_alembic(url, upgrade)


async def with_alembic(url: str, action: Callable[[Config], _T]) -> _T:
    """Runs an action with Alembic's configuration for the database: one at a time, in one transaction."""
    engine = create_engine(url, _SETTINGS)

    def run(connection: Connection) -> _T:
        config = _config()
        config.attributes["connection"] = connection
        return action(config)

    try:
        async with _one_at_a_time, connected(engine) as connection:
            with translated():
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                await _enter_schema(connection)
                result = await connection.run_sync(run)
                await connection.commit()
            return result
    finally:
        await engine.dispose()


async def _enter_schema(connection: AsyncConnection) -> None:
    """Creates the schema if it is missing, and makes it that of the names in revisions, for this transaction.

    Functions that are created with `SET search_path FROM CURRENT` keep the path. It ends with `pg_temp`, which
    otherwise comes first, so that a caller's temporary table does not take the place of the ledger's."""
    if await connection.scalar(_MISSING, {"schema": SCHEMA}):  # IF NOT EXISTS would need the privilege to create it
        await connection.execute(CreateSchema(SCHEMA))
    await connection.execute(text(f"SET LOCAL search_path = {SCHEMA}, pg_temp"))


def _config() -> Config:
    """Locates the migrations in the installed package, not in the working directory."""
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
