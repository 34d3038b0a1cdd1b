"""The change feed on real PostgreSQL under what happens to it: late commits, severed connections, killed writers."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.metrics import MemoryMetrics
from adapters.postgres.connection.driver import Connection, connector
from adapters.postgres.connection.engine import autocommit, create_engine
from adapters.postgres.feed import notifications
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import CHANNEL, Announcer, Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from application.ports.change_feed import STATE, Event
from application.watch import change_hub
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.stream import StreamEvents
from application.watch.wait import WaitForOperation, Wish
from domain.operation.lifecycle import accept, note
from domain.operation.operation import Change
from domain.operation.report import Progress
from domain.operation.transition import Transition
from tests.contract.test_operation_repository import LEASE
from tests.support.operations import cause
from tests.support.waiting import subscribed

LONG = 60.0
"""Seconds that no test waits for."""
TENANT = "t"


@dataclass
class Process:
    """What one process of the service has of the feed."""

    units: PostgresUnitsOfWork
    feed: PostgresChangeFeed
    hub: ChangeHub
    wait: WaitForOperation
    stream: StreamEvents
    announcer: Announcer


@contextlib.asynccontextmanager
async def process(url: str, *, announces: bool = True) -> AsyncIterator[Process]:
    """One that ends with the block. `announces`: else it is killed after each commit, before it says so."""
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
    """Stored and committed."""
    async with units() as unit:
        for number in numbers:
            await unit.operations.add(new(number, tenant))
        await unit.commit()


async def noted(units: PostgresUnitsOfWork, number: int) -> None:
    """A history line and a version more, committed."""
    async with units() as unit:
        operation = await unit.operations.get(UUID(int=number))
        assert operation is not None
        progress = Progress(None, f"after {operation.version}")
        await unit.operations.save(note(replace(operation, progress=progress), cause(1)))
        await unit.commit()


def beyond(version: int) -> Wish:
    """For one who has this version: a change is one also if it comes before the operation was first read."""
    return Wish(LONG, known=lambda operation: operation.version <= version)


def line_of(event: Event) -> tuple[int, int] | None:
    """Which line of whose history it is, if it is one."""
    content = event.content
    return (event.operation_id.int, content.sequence) if isinstance(content, Transition) else None


async def listeners(engine: AsyncEngine) -> list[int]:
    """The server's processes that listen in this database."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = :query"
    async with engine.connect() as connection:
        return list(await connection.scalars(text(query), {"query": f'LISTEN "{CHANNEL}"'}))


# Order


async def test_a_late_commit_holds_back_what_came_after_it(database_url: str) -> None:
    """A transaction that began first and commits last is not passed over: what is behind it waits for it."""
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


async def test_out_of_order_commits_lose_nothing(database_url: str) -> None:
    """Many writers whose commits overtake one another, some undone, and a reader that is cut off again and again and
    resumes behind its last event: every line once, every operation at its last version at the end, none twice."""
    chance = random.Random(7)
    async with process(database_url) as one, process(database_url) as other:
        head = await one.feed.head()
        undone: set[int] = set()

        async def writer(number: int) -> None:
            for step in range(12):
                operation = 100 * number + step // 3
                async with chance.choice([one, other]).units() as unit:
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
                        undone.add(operation)

        async def reader() -> list[Event]:
            events: list[Event] = []
            position = head
            while not (written.done() and position == await settled_end()):
                stream = other.stream.of_tenant(TENANT, position)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02 + chance.random() / 10), contextlib.aclosing(stream):
                        async for item in stream:
                            if isinstance(item, Event):
                                events.append(item)
                                position = item.position
            return events

        async def settled_end() -> object:
            async with asyncio.timeout(LONG):
                position = head
                while True:
                    page = await one.feed.read(position, 1000)
                    if page.marks:
                        position = page.marks[-1].position
                    elif page.settled:
                        return position

        async def restless() -> list[tuple[int, int]]:
            """Looks all the time, and so sees what is committed in between."""
            position, seen = head, []
            while True:
                over = written.done()
                page = await one.feed.read(position, 10)
                seen += [(m.position.operation_id.int, m.position.sequence) for m in page.marks]
                if page.marks:
                    position = page.marks[-1].position
                elif over and page.settled:
                    return [mark for mark in seen if mark[1] != STATE]

        written = asyncio.ensure_future(asyncio.gather(*(writer(number) for number in range(1, 13))))
        events, marked = await asyncio.gather(reader(), restless())
        await written
        lines = [line for event in events if (line := line_of(event)) is not None]
        versions = [(e.operation_id.int, e.content.version) for e in events if not isinstance(e.content, Transition)]
        async with one.units() as unit:
            rows = {number: await unit.operations.get(UUID(int=number)) for number, _ in versions}
        stored = {number: row for number, row in rows.items() if row is not None}
        assert undone
        history = [(n, k) for n, row in sorted(stored.items()) for k in range(1, row.history_length + 1)]
        assert sorted(lines) == history
        assert sorted(marked) == history
        assert len(set(versions)) == len(versions)
        assert dict(versions) == {number: row.version for number, row in stored.items()}
        assert [event.position for event in events] == sorted(event.position for event in events)


