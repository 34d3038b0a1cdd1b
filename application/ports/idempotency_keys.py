"""Port: which requests were seen before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The first request under a key, and what it made."""

    tenant: str
    key: str
    request_hash: bytes
    operation_id: UUID
    expires_at: datetime


class IdempotencyKeys(Protocol):
    """Keys by tenant."""

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        """Store the record and return it; or return the one that already holds the key and has not expired at `now`.
        Of concurrent claims one wins, and the others wait for its commit."""

    async def claim_all(
        self, records: Sequence[IdempotencyRecord], now: datetime, *, impatient: bool = False
    ) -> list[IdempotencyRecord]:
        """The same for several, no two of the same key, in as many statements as for one. Whatever their order, two
        calls at once do not wait for one another in a circle. `impatient`: raises DatabaseContended where others do not
        soon let go of a key."""

    async def purge(self, now: datetime, limit: int) -> int:
        """Forget up to `limit` keys that have expired at `now`; return how many."""
