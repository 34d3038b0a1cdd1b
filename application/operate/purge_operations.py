"""Deletes operations after their retention."""

from datetime import timedelta

from application.batching.claim_loop import ClaimResult
from application.ports.clock import Clock
from application.ports.metrics import Metrics
from application.ports.unit_of_work import UnitOfWorkFactory
from application.submit.submission import KEY_LIFETIME

MIN_RETENTION = KEY_LIFETIME
"""Lifetime of an idempotency key: a repeat after an earlier deletion would run the operation again."""


class RetainOperations:
    """Deletes operations of all tenants that have been done for longer than `retention`, with history and key. Keeps
    operations that are not done, however old they are."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock, retention: timedelta, metrics: Metrics) -> None:
        self._units = units
        self._clock = clock
        self._retention = retention
        self._metrics = metrics

    async def step(self, limit: int) -> ClaimResult:
        """Deletes up to `limit` operations in one transaction."""
        async with self._units() as unit:
            purged = await unit.operations.purge(self._clock.now() - self._retention, limit)
            await unit.commit()
        self._metrics.purged(purged)
        return ClaimResult(purged)
