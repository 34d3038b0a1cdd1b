"""The chart of what starts and ends, and the sparklines of the same numbers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from domain.throughput import Bucket, Throughput, Window
from entrypoints.ui.charts.chart import HEIGHT, WIDTH, Chart, Row, Series
from entrypoints.ui.charts.scales import round_count
from entrypoints.ui.charts.shapes import line, stacked_bars

TIMES: Final = 5
"""Labels of the horizontal axis."""
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 28
_SPARK_POINTS: Final = 30


def throughput_chart(found: Throughput) -> Chart:
    """Returns bars of the operations that ended, with a line of those that started."""
    buckets = found.buckets
    top = round_count(max((max(each.completed + each.failed, each.started) for each in buckets), default=0))
    failed = [each.failed for each in buckets]
    completed = [each.completed for each in buckets]
    lower, upper = stacked_bars([failed, completed], top, width=WIDTH, height=HEIGHT)
    started = line([float(each.started) for each in buckets], top, width=WIDTH, height=HEIGHT)
    totals = [f"{number:,}" for number in (found.failed, found.completed, found.started)]
    series = [
        Series("Failed", "failed", totals[0], lower),
        Series("Completed", "completed", totals[1], upper),
        Series("Started", "started", totals[2], started),
    ]
    description = f"{totals[1]} operations completed, {totals[0]} failed and {totals[2]} started {words(found.window)}."
    ticks = [f"{top:,}", f"{top // 2:,}", "0"]
    return Chart("throughput", "Throughput", description, series, _rows(buckets), ticks, axis(buckets))


def sparkline(values: Sequence[int]) -> str:
    """Returns the path of a small line without axes, of at most some thirty points."""
    size = -(-len(values) // _SPARK_POINTS)
    sums = [sum(values[place : place + size]) for place in range(0, len(values), size)] if values else []
    return line([float(each) for each in sums], max([*sums, 1]), width=SPARK_WIDTH, height=SPARK_HEIGHT)


def words(window: Window) -> str:
    """Returns the window, as the end of a sentence."""
    return f"in the last {'24 hours' if window is Window.DAY else '7 days' if window is Window.WEEK else 'hour'}"


def axis(buckets: Sequence[Bucket]) -> list[datetime]:
    """Returns the times of the labels."""
    last = len(buckets) - 1
    return [buckets[last * place // (TIMES - 1)].at for place in range(TIMES)] if buckets else []


def _rows(buckets: Sequence[Bucket]) -> list[Row]:
    step = WIDTH / max(len(buckets), 1)
    return [
        Row(each.at, place * step, step, [f"{each.failed:,}", f"{each.completed:,}", f"{each.started:,}"])
        for place, each in enumerate(buckets)
        if each.started or each.completed or each.failed
    ]
