"""The change feed on real PostgreSQL: late commits, severed connections, killed writers."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.metrics import MemoryMetrics
from adapters.postgres.connection.driver import Connection, connector
from adapters.postgres.connection.engine import autocommit, create_engine
from adapters.postgres.feed import notifications
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import CHANNEL, LISTEN, Announcer, Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from application.ports.storage.change_feed import STATE, Event, Position
from application.watch import change_hub
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.stream import StreamEvents
from application.watch.wait import WaitForOperation, WaitOptions
from domain.operation.lifecycle import note
from domain.operation.operation import Change
from domain.operation.report import Progress
from domain.operation.start.creation import accept
from domain.operation.transition import Transition
from tests.contract.storage.operations.test_operation_repository import LEASE
from tests.support.eventually import eventually
from tests.support.operations import cause
from tests.support.waiting import subscribed

LONG = 60.0
"""Timeout in seconds that no test reaches."""
TENANT = "t"


@dataclass
class Process:
    """One process's part of the feed."""

    units: PostgresUnitsOfWork
    feed: PostgresChangeFeed
    hub: ChangeHub
    wait: WaitForOperation
    stream: StreamEvents
    announcer: Announcer


@contextlib.asynccontextmanager
async def process(url: str, *, announces: bool = True) -> AsyncIterator[Process]:
    """Yields a process. `announces`: False if it is killed after each commit, before its announcement."""
    engine, connect = create_engine(url), connector(url)
    announcer, listener = Announcer(connect), Listener(connect)
    feed = PostgresChangeFeed(engine, listener)
    hub = ChangeHub(feed, SystemClock(), MemoryMetrics())
    read = ReadOperations(PostgresQueries(autocommit(engine)))
    units = PostgresUnitsOfWork(engine, announcer.announce) if announces else PostgresUnitsOfWork(engine)
    try:
        yield Process(units, feed, hub, WaitForOperation(read, hub), StreamEvents(read, feed, hub), announcer)
    finally:
        hub.close()
        await announcer.close()
        listener.close()
        await engine.dispose()


def new(number: int, tenant: str = TENANT) -> Change:
    """A new operation."""
    return accept(UUID(int=number), tenant=tenant, type_name="deploy", value=1, labels={}, cause=cause())


async def add(units: PostgresUnitsOfWork, *numbers: int, tenant: str = TENANT) -> None:
    """Adds operations and commits."""
    async with units() as unit:
        for number in numbers:
            await unit.operations.add(new(number, tenant))
        await unit.commit()


async def noted(units: PostgresUnitsOfWork, number: int) -> None:
    """Adds a history line and a version, and commits."""
    async with units() as unit:
        operation = await unit.operations.get(UUID(int=number))
        assert operation is not None
        progress = Progress(None, f"after {operation.version}")
        await unit.operations.save(note(replace(operation, progress=progress), cause(1)))
        await unit.commit()


def beyond(version: int) -> WaitOptions:
    """Returns the wait of a reader that has this version. A change counts even if it comes before the first read."""
    return WaitOptions(LONG, known=lambda operation: operation.version <= version)


def line_of(event: Event) -> tuple[int, int] | None:
    """Returns operation and sequence of a history line, or None."""
    content = event.content
    return (event.operation_id.int, content.sequence) if isinstance(content, Transition) else None


