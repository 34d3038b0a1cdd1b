"""A report: what a workflow says about itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.operation_error import OperationError


class ReportKind(StrEnum):
    """What a workflow can say of itself."""

    STARTED = "STARTED"
    PROGRESS = "PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


OUTCOMES = frozenset({ReportKind.COMPLETED, ReportKind.FAILED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is."""

    fraction: float | None = None
    """0.0 to 1.0, or None when it cannot be told."""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The workflow's word. Any of it may arrive twice, late, or not at all."""

    kind: ReportKind
    at: datetime
    attempt: int = 1
    """The attempt of the workflow's own retry policy."""
    result: JsonValue = None
    error: OperationError | None = None
    """Given with FAILED."""
    progress: Progress | None = None
    """Given with PROGRESS."""
    provisional: bool = False
    """An outcome that may not be the last word (a retry may follow) or is not whole (the result was left out):
    never final by itself, whatever the finality."""
