"""Ends of axes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.ui.charts.scales import number, round_count, round_seconds


def test_ends_of_counts_are_round() -> None:
    """And their halves are whole."""
    found = [round_count(highest) for highest in (0, 1, 2, 3, 5, 9, 10, 11, 13, 19, 21, 99, 101, 125, 1001, 12_345)]
    assert found == [2, 2, 2, 4, 6, 10, 10, 12, 16, 20, 30, 100, 120, 160, 1200, 16_000]


@given(st.integers(0, 10**9))
def test_an_end_of_counts_is_even_and_not_far_above(highest: int) -> None:
    """So that a chart uses its height."""
    top = round_count(highest)
    assert top % 2 == 0
    assert highest <= top <= max(2 * highest, 2)


def test_ends_of_durations_are_round() -> None:
    """In the unit that a reader expects."""
    highest = (0, 0.03, 0.5, 1, 3, 15, 21, 61, 250, 601, 3599, 4000, 90_000)
    expected = [0.001, 0.04, 0.6, 1, 4, 20, 60, 120, 600, 1200, 3600, 7200, 172_800]
    assert [round_seconds(seconds) for seconds in highest] == pytest.approx(expected)


@given(st.floats(0, 10**7))
def test_an_end_of_durations_is_not_below(highest: float) -> None:
    """Rounding errors aside."""
    assert round_seconds(highest) >= highest * 0.999_99


def test_coordinates_are_short() -> None:
    """A page has many."""
    assert [number(value) for value in (3.0, 3.04, 3.05001, 0.0)] == ["3", "3", "3.1", "0"]
