"""Base class of all errors. The docstring of each error is its default message."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Violation:
    """One error in a request body."""

    message: str
    pointer: str
    """Location in the body, as a JSON pointer (RFC 6901)."""


class OpledgerError(Exception):
    """Something went wrong in opledger."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class OperationNotFound(OpledgerError):
    """There is no such operation."""


class InvalidTransition(OpledgerError):
    """The state machine does not allow this change."""


class OperationAlreadyDone(OpledgerError):
    """The operation is done already."""


class NoAttention(OpledgerError):
    """The operation needs no attention."""


class OperationNotDone(OpledgerError):
    """The operation is not done yet."""


class Conflict(OpledgerError):
    """Another operation is in the way."""

    def __init__(self, operation_id: UUID | None = None) -> None:
        super().__init__()
        self.operation_id = operation_id
        """The other operation; None if it belongs to another tenant."""


class OperationAlreadyRetried(Conflict):
    """Another operation has retried this one, with other values."""


class WorkflowIdConflict(Conflict):
    """Another operation has the workflow id."""


class WorkflowIdInUse(WorkflowIdConflict):
    """An open operation has the workflow id."""


class WorkflowIdUsed(WorkflowIdConflict):
    """An operation that is done had the workflow id, and the operation type does not allow to use it again."""


class VersionMismatch(OpledgerError):
    """The operation is not at the version that the request names."""


class InvalidInput(OpledgerError):
    """The request breaks a rule."""

    def __init__(self, message: str | None = None, *, pointer: str = "", more: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.violations: tuple[Violation, ...] = (Violation(str(self), pointer), *more)
        """All errors found. The first one is the message."""

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> "InvalidInput":
        """Returns the error for one or more violations."""
        return cls(violations[0].message, pointer=violations[0].pointer, more=violations[1:])

    def with_violations(self, violations: Sequence[Violation]) -> "InvalidInput":
        """Returns an error of the same class with these violations, one or more."""
        error = type(self)(violations[0].message)
        error.violations = (*violations,)
        return error

    @property
    def pointer(self) -> str:
        """Location of the first error."""
        return self.violations[0].pointer


class UnknownOperationType(InvalidInput):
    """There is no such operation type."""

    def __init__(self, message: str | None = None, *, more: Sequence[Violation] = ()) -> None:
        super().__init__(message, pointer="/type", more=more)


class IdempotencyKeyReused(OpledgerError):
    """The idempotency key was already used with another request."""


class StartupError(OpledgerError):
    """opledger could not start."""
