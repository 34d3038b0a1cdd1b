"""Keeps operations, so that retention spares them."""

from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from domain.errors import OperationNotFound
from domain.operation.lifecycle import set_keep
from domain.operation.operation import Cause, Change, Operation
from domain.operation.preconditions import ExpectedVersion, check_version
from domain.operation.transition import Source


class KeepOperation:
    """Changes whether retention spares an operation, open or done. A client may delete it all the same."""

    def __init__(self, changes: GroupCommit, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock

    async def keep(
        self,
        tenant: str,
        operation_id: UUID,
        *,
        keep: bool,
        actor: str | None = None,
        expected: ExpectedVersion = None,
    ) -> Operation:
        """Keeps the operation or no longer, and returns it. Raises OperationNotFound, VersionMismatch."""

        def decide(operation: Operation) -> Change | None:
            if operation.tenant != tenant:
                raise OperationNotFound(f"there is no operation {operation_id}")
            check_version(operation, expected)
            words = "kept: retention does not delete it" if keep else "no longer kept"
            return set_keep(operation, keep=keep, cause=Cause(Source.CLIENT, words, self._clock.now(), actor=actor))

        outcome = await self._changes.change(operation_id, decide)
        if outcome is None:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return outcome.operation
