"""One workflow run that reports: from its start to its outcome."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from opledger._tracking.outcome import OutcomeReport
from opledger._tracking.reporting import Reporter
from opledger.wire import OutcomeReports


class TrackedRun:
    """Reporter and outcome report of a run. The plugin or the decorator makes it, whichever comes first."""

    def __init__(self, reporter: Reporter, rule: OutcomeReports | None) -> None:
        """Must be created in the workflow, before the body starts. `rule`: the one of the memo."""
        self.reporter = reporter
        self.outcome = OutcomeReport(reporter, rule)
        setattr(asyncio.get_running_loop(), _ATTRIBUTE, self)

    async def run(self, body: Awaitable[Any]) -> Any:
        """Runs the body, and reports. The body's result or exception passes through."""
        try:
            result = await self._run_body(body)
        except (Exception, asyncio.CancelledError) as err:
            await self.outcome.send_error(err)
            raise
        await self.outcome.send_result(result)
        return result

    async def _run_body(self, body: Awaitable[Any]) -> Any:
        loop = asyncio.get_running_loop()
        self.reporter.begin()
        try:
            return await body
        finally:
            # Not `get_running_loop()`: the garbage collector can end a body in the event loop of another run.
            setattr(loop, _ATTRIBUTE, None)
            self.reporter.end()


def current_run() -> TrackedRun | None:
    """The tracked run of the current event loop, until its body has ended."""
    run: TrackedRun | None = getattr(asyncio.get_running_loop(), _ATTRIBUTE, None)
    return run


# An attribute of the event loop, as temporalio keeps its own state: each workflow run has its own loop. A context
# variable set by the run method would not reach signal and update handlers, which run in their own contexts. A
# dictionary would keep each run that ends before its body has begun: pending reports refer to the loop.
_ATTRIBUTE = "__opledger_run"
