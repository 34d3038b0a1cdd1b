"""Observations: the engine's answers about an execution."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import OperationError


class ExecutionState(StrEnum):
    """State of the latest run of a workflow chain."""

    PENDING = "PENDING"
    """Started; no worker has picked up the first workflow task."""
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TERMINATED = "TERMINATED"
    TIMED_OUT = "TIMED_OUT"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"
    """A state that this version of opledger does not know. It changes nothing."""


OPEN = frozenset({ExecutionState.PENDING, ExecutionState.RUNNING})
UNSUCCESSFUL = frozenset(
    {ExecutionState.FAILED, ExecutionState.CANCELED, ExecutionState.TERMINATED, ExecutionState.TIMED_OUT}
)
CLOSED = UNSUCCESSFUL | {ExecutionState.COMPLETED}
WITHOUT_WORKER = UNSUCCESSFUL - {ExecutionState.FAILED}
"""Closes that need no worker: the workflow may never have run."""


@dataclass(frozen=True, slots=True)
class ExecutionProblem:
    """Reason why an open execution makes no progress."""

    kind: AttentionKind
    message: str
    waits_since: datetime | None = None
    """With NO_WORKER, if a waiting task is the only sign: since when it waits. A worker may be starting."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The engine's answer about a chain, strongly consistent as of `asked_at`."""

    state: ExecutionState
    asked_at: datetime
    """When the ledger sent the question. The answer is valid as of this time, not as of its arrival."""
    started_at: datetime | None = None
    closed_at: datetime | None = None
    result: JsonValue = None
    """With COMPLETED."""
    result_unreadable: str | None = None
    """With COMPLETED: why the result could not be decoded; None if it could."""
    result_altered: str | None = None
    """With COMPLETED: a message that lists the numbers that JSON does not have (NaN, infinities). They are null in
    `result`."""
    error: OperationError | None = None
    """With every unsuccessful close."""
    actor: str | None = None
    """Who cancelled or terminated the execution, if the engine knows."""
    first_run_id: str | None = None
    """First run of the observed chain; None if the engine does not know the chain."""
    superseded_by: str | None = None
    """With NOT_FOUND: first run of the other chain that has the workflow id now."""
    never_picked_up: bool = False
    """With a close that needs no worker: the engine's history shows that no worker ever picked up a task of the chain.
    False: a worker did, or it is unknown."""
    problem: ExecutionProblem | None = None
    """With an open execution: why it makes no progress, if the engine shows a reason."""

    def __post_init__(self) -> None:
        if self.superseded_by is not None and self.state is not ExecutionState.NOT_FOUND:
            raise ValueError(f"an observation of {self.state} cannot name a superseding chain")
        if self.never_picked_up and self.state not in WITHOUT_WORKER:
            raise ValueError(f"an execution that is {self.state} was picked up by a worker")
        if self.problem is not None and self.state not in OPEN:
            raise ValueError(f"an observation of {self.state} has no problem")
        if (self.state in UNSUCCESSFUL) != (self.error is not None):
            raise ValueError(f"an observation of {self.state} {'needs' if self.error is None else 'has no'} error")
