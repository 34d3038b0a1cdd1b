"""Queries of one tenant, in memory."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from adapters.memory.storage.events import count
from adapters.memory.storage.tables import Tables
from application.ports.storage.matching import matches
from application.ports.storage.operation_queries import (
    PAGE_BYTES,
    AtLeast,
    Counts,
    OperationFilter,
    Page,
    PageKey,
    SortTime,
    ThroughputCounts,
)
from application.ports.storage.operation_view import OperationDetails, with_children
from domain.durations import Durations
from domain.operation.operation import MISSING, Operation
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.throughput import Window


class MemoryOperationQueries:
    """Reads committed rows."""

    def __init__(self, tables: Tables, tenant: str) -> None:
        self._tables = tables
        self._tenant = tenant

    async def get(self, operation_id: UUID) -> OperationDetails | None:
        row = self._tables.operations.get(operation_id)
        if row is None or row.tenant != self._tenant:
            return None
        return with_children(row, Counter(child.status for child in self._rows() if child.parent_id == operation_id))

    async def page(
        self,
        criteria: OperationFilter,
        *,
        newest_first: bool,
        after: PageKey | None,
        limit: int,
        by: SortTime = SortTime.ACCEPTED,
    ) -> Page:
        def position(row: Operation) -> tuple[datetime, UUID]:
            return getattr(row, by), row.id

        rows = [row for row in self._rows() if matches(row, criteria) and getattr(row, by) is not None]
        rows.sort(key=position, reverse=newest_first)
        if after is not None:
            mark = (after.at, after.operation_id)
            rows = [row for row in rows if (position(row) < mark if newest_first else position(row) > mark)]
        held = itertools.accumulate(map(_weight, rows[:limit]), initial=0)
        items = [row for row, before in zip(rows[:limit], held, strict=False) if before < PAGE_BYTES]
        return Page.of(items, more=len(items) < len(rows), by=by)

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        if await self.get(operation_id) is None:
            return []
        return list(self._tables.history[operation_id])

    async def counts(self) -> Counts:
        return Counter((row.type, row.status, row.error.code if row.error else None) for row in self._rows())

    async def count_attentive(self, type_name: str | None, limit: int) -> AtLeast:
        found = sum(row.attention is not None and type_name in (None, row.type) for row in self._rows())
        return AtLeast(min(found, limit), found > limit)

    async def waiting_since(self, now: datetime) -> datetime | None:
        accepted = [row for row in self._rows() if row.status is OperationStatus.ACCEPTED]
        since = (row.start_at or row.accepted_at for row in accepted)
        return min((at for at in since if at <= now), default=None)

    async def durations(
        self, type_name: str, finished_after: datetime, finished_before: datetime, sample: int
    ) -> Mapping[OperationStatus, Durations]:
        found: dict[OperationStatus, Durations] = {}
        for status in (OperationStatus.COMPLETED, OperationStatus.FAILED):
            ended = sorted(
                (row.finished_at, (row.finished_at - row.started_at).total_seconds())
                for row in self._rows()
                if (row.type, row.status) == (type_name, status)
                and row.finished_at is not None
                and row.started_at is not None
                and finished_after < row.finished_at < finished_before
            )
            newest = [seconds for _, seconds in ended[-sample:]]
            found[status] = Durations.of(newest, sampled=len(ended) > sample)
        return found

    async def throughput(self, window: Window, since: datetime, type_name: str | None) -> ThroughputCounts:
        return count(self._tables.events, self._tenant, window, since, type_name)

    async def durations_between(self, type_name: str, times: Sequence[datetime], sample: int) -> list[Durations]:
        ended = sorted(
            (row.finished_at, (row.finished_at - row.started_at).total_seconds())
            for row in self._rows()
            if (row.type, row.status) == (type_name, OperationStatus.COMPLETED)
            and row.finished_at is not None
            and row.started_at is not None
        )
        found = []
        for since, until in itertools.pairwise(times):
            newest = [seconds for at, seconds in ended if since <= at < until][-sample:]
            found.append(Durations.of(newest, sampled=len(newest) == sample))
        return found

    def _rows(self) -> list[Operation]:
        return [row for row in self._tables.operations.values() if row.tenant == self._tenant]


def _weight(row: Operation) -> int:
    """Returns the bytes of the visible fields that may be large."""
    large = (row.input, row.result, row.error and dict(row.error.details))
    return sum(len(json.dumps(value)) for value in large if value is not None and value is not MISSING)
