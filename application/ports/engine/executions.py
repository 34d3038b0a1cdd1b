"""Values of the workflow engine port about single executions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.evidence.observation import ExecutionState
from domain.operation.chain import Run
from domain.operation.operation import Input

UNPOLLED_QUEUE = "opledger-nobody"
"""Task queue that no worker polls, of executions that the attaching of a callback starts by accident."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A workflow chain in its latest run, as the engine describes it."""

    workflow_id: str
    run_id: str
    """The latest run."""
    first_run_id: str
    workflow_type: str
    task_queue: str
    started_at: datetime | None
    """Start of the chain's first run; of the latest run if the engine no longer has the first one."""
    state: ExecutionState
    """As an observation has it: PENDING until a worker has picked the execution up."""
    operation_id: UUID | None = None
    """Value of the search attribute `OperationUUID`; None if it is missing or not a UUID."""
    parent: Run | None = None
    """The run that started it as a child workflow."""
    root: Run | None = None
    """The first ancestor; the execution itself if it has no parent."""


class AttachOutcome(StrEnum):
    """Result of attaching a completion callback."""

    ATTACHED = "ATTACHED"
    """The engine sends the callback when the chain closes."""
    CLOSED = "CLOSED"
    """The chain has closed, or is gone. The engine may send no callback."""
    REFUSED = "REFUSED"
    """The engine takes no such callback. The close has to be found in another way."""
    FULL = "FULL"
    """The execution has as many callbacks as the engine allows for one. Its close has to be found in another way."""


@dataclass(frozen=True, slots=True)
class Attached:
    """Answer to the request to attach a completion callback."""

    outcome: AttachOutcome
    reason: str = ""
    """With REFUSED and FULL: the engine's message."""
    stray: bool = False
    """With CLOSED: the execution was gone, and the request started another one, which was terminated at once, or ends
    by its timeout of seconds."""


@dataclass(frozen=True, slots=True)
class InputRead:
    """The input of an execution, from the arguments in its history."""

    value: Input
    """None if it cannot be read."""
    note: str | None = None
    """Message about what `value` lacks; None: nothing."""
