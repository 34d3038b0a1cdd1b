"""What becomes of connections: found, severed, refused, used up."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.connection.errors import translated
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.operations.json_text import MAX_DEPTH
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.probes import DatabaseProbe
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.ports.operation_queries import OperationFilter, PageKey
from application.ports.unit_of_work import DatabaseContended, DatabaseUnavailable
from domain.errors import InvalidInput, StartupError
from domain.json_value import JsonValue
from domain.operation.lifecycle import accept, note
from domain.operation.operation import Change
from entrypoints.local.embedded.data_folder import opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.operations import ID, T0, cause
from tests.support.postgres import over_tcp

SMALL = DatabaseSettings(pool_size=1, max_overflow=0, pool_timeout=0.1)


def accepted_change(value: JsonValue = 1) -> Change:
    """A new operation."""
    return accept(ID, tenant="t", type_name="deploy", value=value, labels={}, cause=cause())


@contextlib.asynccontextmanager
async def engine_for(url: str, settings: DatabaseSettings | None = None) -> AsyncIterator[AsyncEngine]:
    """A pool that ends with the block."""
    engine = create_engine(url, settings)
    try:
        yield engine
    finally:
        await engine.dispose()


async def sever(url: str) -> int:
    """Terminate every other connection to the database, and wait for their end; how many there were."""
    async with engine_for(url) as engine, engine.connect() as connection:
        query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
        found = await connection.execute(text(f"{query} AND pid <> pg_backend_pid()"))
        return len(found.all())


# Severed


async def test_idle_connections_that_are_severed(database_url: str, postgres_engine: AsyncEngine) -> None:
    """After a restart of the server the pool's connections are replaced, and nobody sees an error."""
    queries, units = PostgresQueries(postgres_engine)("t"), PostgresUnitsOfWork(postgres_engine)
    await asyncio.gather(*(queries.counts() for _ in range(5)))
    assert await sever(database_url) >= 1
    await asyncio.gather(*(queries.counts() for _ in range(20)))
    async with units() as unit:
        await unit.operations.add(accepted_change())
        await unit.commit()
    assert await queries.get(ID) is not None


async def test_a_connection_severed_in_the_middle(database_url: str) -> None:
    """The unit it belonged to fails as unavailable and is undone; the next one works, on the same place in the pool."""
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


async def test_a_first_connection_severed_at_once(database_url: str) -> None:
    """While SQLAlchemy asks what it wants to know of a server: past its own statements, which have its errors."""
    async with over_tcp(database_url, hang_up_at=b"show transaction isolation") as url, engine_for(url) as engine:
        for call in (PostgresQueries(engine)("t").get(ID), PostgresQueries(engine)("t").counts()):
            with pytest.raises(DatabaseUnavailable):
                await call


async def test_server_stopped_and_started(tmp_path: Path) -> None:
    """While the server is away every call says so; when it is back the same pool works."""
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


async def test_server_that_stops_answering(database_url: str) -> None:
    """A server that is there and says nothing is given up after the statement's time and a little more."""
    settings = replace(SMALL, statement_timeout=0.1, connect_timeout=0.4)
    async with engine_for(database_url, settings) as engine, PostgresUnitsOfWork(engine)() as unit:
        pid = await unit.operations._connection.scalar(text("SELECT pg_backend_pid()"))
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseUnavailable):
                await unit.operations.get(ID)
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("patience", [None, 0.1])
async def test_a_read_that_is_not_answered(database_url: str, patience: float | None) -> None:
    """Given up by itself or by who asked: the connection is not the next one's to wait for."""
    settings = replace(SMALL, statement_timeout=0.1, connect_timeout=0.4)
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
async def test_unreachable(place: str) -> None:
    """Whichever way the database cannot be reached, every call of every port says DatabaseUnavailable."""
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


async def test_no_such_database(postgres_server: EmbeddedPostgres) -> None:
    """A server that refuses the connection says why."""
    async with engine_for(postgres_server.url_for("no_such_database")) as engine:
        with pytest.raises(DatabaseUnavailable, match="no_such_database"):
            await DatabaseProbe(engine).check()


async def test_somebody_who_does_not_speak_postgres() -> None:
    """A port that accepts and then says nothing is given up after the connect time."""

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


# Used up


async def test_no_free_connection(database_url: str) -> None:
    """Who gets no connection of the pool in time is told so, and the pool recovers."""
    async with engine_for(database_url, SMALL) as engine:
        async with PostgresUnitsOfWork(engine)():
            with pytest.raises(DatabaseUnavailable, match="in use"):
                await PostgresQueries(engine)("t").get(ID)
        assert await PostgresQueries(engine)("t").get(ID) is None


async def test_a_lock_that_is_not_had_in_time(database_url: str) -> None:
    """Who waits too long for another's lock gives up, undone."""
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


async def test_a_statement_that_takes_too_long(database_url: str) -> None:
    """The server ends it."""
    async with engine_for(database_url, DatabaseSettings(statement_timeout=0.1)) as engine, engine.connect() as slow:
        with pytest.raises(DatabaseUnavailable, match="statement timeout"), translated():
            await slow.execute(text("SELECT pg_sleep(60)"))


# URLs and settings


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
async def test_schemes(postgres_server: EmbeddedPostgres, scheme: str) -> None:
    """The URL may be written in each of the ways that tools and providers write it, with a socket's folder in it."""
    url = postgres_server.url_for("postgres", scheme) + "&sslmode=disable&connect_timeout=3&application_name=mine"
    async with engine_for(url) as engine, engine.connect() as connection:
        assert await connection.scalar(text("SHOW application_name")) == "mine"
        assert await connection.scalar(text("SHOW lock_timeout")) == "5s"


@pytest.mark.parametrize(
    "url",
    ["", "sqlite:///x", "mysql://h/db", "localhost:5432/db", "postgresql+psycopg2://h/db", "postgresql://u:a#b@h/db"],
)
def test_urls_that_are_none(url: str) -> None:
    """Another kind of URL is refused at once, in words."""
    with pytest.raises(StartupError, match="DATABASE_URL"):
        create_engine(url)


def test_secrets() -> None:
    """Neither the engine's text nor its URL has the password in it."""
    engine = create_engine("postgresql://u:secret@h/db")
    assert "secret" not in repr(engine) + str(engine.url)


# Values


async def test_times_without_a_zone(postgres_engine: AsyncEngine) -> None:
    """A time without a zone never reaches the database, which would take it for the machine's local time."""
    naive = OperationFilter(accepted_after=T0.replace(tzinfo=None))
    with pytest.raises(Exception, match="has no time zone"):
        await PostgresQueries(postgres_engine)("t").page(naive, newest_first=True, after=None, limit=1)


@pytest.mark.parametrize(("depth", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (100_000, False)])
async def test_nesting(postgres_engine: AsyncEngine, depth: int, fits: bool) -> None:
    """JSON that some reader's parser could not read again is refused when it comes, not when it is read."""
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


async def test_ids(postgres_engine: AsyncEngine) -> None:
    """Ids come back as the standard library's UUID, not as asyncpg's, which encoders do not know."""
    async with PostgresUnitsOfWork(postgres_engine)() as unit:
        await unit.operations.add(accepted_change())
        operation = await unit.operations.get(ID)
    assert operation is not None
    assert type(operation.id) is UUID
