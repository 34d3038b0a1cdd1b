"""Keep operations that are done for so long, and no longer."""

from datetime import timedelta

from application.batching.claim_loop import ClaimResult
from application.ports.clock import Clock
from application.ports.metrics import Metrics
from application.ports.unit_of_work import UnitOfWorkFactory
from application.submit.submission import KEY_LIFETIME

MIN_RETENTION = KEY_LIFETIME
"""An operation is not removed by age before its idempotency key has expired: a late repeat would run it again."""


class RetainOperations:
    """Removes what has been done for longer than `retention`, of every tenant, with history and key. What is not done
    is kept, however old it is."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock, retention: timedelta, metrics: Metrics) -> None:
        self._units = units
        self._clock = clock
        self._retention = retention
        self._metrics = metrics

    async def step(self, limit: int) -> ClaimResult:
        """Remove up to `limit` operations, in one commit."""
        async with self._units() as unit:
            purged = await unit.operations.purge(self._clock.now() - self._retention, limit)
            await unit.commit()
        self._metrics.purged(purged)
        return ClaimResult(purged)
