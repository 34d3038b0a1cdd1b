"""Idempotency keys, in memory."""

from collections.abc import Sequence
from datetime import datetime

from adapters.memory.storage.constraints import check_name
from adapters.memory.storage.locks import HeldLocks
from adapters.memory.storage.tables import Draft, KeyId
from application.ports.storage.idempotency_keys import IdempotencyRecord
from application.ports.storage.unit_of_work import DatabaseContended


class MemoryIdempotencyKeys:
    """A concurrent claim of the same key waits for the first one's unit of work to end."""

    def __init__(self, draft: Draft, locks: HeldLocks) -> None:
        self._draft = draft
        self._locks = locks

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        check_name(record.tenant)
        check_name(record.key)
        name = _id(record)
        await self._locks.take(name)
        holder = self._draft.keys.get(name)
        if holder is not None and holder.expires_at > now:
            return holder
        self._draft.keys[name] = record
        return record

    async def claim_all(
        self, records: Sequence[IdempotencyRecord], now: datetime, *, nowait: bool = False
    ) -> list[IdempotencyRecord]:
        if len({_id(record) for record in records}) < len(records):
            raise ValueError("two claims of one key")
        if nowait and not all(self._locks.free(_id(record)) for record in records):
            raise DatabaseContended("another request is claiming one of the keys")
        for record in sorted(records, key=_id):
            await self.claim(record, now)
        return [self._draft.keys[_id(record)] for record in records]

    async def release_all(self, records: Sequence[IdempotencyRecord]) -> None:
        for record in records:
            await self._locks.take(_id(record))
            self._draft.keys.pop(_id(record), None)

    async def purge(self, now: datetime, limit: int) -> int:
        expired = [
            (record.expires_at, name)
            for name, record in self._draft.keys.items()
            if record.expires_at <= now and self._locks.free(name)
        ]
        forgotten = [name for _, name in sorted(expired)[:limit]]
        for name in forgotten:
            await self._locks.take(name)
            del self._draft.keys[name]
        return len(forgotten)


def _id(record: IdempotencyRecord) -> KeyId:
    return record.tenant, record.key
