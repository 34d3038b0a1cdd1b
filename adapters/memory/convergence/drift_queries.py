"""Queries for the drift between ledger and engine, in memory."""

from collections import Counter
from uuid import UUID

from adapters.memory.convergence.watermarks import EXECUTIONS
from adapters.memory.storage.tables import Tables
from application.ports.clock import Clock
from application.ports.storage.drift_queries import Drift
from application.ports.storage.leases import PRESENCE
from domain.operation.attention import AttentionKind


class MemoryDriftQueries:
    """Reads committed rows."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def drift(self) -> Drift:
        rows = self._tables.operations.values()
        watermark = self._tables.watermarks.get(EXECUTIONS)
        presence = self._tables.leases.get(PRESENCE)
        asked = [row.verification.verified_at for row in rows if row.verification.due_at is not None]
        return Drift(
            oldest_unverified=min((at for at in asked if at is not None), default=None),
            attention=dict(Counter(row.attention.kind for row in rows if row.attention is not None)),
            watermark_age=None if watermark is None else self._clock.now() - watermark,
            worker_age=None if presence is None or presence.mark is None else self._clock.now() - presence.mark,
        )

    async def diverged(self, limit: int) -> list[UUID]:
        found = [
            (row.attention.since, row.id)
            for row in self._tables.operations.values()
            if row.attention is not None and row.attention.kind is AttentionKind.DIVERGED
        ]
        return [operation_id for _, operation_id in sorted(found, reverse=True)[:limit]]
