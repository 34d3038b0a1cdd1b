"""Port: how far the ledger may be from the engine, over all tenants."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.operation.attention import AttentionKind


@dataclass(frozen=True, slots=True)
class Drift:
    """Cheap to tell, whatever the number of operations."""

    oldest_unverified: datetime | None
    """When the engine last spoke of the operation that has waited longest; None where none is open."""
    attention: dict[AttentionKind, int]
    """How many operations need attention of each kind."""
    watermark_age: timedelta | None = None
    """How far the watermark of the engine's index lies behind the database's time; None where there is none."""


class DriftQueries(Protocol):
    """Reads what is committed."""

    async def drift(self) -> Drift:
        """As it stands now."""

    async def diverged(self, limit: int) -> list[UUID]:
        """Operations that need attention because they diverged, the latest first."""
