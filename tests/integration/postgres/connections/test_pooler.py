"""A transaction pooler, pgbouncer, between the service and PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings, connector
from adapters.postgres.connection.engine import autocommit, create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.probes import DatabaseProbe, NotificationProbe
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.ports.storage.unit_of_work import DatabaseContended, DatabaseUnavailable
from domain.errors import StartupError
from domain.operation.lifecycle import note
from domain.operation.operation import Change
from domain.operation.start.creation import accept
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.operations import cause
from tests.support.postgres.pgbouncer import POOLED, PgBouncer

pytestmark = pytest.mark.tools

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
SHOWN = text("SELECT setting FROM pg_settings WHERE name = ANY(:names) ORDER BY name")


def new_operation() -> Change:
    return accept(uuid4(), tenant="t", type_name="deploy", value=1, labels={}, cause=cause())


@contextlib.asynccontextmanager
async def engine_for(url: str, settings: DatabaseSettings = POOLED) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, settings)
    try:
        yield engine
    finally:
        await engine.dispose()


async def test_transaction_limits_do_not_outlive_the_transaction(pooled_url: str) -> None:
    """The server's connection then serves other clients. Settings in the URL take precedence here, too."""
    async with engine_for(f"{pooled_url}&lock_timeout=250") as engine:
        async with engine.connect() as connection:
            assert (await connection.scalars(SHOWN, {"names": list(LIMITS)})).all() == ["15000", "250", "15000"]
        async with autocommit(engine).connect() as connection:
            assert (await connection.scalars(SHOWN, {"names": list(LIMITS)})).all() == ["0", "0", "0"]


async def test_a_lock_timeout_applies_through_the_pooler(pooled_url: str) -> None:
    """The second of two transactions fails as it does without a pooler."""
    async with engine_for(pooled_url, replace(POOLED, lock_timeout=0.1)) as engine:
        units, created = PostgresUnitsOfWork(engine), new_operation()
        async with units() as unit:
            await unit.operations.add(created)
            await unit.commit()
        change = note(created.operation, cause(2))
        async with units() as first, units() as second:
            await first.operations.save(change)
            with pytest.raises(DatabaseContended):
                await second.operations.save(change)


async def test_three_pools_share_four_server_connections(pooled_url: str) -> None:
    """Each of the pools has ten. Every statement reaches the connection that knows it."""
    async with engine_for(pooled_url) as one, engine_for(pooled_url) as two, engine_for(pooled_url) as three:
        created = [new_operation() for _ in range(60)]

        async def add_and_read(change: Change, engine: AsyncEngine, other: AsyncEngine) -> None:
            async with PostgresUnitsOfWork(engine)() as unit:
                await unit.operations.add(change)
                await unit.commit()
            async with PostgresUnitsOfWork(other)() as unit:
                await unit.operations.save(note(change.operation, cause(2)))
                await unit.commit()
            queries = PostgresQueries(autocommit(engine))("t")
            found, counts = await queries.get(change.operation.id), await queries.counts()
            assert found is not None
            assert found.history_length == 2
            assert sum(counts.values()) >= 1

        pairs = [(one, two), (two, three), (three, one)]
        await asyncio.gather(*(add_and_read(change, *pairs[n % 3]) for n, change in enumerate(created)))
        async with one.connect() as connection:
            pids = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            assert 1 <= (await connection.scalar(pids) or 0) <= 4


async def test_the_pool_survives_a_restart_of_the_pooler(postgres_server: EmbeddedPostgres, database_url: str) -> None:
    """Every call raises until it is back."""
    name = urlsplit(database_url).path.removeprefix("/")
    pooler = PgBouncer(postgres_server.folder, size=2, name="pgbouncer-restarted")
    async with pooler, engine_for(pooler.url_for(name)) as engine:
        probe = DatabaseProbe(engine)
        await asyncio.gather(*(probe.check() for _ in range(5)))
        await pooler.stop()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await probe.check()
        await pooler.start()
        await asyncio.gather(*(probe.check() for _ in range(10)))


async def test_pooler_without_the_setting_is_recognised(pooled_url: str) -> None:
    """pgbouncer refuses the startup parameters of a direct connection. The error says what to do."""
    async with engine_for(pooled_url, DatabaseSettings()) as engine:
        with pytest.raises(DatabaseUnavailable, match=r"startup parameter.*set OPLEDGER_DATABASE_DIRECT_URL"):
            await DatabaseProbe(engine).check()


async def test_pooler_that_drops_parameters_is_recognised(postgres_server: EmbeddedPostgres, database_url: str) -> None:
    """Prepared statements reach the wrong connection, and notifications do not arrive. Both errors say what to do."""
    ignored = ",".join(("plan_cache_mode", *LIMITS))
    name = urlsplit(database_url).path.removeprefix("/")
    async with PgBouncer(postgres_server.folder, size=2, name="pgbouncer-lax", ignored=ignored) as pooler:
        url = pooler.url_for(name)
        connect = connector(url)
        with pytest.raises(StartupError, match=r"did not arrive.*set OPLEDGER_DATABASE_DIRECT_URL"):
            await NotificationProbe(connect, connect).check()
        async with engine_for(url, DatabaseSettings()) as one, engine_for(url, DatabaseSettings()) as two:
            await DatabaseProbe(one).check()  # prepares its statement on a connection of the server
            async with two.connect() as holding:
                await holding.execute(text("SELECT 2"))  # and here another client has that connection
                with pytest.raises(DatabaseUnavailable, match=r"prepared.*set OPLEDGER_DATABASE_DIRECT_URL"):
                    await DatabaseProbe(one).check()


async def test_notifications_through_the_pooler_arrive_on_a_direct_connection(
    pooled_url: str, database_url: str
) -> None:
    """They are sent through the pooler."""
    await NotificationProbe(connector(pooled_url, POOLED), connector(database_url)).check()
