"""The workflow engine, in memory. It accepts and refuses what the real one does; a test plays the workers."""

import json
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from adapters.memory.engine.callbacks import PendingCallback, pending_callback
from adapters.memory.engine.chains import MemoryChains
from adapters.memory.engine.engine_index import MemoryIndex
from adapters.memory.engine.executions import Ending, Execution
from adapters.memory.engine.start_checks import check_callback, check_start
from application.ports.clock import Clock
from application.ports.workflow_engine import (
    CompletionCallback,
    EngineUnavailable,
    ExecutionExists,
    IndexPage,
    StartFailed,
    StartRejected,
    StartRequest,
)
from domain.evidence.finality import OutcomeReports
from domain.evidence.observation import OPEN, ExecutionProblem, ExecutionState, Observation
from domain.json_value import JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.operation import MISSING
from domain.operation.operation_error import ErrorCode, OperationError

IDENTITY = "opledger@memory:0"
"""The actor of calls through the port."""
SUPERSEDED = "TerminateIfRunning WorkflowIdReusePolicy"
"""The server's reason for a termination by another start (measured)."""


class MemoryWorkflowEngine:
    """The port, then controls for tests.

    A control raises KeyError for an unknown execution, and ValueError for an event that the real engine would refuse,
    such as the completion of a closed execution."""

    def __init__(self, clock: Clock, *, page_size: int = 1_000) -> None:
        self._clock = clock
        self._chains = MemoryChains()
        self._executions = self._chains.current
        self._unknown: set[UUID] = set()
        self._unpolled: set[str] = set()
        self._index = MemoryIndex(self._chains, self._unknown, page_size)
        self._refuses_callbacks = False
        self._up = True
        self._lose_next_reply = False
        self._next_refusals: list[StartRejected | StartFailed] = []
        self.starts: list[StartRequest] = []
        """Every start that made an execution, with its input as sent."""
        self.callbacks: list[PendingCallback] = []
        """Callbacks of closed chains, oldest first. The test takes and delivers them."""

    async def start(self, request: StartRequest) -> str:
        """See the port."""
        self._check_reachable()
        if self._next_refusals:
            raise self._next_refusals.pop(0)
        check_start(request)
        if request.callback is not None:
            check_callback(request.callback, refused=self._refuses_callbacks)
        present = self._executions.get(request.operation_id)
        request_id = str(request.operation_id)
        if present is None:
            present = self._chains.begin(
                request.operation_id,
                self._clock.now(),
                request_id,
                callback=request.callback,
                outcome_reports=request.outcome_reports,
                task_queue=request.type.task_queue,
            )
            self.starts.append(_over_the_wire(request))
        elif present.request_id != request_id:
            how = "is already running" if present.open else "already finished"
            raise ExecutionExists(f"Workflow execution {how}. WorkflowId: {request_id}.")
        if self._lose_next_reply:
            self._lose_next_reply = False
            raise EngineUnavailable("the engine did not answer within 10 s")
        return present.run_id

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        """See the port."""
        asked_at = self._clock.now()
        self._check_reachable()
        execution = self._chains.find(chain)
        if execution is None:
            current = self._executions.get(chain.operation_id)
            superseded_by = None if current is None else current.first_run_id
            return Observation(ExecutionState.NOT_FOUND, asked_at, superseded_by=superseded_by)
        if chain.operation_id in self._unknown:
            return Observation(
                ExecutionState.UNKNOWN,
                asked_at,
                started_at=execution.started_at,
                first_run_id=execution.first_run_id,
            )
        seen = execution.observed(asked_at, likely_closed=likely_closed)
        return seen if seen.state not in OPEN else replace(seen, problem=self._problem(execution))

    async def origin(self, run: Run) -> RunOrigin | None:
        """See the port."""
        self._check_reachable()
        return self._chains.origin(run)

    async def changed_since(
        self, since: datetime, page: bytes | None = None, *, closed_only: bool = False
    ) -> IndexPage:
        """See the port."""
        self._check_reachable()
        return self._index.changed_since(since, page, closed_only=closed_only)

    async def with_problems(self) -> frozenset[UUID]:
        """See the port."""
        self._check_reachable()
        return self._index.with_problems()

    async def cancel(self, chain: Chain, reason: str) -> None:
        """See the port."""
        self._check_reachable()
        current = self._executions.get(chain.operation_id)
        if current is not None and current.belongs_to(chain):
            self.cancel_from_outside(chain.operation_id, reason, IDENTITY)

    async def terminate(self, chain: Chain, reason: str) -> None:
        """See the port."""
        self._check_reachable()
        current = self._executions.get(chain.operation_id)
        if current is not None and current.open and current.belongs_to(chain):
            self.terminate_from_outside(chain.operation_id, reason, IDENTITY)

    async def ping(self) -> None:
        """See the port."""
        self._check_reachable()

    async def check_callback(self, callback: CompletionCallback) -> None:
        """See the port."""
        self._check_reachable()
        check_callback(callback, refused=self._refuses_callbacks)

    # Events by a worker. Each also takes the execution.

    def outcome_reports(self, operation_id: UUID) -> OutcomeReports | None:
        """Returns the rule in the workflow's memo."""
        return self._executions[operation_id].outcome_reports

    def pick_up(self, operation_id: UUID) -> None:
        """A worker runs the first workflow task."""
        self._executions[operation_id] = self._executions[operation_id].picked_up()

    def complete(self, operation_id: UUID, result: JsonValue = None, *, unreadable: str | None = None) -> None:
        """The workflow returns. `unreadable`: why the ledger cannot decode the result."""
        self._close(operation_id, self._executions[operation_id].completed(self._clock.now(), result, unreadable))

    def fail(self, operation_id: UUID, error: OperationError | str) -> None:
        """The workflow fails and is not retried."""
        if isinstance(error, str):
            details: dict[str, JsonValue] = {"type": "ApplicationError", "non_retryable": False}
            error = OperationError(ErrorCode.WORKFLOW_FAILED, error, {**details, "causes": ["ApplicationError"]})
        self._close(operation_id, self._executions[operation_id].failed(self._clock.now(), error))

    def cancel_acknowledged(self, operation_id: UUID) -> None:
        """The workflow closes as canceled."""
        self._close(operation_id, self._executions[operation_id].canceled(self._clock.now()))

    def continue_as_new(self, operation_id: UUID) -> None:
        """The workflow closes its run and continues in a new one."""
        self._chains.continue_as_new(operation_id, self._clock.now())

    def retry_attempt(self, operation_id: UUID) -> None:
        """The workflow's run fails and its retry policy starts the next one."""
        self._chains.continue_as_new(operation_id, self._clock.now())

    def stall(self, operation_id: UUID, reason: str) -> None:
        """The workflow task fails or times out repeatedly."""
        self._set_trouble(operation_id, ExecutionProblem(AttentionKind.STALLED, reason))

    def unstall(self, operation_id: UUID) -> None:
        """The workflow task and the activities succeed again."""
        self._set_trouble(operation_id, None)

    def retry_activity(self, operation_id: UUID, reason: str) -> None:
        """An activity of the workflow fails repeatedly."""
        self._set_trouble(operation_id, ExecutionProblem(AttentionKind.ACTIVITY_RETRYING, reason))

    def leave_queue(self, task_queue: str) -> None:
        """No worker polls the task queue any more."""
        self._unpolled.add(task_queue)

    def poll_queue(self, task_queue: str) -> None:
        """Workers poll the task queue again. Initially they poll every task queue."""
        self._unpolled.discard(task_queue)

    def latest_run(self, operation_id: UUID) -> Run:
        """Returns the run that the workflow's code sees as its own."""
        return self._chains.latest_run(operation_id)

    # Events by other clients.

    def start_from_outside(self, operation_id: UUID, *, tagged: bool = False) -> None:
        """Another client starts an execution with the operation's id and another request id.

        Args:
            operation_id: The workflow id.
            tagged: Whether it has the search attribute `OperationUUID` with that id.
        """
        if operation_id in self._executions:
            raise ValueError("the execution exists already")
        self._chains.begin(operation_id, self._clock.now(), "another request", tagged=tagged)

    def supersede(self, operation_id: UUID, *, tagged: bool = False) -> None:
        """Another client starts an execution in place of the current one, and terminates that if it is open
        (TERMINATE_EXISTING)."""
        before = self._executions[operation_id]
        now = self._clock.now()
        new = self._chains.begin(operation_id, now, "another request", tagged=tagged)
        if before.open:
            ending = Ending(SUPERSEDED, "history-service", superseded_by=new.first_run_id)
            self._close_former(operation_id, before.terminated(now, ending))

    def cancel_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None:
        """Another client requests cancellation of the execution."""
        execution = self._executions[operation_id]
        self._executions[operation_id] = execution.cancel_requested(Ending(reason, actor))

    def terminate_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None:
        """Another client terminates the execution. The server fills in empty arguments (measured)."""
        ending = Ending(reason or "terminated by user via frontend", actor or "frontend-service")
        self._close(operation_id, self._executions[operation_id].terminated(self._clock.now(), ending))

    def time_out(self, operation_id: UUID, which: str = "run", seconds: float = 1) -> None:
        """The execution exceeds its `run` or `execution` timeout."""
        self._close(operation_id, self._executions[operation_id].timed_out(self._clock.now(), which, seconds))

    def reset(self, operation_id: UUID) -> None:
        """Another client resets the execution, open or closed. The new run keeps the callback."""
        self._chains.continue_by_reset(operation_id, self._clock.now())

    def lose(self, operation_id: UUID) -> None:
        """The engine loses the execution silently, as when its retention ends or a backup is restored."""
        self._chains.forget(operation_id)

    def find_again(self, operation_id: UUID) -> None:
        """The engine recovers the execution that it lost last, as at the end of a failover."""
        self._chains.remember(operation_id)

    def delete(self, operation_id: UUID) -> None:
        """Another client deletes the execution. This terminates an open one."""
        if self._executions[operation_id].open:
            self.terminate_from_outside(operation_id, "Delete workflow execution", "history-service")
        self.lose(operation_id)

    def report_unknown_state(self, operation_id: UUID, unknown: bool = True) -> None:
        """The engine reports a state that this version does not know, or the real one again."""
        (self._unknown.add if unknown else self._unknown.discard)(operation_id)

    # Events of the network and the server.

    def go_down(self) -> None:
        """Every call of the port raises EngineUnavailable from now on. The controls still work."""
        self._up = False

    def come_back(self) -> None:
        """Calls of the port work again."""
        self._up = True

    def lose_next_reply(self) -> None:
        """The next accepted start takes effect, but raises EngineUnavailable."""
        self._lose_next_reply = True

    def reject_next(self, message: str) -> None:
        """Rejects the next start with StartRejected. Further calls reject the starts after it."""
        self._next_refusals.append(StartRejected(message))

    def fail_next(self, message: str) -> None:
        """Fails the next start with StartFailed. Further calls fail the starts after it."""
        self._next_refusals.append(StartFailed(message))

    def refuse_callbacks(self, refuse: bool = True) -> None:
        """The operator allows no callback address, or every address again. Chains keep the callbacks that they have."""
        self._refuses_callbacks = refuse

    def freeze_listing(self) -> None:
        """The index keeps its current list: later starts, closes and deletions do not appear."""
        self._index.freeze()

    def thaw_listing(self) -> None:
        """The index lists current executions again."""
        self._index.thaw()

    def _set_trouble(self, operation_id: UUID, problem: ExecutionProblem | None) -> None:
        self._executions[operation_id] = self._executions[operation_id].with_problem(problem)

    def _problem(self, execution: Execution) -> ExecutionProblem | None:
        """Returns why the execution makes no progress. An absent worker takes precedence."""
        if execution.task_queue not in self._unpolled:
            return execution.problem
        waits_since = execution.latest_start if execution.state is ExecutionState.PENDING else None
        reason = f'no worker polls task queue "{execution.task_queue}"'
        return ExecutionProblem(AttentionKind.NO_WORKER, reason, waits_since)

    def _close(self, operation_id: UUID, execution: Execution) -> None:
        self._executions[operation_id] = execution
        if execution.callback is not None:
            self.callbacks.append(pending_callback(operation_id, execution.callback, execution))

    def _close_former(self, operation_id: UUID, execution: Execution) -> None:
        """Closes the last former chain of the workflow id."""
        *older, _ = self._chains.former[operation_id]
        self._chains.former[operation_id] = (*older, execution)
        if execution.callback is not None:
            self.callbacks.append(pending_callback(operation_id, execution.callback, execution))

    def _check_reachable(self) -> None:
        if not self._up:
            raise EngineUnavailable("the engine cannot be reached: Connection refused")


def _over_the_wire(request: StartRequest) -> StartRequest:
    if request.input is MISSING:
        return request
    return replace(request, input=json.loads(json.dumps(request.input)))
