"""Why an operation failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.json_value import JsonValue, clean_text


class ErrorCode(StrEnum):
    """The closed list of causes that clients may branch on."""

    WORKFLOW_FAILED = "WORKFLOW_FAILED"
    """The workflow failed by itself."""
    CANCELED = "CANCELED"
    """It was cancelled: before its start, or the workflow gave way to the request."""
    TERMINATED = "TERMINATED"
    """It was ended from outside, without a chance to clean up."""
    TIMED_OUT = "TIMED_OUT"
    """It did not close within its execution or run time-out."""
    START_REJECTED = "START_REJECTED"
    """The engine refuses to start it, for good."""
    EXECUTION_LOST = "EXECUTION_LOST"
    """The engine no longer knows its execution, and nobody saw how it ended."""


BEFORE_START = frozenset({ErrorCode.CANCELED, ErrorCode.START_REJECTED, ErrorCode.TERMINATED, ErrorCode.TIMED_OUT})
"""The only causes for which an ACCEPTED operation fails without having run: it was given up before its start, or its
execution closed before any worker took it."""
NEVER_STARTED = frozenset({ErrorCode.CANCELED, ErrorCode.START_REJECTED})
"""Those of them for which the ledger gives up an operation that it has not started."""


@dataclass(frozen=True, slots=True)
class OperationError:
    """Code, the root cause's message, and details for people (type, reason, actor: whatever is known)."""

    code: ErrorCode
    message: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", clean_text(self.message))
