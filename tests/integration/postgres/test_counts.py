"""Counts equal a plain count of the rows, whatever changes them."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitOfWork, PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from application.operate.fold_counts import FoldCounts
from application.ports.storage.operation_repository import StaleOperation
from domain.operation.lifecycle import complete, fail, note, start
from domain.operation.operation import Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.retention import Cutoffs
from tests.contract.storage.operations.test_operation_queries import change_to
from tests.contract.storage.operations.test_operation_repository import SHARED, dispatched_change
from tests.support.operations import at, cause

Counts = Mapping[tuple[str, str, str], int]
GROUPS = "SELECT type, status, coalesce(error_code, ''), {count} WHERE tenant = 'default' GROUP BY 1, 2, 3"
PLAIN = GROUPS.format(count="count(*) FROM opledger.operations")
KEPT = GROUPS.format(count="sum(change)::bigint FROM opledger.operation_counts") + " HAVING sum(change) <> 0"
STEPS = ("add", "move", "note", "delete", "purge", "fold", "delete by hand", "change by hand")
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.booleans(), st.integers(0, 2**16)), max_size=12)
"""What is done, whether it is committed, and the seed of its choices."""
_numbers = itertools.count(1)


async def table(engine: AsyncEngine, query: str) -> Counts:
    """Returns the counts of the query."""
    async with engine.connect() as connection:
        return {(row[0], row[1], row[2]): row[3] for row in await connection.execute(text(query))}


async def shown(engine: AsyncEngine) -> Counts:
    """Returns the counts that clients see."""
    counts = await PostgresQueries(engine)("default").counts()
    return {(kind, status.value, code.value if code else ""): many for (kind, status, code), many in counts.items()}


def added(choice: random.Random) -> list[Change]:
    """Returns new operations of a few types, in any status."""
    statuses = choice.choices(list(OperationStatus), k=choice.randint(1, 4))
    return [change_to(status, next(_numbers), type_name=choice.choice("ab")) for status in statuses]


def next_change(operation: Operation, choice: random.Random) -> Change:
    """Returns a change of an open operation's status."""
    if operation.status is OperationStatus.ACCEPTED:
        change = dispatched_change(operation)
        return change.then(start(change.operation, cause(2)))
    if choice.random() < 0.5:
        return complete(operation, 1, cause(3))
    return fail(operation, OperationError(choice.choice(list(ErrorCode)), "boom"), cause(3))


async def do(unit: PostgresUnitOfWork, what: str, choice: random.Random) -> None:
    """Does one step in the unit of work."""
    connection, repository = unit._connection, unit.operations
    query = "SELECT id FROM opledger.operations WHERE tenant = 'default' ORDER BY id"
    rows = list(await connection.scalars(text(query)))
    stored = list((await repository.get_all(choice.sample(rows, min(3, len(rows))))).values())
    done = [one.id for one in stored if one.done]
    match what:
        case "add":
            await repository.add_all(added(choice))
        case "move":
            await repository.save_all([next_change(one, choice) for one in stored if not one.done])
        case "note":
            await repository.save_all([note(one, cause(4)) for one in stored])
        case "delete":
            for one in [one for one in stored if one.done]:
                with contextlib.suppress(StaleOperation):
                    await repository.delete(one)
        case "purge":
            await repository.delete_all(await repository.expired(Cutoffs(at(9**6)), choice.randint(1, 3)))
        case "fold":
            await repository.fold_counts(choice.choice((2, 3, 1000)))
            await repository.fold_throughput(at(0), choice.choice((2, 3, 1000)))
        case "delete by hand":
            await connection.execute(text("DELETE FROM opledger.operations WHERE id = any(:ids)"), {"ids": done[:2]})
        case "change by hand":
            await connection.execute(text("UPDATE opledger.operations SET type = 'c' WHERE status = 'ACCEPTED'"))


@settings(deadline=None, max_examples=40, suppress_health_check=[*SHARED, HealthCheck.too_slow])
@given(steps)
async def test_counts_follow_every_change(postgres_engine: AsyncEngine, steps: list[tuple[str, bool, int]]) -> None:
    """Committed or rolled back, by the ledger or by hand."""
    units = PostgresUnitsOfWork(postgres_engine)
    for what, committed, seed in steps:
        async with units() as unit:
            await do(unit, what, random.Random(seed))
            if committed:
                await unit.commit()
        assert await shown(postgres_engine) == await table(postgres_engine, PLAIN)


