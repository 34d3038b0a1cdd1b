"""The workflow of a bulk action: piece after piece."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType

from entrypoints.own_workflow import BULK_WORKFLOW
from opledger import report_progress, track_operation_status

BULK_PIECE = "handle_bulk_piece"
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
"""Several heartbeats of the activity. After this, another worker repeats the piece of a killed one."""
LONGEST_PIECE = timedelta(minutes=10)
CANCELLATION_TIMEOUT = timedelta(seconds=30)
"""Wait for the cancellation that the ledger has stored, and delivers to the workflow."""
WAITS = "waits until the ledger has caught up with other operations"
"""Part of the message of the progress. One report says so for as long as it waits."""
PIECES_PER_RUN = 200
"""A run of the workflow has about 12 events for each piece."""


@dataclass(frozen=True)
class Handled:
    """The numbers of a bulk action so far."""

    upto: int = 0
    """Place of the last target that was handled."""
    matching: int | None = None
    """Number of targets. None: not known yet."""
    done: int = 0
    skipped: int = 0
    failed: int = 0
    stopped: bool = False
    """The cancellation was requested: what is behind `upto` was not handled."""
    waits: bool = False
    """The last piece has handled nothing, because other work of the ledger comes first."""

    def plus(self, piece: "Handled") -> "Handled":
        """The numbers after one more piece."""
        return replace(
            piece,
            done=self.done + piece.done,
            skipped=self.skipped + piece.skipped,
            failed=self.failed + piece.failed,
        )

    @property
    def complete(self) -> bool:
        """Whether every target was handled."""
        return self.matching is not None and self.upto >= self.matching

    @property
    def fraction(self) -> float | None:
        """The fraction of the targets that were handled; None if there are none."""
        return self.upto / self.matching if self.matching else None

    def numbers(self) -> dict[str, int]:
        """The result of the operation."""
        return {"matching": self.matching or 0, "done": self.done, "skipped": self.skipped, "failed": self.failed}

    def words(self) -> str:
        """The message of the progress."""
        numbers = f"{self.upto} of {self.matching}: {self.done} done, {self.skipped} skipped, {self.failed} failed"
        return f"{numbers}; {WAITS}" if self.waits else numbers


@workflow.defn(name=BULK_WORKFLOW)
class PerformBulkAction:
    """Handles the targets in pieces, until all are handled or it is cancelled."""

    @track_operation_status
    @workflow.run
    async def run(self, request: dict[str, Any], handled: Handled | None = None) -> dict[str, int]:
        """`handled`: what earlier runs of the chain have done."""
        so_far, pieces = handled or Handled(), 0
        while not so_far.complete:
            if pieces == PIECES_PER_RUN:
                workflow.continue_as_new(args=[request, so_far])
            piece, cancelled = await _handle_piece(so_far.upto)
            said, so_far, pieces = so_far.waits, so_far.plus(piece), pieces + 1
            if not (said and so_far.waits):
                await report_progress(so_far.fraction, so_far.words())
            if cancelled and not so_far.complete:
                raise asyncio.CancelledError
            if so_far.stopped and not so_far.complete:
                await workflow.sleep(CANCELLATION_TIMEOUT)  # the cancellation ends it
        return so_far.numbers()


async def _handle_piece(after: int) -> tuple[Handled, bool]:
    """Returns the numbers of a piece, and whether the operation was cancelled meanwhile. The piece ends behind the
    targets under way, and is waited for, so that nothing is handled after the operation has ended."""
    piece = workflow.start_activity(
        BULK_PIECE,
        after,
        result_type=Handled,
        start_to_close_timeout=LONGEST_PIECE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10)),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )
    try:
        return await asyncio.shield(piece), False
    except asyncio.CancelledError:
        piece.cancel()
        try:
            return await piece, True
        except ActivityError:  # its worker is gone: the targets say what it has done
            raise asyncio.CancelledError from None
