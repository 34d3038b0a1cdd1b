"""How far the ledger may be from the engine: for operators, over all tenants."""

from datetime import timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.monitoring.drift_report import DriftReport
from application.ports.storage.drift_queries import DriftQueries
from domain.operation.attention import AttentionKind


class ReadDrift:
    """Reads the database only."""

    def __init__(self, queries: DriftQueries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock

    async def read(self) -> DriftReport:
        """Returns the report. Raises DatabaseUnavailable."""
        drift = await self._queries.drift()
        oldest = drift.oldest_unverified
        waited = None if oldest is None else max(timedelta(), self._clock.now() - oldest)
        attention = {kind: drift.attention.get(kind, 0) for kind in AttentionKind}
        return DriftReport(waited, attention, drift.watermark_age, drift.worker_age)

    async def diverged(self, limit: int) -> list[UUID]:
        """Returns up to `limit` operations that diverged, latest first. Raises DatabaseUnavailable."""
        return await self._queries.diverged(limit)
