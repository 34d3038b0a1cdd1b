"""History lines of an operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.status import OperationStatus


class Source(StrEnum):
    """Channel through which a change came."""

    CLIENT = "CLIENT"
    """A client's request."""
    DISPATCHER = "DISPATCHER"
    """The dispatcher, which starts the workflow."""
    WORKFLOW = "WORKFLOW"
    """A report of the workflow."""
    CALLBACK = "CALLBACK"
    """A completion callback, which the engine sends when the execution closes."""
    CONFIRMATION = "CONFIRMATION"
    """The engine's answer to a follow-up that was due."""
    RECONCILIATION = "RECONCILIATION"
    """The engine's answer, requested because its index lists a close or a problem that the ledger does not know."""
    VERIFICATION = "VERIFICATION"
    """The engine's answer to the periodic check of a dispatched operation."""
    ADOPTION = "ADOPTION"
    """The ledger found an execution that it has not started."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status. If `from_status` equals `to_status`: an event, such as a retry or a cancellation request."""

    sequence: int
    """1 for the acceptance; without gaps."""
    from_status: OperationStatus | None
    to_status: OperationStatus
    source: Source
    reason: str
    at: datetime
    actor: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
