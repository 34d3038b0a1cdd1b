"""Reports a workflow's progress."""

import math

from temporalio import activity, workflow

from opledger._plugin.activity_progress import report_from_activity
from opledger._tracking.clock import now
from opledger._tracking.description import clean_text
from opledger._tracking.tracked_run import current_run
from opledger.wire import MAX_STEP_MESSAGE, MAX_STEP_NAME, ReportedProgress, ReportedStep, StepState

_MAX_PROGRESS_CHARS = 1_000


async def report_progress(
    fraction: float | None = None,
    message: str | None = None,
    *,
    step: str | None = None,
    state: StepState | str | None = None,
) -> None:
    """Reports the progress of this workflow to the ledger, or that of one of its steps.

    Call it in the run method, in functions that it calls, and in signal and update handlers. Outside a tracked run, in
    a query handler and in an update validator (where a workflow may not act) it does nothing. In an activity of a
    tracked workflow it reports over HTTP, if the worker has `OpledgerPlugin` with a URL. Otherwise it logs once that it
    cannot.

    With `step`, fraction and message are those of the step. Steps follow one another: a new step completes the running
    ones, and the end of the operation closes the rest, as completed or as failed. Steps that run at the same time have
    a `state`, which leaves other steps as they are; so do steps that activities name.

    It raises no errors of its own, because a plain exception would block the workflow task for a mere progress report.
    Invalid values are ignored, and a lost report is logged. While the ledger answers, the call waits for the report;
    after a lost report it no longer waits. One report is pending at a time: of the progress reported meanwhile, for
    example by parallel tasks, the newest is sent afterwards, with every step. The end of the workflow does not wait for
    progress reports: a completed operation shows 1.0 and the last message that arrived.

    Each report adds events to the workflow's history (six, if the report is an ordinary activity). A run may have
    51,200 events, so report steps, not every row of a table.

    Args:
        fraction: 0.0 to 1.0. Values outside are moved to the nearer limit; a value that is not a number is ignored.
        message: Text for people, cut to 1,000 characters; that of a step to 200.
        step: Name of the step, cut to 100 characters. A run has at most 100 steps; further ones are dropped, and the
            first of them is logged.
        state: "running", "completed" or "failed". Only with `step`.

    Raises:
        asyncio.CancelledError: the workflow was cancelled during the wait, as with a timer.
    """
    name = "" if step is None else clean_text(str(step), MAX_STEP_NAME).replace("\0", "?")
    progress = ReportedProgress() if name else _usable(fraction, message)
    if not name and progress == ReportedProgress():
        return
    if activity.in_activity():
        steps = [_step(name, state, _usable(fraction, message), now().isoformat())] if name else []
        await report_from_activity(ReportedProgress(progress.fraction, progress.message, steps))
    elif workflow.in_workflow() and not workflow.unsafe.is_read_only():
        run = current_run()
        if run is None:
            return
        if name:
            changed = _step(name, state, _usable(fraction, message), workflow.now().isoformat())
            run.reporter.change_step(changed, ends_others=_usable_state(state) is None)
        await run.reporter.send_progress(progress)


def _step(name: str, state: StepState | str | None, progress: ReportedProgress, at: str) -> ReportedStep:
    message = None if progress.message is None else progress.message[:MAX_STEP_MESSAGE]
    return ReportedStep(name, _usable_state(state) or StepState.RUNNING, at, at, progress.fraction, message)


def _usable_state(state: StepState | str | None) -> StepState | None:
    return next((usable for usable in StepState if usable == state), None)


def _usable(fraction: float | None, message: str | None) -> ReportedProgress:
    return ReportedProgress(
        fraction=_usable_fraction(fraction),
        message=None if message is None else clean_text(str(message), _MAX_PROGRESS_CHARS),
    )


def _usable_fraction(fraction: float | None) -> float | None:
    try:
        number = math.nan if fraction is None else float(fraction)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(max(number, 0.0), 1.0)
