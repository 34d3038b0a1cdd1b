"""What the server says of an execution, as the port's observation."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingWorkflowTaskState, WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from adapters.temporal.failures import failed
from adapters.temporal.history import RunHistory
from adapters.temporal.payloads import PayloadReader, UnreadablePayload
from domain.evidence import ExecutionState, Observation
from domain.json_value import JsonValue, clean_text
from domain.operation_error import ErrorCode, OperationError

STATES: Mapping[int, ExecutionState] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING: ExecutionState.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: ExecutionState.COMPLETED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: ExecutionState.FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: ExecutionState.CANCELED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: ExecutionState.TERMINATED,
    # The next run exists already, only this answer is from just before it.
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: ExecutionState.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: ExecutionState.TIMED_OUT,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED: ExecutionState.RUNNING,
}
"""Every status that this version knows. Any other number is UNKNOWN, and changes nothing."""
MAX_ACTOR = 255


@dataclass(frozen=True, slots=True)
class Latest:
    """The description of a chain's latest run, and its history for what that leaves open."""

    description: DescribeWorkflowExecutionResponse
    history: RunHistory

    @property
    def info(self) -> WorkflowExecutionInfo:
        return self.description.workflow_execution_info

    @property
    def further_run(self) -> bool:
        """Whether a run went before it in the chain: continued as new, retried or reset."""
        return self.info.first_run_id not in ("", self.info.execution.run_id)


@dataclass(frozen=True, slots=True)
class _Close:
    """What the end of a run tells beyond its status."""

    result: JsonValue = None
    result_unreadable: str | None = None
    error: OperationError | None = None
    actor: str | None = None


async def observation(
    latest: Latest, reader: PayloadReader, *, asked_at: datetime, started_at: datetime | None
) -> Observation:
    """The observation that a description makes."""
    state = STATES.get(latest.info.status, ExecutionState.UNKNOWN)
    if state is ExecutionState.RUNNING and not await _taken_up(latest):
        state = ExecutionState.PENDING
    if (read := _CLOSES.get(state)) is None:
        return Observation(state, asked_at, started_at=started_at)
    close = await read(latest, reader)
    return Observation(
        state,
        asked_at,
        started_at=started_at,
        closed_at=moment(latest.info.close_time),
        result=close.result,
        result_unreadable=close.result_unreadable,
        error=close.error,
        actor=close.actor,
    )


def moment(time: Timestamp) -> datetime | None:
    """The time, or None where the server gave none (zero, or the year 1)."""
    return time.ToDatetime(UTC) if time.seconds > 0 else None


async def _taken_up(latest: Latest) -> bool:
    """Whether a worker has been given a task of the chain.

    A first task that waits is told apart from a later one by the history's length: 2 events before it starts, unless
    a signal, a request to cancel or a pause came first (measured); only then the history itself is read. A further run
    counts as taken up, although one that follows a run time-out need not have been.
    """
    task = latest.description.pending_workflow_task
    if latest.further_run or task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED:
        return True
    if latest.info.history_length < 3:
        return False
    paused = latest.info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
    first_task_waits = latest.description.HasField("pending_workflow_task") and task.attempt <= 1
    return await latest.history.taken_up() if paused or first_task_waits else True


async def _completed(latest: Latest, reader: PayloadReader) -> _Close:
    event = await latest.history.close_event()
    if event is None:
        return _Close(result_unreadable="the execution's history is gone")
    try:
        attributes = event.workflow_execution_completed_event_attributes
        return _Close(result=await reader.result(attributes.result.payloads))
    except UnreadablePayload as error:
        return _Close(result_unreadable=str(error))


async def _failed(latest: Latest, reader: PayloadReader) -> _Close:
    event = await latest.history.close_event()
    if event is None:
        return _Close(error=OperationError(ErrorCode.WORKFLOW_FAILED, "the workflow failed; its history is gone"))
    return _Close(error=await failed(event.workflow_execution_failed_event_attributes.failure, reader))


async def _canceled(latest: Latest, reader: PayloadReader) -> _Close:
    request = await latest.history.cancel_request()
    if request is None:
        return _ended(ErrorCode.CANCELED, "", "")
    return _ended(ErrorCode.CANCELED, request.cause, request.identity)


async def _terminated(latest: Latest, reader: PayloadReader) -> _Close:
    event = await latest.history.close_event()
    if event is None:
        return _ended(ErrorCode.TERMINATED, "", "")
    attributes = event.workflow_execution_terminated_event_attributes
    return _ended(ErrorCode.TERMINATED, attributes.reason, attributes.identity)


async def _timed_out(latest: Latest, reader: PayloadReader) -> _Close:
    config = latest.description.execution_config
    expiry = latest.description.workflow_extended_info.execution_expiration_time
    of_chain = expiry.seconds > 0 and latest.info.close_time.ToNanoseconds() >= expiry.ToNanoseconds()
    which = "execution" if of_chain else "run"
    limit = config.workflow_execution_timeout if of_chain else config.workflow_run_timeout
    seconds = limit.ToTimedelta() / timedelta(seconds=1)
    message = f"the workflow did not close within its {which} timeout of {seconds:g} s"
    return _Close(error=OperationError(ErrorCode.TIMED_OUT, message, {"timeout": which, "seconds": seconds}))


def _ended(code: ErrorCode, said: str, identity: str) -> _Close:
    reason = clean_text(said) or None
    actor = clean_text(identity, MAX_ACTOR) or None
    error = OperationError(code, reason or code.value.lower(), {"reason": reason, "actor": actor})
    return _Close(error=error, actor=actor)


_CLOSES: Mapping[ExecutionState, Callable[[Latest, PayloadReader], Awaitable[_Close]]] = {
    ExecutionState.COMPLETED: _completed,
    ExecutionState.FAILED: _failed,
    ExecutionState.CANCELED: _canceled,
    ExecutionState.TERMINATED: _terminated,
    ExecutionState.TIMED_OUT: _timed_out,
}
