"""The ledger's activities: methods of a class that holds what they need."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from application.services.reconcile import ReconcileOperations
from application.services.record import Recorded, RecordEvidence
from entrypoints.worker.heartbeat import heartbeating
from entrypoints.worker.raw_arguments import InvalidArgument, json_argument, refusal
from entrypoints.worker.wire_cursor import read_cursor, write_cursor
from entrypoints.worker.wire_reports import read_update
from entrypoints.worker.workflows.reconcile_operations import RECONCILE_PAGE, PageDone
from opledger.wire import UPDATE_ACTIVITY, UpdateOutcome

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

    @activity.defn(dynamic=True)
    async def run(self, arguments: Sequence[RawValue]) -> UpdateOutcome | PageDone:
        """Run the activity of the requested name. Dynamic because only such an activity gets its arguments undecoded
        however many there are; see `raw_arguments`."""
        name = activity.info().activity_type
        try:
            if name == UPDATE_ACTIVITY:
                return await self.update_operation_status(arguments)
            if name == RECONCILE_PAGE:
                return await self.reconcile_page(arguments)
        except InvalidArgument as error:
            raise refusal(error) from None
        raise ApplicationError(f"the ledger's worker has no activity {name}", type="NotFoundError")

    async def update_operation_status(self, arguments: Sequence[RawValue]) -> UpdateOutcome:
        """Record what a workflow reports of itself. Raises InvalidArgument."""
        operation_id, report = read_update(json_argument(arguments))
        return _OUTCOMES[await self.recorder.report(operation_id, report)]

    async def reconcile_page(self, arguments: Sequence[RawValue]) -> PageDone:
        """Reconcile one page of what has changed; without a cursor, the first page of a new pass. Raises
        InvalidArgument."""
        cursor = read_cursor(arguments)
        async with heartbeating():
            page = await self.reconciler.page(cursor)
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
        return [self.run]
