"""Bodies of responses and of exported lines, and their conversion from the domain."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from application.ports.storage.operation_view import JsonText, OperationView
from domain.json_value import JsonValue
from domain.operation.attention import Attention, AttentionKind
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import MISSING, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.origin import Origin
from domain.operation.report import Progress, Step, StepState
from domain.operation.status import OperationStatus
from domain.operation.transition import Source, Transition

NO_CHILDREN: Final[Mapping[OperationStatus, int]] = {}


class ErrorBody(Struct, frozen=True):
    """Why an operation failed."""

    code: ErrorCode
    message: str
    details: dict[str, Any]


class StepBody(Struct, frozen=True):
    """A step that the workflow reported. The end of the operation ends the running ones, as COMPLETED or FAILED."""

    name: str
    state: StepState
    started_at: datetime
    finished_at: Annotated[datetime, Meta(description="Null while the step is RUNNING")] | None
    fraction: Annotated[float, Meta(description="0.0 to 1.0")] | None
    message: str | None


class ProgressBody(Struct, frozen=True):
    """The progress that the workflow reported."""

    fraction: Annotated[float, Meta(description="0.0 to 1.0; 1.0 once the operation is COMPLETED")] | None
    message: str | None
    steps: Annotated[list[StepBody], Meta(description="In the order of their start; at most 100")]


class CancelRequestBody(Struct, frozen=True):
    """A cancellation request. `delivered_at` is null until the worker has delivered it to Temporal."""

    at: datetime
    by: str | None
    reason: str | None
    force: bool
    delivered_at: datetime | None


class AttentionBody(Struct, frozen=True):
    """Why an operation needs attention, for example because it makes no progress."""

    kind: AttentionKind
    since: datetime
    message: str


class ExecutionBody(Struct, frozen=True):
    """The workflow of an operation. By default, `workflow_id` is the id of the operation."""

    workflow_id: str
    origin: Origin
    first_run_id: (
        Annotated[
            str,
            Meta(
                description="First run of the workflow chain. Present only in the answer to a recording that names an "
                "open operation, and only if the ledger knows it: compare it with the run that your start has joined"
            ),
        ]
        | UnsetType
    ) = UNSET


class OperationBody(Struct, frozen=True, kw_only=True, rename={"cancel_request": "cancel_requested"}):
    """An operation. `input` is absent if the submission had none; null is an input of null."""

    id: UUID
    type: str
    status: OperationStatus
    done: bool
    input: Any | UnsetType = UNSET
    labels: dict[str, str]
    result: Annotated[
        Any, Meta(description="Result of a completed operation. A workflow that returns nothing has null")
    ]
    error: ErrorBody | None
    progress: ProgressBody | None
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    cancel_request: CancelRequestBody | None
    attention: AttentionBody | None
    execution: ExecutionBody
    retry_of: Annotated[UUID | None, Meta(description="The operation that this one retries. It may have been deleted")]
    retried_by: Annotated[UUID | None, Meta(description="The operation that retries this one")]
    keep: Annotated[bool, Meta(description="Whether retention spares the operation")]
    start_at: Annotated[
        datetime | None, Meta(description="The workflow is not started before this time. Null: it is started at once")
    ]
    parent_id: Annotated[
        UUID | None,
        Meta(
            description="The parent: the operation whose workflow started this one, or that the submission named. It "
            "may have been deleted"
        ),
    ]
    children: (
        Annotated[
            dict[OperationStatus, Annotated[int, Meta(ge=1)]],
            Meta(
                description="Number of children by status. Present only where one operation is read, and only if it "
                "has children. The version does not change with it, the entity tag does"
            ),
        ]
        | UnsetType
    ) = UNSET
    version: Annotated[int, Meta(ge=1)]


class PageBody(Struct, frozen=True):
    """A page of operations. `next_page_token` is null on the last page."""

    items: list[OperationBody]
    next_page_token: str | None


class TransitionBody(Struct, frozen=True, rename={"from_status": "from", "to_status": "to"}):
    """A line of the history. If `from` equals `to`, the status did not change."""

    sequence: Annotated[int, Meta(ge=1)]
    from_status: OperationStatus | None
    to_status: OperationStatus
    source: Source
    reason: str
    actor: str | None
    at: datetime
    details: dict[str, Any]


class HistoryBody(Struct, frozen=True):
    """The complete history, oldest first."""

    items: list[TransitionBody]


class ExportedBody(Struct, frozen=True):
    """An operation that is exported before its deletion. Its last version, and the complete history."""

    tenant: str
    operation: OperationBody
    transitions: list[TransitionBody]


def json_bytes(content: Any) -> bytes:
    """The content as JSON. Text that UTF-8 cannot encode, such as half a surrogate pair, is escaped."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(content, enc_hook=_parsed)).encode()


