"""Claims operations whose work is due, and stores when it is due next, in memory."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from adapters.memory.storage.constraints import check_row
from adapters.memory.storage.locks import HeldLocks
from adapters.memory.storage.tables import Draft
from application.ports.clock import Clock
from domain.operation.operation import Operation
from domain.scheduling.schedule import DueWork, FollowUp, Verification

_DUE_AT: Final[Mapping[DueWork, Callable[[Operation], datetime | None]]] = {
    DueWork.DISPATCH: lambda row: row.dispatch.due_at,
    DueWork.FOLLOW_UP: lambda row: row.follow_up.due_at,
    DueWork.CANCEL_CHILDREN: lambda row: row.cancel_children_due_at,
}


class MemoryClaims:
    """The claims of the repository. `claim_...` skips operations that another unit of work holds."""

    def __init__(self, draft: Draft, locks: HeldLocks, clock: Clock) -> None:
        """`clock` is the database's."""
        self._draft = draft
        self._locks = locks
        self._clock = clock

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            attempts = row.dispatch.attempts + 1
            dispatch = replace(row.dispatch, due_at=now + lease, attempts=attempts)
            return replace(row, dispatch=dispatch, revision=row.revision + 1)

        def due_at(row: Operation) -> datetime | None:
            early = row.start_at is not None and row.start_at > true_now
            return None if early else row.dispatch.due_at

        true_now = self._clock.now()

        return await self._claim(due_at, now, limit, claimed)

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            return replace(row, follow_up=replace(row.follow_up, due_at=now + lease))

        return await self._claim(_DUE_AT[DueWork.FOLLOW_UP], now, limit, claimed)

    async def any_due(self, kind: DueWork, since: datetime) -> bool:
        times = map(_DUE_AT[kind], self._draft.operations.values())
        return any(due_at is not None and due_at <= since for due_at in times)

    async def set_follow_up(self, operation: Operation, follow_up: FollowUp) -> None:
        await self._locks.take(operation.id)
        stored = self._draft.operations.get(operation.id)
        if stored is not None and stored.follow_up.due_at == operation.follow_up.due_at and not stored.done:
            self._draft.operations[stored.id] = replace(stored, follow_up=follow_up)

    async def claim_due_cancellations(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            open_child = any(child.parent_id == row.id and not child.done for child in rows)
            return replace(row, cancel_children_due_at=now + lease if open_child else None)

        rows = list(self._draft.operations.values())

        return await self._claim(_DUE_AT[DueWork.CANCEL_CHILDREN], now, limit, claimed)

    async def claim_due_verifications(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            return replace(row, verification=replace(row.verification, due_at=now + lease))

        return await self._claim(lambda row: row.verification.due_at, now, limit, claimed)

    async def set_verified(self, operation_id: UUID, verification: Verification) -> None:
        await self._locks.take(operation_id)
        stored = self._draft.operations.get(operation_id)
        if stored is not None and stored.dispatch.done_at is not None and not stored.done:
            verified = replace(stored, verification=verification)
            check_row(verified)
            self._draft.operations[operation_id] = verified

    async def _claim(
        self,
        due_at: Callable[[Operation], datetime | None],
        now: datetime,
        limit: int,
        claim: Callable[[Operation], Operation],
    ) -> list[Operation]:
        due = [
            (moment, row.id, row)
            for row in self._draft.operations.values()
            if (moment := due_at(row)) is not None and moment <= now and self._locks.free(row.id)
        ]
        claimed = []
        for _, _, row in sorted(due, key=lambda entry: entry[:2])[:limit]:
            await self._locks.take(row.id)
            claimed.append(claim(row))
        self._draft.operations.update({row.id: row for row in claimed})
        return claimed
