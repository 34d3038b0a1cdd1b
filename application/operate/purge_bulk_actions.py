"""Deletes dry runs of bulk actions that were not confirmed."""

from application.batching.step_result import StepResult
from application.ports.clock import Clock
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.bulk.bulk_action import KEPT_UNCONFIRMED


class ForgetDryRuns:
    """Keeps a dry run for an hour."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    async def step(self, limit: int) -> StepResult:
        """Deletes up to `limit` dry runs."""
        async with self._units() as unit:
            forgotten = await unit.bulk_actions.purge(self._clock.now() - KEPT_UNCONFIRMED, limit)
            await unit.commit()
        return StepResult(forgotten)
