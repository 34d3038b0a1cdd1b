"""One line of an operation's history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.status import OperationStatus


class Source(StrEnum):
    """Through which channel a change came."""

    CLIENT = "CLIENT"
    """A request over the API."""
    DISPATCHER = "DISPATCHER"
    """The dispatcher, on starting the workflow."""
    WORKFLOW = "WORKFLOW"
    """The workflow's own report."""
    CALLBACK = "CALLBACK"
    """The engine, which called when the execution closed."""
    CONFIRMATION = "CONFIRMATION"
    """The engine, asked because something was due."""
    RECONCILIATION = "RECONCILIATION"
    """The engine, asked because its index lists a close, or a problem, that the ledger does not know of."""
    VERIFICATION = "VERIFICATION"
    """The engine, asked because nobody had asked for long."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status, or, where `from_status` equals `to_status`, an event worth keeping (a retry, a cancel)."""

    sequence: int
    """1 for the acceptance, then without a gap."""
    from_status: OperationStatus | None
    to_status: OperationStatus
    source: Source
    reason: str
    at: datetime
    actor: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
