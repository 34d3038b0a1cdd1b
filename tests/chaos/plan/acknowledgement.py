"""Bulk acknowledgements. A function of seed and length alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.chaos.plan.tenants import OTHER, OWN, TENANTS

IN_A_MINUTE = 4
FIRST, LAST = 0.3, 1.4
"""Fraction of the load's time in which they begin. The last operations end after the load's time."""
PAUSE = (0.0, 8.0)
"""Seconds between dry run and confirmation: problems end meanwhile, and others follow."""
KINDS = (
    ("DIVERGED",),
    ("DIVERGED", "STALLED"),
    ("DIVERGED", "NO_WORKER", "ACTIVITY_RETRYING", "STALLED"),
)
"""Filters by attention."""
OF_OTHER = 0.3
"""Share of the other tenant."""


@dataclass(frozen=True)
class Acknowledgement:
    """A bulk action that acknowledges what has such an attention."""

    at: float | None
    """Of the dry run, in seconds; None: when all else is through, and most problems have come."""
    kinds: tuple[str, ...]
    pause: float
    tenant: str = OWN


def acknowledgements(dice: Random, minutes: float) -> tuple[Acknowledgement, ...]:
    """Spread over the time, and one of each tenant after it."""
    last = (Acknowledgement(None, dice.choice(KINDS), _pause(dice), tenant) for tenant in TENANTS)
    return (*_planned(dice, max(1, round(minutes * IN_A_MINUTE)), minutes * 60), *last)


def _planned(dice: Random, many: int, seconds: float) -> Iterator[Acknowledgement]:
    for number in range(many):
        at = round(seconds * (FIRST + (LAST - FIRST) * (number + dice.random()) / many), 2)
        tenant = OTHER if dice.random() < OF_OTHER else OWN
        yield Acknowledgement(at, dice.choice(KINDS), _pause(dice), tenant)


def _pause(dice: Random) -> float:
    return round(dice.uniform(*PAUSE), 2)
