"""The server's request for a start, from the port's."""

import asyncio
from datetime import timedelta
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import PayloadConverter, WorkflowSerializationContext, encode_search_attributes

from adapters.temporal.completion_callback import as_callback
from application.ports.workflow_engine import StartFailed, StartRejected, StartRequest
from domain.json_value import JsonValue, clean_text
from domain.operation.operation import MISSING
from domain.operation.operation_type import OperationType
from domain.operation.operation_type import RetryPolicy as TypeRetryPolicy
from opledger.wire import MEMO, OPERATION_UUID

TRACE_HEADER = "_tracer-data"
"""Where `temporalio.contrib.opentelemetry`, and Temporal's SDKs for other languages, look for the trace context."""
ENCODE_TIMEOUT = 10.0
"""Seconds that a codec or an external store may take for the input."""


async def start_request(client: Client, request: StartRequest) -> StartWorkflowExecutionRequest:
    """The raw request: the SDK's own `start_workflow` has no place for completion callbacks.

    Raises StartRejected for what can never be put on the wire, CallbackRefused where that is the callback, StartFailed
    where the payload codec fails. The memo goes through the codec too, as the SDK's own starts do it.
    """
    operation_id = str(request.operation_id)
    try:
        raw = _described(request.type)
    except (ValueError, TypeError, OverflowError) as error:
        raise StartRejected(f"the operation type cannot be put on the wire: {clean_text(str(error), 500)}") from error
    raw.namespace = client.namespace
    raw.identity = client.identity
    raw.workflow_id = operation_id
    raw.request_id = operation_id
    raw.workflow_id_reuse_policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    raw.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    encode_search_attributes(
        TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, operation_id)]), raw.search_attributes
    )
    if request.callback is not None:
        raw.completion_callbacks.append(as_callback(request.callback))
    if request.trace:
        raw.header.fields[TRACE_HEADER].CopyFrom(PayloadConverter.default.to_payload(dict(request.trace)))
    if request.input is not MISSING:
        raw.input.payloads.append(await _encoded(client, request, request.input))
    terms: JsonValue = {"report_outcome": request.outcome_reports.value}
    raw.memo.fields[MEMO].CopyFrom(await _encoded(client, request, terms))
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


async def _encoded(client: Client, request: StartRequest, value: JsonValue) -> Payload:
    """One payload for any JSON value, null too."""
    converter = client.data_converter.with_context(workflow_context(client.namespace, request.operation_id))
    try:
        async with asyncio.timeout(ENCODE_TIMEOUT):
            [payload] = await converter.encode([value])
            return payload
    except RecursionError:
        raise StartRejected("the input is nested too deeply") from None
    except TimeoutError:
        raise StartFailed(f"encoding the input took longer than {ENCODE_TIMEOUT:g} s") from None
    except Exception as error:
        words = clean_text(f"{type(error).__name__}: {error}", 500)
        raise StartFailed(f"the input could not be encoded: {words}") from error


def workflow_context(namespace: str, operation_id: UUID) -> WorkflowSerializationContext:
    """What codecs may derive their keys from; the worker's side has the same."""
    return WorkflowSerializationContext(namespace=namespace, workflow_id=str(operation_id))
