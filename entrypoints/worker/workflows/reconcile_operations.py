"""The scheduled reconciliation: page after page, with only a cursor and counts in its history."""

from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

RECONCILE_WORKFLOW = "ReconcileOperations"
RECONCILE_PAGE = "reconcile_page"
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
"""Several of the activity's beats. A killed worker's page is begun again after this; no other pass starts before."""
PAGE_SIZE = 200
PAGES_PER_RUN = 100


@dataclass(frozen=True)
class PageRequest:
    """Which page: operations with ids above `after`."""

    after: str | None
    limit: int


@dataclass(frozen=True)
class PageDone:
    """What a page did; `next_after` is None behind the last one."""

    next_after: str | None
    scanned: int
    asked: int
    corrected: int
    failed: int


@dataclass(frozen=True)
class PassState:
    """Where a pass is, and what it has done so far."""

    after: str | None = None
    scanned: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0
    page_size: int = PAGE_SIZE
    pages_per_run: int = PAGES_PER_RUN
    """After so many it continues as new, so that no history grows with the ledger."""

    def plus(self, page: PageDone) -> "PassState":
        """The state behind the page."""
        return replace(
            self,
            after=page.next_after,
            scanned=self.scanned + page.scanned,
            asked=self.asked + page.asked,
            corrected=self.corrected + page.corrected,
            failed=self.failed + page.failed,
        )


@workflow.defn(name=RECONCILE_WORKFLOW)
class ReconcileOperations:
    """One pass over everything that is dispatched and not done. A pass that was killed is simply begun again."""

    @workflow.run
    async def run(self, state: PassState | None = None) -> PassState:
        state = state or PassState()
        for _ in range(state.pages_per_run):
            page = await self._page(state)
            state = state.plus(page)
            if state.after is None:
                break
        else:
            workflow.continue_as_new(state)
        return state

    async def _page(self, state: PassState) -> PageDone:
        done: PageDone = await workflow.execute_activity(
            RECONCILE_PAGE,
            PageRequest(state.after, state.page_size),
            result_type=PageDone,
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=10),
        )
        return done
