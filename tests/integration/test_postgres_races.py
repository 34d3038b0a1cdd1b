"""Concurrent changes on real connections: one wins, nothing is doubled, nothing is lost."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.batching.optimistic_update import optimistic_update
from application.ports.operation_repository import StaleOperation
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.lifecycle import accept, note, request_cancel
from domain.operation.operation import Change, Operation
from domain.operation.report import Report, ReportKind
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
        sums = "SELECT sum(dispatch_attempts), sum(revision - 1), sum(version - 1) FROM operations"
        attempts, revisions, versions = (await connection.execute(text(sums))).one()
    assert (attempts, versions) == (revisions, 0)
    assert attempts == sum(seen.values())


async def test_units_run_at_read_committed(postgres_engine: AsyncEngine) -> None:
    """Whatever the server's default is: compare-and-set needs it to wait and read again."""
    async with postgres_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await connection.scalar(text("SHOW transaction_isolation")) == "read committed"
