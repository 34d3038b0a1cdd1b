"""Reads completion callbacks in the Nexus format of Temporal's server (read in its source, measured on 1.32)."""

import email.utils
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import unquote
from uuid import UUID

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter

from adapters.temporal.executions.close import Close, external_close, to_datetime
from adapters.temporal.payloads.codec_errors import CodecUnavailable
from adapters.temporal.payloads.failures import to_operation_error
from adapters.temporal.payloads.payloads import PayloadReader, UnreadablePayload, json_of
from adapters.temporal.start_request import workflow_context
from application.ports.engine.callback_reader import CallbackMessage, CloseEvent, UnreadableCallback
from domain.evidence.observation import ExecutionState
from domain.json_value import MAX_DEPTH, JsonValue, clean_text, too_deep
from domain.operation.operation_error import ErrorCode, OperationError

MAX_MESSAGE_CHARS = 500
_LINK = re.compile(r"<temporal:///namespaces/([^/>]+)/workflows/([^/>]+)/([^/>?]+)/history")
"""Namespace, workflow id and run id of the closed execution in the header Nexus-Link (measured on 1.32)."""
_FAILURE = Failure.DESCRIPTOR.full_name
_SERVER_FAILURES: Mapping[str, ExecutionState] = {
    "terminatedFailureInfo": ExecutionState.TERMINATED,
    "timeoutFailureInfo": ExecutionState.TIMED_OUT,
}
"""Failures that the server makes up for a close without a failure. The server leaves them empty; a workflow's own
failure has content."""
_EXTERNAL_CLOSES: Mapping[ExecutionState, Close] = {
    ExecutionState.CANCELED: external_close(ErrorCode.CANCELED),
    ExecutionState.TERMINATED: external_close(ErrorCode.TERMINATED),
    ExecutionState.TIMED_OUT: Close(
        error=OperationError(ErrorCode.TIMED_OUT, "the workflow did not close within its timeout")
    ),
}
"""Closes by the server or from outside. A callback does not contain the actor, the reason, or which timeout it was."""


class TemporalCallbackReader:
    """Implements the port. A whole event equals an observation of the run, with two exceptions: `started_at` is the
    start of the last run, not of the chain, and the server sends only the first value of a result with several."""

    def __init__(self, converter: DataConverter, namespace: str) -> None:
        self._converter = converter
        self._namespace = namespace

    async def read(self, operation_id: UUID, message: CallbackMessage, received_at: datetime) -> CloseEvent:
        """See the port. If clocks differ and the close is later than its receipt, the receipt's time counts."""
        headers = message.headers
        closed_at = _close_time(headers)
        workflow_id, run_id = self._closed(headers.get("nexus-link", "")) or (str(operation_id), None)
        context = workflow_context(self._namespace, workflow_id)
        reader = PayloadReader(self._converter.with_context(context))
        state, close, whole = await _read(headers.get("nexus-operation-state"), headers, message.body, reader)
        started_at = _start_time(headers.get("nexus-operation-start-time", ""), closed_at)
        closed = close.observation(state, min(closed_at, received_at), closed_at, started_at)
        return CloseEvent(closed, whole, run_id)

    def _closed(self, links: str) -> tuple[str, str] | None:
        """Workflow id and run id of the execution that closed, from the link to its history; None if there is no such
        link."""
        for namespace, workflow_id, run_id in _LINK.findall(links):
            if unquote(namespace) == self._namespace:
                return unquote(workflow_id), unquote(run_id)
        return None


async def _read(
    outcome: str | None, headers: Mapping[str, str], body: bytes, reader: PayloadReader
) -> tuple[ExecutionState, Close, bool]:
    if outcome == "succeeded":
        return await _succeeded(headers.get("content-type", ""), body, reader)
    if outcome not in ("failed", "canceled"):
        _unreadable("it has no header nexus-operation-state" if outcome is None else f"its state is {outcome!r}")
    failure = _object(body)
    if outcome == "failed":
        return await _failed(failure, reader)
    return ExecutionState.CANCELED, _EXTERNAL_CLOSES[ExecutionState.CANCELED], False


async def _succeeded(content_type: str, body: bytes, reader: PayloadReader) -> tuple[ExecutionState, Close, bool]:
    try:
        payload = _payload(content_type, body)
        result = await reader.result([] if payload is None else [payload])
    except UnreadablePayload as error:
        return ExecutionState.COMPLETED, Close(result_unreadable=str(error)), False
    return ExecutionState.COMPLETED, Close(result=result.value, result_altered=result.altered), True


