"""The chart of how long operations of a type run."""

from application.watch.throughput import DurationsOverTime
from entrypoints.ui.charts.chart import HEIGHT, WIDTH, Chart, Row, Series
from entrypoints.ui.charts.of_throughput import TIMES, words
from entrypoints.ui.charts.scales import round_seconds
from entrypoints.ui.charts.shapes import line
from entrypoints.ui.rendering.times import duration


def durations_chart(found: DurationsOverTime) -> Chart:
    """Returns lines of the median and of the 95th percentile."""
    medians = [each.p50 for _, each in found.buckets]
    slowest = [each.p95 for _, each in found.buckets]
    highest = max((value for value in slowest if value is not None), default=0.0)
    top = round_seconds(highest)
    last = next((each for _, each in reversed(found.buckets) if each.count), None)
    totals = ["-" if last is None else duration(value or 0.0) for value in (last and last.p95, last and last.p50)]
    series = [
        Series("95 %", "p95", totals[0], line(slowest, top, width=WIDTH, height=HEIGHT)),
        Series("Median", "p50", totals[1], line(medians, top, width=WIDTH, height=HEIGHT)),
    ]
    step = WIDTH / max(len(found.buckets), 1)
    rows = [
        Row(at, place * step, step, [duration(each.p95 or 0.0), duration(each.p50 or 0.0)])
        for place, (at, each) in enumerate(found.buckets)
        if each.count
    ]
    description = f"Durations of completed operations of the type {found.type} {words(found.window)}."
    if last is not None:
        description += f" Latest: half of them within {totals[1]}, 95 % within {totals[0]}."
    end = len(found.buckets) - 1
    times = [found.buckets[end * place // (TIMES - 1)][0] for place in range(TIMES)] if found.buckets else []
    ticks = [duration(top), duration(top / 2), "0"]
    return Chart("durations", "Durations", description, series, rows, ticks, times)
