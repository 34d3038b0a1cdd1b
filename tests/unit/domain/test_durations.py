"""Percentiles of durations, by nearest rank."""

from hypothesis import given
from hypothesis import strategies as st

from domain.durations import Durations


def test_percentiles_are_durations_of_operations() -> None:
    """Of a hundred the fiftieth, and so on."""
    found = Durations.of([float(number) for number in range(100, 0, -1)], sampled=True)
    assert found == Durations(100, True, 50, 90, 95, 99, 100)
    assert Durations.of([3], sampled=False) == Durations(1, False, 3, 3, 3, 3, 3)
    assert Durations.of([], sampled=False) == Durations(0, False, None, None, None, None, None)


@given(st.lists(st.floats(0, 10**9), min_size=1))
def test_so_many_percent_are_not_longer(seconds: list[float]) -> None:
    """Whatever the durations are."""
    found = Durations.of(seconds, sampled=False)
    for percent, value in ((50, found.p50), (90, found.p90), (95, found.p95), (99, found.p99), (100, found.max)):
        assert value in seconds
        assert sum(each <= value for each in seconds) * 100 >= percent * len(seconds)
        assert sum(each < value for each in seconds) * 100 < percent * len(seconds)
