"""Base class of all errors. The docstring of each error is its default message."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
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


class OperationNotDone(OpledgerError):
    """The operation is not done yet."""


class VersionMismatch(OpledgerError):
    """The operation is not at the version that the request names."""


class InvalidInput(OpledgerError):
    """The request breaks a rule."""

    def __init__(self, message: str | None = None, *, pointer: str = "", more: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults: tuple[Fault, ...] = (Fault(str(self), pointer), *more)
        """All errors found. The first one is the message."""

    @property
    def pointer(self) -> str:
        """Location of the first error."""
        return self.faults[0].pointer


class UnknownOperationType(InvalidInput):
    """There is no such operation type."""

    def __init__(self, message: str | None = None, *, more: Sequence[Fault] = ()) -> None:
        super().__init__(message, pointer="/type", more=more)


class IdempotencyKeyReused(OpledgerError):
    """The idempotency key was already used with another request."""


class StartupError(OpledgerError):
    """opledger could not start."""
