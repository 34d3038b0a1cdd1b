"""State changes of an operation. Each function checks the rule and returns a new operation with its history lines."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.errors import InvalidTransition, OperationAlreadyDone
from domain.json_value import JsonValue, clean_text
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import BEFORE_START, ErrorCode, OperationError
from domain.operation.origin import Origin
from domain.operation.report import StepState
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.scheduling.schedule import FollowUp, Verification, first_verification

REPEATED_EVENT_LIMIT = 50
"""Length of a history, in lines, from which repeated events get no more lines."""
_STEPS_OF = {OperationStatus.COMPLETED: StepState.COMPLETED, OperationStatus.FAILED: StepState.FAILED}
"""What an end does to running steps."""


def note(operation: Operation, cause: Cause) -> Change:
    """Adds a history line without a change of status."""
    noted = replace(operation, history_length=operation.history_length + 1, updated_at=_later(operation, cause))
    return Change(noted, (history_line(noted, operation.status, operation.status, cause),))


def note_repeated(operation: Operation, cause: Cause) -> Change:
    """Adds a history line for an event that can repeat without limit. From REPEATED_EVENT_LIMIT lines on it adds
    none."""
    return note(operation, cause) if operation.history_length < REPEATED_EVENT_LIMIT else touched(operation, cause.now)


def set_keep(operation: Operation, *, keep: bool, cause: Cause) -> Change:
    """Makes retention spare the operation, or no longer. A repeat changes nothing."""
    if operation.keep == keep:
        return Change(operation)
    return note_repeated(replace(operation, keep=keep), cause)


def touched(operation: Operation, now: datetime) -> Change:
    """Makes a change visible to clients, without a history line."""
    return Change(replace(operation, updated_at=max(now, operation.updated_at)))


def start(operation: Operation, cause: Cause, *, at: datetime | None = None) -> Change:
    """ACCEPTED to RUNNING. `at` is the start time of the execution; None: unknown, `cause.now` is used.

    Raises InvalidTransition from any other status.
    """
    return _move(
        operation,
        OperationStatus.RUNNING,
        cause,
        started_at=_clamp(at, operation.accepted_at, cause.now),
        dispatch=replace(operation.dispatch, due_at=None, done_at=operation.dispatch.done_at or cause.now),
        follow_up=_after_start(operation, cause.now),
        verification=operation.verification if operation.verification.due_at else first_verification(cause.now),
        attention=None,
        acknowledged=None,
    )


def complete(operation: Operation, result: JsonValue, cause: Cause, *, at: datetime | None = None) -> Change:
    """RUNNING to COMPLETED. Reported progress becomes 1.0 and keeps its message, and running steps are completed. An
    operation without reported progress gets none. Raises InvalidTransition from any other status."""
    progress = operation.progress and replace(operation.progress, fraction=1.0)
    finished = replace(operation, progress=progress)
    return _finish(finished, OperationStatus.COMPLETED, cause, at=at, result=result)


def fail(operation: Operation, error: OperationError, cause: Cause, *, at: datetime | None = None) -> Change:
    """RUNNING to FAILED, or ACCEPTED to FAILED for a code in BEFORE_START. Running steps have failed. Raises
    InvalidTransition otherwise."""
    if operation.status is OperationStatus.ACCEPTED and error.code not in BEFORE_START:
        raise InvalidTransition(f"an operation that has not run cannot fail with {error.code}")
    failing = replace(operation, cancel_request=_with_delivery(operation, error, cause.now))
    return _finish(failing, OperationStatus.FAILED, cause, at=at, error=error)


def request_cancel(operation: Operation, *, reason: str | None, force: bool, cause: Cause) -> Change:
    """Stores a cancellation request.

    Before the first dispatch attempt the operation becomes FAILED with CANCELED at once. Later the worker delivers the
    request to the engine. In both cases it passes the request on to the children. A repeated request changes nothing;
    `force` after a request without it is a new request.
    Raises OperationAlreadyDone.
    """
    if operation.done:
        raise OperationAlreadyDone(f"the operation is already {operation.status}")
    former = operation.cancel_request
    if former is not None and (former.force or not force):
        return Change(operation)
    reason = None if reason is None else clean_text(reason)
    request = CancelRequest(at=cause.now, by=cause.actor, reason=reason, force=force)
    requested = note(replace(operation, cancel_request=request, cancel_children_due_at=cause.now), cause)
    if operation.status is OperationStatus.ACCEPTED and operation.dispatch.attempts == 0:
        error = OperationError(ErrorCode.CANCELED, reason or "cancelled before it was started", {"actor": cause.actor})
        ended = fail(requested.operation, error, replace(cause, reason="cancelled before it was started"))
        return requested.then(ended)
    if operation.dispatch.done_at is None:
        return requested
    return Change(replace(requested.operation, follow_up=FollowUp(due_at=cause.now)), requested.transitions)


def _with_delivery(operation: Operation, error: OperationError, now: datetime) -> CancelRequest | None:
    """The cancellation request. An execution that ended as requested had received the request, even if the delivery was
    not recorded before the end."""
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
    finished_at = _clamp(at, operation.started_at or operation.accepted_at, cause.now)
    return _move(
        operation,
        status,
        cause,
        result=result,
        error=error,
        progress=operation.progress and operation.progress.closed(_STEPS_OF[status], finished_at),
        finished_at=finished_at,
        dispatch=replace(operation.dispatch, due_at=None),
        follow_up=FollowUp(),
        verification=Verification(),
        attention=None,
        acknowledged=None,
        reported=None,
    )


def _after_start(operation: Operation, now: datetime) -> FollowUp:
    """The follow-up after the start: due now if there is a cancellation request or a successor. The first question (has
    it started?) is answered and is dropped, unless a callback has to be attached to what a client has started. Any
    other one stays due."""
    if operation.cancel_request is not None or operation.superseded_by is not None:
        return FollowUp(due_at=now)
    due_at, attempts = operation.follow_up.due_at, operation.follow_up.attempts
    asked = attempts > 0 or (due_at is not None and due_at <= now)
    lacks_callback = operation.origin is Origin.CLIENT and not operation.dispatch.calls_back
    return operation.follow_up if asked or lacks_callback else FollowUp()


def _move(operation: Operation, status: OperationStatus, cause: Cause, **fields: Any) -> Change:
    """Moves to the status and sets the fields. Raises InvalidTransition."""
    if not operation.status.may_become(status):
        raise InvalidTransition(f"{operation.status} cannot become {status}")
    moved = replace(
        operation,
        status=status,
        history_length=operation.history_length + 1,
        updated_at=_later(operation, cause),
        **fields,
    )
    return Change(moved, (history_line(moved, operation.status, status, cause),))


def history_line(
    operation: Operation, before: OperationStatus | None, after: OperationStatus, cause: Cause
) -> Transition:
    """Returns the last line of the operation's history."""
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
    """Time within an operation never goes backwards, even if the clocks of machines differ."""
    return max(cause.now, operation.updated_at)


def _clamp(at: datetime | None, earliest: datetime, now: datetime) -> datetime:
    return max(earliest, min(at or now, now))
