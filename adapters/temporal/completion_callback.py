"""Completion callbacks in the server's format, and the check whether the server accepts them."""

from datetime import timedelta
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Callback, Link, WorkflowExecution, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error, start_error
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from application.ports.engine.workflow_engine import CallbackRefused, CompletionCallback, EngineUnavailable

PROBE = "opledger-callback-check"
"""Workflow type, task queue and workflow id prefix of the start request that checks a callback."""
_LINK_REFUSAL = "workflow event link"
"""Text in the server's refusal of an empty link. The server checks the link after the callback (read in its source,
measured on 1.32)."""


def as_callback(callback: CompletionCallback) -> Callback:
    """Converts to the server's format. Raises CallbackRefused if the callback cannot be encoded."""
    try:
        return Callback(nexus=Callback.Nexus(url=callback.url, header=callback.headers))
    except (ValueError, TypeError) as error:
        raise CallbackRefused(f"the callback cannot be encoded: {type(error).__name__}") from None


async def check_callback(client: RawClient, callback: CompletionCallback) -> None:
    """See the port. Sends a start request that the server must refuse: because of the callback, or of an empty link.

    Raises:
        CallbackRefused: the server refuses the callback.
            EngineUnavailable: the server gives no answer about the callback; the message contains its answer.
    """
    limit = Duration()
    limit.FromTimedelta(timedelta(seconds=1))
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        identity=client.identity,
        workflow_id=f"{PROBE}-{uuid4()}",
        request_id=str(uuid4()),
        workflow_type=WorkflowType(name=PROBE),
        task_queue=TaskQueue(name=PROBE),
        workflow_execution_timeout=limit,
        completion_callbacks=[as_callback(callback)],
        links=[Link(workflow_event=Link.WorkflowEvent(namespace=""))],
    )
    try:
        await call(client.workflow_service.start_workflow_execution, request)
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT and _LINK_REFUSAL in error.message.lower():
            return
        refusal = start_error(error, with_callback=True)
        if isinstance(refusal, CallbackRefused):
            raise refusal from error
        raise EngineUnavailable(f"the engine did not say whether it accepts the callback: {refusal}") from error
    await _terminate(client, request.workflow_id)


async def _terminate(client: RawClient, workflow_id: str) -> None:
    """Terminates the execution of a server that ignores links: it accepted the callback and started the workflow."""
    request = TerminateWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        identity=client.identity,
        reason="started only to check the callback",
    )
    try:
        await call(client.workflow_service.terminate_workflow_execution, request)
    except RPCError as error:
        raise engine_error(error) from error
