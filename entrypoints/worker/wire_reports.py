"""From the wire's status updates to the domain's reports. docs/other-languages.md describes the format."""

from uuid import UUID

from domain.json_value import JsonValue, clean_text, not_finite_note, strict_json, too_deep
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind
from entrypoints.worker.raw_arguments import InvalidArgument
from entrypoints.worker.wire_fields import Fields, shown
from opledger.wire import UpdateKind

MAX_ATTEMPT = 2**31 - 1
"""Temporal counts attempts in 32 bits."""
MAX_TYPE = 255
MAX_PROGRESS = 1000
_KINDS = {
    UpdateKind.STARTED: ReportKind.STARTED,
    UpdateKind.PROGRESS: ReportKind.PROGRESS,
    UpdateKind.COMPLETED: ReportKind.COMPLETED,
    UpdateKind.FAILED: ReportKind.FAILED,
    UpdateKind.CANCELED: ReportKind.FAILED,
}
UPDATE_FIELDS = frozenset(
    {"operation_id", "kind", "occurred_at", "attempt", "may_retry", "result", "result_omitted", "error", "progress"}
)
ERROR_FIELDS = frozenset({"message", "type", "non_retryable", "details"})
PROGRESS_FIELDS = frozenset({"fraction", "message"})
_KIND_RULE = f"one of {', '.join(UpdateKind)}, in lower case"


def read_update(value: JsonValue) -> tuple[UUID, Report]:
    """The operation and the report. Raises InvalidArgument with every fault of it."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"it is not an object but {shown(value)}")
    faults: list[str] = []
    fields = Fields(value, UPDATE_FIELDS, faults)
    operation_id, at = fields.uuid("operation_id"), fields.time("occurred_at")
    kind = _kind(fields)
    # Go sends the zero value of a number that is not set.
    attempt = max(1, fields.integer("attempt", 1, 0, MAX_ATTEMPT))
    may_retry, omitted = fields.flag("may_retry"), fields.flag("result_omitted")
    error = _error(kind, fields.fields("error", ERROR_FIELDS))
    progress = _progress(kind, fields)
    if faults or operation_id is None or at is None or kind is None:
        raise InvalidArgument(*faults)
    result = fields.value("result")
    # A result that cannot be kept as it is: the ledger fetches it from the engine, which says what is wrong with it.
    whole = not omitted and not too_deep(result) and not_finite_note(result) is None
    return operation_id, Report(
        kind=_KINDS[kind],
        at=at,
        attempt=attempt,
        result=result if kind is UpdateKind.COMPLETED and whole else None,
        error=error,
        progress=progress,
        provisional=may_retry or not whole,
    )


def _kind(fields: Fields) -> UpdateKind | None:
    kind = fields.value("kind")
    if isinstance(kind, str) and kind in set(UpdateKind):
        return UpdateKind(kind)
    fields.fault("kind", _KIND_RULE)
    return None


def _error(kind: UpdateKind | None, fields: Fields | None) -> OperationError | None:
    """The fields are checked whatever the kind, and used where it is a failure."""
    canceled = kind is UpdateKind.CANCELED
    code = ErrorCode.CANCELED if canceled else ErrorCode.WORKFLOW_FAILED
    words = "canceled" if canceled else "failed"
    error = OperationError(code, words) if fields is None else _described(fields, code, words)
    return error if kind in (UpdateKind.FAILED, UpdateKind.CANCELED) else None


def _described(fields: Fields, code: ErrorCode, words: str) -> OperationError:
    message, kind = fields.text("message", required=True), fields.text("type")
    details: dict[str, JsonValue] = {"non_retryable": fields.flag("non_retryable")}
    if kind:
        details["type"] = clean_text(kind, MAX_TYPE)
    items = fields.items("details")
    if too_deep(items):
        details["unreadable"] = "the details are left out: they are nested too deeply"
    elif items:
        details["details"] = strict_json(items)
        if note := not_finite_note(items):
            details["unreadable"] = f"the details are not complete: {note}"
    return OperationError(code, clean_text(message or words), details)


def _progress(kind: UpdateKind | None, update: Fields) -> Progress | None:
    fields = update.fields("progress", PROGRESS_FIELDS)
    if fields is None:
        if kind is UpdateKind.PROGRESS and update.value("progress") is None:
            update.fault("progress", "an object with fraction, message or both")
        return None
    fraction, message = fields.number("fraction"), fields.text("message")
    if kind is not UpdateKind.PROGRESS:
        return None
    within = None if fraction is None else min(1.0, max(0.0, fraction))
    return Progress(within, None if message is None else clean_text(message, MAX_PROGRESS))
