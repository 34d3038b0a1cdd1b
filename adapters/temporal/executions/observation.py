"""Converts the server's description of an execution to an observation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import PendingWorkflowTaskState, WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from adapters.temporal.executions.chains import first_run_id
from adapters.temporal.executions.close import Close, read_close, to_datetime
from adapters.temporal.executions.history import RunHistory
from adapters.temporal.executions.picked_up import ever_picked_up
from adapters.temporal.payloads.payloads import PayloadReader
from domain.evidence.observation import CLOSED, WITHOUT_WORKER, ExecutionState, Observation
from domain.operation.operation_error import ErrorCode, OperationError

STATES: Mapping[int, ExecutionState] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING: ExecutionState.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: ExecutionState.COMPLETED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: ExecutionState.FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: ExecutionState.CANCELED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: ExecutionState.TERMINATED,
    # The next run exists already; the server described the run just before it started.
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: ExecutionState.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: ExecutionState.TIMED_OUT,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED: ExecutionState.RUNNING,
}
"""The statuses that this version of opledger knows. Any other one is UNKNOWN and changes nothing."""


@dataclass(frozen=True, slots=True)
class LatestRun:
    """The latest run of a chain: its description, and its history for what the description lacks."""

    description: DescribeWorkflowExecutionResponse
    history: RunHistory

    @property
    def info(self) -> WorkflowExecutionInfo:
        return self.description.workflow_execution_info

    @property
    def first_run_id(self) -> str:
        """First run id of the chain."""
        return first_run_id(self.info)

    @property
    def has_previous_run(self) -> bool:
        """Whether the run continues another run of the chain (continue-as-new, retry or reset)."""
        return self.first_run_id != self.info.execution.run_id


async def observation(
    latest: LatestRun, reader: PayloadReader, *, asked_at: datetime, started_at: datetime | None
) -> Observation:
    """Builds the observation of a chain from its latest run."""
    state = STATES.get(latest.info.status, ExecutionState.UNKNOWN)
    if state is ExecutionState.RUNNING and not await is_picked_up(latest):
        state = ExecutionState.PENDING
    if state in CLOSED:
        close = await _closed(state, latest, reader, asked_at)
        closed = close.observation(state, asked_at, to_datetime(latest.info.close_time), started_at)
        never_picked_up = state in WITHOUT_WORKER and await ever_picked_up(latest.history) is False
        return replace(closed, first_run_id=latest.first_run_id, never_picked_up=never_picked_up)
    return Observation(state, asked_at, started_at=started_at, first_run_id=latest.first_run_id)


async def is_picked_up(latest: LatestRun) -> bool:
    """Whether a worker has picked up a workflow task of the open chain.

    The length of the history shows whether a waiting task is the first one: there are 2 events before it starts, unless
    a signal, a cancellation request or a pause came first (measured). Only in these cases, and if a later run of the
    chain waits for its first task, this reads histories.
    """
    task = latest.description.pending_workflow_task
    if task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED:
        return True
    short = latest.info.history_length < 3
    paused = latest.info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
    first_task_waits = latest.description.HasField("pending_workflow_task") and task.attempt <= 1
    if not (short or paused or first_task_waits):
        return True
    if short and not latest.has_previous_run:
        return False
    return await ever_picked_up(latest.history) is True


async def _closed(state: ExecutionState, latest: LatestRun, reader: PayloadReader, asked_at: datetime) -> Close:
    if state is ExecutionState.TIMED_OUT:
        return _timed_out(latest)
    return await read_close(state, await latest.history.ending(), reader, asked_at)


def _timed_out(latest: LatestRun) -> Close:
    """The history does not say which timeout it was, so this compares the close time with the execution's expiry."""
    config = latest.description.execution_config
    expiry = latest.description.workflow_extended_info.execution_expiration_time
    of_chain = expiry.seconds > 0 and latest.info.close_time.ToNanoseconds() >= expiry.ToNanoseconds()
    which = "execution" if of_chain else "run"
    limit = config.workflow_execution_timeout if of_chain else config.workflow_run_timeout
    seconds = limit.ToTimedelta() / timedelta(seconds=1)
    message = f"the workflow did not close within its {which} timeout of {seconds:g} s"
    return Close(error=OperationError(ErrorCode.TIMED_OUT, message, {"timeout": which, "seconds": seconds}))
