"""Acknowledges the attention of operations."""

from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import Decide, UpdateResult
from application.ports.clock import Clock
from domain.errors import OperationNotFound
from domain.operation.acknowledging import acknowledge
from domain.operation.operation import Cause, Change, Operation
from domain.operation.preconditions import ExpectedVersion, check_version
from domain.operation.transition import Source


class AcknowledgeOperation:
    """A repeat changes nothing."""

    def __init__(self, changes: GroupCommit, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock

    async def acknowledge(
        self,
        tenant: str,
        operation_id: UUID,
        *,
        reason: str | None,
        actor: str | None = None,
        expected: ExpectedVersion = None,
    ) -> UpdateResult:
        """Clears the attention of an operation until a new problem occurs. Raises OperationNotFound,
        VersionMismatch."""

        decide = self.decision(tenant, reason=reason, actor=actor, expected=expected)
        outcome = await self._changes.change(operation_id, decide)
        if outcome is None:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return outcome

    def decision(
        self, tenant: str, *, reason: str | None, actor: str | None, expected: ExpectedVersion = None
    ) -> Decide:
        """Returns what `acknowledge` makes of an operation of any tenant. It raises as `acknowledge` does."""

        def decide(operation: Operation) -> Change | None:
            if operation.tenant != tenant:
                raise OperationNotFound(f"there is no operation {operation.id}")
            check_version(operation, expected)
            return acknowledge(operation, reason, Cause(Source.CLIENT, "", self._clock.now(), actor=actor))

        return decide
