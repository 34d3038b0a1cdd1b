"""Port: how far the ledger may be behind the engine, over all tenants."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.operation.attention import AttentionKind


@dataclass(frozen=True, slots=True)
class Drift:
    """Figures that are cheap to read, whatever the number of operations."""

    oldest_unverified: datetime | None
    """When the engine last reported the operation that has waited longest; None if none is open."""
    attention: dict[AttentionKind, int]
    """Number of operations that need attention, by kind."""
    watermark_age: timedelta | None = None
    """Time from the watermark of the engine's index to the database's time; None if there is no watermark."""
    worker_age: timedelta | None = None
    """Time from the mark of the lease of the workers' presence to the database's time; None: no worker has run."""


class DriftQueries(Protocol):
    """Reads committed data."""

    async def drift(self) -> Drift:
        """Returns the current figures."""

    async def diverged(self, limit: int) -> list[UUID]:
        """Returns operations that need attention because they diverged, latest first."""
