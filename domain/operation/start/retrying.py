"""How an operation that is done is retried: by a new operation with its input, or a changed one."""

import json
from dataclasses import replace
from uuid import UUID

from domain.operation.lifecycle import note
from domain.operation.operation import MISSING, Cause, Change, Operation
from domain.operation.preconditions import check_done


def retried(operation: Operation, by: UUID, cause: Cause) -> Change:
    """Records the operation that retries this one. Raises OperationNotDone."""
    check_done(operation)
    return note(replace(operation, retried_by=by), replace(cause, reason=f"retried by operation {by}"))


def is_same_retry(one: Operation, other: Operation) -> bool:
    """Whether two retries of one operation ask for the same, whatever the times of their starts."""
    return _text(one) == _text(other)


def _text(operation: Operation) -> str:
    """In Python, unlike in JSON, 1 equals true and 1.0."""
    value = [] if operation.input is MISSING else [operation.input]
    return json.dumps([value, dict(operation.labels)], sort_keys=True)
