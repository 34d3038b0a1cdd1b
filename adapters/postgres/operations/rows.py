"""Operations and history lines to rows and back, field by field."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row

from adapters.postgres.operations.json_text import dump, load
from adapters.postgres.operations.report_json import report_from_json, report_to_json
from adapters.postgres.schema.tables import operations
from domain.errors import InvalidInput
from domain.evidence.summary import Standing
from domain.json_value import clean_text
from domain.operation.attention import Attention, AttentionKind
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import MISSING, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress
from domain.operation.status import OperationStatus
from domain.operation.transition import Source, Transition
from domain.scheduling.schedule import Dispatch, FollowUp, Verification

Values = dict[str, Any]
_COLUMNS: tuple[str, ...] = tuple(operations.columns.keys())
_named: Callable[[Iterable[Any]], Any] = cast(Any, namedtuple("Columns", _COLUMNS))._make
"""An attribute of SQLAlchemy's Row costs ten times as much as one of a named tuple, and there are dozens."""


def to_row(operation: Operation) -> Values:
    """Every column. Raises InvalidInput: a tenant, type or label that PostgreSQL's text refuses."""
    return {
        "id": operation.id,
        "tenant": name(operation.tenant),
        "type": name(operation.type),
        "input": None if operation.input is MISSING else dump(operation.input),
        "labels": dump({name(key): name(value) for key, value in operation.labels.items()}),
        "accepted_at": operation.accepted_at,
        "trace_context": dump(dict(operation.trace)) if operation.trace else None,
        "version": operation.version,
        "revision": operation.revision,
        "history_length": operation.history_length,
        **changing_columns(operation),
    }


def changing_columns(operation: Operation) -> Values:
    """What a change may change, but for what counts: a large input is left where it lies."""
    return {
        "status": operation.status.value,
        "result": dump(operation.result) if operation.status is OperationStatus.COMPLETED else None,
        **_error_columns(operation.error),
        "progress": _progress_column(operation.progress),
        "started_at": operation.started_at,
        "finished_at": operation.finished_at,
        "updated_at": operation.updated_at,
        **_cancel_columns(operation.cancel_request),
        **_attention_columns(operation.attention),
        "reported": None if operation.reported is None else dump(report_to_json(operation.reported)),
        "dispatch_due_at": operation.dispatch.due_at,
        "dispatch_attempts": operation.dispatch.attempts,
        "dispatched_at": operation.dispatch.done_at,
        "calls_back": operation.dispatch.calls_back,
        "follow_up_due_at": operation.follow_up.due_at,
        "follow_up_attempts": operation.follow_up.attempts,
        "verified_at": operation.verification.verified_at,
        "verify_due_at": operation.verification.due_at,
        "first_run_id": operation.first_run_id,
    }


def from_row(found: Row[Any]) -> Operation:
    """The operation, of a row that begins with every column of the table in its order."""
    row = _named(found[: len(_COLUMNS)])
    return Operation(
        id=standard_uuid(row.id),
        tenant=row.tenant,
        type=row.type,
        input=MISSING if row.input is None else load(row.input),
        accepted_at=row.accepted_at,
        updated_at=row.updated_at,
        dispatch=Dispatch(row.dispatch_due_at, row.dispatch_attempts, row.dispatched_at, row.calls_back),
        labels=cast(Mapping[str, str], load(row.labels)),
        status=OperationStatus(row.status),
        result=None if row.result is None else load(row.result),
        error=_error(row),
        progress=None if row.progress is None else Progress(**cast(Values, load(row.progress))),
        started_at=row.started_at,
        finished_at=row.finished_at,
        cancel_request=_cancel_request(row),
        attention=_attention(row),
        reported=None if row.reported is None else report_from_json(load(row.reported)),
        follow_up=FollowUp(row.follow_up_due_at, row.follow_up_attempts),
        verification=Verification(row.verified_at, row.verify_due_at),
        first_run_id=row.first_run_id,
        trace={} if row.trace_context is None else cast(Mapping[str, str], load(row.trace_context)),
        version=row.version,
        revision=row.revision,
        history_length=row.history_length,
    )


