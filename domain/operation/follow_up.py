"""Changes that the ledger makes on its own: dispatch, follow-up questions to the engine, delivery of cancellations to
the engine and to children."""

from dataclasses import replace
from datetime import datetime

from domain.json_value import JsonValue, clean_text
from domain.operation.acknowledging import problem_of, with_problem, without_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note, request_cancel, touched
from domain.operation.operation import Cause, Change, Operation
from domain.operation.origin import Origin
from domain.operation.report import Report
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.schedule import FollowUp, Verification, first_verification


def start_failed(operation: Operation, error: str, cause: Cause, *, retry_at: datetime) -> Change:
    """Records a failed start whose cause is temporary. The dispatcher retries at `retry_at`."""
    dispatch = replace(operation.dispatch, due_at=retry_at)
    known = problem_of(operation)
    since = cause.now if known is None else known.since
    message = f"attempt {dispatch.attempts} to start the workflow failed: {error}"
    attention = Attention(AttentionKind.DISPATCH_RETRYING, since, clean_text(message))
    details: dict[str, JsonValue] = {
        "attempt": dispatch.attempts,
        "error": clean_text(error),
        "retry_at": retry_at.isoformat(),
    }
    cause = replace(cause, reason=attention.message, details=details)
    waiting = replace(with_problem(operation, attention), dispatch=dispatch)
    is_event = _is_event(operation, dispatch.attempts, error)
    return note(waiting, cause) if is_event else touched(waiting, cause.now)


def _is_event(operation: Operation, attempt: int, error: str) -> bool:
    """Whether a failed attempt gets a history line: if the error is new, and for attempts 1, 2, 4, 8, ...

    Otherwise an outage of one day would write thousands of lines per operation. The attention counts all attempts.
    """
    known = problem_of(operation)
    return known is None or not known.message.endswith(clean_text(error)) or attempt & (attempt - 1) == 0


def dispatched(
    operation: Operation,
    *,
    follow_up_at: datetime,
    now: datetime,
    first_run_id: str | None = None,
    calls_back: bool = False,
) -> Change:
    """Records that the engine accepted the start. The follow-up is due at `follow_up_at`, or now if a cancellation
    request waits for delivery or another operation takes the workflow id.

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
        without_problem(operation),
        dispatch=replace(operation.dispatch, due_at=None, done_at=now, calls_back=calls_back),
        follow_up=FollowUp(due_at=now if operation.to_be_ended else follow_up_at),
        verification=first_verification(now),
    )
    return touched(started, now)


def callback_attached(operation: Operation) -> Change:
    """Records that the engine sends a callback when the execution closes. The first question to the engine is dropped
    if the operation runs, and nothing else needs the answer."""
    if operation.done or operation.dispatch.calls_back:
        return Change(operation)
    attached = replace(operation, dispatch=replace(operation.dispatch, calls_back=True))
    waits = operation.reported or operation.cancel_request or operation.superseded_by or operation.follow_up.attempts
    if operation.status is OperationStatus.RUNNING and not waits:
        attached = replace(attached, follow_up=FollowUp())
    return Change(attached)


def with_first_run_id(operation: Operation, first_run_id: str | None) -> Change:
    """Records the id of the chain's first run. No change if the id is known or the operation is done."""
    if operation.done or first_run_id is None or operation.first_run_id is not None:
        return Change(operation)
    return Change(replace(operation, first_run_id=first_run_id))


def postpone_start(operation: Operation, *, until: datetime) -> Change:
    """Postpones the start; the dispatcher claims the operation again at `until`."""
    return Change(replace(operation, dispatch=replace(operation.dispatch, due_at=until)))


def checked(operation: Operation, workflow_id: str, now: datetime) -> Change:
    """Records that an operation that was submitted in SQL is valid, and its workflow id; empty: the operation's id."""
    return touched(replace(operation, unchecked=False, workflow_id=workflow_id), now)


def start_again(operation: Operation, cause: Cause) -> Change:
    """Makes the operation due for dispatch again, because the engine does not know the execution that it accepted.

    The next start creates another chain. A cancellation request has to be delivered to it again.
    """
    dispatch = replace(operation.dispatch, due_at=cause.now, done_at=None)
    request = operation.cancel_request and replace(operation.cancel_request, delivered_at=None)
    restarted = replace(without_problem(operation), dispatch=dispatch, cancel_request=request, first_run_id=None)
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


def cancel_with_parent(child: Operation, parent: Operation, now: datetime) -> Change:
    """Stores a cancellation request that names the parent and its request; with `force` if that has it.

    Nothing changes if the child is done, or if others have started it: Temporal passes cancellations on to child
    workflows. Nothing changes, either, if the child was accepted after the engine had the parent's request: its
    workflow may have submitted the child to clean up.
    """
    request = parent.cancel_request
    if request is None or child.done or child.origin is not Origin.LEDGER or child.tenant != parent.tenant:
        return Change(child)
    if request.delivered_at is not None and child.accepted_at > request.delivered_at:
        return Change(child)
    reason = f"parent operation {parent.id} was {'terminated' if request.force else 'cancelled'}"
    reason = f"{reason}: {request.reason}" if request.reason else reason
    cause = Cause(Source.CLIENT, reason, now, actor=request.by)
    return request_cancel(child, reason=reason, force=request.force, cause=cause)


def claim_extended(parent: Operation, claimed: datetime | None, until: datetime) -> Change:
    """Extends the claim of the operation whose request is being passed on. No change if another claim, or a new request
    of a client, has replaced it."""
    if parent.cancel_children_due_at != claimed:
        return Change(parent)
    return Change(replace(parent, cancel_children_due_at=until))


def passed_on(parent: Operation, claimed: datetime | None) -> Change:
    """Records that all children have the request, unless the claim was replaced."""
    if parent.cancel_children_due_at != claimed:
        return Change(parent)
    return Change(replace(parent, cancel_children_due_at=None))


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
