"""Group commit on real connections: several processes, the same rows, connections that break."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.operations.saving import MAX_CHARACTERS
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.batching.group_commit import GroupCommit
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.errors import InvalidInput
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import complete, note, start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import Progress
from domain.operation.start.creation import accept
from domain.operation.transition import Source
from tests.support.operations import at, cause

NUMBERS = range(1, 21)
ROUNDS = 4


@pytest.fixture
async def other_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The pool of another process."""
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


async def fill(engine: AsyncEngine) -> None:
    """Adds running operations."""
    async with PostgresUnitsOfWork(engine)() as unit:
        for number in NUMBERS:
            made = accept(UUID(int=number), tenant="t", type_name="deploy", value=None, labels={}, cause=cause())
            taken = dispatched(made.operation, follow_up_at=at(2), now=at(1))
            await unit.operations.add(made.then(taken).then(start(taken.operation, cause(2))))
        await unit.commit()


def group_commit(engine: AsyncEngine) -> GroupCommit:
    return GroupCommit(PostgresUnitsOfWork(engine))


async def noted(changes: GroupCommit, number: int, text: str) -> None:
    """A change with one history line with this text."""

    def decide(operation: Operation) -> Change:
        return note(operation, Cause(Source.CLIENT, text, at(3)))

    assert (await changes.change(UUID(int=number), decide)) is not None


async def lines(engine: AsyncEngine) -> list[str]:
    """Returns the texts of all notes. Asserts that every history is complete (P6)."""
    queries = PostgresQueries(engine)("t")
    found = []
    for number in NUMBERS:
        operation = await queries.get(UUID(int=number))
        history = await queries.transitions(UUID(int=number))
        assert operation is not None
        assert [line.sequence for line in history] == list(range(1, operation.history_length + 1))
        assert operation.version == 1  # clients see nothing of a note
        found += [line.reason for line in history[2:]]
    return found


async def statuses(engine: AsyncEngine) -> set[str]:
    """Returns the statuses that exist."""
    async with engine.connect() as connection:
        return set(await connection.scalars(text("SELECT DISTINCT status FROM opledger.operations")))


@contextmanager
def commits(engine: AsyncEngine) -> Iterator[list[None]]:
    """Returns a list with one entry per commit."""
    seen: list[None] = []

    def count(connection: object) -> None:
        seen.append(None)

    event.listen(engine.sync_engine, "commit", count)
    yield seen
    event.remove(engine.sync_engine, "commit", count)


async def test_twenty_concurrent_changes_take_one_commit(postgres_engine: AsyncEngine) -> None:
    """They arrive at the same time."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)
    with commits(postgres_engine) as seen:
        await asyncio.gather(*(noted(changes, number, str(number)) for number in NUMBERS))
    assert len(seen) == 1
    assert sorted(await lines(postgres_engine)) == sorted(map(str, NUMBERS))


async def test_two_processes_on_the_same_rows_lose_and_repeat_no_line(
    postgres_engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    """In opposite orders, repeatedly, without deadlock (hazard 23)."""
    await fill(postgres_engine)
    acknowledged: list[str] = []

    async def recorder(changes: GroupCommit, name: str, number: int) -> None:
        for turn in range(ROUNDS):
            text = f"{name} {number} {turn}"
            await noted(changes, number, text)
            acknowledged.append(text)

    one, other = group_commit(postgres_engine), group_commit(other_engine)
    await asyncio.gather(
        *(recorder(one, "one", number) for number in NUMBERS),
        *(recorder(other, "other", number) for number in reversed(NUMBERS)),
    )
    assert sorted(await lines(postgres_engine)) == sorted(acknowledged)
    assert len(acknowledged) == 2 * ROUNDS * len(NUMBERS)


async def test_groups_in_opposite_orders_do_not_wait_for_each_other(
    postgres_engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    """Each row is saved by one of the two transactions."""
    await fill(postgres_engine)
    barrier = asyncio.Barrier(2)

    async def save(engine: AsyncEngine, order: int) -> set[UUID]:
        async with PostgresUnitsOfWork(engine)() as unit:
            found = await unit.operations.get_all([UUID(int=number) for number in NUMBERS])
            changes = [note(found[UUID(int=number)], cause(3)) for number in NUMBERS[::order]]
            await barrier.wait()
            first = await unit.operations.save_all(changes[:10])
            await barrier.wait()
            second = await unit.operations.save_all(changes[5:])
            await unit.commit()
        return {*first, *second}

    one, other = await asyncio.gather(save(postgres_engine, 1), save(other_engine, -1))
    assert not one & other
    assert one | other == {UUID(int=number) for number in NUMBERS}
    await lines(postgres_engine)


async def test_a_refused_change_fails_alone(postgres_engine: AsyncEngine) -> None:
    """The others of its group are stored."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)

    def impossible(operation: Operation) -> Change:
        return Change(replace(operation, progress=Progress(2.0)))

    answers = await asyncio.gather(
        changes.change(UUID(int=1), impossible),
        *(noted(changes, number, str(number)) for number in NUMBERS[1:]),
        return_exceptions=True,
    )
    assert isinstance(answers[0], InvalidInput)
    assert answers[1:] == [None] * (len(NUMBERS) - 1)
    assert sorted(await lines(postgres_engine)) == sorted(map(str, NUMBERS[1:]))


async def test_large_changes_are_saved_alone(postgres_engine: AsyncEngine) -> None:
    """They exceed the limit of a statement. The others are not delayed, and each is stored."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)

    def completed(operation: Operation) -> Change:
        return complete(operation, "x" * (MAX_CHARACTERS // 3), cause(3))

    with commits(postgres_engine) as seen:
        await asyncio.gather(*(changes.change(UUID(int=number), completed) for number in NUMBERS))
    assert len(seen) == 1 + len(NUMBERS) - 2
    assert await statuses(postgres_engine) == {"COMPLETED"}


async def test_acknowledged_changes_survive_broken_connections(
    postgres_engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    """Each is stored once. Callers without an acknowledgement may retry."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)
    acknowledged: list[str] = []

    async def recorder(number: int) -> None:
        for turn in range(ROUNDS):
            text = f"{number} {turn}"
            with suppress(DatabaseUnavailable):
                await noted(changes, number, text)
                acknowledged.append(text)

    async def breaker() -> None:
        backends = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        async with other_engine.connect() as connection:
            while True:
                await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({backends}) AS others"))
                await asyncio.sleep(0)

    breaking = asyncio.create_task(breaker())
    await asyncio.gather(*(recorder(number) for number in NUMBERS))
    breaking.cancel()
    await asyncio.wait([breaking])
    await postgres_engine.dispose()
    await noted(changes, 1, "after")
    found = await lines(postgres_engine)
    assert len(found) == len(set(found))
    assert {*acknowledged, "after"} <= set(found)


async def test_cancelled_callers_do_not_affect_the_others(postgres_engine: AsyncEngine) -> None:
    """At any moment; no connection stays checked out."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)
    tasks = [asyncio.create_task(noted(changes, number, str(number))) for number in NUMBERS]
    for turn, task in enumerate(tasks[::2]):
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*tasks[1::2])
    await changes.close()
    assert {str(number) for number in NUMBERS[1::2]} <= set(await lines(postgres_engine))
    assert postgres_engine.pool.status().endswith("Current Checked out connections: 0")
