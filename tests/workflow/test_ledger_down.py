"""A ledger that is down, slow or absent never decides what becomes of a workflow."""

import asyncio
import logging
from collections import Counter
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from opledger import LEDGER_TASK_QUEUE, UpdateKind
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger, eventually
from tests.workflow.workflows import (
    Impatient,
    Misplaced,
    Progressing,
    ProgressingForEver,
    Unheard,
)

GENEROUS = 60
"""Seconds: a report is bounded at two, the rest is for a busy machine."""


@pytest.mark.parametrize(("trouble", "outcome"), [("failing", "return"), ("failing", "fail"), ("hanging", "return")])
async def test_workflow_ends_as_it_would_without_the_ledger(
    start: Starter, ledger: RecordingLedger, queue: str, trouble: str, outcome: str
) -> None:
    """Reports that fail or hang for ever end within their time-out, and the workflow with its own result or error."""
    operation_id = str(uuid4())
    getattr(ledger, trouble).add(operation_id)
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
        # Nothing but this count ends a local activity that keeps failing.
        assert max(Counter(ledger.received(operation_id)).values()) <= 4
    assert await start.task_trouble(handle) == []


async def test_no_worker_on_the_ledgers_queue(start: Starter, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody ever takes the reports: the workflow completes after bounded time, and the loss is logged."""
    with caplog.at_level(logging.WARNING, "temporalio.workflow"):
        handle = await start(Unheard.run)
        async with asyncio.timeout(GENEROUS):
            assert await handle.result() == "nobody heard"
    scheduled = (await start.event_types(handle)).count("activity_task_scheduled_event_attributes")
    assert scheduled <= 4, "started, two of ten progress reports, completed: ten lost reports are not ten time-outs"
    assert "the report 'completed' did not reach the ledger" in caplog.text


async def test_ledger_that_recovers_gets_the_outcome(start: Starter, ledger: RecordingLedger) -> None:
    """A report is tried again within its time: a short failure of the ledger loses nothing."""
    operation_id = str(uuid4())
    ledger.failing.add(operation_id)
    handle = await start(Impatient.run, "return", id=operation_id)
    await eventually(lambda: UpdateKind.COMPLETED in ledger.received(operation_id))
    ledger.failing.discard(operation_id)
    assert await handle.result() == "return"
    assert ledger.outcome(operation_id).kind == UpdateKind.COMPLETED


async def test_worker_on_the_ledgers_queue_without_the_activity(start: Starter) -> None:
    """A worker that should have the activity and has not: the workflow does not notice."""
    queue = "ledger-without-activity"
    async with Worker(start.client, task_queue=queue, workflows=[Misplaced]):
        handle = await start(Misplaced.run, queue=queue)
        async with asyncio.timeout(GENEROUS):
            assert await handle.result() == "done"


async def test_progress_is_recorded_as_far_as_it_makes_sense(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """Fractions are clamped, what is no number is dropped, long or broken text is cut and mended, nothing is raised."""
    handle = await start(Progressing.run, queue=queue)
    assert await handle.result() == "progressed"
    seen = [update.progress for update in ledger.updates(handle.id) if update.progress is not None]
    assert [progress.fraction for progress in seen] == [0.25, None, 1.0, 0.0]
    assert [progress.message for progress in seen] == ["a quarter", "half?" + "x" * 995, None, None]


async def test_cancellation_in_a_progress_report_reaches_the_body(start: Starter, ledger: RecordingLedger) -> None:
    """A progress report is like any other wait: cancelling the workflow ends it."""
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
    """In the ledger's own worker a STARTED report that hangs is given up when the body ends: no task times out."""
    operation_id = str(uuid4())
    ledger.hold(operation_id, UpdateKind.STARTED)
    handle = await start(Progressing.run, id=operation_id, queue=LEDGER_TASK_QUEUE)
    async with asyncio.timeout(GENEROUS):
        assert await handle.result() == "progressed"
    assert await start.task_trouble(handle) == []
    assert UpdateKind.STARTED not in ledger.kinds(operation_id)
    # Four of progress, one of the outcome, and one that says that STARTED was given up before the close.
    assert (await start.event_types(handle)).count("marker_recorded_event_attributes") == 6
    assert ledger.outcome(operation_id).kind == UpdateKind.COMPLETED
