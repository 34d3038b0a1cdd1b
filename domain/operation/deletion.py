"""When an operation may be removed from the ledger."""

from domain.errors import OperationNotDone
from domain.operation.operation import Operation


def check_done(operation: Operation) -> None:
    """Raises OperationNotDone: the row of what still runs, or is still to be started, is what everybody relies on."""
    if not operation.done:
        raise OperationNotDone(f"the operation is {operation.status}: cancel it, or wait until it is done")
