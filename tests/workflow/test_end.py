"""P7: a tracked workflow loses no signal or update before its close, and waits only for its outcome report."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from opledger import OutcomeReports, UpdateKind
from tests.workflow import ending
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.sending import Send, send_until_closed, signal, update
from tests.workflow.workflows import ACTIVITIES, EchoLater, FailsInActivity, Sleeper, Talkative

ALWAYS, WHEN_SAFE, NEVER = OutcomeReports.ALWAYS, OutcomeReports.WHEN_SAFE, OutcomeReports.NEVER
ENOUGH = 20
GENEROUS = 60
"""Timeout in seconds, for a busy machine."""


@pytest.mark.parametrize("send", [signal, update])
@pytest.mark.parametrize("rule", [WHEN_SAFE, NEVER])
async def test_everything_accepted_before_the_close_is_processed(
    start: Starter, queue: str, send: Send, rule: OutcomeReports
) -> None:
    """The ledger answers, and clients keep sending while the workflow ends."""
    for _ in range(3):
        handle = await start(ending.TrackedQueue.run, ENOUGH, queue=queue, rule=rule)
        accepted = await send_until_closed(handle, send)
        assert sorted(await handle.result()) == sorted(accepted)


@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_is_lost_while_the_ledgers_worker_does_not_run(start: Starter, send: Send) -> None:
    """No worker picks up the reports. The workflow closes at once, and has processed every accepted item."""
    for rule in (WHEN_SAFE, NEVER):
        handle = await start(ending.UnheardQueue.run, ENOUGH, rule=rule)
        async with asyncio.timeout(GENEROUS):
            accepted = await send_until_closed(handle, send)
            assert sorted(await handle.result()) == sorted(accepted)


@pytest.mark.parametrize("behaviour", ["held", "hanging", "failing"])
@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_is_lost_while_the_start_is_being_reported(
    start: Starter, ledger: RecordingLedger, queue: str, send: Send, behaviour: str
) -> None:
    """The body ends while the start report is pending: the close does not wait, and no workflow task fails."""
    operation_id = str(uuid4())
    if behaviour == "held":
        ledger.hold(operation_id, UpdateKind.STARTED)
    else:
        getattr(ledger, behaviour).add(operation_id)
    handle = await start(ending.TrackedQueue.run, ENOUGH, queue=queue, id=operation_id)
    async with asyncio.timeout(GENEROUS):
        accepted = await send_until_closed(handle, send)
        assert sorted(await handle.result()) == sorted(accepted)
    assert await start.task_failures(handle) == []
    assert ledger.kinds(operation_id) == []


async def test_pending_start_report_does_not_hold_a_close_without_outcome(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """Whether the reports are local or ordinary activities."""
    operation_id = str(uuid4())
    ledger.hold(operation_id, UpdateKind.STARTED)
    handle = await start(EchoLater.run, "done", queue=queue, id=operation_id, rule=NEVER)
    async with asyncio.timeout(GENEROUS):
        assert await handle.result() == "done"
    assert await start.task_failures(handle) == []


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
    """For every kind of handler, inherited ones included."""
    handle = await start(workflow.run, queue=queue)
    await handle.result()
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize("kind", ["signal", "dynamic signal", "update", "dynamic update"])
async def test_handler_set_at_run_time_counts(start: Starter, ledger: RecordingLedger, queue: str, kind: str) -> None:
    """The class has no handler; the run has one at its end."""
    handle = await start(ending.SetsHandler.run, kind, False, queue=queue)
    assert await handle.result() == kind
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize("kind", ["signal", "query"])
async def test_workflow_that_nothing_can_reach_reports_its_outcome(
    start: Starter, ledger: RecordingLedger, queue: str, kind: str
) -> None:
    """It has no handler at its end, and had none at its start. A query handler does not count."""
    handle = await start(ending.SetsHandler.run, kind, kind == "signal", queue=queue)
    await handle.result()
    asked = await start(ending.QueryHandler.run, queue=queue)
    await asked.result()
    assert [ledger.ends(one.id) for one in (handle, asked)] == [[UpdateKind.COMPLETED]] * 2


async def test_work_that_the_body_leaves_behind_does_not_go_on(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """Without tracking, tasks end with the body. So they must not run on during a report."""
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
    """The decorator's option comes first, then the ledger's rule. A start without the memo, by an earlier version,
    reports as before."""
    handle = await start(workflow.run, queue=queue, rule=rule)
    await handle.result()
    assert ledger.ends(handle.id) == ([UpdateKind.COMPLETED] if reported else [])


@pytest.mark.parametrize("memo", [{"report_outcome": "by pigeon"}, {}, "x", 3])
async def test_unreadable_memo_means_no_outcome_report(start: Starter, ledger: RecordingLedger, memo: Any) -> None:
    """A newer ledger, or another codec: the workflow runs normally, and the outcome comes from Temporal."""
    handle = await start(EchoLater.run, 1, memo={"opledger": memo})
    assert await handle.result() == 1
    assert ledger.ends(handle.id) == []


async def test_errors_pass_through_unreported_with_a_callback(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """The same failure and the same cancellation as without tracking."""
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
    """Task queue of a worker that replays the workflow at every workflow task."""
    queue = "forgetful-end"
    workflows = [ending.TrackedQueue, Talkative]
    async with Worker(
        temporal_client, task_queue=queue, workflows=workflows, activities=ACTIVITIES, max_cached_workflows=0
    ):
        yield queue


@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_is_lost_by_a_worker_that_replays(start: Starter, forgetful: str, send: Send) -> None:
    """Every replay decides about the outcome report again, with the same result."""
    handle = await start(ending.TrackedQueue.run, ENOUGH, queue=forgetful)
    accepted = await send_until_closed(handle, send)
    assert sorted(await handle.result()) == sorted(accepted)
    assert await start.task_failures(handle) == []
