"""Changes of operations that come in at the same time, in one commit."""

from collections.abc import Sequence
from uuid import UUID

from application.batching.batcher import LAST_ONES, Grouping, Request, Unsettled
from application.batching.optimistic_update import Decide, Outcome, change_operation, outcome_of
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.operation.operation import Change, Operation

_Request = Request[UUID, Decide, Outcome | None]


class GroupCommit:
    """Changes operations, each caller's by compare-and-set. What goes wrong with one concerns no other: what its group
    does not settle, because the row was changed, is held, or is large, or one of the group was refused, its caller does
    alone."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units
        self._grouping: Grouping[UUID, Decide, Outcome | None] = Grouping(self._commit)

    async def change(self, operation_id: UUID, decide: Decide) -> Outcome | None:
        """Apply what `decide` makes of the operation; the answer comes after the commit.

        Returns None if there is no such operation. Raises DatabaseUnavailable, after which it is not known whether the
        change is stored; StaleOperation after MAX_TRIES lost races; and whatever `decide` raises.
        """
        try:
            return await self._grouping.ask(operation_id, decide)
        except Unsettled:
            return await change_operation(self._units, operation_id, decide)

    async def close(self, within: float = LAST_ONES) -> None:
        """As Grouping's."""
        await self._grouping.close(within)

    async def _commit(self, requests: Sequence[_Request]) -> None:
        by_id = {request.key: request for request in requests}
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
            by_id[operation_id].tell(outcome_of(found[operation_id], changes[operation_id], operation))


def _decided(request: _Request, operation: Operation | None) -> Change | None:
    """What is to be stored. Where that is nothing, the caller has its answer."""
    if operation is None:
        request.tell(None)
        return None
    try:
        change = request.question(operation)
    except Exception as error:
        request.fail(error)
        return None
    if change is None or change.operation is operation:
        request.tell(Outcome(operation, changed=False))
        return None
    return change
