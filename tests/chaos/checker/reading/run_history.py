"""Reads one run out of its history: where it belongs, whether it is open, how it closed."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes

from tests.chaos.checker.facts import End, Run

RESETTER = "history-resetter"
"""Who, in Temporal's words, ends a running run of which a reset has made another (measured on 1.32)."""
BY_ITS_CODE = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
)
REFUSED = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
CANCEL_REQUESTED = "workflow_execution_cancel_requested_event_attributes"
TASK_STARTED = "workflow_task_started_event_attributes"
TIMER_FIRED = "timer_fired_event_attributes"
SIGNALED = "workflow_execution_signaled_event_attributes"
UPDATED = "workflow_execution_update_accepted_event_attributes"
CLOSES = {
    "workflow_execution_completed_event_attributes": "COMPLETED",
    "workflow_execution_failed_event_attributes": "WORKFLOW_FAILED",
    "workflow_execution_canceled_event_attributes": "CANCELED",
    "workflow_execution_terminated_event_attributes": "TERMINATED",
    "workflow_execution_timed_out_event_attributes": "TIMED_OUT",
    "workflow_execution_continued_as_new_event_attributes": "CONTINUED_AS_NEW",
}


def read_run(workflow_id: str, run_id: str, events: Sequence[HistoryEvent]) -> Run:
    """The run."""
    started = events[0].workflow_execution_started_event_attributes
    closing = CLOSES.get(events[-1].WhichOneof("attributes") or "")
    return Run(
        workflow_id,
        run_id,
        started.first_execution_run_id or run_id,
        _time(events[0]),
        open=closing is None,
        end=None if closing is None else _end(closing, events),
        links=tuple(_links(events)),
        refused_closes=_failed_tasks(events, REFUSED),
        cancel_requested=CANCEL_REQUESTED in (kinds := [event.WhichOneof("attributes") for event in events]),
        interrupted=next((kind for kind in kinds if kind in (CANCEL_REQUESTED, TIMER_FIRED)), None) == CANCEL_REQUESTED,
        signals=sum(kind == SIGNALED for kind in kinds),
        items=tuple(sorted(_items(events))),
        task_failures=_failed_tasks(events, *BY_ITS_CODE),
        taken=TASK_STARTED in kinds,
        operation_id=_operation_id(started),
        workflow_type=started.workflow_type.name,
        task_queue=started.task_queue.name,
        parent=_parent(started),
        input=_json(started.input.payloads) if started.input.payloads else None,
    )


def _items(events: Sequence[HistoryEvent]) -> Iterator[str]:
    """The texts that came with signals and updates."""
    for event in events:
        payloads: Sequence[Payload] = ()
        if event.WhichOneof("attributes") == SIGNALED:
            payloads = event.workflow_execution_signaled_event_attributes.input.payloads
        elif event.WhichOneof("attributes") == UPDATED:
            payloads = event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args.payloads
        if payloads and isinstance(item := json.loads(_json(payloads)), str):
            yield item


def _operation_id(started: WorkflowExecutionStartedEventAttributes) -> str | None:
    payload = started.search_attributes.indexed_fields.get("OperationUUID")
    found = None if payload is None else json.loads(payload.data or b"null")
    return found[0] if isinstance(found, list) else found


def _parent(started: WorkflowExecutionStartedEventAttributes) -> tuple[str, str] | None:
    parent = started.parent_workflow_execution
    return (parent.workflow_id, parent.run_id) if parent.run_id else None


def _failed_tasks(events: Sequence[HistoryEvent], *causes: int) -> int:
    return sum(
        event.workflow_task_failed_event_attributes.cause in causes
        for event in events
        if event.WhichOneof("attributes") == "workflow_task_failed_event_attributes"
    )


def _end(kind: str, events: Sequence[HistoryEvent]) -> End | None:
    event = events[-1]
    attributes: Any = getattr(event, event.WhichOneof("attributes") or "")
    if getattr(attributes, "new_execution_run_id", ""):
        return None
    closed_at = _time(event)
    match kind:
        case "COMPLETED":
            return End(kind, closed_at, result=_json(attributes.result.payloads))
        case "WORKFLOW_FAILED":
            return End(kind, closed_at, message=_root_message(attributes.failure))
        case "TERMINATED":
            if attributes.identity == RESETTER:
                return None
            return End(kind, closed_at, reason=attributes.reason or None, actor=attributes.identity or None)
        case "CANCELED":
            reason, actor = _cancel_request(events)
            return End(kind, closed_at, reason=reason, actor=actor)
        case _:
            return End(kind, closed_at)


def _cancel_request(events: Sequence[HistoryEvent]) -> tuple[str | None, str | None]:
    for event in reversed(events):
        if event.WhichOneof("attributes") == CANCEL_REQUESTED:
            request = event.workflow_execution_cancel_requested_event_attributes
            return request.cause or None, request.identity or None
    return None, None


def _links(events: Sequence[HistoryEvent]) -> Iterator[str]:
    """Every other run that the history names: before it, after it, and the one that it was reset from."""
    for event in events:
        attributes: Any = getattr(event, event.WhichOneof("attributes") or "")
        names = ("continued_execution_run_id", "first_execution_run_id", "new_execution_run_id", "base_run_id")
        for name in names:
            if run_id := getattr(attributes, name, ""):
                yield run_id


def _root_message(failure: Failure) -> str:
    while failure.HasField("cause"):
        failure = failure.cause
    return failure.message or failure.application_failure_info.type


def _json(payloads: Sequence[Payload]) -> str:
    if not payloads or payloads[0].metadata.get("encoding") == b"binary/null":
        return "null"
    text = payloads[0].data.decode()
    json.loads(text)
    return text


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)
