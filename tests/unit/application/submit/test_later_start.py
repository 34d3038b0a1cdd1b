"""Operations that start later: by a time or a delay."""

from datetime import timedelta

import pytest

from application.submit.submission import Submission
from domain.errors import IdempotencyKeyReused, InvalidInput
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.scheduling.start_time import StartTime
from tests.support.ledger.in_memory import FakeLedger

HOUR = timedelta(hours=1)


async def test_the_workflow_starts_at_its_time_and_not_before() -> None:
    """Until then the operation is ACCEPTED, with the time."""
    ledger = FakeLedger()
    operation_id = await ledger.submit(start=StartTime(delay=HOUR))
    row = ledger.row(operation_id)
    assert (row.status, row.start_at) == (OperationStatus.ACCEPTED, ledger.clock.now() + HOUR)
    ledger.clock.advance(HOUR - timedelta(seconds=1))
    await ledger.dispatch(10)
    assert ledger.world.starts == []
    ledger.clock.advance(timedelta(seconds=1))
    await ledger.dispatch(10)
    assert len(ledger.world.starts) == 1
    assert ledger.metrics.dispatch_lags == [timedelta()]


async def test_a_waiting_operation_is_cancelled_at_once() -> None:
    """Its workflow never starts."""
    ledger = FakeLedger()
    operation_id = await ledger.submit(start=StartTime(delay=HOUR))
    await ledger.cancel(operation_id)
    row = ledger.row(operation_id)
    assert row.error is not None
    assert row.error.code is ErrorCode.CANCELED
    ledger.clock.advance(2 * HOUR)
    await ledger.dispatch(10)
    assert ledger.world.starts == []


async def test_a_repeat_returns_the_first_time() -> None:
    """A delay is part of the request; it is not counted again. Another delay is another request."""
    ledger = FakeLedger()
    submission = Submission("default", "work", idempotency_key="k", start=StartTime(delay=HOUR))
    first = await ledger.submitter.submit(submission)
    ledger.clock.advance(timedelta(minutes=1))
    again = await ledger.submitter.submit(submission)
    assert again.replayed
    assert again.operation == first.operation
    with pytest.raises(IdempotencyKeyReused):
        await ledger.submitter.submit(Submission("default", "work", idempotency_key="k"))


async def test_a_start_in_a_century_is_refused() -> None:
    """The error lists every other violation too."""
    ledger = FakeLedger()
    start = StartTime(delay=timedelta(days=36_500))
    with pytest.raises(InvalidInput) as refused:
        await ledger.submit(labels={"not a key": "x"}, start=start)
    assert {violation.pointer for violation in refused.value.violations} == {"/labels/not a key", "/delay"}
