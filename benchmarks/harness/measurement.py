"""Figures of the ledger and of an alternative, taken in turns in one run, and their ratios."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Unit = Literal["1/s", "ms", "s", "calls", "MiB", "KiB", "% of a processor"]
Measure = Callable[[], Awaitable[Sequence[float]]]
"""Measures once. Returns the figures, always in the same order."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run."""

    repeats: int
    part: float
    """1: the size of the table in the docs. Below 1: that part of the rows, requests and seconds."""

    def of(self, whole: int, least: int = 1) -> int:
        """Returns that part of a number."""
        return max(least, round(whole * self.part))


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal for a ratio, or for our figure if there is no alternative."""

    bound: float
    sense: Literal["at least", "at most"]

    def reached(self, figure: float) -> bool:
        """Whether the value reaches the goal."""
        return figure >= self.bound if self.sense == "at least" else figure <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: for each repeat, our figure and the alternative's from the same turn."""

    what: str
    against: str
    """The alternative. Empty: there is none, and the goal is for our figure."""
    unit: Unit
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    goal: Goal | None = None
    note: str = ""
    """Conditions that a reader needs to judge the figure."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ratios of our figures to the alternative's, by turn."""
        return tuple(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)) if self.theirs else ()

    @property
    def figure(self) -> float:
        """The figure of the goal: the median ratio, or our median."""
        return median(self.ratios or self.ours)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached. None: there is no goal."""
        return None if self.goal is None else self.goal.reached(self.figure)


async def in_turns(repeats: int, *measures: Measure) -> list[list[tuple[float, ...]]]:
    """Runs each measure `repeats` times, in turns, so that other load on the machine affects all of them; every turn
    begins with another. Returns the figures by measure and repeat. The first turn warms up and does not count. Prints a
    dot for each run."""
    taken: list[list[tuple[float, ...]]] = [[] for _ in measures]
    for turn in range(repeats + 1):
        for place in range(len(measures)):
            number = (turn + place) % len(measures)
            figures = tuple(await measures[number]())
            if turn:
                taken[number].append(figures)
            print(".", end="", flush=True)
    print(end=" ")
    return taken


def column(figures: Sequence[tuple[float, ...]], place: int) -> tuple[float, ...]:
    """Returns one figure of a measure, by repeat."""
    return tuple(figure[place] for figure in figures)


def quantile(values: Sequence[float], part: float) -> float:
    """Returns the value that `part` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
