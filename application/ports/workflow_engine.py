"""Port: the engine that runs workflows."""

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
    """The engine refuses this start for good."""


class StartFailed(OpledgerError):
    """The engine did not take this start; it may later. Another operation's start may go through."""


class CallbackRefused(OpledgerError):
    """The engine does not take starts with this completion callback; without one it may."""


class ExecutionExists(OpledgerError):
    """The operation's execution was started before, by another request or in another run."""


class EngineUnavailable(OpledgerError):
    """The engine cannot be reached, or asks to be left alone for a while."""


class PayloadsUnavailable(EngineUnavailable):
    """The engine answers, and the codec that decodes this execution's payloads does not. Other executions may be
    observed meanwhile."""


@dataclass(frozen=True, slots=True)
class CompletionCallback:
    """Where the engine calls when the chain has closed, and the headers that it sends."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What to start. The operation's id is workflow id and request id: a repeat starts nothing new."""

    operation_id: UUID
    type: OperationType
    input: Input
    """MISSING starts the workflow without an argument; any JSON value, null too, is its single argument."""
    callback: CompletionCallback | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    """W3C trace context that the execution belongs to; empty: none."""
    finality: Finality = Finality.ENGINE

    @property
    def outcome_reports(self) -> OutcomeReports:
        """The rule that the execution carries, all its runs included."""
        return outcome_reports(self.finality, calls_back=self.callback is not None)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A run that the engine's index lists. Seconds old: a hint that saves questions, never evidence."""

    operation_id: UUID
    state: ExecutionState
    closed_at: datetime | None = None
    """None while the run is open."""


@dataclass(frozen=True, slots=True)
class IndexPage:
    """Some entries, and where the next page begins; None behind the last one."""

    entries: list[IndexEntry]
    next_page: bytes | None = None


class WorkflowEngine(Protocol):
    """Starts, observes and ends the executions of operations. Every call may raise EngineUnavailable."""

    async def start(self, request: StartRequest) -> str:
        """Start the operation's execution, and return the run id. A repeat of the same request starts nothing, and
        returns the chain's latest run.

        Raises StartRejected, StartFailed, ExecutionExists, CallbackRefused.
        """

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        """How the latest run of the chain stands. Strongly consistent where the chain's first run is known.

        Another chain under the same workflow id never counts: where that holds the workflow id, the answer is how the
        given chain closed, or NOT_FOUND with `superseded_by` if nothing of it is left.

        Args:
            chain: If its first run is not known, the chain whose `OperationUUID` is the operation's id.
            likely_closed: What the caller expects. Then the close of a short execution costs one question, and
                everything else one more. The answer is as true; it may leave `started_at` and
                `never_picked_up` out.
        """

    async def origin(self, run: Run) -> RunOrigin | None:
        """The chain that the run belongs to; None if the engine does not know the run."""

    async def changed_since(
        self, since: datetime, page: bytes | None = None, *, closed_only: bool = False
    ) -> IndexPage:
        """The runs that have closed or begun since, as the engine's index lists them: those of operations' own
        executions, in pages. A run that is listed as continued by another one is left out. `closed_only` leaves out
        those that are open."""

    async def with_problems(self) -> frozenset[UUID]:
        """The open executions whose workflow task keeps failing or timing out, as the engine's index lists them."""

    async def cancel(self, chain: Chain, reason: str) -> None:
        """Ask the chain's open run to stop. One that is closed or unknown, and any other chain, is left as it is."""

    async def terminate(self, chain: Chain, reason: str) -> None:
        """End the chain's open run. One that is closed or unknown, and any other chain, is left as it is."""

    async def ping(self) -> None:
        """Return if the engine answers."""

    async def check_callback(self, callback: CompletionCallback) -> None:
        """Return if the engine would take starts with it; raise CallbackRefused if not. Starts nothing."""
