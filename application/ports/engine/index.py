"""Values of the workflow engine port about its index. The index is seconds old: a hint that saves requests, never
evidence."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence.observation import ExecutionState


class QueryRefused(OpledgerError):
    """The engine's index refuses a query: it is malformed, or names what the index does not have."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A run that the index lists."""

    workflow_id: str
    run_id: str
    operation_id: UUID | None
    """Value of the search attribute `OperationUUID`; None if it is missing or not a UUID. A workflow may set it for its
    own purposes: the run belongs to the operation only if it has the operation's workflow id."""
    state: ExecutionState
    closed_at: datetime | None = None
    """None while the run is open."""


@dataclass(frozen=True, slots=True)
class IndexPage:
    """A page of entries, and the token of the next page; None after the last one."""

    entries: list[IndexEntry]
    next_page: bytes | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Selects executions by workflow type, and by a query in the engine's language."""

    workflow_type: str
    query: str | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A started run that the index lists. The index does not show whether it continues an earlier run."""

    workflow_id: str
    run_id: str
    workflow_type: str
    started_at: datetime
    state: ExecutionState
    operation_id: UUID | None = None
    """As in `IndexEntry`."""


@dataclass(frozen=True, slots=True)
class StartPage:
    """A page of started runs, and the token of the next page; None after the last one."""

    runs: list[StartedRun]
    next_page: bytes | None = None
