"""The views of the operation types: all of them, and one."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from application.ports.storage.operation_queries import Counts
from application.tenant_ledger import TenantLedger
from domain.errors import UnknownOperationType
from domain.operation.operation_type import OperationType
from domain.operation.status import OperationStatus
from domain.throughput import Throughput, Window
from entrypoints.http.problems.problems import TypeNotDeclared
from entrypoints.ui.live.view import Source, View
from entrypoints.ui.views.charts import charts_of_type

_DAY: Final = Window.DAY


@dataclass(frozen=True)
class TypesView(View):
    """Declared types, and others of which the ledger has operations. `submits`: whether the caller may start them."""

    submits: bool
    template: ClassVar[str] = "live/types.html"

    async def read(self, source: Source) -> Mapping[str, Any]:
        ledger = source.ledger_of(self.tenant)
        counts, found = await asyncio.gather(ledger.counts(), ledger.throughput(_DAY))
        declared = {each.name: each for each in ledger.types()}
        by_type = _by_type(counts)
        names = sorted({*declared, *by_type})
        rows = [(name, declared.get(name), by_type[name], _ended(found, name)) for name in names]
        return {"rows": rows, "submits": self.submits, "since": _DAY.since(source.now)}


@dataclass(frozen=True)
class TypeView(View):
    """Charts, durations, settings and schema of one type."""

    name: str
    window: Window
    template: ClassVar[str] = "live/type.html"

    async def read(self, source: Source) -> Mapping[str, Any]:
        """Raises TypeNotDeclared, too, for a type without operations."""
        ledger = source.ledger_of(self.tenant)
        charts, counts, timed = await asyncio.gather(
            charts_of_type(ledger, self.window, self.name),
            ledger.counts(),
            ledger.durations(self.name, self.window.since(source.now), None),
        )
        declared = _declared(ledger, self.name)
        by_status = _by_type(counts)[self.name]
        if declared is None and not by_status:
            raise TypeNotDeclared(f"{self.name!r} is not a declared operation type, and has no operations")
        schema = declared and declared.input_schema
        return {
            "name": self.name,
            "declared": declared,
            "by_status": by_status,
            "charts": charts,
            "window": self.window,
            "windows": tuple(Window),
            "timed": timed.by_status,
            "schema": None if schema is None else json.dumps(schema, indent=2, ensure_ascii=False),
        }


def _declared(ledger: TenantLedger, name: str) -> OperationType | None:
    try:
        return ledger.type(name)
    except UnknownOperationType:
        return None


def _by_type(counts: Counts) -> dict[str, Counter[OperationStatus]]:
    found: dict[str, Counter[OperationStatus]] = defaultdict(Counter)
    for (name, status, _), many in counts.items():
        found[name][status] += many
    return found


def _ended(found: Throughput, name: str) -> Counter[OperationStatus]:
    """Returns how many operations of the type ended in the window, by status."""
    ended = Counter[OperationStatus]()
    for (type_name, status, _), many in found.totals.items():
        if type_name == name:
            ended[status] += many
    return ended
