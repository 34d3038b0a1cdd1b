"""Converts a stored report to JSON and back. Nothing else reads this JSON."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from domain.json_value import JsonValue
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind


def report_to_json(report: Report) -> JsonValue:
    """Returns every field."""
    error = report.error
    return {
        "kind": report.kind.value,
        "at": report.at.isoformat(),
        "attempt": report.attempt,
        "result": report.result,
        "error": None if error is None else _error_to_json(error),
        "progress": None if report.progress is None else asdict(report.progress),
        "provisional": report.provisional,
    }


def report_from_json(value: JsonValue) -> Report:
    """Returns the report that `report_to_json` was given."""
    fields = cast(dict[str, Any], value)
    error, progress = fields["error"], fields["progress"]
    return Report(
        kind=ReportKind(fields["kind"]),
        at=datetime.fromisoformat(fields["at"]),
        attempt=fields["attempt"],
        result=fields["result"],
        error=error and OperationError(ErrorCode(error["code"]), error["message"], error["details"]),
        progress=progress and Progress(**progress),
        provisional=fields["provisional"],
    )


def _error_to_json(error: OperationError) -> JsonValue:
    return {"code": error.code.value, "message": error.message, "details": dict(error.details)}
