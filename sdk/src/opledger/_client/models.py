"""What the ledger answers: operations, their history, counts and types. Fields of later versions are ignored."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType


class OperationStatus(StrEnum):
    """Status of an operation. COMPLETED and FAILED are final."""

    ACCEPTED = "ACCEPTED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class OperationError(Struct, frozen=True):
    """Why an operation failed. `code` is one of `WORKFLOW_FAILED`, `CANCELED`, `TERMINATED`, `TIMED_OUT`,
    `START_REJECTED` and `EXECUTION_LOST`."""

    code: str
    message: str
    details: dict[str, Any]


class Step(Struct, frozen=True):
    """A named step of the progress. `state`: `RUNNING`, `COMPLETED` or `FAILED`. `fraction`: 0.0 to 1.0."""

    name: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    fraction: float | None = None
    message: str | None = None


class Progress(Struct, frozen=True):
    """The progress that the workflow reported. `fraction`: 0.0 to 1.0. `steps` are in the order of their start."""

    fraction: float | None
    message: str | None
    steps: list[Step] = []


class CancelRequest(Struct, frozen=True):
    """A cancellation request. `delivered_at` is None until the workflow has got it."""

    at: datetime
    by: str | None
    reason: str | None
    force: bool
    delivered_at: datetime | None


class Attention(Struct, frozen=True):
    """Why an operation needs attention, such as `STALLED` or `NO_WORKER`."""

    kind: str
    since: datetime
    message: str


class Execution(Struct, frozen=True):
    """The workflow of an operation. `origin`: `LEDGER`, `CLIENT` or `ADOPTED`."""

    workflow_id: str
    origin: str
    first_run_id: str | None = None
    """Only where a client records a start of its own."""


class Operation(Struct, frozen=True, kw_only=True):
    """An operation. Times are in UTC."""

    id: str
    type: str
    status: OperationStatus
    done: bool
    """Whether the status is final."""
    input: Any | UnsetType = UNSET
    """`msgspec.UNSET` if the submission had none; None is an input of null."""
    labels: dict[str, str]
    result: Any
    error: OperationError | None
    progress: Progress | None
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    cancel_requested: CancelRequest | None
    attention: Attention | None
    execution: Execution
    retry_of: str | None = None
    retried_by: str | None = None
    start_at: datetime | None = None
    """The workflow does not start before this time. None: it starts at once."""
    parent_id: str | None = None
    keep: bool = False
    """Whether retention spares it."""
    children: dict[OperationStatus, int] = {}
    """Number of children by status. Only where one operation is read."""
    version: int

    @property
    def duration(self) -> timedelta | None:
        """Time from the start to the end; None while there is no end, or if there was no start."""
        return None if self.started_at is None or self.finished_at is None else self.finished_at - self.started_at


class Transition(Struct, frozen=True, rename={"from_status": "from", "to_status": "to"}):
    """A line of an operation's history. If `from_status` equals `to_status`, the status did not change."""

    sequence: int
    from_status: OperationStatus | None
    to_status: OperationStatus
    source: str
    reason: str
    actor: str | None
    at: datetime
    details: dict[str, Any]
    operation_id: str | None = None
    """Only in events."""


class Counts(Struct, frozen=True):
    """Numbers of operations."""

    by_status: dict[OperationStatus, int]
    by_type: dict[str, dict[OperationStatus, int]]
    by_error_code: dict[str, int]


class DurationSummary(Struct, frozen=True):
    """Percentiles of durations, in seconds; None if there are none. `sampled`: `count` are those that finished last of
    more."""

    count: int
    sampled: bool
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None


class Durations(Struct, frozen=True):
    """How long the operations of a type ran, by final status, in a window of finish times."""

    type: str
    finished_after: datetime
    finished_before: datetime
    by_status: dict[OperationStatus, DurationSummary]


Window: TypeAlias = Literal["hour", "day", "week"]
"""A window that ends now."""


class Bucket(Struct, frozen=True):
    """Numbers of operations that started, completed and failed from `at` to the next bucket."""

    at: datetime
    started: int
    completed: int
    failed: int


class Throughput(Struct, frozen=True):
    """What started and ended in a window that ends now, oldest bucket first. `failures`: by error code and type.
    Deleted operations count too."""

    window: str
    buckets: list[Bucket]
    failures: dict[str, dict[str, int]]


class OperationType(Struct, frozen=True):
    """A declared operation type. `input_schema`: JSON Schema of the input; None if any is valid."""

    name: str
    description: str
    input_schema: dict[str, Any] | None


class Event(Struct, frozen=True, kw_only=True):
    """A change: the operation after it, or a line of its history. Neither: a position."""

    id: str
    """Where a stream resumes: `events(after=...)`."""
    operation: Operation | None = None
    transition: Transition | None = None

    @property
    def is_position(self) -> bool:
        """Whether the event carries only an id."""
        return self.operation is None and self.transition is None


class Page(Struct, frozen=True):
    """A page of operations. `next_page_token` is None on the last page."""

    items: list[Operation]
    next_page_token: str | None