async def test_counts_are_exact_in_every_snapshot_while_writers_and_folds_compete(
    postgres_engine: AsyncEngine,
) -> None:
    """A reader compares both within one transaction."""
    units = PostgresUnitsOfWork(postgres_engine)

    async def write(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(15):
            async with units() as unit:
                await do(unit, choice.choice(("add", "add", "move", "move", "note", "purge", "fold")), choice)
                if choice.random() < 0.8:
                    await unit.commit()

    async def compare() -> None:
        snapshots = postgres_engine.execution_options(isolation_level="REPEATABLE READ")
        for _ in range(30):
            async with snapshots.connect() as connection:
                kept, plain = [sorted(map(tuple, await connection.execute(text(one)))) for one in (KEPT, PLAIN)]
            assert kept == plain

    await asyncio.gather(*map(write, range(4)), compare())
    assert await shown(postgres_engine) == await table(postgres_engine, PLAIN)


async def test_counts_survive_the_end_of_a_writers_connection(postgres_engine: AsyncEngine) -> None:
    """What it had not committed is not counted."""
    units = PostgresUnitsOfWork(postgres_engine)
    async with units() as unit:
        await unit.operations.add_all(added(random.Random(1)))
        await unit.commit()
    before = await shown(postgres_engine)
    with contextlib.suppress(DBAPIError):
        async with units() as unit:
            await do(unit, "add", random.Random(2))
            backend = await unit._connection.scalar(text("SELECT pg_backend_pid()"))
            async with postgres_engine.begin() as other:
                await other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
    assert await shown(postgres_engine) == before == await table(postgres_engine, PLAIN)


async def test_a_fold_leaves_one_row_of_each_group(postgres_engine: AsyncEngine) -> None:
    """And none of a group without operations. Changes that are not committed stay."""
    units = PostgresUnitsOfWork(postgres_engine)
    for number in range(5):
        async with units() as unit:
            await unit.operations.add(change_to(OperationStatus.COMPLETED, next(_numbers), type_name="ab"[number % 2]))
            await unit.commit()
    async with units() as unit:
        await unit.operations.delete_all(await unit.operations.expired(Cutoffs(at(9**6)), 1))
        await unit.operations.add(change_to(OperationStatus.RUNNING, next(_numbers)))
        async with units() as folding:
            assert await folding.operations.fold_counts(100) == 5
            await folding.commit()
        await unit.commit()
    async with units() as unit:
        await unit.operations.fold_counts(100)
        await unit.commit()
    assert await shown(postgres_engine) == await table(postgres_engine, PLAIN)
    async with postgres_engine.connect() as connection:
        rows = await connection.scalar(text("SELECT count(*) FROM opledger.operation_counts"))
    assert rows == len(await shown(postgres_engine)) == 3


async def test_two_folds_do_not_wait_for_one_another(postgres_engine: AsyncEngine) -> None:
    """The second does nothing."""
    units = PostgresUnitsOfWork(postgres_engine)
    for _ in range(2):
        async with units() as unit:
            await unit.operations.add(change_to(OperationStatus.RUNNING, next(_numbers)))
            await unit.commit()
    async with units() as first, units() as second:
        assert await first.operations.fold_counts(100) == 2
        assert await second.operations.fold_counts(100) == 0


async def test_folds_of_a_few_changes_leave_one_row_of_each_group(postgres_engine: AsyncEngine) -> None:
    """However many there are: no statement takes more than its limit, and the loop goes on until none is left."""
    units = PostgresUnitsOfWork(postgres_engine)
    for number in range(11):
        async with units() as unit:
            await unit.operations.add(change_to(OperationStatus.RUNNING, next(_numbers), type_name="abc"[number % 3]))
            await unit.commit()
    folds = [await FoldCounts(units, SystemClock()).step(4)]
    while folds[-1].found:
        folds.append(await FoldCounts(units, SystemClock()).step(4))
    assert {fold.found for fold in folds} == {0, 4}
    async with postgres_engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM opledger.operation_counts")) == 3
    assert await shown(postgres_engine) == await table(postgres_engine, PLAIN)
