"""Reports of clients about the start of operations that they recorded."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.evidence.reported_execution import ReportedExecution


class StartReportKind(StrEnum):
    """Outcome of the start."""

    DISPATCHED = "DISPATCHED"
    """The engine accepted it. No worker has picked up the workflow yet, as far as the client knows."""
    START_REJECTED = "START_REJECTED"
    """The engine refused it: no workflow of the operation exists."""


@dataclass(frozen=True, slots=True)
class StartReport:
    """It may arrive twice, late, or never."""

    kind: StartReportKind
    at: datetime
    execution: ReportedExecution | None = None
    """Set for DISPATCHED."""
    message: str = ""
    """The engine's refusal; set for START_REJECTED."""
