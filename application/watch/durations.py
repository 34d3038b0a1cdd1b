"""Reads how long operations ran."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from application.ports.clock import Clock
from application.ports.storage.operation_queries import OperationQueriesFactory
from domain.durations import Durations
from domain.operation.status import OperationStatus

WINDOW: Final = timedelta(hours=24)
"""Length of the window if only its end is given."""
SAMPLE: Final = 10_000
"""Operations of a status that are read: those that finished last."""


@dataclass(frozen=True, slots=True)
class DurationsOfType:
    """Durations of the operations of a type that finished between the times, both exclusive."""

    type: str
    finished_after: datetime
    finished_before: datetime
    by_status: Mapping[OperationStatus, Durations]


class ReadDurations:
    """Percentiles of durations, of one tenant. Exact up to SAMPLE operations of a status."""

    def __init__(self, queries: OperationQueriesFactory, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock

    async def read(
        self, tenant: str, type_name: str, finished_after: datetime | None, finished_before: datetime | None
    ) -> DurationsOfType:
        """Returns the durations. `finished_before`: None: now; `finished_after`: None: WINDOW earlier."""
        before = finished_before or self._clock.now()
        after = finished_after or before - WINDOW
        found = await self._queries(tenant).durations(type_name, after, before, SAMPLE)
        return DurationsOfType(type_name, after, before, found)
