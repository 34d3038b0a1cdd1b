"""From the wire's status updates to the domain's reports."""

from datetime import UTC, datetime
from uuid import UUID

from domain.evidence import Progress, Report, ReportKind
from domain.json_value import JsonValue, clean_text, strict_json, too_deep
from domain.operation_error import ErrorCode, OperationError
from opledger.wire import ReportedError, StatusUpdate, UpdateKind

_KINDS = {
    UpdateKind.STARTED: ReportKind.STARTED,
    UpdateKind.PROGRESS: ReportKind.PROGRESS,
    UpdateKind.COMPLETED: ReportKind.COMPLETED,
    UpdateKind.FAILED: ReportKind.FAILED,
    UpdateKind.CANCELED: ReportKind.FAILED,
}


def read_update(update: StatusUpdate) -> tuple[UUID, Report]:
    """The operation and the report. Raises ValueError, which names the field, for what no SDK of ours would send."""
    kind = UpdateKind(update.kind)
    readable = not too_deep(update.result)
    return UUID(update.operation_id), Report(
        kind=_KINDS[kind],
        at=_time(update.occurred_at),
        attempt=max(1, update.attempt),
        result=strict_json(update.result) if kind is UpdateKind.COMPLETED and readable else None,
        error=_error(kind, update.error),
        progress=_progress(update) if kind is UpdateKind.PROGRESS else None,
        provisional=update.may_retry or update.result_omitted or not readable,
    )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"occurred_at has no zone: {text!r}")
    return time.astimezone(UTC)


def _error(kind: UpdateKind, error: ReportedError | None) -> OperationError | None:
    if _KINDS[kind] is not ReportKind.FAILED:
        return None
    code = ErrorCode.CANCELED if kind is UpdateKind.CANCELED else ErrorCode.WORKFLOW_FAILED
    if error is None:
        return OperationError(code, "canceled" if kind is UpdateKind.CANCELED else "failed")
    details: dict[str, JsonValue] = {"non_retryable": error.non_retryable}
    if error.type is not None:
        details["type"] = error.type
    if error.details and not too_deep(error.details):
        details["details"] = strict_json(error.details)
    return OperationError(code, error.message, details)


def _progress(update: StatusUpdate) -> Progress | None:
    if update.progress is None:
        return None
    fraction, message = update.progress.fraction, update.progress.message
    if fraction is not None:
        fraction = min(1.0, max(0.0, fraction)) if fraction == fraction else None
    return Progress(fraction, None if message is None else clean_text(message, 1000))
