"""Reads the close of a run from its last events."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType

from adapters.temporal.executions.history import Ending, next_run_id
from adapters.temporal.payloads.codec_errors import CodecUnavailable
from adapters.temporal.payloads.failures import to_operation_error
from adapters.temporal.payloads.payloads import PayloadReader, UnreadablePayload, json_of
from application.ports.engine.workflow_engine import PayloadsUnavailable
from domain.evidence.observation import ExecutionState, Observation
from domain.json_value import JsonValue, clean_text
from domain.operation.operation_error import ErrorCode, OperationError

MAX_ACTOR = 255
CODEC_OUTAGE_LIMIT = timedelta(hours=1)
"""How long after a close the ledger waits for an unavailable codec. Later the payloads count as unreadable."""
_NEW_RUN = re.compile(r"terminated by new runID: ([0-9a-f-]{36})")
"""Details of a termination by the conflict policy TERMINATE_EXISTING (measured on 1.32)."""
_STATES: Mapping[int, ExecutionState] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: ExecutionState.COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: ExecutionState.FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: ExecutionState.CANCELED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: ExecutionState.TERMINATED,
}
"""Close events that contain everything about the close. That of a timeout does not say which timeout it was."""


@dataclass(frozen=True, slots=True)
class Close:
    """Outcome of a closed run, without its state."""

    result: JsonValue = None
    result_unreadable: str | None = None
    result_altered: str | None = None
    error: OperationError | None = None
    actor: str | None = None

    def observation(
        self, state: ExecutionState, asked_at: datetime, closed_at: datetime | None, started_at: datetime | None = None
    ) -> Observation:
        """Builds the observation of this close."""
        return Observation(
            state,
            asked_at,
            started_at=started_at,
            closed_at=closed_at,
            result=self.result,
            result_unreadable=self.result_unreadable,
            result_altered=self.result_altered,
            error=self.error,
            actor=self.actor,
        )


async def observed_close(ending: Ending, reader: PayloadReader, asked_at: datetime) -> Observation | None:
    """The observation from the last event alone; None if it is not a close, does not contain everything, or another run
    continues from it."""
    if ending.last is None or (state := _STATES.get(ending.last.event_type)) is None:
        return None
    if next_run_id(ending.last):
        return None
    close = await read_close(state, ending, reader, asked_at)
    return close.observation(state, asked_at, to_datetime(ending.last.event_time))


async def read_close(state: ExecutionState, ending: Ending, reader: PayloadReader, asked_at: datetime) -> Close:
    """Reads a close in one of the states of _STATES from the end of the history.

    A final operation keeps what was read of its close. So this raises PayloadsUnavailable while the codec is
    unavailable, up to CODEC_OUTAGE_LIMIT after the close.
    """
    closed_at = None if ending.last is None else to_datetime(ending.last.event_time)
    if closed_at is None or asked_at - closed_at > CODEC_OUTAGE_LIMIT:
        return await _READERS[state](ending, reader)
    try:
        return await _READERS[state](ending, reader.raising_on_outage())
    except CodecUnavailable as outage:
        raise PayloadsUnavailable(f"the payload codec is unavailable: {outage}") from outage


def external_close(code: ErrorCode, cause: str = "", identity: str = "", superseded_by: str | None = None) -> Close:
    """A close from outside the workflow: its cause, the actor's identity and the superseding run, if known."""
    reason = clean_text(cause) or None
    actor = clean_text(identity, MAX_ACTOR) or None
    details: dict[str, JsonValue] = {"reason": reason, "actor": actor}
    if superseded_by is not None:
        details["superseded_by"] = superseded_by
    error = OperationError(code, reason or code.value.lower(), details)
    return Close(error=error, actor=actor)


def to_datetime(time: Timestamp) -> datetime | None:
    """The time; None if the server gave none (zero, or the year 1)."""
    return time.ToDatetime(UTC) if time.seconds > 0 else None


async def _completed(ending: Ending, reader: PayloadReader) -> Close:
    if ending.last is None:
        return Close(result_unreadable="the execution's history is gone")
    try:
        attributes = ending.last.workflow_execution_completed_event_attributes
        result = await reader.result(attributes.result.payloads)
    except UnreadablePayload as error:
        return Close(result_unreadable=str(error))
    return Close(result=result.value, result_altered=result.altered)


async def _failed(ending: Ending, reader: PayloadReader) -> Close:
    if ending.last is None:
        return Close(error=OperationError(ErrorCode.WORKFLOW_FAILED, "the workflow failed; its history is gone"))
    return Close(error=await to_operation_error(ending.last.workflow_execution_failed_event_attributes.failure, reader))


async def _canceled(ending: Ending, _: PayloadReader) -> Close:
    request = ending.cancel_request
    if request is None:
        return external_close(ErrorCode.CANCELED)
    return external_close(ErrorCode.CANCELED, request.cause, request.identity)


async def _terminated(ending: Ending, _: PayloadReader) -> Close:
    if ending.last is None:
        return external_close(ErrorCode.TERMINATED)
    attributes = ending.last.workflow_execution_terminated_event_attributes
    superseded_by = _superseded_by(attributes.details.payloads)
    return external_close(ErrorCode.TERMINATED, attributes.reason, attributes.identity, superseded_by)


def _superseded_by(details: Iterable[Payload]) -> str | None:
    """The run that replaced this one: the server names it in the details of the termination."""
    for payload in details:
        with contextlib.suppress(UnreadablePayload):
            text = json_of(payload)
            if isinstance(text, str) and (found := _NEW_RUN.fullmatch(text)):
                return found[1]
    return None


_READERS: Mapping[ExecutionState, Callable[[Ending, PayloadReader], Awaitable[Close]]] = {
    ExecutionState.COMPLETED: _completed,
    ExecutionState.FAILED: _failed,
    ExecutionState.CANCELED: _canceled,
    ExecutionState.TERMINATED: _terminated,
}
