"""Hold unfinished operations against the engine, a bounded page at a time."""

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID

from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, WorkflowEngine
from application.services.record import RecordEvidence
from domain.operation import Operation
from domain.reconciliation import Verdict
from domain.status import OperationStatus
from domain.transition import Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReconciledPage:
    """What a page did. `next_after` is None behind the last page."""

    next_after: UUID | None
    scanned: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0


class ReconcileOperations:
    """The safety net under every other channel. Pages may overlap, repeat, and be cut short at any point."""

    def __init__(
        self, units: UnitOfWorkFactory, engine: WorkflowEngine, recorder: RecordEvidence, *, concurrency: int = 8
    ) -> None:
        self._units = units
        self._engine = engine
        self._recorder = recorder
        self._gate = asyncio.Semaphore(concurrency)

    async def page(self, after: UUID | None, limit: int) -> ReconciledPage:
        """Reconcile up to `limit` unfinished operations with ids above `after`.

        The engine's index is asked once which of them run; only the others are asked about one by one, because only
        that answer is strongly consistent. Bad rows are counted and passed over. Raises EngineUnavailable if the index
        cannot be asked, or if not one row could be.
        """
        async with self._units() as unit:
            operations = await unit.operations.unfinished_page(after, limit)
        running = [operation.id for operation in operations if operation.status is OperationStatus.RUNNING]
        listed = await self._engine.listed_as_running(running) if running else frozenset()
        suspects = [operation for operation in operations if operation.id not in listed]
        verdicts = await asyncio.gather(*(self._ask(operation) for operation in suspects))
        outages = [verdict for verdict in verdicts if isinstance(verdict, EngineUnavailable)]
        if outages and len(outages) == len(suspects):
            raise outages[0]
        return ReconciledPage(
            next_after=operations[-1].id if len(operations) == limit else None,
            scanned=len(operations),
            asked=len(suspects),
            corrected=sum(verdict in (Verdict.TRANSITION, Verdict.START_AGAIN) for verdict in verdicts),
            failed=sum(not isinstance(verdict, Verdict) for verdict in verdicts),
        )

    async def _ask(self, operation: Operation) -> Verdict | EngineUnavailable | None:
        async with self._gate:
            try:
                observation = await self._engine.observe(operation.id)
                return await self._recorder.observation(operation.id, observation, Source.RECONCILIATION)
            except EngineUnavailable as outage:
                _log.warning(
                    "operation %s could not be asked about; the next pass tries again: %s", operation.id, outage
                )
                return outage
            except Exception:
                _log.exception("reconciling operation %s failed; the next pass tries again", operation.id)
                return None
