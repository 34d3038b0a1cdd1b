"""Our figure and the alternative's, taken in turns in one run, and what they come to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Unit = Literal["1/s", "ms", "s", "calls", "MiB", "KiB", "% of a processor"]
Measure = Callable[[], Awaitable[Sequence[float]]]
"""Measures once; the figures, always in the same order."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is."""

    repeats: int
    part: float
    """1: as the table is printed in the docs. Less: rows, requests and seconds are so much fewer."""

    def of(self, whole: int, least: int = 1) -> int:
        """That part of a whole number of things."""
        return max(least, round(whole * self.part))


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio, or our figure where there is no alternative, is to reach."""

    bound: float
    sense: Literal["at least", "at most"]

    def reached(self, figure: float) -> bool:
        """Whether it does."""
        return figure >= self.bound if self.sense == "at least" else figure <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a figure a repeat of ours, and of the alternative in the same turn."""

    what: str
    against: str
    """Empty: nothing; the goal is for our figure then."""
    unit: Unit
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    goal: Goal | None = None
    note: str = ""
    """What a reader has to know to trust it."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Of ours to theirs, turn by turn."""
        return tuple(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)) if self.theirs else ()

    @property
    def figure(self) -> float:
        """What the goal is for: the median ratio, or the median of ours."""
        return median(self.ratios or self.ours)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None: there is none."""
        return None if self.goal is None else self.goal.reached(self.figure)


async def in_turns(repeats: int, *measures: Measure) -> list[list[tuple[float, ...]]]:
    """Each measure `repeats` times, in turns, so that what the machine does meanwhile hits all of them; every turn
    begins with another. By measure, by repeat: the figures. The first turn, which warms up, does not count. A dot
    is printed for each that is done."""
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
    """One of a measure's figures, by repeat."""
    return tuple(figure[place] for figure in figures)


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
