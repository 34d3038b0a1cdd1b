"""Preconditions of requests on an operation: its version, and that it is done."""

from domain.errors import OperationNotDone, VersionMismatch
from domain.operation.operation import Operation

ExpectedVersion = frozenset[int] | None
"""The operation must have one of these versions. None: any version."""


def check_version(operation: Operation, expected: ExpectedVersion) -> None:
    """Raises VersionMismatch, with the operation's current version."""
    if expected is not None and operation.version not in expected:
        raise VersionMismatch(f"the operation is at version {operation.version}")


def check_done(operation: Operation) -> None:
    """Raises OperationNotDone unless the operation is done."""
    if not operation.done:
        raise not_done(operation)


def not_done(operation: Operation) -> OperationNotDone:
    """Returns the error for an operation that is open."""
    return OperationNotDone(f"the operation is {operation.status}: cancel it, or wait until it is done")
