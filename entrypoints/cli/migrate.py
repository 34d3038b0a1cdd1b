"""`opledger migrate`."""

import asyncio

from entrypoints import container
from entrypoints.process import run_to_exit
from entrypoints.settings import load_settings


def migrate_database() -> None:
    """Bring the database to this version's schema."""
    run_to_exit(_migrate)


async def _migrate(stop: asyncio.Event) -> int:
    print(await container.migrate(load_settings().require_database_url()))
    return 0