# Hearing


async def test_a_change_by_another_process_is_heard(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not only found by looking: that takes too long here."""
    monkeypatch.setattr(change_hub, "POLL", 10 * LONG)
    async with process(database_url) as one, process(database_url) as other:
        await add(one.units, 1)
        for version in (2, 3):
            waiting = asyncio.create_task(one.wait.wait(TENANT, UUID(int=1), beyond(version - 1)))
            await subscribed(one.hub)
            await noted(other.units, 1)
            assert (await asyncio.wait_for(waiting, LONG)).version == version


async def test_a_writer_killed_before_its_announcement(database_url: str) -> None:
    """What nobody announced is found by looking."""
    async with process(database_url) as one, process(database_url, announces=False) as killed:
        await add(killed.units, 1)
        waiting = asyncio.create_task(one.wait.wait(TENANT, UUID(int=1), beyond(1)))
        await subscribed(one.hub)
        await noted(killed.units, 1)
        assert (await waiting).version == 2


async def test_the_listening_connection_is_severed(
    database_url: str, postgres_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made anew by itself, what was committed meanwhile comes too, and later changes are heard of again."""
    monkeypatch.setattr(change_hub, "POLL", 10 * LONG)
    async with process(database_url) as one, process(database_url) as other:
        stream = one.stream.of_tenant(TENANT, None)
        await anext(stream)
        lines = []
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


async def test_every_connection_is_severed(database_url: str, postgres_engine: AsyncEngine) -> None:
    """As by a restart of the server: the stream goes on, nothing lost, nothing twice."""
    async with process(database_url) as one, process(database_url) as other:
        stream = one.stream.of_tenant(TENANT, None)
        await anext(stream)
        lines = []
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


async def test_a_listening_connection_that_only_seems_to_be_there(
    database_url: str, postgres_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes through it, and nobody says so: it is tried when nothing was heard, and given up for another."""
    monkeypatch.setattr(notifications, "IDLE_INTERVAL", 0.1)
    monkeypatch.setattr(notifications, "RESPONSE_TIMEOUT", 0.1)
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


async def test_no_time_to_begin_to_listen(database_url: str, postgres_engine: AsyncEngine) -> None:
    """Whoever has less time than a connection takes does not keep it from being made, once."""
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


async def test_where_listening_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a replica: whoever waits does so for as long as it would without, and there are no attempts without end."""
    monkeypatch.setattr(notifications, "CHANNEL", "")
    made: list[Connection] = []
    listener = Listener(kept(connector(database_url), made))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listener.wait(LONG), notifications.RETRY_INTERVAL / 2)
    assert len(made) == 1
    listener.close()


def kept(connect: Callable[[], Awaitable[Connection]], made: list[Connection]) -> Callable[[], Awaitable[Connection]]:
    """The same, with all connections on a list."""

    async def connected() -> Connection:
        made.append(await connect())
        return made[-1]

    return connected


# Announcing


async def test_a_dead_connection_is_not_announced_through_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not answer is given up, the next commit is announced through another, and nobody waits for it at
    the end."""
    monkeypatch.setattr(notifications, "RESPONSE_TIMEOUT", 0.1)
    made: list[Connection] = []
    announcer = Announcer(kept(connector(database_url), made))
    announcer.announce()
    await announcer._task
    pid = made[0].get_server_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            announcer.announce()
            await announcer._task
        assert (len(made), made[0].is_closed(), made[1].is_closed()) == (2, True, False)
    finally:
        os.kill(pid, signal.SIGCONT)
    await announcer.close()


async def test_many_commits_are_announced_once(database_url: str) -> None:
    """So that the lock under which notifying transactions commit is taken now and then, not by every commit."""
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


async def test_an_announcement_that_fails_harms_nobody() -> None:
    """The commit it was about is durable; who waits finds it by looking."""
    announcer = Announcer(connector("postgresql://nobody@127.0.0.1:1/none"))
    announcer.announce()
    await announcer.close()


@pytest.mark.parametrize("change", ["claims", "plans", "undone"])
async def test_what_is_not_announced(database_url: str, change: str) -> None:
    """A commit that gives no operation a new version wakes nobody."""
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
    """However many wait: a listening connection, and those of the pool."""
    async with process(database_url) as one:
        await add(one.units, 1)
        waiting = [asyncio.create_task(one.wait.wait(TENANT, UUID(int=1), beyond(1))) for _ in range(300)]
        await subscribed(one.hub, 300)
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        async with autocommit(
            postgres_engine
        ).connect() as connection:  # what a transaction sees of others does not change
            while await connection.scalar(text(query)) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert await connection.scalar(text(query.split(" AND state")[0])) <= 20 + 3
        await noted(one.units, 1)
        assert {operation.version for operation in await asyncio.gather(*waiting)} == {2}
