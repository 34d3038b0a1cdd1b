"""Which version of an operation a change is meant for."""

from domain.errors import VersionMismatch
from domain.operation.operation import Operation

ExpectedVersion = frozenset[int] | None
"""Any of these; None: whichever it is."""


def check_version(operation: Operation, expected: ExpectedVersion) -> None:
    """Raises VersionMismatch, which says at which version the operation is."""
    if expected is not None and operation.version not in expected:
        raise VersionMismatch(f"the operation is at version {operation.version}")
