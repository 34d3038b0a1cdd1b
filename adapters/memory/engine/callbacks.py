"""Completion callbacks as the real server posts them (form from its source, measured on Temporal 1.32)."""

import base64
import email.utils
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from uuid import UUID

from adapters.memory.engine.executions import MemoryExecution
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import CompletionCallback
from domain.evidence.observation import ExecutionState
from domain.json_value import JsonValue
from domain.operation.operation_error import OperationError

_KINDS = {
    "TimeoutError": "timeoutFailureInfo",
    "CancelledError": "canceledFailureInfo",
    "TerminatedError": "terminatedFailureInfo",
    "ServerError": "serverFailureInfo",
    "ActivityError": "activityFailureInfo",
    "ChildWorkflowError": "childWorkflowExecutionFailureInfo",
    "NexusOperationError": "nexusOperationExecutionFailureInfo",
}
"""Fields of a failure by the name of its error in `causes`. Any other name is an application's own type."""
_SERVERS_OWN: Mapping[ExecutionState, tuple[str, str]] = {
    ExecutionState.CANCELED: ("operation canceled", "canceledFailureInfo"),
    ExecutionState.TERMINATED: ("operation terminated", "terminatedFailureInfo"),
    ExecutionState.TIMED_OUT: ("operation exceeded internal timeout", "timeoutFailureInfo"),
}


@dataclass(frozen=True, slots=True)
class PendingCallback:
    """A callback that the test delivers: once, twice, late or never."""

    callback: CompletionCallback
    message: CallbackMessage

    @property
    def operation_id(self) -> UUID:
        """The operation that the URL names."""
        return UUID(urlsplit(self.callback.url).path.rpartition("/")[2])


def pending_callback(callback: CompletionCallback, execution: MemoryExecution) -> PendingCallback:
    """Returns the callback of a closed execution. Raises ValueError for an open one."""
    if execution.closed_at is None:
        raise ValueError(f"the execution is {execution.state}")
    state = {ExecutionState.COMPLETED: "succeeded", ExecutionState.CANCELED: "canceled"}
    headers = {name.lower(): value for name, value in callback.headers.items()}
    headers |= {
        "user-agent": "temporalio/server",
        "accept-encoding": "gzip",
        "nexus-operation-state": state.get(execution.state, "failed"),
        "nexus-operation-start-time": _http_date(execution.latest_start),
        "nexus-operation-close-time": _rfc3339(execution.closed_at),
        "nexus-link": _link(execution.workflow_id, execution.run_id),
    }
    content_type, body = _content(execution)
    if content_type is not None:
        headers["content-type"] = content_type
    return PendingCallback(callback, CallbackMessage(headers, body))


def _content(execution: MemoryExecution) -> tuple[str | None, bytes]:
    if execution.state is not ExecutionState.COMPLETED:
        return "application/json", _json(_failure(execution))
    if execution.result_unreadable is not None:
        return "application/octet-stream", b"\x00"
    return (None, b"") if execution.result is None else ("application/json", _json(execution.result))


def _failure(execution: MemoryExecution) -> JsonValue:
    if execution.state in _SERVERS_OWN:
        message, kind = _SERVERS_OWN[execution.state]
        details: dict[str, JsonValue] = {kind: {}}
    else:
        assert execution.error is not None
        details = _chain(execution.error)
        message = str(details.pop("message"))
    rest: dict[str, JsonValue] = {"metadata": {"type": "temporal.api.failure.v1.Failure"}, "details": details}
    return {"message": message, **rest} if message else rest


def _chain(error: OperationError) -> dict[str, JsonValue]:
    """Returns the failure that is read as this error: its wrappers, outermost first, around the root cause."""
    causes = error.details.get("causes")
    *wrappers, root = causes if isinstance(causes, list) and causes else [error.details.get("type", "ApplicationError")]
    failure: dict[str, JsonValue] = {"message": error.message, **_info(str(root), error.details)}
    for name in reversed(wrappers):
        failure = {"message": f"{name} failed", **_info(str(name), {}), "cause": failure}
    return failure


def _info(name: str, details: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    if name == "TimeoutError":  # an empty one means a timeout of the workflow itself
        return {_KINDS[name]: {"timeoutType": "TIMEOUT_TYPE_START_TO_CLOSE"}}
    if name in _KINDS:
        return {_KINDS[name]: {}}
    info: dict[str, JsonValue] = {"type": name}
    if details.get("non_retryable"):
        info["nonRetryable"] = True
    values = details.get("details")
    if isinstance(values, list):
        info["details"] = {"payloads": [_payload(value) for value in values]}
    return {"applicationFailureInfo": info}


def _payload(value: JsonValue) -> JsonValue:
    encoding = base64.b64encode(b"json/plain").decode()
    return {"metadata": {"encoding": encoding}, "data": base64.b64encode(_json(value)).decode()}


def _json(value: JsonValue) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _rfc3339(time: datetime) -> str:
    """Returns the time with nanoseconds, always 0."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")


def _http_date(time: datetime) -> str:
    return email.utils.format_datetime(time.astimezone(UTC), usegmt=True)


def _link(workflow_id: str, run_id: str) -> str:
    """Returns the link to the history of the closed run."""
    history = f"temporal:///namespaces/default/workflows/{quote(workflow_id, safe='')}/{run_id}/history"
    return f'<{history}?eventID=1&eventType=WorkflowExecutionStarted>; type="temporal.api.common.v1.Link.WorkflowEvent"'
