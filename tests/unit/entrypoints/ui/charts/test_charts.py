"""The charts of throughput and durations: legend, axes, and the numbers in words."""

from datetime import timedelta

from application.watch.throughput import DurationsOverTime
from domain.durations import Durations
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.throughput import Bucket, Throughput, Window
from entrypoints.ui.charts.of_durations import durations_chart
from entrypoints.ui.charts.of_throughput import sparkline, throughput_chart
from tests.support.operations import T0

STARTS = Window.HOUR.starts(T0)


def throughput(*numbers: tuple[int, int, int]) -> Throughput:
    """Numbers of started, completed and failed operations of the first buckets."""
    given = [*numbers, *[(0, 0, 0)] * (60 - len(numbers))]
    buckets = [Bucket(at, *each) for at, each in zip(STARTS, given, strict=True)]
    return Throughput(Window.HOUR, buckets, {("a", OperationStatus.FAILED, ErrorCode.TIMED_OUT): 1})


def test_the_throughput_is_said_in_words_too() -> None:
    """For readers who do not see the chart: in the description, and as rows."""
    chart = throughput_chart(throughput((1500, 1200, 1), (0, 0, 0), (2, 0, 3)))
    assert chart.description == "1,200 operations completed, 4 failed and 1,502 started in the last hour."
    assert [(series.name, series.total) for series in chart.series] == [
        ("Failed", "4"),
        ("Completed", "1,200"),
        ("Started", "1,502"),
    ]
    assert [(row.at, row.cells) for row in chart.rows] == [
        (STARTS[0], ["1", "1,200", "1,500"]),
        (STARTS[2], ["3", "0", "2"]),
    ]
    assert chart.ticks == ["1,600", "800", "0"]
    assert [chart.times[0], chart.times[-1], len(chart.times)] == [STARTS[0], STARTS[-1], 5]
    assert not chart.is_empty
    assert throughput_chart(throughput()).is_empty


def test_durations_are_those_of_each_bucket() -> None:
    """The legend has the latest."""
    found = [(at, Durations()) for at in STARTS]
    found[3] = (STARTS[3], Durations(2, False, 1.0, 2.0, 2.0, 2.0, 2.0))
    found[9] = (STARTS[9], Durations(2, False, 61.0, 62.0, 90.0, 99.0, 99.0))
    chart = durations_chart(DurationsOverTime("deploy", Window.HOUR, found))
    assert [(series.name, series.total) for series in chart.series] == [("95 %", "1 min 30 s"), ("Median", "1 min 1 s")]
    assert chart.ticks == ["2 min", "1 min", "0"]
    assert [row.at for row in chart.rows] == [STARTS[3], STARTS[9]]
    assert "Durations of completed operations of the type deploy in the last hour." in chart.description
    assert "half of them within 1 min 1 s, 95 % within 1 min 30 s" in chart.description
    empty = durations_chart(DurationsOverTime("deploy", Window.WEEK, [(at, Durations()) for at in STARTS]))
    assert empty.is_empty
    assert "last 7 days" in empty.description


def test_a_sparkline_has_few_points() -> None:
    """However many buckets the window has."""
    assert sparkline([0] * 60).count("L") == 29
    assert sparkline(list(range(96))).count("L") == 23
    assert sparkline([]) == ""


def test_labels_of_a_week_are_days_apart() -> None:
    """A label is the start of a bucket."""
    starts = Window.WEEK.starts(T0 + timedelta(minutes=5))
    chart = throughput_chart(Throughput(Window.WEEK, [Bucket(at, 1) for at in starts], {}))
    assert set(chart.times) <= set(starts)
