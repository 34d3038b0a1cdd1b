"""Groups of operations for bulk actions. A function of seed and length alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.chaos.plan.kinds import Fate
from tests.chaos.plan.workload import Work

FIRST, LAST = 0.05, 0.6
"""Fraction of the load's time in which crowds begin."""
WAITING = (120, 300)
RUNNING = (5, 20)
TOMORROW = 24 * 60 * 60
SECONDS = 30.0
"""Duration of the operations that run, in seconds, unless they are cancelled."""
NUMBERS = 1_000_000
"""Numbers of the operations of a crowd begin at a multiple."""


@dataclass(frozen=True)
class Crowd:
    """Operations with a label of their own."""

    number: int
    at: float
    """When they are submitted, in seconds."""
    works: tuple[Work, ...]
    late: Work
    """Submitted between the dry run and its confirmation."""

    @property
    def label(self) -> str:
        """The value of the label `crowd`."""
        return f"crowd-{self.number}"

    @property
    def all(self) -> tuple[Work, ...]:
        """With the late one."""
        return (*self.works, self.late)


def crowds(dice: Random, minutes: float) -> tuple[Crowd, ...]:
    """One for each minute, and at least one."""
    many = max(1, round(minutes))
    return tuple(_crowd(dice, number, many, minutes * 60) for number in range(many))


def _crowd(dice: Random, number: int, many: int, seconds: float) -> Crowd:
    at = round(seconds * (FIRST + (LAST - FIRST) * (number + dice.random()) / many), 2)
    *works, late = _works(dice, number, dice.randint(*RUNNING), dice.randint(*WAITING) + 1)
    return Crowd(number, at, tuple(works), late)


def _works(dice: Random, number: int, running: int, waiting: int) -> Iterator[Work]:
    for place in range(running + waiting):
        kind = "linger" if place < running else "quick"
        own = NUMBERS * (number + 1) + place
        content = {"seconds": SECONDS if place < running else 0.0, "number": own}
        delay = None if place < running else TOMORROW
        yield Work(own, 0.0, f"{dice.getrandbits(96):024x}", kind, content, Fate.API_BULK_CANCEL, delay=delay)
