"""Health checks of the database: it answers, has this version's schema, and delivers notifications."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.driver import Connection
from adapters.postgres.connection.errors import POOLER_HINT, connecting, translated
from adapters.postgres.schema.revision import CURRENT, STORED_REVISION, check_known
from domain.errors import StartupError

_DELIVERY_TIMEOUT: Final = 3.0
"""Timeout of a notification in seconds."""


class DatabaseProbe:
    """Checks that the database answers."""

    name = "database"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises DatabaseUnavailable."""
        async with connected(self._engine) as connection:
            with translated():
                await connection.execute(sa.select(1))


class MigrationProbe:
    """Checks that the database is at this version's revision."""

    name = "migrations"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises DatabaseUnavailable, or StartupError with what to do."""
        revision = await self._revision()
        check_known(revision)
        if revision != CURRENT:
            raise StartupError(
                f"the database is at revision {revision or 'none'}, this version needs {CURRENT}: "
                "run `opledger migrate`"
            )

    async def _revision(self) -> str | None:
        async with connected(self._engine) as connection:
            try:
                with translated():
                    found = await connection.execute(sa.text(STORED_REVISION))
            except ProgrammingError:  # the table does not exist
                return None
            return found.scalar_one_or_none()


class NotificationProbe:
    """Checks that a notification sent through DATABASE_URL arrives on the direct connection: both lead to the same
    database, and no transaction pooler is in front of the listener, which would lose notifications without an error."""

    name = "notifications"

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], connect_directly: Callable[[], Awaitable[Connection]]
    ) -> None:
        self._connect = connect
        self._connect_directly = connect_directly

    async def check(self) -> None:
        """Raises DatabaseUnavailable, or StartupError with what to set."""
        with connecting():
            listener = await self._connect_directly()
            try:
                sender = await self._connect()
                try:
                    await self._deliver(sender, listener)
                finally:
                    sender.terminate()
            finally:
                listener.terminate()

    async def _deliver(self, sender: Connection, listener: Connection) -> None:
        channel = f"opledger_check_{secrets.token_hex(8)}"
        arrived = asyncio.Event()
        await listener.add_listener(channel, lambda *_: arrived.set())
        await sender.execute(f"NOTIFY {channel}")
        try:
            async with asyncio.timeout(_DELIVERY_TIMEOUT):
                await arrived.wait()
        except TimeoutError:
            raise StartupError(f"a notification did not arrive within {_DELIVERY_TIMEOUT:g} s: {POOLER_HINT}") from None
