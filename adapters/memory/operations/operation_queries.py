"""Queries of one tenant, in memory."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from adapters.memory.storage.tables import Tables
from application.ports.operation_queries import PAGE_BYTES, OperationFilter, Page, PageKey
from domain.operation.operation import MISSING, Operation
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition


class MemoryOperationQueries:
    """Reads committed rows."""

    def __init__(self, tables: Tables, tenant: str) -> None:
        self._tables = tables
        self._tenant = tenant

    async def get(self, operation_id: UUID) -> Operation | None:
        row = self._tables.operations.get(operation_id)
        return row if row is not None and row.tenant == self._tenant else None

    async def page(self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int) -> Page:
        rows = [row for row in self._rows() if _matches(row, criteria)]
        rows.sort(key=_position, reverse=newest_first)
        if after is not None:
            mark = (after.accepted_at, after.operation_id)
            rows = [row for row in rows if (_position(row) < mark if newest_first else _position(row) > mark)]
        held = itertools.accumulate(map(_weight, rows[:limit]), initial=0)
        items = [row for row, before in zip(rows[:limit], held, strict=False) if before < PAGE_BYTES]
        return Page.of(items, more=len(items) < len(rows))

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        if await self.get(operation_id) is None:
            return []
        return list(self._tables.history[operation_id])

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        return Counter((row.type, row.status) for row in self._rows())

    def _rows(self) -> list[Operation]:
        return [row for row in self._tables.operations.values() if row.tenant == self._tenant]


def _position(row: Operation) -> tuple[object, UUID]:
    return (row.accepted_at, row.id)


def _weight(row: Operation) -> int:
    """Returns the bytes of the visible fields that may be large."""
    large = (row.input, row.result, row.error and dict(row.error.details))
    return sum(len(json.dumps(value)) for value in large if value is not None and value is not MISSING)


def _matches(row: Operation, criteria: OperationFilter) -> bool:
    return (
        (not criteria.statuses or row.status in criteria.statuses)
        and (criteria.type is None or row.type == criteria.type)
        and criteria.labels.items() <= dict(row.labels).items()
        and (criteria.attention is None or (row.attention is not None and row.attention.kind is criteria.attention))
        and (criteria.accepted_after is None or row.accepted_at > criteria.accepted_after)
        and (criteria.accepted_before is None or row.accepted_at < criteria.accepted_before)
    )
