"""Administration of the database: migrations, grants, API keys."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.postgres.access.api_keys import PostgresApiKeys
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.probes import MigrationProbe
from adapters.postgres.schema.grants import grant_to as grant_privileges
from adapters.postgres.schema.migrations import migrate as migrate_database
from adapters.system.clock import SystemClock
from application.access.api_key_admin import ManageKeys


async def migrate(database_url: str) -> str:
    """Migrates the database to this version's schema and returns what was done, in words. Raises StartupError,
    DatabaseUnavailable."""
    done = await migrate_database(database_url)
    if done.before == done.after:
        return f"the database is at {done.after} already"
    return f"the database went from {done.before or 'empty'} to {done.after}"


async def grant_to(database_url: str, role: str) -> str:
    """Grants the role the privileges that the service needs and no others; returns this in words. Raises StartupError,
    DatabaseUnavailable, DatabaseRefused."""
    await grant_privileges(database_url, role)
    return f"the role {role} may do what the API and the workers need, and no more"


@asynccontextmanager
async def api_keys(database_url: str) -> AsyncIterator[ManageKeys]:
    """Yields the administration of API keys. Raises StartupError: the database is not at this version's schema."""
    database = create_engine(database_url)
    try:
        await MigrationProbe(database).check()
        yield ManageKeys(PostgresApiKeys(database), SystemClock(), secrets.token_bytes)
    finally:
        await database.dispose()
