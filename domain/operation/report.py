"""Reports: what a workflow says about itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.operation_error import OperationError


class ReportKind(StrEnum):
    """Subject of a report."""

    STARTED = "STARTED"
    PROGRESS = "PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


OUTCOMES = frozenset({ReportKind.COMPLETED, ReportKind.FAILED})


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an operation."""

    fraction: float | None = None
    """0.0 to 1.0; None: unknown."""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One report. It may arrive twice, late, or never."""

    kind: ReportKind
    at: datetime
    attempt: int = 1
    """Attempt under the workflow's own retry policy, from 1."""
    result: JsonValue = None
    error: OperationError | None = None
    """Set for FAILED."""
    progress: Progress | None = None
    """Set for PROGRESS."""
    provisional: bool = False
    """The outcome may be followed by a retry, or its result was omitted. Never final by itself, whatever the
    finality."""
