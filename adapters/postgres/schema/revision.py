"""The schema revisions that this version knows. Without SQLAlchemy and Alembic, which a current database does not
need."""

from typing import Final

import asyncpg

from adapters.postgres.connection.driver import DatabaseSettings, connector
from domain.errors import StartupError

CURRENT: Final = "0033"
"""The revision that this version works with: that of the newest file in migrations/versions."""
SCHEMA: Final = "opledger"
"""The PostgreSQL schema that holds everything of the ledger, Alembic's table too. Statements name it: behind a pooler
in transaction mode, a search path would be that of another client."""
STORED_REVISION: Final = f"SELECT version_num FROM {SCHEMA}.alembic_version"  # noqa: S608 -- constant
_FIRST: Final = "0001"
_SETTINGS: Final = DatabaseSettings(application_name="opledger-migrate")


def is_known(revision: str) -> bool:
    """Whether it is the current revision or an earlier one."""
    return len(revision) == len(CURRENT) and revision.isdecimal() and _FIRST <= revision <= CURRENT


def check_known(revision: str | None) -> None:
    """Raises StartupError: a newer version of opledger has migrated the database. None is an empty database."""
    if revision is not None and not is_known(revision):
        raise StartupError(
            f"the database is at revision {revision}, which this version does not know (it knows {CURRENT} and earlier "
            "ones): run the newer opledger that migrated it"
        )


async def is_current(url: str) -> bool:
    """Whether the database is at this version's revision. False, too, if it cannot be read. Raises StartupError: the
    URL is invalid."""
    connect = connector(url, _SETTINGS)
    try:
        connection = await connect()
        try:
            return bool(await connection.fetchval(STORED_REVISION) == CURRENT)
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
