"""Passes cancellation requests on to the children that the ledger has started."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from application.batching.claim_loop import LEASE, ClaimLoop
from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.operation.follow_up import cancel_with_parent, claim_extended, passed_on
from domain.operation.operation import Operation

PAGE: Final = 100
"""Children that are read, and then cancelled together."""


class CancelChildren:
    """Claims operations whose request is to be passed on. Any number of processes compete.

    A repeat changes nothing, so that a process which crashes is followed by another. A child that gets a request passes
    it on in its turn.
    """

    def __init__(self, units: UnitOfWorkFactory, changes: GroupCommit, clock: Clock) -> None:
        self._units = units
        self._changes = changes
        self._clock = clock

    def claim_loop(self) -> ClaimLoop:
        """Returns a loop that passes requests on."""
        return ClaimLoop(self._units, self._claim, self._pass_on)

    async def _claim(self, unit: UnitOfWork, limit: int) -> list[Operation]:
        return await unit.operations.claim_due_cancellations(self._clock.now(), LEASE, limit)

    async def _pass_on(self, parent: Operation) -> bool:
        """Returns True: the engine is not asked. Most parents have no open children: the claim has cleared their due
        time."""
        if parent.cancel_children_due_at is None:
            return True
        claimed, page = parent.cancel_children_due_at, await self._children(parent)
        while page:
            await self._cancel_all(page, parent)
            if len(page) < PAGE:
                break
            claimed = await self._extend_claim(parent, claimed)
            page = await self._children(parent, page[-1])
        await self._changes.change(parent.id, lambda row: passed_on(row, claimed))
        return True

    async def _children(self, parent: Operation, last: Operation | None = None) -> Sequence[Operation]:
        async with self._units() as unit:
            after = None if last is None else last.id
            return await unit.operations.open_children(parent.id, PAGE, after=after)

    async def _cancel_all(self, children: Sequence[Operation], parent: Operation) -> None:
        """Raises the first error after all were tried."""
        now = self._clock.now()
        tried = await asyncio.gather(
            *(self._changes.change(child.id, lambda row: cancel_with_parent(row, parent, now)) for child in children),
            return_exceptions=True,
        )
        for result in tried:
            if isinstance(result, BaseException):
                raise result

    async def _extend_claim(self, parent: Operation, claimed: datetime | None) -> datetime:
        until = self._clock.now() + LEASE
        await self._changes.change(parent.id, lambda row: claim_extended(row, claimed, until))
        return until
