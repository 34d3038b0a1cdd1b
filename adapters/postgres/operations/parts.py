"""Converts the parts of an operation that have several columns, or one of JSON, to columns and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from adapters.postgres.operations.json_text import dump, load
from adapters.postgres.operations.report_json import progress_from_json, progress_to_json
from adapters.postgres.operations.text import cleaned
from domain.operation.attention import Attention, AttentionKind
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress

Values = dict[str, Any]
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "error": ("error_code", "error_message", "error_details"),
    "cancel_request": (
        "cancel_requested_at",
        "cancel_requested_by",
        "cancel_reason",
        "cancel_forced",
        "cancel_delivered_at",
    ),
    "attention": ("attention_kind", "attention_since", "attention_message"),
}
"""The columns of each part that has several, in the order of the parameters of its `read_` function."""


def error_columns(error: OperationError | None) -> Values:
    """Returns the columns of an error."""
    if error is None:
        return _NONE["error"]
    return _columns("error", error.code.value, cleaned(error.message), dump(dict(error.details)))


def read_error(code: str | None, message: str, details: str) -> OperationError | None:
    """Returns the error in these columns."""
    return None if code is None else OperationError(ErrorCode(code), message, cast(Values, load(details)))


def cancel_columns(request: CancelRequest | None) -> Values:
    """Returns the columns of a cancellation request."""
    if request is None:
        return _NONE["cancel_request"]
    texts = cleaned(request.by), cleaned(request.reason)
    return _columns("cancel_request", request.at, *texts, request.force, request.delivered_at)


def read_cancel_request(
    at: datetime | None, by: str | None, reason: str | None, force: bool, delivered_at: datetime | None
) -> CancelRequest | None:
    """Returns the cancellation request in these columns."""
    return None if at is None else CancelRequest(at, by, reason, force, delivered_at)


def attention_columns(attention: Attention | None) -> Values:
    """Returns the columns of an attention."""
    if attention is None:
        return _NONE["attention"]
    return _columns("attention", attention.kind.value, attention.since, cleaned(attention.message))


def read_attention(kind: str | None, since: datetime, message: str) -> Attention | None:
    """Returns the attention in these columns."""
    return None if kind is None else Attention(AttentionKind(kind), since, message)


def acknowledged_text(problem: Attention | None) -> str | None:
    """Returns an acknowledged problem as JSON."""
    if problem is None:
        return None
    return dump({"kind": problem.kind.value, "since": problem.since.isoformat(), "message": cleaned(problem.message)})


def read_acknowledged(text: str | None) -> Attention | None:
    """Returns the problem that `acknowledged_text` was given."""
    if text is None:
        return None
    fields = cast(dict[str, str], load(text))
    since = datetime.fromisoformat(fields["since"])
    return Attention(AttentionKind(fields["kind"]), since, fields["message"])


def progress_text(progress: Progress | None) -> str | None:
    """Returns the progress as JSON."""
    return None if progress is None else dump(progress_to_json(progress))


def read_progress(text: str | None) -> Progress | None:
    """Returns the progress that `progress_text` was given."""
    return None if text is None else progress_from_json(load(text))


def _columns(part: str, *values: object) -> Values:
    return dict(zip(PARTS[part], values, strict=True))


_NONE: Final[Mapping[str, Values]] = {part: dict.fromkeys(columns) for part, columns in PARTS.items()}
