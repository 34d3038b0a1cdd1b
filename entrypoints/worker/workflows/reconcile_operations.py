"""The scheduled reconciliation: page after page, with only a cursor and counts in its history."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

RECONCILE_WORKFLOW = "ReconcileOperations"
RECONCILE_PAGE = "reconcile_page"
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
"""Several of the activity's beats. A killed worker's page is begun again after this; no other pass starts before."""
PAGES_PER_RUN = 100


@dataclass(frozen=True)
class Cursor:
    """Where a pass is, in the ledger's own words: times in ISO 8601, the index's page token in base64."""

    since: str
    began_at: str
    page: str
    incomplete: bool = False


@dataclass(frozen=True)
class PageDone:
    """What a page did; `cursor` is None behind the last one."""

    cursor: Cursor | None
    listed: int
    asked: int
    corrected: int
    failed: int


@dataclass(frozen=True)
class Counts:
    """What a pass has done so far."""

    listed: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0

    def plus(self, page: PageDone) -> "Counts":
        return Counts(
            self.listed + page.listed,
            self.asked + page.asked,
            self.corrected + page.corrected,
            self.failed + page.failed,
        )


@dataclass(frozen=True)
class PassState:
    """Where a pass is, and what it has done."""

    cursor: Cursor | None = None
    """None: at its beginning, or at its end."""
    counts: Counts = field(default_factory=Counts)
    pages_per_run: int = PAGES_PER_RUN
    """After so many it continues as new, so that no history grows with the ledger."""


@workflow.defn(name=RECONCILE_WORKFLOW)
class ReconcileOperations:
    """One pass over what the engine's index says has changed. A pass that was killed is simply begun again."""

    @workflow.run
    async def run(self, state: PassState | None = None) -> PassState:
        state = state or PassState()
        for _ in range(state.pages_per_run):
            page = await self._page(state.cursor)
            state = replace(state, cursor=page.cursor, counts=state.counts.plus(page))
            if state.cursor is None:
                break
        else:
            workflow.continue_as_new(state)
        return state

    async def _page(self, cursor: Cursor | None) -> PageDone:
        done: PageDone = await workflow.execute_activity(
            RECONCILE_PAGE,
            cursor,
            result_type=PageDone,
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10), maximum_attempts=10),
        )
        return done
