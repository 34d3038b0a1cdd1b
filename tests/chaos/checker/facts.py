"""What the checker judges: the ledger's rows and history lines, Temporal's runs, what clients were answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DONE = ("COMPLETED", "FAILED")


@dataclass(frozen=True)
class Row:
    """A row of `operations`."""

    id: str
    status: str
    history_length: int
    accepted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: str | None = None
    """JSON as text."""
    error_code: str | None = None
    error_message: str | None = None
    error_details: Mapping[str, Any] = field(default_factory=dict)
    attention_kind: str | None = None


@dataclass(frozen=True)
class Line:
    """A row of `transitions`."""

    sequence: int
    from_status: str | None
    to_status: str
    source: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class End:
    """How a run closed for good: no run follows that was planned with it."""

    kind: str
    """COMPLETED, or the error code that the ledger has for it."""
    closed_at: datetime
    result: str = "null"
    """With COMPLETED, JSON as text."""
    message: str = ""
    """With WORKFLOW_FAILED, the root cause's."""
    reason: str | None = None
    """With TERMINATED and CANCELED, what was given with it, and by whom."""
    actor: str | None = None


@dataclass(frozen=True)
class Run:
    """One run of a workflow id."""

    workflow_id: str
    run_id: str
    first_run_id: str
    started_at: datetime
    open: bool = False
    end: End | None = None
    """None where another run follows: continued as new, retried, or ended by a reset."""
    links: tuple[str, ...] = ()
    """The runs that its history names."""
    refused_closes: int = 0
    """How often a close was refused because something had arrived meanwhile."""
    cancel_requested: bool = False
    interrupted: bool = False
    """Whether it was asked to cancel before any of its timers had fired."""
    signals: int = 0
    """How many signals the server has accepted for it."""
    task_failures: int = 0
    """How many of its workflow tasks failed by their own code."""
    taken: bool = True
    """Whether a worker was given a task of it."""


@dataclass(frozen=True)
class Order:
    """What was submitted, and what was to be done to it."""

    type: str
    fate: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Everything, as it was when it was collected."""

    rows: Mapping[str, Row]
    lines: Mapping[str, Sequence[Line]]
    runs: Mapping[str, Sequence[Run]]
    """By workflow id, of every execution with the search attribute OperationUUID."""
    stored_keys: Sequence[tuple[str, str]]
    """Idempotency keys in the ledger, with their operations."""
    answers: Mapping[str, frozenset[str]]
    """Idempotency keys of the clients, with the ids of every 202."""
    deleted: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    """Operations whose execution was deleted through Temporal, and when."""
    orders: Mapping[str, Order] = field(default_factory=dict)
    """By operation."""


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    operation_id: str
    promise: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.promise} {self.operation_id}: expected {self.expected}; found {self.found}"
