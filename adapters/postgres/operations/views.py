"""Rows as those see them who only read: nothing is made of them that nobody looks at."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import asyncpg
import msgspec
import sqlalchemy as sa

from adapters.postgres.operations.json_text import load
from application.ports.operation_view import JsonText
from domain.operation.attention import Attention, AttentionKind
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import MISSING, Missing
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress
from domain.operation.status import OperationStatus

FIELDS: Final = (
    *("id", "tenant", "type", "status", "input", "labels", "result", "error_code", "error_message", "error_details"),
    *("progress", "accepted_at", "started_at", "finished_at", "updated_at"),
    *("cancel_requested_at", "cancel_requested_by", "cancel_reason", "cancel_forced", "cancel_delivered_at"),
    *("attention_kind", "attention_since", "attention_message", "version", "history_length"),
)
_Record = asyncpg.Record | sa.Row[Any]
_MANY: Final = len(FIELDS)
_AS_TEXT: Final = {"id", "input", "labels", "result", "error_details", "progress"}
"""Taken as PostgreSQL writes them: the driver would make an object of each, in Python."""


class View(NamedTuple):
    """Of one operation."""

    id: UUID
    tenant: str
    type: str
    status: OperationStatus
    input: JsonText | Missing
    labels: Mapping[str, str]
    result: JsonText | None
    error: OperationError | None
    progress: Progress | None
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    cancel_request: CancelRequest | None
    attention: Attention | None
    version: int
    history_length: int

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status.done


def view_columns(rows: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """What `views` needs of rows of operations, as the first columns of a statement."""
    return [sa.cast(rows.c[name], sa.Text) if name in _AS_TEXT else rows.c[name] for name in FIELDS]


def views(records: Sequence[_Record]) -> list[View]:
    """The operations, in the records' order."""
    ids = msgspec.convert([record[0] for record in records], list[UUID])
    return [_view(record, operation_id) for record, operation_id in zip(records, ids, strict=True)]


def _view(record: _Record, operation_id: UUID) -> View:
    _, tenant, type_name, status, given, labels, result, code, message, details, progress, *more = record[:_MANY]
    accepted_at, started_at, finished_at, updated_at, *more = more
    cancel_at, cancel_by, cancel_reason, forced, delivered_at, kind, since, words, version, lines = more
    return View(
        operation_id,
        tenant,
        type_name,
        OperationStatus(status),
        MISSING if given is None else JsonText(given),
        cast(Mapping[str, str], load(labels)),
        None if result is None else JsonText(result),
        None if code is None else OperationError(ErrorCode(code), message, cast(dict[str, Any], load(details))),
        None if progress is None else Progress(**cast(dict[str, Any], load(progress))),
        accepted_at,
        started_at,
        finished_at,
        updated_at,
        None if cancel_at is None else CancelRequest(cancel_at, cancel_by, cancel_reason, forced, delivered_at),
        None if kind is None else Attention(AttentionKind(kind), since, words),
        version,
        lines,
    )
