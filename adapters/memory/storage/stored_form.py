"""Copies operations and history lines as a database returns them: with strict JSON and cleaned texts."""

import json
from collections.abc import Mapping
from dataclasses import replace

from domain.json_value import JsonValue, clean_text, strict_json
from domain.operation.operation import MISSING, Operation
from domain.operation.operation_error import OperationError
from domain.operation.report import Progress, Report
from domain.operation.transition import Transition


def stored_operation(operation: Operation) -> Operation:
    """Returns a copy that the caller cannot change."""
    progress, request = operation.progress, operation.cancel_request
    attention, known = operation.attention, operation.acknowledged
    return replace(
        operation,
        input=operation.input if operation.input is MISSING else _json(operation.input),
        labels=dict(operation.labels),
        trace=dict(operation.trace),
        result=_json(operation.result),
        error=_error(operation.error),
        progress=progress and _progress(progress),
        cancel_request=request and replace(request, by=_words(request.by), reason=_words(request.reason)),
        attention=attention and replace(attention, message=clean_text(attention.message)),
        acknowledged=known and replace(known, message=clean_text(known.message)),
        reported=_report(operation.reported),
    )


def stored_transition(line: Transition) -> Transition:
    """Returns a copy that the caller cannot change."""
    return replace(line, reason=clean_text(line.reason), actor=_words(line.actor), details=_object(line.details))


def _report(report: Report | None) -> Report | None:
    return report and replace(report, result=_json(report.result), error=_error(report.error))


def _error(error: OperationError | None) -> OperationError | None:
    return error and replace(error, details=_object(error.details))


def _progress(progress: Progress) -> Progress:
    steps = (replace(step, name=clean_text(step.name), message=_words(step.message)) for step in progress.steps)
    return replace(progress, message=_words(progress.message), steps=tuple(steps))


def _words(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _object(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    copied: dict[str, JsonValue] = json.loads(json.dumps(strict_json(dict(value))))
    return copied


def _json(value: JsonValue) -> JsonValue:
    copied: JsonValue = json.loads(json.dumps(strict_json(value)))
    return copied
