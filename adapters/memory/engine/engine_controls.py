"""Controls of the in-memory engine, by which tests play the workers, other clients, the network and the server."""

from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from adapters.memory.engine.callbacks import PendingCallback, pending_callback
from adapters.memory.engine.chains import MemoryChains
from adapters.memory.engine.engine_index import MemoryIndex
from adapters.memory.engine.executions import Ending, MemoryExecution, StartFields
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import StartFailed, StartRejected
from domain.evidence.finality import OutcomeReports
from domain.evidence.observation import ExecutionProblem
from domain.json_value import JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.chain import Run
from domain.operation.operation_error import ErrorCode, OperationError

SUPERSEDED = "TerminateIfRunning WorkflowIdReusePolicy"
"""The server's reason for a termination by another start (measured)."""
MAX_CALLBACKS = 2_000
"""Callbacks of one execution, unless a test sets another limit."""
UNTAGGED = StartFields("Work")
"""A start that says nothing of the ledger."""
WorkflowId: TypeAlias = UUID | str
"""A workflow id, or the id of an operation that has its own id as workflow id."""


class EngineControls:
    """The executions and the state of the engine, and what happens to them.

    A control raises KeyError for an unknown execution, and ValueError for an event that the real engine would refuse,
    such as the completion of a closed execution."""

    def __init__(self, clock: Clock, *, page_size: int = 1_000) -> None:
        self._clock = clock
        self._chains = MemoryChains()
        self._executions = self._chains.current
        self._unknown: set[str] = set()
        self._unpolled: set[str] = set()
        self._index = MemoryIndex(self._chains, self._unknown, page_size)
        self._refuses_callbacks = False
        self._max_callbacks = MAX_CALLBACKS
        self._up = True
        self._lose_next_reply = False
        self._next_refusals: list[StartRejected | StartFailed] = []
        self.callbacks: list[PendingCallback] = []
        """Callbacks of closed chains, oldest first. The test takes and delivers them."""

    # Events by a worker. Each also takes the execution.

    def outcome_reports(self, workflow_id: WorkflowId) -> OutcomeReports | None:
        """Returns the rule in the workflow's memo."""
        return self._executions[str(workflow_id)].fields.outcome_reports

    def knows(self, workflow_id: WorkflowId) -> bool:
        """Returns whether there is an execution under the workflow id."""
        return str(workflow_id) in self._executions

    def pick_up(self, workflow_id: WorkflowId) -> None:
        """A worker runs the first workflow task."""
        self._executions[str(workflow_id)] = self._executions[str(workflow_id)].picked_up()

    def complete(self, workflow_id: WorkflowId, result: JsonValue = None, *, unreadable: str | None = None) -> None:
        """The workflow returns. `unreadable`: why the ledger cannot decode the result."""
        self._close(self._executions[str(workflow_id)].completed(self._clock.now(), result, unreadable))

    def fail(self, workflow_id: WorkflowId, error: OperationError | str) -> None:
        """The workflow fails and is not retried."""
        if isinstance(error, str):
            details: dict[str, JsonValue] = {"type": "ApplicationError", "non_retryable": False}
            error = OperationError(ErrorCode.WORKFLOW_FAILED, error, {**details, "causes": ["ApplicationError"]})
        self._close(self._executions[str(workflow_id)].failed(self._clock.now(), error))

    def cancel_acknowledged(self, workflow_id: WorkflowId) -> None:
        """The workflow closes as canceled."""
        self._close(self._executions[str(workflow_id)].canceled(self._clock.now()))

    def continue_as_new(self, workflow_id: WorkflowId) -> None:
        """The workflow closes its run and continues in a new one."""
        self._chains.continue_as_new(str(workflow_id), self._clock.now())

    def retry_attempt(self, workflow_id: WorkflowId) -> None:
        """The workflow's run fails and its retry policy starts the next one."""
        self._chains.continue_as_new(str(workflow_id), self._clock.now())

    def stall(self, workflow_id: WorkflowId, reason: str) -> None:
        """The workflow task fails or times out repeatedly."""
        self._set_trouble(workflow_id, ExecutionProblem(AttentionKind.STALLED, reason))

    def unstall(self, workflow_id: WorkflowId) -> None:
        """The workflow task and the activities succeed again."""
        self._set_trouble(workflow_id, None)

    def retry_activity(self, workflow_id: WorkflowId, reason: str) -> None:
        """An activity of the workflow fails repeatedly."""
        self._set_trouble(workflow_id, ExecutionProblem(AttentionKind.ACTIVITY_RETRYING, reason))

    def leave_queue(self, task_queue: str) -> None:
        """No worker polls the task queue any more."""
        self._unpolled.add(task_queue)

    def poll_queue(self, task_queue: str) -> None:
        """Workers poll the task queue again. Initially they poll every task queue."""
        self._unpolled.discard(task_queue)

    def latest_run(self, workflow_id: WorkflowId) -> Run:
        """Returns the run that the workflow's code sees as its own."""
        return self._chains.latest_run(str(workflow_id))

    # Events by other clients.

    def start_from_outside(
        self, workflow_id: WorkflowId, fields: StartFields = UNTAGGED, *, tagged: bool = False
    ) -> None:
        """Another client starts an execution with another request id.

        Args:
            workflow_id: The workflow id, of no open execution.
            fields: What the start says.
            tagged: Whether it has the workflow id, an operation's id, as search attribute `OperationUUID`.
        """
        present = self._executions.get(str(workflow_id))
        if present is not None and present.open:
            raise ValueError("the execution exists already")
        self._chains.begin(str(workflow_id), self._clock.now(), "another request", _tagged(fields, workflow_id, tagged))

    def start_child(self, workflow_id: WorkflowId, parent: Run, fields: StartFields = UNTAGGED) -> None:
        """The workflow of the run `parent` starts a child workflow."""
        self.start_from_outside(workflow_id, replace(fields, parent=parent))

    def supersede(self, workflow_id: WorkflowId, fields: StartFields = UNTAGGED, *, tagged: bool = False) -> None:
        """Another client starts an execution in place of the current one, and terminates that if it is open
        (TERMINATE_EXISTING)."""
        before = self._executions[str(workflow_id)]
        now = self._clock.now()
        new = self._chains.begin(str(workflow_id), now, "another request", _tagged(fields, workflow_id, tagged))
        if before.open:
            ending = Ending(SUPERSEDED, "history-service", superseded_by=new.first_run_id)
            self._close_former(before.terminated(now, ending))

    def cancel_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None:
        """Another client requests cancellation of the execution."""
        execution = self._executions[str(workflow_id)]
        self._executions[str(workflow_id)] = execution.cancel_requested(Ending(reason, actor))

    def terminate_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None:
        """Another client terminates the execution. The server fills in empty arguments (measured)."""
        ending = Ending(reason or "terminated by user via frontend", actor or "frontend-service")
        self._close(self._executions[str(workflow_id)].terminated(self._clock.now(), ending))

    def time_out(self, workflow_id: WorkflowId, which: str = "run", seconds: float = 1) -> None:
        """The execution exceeds its `run` or `execution` timeout."""
        self._close(self._executions[str(workflow_id)].timed_out(self._clock.now(), which, seconds))

    def reset(self, workflow_id: WorkflowId) -> None:
        """Another client resets the execution, open or closed. The new run keeps the callback."""
        self._chains.continue_by_reset(str(workflow_id), self._clock.now())

    def lose(self, workflow_id: WorkflowId) -> None:
        """The engine loses the execution silently, as when its retention ends or a backup is restored."""
        self._chains.forget(str(workflow_id))

    def find_again(self, workflow_id: WorkflowId) -> None:
        """The engine recovers the execution that it lost last, as at the end of a failover."""
        self._chains.remember(str(workflow_id))

    def delete(self, workflow_id: WorkflowId) -> None:
        """Another client deletes the execution. This terminates an open one."""
        if self._executions[str(workflow_id)].open:
            self.terminate_from_outside(workflow_id, "Delete workflow execution", "history-service")
        self.lose(workflow_id)

    def report_unknown_state(self, workflow_id: WorkflowId, unknown: bool = True) -> None:
        """The engine reports a state that this version does not know, or the real one again."""
        (self._unknown.add if unknown else self._unknown.discard)(str(workflow_id))

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

    def limit_callbacks(self, most: int) -> None:
        """The operator limits the callbacks of one execution."""
        self._max_callbacks = most

    def freeze_listing(self) -> None:
        """The index keeps its current list: later starts, closes and deletions do not appear."""
        self._index.freeze()

    def thaw_listing(self) -> None:
        """The index lists current executions again."""
        self._index.thaw()

    def _set_trouble(self, workflow_id: WorkflowId, problem: ExecutionProblem | None) -> None:
        self._executions[str(workflow_id)] = self._executions[str(workflow_id)].with_problem(problem)

    def _close(self, execution: MemoryExecution) -> None:
        self._executions[execution.workflow_id] = execution
        self._call_back(execution)

    def _close_former(self, execution: MemoryExecution) -> None:
        """Closes the last former chain of the workflow id."""
        *older, _ = self._chains.former[execution.workflow_id]
        self._chains.former[execution.workflow_id] = (*older, execution)
        self._call_back(execution)

    def _call_back(self, execution: MemoryExecution) -> None:
        self.callbacks += [pending_callback(callback, execution) for callback in execution.callbacks]


def _tagged(fields: StartFields, workflow_id: WorkflowId, tagged: bool) -> StartFields:
    return replace(fields, operation_id=UUID(str(workflow_id))) if tagged else fields
