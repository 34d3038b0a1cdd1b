"""Leases of periodic work, in memory."""

from dataclasses import replace
from datetime import datetime, timedelta

from adapters.memory.storage.locks import HeldLocks
from adapters.memory.storage.tables import Draft, LeaseRow
from application.ports.clock import Clock
from application.ports.storage.leases import Lease


class MemoryLeases:
    """A concurrent `acquire` waits for the first one's unit of work to end. `clock` is the database's."""

    def __init__(self, draft: Draft, locks: HeldLocks, clock: Clock) -> None:
        self._draft = draft
        self._locks = locks
        self._clock = clock

    async def acquire(self, name: str, lasts: timedelta) -> Lease | None:
        await self._locks.take(("lease", name))
        now, row = self._clock.now(), self._draft.leases.get(name)
        if row is not None and now < row.until <= now + lasts:
            return None
        mark = None if row is None or row.mark is None else min(row.mark, now)
        self._draft.leases[name] = LeaseRow(now + lasts, None if row is None else row.mark)
        return Lease(now, mark)

    async def extend(self, name: str, lasts: timedelta) -> None:
        await self._locks.take(("lease", name))
        if (row := self._draft.leases.get(name)) is not None:
            self._draft.leases[name] = replace(row, until=self._clock.now() + lasts)

    async def advance(self, name: str, to: datetime) -> None:
        await self._locks.take(("lease", name))
        if (row := self._draft.leases.get(name)) is not None:
            now = self._clock.now()
            marks = [min(moment, now) for moment in (row.mark, to) if moment is not None]
            self._draft.leases[name] = replace(row, mark=max(marks))
