"""`opledger migrate`."""

import asyncio
from functools import partial

from entrypoints.process import run_to_exit
from entrypoints.settings.loading import load_settings
from entrypoints.wiring.migrations import migrate


def migrate_database(grant_to: str | None, grant_submit_to: tuple[str, str] | None) -> None:
    """Migrates the database to this version's schema, and grants roles its use."""
    run_to_exit(partial(_migrate, grant_to, grant_submit_to))


async def _migrate(grant_to: str | None, grant_submit_to: tuple[str, str] | None, stop: asyncio.Event) -> int:
    database_url = load_settings().require_direct_url()
    print(await migrate(database_url))
    if grant_to is not None:
        from entrypoints.wiring import database

        print(await database.grant_to(database_url, grant_to))
    if grant_submit_to is not None:
        from entrypoints.wiring import database

        print(await database.grant_submit_to(database_url, *grant_submit_to))
    return 0
