"""Arguments that the ledger's activities cannot read, sent by a real workflow: refused at once and for good."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from application.ports.engine.workflow_engine import EngineUnavailable
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Step, StepState
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.worker.raw_arguments import INVALID_ARGUMENT
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import UPDATE_ACTIVITY
from tests.support.ledger.real import RealLedger, real_ledger
from tests.support.postgres.server import own_database
from tests.support.temporal.ledger_workflows import LEDGER_QUEUE, TEAM_QUEUE
from tests.support.temporal.raw_calls import CallsActivity, Sent

JSON = "json/plain"
ID = "019a0000-0000-7000-8000-000000000001"
STARTED = f'{{"operation_id": "{ID}", "kind": "started", "occurred_at": "2026-01-01T00:00:00Z"}}'


@pytest.fixture(scope="module")
async def ledger(temporal_client: Client, postgres_server: EmbeddedPostgres) -> AsyncIterator[RealLedger]:
    """A ledger with both workers."""
    async with (
        own_database(postgres_server, "ledger_raw_reports") as url,
        real_ledger(temporal_client, url) as ledger,
        ledger.working(workflows=[CallsActivity]),
    ):
        yield ledger


async def called(
    ledger: RealLedger, name: str, sent: Sent, *, local: bool = False, operation_id: UUID | None = None
) -> WorkflowHandle[CallsActivity, str]:
    """A workflow that calls the activity: any, or that of the operation."""
    queue = LEDGER_QUEUE if local else TEAM_QUEUE
    arguments = [name, local, sent]
    own = [] if operation_id is None else [SearchAttributePair(OPERATION_UUID, str(operation_id))]
    return await ledger.client.start_workflow(
        CallsActivity.run,
        args=arguments,
        id=str(operation_id or f"calls-{uuid4()}"),
        task_queue=queue,
        search_attributes=TypedSearchAttributes(own),
    )


async def refusal(handle: WorkflowHandle[CallsActivity, str]) -> ApplicationError:
    """Why the activity failed; it was not retried."""
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    error = failed.value.cause
    assert isinstance(error, ActivityError)
    assert error.retry_state is RetryState.NON_RETRYABLE_FAILURE
    assert isinstance(error.cause, ApplicationError)
    assert (error.cause.type, error.cause.non_retryable) == (INVALID_ARGUMENT, True)
    return error.cause


async def attempts(handle: WorkflowHandle[CallsActivity, str]) -> list[int]:
    """Of the activities that were run."""
    events: list[HistoryEvent] = [event async for event in handle.fetch_history_events()]
    started = [event for event in events if event.HasField("activity_task_started_event_attributes")]
    return [event.activity_task_started_event_attributes.attempt for event in started]


UNREADABLE: dict[str, tuple[Sent, str]] = {
    "no argument": ([], "exactly one argument is expected; 0 were sent"),
    "null": ([("binary/null", "")], "it is not an object but None"),
    "two arguments": ([(JSON, STARTED), (JSON, "1")], "exactly one argument is expected; 2 were sent"),
    "two encrypted": ([("binary/encrypted", "x")] * 2, "exactly one argument is expected; 2 were sent"),
    "encrypted": ([("binary/encrypted", "x")], "encoding: json/plain or json/protobuf; it is binary/encrypted"),
    "bytes": ([("binary/plain", "x")], "encoding: json/plain or json/protobuf; it is binary/plain"),
    "no encoding": ([("", STARTED)], "encoding: json/plain or json/protobuf; it is missing"),
    "broken JSON": ([(JSON, "{broken")], "it is not JSON: Expecting property name"),
    "deep": ([(JSON, "[" * 100_000)], "the JSON is nested too deeply"),
    "huge integer": ([(JSON, f'{{"attempt": {"9" * 5000}}}')], "it is not JSON: Exceeds the limit"),
    "wrong kind": ([(JSON, STARTED.replace("started", "STARTED"))], "kind: one of started, progress, completed"),
    "camel case": (
        [(JSON, STARTED.replace("operation_id", "operationId"))],
        "operationId: the field is named operation_id; operation_id: a UUID in its canonical form; it is missing",
    ),
    "time out of range": ([(JSON, STARTED.replace("2026", "0000"))], "occurred_at: a time in RFC 3339"),
    "attempt out of range": (
        [(JSON, STARTED.replace('"kind"', f'"attempt": {10**30}, "kind"'))],
        f"attempt: an integer from 0 to 2147483647; it is {10**30}",
    ),
    "two violations": (
        [(JSON, '{"kind": "failed"}')],
        "operation_id: a UUID in its canonical form; it is missing; occurr",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_unreadable_report_is_refused_at_once(ledger: RealLedger, case: str) -> None:
    """The error names the field and the rule, and the activity is not tried again."""
    sent, words = UNREADABLE[case]
    handle = await called(ledger, UPDATE_ACTIVITY, sent)
    error = await refusal(handle)
    assert error.message.startswith(f"the argument of update_operation_status cannot be read: {words}")
    assert await attempts(handle) == [1]


async def test_unreadable_report_of_a_local_activity_is_refused(ledger: RealLedger) -> None:
    """The same in a worker that listens on the ledger's task queue."""
    handle = await called(ledger, UPDATE_ACTIVITY, [(JSON, '{"kind": "failed"}')], local=True)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    error = failed.value.cause
    assert isinstance(error, ApplicationError)  # the SDK passes it on unwrapped
    assert (error.type, error.non_retryable, list(error.details)) == (INVALID_ARGUMENT, True, [])
    assert "operation_id: a UUID in its canonical form; it is missing; occurred_at: a time in RFC 3339" in error.message


