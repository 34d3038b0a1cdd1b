"""Port: the workflow engine."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.engine.executions import Attached, Execution, InputRead
from application.ports.engine.index import IndexEntry, IndexPage, StartPage, Watch
from domain.errors import OpledgerError
from domain.evidence.finality import Finality, OutcomeReports, outcome_reports
from domain.evidence.observation import Observation
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.operation import Input
from domain.operation.operation_type import OperationType
from domain.operation.start.arguments import Arguments
from domain.operation.start.workflow_id_policy import OnClosed


class StartRejected(OpledgerError):
    """The engine refuses the start permanently."""


class StartFailed(OpledgerError):
    """The engine did not accept the start, and may later. The start of another operation may succeed."""


class CallbackRefused(OpledgerError):
    """The engine refuses starts with this completion callback. Without one it may accept the start."""


class CallbacksExhausted(CallbackRefused):
    """The execution has as many completion callbacks as the engine allows for one. Others may take the callback."""


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
    """A start. The operation's id is the request id: a repeat starts nothing while the engine still knows it, that is
    until the chain continues in another run or the workflow id is used again."""

    operation_id: UUID
    workflow_id: str
    type: OperationType
    input: Input
    """MISSING: the workflow has no argument. Any other JSON value, null too, is its only argument, or with
    `type.arguments` SPREAD the list of its arguments."""
    callback: CompletionCallback | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    """W3C trace context of the execution; empty: none."""
    finality: Finality = Finality.ENGINE
    on_closed: OnClosed = OnClosed.REJECT
    """Whether the start may use the workflow id of a closed execution. That of an open one is never free."""

    @property
    def outcome_reports(self) -> OutcomeReports:
        """The rule that all runs of the execution carry."""
        return outcome_reports(self.finality, calls_back=self.callback is not None)


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

    async def describe(self, workflow_id: str, run_id: str | None = None) -> Execution | None:
        """Returns the latest chain with the workflow id, or that of the given run; None if the engine has none.
        Strongly consistent."""

    async def input_of(self, chain: Chain, arguments: Arguments, max_bytes: int) -> InputRead:
        """Reads the input of the chain's first run. An input above `max_bytes`, or one that is not JSON, is None with a
        note. Raises PayloadsUnavailable."""

    async def attach_callback(self, execution: Execution, callback: CompletionCallback) -> Attached:
        """Lets the engine send the callback when the chain closes, beside the callbacks that it has. A repeat with the
        same URL adds nothing to the run that has it.

        The execution must come from `describe`: an execution without a trace is taken for one that is gone.
        """

    async def changed_since(
        self,
        since: datetime,
        page: bytes | None = None,
        *,
        closed_only: bool = False,
        watched: Collection[str] = (),
    ) -> IndexPage:
        """Returns a page of the runs that started or closed since, as the engine's index lists them: those with an
        `OperationUUID` and those of the watched workflow types. Leaves out runs that another run continues; with
        `closed_only`, open ones too."""

    async def started_since(
        self,
        since: datetime,
        watches: Collection[Watch],
        page: bytes | None = None,
        *,
        until: datetime | None = None,
    ) -> StartPage:
        """Returns a page of the runs that any of the watches selects and that started after `since`, and not after
        `until`, as the engine's index lists them. Leaves out runs that continued as new.

        The runs of a page are in the order of their starts. The pages are in the engine's order: newest first where it
        matters, so that runs which start meanwhile move nothing.

        Raises QueryRefused.
        """

    async def selects(self, watch: Watch, run_id: str) -> bool:
        """Returns whether the watch selects the run. False for a run that the engine's index does not list yet. Raises
        QueryRefused."""

    async def with_problems(self, *, watched: Collection[str] = ()) -> list[IndexEntry]:
        """Returns the open executions whose workflow task keeps failing or timing out, as the engine's index lists
        them. Those of the watched workflow types need no `OperationUUID`."""

    async def cancel(self, chain: Chain, reason: str) -> None:
        """Requests the cancellation of the chain's open run. Does nothing if there is none."""

    async def terminate(self, chain: Chain, reason: str) -> None:
        """Terminates the chain's open run. Does nothing if there is none."""

    async def ping(self) -> None:
        """Returns if the engine answers."""

    async def check_callback(self, callback: CompletionCallback) -> None:
        """Returns if the engine accepts starts with the callback. Raises CallbackRefused. Starts nothing."""
