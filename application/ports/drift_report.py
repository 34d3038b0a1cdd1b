"""How far the ledger may be from the engine, as metrics and checks present it."""

from dataclasses import dataclass
from datetime import timedelta

from domain.operation.attention import AttentionKind


@dataclass(frozen=True, slots=True)
class DriftReport:
    """At one moment, over all tenants."""

    oldest_unverified: timedelta | None
    """How long ago the engine was last asked about the operation that has waited longest; None where none is open."""
    attention: dict[AttentionKind, int]
    """The number of operations that need attention, for every kind."""
    watermark_age: timedelta | None = None
    """How long ago the last complete reconciliation pass began, by the database's clock; None: none has ended."""
