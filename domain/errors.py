"""The one error root; each error's docstring is its default message."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a request body."""

    message: str
    pointer: str
    """Where, as an RFC 6901 JSON pointer into the body."""


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
    """The operation is not at the version that the request is about."""


class InvalidInput(OpledgerError):
    """The request does not fit its rules."""

    def __init__(self, message: str | None = None, *, pointer: str = "", more: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults: tuple[Fault, ...] = (Fault(str(self), pointer), *more)
        """Every error that was found; the first is the message."""

    @property
    def pointer(self) -> str:
        """Where the first error is."""
        return self.faults[0].pointer


class UnknownOperationType(InvalidInput):
    """There is no such operation type."""

    def __init__(self, message: str | None = None, *, more: Sequence[Fault] = ()) -> None:
        super().__init__(message, pointer="/type", more=more)


class IdempotencyKeyReused(OpledgerError):
    """The idempotency key was used before with another request."""


class StartupError(OpledgerError):
    """opledger could not start."""
