"""Groups of operations for bulk actions. A function of seed and length alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.chaos.plan.kinds import Fate
from tests.chaos.plan.tenants import OTHER, OWN, named_key
from tests.chaos.plan.workload import Work

FIRST, LAST = 0.05, 0.6
"""Fraction of the load's time in which crowds begin."""
WAITING = (120, 300)
RUNNING = (5, 20)
OF_OTHER = (20, 60), (2, 6)
"""The same, of the other tenant."""
TOMORROW = 24 * 60 * 60
SECONDS = 30.0
"""Duration of the operations that run, in seconds, unless they are cancelled."""
NUMBERS = 1_000_000
"""Numbers of the operations of a crowd begin at a multiple; those of the other tenant in the middle between two."""


@dataclass(frozen=True)
class Crowd:
    """Operations with a label of their own."""

    number: int
    at: float
    """When they are submitted, in seconds."""
    works: tuple[Work, ...]
    late: Work
    """Submitted between the dry run and its confirmation."""
    tenant: str = OWN

    @property
    def label(self) -> str:
        """The value of the label `crowd`."""
        return f"crowd-{self.number}"

    @property
    def all(self) -> tuple[Work, ...]:
        """With the late one."""
        return (*self.works, self.late)


def crowds(dice: Random, minutes: float) -> tuple[Crowd, ...]:
    """For each minute, and at least once: one of each tenant, with the same label."""
    many = max(1, round(minutes))
    pairs = (_pair(dice, number, many, minutes * 60) for number in range(many))
    return tuple(crowd for pair in pairs for crowd in pair)


def _pair(dice: Random, number: int, many: int, seconds: float) -> Iterator[Crowd]:
    at = round(seconds * (FIRST + (LAST - FIRST) * (number + dice.random()) / many), 2)
    for tenant, (waiting, running) in ((OWN, (WAITING, RUNNING)), (OTHER, OF_OTHER)):
        *works, late = _works(dice, number, tenant, dice.randint(*running), dice.randint(*waiting) + 1)
        yield Crowd(number, at, tuple(works), late, tenant)


def _works(dice: Random, number: int, tenant: str, running: int, waiting: int) -> Iterator[Work]:
    for place in range(running + waiting):
        kind = "linger" if place < running else "quick"
        own = NUMBERS * (number + 1) + (0 if tenant == OWN else NUMBERS // 2) + place
        key = named_key(tenant, f"{dice.getrandbits(96):024x}")
        content = {"seconds": SECONDS if place < running else 0.0, "number": own}
        delay = None if place < running else TOMORROW
        yield Work(own, 0.0, key, kind, content, Fate.API_BULK_CANCEL, delay=delay, tenant=tenant)
