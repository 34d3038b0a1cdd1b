"""The four states of an operation, and the state machine."""

from enum import StrEnum


class OperationStatus(StrEnum):
    """Status of an operation. Cancellation, termination and timeout are FAILED with an error code."""

    ACCEPTED = "ACCEPTED"
    """Stored durably. No worker has picked up the execution yet, as far as the ledger knows."""
    RUNNING = "RUNNING"
    """A worker has picked up the execution."""
    COMPLETED = "COMPLETED"
    """Ended with a result. Final."""
    FAILED = "FAILED"
    """Ended with an error. Final."""

    @property
    def done(self) -> bool:
        """Whether the state is final."""
        return self in _FINAL

    def may_become(self, other: "OperationStatus") -> bool:
        """Whether the state machine allows the transition. ACCEPTED to FAILED has a further rule, see
        `lifecycle.fail`."""
        return other in _MOVES[self]


_FINAL = frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED})
_MOVES = {
    OperationStatus.ACCEPTED: frozenset({OperationStatus.RUNNING, OperationStatus.FAILED}),
    OperationStatus.RUNNING: frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED}),
    OperationStatus.COMPLETED: frozenset[OperationStatus](),
    OperationStatus.FAILED: frozenset[OperationStatus](),
}
