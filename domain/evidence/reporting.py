"""Applies a workflow's report to an operation."""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.evidence.finality import Finality
from domain.evidence.problem import clear_on_report
from domain.evidence.progress import progress_after
from domain.evidence.unreadable_result import has_result, with_unreadable_result
from domain.operation.follow_up import keep_report
from domain.operation.lifecycle import complete, fail, start, touched
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import OUTCOMES, Report, ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

CONFIRM_AFTER = timedelta(milliseconds=50)
"""Delay between a reported outcome and the first question to the engine. The workflow closes one workflow task after
the report."""
CONFIRM_AFTER_CALLBACK = timedelta(seconds=1)
"""The same delay if the engine sends a callback when the execution closes. The question recovers a lost callback."""


def apply_report(
    operation: Operation, report: Report, finality: Finality, now: datetime, confirm_after: timedelta = CONFIRM_AFTER
) -> Change | None:
    """The change that a report makes; None for a repeated or late report, or if the operation is done."""
    if operation.done:
        return None
    cleared = clear_on_report(operation, Cause(Source.WORKFLOW, "", now))
    if cleared is None or operation.status is OperationStatus.ACCEPTED:
        return _applied(operation, report, finality, now, confirm_after)
    change = _applied(cleared.operation, report, finality, now, confirm_after)
    return cleared if change is None else cleared.then(change)


def _applied(
    operation: Operation, report: Report, finality: Finality, now: datetime, confirm_after: timedelta
) -> Change | None:
    change = Change(operation)
    if operation.status is OperationStatus.ACCEPTED:
        change = start(operation, Cause(Source.WORKFLOW, "the workflow reports that it has started", now), at=report.at)
    if report.kind is ReportKind.PROGRESS:
        return _progress(change, report, now)
    if report.kind in OUTCOMES:
        return _outcome(change, report, finality, now, confirm_after)
    if operation.reported is not None and operation.reported.attempt < report.attempt:
        return Change(replace(operation, reported=None))
    return change if change.transitions else None


def _progress(change: Change, report: Report, now: datetime) -> Change | None:
    operation = change.operation
    progress = progress_after(operation.progress, report, now)
    if progress is operation.progress:
        return change if change.transitions else None
    return change.then(touched(replace(operation, progress=progress), now))


def _outcome(
    change: Change, report: Report, finality: Finality, now: datetime, confirm_after: timedelta
) -> Change | None:
    operation = change.operation
    if finality is Finality.WORKFLOW and not report.provisional:
        return change.then(conclude(operation, report, Source.WORKFLOW, now))
    if operation.reported is not None and operation.reported.attempt > report.attempt:
        return change if change.transitions else None
    if operation.reported == report:
        return change if change.transitions else None
    return change.then(keep_report(operation, report, follow_up_at=now + confirm_after))


def conclude(operation: Operation, report: Report, source: Source, now: datetime, *, because: str = "") -> Change:
    """Ends a RUNNING operation with the reported outcome. `because`: end of the history line."""
    if report.error is None:
        cause = Cause(source, f"the workflow reports that it completed{because}", now)
        missing = None if has_result(report) else f"the workflow's report omitted the result{because}"
        return with_unreadable_result(complete(operation, report.result, cause, at=report.at), missing, now)
    return fail(
        operation, report.error, Cause(source, f"the workflow reports that it failed{because}", now), at=report.at
    )
