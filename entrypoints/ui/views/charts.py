"""The charts of a window, for all types and for one."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from application.tenant_ledger import TenantLedger
from domain.operation.status import OperationStatus
from domain.throughput import Throughput, Window
from entrypoints.ui.charts.chart import Chart
from entrypoints.ui.charts.of_durations import durations_chart
from entrypoints.ui.charts.of_throughput import throughput_chart


@dataclass(frozen=True, slots=True)
class Charts:
    """What started and ended in a window, and how long the operations of a type ran."""

    throughput: Throughput
    chart: Chart
    type: str | None
    """The type of the durations. None: no operation completed."""
    durations: Chart | None
    types: tuple[str, ...]
    """The types of which operations completed in the window, the busiest first."""


async def charts_of(ledger: TenantLedger, window: Window, type_name: str | None) -> Charts:
    """Returns the throughput of all types. `type_name`: of the durations; None: the busiest type."""
    found = await ledger.throughput(window)
    busiest = completed_types(found)
    chosen = type_name or (busiest[0] if busiest else None)
    durations = None if chosen is None else durations_chart(await ledger.durations_over_time(window, chosen))
    return Charts(found, throughput_chart(found), chosen, durations, busiest)


async def charts_of_type(ledger: TenantLedger, window: Window, type_name: str) -> Charts:
    """Returns the throughput and the durations of one type."""
    found, timed = await asyncio.gather(
        ledger.throughput(window, type_name), ledger.durations_over_time(window, type_name)
    )
    return Charts(found, throughput_chart(found), type_name, durations_chart(timed), completed_types(found))


def completed_types(found: Throughput) -> tuple[str, ...]:
    """Returns the types of which operations completed, the busiest first."""
    many = Counter[str]()
    for (type_name, status, _), number in found.totals.items():
        if status is OperationStatus.COMPLETED:
            many[type_name] += number
    return tuple(sorted(many, key=lambda name: (-many[name], name)))
