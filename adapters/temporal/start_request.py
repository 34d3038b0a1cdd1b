"""Builds the server's start request from the port's."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import PayloadConverter, WorkflowSerializationContext, encode_search_attributes

from adapters.temporal.completion_callback import as_callback
from adapters.temporal.connection.raw_client import RawClient
from application.ports.engine.workflow_engine import StartFailed, StartRejected, StartRequest
from domain.json_value import JsonValue, clean_text
from domain.operation.operation_type import OperationType
from domain.operation.operation_type import RetryPolicy as TypeRetryPolicy
from domain.operation.start.arguments import to_arguments
from domain.operation.start.workflow_id_policy import OnClosed
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import MEMO

TRACE_HEADER = "_tracer-data"
"""Header in which `temporalio.contrib.opentelemetry` and Temporal's other SDKs read the trace context."""
ENCODE_TIMEOUT = 10.0
"""Timeout in seconds for a codec or an external store to encode the input."""
_REUSE: Mapping[OnClosed, WorkflowIdReusePolicy.ValueType] = {
    OnClosed.ALLOW: WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
    OnClosed.ALLOW_FAILED: WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
    OnClosed.REJECT: WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
}


async def start_request(client: RawClient, request: StartRequest) -> StartWorkflowExecutionRequest:
    """Builds the raw request, because the SDK's `start_workflow` has no argument for completion callbacks.

    The memo goes through the payload codec too, as in the SDK.

    Raises:
        StartRejected: the type or the input can never be encoded, or the input cannot be spread.
        CallbackRefused: the callback can never be encoded.
        StartFailed: the payload codec fails.
    """
    operation_id = str(request.operation_id)
    try:
        arguments = to_arguments(request.input, request.type.arguments)
    except ValueError as error:
        raise StartRejected(str(error)) from None
    try:
        raw = _described(request.type)
        raw.workflow_id = request.workflow_id
    except (ValueError, TypeError, OverflowError) as error:
        raise StartRejected(f"the operation type cannot be encoded: {clean_text(str(error), 500)}") from error
    raw.namespace = client.namespace
    raw.identity = client.identity
    raw.request_id = operation_id
    raw.workflow_id_reuse_policy = _REUSE[request.on_closed]
    raw.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    encode_search_attributes(
        TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, operation_id)]), raw.search_attributes
    )
    if request.callback is not None:
        raw.completion_callbacks.append(as_callback(request.callback))
    if request.trace:
        raw.header.fields[TRACE_HEADER].CopyFrom(PayloadConverter.default.to_payload(dict(request.trace)))
    if arguments:
        raw.input.payloads.extend(await _encoded(client, request.workflow_id, arguments))
    terms: JsonValue = {"report_outcome": request.outcome_reports.value}
    raw.memo.fields[MEMO].CopyFrom((await _encoded(client, request.workflow_id, [terms]))[0])
    return raw


def _described(operation_type: OperationType) -> StartWorkflowExecutionRequest:
    return StartWorkflowExecutionRequest(
        workflow_type=WorkflowType(name=operation_type.workflow),
        task_queue=TaskQueue(name=operation_type.task_queue),
        workflow_execution_timeout=_duration(operation_type.execution_timeout),
        workflow_run_timeout=_duration(operation_type.run_timeout),
        workflow_task_timeout=_duration(operation_type.task_timeout),
        retry_policy=None if operation_type.retry_policy is None else _retry_policy(operation_type.retry_policy),
    )


def _retry_policy(policy: TypeRetryPolicy) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=_duration(policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=_duration(policy.maximum_interval),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=policy.non_retryable_error_types,
    )


def _duration(value: timedelta | None) -> Duration | None:
    if value is None:
        return None
    duration = Duration()
    duration.FromTimedelta(value)
    return duration


async def _encoded(client: RawClient, workflow_id: str, values: Sequence[JsonValue]) -> list[Payload]:
    """Encodes the JSON values, null too, as the SDK does: all arguments together."""
    converter = client.data_converter.with_context(workflow_context(client.namespace, workflow_id))
    try:
        async with asyncio.timeout(ENCODE_TIMEOUT):
            return await converter.encode(values)
    except RecursionError:
        raise StartRejected("the input is nested too deeply") from None
    except TimeoutError:
        raise StartFailed(f"encoding the input took longer than {ENCODE_TIMEOUT:g} s") from None
    except Exception as error:
        cause = clean_text(f"{type(error).__name__}: {error}", 500)
        raise StartFailed(f"the input could not be encoded: {cause}") from error


def workflow_context(namespace: str, workflow_id: str) -> WorkflowSerializationContext:
    """Context from which a codec may derive its keys. The worker's codec gets the same context."""
    return WorkflowSerializationContext(namespace=namespace, workflow_id=workflow_id)
