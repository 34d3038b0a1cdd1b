"""Concurrent changes on real connections: one wins, nothing is doubled, nothing is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.batching.optimistic_update import optimistic_update
from application.ports.storage.idempotency_keys import IdempotencyRecord
from application.ports.storage.leases import Lease
from application.ports.storage.operation_repository import StaleOperation
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.lifecycle import complete, note, request_cancel, start
from domain.operation.operation import Change, Operation
from domain.operation.report import Report, ReportKind
from domain.operation.start.creation import accept
from domain.operation.start.retrying import retried
from tests.support.eventually import eventually
from tests.support.operations import at, cause

LEASE = timedelta(seconds=30)
TASKS = 16


def accepted_change(number: int) -> Change:
    """A new operation, due for dispatch."""
    return accept(UUID(int=number), tenant="t", type_name="deploy", value=number, labels={}, cause=cause())


async def add(units: PostgresUnitsOfWork, *numbers: int) -> None:
    """Adds operations and commits."""
    async with units() as unit:
        for number in numbers:
            await unit.operations.add(accepted_change(number))
        await unit.commit()


async def test_one_of_sixteen_concurrent_saves_wins(postgres_engine: AsyncEngine) -> None:
    """From the same revision. The history has its line alone."""
    units = PostgresUnitsOfWork(postgres_engine)
    await add(units, 1)
    operation = accepted_change(1).operation
    barrier = asyncio.Barrier(TASKS)

    async def save(number: int) -> str:
        async with units() as unit:
            await unit.operations.get(operation.id)
            await barrier.wait()
            try:
                await unit.operations.save(note(operation, cause(number)))
            except StaleOperation:
                return "stale"
            await asyncio.sleep(0.01)
            await unit.commit()
            return "won"

    results = await asyncio.gather(*(save(number) for number in range(TASKS)))
    assert Counter(results) == {"won": 1, "stale": TASKS - 1}
    history = await PostgresQueries(postgres_engine)("t").transitions(operation.id)
    assert [line.sequence for line in history] == [1, 2]


async def test_concurrent_reports_cancellations_and_observations_end_each_operation_once(
    postgres_engine: AsyncEngine,
) -> None:
    """With a legal history without gaps (P2, P6)."""
    units = PostgresUnitsOfWork(postgres_engine)
    numbers = range(1, 9)
    await add(units, *numbers)
    source = random.Random(7)

    def report(kind: ReportKind) -> Report:
        return Report(kind, at(2), result=kind.value)

    def decide(operation: Operation, choice: int) -> Change | None:
        if operation.done:
            return None
        if choice == 0:
            return request_cancel(operation, reason="enough", force=False, cause=cause(3))
        if choice == 1:
            observation = Observation(ExecutionState.COMPLETED, at(4), result="observed")
            return reconcile(operation, observation, at(4), ReconcilePolicy()).change
        kind = ReportKind.STARTED if choice == 2 else ReportKind.COMPLETED
        return apply_report(operation, report(kind), Finality.WORKFLOW, at(4))

    async def change(number: int, choice: int) -> None:
        await optimistic_update(units, UUID(int=number), lambda operation: decide(operation, choice))

    calls = [(number, choice) for number in numbers for choice in (0, 1, 2, 2, 3)]
    source.shuffle(calls)
    await asyncio.gather(*(change(*call) for call in calls))

    queries = PostgresQueries(postgres_engine)("t")
    for number in numbers:
        operation = await queries.get(UUID(int=number))
        history = await queries.transitions(UUID(int=number))
        assert operation is not None
        assert operation.done
        assert [line.sequence for line in history] == list(range(1, operation.history_length + 1))
        assert [line.from_status for line in history[1:]] == [line.to_status for line in history[:-1]]
        assert sum(line.to_status.done for line in history) == 1
        assert history[-1].to_status is operation.status


async def test_eight_dispatchers_claim_each_operation_once(postgres_engine: AsyncEngine) -> None:
    """Of 300, and none is left."""
    units = PostgresUnitsOfWork(postgres_engine)
    await add(units, *range(1, 301))
    claimed: list[int] = []

    async def dispatcher() -> None:
        while True:
            async with units() as unit:
                batch = await unit.operations.claim_due_dispatches(at(1), LEASE, 7)
                await unit.commit()
            if not batch:
                return
            claimed.extend(operation.id.int for operation in batch)

    await asyncio.gather(*(dispatcher() for _ in range(8)))
    assert sorted(claimed) == list(range(1, 301))


async def test_of_sixteen_concurrent_advances_the_latest_moment_stays(postgres_engine: AsyncEngine) -> None:
    """From no watermark. None of them fails."""
    units = PostgresUnitsOfWork(postgres_engine)
    barrier = asyncio.Barrier(TASKS)

    async def advance(number: int) -> None:
        async with units() as unit:
            await unit.watermarks.get()
            await barrier.wait()
            await unit.watermarks.advance(at(number * 7 % TASKS))
            await unit.commit()

    await asyncio.gather(*(advance(number) for number in range(TASKS)))
    async with units() as unit:
        assert await unit.watermarks.get() == at(TASKS - 1)


async def test_a_claim_skips_a_locked_row(postgres_engine: AsyncEngine) -> None:
    """It takes the others."""
    units = PostgresUnitsOfWork(postgres_engine)
    await add(units, 1, 2, 3)
    async with units() as changing, units() as claiming:
        await changing.operations.save(note(accepted_change(1).operation, cause(2)))
        taken = await claiming.operations.claim_due_dispatches(at(1), LEASE, 10)
        assert [operation.id.int for operation in taken] == [2, 3]


async def test_a_claim_rechecks_a_row_after_locking_it(postgres_engine: AsyncEngine) -> None:
    """A row that was dispatched meanwhile is not claimed again."""
    units = PostgresUnitsOfWork(postgres_engine)
    await add(units, *range(1, 40))
    seen: Counter[int] = Counter()

    async def dispatcher() -> None:
        for _ in range(20):
            async with units() as unit:
                for operation in await unit.operations.claim_due_dispatches(at(1), timedelta(), 3):
                    seen[operation.dispatch.attempts] += 1
                await unit.commit()

    await asyncio.gather(*(dispatcher() for _ in range(6)))
    async with postgres_engine.connect() as connection:
        sums = "SELECT sum(dispatch_attempts), sum(revision - 1), sum(version - 1) FROM opledger.operations"
        attempts, revisions, versions = (await connection.execute(text(sums))).one()
    assert (attempts, versions) == (revisions, 0)
    assert attempts == sum(seen.values())


async def test_units_run_at_read_committed(postgres_engine: AsyncEngine) -> None:
    """Whatever the server's default is: compare-and-set needs it to wait and read again."""
    async with postgres_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await connection.scalar(text("SHOW transaction_isolation")) == "read committed"


