"""An unavailable, slow or missing ledger never affects a workflow's outcome."""

import asyncio
import logging
from collections import Counter
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from opledger import LEDGER_TASK_QUEUE, UpdateKind
from tests.support.eventually import eventually
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.workflows import (
    Impatient,
    Misplaced,
    Progressing,
    ProgressingForEver,
    Unheard,
)

GENEROUS = 60
"""Timeout in seconds: two for a report, the rest for a busy machine."""


@pytest.mark.parametrize(("behaviour", "outcome"), [("failing", "return"), ("failing", "fail"), ("hanging", "return")])
async def test_workflow_ends_as_it_would_without_the_ledger(
    start: Starter, ledger: RecordingLedger, queue: str, behaviour: str, outcome: str
) -> None:
    """Reports that fail or hang end within their timeout, and the workflow ends with its own result or error."""
    operation_id = str(uuid4())
    getattr(ledger, behaviour).add(operation_id)
    handle = await start(Impatient.run, outcome, id=operation_id, queue=queue)
    async with asyncio.timeout(GENEROUS):
        if outcome == "return":
            assert await handle.result() == "return"
        else:
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()
            assert isinstance(failure.value.cause, ApplicationError)
            assert failure.value.cause.message == "its own failure"
    assert ledger.received(operation_id)
    assert ledger.kinds(operation_id) == []
    if queue == LEDGER_TASK_QUEUE:
        # Only this count ends a local activity that keeps failing.
        assert max(Counter(ledger.received(operation_id)).values()) <= 4
    assert await start.task_problems(handle) == []


async def test_no_worker_on_the_ledgers_queue(start: Starter, caplog: pytest.LogCaptureFixture) -> None:
    """No worker picks up the reports: the workflow completes within their timeouts, and logs the lost reports."""
    with caplog.at_level(logging.WARNING, "temporalio.workflow"):
        handle = await start(Unheard.run)
        async with asyncio.timeout(GENEROUS):
            assert await handle.result() == "nobody heard"
    scheduled = (await start.event_types(handle)).count("activity_task_scheduled_event_attributes")
    assert scheduled <= 4, "started, two of ten progress reports, completed: ten lost reports are not ten time-outs"
    assert "the report 'completed' did not reach the ledger" in caplog.text


async def test_ledger_that_recovers_gets_the_outcome(start: Starter, ledger: RecordingLedger) -> None:
    """A report is retried within its timeout, so a short outage of the ledger loses nothing."""
    operation_id = str(uuid4())
    ledger.failing.add(operation_id)
    handle = await start(Impatient.run, "return", id=operation_id)
    await eventually(lambda: UpdateKind.COMPLETED in ledger.received(operation_id))
    ledger.failing.discard(operation_id)
    assert await handle.result() == "return"
    assert ledger.outcome(operation_id).kind == UpdateKind.COMPLETED


async def test_worker_on_the_ledgers_queue_without_the_activity(start: Starter) -> None:
    """The missing activity does not affect the workflow."""
    queue = "ledger-without-activity"
    async with Worker(start.client, task_queue=queue, workflows=[Misplaced]):
        handle = await start(Misplaced.run, queue=queue)
        async with asyncio.timeout(GENEROUS):
            assert await handle.result() == "done"


async def test_progress_values_are_corrected_or_ignored(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """Fractions are clamped, values that are not numbers are ignored, and long or invalid text is corrected, without
    errors."""
    handle = await start(Progressing.run, queue=queue)
    assert await handle.result() == "progressed"
    seen = [update.progress for update in ledger.updates(handle.id) if update.progress is not None]
    assert [progress.fraction for progress in seen] == [0.25, None, 1.0, 0.0]
    assert [progress.message for progress in seen] == ["a quarter", "half?" + "x" * 995, None, None]


async def test_cancellation_in_a_progress_report_reaches_the_body(start: Starter, ledger: RecordingLedger) -> None:
    """Cancelling the workflow ends the wait for a progress report, like any other wait."""
    operation_id = str(uuid4())
    ledger.hanging.add(operation_id)
    handle = await start(ProgressingForEver.run, id=operation_id)
    await eventually(lambda: UpdateKind.PROGRESS in ledger.received(operation_id))
    ledger.hanging.discard(operation_id)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert ledger.outcome(operation_id).kind == UpdateKind.CANCELED


async def test_pending_started_report_does_not_hold_the_close(start: Starter, ledger: RecordingLedger) -> None:
    """In the ledger's worker a STARTED report that hangs is cancelled when the body ends, so no workflow task times
    out."""
    operation_id = str(uuid4())
    ledger.hold(operation_id, UpdateKind.STARTED)
    handle = await start(Progressing.run, id=operation_id, queue=LEDGER_TASK_QUEUE)
    async with asyncio.timeout(GENEROUS):
        assert await handle.result() == "progressed"
    assert await start.task_problems(handle) == []
    assert UpdateKind.STARTED not in ledger.kinds(operation_id)
    # Four progress reports, one outcome report, and the cancelled STARTED report.
    assert (await start.event_types(handle)).count("marker_recorded_event_attributes") == 6
    assert ledger.outcome(operation_id).kind == UpdateKind.COMPLETED
