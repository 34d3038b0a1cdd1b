"""Decodes status updates into reports. docs/other-languages.md describes the wire format."""

from dataclasses import dataclass
from uuid import UUID

from domain.evidence.reported_execution import ReportedExecution
from domain.json_value import JsonValue, clean_text, not_finite_note, strict_json, too_deep
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Report, ReportKind
from entrypoints.reports.execution import decode_execution
from entrypoints.reports.object_decoder import InvalidArgument, ObjectDecoder, shown
from entrypoints.reports.progress import decode_progress
from opledger.wire import UpdateKind

MAX_ATTEMPT = 2**31 - 1
"""Temporal counts attempts in 32 bits."""
MAX_TYPE = 255
_KINDS = {
    UpdateKind.STARTED: ReportKind.STARTED,
    UpdateKind.PROGRESS: ReportKind.PROGRESS,
    UpdateKind.COMPLETED: ReportKind.COMPLETED,
    UpdateKind.FAILED: ReportKind.FAILED,
    UpdateKind.CANCELED: ReportKind.FAILED,
}
UPDATE_FIELDS = frozenset(
    {
        *("operation_id", "kind", "occurred_at", "attempt", "may_retry", "result", "result_omitted"),
        *("error", "progress", "execution"),
    }
)
ERROR_FIELDS = frozenset({"message", "type", "non_retryable", "details"})
_KIND_RULE = f"one of {', '.join(UpdateKind)}, in lower case"


@dataclass(frozen=True, slots=True)
class StatusUpdateRead:
    """A decoded status update."""

    operation_id: UUID
    report: Report
    execution: ReportedExecution | None = None
    """None: the sender has no plugin."""


def decode_status_update(value: JsonValue) -> StatusUpdateRead:
    """Returns the update. Raises InvalidArgument with every violation."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"it is not an object but {shown(value)}")
    violations: list[str] = []
    fields = ObjectDecoder(value, UPDATE_FIELDS, violations)
    operation_id, at = _operation_id(fields), fields.time("occurred_at")
    kind = _kind(fields)
    # Go sends the zero value of a number that is not set.
    attempt = max(1, fields.integer("attempt", 1, 0, MAX_ATTEMPT))
    may_retry, omitted = fields.flag("may_retry"), fields.flag("result_omitted")
    error = _error(kind, fields.fields("error", ERROR_FIELDS))
    progress = decode_progress(fields, at, required=kind is UpdateKind.PROGRESS)
    execution = decode_execution(fields)
    if operation_id is None and execution is not None:
        operation_id = execution.adopted_id
    if violations or operation_id is None or at is None or kind is None:
        raise InvalidArgument(*violations)
    result = fields.value("result")
    # The ledger fetches any other result from the engine, and then records what is wrong with it.
    usable = not omitted and not too_deep(result) and not_finite_note(result) is None
    report = Report(
        kind=_KINDS[kind],
        at=at,
        attempt=attempt,
        result=result if kind is UpdateKind.COMPLETED and usable else None,
        error=error,
        progress=progress if kind is UpdateKind.PROGRESS else None,
        provisional=may_retry or not usable,
    )
    return StatusUpdateRead(operation_id, report, execution)


def _operation_id(fields: ObjectDecoder) -> UUID | None:
    """Returns the id; None if it is invalid, or follows from the execution."""
    if fields.value("operation_id") is None and fields.value("execution") is not None:
        return None
    return fields.uuid("operation_id")


def _kind(fields: ObjectDecoder) -> UpdateKind | None:
    kind = fields.value("kind")
    if isinstance(kind, str) and kind in set(UpdateKind):
        return UpdateKind(kind)
    fields.violation("kind", _KIND_RULE)
    return None


def _error(kind: UpdateKind | None, fields: ObjectDecoder | None) -> OperationError | None:
    """Checks the fields for every kind; returns None unless the kind is a failure."""
    canceled = kind is UpdateKind.CANCELED
    code = ErrorCode.CANCELED if canceled else ErrorCode.WORKFLOW_FAILED
    default_message = "canceled" if canceled else "failed"
    error = OperationError(code, default_message) if fields is None else _described(fields, code, default_message)
    return error if kind in (UpdateKind.FAILED, UpdateKind.CANCELED) else None


def _described(fields: ObjectDecoder, code: ErrorCode, default_message: str) -> OperationError:
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
    return OperationError(code, clean_text(message or default_message), details)
