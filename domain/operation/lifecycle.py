"""The moves of an operation: guard, then change; a new operation and its history lines come back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.errors import InvalidTransition, OperationAlreadyDone
from domain.json_value import JsonValue, clean_text
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import Cause, Change, Input, Operation
from domain.operation.operation_error import BEFORE_START, ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.scheduling.schedule import Dispatch, FollowUp, Verification, first_verification

REPEATED_EVENT_LIMIT = 50
"""Lines of an operation's history beyond which events that repeat are not told any more."""


def accept(
    operation_id: UUID,
    *,
    tenant: str,
    type_name: str,
    value: Input,
    labels: Mapping[str, str],
    cause: Cause,
    trace: Mapping[str, str] | None = None,
) -> Change:
    """A new operation, due for dispatch at once."""
    operation = Operation(
        id=operation_id,
        tenant=tenant,
        type=type_name,
        input=value,
        labels=dict(labels),
        accepted_at=cause.now,
        updated_at=cause.now,
        dispatch=Dispatch(due_at=cause.now),
        trace=dict(trace or {}),
        history_length=1,
    )
    return Change(operation, (_line(operation, None, OperationStatus.ACCEPTED, cause),))


def note(operation: Operation, cause: Cause) -> Change:
    """A history line without a change of status."""
    noted = replace(operation, history_length=operation.history_length + 1, updated_at=_later(operation, cause))
    return Change(noted, (_line(noted, operation.status, operation.status, cause),))


def note_repeated(operation: Operation, cause: Cause) -> Change:
    """The same for what can repeat without end: a line as long as the history has fewer than REPEATED_EVENT_LIMIT."""
    return note(operation, cause) if operation.history_length < REPEATED_EVENT_LIMIT else touched(operation, cause.now)


def touched(operation: Operation, now: datetime) -> Change:
    """A change that clients can see, without a history line."""
    return Change(replace(operation, updated_at=max(now, operation.updated_at)))


def start(operation: Operation, cause: Cause, *, at: datetime | None = None) -> Change:
    """ACCEPTED to RUNNING. `at` is when the execution started, if that is known better than by `cause.now`."""
    return _move(
        operation,
        OperationStatus.RUNNING,
        cause,
        started_at=_clamp(at, operation.accepted_at, cause.now),
        dispatch=replace(operation.dispatch, due_at=None, done_at=operation.dispatch.done_at or cause.now),
        follow_up=_after_start(operation, cause.now),
        verification=operation.verification if operation.verification.due_at else first_verification(cause.now),
        attention=None,
    )


def complete(operation: Operation, result: JsonValue, cause: Cause, *, at: datetime | None = None) -> Change:
    """RUNNING to COMPLETED. Reported progress becomes 1.0 and keeps its message; an operation whose workflow never
    reported progress still has none. Raises InvalidTransition from any other status."""
    progress = operation.progress and replace(operation.progress, fraction=1.0)
    finished = replace(operation, progress=progress)
    return _finish(finished, OperationStatus.COMPLETED, cause, at=at, result=result)


def fail(operation: Operation, error: OperationError, cause: Cause, *, at: datetime | None = None) -> Change:
    """RUNNING to FAILED; ACCEPTED to FAILED for a cause that needs no worker. Raises InvalidTransition."""
    if operation.status is OperationStatus.ACCEPTED and error.code not in BEFORE_START:
        raise InvalidTransition(f"an operation that has not run cannot fail with {error.code}")
    told = replace(operation, cancel_request=_with_delivery(operation, error, cause.now))
    return _finish(told, OperationStatus.FAILED, cause, at=at, error=error)


def request_cancel(operation: Operation, *, reason: str | None, force: bool, cause: Cause) -> Change:
    """Ask for the end. Before the first dispatch attempt the operation is FAILED/CANCELED at once; later the engine
    is told. A repeat changes nothing, but `force` after a plain request is a new one. Raises OperationAlreadyDone."""
    if operation.done:
        raise OperationAlreadyDone(f"the operation is {operation.status} already")
    former = operation.cancel_request
    if former is not None and (former.force or not force):
        return Change(operation)
    reason = None if reason is None else clean_text(reason)
    request = CancelRequest(at=cause.now, by=cause.actor, reason=reason, force=force)
    asked = note(replace(operation, cancel_request=request), cause)
    if operation.status is OperationStatus.ACCEPTED and operation.dispatch.attempts == 0:
        error = OperationError(ErrorCode.CANCELED, reason or "cancelled before it was started", {"actor": cause.actor})
        return asked.then(fail(asked.operation, error, replace(cause, reason="cancelled before it was started")))
    if operation.dispatch.done_at is None:
        return asked
    return Change(replace(asked.operation, follow_up=FollowUp(due_at=cause.now)), asked.transitions)


def _with_delivery(operation: Operation, error: OperationError, now: datetime) -> CancelRequest | None:
    """The cancel request. An execution that ended as was asked had been told of it, whether or not that was noted."""
    request = operation.cancel_request
    if request is None or not operation.cancel_pending or operation.dispatch.attempts == 0:
        return request
    expected = ErrorCode.TERMINATED if request.force else ErrorCode.CANCELED
    return replace(request, delivered_at=now) if error.code is expected else request


def _finish(
    operation: Operation,
    status: OperationStatus,
    cause: Cause,
    *,
    at: datetime | None,
    result: JsonValue = None,
    error: OperationError | None = None,
) -> Change:
    return _move(
        operation,
        status,
        cause,
        result=result,
        error=error,
        finished_at=_clamp(at, operation.started_at or operation.accepted_at, cause.now),
        dispatch=replace(operation.dispatch, due_at=None),
        follow_up=FollowUp(),
        verification=Verification(),
        attention=None,
        reported=None,
    )


def _after_start(operation: Operation, now: datetime) -> FollowUp:
    """A cancel request is to be sent. The first question, whether it has started, is answered; any other is not."""
    if operation.cancel_request is not None:
        return FollowUp(due_at=now)
    due_at, attempts = operation.follow_up.due_at, operation.follow_up.attempts
    asked = attempts > 0 or (due_at is not None and due_at <= now)
    return operation.follow_up if asked else FollowUp()


def _move(operation: Operation, status: OperationStatus, cause: Cause, **fields: Any) -> Change:
    """To that status, with what else changes on the way."""
    if not operation.status.may_become(status):
        raise InvalidTransition(f"{operation.status} cannot become {status}")
    moved = replace(
        operation,
        status=status,
        history_length=operation.history_length + 1,
        updated_at=_later(operation, cause),
        **fields,
    )
    return Change(moved, (_line(moved, operation.status, status, cause),))


def _line(operation: Operation, before: OperationStatus | None, after: OperationStatus, cause: Cause) -> Transition:
    return Transition(
        sequence=operation.history_length,
        from_status=before,
        to_status=after,
        source=cause.source,
        reason=clean_text(cause.reason),
        at=_later(operation, cause),
        actor=None if cause.actor is None else clean_text(cause.actor, 255),
        details=dict(cause.details),
    )


def _later(operation: Operation, cause: Cause) -> datetime:
    """Time never runs backwards within an operation, whichever machine's clock it is told by."""
    return max(cause.now, operation.updated_at)


def _clamp(at: datetime | None, earliest: datetime, now: datetime) -> datetime:
    return max(earliest, min(at or now, now))
