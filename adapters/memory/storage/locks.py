"""Row locks. A unit of work holds them until it ends."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Hashable


class RowLocks:
    """The locks of a store."""

    def __init__(self) -> None:
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: Counter[Hashable] = Counter()

    def holder(self) -> "HeldLocks":
        """Returns the locks of a new unit of work, which holds none."""
        return HeldLocks(self._locks, self._waiting)


class HeldLocks:
    """The locks that one unit of work holds."""

    def __init__(self, locks: defaultdict[Hashable, asyncio.Lock], waiting: Counter[Hashable]) -> None:
        self._locks = locks
        self._waiting = waiting
        self._held: set[Hashable] = set()

    async def take(self, key: Hashable) -> None:
        """Waits for the lock and takes it, as UPDATE does."""
        if key in self._held:
            return
        self._waiting[key] += 1
        try:
            await self._locks[key].acquire()
        finally:
            self._waiting[key] -= 1
        self._held.add(key)

    def free(self, key: Hashable) -> bool:
        """Returns whether `take` would not wait, as SKIP LOCKED checks.

        A released lock is not free while others wait for it: it is the next waiter's."""
        return key in self._held or not (self._locks[key].locked() or self._waiting[key])

    def release(self) -> None:
        """Releases all locks."""
        for key in self._held:
            self._locks[key].release()
        self._held.clear()
