"""Errors of failed operations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.json_value import JsonValue, clean_text


class ErrorCode(StrEnum):
    """Error code of a failed operation. The list is closed, so clients may branch on it."""

    WORKFLOW_FAILED = "WORKFLOW_FAILED"
    """The workflow failed."""
    CANCELED = "CANCELED"
    """Cancelled: before the start, or the workflow accepted a cancellation request."""
    TERMINATED = "TERMINATED"
    """Terminated from outside; the workflow could not clean up."""
    TIMED_OUT = "TIMED_OUT"
    """The workflow did not close within its execution or run timeout."""
    START_REJECTED = "START_REJECTED"
    """No workflow was started: the engine permanently refuses it or answers with another execution, or the client that
    recorded the operation did not start it."""
    EXECUTION_LOST = "EXECUTION_LOST"
    """The engine no longer knows the execution, and its outcome is unknown."""


BEFORE_START = frozenset({ErrorCode.CANCELED, ErrorCode.START_REJECTED, ErrorCode.TERMINATED, ErrorCode.TIMED_OUT})
"""The only codes with which an ACCEPTED operation fails: it was given up before the start, or its execution closed
before a worker picked it up."""
NEVER_STARTED = frozenset({ErrorCode.CANCELED, ErrorCode.START_REJECTED})
"""The codes with which the ledger gives up an operation that it has not started."""


@dataclass(frozen=True, slots=True)
class OperationError:
    """Code, message of the root cause, and known details (type, reason, actor)."""

    code: ErrorCode
    message: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", clean_text(self.message))
