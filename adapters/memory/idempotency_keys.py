"""Idempotency keys in memory."""

from datetime import datetime

from adapters.memory.constraints import check_name
from adapters.memory.locks import HeldLocks
from adapters.memory.tables import Draft
from application.ports.idempotency_keys import IdempotencyRecord


class MemoryIdempotencyKeys:
    """A concurrent claim of the same key waits for the first one's unit of work to end."""

    def __init__(self, draft: Draft, locks: HeldLocks) -> None:
        self._draft = draft
        self._locks = locks

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        check_name(record.tenant)
        check_name(record.key)
        name = (record.tenant, record.key)
        await self._locks.take(name)
        holder = self._draft.keys.get(name)
        if holder is not None and holder.expires_at > now:
            return holder
        self._draft.keys[name] = record
        return record

    async def purge(self, now: datetime, limit: int) -> int:
        expired = [
            (record.expires_at, name)
            for name, record in self._draft.keys.items()
            if record.expires_at <= now and name not in self._draft.forgotten and self._locks.free(name)
        ]
        forgotten = [name for _, name in sorted(expired)[:limit]]
        for name in forgotten:
            await self._locks.take(name)
            self._draft.forgotten.add(name)
        return len(forgotten)
