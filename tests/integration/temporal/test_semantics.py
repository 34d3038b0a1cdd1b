"""Facts about Temporal's behaviour on which the design depends, each checked through the engine."""

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
from application.ports.engine.workflow_engine import ExecutionExists
from domain.evidence.observation import ExecutionState
from domain.operation.operation_type import RetryPolicy
from opledger.search_attribute import OPERATION_UUID
from tests.contract.engine.temporal import TemporalWorld
from tests.support.chains import own_chain
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy

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
        DescribeWorkflowExecutionRequest(namespace="default", execution=world.execution(operation_id)),
        retry=True,
    )


async def fail_task(world: TemporalWorld, operation_id: UUID) -> None:
    """Fails the workflow task, like an exception that is not a FailureError."""
    task = await world.poll(operation_id)
    await world.service.respond_workflow_task_failed(
        RespondWorkflowTaskFailedRequest(
            namespace="default",
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
        ),
        retry=True,
    )


def foreign_start(workflow_id: str, *, attribute: UUID | str | None = None) -> StartWorkflowExecutionRequest:
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


async def test_started_task_is_picked_up(world: TemporalWorld) -> None:
    """A first task that a worker has not answered yet: the history has 3 events and the task is started."""
    operation_id = await world.started()
    task = await world.poll(operation_id)
    description = await describe(world, operation_id)
    assert description.workflow_execution_info.history_length == 3
    state = description.pending_workflow_task.state
    assert state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
    assert (await world.observe(operation_id)).state is ExecutionState.RUNNING
    await world.respond(task)


async def test_failing_task_is_running(world: TemporalWorld) -> None:
    """The server retries a failed workflow task: the workflow is running."""
    operation_id = await world.started()
    await fail_task(world, operation_id)
    description = await describe(world, operation_id)
    assert description.pending_workflow_task.attempt == 2
    assert description.workflow_execution_info.history_length == 4
    assert (await world.observe(operation_id)).state is ExecutionState.RUNNING
    await world.complete(operation_id, "in the end")
    assert (await world.observe(operation_id)).result == "in the end"


async def test_signals_do_not_count_as_picked_up(world: TemporalWorld) -> None:
    """Signals make the history longer before a worker picks up the workflow, so the length alone is not enough."""
    operation_id = await world.started()
    for _ in range(5):
        await world.signal(operation_id)
    assert (await describe(world, operation_id)).workflow_execution_info.history_length == 7
    assert (await world.observe(operation_id)).state is ExecutionState.PENDING
    await world.pick_up(operation_id)
    await world.signal(operation_id)
    assert (await world.observe(operation_id)).state is ExecutionState.RUNNING


async def test_execution_timeout_differs_from_run_timeout(world: TemporalWorld) -> None:
    """The message names the right timeout, although the server writes the same event for both."""
    operation_id = await world.started(execution_timeout=timedelta(seconds=1))
    await world.time_out(operation_id)
    seen = await world.observe(operation_id)
    assert seen.error is not None
    assert seen.error.message == "the workflow did not close within its execution timeout of 1 s"


async def test_repeat_on_a_closed_run_is_refused_to_another_request(world: TemporalWorld) -> None:
    """With REJECT_DUPLICATE the server gives the same refusal for an open and a closed run, so the refusal does not
    show that an execution is running."""
    request = world.request()
    await world.start_from_outside(request.operation_id)
    await world.terminate_from_outside(request.operation_id, "x", "y")
    with pytest.raises(ExecutionExists, match="already finished"):
        await world.engine.start(request)


async def test_terminate_existing_ends_the_chain(world: TemporalWorld) -> None:
    """Another start terminates the operation's chain and takes over the workflow id: the chain is TERMINATED, by the
    server, with the superseding run. The other chain's result is not used, and the old request starts nothing."""
    request = world.request()
    chain = own_chain(request.operation_id, await world.engine.start(request))
    raw = foreign_start(str(request.operation_id))
    raw.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    other = (await world.service.start_workflow_execution(raw, retry=True)).run_id
    with pytest.raises(ExecutionExists):
        await world.engine.start(request)
    await world.complete(request.operation_id, {"other": 1})
    seen = await world.observe(chain)
    assert (seen.state, seen.result) == (ExecutionState.TERMINATED, None)
    assert seen.error is not None
    assert seen.error.message == "TerminateIfRunning WorkflowIdReusePolicy"
    assert seen.error.details == {
        "reason": "TerminateIfRunning WorkflowIdReusePolicy",
        "actor": "history-service",
        "superseded_by": other,
    }


async def test_repeated_start_returns_the_latest_run(world: TemporalWorld) -> None:
    """After a reset it is not the first run, and `started` does not distinguish the two."""
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
    """A chain with more than MAX_RUNS runs: the index finds the last run by the search attribute."""
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


async def test_chain_without_its_first_run_starts_with_the_latest(world: TemporalWorld) -> None:
    """After the deletion of the first run. Until the deletion takes effect the answer does not change."""
    operation_id = await world.started()
    first = (await describe(world, operation_id)).workflow_execution_info.execution
    await world.continue_as_new(operation_id)
    await world.service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=first), retry=True
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


async def test_retries_of_timeouts_without_a_worker_are_never_picked_up(world: TemporalWorld) -> None:
    """A retry policy retries timeouts too: no worker picked up any of the runs."""
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=5)
    operation_id = await world.started(run_timeout=timedelta(seconds=1), retry_policy=policy)

    async def second_run() -> bool:
        events = await world.history(operation_id)
        return bool(events[0].workflow_execution_started_event_attributes.continued_execution_run_id)

    await eventually(second_run)
    assert (await world.observe(operation_id)).state is ExecutionState.PENDING
    await world.time_out(operation_id)
    seen = await world.observe(operation_id)
    assert (seen.state, seen.never_picked_up) == (ExecutionState.TIMED_OUT, True)


async def test_retry_of_a_picked_up_run_counts_as_picked_up(world: TemporalWorld) -> None:
    """The second run times out without a worker; the first run had one."""
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
async def test_close_without_history_has_no_details(
    world: TemporalWorld, status: WorkflowExecutionStatus.ValueType
) -> None:
    """The execution was deleted between its description and the read of its close: only the state is known."""
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
    """All statuses of the API are mapped. An unknown number is UNKNOWN and changes nothing."""
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


async def test_reading_backwards_stays_on_one_run(world: TemporalWorld) -> None:
    """The cancellation request is read from the canceled run, also if another run starts between two pages."""
    operation_id = await world.started()
    await world.pick_up(operation_id)
    await world.cancel_from_outside(operation_id, "why", "who")
    await world.acknowledge_cancel(operation_id)
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace="default", execution=world.execution(operation_id), maximum_page_size=1
    )
    first = await world.service.get_workflow_execution_history_reverse(request, retry=True)
    await world.reset(operation_id)
    request.next_page_token = first.next_page_token
    second = await world.service.get_workflow_execution_history_reverse(request, retry=True)
    assert second.history.events[0].event_id == first.history.events[-1].event_id - 1
