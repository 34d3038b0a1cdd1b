"""A worker can evict a tracked workflow from its cache at any time; the workflow continues from its history."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from opledger import UpdateKind
from tests.support.eventually import eventually
from tests.workflow.conftest import HEARTBEATS, Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.workflows import (
    ACTIVITIES,
    ContinuesAsNew,
    EchoLater,
    FailsInActivity,
    InActivity,
    Progressing,
    Sleeper,
    Stubborn,
    Tidy,
)

STARTED, COMPLETED, FAILED, CANCELED = (
    UpdateKind.STARTED,
    UpdateKind.COMPLETED,
    UpdateKind.FAILED,
    UpdateKind.CANCELED,
)
FORGETFUL_QUEUE = "forgetful"


@pytest.fixture(scope="module")
async def forgetful(temporal_client: Client, ledger: RecordingLedger) -> AsyncIterator[str]:
    """Task queue of a worker without a cache: every workflow task starts with a replay and ends with an eviction."""
    async with Worker(
        temporal_client,
        task_queue=FORGETFUL_QUEUE,
        workflows=[ContinuesAsNew, EchoLater, FailsInActivity, InActivity, Progressing, Sleeper, Stubborn, Tidy],
        activities=ACTIVITIES,
        max_cached_workflows=0,
        max_heartbeat_throttle_interval=HEARTBEATS,
    ):
        yield FORGETFUL_QUEUE


@pytest.fixture(autouse=True)
async def no_errors_logged(caplog: pytest.LogCaptureFixture, start: Starter) -> AsyncIterator[None]:
    """The SDK logs an error for an eviction with unfinished tasks, and asyncio for a task that ends with an exception.
    Errors about workflows of other tests do not count: their workers run in this process too."""
    gc.collect()  # logs the tasks that other tests have left
    with caplog.at_level(logging.WARNING):
        yield
    names = await start.names()
    bad = [
        record.getMessage()
        for record in caplog.records
        if (record.levelno >= logging.ERROR or "Failed activation" in record.getMessage())
        and (record.name.startswith(("asyncio", "opledger")) or any(name in record.getMessage() for name in names))
    ]
    assert bad == []


async def test_outcomes_survive_eviction(start: Starter, ledger: RecordingLedger, forgetful: str) -> None:
    """Evicted after every task, each workflow ends normally and sends each report once."""
    echo = await start(EchoLater.run, {"a": 0}, queue=forgetful)
    progressing = await start(Progressing.run, queue=forgetful)
    failing = await start(FailsInActivity.run, "refuse", queue=forgetful)
    continuing = await start(ContinuesAsNew.run, 1, queue=forgetful)
    assert await echo.result() == {"a": 0}
    assert await progressing.result() == "progressed"
    with pytest.raises(WorkflowFailureError):
        await failing.result()
    assert await continuing.result() == "counted down"
    assert ledger.ends(echo.id) == [COMPLETED]
    assert ledger.kinds(progressing.id).count(UpdateKind.PROGRESS) == 4
    assert ledger.outcome(failing.id).kind == FAILED
    assert ledger.outcome(continuing.id).kind == COMPLETED


@pytest.mark.parametrize("workflow", [Sleeper, InActivity, Tidy, Stubborn])
async def test_cancellation_survives_eviction(
    start: Starter, ledger: RecordingLedger, forgetful: str, workflow: type
) -> None:
    """An eviction cancels every task of the workflow, like a real cancellation. The SDK distinguishes the two."""
    handle = await start(workflow.run, queue=forgetful)  # type: ignore[attr-defined]
    await eventually(lambda: ledger.kinds(handle.id) == [STARTED])
    await asyncio.sleep(0.3)
    assert set(ledger.received(handle.id)) == {STARTED}, "an eviction was reported"
    await handle.cancel()
    if workflow is Stubborn:
        assert await handle.result() == "done anyway"
        assert ledger.ends(handle.id) == [COMPLETED]
    else:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert ledger.ends(handle.id) == [CANCELED]


async def test_eviction_while_the_outcome_is_being_reported(
    start: Starter, ledger: RecordingLedger, forgetful: str
) -> None:
    """Evicted and cancelled while it waits for its outcome report: the outcome stands, and is reported once."""
    operation_id = str(uuid4())
    released = ledger.hold(operation_id, COMPLETED)
    handle = await start(EchoLater.run, "kept", id=operation_id, queue=forgetful)
    await eventually(lambda: COMPLETED in ledger.received(operation_id))
    await handle.cancel()
    await start.until_event(handle, "workflow_execution_cancel_requested")
    await asyncio.sleep(0.3)
    released.set()
    assert await handle.result() == "kept"
    assert ledger.ends(operation_id) == [COMPLETED]
