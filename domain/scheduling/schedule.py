"""Due times of an operation: dispatch, follow-up and verification."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class DueWork(Enum):
    """Work on an operation that workers claim, the longest due first."""

    DISPATCH = "dispatch"
    FOLLOW_UP = "follow-up"
    """Also the delivery of a cancellation request."""
    CANCEL_CHILDREN = "cancellation of children"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Start of the workflow by the dispatcher."""

    due_at: datetime | None
    """Time of the next attempt; None: nothing to start."""
    attempts: int = 0
    """Number of attempts. Counted at the beginning of an attempt, so that a crashed dispatcher leaves a trace."""
    done_at: datetime | None = None
    """When the engine accepted the start; None: not yet. Of an operation whose workflow a client starts: when it was
    recorded."""
    calls_back: bool = False
    """Whether the last attempt attached a completion callback."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question to the engine that is due before the next scheduled reconciliation."""

    due_at: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Verification:
    """The periodic check of a dispatched operation: the ledger asks the engine, even if nothing indicates a change."""

    verified_at: datetime | None = None
    """Time of the engine's last answer about the operation. The accepted start counts as one."""
    due_at: datetime | None = None
    """Time of the next question; None before the dispatch and after the end."""


FIRST_VERIFICATION = timedelta(seconds=30)
"""Delay between the start and the first verification."""


def first_verification(now: datetime) -> Verification:
    """Verification of an operation whose start the engine has just accepted."""
    return Verification(verified_at=now, due_at=now + FIRST_VERIFICATION)
