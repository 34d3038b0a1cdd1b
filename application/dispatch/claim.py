"""The claim of a dispatcher: whether it is still valid, and changes under it."""

from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import Decide
from domain.operation.operation import Operation
from domain.operation.status import OperationStatus


def still_claimed(current: Operation, claimed: Operation) -> bool:
    """Returns whether the claim is still valid: no other process has started or claimed the operation since."""
    return (
        current.status is OperationStatus.ACCEPTED
        and current.dispatch.done_at is None
        and current.dispatch.attempts == claimed.dispatch.attempts
    )


async def change_claimed(changes: GroupCommit, claimed: Operation, decide: Decide) -> None:
    """Applies what `decide` makes of the operation, unless the claim is no longer valid."""
    await changes.change(claimed.id, lambda row: decide(row) if still_claimed(row, claimed) else None)
