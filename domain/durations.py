"""How long operations ran: percentiles of durations."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Self


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations of operations, from `started_at` to `finished_at`, in seconds.

    A percentile is the shortest duration that at least so many percent do not exceed (nearest rank). All are None
    without operations.
    """

    count: int = 0
    sampled: bool = False
    """Whether the window has more operations than were read: the ones that finished last."""
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float], *, sampled: bool) -> Self:
        """Returns the percentiles of these durations."""
        if not seconds:
            return cls()
        ranked = sorted(seconds)
        p50, p90, p95, p99 = (ranked[ceil(len(ranked) * percent / 100) - 1] for percent in (50, 90, 95, 99))
        return cls(len(ranked), sampled, p50, p90, p95, p99, ranked[-1])
