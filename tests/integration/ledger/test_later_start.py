"""Later starts on the real servers."""

from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from application.submit.submission import Submission
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.scheduling.start_time import StartTime
from tests.support.ledger.real import TENANT, real_ledger

HOUR = timedelta(hours=1)


async def test_a_workflow_starts_after_its_delay(temporal_client: Client, database_url: str) -> None:
    """Never before. An operation that waits is cancelled without a start."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        submit = ledger.api.submit()
        soon = Submission(TENANT, "Echo-team", {"n": 1}, start=StartTime(delay=timedelta(seconds=1)))
        later = Submission(TENANT, "Echo-team", {"n": 2}, start=StartTime(delay=HOUR))
        first, second = (await submit.submit(soon)).operation, (await submit.submit(later)).operation
        row = await ledger.done(first.id)
        assert row.status is OperationStatus.COMPLETED
        assert row.started_at is not None
        assert row.start_at is not None
        assert row.started_at >= row.start_at == row.accepted_at + timedelta(seconds=1)
        waiting = await ledger.row(second.id)
        assert (waiting.status, waiting.dispatch.attempts) == (OperationStatus.ACCEPTED, 0)
        await ledger.api.cancel().cancel(TENANT, second.id, reason="no need", force=False)
        cancelled = await ledger.row(second.id)
        assert cancelled.error is not None
        assert cancelled.error.code is ErrorCode.CANCELED


async def test_a_worker_whose_clock_is_ahead_starts_nothing_early(temporal_client: Client, database_url: str) -> None:
    """The database's clock decides."""
    async with real_ledger(temporal_client, database_url) as ledger:
        submission = Submission(TENANT, "Echo-team", start=StartTime(delay=HOUR))
        operation_id = (await ledger.api.submit().submit(submission)).operation.id
        async with ledger.adapters.units()() as unit:
            ahead = datetime.now(UTC) + 2 * HOUR
            assert await unit.operations.claim_due_dispatches(ahead, timedelta(seconds=30), 10) == []
        row = await ledger.row(operation_id)
        assert row.dispatch.attempts == 0
