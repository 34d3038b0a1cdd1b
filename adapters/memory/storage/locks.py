"""Row locks: held by one unit of work at a time, until it ends."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Hashable


class RowLocks:
    """All locks of a store."""

    def __init__(self) -> None:
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: Counter[Hashable] = Counter()

    def holder(self) -> "HeldLocks":
        """The locks of one unit of work, none yet."""
        return HeldLocks(self._locks, self._waiting)


class HeldLocks:
    """The locks that one unit of work holds."""

    def __init__(self, locks: defaultdict[Hashable, asyncio.Lock], waiting: Counter[Hashable]) -> None:
        self._locks = locks
        self._waiting = waiting
        self._held: set[Hashable] = set()

    async def take(self, key: Hashable) -> None:
        """Wait for the lock, as an UPDATE does."""
        if key in self._held:
            return
        self._waiting[key] += 1
        try:
            await self._locks[key].acquire()
        finally:
            self._waiting[key] -= 1
        self._held.add(key)

    def free(self, key: Hashable) -> bool:
        """Whether taking it would not wait: what SKIP LOCKED asks. One that was let go is not free while others wait
        for it: it is the next one's."""
        return key in self._held or not (self._locks[key].locked() or self._waiting[key])

    def release(self) -> None:
        """Let go of all."""
        for key in self._held:
            self._locks[key].release()
        self._held.clear()
