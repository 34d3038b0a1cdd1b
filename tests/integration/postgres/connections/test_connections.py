"""Database connections: severed, refused, exhausted; and URLs and values."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import Connection, DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.connection.errors import translated
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.operations.json_text import MAX_DEPTH
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.probes import DatabaseProbe
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.ports.storage.operation_queries import OperationFilter, PageKey
from application.ports.storage.unit_of_work import DatabaseContended, DatabaseTimeout, DatabaseUnavailable
from domain.errors import InvalidInput, StartupError
from domain.json_value import JsonValue
from domain.operation.lifecycle import note
from domain.operation.operation import Change
from domain.operation.start.creation import accept
from entrypoints.local.embedded.data_folder import opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.operations import ID, T0, cause
from tests.support.postgres.server import over_tcp

SMALL = DatabaseSettings(pool_size=1, max_overflow=0, pool_timeout=0.1)


def accepted_change(value: JsonValue = 1) -> Change:
    """A new operation."""
    return accept(ID, tenant="t", type_name="deploy", value=value, labels={}, cause=cause())


@contextlib.asynccontextmanager
async def engine_for(url: str, settings: DatabaseSettings | None = None) -> AsyncIterator[AsyncEngine]:
    """Yields a pool, and disposes of it."""
    engine = create_engine(url, settings)
    try:
        yield engine
    finally:
        await engine.dispose()


async def sever(url: str) -> int:
    """Terminates every other connection to the database, waits for their end, and returns their number."""
    async with engine_for(url) as engine, engine.connect() as connection:
        query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
        found = await connection.execute(text(f"{query} AND pid <> pg_backend_pid()"))
        return len(found.all())


# Severed


async def test_severed_idle_connections_are_replaced(database_url: str, postgres_engine: AsyncEngine) -> None:
    """As after a restart of the server. No caller sees an error."""
    queries, units = PostgresQueries(postgres_engine)("t"), PostgresUnitsOfWork(postgres_engine)
    await asyncio.gather(*(queries.counts() for _ in range(5)))
    assert await sever(database_url) >= 1
    await asyncio.gather(*(queries.counts() for _ in range(20)))
    async with units() as unit:
        await unit.operations.add(accepted_change())
        await unit.commit()
    assert await queries.get(ID) is not None


async def test_a_connection_severed_in_a_unit_fails_that_unit(database_url: str) -> None:
    """As unavailable, rolled back. The next unit works."""
    async with engine_for(database_url, SMALL) as engine:
        units = PostgresUnitsOfWork(engine)
        for step in ("statement", "commit", "leave") * 2:
            async with units() as unit:
                await unit.operations.add(accepted_change())
                await sever(database_url)
                if step == "statement":
                    with pytest.raises(DatabaseUnavailable):
                        await unit.operations.get(ID)
                elif step == "commit":
                    with pytest.raises(DatabaseUnavailable):
                        await unit.commit()
            async with units() as unit:
                assert await unit.operations.get(ID) is None


async def test_a_first_connection_severed_during_setup_is_unavailable(database_url: str) -> None:
    """While SQLAlchemy queries the server, outside of statements."""
    async with over_tcp(database_url, hang_up_at=b"show transaction isolation") as url, engine_for(url) as engine:
        for call in (PostgresQueries(engine)("t").get(ID), PostgresQueries(engine)("t").counts()):
            with pytest.raises(DatabaseUnavailable):
                await call


async def test_a_dying_server_is_unavailable(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the error that it sends last and the end of the connection, the driver refuses calls with this error. The
    connection is replaced."""

    async def refuse(*_: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    async with engine_for(database_url, SMALL) as engine:
        queries = PostgresQueries(engine)("t")
        with monkeypatch.context() as dying:
            dying.setattr(Connection, "fetch", refuse)
            with pytest.raises(DatabaseUnavailable):
                await queries.get(ID)
        assert await queries.get(ID) is None


async def test_the_pool_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    """Every call raises until the server is back."""
    with opened(tmp_path / "data") as folder:
        server = EmbeddedPostgres(folder, durable=False)
        await server.start()
        await server.create_database()
        async with engine_for(server.url) as engine:
            probe = DatabaseProbe(engine)
            await probe.check()
            await server.stop()
            for _ in range(3):
                with pytest.raises(DatabaseUnavailable):
                    await probe.check()
            await server.start()
            await probe.check()
        await server.stop()


async def test_a_hanging_server_times_out(database_url: str) -> None:
    """Soon after the statement timeout."""
    settings = replace(SMALL, statement_timeout=1.0, connect_timeout=2.0)
    async with engine_for(database_url, settings) as engine, PostgresUnitsOfWork(engine)() as unit:
        pid = await unit.operations._connection.scalar(text("SELECT pg_backend_pid()"))
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseUnavailable):
                await unit.operations.get(ID)
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("patience", [None, 0.1])
async def test_a_connection_with_an_unanswered_read_is_not_reused(database_url: str, patience: float | None) -> None:
    """After a timeout and after a cancellation."""
    settings = replace(SMALL, statement_timeout=1.0, connect_timeout=2.0)
    async with engine_for(database_url, settings) as engine:
        queries = PostgresQueries(engine)("t")
        async with engine.connect() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseUnavailable if patience is None else TimeoutError):
                await asyncio.wait_for(
                    queries.page(OperationFilter(), newest_first=True, after=None, limit=1), patience
                )
            assert await queries.get(ID) is None
        finally:
            os.kill(pid, signal.SIGCONT)


# Refused


