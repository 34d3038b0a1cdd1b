"""Row locks: held by one unit of work at a time, until it ends."""

import asyncio
from collections import defaultdict
from collections.abc import Hashable


class RowLocks:
    """All locks of a store."""

    def __init__(self) -> None:
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)

    def holder(self) -> "HeldLocks":
        """The locks of one unit of work, none yet."""
        return HeldLocks(self._locks)


class HeldLocks:
    """The locks that one unit of work holds."""

    def __init__(self, locks: defaultdict[Hashable, asyncio.Lock]) -> None:
        self._locks = locks
        self._held: set[Hashable] = set()

    async def take(self, key: Hashable) -> None:
        """Wait for the lock, as an UPDATE does."""
        if key not in self._held:
            await self._locks[key].acquire()
            self._held.add(key)

    def free(self, key: Hashable) -> bool:
        """Whether taking it would not wait: what SKIP LOCKED asks."""
        return key in self._held or not self._locks[key].locked()

    def release(self) -> None:
        """Let go of all."""
        for key in self._held:
            self._locks[key].release()
        self._held.clear()
