"""Changes of operations that come in at the same time, in one commit."""

from collections.abc import Sequence
from uuid import UUID

from application.batching.batcher import SHUTDOWN_TIMEOUT, WRITES, Batcher, Request, Unsettled, transaction
from application.batching.optimistic_update import Decide, UpdateResult, optimistic_update
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.operation.operation import Change, Operation

_Request = Request[tuple[UUID, Decide], UpdateResult | None]


class GroupCommit:
    """Changes operations, each caller's by compare-and-set. What goes wrong with one concerns no other: what its group
    does not settle, because the row was changed, is held, or is large, or one of the group was refused, its caller does
    alone."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units
        self._batcher = Batcher(transaction(self._commit), WRITES)

    async def change(self, operation_id: UUID, decide: Decide) -> UpdateResult | None:
        """Apply what `decide` makes of the operation; the answer comes after the commit.

        Returns None if there is no such operation. Raises DatabaseUnavailable, after which it is not known whether the
        change is stored; StaleOperation after MAX_TRIES lost races; and whatever `decide` raises.
        """
        try:
            return await self._batcher.submit((operation_id, decide), key=operation_id)
        except Unsettled:
            return await optimistic_update(self._units, operation_id, decide)

    async def close(self, within: float = SHUTDOWN_TIMEOUT) -> None:
        """As Batcher.close."""
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
    """What is to be stored. Where that is nothing, the caller has its answer."""
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
