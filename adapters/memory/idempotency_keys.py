"""Idempotency keys in memory."""

from datetime import datetime

from adapters.memory.locks import HeldLocks
from adapters.memory.tables import Draft
from application.ports.idempotency_keys import IdempotencyRecord


class MemoryIdempotencyKeys:
    """A concurrent claim of the same key waits for the first one's unit of work to end."""

    def __init__(self, draft: Draft, locks: HeldLocks) -> None:
        self._draft = draft
        self._locks = locks

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        name = (record.tenant, record.key)
        await self._locks.take(name)
        holder = self._draft.keys.get(name)
        if holder is not None and holder.expires_at > now:
            return holder
        self._draft.keys[name] = record
        return record
