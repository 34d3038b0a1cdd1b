"""Port: the workflow engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence.finality import Finality, OutcomeReports, outcome_reports
from domain.evidence.observation import ExecutionState, Observation
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.operation import Input
from domain.operation.operation_type import OperationType


class StartRejected(OpledgerError):
    """The engine refuses the start permanently."""


class StartFailed(OpledgerError):
    """The engine did not accept the start, and may later. The start of another operation may succeed."""


class CallbackRefused(OpledgerError):
    """The engine refuses starts with this completion callback. Without one it may accept the start."""


class ExecutionExists(OpledgerError):
    """An earlier request or run started an execution with the workflow id."""


class EngineUnavailable(OpledgerError):
    """The engine cannot be reached, or limits the rate of requests."""


class PayloadsUnavailable(EngineUnavailable):
    """The engine is available, and the codec of the execution's payloads is not. Other executions may be observed."""


@dataclass(frozen=True, slots=True)
class CompletionCallback:
    """The URL that the engine calls when the chain has closed, and the headers that it sends."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A start. The operation's id is workflow id and request id: a repeat starts nothing new."""

    operation_id: UUID
    type: OperationType
    input: Input
    """MISSING: the workflow has no argument. Any JSON value, null too, is its only argument."""
    callback: CompletionCallback | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    """W3C trace context of the execution; empty: none."""
    finality: Finality = Finality.ENGINE

    @property
    def outcome_reports(self) -> OutcomeReports:
        """The rule that all runs of the execution carry."""
        return outcome_reports(self.finality, calls_back=self.callback is not None)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A run in the engine's index. The index is seconds old: a hint that saves requests, never evidence."""

    operation_id: UUID
    state: ExecutionState
    closed_at: datetime | None = None
    """None while the run is open."""


@dataclass(frozen=True, slots=True)
class IndexPage:
    """A page of entries, and the token of the next page; None after the last one."""

    entries: list[IndexEntry]
    next_page: bytes | None = None


class WorkflowEngine(Protocol):
    """Starts, observes and ends the executions of operations. Every call may raise EngineUnavailable."""

    async def start(self, request: StartRequest) -> str:
        """Starts the operation's execution and returns the run id. A repeat of the same request starts nothing, and
        returns the chain's latest run.

        Raises StartRejected, StartFailed, ExecutionExists, CallbackRefused.
        """

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        """Returns the state of the chain's latest run. Strongly consistent if the chain's first run is known.

        Another chain under the same workflow id never counts: if it has taken the workflow id, the answer says how the
        given chain closed, or is NOT_FOUND with `superseded_by` if nothing of it is left.

        Args:
            chain: If its first run is not known, the chain whose `OperationUUID` is the operation's id.
            likely_closed: What the caller expects. Then the close of a short execution costs one request, and
                everything else one more. The answer is as reliable; it may leave `started_at` and
                `never_picked_up` out.
        """

    async def origin(self, run: Run) -> RunOrigin | None:
        """Returns the chain of the run; None if the engine does not know the run."""

    async def changed_since(
        self, since: datetime, page: bytes | None = None, *, closed_only: bool = False
    ) -> IndexPage:
        """Returns a page of the runs of operations that started or closed since, as the engine's index lists them.
        Leaves out runs that another run continues; with `closed_only`, open ones too."""

    async def with_problems(self) -> frozenset[UUID]:
        """Returns the open executions whose workflow task keeps failing or timing out, as the engine's index lists
        them."""

    async def cancel(self, chain: Chain, reason: str) -> None:
        """Requests the cancellation of the chain's open run. Does nothing if there is none."""

    async def terminate(self, chain: Chain, reason: str) -> None:
        """Terminates the chain's open run. Does nothing if there is none."""

    async def ping(self) -> None:
        """Returns if the engine answers."""

    async def check_callback(self, callback: CompletionCallback) -> None:
        """Returns if the engine accepts starts with the callback. Raises CallbackRefused. Starts nothing."""
