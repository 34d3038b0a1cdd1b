"""Reads completion callbacks as Temporal's server sends them: Nexus's form (read in the source, measured on 1.32)."""

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
from application.ports.callback_reader import CallbackMessage, CloseEvent, UnreadableCallback
from domain.evidence.observation import ExecutionState
from domain.json_value import MAX_DEPTH, JsonValue, clean_text, too_deep
from domain.operation.operation_error import ErrorCode, OperationError

MAX_MESSAGE_CHARS = 500
_LINK = re.compile(r"<temporal:///namespaces/([^/>]+)/workflows/([^/>]+)/([^/>?]+)/history")
"""What the header Nexus-Link has of the execution that closed (measured on 1.32)."""
_FAILURE = Failure.DESCRIPTOR.full_name
_SERVER_FAILURES: Mapping[str, ExecutionState] = {
    "terminatedFailureInfo": ExecutionState.TERMINATED,
    "timeoutFailureInfo": ExecutionState.TIMED_OUT,
}
"""What the server makes up for closes that have no failure. It leaves them empty; a workflow's own says more."""
_EXTERNAL_CLOSES: Mapping[ExecutionState, Close] = {
    ExecutionState.CANCELED: external_close(ErrorCode.CANCELED),
    ExecutionState.TERMINATED: external_close(ErrorCode.TERMINATED),
    ExecutionState.TIMED_OUT: Close(
        error=OperationError(ErrorCode.TIMED_OUT, "the workflow did not close within its timeout")
    ),
}
"""By whom, why, and which time-out is not in a callback."""


class TemporalCallbackReader:
    """The port. What it calls whole equals what observing the run gives, but for `started_at`, which is the last run's
    and not the chain's, and for results of more than one value, of which the server sends the first."""

    def __init__(self, converter: DataConverter, namespace: str) -> None:
        self._converter = converter
        self._namespace = namespace

    async def read(self, operation_id: UUID, message: CallbackMessage, received_at: datetime) -> CloseEvent:
        """See the port. A close that lies behind its receipt, by clocks that differ, is as of the receipt."""
        headers = message.headers
        closed_at = _close_time(headers)
        context = workflow_context(self._namespace, operation_id)
        reader = PayloadReader(self._converter.with_context(context))
        state, close, whole = await _read(headers.get("nexus-operation-state"), headers, message.body, reader)
        started_at = _start_time(headers.get("nexus-operation-start-time", ""), closed_at)
        closed = close.observation(state, min(closed_at, received_at), closed_at, started_at)
        return CloseEvent(closed, whole, self._closed_run(headers.get("nexus-link", ""), operation_id))

    def _closed_run(self, links: str, operation_id: UUID) -> str | None:
        """The run that closed, by the link to its history; None if there is no such link, or it is about another
        workflow."""
        for namespace, workflow_id, run_id in _LINK.findall(links):
            if (unquote(namespace), unquote(workflow_id)) == (self._namespace, str(operation_id)):
                return unquote(run_id)
        return None


async def _read(
    said: str | None, headers: Mapping[str, str], body: bytes, reader: PayloadReader
) -> tuple[ExecutionState, Close, bool]:
    if said == "succeeded":
        return await _succeeded(headers.get("content-type", ""), body, reader)
    if said not in ("failed", "canceled"):
        _unreadable("it has no header nexus-operation-state" if said is None else f"its state is {said!r}")
    failure = _object(body)
    if said == "failed":
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
    """The payload that the server wrote the body from. Raises UnreadablePayload where it cannot be told."""
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


async def _failed(said: Mapping[str, JsonValue], reader: PayloadReader) -> tuple[ExecutionState, Close, bool]:
    message, details = said.get("message", ""), said.get("details")
    if not isinstance(message, str):
        _unreadable("its failure's message is no text")
    failure = _failure(said, message)
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
        words = clean_text(message) or "the workflow failed"
        undecoded = OperationError(ErrorCode.WORKFLOW_FAILED, words, {"unreadable": str(outage)})
        return ExecutionState.FAILED, Close(error=undecoded), False


def _failure(said: Mapping[str, JsonValue], message: str) -> Failure | None:
    """The failure with the two fields put back that travel beside it; None where it is of another kind."""
    metadata, details, trace = said.get("metadata"), said.get("details"), said.get("stackTrace")
    if not isinstance(metadata, dict) or metadata.get("type") != _FAILURE or not isinstance(details, dict):
        return None
    failure = Failure()
    try:
        ParseDict(details, failure, ignore_unknown_fields=True)
        failure.message = message
        failure.stack_trace = trace if isinstance(trace, str) else ""
    except Exception:  # whatever protobuf raises at JSON that is no such message: ParseError is not all
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
    said = headers.get("nexus-operation-close-time")
    if said is None:
        _unreadable("it has no header nexus-operation-close-time")
    closed_at = _rfc3339(said)
    if closed_at is None:
        _unreadable(f"its close time is {said!r}")
    return closed_at


def _start_time(said: str, closed_at: datetime) -> datetime | None:
    """When the run that closed had started, whole seconds; None where that cannot be told."""
    started_at = _rfc3339(said) or _http_date(said)
    return started_at if started_at is not None and started_at <= closed_at else None


def _rfc3339(said: str) -> datetime | None:
    time = Timestamp()
    try:
        time.FromJsonString(said)
        return to_datetime(time)
    except (ValueError, OverflowError):
        return None


def _http_date(said: str) -> datetime | None:
    try:
        time = email.utils.parsedate_to_datetime(said)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _unreadable(words: str) -> NoReturn:
    raise UnreadableCallback(clean_text(f"the callback cannot be read: {words}", MAX_MESSAGE_CHARS))