def _parsed(raw: Any) -> Any:
    """The value of a msgspec.Raw."""
    return json.loads(bytes(raw))


def exported_line(operation: Operation, history: Sequence[Transition]) -> bytes:
    """The line of an exported operation."""
    lines = [transition_body(line) for line in history]
    return json_bytes(ExportedBody(operation.tenant, operation_body(operation), lines)) + b"\n"


def operation_body(operation: OperationView, children: Mapping[OperationStatus, int] = NO_CHILDREN) -> OperationBody:
    """The response body of an operation; with its children, if it was read alone."""
    return OperationBody(
        id=operation.id,
        type=operation.type,
        status=operation.status,
        done=operation.done,
        input=UNSET if operation.input is MISSING else _json(operation.input),
        labels=dict(operation.labels),
        result=_json(operation.result),
        error=_error(operation.error),
        progress=_progress(operation.progress),
        accepted_at=utc(operation.accepted_at),
        started_at=_utc_or_none(operation.started_at),
        finished_at=_utc_or_none(operation.finished_at),
        updated_at=utc(operation.updated_at),
        cancel_request=_cancel_request(operation.cancel_request),
        attention=_attention(operation.attention),
        execution=ExecutionBody(operation.workflow_id, operation.origin),
        retry_of=operation.retry_of,
        retried_by=operation.retried_by,
        keep=operation.keep,
        start_at=_utc_or_none(operation.start_at),
        parent_id=operation.parent_id,
        children=dict(children) if children else UNSET,
        version=operation.version,
    )


def transition_body(line: Transition) -> TransitionBody:
    """The response body of a line of the history."""
    return TransitionBody(
        sequence=line.sequence,
        from_status=line.from_status,
        to_status=line.to_status,
        source=line.source,
        reason=line.reason,
        actor=line.actor,
        at=utc(line.at),
        details=dict(line.details),
    )


def _error(error: OperationError | None) -> ErrorBody | None:
    return None if error is None else ErrorBody(error.code, error.message, dict(error.details))


def _progress(progress: Progress | None) -> ProgressBody | None:
    if progress is None:
        return None
    return ProgressBody(progress.fraction, progress.message, [_step(step) for step in progress.steps])


def _step(step: Step) -> StepBody:
    finished_at = _utc_or_none(step.finished_at)
    return StepBody(step.name, step.state, utc(step.started_at), finished_at, step.fraction, step.message)


def _cancel_request(request: CancelRequest | None) -> CancelRequestBody | None:
    if request is None:
        return None
    delivered_at = _utc_or_none(request.delivered_at)
    return CancelRequestBody(utc(request.at), request.by, request.reason, request.force, delivered_at)


def _attention(attention: Attention | None) -> AttentionBody | None:
    return None if attention is None else AttentionBody(attention.kind, utc(attention.since), attention.message)


def _json(value: "JsonValue | JsonText") -> "JsonValue | Raw":
    return Raw(value.text) if isinstance(value, JsonText) else value


def utc(time: datetime) -> datetime:
    """The time in UTC, as all bodies have it."""
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _utc_or_none(time: datetime | None) -> datetime | None:
    return None if time is None else utc(time)
