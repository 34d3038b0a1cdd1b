"""What the ledger does about an operation on its own: starting it, and asking the engine how it stands."""

from dataclasses import replace
from datetime import datetime

from domain.json_value import JsonValue, clean_text
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note, touched
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import Report
from domain.scheduling.schedule import FollowUp, Verification, first_verification


def start_failed(operation: Operation, error: str, cause: Cause, *, retry_at: datetime) -> Change:
    """The start did not go through, for a passing reason: try again at `retry_at`."""
    dispatch = replace(operation.dispatch, due_at=retry_at)
    since = operation.attention.since if operation.attention else cause.now
    message = f"attempt {dispatch.attempts} to start the workflow failed: {error}"
    attention = Attention(AttentionKind.DISPATCH_RETRYING, since, clean_text(message))
    details: dict[str, JsonValue] = {
        "attempt": dispatch.attempts,
        "error": clean_text(error),
        "retry_at": retry_at.isoformat(),
    }
    cause = replace(cause, reason=attention.message, details=details)
    waiting = replace(operation, dispatch=dispatch, attention=attention)
    return note(waiting, cause) if _news(operation, dispatch.attempts, error) else touched(waiting, cause.now)


def _news(operation: Operation, attempt: int, error: str) -> bool:
    """Whether a failed attempt is worth a line: other words than before, or the 1st, 2nd, 4th, 8th... An outage of a
    day would else write thousands of lines an operation; the attention counts them all."""
    known = operation.attention is not None and operation.attention.message.endswith(clean_text(error))
    return not known or attempt & (attempt - 1) == 0


def dispatched(
    operation: Operation,
    *,
    follow_up_at: datetime,
    now: datetime,
    first_run_id: str | None = None,
    calls_back: bool = False,
) -> Change:
    """The engine has taken the start; ask it about the operation at `follow_up_at`, or at once to deliver a cancel.

    Args:
        operation: The operation.
        follow_up_at: When the engine is asked first.
        now: The time.
        first_run_id: Of the chain that the start made; None where the caller does not know it. It replaces the one
            of an earlier attempt, which the engine has forgotten, or the start would have found it.
        calls_back: Whether the engine calls when the execution closes.
    """
    if operation.done:
        return Change(operation)
    if first_run_id not in (None, operation.first_run_id):
        operation = replace(operation, first_run_id=first_run_id)
    if operation.dispatch.done_at is not None:  # a report was quicker, and does not know of the callback
        if operation.dispatch.calls_back == calls_back:
            return Change(operation)
        return Change(replace(operation, dispatch=replace(operation.dispatch, calls_back=calls_back)))
    started = replace(
        operation,
        dispatch=replace(operation.dispatch, due_at=None, done_at=now, calls_back=calls_back),
        attention=None,
        follow_up=FollowUp(due_at=now if operation.cancel_pending else follow_up_at),
        verification=first_verification(now),
    )
    return touched(started, now)


def with_first_run_id(operation: Operation, first_run_id: str | None) -> Change:
    """Keep the id of the chain's first run, unless it is known already or the operation is done."""
    if operation.done or first_run_id is None or operation.first_run_id is not None:
        return Change(operation)
    return Change(replace(operation, first_run_id=first_run_id))


def postpone_start(operation: Operation, *, until: datetime) -> Change:
    """Do not start it, look again later."""
    return Change(replace(operation, dispatch=replace(operation.dispatch, due_at=until)))


def start_again(operation: Operation, cause: Cause) -> Change:
    """Make the operation due for dispatch once more: the engine does not know the execution that it had taken. The next
    start makes another chain, to which a cancellation request has to be delivered again."""
    dispatch = replace(operation.dispatch, due_at=cause.now, done_at=None)
    request = operation.cancel_request and replace(operation.cancel_request, delivered_at=None)
    forgotten = replace(operation, dispatch=dispatch, cancel_request=request, attention=None, first_run_id=None)
    return note(replace(forgotten, follow_up=FollowUp(), verification=Verification()), cause)


def keep_report(operation: Operation, report: Report, *, follow_up_at: datetime) -> Change:
    """Keep a reported outcome until the engine is asked, which is due at `follow_up_at`."""
    return Change(
        replace(
            operation,
            reported=report,
            follow_up=FollowUp(due_at=follow_up_at),
        )
    )


def cancel_delivered(operation: Operation, *, follow_up_at: datetime, now: datetime) -> Change:
    """The engine has been told of the cancel request; ask it at `follow_up_at` what came of it."""
    if operation.cancel_request is None or operation.done:
        return Change(operation)
    request = replace(operation.cancel_request, delivered_at=now)
    return touched(replace(operation, cancel_request=request, follow_up=FollowUp(due_at=follow_up_at)), now)


def schedule_follow_up(operation: Operation, *, at: datetime) -> Change:
    """Ask the engine at `at`, or earlier if that is planned, unless the operation is done or not dispatched. Counts as
    one question more than the routine one after the start, which a report of the start answers."""
    planned = operation.follow_up
    sooner = planned.due_at is not None and planned.due_at <= at
    if operation.done or operation.dispatch.done_at is None or (sooner and planned.attempts):
        return Change(operation)
    return Change(replace(operation, follow_up=FollowUp(planned.due_at if sooner else at, attempts=1)))
