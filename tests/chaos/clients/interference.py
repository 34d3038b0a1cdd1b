"""What anybody with access to Temporal can do to an execution. Each says whether it was done, or came too late."""

from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

TIMEOUT = timedelta(seconds=5)
RUNNING = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
LONG_POLL = timedelta(seconds=20)
TIMER_FIRED = EventType.EVENT_TYPE_TIMER_FIRED
TASK_DONE = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


async def terminate(client: Client, workflow_id: str) -> bool:
    """End it from outside."""
    await client.workflow_service.terminate_workflow_execution(
        TerminateWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            identity=client.identity,
            reason="ended by hand",
        ),
        timeout=TIMEOUT,
    )
    return True


async def cancel(client: Client, workflow_id: str) -> bool:
    """Ask it to end."""
    await client.workflow_service.request_cancel_workflow_execution(
        RequestCancelWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            identity=client.identity,
            request_id=f"cancel-{workflow_id}",
            reason="asked by hand",
        ),
        timeout=TIMEOUT,
    )
    return True


async def reset(client: Client, workflow_id: str) -> bool:
    """Let it run again from its first workflow task."""
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            identity=client.identity,
            request_id=f"reset-{workflow_id}",
            reason="again, by hand",
            workflow_task_finish_event_id=await _first_task(client, workflow_id),
        ),
        timeout=TIMEOUT,
    )
    return True


async def first_task_done(client: Client, workflow_id: str) -> bool:
    """Whether a worker has done its first workflow task; RPCError NOT_FOUND until then."""
    return bool(await _first_task(client, workflow_id))


async def delete(client: Client, workflow_id: str) -> None:
    """Make Temporal forget it."""
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow_id)
        ),
        timeout=TIMEOUT,
    )


async def nudge(client: Client, workflow_id: str) -> bool:
    """Send a signal."""
    await client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name="nudge",
            identity=client.identity,
        ),
        timeout=TIMEOUT,
    )
    return True


async def slept(client: Client, workflow_id: str) -> bool:
    """Wait until its timer has fired; what is closed came too late. RPCError where that takes longer than LONG_POLL."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        wait_new_event=True,
    )
    while True:
        answer = await client.workflow_service.get_workflow_execution_history(request, timeout=LONG_POLL)
        if any(event.event_type == TIMER_FIRED for event in answer.history.events):
            return True
        if not answer.next_page_token:
            return False
        request.next_page_token = answer.next_page_token


async def running_for(client: Client, workflow_id: str) -> float | None:
    """How many seconds ago it started, if it runs."""
    described = await client.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        ),
        timeout=TIMEOUT,
    )
    info = described.workflow_execution_info
    if info.status != RUNNING:
        return None
    return (datetime.now(UTC) - info.start_time.ToDatetime(UTC)).total_seconds()


async def _first_task(client: Client, workflow_id: str) -> int:
    answer = await client.workflow_service.get_workflow_execution_history(
        GetWorkflowExecutionHistoryRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        ),
        timeout=TIMEOUT,
    )
    for event in answer.history.events:
        if event.event_type == TASK_DONE:
            return event.event_id
    raise RPCError("no task was done yet", RPCStatusCode.NOT_FOUND, b"")
