"""The ledger's activities: methods of a class that holds what they need."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError

from application.services.reconcile import ReconcileOperations
from application.services.record import Recorded, RecordEvidence
from entrypoints.worker.heartbeat import heartbeating
from entrypoints.worker.wire_cursor import read_cursor, write_cursor
from entrypoints.worker.wire_reports import read_update
from entrypoints.worker.workflows.reconcile_operations import RECONCILE_PAGE, Cursor, PageDone
from opledger.wire import UPDATE_ACTIVITY, StatusUpdate, UpdateOutcome

_OUTCOMES = {
    Recorded.RECORDED: UpdateOutcome.RECORDED,
    Recorded.IGNORED: UpdateOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: UpdateOutcome.UNKNOWN_OPERATION,
}


@dataclass(frozen=True)
class LedgerActivities:
    """What runs on the ledger's task queue. Every one may run twice, and be killed at any point."""

    recorder: RecordEvidence
    reconciler: ReconcileOperations

    @activity.defn(name=UPDATE_ACTIVITY)
    async def update_operation_status(self, update: StatusUpdate) -> UpdateOutcome:
        """Record what a workflow reports of itself. An update that cannot be read is refused for good."""
        try:
            operation_id, report = read_update(update)
        except ValueError as error:
            raise ApplicationError(f"unreadable status update: {error}", non_retryable=True) from error
        return _OUTCOMES[await self.recorder.report(operation_id, report)]

    @activity.defn(name=RECONCILE_PAGE)
    async def reconcile_page(self, cursor: Cursor | None) -> PageDone:
        """Reconcile one page of what has changed; without a cursor, the first page of a new pass."""
        async with heartbeating():
            page = await self.reconciler.page(None if cursor is None else read_cursor(cursor))
        if page.corrected or page.failed:
            activity.logger.info(
                "reconciled a page: %d listed, %d asked, %d corrected, %d failed",
                page.listed,
                page.asked,
                page.corrected,
                page.failed,
            )
        following = None if page.cursor is None else write_cursor(page.cursor)
        return PageDone(following, page.listed, page.asked, page.corrected, page.failed)

    def all(self) -> list[Callable[..., Awaitable[object]]]:
        """The activities, as a worker takes them."""
        return [self.update_operation_status, self.reconcile_page]
