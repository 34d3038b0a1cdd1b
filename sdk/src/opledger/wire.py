"""Wire format between a tracked workflow and the ledger: names and payloads.

The payloads are standard dataclasses, which Temporal's default data converter supports. A worker in another language
sends the same JSON.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

LEDGER_TASK_QUEUE = "opledger"
"""Task queue of the ledger's worker."""

UPDATE_ACTIVITY = "update_operation_status"
"""Activity of the ledger's worker that records the reports of workflows. Takes a `StatusUpdate`."""

MEMO = "opledger"
"""Key of the memo on every execution that the ledger starts: `{"report_outcome": OutcomeReports}`."""

MAX_STEP_NAME = 100
"""Characters."""
MAX_STEP_MESSAGE = 200
"""Characters. A report has up to 100 steps."""


class OutcomeReports(StrEnum):
    """Whether a tracked workflow reports its outcome. It waits for that report after its body has returned."""

    ALWAYS = "always"
    """The ledger takes the report as final and does not ask Temporal."""
    WHEN_SAFE = "when_safe"
    """Only if nothing can act during the wait: the workflow has no handlers and no other tasks."""
    NEVER = "never"
    """Temporal sends the ledger a completion callback when the workflow closes."""


class UpdateKind(StrEnum):
    """Kind of a report."""

    STARTED = "started"
    PROGRESS = "progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class UpdateOutcome(StrEnum):
    """Result of a report."""

    RECORDED = "recorded"
    """Stored: visible at once, or when Temporal confirms it."""
    IGNORED = "ignored"
    """No change: a repeated report, or the operation is done."""
    UNKNOWN_OPERATION = "unknown_operation"
    """No such operation: this ledger did not start the workflow, or the operation was deleted."""


@dataclass(frozen=True)
class ReportedError:
    """Failure of a workflow. The message is the root cause's, not the wrapper's."""

    message: str
    type: str | None = None
    """Application failure type, or the name of the exception class."""
    non_retryable: bool = False
    details: list[Any] = field(default_factory=list)


class StepState(StrEnum):
    """State of a step."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class ReportedStep:
    """A named step of a workflow."""

    name: str
    state: StepState
    started_at: str
    """In RFC 3339, UTC."""
    updated_at: str
    """Time of the last change; of a step that is not running, its end. In RFC 3339, UTC."""
    fraction: float | None = None
    """0.0 to 1.0; None: unknown."""
    message: str | None = None


@dataclass(frozen=True)
class ReportedProgress:
    """Progress of a workflow. Without fraction and message, those that were reported before stay."""

    fraction: float | None = None
    """0.0 to 1.0; None: unknown."""
    message: str | None = None
    steps: list[ReportedStep] = field(default_factory=list)
    """All steps of the run, or those that have changed."""


@dataclass(frozen=True)
class ReportedParent:
    """Workflow that started the reporting one as its child."""

    workflow_id: str
    first_run_id: str | None = None
    """First run of the parent's chain; None: the parent's worker has no plugin."""
    operation_id: str | None = None


@dataclass(frozen=True)
class ReportedExecution:
    """The reporting run, and its chain. The first report of an execution that is no operation yet makes it one."""

    namespace: str
    workflow_id: str
    run_id: str
    first_run_id: str
    workflow_type: str
    task_queue: str
    started_at: str
    """Start of the run `run_id`, in RFC 3339, UTC."""
    parent: ReportedParent | None = None


@dataclass(frozen=True)
class StatusUpdate:
    """One report of a workflow: the only argument of the activity `update_operation_status`, and the body of
    `POST /v1/reports`."""

    operation_id: str
    kind: UpdateKind
    occurred_at: str
    """Workflow time, in RFC 3339, UTC."""
    attempt: int = 1
    """Attempt under the workflow's own retry policy, from 1."""
    may_retry: bool = False
    """FAILED, but Temporal may start another attempt: never final by itself."""
    result: Any = None
    result_omitted: bool = False
    """The result was too large or not JSON: the ledger fetches it from Temporal."""
    error: ReportedError | None = None
    progress: ReportedProgress | None = None
    execution: ReportedExecution | None = None
    """Set by `OpledgerPlugin`."""


class StartReportKind(StrEnum):
    """Result of the start of a recorded operation."""

    DISPATCHED = "dispatched"
    """Temporal accepted the start. Changes no status: a worker has not taken the workflow yet."""
    START_REJECTED = "start_rejected"
    """Temporal refused the start: no workflow of this operation exists."""


@dataclass(frozen=True)
class StartReport:
    """Report of the client that started a workflow, in the body of `POST /v1/reports`. No activity takes it."""

    operation_id: str
    kind: StartReportKind
    occurred_at: str
    """Time of the client, in RFC 3339, UTC."""
    execution: ReportedExecution | None = None
    """The execution that Temporal named in its answer; None if it refused the start."""
    error: ReportedError | None = None


_ADOPTED = UUID("6f9d5c0e-3b0a-5d5e-9a55-0d6a1f0f15ad")


def adopted_operation_id(namespace: str, workflow_id: str, first_run_id: str) -> str:
    """Id of the operation of a workflow chain that the ledger did not start.

    It is the UUIDv5 of the three values as a JSON array without spaces, so every way in computes the same id.
    """
    name = json.dumps([namespace, workflow_id, first_run_id], ensure_ascii=False, separators=(",", ":"))
    return str(uuid5(_ADOPTED, name))
