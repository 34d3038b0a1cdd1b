"""Commits concurrent changes of operations in one transaction."""

from collections.abc import Sequence
from uuid import UUID

from application.batching.batcher import SHUTDOWN_TIMEOUT, WRITES, Batcher, Request, Unsettled, transaction
from application.batching.optimistic_update import Decide, UpdateResult, optimistic_update
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.operation.operation import Change, Operation

_Request = Request[tuple[UUID, Decide], UpdateResult | None]


class GroupCommit:
    """Optimistic updates of many callers in one transaction.

    A caller is not affected by the others: where the batch leaves its change, because the row was changed, is locked or
    is large, or because another change of the batch was refused, the caller makes it alone.
    """

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units
        self._batcher = Batcher(transaction(self._commit), WRITES)

    async def change(self, operation_id: UUID, decide: Decide) -> UpdateResult | None:
        """Applies what `decide` makes of the operation, and returns after the commit.

        Returns None if the operation does not exist. Raises DatabaseUnavailable, after which it is unknown whether the
        change is stored; StaleOperation after MAX_TRIES conflicts; and whatever `decide` raises.
        """
        try:
            return await self._batcher.submit((operation_id, decide), key=operation_id)
        except Unsettled:
            return await optimistic_update(self._units, operation_id, decide)

    async def close(self, within: float = SHUTDOWN_TIMEOUT) -> None:
        """Waits up to `within` seconds for changes, then rejects those that are left."""
        await self._batcher.close(within)

    async def _commit(self, requests: Sequence[_Request]) -> None:
        by_id = {request.value[0]: request for request in requests}
        async with self._units() as unit:
            found = await unit.operations.get_all(by_id)
            changes = {}
            for operation_id, request in by_id.items():
                change = _decided(request, found.get(operation_id))
                if change is not None:
                    changes[operation_id] = change
            saved = await unit.operations.save_all(list(changes.values()))
            if saved:
                await unit.commit()
        for operation_id, operation in saved.items():
            by_id[operation_id].resolve(UpdateResult.of(found[operation_id], changes[operation_id], operation))


def _decided(request: _Request, operation: Operation | None) -> Change | None:
    """Returns the change to store. If there is none, the request is resolved or rejected."""
    if operation is None:
        request.resolve(None)
        return None
    try:
        change = request.value[1](operation)
    except Exception as error:
        request.reject(error)
        return None
    if change is None or change.operation is operation:
        request.resolve(UpdateResult(operation, changed=False))
        return None
    return change
