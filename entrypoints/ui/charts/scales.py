"""Round ends of axes."""

from math import floor, log10
from typing import Final

_STEPS: Final = (10, 12, 16, 20, 30, 40, 60, 80, 100)
"""Round numbers, in tenths of a power of ten."""
_SECONDS: Final = (60, 120, 240, 600, 1200, 3600, 7200, 14_400, 28_800, 43_200, 86_400)
"""Round durations of a minute and more."""


def round_count(highest: float) -> int:
    """Returns a round even number that is not below the value, at least 2."""
    size: int = 10 ** floor(log10(max(highest, 1)))
    if size == 1:
        return next(step for step in (2, 4, 6, 8, 10) if step >= highest)
    return next(step * size // 10 for step in _STEPS if step * size >= highest * 10)


def round_seconds(highest: float) -> float:
    """Returns a round duration that is not below the value. Its half is round, too."""
    if 20 < highest <= _SECONDS[-1]:
        return next(seconds for seconds in _SECONDS if highest <= seconds)
    if highest > _SECONDS[-1]:
        return 86_400 * round_count(highest / 86_400)
    size: float = 10.0 ** floor(log10(max(highest, 0.001)))
    return next(step * size for step in (1, 2, 4, 6, 10) if step * size >= highest * 0.999_999)


def number(value: float) -> str:
    """Returns a coordinate, as short as a pixel allows."""
    return f"{value:.1f}".removesuffix(".0")
