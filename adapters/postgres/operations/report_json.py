"""Converts stored reports and progress to JSON and back. Nothing else reads this JSON, but for the check of the
fraction."""

from datetime import datetime
from typing import Any, cast

from adapters.postgres.operations.text import cleaned
from domain.json_value import JsonValue
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind, Step, StepState


def report_to_json(report: Report) -> JsonValue:
    """Returns every field."""
    error = report.error
    return {
        "kind": report.kind.value,
        "at": report.at.isoformat(),
        "attempt": report.attempt,
        "result": report.result,
        "error": None if error is None else _error_to_json(error),
        "progress": None if report.progress is None else progress_to_json(report.progress),
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
        progress=progress and progress_from_json(progress),
        provisional=fields["provisional"],
    )


def progress_to_json(progress: Progress) -> JsonValue:
    """Returns every field that is set."""
    fields: dict[str, JsonValue] = {"fraction": progress.fraction, "message": cleaned(progress.message)}
    if progress.at is not None:
        fields["at"] = progress.at.isoformat()
    if progress.attempt != 1:
        fields["attempt"] = progress.attempt
    if progress.steps:
        fields["steps"] = [_step_to_json(step) for step in progress.steps]
    return fields


def progress_from_json(value: JsonValue) -> Progress:
    """Returns the progress that `progress_to_json` was given."""
    fields = cast(dict[str, Any], value)
    at = fields.get("at")
    return Progress(
        fraction=fields["fraction"],
        message=fields["message"],
        steps=tuple(_step_from_json(*step) for step in fields.get("steps", ())),
        at=None if at is None else datetime.fromisoformat(at),
        attempt=fields.get("attempt", 1),
    )


def _error_to_json(error: OperationError) -> JsonValue:
    return {"code": error.code.value, "message": error.message, "details": dict(error.details)}


def _step_to_json(step: Step) -> JsonValue:
    times = [step.started_at.isoformat(), step.updated_at.isoformat()]
    return [cleaned(step.name), step.state.value, *times, step.fraction, cleaned(step.message)]


def _step_from_json(
    name: str, state: str, started_at: str, updated_at: str, fraction: float | None, message: str | None
) -> Step:
    times = datetime.fromisoformat(started_at), datetime.fromisoformat(updated_at)
    return Step(name, StepState(state), *times, fraction, message)
