"""Response bodies, and their conversion from the domain."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from application.ports.operation_view import JsonText, OperationView
from domain.json_value import JsonValue
from domain.operation.attention import Attention, AttentionKind
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import MISSING
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress
from domain.operation.status import OperationStatus
from domain.operation.transition import Source, Transition


class ErrorBody(Struct, frozen=True):
    """Why an operation failed."""

    code: ErrorCode
    message: str
    details: dict[str, Any]


class ProgressBody(Struct, frozen=True):
    """The progress that the workflow reported."""

    fraction: Annotated[float, Meta(description="0.0 to 1.0; 1.0 once the operation is COMPLETED")] | None
    message: str | None


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


class CountsBody(Struct, frozen=True):
    """Numbers of operations. Every status is present."""

    by_status: dict[OperationStatus, int]
    by_type: dict[str, dict[OperationStatus, int]]


def operation_body(operation: OperationView) -> OperationBody:
    """The response body of an operation."""
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
        accepted_at=_utc(operation.accepted_at),
        started_at=_utc_or_none(operation.started_at),
        finished_at=_utc_or_none(operation.finished_at),
        updated_at=_utc(operation.updated_at),
        cancel_request=_cancel_request(operation.cancel_request),
        attention=_attention(operation.attention),
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
        at=_utc(line.at),
        details=dict(line.details),
    )


def counts_body(counts: Mapping[tuple[str, OperationStatus], int]) -> CountsBody:
    """The response body of counts by type and status."""
    by_status = dict.fromkeys(OperationStatus, 0)
    by_type = {name: dict.fromkeys(OperationStatus, 0) for name in sorted({name for name, _ in counts})}
    for (name, status), count in counts.items():
        by_status[status] += count
        by_type[name][status] += count
    return CountsBody(by_status, by_type)


def _error(error: OperationError | None) -> ErrorBody | None:
    return None if error is None else ErrorBody(error.code, error.message, dict(error.details))


def _progress(progress: Progress | None) -> ProgressBody | None:
    return None if progress is None else ProgressBody(progress.fraction, progress.message)


def _cancel_request(request: CancelRequest | None) -> CancelRequestBody | None:
    if request is None:
        return None
    delivered_at = _utc_or_none(request.delivered_at)
    return CancelRequestBody(_utc(request.at), request.by, request.reason, request.force, delivered_at)


def _attention(attention: Attention | None) -> AttentionBody | None:
    return None if attention is None else AttentionBody(attention.kind, _utc(attention.since), attention.message)


def _json(value: "JsonValue | JsonText") -> "JsonValue | Raw":
    return Raw(value.text) if isinstance(value, JsonText) else value


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _utc_or_none(time: datetime | None) -> datetime | None:
    return None if time is None else _utc(time)
