"""Records that a worker runs. The dashboard and the drift report show whether one does."""

from datetime import timedelta
from typing import Final

from application.batching.step_result import StepResult
from application.ports.storage.leases import PRESENCE
from application.ports.storage.unit_of_work import UnitOfWorkFactory

INTERVAL: Final = timedelta(seconds=5)
"""Time between two notes. All workers together write one."""
ALIVE_FOR: Final = 6 * INTERVAL
"""Age of the last note up to which a worker counts as running."""


class NotePresence:
    """Sets the mark of a lease to the database's time. A worker does so from its start, whatever else it does."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units

    async def step(self, limit: int) -> StepResult:
        """Records the presence unless another worker has done so within the interval. `limit` is not used."""
        async with self._units() as unit:
            lease = await unit.leases.acquire(PRESENCE, INTERVAL)
            if lease is not None:
                await unit.leases.advance(PRESENCE, lease.now)
                await unit.commit()
        return StepResult(0)
