"""Precondition on the version of an operation."""

from domain.errors import VersionMismatch
from domain.operation.operation import Operation

ExpectedVersion = frozenset[int] | None
"""The operation must have one of these versions. None: any version."""


def check_version(operation: Operation, expected: ExpectedVersion) -> None:
    """Raises VersionMismatch, with the operation's current version."""
    if expected is not None and operation.version not in expected:
        raise VersionMismatch(f"the operation is at version {operation.version}")
