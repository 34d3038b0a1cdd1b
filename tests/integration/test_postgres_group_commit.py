"""Group commit on real connections: of several processes, on the same rows, with connections that break."""

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
from application.ports.unit_of_work import DatabaseUnavailable
from domain.errors import InvalidInput
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import accept, complete, note, start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import Progress
from domain.operation.transition import Source
from tests.support.operations import at, cause

NUMBERS = range(1, 21)
ROUNDS = 4


@pytest.fixture
async def other_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Of another process."""
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


async def fill(engine: AsyncEngine) -> None:
    """Store operations that run."""
    async with PostgresUnitsOfWork(engine)() as unit:
        for number in NUMBERS:
            made = accept(UUID(int=number), tenant="t", type_name="deploy", value=None, labels={}, cause=cause())
            taken = dispatched(made.operation, follow_up_at=at(2), now=at(1))
            await unit.operations.add(made.then(taken).then(start(taken.operation, cause(2))))
        await unit.commit()


def group_commit(engine: AsyncEngine) -> GroupCommit:
    return GroupCommit(PostgresUnitsOfWork(engine))


async def noted(changes: GroupCommit, number: int, words: str) -> None:
    """A line with these words."""

    def decide(operation: Operation) -> Change:
        return note(operation, Cause(Source.CLIENT, words, at(3)))

    assert (await changes.change(UUID(int=number), decide)) is not None


async def lines(engine: AsyncEngine) -> list[str]:
    """The words of all notes, after a look whether every history is whole (P6)."""
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
    """That there are."""
    async with engine.connect() as connection:
        return set(await connection.scalars(text("SELECT DISTINCT status FROM operations")))


@contextmanager
def commits(engine: AsyncEngine) -> Iterator[list[None]]:
    """One entry for each."""
    seen: list[None] = []

    def count(connection: object) -> None:
        seen.append(None)

    event.listen(engine.sync_engine, "commit", count)
    yield seen
    event.remove(engine.sync_engine, "commit", count)


async def test_few_commits_for_many(postgres_engine: AsyncEngine) -> None:
    """Twenty that come at the same time are stored by one commit."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)
    with commits(postgres_engine) as seen:
        await asyncio.gather(*(noted(changes, number, str(number)) for number in NUMBERS))
    assert len(seen) == 1
    assert sorted(await lines(postgres_engine)) == sorted(map(str, NUMBERS))


async def test_two_processes_on_the_same_rows(postgres_engine: AsyncEngine, other_engine: AsyncEngine) -> None:
    """In opposite orders, again and again: no deadlock, every line that was acknowledged is there, once (hazard 23)."""
    await fill(postgres_engine)
    acknowledged: list[str] = []

    async def recorder(changes: GroupCommit, name: str, number: int) -> None:
        for turn in range(ROUNDS):
            words = f"{name} {number} {turn}"
            await noted(changes, number, words)
            acknowledged.append(words)

    one, other = group_commit(postgres_engine), group_commit(other_engine)
    await asyncio.gather(
        *(recorder(one, "one", number) for number in NUMBERS),
        *(recorder(other, "other", number) for number in reversed(NUMBERS)),
    )
    assert sorted(await lines(postgres_engine)) == sorted(acknowledged)
    assert len(acknowledged) == 2 * ROUNDS * len(NUMBERS)


async def test_groups_in_opposite_orders(postgres_engine: AsyncEngine, other_engine: AsyncEngine) -> None:
    """Two transactions that save the same rows do not wait for one another: each row is the one's or the other's."""
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


async def test_one_that_the_database_refuses(postgres_engine: AsyncEngine) -> None:
    """It alone is told so; the others are stored."""
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


async def test_large_ones(postgres_engine: AsyncEngine) -> None:
    """What holds too much for one statement, which has its time limit, goes alone: every other one is as quick as
    ever, and each is stored."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)

    def completed(operation: Operation) -> Change:
        return complete(operation, "x" * (MAX_CHARACTERS // 3), cause(3))

    with commits(postgres_engine) as seen:
        await asyncio.gather(*(changes.change(UUID(int=number), completed) for number in NUMBERS))
    assert len(seen) == 1 + len(NUMBERS) - 2
    assert await statuses(postgres_engine) == {"COMPLETED"}


async def test_connections_that_break(postgres_engine: AsyncEngine, other_engine: AsyncEngine) -> None:
    """Whenever they break: what was acknowledged is there, once, and who was not told so may ask again."""
    await fill(postgres_engine)
    changes = group_commit(postgres_engine)
    acknowledged: list[str] = []

    async def recorder(number: int) -> None:
        for turn in range(ROUNDS):
            words = f"{number} {turn}"
            with suppress(DatabaseUnavailable):
                await noted(changes, number, words)
                acknowledged.append(words)

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


async def test_callers_that_hang_up(postgres_engine: AsyncEngine) -> None:
    """Some hang up, at any moment: the others have their answers, and no connection stays taken."""
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