async def test_request_that_waited_for_a_newer_lease_does_not_take_it(postgres_engine: AsyncEngine) -> None:
    """The waiting request computed its own end first, so that the newer lease ends after it."""
    units = PostgresUnitsOfWork(postgres_engine)

    async def acquire(lasts: timedelta) -> Lease | None:
        async with units() as unit:
            lease = await unit.leases.acquire("work", lasts)
            await unit.commit()
        return lease

    await acquire(timedelta())
    async with units() as holder:
        await holder.leases.extend("work", timedelta())
        waiting = asyncio.create_task(acquire(LEASE))
        await eventually(lambda: blocked(postgres_engine))
        await holder.leases.extend("work", LEASE)
        await holder.commit()
    assert await waiting is None


async def blocked(engine: AsyncEngine) -> bool:
    """Whether a transaction waits for a lock."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


async def add_done(units: PostgresUnitsOfWork, keys: Mapping[str, int]) -> dict[str, Operation]:
    """Stores operations that are done, each with its idempotency key."""
    made = {}
    async with units() as unit:
        await unit.idempotency_keys.claim_all([key_record(key, number) for key, number in keys.items()], at(0))
        for key, number in keys.items():
            accepted = accepted_change(number)
            began = start(accepted.operation, cause(1))
            change = accepted.then(began).then(complete(began.operation, None, cause(2)))
            await unit.operations.add(change)
            made[key] = change.operation
        await unit.commit()
    return made


def key_record(key: str, number: int) -> IdempotencyRecord:
    """The claim of a request that makes this operation."""
    return IdempotencyRecord("t", key, bytes(32), UUID(int=number), at(1000))


@pytest.mark.parametrize("keys", [{"a": 1, "b": 2}, {"a": 2, "b": 1}])
async def test_a_purge_and_a_repeated_batch_do_not_deadlock(
    postgres_engine: AsyncEngine, keys: Mapping[str, int]
) -> None:
    """The batch locks its keys in their order, and the deletion of their operations takes none that is locked."""
    units = PostgresUnitsOfWork(postgres_engine)
    rows = await add_done(units, keys)

    async def purge() -> set[UUID]:
        async with units() as unit:
            deleted = await unit.operations.delete_all({row.id: row.revision for row in rows.values()})
            await unit.commit()
        return deleted

    async with units() as batch:
        first = await batch.idempotency_keys.claim_all([key_record("a", 3)], at(5))
        purging = asyncio.create_task(purge())
        await eventually(lambda: _done_or_blocked(purging, postgres_engine))
        second = await batch.idempotency_keys.claim_all([key_record("b", 4)], at(5))
        assert [holder.operation_id for holder in (*first, *second)] == [rows["a"].id, UUID(int=4)]
    assert await purging == {rows["b"].id}


async def test_a_deletion_and_a_retry_under_the_same_key_do_not_deadlock(postgres_engine: AsyncEngine) -> None:
    """Both lock the key before the operation."""
    units = PostgresUnitsOfWork(postgres_engine)
    row = (await add_done(units, {"a": 1}))["a"]

    async def delete() -> None:
        async with units() as unit:
            await unit.operations.delete(row)
            await unit.commit()

    async with units() as retry:
        await retry.idempotency_keys.claim_all([key_record("a", 3)], at(5))
        deleting = asyncio.create_task(delete())
        await eventually(lambda: _done_or_blocked(deleting, postgres_engine))
        await retry.operations.save(retried(row, UUID(int=3), cause(5)))
        await retry.commit()
    with pytest.raises(StaleOperation):
        await deleting


async def _done_or_blocked(task: asyncio.Task[Any], engine: AsyncEngine) -> bool:
    return task.done() or await blocked(engine)
