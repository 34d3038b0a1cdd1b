"""Decodes reports of clients about the starts of workflows."""

from dataclasses import dataclass
from uuid import UUID

from domain.evidence.start_report import StartReport, StartReportKind
from domain.json_value import JsonValue, clean_text
from entrypoints.reports.execution import decode_execution
from entrypoints.reports.object_decoder import InvalidArgument, ObjectDecoder, shown
from entrypoints.reports.status_update import ERROR_FIELDS, StatusUpdateRead, decode_status_update

START_KINDS = {"dispatched": StartReportKind.DISPATCHED, "start_rejected": StartReportKind.START_REJECTED}
START_FIELDS = frozenset({"operation_id", "kind", "occurred_at", "execution", "error"})


@dataclass(frozen=True, slots=True)
class StartReportRead:
    """A decoded report about a start."""

    operation_id: UUID
    report: StartReport


def decode_report(value: JsonValue) -> StatusUpdateRead | StartReportRead:
    """Returns the report of either kind. Raises InvalidArgument with every violation."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"it is not an object but {shown(value)}")
    kind = value.get("kind")
    if isinstance(kind, str) and kind in START_KINDS:
        return _start_report(value, START_KINDS[kind])
    return decode_status_update(value)


def _start_report(value: dict[str, JsonValue], kind: StartReportKind) -> StartReportRead:
    violations: list[str] = []
    fields = ObjectDecoder(value, START_FIELDS, violations)
    operation_id, at = fields.uuid("operation_id"), fields.time("occurred_at")
    execution = decode_execution(fields)
    error = fields.fields("error", ERROR_FIELDS)
    message = None if error is None else error.text("message", required=True)
    if kind is StartReportKind.DISPATCHED and fields.value("execution") is None:
        fields.violation("execution", "an object that names the started execution")
    if violations or operation_id is None or at is None:
        raise InvalidArgument(*violations)
    refusal = clean_text(message or "the engine refused the start")
    return StartReportRead(operation_id, StartReport(kind, at, execution, refusal))
