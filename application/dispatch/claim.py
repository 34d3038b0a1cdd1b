"""Tells whether a dispatcher's claim is still valid."""

from domain.operation.operation import Operation
from domain.operation.status import OperationStatus


def still_claimed(current: Operation, claimed: Operation) -> bool:
    """Returns whether the claim is still valid: no other process has started or claimed the operation since."""
    return (
        current.status is OperationStatus.ACCEPTED
        and current.dispatch.done_at is None
        and current.dispatch.attempts == claimed.dispatch.attempts
    )