def standing_from_row(row: Row[Any]) -> Standing:
    """The operation in short."""
    return Standing(
        id=standard_uuid(row.id),
        status=OperationStatus(row.status),
        error_code=None if row.error_code is None else ErrorCode(row.error_code),
        attention=None if row.attention_kind is None else AttentionKind(row.attention_kind),
        first_run_id=row.first_run_id,
    )


def transition_to_row(operation_id: UUID, line: Transition) -> Values:
    """Every column."""
    return {
        "operation_id": operation_id,
        "sequence": line.sequence,
        "from_status": None if line.from_status is None else line.from_status.value,
        "to_status": line.to_status.value,
        "source": line.source.value,
        "reason": cleaned(line.reason),
        "at": line.at,
        "actor": cleaned(line.actor),
        "details": dump(dict(line.details)),
    }


def transition_from_row(row: Row[Any]) -> Transition:
    """The history line."""
    return Transition(
        sequence=row.sequence,
        from_status=None if row.from_status is None else OperationStatus(row.from_status),
        to_status=OperationStatus(row.to_status),
        source=Source(row.source),
        reason=row.reason,
        at=cast(datetime, row.at),
        actor=row.actor,
        details=cast(Values, load(row.details)),
    )


def standard_uuid(value: UUID) -> UUID:
    """The standard library's: asyncpg has a class of its own, which encoders do not know."""
    return UUID(int=value.int)


def name(text: str) -> str:
    """A text that identifies something, as it is. Raises InvalidInput: PostgreSQL's `text` cannot hold it."""
    if not storable(text):
        raise InvalidInput(f"{text!r} has a NUL or half a surrogate pair in it")
    return text


def text_size(values: Iterable[object]) -> int:
    """Characters of texts, and of JSON, which is one until somebody reads it; all the rest is small."""
    return sum(len(value) for value in values if isinstance(value, str))


def storable(text: str) -> bool:
    """Whether PostgreSQL's `text` can hold it."""
    return clean_text(text, limit=len(text)) == text


def cleaned(text: str | None) -> str | None:
    """A text for people, without what PostgreSQL's `text` refuses: losing a message's NUL beats losing the message."""
    return None if text is None else clean_text(text)


def _error_columns(error: OperationError | None) -> Values:
    return {
        "error_code": error and error.code.value,
        "error_message": error and cleaned(error.message),
        "error_details": error and dump(dict(error.details)),
    }


def _error(row: Any) -> OperationError | None:
    if row.error_code is None:
        return None
    return OperationError(ErrorCode(row.error_code), row.error_message, cast(Values, load(row.error_details)))


def _progress_column(progress: Progress | None) -> str | None:
    if progress is None:
        return None
    return dump({"fraction": progress.fraction, "message": cleaned(progress.message)})


def _cancel_columns(request: CancelRequest | None) -> Values:
    return {
        "cancel_requested_at": request and request.at,
        "cancel_requested_by": request and cleaned(request.by),
        "cancel_reason": request and cleaned(request.reason),
        "cancel_forced": request and request.force,
        "cancel_delivered_at": request and request.delivered_at,
    }


def _cancel_request(row: Any) -> CancelRequest | None:
    if row.cancel_requested_at is None:
        return None
    return CancelRequest(
        at=row.cancel_requested_at,
        by=row.cancel_requested_by,
        reason=row.cancel_reason,
        force=row.cancel_forced,
        delivered_at=row.cancel_delivered_at,
    )


def _attention_columns(attention: Attention | None) -> Values:
    return {
        "attention_kind": attention and attention.kind.value,
        "attention_since": attention and attention.since,
        "attention_message": attention and cleaned(attention.message),
    }


def _attention(row: Any) -> Attention | None:
    if row.attention_kind is None:
        return None
    return Attention(AttentionKind(row.attention_kind), row.attention_since, row.attention_message)
