"""Decodes the progress of a status update, and its steps."""

from datetime import datetime
from typing import Final

from domain.evidence.progress import MAX_STEPS
from domain.json_value import clean_text
from domain.operation.report import Progress, Step, StepState
from entrypoints.reports.object_decoder import ObjectDecoder
from opledger.wire import MAX_STEP_MESSAGE, MAX_STEP_NAME
from opledger.wire import StepState as ReportedState

MAX_PROGRESS: Final = 1000
PROGRESS_FIELDS: Final = frozenset({"fraction", "message", "steps"})
STEP_FIELDS: Final = frozenset({"name", "state", "started_at", "updated_at", "fraction", "message"})
_STATES: Final = {
    ReportedState.RUNNING: StepState.RUNNING,
    ReportedState.COMPLETED: StepState.COMPLETED,
    ReportedState.FAILED: StepState.FAILED,
}
_STATE_RULE: Final = f"one of {', '.join(ReportedState)}, in lower case"


def decode_progress(update: ObjectDecoder, occurred_at: datetime | None, *, required: bool) -> Progress | None:
    """Returns the progress; None if there is none. `occurred_at`: the time of the report."""
    fields = update.fields("progress", PROGRESS_FIELDS)
    if fields is None:
        if required and update.value("progress") is None:
            update.violation("progress", "an object with fraction, message, steps or several of them")
        return None
    steps = [_step(step, occurred_at) for step in fields.objects("steps", STEP_FIELDS, MAX_STEPS)]
    return Progress(
        _fraction(fields), _message(fields, MAX_PROGRESS), tuple(step for step in steps if step is not None)
    )


def _step(fields: ObjectDecoder, occurred_at: datetime | None) -> Step | None:
    name, state = _name(fields), _state(fields)
    started_at, updated_at = (
        fields.time(field) if fields.value(field) is not None else occurred_at for field in ("started_at", "updated_at")
    )
    fraction, message = _fraction(fields), _message(fields, MAX_STEP_MESSAGE)
    if started_at is None or updated_at is None:  # collected as a violation
        return None
    return Step(name, state, started_at, updated_at, fraction, message)


def _name(fields: ObjectDecoder) -> str:
    name = fields.value("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_STEP_NAME or clean_text(name) != name:
        fields.violation("name", f"a string of 1 to {MAX_STEP_NAME} characters without U+0000")
        return ""
    return name


def _state(fields: ObjectDecoder) -> StepState:
    state = fields.value("state")
    if state is None:
        return StepState.RUNNING
    if isinstance(state, str) and state in set(ReportedState):
        return _STATES[ReportedState(state)]
    fields.violation("state", _STATE_RULE)
    return StepState.RUNNING


def _fraction(fields: ObjectDecoder) -> float | None:
    fraction = fields.number("fraction")
    return None if fraction is None else min(1.0, max(0.0, fraction))


def _message(fields: ObjectDecoder, longest: int) -> str | None:
    message = fields.text("message")
    return None if message is None else clean_text(message, longest)
