"""Decides whether a bulk action waits for other work of the ledger."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from application.ports.clock import Clock
from application.ports.storage.unit_of_work import UnitOfWork
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import Target
from domain.evidence.summary import OperationSummary
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import DueWork

MAX_DELAY: Final[Mapping[DueWork, timedelta]] = {
    DueWork.DISPATCH: timedelta(seconds=0.25),
    DueWork.FOLLOW_UP: timedelta(seconds=0.25),
    DueWork.CANCEL_CHILDREN: timedelta(seconds=1),
}
"""Time for which due work may wait: longer than the pause of an idle loop. What a bulk action writes within this time
is due before everything that comes later: with 200 targets a second about a chunk or two."""


class BulkPace:
    """Holds a bulk action back while work of the kinds that it makes due is late. Workers do what is due longest first,
    so that everything that becomes due later waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def waits(self, unit: UnitOfWork, verb: BulkVerb, targets: Sequence[Target]) -> bool:
        """Returns whether the bulk action has to wait before it handles these targets."""
        match verb:
            case BulkVerb.RETRY:
                return await self._is_late(unit, DueWork.DISPATCH)
            case BulkVerb.CANCEL:
                return await self._is_late(unit, DueWork.CANCEL_CHILDREN) or (
                    await self._is_late(unit, DueWork.FOLLOW_UP) and await _may_run(unit, targets)
                )
        return False

    async def _is_late(self, unit: UnitOfWork, kind: DueWork) -> bool:
        return await unit.operations.any_due(kind, self._clock.now() - MAX_DELAY[kind])


async def _may_run(unit: UnitOfWork, targets: Sequence[Target]) -> bool:
    """Whether a cancellation of the targets is delivered. Operations that wait for their start end at once: they may be
    what Temporal is late with."""
    found = await unit.operations.summaries([target.operation_id for target in targets])
    return any(map(_was_started, found))


def _was_started(summary: OperationSummary) -> bool:
    return not summary.status.done and (summary.status is OperationStatus.RUNNING or summary.first_run_id is not None)
