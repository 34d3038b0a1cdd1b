"""What a chart consists of. Shapes are in a box of WIDTH x HEIGHT that the page stretches; texts are HTML beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 960
HEIGHT: Final = 160


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one part of each bar: its name, its class in the style sheet, and what it says in total."""

    name: str
    style: str
    total: str
    path: str
    """Data of an SVG path."""


@dataclass(frozen=True, slots=True)
class Row:
    """A bucket: where it is in the box, and what it shows in words. It is a row of the table that replaces the chart
    for readers who do not see it."""

    at: datetime
    x: float
    width: float
    cells: Sequence[str]
    """One for each series."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its axes."""

    name: str
    """Identifies it within the page."""
    title: str
    description: str
    series: Sequence[Series]
    rows: Sequence[Row]
    """Buckets without anything to say are left out."""
    ticks: Sequence[str]
    """Of the vertical axis, from top to bottom, evenly spaced. The last one is zero."""
    times: Sequence[datetime]
    """Of the horizontal axis, evenly spaced, from the first bucket to the last."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.rows
