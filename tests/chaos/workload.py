"""The operations of a campaign: of every type, with every fate, spread over the time."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.chaos.kinds import Fate

FALSY: tuple[Any, ...] = ({}, 0, "", [], None, False, 0.0, [None], {"": None})


@dataclass(frozen=True)
class Work:
    """One operation to submit: when, what, and what is done to it how long after it was accepted. Seconds."""

    number: int
    at: float
    key: str
    type: str
    input: dict[str, Any]
    fate: Fate = Fate.LEFT_ALONE
    fate_after: float = 0.0

    @property
    def body(self) -> dict[str, Any]:
        """What is posted."""
        return {"type": self.type, "input": self.input, "labels": {"number": str(self.number)}}


@dataclass(frozen=True)
class Sort:
    """A share of the workload."""

    weight: int
    type: str
    seconds: tuple[float, float] = (0.0, 0.0)
    fate: Fate = Fate.LEFT_ALONE
    fate_after: tuple[float, float] = (0.0, 0.0)
    extra: Callable[[Random], dict[str, Any]] = lambda dice: {}


def _machine(dice: Random) -> dict[str, Any]:
    return {"machine": f"m{dice.randrange(1000)}", "outcome": dice.choice(("success", "success", "failure"))}


SORTS = (
    Sort(14, "quick"),
    Sort(14, "sleep", (0.5, 6.0)),
    Sort(5, "fail", (0.0, 2.0)),
    Sort(5, "fail-in-activity"),
    Sort(4, "third-time"),
    Sort(3, "never"),
    Sort(5, "onwards"),
    Sort(2, "run-time-out", (30.0, 30.0)),
    Sort(2, "execution-time-out", (30.0, 30.0)),
    Sort(7, "echo", extra=lambda dice: {"value": dice.choice(FALSY)}),
    Sort(5, "untracked", (0.0, 3.0)),
    Sort(5, "untracked", (0.01, 0.1)),
    Sort(2, "untracked-failure", (0.0, 2.0)),
    Sort(3, "stumble", (0.1, 1.0)),
    Sort(3, "delayed", (1.0, 2.0), Fate.SIGNALLED_AT_CLOSE, (0.5, 1.0)),
    Sort(3, "sleep", (1.0, 2.0), Fate.SIGNALLED_AT_CLOSE, (0.5, 1.0)),
    Sort(6, "deploy", (0.2, 3.0), extra=_machine),
    Sort(2, "give-way", (20.0, 20.0), Fate.CANCELED, (0.5, 4.0)),
    Sort(2, "give-way", (20.0, 20.0), Fate.API_CANCEL, (0.5, 4.0)),
    Sort(2, "linger", (20.0, 20.0), Fate.TERMINATED, (0.0, 4.0)),
    Sort(2, "untracked", (20.0, 20.0), Fate.TERMINATED, (0.5, 4.0)),
    Sort(1, "deploy", (20.0, 20.0), Fate.TERMINATED, (0.5, 4.0), _machine),
    Sort(1, "linger", (20.0, 20.0), Fate.CANCELED, (0.0, 3.0)),
    Sort(2, "linger", (8.0, 8.0), Fate.RESET, (1.0, 5.0)),
    Sort(2, "linger", (8.0, 8.0), Fate.TERMINATED_AND_RESET, (1.0, 4.0)),
    Sort(2, "linger", (25.0, 25.0), Fate.DELETED, (0.0, 4.0)),
    Sort(2, "linger", (20.0, 20.0), Fate.API_FORCE, (0.0, 4.0)),
    Sort(1, "sleep", (1.0, 3.0), Fate.API_CANCEL, (0.5, 3.0)),
    Sort(1, "quick", fate=Fate.API_CANCEL_AT_ONCE),
    Sort(1, "linger", (15.0, 15.0), fate=Fate.API_CANCEL_AT_ONCE),
    Sort(1, "refused", (1.0, 1.0), extra=_machine),
)


def workload(dice: Random, operations: int, seconds: float, types: Collection[str] = ()) -> tuple[Work, ...]:
    """As many operations, evenly spread over the seconds with some jitter; of these types alone, if any are named."""
    every = seconds / operations
    sorts = [sort for sort in SORTS if not types or sort.type in types]
    weights = [sort.weight for sort in sorts]
    return tuple(
        _work(dice, number, (number + dice.random()) * every, dice.choices(sorts, weights)[0])
        for number in range(operations)
    )


def _work(dice: Random, number: int, at: float, sort: Sort) -> Work:
    content = {"seconds": round(dice.uniform(*sort.seconds), 2), **sort.extra(dice)}
    if "machine" not in content:
        content["number"] = number
    key = f"{dice.getrandbits(96):024x}"
    return Work(number, at, key, sort.type, content, sort.fate, round(dice.uniform(*sort.fate_after), 2))
