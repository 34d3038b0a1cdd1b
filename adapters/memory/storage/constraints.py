"""The database's constraints, so that the fakes refuse what the database refuses."""

from collections.abc import Callable
from dataclasses import replace

from domain.errors import InvalidInput, InvalidTransition
from domain.json_value import clean_text
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation import Operation
from domain.operation.operation_error import BEFORE_START
from domain.operation.status import OperationStatus

MAX_NAME = 255


def check_row(operation: Operation) -> None:
    """Raises InvalidTransition, which names the violated rule, or InvalidInput for a client's value."""
    for name in (operation.tenant, operation.type):
        check_name(name)
    check_text(operation.workflow_id)
    for text in (*operation.labels, *operation.labels.values()):
        check_text(text)
    fraction = operation.progress.fraction if operation.progress else None
    if fraction is not None and not 0 <= fraction <= 1:
        raise InvalidInput("the fraction of a progress is between 0 and 1")
    for rule, holds in _RULES.items():
        if not holds(operation):
            raise InvalidTransition(f"operation {operation.id} violates {rule}")


def check_name(text: str) -> None:
    """Raises InvalidInput: the database refuses this tenant, type or key."""
    check_text(text)
    if not 1 <= len(text) <= MAX_NAME:
        raise InvalidInput(f"a tenant, type or key has 1 to {MAX_NAME} characters")


def check_text(text: str) -> None:
    """Raises InvalidInput: the database cannot hold the text unchanged."""
    if clean_text(text, limit=len(text)) != text:
        raise InvalidInput(f"{text!r} has a NUL or half a surrogate pair in it")


def check_successor(stored: Operation, changed: Operation) -> None:
    """Raises InvalidTransition: the stored row is final, and more than its attention, the acknowledgement of that, its
    retry, whether it is kept, and internal work changes."""
    kept = replace(
        changed,
        attention=stored.attention,
        acknowledged=stored.acknowledged,
        cancel_children_due_at=stored.cancel_children_due_at,
        keep=stored.keep,
        retried_by=stored.retried_by,
        updated_at=stored.updated_at,
        revision=stored.revision,
        version=stored.version,
        history_length=stored.history_length,
    )
    if stored.done and kept != stored:
        raise InvalidTransition(f"operation {stored.id} is {stored.status}, which is final")


def _accepted_is_due_or_dispatched(row: Operation) -> bool:
    due = row.dispatch.due_at is not None
    if row.status is OperationStatus.ACCEPTED:
        return due != (row.dispatch.done_at is not None)
    return not due


def _failed_before_start_for_a_reason(row: Operation) -> bool:
    return row.started_at is not None or row.error is None or row.error.code in BEFORE_START


def _nothing_due_when_done(row: Operation) -> bool:
    due = (row.dispatch.due_at, row.follow_up.due_at, row.verification.due_at)
    return not row.done or due == (None, None, None)


def _unfinished_is_verified(row: Operation) -> bool:
    return (row.verification.due_at is not None) == (row.dispatch.done_at is not None and not row.done)


def _times_in_order(operation: Operation) -> bool:
    times = [operation.accepted_at, operation.started_at, operation.finished_at]
    known = [time for time in times if time is not None]
    return known == sorted(known) and operation.updated_at >= operation.accepted_at


_RULES: dict[str, Callable[[Operation], bool]] = {
    "error_iff_failed": lambda row: (row.error is not None) == (row.status is OperationStatus.FAILED),
    "result_only_if_completed": lambda row: row.result is None or row.status is OperationStatus.COMPLETED,
    "finished_iff_done": lambda row: (row.finished_at is not None) == row.done,
    "accepted_has_not_started": lambda row: row.status is not OperationStatus.ACCEPTED or row.started_at is None,
    "running_has_started": lambda row: row.status is not OperationStatus.RUNNING or row.started_at is not None,
    "completed_has_started": lambda row: row.status is not OperationStatus.COMPLETED or row.started_at is not None,
    "failed_before_start_for_a_reason": _failed_before_start_for_a_reason,
    "times_in_order": _times_in_order,
    "start_after_acceptance": lambda row: row.start_at is None or row.start_at > row.accepted_at,
    "retried_when_done": lambda row: row.retried_by is None or row.done,
    "accepted_is_due_or_dispatched": _accepted_is_due_or_dispatched,
    "attempts_not_negative": lambda row: row.dispatch.attempts >= 0 and row.follow_up.attempts >= 0,
    "nothing_due_when_done": _nothing_due_when_done,
    "unfinished_is_verified": _unfinished_is_verified,
    "children_of_a_request": lambda row: row.cancel_request is not None or row.cancel_children_due_at is None,
    "workflow_id_length": lambda row: 1 <= len(row.workflow_id.encode()) <= MAX_WORKFLOW_ID,
    "version_positive": lambda row: row.version >= 1,
    "revision_positive": lambda row: row.revision >= 1,
}
