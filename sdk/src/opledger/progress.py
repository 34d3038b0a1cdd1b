"""Reports a workflow's progress."""

import asyncio
import math
from weakref import WeakKeyDictionary

from temporalio import workflow

from opledger._description import clean_text
from opledger._reporting import Reporter
from opledger.wire import ReportedProgress

_MAX_PROGRESS_CHARS = 1_000

# Keyed by event loop, because each workflow run has its own. A context variable set by the run method would not reach
# signal and update handlers, which run in their own contexts.
reporters: WeakKeyDictionary[asyncio.AbstractEventLoop, Reporter] = WeakKeyDictionary()
"""The reporter of each run whose body has not ended."""


async def report_progress(fraction: float | None = None, message: str | None = None) -> None:
    """Reports the progress of this workflow to the ledger.

    Call it in the run method, in functions that it calls, and in signal and update handlers. Outside a tracked run, in
    a query handler and in an update validator (where a workflow may not act) it does nothing.

    It raises no errors of its own, because a plain exception would block the workflow task for a mere progress report.
    Invalid values are ignored, and a lost report is logged. While the ledger answers, the call waits for the report;
    after a lost report it no longer waits. One report is pending at a time: of the progress reported meanwhile, for
    example by parallel tasks, the newest is sent afterwards. The end of the workflow does not wait for progress
    reports: a completed operation shows 1.0 and the last message that arrived.

    Each report adds events to the workflow's history (six, if the report is an ordinary activity). A run may have
    51,200 events, so report steps, not every row of a table.

    Args:
        fraction: 0.0 to 1.0. Values outside are moved to the nearer limit; a value that is not a number is ignored.
            message: Text for people, cut to 1,000 characters.

    Raises:
        asyncio.CancelledError: the workflow was cancelled during the wait, as with a timer.
    """
    if not workflow.in_workflow() or workflow.unsafe.is_read_only():
        return
    reporter = reporters.get(asyncio.get_running_loop())
    progress = ReportedProgress(
        fraction=_usable_fraction(fraction),
        message=None if message is None else clean_text(str(message), _MAX_PROGRESS_CHARS),
    )
    if reporter is not None and progress != ReportedProgress():
        await reporter.send_progress(progress)


def _usable_fraction(fraction: float | None) -> float | None:
    try:
        number = math.nan if fraction is None else float(fraction)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(max(number, 0.0), 1.0)
