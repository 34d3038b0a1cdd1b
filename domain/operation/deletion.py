"""Precondition for deleting an operation."""

from domain.errors import OperationNotDone
from domain.operation.operation import Operation


def check_done(operation: Operation) -> None:
    """Raises OperationNotDone unless the operation is done: the ledger must keep the row of an open operation."""
    if not operation.done:
        raise OperationNotDone(f"the operation is {operation.status}: cancel it, or wait until it is done")
