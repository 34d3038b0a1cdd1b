"""Outcome reports of a tracked workflow, for every kind of end."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker

from opledger import ReportedError, UpdateKind
from tests.support.eventually import eventually
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.workflows import (
    AlwaysFails,
    Broken,
    ContinuesAsNew,
    Echo,
    EchoLater,
    FailsInActivity,
    FailsInChild,
    FailsPlainly,
    Fixed,
    InActivity,
    Inexpressible,
    InnerCancel,
    Sleeper,
    Stubborn,
    ThirdTimeLucky,
    Tidy,
    Unreturnable,
    Unusual,
)

STARTED, COMPLETED, FAILED, CANCELED = (
    UpdateKind.STARTED,
    UpdateKind.COMPLETED,
    UpdateKind.FAILED,
    UpdateKind.CANCELED,
)


def retries(attempts: int = 0, *, never: Sequence[str] = ()) -> RetryPolicy:
    """A workflow retry policy with short intervals."""
    return RetryPolicy(
        initial_interval=timedelta(milliseconds=10), maximum_attempts=attempts, non_retryable_error_types=never
    )


async def test_plain_exception_is_not_reported_as_failed(start: Starter, ledger: RecordingLedger) -> None:
    """A plain exception fails the workflow task, not the workflow, which continues after the code is fixed."""
    queue = f"fixable-{uuid4()}"
    async with Worker(start.client, task_queue=queue, workflows=[Broken]):
        handle = await start("Fixable", queue=queue)
        await start.until_event(handle, "workflow_task_failed")
    assert ledger.received(handle.id) == []
    async with Worker(start.client, task_queue=queue, workflows=[Fixed]):
        assert await handle.result() == "fixed"
    assert ledger.kinds(handle.id) == [COMPLETED]
    assert ledger.outcome(handle.id).result == "fixed"


@pytest.mark.parametrize("workflow", [Sleeper, InActivity, Tidy])
async def test_cancellation_is_reported_as_canceled(
    start: Starter, ledger: RecordingLedger, queue: str, workflow: Any
) -> None:
    """Cancelled during a timer, during an activity, and with clean-up work: CANCELED, never FAILED."""
    handle = await start(workflow.run, queue=queue)
    await eventually(lambda: ledger.kinds(handle.id) == [STARTED])
    if workflow is InActivity:
        await start.until_event(handle, "activity_task_scheduled")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert ledger.ends(handle.id) == [CANCELED]


async def test_cancellation_before_the_first_task_is_reported_as_canceled(
    start: Starter, ledger: RecordingLedger
) -> None:
    """A workflow that was cancelled before a worker picked it up closes and reports as canceled."""
    queue = f"late-{uuid4()}"
    handle = await start(Sleeper.run, queue=queue)
    await handle.cancel()
    async with Worker(start.client, task_queue=queue, workflows=[Sleeper]):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert ledger.outcome(handle.id).kind == CANCELED


async def test_swallowed_cancellation_is_reported_as_completed(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """A workflow that ignores its cancellation and returns has completed."""
    handle = await start(Stubborn.run, queue=queue)
    await eventually(lambda: ledger.kinds(handle.id) == [STARTED])
    await handle.cancel()
    assert await handle.result() == "done anyway"
    assert ledger.outcome(handle.id).kind == COMPLETED


async def test_cancellation_of_an_inner_task_is_a_failure(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """A cancellation without a request from outside closes the workflow as failed, and is reported as FAILED."""
    handle = await start(InnerCancel.run, queue=queue)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await handle.describe()).status == WorkflowExecutionStatus.FAILED
    update = ledger.outcome(handle.id)
    assert update.kind == FAILED
    assert update.error == ReportedError("CancelledError", type="CancelledError")


async def test_cancellation_during_the_outcome_report_is_too_late(start: Starter, ledger: RecordingLedger) -> None:
    """The body has returned, so the cancellation has no effect."""
    operation_id = str(uuid4())
    released = ledger.hold(operation_id, COMPLETED)
    handle = await start(EchoLater.run, "kept", id=operation_id)
    await eventually(lambda: COMPLETED in ledger.received(operation_id))
    await handle.cancel()
    await start.until_event(handle, "workflow_execution_cancel_requested")
    await asyncio.sleep(0.2)
    released.set()
    assert await handle.result() == "kept"
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED
    assert ledger.ends(operation_id) == [COMPLETED]


async def test_continue_as_new_is_neither_failure_nor_completion(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """Only the last run of a chain reports an outcome."""
    handle = await start(ContinuesAsNew.run, 3, queue=queue)
    assert await handle.result() == "counted down"
    assert ledger.ends(handle.id) == [COMPLETED]


async def test_failed_attempts_say_that_another_may_follow(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """With a workflow retry policy every attempt reports its failure; only the last report is final."""
    handle = await start(ThirdTimeLucky.run, queue=queue, retry_policy=retries(5))
    assert await handle.result() == 3
    ends = [(u.kind, u.attempt, u.may_retry) for u in ledger.updates(handle.id) if u.kind != STARTED]
    assert ends == [(FAILED, 1, True), (FAILED, 2, True), (COMPLETED, 3, False)]


@pytest.mark.parametrize(
    ("policy", "non_retryable", "expected"),
    [
        (None, False, [False]),
        (retries(2), False, [True, False]),
        (retries(), True, [False]),
        (retries(never=["NoUse"]), False, [False]),
    ],
    ids=["no policy", "attempts used up", "error says no", "policy says no"],
)
async def test_report_of_the_last_failure_says_that_no_retry_follows(
    start: Starter, ledger: RecordingLedger, policy: RetryPolicy | None, non_retryable: bool, expected: list[bool]
) -> None:
    """`may_retry` is false exactly if the server starts no other attempt."""
    handle = await start(AlwaysFails.run, non_retryable, retry_policy=policy)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert [update.may_retry for update in ledger.updates(handle.id)] == expected


async def test_a_failed_activity_is_retried_whatever_its_cause_says(start: Starter, ledger: RecordingLedger) -> None:
    """The server checks only the outermost failure: a non-retryable cause inside does not end the retries."""
    policy = retries(2)
    handle = await start(FailsInActivity.run, "refuse", retry_policy=policy)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    ends = [(u.attempt, u.may_retry) for u in ledger.updates(handle.id) if u.kind == FAILED]
    assert ends == [(1, True), (2, False)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        False,
        0,
        0.0,
        "",
        [],
        {},
        [None],
        [0, [], {}],
        True,
        -7,
        2**70,
        0.1,
        1e300,
        "ü\u0000\n\U0001f600",
        {"a": {"b": [1]}},
    ],
    ids=repr,
)
async def test_every_json_result_is_kept_exactly(start: Starter, ledger: RecordingLedger, value: Any) -> None:
    """Falsy results are kept, and a result need not be an object."""
    handle = await start(Echo.run, value)
    assert await handle.result() == value
    update = ledger.outcome(handle.id)
    assert (update.kind, update.result_omitted) == (COMPLETED, False)
    assert update.result == value
    assert type(update.result) is type(value)


@pytest.mark.parametrize("kind", ["bytes", "nan", "half a surrogate pair", "large"])
async def test_result_that_cannot_be_reported_is_omitted(start: Starter, ledger: RecordingLedger, kind: str) -> None:
    """A result that is not JSON, or too large: the workflow completes with it, and the ledger fetches it from
    Temporal."""
    handle = await start(Unusual.run, kind)
    await handle.result()
    update = ledger.outcome(handle.id)
    assert (update.kind, update.result, update.result_omitted) == (COMPLETED, None, True)


async def test_large_result_that_fits_is_kept(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """A result below the limit is reported completely."""
    handle = await start(Unusual.run, "fits", queue=queue)
    assert ledger_result(ledger, handle.id, await handle.result())


def ledger_result(ledger: RecordingLedger, operation_id: str, result: Any) -> bool:
    """Whether exactly this result was recorded."""
    update = ledger.outcome(operation_id)
    return bool(update.result == result) and not update.result_omitted


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        ("fail_deeply", ReportedError("disk 7 is full", type="ConnectionError")),
        (
            "refuse",
            ReportedError("quota exceeded", "QuotaExceeded", True, [{"quota": 3}, "eu-1"]),
        ),
    ],
)
async def test_error_of_an_activity_is_its_root_cause(
    start: Starter, ledger: RecordingLedger, queue: str, activity: str, expected: ReportedError
) -> None:
    """Not "Activity task failed", but the failure in the activity, with type and details."""
    handle = await start(FailsInActivity.run, activity, queue=queue)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert ledger.outcome(handle.id).error == expected


async def test_error_of_a_child_is_its_root_cause_and_the_child_is_not_tracked(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """The root cause is inside child and activity. A child belongs to its parent's operation, even with a UUID as
    id."""
    child_id = str(uuid4())
    handle = await start(FailsInChild.run, child_id, queue=queue)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert ledger.outcome(handle.id).error == ReportedError("disk 7 is full", type="ConnectionError")
    assert ledger.received(child_id) == []


async def test_exception_declared_as_failure_is_reported(start: Starter, ledger: RecordingLedger) -> None:
    """A plain exception that the workflow declares as a failure closes it, and is reported."""
    handle = await start(FailsPlainly.run)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert ledger.outcome(handle.id).error == ReportedError("'no such zone'", type="KeyError")


async def test_failure_with_details_that_cannot_be_encoded_is_reported(start: Starter, ledger: RecordingLedger) -> None:
    """temporalio closes the workflow without the details, and the report has none either."""
    handle = await start(Inexpressible.run)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert ledger.outcome(handle.id).error == ReportedError("cannot be sent", type="ApplicationError")


async def test_result_that_cannot_be_encoded_is_not_reported(start: Starter, ledger: RecordingLedger) -> None:
    """temporalio fails the workflow task, which is retried: the workflow has not completed."""
    handle = await start(Unreturnable.run)
    await start.until_event(handle, "workflow_task_failed")
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    assert ledger.received(handle.id) == []
    await handle.terminate()


async def test_every_attempt_to_report_names_workflow_time(start: Starter, ledger: RecordingLedger) -> None:
    """`occurred_at` is workflow time with a time zone, so a repeated report is identical."""
    handle = await start(EchoLater.run, 1)
    await handle.result()
    assert all(update.occurred_at.endswith("+00:00") for update in ledger.updates(handle.id))
