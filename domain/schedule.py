"""When the ledger has to act on an operation next."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The start of the workflow: tried `attempts` times, due at `due_at`, done at `done_at`."""

    due_at: datetime | None
    """When to try next; None when there is nothing to start."""
    attempts: int = 0
    """Counted when an attempt begins, so that a dispatcher that died in the middle has left a trace."""
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Asking the engine about an operation sooner than the scheduled reconciliation would."""

    due_at: datetime | None = None
    attempts: int = 0
