"""Runs a reconciliation pass from its first page to its last."""

import asyncio
import logging
from dataclasses import dataclass

from application.converge.reconcile import PassCursor, ReconciledPage, ReconcileOperations
from application.ports.engine.workflow_engine import EngineUnavailable
from domain.scheduling.backoff import exponential

MAX_TRIES = 5
"""Attempts at one page. A pass that fails moves no watermark, and the next one reads the same changes."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassCounts:
    """Counts of a pass."""

    pages: int = 0
    listed: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0

    def plus(self, page: ReconciledPage) -> "PassCounts":
        """Returns the counts with one more page."""
        return PassCounts(
            self.pages + 1,
            self.listed + page.listed,
            self.asked + page.asked,
            self.corrected + page.corrected,
            self.failed + page.failed,
        )


async def run_pass(reconciler: ReconcileOperations) -> PassCounts:
    """Reconciles everything that has changed. The cursor never leaves this process, so that no client can move the
    watermark. Raises EngineUnavailable after MAX_TRIES."""
    counts = PassCounts()
    cursor: PassCursor | None = None
    while True:
        page = await _page(reconciler, cursor)
        counts, cursor = counts.plus(page), page.cursor
        if cursor is None:
            return counts


async def _page(reconciler: ReconcileOperations, cursor: PassCursor | None) -> ReconciledPage:
    for attempt in range(1, MAX_TRIES):
        try:
            return await reconciler.page(cursor)
        except EngineUnavailable as outage:
            _log.warning("a page of the reconciliation failed, trying again: %s", outage)
            await asyncio.sleep(exponential(attempt).total_seconds())
    return await reconciler.page(cursor)
