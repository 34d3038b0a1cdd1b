"""Deletes expired idempotency keys."""

from application.batching.step_result import StepResult
from application.ports.clock import Clock
from application.ports.storage.unit_of_work import UnitOfWorkFactory


class ForgetKeys:
    """Limits the table of keys to the requests of a day."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    async def step(self, limit: int) -> StepResult:
        """Deletes up to `limit` expired keys."""
        async with self._units() as unit:
            forgotten = await unit.idempotency_keys.purge(self._clock.now(), limit)
            await unit.commit()
        return StepResult(forgotten)
