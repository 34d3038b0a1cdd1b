"""The watermark of the engine's index, in memory."""

from datetime import datetime

from adapters.memory.storage.locks import HeldLocks
from adapters.memory.storage.tables import Draft
from application.ports.clock import Clock

EXECUTIONS = "executions"


class MemoryWatermarks:
    """A concurrent `advance` waits for the first one's unit of work to end."""

    def __init__(self, draft: Draft, locks: HeldLocks, clock: Clock) -> None:
        self._draft = draft
        self._locks = locks
        self._clock = clock

    async def now(self) -> datetime:
        return self._clock.now()

    async def get(self) -> datetime | None:
        return self._draft.watermarks.get(EXECUTIONS)

    async def advance(self, to: datetime) -> None:
        await self._locks.take(EXECUTIONS)
        now = self._clock.now()
        clamped = min(to, now)
        stored = self._draft.watermarks.get(EXECUTIONS, clamped)
        self._draft.watermarks[EXECUTIONS] = clamped if stored > now else max(clamped, stored)

    async def oldest_unfinished(self) -> datetime | None:
        rows = self._draft.operations.values()
        return min((row.accepted_at for row in rows if row.verification.due_at is not None), default=None)
