"""`opledger migrate`."""

import asyncio
from functools import partial

from entrypoints.process import run_to_exit
from entrypoints.settings.settings import load_settings
from entrypoints.wiring import database


def migrate_database(grant_to: str | None) -> None:
    """Bring the database to this version's schema, and let a role use it."""
    run_to_exit(partial(_migrate, grant_to))


async def _migrate(grant_to: str | None, stop: asyncio.Event) -> int:
    database_url = load_settings().require_direct_url()
    print(await database.migrate(database_url))
    if grant_to is not None:
        print(await database.grant_to(database_url, grant_to))
    return 0
