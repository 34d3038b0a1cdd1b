"""Checks submissions that retry an operation, and links the operations with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from application.ports.storage.unit_of_work import UnitOfWork
from application.submit.submission import Submission, as_accepted
from application.submit.workflow_ids import Placed
from domain.errors import OperationAlreadyRetried, OperationNotFound, OpledgerError, WorkflowIdInUse
from domain.operation.operation import Cause, Change, Operation
from domain.operation.preconditions import not_done
from domain.operation.start.retrying import is_same_retry, retried
from domain.operation.transition import Source


@dataclass(slots=True)
class Retries:
    """Outcome of the new operations that retry others."""

    existing: dict[UUID, Operation] = field(default_factory=dict)
    """The operation that makes the same retry, which is stored or new, by the id of the operation that is not made."""
    refused: dict[UUID, OpledgerError] = field(default_factory=dict)
    """Why an operation is not made, by its id."""
    asked: set[UUID] = field(default_factory=set)
    """Ids of all new operations that retry others."""

    def repeat(self, row: Operation, former: Operation) -> None:
        """Answers with the retry before it, unless that one has other values."""
        if is_same_retry(row, former):
            self.existing[row.id] = as_accepted(former)
        else:
            self.refused[row.id] = OperationAlreadyRetried(former.id)

    @property
    def left_out(self) -> set[UUID]:
        """Ids of the operations that are not made."""
        return {*self.existing, *self.refused}


def retried_operations(submissions: Sequence[Submission]) -> set[UUID]:
    """Returns the ids of the operations that are retried."""
    return {submission.retry_of for submission in submissions if submission.retry_of is not None}


async def check_retries(unit: UnitOfWork, changes: Sequence[Change], stored: Mapping[UUID, Operation]) -> Retries:
    """Decides about each new operation that retries another one. An operation is retried once: the same retry again
    gets the first answer. `stored`: the retried operations, as far as they exist."""
    retries = Retries()
    pairs = [(row, stored.get(row.retry_of)) for row in (change.operation for change in changes) if row.retry_of]
    retries.asked = {row.id for row, _ in pairs}
    earlier = {former.retried_by for _, former in pairs if former is not None and former.retried_by is not None}
    known = await unit.operations.get_all(earlier) if earlier else {}
    first: dict[UUID, Operation] = {}
    for row, former in pairs:
        if former is None or former.tenant != row.tenant:
            retries.refused[row.id] = OperationNotFound(f"there is no operation {row.retry_of}")
        elif not former.done:
            retries.refused[row.id] = not_done(former)
        elif former.retried_by in known:
            retries.repeat(row, known[former.retried_by])
        elif first.setdefault(former.id, row) is not row:
            retries.repeat(row, first[former.id])
    return retries


def link_retries(retries: Retries, placed: Placed, stored: Mapping[UUID, Operation]) -> None:
    """Adds what `check_retries` found to what is stored, and names each retry in the operation that it retries.

    A retry makes an operation or is refused. An open operation that has the workflow id is no answer, whatever the type
    says: it retries another operation, or none.
    """
    placed.refused.update(retries.refused)
    for made in [made for made in placed.existing if made in retries.asked]:
        placed.refused[made] = WorkflowIdInUse(placed.existing.pop(made).id)
    for repeat, first in retries.existing.items():
        if first.id in placed.refused:
            placed.refused[repeat] = placed.refused[first.id]
        else:
            placed.existing[repeat] = first
    for change in placed.made.values():
        new, line = change.operation, change.transitions[0]
        if new.retry_of is not None:
            cause = Cause(Source.CLIENT, "", line.at, actor=line.actor)
            placed.changed[new.retry_of] = retried(stored[new.retry_of], new.id, cause)
