"""When a new operation is to start."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.scheduling.start_time import MAX_DELAY, NOW, StartTime

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (NOW, None),
        (StartTime(at=T0), None),
        (StartTime(at=T0 - SECOND), None),
        (StartTime(at=datetime.min.replace(tzinfo=UTC)), None),
        (StartTime(at=T0 + SECOND), T0 + SECOND),
        (StartTime(delay=timedelta()), None),
        (StartTime(delay=SECOND), T0 + SECOND),
        (StartTime(delay=MAX_DELAY), T0 + MAX_DELAY),
    ],
)
def test_a_time_in_the_past_is_now(start: StartTime, expected: datetime | None) -> None:
    """A delay is counted from the acceptance."""
    assert start.after(T0) == expected
    assert list(start.violations(T0)) == []


@pytest.mark.parametrize(
    ("start", "pointers"),
    [
        (StartTime(at=T0 + MAX_DELAY + SECOND), ["/start_at"]),
        (StartTime(at=datetime.max.replace(tzinfo=UTC)), ["/start_at"]),
        (StartTime(delay=MAX_DELAY + SECOND), ["/delay"]),
        (StartTime(delay=timedelta(days=36_500)), ["/delay"]),
        (StartTime(at=T0, delay=SECOND), ["/delay"]),
    ],
)
def test_a_start_in_a_century_is_refused(start: StartTime, pointers: list[str]) -> None:
    """So is a time beside a delay."""
    assert [violation.pointer for violation in start.violations(T0)] == pointers


def test_equal_times_have_equal_identities() -> None:
    """Whatever their UTC offset. A start now has none."""
    offset = T0.astimezone(tz=None)
    assert StartTime(at=T0).identity() == StartTime(at=offset).identity() != {}
    assert StartTime(at=T0).identity() != StartTime(at=T0 + SECOND).identity()
    assert StartTime(delay=SECOND).identity() != StartTime(delay=2 * SECOND).identity()
    assert NOW.identity() == {}
