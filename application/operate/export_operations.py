"""Exports operations before they are deleted."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

from application.ports.export import ExportDestination, ExportFailed
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.operation.operation import Operation
from domain.operation.transition import Transition
from domain.retention import Cutoffs

EXPORT_TIMEOUT: Final = 60.0
"""Seconds."""
_SLICE: Final = 20
"""Operations that are held in memory at a time: their inputs and results may be large."""
Encode = Callable[[Operation, Sequence[Transition]], bytes]
"""Returns the line of an operation with its history."""


class ExportOperations:
    """Exports each operation at least once: one that is exported and then not deleted is exported again."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        destination: ExportDestination,
        encode: Encode,
        timeout: float = EXPORT_TIMEOUT,
    ) -> None:
        """`timeout`: seconds that the destination may take for all operations of one call."""
        self._units = units
        self._destination = destination
        self._encode = encode
        self._timeout = timeout

    async def export(self, operation_ids: Sequence[UUID], cutoffs: Cutoffs) -> Mapping[UUID, int]:
        """Exports those that may still be deleted, and returns their revisions. Raises ExportFailed."""
        exported: dict[UUID, int] = {}
        try:
            async with asyncio.timeout(self._timeout), aclosing(self._lines(operation_ids, cutoffs, exported)) as lines:
                await self._destination.store(lines)
        except TimeoutError:
            raise ExportFailed(f"the export did not end within {self._timeout:g} s") from None
        return exported

    async def _lines(
        self, operation_ids: Sequence[UUID], cutoffs: Cutoffs, exported: dict[UUID, int]
    ) -> AsyncGenerator[bytes]:
        for start in range(0, len(operation_ids), _SLICE):
            some = operation_ids[start : start + _SLICE]
            async with self._units() as unit:
                operations = await unit.operations.get_all(some)
                histories = await unit.operations.histories(some)
            for operation in operations.values():
                if cutoffs.may_delete(operation):
                    yield self._encode(operation, histories[operation.id])
                    exported[operation.id] = operation.revision
