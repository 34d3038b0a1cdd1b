"""The watermark of the engine's index in memory."""

from datetime import datetime

from adapters.memory.locks import HeldLocks
from adapters.memory.tables import Draft

EXECUTIONS = "executions"


class MemoryWatermarks:
    """A concurrent advance waits for the first one's unit of work to end."""

    def __init__(self, draft: Draft, locks: HeldLocks) -> None:
        self._draft = draft
        self._locks = locks

    async def get(self) -> datetime | None:
        return self._draft.watermarks.get(EXECUTIONS)

    async def advance(self, to: datetime) -> None:
        await self._locks.take(EXECUTIONS)
        self._draft.watermarks[EXECUTIONS] = max(to, self._draft.watermarks.get(EXECUTIONS, to))

    async def oldest_unfinished(self) -> datetime | None:
        rows = self._draft.operations.values()
        return min((row.accepted_at for row in rows if row.verification.due_at is not None), default=None)
