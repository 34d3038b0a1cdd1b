"""Stores cancellation requests. The worker delivers them to the engine."""

from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import Decide
from application.ports.clock import Clock
from domain.errors import OperationNotFound
from domain.operation.lifecycle import request_cancel
from domain.operation.operation import Cause, Change, Operation
from domain.operation.preconditions import ExpectedVersion, check_version
from domain.operation.transition import Source


class CancelOperation:
    """Works while the engine is down: the request is delivered later, once."""

    def __init__(self, changes: GroupCommit, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock

    async def cancel(
        self,
        tenant: str,
        operation_id: UUID,
        *,
        reason: str | None,
        force: bool,
        actor: str | None = None,
        expected: ExpectedVersion = None,
    ) -> Operation:
        """Requests the cancellation, or with `force` the termination, of an operation, and returns the operation.

        Raises OperationNotFound, OperationAlreadyDone, VersionMismatch.
        """

        decide = self.decision(tenant, reason=reason, force=force, actor=actor, expected=expected)
        outcome = await self._changes.change(operation_id, decide)
        if outcome is None:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return outcome.operation

    def decision(
        self, tenant: str, *, reason: str | None, force: bool, actor: str | None, expected: ExpectedVersion = None
    ) -> Decide:
        """Returns what `cancel` makes of an operation of any tenant. It raises as `cancel` does."""

        def decide(operation: Operation) -> Change | None:
            if operation.tenant != tenant:
                raise OperationNotFound(f"there is no operation {operation.id}")
            words = "termination requested" if force else "cancellation requested"
            cause = Cause(Source.CLIENT, f"{words}: {reason}" if reason else words, self._clock.now(), actor=actor)
            change = request_cancel(operation, reason=reason, force=force, cause=cause)
            check_version(operation, expected)
            return change

        return decide
