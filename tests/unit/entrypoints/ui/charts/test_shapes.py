"""Paths of bars and lines."""

import re

from entrypoints.ui.charts.shapes import line, stacked_bars


def tops(path: str) -> list[tuple[float, float, float]]:
    """Returns x, y and height of each bar."""
    bars = re.findall(r"M([\d.]+) ([\d.]+)h[\d.]+v([\d.]+)h-[\d.]+z", path)
    return [(float(x), float(y), float(high)) for x, y, high in bars]


def test_layers_stand_on_one_another() -> None:
    """From the axis upwards."""
    lower, upper = stacked_bars([[1, 0, 2], [3, 4, 0]], 10, width=30, height=100)
    assert tops(lower) == [(1, 90, 10), (21, 80, 20)]
    assert tops(upper) == [(1, 60, 30), (11, 60, 40)]


def test_one_failure_among_a_thousand_is_visible() -> None:
    """What is there has a height."""
    [path] = stacked_bars([[1]], 1000, width=10, height=100)
    assert tops(path) == [(1, 98, 2)]


def test_nothing_has_no_shape() -> None:
    """Neither bars nor lines."""
    assert stacked_bars([[], []], 2, width=10, height=10) == ["", ""]
    assert stacked_bars([[0, 0]], 2, width=10, height=10) == [""]
    assert line([], 1, width=10, height=10) == line([None, None], 1, width=10, height=10) == ""


def test_a_line_is_interrupted_where_there_is_no_value() -> None:
    """A value between two gaps is a short stroke."""
    path = line([1, 2, None, 3, None, None, 4, 4], 4, width=80, height=40)
    assert path == "M5 30L15 20M32.5 10h5M65 0L75 0"


def test_a_line_does_not_leave_its_box() -> None:
    """Whatever the values."""
    assert line([5, 1], 4, width=20, height=40) == "M5 0L15 30"
