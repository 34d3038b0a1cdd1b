"""Ask the engine about every unfinished operation now and then, whatever anybody has reported of it or listed."""

from datetime import datetime, timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, PayloadsUnavailable, WorkflowEngine
from application.services.record import RecordEvidence
from application.services.step import LEASE, Step, work_through
from domain.operation import Operation
from domain.schedule import Verification
from domain.transition import Source


class VerifyOperations:
    """Finds what no other channel says: an execution that was deleted, an index that is stale. Any number compete."""

    def __init__(
        self, units: UnitOfWorkFactory, engine: WorkflowEngine, clock: Clock, recorder: RecordEvidence, every: timedelta
    ) -> None:
        """`every`: no operation goes unverified for longer, as long as the steps keep up."""
        self._units = units
        self._engine = engine
        self._clock = clock
        self._recorder = recorder
        self._every = every

    async def step(self, limit: int) -> Step:
        """Verify up to `limit` operations that are due. One that fails does not stop the others."""
        return await work_through(
            self._units,
            lambda unit: unit.operations.claim_due_verifications(self._clock.now(), LEASE, limit),
            self._verify,
        )

    async def _verify(self, operation: Operation) -> bool:
        """Whether the engine was there to answer. If not, the operation is due again after its lease."""
        try:
            observation = await self._engine.observe(operation.id)
        except EngineUnavailable as outage:
            return isinstance(outage, PayloadsUnavailable)
        await self._recorder.observation(operation.id, observation, Source.VERIFICATION)
        async with self._units() as unit:
            due_at = self._next(operation.id, observation.asked_at)
            await unit.operations.set_verified(operation.id, Verification(observation.asked_at, due_at))
            await unit.commit()
        return True

    def _next(self, operation_id: UUID, now: datetime) -> datetime:
        """After half to three quarters of the interval: operations that were started together spread out, and a
        quarter is left to catch up in."""
        return now + self._every * (0.5 + 0.25 * (operation_id.int % 1024) / 1024)
