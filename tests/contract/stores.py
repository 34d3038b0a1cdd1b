"""The stores that the suites of the store ports run on, each with a look behind the port."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.store import MemoryStore
from adapters.postgres.connection.driver import Connection, connector
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import Announcer, Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from application.ports.change_feed import ChangeFeed
from application.ports.drift_queries import DriftQueries
from application.ports.operation_queries import OperationQueriesFactory
from application.ports.operation_view import FIELDS, JsonText, OperationView
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.operation.operation import Change, Operation
from tests.support.pgbouncer import POOLED


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in the store, whatever the port says of it."""

    status: str
    version: int
    sequences: list[int]


class Store(Protocol):
    """The ports under test, and the look behind them."""

    @property
    def units(self) -> UnitOfWorkFactory: ...

    @property
    def queries(self) -> OperationQueriesFactory: ...

    @property
    def drift(self) -> DriftQueries: ...

    @property
    def feed(self) -> ChangeFeed: ...

    async def peek(self, operation_id: UUID) -> Stored | None: ...

    async def keys(self) -> set[tuple[str, str]]: ...

    async def set_watermark(self, to: datetime) -> None:
        """Past the port."""


class MemoryBackend:
    """The fake."""

    def __init__(self) -> None:
        self._store = MemoryStore(SystemClock())
        self.units = self._store.units
        self.queries = self._store.queries
        self.drift = self._store.drift
        self.feed = self._store.feed

    async def peek(self, operation_id: UUID) -> Stored | None:
        tables = self._store._tables
        row = tables.operations.get(operation_id)
        if row is None:
            return None
        return Stored(row.status.value, row.version, [line.sequence for line in tables.history[operation_id]])

    async def keys(self) -> set[tuple[str, str]]:
        return set(self._store._tables.keys)

    async def set_watermark(self, to: datetime) -> None:
        self._store._tables.watermarks["executions"] = to


class PostgresBackend:
    """The real one, looked at with SQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        connect: Callable[[], Awaitable[Connection]],
        connect_directly: Callable[[], Awaitable[Connection]] | None = None,
    ) -> None:
        self._engine = engine
        self._announcer, self._listener = Announcer(connect), Listener(connect_directly or connect)
        self.units = PostgresUnitsOfWork(engine, self._announcer.announce)
        self.queries = PostgresQueries(engine)
        self.drift = PostgresDriftQueries(engine)
        self.feed = PostgresChangeFeed(engine, self._listener)

    async def close(self) -> None:
        await self._announcer.close()
        self._listener.close()

    async def peek(self, operation_id: UUID) -> Stored | None:
        query = "SELECT status, version, (SELECT array_agg(sequence ORDER BY sequence) FROM transitions"
        query += " WHERE operation_id = id) AS sequences FROM operations WHERE id = :id"
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(query), {"id": operation_id})).one_or_none()
        return None if row is None else Stored(row.status, row.version, row.sequences)

    async def keys(self) -> set[tuple[str, str]]:
        async with self._engine.connect() as connection:
            return {(row.tenant, row.key) for row in await connection.execute(text("SELECT * FROM idempotency_keys"))}

    async def set_watermark(self, to: datetime) -> None:
        statement = text("INSERT INTO watermarks (name, at) VALUES ('executions', :to)")
        async with self._engine.begin() as connection:
            await connection.execute(statement, {"to": to})


class OnMemory:
    """For a suite that runs on the fake."""

    @pytest.fixture
    def store(self) -> Store:
        return MemoryBackend()


class OnPostgres:
    """For a suite that runs on a database of each test's own."""

    @pytest.fixture
    async def store(self, postgres_engine: AsyncEngine, database_url: str) -> AsyncIterator[Store]:
        backend = PostgresBackend(postgres_engine, connector(database_url))
        yield backend
        await backend.close()


class ThroughPooler:
    """For a suite that runs on such a database with a transaction pooler in front of it."""

    @pytest.fixture
    async def store(self, pooled_engine: AsyncEngine, pooled_url: str, database_url: str) -> AsyncIterator[Store]:
        backend = PostgresBackend(pooled_engine, connector(pooled_url, POOLED), connector(database_url))
        yield backend
        await backend.close()


async def add(store: Store, *changes: Change) -> None:
    """Store these, committed."""
    async with store.units() as unit:
        for change in changes:
            await unit.operations.add(change)
        await unit.commit()


async def save(store: Store, change: Change) -> Operation:
    """Store the change of an operation, committed."""
    async with store.units() as unit:
        saved = await unit.operations.save(change)
        await unit.commit()
    return saved


async def stored(store: Store, operation_id: UUID) -> Operation:
    """The operation as it comes back, which has to be there."""
    async with store.units() as unit:
        operation = await unit.operations.get(operation_id)
    assert operation is not None
    return operation


def shown(view: OperationView) -> dict[str, Any]:
    """Every field of the read model, with its JSON parsed."""
    said = {name: getattr(view, name) for name in FIELDS}
    return {name: json.loads(value.text) if isinstance(value, JsonText) else value for name, value in said.items()}
