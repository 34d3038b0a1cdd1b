"""What a campaign did and saw: written while it runs, read by the checker and the report."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from tests.chaos.kinds import Fate, FaultKind


@dataclass
class Record:
    """Everything that the verdict needs and neither database nor engine knows."""

    answers: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By idempotency key, the ids of every 202."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Of all submissions; 0 is a connection that failed."""
    fates: Counter[tuple[Fate, str]] = field(default_factory=Counter)
    """What became of what was to be done to operations."""
    deleted: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """When an operation's execution was deleted, by us, through Temporal."""
    injected: Counter[FaultKind] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    """What went against a promise before the checker looked: a forged callback that was taken, for one."""
