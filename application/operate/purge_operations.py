"""Deletes operations after their retention."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from application.batching.step_result import StepResult
from application.operate.export_operations import ExportOperations
from application.ports.clock import Clock
from application.ports.export import ExportFailed
from application.ports.monitoring.metrics import Metrics
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.submit.submission import KEY_LIFETIME
from domain.retention import Cutoffs, Retention

MIN_RETENTION = KEY_LIFETIME
"""Lifetime of an idempotency key: a repeat after an earlier deletion would run the operation again."""


LEASE_NAME = "retention"
LEASE = timedelta(minutes=2)
"""Time after which another worker takes over from one that was killed."""


class RetainOperations:
    """Deletes operations of all tenants that are done and past their retention, with history and key.

    Operations that are not done and those that are kept stay, however old they are. One worker at a time deletes. With
    an export, only what was exported is deleted, as it was exported."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        clock: Clock,
        retention: Retention,
        metrics: Metrics,
        exporter: ExportOperations | None = None,
    ) -> None:
        """`exporter`: None: what is deleted is gone."""
        self._units = units
        self._clock = clock
        self._retention = retention
        self._metrics = metrics
        self._exporter = exporter

    async def step(self, limit: int) -> StepResult:
        """Deletes up to `limit` operations, unless another worker deletes."""
        async with self._units() as unit:
            if await unit.leases.acquire(LEASE_NAME, LEASE) is None:
                return StepResult(0)
            await unit.commit()
        try:
            return StepResult(await self._delete(limit))
        finally:
            async with self._units() as unit:
                await unit.leases.extend(LEASE_NAME, timedelta())
                await unit.commit()

    async def _delete(self, limit: int) -> int:
        """Returns the number of operations that were due. No transaction is open during the export: it would delay the
        change feed."""
        cutoffs = self._retention.cutoffs(self._clock.now())
        async with self._units() as unit:
            due: Mapping[UUID, int] = await unit.operations.expired(cutoffs, limit)
        if not due:
            return 0
        found = len(due)
        if self._exporter is not None:
            due = await self._export(self._exporter, list(due), cutoffs)
        async with self._units() as unit:
            purged = await unit.operations.delete_all(due)
            await unit.commit()
        self._metrics.purged(len(purged))
        return found

    async def _export(
        self, exporter: ExportOperations, operation_ids: Sequence[UUID], cutoffs: Cutoffs
    ) -> Mapping[UUID, int]:
        try:
            exported = await exporter.export(operation_ids, cutoffs)
        except ExportFailed as error:
            self._metrics.export_failed()
            raise ExportFailed(f"{error}; nothing is deleted until the export works") from error
        self._metrics.exported(len(exported))
        return exported
