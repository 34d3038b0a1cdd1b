"""The order of the changes that commits made."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class ChangeLog:
    """The number of the last commit that changed each operation, and of the one that wrote each history line."""

    commits: int = 0
    changed: dict[UUID, int] = field(default_factory=dict)
    written: dict[tuple[UUID, int], int] = field(default_factory=dict)
    waiting: set[asyncio.Future[None]] = field(default_factory=set)

    def note(self, operations: Iterable[UUID], lines: Iterable[tuple[UUID, int]]) -> None:
        """Stores what a commit has changed, and wakes the waiters."""
        changed, written = list(operations), list(lines)
        if not changed and not written:
            return
        self.commits += 1
        self.changed.update(dict.fromkeys(changed, self.commits))
        self.written.update(dict.fromkeys(written, self.commits))
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)
        self.waiting.clear()
