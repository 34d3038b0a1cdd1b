"""How Temporal behaves where the design leans on it: each row here is one of the facts, seen through the engine."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import (
    PendingWorkflowTaskState,
    WorkflowExecutionStatus,
    WorkflowIdConflictPolicy,
    WorkflowTaskFailedCause,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    RespondWorkflowTaskFailedRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import encode_search_attributes

from adapters.temporal.executions import chains
from adapters.temporal.executions.history import Ending, RunHistory
from adapters.temporal.executions.observation import STATES, LatestRun, observation
from adapters.temporal.executions.picked_up import ever_picked_up
from adapters.temporal.payloads.payloads import PayloadReader
from application.ports.workflow_engine import ExecutionExists
from domain.evidence.observation import ExecutionState
from domain.operation.chain import Chain
from domain.operation.operation_type import RetryPolicy
from opledger.wire import OPERATION_UUID
from tests.contract.engine_proxy import Proxy
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import eventually

OPEN = frozenset(
    {
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
    }
)


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address))


async def describe(world: TemporalWorld, operation_id: UUID) -> DescribeWorkflowExecutionResponse:
    return await world.service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(namespace="default", execution=world.execution(operation_id))
    )


async def fail_task(world: TemporalWorld, operation_id: UUID) -> None:
    """What an exception that is no FailureError does."""
    task = await world.poll(operation_id)
    await world.service.respond_workflow_task_failed(
        RespondWorkflowTaskFailedRequest(
            namespace="default",
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
        )
    )


def foreign_start(workflow_id: str, *, attribute: UUID | None = None) -> StartWorkflowExecutionRequest:
    request = StartWorkflowExecutionRequest(
        namespace="default",
        workflow_id=workflow_id,
        request_id=str(uuid4()),
        workflow_type=WorkflowType(name="Other"),
        task_queue=TaskQueue(name=f"queue-{workflow_id}"),
    )
    if attribute is not None:
        pair = SearchAttributePair(OPERATION_UUID, str(attribute))
        encode_search_attributes(TypedSearchAttributes([pair]), request.search_attributes)
    return request


async def test_started_task_is_taken_up(world: TemporalWorld) -> None:
    """A first task that a worker holds, unanswered, shows at once as history of 3 events and a started task."""
    operation_id = await world.started()
    task = await world.poll(operation_id)
    description = await describe(world, operation_id)
    assert description.workflow_execution_info.history_length == 3
    state = description.pending_workflow_task.state
    assert state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
    assert (await world.observe(operation_id)).state is ExecutionState.RUNNING
    await world.respond(task)


async def test_failing_task_is_running(world: TemporalWorld) -> None:
    """A workflow task that fails is retried by the server: the workflow runs, it has not failed."""
    operation_id = await world.started()
    await fail_task(world, operation_id)
    description = await describe(world, operation_id)
    assert description.pending_workflow_task.attempt == 2
    assert description.workflow_execution_info.history_length == 4
    assert (await world.observe(operation_id)).state is ExecutionState.RUNNING
    await world.complete(operation_id, "in the end")
    assert (await world.observe(operation_id)).result == "in the end"


async def test_signals_do_not_take_it_up(world: TemporalWorld) -> None:
    """Signals make the history longer before any worker came: the length alone does not tell."""
    operation_id = await world.started()
    for _ in range(5):
        await world.signal(operation_id)
    assert (await describe(world, operation_id)).workflow_execution_info.history_length == 7
    assert (await world.observe(operation_id)).state is ExecutionState.PENDING
    await world.pick_up(operation_id)
    await world.signal(operation_id)
    assert (await world.observe(operation_id)).state is ExecutionState.RUNNING


async def test_execution_timeout_is_told_apart(world: TemporalWorld) -> None:
    """The chain's own timeout is said to be that, although the server writes the same event."""
    operation_id = await world.started(execution_timeout=timedelta(seconds=1))
    await world.time_out(operation_id)
    seen = await world.observe(operation_id)
    assert seen.error is not None
    assert seen.error.message == "the workflow did not close within its execution timeout of 1 s"


async def test_repeat_on_a_closed_run_is_refused_to_another_request(world: TemporalWorld) -> None:
    """Under REJECT_DUPLICATE a closed run refuses another request as an open one does: the refusal does not say that
    anything runs."""
    request = world.request()
    await world.start_from_outside(request.operation_id)
    await world.terminate_from_outside(request.operation_id, "x", "y")
    with pytest.raises(ExecutionExists, match="already finished"):
        await world.engine.start(request)


async def test_terminate_existing_ends_the_chain(world: TemporalWorld) -> None:
    """Another start that terminates ours takes the workflow id over: our chain is TERMINATED, by the server and for
    which run. The other one's result is not ours, and the old request starts nothing."""
    request = world.request()
    chain = Chain(request.operation_id, await world.engine.start(request))
    raw = foreign_start(str(request.operation_id))
    raw.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    other = (await world.service.start_workflow_execution(raw)).run_id
    with pytest.raises(ExecutionExists):
        await world.engine.start(request)
    await world.complete(request.operation_id, {"other": 1})
    seen = await world.engine.observe(chain)
    assert (seen.state, seen.result) == (ExecutionState.TERMINATED, None)
    assert seen.error is not None
    assert seen.error.message == "TerminateIfRunning WorkflowIdReusePolicy"
    assert seen.error.details == {
        "reason": "TerminateIfRunning WorkflowIdReusePolicy",
        "actor": "history-service",
        "superseded_by": other,
    }


