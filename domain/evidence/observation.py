"""An observation: what the engine says about an execution."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import OperationError


class ExecutionState(StrEnum):
    """How the engine says that the latest run of a workflow chain stands."""

    PENDING = "PENDING"
    """It exists; no worker has taken its first task up."""
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TERMINATED = "TERMINATED"
    TIMED_OUT = "TIMED_OUT"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"
    """A state that this version does not know. Changes nothing."""


OPEN = frozenset({ExecutionState.PENDING, ExecutionState.RUNNING})
UNSUCCESSFUL = frozenset(
    {ExecutionState.FAILED, ExecutionState.CANCELED, ExecutionState.TERMINATED, ExecutionState.TIMED_OUT}
)
CLOSED = UNSUCCESSFUL | {ExecutionState.COMPLETED}
WITHOUT_WORKER = UNSUCCESSFUL - {ExecutionState.FAILED}
"""The closes that need no worker: the workflow may never have run."""


@dataclass(frozen=True, slots=True)
class ExecutionProblem:
    """Why an open execution makes no progress."""

    kind: AttentionKind
    message: str
    waits_since: datetime | None = None
    """With NO_WORKER, since when a task has waited, where only that shows it: a worker may just be starting."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The engine's word on a chain, strongly consistent as of `asked_at`."""

    state: ExecutionState
    asked_at: datetime
    """When the question was put, not when the answer came: only what was true before it may be concluded."""
    started_at: datetime | None = None
    closed_at: datetime | None = None
    result: JsonValue = None
    """With COMPLETED."""
    result_unreadable: str | None = None
    """With COMPLETED, why the result could not be decoded, if it could not."""
    result_altered: str | None = None
    """With COMPLETED, which numbers of the result JSON does not have (NaN, infinities); they are null in `result`."""
    error: OperationError | None = None
    """With every unsuccessful close."""
    actor: str | None = None
    """Who cancelled or terminated it, where the engine knows."""
    first_run_id: str | None = None
    """Of the chain that this is about; None where the engine does not know the chain."""
    superseded_by: str | None = None
    """With NOT_FOUND: the first run of the other chain that holds the workflow id now."""
    never_picked_up: bool = False
    """With a close that needs no worker: the engine's history shows that no worker ever took the chain. False: one did,
    or it is not known."""
    problem: ExecutionProblem | None = None
    """While it is open: why it makes no progress, as far as the engine shows it."""

    def __post_init__(self) -> None:
        if self.superseded_by is not None and self.state is not ExecutionState.NOT_FOUND:
            raise ValueError(f"an observation of {self.state} is about the chain itself, not about another one")
        if self.never_picked_up and self.state not in WITHOUT_WORKER:
            raise ValueError(f"an execution that is {self.state} was taken by a worker")
        if self.problem is not None and self.state not in OPEN:
            raise ValueError(f"an observation of {self.state} has no problem")
        if (self.state in UNSUCCESSFUL) != (self.error is not None):
            raise ValueError(f"an observation of {self.state} {'needs' if self.error is None else 'has no'} error")
