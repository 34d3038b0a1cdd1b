"""What a campaign did and saw: written while it runs, read by the checker and the report."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from tests.chaos.checker.facts import BulkOrder, Put, ReceivedId, Submission, Trespass
from tests.chaos.plan.kinds import Fate, FaultKind


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
    """By workflow id, when its execution was deleted, by us, through Temporal."""
    received_ids: list[ReceivedId] = field(default_factory=list)
    """What clients with the plugin, and those that adopt, were answered."""
    asked: set[str] = field(default_factory=set)
    """Workflow ids that they have asked for."""
    adoptions: Counter[int] = field(default_factory=Counter)
    """Of all requests to adopt, by status."""
    puts: list[Put] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    """Of types with a workflow id template."""
    trespasses: list[Trespass] = field(default_factory=list)
    bulk: dict[str, BulkOrder] = field(default_factory=dict)
    """Bulk actions that were confirmed."""
    rolled_back: set[str] = field(default_factory=set)
    """Idempotency keys of transactions that were rolled back."""
    parents: dict[str, str] = field(default_factory=dict)
    """By operation, the one that its submission named."""
    unanswered: set[str] = field(default_factory=set)
    """Idempotency keys of requests without an answer."""
    injected: Counter[FaultKind] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    """What went against a promise before the checker looked: a forged callback that was taken, for one."""
