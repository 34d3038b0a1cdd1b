"""Checks the operations that submissions name as their parents."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from application.submit.submission import Submission
from domain.errors import InvalidInput
from domain.operation.operation import Change, Operation


def named_parents(submissions: Sequence[Submission]) -> set[UUID]:
    """Returns the ids of the named parents."""
    return {submission.parent_id for submission in submissions if submission.parent_id is not None}


def without_parent(changes: Sequence[Change], stored: Mapping[UUID, Operation]) -> dict[UUID, InvalidInput]:
    """Returns, by the id of each new operation that names a parent which is none of its tenant's stored operations, why
    it is refused. A parent of another tenant is refused with the same error as a missing one."""
    refused = {}
    for operation in (change.operation for change in changes):
        parent = None if operation.parent_id is None else stored.get(operation.parent_id)
        if operation.parent_id is not None and (parent is None or parent.tenant != operation.tenant):
            message = f"there is no operation {operation.parent_id}"
            refused[operation.id] = InvalidInput(message, pointer="/parent_id")
    return refused
