"""PurgeOperations: deletes operations that finished long ago, a limited number per step, and no unfinished ones."""

from datetime import timedelta
from typing import cast

import pytest

from application.batching.step_result import StepResult
from application.operate.purge_operations import LEASE, LEASE_NAME, MIN_RETENTION, RetainOperations
from application.submit.submission import KEY_LIFETIME, Submission
from domain.evidence.finality import Finality
from domain.operation.report import ReportKind
from domain.retention import Retention
from tests.support.ledger.in_memory import FakeLedger

MONTH = timedelta(days=30)


async def test_operations_are_deleted_at_the_end_of_the_retention() -> None:
    """Counted from the operation's end, to the microsecond; a limited number per step."""
    ledger = FakeLedger(Finality.WORKFLOW)
    retain = RetainOperations(ledger.units, ledger.clock, Retention(MONTH), ledger.metrics)
    ids = [await ledger.submit(number) for number in range(5)]
    await ledger.dispatch(9)
    ledger.pass_time(days=100)
    for operation_id in ids:
        await ledger.report(operation_id, ReportKind.COMPLETED, result=1)
    ledger.clock.advance(MONTH)
    assert await retain.step(9) == StepResult(0)
    assert len(ledger.rows()) == 5
    ledger.clock.advance(timedelta(microseconds=1))
    assert [await retain.step(3) for _ in range(3)] == [StepResult(3), StepResult(2), StepResult(0)]
    assert not ledger.rows()
    assert ledger.metrics.purges == 5


async def test_unfinished_operations_are_never_deleted() -> None:
    """Accepted, dispatched and running ones are unchanged after a year."""
    ledger = FakeLedger(Finality.WORKFLOW)
    running, waiting = await ledger.submit(), await ledger.submit()
    await ledger.dispatch(1)
    await ledger.report(running, ReportKind.STARTED)
    before = ledger.rows()
    assert waiting in before
    ledger.pass_time(days=365)
    retain = RetainOperations(ledger.units, ledger.clock, Retention(MIN_RETENTION), ledger.metrics)
    assert await retain.step(9) == StepResult(0)
    assert ledger.rows() == before


async def test_a_key_expires_before_its_operation_is_deleted() -> None:
    """Hazard 6: at the shortest retention, however soon the operation finished."""
    ledger = FakeLedger(Finality.WORKFLOW)
    request = Submission("default", "work", 1, idempotency_key="k")
    operation = (await ledger.submitter.submit(request)).operation
    await ledger.dispatch(1)
    await ledger.report(operation.id, ReportKind.COMPLETED)
    ledger.clock.advance(KEY_LIFETIME - timedelta(microseconds=1))
    retain = RetainOperations(ledger.units, ledger.clock, Retention(MIN_RETENTION), ledger.metrics)
    assert await retain.step(9) == StepResult(0)
    assert (await ledger.submitter.submit(request)).replayed


async def test_one_worker_at_a_time_deletes() -> None:
    """Another takes over when the lease of a worker that was killed expires."""
    ledger = FakeLedger(Finality.WORKFLOW)
    operation_id = await ledger.submit()
    await ledger.dispatch(1)
    await ledger.report(operation_id, ReportKind.COMPLETED)
    ledger.pass_time(days=2)
    retain = RetainOperations(ledger.units, ledger.clock, Retention(MIN_RETENTION), ledger.metrics)
    async with ledger.units() as killed:
        await killed.leases.acquire(LEASE_NAME, LEASE)
        await killed.commit()
    assert await retain.step(9) == StepResult(0)
    assert ledger.rows()
    ledger.clock.advance(LEASE)
    assert await retain.step(9) == StepResult(1)
    assert not ledger.rows()


async def test_a_failed_step_leaves_the_lease_to_the_next() -> None:
    """It need not wait for the lease to expire."""
    ledger = FakeLedger(Finality.WORKFLOW)
    retain = RetainOperations(ledger.units, ledger.clock, Retention(MIN_RETENTION), ledger.metrics)
    with pytest.raises(TypeError):
        await retain.step(cast(int, "nine"))
    assert await retain.step(9) == StepResult(0)
    async with ledger.units() as unit:
        assert await unit.leases.acquire(LEASE_NAME, LEASE) is not None
