"""Forget idempotency keys that have expired."""

from application.batching.claim_loop import ClaimResult
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWorkFactory


class ForgetKeys:
    """Keeps the table of keys as small as a day's requests."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    async def step(self, limit: int) -> ClaimResult:
        """Forget up to `limit` expired keys."""
        async with self._units() as unit:
            forgotten = await unit.idempotency_keys.purge(self._clock.now(), limit)
            await unit.commit()
        return ClaimResult(forgotten)
