"""Describes executions, also those that another client started."""

from temporalio.api.common.v1 import WorkflowExecution

from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.executions.chains import ChainLookup, first_run_id
from adapters.temporal.executions.close import to_datetime
from adapters.temporal.executions.history import RunHistory
from adapters.temporal.executions.observation import STATES, LatestRun, is_picked_up
from adapters.temporal.executions.operation_uuid import read_operation_uuid
from application.ports.engine.executions import UNPOLLED_QUEUE, Execution
from domain.evidence.observation import ExecutionState
from domain.operation.chain import Run


async def describe(client: RawClient, chains: ChainLookup, workflow_id: str, run_id: str | None) -> Execution | None:
    """See the engine port. One request for the first run of a chain, and two for a later one, if it is the latest. One
    more if the description leaves open whether a worker has picked it up."""
    latest = await (chains.describe(workflow_id) if run_id is None else chains.latest_from(Run(workflow_id, run_id)))
    if latest is None or latest.workflow_execution_info.task_queue == UNPOLLED_QUEUE:
        return None
    info = latest.workflow_execution_info
    started_at, operation_id = to_datetime(info.start_time), read_operation_uuid(info.search_attributes)
    if (first := first_run_id(info)) != info.execution.run_id and (start := await chains.describe(workflow_id, first)):
        started_at = to_datetime(start.workflow_execution_info.start_time)
        operation_id = operation_id or read_operation_uuid(start.workflow_execution_info.search_attributes)
    state = STATES.get(info.status, ExecutionState.UNKNOWN)
    running = state is ExecutionState.RUNNING
    if running and not await is_picked_up(LatestRun(latest, RunHistory(client, info.execution))):
        state = ExecutionState.PENDING
    return Execution(
        workflow_id,
        info.execution.run_id,
        first,
        info.type.name,
        info.task_queue,
        started_at,
        state,
        operation_id,
        _run(info.parent_execution),
        _run(info.root_execution),
    )


def _run(execution: WorkflowExecution) -> Run | None:
    return Run(execution.workflow_id, execution.run_id) if execution.workflow_id else None