async def test_reply_of_a_repeated_start(world: TemporalWorld) -> None:
    """It names the chain's latest run, which after a reset is not the first: `started` does not tell the two apart."""
    request = world.request()
    first = await world.engine.start(request)
    assert await world.engine.start(request) == first
    await world.pick_up(request.operation_id)
    await world.reset(request.operation_id)
    again = await world.engine.start(request)
    assert again == (await world.latest_run(request.operation_id)).run_id != first


async def test_long_superseded_chain_is_found_by_the_index(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More runs than are followed one by one: the last one is found by the search attribute, once that is indexed."""
    monkeypatch.setattr(chains, "MAX_RUNS", 2)
    operation_id = await world.started(retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)))
    for _ in range(3):
        await world.retry_attempt(operation_id)
    await world.complete(operation_id, "the fourth run's")
    await world.supersede(operation_id, tagged=True)

    async def found() -> bool:
        seen = await world.observe(operation_id)
        return (seen.state, seen.result) == (ExecutionState.COMPLETED, "the fourth run's")

    await eventually(found)


async def test_deleted_first_run_of_a_chain(world: TemporalWorld) -> None:
    """The start of a chain whose first run is gone is that of its latest; between deletion and its effect the former
    answer stands."""
    operation_id = await world.started()
    first = (await describe(world, operation_id)).workflow_execution_info.execution
    await world.continue_as_new(operation_id)
    await world.service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=first)
    )
    seen = await world.observe(operation_id)
    assert seen.state is ExecutionState.RUNNING
    assert seen.started_at is not None
    gone = WorkflowExecution(workflow_id=str(operation_id), run_id=str(uuid4()))
    history = RunHistory(world.client, gone)
    assert await history.ending() == Ending()
    assert await history.task_problem() is None
    assert await history.opening() is None
    assert await ever_picked_up(history) is None


async def test_retries_of_time_outs_without_any_worker_are_never_taken(world: TemporalWorld) -> None:
    """A retry policy retries time-outs too: the last run follows others, and none of them was ever taken."""
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3)
    operation_id = await world.started(run_timeout=timedelta(seconds=1), retry_policy=policy)

    async def second_run() -> bool:
        events = await world.history(operation_id)
        return bool(events[0].workflow_execution_started_event_attributes.continued_execution_run_id)

    await eventually(second_run)
    assert (await world.observe(operation_id)).state is ExecutionState.PENDING
    await world.time_out(operation_id)
    seen = await world.observe(operation_id)
    assert (seen.state, seen.never_picked_up) == (ExecutionState.TIMED_OUT, True)


async def test_retry_of_a_run_that_was_taken_counts_as_taken(world: TemporalWorld) -> None:
    """The second run times out without a worker; the first one had one."""
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)
    operation_id = await world.started(run_timeout=timedelta(seconds=1), retry_policy=policy)
    await world.pick_up(operation_id)
    await world.time_out(operation_id)
    seen = await world.observe(operation_id)
    assert (seen.state, seen.never_picked_up) == (ExecutionState.TIMED_OUT, False)


@pytest.mark.parametrize(
    "status",
    [
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
    ],
    ids=WorkflowExecutionStatus.Name,
)
async def test_close_whose_history_is_gone(world: TemporalWorld, status: WorkflowExecutionStatus.ValueType) -> None:
    """Deleted between describing it and reading how it closed: the close is known, the rest is said to be unknown."""
    gone = WorkflowExecution(workflow_id=str(uuid4()), run_id=str(uuid4()))
    description = DescribeWorkflowExecutionResponse(
        workflow_execution_info=WorkflowExecutionInfo(execution=gone, status=status)
    )
    latest = LatestRun(description, RunHistory(world.client, gone))
    reader = PayloadReader(world.client.data_converter)
    seen = await observation(latest, reader, asked_at=world.now(), started_at=None)
    assert seen.state is STATES[status]
    assert (seen.error is None) == (seen.result_unreadable == "the execution's history is gone")


async def test_every_status_has_a_meaning(world: TemporalWorld) -> None:
    """All of the API's statuses are mapped; a number that nobody knows yet is UNKNOWN, and changes nothing."""
    known = set(WorkflowExecutionStatus.values())
    assert known - set(STATES) == {WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED}
    assert {status for status, state in STATES.items() if state is ExecutionState.RUNNING} == OPEN
    history = RunHistory(world.client, WorkflowExecution(workflow_id="none", run_id=str(uuid4())))
    for number in (0, 99):
        info = WorkflowExecutionInfo(status=WorkflowExecutionStatus.ValueType(number))
        latest = LatestRun(DescribeWorkflowExecutionResponse(workflow_execution_info=info), history)
        reader = PayloadReader(world.client.data_converter)
        seen = await observation(latest, reader, asked_at=world.now(), started_at=None)
        assert seen.state is ExecutionState.UNKNOWN


async def test_reading_back_holds_on_to_its_run(world: TemporalWorld) -> None:
    """Who asked for a cancellation is looked for in the run that was canceled, also where another run has begun
    between the pages."""
    operation_id = await world.started()
    await world.pick_up(operation_id)
    await world.cancel_from_outside(operation_id, "why", "who")
    await world.acknowledge_cancel(operation_id)
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace="default", execution=world.execution(operation_id), maximum_page_size=1
    )
    first = await world.service.get_workflow_execution_history_reverse(request)
    await world.reset(operation_id)
    request.next_page_token = first.next_page_token
    second = await world.service.get_workflow_execution_history_reverse(request)
    assert second.history.events[0].event_id == first.history.events[-1].event_id - 1
