"""Retention: what has been done for long goes, so many a step; what is not done stays for ever."""

from datetime import timedelta

from application.batching.claim_loop import ClaimResult
from application.operate.purge_operations import MIN_RETENTION, RetainOperations
from application.submit.submission import KEY_LIFETIME, Submission
from domain.evidence.finality import Finality
from domain.operation.report import ReportKind
from tests.support.ledger import FakeLedger

MONTH = timedelta(days=30)


async def test_keeps_for_so_long_and_no_longer() -> None:
    """By the end of the operation, to the microsecond, and so many a step."""
    ledger = FakeLedger(Finality.WORKFLOW)
    retain = RetainOperations(ledger.units, ledger.clock, MONTH, ledger.metrics)
    ids = [await ledger.submit(number) for number in range(5)]
    await ledger.dispatch(9)
    ledger.pass_time(days=100)
    for operation_id in ids:
        await ledger.report(operation_id, ReportKind.COMPLETED, result=1)
    ledger.clock.advance(MONTH)
    assert await retain.step(9) == ClaimResult(0)
    assert len(ledger.rows()) == 5
    ledger.clock.advance(timedelta(microseconds=1))
    assert [await retain.step(3) for _ in range(3)] == [ClaimResult(3), ClaimResult(2), ClaimResult(0)]
    assert not ledger.rows()
    assert ledger.metrics.purges == 5


async def test_never_touches_what_is_not_done() -> None:
    """Accepted, dispatched, running: a year later all are there, as they were."""
    ledger = FakeLedger(Finality.WORKFLOW)
    running, waiting = await ledger.submit(), await ledger.submit()
    await ledger.dispatch(1)
    await ledger.report(running, ReportKind.STARTED)
    before = ledger.rows()
    assert waiting in before
    ledger.pass_time(days=365)
    retain = RetainOperations(ledger.units, ledger.clock, MIN_RETENTION, ledger.metrics)
    assert await retain.step(9) == ClaimResult(0)
    assert ledger.rows() == before


async def test_a_key_outlives_no_operation_and_dies_with_none() -> None:
    """Hazard 6: at the shortest retention a key has expired before its operation goes, however soon that was done."""
    ledger = FakeLedger(Finality.WORKFLOW)
    request = Submission("default", "work", 1, idempotency_key="k")
    operation = (await ledger.submitter.submit(request)).operation
    await ledger.dispatch(1)
    await ledger.report(operation.id, ReportKind.COMPLETED)
    ledger.clock.advance(KEY_LIFETIME - timedelta(microseconds=1))
    retain = RetainOperations(ledger.units, ledger.clock, MIN_RETENTION, ledger.metrics)
    assert await retain.step(9) == ClaimResult(0)
    assert (await ledger.submitter.submit(request)).replayed
