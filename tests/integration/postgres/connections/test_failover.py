"""A URL with a primary and its standby, which change roles."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import connector
from adapters.postgres.connection.engine import autocommit, create_engine
from adapters.postgres.feed import notifications
from adapters.postgres.feed.notifications import Announcer, Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.schema.migrations import migrate
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.operation.operation import Change
from domain.operation.start.creation import accept
from entrypoints.local.embedded.data_folder import opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.eventually import eventually
from tests.support.operations import cause
from tests.support.places import in_memory
from tests.support.postgres.replication import Standby, kill, url_of_both
from tests.support.postgres.server import over_tcp

TIMEOUT = 60.0
"""Timeout in seconds of every step."""


LONG = 600.0
"""Timeout in seconds that no test reaches."""


def accepted() -> Change:
    """A new operation."""
    return accept(uuid4(), tenant="t", type_name="deploy", value=1, labels={}, cause=cause())


class Pair:
    """Two servers, and the pool and notifications of a process that uses them."""

    def __init__(self, primary: EmbeddedPostgres, standby: Standby) -> None:
        self.primary, self.standby = primary, standby
        self.url = url_of_both(primary, standby)
        self.engine: AsyncEngine = create_engine(self.url)
        self.queries = PostgresQueries(autocommit(self.engine))("t")
        connect = connector(self.url)
        self.announcer, self.listener = Announcer(connect), Listener(connect)
        self._units = PostgresUnitsOfWork(self.engine, self.announcer.announce)

    async def add(self) -> UUID:
        """Adds an operation, commits, and returns its id."""
        change = accepted()
        async with self._units() as unit:
            await unit.operations.add(change)
            await unit.commit()
        return change.operation.id

    async def close(self) -> None:
        await self.announcer.close()
        self.listener.close()
        await self.engine.dispose()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A migrated database on both."""
    with (
        tempfile.TemporaryDirectory(prefix="opledger-pair-", dir=in_memory()) as place,
        opened(Path(place, "one")) as one,
        opened(Path(place, "other")) as other,
    ):
        primary = EmbeddedPostgres(one, durable=False)
        standby = Standby(other, primary)
        async with primary:
            await primary.create_database()
            await migrate(primary.url)
            try:
                await standby.follow()
                pair = Pair(primary, standby)
                yield pair
                await pair.close()
            finally:
                await standby.stop()


async def hears(pair: Pair, server: EmbeddedPostgres) -> None:
    """Returns once the listener is on that server and has received an announcement."""
    query = "SELECT 1 FROM pg_stat_activity WHERE query = $1"
    async with asyncio.timeout(TIMEOUT):
        while not await server.execute(query, notifications.LISTEN):
            await pair.listener.wait(0.05)
        await pair.listener.wait(0.05)
        hearing = asyncio.create_task(pair.listener.wait(LONG))
        while not hearing.done():
            await pair.add()
            await asyncio.wait({hearing}, timeout=1)


async def test_promoted_standby_takes_over(pair: Pair) -> None:
    """Until its promotion every call is unavailable. Then the same pool works on it, no committed change is lost, and
    announcements arrive."""
    before = [await pair.add() for _ in range(5)]
    await hears(pair, pair.primary)
    await kill(pair.primary)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await pair.add()
        with pytest.raises(DatabaseUnavailable):
            await pair.queries.get(before[0])
    await pair.standby.promote()
    after = await eventually(pair.add)
    for operation_id in (*before, after):
        assert await pair.queries.get(operation_id) is not None
    await hears(pair, pair.standby)


async def test_read_only_primary_is_left(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections still work: pool, announcer and listener move to the new primary."""
    monkeypatch.setattr(notifications, "IDLE_INTERVAL", 0.2)
    await asyncio.gather(*(pair.add() for _ in range(5)))
    await hears(pair, pair.primary)
    await asyncio.sleep(3 * notifications.IDLE_INTERVAL)
    await hears(pair, pair.primary)
    await pair.standby.promote()
    await pair.primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await pair.primary.execute("SELECT pg_reload_conf()")
    added = [await eventually(pair.add) for _ in range(20)]
    await hears(pair, pair.standby)
    direct = create_engine(pair.standby.url)
    queries = PostgresQueries(autocommit(direct))("t")
    assert [operation_id for operation_id in added if await queries.get(operation_id) is None] == []
    await direct.dispose()


async def test_refused_write_replaces_the_pool(database_url: str) -> None:
    """Servers before PostgreSQL 14 do not report that they are read-only: the first refused write shows it."""
    engine = create_engine(database_url)
    pid = text("SELECT pg_backend_pid()")

    async def pids() -> set[int]:
        async with engine.connect() as one, engine.connect() as other:
            return {await one.scalar(pid) or 0, await other.scalar(pid) or 0}

    before = await pids()
    async with PostgresUnitsOfWork(engine)() as unit:
        await unit.operations._connection.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await unit.operations.add(accepted())
    assert not before & await pids()
    await engine.dispose()


async def test_unresponsive_host_is_skipped(database_url: str) -> None:
    """Each host has the connect timeout. The one that answered is tried first next time."""
    attempts = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent, over_tcp(database_url) as url:
        port = silent.sockets[0].getsockname()[1]
        connect = connector(url.replace("@", f"@127.0.0.1:{port},") + "&connect_timeout=1")
        for _ in range(3):
            connection = await connect()
            assert await connection.fetchval("SELECT 1") == 1
            connection.terminate()
    assert attempts == 1


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
async def test_socket_options_are_set_on_connections(
    database_url: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """With either event loop."""
    query = "keepalives_idle=33&keepalives_interval=7&keepalives_count=4&tcp_user_timeout=12000"

    async def options(url: str) -> list[int]:
        connection = await connector(f"{url}&{query}")()
        found = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        values = [found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        values += [found.getsockopt(socket.IPPROTO_TCP, name) for name in names]
        connection.terminate()
        return values

    def in_its_own_loop(url: str) -> list[int]:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(options(url))

    async with over_tcp(database_url) as url:
        assert await asyncio.to_thread(in_its_own_loop, url) == [1, 33, 7, 4, 12000]