async def test_report_as_other_sdks_send_it_is_recorded(ledger: RealLedger) -> None:
    """Nanoseconds, null for what is not set, an unknown field: on the row."""
    operation_id = await ledger.submit("nobody")
    ledger.engine.break_for("start", operation_id, EngineUnavailable("the reply is lost"))
    await ledger.until(operation_id, lambda row: row.dispatch.attempts > 0)
    report = (
        f'{{"operation_id": "{operation_id}", "kind": "progress", "occurred_at": "2026-01-01T00:00:00.123456789Z", '
        '"attempt": 1.0, "error": null, "progress": {"fraction": 1, "message": null, "unit": "rows", "steps": '
        '[{"name": "copy", "state": null, "fraction": null}]}, "extra": 1}'
    )
    assert (
        await (await called(ledger, UPDATE_ACTIVITY, [(JSON, report)], operation_id=operation_id)).result()
        == "recorded"
    )
    row = await ledger.row(operation_id)
    at = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    copy = Step("copy", StepState.RUNNING, at, at)
    assert (row.status, row.progress) == (OperationStatus.RUNNING, Progress(1.0, None, (copy,), at))


async def test_failure_without_details_as_go_sends_it_is_stored(ledger: RealLedger) -> None:
    """`details` is null where the list is empty."""
    operation_id = await ledger.submit("nobody")
    ledger.engine.break_for("start", operation_id, EngineUnavailable("the reply is lost"))
    await ledger.until(operation_id, lambda row: row.dispatch.attempts > 0)
    report = (
        f'{{"operation_id": "{operation_id}", "kind": "failed", "occurred_at": "2026-01-01T00:00:00Z", '
        '"error": {"message": "no disk", "type": "Disk", "non_retryable": false, "details": null}}'
    )
    handle = await called(ledger, UPDATE_ACTIVITY, [(JSON, report)], operation_id=operation_id)
    assert await handle.result() == "recorded"
    reported = (await ledger.row(operation_id)).reported
    assert reported is not None
    assert reported.error == OperationError(
        ErrorCode.WORKFLOW_FAILED, "no disk", {"non_retryable": False, "type": "Disk"}
    )
