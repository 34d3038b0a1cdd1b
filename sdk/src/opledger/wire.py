"""Wire format between a tracked workflow and the ledger: names and payloads.

The payloads are standard dataclasses, which Temporal's default data converter supports. A worker in another language
sends the same JSON.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from temporalio.common import SearchAttributeKey

LEDGER_TASK_QUEUE = "opledger"
"""Task queue of the ledger's worker."""

UPDATE_ACTIVITY = "update_operation_status"
"""Activity of the ledger's worker that records the reports of workflows. Takes a `StatusUpdate`."""

OPERATION_UUID: SearchAttributeKey[str] = SearchAttributeKey.for_keyword("OperationUUID")
"""Search attribute with the operation's id, on every execution that the ledger starts."""

MEMO = "opledger"
"""Key of the memo on every execution that the ledger starts: `{"report_outcome": OutcomeReports}`."""


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


@dataclass(frozen=True)
class ReportedProgress:
    """Progress of a workflow."""

    fraction: float | None = None
    """0.0 to 1.0; None: unknown."""
    message: str | None = None


@dataclass(frozen=True)
class StatusUpdate:
    """One report of a workflow: the only argument of the activity `update_operation_status`."""

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
