"""Changes that the ledger makes on its own: dispatch, follow-up questions to the engine, delivery of cancellations."""

from dataclasses import replace
from datetime import datetime

from domain.json_value import JsonValue, clean_text
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note, touched
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import Report
from domain.scheduling.schedule import FollowUp, Verification, first_verification


def start_failed(operation: Operation, error: str, cause: Cause, *, retry_at: datetime) -> Change:
    """Records a failed start whose cause is temporary. The dispatcher retries at `retry_at`."""
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
    is_event = _is_event(operation, dispatch.attempts, error)
    return note(waiting, cause) if is_event else touched(waiting, cause.now)


def _is_event(operation: Operation, attempt: int, error: str) -> bool:
    """Whether a failed attempt gets a history line: if the error is new, and for attempts 1, 2, 4, 8, ...

    Otherwise an outage of one day would write thousands of lines per operation. The attention counts all attempts.
    """
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
    """Records that the engine accepted the start. The follow-up is due at `follow_up_at`, or now if a cancellation
    request waits for delivery.

    Args:
        operation: The operation.
        follow_up_at: Time of the first question to the engine.
        now: Current time.
        first_run_id: First run of the started chain; None if the caller does not know it. It replaces the id of an
            earlier attempt: the engine has lost that chain, otherwise the start would have found it.
        calls_back: Whether the engine sends a callback when the execution closes.
    """
    if operation.done:
        return Change(operation)
    if first_run_id not in (None, operation.first_run_id):
        operation = replace(operation, first_run_id=first_run_id)
    if operation.dispatch.done_at is not None:  # a report came first; it does not know whether there is a callback
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
    """Records the id of the chain's first run. No change if the id is known or the operation is done."""
    if operation.done or first_run_id is None or operation.first_run_id is not None:
        return Change(operation)
    return Change(replace(operation, first_run_id=first_run_id))


def postpone_start(operation: Operation, *, until: datetime) -> Change:
    """Postpones the start; the dispatcher claims the operation again at `until`."""
    return Change(replace(operation, dispatch=replace(operation.dispatch, due_at=until)))


def start_again(operation: Operation, cause: Cause) -> Change:
    """Makes the operation due for dispatch again, because the engine does not know the execution that it accepted.

    The next start creates another chain. A cancellation request has to be delivered to it again.
    """
    dispatch = replace(operation.dispatch, due_at=cause.now, done_at=None)
    request = operation.cancel_request and replace(operation.cancel_request, delivered_at=None)
    restarted = replace(operation, dispatch=dispatch, cancel_request=request, attention=None, first_run_id=None)
    return note(replace(restarted, follow_up=FollowUp(), verification=Verification()), cause)


def keep_report(operation: Operation, report: Report, *, follow_up_at: datetime) -> Change:
    """Stores a reported outcome until the engine confirms it. The question to the engine is due at `follow_up_at`."""
    return Change(replace(operation, reported=report, follow_up=FollowUp(due_at=follow_up_at)))


def cancel_delivered(operation: Operation, *, follow_up_at: datetime, now: datetime) -> Change:
    """Records that the engine accepted the cancellation request. The question about its effect is due at
    `follow_up_at`."""
    if operation.cancel_request is None or operation.done:
        return Change(operation)
    request = replace(operation.cancel_request, delivered_at=now)
    return touched(replace(operation, cancel_request=request, follow_up=FollowUp(due_at=follow_up_at)), now)


def schedule_follow_up(operation: Operation, *, at: datetime) -> Change:
    """Makes a follow-up due at `at`, unless an earlier one is due. No change if the operation is done or not
    dispatched.

    It counts as a second question: a report of the start makes only the first one unnecessary.
    """
    planned = operation.follow_up
    sooner = planned.due_at is not None and planned.due_at <= at
    if operation.done or operation.dispatch.done_at is None or (sooner and planned.attempts):
        return Change(operation)
    return Change(replace(operation, follow_up=FollowUp(planned.due_at if sooner else at, attempts=1)))
