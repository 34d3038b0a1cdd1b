"""Reads how many operations start and end, and how long they run, over time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from application.ports.clock import Clock
from application.ports.storage.operation_queries import OperationQueriesFactory
from domain.durations import Durations
from domain.operation.status import OperationStatus
from domain.throughput import Bucket, Throughput, Window

SAMPLE_OF_BUCKET: Final = 200
"""Operations of a bucket whose durations are read: those that finished last."""


@dataclass(frozen=True, slots=True)
class DurationsOverTime:
    """Durations of the operations of a type that completed in each bucket of a window, the oldest first."""

    type: str
    window: Window
    buckets: Sequence[tuple[datetime, Durations]]


class ReadThroughput:
    """For charts, of one tenant. The cost does not grow with the operations."""

    def __init__(self, queries: OperationQueriesFactory, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock

    async def read(self, tenant: str, window: Window, type_name: str | None = None) -> Throughput:
        """Returns the throughput of the window. `type_name`: None: of all types."""
        now = self._clock.now()
        found = await self._queries(tenant).throughput(window, window.since(now), type_name)
        starts = window.starts(now)
        numbers = Counter[tuple[datetime, OperationStatus]]()
        for (at, status), many in found.by_bucket.items():
            numbers[min(at, starts[-1]), status] += many  # a process whose clock is ahead is in a later bucket
        buckets = [Bucket(at, *(numbers[at, status] for status in _SHOWN)) for at in starts]
        return Throughput(window, buckets, found.totals)

    async def durations(self, tenant: str, window: Window, type_name: str) -> DurationsOverTime:
        """Returns the durations of completed operations of the type, from at most SAMPLE_OF_BUCKET of a bucket."""
        starts = window.starts(self._clock.now())
        times = [*starts, starts[-1] + window.bucket]
        found = await self._queries(tenant).durations_between(type_name, times, SAMPLE_OF_BUCKET)
        return DurationsOverTime(type_name, window, list(zip(starts, found, strict=True)))


_SHOWN: Final = (OperationStatus.RUNNING, OperationStatus.COMPLETED, OperationStatus.FAILED)
