"""What the engine says after an operation has become final, and contradicts it: kept beside the outcome, never over it.

An execution that closed can be reset or run again by whoever has the engine's own tools. Consumers have acted on the
outcome by then, so that it stands; people are told.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.evidence.observation import CLOSED, OPEN, ExecutionState, Observation
from domain.evidence.unreadable_result import has_unreadable_result, unreadable_message, with_unreadable_result
from domain.json_value import JsonValue
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import NEVER_STARTED, ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

CODES = {
    ExecutionState.FAILED: ErrorCode.WORKFLOW_FAILED,
    ExecutionState.CANCELED: ErrorCode.CANCELED,
    ExecutionState.TERMINATED: ErrorCode.TERMINATED,
    ExecutionState.TIMED_OUT: ErrorCode.TIMED_OUT,
}
"""The error code that each unsuccessful close becomes."""


def same_outcome(status: OperationStatus, code: ErrorCode | None, state: ExecutionState) -> bool:
    """Whether a close in that state is what the final status and error code say."""
    if state is ExecutionState.COMPLETED:
        return status is OperationStatus.COMPLETED
    return status is OperationStatus.FAILED and CODES.get(state) is code


def diverge(
    operation: Operation, observation: Observation, now: datetime, grace: timedelta, source: Source
) -> Change | None:
    """The event and the attention that the observation makes of a final operation; or their end, when a later close
    agrees again; None where there is nothing new."""
    words = contradiction(operation, observation)
    if words is None:
        return _agreed(operation, observation, now, source)
    attention = operation.attention
    if not _news(operation, observation, grace) or (attention is not None and attention.message == words):
        return None
    since = attention.since if attention is not None else now
    diverged = replace(operation, attention=Attention(AttentionKind.DIVERGED, since, words))
    return note(diverged, Cause(source, words, now, actor=observation.actor, details=_details(observation)))


def _news(operation: Operation, observation: Observation, grace: timedelta) -> bool:
    """What was asked before the row was written is none: it may be from before a reset whose end the row has. Where a
    report is final, the close follows it, so that an open execution has its grace: from the end on, because the row is
    written again by whatever is noted of it."""
    ended_at = operation.finished_at or operation.updated_at
    patience = grace if observation.state in OPEN else timedelta()
    return observation.asked_at > operation.updated_at and observation.asked_at - ended_at > patience


def contradiction(operation: Operation, observation: Observation) -> str | None:
    """What the observation says against the final operation, in words; None where they agree."""
    state = observation.state
    if state in OPEN:
        return f"the operation is {operation.status}, and its execution runs again"
    if state not in CLOSED or _cleaned_up(operation, state):
        return None
    code = operation.error.code if operation.error is not None else None
    if not same_outcome(operation.status, code, state):
        said = operation.status if code is None else f"{operation.status} with {code}"
        return f"the operation is {said}, and its execution has closed as {state}"
    if state is ExecutionState.COMPLETED and not _same_result(operation, observation):
        return "the operation is COMPLETED, and its execution has completed again with another result"
    return None


def _same_result(operation: Operation, observation: Observation) -> bool:
    unknown = observation.result_unreadable is not None or has_unreadable_result(operation)
    return unknown or observation.result == operation.result


def _cleaned_up(operation: Operation, state: ExecutionState) -> bool:
    """Whether it is the end that the ledger makes of an execution that turned up after its operation was given up."""
    given_up = operation.started_at is None and operation.error is not None and operation.error.code in NEVER_STARTED
    return given_up and state in (ExecutionState.TERMINATED, ExecutionState.CANCELED)


def _agreed(operation: Operation, observation: Observation, now: datetime, source: Source) -> Change | None:
    attention = operation.attention
    if attention is None or attention.kind is not AttentionKind.DIVERGED:
        return None
    if observation.state not in CLOSED or observation.asked_at <= operation.updated_at:
        return None  # what was asked before the row was written may be from before what it is marked for
    reason = "the execution has closed again, as the operation says"
    agreed = note(replace(operation, attention=None), Cause(source, reason, now))
    missing = unreadable_message(observation) if operation.result is None or observation.result_altered else None
    return with_unreadable_result(agreed, missing, now)


def _details(observation: Observation) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {"observed": observation.state.value}
    if observation.closed_at is not None:
        details["closed_at"] = observation.closed_at.isoformat()
    if observation.error is not None:
        details["message"] = observation.error.message
    return details