def _payload(content_type: str, body: bytes) -> Payload | None:
    """The payload from which the server wrote the body. Raises UnreadablePayload for an unknown content type."""
    kind, _, parameters = (part.strip() for part in content_type.partition(";"))
    if kind == "application/json" and (not parameters or "format=protobuf" in parameters):
        encoding = b"json/protobuf" if parameters else b"json/plain"
        payload = Payload(metadata={"encoding": encoding}, data=body)
        try:
            json_of(payload)
        except UnreadablePayload as error:
            _unreadable(f"its result is not the JSON that it says it is: {error}")
        return payload
    if kind == "application/x-temporal-payload":
        try:
            return Payload.FromString(body)
        except DecodeError:
            _unreadable("its result is not the payload that it says it is")
    if kind or body:
        raise UnreadablePayload(
            clean_text(f"its content type is {content_type or 'not given'}, not JSON", MAX_MESSAGE_CHARS)
        )
    return None


async def _failed(body: Mapping[str, JsonValue], reader: PayloadReader) -> tuple[ExecutionState, Close, bool]:
    message, details = body.get("message", ""), body.get("details")
    if not isinstance(message, str):
        _unreadable("the message of its failure is not a string")
    failure = _failure(body, message)
    if failure is None or not isinstance(details, dict):
        unknown = OperationError(ErrorCode.WORKFLOW_FAILED, message or "the workflow failed")
        return ExecutionState.FAILED, Close(error=unknown), False
    for kind, state in _SERVER_FAILURES.items():
        if details == {kind: {}}:
            return state, _EXTERNAL_CLOSES[state], False
    own = not _SERVER_FAILURES.keys() & details.keys()
    try:
        return ExecutionState.FAILED, Close(error=await to_operation_error(failure, reader.raising_on_outage())), own
    except CodecUnavailable as outage:
        text = clean_text(message) or "the workflow failed"
        undecoded = OperationError(ErrorCode.WORKFLOW_FAILED, text, {"unreadable": str(outage)})
        return ExecutionState.FAILED, Close(error=undecoded), False


def _failure(body: Mapping[str, JsonValue], message: str) -> Failure | None:
    """The failure, with message and stack trace, which travel beside it in the body; None if it is of another type."""
    metadata, details, trace = body.get("metadata"), body.get("details"), body.get("stackTrace")
    if not isinstance(metadata, dict) or metadata.get("type") != _FAILURE or not isinstance(details, dict):
        return None
    failure = Failure()
    try:
        ParseDict(details, failure, ignore_unknown_fields=True)
        failure.message = message
        failure.stack_trace = trace if isinstance(trace, str) else ""
    except Exception:  # noqa: BLE001 -- protobuf raises more than ParseError for JSON that does not match the message
        return None
    return failure


def _object(body: bytes) -> Mapping[str, JsonValue]:
    try:
        value: JsonValue = json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        _unreadable(f"its body is not JSON: {type(error).__name__}: {error}")
    if not isinstance(value, dict):
        _unreadable("its body is not a JSON object")
    if too_deep(value):
        _unreadable(f"its body is nested more than {MAX_DEPTH} levels deep")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _close_time(headers: Mapping[str, str]) -> datetime:
    text = headers.get("nexus-operation-close-time")
    if text is None:
        _unreadable("it has no header nexus-operation-close-time")
    closed_at = _rfc3339(text)
    if closed_at is None:
        _unreadable(f"its close time is {text!r}")
    return closed_at


def _start_time(text: str, closed_at: datetime) -> datetime | None:
    """Start time of the run that closed, in whole seconds; None if unknown."""
    started_at = _rfc3339(text) or _http_date(text)
    return started_at if started_at is not None and started_at <= closed_at else None


def _rfc3339(text: str) -> datetime | None:
    time = Timestamp()
    try:
        time.FromJsonString(text)
        return to_datetime(time)
    except (ValueError, OverflowError):
        return None


def _http_date(text: str) -> datetime | None:
    try:
        time = email.utils.parsedate_to_datetime(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _unreadable(reason: str) -> NoReturn:
    raise UnreadableCallback(clean_text(f"the callback cannot be read: {reason}", MAX_MESSAGE_CHARS))
