"""Attaches a completion callback to an execution that another client started."""

import asyncio
import logging
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.api.workflowservice.v1 import (
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
    TerminateWorkflowExecutionRequest,
)
from temporalio.service import RPCError

from adapters.temporal.completion_callback import as_callback
from adapters.temporal.connection.errors import engine_error, start_error, unknown_execution
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.chains import ChainLookup
from adapters.temporal.executions.observation import STATES
from application.ports.engine.executions import UNPOLLED_QUEUE, Attached, AttachOutcome, Execution
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    CallbacksExhausted,
    CompletionCallback,
    EngineUnavailable,
    ExecutionExists,
)
from domain.evidence.observation import CLOSED
from domain.operation.chain import Run

STRAY_REASON = "started by accident: the execution to which a callback was to be attached is gone"
STRAY_TIMEOUT = timedelta(seconds=10)
"""Execution timeout of a stray execution, in case nobody terminates it."""
TERMINATIONS = 3
"""Attempts to terminate a stray execution."""
TERMINATION_TIMEOUT = timedelta(seconds=2)
"""For each of them. Together they take less time than STRAY_TIMEOUT."""
TERMINATION_PAUSE = timedelta(seconds=0.5)
"""Wait between two of them."""
_log = logging.getLogger(__name__)


async def attach_callback(
    client: RawClient, chains: ChainLookup, execution: Execution, callback: CompletionCallback
) -> Attached:
    """See the engine port.

    The server has no request for this. A start with the conflict policy USE_EXISTING attaches the callback to the open
    run with the workflow id, and the reuse policy REJECT_DUPLICATE refuses it for a closed one. If the server has
    deleted the execution, it starts a new one, which has no worker and is terminated at once. A repeat with the same
    request id adds nothing to a run (measured on 1.32). Raises EngineUnavailable.
    """
    try:
        request = _request(client, execution, callback)
        response = await call(client.workflow_service.start_workflow_execution, request)
    except CallbackRefused as refusal:
        return Attached(AttachOutcome.REFUSED, str(refusal))
    except RPCError as error:
        return _refused(error)
    if response.started:
        await _end_stray(client, execution.workflow_id, response.run_id)
        return Attached(AttachOutcome.CLOSED, stray=True)
    own = STATES.get(response.status) not in CLOSED and await _is_own(chains, execution, response)
    return Attached(AttachOutcome.ATTACHED if own else AttachOutcome.CLOSED)


def _request(client: RawClient, execution: Execution, callback: CompletionCallback) -> StartWorkflowExecutionRequest:
    limit = Duration()
    limit.FromTimedelta(STRAY_TIMEOUT)
    return StartWorkflowExecutionRequest(
        namespace=client.namespace,
        identity=client.identity,
        workflow_id=execution.workflow_id,
        request_id=str(uuid5(NAMESPACE_URL, callback.url)),
        workflow_type=WorkflowType(name=execution.workflow_type),
        task_queue=TaskQueue(name=UNPOLLED_QUEUE),
        workflow_execution_timeout=limit,
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        completion_callbacks=[as_callback(callback)],
        on_conflict_options=OnConflictOptions(attach_request_id=True, attach_completion_callbacks=True),
    )


def _refused(error: RPCError) -> Attached:
    """The answer for a refused start. Raises EngineUnavailable if it says nothing about callback or execution."""
    refusal = start_error(error, with_callback=True)
    if isinstance(refusal, ExecutionExists):
        return Attached(AttachOutcome.CLOSED)
    if isinstance(refusal, CallbacksExhausted):
        return Attached(AttachOutcome.FULL, str(refusal))
    if isinstance(refusal, CallbackRefused):
        return Attached(AttachOutcome.REFUSED, str(refusal))
    if isinstance(refusal, EngineUnavailable):
        raise refusal from error
    raise EngineUnavailable(f"the engine did not attach the callback: {refusal}") from error


async def _is_own(chains: ChainLookup, execution: Execution, response: StartWorkflowExecutionResponse) -> bool:
    """Whether the run with the workflow id still belongs to the chain. Another start may have taken the id."""
    if response.run_id == execution.run_id:
        return True
    origin = await chains.origin(Run(execution.workflow_id, response.run_id))
    return origin is not None and origin.first_run_id == execution.first_run_id


async def _end_stray(client: RawClient, workflow_id: str, run_id: str) -> None:
    """Terminates the stray execution. If the server does not answer, the execution timeout ends it. The caller counts
    it in any case."""
    for attempt in range(1, TERMINATIONS + 1):
        try:
            await _terminate(client, workflow_id, run_id)
        except EngineUnavailable as outage:
            if attempt == TERMINATIONS:
                _log.warning(
                    "run %s of workflow id %r, which was started by accident, is not terminated and times out within "
                    "%g s: %s",
                    *(run_id, workflow_id, STRAY_TIMEOUT.total_seconds(), outage),
                )
                return
            await asyncio.sleep(TERMINATION_PAUSE.total_seconds())
        else:
            return


async def _terminate(client: RawClient, workflow_id: str, run_id: str) -> None:
    request = TerminateWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        identity=client.identity,
        reason=STRAY_REASON,
    )
    try:
        await call(client.workflow_service.terminate_workflow_execution, request, TERMINATION_TIMEOUT)
    except RPCError as error:
        if not unknown_execution(error):
            raise engine_error(error) from error
