"""Throughput of operations, in memory: numbers by minute."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from application.ports.storage.operation_queries import ThroughputCounts
from domain.operation.operation import Operation
from domain.operation.status import OperationStatus
from domain.throughput import Became, Window

Event = tuple[str, datetime, Became]
"""The tenant, the start of the minute, and what operations became."""


def events_of(row: Operation | None) -> Counter[Event]:
    """Returns the start and the end of an operation."""
    return Counter(_events(row)) if row is not None else Counter()


def _events(row: Operation) -> Iterator[Event]:
    if row.started_at is not None:
        yield row.tenant, Window.HOUR.start_of(row.started_at), (row.type, OperationStatus.RUNNING, None)
    if row.finished_at is not None:
        became = (row.type, row.status, row.error.code if row.error else None)
        yield row.tenant, Window.HOUR.start_of(row.finished_at), became


def count(
    events: Counter[Event], tenant: str, window: Window, since: datetime, type_name: str | None
) -> ThroughputCounts:
    """Returns the numbers of a tenant in the buckets of the window."""
    by_bucket: Counter[tuple[datetime, OperationStatus]] = Counter()
    totals: Counter[Became] = Counter()
    for (owner, at, became), many in events.items():
        if owner == tenant and at >= since and type_name in (None, became[0]) and many:
            by_bucket[window.start_of(at), became[1]] += many
            totals[became] += many
    return ThroughputCounts(dict(by_bucket), dict(totals))


def forget(events: Counter[Event], now: datetime) -> None:
    """Removes what no window shows any more."""
    for event in [event for event in events if event[1] < now - Window.WEEK.kept]:
        del events[event]
