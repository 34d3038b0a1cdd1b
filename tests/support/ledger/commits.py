"""A database in memory that counts its commits, and does before each what a test asks for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from adapters.memory.clock import MemoryClock
from adapters.memory.store import MemoryStore
from application.ports.storage.idempotency_keys import IdempotencyKeys
from application.ports.storage.operation_repository import OperationRepository
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.operation.operation import Operation


@dataclass(frozen=True)
class Unit:
    """A unit of work whose commit is the database's."""

    operations: OperationRepository
    idempotency_keys: IdempotencyKeys
    commit: Callable[[], Awaitable[None]]


class Database:
    """Counts commits, and does before each what the test asked for."""

    def __init__(self) -> None:
        self.store = MemoryStore(MemoryClock())
        self.commits = 0
        self.before: Callable[[], Awaitable[None]] = at_once

    @asynccontextmanager
    async def units(self) -> AsyncIterator[Any]:
        async with self.store.units() as unit:

            async def commit() -> None:
                await self.before()
                await unit.commit()
                self.commits += 1

            yield Unit(unit.operations, unit.idempotency_keys, commit)

    @property
    def rows(self) -> dict[UUID, Operation]:
        """As they are committed."""
        return self.store._tables.operations

    def row(self, number: int) -> Operation:
        """As it is committed."""
        return self.rows[UUID(int=number)]

    def change_behind(self, number: int) -> None:
        """What another process does to it."""
        row = self.row(number)
        self.rows[row.id] = replace(row, revision=row.revision + 1)


async def at_once() -> None:
    """Nothing to wait for."""


async def never() -> None:
    """The database says nothing."""
    await asyncio.get_running_loop().create_future()


async def away() -> None:
    """The database cannot be reached."""
    raise DatabaseUnavailable("away")


async def begun(*calls: Awaitable[Any]) -> list["asyncio.Future[Any]"]:
    """All of them, as far as they come without anybody else's doing."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(call) for call in calls]
    for _ in range(50):
        await asyncio.sleep(0)
    return tasks
