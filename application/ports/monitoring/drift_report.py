"""How far the ledger may be from the engine, as metrics and checks present it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.operation.attention import AttentionKind

PASS_DELAY: Final = timedelta(minutes=15)
"""Time beyond the interval after which a reconciliation pass counts as missing."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """At one moment, over all tenants."""

    oldest_unverified: timedelta | None
    """How long ago the engine was last asked about the operation that has waited longest; None where none is open."""
    attention: dict[AttentionKind, int]
    """The number of operations that need attention, for every kind."""
    watermark_age: timedelta | None = None
    """How long ago the last complete reconciliation pass began, by the database's clock; None: none has ended."""
    worker_age: timedelta | None = None
    """How long ago a worker last noted that it runs, by the database's clock; None: none has run."""

    def pass_is_missing(self, every: timedelta) -> bool:
        """Returns whether no reconciliation pass began in time. `every`: their interval. Before the first pass has
        ended, nothing is missing."""
        return self.watermark_age is not None and self.watermark_age > every + PASS_DELAY
