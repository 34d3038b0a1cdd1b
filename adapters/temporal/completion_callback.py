"""Completion callbacks on the wire, and whether the server takes them."""

from datetime import timedelta
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Callback, Link, WorkflowExecution, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error, start_error
from adapters.temporal.connection.rpc import call
from application.ports.workflow_engine import CallbackRefused, CompletionCallback, EngineUnavailable

PROBE = "opledger-callback-check"
"""Type and task queue of the start that is never made, and what its workflow id begins with."""
_LINK_REFUSAL = "workflow event link"
"""In the refusal of the link below, whose check follows the callback's (read in the source, measured on 1.32)."""


def as_callback(callback: CompletionCallback) -> Callback:
    """The server's form. Raises CallbackRefused for what cannot be put on the wire."""
    try:
        return Callback(nexus=Callback.Nexus(url=callback.url, header=callback.headers))
    except (ValueError, TypeError) as error:
        raise CallbackRefused(f"the callback cannot be put on the wire: {type(error).__name__}") from None


async def check_callback(client: Client, callback: CompletionCallback) -> None:
    """See the port. Asks for a start that has to be refused: by the callback, or else by an empty link.

    Raises:
        CallbackRefused: by the callback.
        EngineUnavailable: neither; with what the server says instead.
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
        raise EngineUnavailable(f"the engine did not say whether it takes the callback: {refusal}") from error
    await _terminate(client, request.workflow_id)


async def _terminate(client: Client, workflow_id: str) -> None:
    """A server that does not look at links has started it: then the callback was taken, and the execution has to go."""
    request = TerminateWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        identity=client.identity,
        reason="asked only whether the callback is taken",
    )
    try:
        await call(client.workflow_service.terminate_workflow_execution, request)
    except RPCError as error:
        raise engine_error(error) from error
