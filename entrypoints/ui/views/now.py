"""The view of the page Now: attention, numbers, failures, charts and health."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from application.ports.storage.operation_queries import OperationFilter, SortTime
from application.ports.storage.operation_view import OperationView
from application.tenant_ledger import TenantLedger
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.throughput import Window
from entrypoints.ui.charts.of_throughput import SPARK_HEIGHT, SPARK_WIDTH, sparkline
from entrypoints.ui.live.view import Source, View
from entrypoints.ui.views.charts import charts_of
from entrypoints.ui.views.example_input import example_input
from entrypoints.ui.views.filters import MAX_ATTENTIVE
from entrypoints.ui.views.health import drift_of, headline, health_soon, parts_of

SHOWN: Final = 8
"""Operations that need attention, at most."""


@dataclass(frozen=True)
class NowView(View):
    """The numbers of a window. `type_name`: the type whose durations are shown; None: the busiest one."""

    window: Window
    type_name: str | None
    template: ClassVar[str] = "live/now.html"

    async def read(self, source: Source) -> Mapping[str, Any]:
        ledger, now = source.ledger_of(self.tenant), source.now
        types = ledger.types()
        (counts, charts), (attention, attentive, waiting_since), (health, drift) = await asyncio.gather(
            asyncio.gather(ledger.counts(), charts_of(ledger, self.window, self.type_name)),
            asyncio.gather(
                ledger.count_attentive(None, MAX_ATTENTIVE), _first_attentive(ledger), ledger.waiting_since(now)
            ),
            asyncio.gather(health_soon(source), drift_of(source)),
        )
        by_status = Counter[OperationStatus]()
        for (_, status, _), many in counts.items():
            by_status[status] += many
        found = charts.throughput
        parts = parts_of(source.services, health, drift)
        return {
            "by_status": by_status,
            "charts": charts,
            "window": self.window,
            "windows": tuple(Window),
            "since": self.window.since(now),
            "attention": attention,
            "attentive": attentive,
            "waiting_since": waiting_since,
            "parts": parts,
            "headline": headline(parts),
            "types": types,
            "example": example_input(types[0].input_schema) if types else None,
            "minutes": len(found.buckets) * self.window.bucket.total_seconds() / 60,
            "spark": (SPARK_WIDTH, SPARK_HEIGHT),
            "failed_line": sparkline([each.failed for each in found.buckets]),
            "ended_line": sparkline([each.completed + each.failed for each in found.buckets]),
        }


async def _first_attentive(ledger: TenantLedger) -> list[OperationView]:
    """Returns the operations that need attention and were accepted first."""
    criteria = OperationFilter(attentions=frozenset(AttentionKind))
    page = await ledger.page(criteria, newest_first=False, after=None, size=SHOWN, by=SortTime.ACCEPTED)
    return list(page.items)
