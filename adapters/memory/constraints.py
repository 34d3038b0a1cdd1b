"""The rules that the database's constraints state, so that the fakes refuse what it refuses."""

from collections.abc import Callable

from domain.errors import InvalidTransition
from domain.operation import Operation
from domain.status import OperationStatus


def check_row(operation: Operation) -> None:
    """Raises InvalidTransition, which names the rule."""
    for rule, holds in _RULES.items():
        if not holds(operation):
            raise InvalidTransition(f"operation {operation.id} violates {rule}")


def check_successor(stored: Operation, changed: Operation) -> None:
    """Raises InvalidTransition where the stored row is final and the changed one has another status."""
    if stored.done and changed.status is not stored.status:
        raise InvalidTransition(f"operation {stored.id} is {stored.status}, which is final")


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
    "times_in_order": _times_in_order,
    "nothing_due_when_done": lambda row: not row.done or (row.dispatch.due_at is None and row.follow_up.due_at is None),
    "version_positive": lambda row: row.version >= 1,
}
