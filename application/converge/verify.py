"""Asks the engine about unfinished operations that are silent: their state, and why they make no progress."""

from dataclasses import replace
from datetime import datetime, timedelta

from application.batching.claim_loop import LEASE, ClaimLoop
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import EngineUnavailable, PayloadsUnavailable, WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.track.record import RecordEvidence
from domain.evidence.reconciliation import Verdict
from domain.operation.operation import Operation
from domain.operation.transition import Source
from domain.scheduling.schedule import FIRST_VERIFICATION, Verification

RECENT = FIRST_VERIFICATION
"""An operation that changed within this time makes progress, and is not verified."""
MIN_INTERVAL = timedelta(minutes=1)
"""Shortest interval of verifications; the longest for an operation that needs attention."""
MAX_INTERVAL = timedelta(minutes=15)
"""Upper bound of the interval for a silent operation, of which at most three quarters are used. If more operations are
open than the rate allows for, each is verified in its turn, and none later than after the interval."""


class VerifyOperations:
    """Finds what no other channel reports: a deleted execution, a stale index. Any number of processes compete."""

    def __init__(
        self, units: UnitOfWorkFactory, engine: WorkflowEngine, clock: Clock, recorder: RecordEvidence, every: timedelta
    ) -> None:
        """`every`: longest time without a verification, if the steps keep up."""
        self._units = units
        self._engine = engine
        self._clock = clock
        self._recorder = recorder
        self._every = every

    def claim_loop(self) -> ClaimLoop:
        """Returns a loop that verifies operations."""
        return ClaimLoop(self._units, self._claim, self._verify)

    async def _claim(self, unit: UnitOfWork, limit: int) -> list[Operation]:
        return await unit.operations.claim_due_verifications(self._clock.now(), LEASE, limit)

    async def _verify(self, operation: Operation) -> bool:
        """Returns whether the engine was available. If not, the operation is due again after its lease."""
        now = self._clock.now()
        if self._changed_recently(operation, now):
            await self._schedule(operation, replace(operation.verification, due_at=now + MIN_INTERVAL))
            return True
        try:
            observation = await self._engine.observe(operation.chain)
        except EngineUnavailable as outage:
            return isinstance(outage, PayloadsUnavailable)
        verdict = await self._recorder.observation(
            operation.id, observation, Source.VERIFICATION, version=operation.version
        )
        asked_at = observation.asked_at
        await self._schedule(operation, Verification(asked_at, asked_at + self._wait(operation, asked_at, verdict)))
        return True

    async def _schedule(self, operation: Operation, verification: Verification) -> None:
        async with self._units() as unit:
            await unit.operations.set_verified(operation.id, verification)
            await unit.commit()

    def _changed_recently(self, operation: Operation, now: datetime) -> bool:
        """Returns whether the operation changed recently, so that a verification would say nothing new. One in each
        interval is made all the same."""
        verified_at = operation.verification.verified_at
        if verified_at is None or operation.attention is not None:
            return False
        return now - operation.updated_at < RECENT and now - verified_at < self._max_interval(operation) - MIN_INTERVAL

    def _max_interval(self, operation: Operation) -> timedelta:
        """Returns half to three quarters of the bound, so that operations that were started together spread out."""
        return min(self._every, MAX_INTERVAL) * (0.5 + 0.25 * (operation.id.int % 1024) / 1024)

    def _wait(self, operation: Operation, now: datetime, verdict: Verdict) -> timedelta:
        """Returns the time for which the operation has been silent, within bounds."""
        silent = timedelta() if verdict is not Verdict.NO_CHANGE else now - operation.updated_at
        needs_attention = operation.attention is not None or verdict is Verdict.ATTENTION
        wait = MIN_INTERVAL if needs_attention else max(silent, MIN_INTERVAL)
        return min(wait, self._max_interval(operation))
