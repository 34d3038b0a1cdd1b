"""The one error root; each error's docstring is its default message."""


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


class UnknownOperationType(OpledgerError):
    """There is no such operation type."""


class InvalidInput(OpledgerError):
    """The request does not fit its rules."""

    def __init__(self, message: str | None = None, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer
        """Where in the request body, as an RFC 6901 JSON pointer."""


class IdempotencyKeyReused(OpledgerError):
    """The idempotency key was used before with another request."""


class StartupError(OpledgerError):
    """opledger could not start."""
