"""The four states of an operation and the moves between them."""

from enum import StrEnum


class OperationStatus(StrEnum):
    """How an operation stands. Cancellation, termination and time-out are FAILED with an error code."""

    ACCEPTED = "ACCEPTED"
    """Durably recorded; its execution is not in progress yet."""
    RUNNING = "RUNNING"
    """A worker has taken its execution up."""
    COMPLETED = "COMPLETED"
    """Done, with a result. Final."""
    FAILED = "FAILED"
    """Done, with an error. Final."""

    @property
    def done(self) -> bool:
        """Whether the state is final."""
        return self in _FINAL

    def may_become(self, other: "OperationStatus") -> bool:
        """Whether the state machine has the move. ACCEPTED to FAILED has a further rule, see `lifecycle.fail`."""
        return other in _MOVES[self]


_FINAL = frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED})
_MOVES = {
    OperationStatus.ACCEPTED: frozenset({OperationStatus.RUNNING, OperationStatus.FAILED}),
    OperationStatus.RUNNING: frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED}),
    OperationStatus.COMPLETED: frozenset[OperationStatus](),
    OperationStatus.FAILED: frozenset[OperationStatus](),
}
