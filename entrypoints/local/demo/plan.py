"""The demo's plan: operations, what happens to each, and the expected outcome."""

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What happens to an operation of the demo."""

    COMPLETES = "completes"
    FAILS = "fails"
    TIMES_OUT = "times out"
    CANCELED = "cancelled over the API"
    TERMINATED = "terminated in Temporal"


EXPECTED: dict[Fate, tuple[str, str | None]] = {
    Fate.COMPLETES: ("COMPLETED", None),
    Fate.FAILS: ("FAILED", "WORKFLOW_FAILED"),
    Fate.TIMES_OUT: ("FAILED", "TIMED_OUT"),
    Fate.CANCELED: ("FAILED", "CANCELED"),
    Fate.TERMINATED: ("FAILED", "TERMINATED"),
}


@dataclass(frozen=True)
class Job:
    """One operation of the demo."""

    machine: str
    type: str
    seconds: float
    fate: Fate

    @property
    def body(self) -> dict[str, object]:
        """The body of the request that submits the operation."""
        outcome = "failure" if self.fate is Fate.FAILS else "success"
        value = {"machine": self.machine, "seconds": self.seconds, "outcome": outcome}
        return {"type": self.type, "input": value, "labels": {"demo": "yes"}}

    @property
    def expected(self) -> tuple[str, str | None]:
        """Expected status and error code."""
        return EXPECTED[self.fate]


_LONG = 600.0
"""Seconds. Operations this long end by a time-out, a cancellation or a termination."""


def two_dozen() -> list[Job]:
    """Returns 24 operations of the three types, with every fate. The type `release` has an execution timeout of 45
    seconds, so no release is expected to complete or to fail on its own: on a slow machine it might not do so in time.
    """
    fates: dict[str, list[tuple[Fate, float]]] = {
        "deploy": [
            *[(Fate.COMPLETES, seconds) for seconds in (0, 1, 2, 4, 6, 9)],
            (Fate.FAILS, 2),
            (Fate.FAILS, 5),
            (Fate.CANCELED, _LONG),
            (Fate.TERMINATED, _LONG),
            (Fate.TERMINATED, _LONG),
        ],
        "commission": [
            *[(Fate.COMPLETES, seconds) for seconds in (1, 2, 3, 8)],
            (Fate.FAILS, 1),
            (Fate.FAILS, 2),
            (Fate.CANCELED, _LONG),
            (Fate.CANCELED, _LONG),
            (Fate.TERMINATED, _LONG),
        ],
        "release": [
            (Fate.TIMES_OUT, _LONG),
            (Fate.TIMES_OUT, _LONG),
            (Fate.CANCELED, _LONG),
            (Fate.TERMINATED, _LONG),
        ],
    }
    pairs = [(name, fate, seconds) for name, entries in fates.items() for fate, seconds in entries]
    return [Job(f"m{number:02}", name, seconds, fate) for number, (name, fate, seconds) in enumerate(pairs, 1)]
