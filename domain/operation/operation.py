"""The operation: one long-running unit of work in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, Literal
from uuid import UUID

from domain.json_value import JsonValue
from domain.operation.attention import Attention
from domain.operation.cancel_request import CancelRequest
from domain.operation.chain import Chain
from domain.operation.operation_error import OperationError
from domain.operation.origin import Origin
from domain.operation.report import Progress, Report
from domain.operation.status import OperationStatus
from domain.operation.transition import Source, Transition
from domain.scheduling.schedule import Dispatch, FollowUp, Verification


class Missing(Enum):
    """Marks a missing input, which differs from null."""

    MISSING = "MISSING"


MISSING: Final = Missing.MISSING
Input = JsonValue | Literal[Missing.MISSING]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. Immutable: every change returns a `Change`.

    `revision` grows by one with every stored change; compare-and-set compares it. `version` grows by one, and
    `updated_at` moves, with every stored change that clients can see. The store counts both. `history_length` is the
    sequence number of the last transition.
    """

    id: UUID
    tenant: str
    type: str
    input: Input
    accepted_at: datetime
    updated_at: datetime
    dispatch: Dispatch
    labels: Mapping[str, str] = field(default_factory=dict)
    status: OperationStatus = OperationStatus.ACCEPTED
    result: JsonValue = None
    """Return value of the workflow; meaningful only with COMPLETED."""
    error: OperationError | None = None
    progress: Progress | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_request: CancelRequest | None = None
    attention: Attention | None = None
    acknowledged: Attention | None = None
    """The problem that a client has acknowledged, while it lasts."""
    reported: Report | None = None
    """Outcome that the workflow reported, until the engine confirms or contradicts it."""
    follow_up: FollowUp = field(default_factory=FollowUp)
    verification: Verification = field(default_factory=Verification)
    workflow_id: str = ""
    """Workflow id of the execution; empty in the constructor: the operation's id."""
    first_run_id: str | None = None
    """First run of the workflow chain. None: not started, or not known yet."""
    origin: Origin = Origin.LEDGER
    parent_id: UUID | None = None
    """Operation whose workflow started this one, or that its submission names; it may be deleted. None: there is none,
    or it is not known."""
    start_at: datetime | None = None
    """Time before which the workflow is not started. None: it starts at once."""
    retry_of: UUID | None = None
    """Operation that this one retries; it may be deleted."""
    retried_by: UUID | None = None
    """Operation that retries this one; it may be deleted."""
    keep: bool = False
    """Whether retention spares the operation."""
    superseded_by: UUID | None = None
    """Operation that takes the workflow id of this one, which is to end."""
    cancel_children_due_at: datetime | None = None
    """When the cancellation request is passed on to the children; None: nothing is to be passed on."""
    unchecked: bool = False
    """Whether the operation was submitted in SQL, where its type is not known: the dispatcher checks type and input and
    fills the workflow id."""
    trace: Mapping[str, str] = field(default_factory=dict)
    """W3C trace context of the submission (`traceparent`, `tracestate`), passed on to the execution; may be empty."""
    revision: int = 1
    version: int = 1
    history_length: int = 0

    def __post_init__(self) -> None:
        if not self.workflow_id:
            object.__setattr__(self, "workflow_id", str(self.id))

    @property
    def chain(self) -> Chain:
        """The workflow chain of the operation."""
        return Chain(self.id, self.workflow_id, self.first_run_id)

    @property
    def has_given_workflow_id(self) -> bool:
        """Whether the workflow id is another than the operation's id, so that other chains may have it too."""
        return self.workflow_id != str(self.id)

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status.done

    @property
    def cancel_pending(self) -> bool:
        """Whether a cancellation request waits for delivery to the engine."""
        return not self.done and self.cancel_request is not None and self.cancel_request.delivered_at is None

    @property
    def to_be_ended(self) -> bool:
        """Whether the ledger has to cancel or terminate the execution."""
        return self.cancel_pending or (not self.done and self.superseded_by is not None)


@dataclass(frozen=True, slots=True)
class Change:
    """An operation after a change, and the history lines of the change."""

    operation: Operation
    transitions: tuple[Transition, ...] = ()

    def then(self, other: "Change") -> "Change":
        """Combines two changes. `other` started from the operation of this one."""
        return Change(other.operation, self.transitions + other.transitions)


@dataclass(frozen=True, slots=True)
class Cause:
    """Cause of a change: channel, reason, actor and time."""

    source: Source
    reason: str
    now: datetime
    actor: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
