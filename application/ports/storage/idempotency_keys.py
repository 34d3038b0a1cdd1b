"""Port: stored idempotency keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The first request with a key, and the operation that it made."""

    tenant: str
    key: str
    request_hash: bytes
    operation_id: UUID
    expires_at: datetime


class IdempotencyKeys(Protocol):
    """Keys of all tenants. A key belongs to a tenant."""

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        """Stores the record and returns it, or returns the record that holds the key and has not expired at `now`.
        Of concurrent claims one wins, and the others wait for its commit."""

    async def claim_all(
        self, records: Sequence[IdempotencyRecord], now: datetime, *, nowait: bool = False
    ) -> list[IdempotencyRecord]:
        """Claims several keys, all different, in as many statements as one. Concurrent calls do not deadlock, whatever
        their order. `nowait`: raises DatabaseContended if other transactions hold a key for long."""

    async def release_all(self, records: Sequence[IdempotencyRecord]) -> None:
        """Frees keys that this unit of work has claimed. Others may claim them after its commit."""

    async def purge(self, now: datetime, limit: int) -> int:
        """Deletes up to `limit` keys that have expired at `now`. Returns how many."""
