"""The wire between a tracked workflow and the ledger: names and payloads, and nothing else.

Payloads are standard dataclasses because Temporal's default data converter takes those; a worker in another language
sends the same JSON.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from temporalio.common import SearchAttributeKey

LEDGER_TASK_QUEUE = "opledger"
"""The task queue on which the ledger's own worker listens."""

UPDATE_ACTIVITY = "update_operation_status"
"""The activity, in the ledger's worker, that records what a workflow says of itself. Takes a `StatusUpdate`."""

OPERATION_UUID: SearchAttributeKey[str] = SearchAttributeKey.for_keyword("OperationUUID")
"""The search attribute that carries the operation's id on every execution that the ledger starts."""

MEMO = "opledger"
"""The memo on every execution that the ledger starts: `{"report_outcome": OutcomeReports}`."""


class OutcomeReports(StrEnum):
    """Whether a tracked workflow reports its outcome. It must wait for that report after its body has ended."""

    ALWAYS = "always"
    """The ledger takes the report as final and asks nobody else."""
    WHEN_SAFE = "when_safe"
    """Only where nothing of the workflow can still act while it waits: no handlers, no other tasks."""
    NEVER = "never"
    """Temporal calls the ledger when the workflow closes."""


class UpdateKind(StrEnum):
    """What a tracked workflow reports."""

    STARTED = "started"
    PROGRESS = "progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class UpdateOutcome(StrEnum):
    """What the ledger did with a report."""

    RECORDED = "recorded"
    """The row shows it, or keeps it until the engine confirms it."""
    IGNORED = "ignored"
    """It changes nothing: a repeat, or the operation is done."""
    UNKNOWN_OPERATION = "unknown_operation"
    """No such operation: the workflow was not started by this ledger, or its row was deleted."""


@dataclass(frozen=True)
class ReportedError:
    """Why a workflow failed: the root cause's message, not the wrapper's."""

    message: str
    type: str | None = None
    """The application failure type, or the name of the exception's class."""
    non_retryable: bool = False
    details: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class ReportedProgress:
    """How far a workflow says it is."""

    fraction: float | None = None
    """0.0 to 1.0, or None when it cannot be told."""
    message: str | None = None


@dataclass(frozen=True)
class StatusUpdate:
    """One report of a workflow about itself: the single argument of `update_operation_status`."""

    operation_id: str
    kind: UpdateKind
    occurred_at: str
    """Workflow time in RFC 3339, UTC."""
    attempt: int = 1
    """The attempt of the workflow's own retry policy, from 1."""
    may_retry: bool = False
    """A FAILED report of an attempt that the engine may run again: never final by itself."""
    result: Any = None
    result_omitted: bool = False
    """The result was too large, or not JSON: the ledger fetches it from the engine."""
    error: ReportedError | None = None
    progress: ReportedProgress | None = None
