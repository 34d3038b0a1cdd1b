"""The call that reports a workflow's progress."""

import asyncio
import math
from weakref import WeakKeyDictionary

from temporalio import workflow

from opledger._description import clean_text
from opledger._reporting import Reporter
from opledger.wire import ReportedProgress

_MAX_PROGRESS_CHARS = 1_000

# By event loop, because a workflow run is one: signal and update handlers run in contexts of their own, so a context
# variable set by the run method would not reach them.
reporters: WeakKeyDictionary[asyncio.AbstractEventLoop, Reporter] = WeakKeyDictionary()
"""The reporter of each run whose body has not ended."""


async def report_progress(fraction: float | None = None, message: str | None = None) -> None:
    """Tell the ledger how far this workflow is. For the run method and what it calls, and for its handlers.

    Raises nothing of its own, because a plain exception would stop the workflow for ever over a progress bar: what
    cannot be used is dropped, and a report that gets lost is logged. While the ledger answers, this waits for it;
    once a report was lost, reports are sent without waiting. One report is under way at a time; of what is reported
    meanwhile, by parallel activities for one, the newest is sent after it. The end of the workflow waits for none of
    them: a completed operation shows 1.0 and the last message that arrived.

    Outside a tracked run it does nothing, and in a query handler or an update validator, where a workflow may not act.

    Each report adds events to the workflow's history (six, where it is an ordinary activity), of which a run may have
    51,200: report steps, not every row of a table.

    Args:
        fraction: 0.0 to 1.0; what lies outside is moved to the nearer end, what is no number is dropped.
        message: For people to read; cut to 1,000 characters.

    Raises:
        asyncio.CancelledError: the workflow was cancelled while it waited, as with a timer.
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
