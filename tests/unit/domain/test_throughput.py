"""Windows, buckets and totals of the throughput."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.throughput import Bucket, Throughput, Window

NOW = datetime(2026, 3, 4, 13, 47, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "buckets", "first", "last"),
    [
        (Window.HOUR, 60, datetime(2026, 3, 4, 12, 48, tzinfo=UTC), datetime(2026, 3, 4, 13, 47, tzinfo=UTC)),
        (Window.DAY, 96, datetime(2026, 3, 3, 14, tzinfo=UTC), datetime(2026, 3, 4, 13, 45, tzinfo=UTC)),
        (Window.WEEK, 84, datetime(2026, 2, 25, 14, tzinfo=UTC), datetime(2026, 3, 4, 12, tzinfo=UTC)),
    ],
)
def test_the_last_bucket_of_a_window_is_that_of_now(
    window: Window, buckets: int, first: datetime, last: datetime
) -> None:
    """And the first one is where the window begins."""
    starts = window.starts(NOW)
    assert (len(starts), starts[0], starts[-1]) == (buckets, first, last)
    assert {later - at for at, later in pairwise(starts)} == {window.bucket}
    assert window.since(NOW) == first
    assert window.kept > NOW - first


def test_buckets_begin_at_the_same_times_in_every_zone() -> None:
    """In UTC."""
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert [window.start_of(there) for window in Window] == [window.start_of(NOW) for window in Window]


def test_failures_are_grouped_by_code_the_most_frequent_first() -> None:
    """And by type within a code."""
    failed, timed_out = ErrorCode.WORKFLOW_FAILED, ErrorCode.TIMED_OUT
    totals = {
        ("a", OperationStatus.COMPLETED, None): 90,
        ("a", OperationStatus.FAILED, timed_out): 3,
        ("a", OperationStatus.FAILED, failed): 1,
        ("b", OperationStatus.FAILED, failed): 4,
    }
    found = Throughput(Window.HOUR, [Bucket(NOW, 1, 2, 3), Bucket(NOW, 10, 20, 30)], totals)
    assert [(code, list(types.items())) for code, types in found.failures.items()] == [
        (failed, [("b", 4), ("a", 1)]),
        (timed_out, [("a", 3)]),
    ]
    assert (found.started, found.completed, found.failed) == (11, 22, 33)
