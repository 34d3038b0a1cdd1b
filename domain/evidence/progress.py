"""Applies reports to the progress of an operation."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from domain.operation.report import Progress, Report, Step, StepState

MAX_STEPS: Final = 100
"""Steps of an operation. Further ones are not kept."""


def progress_after(known: Progress | None, report: Report, now: datetime) -> Progress | None:
    """The progress after the report: `known` itself if the report says nothing new.

    Reports may arrive late and in any order, and each one may name some of the steps. So the newest report decides
    about fraction and message, and the newest change about each step. Reported times count as `now` at the latest: a
    clock that is ahead must not hide the reports after it. A later attempt begins without the progress of the one
    before.
    """
    reported = report.progress
    if reported is None:
        return known
    before = known if known is not None and report.attempt <= known.attempt else None
    after = _with_steps(before or Progress(attempt=report.attempt), reported.steps, now)
    at = min(report.at, now)
    if (reported.fraction, reported.message) != (None, None) and (after.at is None or at >= after.at):
        after = replace(after, fraction=reported.fraction, message=reported.message, at=at)
    return known if known is not None and _content(after) == _content(known) else after


def _content(progress: Progress) -> object:
    return progress.fraction, progress.message, progress.steps


def _with_steps(progress: Progress, reported: tuple[Step, ...], now: datetime) -> Progress:
    steps = {step.name: step for step in progress.steps}
    for step in reported:
        known, new = steps.get(step.name), _until(step, now)
        if known is not None:
            steps[step.name] = _newer(known, new)
        elif len(steps) < MAX_STEPS:
            steps[step.name] = new
    return replace(progress, steps=tuple(sorted(steps.values(), key=lambda step: step.started_at)))


def _until(step: Step, now: datetime) -> Step:
    """The step without times after `now`, and with an end after its start."""
    started_at, updated_at = min(step.started_at, now), min(step.updated_at, now)
    if step.state is StepState.RUNNING:
        return replace(step, started_at=started_at, updated_at=max(started_at, updated_at))
    return replace(step, started_at=started_at).ended(step.state, updated_at)


def _newer(known: Step, new: Step) -> Step:
    """The step after its latest change. A step that has ended and runs again begins anew; otherwise it keeps its start,
    and what the change does not mention."""
    begins = known.finished_at is not None and new.state is StepState.RUNNING
    if new.updated_at < known.updated_at or (begins and new.updated_at == known.updated_at):
        return known
    if not begins:
        fraction = known.fraction if new.fraction is None else new.fraction
        message = known.message if new.message is None else new.message
        new = replace(new, started_at=known.started_at, fraction=fraction, message=message)
        if new.state is not StepState.RUNNING:
            new = new.ended(new.state, new.updated_at)
    return new
