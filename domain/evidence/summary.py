"""Operation summary: the fields that reconciliation compares with the engine's index."""

from dataclasses import dataclass
from uuid import UUID

from domain.evidence.divergence import same_outcome
from domain.evidence.observation import CLOSED, ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus


@dataclass(frozen=True, slots=True)
class OperationSummary:
    """Status, outcome and attention of an operation."""

    id: UUID
    status: OperationStatus
    error_code: ErrorCode | None
    attention: AttentionKind | None
    workflow_id: str
    first_run_id: str | None = None
    version: int = 1

    @classmethod
    def of(cls, operation: Operation) -> "OperationSummary":
        """Returns the summary of the operation."""
        return cls(
            operation.id,
            operation.status,
            None if operation.error is None else operation.error.code,
            None if operation.attention is None else operation.attention.kind,
            operation.workflow_id,
            operation.first_run_id,
            operation.version,
        )

    @property
    def chain(self) -> Chain:
        """The workflow chain of the operation."""
        return Chain(self.id, self.workflow_id, self.first_run_id)

    def needs_observation(self, listed: ExecutionState) -> bool:
        """Whether the state in the index is a reason to ask the engine about the operation.

        The index can be seconds old, so the ledger never applies its state.
        """
        if not self.status.done:
            return listed in CLOSED
        diverged = self.attention is AttentionKind.DIVERGED
        if listed not in CLOSED:
            return not diverged
        return diverged or not same_outcome(self.status, self.error_code, listed)
