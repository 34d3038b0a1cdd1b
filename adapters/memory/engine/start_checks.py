"""Checks of a start, with the real server's messages (measured on Temporal 1.32)."""

import json
from datetime import timedelta
from urllib.parse import urlsplit

from adapters.memory.engine.executions import MemoryExecution
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    CallbacksExhausted,
    CompletionCallback,
    ExecutionExists,
    StartRejected,
    StartRequest,
)
from domain.evidence.observation import ExecutionState
from domain.json_value import JsonValue
from domain.operation.operation_type import OperationType, RetryPolicy
from domain.operation.start.arguments import to_arguments
from domain.operation.start.workflow_id_policy import OnClosed

MAX_NAME = 1_000
"""Limit of workflow id, workflow type and task queue in UTF-8 bytes."""
MAX_INPUT = 2 * 1024 * 1024
MAX_MESSAGE = 4 * 1024 * 1024
"""gRPC's limit in bytes. A larger input does not reach the check for MAX_INPUT."""
OVERHEAD = 32
"""Bytes of a payload besides its JSON, at sizes near the limit."""
MAX_URL = 1_000
MAX_HEADERS = 8_192
"""Limit of names and values together, in characters."""


def check_start(request: StartRequest) -> None:
    """Raises StartRejected if the server would refuse the start."""
    try:
        _check_size(to_arguments(request.input, request.type.arguments))
    except ValueError as error:
        raise StartRejected(str(error)) from None
    _check_workflow_id(request.workflow_id)
    _check_type(request.type)
    if request.type.retry_policy is not None:
        _check_retry_policy(request.type.retry_policy)


def check_reuse(present: MemoryExecution | None, on_closed: OnClosed) -> None:
    """Raises ExecutionExists if the server would not start another execution under the workflow id of this one."""
    if present is None:
        return
    named = f"WorkflowId: {present.workflow_id}, RunId: {present.run_id}."
    if present.open:
        raise ExecutionExists(f"Workflow execution is already running. {named}")
    if on_closed is OnClosed.REJECT:
        policy = "Workflow Id reuse policy: reject duplicate workflow Id."
        raise ExecutionExists(f"Workflow execution already finished. {named} {policy}")
    if on_closed is OnClosed.ALLOW_FAILED and present.state is ExecutionState.COMPLETED:
        policy = "Workflow Id reuse policy: allow duplicate workflow Id if last run failed."
        raise ExecutionExists(f"Workflow execution already finished successfully. {named} {policy}")


def check_callback(callback: CompletionCallback, *, refused: bool) -> None:
    """Raises CallbackRefused. `refused`: the operator does not allow the callback's address."""
    url = callback.url
    parts = urlsplit(url)
    size = sum(len(name) + len(value) for name, value in callback.headers.items())
    refusals = {
        f"invalid url: url length longer than max length allowed of {MAX_URL}": len(url.encode()) > MAX_URL,
        f"invalid url: unknown scheme: {url}": parts.scheme not in ("http", "https"),
        "invalid url: missing host": not parts.netloc,
        f"invalid url: url does not match any configured callback address: {url}": refused,
        f"invalid header: header size longer than max allowed size of {MAX_HEADERS}": size > MAX_HEADERS,
    }
    for message, holds in refusals.items():
        if holds:
            raise CallbackRefused(message)


def check_room(execution: MemoryExecution, callback: CompletionCallback, limit: int) -> None:
    """Raises CallbacksExhausted if the execution has `limit` callbacks, and not this one."""
    urls = {present.url for present in execution.callbacks}
    if len(urls) >= limit and callback.url not in urls:
        attached = f"({len(urls)} callbacks already attached)"
        raise CallbacksExhausted(f"cannot attach more than {limit} callbacks to a workflow {attached}")


def _check_size(arguments: list[JsonValue]) -> None:
    try:
        size = sum(len(json.dumps(value, separators=(",", ":"))) + OVERHEAD for value in arguments)
    except RecursionError:
        raise StartRejected("the input is nested too deeply") from None
    if size > MAX_MESSAGE:
        raise StartRejected(f"grpc: received message after decompression larger than max {MAX_MESSAGE}")
    _refuse(size > MAX_INPUT, "Blob data size exceeds limit.")


def _check_workflow_id(workflow_id: str) -> None:
    size = len(workflow_id.encode())
    _refuse(not workflow_id, "WorkflowId is not set on request.")
    _refuse(size > MAX_NAME, f"WorkflowId exceeds maximum allowed length ({size}/{MAX_NAME})")


def _check_type(operation_type: OperationType) -> None:
    workflow, queue = operation_type.workflow, operation_type.task_queue
    _refuse(not workflow, "WorkflowType is not set on request.")
    _refuse(not queue, "missing task queue name")
    _refuse(queue.startswith("/_sys/"), "task queue name cannot start with reserved prefix /_sys/")
    _refuse(len(workflow.encode()) > MAX_NAME, "WorkflowType length exceeds limit.")
    _refuse(len(queue.encode()) > MAX_NAME, "taskQueue length exceeds limit")
    limits = {
        "WorkflowExecutionTimeoutSeconds": operation_type.execution_timeout,
        "WorkflowRunTimeoutSeconds": operation_type.run_timeout,
        "WorkflowTaskTimeoutSeconds": operation_type.task_timeout,
    }
    for name, limit in limits.items():
        _refuse(_negative(limit), f"An invalid {name} is set on request. cause: negative duration")


def _check_retry_policy(policy: RetryPolicy) -> None:
    where = "set on retry policy: negative duration"
    longest = policy.maximum_interval
    _refuse(_negative(policy.initial_interval), f"invalid InitialInterval {where}")
    _refuse(policy.backoff_coefficient < 1, "BackoffCoefficient cannot be less than 1 on retry policy.")
    _refuse(_negative(longest), f"invalid MaximumInterval {where}")
    _refuse(
        longest is not None and timedelta() < longest < policy.initial_interval,
        "MaximumInterval cannot be less than InitialInterval on retry policy.",
    )
    _refuse(policy.maximum_attempts < 0, "MaximumAttempts cannot be negative on retry policy.")


def _negative(limit: timedelta | None) -> bool:
    return limit is not None and limit < timedelta()


def _refuse(condition: bool, message: str) -> None:
    if condition:
        raise StartRejected(message)
