"""P7: nothing that reaches a tracked workflow before its close is lost, and it waits for needed reports alone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.worker import Worker

from opledger import OutcomeReports, UpdateKind
from tests.workflow import ending
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.workflows import ACTIVITIES, EchoLater, FailsInActivity, Sleeper, Talkative

ALWAYS, WHEN_SAFE, NEVER = OutcomeReports.ALWAYS, OutcomeReports.WHEN_SAFE, OutcomeReports.NEVER
ENOUGH = 20
SENDERS = 3
GENEROUS = 30
"""Seconds: for a busy machine."""
Send = Callable[[WorkflowHandle[Any, Any], int], Awaitable[Any]]


async def signal(handle: WorkflowHandle[Any, Any], item: int) -> None:
    await handle.signal("add", item)


async def update(handle: WorkflowHandle[Any, Any], item: int) -> None:
    await handle.execute_update("put", item)


async def send_until_closed(handle: WorkflowHandle[Any, Any], send: Send) -> list[int]:
    """Send items from several clients until the server takes no more; the items that it accepted.

    Each client waits longer before each item: as long as signals arrive during every workflow task, the server refuses
    every close.
    """
    numbers = itertools.count()
    accepted = []

    async def one_client() -> None:
        pause = 0.02
        while True:
            item = next(numbers)
            try:
                await send(handle, item)
            except (RPCError, WorkflowUpdateFailedError):
                return  # the workflow is closed
            accepted.append(item)
            await asyncio.sleep(pause)
            pause *= 1.2

    await asyncio.gather(*(one_client() for _ in range(SENDERS)))
    return accepted


@pytest.mark.parametrize("send", [signal, update])
@pytest.mark.parametrize("rule", [WHEN_SAFE, NEVER])
async def test_everything_accepted_before_the_close_is_processed(
    start: Starter, queue: str, send: Send, rule: OutcomeReports
) -> None:
    """Where the ledger answers, and clients go on sending while the workflow ends."""
    for _ in range(3):
        handle = await start(ending.TrackedQueue.run, ENOUGH, queue=queue, rule=rule)
        accepted = await send_until_closed(handle, send)
        assert sorted(await handle.result()) == sorted(accepted)


@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_is_lost_while_the_ledgers_worker_does_not_run(start: Starter, send: Send) -> None:
    """No report is taken. The workflow closes at once, with everything that was accepted."""
    for rule in (WHEN_SAFE, NEVER):
        handle = await start(ending.UnheardQueue.run, ENOUGH, rule=rule)
        async with asyncio.timeout(GENEROUS):
            accepted = await send_until_closed(handle, send)
            assert sorted(await handle.result()) == sorted(accepted)


@pytest.mark.parametrize("trouble", ["held", "hanging", "failing"])
@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_is_lost_while_the_start_is_being_reported(
    start: Starter, ledger: RecordingLedger, queue: str, send: Send, trouble: str
) -> None:
    """The body ends while the report of its start is under way: the close waits for nothing, and no task fails."""
    operation_id = str(uuid4())
    if trouble == "held":
        ledger.hold(operation_id, UpdateKind.STARTED)
    else:
        getattr(ledger, trouble).add(operation_id)
    handle = await start(ending.TrackedQueue.run, ENOUGH, queue=queue, id=operation_id)
    async with asyncio.timeout(GENEROUS):
        accepted = await send_until_closed(handle, send)
        assert sorted(await handle.result()) == sorted(accepted)
    assert await start.task_trouble(handle) == []
    assert ledger.kinds(operation_id) == []


async def test_pending_start_report_does_not_hold_a_close_without_outcome(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """Neither where the reports are local activities nor where they are ordinary ones."""
    operation_id = str(uuid4())
    ledger.hold(operation_id, UpdateKind.STARTED)
    handle = await start(EchoLater.run, "done", queue=queue, id=operation_id, rule=NEVER)
    async with asyncio.timeout(GENEROUS):
        assert await handle.result() == "done"
    assert await start.task_trouble(handle) == []


CLASSES: list[type] = [
    ending.SignalHandler,
    ending.DynamicSignalHandler,
    ending.UpdateHandler,
    ending.DynamicUpdateHandler,
    ending.InheritedHandler,
]


@pytest.mark.parametrize("workflow", CLASSES)
async def test_workflow_with_handlers_does_not_report_its_outcome(
    start: Starter, ledger: RecordingLedger, queue: str, workflow: Any
) -> None:
    """Whatever kind of handler it is, and from wherever it comes."""
    handle = await start(workflow.run, queue=queue)
    await handle.result()
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize("kind", ["signal", "dynamic signal", "update", "dynamic update"])
async def test_handler_set_at_run_time_counts(start: Starter, ledger: RecordingLedger, queue: str, kind: str) -> None:
    """The class has none; the run has one when it ends."""
    handle = await start(ending.SetsHandler.run, kind, False, queue=queue)
    assert await handle.result() == kind
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize("kind", ["signal", "query"])
async def test_workflow_that_nothing_can_reach_reports_its_outcome(
    start: Starter, ledger: RecordingLedger, queue: str, kind: str
) -> None:
    """It has no handler when it ends, and had none when it began; a query changes nothing."""
    handle = await start(ending.SetsHandler.run, kind, kind == "signal", queue=queue)
    await handle.result()
    asked = await start(ending.QueryHandler.run, queue=queue)
    await asked.result()
    assert [ledger.ends(one.id) for one in (handle, asked)] == [[UpdateKind.COMPLETED]] * 2


async def test_work_that_the_body_leaves_behind_does_not_go_on(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """Untracked, tasks end with the body. So they must not get the time of a report."""
    handle = await start(ending.LeavesWorkBehind.run, queue=queue)
    async with asyncio.timeout(GENEROUS):
        await handle.result()
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize(
    ("workflow", "rule", "reported"),
    [
        (ending.QueryHandler, WHEN_SAFE, True),
        (ending.QueryHandler, NEVER, False),
        (ending.QueryHandler, ALWAYS, True),
        (ending.UpdateHandler, ALWAYS, True),
        (ending.QueryHandler, None, True),
        (ending.UpdateHandler, None, True),
        (ending.Insists, WHEN_SAFE, True),
        (ending.Insists, NEVER, True),
        (ending.Abstains, WHEN_SAFE, False),
        (ending.Abstains, ALWAYS, False),
        (ending.Abstains, None, False),
    ],
)
async def test_memo_and_option_decide_whether_the_outcome_is_reported(
    start: Starter, ledger: RecordingLedger, queue: str, workflow: Any, rule: OutcomeReports | None, reported: bool
) -> None:
    """The option of the decorator comes first, then the ledger's rule. A start without the memo is one of an earlier
    version, and does what it did."""
    handle = await start(workflow.run, queue=queue, rule=rule)
    await handle.result()
    assert ledger.ends(handle.id) == ([UpdateKind.COMPLETED] if reported else [])


@pytest.mark.parametrize("memo", [{"report_outcome": "by pigeon"}, {}, "x", 3])
async def test_memo_that_cannot_be_understood_is_no_reason_to_wait(
    start: Starter, ledger: RecordingLedger, memo: Any
) -> None:
    """A newer ledger, or another codec: the workflow runs as ever, and Temporal tells how it ended."""
    handle = await start(EchoLater.run, 1, memo={"opledger": memo})
    assert await handle.result() == 1
    assert ledger.ends(handle.id) == []


async def test_errors_pass_through_unreported_where_the_engine_calls_back(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """A failure and a cancellation are what they are untracked."""
    failing = await start(FailsInActivity.run, "refuse", queue=queue, rule=NEVER)
    sleeping = await start(Sleeper.run, queue=queue, rule=NEVER)
    await sleeping.cancel()
    causes = []
    for handle in (failing, sleeping):
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        causes.append(type(failure.value.cause).__name__)
        assert ledger.ends(handle.id) == []
    assert causes == ["ActivityError", "CancelledError"]


@pytest.fixture(scope="module")
async def forgetful(temporal_client: Client, ledger: RecordingLedger) -> AsyncIterator[str]:
    """The queue of a worker that replays the workflow at every task."""
    queue = "forgetful-end"
    workflows = [ending.TrackedQueue, Talkative]
    async with Worker(
        temporal_client, task_queue=queue, workflows=workflows, activities=ACTIVITIES, max_cached_workflows=0
    ):
        yield queue


@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_is_lost_by_a_worker_that_replays(start: Starter, forgetful: str, send: Send) -> None:
    """The end is decided anew in every replay, and always the same."""
    handle = await start(ending.TrackedQueue.run, ENOUGH, queue=forgetful)
    accepted = await send_until_closed(handle, send)
    assert sorted(await handle.result()) == sorted(accepted)
    assert await start.task_trouble(handle) == []