@pytest.mark.parametrize("place", ["127.0.0.1:{closed}/db", "/db?host=/nowhere/at/all", "no-such-host.invalid/db"])
async def test_every_call_of_every_port_raises_database_unavailable(place: str) -> None:
    """However the database is unreachable."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://u:secret@{place.format(closed=closed.getsockname()[1])}"
        async with engine_for(url) as engine:
            queries = PostgresQueries(engine)("t")
            for call in (
                queries.get(ID),
                queries.counts(),
                queries.transitions(ID),
                queries.page(OperationFilter(), newest_first=True, after=PageKey(T0, ID), limit=1),
                PostgresDriftQueries(engine).drift(),
                PostgresDriftQueries(engine).diverged(1),
                DatabaseProbe(engine).check(),
                PostgresUnitsOfWork(engine)().__aenter__(),
            ):
                with pytest.raises(DatabaseUnavailable) as caught:
                    await call
                assert "secret" not in str(caught.value)


async def test_a_refused_connection_has_the_servers_reason(postgres_server: EmbeddedPostgres) -> None:
    """Such as a missing database."""
    async with engine_for(postgres_server.url_for("no_such_database")) as engine:
        with pytest.raises(DatabaseUnavailable, match="no_such_database"):
            await DatabaseProbe(engine).check()


async def test_a_port_without_postgres_times_out() -> None:
    """It accepts the connection and sends nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        engine_for(f"postgresql://u@127.0.0.1:{port}/db", DatabaseSettings(connect_timeout=0.1)) as engine,
    ):
        with pytest.raises(DatabaseUnavailable):
            await DatabaseProbe(engine).check()


# Exhausted


async def test_an_exhausted_pool_times_out_and_recovers(database_url: str) -> None:
    """The caller gets DatabaseUnavailable."""
    async with engine_for(database_url, SMALL) as engine:
        async with PostgresUnitsOfWork(engine)():
            with pytest.raises(DatabaseUnavailable, match="in use"):
                await PostgresQueries(engine)("t").get(ID)
        assert await PostgresQueries(engine)("t").get(ID) is None


async def test_a_lock_timeout_rolls_back(database_url: str) -> None:
    """The caller gets an error and nothing is stored."""
    async with engine_for(database_url, DatabaseSettings(lock_timeout=0.1)) as engine:
        units = PostgresUnitsOfWork(engine)
        async with units() as unit:
            await unit.operations.add(accepted_change())
            await unit.commit()
        change = note(accepted_change().operation, cause(2))
        async with units() as first, units() as second:
            await first.operations.save(change)
            with pytest.raises(DatabaseContended):
                await second.operations.save(change)


async def test_the_server_ends_a_slow_statement(database_url: str) -> None:
    """At the statement timeout."""
    async with engine_for(database_url, DatabaseSettings(statement_timeout=1.0)) as engine, engine.connect() as slow:
        with pytest.raises(DatabaseTimeout, match="statement timeout"), translated():
            await slow.execute(text("SELECT pg_sleep(60)"))


# URLs and settings


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
async def test_urls_of_every_scheme_and_socket_are_accepted(postgres_server: EmbeddedPostgres, scheme: str) -> None:
    """As tools and providers write them."""
    url = postgres_server.url_for("postgres", scheme) + "&sslmode=disable&connect_timeout=3&application_name=mine"
    async with engine_for(url) as engine, engine.connect() as connection:
        assert await connection.scalar(text("SHOW application_name")) == "mine"
        assert await connection.scalar(text("SHOW lock_timeout")) == "5s"


@pytest.mark.parametrize(
    "url",
    ["", "sqlite:///x", "mysql://h/db", "localhost:5432/db", "postgresql+psycopg2://h/db", "postgresql://u:a#b@h/db"],
)
def test_other_urls_are_refused(url: str) -> None:
    """At once, with a message."""
    with pytest.raises(StartupError, match="DATABASE_URL"):
        create_engine(url)


def test_the_engine_does_not_show_the_password() -> None:
    """Neither its text nor its URL."""
    engine = create_engine("postgresql://u:secret@h/db")
    assert "secret" not in repr(engine) + str(engine.url)


# Values


async def test_times_without_a_zone_are_refused(postgres_engine: AsyncEngine) -> None:
    """The database would take them for local time."""
    naive = OperationFilter(accepted_after=T0.replace(tzinfo=None))
    with pytest.raises(Exception, match="has no time zone"):
        await PostgresQueries(postgres_engine)("t").page(naive, newest_first=True, after=None, limit=1)


@pytest.mark.parametrize(("depth", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (100_000, False)])
async def test_deeply_nested_json_is_refused_on_write(postgres_engine: AsyncEngine, depth: int, fits: bool) -> None:
    """A reader's parser could not read it."""
    value: JsonValue = float("nan")
    for level in range(depth):
        value = {"a": value} if level % 2 else [value, 1]
    units = PostgresUnitsOfWork(postgres_engine)
    async with units() as unit:
        if fits:
            await unit.operations.add(accepted_change(value))
            assert (await unit.operations.get(ID)) is not None
        else:
            with pytest.raises(InvalidInput, match="nested"):
                await unit.operations.add(accepted_change(value))


async def test_ids_are_standard_uuids(postgres_engine: AsyncEngine) -> None:
    """Not asyncpg's, which encoders do not know."""
    async with PostgresUnitsOfWork(postgres_engine)() as unit:
        await unit.operations.add(accepted_change())
        operation = await unit.operations.get(ID)
    assert operation is not None
    assert type(operation.id) is UUID