async def listeners(engine: AsyncEngine) -> list[int]:
    """Returns the server's processes that listen in this database."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = :query"
    async with engine.connect() as connection:
        return list(await connection.scalars(text(query), {"query": LISTEN}))


# Order


async def test_an_open_transaction_holds_back_later_changes(database_url: str) -> None:
    """Its own change, committed last, is not skipped."""
    async with process(database_url) as one:
        before = await one.feed.head()
        async with one.units() as late:
            await late.operations.add(new(1))
            await add(one.units, 2)
            page = await one.feed.read(before, 10)
            assert (list(page.marks), page.settled) == ([], False)
            await late.commit()
        page = await one.feed.read(before, 10)
        assert [mark.position.operation_id.int for mark in page.marks] == [1, 1, 2, 2]


async def write(processes: Sequence[Process], number: int, chance: random.Random) -> set[int]:
    """Changes four operations in twelve transactions, some of which roll back. Returns the operations of those."""
    rolled_back: set[int] = set()
    for step in range(12):
        operation = 100 * number + step // 3
        async with chance.choice(processes).units() as unit:
            stored = await unit.operations.get(UUID(int=operation))
            if stored is None:
                await unit.operations.add(new(operation))
            elif chance.random() < 0.5:
                await unit.operations.save(note(stored, cause(step)))
            else:
                await unit.operations.save(Change(replace(stored, progress=Progress(step / 100, None))))
            await asyncio.sleep(chance.random() / 50)
            if chance.random() < 0.8:
                await unit.commit()
            else:
                rolled_back.add(operation)
    return rolled_back


async def settled_end(feed: PostgresChangeFeed, position: Position) -> Position:
    """Reads the feed from a position to its end, once no open transaction holds a change back."""
    async with asyncio.timeout(LONG):
        while True:
            page = await feed.read(position, 1000)
            if page.marks:
                position = page.marks[-1].position
            elif page.settled:
                return position


async def events_of_a_restless_reader(
    process: Process, position: Position, written: asyncio.Future[Any], chance: random.Random
) -> list[Event]:
    """Returns the events of a reader that disconnects repeatedly and resumes after its last event."""
    events: list[Event] = []
    while not (written.done() and position == await settled_end(process.feed, position)):
        stream = process.stream.of_tenant(TENANT, position)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02 + chance.random() / 10), contextlib.aclosing(stream):
                async for item in stream:
                    if isinstance(item, Event):
                        events.append(item)
                        position = item.position
    return events


async def lines_of_every_state(
    feed: PostgresChangeFeed, position: Position, written: asyncio.Future[Any]
) -> list[tuple[int, int]]:
    """Returns operation and sequence of the history lines that a continuous reader sees, in intermediate states too."""
    positions: list[Position] = []
    while True:
        over = written.done()
        page = await feed.read(position, 10)
        positions += [mark.position for mark in page.marks]
        if page.marks:
            position = page.marks[-1].position
        elif over and page.settled:
            return [(each.operation_id.int, each.sequence) for each in positions if each.sequence != STATE]


async def test_out_of_order_commits_lose_nothing(database_url: str) -> None:
    """Many writers overtake one another, and some roll back. Every reader gets each history line once, in order, and
    each operation's last version at the end, none twice."""
    chance = random.Random(7)
    async with process(database_url) as one, process(database_url) as other:
        head = await one.feed.head()
        written = asyncio.ensure_future(asyncio.gather(*(write([one, other], n, chance) for n in range(1, 13))))
        events, lines = await asyncio.gather(
            events_of_a_restless_reader(other, head, written, chance), lines_of_every_state(one.feed, head, written)
        )
        assert any(await written), "no transaction rolled back: the test would prove less"
        versions = [(e.operation_id.int, e.content.version) for e in events if not isinstance(e.content, Transition)]
        async with one.units() as unit:
            rows = {number: await unit.operations.get(UUID(int=number)) for number, _ in versions}
        stored = {number: row for number, row in rows.items() if row is not None}
        history = [(number, k) for number, row in sorted(stored.items()) for k in range(1, row.history_length + 1)]
        assert sorted(line for event in events if (line := line_of(event)) is not None) == history
        assert sorted(lines) == history
        assert len(set(versions)) == len(versions)
        assert dict(versions) == {number: row.version for number, row in stored.items()}
        assert [event.position for event in events] == sorted(event.position for event in events)


# Listening


