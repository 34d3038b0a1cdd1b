"""Merges the changes of the numbers of operations, and of the throughput."""

from application.batching.step_result import StepResult
from application.ports.clock import Clock
from application.ports.storage.unit_of_work import UnitOfWorkFactory


class FoldCounts:
    """Keeps counting cheap: a count reads every change that is not merged."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    async def step(self, limit: int) -> StepResult:
        """Merges up to `limit` changes of either in one transaction. The result is 0 if none is left."""
        async with self._units() as unit:
            counts = await unit.operations.fold_counts(limit)
            throughput = await unit.operations.fold_throughput(self._clock.now(), limit)
            await unit.commit()
        folded = max(counts, throughput)
        return StepResult(folded if folded >= limit else 0)
