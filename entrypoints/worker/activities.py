"""The ledger's activities."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from application.bulk.perform import BulkActionEnded, PerformBulkActions, PieceHandled, TargetsFailed
from application.converge.reconcile import ReconcileOperations
from application.converge.whole_pass import run_pass
from application.ports.monitoring.metrics import Metrics
from application.track.receive_report import ReceiveReport
from application.track.record import Recorded
from domain.bulk.bulk_action import MAX_TARGETS
from domain.bulk.target import TargetOutcome
from domain.operation.chain import Run
from entrypoints.own_workflow import BULK_WORKFLOW, RECONCILE_WORKFLOW
from entrypoints.reports.object_decoder import InvalidArgument
from entrypoints.reports.status_update import decode_status_update
from entrypoints.worker.callers import (
    FOREIGN_CALLER,
    FOREIGN_REPORT,
    ForeignCaller,
    calling_bulk_action,
    calling_run,
    check_own_caller,
    rejected,
)
from entrypoints.worker.heartbeat import heartbeating
from entrypoints.worker.perform_bulk_action import BULK_PIECE, Handled
from entrypoints.worker.raw_arguments import json_argument, refusal
from entrypoints.worker.reconcile_operations import RECONCILE_PASS, PassDone
from opledger.wire import UPDATE_ACTIVITY, UpdateOutcome

BULK_ACTION_ENDED = "BulkActionEnded"
"""Type of the error that ends the workflow of a bulk action whose operation is gone. Never retried."""
BULK_ATTEMPTS = 5
"""Attempts at targets after which those that cannot be handled are FAILED. An attempt that the database or the end of
the worker cuts short does not count."""
_OUTCOMES = {
    Recorded.RECORDED: UpdateOutcome.RECORDED,
    Recorded.IGNORED: UpdateOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: UpdateOutcome.UNKNOWN_OPERATION,
}


def numbers_of(piece: PieceHandled) -> Handled:
    """The numbers of a piece, as the workflow of a bulk action gets them."""
    return Handled(
        upto=piece.upto,
        matching=piece.matching,
        done=piece.outcomes.get(TargetOutcome.DONE, 0),
        skipped=piece.outcomes.get(TargetOutcome.SKIPPED, 0),
        failed=piece.outcomes.get(TargetOutcome.FAILED, 0),
        stopped=piece.stopped,
        waits=piece.waits,
    )


@dataclass(frozen=True)
class LedgerActivities:
    """The activities of the ledger's task queue. Each may run twice and may be killed at any point."""

    reports: ReceiveReport
    reconciler: ReconcileOperations
    bulk: PerformBulkActions
    metrics: Metrics
    reconcile_id: str
    """Prefix of the scheduled reconciliation's workflow ids."""

    @activity.defn(dynamic=True)
    async def run(self, arguments: Sequence[RawValue]) -> UpdateOutcome | PassDone | Handled:
        """Runs the activity of the requested name. Dynamic because only such an activity gets its arguments undecoded
        however many there are; see `raw_arguments`."""
        name = activity.info().activity_type
        try:
            if name == UPDATE_ACTIVITY:
                return await self.update_operation_status(arguments)
            if name == RECONCILE_PASS:
                return await self.reconcile_pass()
            if name == BULK_PIECE:
                return await self.handle_bulk_piece(arguments)
        except InvalidArgument as error:
            raise refusal(error) from None
        raise ApplicationError(f"the ledger's worker has no activity {name}", type="NotFoundError")

    async def update_operation_status(self, arguments: Sequence[RawValue]) -> UpdateOutcome:
        """Records a workflow's report. Raises InvalidArgument, and a non-retryable error where the caller is not the
        operation's workflow."""
        update = decode_status_update(json_argument(arguments))
        # A caller outside this namespace belongs to no chain.
        recorded = await self.reports.receive(
            update.operation_id, update.report, calling_run() or Run("", ""), execution=update.execution
        )
        if recorded not in _OUTCOMES:
            raise rejected(f"this workflow is not the one of operation {update.operation_id}", FOREIGN_REPORT)
        return _OUTCOMES[recorded]

    async def reconcile_pass(self) -> PassDone:
        """Runs a reconciliation pass. Refuses every caller but the scheduled reconciliation."""
        try:
            check_own_caller(RECONCILE_WORKFLOW, self.reconcile_id)
        except ForeignCaller as foreign:
            raise self._rejected(RECONCILE_PASS, foreign) from foreign
        async with heartbeating():
            done = await run_pass(self.reconciler)
        if done.corrected or done.failed:
            activity.logger.info("reconciled: %s", done)
        return PassDone(done.pages, done.listed, done.asked, done.corrected, done.failed)

    async def handle_bulk_piece(self, arguments: Sequence[RawValue]) -> Handled:
        """Handles a piece of the bulk action whose workflow calls. Raises InvalidArgument. Refuses other callers."""
        after = json_argument(arguments)
        if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after <= MAX_TARGETS:
            raise InvalidArgument(f"a place from 0 to {MAX_TARGETS} is expected")
        try:
            action_id = calling_bulk_action(BULK_WORKFLOW)
        except ForeignCaller as foreign:
            raise self._rejected(BULK_PIECE, foreign) from foreign
        failed = _failed_attempts()
        async with heartbeating(failed):
            try:
                piece = await _unless_cancelled(self.bulk, action_id, after, give_up=failed >= BULK_ATTEMPTS)
            except BulkActionEnded as ended:
                raise rejected(f"{ended} Operation {action_id}", BULK_ACTION_ENDED) from ended
            except TargetsFailed:
                activity.heartbeat(failed + 1)
                raise
        return numbers_of(piece)

    def _rejected(self, name: str, foreign: ForeignCaller) -> ApplicationError:
        self.metrics.caller_rejected(name)
        activity.logger.warning("call rejected: %s", foreign)
        return rejected(str(foreign), FOREIGN_CALLER)

    def all(self) -> list[Callable[..., Awaitable[object]]]:
        """The activities, for a worker."""
        return [self.run]


def _failed_attempts() -> int:
    """Returns how many attempts at the piece have tried all its targets and failed. Temporal's number of the attempt
    counts others, too, so the heartbeats carry this one."""
    details = activity.info().heartbeat_details
    return int(details[0]) if details else 0


async def _unless_cancelled(bulk: PerformBulkActions, action_id: UUID, after: int, *, give_up: bool) -> PieceHandled:
    """Handles a piece. After a cancellation of the activity it ends behind the targets under way, and says what it has
    done: the workflow was cancelled or terminated, or this worker stops."""
    stop = asyncio.Event()
    piece = asyncio.ensure_future(bulk.handle(action_id, after, stop, give_up=give_up))
    try:
        return await asyncio.shield(piece)
    except asyncio.CancelledError:
        stop.set()
        return await piece
