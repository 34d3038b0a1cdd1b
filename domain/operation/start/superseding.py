"""How an operation gives its workflow id up to a later one."""

from dataclasses import replace
from uuid import UUID

from domain.operation.lifecycle import fail, note
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import FollowUp


def supersede(operation: Operation, successor: UUID, cause: Cause) -> Change:
    """Records that the successor takes the workflow id of an open operation.

    Before the first dispatch attempt the operation becomes FAILED with TERMINATED at once. Later it stays open until
    the engine shows its end, and the follow-up, due now, terminates its execution. An operation that was superseded
    before keeps its follow-up and names the new successor.
    """
    if operation.done or operation.superseded_by == successor:
        return Change(operation)
    words = f"superseded by operation {successor}"
    superseded = note(replace(operation, superseded_by=successor), replace(cause, reason=words))
    if operation.status is OperationStatus.ACCEPTED and operation.dispatch.attempts == 0:
        return superseded.then(end_superseded(superseded.operation, cause))
    if operation.dispatch.done_at is None:
        return superseded
    return Change(replace(superseded.operation, follow_up=FollowUp(due_at=cause.now)), superseded.transitions)


def keep_workflow_id(operation: Operation, successor: UUID, cause: Cause) -> Change:
    """Records that the successor does not take the workflow id of an open operation."""
    if operation.done or operation.superseded_by != successor:
        return Change(operation)
    words = f"operation {successor} does not take the workflow id"
    return note(replace(operation, superseded_by=None), replace(cause, reason=words))


def end_superseded(operation: Operation, cause: Cause) -> Change:
    """Fails a superseded operation that no worker has run."""
    error = OperationError(ErrorCode.TERMINATED, f"superseded by operation {operation.superseded_by}")
    return fail(operation, named(error, operation), replace(cause, reason="superseded before it was started"))


def named(error: OperationError, operation: Operation) -> OperationError:
    """Returns the error with the operation's successor in its details, if the operation was terminated and has one."""
    if operation.superseded_by is None or error.code is not ErrorCode.TERMINATED:
        return error
    return replace(error, details={**error.details, "superseded_by": str(operation.superseded_by)})
