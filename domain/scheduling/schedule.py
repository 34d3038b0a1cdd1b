"""When the ledger has to act on an operation next."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The start of the workflow: tried `attempts` times, due at `due_at`, done at `done_at`."""

    due_at: datetime | None
    """When to try next; None when there is nothing to start."""
    attempts: int = 0
    """Counted when an attempt begins, so that a dispatcher that died in the middle has left a trace."""
    done_at: datetime | None = None
    calls_back: bool = False
    """Whether the last attempt asked the engine to call when the execution closes."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Asking the engine about an operation sooner than the scheduled reconciliation would."""

    due_at: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Verification:
    """Asking the engine about a dispatched operation of which nothing need have been heard for long."""

    verified_at: datetime | None = None
    """When the engine last said something of it because it was asked; taking the start counts."""
    due_at: datetime | None = None
    """When to ask next; None before the dispatch and after the end."""


FIRST_VERIFICATION = timedelta(seconds=30)
"""How long after its start an operation is verified for the first time."""


def first_verification(now: datetime) -> Verification:
    """The verification of an operation whose start the engine has just taken."""
    return Verification(verified_at=now, due_at=now + FIRST_VERIFICATION)
