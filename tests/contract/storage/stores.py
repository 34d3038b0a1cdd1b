"""The stores on which the contracts of the store ports are tested, each with direct access behind the port."""

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
from application.ports.storage.change_feed import ChangeFeed
from application.ports.storage.drift_queries import DriftQueries
from application.ports.storage.operation_queries import OperationQueriesFactory
from application.ports.storage.operation_view import FIELDS, JsonText, OperationView
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.operation.operation import Change, Operation
from tests.support.postgres.pgbouncer import POOLED


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored, read past the port."""

    status: str
    version: int
    sequences: list[int]


class Store(Protocol):
    """The ports under test, and access past them."""

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
        """Sets the watermark past the port."""


class MemoryBackend:
    """The store in memory."""

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
        """Sets the watermark past the port."""
        self._store._tables.watermarks["executions"] = to


class PostgresBackend:
    """The store in PostgreSQL. SQL reads past the port."""

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
        query = "SELECT status, version, (SELECT array_agg(sequence ORDER BY sequence) FROM opledger.transitions"
        query += " WHERE operation_id = id) AS sequences FROM opledger.operations WHERE id = :id"
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(query), {"id": operation_id})).one_or_none()
        return None if row is None else Stored(row.status, row.version, row.sequences)

    async def keys(self) -> set[tuple[str, str]]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(text("SELECT tenant, key FROM opledger.idempotency_keys"))
            return {(row.tenant, row.key) for row in rows}

    async def set_watermark(self, to: datetime) -> None:
        """Sets the watermark past the port."""
        statement = text("INSERT INTO opledger.watermarks (name, at) VALUES ('executions', :to)")
        async with self._engine.begin() as connection:
            await connection.execute(statement, {"to": to})


class OnMemory:
    """Runs a contract on the store in memory."""

    @pytest.fixture
    def store(self) -> Store:
        return MemoryBackend()


class OnPostgres:
    """Runs a contract on PostgreSQL, with a database per test."""

    @pytest.fixture
    async def store(self, postgres_engine: AsyncEngine, database_url: str) -> AsyncIterator[Store]:
        backend = PostgresBackend(postgres_engine, connector(database_url))
        yield backend
        await backend.close()


class ThroughPooler:
    """Runs a contract on PostgreSQL behind a transaction pooler."""

    @pytest.fixture
    async def store(self, pooled_engine: AsyncEngine, pooled_url: str, database_url: str) -> AsyncIterator[Store]:
        backend = PostgresBackend(pooled_engine, connector(pooled_url, POOLED), connector(database_url))
        yield backend
        await backend.close()


async def add(store: Store, *changes: Change) -> None:
    """Adds operations and commits."""
    async with store.units() as unit:
        for change in changes:
            await unit.operations.add(change)
        await unit.commit()


async def save(store: Store, change: Change) -> Operation:
    """Saves the change of an operation and commits."""
    async with store.units() as unit:
        saved = await unit.operations.save(change)
        await unit.commit()
    return saved


async def stored(store: Store, operation_id: UUID) -> Operation:
    """Returns the stored operation, which must exist."""
    async with store.units() as unit:
        operation = await unit.operations.get(operation_id)
    assert operation is not None
    return operation


def shown(view: OperationView) -> dict[str, Any]:
    """Returns every field of the read model, with its JSON parsed."""
    said = {name: getattr(view, name) for name in FIELDS}
    return {name: json.loads(value.text) if isinstance(value, JsonText) else value for name, value in said.items()}
