"""Reports: what a workflow says about itself."""

from dataclasses import dataclass, replace
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


class StepState(StrEnum):
    """State of a step."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Step:
    """A named step of an operation."""

    name: str
    state: StepState
    started_at: datetime
    updated_at: datetime
    """Time of the last change; of a step that is not running, its end."""
    fraction: float | None = None
    """0.0 to 1.0; None: unknown."""
    message: str | None = None

    @property
    def finished_at(self) -> datetime | None:
        """Time of the end; None while the step is running."""
        return None if self.state is StepState.RUNNING else self.updated_at

    def ended(self, state: StepState, at: datetime) -> "Step":
        """The step with that end. A fraction that was reported becomes 1.0 if it completed."""
        whole = state is StepState.COMPLETED and self.fraction is not None
        fraction = 1.0 if whole else self.fraction
        return replace(self, state=state, updated_at=max(at, self.started_at), fraction=fraction)


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an operation, or what a report says of it."""

    fraction: float | None = None
    """0.0 to 1.0; None: unknown."""
    message: str | None = None
    steps: tuple[Step, ...] = ()
    """By start. Of a report: those that it names."""
    at: datetime | None = None
    """When the workflow reported fraction and message; None in a report, and if it has reported neither."""
    attempt: int = 1
    """Attempt of the workflow that reported the steps."""

    def closed(self, state: StepState, at: datetime) -> "Progress":
        """The progress of an operation that has ended: its running steps have that end."""
        ended = (step if step.state is not StepState.RUNNING else step.ended(state, at) for step in self.steps)
        return replace(self, steps=tuple(ended))


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