async def test_a_change_by_another_process_is_announced(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polling alone would take too long here."""
    monkeypatch.setattr(change_hub, "POLL_INTERVAL", 10 * LONG)
    async with process(database_url) as one, process(database_url) as other:
        await add(one.units, 1)
        for version in (2, 3):
            waiting = asyncio.create_task(one.wait.wait(TENANT, UUID(int=1), beyond(version - 1)))
            await subscribed(one.hub)
            await noted(other.units, 1)
            assert (await asyncio.wait_for(waiting, LONG)).version == version


async def test_polling_finds_a_change_without_announcement(database_url: str) -> None:
    """Its writer was killed."""
    async with process(database_url) as one, process(database_url, announces=False) as killed:
        await add(killed.units, 1)
        waiting = asyncio.create_task(one.wait.wait(TENANT, UUID(int=1), beyond(1)))
        await subscribed(one.hub)
        await noted(killed.units, 1)
        assert (await waiting).version == 2


async def test_a_severed_listening_connection_is_replaced(
    database_url: str, postgres_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes meanwhile arrive, and later ones are announced again."""
    monkeypatch.setattr(change_hub, "POLL_INTERVAL", 10 * LONG)
    async with process(database_url) as one, process(database_url) as other:
        stream = one.stream.of_tenant(TENANT, None)
        await anext(stream)
        lines: list[tuple[int, int]] = []
        for number in range(1, 6):
            while not (listening := await listeners(postgres_engine)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            async with postgres_engine.connect() as connection:
                await connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": listening[0]})
            await add(other.units, number)
            while not lines or lines[-1] != (number, 1):
                item = await asyncio.wait_for(anext(stream), LONG)
                lines += [line] if isinstance(item, Event) and (line := line_of(item)) else []
        assert lines == [(number, 1) for number in range(1, 6)]


async def test_a_stream_survives_the_loss_of_every_connection(database_url: str, postgres_engine: AsyncEngine) -> None:
    """As in a restart of the server: nothing is lost, nothing comes twice."""
    async with process(database_url) as one, process(database_url) as other:
        stream = one.stream.of_tenant(TENANT, None)
        await anext(stream)
        lines: list[tuple[int, int]] = []
        for number in range(1, 4):
            async with postgres_engine.connect() as connection:
                query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                query += " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                await connection.execute(text(query))
            await add(other.units, number)
            while not lines or lines[-1] != (number, 1):
                item = await asyncio.wait_for(anext(stream), LONG)
                lines += [line] if isinstance(item, Event) and (line := line_of(item)) else []
        assert lines == [(number, 1) for number in range(1, 4)]


async def test_a_dead_listening_connection_is_detected_and_replaced(
    database_url: str, postgres_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was lost without an error: the listener tests it after a silence."""
    monkeypatch.setattr(notifications, "IDLE_INTERVAL", 0.1)
    monkeypatch.setattr(notifications, "RESPONSE_TIMEOUT", 3.0)
    made: list[Connection] = []
    listener = Listener(kept(connector(database_url), made))
    await listener.wait(LONG)
    pid = made[0].get_server_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.wait_for(listener.wait(LONG), LONG)
        assert (len(made), made[0].is_closed()) == (2, True)
    finally:
        os.kill(pid, signal.SIGCONT)
    listener.close()


async def test_short_waits_do_not_prevent_the_connection(database_url: str, postgres_engine: AsyncEngine) -> None:
    """Waits shorter than a connect lead to one connection."""
    made: list[Connection] = []
    connect = kept(connector(database_url), made)

    async def slowly() -> Connection:
        await asyncio.sleep(0.2)
        return await connect()

    listener = Listener(slowly)
    async with asyncio.timeout(LONG):
        while not await listeners(postgres_engine):
            await listener.wait(0.01)
    assert len(made) == 1
    listener.close()


async def test_refused_listening_falls_back_to_polling(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a replica: waits last as long as without, and attempts have pauses."""
    monkeypatch.setattr(notifications, "CHANNEL", "")
    monkeypatch.setattr(notifications, "RETRY_INTERVAL", LONG)
    made: list[Connection] = []
    listener = Listener(kept(connector(database_url), made))
    waiting = asyncio.create_task(listener.wait(LONG))
    await eventually(lambda: made)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 0.3)
    assert len(made) == 1
    listener.close()


def kept(connect: Callable[[], Awaitable[Connection]], made: list[Connection]) -> Callable[[], Awaitable[Connection]]:
    """Connects, and keeps all connections in a list."""

    async def connected() -> Connection:
        made.append(await connect())
        return made[-1]

    return connected


# Announcing


async def test_the_announcer_replaces_a_dead_connection(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next commit is announced through another, and shutdown does not wait for the dead one."""
    monkeypatch.setattr(notifications, "RESPONSE_TIMEOUT", 3.0)
    made: list[Connection] = []
    announcer = Announcer(kept(connector(database_url), made))
    announcer.announce()
    assert announcer._task
    await announcer._task
    pid = made[0].get_server_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            announcer.announce()
            assert announcer._task
            await announcer._task
        assert (len(made), made[0].is_closed(), made[1].is_closed()) == (2, True, False)
    finally:
        os.kill(pid, signal.SIGCONT)
    await announcer.close()


async def test_many_commits_are_announced_once(database_url: str) -> None:
    """So that the lock of notifying commits is taken rarely, not for every commit."""
    heard = 0

    def count(*_: object) -> None:
        nonlocal heard
        heard += 1

    connection = await connector(database_url)()
    await connection.add_listener(CHANNEL, count)
    announcer = Announcer(connector(database_url))
    for _ in range(100):
        announcer.announce()
    await announcer.close()
    announcer.announce()
    await announcer.close()
    while heard < 2:
        await connection.execute("SELECT 1")
    assert heard == 2
    await connection.close()


async def test_a_failed_announcement_is_harmless() -> None:
    """The commit is durable, and polling finds it."""
    announcer = Announcer(connector("postgresql://nobody@127.0.0.1:1/none"))
    announcer.announce()
    await announcer.close()


@pytest.mark.parametrize("change", ["claims", "plans", "undone"])
async def test_a_commit_without_a_visible_change_is_not_announced(database_url: str, change: str) -> None:
    """It wakes no waiter."""
    async with process(database_url, announces=False) as one:
        said = 0

        def count() -> None:
            nonlocal said
            said += 1

        async with process(database_url) as writer:
            await add(writer.units, 1)
        one.units._announce = count
        async with one.units() as unit:
            if change == "claims":
                assert await unit.operations.claim_due_dispatches(cause(100).now, LEASE, 1)
            elif change == "plans":
                await unit.operations.claim_due_follow_ups(cause(100).now, LEASE, 1)
            else:
                await unit.operations.add(new(2))
            if change != "undone":
                await unit.commit()
        assert said == 0
        await add(one.units, 3)
        assert said == 1


async def test_waiters_hold_no_connection(database_url: str, postgres_engine: AsyncEngine) -> None:
    """Any number of them needs one listening connection and the pool."""
    async with process(database_url) as one:
        await add(one.units, 1)
        waiting = [asyncio.create_task(one.wait.wait(TENANT, UUID(int=1), beyond(1))) for _ in range(300)]
        await subscribed(one.hub, 300)
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        async with autocommit(postgres_engine).connect() as connection:  # a transaction whose snapshot does not change
            while await connection.scalar(text(query)) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert await connection.scalar(text(query.split(" AND state")[0])) <= 20 + 3
        await noted(one.units, 1)
        assert {operation.version for operation in await asyncio.gather(*waiting)} == {2}
