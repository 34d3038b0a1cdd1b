"""Many at once on real connections: one wins, nothing is doubled, nothing is lost."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.batching.optimistic_update import change_operation
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
    """Store new operations."""
    async with units() as unit:
        for number in numbers:
            await unit.operations.add(accepted_change(number))
        await unit.commit()


async def test_one_compare_and_set_wins(postgres_engine: AsyncEngine) -> None:
    """Of sixteen that save from the same version exactly one gets through, and the history has its line alone."""
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


async def test_reports_cancels_and_observations_at_once(postgres_engine: AsyncEngine) -> None:
    """Whatever comes in at once, each operation ends once and its history is gap-free and legal (P2, P6)."""
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
        await change_operation(units, UUID(int=number), lambda operation: decide(operation, choice))

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


async def test_claims_are_never_doubled(postgres_engine: AsyncEngine) -> None:
    """Eight dispatchers empty a queue of 300: each operation is claimed once, and none is left."""
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


async def test_the_watermark_of_many(postgres_engine: AsyncEngine) -> None:
    """Of sixteen that advance it at once, from none at all, none fails, and the latest moment stays."""
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


async def test_a_claim_passes_over_a_row_that_is_being_changed(postgres_engine: AsyncEngine) -> None:
    """A claimant does not wait for a unit that holds one row: it takes the others."""
    units = PostgresUnitsOfWork(postgres_engine)
    await add(units, 1, 2, 3)
    async with units() as changing, units() as claiming:
        await changing.operations.save(note(accepted_change(1).operation, cause(2)))
        taken = await claiming.operations.claim_due_dispatches(at(1), LEASE, 10)
        assert [operation.id.int for operation in taken] == [2, 3]


async def test_a_claim_sees_what_was_committed_while_it_ran(postgres_engine: AsyncEngine) -> None:
    """A row that was claimed and dispatched between the look and the lock is not claimed again."""
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


async def test_units_at_isolation_read_committed(postgres_engine: AsyncEngine) -> None:
    """Whatever the server's default is: the waiting and re-reading that compare-and-set relies on is that level's."""
    async with postgres_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await connection.scalar(text("SHOW transaction_isolation")) == "read committed"
