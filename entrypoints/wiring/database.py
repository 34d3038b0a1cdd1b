"""Administration of the database: grants, API keys."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.postgres.access.api_keys import PostgresApiKeys
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.probes import MigrationProbe
from adapters.postgres.schema.grants import grant_submit_to as grant_submission
from adapters.postgres.schema.grants import grant_to as grant_privileges
from adapters.system.clock import SystemClock
from application.access.api_key_admin import ManageKeys


async def grant_to(database_url: str, role: str) -> str:
    """Grants the role the privileges that the service needs and no others; returns this in words. Raises StartupError,
    DatabaseUnavailable, DatabaseRefused."""
    await grant_privileges(database_url, role)
    return f"the role {role} may do what the API and the workers need, and no more"


async def grant_submit_to(database_url: str, role: str, tenant: str) -> str:
    """Lets the role submit operations of the tenant in SQL; returns this in words. Raises StartupError, InvalidInput,
    DatabaseUnavailable, DatabaseRefused."""
    await grant_submission(database_url, role, tenant)
    return f"the role {role} may call opledger.submit for the tenant {tenant}"


@asynccontextmanager
async def api_keys(database_url: str) -> AsyncIterator[ManageKeys]:
    """Yields the administration of API keys. Raises StartupError: the database is not at this version's schema."""
    database = create_engine(database_url)
    try:
        await MigrationProbe(database).check()
        yield ManageKeys(PostgresApiKeys(database), SystemClock(), secrets.token_bytes)
    finally:
        await database.dispose()
