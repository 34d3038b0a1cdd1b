"""The ledger's activities."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from application.converge.reconcile import ReconcileOperations
from application.converge.whole_pass import run_pass
from application.ports.metrics import Metrics
from application.track.receive_report import ReceiveReport
from application.track.record import Recorded
from domain.operation.chain import Run
from entrypoints.worker.callers import (
    FOREIGN_CALLER,
    FOREIGN_REPORT,
    ForeignCaller,
    calling_run,
    check_own_caller,
    rejected,
)
from entrypoints.worker.heartbeat import heartbeating
from entrypoints.worker.raw_arguments import InvalidArgument, json_argument, refusal
from entrypoints.worker.reconcile_operations import RECONCILE_PASS, RECONCILE_WORKFLOW, PassDone
from entrypoints.worker.wire_reports import read_update
from opledger.wire import UPDATE_ACTIVITY, UpdateOutcome

_OUTCOMES = {
    Recorded.RECORDED: UpdateOutcome.RECORDED,
    Recorded.IGNORED: UpdateOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: UpdateOutcome.UNKNOWN_OPERATION,
}


@dataclass(frozen=True)
class LedgerActivities:
    """The activities of the ledger's task queue. Each may run twice and may be killed at any point."""

    reports: ReceiveReport
    reconciler: ReconcileOperations
    metrics: Metrics
    reconcile_id: str
    """Prefix of the scheduled reconciliation's workflow ids."""

    @activity.defn(dynamic=True)
    async def run(self, arguments: Sequence[RawValue]) -> UpdateOutcome | PassDone:
        """Runs the activity of the requested name. Dynamic because only such an activity gets its arguments undecoded
        however many there are; see `raw_arguments`."""
        name = activity.info().activity_type
        try:
            if name == UPDATE_ACTIVITY:
                return await self.update_operation_status(arguments)
            if name == RECONCILE_PASS:
                return await self.reconcile_pass()
        except InvalidArgument as error:
            raise refusal(error) from None
        raise ApplicationError(f"the ledger's worker has no activity {name}", type="NotFoundError")

    async def update_operation_status(self, arguments: Sequence[RawValue]) -> UpdateOutcome:
        """Records a workflow's report. Raises InvalidArgument, and a non-retryable error where the caller is not the
        operation's workflow."""
        operation_id, report = read_update(json_argument(arguments))
        # A caller outside this namespace belongs to no chain.
        recorded = await self.reports.receive(operation_id, report, calling_run() or Run("", ""))
        if recorded not in _OUTCOMES:
            raise rejected(f"this workflow is not the one of operation {operation_id}", FOREIGN_REPORT)
        return _OUTCOMES[recorded]

    async def reconcile_pass(self) -> PassDone:
        """Runs a reconciliation pass. Refuses every caller but the scheduled reconciliation."""
        try:
            check_own_caller(RECONCILE_WORKFLOW, self.reconcile_id)
        except ForeignCaller as foreign:
            self.metrics.caller_rejected(RECONCILE_PASS)
            activity.logger.warning("call rejected: %s", foreign)
            raise rejected(str(foreign), FOREIGN_CALLER) from foreign
        async with heartbeating():
            done = await run_pass(self.reconciler)
        if done.corrected or done.failed:
            activity.logger.info("reconciled: %s", done)
        return PassDone(done.pages, done.listed, done.asked, done.corrected, done.failed)

    def all(self) -> list[Callable[..., Awaitable[object]]]:
        """The activities, for a worker."""
        return [self.run]
