"""Progress reports from activities, over HTTP."""

import asyncio
import logging
from contextvars import ContextVar
from typing import Protocol

from temporalio import activity

from opledger._http import outage
from opledger._plugin.caller import Caller
from opledger._tracking.clock import now
from opledger.wire import ReportedExecution, ReportedProgress, StatusUpdate, UpdateKind

_log = logging.getLogger(__name__)
_warned: set[str] = set()


class Reports(Protocol):
    """`BackgroundReports`, which imports the HTTP client."""

    async def send(self, update: StatusUpdate, *, hold: float) -> None:
        """Delivers the report."""


class ActivityProgress:
    """Reports of one attempt of an activity. They are delivered with those of its workflow, so that no older progress
    arrives after newer."""

    def __init__(self, reports: Reports, caller: Caller | None) -> None:
        """For the worker's event loop, which is the running one. `caller`: the workflow; None if it is not tracked, and
        then nothing is reported."""
        self._reports = reports
        self._caller = caller
        self._loop = asyncio.get_running_loop()

    async def report(self, progress: ReportedProgress) -> None:
        """Delivers the progress. Waits for that at most `outage.HOLD` seconds, and not during an outage."""
        if self._caller is None:
            return
        sending = self._reports.send(_update(self._caller, progress), hold=outage.HOLD)
        if self._loop is asyncio.get_running_loop():
            await sending
        else:  # a synchronous activity has an event loop in its thread
            sent = asyncio.run_coroutine_threadsafe(sending, self._loop)
            await asyncio.wait([asyncio.wrap_future(sent)], timeout=outage.HOLD)


current: ContextVar[ActivityProgress | None] = ContextVar("opledger_activity_progress", default=None)
"""Set by the plugin's activity interceptor, if the plugin has a URL."""


async def report_from_activity(progress: ReportedProgress) -> None:
    """Reports progress of the current activity's workflow; logs once for the process that it cannot."""
    reports = current.get()
    if reports is not None:
        await reports.report(progress)
    elif "no url" not in _warned:
        _warned.add("no url")
        _log.warning(
            "report_progress was called in the activity %r and reports nothing: in activities it needs "
            "OpledgerPlugin(url=...) on the worker. This is logged once.",
            activity.info().activity_type,
        )


def _update(caller: Caller, progress: ReportedProgress) -> StatusUpdate:
    info = activity.info()
    return StatusUpdate(
        operation_id=caller.operation_id,
        kind=UpdateKind.PROGRESS,
        occurred_at=now().isoformat(),
        attempt=caller.attempt,
        progress=progress,
        execution=ReportedExecution(
            namespace=info.workflow_namespace or info.namespace,
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            first_run_id=caller.first_run_id,
            workflow_type=info.workflow_type or "",
            task_queue=caller.task_queue,
            started_at=caller.started_at,
        ),
    )
