"""Operations and history lines as rows, and back."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row

from adapters.postgres.operations.json_text import dump, load
from adapters.postgres.operations.parts import (
    PARTS,
    Values,
    acknowledged_text,
    attention_columns,
    cancel_columns,
    error_columns,
    progress_text,
    read_acknowledged,
    read_attention,
    read_cancel_request,
    read_error,
    read_progress,
)
from adapters.postgres.operations.report_json import report_from_json, report_to_json
from adapters.postgres.operations.text import cleaned, identifier
from adapters.postgres.schema.tables import COUNTED, IDENTITY, operations
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.operation import MISSING, Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from domain.operation.transition import Source, Transition
from domain.scheduling.schedule import Dispatch, FollowUp, Verification

_CONVERTED = (
    *("id", "status", "input", "labels", "result", "progress", "reported", "acknowledged"),
    *("workflow_id", "origin", "parent_id", "superseded_by", "retry_of", "retried_by"),
)
_AS_IS = [field.name for field in fields(Operation) if field.name in operations.c and field.name not in _CONVERTED]
"""Fields that are stored as they are, each in the column of its name."""
_CHANGING_AS_IS = [name for name in _AS_IS if name not in IDENTITY + COUNTED]
_as_is, _changing_as_is = attrgetter(*_AS_IS), attrgetter(*_CHANGING_AS_IS)
_columns_of = {part: attrgetter(*columns) for part, columns in PARTS.items()}
_COLUMNS: tuple[str, ...] = tuple(operations.columns.keys())
_named: Callable[[Iterable[Any]], Any] = cast(Any, namedtuple("Columns", _COLUMNS))._make
"""An attribute of SQLAlchemy's Row costs ten times as much as one of a named tuple, and there are dozens."""


def to_row(operation: Operation) -> Values:
    """Returns every column. Raises InvalidInput: PostgreSQL's `text` cannot hold the tenant, the type or a label."""
    return {
        **dict(zip(_AS_IS, _as_is(operation), strict=True)),
        "id": operation.id,
        "tenant": identifier(operation.tenant),
        "type": identifier(operation.type),
        "input": None if operation.input is MISSING else dump(operation.input),
        "labels": dump({identifier(key): identifier(value) for key, value in operation.labels.items()}),
        "trace_context": dump(dict(operation.trace)) if operation.trace else None,
        "origin": operation.origin.value,
        "parent_id": operation.parent_id,
        "retry_of": operation.retry_of,
        **changing_columns(operation),
    }


def changing_columns(operation: Operation) -> Values:
    """Returns the columns that a change may change, except the counters. The input, which may be large, is not sent
    again."""
    return {
        **dict(zip(_CHANGING_AS_IS, _changing_as_is(operation), strict=True)),
        "status": operation.status.value,
        "result": dump(operation.result) if operation.status is OperationStatus.COMPLETED else None,
        **error_columns(operation.error),
        "progress": progress_text(operation.progress),
        **cancel_columns(operation.cancel_request),
        **attention_columns(operation.attention),
        "acknowledged": acknowledged_text(operation.acknowledged),
        "reported": None if operation.reported is None else dump(report_to_json(operation.reported)),
        "dispatch_due_at": operation.dispatch.due_at,
        "dispatch_attempts": operation.dispatch.attempts,
        "dispatched_at": operation.dispatch.done_at,
        "calls_back": operation.dispatch.calls_back,
        "follow_up_due_at": operation.follow_up.due_at,
        "follow_up_attempts": operation.follow_up.attempts,
        "verified_at": operation.verification.verified_at,
        "verify_due_at": operation.verification.due_at,
        "workflow_id": None if operation.workflow_id == str(operation.id) else identifier(operation.workflow_id),
        "superseded_by": operation.superseded_by,
        "retried_by": operation.retried_by,
    }


def from_row(found: Row[Any]) -> Operation:
    """Returns the operation of a row that begins with every column of the table, in the table's order."""
    row = _named(found[: len(_COLUMNS)])
    return Operation(
        **dict(zip(_AS_IS, _as_is(row), strict=True)),
        id=standard_uuid(row.id),
        input=MISSING if row.input is None else load(row.input),
        dispatch=Dispatch(row.dispatch_due_at, row.dispatch_attempts, row.dispatched_at, row.calls_back),
        labels=cast(Mapping[str, str], load(row.labels)),
        status=OperationStatus(row.status),
        result=None if row.result is None else load(row.result),
        error=read_error(*_columns_of["error"](row)),
        progress=read_progress(row.progress),
        cancel_request=read_cancel_request(*_columns_of["cancel_request"](row)),
        attention=read_attention(*_columns_of["attention"](row)),
        acknowledged=read_acknowledged(row.acknowledged),
        reported=None if row.reported is None else report_from_json(load(row.reported)),
        follow_up=FollowUp(row.follow_up_due_at, row.follow_up_attempts),
        verification=Verification(row.verified_at, row.verify_due_at),
        trace={} if row.trace_context is None else cast(Mapping[str, str], load(row.trace_context)),
        workflow_id=row.workflow_id or "",
        origin=Origin(row.origin),
        parent_id=row.parent_id and standard_uuid(row.parent_id),
        superseded_by=row.superseded_by and standard_uuid(row.superseded_by),
        retry_of=row.retry_of and standard_uuid(row.retry_of),
        retried_by=row.retried_by and standard_uuid(row.retried_by),
    )


def summary_from_row(row: Row[Any]) -> OperationSummary:
    """Returns the operation's summary."""
    return OperationSummary(
        id=standard_uuid(row.id),
        status=OperationStatus(row.status),
        error_code=None if row.error_code is None else ErrorCode(row.error_code),
        attention=None if row.attention_kind is None else AttentionKind(row.attention_kind),
        workflow_id=row.workflow_id or str(row.id),
        first_run_id=row.first_run_id,
        version=row.version,
    )


def transition_to_row(operation_id: UUID, line: Transition) -> Values:
    """Returns every column of a history line."""
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
    """Returns the history line of a row."""
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
    """Returns the standard library's UUID: asyncpg has a class of its own, which encoders do not know."""
    return UUID(int=value.int)
